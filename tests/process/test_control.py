# SPDX-License-Identifier: BSD-3-Clause
"""What operators and their scripts read: filters, JSON, dump_state, long
lists, completion. CONN25_TEST_FULL=1 lists a million instead of 200,000."""

import datetime
import http.client
import ipaddress
import json
import os
import pty
import re
import socket
import subprocess
import threading
import time

import pytest

from harness.conn25 import (APPS, CONTROL, CHECKCONF, CONN25D, Conn25d,
                            client_config, connector_config, entry, post)
from harness.process import free_port
from harness.wait import scaled, wait_for

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MANY = 1000000 if os.environ.get("CONN25_TEST_FULL") else 200000


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], text=True, check=False,
                          capture_output=True, timeout=scaled(60), **options)


@pytest.fixture(scope="module")
def filled(world):
    """Three assignments of two apps, all acknowledged."""
    for name in ("wiki.corp.example", "v4.wiki.corp.example",
                 "n0001.bulk.example"):
        world.magic(name)
    world.wait_mapped()
    wait_for(lambda: world.client.stat("assignments.pending") == 0,
             "all to be acknowledged")
    return world


# ---- filters ----------------------------------------------------------------

def domains(world, *filters):
    lines = world.client.control("list_assignments", *filters).splitlines()
    return sorted(line.split()[0] for line in lines)


@pytest.mark.parametrize("filters, wanted", [
    (["app=wiki"], ["v4.wiki.corp.example", "wiki.corp.example"]),
    (["app=bulk"], ["n0001.bulk.example"]),
    (["app=-"], []),
    (["domain=WIKI.corp.example."], ["wiki.corp.example"]),
    (["domain=*.wiki.corp.example"],
     ["v4.wiki.corp.example", "wiki.corp.example"]),
    (["app=wiki", "domain=*.bulk.example"], []),
    (["state=ready", "app=bulk"], ["n0001.bulk.example"]),
    (["state=pending"], []),
    (["connector=office-1", "app=bulk"], ["n0001.bulk.example"]),
    (["connector=-"], []),
    (["address=100.64.0.0/16", "app=bulk"], ["n0001.bulk.example"]),
    (["address=192.0.2.1"], []),
])
def test_list_assignments_filters(filled, filters, wanted):
    found = domains(filled, *filters)
    # a name may have an address of each family
    assert sorted(set(found)) == wanted


def test_list_assignments_by_each_address(filled):
    one = next(a for a in filled.client.assignments()
               if a.domain == "n0001.bulk.example")
    for address in (one.magic, one.transit, one.destination):
        assert one.domain in domains(filled, f"address={address}")


def mappings(world, *filters):
    """Without the rest of their lives, which is another each time."""
    lines = world.connector.control("list_mappings", *filters).splitlines()
    return [line.rsplit(maxsplit=1)[0] for line in lines]


def test_list_mappings_filters(filled):
    every = mappings(filled)
    bulk = mappings(filled, "app=bulk", "peer=edge-1")
    assert bulk and set(bulk) == {m for m in every if m.endswith(" bulk")}
    assert mappings(filled, "peer=-") == []
    transit = bulk[0].split()[1]
    assert mappings(filled, f"address={transit}") == [bulk[0]]


@pytest.mark.parametrize("words", [
    ["list_assignments", "wiki"], ["list_assignments", "colour=red"],
    ["list_assignments", "address=wiki"], ["list_assignments", "domain=a..b"],
    ["list_assignments", "state=done"], ["list_assignments", "app="],
    ["list_mappings", "connector=office-1"], ["list_connectors", "app=wiki"],
    ["lookup", "wiki.corp.example", "bulk.example"],
    ["drop", "10.1.2.3", "10.1.2.4"], ["verbosity", "6"],
    ["reload", "--json"], ["dump_state", "now"]])
def test_wrong_arguments_say_what_is_right(filled, words):
    result = filled.client.control_run(*words)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {words[0]}")
    assert len(result.stderr.splitlines()) == 1


def test_names_with_blanks_can_be_asked_for(keeper):
    apps = [dict(APPS[0], name="our b\u00fccher")]
    port = free_port("127.0.0.2")
    daemon = Conn25d(keeper, "connector", connector_config(
        port, apps=apps, peers=[{"name": "edge-1", "addresses": ["127.0.0.1"],
                                 "apps": ["our b\u00fccher"]}])).start()
    post(port, {"transitIPs": [entry("169.254.64.1", "10.1.2.3",
                                     app="our b\u00fccher")]})
    printed = daemon.control("list_mappings", "app=our b\u00fccher")
    shown = printed.split()[3]
    assert shown == "our\\032b\u00fccher"
    assert daemon.control("list_mappings", f"app={shown}") == printed
    assert json.loads(daemon.control("list_mappings", "--json"))[0]["app"] \
        == "our b\u00fccher"


# ---- forms ------------------------------------------------------------------

def test_json_says_what_the_text_says(filled):
    client, connector = filled.client, filled.connector
    text = [line.split() for line in
            client.control("list_assignments").splitlines()]
    found = json.loads(client.control("--json", "list_assignments"))
    assert sorted(a["magic"] for a in found) == sorted(t[2] for t in text)
    assert {tuple(a) for a in found} == {(
        "domain", "destination", "magic", "transit", "app", "connector",
        "state", "leaseSeconds")}
    found = json.loads(connector.control("list_mappings", "--json"))
    assert len(found) == len(connector.control("list_mappings").splitlines())
    assert {m["peer"] for m in found} == {"edge-1"}
    found = json.loads(client.control("list_connectors", "--json"))
    assert found[0]["name"] == "office-1" and found[0]["health"] == "healthy"
    assert found[0]["lastError"] is found[0]["lastErrorTime"] is None
    stats = client.stats()
    found = json.loads(client.control("stats_noreset", "--json"))
    assert list(found) == list(stats)
    assert found["assignments.current"] == stats["assignments.current"]
    status = json.loads(client.control("status", "--json"))
    assert status["pid"] == client.process.pid and status["ready"] is True
    assert status["notReady"] == []
    assert json.loads(client.control(
        "list_assignments", "--json", "app=-")) == []


def test_lookup_as_json(filled):
    found = json.loads(filled.client.control("lookup", "--json",
                                             "wiki.corp.example"))
    assert found["policy"]["app"] == "wiki"
    assert {a["domain"] for a in found["assignments"]} == \
        {"wiki.corp.example"}
    assert found["mappings"] == []
    transit = found["assignments"][0]["transit"]
    found = json.loads(filled.connector.control("lookup", "--json", transit))
    assert found["policy"] is None and found["assignments"] == []
    assert found["mappings"][0]["transit"] == transit
    assert filled.client.control_run(
        "--json", "lookup", "192.0.2.7").returncode == 1


@pytest.mark.parametrize("words", [
    ["status"], ["stats_noreset"], ["list_assignments"], ["list_connectors"],
    ["list_assignments", "--json"], ["lookup", "wiki.corp.example"],
    ["dump_state"]])
def test_quiet_prints_what_was_asked_for(filled, words):
    def steady(text):   # what is told of time, and is another one each time
        return re.sub(r"[0-9]+", "0", text)
    path = os.path.join(filled.client.run_dir, "control.sock")
    loud = run(CONTROL, "-s", path, *words)
    quiet = run(CONTROL, "-q", "-s", path, *words)
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert loud.stdout and steady(quiet.stdout) == steady(loud.stdout)


def test_quiet_leaves_out_ok(filled):
    path = os.path.join(filled.client.run_dir, "control.sock")
    for words in ["verbosity", "1"], ["reload"]:
        assert run(CONTROL, "-s", path, *words).stdout.endswith("ok\n")
        result = run(CONTROL, "-q", "-s", path, *words)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout == ""
    result = run(CONTROL, "--quiet", "-s", path, "lookup", "plain.example")
    assert result.returncode == 1 and "plain.example" in result.stderr


@pytest.mark.parametrize("pieces", [
    [b"ok\na 1\nok\n"], [b"ok\na 1\no", b"k", b"\n"],
    [b"ok", b"\na 1\nok\n"]])
@pytest.mark.parametrize("tail, printed", [
    (b"", "a 1\n"), (b"ok\n", "a 1\nok\n"), (b"ok", "a 1\nok\nok"),
    (b"o", "a 1\nok\no"), (b"okay\n", "a 1\nok\nokay\n")])
def test_quiet_looks_at_the_end_only(tmp_path, pieces, tail, printed):
    """However a reply is cut."""
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        with subprocess.Popen([CONTROL, "-q", "-s", path, "status"],
                              stdout=subprocess.PIPE, text=True) as process:
            connection, _ = listener.accept()
            connection.recv(1024)
            for piece in [*pieces, tail]:
                connection.sendall(piece)
            connection.close()
            assert process.communicate(timeout=scaled(10))[0] == printed
            assert process.returncode == 0


def test_a_wrong_verb_needs_no_conn25d(tmp_path):
    result = run(CONTROL, "-s", str(tmp_path / "none"), "statsu")
    assert result.returncode == 1
    assert result.stderr.startswith("conn25-control: unknown verb statsu: "
                                    "known are status, stats,")
    assert verbs() <= set(re.split(r"[ ,\n]+", result.stderr))


def test_a_socket_that_is_missing(tmp_path):
    conf = tmp_path / "conn25.json"
    conf.write_text(json.dumps({"runDir": str(tmp_path)}))
    given = run(CONTROL, "-s", str(tmp_path / "none"), "status")
    found = run(CONTROL, "-c", str(conf), "status")
    assert given.returncode == found.returncode == 1
    assert "is this its socket?" in given.stderr
    assert "runDir" not in given.stderr
    assert "is conn25d running with this runDir?" in found.stderr


@pytest.mark.parametrize("who, verb, word", [
    ("client", "list_assignments", "app=nosuch"),
    ("client", "list_assignments", "connector=nosuch"),
    ("connector", "list_mappings", "app=nosuch"),
    ("connector", "list_mappings", "peer=nosuch")])
def test_lists_of_what_is_not_configured_are_errors(filled, who, verb, word):
    daemon = getattr(filled, who)
    result = daemon.control_run(verb, word)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (f"error: {verb} {word}: the configuration has no "
                             f"such {word.split('=')[0]}\n")
    assert daemon.control(verb, word.replace("nosuch", "-")) == ""


def test_dump_state_is_json_whether_or_not_that_is_said(filled):
    assert json.loads(filled.client.control("dump_state", "--json")) \
        .keys() == json.loads(filled.client.control("dump_state")).keys()


def on_a_terminal(daemon, *words):
    """The lines that conn25-control shows there."""
    path = os.path.join(daemon.run_dir, "control.sock")
    ours, theirs = pty.openpty()
    with subprocess.Popen([CONTROL, "-s", path, *words],
                          stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:     # the other side is closed
            pass
        assert process.wait(scaled(10)) == 0
    os.close(ours)
    return shown.decode().splitlines()


def test_lists_have_a_header_on_a_terminal_only(filled):
    lines = on_a_terminal(filled.client, "list_connectors")
    assert lines[0].split()[:3] == ["name", "url", "health"]
    assert lines[1].startswith("office-1 ")
    assert filled.client.control("list_connectors").startswith("office-1 ")


@pytest.mark.parametrize("verb", ["list_assignments", "list_mappings"])
def test_columns_are_below_each_other_on_a_terminal(filled, verb):
    daemon = filled.client if verb == "list_assignments" else filled.connector
    piped = daemon.control(verb).splitlines()
    assert len(piped) >= 3
    # What is printed elsewhere has one blank between columns, as ever.
    assert all("  " not in line for line in piped)
    # Seconds go on meanwhile.
    plain = [line.split()[:-1] for line in piped]
    lines = on_a_terminal(daemon, verb)
    assert [line.split()[:-1] for line in lines[1:]] == plain
    assert lines[0].split()[:-1] and len({
        tuple(found.start() for found in re.finditer(r"\S+", line))
        for line in lines}) == 1, "\n".join(lines)
    quiet = on_a_terminal(daemon, "-q", verb)
    assert [line.split()[:-1] for line in quiet] == plain
    assert len({line.index(line.split()[1]) for line in quiet}) == 1


def test_waiting_is_told_on_a_terminal_only(tmp_path):
    """A conn25d that is busy: it takes the connection, and no more."""
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(2)
        ours, theirs = pty.openpty()
        asked = [CONTROL, "-s", path, "status"]
        # With -q on a terminal, too: it comes first, so that its time to say
        # something is over when the next one does.
        with subprocess.Popen([CONTROL, "-q", *asked[1:]], stderr=theirs,
                              stdout=subprocess.PIPE, text=True) as quiet, \
                subprocess.Popen(asked, stdout=subprocess.PIPE,
                                 stderr=theirs, text=True) as seen, \
                subprocess.Popen(asked, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) as piped:
            os.close(theirs)
            assert os.read(ours, 4096) == \
                b"conn25-control: conn25d is busy, waiting\r\n"
            for _ in quiet, seen, piped:
                peer = busy.accept()[0]
                peer.recv(4096)
                peer.sendall(b"ok\nall is well\n")
                peer.close()
            assert quiet.communicate()[0] == "all is well\n"
            assert seen.communicate()[0] == "all is well\n"
            assert piped.communicate() == ("all is well\n", "")
        with pytest.raises(OSError):    # the other side is closed, and empty
            os.read(ours, 4096)
        os.close(ours)


@pytest.mark.parametrize("program", [CONTROL, CHECKCONF, CONN25D])
def test_help_and_version_in_both_forms(program):
    name = os.path.basename(program)
    for short, long in (("-h", "--help"), ("-V", "--version")):
        printed = [run(program, option) for option in (short, long)]
        assert printed[0].returncode == printed[1].returncode == 0
        assert printed[0].stdout == printed[1].stdout
        assert name in printed[0].stdout
        assert printed[0].stderr == ""


def test_drop_counts_in_words(filled):
    filled.magic("deep.a.b.wiki.corp.example", "A")
    assert filled.client.control("drop", "deep.a.b.wiki.corp.example") == \
        "dropped 1 assignment, 0 mappings\n"
    filled.magic("n0002.bulk.example", "A")
    assert filled.client.control("drop", "n0002.bulk.example") == \
        "dropped 2 assignments, 0 mappings\n"


# ---- every verb -------------------------------------------------------------

def verbs():
    """What conn25-control says that there is."""
    usage = run(CONTROL, "-h").stdout
    part = usage[usage.index("verbs:"):]
    return set(re.findall(r"^  ([a-z_]+)(?: |$)", part, re.M))


def test_completion_knows_every_verb_and_no_other():
    script = os.path.join(TOP, "contrib", "completion", "conn25-control")
    completed = run("bash", "-c", f"""
        . {script}
        COMP_WORDS=(conn25-control '') COMP_CWORD=1
        _conn25_control 2>/dev/null
        printf '%s\\n' "${{COMPREPLY[@]}}" """).stdout.split()
    assert len(completed) == len(set(completed))
    assert set(completed) == verbs()


def test_completion_knows_the_options_and_keys():
    script = os.path.join(TOP, "contrib", "completion", "conn25-control")

    def complete(*words):
        listed = " ".join(f"'{w}'" for w in words)
        return set(run("bash", "-c", f"""
            . {script}
            compopt() {{ :; }}
            COMP_WORDS=(conn25-control {listed}) COMP_CWORD={len(words)}
            _conn25_control
            printf '%s\\n' "${{COMPREPLY[@]}}" """).stdout.split())
    usage = run(CONTROL, "-h").stdout
    for option in complete("-"):
        assert option in re.split(r"[\s,\[\]]+", usage)
    keys = re.search(r"KEY is, for assignments, of: (.*);", usage)[1].split()
    assert complete("-s", "x", "list_assignments", "") == \
        {f"{key}=" for key in keys} | {"--json"}
    keys = re.search(r"for mappings, of: (.*?)\. ", usage)[1].split()
    assert complete("list_mappings", "") == \
        {f"{key}=" for key in keys} | {"--json"}


# ---- the whole --------------------------------------------------------------

def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port,
                                            timeout=scaled(60))
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_dump_state_has_the_shape_of_upstreams(filled):
    state = json.loads(filled.client.control("dump_state"))
    assert state["configured"] is True
    apps = {a["app"]: {d["domain"]: d["addresses"] for d in a["domains"]}
            for a in state["client"]["apps"]}
    assert set(apps["wiki"]) == {"wiki.corp.example.", "v4.wiki.corp.example."}
    for one in filled.client.assignments():
        app = "bulk" if "bulk" in one.domain else "wiki"
        address = next(a for a in apps[app][one.domain + "."]
                       if a["destinationIP"] == one.destination)
        assert (address["magicIP"], address["transitIP"]) == \
            (one.magic, one.transit)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                            address["expiresAt"])
    stats = filled.client.stats()
    pools = state["client"]["ipPoolStats"]
    for family in ("4", "6"):
        for kind in ("Magic", "Transit"):
            assert pools[f"ipv{family}{kind}IPsInUse"] == \
                stats[f"pool.v{family}{kind.lower()}.inuse"]
            assert pools[f"ipv{family}{kind}IPsCapacity"] <= 2 ** 63 - 1
    peers = json.loads(filled.connector.control("dump_state"))[
        "connector"]["peers"]
    assert [p["clientIP"] for p in peers] == ["127.0.0.1"]
    mappings = {a["transitIP"]: a["destinationIP"]
                for app in peers[0]["apps"] for a in app["addresses"]}
    assert mappings == {m.transit: m.destination
                        for m in filled.connector.mappings()}


def test_dump_state_groups_each_app_and_domain_once(filled):
    for number in range(40):
        filled.magic(f"n{number:04d}.bulk.example", "A")
    state = json.loads(filled.client.control("dump_state"))
    apps = [a["app"] for a in state["client"]["apps"]]
    names = [d["domain"] for a in state["client"]["apps"]
             for d in a["domains"]]
    assert len(apps) == len(set(apps)) and len(names) == len(set(names))
    assert len(names) >= 42


class Watch(threading.Thread):
    """Asks for the health over and over: the loop goes on."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.answers, self.longest = port, 0, 0.0
        self.over = threading.Event()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=scaled(60))
        while not self.over.is_set():
            began = time.monotonic()
            connection.request("GET", "/healthz")
            if connection.getresponse().read() == b"ok\n":
                self.answers += 1
            self.longest = max(self.longest, time.monotonic() - began)
        connection.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(scaled(60))


@pytest.fixture(scope="module")
def many(nsd_keeper):
    """A connector with as many mappings."""
    port, admin = free_port("127.0.0.2"), free_port("127.0.0.1")
    apps = [dict(APPS[0], destinations=["10.0.0.0/8"]),
            dict(APPS[1], destinations=["10.0.0.0/8"])]
    daemon = Conn25d(nsd_keeper, "many", connector_config(
        port, apps=apps, listen={"transitIP": f"http://127.0.0.2:{port}",
                                 "admin": f"http://127.0.0.1:{admin}"},
        peers=[{"name": "edge-1", "addresses": ["127.0.0.1"],
                "apps": ["wiki", "bulk"]}])).start()
    first = int(ipaddress.ip_address("100.64.0.0"))
    place = int(ipaddress.ip_address("10.128.0.0"))
    for at in range(0, MANY, 4000):
        status, _ = post(port, {"transitIPs": [
            entry(str(ipaddress.ip_address(first + i)),
                  str(ipaddress.ip_address(place + i)),
                  app="wiki" if i % 2 else "bulk")
            for i in range(at, at + 4000)]})
        assert status == 200
    daemon.admin = admin
    yield daemon
    daemon.stop()


def test_a_long_list_is_complete_and_the_loop_goes_on(many):
    with Watch(many.admin) as watch:
        lines = many.control("list_mappings").splitlines()
        found = len(lines), len({line.split()[1] for line in lines})
        answers = watch.answers
        wait_for(lambda: watch.answers > answers, "the next answer")
    assert found == (MANY, MANY)
    assert answers > 10, watch.longest


def test_a_long_list_filtered_by_the_daemon(many):
    lines = many.control("list_mappings", "app=wiki",
                         "address=10.128.0.0/24").splitlines()
    assert len(lines) == 128


@pytest.mark.parametrize("how", ["dump_state", "http"])
def test_a_long_state_is_complete_and_the_loop_goes_on(many, how):
    with Watch(many.admin) as watch:
        if how == "http":
            status, text = get(many.admin, "/v0/conn25/state")
            assert status == 200
        else:
            text = many.control("dump_state")
        answers = watch.answers
    assert answers > 10, watch.longest
    peer, = json.loads(text)["connector"]["peers"]
    apps = {a["app"]: a["addresses"] for a in peer["apps"]}
    assert len(peer["apps"]) == 2
    assert len(apps["wiki"]) == len(apps["bulk"]) == MANY // 2
    assert len({a["transitIP"] for a in apps["wiki"]}) == MANY // 2


def test_who_stops_reading_a_state_disturbs_nobody(many):
    stuck = []
    for _ in range(4):
        connection = http.client.HTTPConnection("127.0.0.1", many.admin,
                                                timeout=scaled(60))
        connection.request("GET", "/v0/conn25/state")
        stuck.append(connection)
    wait_for(lambda: get(many.admin, "/v0/conn25/state")[0] == 503,
             "the fifth to be refused")
    assert get(many.admin, "/healthz") == (200, b"ok\n")
    refused = many.control_run("dump_state")
    assert refused.returncode == 1 and "try again" in refused.stderr
    for connection in stuck:
        connection.close()
    wait_for(lambda: get(many.admin, "/v0/conn25/state")[0] == 200,
             "their places to be free")


# ---- refusals ---------------------------------------------------------------

def test_both_ends_name_a_refused_destination(fresh):
    apps = [dict(APPS[0], destinations=["192.0.2.0/24"])]
    world = fresh(client={"apps": [APPS[0]]}, connector={
        "apps": apps, "peers": [{"name": "edge-1", "apps": ["wiki"],
                                 "addresses": ["127.0.0.1", "::1"]}]})
    world.connector.process.allow("is refused, code 1")
    world.client.process.allow("refused")
    assert world.ask("wiki.corp.example", "A")
    wait_for(lambda: " is refused, code 1: " in
             world.client.control("list_connectors"),
             "the refusal to be shown")
    shown = world.client.control("list_connectors")
    assert re.search(r"^office-1 \S+ healthy \d+ \d+ \d+ s ago: 10\.1\.", shown)
    found = json.loads(world.client.control("list_connectors", "--json"))[0]
    at = datetime.datetime.strptime(found["lastErrorTime"],
                                    "%Y-%m-%dT%H:%M:%S%z").timestamp()
    assert abs(time.time() - at) < scaled(60), found
    assert "is refused, code 1" in found["lastError"]
    log = world.connector.process.log()
    for said in (shown, log):
        assert re.search(r" 10\.1\.0\.[12] (of app wiki )?is refused, "
                         r"code 1: ", said), said
    # the connector's says which of the causes with that code it was
    assert "is not among \"destinations\" of the app" in log
    assert log.count("is refused, code 1") == 1


def test_status_of_a_client_alone(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1)).start()
    daemon.process.allow("refused", "connector")
    wait_for(lambda: "ready: no: app wiki: none of its connectors answers"
             in daemon.control("status"), "the connector to be missed")
    reasons = json.loads(daemon.control("status", "--json"))["notReady"]
    assert "app wiki: none of its connectors answers" in \
        [reason[:40] for reason in reasons], reasons
    assert not any("\n" in reason for reason in reasons)
    assert daemon.stat("apps.down") == 3
    assert daemon.stat("ready") == 0


def test_answers_again_only_who_had_failed(keeper):
    """What an earlier conn25d knew of a connector is no failure of this
    one's."""
    port = free_port("127.0.0.2")
    client = Conn25d(keeper, "client", client_config(port)).start()
    client.process.allow("connector office-1")
    client.process.wait_log("connector office-1: request failed")
    client.stop()
    connector = Conn25d(keeper, "connector", connector_config(port)).start()
    again = Conn25d(keeper, "again", client_config(port),
                    run_dir=client.run_dir).start()
    again.process.wait_log(r"connector office-1: answers\n")
    again.stop()
    connector.stop()


def test_a_table_for_which_there_is_no_room(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    daemon.process.argv = ["prlimit", "--fsize=65536", *daemon.process.argv]
    daemon.process.start()
    assert daemon.process.wait_exit() == 1
    daemon.process.popen = None
    assert re.search(r"no room for 65536 assignments \(\d+ bytes\): .*: "
                     r"enlarge that file system .*table\.maxAssignments",
                     daemon.process.log())


def test_pools_for_which_there_is_no_room(keeper):
    """At the reload that brings them: what was before goes on."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"],
                                           check=False).returncode != 0:
        pytest.skip("needs a mount namespace: run as root")
    run_dir = keeper.sub("small")
    large = dict(client_config(1), table={"maxAssignments": 64})
    small = dict(large, pools={"v4MagicIPPool": ["100.64.0.0/24"],
                               "v4TransitIPPool": ["169.254.64.0/24"]})
    daemon = Conn25d(keeper, "conn25d", small, run_dir=run_dir)
    daemon.process.argv = [
        "unshare", "--mount", "sh", "-ec",
        f'mount -t tmpfs -o size=1500k,mode=755 none {run_dir}; exec "$@"',
        "sh", *daemon.process.argv]
    daemon.process.allow("connector office-1")
    daemon.process.start()
    inside = f"/proc/{daemon.process.pid}/root{run_dir}/control.sock"

    def control(*words):
        return run(CONTROL, "-s", inside, *words)
    wait_for(lambda: control("status").returncode == 0, "conn25d to run")
    assert "generation: 1\n" in control("status").stdout
    daemon.configure(large)
    tried = control("reload")
    assert tried.returncode == 1
    assert re.search(r"no room for the bitmaps of the pools \(\d+ bytes\): "
                     "No space left .*: enlarge that file system .*or use "
                     "smaller pools", tried.stderr), tried.stderr
    assert "generation: 1\n" in control("status").stdout
