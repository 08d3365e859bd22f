# SPDX-License-Identifier: BSD-3-Clause
"""The programs of a hunt:

  client --udp, tcp, tls, https--> unbound + conn25.so
                                     |  real recursion from the root
                      +--------------+----------------+
                      v              v                v
                nsd parents     nsd middle       nsd children
                root, example.  the zones        zones below these

and conn25d in both roles, as in world.py. In a network namespace of our own
(as root) the servers have addresses that are destinations of matched names,
and port 53; otherwise they are stubs on loopback and nothing is delegated.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess

import dns.exception

from ..ask import ask
from ..conn25 import Conn25d, client_config, connector_config, peers
from ..process import Keeper, Process, free_port
from ..unbound import Unbound
from ..wait import scaled, wait_for
from .sketch import PARENTS, SERVERS
from .strict import STRICT
from .trap import Trap

OWN_NETWORK = bool(os.environ.get("CONN25_TEST_NETNS"))


def six_of(four):
    """The IPv6 address of a server; see Sketch._server_address()."""
    parts = four.split(".")
    return f"2001:db8:c25:{parts[1]}::{parts[3]}"


def add_addresses():
    for addresses in SERVERS.values():
        for four in addresses:
            for words in (["replace", four + "/32"],
                          ["replace", six_of(four) + "/128"]):
                subprocess.run(["ip", "addr", *words, "dev", "lo"],
                               check=True)


class Server:
    """An nsd with some of the zones."""

    def __init__(self, keeper, name, zones):
        self.keeper = keeper
        self.name = name
        self.zones = zones
        self.dir = keeper.sub(name)
        if OWN_NETWORK:
            self.address = (SERVERS[name][0], 53)
            listen = [a for four in SERVERS[name]
                      for a in (four, six_of(four))]
        else:
            self.address = ("127.0.0.1", free_port())
            listen = ["127.0.0.1"]
        for zone in zones:
            self._write(zone, 0)
        conf = keeper.write(f"{name}/nsd.conf", self._conf(listen))
        self.process = Process(keeper, f"nsd-{name}",
                               ["nsd", "-d", "-c", conf])

    def _conf(self, listen):
        return "".join([f"""\
server:
	server-count: 1
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
"""] + [f"\tip-address: {a}@{self.address[1]}\n" for a in listen]
            + ["remote-control:\n\tcontrol-enable: no\n"]
            + [f"zone:\n\tname: {z.name}\n\tzonefile: {z.name}zone\n"
               for z in self.zones])

    def _write(self, zone, version):
        self.keeper.write(f"{self.name}/{zone.name}zone",
                          zone.versions[version])

    def _serves(self, zone, version):
        try:
            answer = ask(self.address, zone.name, "SOA")
        except (OSError, EOFError, dns.exception.DNSException):
            return False
        return bool(answer.answer) and \
            answer.answer[0][0].serial == version + 1

    def start(self):
        self.process.start()
        wait_for(lambda: all(self._serves(z, 0) for z in self.zones),
                 f"nsd {self.name} to serve its zones")

    def change(self, changes):
        """changes are (zone, version)."""
        for zone, version in changes:
            self._write(zone, version)
        self.process.send(signal.SIGHUP)
        wait_for(lambda: all(self._serves(*change) for change in changes),
                 f"nsd {self.name} to read zones again")

    @contextlib.contextmanager
    def stopped(self):
        """Deaf, but not gone."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)


def make_key(directory):
    """(key, certificate) for DNS over TLS."""
    key = os.path.join(directory, "tls.key")
    certificate = os.path.join(directory, "tls.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return key, certificate


def unbound_options(rng, expired):
    """Some of the configurations that people have."""
    def one(*choices):
        return rng.choice(choices)
    lines = {
        "minimal-responses": one("yes", "no"),
        "qname-minimisation": one("yes", "yes", "no"),
        "harden-below-nxdomain": one("yes", "no"),
        "harden-referral-path": one("no", "no", "no", "yes"),
        "aggressive-nsec": one("yes", "no"),
        "use-caps-for-id": one("no", "yes"),
        "rrset-roundrobin": one("no", "yes"),
        "prefetch-key": one("no", "yes"),
        "ignore-cd-flag": one("no", "no", "no", "yes"),
        "msg-cache-size": one("100k", "4m", "4m"),
        "rrset-cache-size": one("200k", "4m", "4m"),
        "target-fetch-policy": one('"3 2 1 0 0"', '"-1 -1 -1 -1 -1"',
                                   '"0 0 0 0 0"'),
        "val-clean-additional": one("yes", "no"),
        "prefetch": "yes" if expired else "no",
        "serve-expired": "yes" if expired else "no",
    }
    if expired:
        lines["serve-expired-ttl"] = one("0", "3600")
        lines["serve-expired-client-timeout"] = one("0", "0", "100", "1800")
        lines["serve-expired-reply-ttl"] = one("0", "30")
    return one("dynlib validator iterator", "dynlib validator iterator",
               "dynlib iterator", "dynlib respip validator iterator"), lines


def _loadable(dump):
    """What Unbound can read of what it has written: no names with escapes,
    nor lines that it cuts off."""
    kept, block = [], []

    def finish():
        if not any("\\" in line or len(line) > 1000 for line in block) \
                and (STRICT or " CLASS65300 " not in block[0]):
            kept.extend(block)
    for line in dump.splitlines(True):
        if block and line.startswith((";rrset", "msg ", "START_", "END_",
                                      "EOF\n")):
            finish()
            block = []
        block.append(line)
    finish()
    return "".join(kept)


class Programs:
    def __init__(self, name, sketch, policies, max_ttl, module, lines,
                 others=()):
        """others: more Unbounds, without the module: one "beside" the first,
        with the same configuration, and one "behind" it, to forward to."""
        self.keeper = Keeper(name)
        self.max_ttl = max_ttl
        try:
            self._build(sketch, policies)
            self._build_unbounds(module, lines, others)
            self._start()
        except BaseException:
            self.keeper.stop_all()
            raise

    def _build(self, sketch, policies):
        keeper = self.keeper
        self.universe = sketch.universe
        if OWN_NETWORK:
            add_addresses()
        self.servers = {
            name: Server(keeper, name, [
                z for z in self.universe.zones.values() if z.server == name])
            for name in SERVERS}
        every = {}
        for policy in policies:
            for app in policy.apps():
                every.setdefault(app["name"], dict(
                    app, destinations=["10.0.0.0/8", "2001:db8::/32",
                                       "::ffff:0:0/96", "64:ff9b::/96"]))
        port = free_port("127.0.0.2")
        self.connector = Conn25d(keeper, "connector", connector_config(
            port, apps=list(every.values()),
            peers=peers(list(every.values()))))
        self.client = Conn25d(keeper, "client", client_config(
            port, **policies[0].config(self.max_ttl)))
        self.connector_port = port

    def _build_unbounds(self, module, lines, others):
        self.key, self.certificate = make_key(self.keeper.path)
        self.beside = self.behind = None
        if "behind" in others:
            # Validates nothing, but asks for signatures.
            self.behind = self._unbound("behind", "validator iterator", {},
                                        anchors=False)
        self.unbound = self._unbound("unbound", module, lines)
        if "beside" in others:
            self.beside = self._unbound(
                "beside", module.removeprefix("dynlib "), lines)
        self.soft_reloads = ["reload_keep_cache"]
        if "fast_reload" in self.unbound.verbs():
            self.soft_reloads.append("fast_reload")

    def _start(self):
        for server in self.servers.values():
            server.start()
        self.connector.start()
        self.client.start()
        for unbound in self.every_unbound():
            unbound.start()
        self.trap = Trap() if OWN_NETWORK else None

    def every_unbound(self):
        return [u for u in (self.behind, self.unbound, self.beside)
                if u is not None]

    def unbounds(self):
        """Those that are disturbed alike."""
        return [u for u in (self.unbound, self.beside) if u is not None]

    def _unbound(self, name, module, lines, anchors=True):
        tls, https = free_port(), free_port()
        extra = [f"{key}: {value}" for key, value in lines.items()] + [
            f"interface: 127.0.0.1@{tls}", f"tls-port: {tls}",
            f"tls-service-key: {self.key}",
            f"tls-service-pem: {self.certificate}",
            f"interface: 127.0.0.1@{https}", f"https-port: {https}",
            "http-notls-downstream: yes", "ede: yes"]
        if OWN_NETWORK:
            hints = self.keeper.write(f"{name}.hints", "".join(
                f". 3600 NS {host}.ns.example.\n"
                f"{host}.ns.example. 3600 A {four}\n"
                f"{host}.ns.example. 3600 AAAA {six_of(four)}\n"
                for host, four in zip("ba", SERVERS[PARENTS])))
            extra += [f"root-hints: {hints}", "do-ip6: yes"]
        # Trust in those that no signed parent vouches for.
        trusted = [z.anchor for z in self.universe.zones.values()
                   if z.anchor and not self.universe.zone_of(
                       z.origin[1:]).signed]
        if self.behind is not None:
            more = "forward-zone:\n\tname: \".\"\n\tforward-addr: " \
                f"127.0.0.1@{self.behind.port}\n"
        else:
            more = "" if OWN_NETWORK else "".join(
                f"stub-zone:\n\tname: \"{z.name}\"\n\tstub-addr: 127.0.0.1@"
                f"{self.servers[z.server].address[1]}\n"
                for z in self.universe.zones.values() if not z.lame)
        unbound = Unbound(self.keeper, ("127.0.0.1", 0), [], name=name,
                          run_dir=self.client.run_dir, module=module,
                          anchors=trusted if anchors else (),
                          extra="\n".join(extra), more=more)
        # When the client goes away.
        unbound.process.allow("SSL_(read|write).*Connection reset by peer")
        unbound.tls_address = ("127.0.0.1", tls)
        unbound.https_address = ("127.0.0.1", https)
        return unbound

    # ---- disturbances ----

    def control(self, *words):
        for unbound in self.unbounds():
            unbound.control(*words)

    def forget_servers(self):
        """After an outage: what Unbound thinks of servers."""
        for unbound in self.every_unbound():
            unbound.control("flush_infra", "all")

    def forget_everything(self):
        self.control("flush_zone", ".")
        self.forget_servers()

    def configure(self, policy):
        self.client.configure(client_config(
            self.connector_port, **policy.config(self.max_ttl)))

    def reload(self):
        """As conn25-control does it, without the time that it takes to end:
        what comes next is as close behind as can be."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(scaled(60))
            sock.connect(os.path.join(self.client.run_dir, "control.sock"))
            sock.sendall(b"CONN25CT1 reload\n")
            answer = sock.recv(4096)
        assert answer.startswith(b"ok\n"), f"reload: {answer}"

    def bad_reload(self):
        good = self.client.config
        with open(self.client.conf, "w", encoding="ascii") as file:
            file.write('{"apps": [{"name": 1}]}')
        run = self.client.control_run("reload")
        assert run.returncode == 1, f"a broken file was taken: {run.stdout}"
        self.client.process.allow("conn25.json")
        self.client.configure(good)

    def reload_unbound(self, verb="reload"):
        for unbound in self.unbounds():
            unbound.reload(verb)

    def dump_and_load(self):
        for unbound in self.unbounds():
            unbound.control("load_cache", stdin=_loadable(
                unbound.control("dump_cache")))

    def wait_policy(self):
        """Until the module has said that it has the newest policy."""
        generation = int(re.search(r"^generation: (\d+)$",
                                   self.client.control("status"),
                                   re.MULTILINE)[1])

        def taken():
            found = re.findall(r"conn25: \S+: policy (\d+), ",
                               self.unbound.process.log())
            return found and int(found[-1]) >= generation
        wait_for(taken, f"the module to take up policy {generation}")

    def caught(self):
        """The magic IP that something was sent to, or None."""
        return self.trap and self.trap.caught()

    def close(self):
        if self.trap is not None:
            self.trap.close()
        return self.keeper.close()
