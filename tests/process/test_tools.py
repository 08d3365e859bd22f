# SPDX-License-Identifier: BSD-3-Clause
"""conn25-control and conn25-checkconf as an administrator uses them."""

import glob
import json
import os
import re
import socket
import subprocess

import pytest

from harness.conn25 import (CHECKCONF, CONTROL, Conn25d,
                            checkconf_elsewhere, client_config,
                            connector_config)
from harness.process import free_port
from harness.wait import scaled, wait_for


def run(*argv):
    return subprocess.run([str(a) for a in argv], text=True, check=False,
                          capture_output=True, timeout=scaled(60))


# ---- conn25-control ---------------------------------------------------------

STATS = """total.num.queries total.num.matched total.num.rewritten
total.num.emptied total.num.servfail total.num.reserved total.num.renewed
total.num.held total.num.hold_timeout assignments.current assignments.pending
assignments.capacity push.requests push.acked push.failed push.retried
serve.requests serve.mappings.ok serve.mappings.refused mappings.current
""".split() + [f"pool.{kind}.{what}"
               for kind in ("v4magic", "v4transit", "v6magic", "v6transit")
               for what in ("inuse", "capacity")]


def test_stats_are_name_value_lines(world):
    for daemon in (world.client, world.connector):
        for line in daemon.control("stats_noreset").splitlines():
            assert re.fullmatch(r"[A-Za-z0-9_.-]+=[0-9.]+", line), line
        missing = set(STATS) - set(daemon.stats())
        assert not missing, missing
    assert world.client.stat("connector.office-1.healthy") == 1


def test_stats_resets_counters_and_leaves_what_is_a_state(world):
    world.magic("wiki.corp.example")
    world.wait_mapped()
    first = world.client.stats("stats")
    assert first["total.num.queries"] > 0
    second = world.client.stats("stats_noreset")
    assert second["total.num.queries"] == 0
    assert second["push.acked"] == 0
    for name in ("assignments.current", "pool.v4magic.inuse",
                 "assignments.capacity"):
        assert second[name] == first[name] > 0


def test_lookup_finds_an_assignment_by_name_and_each_address(world):
    world.magic("wiki.corp.example")
    assignment = next(a for a in world.client.assignments()
                      if a.domain == "wiki.corp.example")
    for what in ("wiki.corp.example", "WIKI.corp.example.", assignment.magic,
                 assignment.transit, assignment.destination):
        printed = world.client.control("lookup", what)
        for text in (assignment.domain, assignment.magic, assignment.transit,
                     assignment.destination):
            assert text in printed, f"lookup {what}: {printed}"


def test_lookup_of_an_unmatched_name(world):
    result = world.client.control_run("lookup", "plain.example")
    assert "plain.example" in result.stdout + result.stderr


def test_list_connectors(world):
    world.magic("wiki.corp.example")
    world.wait_mapped()
    lines = [line for line in
             world.client.control("list_connectors").splitlines()
             if line.startswith("office-1")]
    assert len(lines) == 1
    assert f"127.0.0.2:{world.connector_port}" in lines[0]
    assert "healthy" in lines[0]


def test_status_says_what_runs(world):
    printed = world.client.control("status")
    assert str(world.client.process.pid) in printed
    assert world.client.run_dir in printed or "table" in printed


def test_list_mappings_names_the_peer_and_the_app(world):
    world.magic("wiki.corp.example")
    world.wait_mapped()
    mapping = world.connector.mappings()[0]
    assert mapping.peer == "edge-1"
    assert "wiki" in mapping.line.split()


@pytest.mark.parametrize("words", [
    ["nosuchverb"], ["lookup"], ["status", "extra"], [],
    ["lookup", "a b"], ["verbosity", "many"]])
def test_wrong_verbs_end_with_1_and_a_reason(world, words):
    result = world.client.control_run(*words)
    assert result.returncode == 1, result
    assert result.stderr.strip(), result


def test_control_finds_the_socket_by_the_configuration(world):
    result = run(CONTROL, "-c", world.client.conf, "status")
    assert result.returncode == 0, result.stderr


def test_control_without_daemon_says_what_to_do(tmp_path):
    result = run(CONTROL, "-s", tmp_path / "control.sock", "status")
    assert result.returncode == 1
    assert "control.sock" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_control_help(world):
    result = run(CONTROL, "-h")
    assert result.returncode == 0
    for verb in ("status", "stats", "stats_noreset", "list_assignments",
                 "list_mappings", "list_connectors", "lookup", "reload",
                 "stop"):
        assert verb in result.stdout


def test_stop(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1)).start()
    daemon.control("stop")
    assert daemon.process.wait_exit() == 0
    daemon.process.popen = None


def test_reload_names_the_mistake(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1)).start()
    daemon.process.allow("conn25.json")
    with open(daemon.conf, "w", encoding="ascii") as file:
        file.write('{\n  "apps": 7\n}\n')
    result = daemon.control_run("reload")
    assert result.returncode == 1
    assert re.search(r"conn25\.json:2:\d+: ", result.stderr), result.stderr


def test_verbosity(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1)).start()
    before = len(daemon.process.log())
    daemon.control("verbosity", "3")
    daemon.control("status")
    daemon.control("verbosity", "0")
    assert daemon.answers()
    assert len(daemon.process.log()) >= before


# ---- conn25-checkconf -------------------------------------------------------

def write(tmp_path, text):
    path = tmp_path / "conn25.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text),
                    encoding="utf-8")
    return path


@pytest.mark.parametrize("config", [client_config(8025),
                                    connector_config(8025)],
                         ids=["client", "connector"])
def test_checkconf_accepts_what_conn25d_runs_with(tmp_path, config):
    result = run(CHECKCONF, write(tmp_path, config))
    assert result.returncode == 0, result
    assert "error:" not in result.stdout + result.stderr


def test_checkconf_accepts_comments_and_trailing_commas(tmp_path):
    result = run(CHECKCONF, write(tmp_path, """
    // a comment
    { /* another */
      "pools": { "v4MagicIPPool": ["100.64.0.0-100.64.0.99",],
                 "v4TransitIPPool": ["169.254.64.0/24"], },
      "apps": [ { "name": "a", "domains": ["a.example"],
                  "connectors": ["*"], }, ],
      "connectors": [ { "name": "c", "url": "http://127.0.0.1:1", }, ],
    }"""))
    assert result.returncode == 0, result


def test_checkconf_reports_all_mistakes_with_their_places(tmp_path):
    path = write(tmp_path, """{
  "pools": {
    "v4MagicIPPool": ["100.64.0.0/16", "100.64.1.0/24"],
    "v4TransitIPPool": ["169.254.64.1/18"]
  },
  "apps": [
    { "name": "a", "domains": ["a..example"], "connectors": ["*"] },
    { "name": "a", "domains": ["b.example"], "conectors": ["*"] }
  ],
  "dns": { "maxTTL": "long" }
}""")
    result = run(CHECKCONF, path)
    assert result.returncode == 1
    found = result.stdout + result.stderr
    for line, what in [(3, "100.64"), (4, "169.254.64.1/18"),
                       (7, "a..example"), (8, "conectors"), (10, "maxTTL")]:
        assert re.search(rf"conn25\.json:{line}:\d+: .*{re.escape(what)}",
                         found), f"line {line} {what}:\n{found}"


def test_checkconf_prints_the_policy(tmp_path):
    result = run(CHECKCONF, "-o", write(tmp_path, client_config(8025)))
    assert result.returncode == 0, result
    for word in ("wiki.corp.example", "bulk", "office-1", "100.64.0.0/16"):
        assert word in result.stdout, result.stdout


def test_checkconf_missing_file(tmp_path):
    result = run(CHECKCONF, tmp_path / "none.json")
    assert result.returncode == 1
    assert "none.json" in result.stderr + result.stdout


def test_sample_configurations_are_good(keeper):
    """Nothing is said of them but what this host lacks."""
    here = os.path.dirname(os.path.abspath(__file__))
    contrib = os.path.join(here, "..", "..", "contrib")
    samples = glob.glob(os.path.join(contrib, "**", "*.json"),
                        recursive=True)
    samples = [name for name in samples if "monitoring" not in name]
    assert len(samples) >= 4
    for name in samples:
        with open(name, encoding="utf-8") as file:
            result = checkconf_elsewhere(keeper, file.read())
        assert result.returncode == 0, f"{name}: {result}"
        said = [line for line in result.stderr.splitlines() if not
                re.search(r": warning: (user|group|datapath)[ :]", line)]
        assert not said, said


def test_checkconf_warns_of_what_is_seldom_meant(keeper, tmp_path):
    """And conn25d, which starts with it, doesn't at each start."""
    config = client_config(8025)
    config["pools"] = dict(config["pools"], v4TransitIPPool=["8.8.8.0/24"])
    config["dns"] = {"maxTTL": 0}
    config["listen"] = {"admin": f"http://0.0.0.0:{free_port()}"}
    result = run(CHECKCONF, write(tmp_path, config))
    assert result.returncode == 0, result
    for what in ("8.8.8.0/24 are addresses of the Internet",
                 "pools.v4TransitIPPool[0]: has 256 addresses",
                 "dns.maxTTL: 0 lets nobody",
                 "listen.admin: http://0.0.0.0"):
        assert re.search(r"conn25\.json:\d+:\d+: warning: .*" +
                         re.escape(what), result.stderr), result.stderr
    daemon = Conn25d(keeper, "conn25d", config).start()
    daemon.process.allow("connector")
    assert "maxTTL" not in daemon.process.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_checkconf_warns_root_of_a_file_without_user(tmp_path):
    """As conn25d does."""
    what = "warning: user: conn25d started by root runs as root"
    config = client_config(8025)
    assert what in run(CHECKCONF, write(tmp_path, config)).stderr
    result = run(CHECKCONF, write(tmp_path, dict(config, user="nobody")))
    assert what not in result.stderr


# ---- where conn25d logs -----------------------------------------------------

def test_log_for_the_journal(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    path = daemon.process.log_path
    with open(path, "w", encoding="ascii"):
        status = os.stat(path)
    daemon.process.env["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
    daemon.start()
    lines = daemon.process.log().splitlines()
    assert any(re.match(r"<6>running: version ", line) for line in lines)
    assert all(re.match(r"<[367]>\w", line) for line in lines), lines


def test_log_of_another_stream_is_as_always(keeper):
    daemon = Conn25d(keeper, "conn25d", client_config(1))
    daemon.process.env["JOURNAL_STREAM"] = "8:123456"
    daemon.start()
    assert re.search(r"^\[\d+\.\d{3}\] conn25d: running: version ",
                     daemon.process.log(), re.M)


def test_log_to_syslog(keeper):
    if os.geteuid() != 0:
        pytest.skip("only root may put a socket at /dev/log")
    daemon = Conn25d(keeper, "conn25d",
                     client_config(1, log={"to": "syslog"}))
    place = keeper.sub("syslog")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(os.path.join(place, "log"))
        listener.settimeout(scaled(10))
        daemon.process.argv = [
            "unshare", "-m", "sh", "-c", f"cd {place} && "
            "touch urandom && mount --bind /dev/urandom urandom && "
            "mount --rbind . /dev && exec \"$@\"", "sh",
            *daemon.process.argv]
        daemon.start()
        message = ""
        while "running: version" not in message:
            message = listener.recv(4096).decode()
    assert re.match(rf"<30>.* conn25d\[{daemon.process.pid}\]: ", message)
    assert "running: version" not in daemon.process.log()


def test_queries_of_matched_names_are_logged_on_request(fresh):
    world = fresh()

    def logged():
        return re.findall(r"conn25: query (\S+) (\S+) IN",
                          world.unbound.process.log())
    world.magic("wiki.corp.example", "A")
    assert logged() == []
    world.client.configure(dict(world.client.config,
                                log={"queries": True}))
    world.client.reload()
    for _ in range(2):      # the second from what is kept
        world.magic("wiki.corp.example", "A")
    world.ask("wiki.corp.example", "TXT")
    world.ask("plain.example", "A")
    wait_for(lambda: logged() == [("wiki.corp.example.", "A"),
                                  ("wiki.corp.example.", "A"),
                                  ("wiki.corp.example.", "TXT")],
             lambda: f"the queries in the log: {logged()}")
    world.client.configure(dict(world.client.config, log={}))
    world.client.reload()
    world.magic("wiki.corp.example", "A")
    assert len(logged()) == 3
