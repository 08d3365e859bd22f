# SPDX-License-Identifier: BSD-3-Clause
"""resolveAt: names that only other DNS servers know.

The public nsd denies inner.corp.example and inner.signed.example (the second
with signatures); an inner one knows them. Unbound learns whom to ask from the
include file at its start, and over its control socket while it runs.
"""

import os
import re
import socket
import subprocess
import threading

import dns.rcode
import pytest

from harness import zones
from harness.ask import addresses
from harness.conn25 import APPS, CHECKCONF, peers
from harness.nsd import Nsd
from harness.unbound import PREFIX
from harness.wait import holds_for, wait_for

NAME = "www.inner.corp.example"
SIGNED = "www.inner.signed.example"
CONTROL = "unbound/control.sock"
INCLUDE = "conn25.conf"


def app(inner, *domains, **more):
    return {"name": "app", "domains": list(domains), "connectors": ["*"],
            "destinations": ["10.0.0.0/8"], "resolveAt": "connector",
            "dnsServers": [f"127.0.0.1@{inner.port}"], **more}


class Place:
    """A world with an inner nsd, and where things are in it."""

    def __init__(self, fresh, nsd_keeper, request):
        self.fresh = fresh
        self.inner = Nsd(nsd_keeper, f"inner-{request.node.name}", {
            "inner.corp.example.": zones.head("inner.corp.example.") +
            "www A 10.1.9.1\n",
            "inner.signed.example.": zones.head("inner.signed.example.") +
            "www A 10.1.9.2\n"})

    def app(self, *domains, **more):
        return app(self.inner, *(domains or ["*.inner.corp.example"]), **more)

    def build(self, apps=None, start=("connector", "client", "unbound"),
              control=True, include=True, unbound=None):
        apps = APPS + ([self.app()] if apps is None else apps)
        told = APPS + [self.app()]
        self.world = self.fresh(start=(), client={"apps": apps},
                                connector={"apps": told,
                                           "peers": peers(told)},
                                unbound=unbound or {})
        world = self.world
        self.socket = os.path.join(world.keeper.path, CONTROL)
        self.file = os.path.join(world.keeper.sub("include"), INCLUDE)
        section = {}
        if include:
            section["includeFile"] = self.file
            world.unbound.more += f"include-toplevel: \"" \
                f"{os.path.dirname(self.file)}/*.conf\"\n"
            world.unbound.write_conf()
        if control:
            section["controlSocket"] = self.socket
        world.client.configure(dict(world.client.config, unbound=section))
        for part in start:
            getattr(world, part).start()
        if {"client", "unbound"} <= set(start):
            world.wait_attached()
        return world

    def reload(self, *apps):
        client = self.world.client
        client.configure(dict(client.config, apps=APPS + list(apps)))
        client.reload()

    def wait_told(self):
        wait_for(lambda: self.world.client.stat("resolve.pending") == 0,
                 "Unbound to be told")

    def forwards(self):
        return sorted(self.world.unbound.control(
            "list_forwards").splitlines())

    def text(self):
        with open(self.file, encoding="ascii") as file:
            return file.read()


@pytest.fixture
def place(fresh, nsd_keeper, request):
    made = Place(fresh, nsd_keeper, request)
    yield made
    made.inner.process.stop()


def denied(world, name=NAME):
    return world.ask_safely(name).rcode() == dns.rcode.NXDOMAIN


# ---- the way it is meant to be -----------------------------------------------

def test_a_name_that_only_the_inner_server_knows(place):
    world = place.build()
    place.wait_told()
    world.magic(NAME)
    world.wait_mapped()
    assert world.client.stat("resolve.forwards") == 1
    assert denied(world, "none.inner.corp.example")
    # what isn't below it is asked for as before
    world.magic("v4.wiki.corp.example")


def test_reload_adds_and_removes(place):
    """What was cached before isn't given out, by any thread."""
    world = place.build(apps=[])
    assert denied(world)
    for _ in range(3):
        place.reload(place.app())
        place.wait_told()
        for _ in range(8):
            world.magic(NAME)
        place.reload()
        place.wait_told()
        for _ in range(8):
            # no longer matched, and no longer known
            assert world.ask(NAME).rcode() == dns.rcode.NXDOMAIN
    assert place.forwards() == []


def test_only_ours_are_touched(place):
    world = place.build(unbound={"more": "forward-zone:\n"
                                 "\tname: \"theirs.test\"\n"
                                 "\tforward-addr: 127.0.0.1@9\n"})
    place.wait_told()
    assert place.forwards() == ["inner.corp.example. IN forward 127.0.0.1",
                                "theirs.test. IN forward 127.0.0.1"]
    world.unbound.control("forward_add", "third.test", "127.0.0.1@9")
    place.reload()
    place.wait_told()
    assert place.forwards() == ["theirs.test. IN forward 127.0.0.1",
                                "third.test. IN forward 127.0.0.1"]


def test_another_port_is_told_too(place):
    """Unbound's list has no ports."""
    world = place.build()
    place.wait_told()
    right = place.app()
    world.magic(NAME)
    place.reload(dict(right, dnsServers=[f"127.0.0.1@{world.nsd.port}"]))
    place.wait_told()
    assert denied(world)
    place.reload(right)
    place.wait_told()
    world.magic(NAME)


@pytest.mark.parametrize("insecure", [True, False])
def test_below_a_signed_zone(place, insecure):
    """The signed zone above denies the name: that must be told."""
    world = place.build([place.app("*.inner.signed.example",
                                   dnsInsecure=insecure)])
    place.wait_told()
    if not insecure:
        assert world.ask_safely(SIGNED).rcode() == dns.rcode.SERVFAIL
        place.reload(place.app("*.inner.signed.example", dnsInsecure=True))
        place.wait_told()
    world.magic(SIGNED)
    assert place.forwards() == [
        "inner.signed.example. IN forward +i 127.0.0.1"]
    place.reload(place.app("*.inner.signed.example"))
    place.wait_told()
    assert world.ask_safely(SIGNED).rcode() == dns.rcode.SERVFAIL


# ---- starts and ends ---------------------------------------------------------

def test_the_file_is_for_unbounds_next_start(place):
    """Without a control socket it is all that there is."""
    world = place.build(control=False, start=("connector", "client"))
    assert os.stat(place.file).st_mode & 0o777 == 0o644
    world.unbound.start()
    world.wait_attached()
    world.magic(NAME)
    before = os.stat(place.file)
    assert world.client.reload() == "ok\n"
    after = os.stat(place.file)
    assert (before.st_ino, before.st_mtime_ns) == \
        (after.st_ino, after.st_mtime_ns)
    place.reload()
    assert "forward-zone" not in place.text()
    assert os.listdir(os.path.dirname(place.file)) == [INCLUDE]
    world.unbound.stop()
    world.unbound.start()
    wait_for(lambda: not place.forwards(), "Unbound without the zone")


def without(place, *keys, apps=()):
    """Reload without these keys of "unbound"."""
    client = place.world.client
    section = {key: value for key, value in client.config["unbound"].items()
               if key not in keys}
    config = dict(client.config, apps=APPS + list(apps), unbound=section)
    if not section:
        del config["unbound"]
    client.configure(config)
    assert client.reload().endswith("ok\n")


BOTH = ("includeFile", "controlSocket")


@pytest.mark.parametrize("stays", [False, True])
def test_the_section_goes_and_the_zones_with_it(place, stays):
    """Whether or not the app has resolveAt still, which does nothing then."""
    world = place.build()
    place.wait_told()
    world.magic(NAME)
    without(place, *BOTH, apps=[place.app()] if stays else [])
    place.wait_told()
    assert place.forwards() == []
    for _ in range(8):
        assert denied(world)
    assert world.client.stat("resolve.forwards") == 0
    # Nor does its next start bring them back.
    assert "forward-zone" not in place.text()
    world.client.process.wait_log("is no longer written: remove it from")
    world.unbound.stop()
    world.unbound.start()
    wait_for(lambda: denied(world), "an answer of the new Unbound")
    assert place.forwards() == []
    # It isn't talked to any more, until it is configured again.
    assert world.client.reload().endswith("ok\n")
    section = {"includeFile": place.file, "controlSocket": place.socket}
    world.client.configure(dict(world.client.config, unbound=section))
    place.reload(place.app())
    place.wait_told()
    world.magic(NAME)


def test_the_socket_goes_and_the_file_stays(place):
    """The file says what Unbound is to have, and it is told for once."""
    world = place.build()
    place.wait_told()
    without(place, "controlSocket",
            apps=[place.app("*.inner.signed.example", dnsInsecure=True)])
    place.wait_told()
    assert [line.split()[0] for line in place.forwards()] == \
        ["inner.signed.example."]
    world.magic(SIGNED)
    assert "inner.signed.example" in place.text()
    # From now on the file is all.
    without(place)
    assert "forward-zone" not in place.text()
    assert [line.split()[0] for line in place.forwards()] == \
        ["inner.signed.example."]


def test_the_section_goes_while_unbound_is_down(place):
    world = place.build()
    place.wait_told()
    world.unbound.stop()
    without(place, *BOTH)
    place.wait_told()
    assert "can't be taken out" not in world.client.process.log()
    world.unbound.start()
    wait_for(lambda: denied(world), "an answer of the new Unbound")
    assert place.forwards() == []


def test_the_file_is_somebody_elses_when_the_section_goes(place):
    world = place.build()
    place.wait_told()
    theirs = "server:\n\tverbosity: 1\n"
    with open(place.file, "w", encoding="ascii") as file:
        file.write(theirs)
    without(place, *BOTH)
    place.wait_told()
    assert place.text() == theirs
    assert place.forwards() == [] and denied(world)


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("verb", ["restart", "reload"])
def test_unbound_begins_anew(place, include, verb):
    """Without the file it forgets, and is told again."""
    world = place.build(include=include)
    place.wait_told()
    world.magic(NAME)
    if verb == "restart":
        world.unbound.stop()
        world.unbound.start()
    else:
        world.unbound.reload()
    # Its threads come to the doorbell when they are asked something.
    wait_for(lambda: addresses(world.ask_safely(NAME)), "the name")
    for _ in range(8):
        world.magic(NAME)
    assert place.forwards()


def test_unbound_is_down_at_a_reload(place):
    world = place.build(include=False)
    place.wait_told()
    world.unbound.stop()
    since = len(world.client.process.log())
    place.reload(place.app("*.inner.signed.example", dnsInsecure=True))
    world.client.process.wait_log("can't be told of forward zones: "
                                  "(Connection refused|No such file)",
                                  since=since)
    assert world.client.stat("resolve.pending") == 1
    wait_for(lambda: world.client.stat("resolve.failed") >= 2, "a retry")
    assert len(re.findall("can't be told",
                          world.client.process.log()[since:])) == 1
    world.unbound.start()
    world.wait_attached()
    place.wait_told()
    world.magic(SIGNED)
    assert place.forwards() == [
        "inner.signed.example. IN forward +i 127.0.0.1"]


def test_conn25d_was_down_while_the_file_changed(place):
    """A zone that went while it was down is known from its file."""
    world = place.build()
    place.wait_told()
    world.client.stop()
    world.client.configure(dict(world.client.config, apps=APPS))
    world.client.start()
    wait_for(lambda: not place.forwards(), "the zone to be removed")


# ---- what doesn't work -------------------------------------------------------

class Impostor:
    """Listens in Unbound's place and answers each command by a function."""

    def __init__(self, path, answer):
        self.answer = answer
        self.commands = []
        self.sent = 0
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen(16)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                visitor, _ = self.sock.accept()
            except OSError:
                return
            with visitor:
                line = visitor.makefile("rb").readline().decode()
                self.commands.append(line)
                try:
                    for piece in self.answer(line):
                        visitor.sendall(piece)
                        self.sent += len(piece)
                except OSError:
                    pass        # it has heard enough

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.sock.close()


def endless(_):
    while True:
        yield b"x" * 65536


HOSTILE = {
    "refusal": (lambda _: [b"error version mismatch\n"], "version mismatch"),
    "half a line": (lambda _: [b"a.example. IN forw"], "Protocol error"),
    "no newline at all": (endless, "Message too long"),
    "garbage": (lambda _: [bytes(range(256)) * 8 + b"\n"], "can't be told"),
    "no ok": (lambda line: [] if "list" in line else [b"maybe\n"], "maybe"),
    "silence": (lambda _: [], "Protocol error"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_whoever_listens_there(place, kind):
    answer, words = HOSTILE[kind]
    world = place.build(start=(), include=False)
    world.client.process.allow("version mismatch", "Protocol error")
    impostor = Impostor(place.socket, answer)
    try:
        world.client.start()
        wait_for(lambda: world.client.stat("resolve.failed") >= 2, "retries")
        assert "unbound: can't be told" in world.client.control("status")
    finally:
        impostor.close()
        os.unlink(place.socket)
    lines = [line for line in world.client.process.log().splitlines()
             if "can't be told" in line]
    assert words in lines[0], lines
    assert all("\x00" not in line and "\x1b" not in line for line in lines)
    assert impostor.commands[0] == "UBCT1 list_forwards\n"
    # a line that doesn't end is not kept until memory does
    assert impostor.sent / len(impostor.commands) < 4 << 20
    # it comes to rights when Unbound is there
    world.connector.start()
    world.unbound.start()
    world.wait_attached()
    place.wait_told()
    world.magic(NAME)
    assert "unbound:" not in world.client.control("status")


def test_what_was_told_and_not_flushed_is_flushed_later(place):
    """Unbound has the zone then, and old answers from before it."""
    added, flushes = [], []

    def answer(line):
        if "list_forwards" in line:
            return [b"inner.corp.example. IN forward 127.0.0.1\n"] \
                if added else []
        if "flush_zone" in line:
            flushes.append(line)
            if len(flushes) == 1:
                return [b"error busy\n"]
        else:
            added.append(line)
        return [b"ok\n"]
    world = place.build(start=(), include=False)
    world.client.process.allow("error busy")
    impostor = Impostor(place.socket, answer)
    try:
        world.client.start()
        place.wait_told()
    finally:
        impostor.close()
        os.unlink(place.socket)
    assert [line.split()[1] for line in impostor.commands] == [
        "list_forwards", "forward_add", "flush_zone"] * 2


def test_the_section_goes_and_unbound_refuses_at_first(place):
    """It is tried again, by the socket that isn't configured any more."""
    world = place.build(start=(), include=False)
    world.client.process.allow("error not now")
    had = []

    def reply(line):
        if "list_forwards" in line:
            return had
        if "forward_add" in line:
            had.append(b"inner.corp.example. IN forward 127.0.0.1\n")
        return [b"ok\n"]

    impostor = Impostor(place.socket, reply)
    try:
        world.client.start()
        place.wait_told()
        impostor.answer = lambda _: [b"error not now\n"]
        without(place, "controlSocket")
        wait_for(lambda: world.client.stat("resolve.failed") >= 2, "retries")
        # It is of the past: no reason not to be ready.
        assert "unbound:" not in world.client.control("status")
        impostor.answer = reply
        place.wait_told()
    finally:
        impostor.close()
        os.unlink(place.socket)
    assert [line.split()[1] for line in impostor.commands[-3:]] == [
        "list_forwards", "forward_remove", "flush_zone"]
    assert world.client.reload() == "ok\n"


def test_a_socket_that_says_nothing_holds_up_nobody(place):
    world = place.build(start=(), include=False)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place.socket)
        listener.listen(16)
        world.client.start()
        visitor, _ = listener.accept()
        with visitor:
            holds_for(world.client.answers, "conn25-control", 1)
            assert world.client.reload() == "ok\n"
        # what the reload brought is told when it has been heard
        again, _ = listener.accept()
        again.close()
    os.unlink(place.socket)


def test_a_file_that_is_not_ours_stays(place):
    world = place.build(apps=[])
    place.reload()
    theirs = "server:\n\tverbosity: 1\n"
    with open(place.file, "w", encoding="ascii") as file:
        file.write(theirs)
    client = world.client
    client.configure(dict(client.config, apps=APPS + [place.app()]))
    run = client.control_run("reload")
    assert run.returncode == 1
    assert "not from conn25d: name another file" in run.stdout + run.stderr
    assert place.text() == theirs
    assert denied(world)


def test_a_directory_that_is_not_there(place):
    world = place.build()
    client = world.client
    client.configure(dict(client.config, unbound={
        "includeFile": "/nonexistent/conn25.conf"}))
    run = client.control_run("reload")
    assert run.returncode == 1
    assert re.search(r"unbound.includeFile: /nonexistent/conn25.conf: can't "
                     r"be written: No such file or directory: make its "
                     r"directory, and let user \S+ write there",
                     run.stdout + run.stderr)
    world.magic(NAME)


# ---- other names, other Unbounds ---------------------------------------------

def reload_with(place, **section):
    """Reload with these keys of "unbound", and no others."""
    client = place.world.client
    client.configure(dict(client.config, unbound=section))
    assert client.reload().endswith("ok\n")


def test_the_same_file_by_another_name(place):
    """As /var/run is /run: it isn't another file, and stays in use."""
    world = place.build()
    place.wait_told()
    link = os.path.dirname(place.file) + "-link"
    os.symlink(os.path.dirname(place.file), link)
    before = os.stat(place.file).st_ino, place.text()
    told = world.client.stat("resolve.changes")
    reload_with(place, controlSocket=place.socket,
                includeFile=os.path.join(link, INCLUDE))
    place.wait_told()
    assert (os.stat(place.file).st_ino, place.text()) == before
    assert "is no longer written" not in world.client.process.log()
    assert world.client.stat("resolve.changes") == told
    # It is still the one that is written, by its new name.
    os.unlink(link)
    os.symlink(world.keeper.sub("elsewhere"), link)
    place.reload(place.app())
    with open(os.path.join(link, INCLUDE), encoding="ascii") as file:
        assert file.read() == before[1]


@pytest.mark.parametrize("way", ["elsewhere", "beside", "leads there"])
def test_another_file(place, way):
    """The old one is emptied, and not the new one, whatever it was."""
    world = place.build()
    place.wait_told()
    before = place.text()
    other = os.path.join(world.keeper.sub("other") if way == "elsewhere" else
                         os.path.dirname(place.file), "other.conf")
    if way == "leads there":
        os.symlink(place.file, other)
    reload_with(place, controlSocket=place.socket, includeFile=other)
    place.wait_told()
    assert "forward-zone" not in place.text()
    assert not os.path.islink(other)
    with open(other, encoding="ascii") as file:
        assert file.read() == before
    assert sorted(os.listdir(os.path.dirname(other))) == (
        ["other.conf"] if way == "elsewhere" else [INCLUDE, "other.conf"])


class Forwarder(Impostor):
    """An Unbound, as far as forward zones go; `refuses`: not now."""

    def __init__(self, path, refuses=False):
        self.zones = {}
        self.refuses = refuses
        super().__init__(path, self._answer)

    def _answer(self, line):
        if self.refuses:
            return [b"error not now\n"]
        verb, *words = line.split()[1:]
        words = [word for word in words if word != "+i"]
        if verb == "list_forwards":
            return [f"{name}. IN forward {server}\n".encode()
                    for name, server in self.zones.items()]
        if verb == "forward_add":
            self.zones[words[0]] = words[1].partition("@")[0]
        elif verb == "forward_remove":
            self.zones.pop(words[0], None)
        return [b"ok\n"]


@pytest.fixture
def forwarder(place):
    made = []

    def make(name, **more):
        path = os.path.join(os.path.dirname(place.socket), name)
        made.append((path, Forwarder(path, **more)))
        return made[-1]
    yield make
    for path, one in made:
        one.close()
        os.unlink(path)


@pytest.mark.parametrize("include", [False, True])
def test_another_unbound(place, forwarder, include):
    """The one that was told before doesn't keep the zones."""
    world = place.build(include=include)
    place.wait_told()
    world.magic(NAME)
    path, other = forwarder("other")
    reload_with(place, **dict(world.client.config["unbound"],
                              controlSocket=path))
    place.wait_told()
    assert place.forwards() == [] and denied(world)
    assert other.zones == {"inner.corp.example": "127.0.0.1"}
    assert world.client.stat("resolve.forwards") == 1
    # And back, from what is heard of it to what is not.
    reload_with(place, **dict(world.client.config["unbound"],
                              controlSocket=place.socket))
    place.wait_told()
    assert other.zones == {}
    world.magic(NAME)


def told_and_refusing(place, forwarder, *names):
    """Unbounds that were configured and told, one after the other, and then
    refused: all but the last one are being left."""
    others = []
    for name in names:
        path, other = forwarder(name)
        reload_with(place, controlSocket=path)
        wait_for(lambda seen=other: seen.zones, "it to be told")
        other.refuses = True
        others.append(other)
    return others


def test_one_unbound_after_the_other(place, forwarder):
    """None is forgotten, and none keeps the others waiting."""
    world = place.build(include=False)
    world.client.process.allow("error not now")
    place.wait_told()
    others = told_and_refusing(place, forwarder, "one", "two")
    reload_with(place, controlSocket=place.socket)
    wait_for(place.forwards, "the last one to be told")
    world.magic(NAME)
    assert all(other.zones for other in others)
    assert world.client.stat("resolve.pending") == 1
    # They are of the past: no reason not to be ready.
    assert "unbound:" not in world.client.control("status")
    for other in others:
        other.refuses = False
    place.wait_told()
    assert [other.zones for other in others] == [{}, {}]
    world.magic(NAME)


def test_two_unbounds_are_left_at_a_time(place, forwarder):
    world = place.build(include=False)
    world.client.process.allow("error not now")
    others = told_and_refusing(place, forwarder, "one", "two")
    failed = world.client.stat("resolve.failed")
    without(place, "controlSocket")
    wait_for(lambda: world.client.stat("resolve.failed") >= failed + 2,
             "retries")
    for other in others:
        assert other.zones
        other.refuses = False
    place.wait_told()
    assert [other.zones for other in others] == [{}, {}]
    assert place.forwards() == []


def test_conn25d_ends_before_an_unbound_is_left(place, forwarder):
    world = place.build(include=False)
    world.client.process.allow("error not now")
    other, = told_and_refusing(place, forwarder, "one")
    without(place, "controlSocket")
    world.client.stop()
    assert other.zones
    assert re.search(r"unbound: \S+/one: .*, such as inner.corp.example, may "
                     r"stay in it: conn25d has ended: if so, unbound-control "
                     r"forward_remove NAME", world.client.process.log())


def test_an_unbound_that_is_being_left_is_configured_again(place, forwarder):
    world = place.build(include=False)
    world.client.process.allow("error not now")
    path, other = forwarder("other")
    reload_with(place, controlSocket=path)
    place.wait_told()
    other.refuses = True
    failed = world.client.stat("resolve.failed")
    reload_with(place, controlSocket=place.socket)
    wait_for(lambda: world.client.stat("resolve.failed") > failed, "a refusal")
    reload_with(place, controlSocket=path)
    seen = len(other.commands)
    other.refuses = False
    place.wait_told()
    assert other.zones == {"inner.corp.example": "127.0.0.1"}
    assert not [line for line in other.commands[seen:]
                if "forward_remove" in line]
    assert place.forwards() == []


@pytest.mark.parametrize("what", ["directory", "socket"])
def test_the_same_unbound_by_another_name(place, what):
    """A link to the directory is seen to be the same; a link to the socket is
    not (nor are two sockets of one Unbound), and it is right in the end."""
    world = place.build()
    place.wait_told()
    told = world.client.stat("resolve.changes")
    link = os.path.dirname(place.socket) + "-link"
    if what == "directory":
        os.symlink(os.path.dirname(place.socket), link)
        link = os.path.join(link, os.path.basename(place.socket))
    else:
        os.symlink(place.socket, link)
    reload_with(place, controlSocket=link, includeFile=place.file)
    place.wait_told()
    for _ in range(8):
        world.magic(NAME)
    if what == "directory":
        assert world.client.stat("resolve.changes") == told


@pytest.mark.parametrize("ends", ["goes", "changes"])
def test_a_wrong_socket_goes(place, ends):
    """Unbound has the zones from the file, and can't be told."""
    world = place.build(control=False, start=("connector", "client"))
    world.unbound.start()
    world.wait_attached()
    world.magic(NAME)
    reload_with(place, includeFile=place.file,
                controlSocket=place.socket + ".wrong")
    if ends == "goes":
        without(place, *BOTH)
        place.wait_told()
        assert place.forwards()
    else:
        # What was to be told meanwhile is told now.
        place.reload()
        reload_with(place, includeFile=place.file, controlSocket=place.socket)
        place.wait_told()
        assert place.forwards() == [] and denied(world)
    lines = [line for line in world.client.process.log().splitlines()
             if "may stay" in line]
    assert len(lines) == 1
    assert re.search(r"unbound: \S+/control.sock.wrong: forward zones of "
                     r"ours, such as inner.corp.example, may stay in it: No "
                     r"such file or directory: if so, unbound-control "
                     r"forward_remove NAME, or restart it", lines[0])


# ---- the file ----------------------------------------------------------------

def test_unbound_checkconf_takes_it(place):
    label = "x" * 63
    odd = ["-a.example", "a-.example", "_sip._tcp.example", "1.2.3.4a",
           "xn--bcher-kva.example", "a", "server.example", "include.example",
           ".".join([label] * 3 + ["x" * 61])]
    world = place.build([place.app(*odd, dnsInsecure=True, dnsServers=[
        "127.0.0.1@9", "::1", "10.0.0.1"])])
    place.wait_told()
    run = subprocess.run([f"{PREFIX}/sbin/unbound-checkconf",
                          world.unbound.conf], text=True, check=False,
                         capture_output=True)
    assert run.returncode == 0, run.stdout + run.stderr

    def told():
        return [sorted(line.split()) for line in place.forwards()]
    before = told()
    assert len(before) == len(odd)
    # as it is told, so it is read
    world.unbound.reload()
    assert told() == before
    assert subprocess.run([CHECKCONF, world.client.conf],
                          check=False).returncode == 0
