# SPDX-License-Identifier: BSD-3-Clause
"""What monitoring reads: statistics, /metrics, health, and what contrib has
for Prometheus, Grafana and Munin."""

import collections
import http.client
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from harness import zones
from harness.conn25 import (CONTROL, Conn25d, client_config,
                            connector_config, entry, post)
from harness.process import free_port
from harness.wait import scaled, wait_for

MONITORING = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "..", "..", "contrib", "monitoring")

Sample = collections.namedtuple("Sample", "name labels value")


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port,
                                            timeout=scaled(20))
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), \
            response.read().decode()
    finally:
        connection.close()


def samples(text):
    found = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(
            r'([a-z0-9_]+)(?:\{(.*)\})? ([0-9.]+)', line).groups()
        found.append(Sample(name, dict(re.findall(r'(\w+)="(.*?)"',
                                                  labels or "")),
                            float(value)))
    return found


def families(text):
    """Name and type of all that is in it."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


@pytest.fixture(scope="module")
def admins():
    return {"client": free_port("127.0.0.1"),
            "connector": free_port("127.0.0.1")}


@pytest.fixture(scope="module")
def measured(fresh_for_all, admins):
    """A world whose conn25d listen, after some queries."""
    world = fresh_for_all(
        client={"listen": {"admin": f"http://127.0.0.1:{admins['client']}"}})
    config = dict(world.connector.config)
    config["listen"] = dict(
        config["listen"], admin=f"http://127.0.0.1:{admins['connector']}")
    world.connector.configure(config)
    world.connector.reload()
    # Until it is no answer is held.
    wait_for(lambda: re.search(r"modules: [1-9]",
                               world.client.control("status")),
             "the module to be connected")
    for number in range(5):
        world.magic(zones.bulk_name(number), "A")
    world.wait_mapped()
    wait_for(lambda: world.client.stat("assignments.pending") == 0,
             "all to be acknowledged")
    return world


@pytest.fixture
def page(measured, admins):
    def read(role="client"):
        status, kind, text = get(admins[role], "/metrics")
        assert status == 200
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        return text
    return read


# ---- /metrics ---------------------------------------------------------------

@pytest.mark.parametrize("role", ["client", "connector"])
def test_promtool_finds_nothing_to_say(page, role):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool")
    result = subprocess.run([promtool, "check", "metrics"], text=True,
                            input=page(role), capture_output=True,
                            check=False, timeout=scaled(60))
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_every_metric_has_help_type_and_unit(page):
    text = page()
    types = families(text)
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))
    assert set(types) == set(helps)
    for name, kind in types.items():
        assert name.startswith("conn25_")
        assert helps[name].endswith("."), name
        assert name.endswith("_total") == (kind == "counter"), name
        assert kind != "histogram" or name.endswith("_seconds"), name
    for one in samples(text):
        base = re.sub(r"_(bucket|sum|count)$", "", one.name)
        assert one.name in types or types[base] == "histogram", one.name


# Where the name says another thing than that of the statistic.
NAMED = {
    "total.num.queries": "conn25_queries_total",
    "assignments.current": "conn25_assignments",
    "pool.v4magic.inuse": "conn25_pool_addresses_in_use",
    "push.acked": "conn25_push_mappings_acked_total",
}


def test_metrics_and_statistics_are_the_same_list(measured, page):
    """Each statistic is a sample with its value, and each sample is one."""
    stats = measured.client.stats()
    found = samples(page())
    histograms = {name for name, kind in families(page()).items()
                  if kind == "histogram"}
    scalars = [s for s in found if s.name != "conn25_build_info" and
               not any(s.name.startswith(h) for h in histograms)]
    plain = [name for name in stats if ".histogram." not in name and
             name not in ("time.now", "time.elapsed")]
    assert len(scalars) == len(plain)
    for stat, metric in NAMED.items():
        assert any(s.name == metric and s.value == stats[stat]
                   for s in found), stat
    assert {re.match(r"(\w+)\.histogram", n)[1] for n in stats
            if ".histogram." in n} == {"hold", "push", "serve"}
    assert len(histograms) == 3


def test_counters_of_metrics_are_not_reset(measured, page):
    def value(name):
        return next(s.value for s in samples(page()) if s.name == name)
    names = {"conn25_queries_total": "total.num.queries",
             "conn25_push_mappings_acked_total": "push.acked",
             "conn25_connector_mappings_acked_total":
             "connector.office-1.acked"}
    before = measured.client.stats("stats")
    assert min(before[stat] for stat in names.values()) > 0

    def both_go_on():
        """What is sent again meanwhile is in both."""
        after = measured.client.stats()
        return all(value(name) == before[stat] + after[stat]
                   for name, stat in names.items())
    wait_for(both_go_on, "metrics to have what the statistics had before")
    after = measured.client.stats()
    assert after["total.num.queries"] == 0
    assert sum(histogram(measured.client, "push").values()) \
        <= after["push.acked"]
    for what in "hold", "serve":
        assert sum(histogram(measured.client, what).values()) == 0


# ---- histograms -------------------------------------------------------------

def histogram(daemon, what):
    return {name: value for name, value in daemon.stats().items()
            if name.startswith(f"{what}.histogram.")}


def test_histograms_have_unbounds_form(measured):
    mine = list(histogram(measured.client, "push"))
    assert mine[:3] == [
        "push.histogram.000000.000000.to.000000.000001",
        "push.histogram.000000.000001.to.000000.000002",
        "push.histogram.000000.000002.to.000000.000004"]
    measured.unbound.control("set_option", "extended-statistics:", "yes")
    unbounds = re.findall(r"^(histogram\.\S+)=",
                          measured.unbound.control("stats_noreset"), re.M)
    assert [name.removeprefix("push.") for name in mine] == unbounds


def test_histograms_count_what_they_are_of(measured):
    client = measured.client
    client.control("stats")
    measured.connector.control("stats")
    numbers = iter(range(10, 100))

    def asked():
        """Nothing waits if the connector has it before Unbound's thread goes
        on, as may be on a busy machine."""
        measured.magic(zones.bulk_name(next(numbers)), "A")
        return client.stat("total.num.held") > 0
    wait_for(asked, "an answer to be held")
    wait_for(lambda: client.stat("assignments.pending") == 0,
             "all to be acknowledged")
    assert sum(histogram(client, "push").values()) == \
        2 * (next(numbers) - 10)
    assert sum(histogram(client, "hold").values()) == \
        client.stat("total.num.held") > 0
    assert client.stat("total.num.hold_timeout") == 0
    stats = measured.connector.stats()
    assert sum(v for n, v in stats.items() if ".histogram." in n) == \
        stats["serve.requests"] > 0


def test_prometheus_histograms_are_cumulative(page):
    found = samples(page())
    for name in ("conn25_push_duration_seconds",
                 "conn25_hold_duration_seconds"):
        buckets = [s for s in found if s.name == f"{name}_bucket"]
        counts = [s.value for s in buckets]
        assert counts == sorted(counts)
        assert buckets[-1].labels["le"] == "+Inf"
        uppers = [float(s.labels["le"]) for s in buckets]
        assert uppers == sorted(uppers)
        assert counts[-1] == next(s.value for s in found
                                  if s.name == f"{name}_count") > 0
        assert next(s.value for s in found if s.name == f"{name}_sum") > 0


# ---- health -----------------------------------------------------------------

def test_ready_and_alive(measured, admins):
    for port in admins.values():
        assert get(port, "/healthz")[::2] == (200, "ok\n")
        assert get(port, "/readyz")[::2] == (200, "ready\n")
        assert get(port, "/metrics", "POST")[0] == 405
        assert get(port, "/v0/conn25/state", "HEAD") == \
            (200, "application/json", "")


def test_not_ready_while_no_connector_of_an_app_answers(keeper):
    admin, port = free_port("127.0.0.1"), free_port("127.0.0.2")
    client = Conn25d(keeper, "client", client_config(
        port, listen={"admin": f"http://127.0.0.1:{admin}"})).start()
    client.process.allow("connector office-1")
    wait_for(lambda: get(admin, "/readyz")[0] == 503, "the connector missed")
    assert "app wiki: none of its connectors answers\n" in \
        get(admin, "/readyz")[2]
    assert get(admin, "/healthz")[0] == 200
    ready = [s.value for s in samples(get(admin, "/metrics")[2])
             if s.name in ("conn25_ready", "conn25_apps_down")]
    assert ready == [0, 3]
    connector = Conn25d(keeper, "connector", connector_config(port)).start()
    wait_for(lambda: get(admin, "/readyz")[0] == 200, "it to be found")
    connector.stop()


def test_not_ready_while_no_unbound_is_connected(keeper):
    """Only once that has lasted: one that restarts is none that is missed."""
    admin = free_port("127.0.0.1")
    config = client_config(1, listen={"admin": f"http://127.0.0.1:{admin}"},
                           apps=[{"name": "a", "domains": ["a.example"],
                                  "connectors": ["tag:none"]}])
    client = Conn25d(keeper, "client", config).start()
    client.process.allow("connector office-1")

    def modules():
        return [int(s.value) for s in samples(get(admin, "/metrics")[2])
                if s.name == "conn25_modules_connected"]

    def ready():
        return get(admin, "/readyz")[0] == 200

    assert ready() and modules() == [0]
    wait_for(lambda: not ready(), "the module to be missed", 30)
    assert get(admin, "/readyz")[2].startswith(
        "no Unbound has the module connected: ")
    assert get(admin, "/healthz")[::2] == (200, "ok\n")
    assert "ready: no: no Unbound has the module connected" in \
        client.control("status")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as module:
        module.connect(os.path.join(client.run_dir, "doorbell.sock"))
        wait_for(ready, "the module to be seen")
        assert modules() == [1] and client.stat("modules.connected") == 1
    wait_for(lambda: modules() == [0], "the module to be gone")
    assert ready()


def test_no_module_is_missed_without_the_client_role(keeper):
    daemon = Conn25d(keeper, "connector", connector_config(
        free_port("127.0.0.2"))).start()
    wait_for(lambda: daemon.stat("time.up") > 11, "its time to be over", 30)
    assert daemon.stat("ready") == 1


def test_not_ready_without_its_table(keeper):
    admin = free_port("127.0.0.1")
    config = client_config(1, listen={"admin": f"http://127.0.0.1:{admin}"},
                           apps=[{"name": "a", "domains": ["a.example"],
                                  "connectors": ["tag:none"]}])
    client = Conn25d(keeper, "client", config).start()
    client.process.allow("table", "connector office-1")
    assert get(admin, "/readyz")[0] == 200
    os.rename(os.path.join(client.run_dir, "table"),
              os.path.join(client.run_dir, "table.gone"))
    wait_for(lambda: get(admin, "/readyz")[0] == 503, "the table missed")
    assert get(admin, "/readyz")[2] == \
        "table: was removed or replaced: restart conn25d\n"


def test_not_ready_while_the_database_fails(keeper):
    admin, port = free_port("127.0.0.1"), free_port("127.0.0.2")
    daemon = Conn25d(keeper, "connector", connector_config(
        port, listen={"transitIP": f"http://127.0.0.2:{port}",
                      "admin": f"http://127.0.0.1:{admin}"}))
    daemon.process.argv = ["prlimit", "--fsize=65536"] + daemon.process.argv
    daemon.process.allow("store", "database", "conn25.db")
    daemon.start()
    post(port, {"transitIPs": [entry(f"169.254.{64 + i // 250}.{i % 250}",
                                     "10.1.2.3") for i in range(4000)]})
    wait_for(lambda: get(admin, "/readyz")[0] == 503, "the store to fail")
    assert get(admin, "/readyz")[2].startswith("store: ")
    assert get(admin, "/healthz")[0] == 200
    daemon.process.popen.terminate()
    daemon.process.wait_exit()
    daemon.process.popen = None


# ---- what contrib has -------------------------------------------------------

def names_in(text):
    return set(re.findall(r"\bconn25_[a-z_]+", text))


def existing(page):
    names = set()
    for role in ("client", "connector"):
        for name, kind in families(page(role)).items():
            names |= {name + suffix for suffix in (
                ("_bucket", "_sum", "_count") if kind == "histogram"
                else ("",))}
    return names


def test_alerts_are_right_and_of_what_there_is(page):
    path = os.path.join(MONITORING, "prometheus-rules.yml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert names_in(text) - existing(page) == set()
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool")
    result = subprocess.run([promtool, "check", "rules", path], text=True,
                            capture_output=True, check=False,
                            timeout=scaled(60))
    assert result.returncode == 0, result


def test_the_dashboard_shows_what_there_is(page):
    with open(os.path.join(MONITORING, "grafana.json"),
              encoding="utf-8") as file:
        dashboard = json.load(file)
    expressions = [t["expr"] for p in dashboard["panels"]
                   for t in p["targets"]]
    assert len(expressions) > 20
    assert names_in(" ".join(expressions)) - existing(page) == set()


def munin(tmp_path, world, graph, *words):
    link = tmp_path / f"conn25_munin_{graph}"
    if not link.exists():
        link.symlink_to(os.path.abspath(os.path.join(MONITORING,
                                                     "conn25_munin_")))
    return subprocess.run(
        [str(link), *words], text=True, capture_output=True, check=False,
        timeout=scaled(60), env=dict(os.environ, conn25_control=CONTROL,
                                     conn25_conf=world.client.conf))


def test_munin_plugin(measured, tmp_path):
    assert munin(tmp_path, measured, "", "autoconf").stdout == "yes\n"
    graphs = munin(tmp_path, measured, "", "suggest").stdout.split()
    assert "queries" in graphs and len(graphs) == 8
    for graph in graphs:
        config = munin(tmp_path, measured, graph, "config")
        assert config.returncode == 0 and config.stderr == ""
        assert re.search(r"^graph_title \S", config.stdout, re.M)
        assert re.search(r"^graph_category dns$", config.stdout, re.M)
        labelled = re.findall(r"^(\w+)\.label \S", config.stdout, re.M)
        values = munin(tmp_path, measured, graph)
        assert values.returncode == 0 and values.stderr == ""
        found = dict(re.findall(r"^(\w+)\.value (\d+)$", values.stdout, re.M))
        assert list(found) == labelled != [], values.stdout
    assert int(dict(re.findall(
        r"^(\w+)\.value (\d+)$", munin(
            tmp_path, measured, "assignments").stdout, re.M))["current"]) == \
        measured.client.stat("assignments.current")
    assert munin(tmp_path, measured, "nothing").returncode == 1


def test_munin_plugin_without_conn25d(measured, tmp_path):
    result = subprocess.run(
        [os.path.join(MONITORING, "conn25_munin_"), "autoconf"], text=True,
        capture_output=True, check=False, timeout=scaled(60),
        env=dict(os.environ, conn25_control=CONTROL,
                 conn25_conf=str(tmp_path / "none.json")))
    assert result.returncode == 0
    assert result.stdout.startswith("no (")
