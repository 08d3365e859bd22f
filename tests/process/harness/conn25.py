# SPDX-License-Identifier: BSD-3-Clause
"""conn25d as one of our processes, and its two tools."""

import collections
import copy
import http.client
import ipaddress
import json
import os
import re
import socket
import subprocess

from .process import Process
from .unbound import BUILD
from .wait import scaled, wait_for

CONN25D = os.path.join(BUILD, "conn25d")
CONTROL = os.path.join(BUILD, "conn25-control")
CHECKCONF = os.path.join(BUILD, "conn25-checkconf")

PATH = "/v0/connector/transit-ip"

APPS = [
    {"name": "wiki", "domains": ["wiki.corp.example", "*.wiki.corp.example"],
     "connectors": ["tag:office"],
     "destinations": ["10.0.0.0/8", "2001:db8::/32"]},
    {"name": "bulk", "domains": ["*.bulk.example"],
     "connectors": ["tag:office"], "destinations": ["10.0.0.0/8"]},
    {"name": "signed", "domains": ["*.secure.signed.example"],
     "connectors": ["*"],
     "destinations": ["10.0.0.0/8", "2001:db8::/32"]},
]

POOLS = {
    "v4MagicIPPool": ["100.64.0.0/16"],
    "v4TransitIPPool": ["169.254.64.0/18"],
    "v6MagicIPPool": ["fd25:1::/64"],
    "v6TransitIPPool": ["fd25:2::/64"],
}
MAGIC = [ipaddress.ip_network(p)
         for p in POOLS["v4MagicIPPool"] + POOLS["v6MagicIPPool"]]
TRANSIT = [ipaddress.ip_network(p)
           for p in POOLS["v4TransitIPPool"] + POOLS["v6TransitIPPool"]]

# What a client may never see: everything in zones.py that is matched.
DESTINATIONS = [ipaddress.ip_network(n) for n in
                ("10.0.0.0/8", "2001:db8:1::/48", "2001:db8:4::/48")]


def checkconf_elsewhere(keeper, text):
    """conn25-checkconf of a text by somebody who isn't root: user and group
    of a sample need not be there then."""
    path = keeper.write("sample.json", text)
    os.chmod(keeper.path, 0o755)
    os.chmod(path, 0o644)
    others = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return subprocess.run([*(others if os.geteuid() == 0 else []), CHECKCONF,
                           path], text=True, check=False, capture_output=True,
                          timeout=scaled(20))


def is_magic(text):
    return any(ipaddress.ip_address(text) in net for net in MAGIC)


def is_destination(text):
    return any(ipaddress.ip_address(text) in net for net in DESTINATIONS)


def client_config(connector_port, **changes):
    """Client role, one connector."""
    config = {
        "pools": copy.deepcopy(POOLS),
        "apps": copy.deepcopy(APPS),
        "connectors": [
            {"name": "office-1", "tags": ["tag:office"],
             "url": f"http://127.0.0.2:{connector_port}"}],
    }
    config.update(changes)
    return config


def as_of_another_version(path):
    """Makes a table file look as if another version had made it."""
    with open(path, "r+b") as file:
        file.seek(8)        # after the magic number
        byte = file.read(1)[0]
        file.seek(8)
        file.write(bytes([byte ^ 0xff]))


def peers(apps):
    """Ourselves, who may use all of them, and one who may use few."""
    return [{"name": "edge-1", "addresses": ["127.0.0.1", "::1"],
             "apps": [app["name"] for app in apps]},
            {"name": "edge-2", "addresses": ["127.0.0.3"],
             "apps": ["bulk"]}]


def connector_config(port, **changes):
    """Connector role; we are its peer, as we come from 127.0.0.1."""
    config = {
        "apps": copy.deepcopy(APPS),
        "listen": {"transitIP": f"http://127.0.0.2:{port}"},
        "peers": peers(APPS),
    }
    config.update(changes)
    return config


Assignment = collections.namedtuple(
    "Assignment", "domain destination magic transit line")
Mapping = collections.namedtuple("Mapping", "peer transit destination line")


class Conn25d:
    def __init__(self, keeper, name, config, run_dir=None):
        self.keeper = keeper
        self.name = name
        self.dir = keeper.sub(name)
        self.run_dir = run_dir or keeper.sub(f"{name}/run")
        self.conf = os.path.join(self.dir, "conn25.json")
        self.configure(config)
        self.process = Process(keeper, name, [CONN25D, "-c", self.conf])

    def configure(self, config):
        """Writes the file; the program reads it at start and reload."""
        self.config = dict(config)
        self.config.setdefault("runDir", self.run_dir)
        self.config.setdefault("stateDir", self.keeper.sub(
            f"{self.name}/state"))
        with open(self.conf, "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=2)

    def start(self, wait=True):
        self.process.start()
        if wait:
            wait_for(lambda: not self.process.alive() or self.answers(),
                     f"{self.name} to answer its control socket")
            assert self.process.alive(), f"{self.name} did not start"
        return self

    def stop(self):
        status = self.process.stop()
        assert status == 0, f"{self.name} ended with status {status}"

    # ---- conn25-control ----

    def control_run(self, *words):
        return subprocess.run(
            [CONTROL, "-s", os.path.join(self.run_dir, "control.sock"),
             *words], text=True, capture_output=True, check=False,
            timeout=scaled(60))

    def control_direct(self, line):
        """What conn25-control does, without starting it: (worked, text)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(scaled(10))
            sock.connect(os.path.join(self.run_dir, "control.sock"))
            sock.sendall(f"CONN25CT1 {line}\n".encode())
            reply = b""
            while piece := sock.recv(1 << 20):
                reply += piece
        first, _, text = reply.decode().partition("\n")
        return first == "ok", text

    def control(self, *words):
        """Runs a verb that must work; returns what it prints."""
        run = self.control_run(*words)
        assert run.returncode == 0, \
            f"conn25-control {' '.join(words)}: {run.stdout}{run.stderr}"
        return run.stdout

    def answers(self):
        return self.control_run("status").returncode == 0

    def reload(self):
        return self.control("reload")

    def stats(self, verb="stats_noreset"):
        return {name: float(value) for name, _, value in
                (line.partition("=")
                 for line in self.control(verb).splitlines()) if value}

    def stat(self, name):
        stats = self.stats()
        assert name in stats, f"stats have no {name}"
        return stats[name]

    def assignments(self):
        """What list_assignments prints."""
        found = []
        for line in self.control("list_assignments").splitlines():
            ips = _addresses(line)
            domain = next((w for w in re.split(r"[\s=,]+", line)
                           if "." in w and not _is_address(w)), None)
            magic = [i for i in ips if any(i in net for net in MAGIC)]
            transit = [i for i in ips if any(i in net for net in TRANSIT)]
            rest = [i for i in ips if i not in magic + transit]
            if magic and transit and rest:
                found.append(Assignment(domain, str(rest[0]), str(magic[0]),
                                        str(transit[0]), line))
        return found

    def wait_saved(self):
        """Until everything is in the database."""
        wait_for(lambda: self.stat("store.pending") == 0,
                 f"{self.name} to have written all")

    def mappings(self):
        """What list_mappings prints."""
        found = []
        for line in self.control("list_mappings").splitlines():
            ips = _addresses(line)
            transit = [i for i in ips if any(i in net for net in TRANSIT)]
            rest = [i for i in ips if i not in transit]
            if transit and rest:
                found.append(Mapping(line.split()[0], str(transit[0]),
                                     str(rest[-1]), line))
        return found


def _is_address(word):
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def _addresses(line):
    return [ipaddress.ip_address(w) for w in re.split(r"[\s=,>()]+", line)
            if _is_address(w)]


# ---- the peer API by hand -------------------------------------------------

def post(port, body, method="POST", path=PATH, source="127.0.0.1",
         host="127.0.0.2", headers=None):
    """One request; returns (status, parsed or raw body)."""
    if not isinstance(body, (bytes, type(None))):
        body = json.dumps(body).encode()
    connection = http.client.HTTPConnection(
        host, port, timeout=scaled(10), source_address=(source, 0))
    try:
        connection.request(method, path, body,
                           headers or {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(data)
    except ValueError:
        return response.status, data


def epoch(port, source="127.0.0.1", host="127.0.0.2"):
    """The Conn25-Epoch that the connector says."""
    connection = http.client.HTTPConnection(
        host, port, timeout=scaled(10), source_address=(source, 0))
    try:
        connection.request("POST", PATH, b"{}")
        response = connection.getresponse()
        response.read()
        return response.headers["Conn25-Epoch"]
    finally:
        connection.close()


def entry(transit, destination, app="wiki", **more):
    return {"transitIP": transit, "destinationIP": destination, "app": app,
            **more}


def post_entries(port, *entries, **options):
    """Posts entries; returns the results, which must be as many."""
    status, reply = post(port, {"transitIPs": list(entries)}, **options)
    assert status == 200, f"status {status}: {reply}"
    assert set(reply) <= {"transitIPs"}, reply
    results = reply.get("transitIPs", [])
    assert len(results) == len(entries), reply
    return results


def codes(results):
    return [r.get("code", 0) for r in results]
