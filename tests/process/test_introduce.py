# SPDX-License-Identifier: BSD-3-Clause
"""Keys, then https, come to hosts that run without them: in the order that the
README gives, what worked goes on."""

import copy

import pytest

from harness import zones
from harness.authority import Authority
from harness.conn25 import post
from harness.signing import Key
from harness.wait import wait_for


class Hosts:
    """A client and a connector that run, and a new name after each step."""

    def __init__(self, fresh):
        self.world = fresh(start=())
        self.client, self.connector = self.world.client, self.world.connector
        self.names = 0
        for part in (self.connector, self.client, self.world.unbound):
            part.start()
        self.world.wait_attached()
        self.ask()

    def change(self, daemon, section, **keys):
        config = copy.deepcopy(daemon.config)
        whom = config.setdefault(section, {})
        for entry in whom if isinstance(whom, list) else [whom]:
            entry.update(keys)
        daemon.configure(config)
        daemon.reload()

    def ask(self):
        self.names += 1
        self.world.magic(zones.bulk_name(self.names))
        self.world.wait_mapped(self.names)

    def requests(self):
        """Waits until the client has spoken to the connector again."""
        before = self.client.stat("push.requests")
        wait_for(lambda: self.client.stat("push.requests") > before + 1,
                 "a request")


@pytest.fixture(name="hosts")
def fixture_hosts(fresh):
    return Hosts(fresh)


def test_keys(hosts, keeper):
    """No request fails, and none but signed ones get through in the end."""
    edge, own = Key(), Key()
    for daemon, key, name in ((hosts.connector, own, "own"),
                              (hosts.client, edge, "edge")):
        hosts.change(daemon, "self", privateKeyFile=key.write(keeper, name))
        hosts.requests()
        hosts.ask()
    hosts.change(hosts.connector, "peers", publicKey=edge.public)
    hosts.requests()
    hosts.ask()
    hosts.change(hosts.client, "connectors", publicKey=own.public)
    hosts.requests()
    hosts.ask()
    assert hosts.client.stat("push.failed") == 0
    assert hosts.client.stat("push.retried") == 0
    assert hosts.connector.stat("serve.denied") == 0
    assert hosts.client.stat("connector.office-1.healthy") == 1
    assert "request failed" not in hosts.client.process.log()
    assert post(hosts.world.connector_port, b"{}")[0] == 401
    # Nor is an answer believed that isn't signed.
    hosts.client.process.allow("office-1")
    config = copy.deepcopy(hosts.connector.config)
    del config["self"]
    hosts.connector.configure(config)
    hosts.connector.reload()
    hosts.client.process.wait_log("connector office-1: request failed: .*sign")


def test_https(hosts, keeper):
    """Mappings stay meanwhile; a name that is new comes through after it."""
    ca = Authority(keeper, "ca")
    url = hosts.client.config["connectors"][0]["url"]
    url = url.replace("http:", "https:")
    before = hosts.connector.mappings()
    hosts.world.wait_refreshed()
    hosts.client.process.allow("office-1")
    hosts.change(hosts.connector, "listen", transitIP=url,
                 tls=ca.issue("office").config)
    wait_for(lambda: "speaks https" in
             hosts.client.control("list_connectors"), "the client to notice")
    hosts.names += 1
    hosts.world.magic(zones.bulk_name(hosts.names))
    assert {m.transit for m in hosts.connector.mappings()} == \
        {m.transit for m in before}
    hosts.change(hosts.client, "connectors", url=url,
                 tls={"caFile": ca.file})
    hosts.world.wait_mapped(hosts.names)
    hosts.ask()
    assert hosts.client.stat("connector.office-1.healthy") == 1
