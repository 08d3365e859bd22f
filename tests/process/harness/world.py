# SPDX-License-Identifier: BSD-3-Clause
"""Everything that the main job needs, on loopback:

  question -> unbound + conn25.so -> wiretap -> nsd
                  |  shared memory, doorbell
              conn25d "client" -- POST transit-ip --> conn25d "connector"
              127.0.0.1                               127.0.0.2
"""

import copy
import re

from .ask import addresses, all_addresses, ask
from .conn25 import (Conn25d, client_config, connector_config, is_destination,
                     is_magic)
from .process import Keeper, free_port
from .unbound import Unbound
from .wait import wait_for
from .wiretap import Wiretap


class World:
    def __init__(self, nsd, name, unbound=None, client=None, connector=None,
                 start=("connector", "client", "unbound")):
        """unbound, client and connector change what they are given; start
        names what runs from the beginning, in that order."""
        self.keeper = Keeper(name)
        self.nsd = nsd
        try:
            self._build(unbound or {}, client or {}, connector or {}, start)
        except BaseException:
            self.keeper.stop_all()
            raise

    def _build(self, unbound, client, connector, start):
        keeper = self.keeper
        self.tap = Wiretap(self.nsd.address)
        keeper.closers.append(self.tap.close)
        self.connector_port = free_port("127.0.0.2")
        self.connector = Conn25d(keeper, "connector", connector_config(
            self.connector_port, **connector))
        self.client = Conn25d(keeper, "client", client_config(
            self.connector_port, **client))
        self.unbound = self.make_unbound(**unbound)
        self.address = self.unbound.address
        for part in start:
            getattr(self, part).start()
        if {"client", "unbound"} <= set(start):
            self.wait_attached()

    def make_unbound(self, **options):
        options.setdefault("run_dir", self.client.run_dir)
        options.setdefault("anchors", self.nsd.anchors)
        # "upstream": past the wiretap, which is slow
        upstream = options.pop("upstream", self.tap.address)
        return Unbound(self.keeper, upstream, self.nsd.zones, **options)

    def match(self, *domains, **changes):
        """At run time: the app of a scenario has these domains now. What
        else is given changes conn25d's configuration."""
        apps = [dict(app, domains=list(domains)) if app["name"] == "app"
                else app for app in self.client.config["apps"]]
        self.client.configure(dict(self.client.config, apps=apps, **changes))
        self.client.reload()

    def before(self, unbound):
        """The same world, asked through another Unbound of make_unbound()."""
        other = copy.copy(self)
        other.unbound = unbound
        other.address = unbound.address
        return other

    def wait_attached(self, name="wiki.corp.example", rdtype="A",
                      timeout_s=10):
        """Until matched names get magic IPs."""
        def rewritten():
            try:
                found = addresses(self.ask(name, rdtype))
            except (OSError, EOFError):
                return False    # Unbound isn't listening yet
            return found and all(is_magic(a) for a in found)
        wait_for(rewritten, f"a magic IP for {name}", timeout_s)

    def ask(self, qname, qtype="A", **options):
        return ask(self.address, qname, qtype, **options)

    def ask_safely(self, qname, qtype="A", **options):
        """Asks, and the answer must have no destination in any section."""
        answer = self.ask(qname, qtype, **options)
        found = [a for a in all_addresses(answer) if is_destination(a)]
        assert not found, f"destinations {found} given away:\n{answer}"
        return answer

    def magic(self, qname, qtype="A", **options):
        """Asks, and the answer must have magic IPs and nothing else."""
        found = addresses(self.ask_safely(qname, qtype, **options))
        assert found, f"no address for {qname} {qtype}"
        assert all(is_magic(a) for a in found), f"{qname}: {found}"
        return found

    def wait_mapped(self, count=None):
        """Until the connector has a mapping for each assignment."""
        def missing():
            wanted = {(a.transit, a.destination)
                      for a in self.client.assignments()}
            return wanted - {(m.transit, m.destination)
                             for m in self.connector.mappings()}
        wait_for(lambda: not missing() and (
            count is None or len(self.connector.mappings()) >= count),
            lambda: f"all mappings at the connector; missing {missing()}", 20)

    def wait_refreshed(self):
        """Until what the client has was sent once more, as all that lives is
        when it has run for ten seconds, and then each 45 minutes: what is sent
        again from now on has another reason."""
        def done():
            status = self.client.control("status")
            return (int(re.search(r"uptime: (\d+)", status)[1]) > 12 and
                    self.client.control("list_connectors").split()[3] == "0")
        wait_for(done, "the client's refresh", 30)

    def close(self):
        return self.keeper.close()
