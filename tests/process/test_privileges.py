# SPDX-License-Identifier: BSD-3-Clause
"""What conn25d may do: its user, groups and capabilities, the filter of
system calls, and files that it doesn't rely on. It becomes "nobody" here, and
Unbound runs as "daemon": users that every Debian has, in the group "games"."""

import contextlib
import fcntl
import grp
import os
import pwd
import re
import shutil
import subprocess

import pytest

from harness import netns
from harness.authority import Authority
from harness.conn25 import (CHECKCONF, CONN25D, Conn25d, client_config,
                            connector_config)
from harness.overlay import NAMES, Net, fetch
from harness.process import free_port
from harness.signing import Key
from harness.wait import scaled, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

USER, GROUP, UNBOUND_USER = "nobody", "games", "daemon"
UID, GID = pwd.getpwnam(USER).pw_uid, grp.getgrnam(GROUP).gr_gid
NET_ADMIN, NET_BIND, SYS_PTRACE = 1 << 12, 1 << 10, 1 << 19


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: value.split() for name, _, value in
                (line.partition(":") for line in file)}


def capabilities(pid):
    """Of all its threads: (effective, permitted, inheritable, bounding,
    ambient)."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        status = status_of(f"{pid}/task/{task}")
        found.add(tuple(int(status["Cap" + which][0], 16) for which in
                        ("Eff", "Prm", "Inh", "Bnd", "Amb")))
    assert len(found) == 1, found
    return found.pop()


def sanitized():
    needs = subprocess.run(["ldd", CONN25D], text=True, capture_output=True,
                           check=False).stdout
    return "libasan" in needs or "libtsan" in needs


SECCOMP = "off" if sanitized() else "on"


def shown(daemon, name):
    """A line of `conn25-control status`."""
    return dict(line.partition(": ")[::2] for line in
                daemon.control("status").splitlines())[name]


def without_dirs(daemon):
    """It has to make its directories itself."""
    os.chmod(daemon.keeper.path, 0o755)
    for path in daemon.config["runDir"], daemon.config["stateDir"]:
        shutil.rmtree(path)
    return daemon


def as_user(daemon, *options, uid=UID, gid=GID):
    """Start it as that user, as systemd would."""
    os.chmod(daemon.keeper.path, 0o755)
    for path in (daemon.dir, daemon.config["runDir"],
                 daemon.config["stateDir"]):
        os.chown(path, uid, gid)
    daemon.process.argv = ["setpriv", f"--reuid={uid}", f"--regid={gid}",
                           "--clear-groups", *options, *daemon.process.argv]
    return daemon


def ambient(*names):
    words = ",".join("+" + name for name in names)
    return [f"--inh-caps={words}", f"--ambient-caps={words}"]


def connector(keeper, **changes):
    return Conn25d(keeper, "connector", connector_config(
        free_port("127.0.0.2"), **changes))


def refuses(daemon, *words):
    """It ends by itself, and says why."""
    daemon.process.allow(".")
    before = len(daemon.process.log())
    daemon.process.start()
    assert daemon.process.wait_exit() == 1
    daemon.process.popen = None
    log = daemon.process.log()[before:]
    for word in words:
        assert word in log, log
    assert log.count("\n") <= 2, log
    return log


def checkconf(daemon):
    return subprocess.run([CHECKCONF, daemon.conf], text=True, check=False,
                          capture_output=True, timeout=scaled(10))


# ---- who it is --------------------------------------------------------------

def test_becomes_the_user(keeper):
    daemon = without_dirs(connector(keeper, user=USER, group=GROUP)).start()
    pid = daemon.process.pid
    status = status_of(pid)
    assert status["Uid"] == [str(UID)] * 4
    assert status["Gid"] == [str(GID)] * 4
    assert set(status["Groups"]) == {str(GID)}
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2" if SECCOMP == "on" else "0"]
    assert capabilities(pid) == (0, 0, 0, 0, 0)
    assert shown(daemon, "user") == USER
    assert shown(daemon, "capabilities") == "none"
    assert shown(daemon, "seccomp") == SECCOMP
    modes = {"runDir": (0o750, UID, GID), "stateDir": (0o700, UID, GID),
             "control.sock": (0o660, UID, GID), "conn25.db": (0o600, UID, GID),
             "conn25d.lock": (0o600, UID, GID)}
    for key, name in (("runDir", ""), ("runDir", "control.sock"),
                      ("runDir", "conn25d.lock"), ("stateDir", ""),
                      ("stateDir", "conn25.db")):
        found = os.stat(os.path.join(daemon.config[key], name))
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == \
            modes[name or key], name or key
    assert "root" not in daemon.process.log()
    daemon.stop()
    # Everything is its own: it starts again, and as that user, too.
    daemon.start().stop()
    as_user(daemon).start().stop()


def test_without_a_group_it_is_the_users_own(keeper):
    daemon = without_dirs(connector(keeper, user=USER)).start()
    own = pwd.getpwnam(USER).pw_gid
    assert status_of(daemon.process.pid)["Gid"] == [str(own)] * 4
    assert os.stat(daemon.run_dir).st_gid == own


def test_root_is_told_and_keeps_what_it_has(keeper):
    daemon = connector(keeper).start()
    assert daemon.process.log().count("runs as root: make a user for it") == 1
    assert shown(daemon, "user") == "root"
    assert capabilities(daemon.process.pid)[0] == capabilities("self")[0]
    assert status_of(daemon.process.pid)["NoNewPrivs"] == ["1"]
    assert shown(daemon, "seccomp") == SECCOMP
    assert daemon.reload() == "ok\n"
    assert daemon.process.log().count("runs as root") == 1
    daemon.stop()
    # Whoever wants that says so.
    daemon.configure(dict(daemon.config, user="root"))
    before = len(daemon.process.log())
    daemon.start()
    assert "runs as root" not in daemon.process.log()[before:]


def test_an_ordinary_user_stays_who_it_is(keeper):
    daemon = as_user(connector(keeper, user="mail", group="mail")).start()
    status = status_of(daemon.process.pid)
    assert status["Uid"] == [str(UID)] * 4
    assert status["Gid"] == [str(GID)] * 4
    assert capabilities(daemon.process.pid)[:3] == (0, 0, 0)
    assert shown(daemon, "user") == USER
    assert os.stat(os.path.join(daemon.run_dir, "control.sock")).st_gid == GID
    daemon.process.wait_log("user: stays nobody: only root can become mail")


def test_no_such_user(keeper):
    refuses(connector(keeper, user="no-such-user"),
            "user no-such-user: no such user: make it with 'groupadd")
    daemon = connector(keeper, user=USER, group="no-such-group")
    refuses(daemon, "group no-such-group: no such group")


@pytest.mark.parametrize("user, group, missing", [
    ("no-such-user", None, ["user no-such-user"]),
    ("no-such-user", GROUP, ["user no-such-user"]),
    (USER, "no-such-group", ["group no-such-group"]),
    (None, "no-such-group", ["group no-such-group"]),
    ("no-such-user", "no-such-group",
     ["group no-such-group", "user no-such-user"])])
def test_checkconf_and_conn25d_agree_on_who_is_there(keeper, user, group,
                                                     missing):
    """Root can't start it, so that is an error; who isn't root can."""
    who = {key: name for key, name in (("user", user), ("group", group))
           if name}
    daemon = connector(keeper, **who)
    os.chmod(keeper.path, 0o755)
    found = checkconf(daemon)
    said = [line for line in found.stderr.splitlines() if "no such" in line]
    assert [f"error: {name}: no such" in line for name, line in
            zip(missing, said, strict=True)] == [True] * len(missing), said
    assert found.returncode == 1 and "no errors" not in found.stdout
    refuses(daemon, "no such")
    argv = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups",
            CHECKCONF, daemon.conf]
    found = subprocess.run(argv, text=True, check=False, capture_output=True)
    assert found.returncode == 0, found.stderr
    assert found.stderr.count(": warning: ") == found.stderr.count("\n") >= \
        len(missing), found.stderr
    daemon.process.allowed.clear()
    as_user(daemon).start()


@pytest.mark.parametrize("group", [None, "c25-user", "c25-group"])
@pytest.mark.parametrize("there", [None, "c25-user", "c25-group"])
@pytest.mark.parametrize("turned", [False, True])
def test_hints_work_one_after_the_other(keeper, group, there, turned):
    """In whatever order, and whichever group is there already. They are run
    on a directory's own passwd and group."""
    os.makedirs(os.path.join(keeper.path, "etc"))
    for name, text in (("passwd", "root:x:0:0::/:/bin/sh\n"),
                       ("group", "root:x:0:\n"), ("shadow", "root:*:::::::\n"),
                       ("gshadow", "root:*::\n"), ("login.defs",
                        "USERGROUPS_ENAB yes\nSYS_GID_MIN 101\n")):
        keeper.write(f"etc/{name}", text)
    if there:
        subprocess.run(["groupadd", "--prefix", keeper.path, there],
                       check=True)
    daemon = connector(keeper, user="c25-user",
                       **({"group": group} if group else {}))
    found = checkconf(daemon).stderr
    hints = [re.findall(r"'((?:user|group)add [^']*)'", line)
             for line in found.splitlines()]
    commands = sum(reversed(hints) if turned else hints, [])
    assert commands, found
    for command in commands:
        program, *options = command.split()
        run = subprocess.run([program, "--prefix", keeper.path, *options],
                             text=True, check=False, capture_output=True)
        assert run.returncode == 0, f"{commands}: {command}: {run.stderr}"
    with open(os.path.join(keeper.path, "etc/group"),
              encoding="ascii") as file:
        numbers = {line.split(":")[0]: line.split(":")[2] for line in file}
    with open(os.path.join(keeper.path, "etc/passwd"),
              encoding="ascii") as file:
        own = {line.split(":")[0]: line.split(":")[3] for line in file}
    assert own["c25-user"] == numbers[group or "c25-user"]


def test_the_filter_can_be_left_out(keeper):
    daemon = connector(keeper)
    daemon.process.argv.append("-S")
    daemon.start()
    assert shown(daemon, "seccomp") == "off"
    status = status_of(daemon.process.pid)
    assert status["Seccomp"] == ["0"] and status["NoNewPrivs"] == ["1"]
    daemon.process.wait_log("seccomp: off, as -S says")


# ---- what it keeps ----------------------------------------------------------

@contextlib.contextmanager
def space_with_overlay():
    space = netns.Namespace("overlay")
    try:
        space.ip("link add overlay0 type veth peer name other0",
                 "link set overlay0 up", "link set other0 up")
        space.address("overlay0", "10.9.0.1/24")
        yield space
    finally:
        space.close()


def datapath(on):
    return {"nftables": on, "overlay": "overlay0"}


def tables(space):
    return space.nft("list", "tables", check=False)


@pytest.mark.parametrize("nftables", [True, False])
@pytest.mark.parametrize("how", ["drop", "systemd"])
def test_one_capability_with_nftables_none_without(keeper, how, nftables):
    daemon = Conn25d(keeper, "client", client_config(
        1, user=USER, datapath=datapath(nftables)))
    if how == "drop":
        without_dirs(daemon)
    else:
        as_user(daemon, *ambient("net_admin", "net_bind_service",
                                 "sys_ptrace"))
    kept = NET_ADMIN if nftables else 0
    with space_with_overlay() as space:
        with space.enter():
            daemon.start()
        found = capabilities(daemon.process.pid)
        assert found[:3] == (kept, kept, 0) and found[4] == 0
        if how == "drop":
            assert found[3] == 0
        assert shown(daemon, "capabilities") == \
            ("net_admin" if nftables else "none")
        assert ("inet conn25" in tables(space)) == nftables
        daemon.stop()


def test_nftables_can_be_switched_off_and_on_if_it_was_on(keeper):
    daemon = without_dirs(Conn25d(keeper, "client", client_config(
        1, user=USER, datapath=datapath(True))))
    with space_with_overlay() as space:
        with space.enter():
            daemon.start()
        for on in (False, True):
            daemon.configure(dict(daemon.config, datapath=datapath(on)))
            assert daemon.reload() == "ok\n"
            assert ("inet conn25" in tables(space)) == on
        # What others do to the table is noticed and repaired.
        space.nft("delete", "table", "inet", "conn25")
        wait_for(lambda: "inet conn25" in tables(space), "the repair")
        daemon.process.allow("was changed by")
        daemon.stop()


def test_nftables_after_the_capability_is_gone(keeper):
    daemon = without_dirs(Conn25d(keeper, "client", client_config(
        1, user=USER, datapath=datapath(False))))
    with space_with_overlay() as space:
        with space.enter():
            daemon.start()
        before = daemon.config
        apps = [dict(app, domains=["other.example"])
                for app in before["apps"][:1]]
        daemon.process.allow("datapath.nftables", "not taken")
        daemon.configure(dict(before, datapath=datapath(True), apps=apps))
        run = daemon.control_run("reload")
        assert run.returncode == 1
        assert "CAP_NET_ADMIN" in run.stderr
        assert "restart conn25d" in run.stderr
        assert "inet conn25" not in tables(space)
        assert shown(daemon, "generation") == "1"
        daemon.configure(before)
        assert daemon.reload() == "ok\n"
        # A restart does it.
        daemon.configure(dict(before, datapath=datapath(True)))
        daemon.stop()
        with space.enter():
            daemon.start()
        assert "inet conn25" in tables(space)
        daemon.stop()


def test_low_ports_at_the_start_only(keeper):
    daemon = connector(keeper, user=USER,
                       listen={"transitIP": "http://127.0.0.2:825"})
    with netns.Namespace("ports").enter():
        without_dirs(daemon).start()
    assert capabilities(daemon.process.pid) == (0, 0, 0, 0, 0)
    assert daemon.reload() == "ok\n"
    daemon.process.allow("listen.transitIP", "not taken")
    daemon.configure(dict(daemon.config,
                          listen={"transitIP": "http://127.0.0.2:826"}))
    run = daemon.control_run("reload")
    assert run.returncode == 1
    assert "can't listen on 127.0.0.2:826" in run.stderr
    assert "or restart conn25d, which could use lower ones" in run.stderr
    assert shown(daemon, "listen.transitIP") == "http://127.0.0.2:825"
    # What else may be forbidden has other remedies.
    office = Authority(keeper, "ca").issue("office")
    os.chmod(office.config["privateKeyFile"], 0o644)
    daemon.process.allow("listen.tls")
    daemon.configure(dict(daemon.config, listen={
        "transitIP": "https://127.0.0.2:825", "tls": office.config}))
    run = daemon.control_run("reload")
    assert run.returncode == 1 and "mode 0644" in run.stderr
    assert "restart" not in run.stderr
    daemon.stop()


# ---- the work, as another user ----------------------------------------------

def test_main_job_with_two_users_in_a_group(fresh):
    world = fresh(start=(), client={"user": USER, "group": GROUP},
                  connector={"user": USER, "group": GROUP})
    without_dirs(world.connector).start()
    without_dirs(world.client).start()
    uid = pwd.getpwnam(UNBOUND_USER).pw_uid
    os.chown(world.unbound.dir, uid, -1)
    world.unbound.process.argv = [
        "setpriv", f"--reuid={uid}", f"--regid={uid}",
        f"--groups={GID}", "--inh-caps=-all", *world.unbound.process.argv]
    world.unbound.start()
    world.wait_attached()
    assert status_of(world.unbound.process.pid)["Uid"] == [str(uid)] * 4
    before = world.magic("wiki.corp.example")
    world.wait_mapped()
    for daemon in (world.client, world.connector):
        assert daemon.reload() == "ok\n"
        assert shown(daemon, "user") == USER
    assert world.magic("wiki.corp.example") == before
    # Both may die; what comes next finds its way.
    world.client.process.kill()
    world.client.start()
    assert world.magic("wiki.corp.example") == before
    world.unbound.stop()
    world.unbound.start()
    assert world.magic("v4.wiki.corp.example")
    world.wait_mapped()


class DroppedNet(Net):
    """As Net; each conn25d becomes a user."""

    def connector_config(self, here):
        return dict(super().connector_config(here), user=USER, group=GROUP)

    def client_config(self):
        return dict(super().client_config(), user=USER, group=GROUP)

    def start(self, space, daemon):
        if not daemon.process.groups:
            without_dirs(daemon)
        super().start(space, daemon)


def test_packets_with_one_capability():
    net = DroppedNet("dropped")
    try:
        for family in 4, 6:
            magic = net.magic(NAMES[family], family)
            assert fetch(net.client, magic, "/who")
        for daemon in (net.conn25d, *net.connectors.values()):
            pid = daemon.process.pid
            assert capabilities(pid) == (NET_ADMIN, NET_ADMIN, 0, 0, 0)
            assert status_of(pid)["Uid"] == [str(UID)] * 4
    finally:
        found = net.close()
    assert not found, "\n".join(found)


# ---- files ------------------------------------------------------------------

def spoil_config_mode(daemon):
    os.chmod(daemon.conf, 0o646)


def spoil_config_owner(daemon):
    os.chown(daemon.conf, UID, -1)


def spoil_config_group(daemon):
    os.chown(daemon.conf, -1, GID)
    os.chmod(daemon.conf, 0o660)


def spoil_run_dir(daemon):
    os.chmod(daemon.run_dir, 0o777)


def spoil_state_dir(daemon):
    os.chmod(daemon.config["stateDir"], 0o770)


def spoil_state_owner(daemon):
    os.chown(daemon.config["stateDir"], pwd.getpwnam("mail").pw_uid, -1)


@pytest.mark.parametrize("user", [USER, None])
@pytest.mark.parametrize("spoil, words", [
    (spoil_config_mode, "mode 0646 lets everybody change the configuration: "
     "chmod o-w"),
    (spoil_config_owner, f"belongs to user {UID}, and root goes by it: "
     "chown root"),
    (spoil_config_group, f"mode 0660 lets group {GID} change the "
     "configuration, and root goes by it: chmod g-w"),
    (spoil_run_dir, "runDir {runDir}: mode 0777 lets everybody put sockets"),
    (spoil_state_dir, "stateDir {stateDir}: mode 0770 lets others put a "
     "database there: chmod go-w"),
    (spoil_state_owner, "stateDir {stateDir}: belongs to user mail, and "
     "conn25d runs as {user}: "),
])
def test_what_others_can_change_is_refused(keeper, spoil, words, user):
    daemon = connector(keeper, user=user or "root")
    os.chmod(keeper.path, 0o755)
    for key in "runDir", "stateDir":
        os.chown(daemon.config[key], pwd.getpwnam(user or "root").pw_uid, -1)
    good = checkconf(daemon)
    assert good.returncode == 0, good.stderr
    words = words.format(**daemon.config)
    spoil(daemon)
    bad = checkconf(daemon)
    assert words in bad.stderr, bad.stderr
    assert bad.returncode == 1
    refuses(daemon, words)


def test_an_ordinary_user_is_warned_of_what_others_can_change(keeper):
    daemon = as_user(connector(keeper))
    spoil_config_mode(daemon)
    spoil_run_dir(daemon)
    daemon.start()
    for words in ("mode 0646 lets everybody change the configuration",
                  "mode 0777 lets everybody put sockets"):
        daemon.process.wait_log("warning: .*" + words)
    assert daemon.reload() == "ok\n"


# What of root's an administrator may have missed; "": all of it.
@pytest.mark.parametrize("left", [
    "", "runDir", "stateDir", "runDir/conn25d.lock", "runDir/table",
    "stateDir/conn25.db.lock", "stateDir/conn25.db"])
@pytest.mark.parametrize("group", [GROUP, None])
def test_what_an_earlier_conn25d_made_as_root(keeper, left, group):
    """conn25d and conn25-checkconf say what to do, and when that is done it
    goes on. Root keeps on being told nothing."""
    daemon = Conn25d(keeper, "client", client_config(1))
    os.chmod(keeper.path, 0o755)
    daemon.start().stop()
    assert checkconf(daemon).stderr.count("belongs to") == 0
    changes = {"group": group} if group else {}
    daemon.configure(dict(daemon.config, user=USER, **changes))
    run_dir, state_dir = daemon.config["runDir"], daemon.config["stateDir"]
    group = group or grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name
    key, _, name = left.partition("/")
    path = os.path.join(daemon.config[key], name).rstrip("/") if left \
        else run_dir
    if left:
        subprocess.run(["chown", "-R", USER, run_dir, state_dir], check=True)
        os.chown(path, 0, 0)
    said = f"{path}: belongs to user root, and conn25d runs as {USER}: "
    chown = f"chown -R {USER}:{group} {run_dir} {state_dir}"
    run = checkconf(daemon)
    assert run.returncode == 1 and "no errors" not in run.stdout
    assert said in run.stderr and chown in run.stderr, run.stderr
    assert "left it, and none is seen to use it: chown" in run.stderr
    refuses(daemon, said, chown)
    with open(f"{run_dir}/conn25d.lock", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refuses(daemon, said, "another conn25d uses it: stop process "
                f"{os.getpid()} first, then {chown}")
    subprocess.run(chown.split(), check=True)
    run = checkconf(daemon)
    assert run.returncode == 0, run.stderr
    daemon.process.allowed.clear()
    daemon.process.allow("refused", "connector")
    daemon.start().stop()


def test_what_a_running_conn25d_of_root_keeps_to_itself(keeper):
    """Its directories have the modes that it gives them: who starts as root
    looks for it before becoming the user, who may not enter them."""
    daemon = Conn25d(keeper, "client", client_config(1))
    os.chmod(keeper.path, 0o755)
    daemon.start().stop()
    daemon.configure(dict(daemon.config, user=USER))
    run_dir, state_dir = daemon.config["runDir"], daemon.config["stateDir"]
    os.chmod(run_dir, 0o750)
    os.chmod(state_dir, 0o700)
    with open(f"{run_dir}/conn25d.lock", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = checkconf(daemon)
        assert run.returncode == 1
        assert "none is seen" not in run.stderr
        words = f"another conn25d uses it: stop process {os.getpid()} first"
        assert words in run.stderr, run.stderr
        refuses(daemon, words)


def test_root_is_told_of_the_user_whose_database_it_is(keeper):
    daemon = connector(keeper)
    os.chmod(keeper.path, 0o755)
    os.chown(daemon.config["stateDir"], pwd.getpwnam("mail").pw_uid, -1)
    refuses(daemon, 'write "user": "mail", or stop that user\'s conn25d, if '
            "it runs, and chown -R root")


def test_the_group_is_another_one_now(keeper):
    daemon = without_dirs(Conn25d(keeper, "client", client_config(
        1, user=USER, group=GROUP)))
    daemon.start().stop()
    daemon.configure(dict(daemon.config, group="news"))
    chgrp = f"chgrp -R {daemon.config['runDir']} to that"
    refuses(daemon, "can't be given to the table's group", chgrp)
    subprocess.run(["chgrp", "-R", "news", daemon.config["runDir"]],
                   check=True)
    daemon.process.allowed.clear()
    daemon.process.allow("connector")
    daemon.start().stop()


def test_started_by_another_user_than_the_configuration_says(keeper):
    """Nobody is told to take away that user's directories."""
    daemon = as_user(Conn25d(keeper, "client", client_config(1, user="mail")))
    for key in "runDir", "stateDir":
        os.chown(daemon.config[key], pwd.getpwnam("mail").pw_uid, -1)
        os.chmod(daemon.config[key], 0o700)
    log = refuses(daemon, f"user: is mail, and {USER}, who has started "
                  "conn25d, can't use")
    assert "start it as root or as mail" in log and "chown" not in log


def test_a_key_that_the_user_cannot_read(keeper):
    path = Key().write(keeper, "node.key")
    daemon = without_dirs(connector(keeper, user=USER,
                                    self={"privateKeyFile": path}))
    words = (f"self.privateKeyFile: {path}: user {USER} can't read it: "
             f"chown {USER} {path}")
    run = checkconf(daemon)
    assert run.returncode == 1 and words in run.stderr, run.stderr
    refuses(daemon, words)
    os.chown(path, UID, -1)
    assert checkconf(daemon).returncode == 0
    daemon.start()
    # At reload, too: nothing changes then.
    os.chown(path, 0, -1)
    run = daemon.control_run("reload")
    assert run.returncode == 1 and words in run.stderr, run.stderr
    os.chown(path, UID, -1)
    assert daemon.reload() == "ok\n"


def test_a_tls_key_that_the_user_cannot_read(keeper):
    """Root can, and checkconf knows that this is not enough."""
    files = Authority(keeper, "ca").issue("office").config
    path = files["privateKeyFile"]
    port = free_port("127.0.0.2")
    daemon = without_dirs(Conn25d(keeper, "connector", connector_config(
        port, user=USER, listen={"transitIP": f"https://127.0.0.2:{port}",
                                 "tls": files})))
    run = checkconf(daemon)
    assert run.returncode == 1 and "no errors" not in run.stdout
    assert f"listen.tls: {path}: user {USER} can't read it: chown {USER} " \
        in run.stderr, run.stderr
    refuses(daemon, "listen.tls", path)
    os.chown(path, UID, -1)
    assert checkconf(daemon).returncode == 0
    daemon.start()
    daemon.stop()


def owner_of_memory(daemon):
    """Root owns what is under /proc of a process that can't be dumped, so
    that its own user can't look into it."""
    return os.stat(f"/proc/{daemon.process.pid}/environ").st_uid


def test_a_process_with_a_key_is_closed_to_its_user(keeper):
    path = Key().write(keeper, "node.key")
    os.chown(path, UID, -1)
    daemon = without_dirs(connector(keeper, user=USER, group=GROUP)).start()
    assert owner_of_memory(daemon) == UID
    read = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups",
            "cat", f"/proc/{daemon.process.pid}/environ"]
    assert subprocess.run(read, capture_output=True,
                          check=False).returncode == 0
    daemon.configure(dict(daemon.config, self={"privateKeyFile": path}))
    assert daemon.reload() == "ok\n"
    assert owner_of_memory(daemon) == 0
    assert subprocess.run(read, capture_output=True,
                          check=False).returncode == 1


def test_a_configuration_that_the_user_cannot_read(keeper):
    daemon = without_dirs(connector(keeper, user=USER))
    os.chmod(daemon.conf, 0o600)
    daemon.process.allow("can't be read", "let that user", "not taken")
    daemon.start()
    daemon.process.wait_log(f"user {USER} can't read it, so that it can't be "
                            "reloaded")
    # It started, so that this is a warning.
    found = checkconf(daemon)
    assert f"warning: user {USER} can't read it: " in found.stderr
    assert found.returncode == 0, found.stderr
    run = daemon.control_run("reload")
    assert run.returncode == 1
    assert f"conn25d runs as user {USER}: let that user read it" in run.stderr
    os.chmod(daemon.conf, 0o644)
    assert daemon.reload() == "ok\n"
    assert "can't read" not in checkconf(daemon).stderr
    # By way of the group, too.
    os.chmod(daemon.conf, 0o640)
    os.chown(daemon.conf, -1, pwd.getpwnam(USER).pw_gid)
    assert "can't read" not in checkconf(daemon).stderr
    assert daemon.reload() == "ok\n"
    # It is judged at each reload as at the start.
    os.chmod(daemon.conf, 0o666)
    run = daemon.control_run("reload")
    assert run.returncode == 1 and "lets everybody change" in run.stderr


def test_a_failed_start_is_no_crash(keeper):
    """One that never ran has lost nothing."""
    daemon = as_user(connector(keeper, datapath=datapath(True)))
    refuses(daemon, "CAP_NET_ADMIN")
    daemon.configure(dict(daemon.config, datapath=datapath(False)))
    before = len(daemon.process.log())
    daemon.start()
    log = daemon.process.log()[before:]
    assert "went down" not in log and "may be missing" not in log, log


def started_with(daemon, *missing):
    """As root, but without these capabilities."""
    words = ",".join("-" + name for name in missing)
    daemon.process.argv = ["setpriv", f"--bounding-set={words}",
                           *daemon.process.argv]
    return without_dirs(daemon)


def test_a_root_that_may_not_change_its_user(keeper):
    daemon = connector(keeper, user=USER, group=GROUP)
    refuses(started_with(daemon, "setgid", "setuid"), f"user {USER}: ",
            "start conn25d with CAP_SETGID and CAP_SETUID, or as that user")


def test_a_root_that_may_not_change_its_bounding_set(keeper):
    daemon = connector(keeper, user=USER, group=GROUP)
    started_with(daemon, "setpcap", "net_admin").start()
    assert capabilities(daemon.process.pid)[:3] == (0, 0, 0)
    assert status_of(daemon.process.pid)["Uid"] == [str(UID)] * 4
