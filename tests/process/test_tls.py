# SPDX-License-Identifier: BSD-3-Clause
"""https between two conn25d: whom a client believes, what a connector shows,
what happens when a file isn't what it should be."""

import copy
import os
import random
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from harness.authority import Authority
from harness.conn25 import (CHECKCONF, PATH, Conn25d, connector_config,
                            entry)
from harness.deluge import request
from harness.process import free_port
from harness.signing import Key
from harness.wait import scaled, wait_for

HOST = "127.0.0.2"


class Pair:
    """A client and a connector that speak https."""

    def __init__(self, fresh, issued, tls, start=True, **listen):
        self.world = world = fresh(start=())
        self.port = world.connector_port
        self.url = f"https://{HOST}:{self.port}"
        self.show(issued)
        self.believe(tls)
        if start:
            world.connector.start()
            world.client.start()
            world.unbound.start()
            world.wait_attached()

    def show(self, issued):
        connector = self.world.connector
        connector.configure(dict(connector.config, listen={
            "transitIP": self.url, "tls": issued.config}))

    def believe(self, tls):
        client = self.world.client
        office = {"name": "office-1", "tags": ["tag:office"],
                  "url": self.url}
        if tls:
            office["tls"] = tls
        client.configure(dict(client.config, connectors=[office]))

    def works(self):
        self.world.magic("wiki.corp.example")
        self.world.wait_mapped(1)
        return self

    def fails(self, reason):
        """The client says why, and no mapping arrives."""
        self.world.client.process.allow("office-1")
        self.world.magic("wiki.corp.example")
        wait_for(lambda: re.search(reason,
                                   self.world.client.process.log()),
                 f"{reason!r} in the client's log", 20)
        assert reason_shown(self.world.client, reason)
        assert not self.world.connector.mappings()
        return self


def reason_shown(client, reason):
    return re.search(reason, client.control("list_connectors"))


@pytest.fixture
def ca(keeper):
    return Authority(keeper, "ca")


@pytest.mark.skipif(os.geteuid() != 0, reason="a port below 1024 needs root")
def test_signed_requests_on_the_usual_port(fresh, keeper, ca):
    """Neither side names it then, and both sign that."""
    edge, own = Key(), Key()
    pair = Pair(fresh, ca.issue("office", address="127.0.0.43"),
                {"caFile": ca.file}, start=False)
    client, connector = pair.world.client, pair.world.connector
    url = "https://127.0.0.43:443"
    peers = copy.deepcopy(connector.config["peers"])
    for peer in peers:
        peer["publicKey"] = edge.public
    connector.configure(dict(
        connector.config, peers=peers,
        listen=dict(connector.config["listen"], transitIP=url),
        self={"privateKeyFile": own.write(keeper, "own")}))
    client.configure(dict(
        client.config, self={"privateKeyFile": edge.write(keeper, "edge")},
        connectors=[dict(client.config["connectors"][0], url=url,
                         publicKey=own.public)]))
    for part in (connector, client, pair.world.unbound):
        part.start()
    pair.world.wait_attached()
    pair.works()


# ---- whom a client believes -------------------------------------------------

def test_ca_file(fresh, ca):
    pair = Pair(fresh, ca.issue("office"), {"caFile": ca.file}).works()
    assert pair.world.client.stat("connector.office-1.healthy") == 1


def test_pin_of_a_certificate_that_nobody_vouches_for(fresh, ca):
    """Neither name nor dates nor issuer matter then."""
    office = ca.issue("office", address="192.0.2.1", days=-1)
    pair = Pair(fresh, office, {"pin": office.pin}, start=False)
    pair.world.connector.process.allow("expired")
    for part in ("connector", "client", "unbound"):
        getattr(pair.world, part).start()
    pair.world.wait_attached()
    pair.works()


def test_one_of_two_pins_is_enough(fresh, ca):
    office, other = ca.issue("office"), ca.issue("other")
    Pair(fresh, office, {"pin": [other.pin, office.pin]}).works()


def test_wrong_pin(fresh, ca):
    office, other = ca.issue("office"), ca.issue("other")
    Pair(fresh, office, {"pin": other.pin}).fails(
        "another pin: " + re.escape(office.pin))


def test_right_ca_and_wrong_pin(fresh, ca):
    office, other = ca.issue("office"), ca.issue("other")
    Pair(fresh, office, {"caFile": ca.file, "pin": other.pin}).fails(
        "another pin")


def test_right_pin_and_wrong_ca(fresh, keeper, ca):
    office = ca.issue("office")
    Pair(fresh, office, {"caFile": Authority(keeper, "else").file,
                         "pin": office.pin}).fails("not accepted")


def test_wrong_ca(fresh, keeper, ca):
    Pair(fresh, ca.issue("office"),
         {"caFile": Authority(keeper, "else").file}).fails("not accepted")


def test_the_system_s_cas_do_not_know_ours(fresh, ca):
    Pair(fresh, ca.issue("office"), None).fails("not accepted")


def test_another_host_s_certificate(fresh, ca):
    Pair(fresh, ca.issue("office", address="127.0.0.9"),
         {"caFile": ca.file}).fails("IP address mismatch")


def test_expired_certificate(fresh, ca):
    pair = Pair(fresh, ca.issue("office", days=-1), {"caFile": ca.file},
                start=False)
    pair.world.connector.process.allow("expired")
    for part in ("connector", "client", "unbound"):
        getattr(pair.world, part).start()
    pair.world.wait_attached()
    pair.fails("certificate has expired")
    assert "has expired" in pair.world.connector.process.log()


def test_reload_of_another_trust_counts_at_once(fresh, ca):
    """A pin that is taken out lets nobody in over an old connection."""
    office, other = ca.issue("office"), ca.issue("other")
    pair = Pair(fresh, office, {"pin": office.pin}).works()
    client = pair.world.client
    client.process.allow("office-1")
    pair.believe({"pin": other.pin})
    client.reload()
    wait_for(lambda: client.stat("connector.office-1.healthy") == 0,
             "the connector to be believed no longer")
    pair.believe({"pin": [office.pin]})
    client.reload()
    wait_for(lambda: client.stat("connector.office-1.healthy") == 1,
             "the connector to be believed again")


# ---- what a connector shows -------------------------------------------------

@pytest.fixture
def office(ca):
    return ca.issue("office")


@pytest.fixture
def served(keeper, office):
    port = free_port(HOST)
    one = Conn25d(keeper, "connector", connector_config(port, listen={
        "transitIP": f"https://{HOST}:{port}", "tls": office.config}))
    one.port = port
    return one


def tls(one, ca, source="127.0.0.1", **options):
    context = ssl.create_default_context(cafile=ca.file)
    # what is made for a test needn't be what the web asks for
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    for name, value in options.pop("context", {}).items():
        setattr(context, name, value)
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"])
    raw = socket.create_connection((HOST, one.port), scaled(10),
                                   (source, 0))
    return context.wrap_socket(raw, server_hostname=HOST)


def ask(sock, body=b"{}"):
    sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\n"
                 f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    reply = b""
    while b"\r\n\r\n{}" not in reply:
        piece = sock.recv(65536)
        assert piece, reply
        reply += piece
    return reply


def serial(one, ca):
    with tls(one, ca) as sock:
        return int(sock.getpeercert()["serialNumber"], 16)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_versions_and_what_is_switched_off(served, ca, version):
    served.start()
    with tls(served, ca, alpn=["h2", "http/1.1"], context={
            "maximum_version": version, "minimum_version": version}) as sock:
        assert ask(sock).startswith(b"HTTP/1.1 200 ")
        assert ask(sock).startswith(b"HTTP/1.1 200 ")
        assert sock.selected_alpn_protocol() == "http/1.1"
        assert sock.compression() is None
        assert not sock.session or not sock.session.has_ticket


def test_old_versions_and_strange_protocols_are_refused(served, ca):
    served.start()
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        tls(served, ca, alpn=["spdy/3"])
    run = subprocess.run(
        ["openssl", "s_client", "-connect", f"{HOST}:{served.port}",
         "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], input="", text=True,
        capture_output=True, check=False, timeout=scaled(30))
    assert "alert protocol version" in run.stdout + run.stderr, run


def test_many_requests_in_one_piece_and_a_large_one(served, ca):
    """Records, requests and turns have bounds of their own."""
    served.start()
    with tls(served, ca) as sock:
        sock.sendall(request([], "x") * 5000)
        reply = b""
        while reply.count(b"HTTP/1.1 200 ") < 5000 or \
                not reply.endswith(b"{}"):
            piece = sock.recv(1 << 20)
            assert piece, "closed"
            reply += piece
        entries = [entry(f"169.254.{64 + n // 250}.{n % 250 + 1}",
                         "10.7.0.1") for n in range(9000)]
        sock.sendall(request(entries, "x"))
        reply = b""
        while not reply.endswith(b"]}"):
            piece = sock.recv(1 << 20)
            assert piece, "closed"
            reply += piece
        assert reply.count(b"{}") == 9000
    assert len(served.mappings()) == 9000


def test_strangers_are_403_over_https_too(served, ca):
    served.start()
    with tls(served, ca, source="127.0.0.77") as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nContent-Length: 0\r\n"
                     "\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 403 ")


def test_http_to_the_https_port_is_told_so(served):
    served.start()
    with socket.create_connection((HOST, served.port), scaled(10),
                                  ("127.0.0.1", 0)) as sock:
        sock.sendall(request([], "x"))
        reply = b""
        while piece := sock.recv(4096):
            reply += piece
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"https:// in the url" in reply


def test_https_to_the_http_port(fresh, ca):
    pair = Pair(fresh, ca.issue("office"), {"caFile": ca.file}, start=False)
    pair.world.connector.configure(connector_config(pair.port))
    for part in ("connector", "client", "unbound"):
        getattr(pair.world, part).start()
    pair.world.wait_attached()
    pair.fails("does it listen with https?")


@pytest.mark.parametrize("begin", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02"])
def test_slow_handshake_is_cut(served, begin):
    served.config["limits"] = {"transitIP": {"requestSeconds": 1}}
    served.configure(served.config)
    served.start()
    with socket.create_connection((HOST, served.port), scaled(10),
                                  ("127.0.0.1", 0)) as sock:
        sock.sendall(begin)
        assert sock.recv(100) == b""


def test_slow_request_over_tls_is_408(served, ca):
    served.config["limits"] = {"transitIP": {"requestSeconds": 1}}
    served.configure(served.config)
    served.start()
    with tls(served, ca) as sock:
        sock.sendall(b"POST / HT")
        assert sock.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_garbage_instead_of_a_handshake(served, ca):
    served.start()
    for data in b"\0" * 1000, b"\x16\x03\x01\xff\xff" + b"x" * 20000, \
            b"\x80\x2e\x01\x00\x02" + b"\0" * 60, \
            random.Random(25).randbytes(5000):
        with socket.create_connection((HOST, served.port), scaled(10),
                                      ("127.0.0.1", 0)) as sock:
            try:
                sock.sendall(data)
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    with tls(served, ca) as sock:
        assert ask(sock).startswith(b"HTTP/1.1 200 ")


# ---- files ------------------------------------------------------------------

def break_mode(office, _):
    os.chmod(office.key_file, 0o644)


def break_pair(office, other):
    shutil.copy(other.key_file, office.key_file)


def break_certificate(office, _):
    with open(office.file, "w", encoding="ascii") as file:
        file.write("-----BEGIN CERTIFICATE-----\nAAAA\n")


def break_key(office, _):
    with open(office.key_file, "w", encoding="ascii") as file:
        file.write("no key\n")


def take_key(office, _):
    os.unlink(office.key_file)


BREAKS = [(break_mode, r"mode 0644 lets others at the private key"),
          (break_pair, r"is not the key of the certificate"),
          (break_certificate, r"no certificate in PEM form"),
          (break_key, r"no private key in PEM form"),
          (take_key, r"No such file")]


@pytest.mark.parametrize("how, message", BREAKS)
def test_start_with_a_bad_file_is_refused(served, ca, office, how, message):
    how(office, ca.issue("other"))
    served.process.allow(".")
    served.process.start()
    assert served.process.wait_exit() > 0
    served.process.popen = None
    assert re.search("listen.tls: .*" + message, served.process.log())
    run = subprocess.run([CHECKCONF, served.conf], text=True, check=False,
                         capture_output=True, timeout=scaled(20))
    assert run.returncode == 1
    assert re.search("error: listen.tls: .*" + message, run.stderr), run


@pytest.mark.parametrize("how, message", BREAKS)
def test_reload_with_a_bad_file_changes_nothing(served, ca, office, how,
                                                message):
    served.start()
    before = serial(served, ca)
    with tls(served, ca) as kept:
        how(office, ca.issue("other"))
        served.process.allow("listen.tls", "not taken")
        run = served.control_run("reload")
        assert run.returncode != 0
        assert re.search("listen.tls: .*" + message, run.stdout + run.stderr)
        assert ask(kept).startswith(b"HTTP/1.1 200 ")
    assert serial(served, ca) == before


def test_reload_reads_a_renewed_certificate(served, ca, office):
    served.start()
    with tls(served, ca) as kept:
        renewed = ca.issue("renewed")
        shutil.copy(renewed.file, office.file)
        shutil.copy(renewed.key_file, office.key_file)
        served.reload()
        assert serial(served, ca) == renewed.certificate.serial_number
        assert ask(kept).startswith(b"HTTP/1.1 200 ")


def test_reload_from_http_to_https_and_back(served, ca, office):
    secure = served.config["listen"]
    plain = {"transitIP": secure["transitIP"].replace("https", "http")}
    served.configure(dict(served.config, listen=plain))
    served.start()
    with socket.create_connection((HOST, served.port), scaled(10),
                                  ("127.0.0.1", 0)) as old:
        assert ask(old).startswith(b"HTTP/1.1 200 ")
        served.configure(dict(served.config, listen=secure))
        served.reload()
        assert old.recv(100) == b"", "plain connections are dropped"
    with tls(served, ca) as sock:
        assert ask(sock).startswith(b"HTTP/1.1 200 ")
        served.configure(dict(served.config, listen=plain))
        served.reload()
        assert sock.recv(100) == b""


@pytest.mark.parametrize("days, message", [
    (-1, r"warning: .*the certificate has expired"),
    (3, r"warning: .*expires in [23] days"), (90, None)])
def test_checkconf_looks_at_the_date(served, ca, days, message):
    served.configure(dict(served.config, listen=dict(
        served.config["listen"], tls=ca.issue("x", days=days).config)))
    run = subprocess.run([CHECKCONF, served.conf], text=True, check=False,
                         capture_output=True, timeout=scaled(20))
    assert run.returncode == 0, run
    if message:
        assert re.search(message, run.stderr), run
    else:
        assert "certificate" not in run.stderr


def test_a_ca_file_that_is_none(fresh, keeper, ca):
    pair = Pair(fresh, ca.issue("office"),
                {"caFile": keeper.write("empty.pem", "")}, start=False)
    client = pair.world.client
    client.process.allow(".")
    client.process.start()
    assert client.process.wait_exit() > 0
    client.process.popen = None
    assert re.search(r"connector office-1: tls.caFile: .*empty.pem: has no "
                     "certificate", client.process.log())
