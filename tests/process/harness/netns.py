# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces, and the wires between them.

A namespace lives as long as a process that does nothing else, so that nothing
of it is left behind whatever happens to the tests. What is started, and which
sockets are made, inside

    with namespace.enter():

is in that namespace; where a socket was made it stays.
"""

import contextlib
import ctypes
import os
import signal
import subprocess

from .wait import scaled, wait_for

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why there can be no namespaces here; None: there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    run = subprocess.run(["unshare", "--net", "true"], check=False,
                         capture_output=True, text=True)
    return run.stderr.strip() or None if run.returncode else None


def why_no_tunnel():
    """Why there can be no interface for a program that makes a tunnel."""
    run = subprocess.run(
        ["unshare", "--net", "ip", "tuntap", "add", "probe", "mode", "tun"],
        check=False, capture_output=True, text=True)
    return "tun: " + run.stderr.strip() if run.returncode else None


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def leave():
    """To a namespace without anything, for the calling thread and what it
    starts."""
    if _libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


class Namespace:
    def __init__(self, name):
        self.name = name
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent)
        self.holder.stdout.readline()
        self.descriptor = os.open(f"/proc/{self.holder.pid}/ns/net",
                                  os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link set lo up")
        # An address works at once, and there is no one to ask for a prefix.
        self.sysctl("ipv6/conf/default/accept_dad", 0)
        self.sysctl("ipv6/conf/default/accept_ra", 0)

    def close(self):
        os.close(self.descriptor)
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    @contextlib.contextmanager
    def enter(self):
        """For the calling thread, and the programs that it starts."""
        before = os.open("/proc/thread-self/ns/net",
                         os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self.descriptor)
            try:
                yield self
            finally:
                _setns(before)
        finally:
            os.close(before)

    def run(self, *argv, check=True):
        """Runs a program to its end; returns what it prints."""
        with self.enter():
            run = subprocess.run(argv, text=True, capture_output=True,
                                 check=False, timeout=scaled(60))
        assert not check or run.returncode == 0, \
            f"{self.name}: {' '.join(argv)}: {run.stdout}{run.stderr}"
        return run.stdout

    def ip(self, *commands):
        """Each command is the rest of a line that begins with ip."""
        for command in commands:
            self.run("ip", *command.split())

    def nft(self, *words, **options):
        return self.run("nft", *words, **options)

    def sysctl(self, name, value):
        with self.enter(), open(f"/proc/sys/net/{name}", "w",
                                encoding="ascii") as file:
            file.write(str(value))

    def forwards(self):
        self.sysctl("ipv4/ip_forward", 1)
        self.sysctl("ipv6/conf/all/forwarding", 1)

    def address(self, interface, *addresses):
        self.ip(*(f"addr add {a} dev {interface}"
                  + (" nodad" if ":" in a else "") for a in addresses),
                f"link set {interface} up")


def wire(one, name, other, other_name, mtu=1500):
    """A cable with a plug in each of two namespaces."""
    one.ip(f"link add {name} mtu {mtu} type veth peer name {other_name}"
           f" mtu {mtu} netns {other.holder.pid}")
    other.ip(f"link set {other_name} up")
    one.ip(f"link set {name} up")


class Switch:
    """Something with many sockets for plugs, in a namespace of its own."""

    def __init__(self, name):
        self.namespace = Namespace(name)
        self.namespace.ip("link add bridge type bridge",
                          "link set bridge up")
        self.count = 0

    def plug(self, namespace, interface):
        port = f"port{self.count}"
        self.count += 1
        wire(namespace, interface, self.namespace, port)
        self.namespace.ip(f"link set {port} master bridge")

    def close(self):
        self.namespace.close()


def wait_neighbour(namespace, address):
    """Until packets to an address on the same wire arrive."""
    wait_for(lambda: namespace.run("ping", "-c1", "-W1", address,
                                   check=False).find(" 0% packet") > 0,
             f"{address} to answer {namespace.name}")
