# SPDX-License-Identifier: BSD-3-Clause
"""What conn25d keeps over its death in stateDir/conn25.db (DESIGN 6, 7): a
connector its mappings and its epoch, a client its assignments."""

import glob
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import pytest

from harness import zones
from harness.conn25 import (CONN25D, Conn25d, codes, connector_config, entry,
                            epoch, post, post_entries)
from harness.process import free_port
from harness.seed import SEED
from harness.wait import holds_for, wait_for

EDGE_2 = "127.0.0.3"


class Connector(Conn25d):
    """One with a port, and wrapped into another program if asked to."""

    def __init__(self, keeper, wrapper=(), name="connector", **changes):
        self.port = free_port("127.0.0.2")
        super().__init__(keeper, name,
                         connector_config(self.port, **changes))
        self.process.argv[:0] = [str(word) for word in wrapper]
        self.state_dir = self.config["stateDir"]
        self.db = os.path.join(self.state_dir, "conn25.db")

    def accept(self, *entries, **options):
        assert set(codes(post_entries(self.port, *entries, **options))) \
            == {0}

    def held(self):
        return sorted((m.peer, m.transit, m.destination)
                      for m in self.mappings())

    def lives(self):
        """Seconds until each transit address expires."""
        return {m.transit: int(m.line.split()[-1]) for m in self.mappings()}

    def epoch(self):
        return epoch(self.port)

    def kill(self):
        self.process.kill()

    def aside(self, what="damaged"):
        return [path for path in glob.glob(f"{self.db}.{what}-*")
                if not path.endswith(("-wal", "-shm"))]


@pytest.fixture
def connector(keeper):
    return Connector(keeper).start()


def some(connector):
    """Mappings of both peers and families, written."""
    connector.accept(entry("169.254.64.1", "10.7.0.1"),
                     entry("169.254.64.2", "10.7.0.2", app="bulk"),
                     entry("fd25:2::1", "2001:db8:1::1"))
    connector.accept(entry("169.254.64.1", "10.7.0.3", app="bulk"),
                     source=EDGE_2)
    connector.wait_saved()
    held = connector.held()
    assert len(held) == 4
    return held


# ---- dying and stopping -----------------------------------------------------

def test_killed_and_restarted_it_has_its_mappings_and_epoch(connector):
    held, before = some(connector), connector.epoch()
    for _ in range(3):
        connector.kill()
        connector.start()
        assert connector.held() == held
        assert connector.epoch() == before
    assert connector.stat("mappings.current") == 4


def test_stopped_at_once_it_forgets_nothing(connector):
    """Whoever sees it end knows that all is written."""
    before = connector.epoch()
    for number in range(1, 6):
        connector.accept(*[entry(f"169.254.{64 + number}.{n}", "10.7.0.1")
                           for n in range(200)])
        if number % 2:
            connector.stop()
        else:
            connector.control("stop")
            assert connector.process.wait_exit() == 0
            connector.process.popen = None
        connector.start()
        assert len(connector.held()) == 200 * number
        assert connector.epoch() == before


def test_a_restart_does_not_renew_a_mapping(connector):
    connector.accept(entry("169.254.64.1", "10.7.0.1"))
    wait_for(lambda: connector.lives()["169.254.64.1"] <= 3597, "3 s")
    connector.accept(entry("169.254.64.2", "10.7.0.1"))
    connector.wait_saved()
    connector.kill()
    connector.start()
    assert connector.lives()["169.254.64.1"] <= 3597
    assert connector.lives()["169.254.64.2"] > 3597 - 60


def test_sent_again_is_kept_as_sent_again(connector):
    connector.accept(entry("169.254.64.1", "10.7.0.1"))
    wait_for(lambda: connector.lives()["169.254.64.1"] <= 3597, "3 s")
    connector.accept(entry("169.254.64.1", "10.7.0.9"))
    connector.wait_saved()
    sent = time.monotonic()
    connector.kill()
    connector.start()
    life = connector.lives()["169.254.64.1"]
    assert life >= 3599 - (time.monotonic() - sent)
    assert connector.held() == [("edge-1", "169.254.64.1", "10.7.0.9")]


def test_dropped_by_hand_it_stays_dropped(connector):
    held = some(connector)
    connector.control("drop", "10.7.0.2")
    connector.wait_saved()
    connector.kill()
    connector.start()
    assert connector.held() == [h for h in held if h[2] != "10.7.0.2"]


def test_killed_under_load_what_it_answered_is_kept_or_asked_for(connector):
    """An epoch that stays promises that nothing accepted is missing."""
    random.seed(SEED)
    accepted, stayed = {}, 0
    for round_number in range(15):
        before = connector.epoch()
        for _ in range(random.randrange(1, 12)):
            entries = {f"169.254.{64 + random.randrange(20)}"
                       f".{random.randrange(250)}":
                       f"10.7.{round_number}.{random.randrange(250)}"
                       for _ in range(random.randrange(1, 40))}
            connector.accept(*[entry(*pair) for pair in entries.items()])
            accepted.update(entries)
        if random.randrange(2):
            connector.wait_saved()
        connector.kill()
        connector.start()
        held = {h[1]: h[2] for h in connector.held()}
        if connector.epoch() == before:
            stayed += 1
            assert held == accepted, f"seed {SEED}, round {round_number}"
        else:
            connector.accept(*[entry(*pair) for pair in accepted.items()])
    assert stayed, f"seed {SEED}: the epoch never stayed"


# ---- seen from a client -----------------------------------------------------

def test_a_client_need_not_send_anything_again(fresh):
    world = fresh()
    world.wait_mapped(2)
    world.connector.wait_saved()
    held = {(m.transit, m.destination) for m in world.connector.mappings()}
    world.connector.process.kill()
    world.connector.start()
    assert held == {(m.transit, m.destination)
                    for m in world.connector.mappings()}
    # A new one is told over a new connection, and brings the epoch.
    world.magic("v4.wiki.corp.example")
    world.wait_mapped(3)
    holds_for(lambda: world.connector.stat("serve.mappings.ok") == 1,
              "only the new one is sent", 1)


def test_a_client_sends_everything_again_to_one_that_lost_it(fresh):
    world = fresh()
    world.wait_mapped(2)
    world.connector.process.kill()
    shutil.rmtree(world.connector.config["stateDir"])
    world.connector.start()
    assert not world.connector.mappings()
    world.magic("v4.wiki.corp.example")
    world.wait_mapped(3)


# ---- stateDir ---------------------------------------------------------------

def test_state_dir_removed_between_two_runs(connector):
    some(connector)
    before = connector.epoch()
    connector.kill()
    shutil.rmtree(connector.state_dir)
    connector.start()
    assert connector.held() == []
    assert connector.epoch() != before
    assert os.stat(connector.state_dir).st_mode & 0o7777 == 0o700
    some(connector)


def test_state_dir_removed_while_it_runs(connector):
    held, before = some(connector), connector.epoch()
    shutil.rmtree(connector.state_dir)
    connector.process.wait_log("removed or replaced")
    connector.accept(entry("169.254.64.77", "10.7.0.77"))
    assert connector.epoch() == before
    wait_for(lambda: connector.stat("store.written") >= 4 + 5,
             "everything to be written again")
    connector.wait_saved()
    connector.stop()
    connector.start()
    assert connector.held() == sorted(
        held + [("edge-1", "169.254.64.77", "10.7.0.77")])
    assert connector.epoch() == before


def test_run_dir_lost_with_the_process(connector):
    held, before = some(connector), connector.epoch()
    connector.kill()
    shutil.rmtree(connector.run_dir)
    connector.start()
    assert connector.held() == held
    assert connector.epoch() == before


def start_in_vain(conn25d, *patterns):
    """It must end with a status that says so, and these words in its log."""
    log = len(conn25d.process.log())
    conn25d.process.allow(*patterns)
    conn25d.start(wait=False)
    assert conn25d.process.wait_exit() == 1
    conn25d.process.popen = None
    for pattern in patterns:
        conn25d.process.wait_log(pattern, since=log)


def test_two_conn25d_with_one_state_dir(keeper, connector):
    held = some(connector)
    second = Connector(keeper, name="second", stateDir=connector.state_dir)
    start_in_vain(second, "conn25.db.lock: held by conn25d with process id "
                  f"{connector.process.pid}", '"stateDir"')
    assert connector.held() == held
    connector.stop()
    second.start()
    assert second.held() == held


def test_both_directories_may_be_one(keeper):
    connector = Connector(keeper)
    config = dict(connector.config, stateDir=connector.run_dir)
    connector.configure(config)
    connector.start()
    held = some(connector)
    connector.kill()
    connector.start()
    assert connector.held() == held


def as_nobody(keeper):
    """A copy of conn25d, and what to run it with so that it is not root."""
    program = os.path.join(keeper.path, "conn25d")
    shutil.copy(CONN25D, program)
    os.chmod(program, 0o755)
    os.chmod(keeper.path, 0o755)
    if os.geteuid() != 0:
        return program, ()
    return program, ("setpriv", "--reuid=65534", "--regid=65534",
                     "--clear-groups")


@pytest.mark.parametrize("mode, remedy", [(0o555, "make it writable"),
                                          (None, "make it yourself")])
def test_state_dir_that_an_ordinary_user_cannot_write(keeper, mode, remedy):
    program, wrapper = as_nobody(keeper)
    parent = keeper.sub("parent")
    state_dir = os.path.join(parent, "state")
    connector = Connector(keeper, wrapper=wrapper, stateDir=state_dir)
    connector.process.argv[len(wrapper)] = program
    os.chmod(connector.run_dir, 0o777)
    if mode is None:
        os.chmod(parent, 0o555)
    else:
        os.mkdir(state_dir)
        os.chmod(state_dir, mode)
        if wrapper:     # what is another's is told otherwise
            os.chown(state_dir, 65534, 65534)
    start_in_vain(connector, f"stateDir {state_dir}: can't be", remedy,
                  'or change "stateDir"')
    # With the remedy it starts.
    os.chmod(parent, 0o777)
    if mode is not None:
        os.chmod(state_dir, 0o777)
    connector.start()
    some(connector)


def test_state_dir_whose_parent_is_not_there(keeper):
    connector = Connector(
        keeper, stateDir=os.path.join(keeper.path, "none", "state"))
    start_in_vain(connector, "stateDir .*none/state: can't be made",
                  "make the directory it is in")


def test_state_dir_changed_at_reload_takes_a_restart(keeper, connector):
    held = some(connector)
    other = keeper.sub("other")
    connector.process.allow("stateDir: stays")
    connector.configure(dict(connector.config, stateDir=other))
    printed = connector.reload()
    assert f"stateDir: stays {connector.state_dir}" in printed
    connector.accept(entry("169.254.64.9", "10.7.0.9"))
    assert not os.listdir(other)
    connector.stop()
    connector.start()
    assert connector.held() == []
    connector.stop()
    connector.configure(dict(connector.config,
                             stateDir=connector.state_dir))
    connector.start()
    assert connector.held() == sorted(
        held + [("edge-1", "169.254.64.9", "10.7.0.9")])


# ---- damage -----------------------------------------------------------------

def scribble(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        file.write(b"\xa5" * 5000)


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def noise(path):
    with open(path, "wb") as file:
        file.write(random.Random(SEED).randbytes(100000))


def nothing(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("spoil", [scribble, cut, noise, nothing])
def test_damaged_database_is_set_aside(connector, spoil):
    connector.accept(*[entry(f"169.254.{64 + n // 200}.{n % 200}",
                             "10.7.0.1") for n in range(4000)])
    before = connector.epoch()
    connector.stop()
    spoil(connector.db)
    with open(connector.db, "rb") as file:
        damaged = file.read()
    log = len(connector.process.log())
    connector.process.allow("can't be used")
    connector.start()
    lines = [line for line in connector.process.log()[log:].splitlines()
             if "can't be used" in line]
    assert len(lines) == 1, lines
    aside, = connector.aside()
    assert aside in lines[0]
    with open(aside, "rb") as file:
        assert file.read() == damaged
    assert connector.held() == []
    assert connector.epoch() != before
    held, before = some(connector), connector.epoch()
    connector.kill()
    connector.start()
    assert connector.held() == held
    assert connector.epoch() == before
    assert len(connector.aside()) == 1


def sql(path, text):
    subprocess.run(["/usr/bin/python3", "-c",
                    "import sqlite3, sys\n"
                    "db = sqlite3.connect(sys.argv[1])\n"
                    "db.executescript(sys.argv[2])\n", path, text],
                   check=True)


def test_database_of_a_newer_version_is_set_aside(connector):
    some(connector)
    connector.stop()
    sql(connector.db, "PRAGMA user_version = 7;"
        "ALTER TABLE mapping ADD COLUMN later INTEGER")
    connector.process.allow("can't be used")
    connector.start()
    assert connector.aside("version") == [f"{connector.db}.version-7"]
    assert connector.held() == []
    some(connector)


def test_damaged_while_it_runs(connector):
    """What it knows is written into a new one."""
    held, before = some(connector), connector.epoch()
    connector.process.allow("can't be used")
    sql(connector.db, "DROP TABLE mapping")
    connector.accept(entry("169.254.64.77", "10.7.0.77"))
    connector.process.wait_log("can't be used: no such table")
    wait_for(lambda: connector.stat("store.written") >= 4 + 1 + 5,
             "everything to be written again")
    connector.wait_saved()
    connector.kill()
    connector.start()
    assert connector.held() == sorted(
        held + [("edge-1", "169.254.64.77", "10.7.0.77")])
    assert len(connector.aside()) == 1
    assert connector.epoch() == before


# ---- what the configuration doesn't allow any more --------------------------

def without_peer(config):
    del config["peers"][1]


def without_app(config):
    config["apps"] = [a for a in config["apps"] if a["name"] != "bulk"]
    del config["peers"][1]
    config["peers"][0]["apps"].remove("bulk")


def without_grant(config):
    config["peers"][0]["apps"].remove("bulk")


def without_destination(config):
    config["apps"][0]["destinations"] = ["10.0.0.0/8"]


def without_role(config):
    del config["peers"]


@pytest.mark.parametrize("lose, left", [
    (without_peer, [0, 1, 2]), (without_app, [0, 2]),
    (without_grant, [0, 2, 3]), (without_destination, [0, 1, 3]),
    (without_role, [])])
@pytest.mark.parametrize("reload", [False, True])
def test_what_is_not_allowed_any_more_does_not_come_back(
        keeper, lose, left, reload):
    connector = Connector(keeper).start()
    held, before = some(connector), connector.epoch()
    order = sorted(held, key=lambda h: (h[0], ":" in h[1], h[1]))
    want = sorted(order[n] for n in left)
    config = connector_config(connector.port)
    lose(config)
    if not reload:
        connector.kill()
    connector.configure(config)
    if reload:
        connector.reload()
    else:
        connector.start()
    assert connector.held() == want
    connector.wait_saved()
    # Allowed again it does not come back either.
    connector.kill()
    connector.configure(connector_config(connector.port))
    connector.start()
    assert connector.held() == want
    assert connector.epoch() == before


def test_a_start_in_vain_forgets_nothing(keeper, connector):
    held = some(connector)
    connector.stop()
    taken = Connector(keeper, name="taken").start()
    config = connector_config(taken.port)
    without_role_of = dict(config, peers=config["peers"][:1])
    connector.configure(without_role_of)
    start_in_vain(connector, "in use")
    connector.configure(connector_config(connector.port))
    connector.start()
    assert connector.held() == held


# ---- a disk that is full ----------------------------------------------------

def test_full_disk_is_told_once_and_caught_up_with(connector):
    """Its files may not grow for a while."""
    connector.process.allow("tries again until it works")
    some(connector)
    before = connector.epoch()
    log = len(connector.process.log())
    resource.prlimit(connector.process.pid, resource.RLIMIT_FSIZE,
                     (30000, resource.RLIM_INFINITY))
    for third in range(64, 84):
        connector.accept(*[entry(f"169.254.{third}.{n}", "10.7.1.1")
                           for n in range(3, 203)])
    wait_for(lambda: connector.stat("store.failed") >= 2, "two attempts")
    assert connector.stat("store.pending") == 4000
    assert len(connector.held()) == 4004
    assert connector.process.log()[log:].count("tries again") == 1
    resource.prlimit(connector.process.pid, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    connector.process.wait_log("can be written again", 20)
    connector.wait_saved()
    connector.kill()
    connector.start()
    assert len(connector.held()) == 4004
    assert connector.epoch() == before


def in_a_mount_namespace(*argv):
    """Wrapper that runs a shell command as root of its own mounts first."""
    run = subprocess.run(["unshare", "--mount", "true"], check=False)
    if os.geteuid() != 0 or run.returncode != 0:
        pytest.skip("needs a mount namespace: run as root")
    return ("unshare", "--mount", "sh", "-ec", *argv)


def test_full_file_system(keeper):
    state_dir = keeper.sub("small")
    connector = Connector(keeper, stateDir=state_dir,
                          wrapper=in_a_mount_namespace(
                              "mount -t tmpfs -o size=400k,mode=700 none "
                              f"{state_dir}"
                              '; exec "$@"', "sh"))
    connector.process.allow("tries again until it works")
    connector.start()
    # conn25d's own view of its directory
    inside = f"/proc/{connector.process.pid}/root{state_dir}"
    filler = os.path.join(inside, "filler")
    with open(filler, "wb", buffering=0) as file:
        with pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
    connector.accept(*[entry(f"169.254.64.{n}", "10.7.1.1")
                       for n in range(200)])
    connector.process.wait_log("make room on its file system")
    assert len(connector.held()) == 200
    os.unlink(filler)
    connector.process.wait_log("can be written again", 20)
    connector.wait_saved()
    assert connector.stat("store.failed") >= 1


# ---- a reboot ---------------------------------------------------------------

def test_after_a_reboot_mappings_get_their_whole_life_again(keeper):
    boot_id = keeper.write("boot_id", "first\n")
    connector = Connector(keeper, wrapper=in_a_mount_namespace(
        f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id"
        '; exec "$@"', "sh")).start()
    connector.accept(entry("169.254.64.1", "10.7.0.1"))
    before = connector.epoch()
    wait_for(lambda: connector.lives()["169.254.64.1"] <= 3597, "3 s")
    connector.stop()
    connector.start()
    assert connector.lives()["169.254.64.1"] <= 3597
    connector.stop()

    shutil.rmtree(connector.run_dir)
    keeper.write("boot_id", "second\n")
    connector.start()
    begin = time.monotonic()
    assert connector.lives()["169.254.64.1"] >= 3598
    assert connector.epoch() == before
    wait_for(lambda: connector.lives()["169.254.64.1"] <= 3598, "2 s")
    # From there on it is kept as any other, also when killed.
    connector.kill()
    connector.start()
    assert connector.lives()["169.254.64.1"] <= 3598
    assert connector.lives()["169.254.64.1"] \
        >= 3598 - (time.monotonic() - begin)
    assert connector.epoch() == before

    # Power failure: nothing tells what was accepted last.
    connector.kill()
    keeper.write("boot_id", "third\n")
    connector.start()
    assert len(connector.held()) == 1
    assert connector.epoch() != before


def test_sigterm_during_the_start_of_writing(connector):
    """Stopping while the first change of a batch waits."""
    for number in range(20):
        connector.accept(entry(f"169.254.64.{number}", "10.7.0.1"))
        connector.process.send(signal.SIGTERM)
        assert connector.process.wait_exit() == 0
        connector.process.popen = None
        connector.start()
        assert len(connector.held()) == number + 1


def test_post_reaches_it_only_with_its_mappings_restored(connector):
    """From the first answer on it has them."""
    held = some(connector)
    connector.kill()
    connector.start(wait=False)

    def answered():
        try:
            return post(connector.port, b"{}")[0] == 200
        except OSError:
            return False
    wait_for(answered, "the first answer")
    assert connector.held() == held


# ---- the client's assignments -----------------------------------------------

NAMES = [zones.bulk_name(n) for n in range(40)] + [
    "wiki.corp.example", "chain.wiki.corp.example"]


def told(world, names=None):
    """What clients are told now."""
    return {name: world.magic(name) for name in names or NAMES}


def addresses_of(world):
    return {(a.domain, a.destination): (a.magic, a.transit)
            for a in world.client.assignments()}


def wait_stored(world):
    wait_for(lambda: world.client.stat("store.pending") == 0,
             "everything to be written")


def lose_run_dir(world):
    """As a reboot does to a tmpfs."""
    for path in glob.glob(os.path.join(world.client.run_dir, "*")):
        os.unlink(path)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_after_a_reboot_clients_find_what_they_were_told(fresh, how):
    world = fresh()
    before, assigned = told(world), addresses_of(world)
    wait_stored(world)
    if how == "killed":
        world.unbound.process.kill()
        world.client.process.kill()
    else:
        world.unbound.stop()
        world.client.stop()
    lose_run_dir(world)
    world.client.start()
    assert addresses_of(world) == assigned
    world.unbound.start()
    world.wait_attached()
    assert told(world) == before
    world.wait_mapped()
    # And nobody else gets an address that is taken.
    more = told(world, [zones.bulk_name(n) for n in range(100, 140)])
    assert not {m for magic in more.values() for m in magic} \
        & {m for magic in before.values() for m in magic}


def test_table_removed_under_both_is_filled_again(fresh):
    world = fresh()
    before = told(world)
    wait_stored(world)
    world.client.process.kill()
    lose_run_dir(world)
    # Unbound goes on with what it has mapped.
    assert told(world) == before
    world.client.start()
    wait_for(lambda: world.client.assignments(), "the assignments")
    assert told(world) == before
    world.wait_mapped()


def test_unbound_assigns_while_conn25d_is_away(fresh):
    """They are in the table, and get into the database later."""
    world = fresh()
    world.client.process.kill()
    before = told(world)
    world.client.start()
    wait_for(lambda: len(world.client.assignments()) >= len(NAMES),
             "the assignments")
    wait_stored(world)
    world.unbound.process.kill()
    world.client.process.kill()
    lose_run_dir(world)
    world.client.start()
    world.unbound.start()
    world.wait_attached()
    assert told(world) == before


def test_what_the_configuration_lost_is_not_put_back(fresh):
    world = fresh()
    before = told(world)
    assert len(addresses_of(world)) > 80
    wait_stored(world)
    world.client.stop()
    lose_run_dir(world)
    config = dict(world.client.config)
    config["apps"] = [app for app in config["apps"]
                      if app["name"] != "bulk"]
    world.client.configure(config)
    world.client.start()
    world.client.process.wait_log("assignments: .*not in the configuration")
    assert {domain for domain, _ in addresses_of(world)} == {
        "wiki.corp.example", "chain.wiki.corp.example"}
    assert world.magic("wiki.corp.example") == before["wiki.corp.example"]
