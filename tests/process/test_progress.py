# SPDX-License-Identifier: BSD-3-Clause
"""Long work at the start: on a terminal a line says how far it is, a service
manager gets a status and is asked for time, and nobody else hears of it.
CONN25_TEST_FULL=1 loads millions of elements."""

import contextlib
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import netns
from harness.conn25 import (Conn25d, client_config, codes, connector_config,
                            entry, post_entries)
from harness.process import Process, free_port
from harness.wait import scaled, wait_for

ROWS = 30000
REWIND = "\r\x1b[K"
LINE = re.compile(r"\r\x1b\[Kconn25d: ([^\r\n]*)")


class OnTerminal(Process):
    """A program whose output goes to a terminal, and from there to its log."""

    def start(self):
        assert not self.alive(), f"{self.name} runs already"
        main, other = pty.openpty()
        self._popen(other)
        os.close(other)
        threading.Thread(target=self._copy, args=(main,),
                         daemon=True).start()
        return self

    def _copy(self, main):
        with open(self.log_path, "ab", buffering=0) as log:
            # The terminal ends with the last who has it open.
            with contextlib.suppress(OSError):
                while piece := os.read(main, 4096):
                    log.write(piece)
        os.close(main)

    def raw(self):
        with open(self.log_path, encoding="utf-8", newline="") as file:
            return file.read()

    def lines(self):
        """What was said of the work, in the order of its coming."""
        return LINE.findall(self.raw())


def on_terminal(daemon):
    daemon.keeper.processes.remove(daemon.process)
    daemon.process = OnTerminal(daemon.keeper, daemon.name,
                                daemon.process.argv)
    return daemon


@contextlib.contextmanager
def slowly(process):
    """Lets it have a small part of the time, as a slow machine would."""
    done = threading.Event()

    def brake():
        while not done.wait(0.002):
            if process.alive():
                process.send(signal.SIGSTOP)
                done.wait(0.15)
                process.send(signal.SIGCONT)
    thread = threading.Thread(target=brake)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def started_slowly(daemon):
    with slowly(daemon.process):
        daemon.start(wait=False)
        daemon.process.wait_log("(assignments|mappings): .*restored", 60)
    daemon.process.wait_log("running:", 60)


def fill(daemon, statement, rows):
    """Rows for the database that it made."""
    daemon.start()
    daemon.stop()
    database = sqlite3.connect(
        os.path.join(daemon.config["stateDir"], "conn25.db"))
    with database:
        database.executemany(statement, rows)
    database.close()
    # As after a reboot.
    shutil.rmtree(daemon.run_dir)
    os.remove(daemon.process.log_path)


def address(first, n):
    return (int.from_bytes(socket.inet_aton(first), "big") +
            n).to_bytes(4, "big")


def client_with(keeper, count):
    """A client with so many assignments in its database."""
    config = client_config(1, table={"maxAssignments": 2 * ROWS})
    config["pools"] = {"v4MagicIPPool": ["100.64.0.0/16"],
                       "v4TransitIPPool": ["172.16.0.0/16"]}
    daemon = Conn25d(keeper, "client", config)
    daemon.process.allow("can't connect")

    def row(n):
        label = f"n{n}".encode()
        name = bytes([len(label)]) + label + b"\4bulk\7example\0"
        return (address("100.64.0.0", n), name, address("10.0.0.0", n),
                address("172.16.0.0", n), "bulk", "office-1", 300, 0, n + 1)
    fill(daemon, "INSERT INTO assignment VALUES (?,?,?,?,?,?,?,?,?)",
         (row(n) for n in range(count)))
    return daemon


class Manager:
    """The socket that systemd has for Type=notify."""

    def __init__(self, keeper):
        self.path = os.path.join(keeper.path, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        keeper.closers.append(self.socket.close)
        self.socket.bind(self.path)
        self.socket.settimeout(scaled(60))

    def told(self):
        """All until it is ready."""
        states = []
        while states[-1:] != ["READY=1"]:
            states.append(self.socket.recv(4096).decode())
        return states


# ---- restoring --------------------------------------------------------------

def counts(lines, what):
    """How far the work was each time."""
    pattern = re.compile(rf"{what}: (\d+) of (\d+) \((\d+) %\)")
    found = [[int(n) for n in match.groups()]
             for match in map(pattern.fullmatch, lines) if match]
    for done, total, percent in found:
        assert done <= total and percent == 100 * done // total
    return found


def test_restoring_shows_on_a_terminal(keeper):
    rows = 2 * ROWS
    daemon = on_terminal(client_with(keeper, rows))
    started_slowly(daemon)
    found = counts(daemon.process.lines(), "restoring assignments")
    assert len(found) > 1
    assert {total for _, total, _ in found} == {rows}
    assert found == sorted(found) and found[-1][0] > found[0][0]
    # Written over by the first message after it, and gone then.
    before, _, after = daemon.process.raw().partition(
        f"assignments: {rows} restored")
    assert re.search(r"\r\x1b\[K\[[\d.]+\] conn25d: $", before)
    assert REWIND not in after
    daemon.stop()


def test_restoring_mappings_shows_on_a_terminal(keeper):
    daemon = Conn25d(keeper, "connector",
                     connector_config(free_port("127.0.0.2")))
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000
    fill(daemon, "INSERT INTO mapping VALUES (?,?,?,?,?,?)",
         (("edge-1", address("172.16.0.0", n), address("10.0.0.0", n),
           "wiki", 2, now) for n in range(8 * ROWS)))
    on_terminal(daemon)
    started_slowly(daemon)
    assert counts(daemon.process.lines(), "restoring mappings")
    daemon.stop()


def test_restoring_few_shows_nothing(keeper):
    daemon = on_terminal(client_with(keeper, 100))
    daemon.start()
    daemon.process.wait_log("assignments: 100 restored")
    assert "restoring" not in daemon.process.raw()
    assert "\x1b" not in daemon.process.raw()
    daemon.stop()


def test_restoring_is_not_in_a_file_or_pipe(keeper):
    daemon = client_with(keeper, ROWS)
    started_slowly(daemon)
    log = daemon.process.log()
    assert f"assignments: {ROWS} restored" in log
    assert "restoring" not in log
    assert "\x1b" not in log and "\r" not in log
    daemon.stop()


def test_restoring_tells_the_service_manager(keeper):
    """Also when it has given us a terminal: nothing is shown there then."""
    daemon = on_terminal(client_with(keeper, ROWS))
    manager = Manager(keeper)
    daemon.process.env["NOTIFY_SOCKET"] = manager.path
    started_slowly(daemon)
    states = manager.told()
    assert "READY=1" not in states[:-1]
    lines = [state.removeprefix("STATUS=").partition("\n")[0]
             for state in states if "EXTEND_TIMEOUT_USEC=60000000" in state]
    assert counts(lines, "restoring assignments")
    # And nothing of it is left behind.
    assert states[-2:] == ["STATUS=", "READY=1"]
    assert "restoring" not in daemon.process.raw()
    daemon.stop()


def test_nobody_is_told_of_a_quick_start(keeper):
    daemon = client_with(keeper, 100)
    manager = Manager(keeper)
    daemon.process.env["NOTIFY_SOCKET"] = manager.path
    daemon.start()
    assert manager.told() == ["READY=1"]
    daemon.stop()


# ---- the kernel -------------------------------------------------------------

LOADING = "loading elements into the kernel"


def datapath_with(keeper, count):
    """A connector in a namespace of its own with so many elements: 16 of a
    mapping, as its peer has 16 addresses."""
    reason = netns.why_not()
    if reason is not None:
        pytest.skip(reason)
    config = connector_config(8025, datapath={
        "nftables": True, "overlay": "lo"})
    config["peers"] = [{"name": "edge-1", "apps": ["wiki"], "addresses": [
        f"127.0.1.{n}" for n in range(16)]}]
    daemon = Conn25d(keeper, "connector", config)
    space = netns.Namespace("many")
    keeper.closers.append(space.close)
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000
    with space.enter():
        fill(daemon, "INSERT INTO mapping VALUES (?,?,?,?,?,?)",
             (("edge-1", address("172.16.0.0", n), address("10.0.0.0", n),
               "wiki", 2, now) for n in range(count // 16)))
    return daemon, space


@pytest.mark.skipif(not shutil.which("nft"), reason="no nft")
def test_loading_many_elements_shows_on_a_terminal(keeper):
    many = 1 << 17
    daemon, space = datapath_with(keeper, many)
    with space.enter():
        on_terminal(daemon).start()
    daemon.process.wait_log(f"with {many} elements", 60)
    assert [line for line in daemon.process.lines()
            if line.startswith(LOADING)] == [f"{LOADING}: {many} in all"]
    assert daemon.process.raw().rindex(REWIND) < \
        daemon.process.raw().index(f"with {many} elements")
    daemon.stop()


@pytest.mark.skipif(not shutil.which("nft"), reason="no nft")
def test_loading_few_elements_shows_nothing(keeper):
    daemon, space = datapath_with(keeper, 1600)
    with space.enter():
        on_terminal(daemon).start()
    daemon.process.wait_log("with 1600 elements")
    assert "\x1b" not in daemon.process.raw()
    daemon.stop()


@pytest.mark.skipif(not shutil.which("nft"), reason="no nft")
def test_loading_many_elements_is_not_in_a_pipe_but_the_manager_knows(keeper):
    daemon, space = datapath_with(keeper, 1 << 17)
    manager = Manager(keeper)
    daemon.process.env["NOTIFY_SOCKET"] = manager.path
    with space.enter():
        daemon.start()
    assert any(state.startswith(f"STATUS={LOADING}: {1 << 17} in all")
               for state in manager.told())
    assert LOADING not in daemon.process.log()
    assert "\x1b" not in daemon.process.log()
    daemon.stop()


@pytest.mark.skipif(not os.environ.get("CONN25_TEST_FULL"),
                    reason="CONN25_TEST_FULL=1: a gigabyte of elements")
def test_a_request_while_millions_are_loaded_waits_for_its_own(keeper):
    """More than go in at once; both what is new and what waits already."""
    daemon, space = datapath_with(keeper, 3 << 20)
    on_terminal(daemon)
    with space.enter():
        daemon.start(wait=False)
        daemon.process.wait_log("running:", 120)
        mine = ["172.31.0.1", socket.inet_ntoa(address(
            "172.16.0.0", (3 << 20) // 16 - 1))]
        begin = time.monotonic()
        assert codes(post_entries(
            8025, *(entry(transit, "10.1.2.3") for transit in mine),
            source="127.0.1.1")) == [0, 0]
        took = time.monotonic() - begin
    pending = daemon.stat("datapath.pending")
    print(f"answered after {took * 1000:.0f} ms, {pending:.0f} pending")
    assert pending > 0
    wait_for(lambda: daemon.stat("datapath.pending") == 0, "the rest", 120)
    found = counts(daemon.process.lines(), LOADING)
    assert found == sorted(found) and found[-1][0] > 1 << 20
    daemon.stop()


@pytest.mark.skipif(not os.environ.get("CONN25_TEST_FULL"),
                    reason="CONN25_TEST_FULL=1: a gigabyte of elements")
def test_a_request_after_a_repair_of_millions_waits_for_its_own(keeper):
    """One that comes when somebody has just taken the table away, and one
    that comes when it is made anew and the rest is loaded."""
    daemon, space = datapath_with(keeper, 3 << 20)
    daemon.process.allow("made anew|making it anew")

    def ask(transit):
        with space.enter():
            assert codes(post_entries(8025, entry(transit, "10.1.2.3"),
                                      source="127.0.1.1")) == [0]

    def settled():
        return daemon.stat("datapath.pending") == 0
    with space.enter():
        daemon.start()
    wait_for(settled, "all to be loaded", 120)
    daemon.process.send(signal.SIGSTOP)
    with ThreadPoolExecutor() as pool:
        try:
            space.nft("delete", "table", "inet", "conn25")
            early = pool.submit(ask, "172.31.0.1")
            with space.enter():
                wait_for(lambda: unread(8025), "the request to be there")
        finally:
            daemon.process.send(signal.SIGCONT)
        early.result()
    daemon.process.wait_log("made anew, with", 120)
    ask("172.31.0.2")
    pending = daemon.stat("datapath.pending")
    print(f"{pending:.0f} pending when the second was answered")
    assert pending > 0
    wait_for(settled, "all to be loaded again", 120)
    assert daemon.stat("datapath.repairs") == 1
    daemon.stop()


def unread(port):
    """Has a connection to this port something that wasn't read yet?"""
    with open("/proc/thread-self/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "01" and
               not row[4].endswith(":00000000") for row in rows)
