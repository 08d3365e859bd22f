# SPDX-License-Identifier: BSD-3-Clause
"""What is broken from outside gets one clear message that names the thing and
what to do; nothing crashes, and an existing table is not damaged."""

import hashlib
import os
import random
import re
import shutil
import socket
import stat
import struct
import subprocess

import dns.rcode
import pytest

from harness.ask import addresses, exchange, query
from harness.conn25 import (CHECKCONF, CONN25D, Conn25d,
                            as_of_another_version, client_config,
                            connector_config)
from harness.process import Process
from harness.seed import SEED
from harness.unbound import PREFIX
from harness.wait import holds_for, scaled, wait_for


def refused(process, *patterns, lines=2):
    """The program ends with a status of its own and one clear message."""
    process.allow(".")      # whatever it says is judged here
    process.start()
    status = process.wait_exit()
    process.popen = None
    log = process.log()
    assert status > 0, f"status {status}: {log}"
    for pattern in patterns:
        assert re.search(pattern, log), f"no {pattern!r} in:\n{log}"
    assert len(log.splitlines()) <= lines, f"more than one message:\n{log}"


def digest(path):
    result = hashlib.blake2b()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            result.update(piece)
    return result.hexdigest()


# ---- configuration ----------------------------------------------------------

@pytest.mark.parametrize("text, patterns", [
    ("{", [r"conn25\.json:1:\d+: "]),
    ("", [r"conn25\.json"]),
    ('{\n  "apps": [],\n  "pools": {"v4MagicIPPool": ["100.64.0.0/33"]}\n}',
     [r"conn25\.json:3:\d+: .*100\.64\.0\.0/33"]),
    ('{\n  "nonsense": 1\n}', [r"conn25\.json:2:\d+: .*nonsense"]),
])
def test_broken_configuration(keeper, text, patterns):
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    with open(daemon.conf, "w", encoding="ascii") as file:
        file.write(text)
    refused(daemon.process, *patterns, lines=6)
    assert not os.path.exists(os.path.join(daemon.run_dir, "table"))


def test_missing_configuration(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    os.unlink(daemon.conf)
    refused(daemon.process, r"conn25\.json.*No such file")


def test_configuration_that_is_a_directory(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    os.unlink(daemon.conf)
    os.mkdir(daemon.conf)
    refused(daemon.process, r"conn25\.json")


def test_unreadable_configuration(keeper):
    """As an ordinary user, as root may read everything."""
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    argv = [CONN25D, "-c", daemon.conf]
    os.chmod(daemon.conf, 0)
    if os.geteuid() == 0:
        os.chmod(keeper.path, 0o755)
        copy = shutil.copy(CONN25D, os.path.join(keeper.path, "copy"))
        argv = ["setpriv", "--reuid=65534", "--regid=65534",
                "--clear-groups", copy, "-c", daemon.conf]
    refused(Process(keeper, "nobody", argv),
            r"conn25\.json.*Permission denied")


def test_unknown_option_and_help(keeper):
    for argv, status in (["-x"], 1), (["-c"], 1), (["-h"], 0):
        run = subprocess.run([CONN25D, *argv], text=True, check=False,
                             capture_output=True, timeout=scaled(20))
        assert (run.returncode != 0) == (status != 0), run
        assert "-c" in run.stdout + run.stderr


# ---- run directory, ports ---------------------------------------------------

def test_run_dir_is_made_and_its_files_are_not_for_everybody(keeper):
    run_dir = os.path.join(keeper.path, "made")
    daemon = Conn25d(keeper, "conn25d", client_config(1), run_dir=run_dir)
    daemon.start()
    for name in ("table", "control.sock", "doorbell.sock"):
        mode = stat.S_IMODE(os.stat(os.path.join(run_dir, name)).st_mode)
        assert mode == 0o660, f"{name}: {mode:o}"
    assert not stat.S_IMODE(os.stat(run_dir).st_mode) & 0o007


def test_run_dir_that_cannot_be_made(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1),
                     run_dir=os.path.join(keeper.path, "no", "such"))
    refused(daemon.process, r"no/such.*No such file")


def test_run_dir_that_is_a_file(keeper):
    path = keeper.write("file", "x")
    daemon = Conn25d(keeper, "conn25d", client_config(1), run_dir=path)
    refused(daemon.process, r"/file")
    with open(path, encoding="ascii") as file:
        assert file.read() == "x"


def test_unknown_group(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(
        1, group="no-such-group"))
    if os.geteuid() != 0:
        pytest.skip("only root changes groups")
    refused(daemon.process, "no-such-group: no such group")
    checked = subprocess.run([CHECKCONF, daemon.conf], text=True, check=False,
                             capture_output=True, timeout=scaled(10))
    assert checked.returncode == 1
    assert "error: group no-such-group: no such group" in checked.stderr
    assert checked.stderr.count("no-such-group: ") == 1, checked.stderr


def test_port_in_use(keeper):
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = Conn25d(keeper, "conn25d", connector_config(port))
        refused(daemon.process, rf"127\.0\.0\.2:{port}.*in use")


def test_address_that_is_not_ours(keeper):
    config = connector_config(1)
    config["listen"]["transitIP"] = "http://192.0.2.1:8025"
    daemon = Conn25d(keeper, "conn25d", config)
    refused(daemon.process, r"192\.0\.2\.1")


def test_start_that_fails_leaves_the_policy(fresh):
    """Unbound gives no real address away, whatever conn25d is waiting for."""
    world = fresh(start=("connector",))
    good = dict(world.client.config)
    world.client.configure(dict(
        good, listen={"transitIP": "http://192.0.2.1:8025"}))
    refused(world.client.process, r"192\.0\.2\.1", lines=5)
    assert os.path.exists(os.path.join(world.client.run_dir, "policy.1"))
    world.unbound.start()
    reply = world.ask_safely("wiki.corp.example")
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert addresses(world.ask("host.plain.example"))
    world.client.process.popen = None
    world.client.configure(good)
    world.client.start()
    world.wait_attached()
    world.wait_mapped()


class Manager:
    """The socket that systemd has for Type=notify."""

    def __init__(self, keeper, abstract):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        keeper.closers.append(self.socket.close)
        path = os.path.join(keeper.path, "notify")
        self.socket.bind("\0" + path if abstract else path)
        self.name = "@" + path if abstract else path
        self.socket.settimeout(scaled(10))

    def told(self):
        return self.socket.recv(4096).decode()


@pytest.mark.parametrize("abstract", [False, True])
def test_service_manager_is_told(keeper, abstract):
    manager = Manager(keeper, abstract)
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    daemon.process.env["NOTIFY_SOCKET"] = manager.name
    daemon.start(wait=False)
    assert manager.told() == "READY=1"
    assert os.path.exists(os.path.join(daemon.run_dir, "policy.1"))
    assert daemon.answers()
    daemon.stop()
    assert manager.told() == "STOPPING=1"


def test_service_manager_is_not_told_of_a_start_that_fails(keeper):
    manager = Manager(keeper, False)
    daemon = Conn25d(keeper, "conn25d", client_config(
        1, listen={"transitIP": "http://192.0.2.1:8025"}))
    daemon.process.env["NOTIFY_SOCKET"] = manager.name
    refused(daemon.process, r"192\.0\.2\.1", lines=5)
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.told()


def test_service_manager_that_is_gone(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    daemon.process.env["NOTIFY_SOCKET"] = os.path.join(keeper.path, "none")
    daemon.start()
    daemon.process.wait_log(r"NOTIFY_SOCKET: .*can't be told \"READY=1\"")
    daemon.stop()


def test_second_conn25d_on_one_run_dir(keeper):
    first = Conn25d(keeper, "first", client_config(1)).start()
    before = os.stat(os.path.join(first.run_dir, "table"))
    second = Conn25d(keeper, "second", client_config(1),
                     run_dir=first.run_dir)
    refused(second.process, re.escape(first.run_dir),
            str(first.process.pid))
    assert first.answers()
    after = os.stat(os.path.join(first.run_dir, "table"))
    assert (before.st_ino, before.st_mtime_ns) \
        == (after.st_ino, after.st_mtime_ns)


def test_sockets_of_a_killed_conn25d_are_no_obstacle(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1)).start()
    daemon.process.kill()
    assert os.path.exists(os.path.join(daemon.run_dir, "control.sock"))
    daemon.start()


def test_clean_stop_removes_sockets_and_keeps_the_table(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1)).start()
    daemon.stop()
    assert os.path.exists(os.path.join(daemon.run_dir, "table"))
    for name in ("control.sock", "doorbell.sock"):
        assert not os.path.exists(os.path.join(daemon.run_dir, name))


# ---- a table of another kind ------------------------------------------------

def garbage(path):
    with open(path, "wb") as file:
        file.write(random.Random(25).randbytes(100_000))


def empty(path):
    with open(path, "wb"):
        pass


def cut(path):
    os.truncate(path, 4096)


def text(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("Dear administrator, this is not a table.\n" * 100)


# Another version's table is no damage to conn25d, which takes it over.
DAMAGES = [garbage, empty, cut, text]


@pytest.fixture
def table_maker(keeper):
    """A table as conn25d left it, which a test may spoil."""
    daemon = Conn25d(keeper, "conn25d", client_config(1)).start()
    daemon.stop()
    return daemon, os.path.join(daemon.run_dir, "table")


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_conn25d_refuses_another_table_and_leaves_it(keeper, table_maker,
                                                     damage):
    daemon, table = table_maker
    damage(table)
    before = digest(table)
    again = Conn25d(keeper, "again", daemon.config, run_dir=daemon.run_dir)
    refused(again.process, re.escape(table))
    assert digest(table) == before


@pytest.mark.parametrize("damage", [as_of_another_version, *DAMAGES],
                         ids=lambda d: d.__name__)
def test_unbound_goes_on_with_another_table_and_says_so_once(nsd, fresh,
                                                             damage):
    world = fresh(start=())
    world.client.start()
    world.client.stop()
    table = os.path.join(world.client.run_dir, "table")
    damage(table)
    before = digest(table)
    world.unbound.process.allow("conn25")
    world.unbound.start()

    def answered():
        answer = world.ask("plain.example")
        return addresses(answer) == ["192.0.2.1"]
    holds_for(answered, "answers for unmatched names", 2.5)
    assert world.ask("wiki.corp.example").rcode() in (
        dns.rcode.NOERROR, dns.rcode.SERVFAIL)
    lines = [line for line in world.unbound.process.log().splitlines()
             if "warning: conn25" in line and table in line]
    assert len(lines) == 1, "\n".join(lines) or world.unbound.process.log()
    assert digest(table) == before
    # And when a good one takes its place it is used.
    os.unlink(table)
    world.client.start()
    world.wait_attached()


def test_table_removed_under_unbound_is_replaced(fresh):
    world = fresh()
    world.magic("wiki.corp.example")
    world.client.stop()
    os.unlink(os.path.join(world.client.run_dir, "table"))
    world.client.start()
    wait_for(lambda: any(a.domain == "v4.wiki.corp.example" for a in
                         world.magic("v4.wiki.corp.example")
                         and world.client.assignments()),
             "Unbound to use the new table")
    world.magic("wiki.corp.example")


# ---- another Unbound --------------------------------------------------------

def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], text=True, check=True,
                           capture_output=True).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)


def test_module_built_for_another_unbound_says_so(fresh):
    world = fresh(start=("client",))
    binary = f"{PREFIX}/sbin/unbound"
    known = bytes.fromhex(build_id(binary))
    with open(binary, "rb") as file:
        data = file.read()
    assert data.count(known) == 1
    other = os.path.join(world.keeper.path, "other-unbound")
    with open(other, "wb") as file:
        file.write(data.replace(known, bytes(b ^ 0x55 for b in known)))
    os.chmod(other, 0o755)
    unbound = world.make_unbound(name="other", binary=other)
    unbound.process.allow(".")
    unbound.process.start()
    wait_for(lambda: not unbound.process.alive()
             or "start of service" in unbound.process.log(),
             "the other Unbound to decide")
    lines = [line for line in unbound.process.log().splitlines()
             if "conn25" in line and re.search(
                 "built for|build-id|another Unbound", line)]
    assert lines, unbound.process.log()
    assert len(lines) == 1
    # Whether Unbound ends is its own decision; it must not crash.
    if not unbound.process.alive():
        assert unbound.process.popen.returncode > 0
        unbound.process.popen = None


# ---- malformed DNS ----------------------------------------------------------

def mutations(seed, count):
    """Random bytes, and queries with a few bytes changed."""
    rng = random.Random(seed)
    for number in range(count):
        kind = number % 3
        if kind == 0:
            yield rng.randbytes(rng.randrange(0, 600))
            continue
        name = rng.choice(["wiki.corp.example", "plain.example",
                           "1.0.64.100.in-addr.arpa",
                           "chain.wiki.corp.example"])
        wire = bytearray(query(name, rng.choice(
            ["A", "AAAA", "HTTPS", "ANY", "PTR", "MX"]),
            do=rng.random() < 0.5).to_wire())
        if kind == 1:
            for _ in range(rng.randrange(1, 6)):
                wire[rng.randrange(2, len(wire))] = rng.randrange(256)
        else:
            del wire[rng.randrange(12, len(wire)):]
        yield bytes(wire)


def test_malformed_dns_does_no_harm(world):
    print(f"seed {SEED}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(world.address)
        sock.setblocking(False)
        for wire in mutations(SEED, 6000):
            sock.send(wire)
            try:
                while True:
                    sock.recv(65535)
            except BlockingIOError:
                pass
    for wire in mutations(SEED + 1, 200):
        with socket.create_connection(world.address, scaled(5)) as sock:
            try:
                sock.sendall(struct.pack("!H", len(wire)) + wire)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(65535)
            except OSError:
                pass
    wait_for(lambda: addresses(world.ask("plain.example"))
             == ["192.0.2.1"], "an answer after the noise")
    world.magic("wiki.corp.example")
    world.magic("wiki.corp.example", tcp=True)
    assert world.unbound.process.alive()
    assert world.client.answers()


@pytest.mark.parametrize("noise", [
    b"", b"\n", b"GET / HTTP/1.0\r\n\r\n", b"CONN25CT1\n",
    b"CONN25CT1 nosuchverb\n", b"CONN25CT1 " + b"x" * 5000 + b"\n",
    b"\x00\xff" * 300 + b"\n", b"CONN25CT1 lookup\n",
    b"CONN25CT1 status extra words\n", b"CONN25CT1 stats", b"UBCT1 status\n",
])
def test_malformed_control_lines_do_no_harm(world, noise):
    path = os.path.join(world.client.run_dir, "control.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(scaled(15))
        sock.connect(path)
        try:
            sock.sendall(noise)
            sock.shutdown(socket.SHUT_WR)
            reply = b""
            while piece := sock.recv(65536):
                reply += piece
        except (BrokenPipeError, ConnectionResetError):
            reply = b""
    assert not reply.startswith(b"ok"), reply
    assert world.client.answers()


def test_noise_on_the_doorbell_does_no_harm(world):
    path = os.path.join(world.client.run_dir, "doorbell.sock")
    rng = random.Random(25)
    for _ in range(20):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(path)
            for _ in range(10):
                sock.send(rng.randbytes(rng.randrange(1, 1000)))
    world.magic("deep.a.b.wiki.corp.example")
    world.wait_mapped()
    assert world.client.answers()


def test_upstream_noise_does_no_harm(fresh):
    """Answers that are not DNS reach Unbound; matched names fail closed."""
    world = fresh(start=("connector", "client", "unbound"))
    rng = random.Random(25)
    real = world.tap.back

    class Noisy:
        """The wiretap's way back, with a few bytes changed."""

        def __getattr__(self, name):
            return getattr(real, name)

        def recv(self, size):
            wire = bytearray(real.recv(size))
            for _ in range(rng.randrange(1, 4)):
                wire[rng.randrange(2, len(wire))] = rng.randrange(256)
            return bytes(wire)
    noisy = Noisy()
    ready = world.tap._ready
    world.tap.back = noisy
    world.tap._ready = lambda sock: ready(noisy if sock is real else sock)
    from harness import zones
    for number in range(40):
        wire = exchange(world.address, query(
            zones.bulk_name(number), "A").to_wire(), timeout_s=60)
        found = [a for a in zones.bulk_addresses(number)
                 if __import__("ipaddress").ip_address(a).packed in wire]
        assert not found
    world.tap.back = real
    world.tap._ready = ready
    wait_for(lambda: addresses(world.ask("v4.wiki.corp.example")),
             "answers after the noise", 60)
