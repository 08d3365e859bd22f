# SPDX-License-Identifier: BSD-3-Clause
"""Debian's nsd with the zones of zones.py, as one of our processes."""

import signal

import dns.exception
import dns.rcode

from . import zones
from .ask import ask
from .process import Process, free_port
from .wait import wait_for


class Nsd:
    def __init__(self, keeper, name="nsd", only=None):
        """only: {origin: text} of another one than that of all zones."""
        self.keeper = keeper
        self.name = name
        self.dir = keeper.sub(name)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        if only is None:
            self.zones, self.anchors = zones.make(keeper.sub("keys"))
        else:
            self.zones, self.anchors = only, []
        for origin, text in self.zones.items():
            self._write_zone(origin, text)
        conf = keeper.write(f"{name}/nsd.conf", self._conf())
        self.process = Process(keeper, name, ["nsd", "-d", "-c", conf])
        self.process.start()
        wait_for(lambda: self._serial(list(self.zones)[-1]) == 1,
                 f"{name} to answer")

    def _write_zone(self, origin, text):
        self.keeper.write(f"{self.name}/{origin}zone", text)

    def _conf(self):
        # Debian's nsd limits the rate of answers unless told otherwise.
        return "".join([f"""\
server:
	server-count: 1
	ip-address: 127.0.0.1@{self.port}
	username: ""
	zonesdir: "{self.dir}"
	database: ""
	zonelistfile: "{self.dir}/zone.list"
	xfrdfile: "{self.dir}/xfrd.state"
	xfrdir: "{self.dir}"
	pidfile: "{self.dir}/nsd.pid"
	rrl-ratelimit: 0
	rrl-whitelist-ratelimit: 0
	tcp-count: 200
remote-control:
	control-enable: no
"""] + [f"zone:\n\tname: {origin}\n\tzonefile: {origin}zone\n"
            for origin in self.zones])

    def _serial(self, origin):
        try:
            answer = ask(self.address, origin, "SOA")
        except (OSError, EOFError, dns.exception.DNSException):
            return None
        if answer.rcode() != dns.rcode.NOERROR or not answer.answer:
            return None
        return answer.answer[0][0].serial

    def change(self, origin, edit):
        """Rewrites a zone by edit(text) and waits until it is served."""
        text = edit(self.zones[origin])
        old = self._serial(origin)
        self.zones[origin] = text.replace(
            f"hostmaster.ops.example. {old} ",
            f"hostmaster.ops.example. {old + 1} ", 1)
        self._write_zone(origin, self.zones[origin])
        self.process.send(signal.SIGHUP)
        wait_for(lambda: self._serial(origin) == old + 1,
                 f"nsd to read {origin} again")
