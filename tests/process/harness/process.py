# SPDX-License-Identifier: BSD-3-Clause
"""One program that a test started, its log, and the keeper of them all.

A keeper has a directory and the programs that live in it. Closing it stops
them by pid and says what was wrong: a program that died, one that had to be
killed, one that left a child behind, a sanitizer's report, or a line in a log
that no test allowed.
"""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from .wait import scaled, wait_for

# What no log may have, unless the test said that it expects it.
BAD = re.compile(
    r"\berror\b|\bfatal\b|assert|abort|Sanitizer|runtime error:"
    r"|segfault|Segmentation|double free|corrupted|stack smashing|panic",
    re.IGNORECASE)
REPORT = re.compile(r"Sanitizer|runtime error:")

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1

# All keepers that are open, for the report of a failure.
keepers = []


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port(host="127.0.0.1"):
    """A port that is free for UDP and TCP at the moment."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind((host, 0))
            port = tcp.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind((host, port))
                except OSError:
                    continue
                return port
    raise AssertionError(f"no free port on {host}")


class Process:
    """A program with its output in a file."""

    def __init__(self, keeper, name, argv, env=None):
        self.keeper = keeper
        self.name = name
        self.argv = [str(a) for a in argv]
        self.env = dict(os.environ, LC_ALL="C", **(env or {}))
        self.log_path = os.path.join(keeper.path, name + ".log")
        self.popen = None
        self.allowed = []
        self.checked = 0        # bytes of the log that were looked at
        self.groups = []        # process groups of all starts, and since when
        keeper.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def start(self):
        assert not self.alive(), f"{self.name} runs already"
        with open(self.log_path, "ab") as log:
            self._popen(log)
        return self

    def _popen(self, output):
        self.popen = subprocess.Popen(
            self.argv, env=self.env, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, cwd=self.keeper.path,
            start_new_session=True, preexec_fn=_die_with_parent)
        self.groups.append((self.popen.pid, _started(self.popen.pid)))

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def wait_exit(self, timeout_s=10):
        """Returns the exit status; negative for a signal."""
        wait_for(lambda: not self.alive(), f"the end of {self.name}",
                 timeout_s)
        return self.popen.returncode

    def send(self, number):
        os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, timeout_s=10):
        """Stops it and returns the exit status."""
        self.send(number)
        status = self.wait_exit(timeout_s)
        self.popen = None
        return status

    def kill(self):
        """As a crash would: no warning, nothing tidied."""
        self.stop(signal.SIGKILL)
        # Helpers of the program (nsd has some) go with it.
        for group in self.groups:
            if _group_alive(group):
                os.killpg(group[0], signal.SIGKILL)

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8",
                      errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, timeout_s=10, since=0):
        return wait_for(lambda: re.search(pattern, self.log()[since:]),
                        f"{pattern!r} in the log of {self.name}", timeout_s)

    def allow(self, *patterns):
        """These lines are what the test wants to see."""
        self.allowed += [re.compile(p) for p in patterns]

    def problems(self):
        """What the log has that it should not, since the last call."""
        try:
            with open(self.log_path, "rb") as file:
                file.seek(self.checked)
                new = file.read()
        except FileNotFoundError:
            return []
        self.checked += len(new)
        return [f"{self.name}: {line}"
                for line in new.decode("utf-8", "replace").splitlines()
                if BAD.search(line)
                and not any(p.search(line) for p in self.allowed)]


def _started(pid):
    """When that process began; None: there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8",
                  errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return None


def _group_alive(group):
    """Does any process of the group run? Zombies don't count: whose parent
    died wait for whoever is process 1, and not every container has one that
    cares. A leader that began at another time is somebody else's: numbers
    come again."""
    number, since = group
    if _started(number) not in (None, since):
        return False
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8",
                      errors="replace") as file:
                # After the name in parentheses: state, parent, group.
                state, _, pgrp = file.read().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(pgrp) == number and state not in "ZX":
            return True
    return False


class Keeper:
    """A directory and the programs in it; use it in a with statement."""

    def __init__(self, name):
        # Short: the path of a Unix socket has 107 bytes.
        self.path = tempfile.mkdtemp(prefix="c25-")
        self.name = name
        self.processes = []
        self.closers = []
        keepers.append(self)

    def sub(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def problems(self):
        """New problems of what still runs."""
        found = []
        for process in self.processes:
            found += process.problems()
            if process.popen is not None and not process.alive():
                found.append(f"{process.name} ended by itself, status "
                             f"{process.popen.returncode}")
                process.popen = None
        return found

    def stop_all(self):
        """Stops everything; returns the problems."""
        found = self.problems()
        for process in reversed(self.processes):
            found += self._stop_one(process)
        for closer in reversed(self.closers):
            closer()
        self.closers.clear()
        return found + self.problems()

    @staticmethod
    def _stop_one(process):
        found = []
        if process.alive():
            process.send(signal.SIGTERM)
            try:
                status = process.wait_exit(10)
                if status not in (0, -signal.SIGTERM):
                    found.append(f"{process.name}: status {status} after "
                                 "SIGTERM")
            except AssertionError:
                found.append(f"{process.name} ignores SIGTERM: killed")
                process.send(signal.SIGABRT)
                process.popen.wait(scaled(10))
        process.popen = None
        for group in process.groups:
            try:
                wait_for(lambda g=group: not _group_alive(g), "", 2)
            except AssertionError:
                found.append(f"{process.name} left a child behind")
                os.killpg(group[0], signal.SIGKILL)
        process.groups.clear()
        return found

    def close(self):
        found = self.stop_all()
        keepers.remove(self)
        if not os.environ.get("CONN25_TEST_KEEP"):
            shutil.rmtree(self.path, ignore_errors=True)
        return found

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        found = self.close()
        if kind is None:
            assert not found, "\n".join(found)


def logs(tail_lines=120):
    """(title, text) of each log of each open keeper."""
    for keeper in keepers:
        for process in keeper.processes:
            lines = process.log().splitlines()[-tail_lines:]
            state = "runs" if process.alive() else "ended"
            yield (f"log of {process.name} in {keeper.name} ({state})",
                   "\n".join(lines))
