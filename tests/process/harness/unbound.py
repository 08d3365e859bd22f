# SPDX-License-Identifier: BSD-3-Clause
"""Unbound as one of our processes, with our module or without."""

import functools
import os
import re
import subprocess

from .process import Process, free_port
from .wait import wait_for

BUILD = os.path.abspath(os.environ["BUILD"])
PREFIX = os.path.abspath(os.environ["UNBOUND"])
MODULE = os.path.join(BUILD, "conn25.so")


@functools.lru_cache
def _printed_version():
    return subprocess.run([f"{PREFIX}/sbin/unbound", "-V"], text=True,
                          check=True, capture_output=True).stdout


def version():
    """As (1, 17, 1)."""
    return tuple(map(int, re.search(r"Version ([0-9.]+)",
                                    _printed_version())[1].split(".")))


def linked_modules():
    """The names that module-config may have."""
    return set(re.search(r"Linked modules: (.*)",
                         _printed_version())[1].split())


@functools.lru_cache
def sanitizer_env(module=MODULE, binary=f"{PREFIX}/sbin/unbound"):
    """What an Unbound without a sanitizer needs to load a module with one.

    The sanitizer's library has to come first, so it is preloaded."""
    def needs(path):
        return subprocess.run(["ldd", path], text=True, check=False,
                              capture_output=True).stdout
    wanted = re.findall(r"=> (\S*lib(?:asan|tsan|ubsan)\S*)", needs(module))
    present = needs(binary)
    preload = [lib for lib in wanted if os.path.basename(lib) not in present]
    if not preload:
        return {}
    # Unbound's own leaks and races are not what is tested.
    return {"LD_PRELOAD": ":".join(preload),
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "TSAN_OPTIONS": "ignore_noninstrumented_modules=1"}


class Unbound:
    def __init__(self, keeper, upstream, zones, name="unbound",
                 run_dir="/nonexistent", module="dynlib validator iterator",
                 threads=2, anchors=(), extra="", more="",
                 binary=f"{PREFIX}/sbin/unbound", library=MODULE,
                 stub_hosts=None):
        self.keeper = keeper
        self.name = name
        self.dir = keeper.sub(name)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.conf = os.path.join(self.dir, "unbound.conf")
        self.upstream = upstream
        self.zones = list(zones)
        self.module = module
        self.library = library
        self.threads = threads
        self.anchors = anchors
        self.extra = extra      # lines of the server: section
        self.more = more        # other sections
        self.stub_hosts = stub_hosts or {}      # zone -> host@port
        self.write_conf()
        env = {"CONN25_RUN_DIR": run_dir}
        if "dynlib" in module:
            env.update(sanitizer_env())
        self.process = Process(keeper, name, [binary, "-d", "-c", self.conf],
                               env)

    def write_conf(self):
        text = f"""\
server:
	directory: "{self.dir}"
	chroot: ""
	username: ""
	pidfile: "{self.dir}/unbound.pid"
	do-daemonize: no
	use-syslog: no
	logfile: ""
	verbosity: 1
	num-threads: {self.threads}
	interface: 127.0.0.1
	port: {self.port}
	access-control: 127.0.0.0/8 allow
	do-not-query-localhost: no
	module-config: "{self.module}"
	rrset-roundrobin: no
	incoming-num-tcp: 64
	outgoing-num-tcp: 32
	num-queries-per-thread: 2048
	outgoing-range: 4096
	so-rcvbuf: 0
	discard-timeout: 0
	infra-cache-min-rtt: 1000
	local-zone: "64.100.in-addr.arpa." nodefault
	local-zone: "d.f.ip6.arpa." nodefault
	do-ip6: no
"""
        text += "".join(f"\ttrust-anchor: \"{anchor}\"\n"
                        for anchor in self.anchors)
        if self.extra:
            text += "".join(f"\t{line.strip()}\n"
                            for line in self.extra.strip().splitlines())
        if "dynlib" in self.module:
            text += f"dynlib:\n\tdynlib-file: \"{self.library}\"\n"
        text += f"""\
remote-control:
	control-enable: yes
	control-interface: "{self.dir}/control.sock"
	control-use-cert: no
"""
        for zone in self.zones:
            where = f"stub-addr: 127.0.0.1@{self.upstream[1]}"
            if zone in self.stub_hosts:
                where = f"stub-host: {self.stub_hosts[zone]}"
            text += f"stub-zone:\n\tname: \"{zone}\"\n\t{where}\n"
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(text + self.more)

    def start(self, wait=True):
        before = len(self.process.log())
        self.process.start()
        if wait:
            wait_for(lambda: not self.process.alive() or re.search(
                "start of service", self.process.log()[before:]),
                f"{self.name} to start")
            assert self.process.alive(), f"{self.name} did not start"
        return self

    def refuses(self, *words):
        """Starts it, and it must end by itself with one line of ours that
        has all these words."""
        self.process.allow(".")
        self.start(wait=False)
        status = self.process.wait_exit()
        self.process.popen = None
        log = self.process.log()
        assert status > 0, f"status {status}: {log}"
        lines = [line for line in log.splitlines() if "conn25:" in line]
        assert len(lines) == 1, log
        for word in words:
            assert word in lines[0], lines[0]

    def stop(self):
        status = self.process.stop()
        assert status == 0, f"{self.name} ended with status {status}"

    def control(self, *words, stdin=""):
        """Runs unbound-control; returns what it prints."""
        run = subprocess.run(
            [f"{PREFIX}/sbin/unbound-control", "-c", self.conf, *words],
            text=True, input=stdin, capture_output=True, check=False,
            timeout=60)
        assert run.returncode == 0, \
            f"unbound-control {' '.join(words)}: {run.stdout}{run.stderr}"
        return run.stdout

    def stats(self):
        return {name: float(value) for name, _, value in
                (line.partition("=") for line in
                 self.control("stats_noreset").splitlines())}

    def verbs(self):
        """What unbound-control can be told."""
        return set(re.findall(r"^  (\w+)", subprocess.run(
            [f"{PREFIX}/sbin/unbound-control", "-h"], text=True,
            capture_output=True, check=False).stdout, re.MULTILINE))

    def reload(self, verb="reload"):
        """Returns when the new configuration is served."""
        self.control(verb)
        wait_for(self._answers_control, f"{self.name} after a reload")

    def _answers_control(self):
        return subprocess.run(
            [f"{PREFIX}/sbin/unbound-control", "-c", self.conf, "status"],
            capture_output=True, check=False, timeout=60).returncode == 0
