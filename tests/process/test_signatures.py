# SPDX-License-Identifier: BSD-3-Clause
"""Peers and connectors with keys: who has not signed this very message, now
and for the first time, is answered 401, or not believed."""

import base64
import http.client
import json
import os
import socket
import stat
import subprocess
import time

import pytest

from harness import zones
from harness.conn25 import (CHECKCONF, CONTROL, PATH, Conn25d,
                            connector_config, entry, post)
from harness.fake import connectors
from harness.process import Keeper, free_port
from harness.signing import (REQUEST, Key, Request, digest, sign_response,
                             verified)
from harness.wait import scaled, wait_for

MAPPING = {"transitIPs": [entry("169.254.64.1", "10.7.0.1")]}
REFUSED = "signature refused: "


def signed_config(port, *keys, key_file=None):
    """A connector whose peer edge-1 has keys; edge-2 has none."""
    config = connector_config(port, self={"privateKeyFile": key_file}) \
        if key_file else connector_config(port)
    config["peers"][0]["publicKey"] = keys[0].public if len(keys) == 1 \
        else [key.public for key in keys]
    config["listen"]["authorities"] = ["Connector.Example:8025"]
    return config


class Served:
    """A connector with a key, and the key of its peer."""

    def __init__(self, keeper):
        self.keeper = keeper
        self.port = free_port("127.0.0.2")
        self.peer, self.own = Key(), Key()
        self.config = signed_config(self.port, self.peer,
                                    key_file=self.own.write(keeper, "own"))
        self.daemon = Conn25d(keeper, "connector", self.config)
        self.daemon.process.allow("signature refused")
        self.daemon.start()

    def request(self, body=MAPPING, key=None, **other):
        return Request(self.port, key or self.peer, body, **other)

    def mappings(self):
        return {(m.peer, m.transit, m.destination)
                for m in self.daemon.mappings()}


@pytest.fixture(scope="module")
def served():
    with Keeper("signatures") as keeper:
        yield Served(keeper)


@pytest.fixture
def alone(keeper):
    """One that the test may reload and restart."""
    return Served(keeper)


def refusal(answer):
    status, body, headers = answer
    assert status == 401, (status, body)
    assert headers["WWW-Authenticate"] == "Signature"
    text = body.decode()
    assert text.startswith(REFUSED) and text.endswith("\n")
    assert text.count("\n") == 1
    return text[len(REFUSED):-1]


# ---- peers ------------------------------------------------------------------

def test_signed_request_is_taken(served):
    assert served.request().send()[:2] == (200, b'{"transitIPs":[{}]}')
    assert ("edge-1", "169.254.64.1", "10.7.0.1") in served.mappings()


def test_peer_without_key_needs_no_signature(served):
    assert post(served.port, b"{}", source="127.0.0.3") == (200, {})


def test_unsigned(served):
    status, body = post(served.port, MAPPING)
    assert (status, body) == (401, b"signature refused: it is not signed\n")


def test_unknown_peer_is_403_whatever_it_signs(served):
    status, body, headers = served.request().send(source="127.0.0.77")
    assert (status, body) == (403, b"you are not a known peer\n")
    assert "Signature" not in headers


def test_right_key_from_another_peers_address_is_that_peer(served):
    """The address says who it is: 127.0.0.3 has no key to be checked, and may
    not use this app."""
    status, body, _ = served.request().send(source="127.0.0.3")
    assert (status, body) == (200, b'{"transitIPs":[{"code":6,"message":'
                              b'"peer may not use this app"}]}')


def test_another_key(served):
    assert refusal(served.request(key=Key()).send()) \
        == "it is by another key, or for another message"


def test_bad_signature(served):
    request = served.request()
    good = request.headers["Signature"]
    flipped = good[:10] + ("A" if good[10] != "A" else "B") + good[11:]
    assert refusal(request.send(headers={"Signature": flipped})) \
        == "it is by another key, or for another message"
    # it has not used up the nonce
    assert request.send()[0] == 200


@pytest.mark.parametrize("off, what", [
    (-33, "created 33 s ago"), (-3600, "created 3600 s ago"),
    (40, "in the future"), (1 << 40, "in the future")])
def test_out_of_the_window(served, off, what):
    answer = refusal(served.request(created=int(time.time()) + off).send())
    assert what[-6:] in answer
    assert answer.endswith("and 30 are the most: compare the clocks")


@pytest.mark.parametrize("off", [0, 20])
def test_within_the_window(served, off):
    assert served.request(created=int(time.time()) + off).send()[0] == 200


def test_expired(served):
    now = int(time.time())
    assert "it expired" in refusal(served.request(
        params=f";expires={now - 1}").send())
    assert served.request(params=f";expires={now + 60}").send()[0] == 200


def test_replayed(served):
    request = served.request()
    assert request.send()[0] == 200
    for _ in range(3):
        assert refusal(request.send()) == "its nonce was used before"
    other = served.request(
        nonce=request.headers["Signature-Input"].split('nonce="')[1][:32])
    assert refusal(other.send()) == "its nonce was used before"


def test_two_at_once_with_one_nonce_are_taken_once(served):
    request = served.request()
    body = request.body
    lines = "".join(f"{n}: {v}\r\n" for n, v in request.headers.items())
    wire = (f"POST {PATH} HTTP/1.1\r\n{lines}"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    socks = [socket.create_connection(("127.0.0.2", served.port), scaled(10))
             for _ in range(4)]
    try:
        for sock in socks:      # all heads, then all bodies
            sock.sendall(wire[:-len(body)])
        for sock in socks:
            sock.sendall(body)
        answers = [sock.recv(65536).split()[1] for sock in socks]
    finally:
        for sock in socks:
            sock.close()
    assert sorted(answers) == [b"200", b"401", b"401", b"401"]


@pytest.mark.parametrize("cut", ["Signature", "Signature-Input"])
def test_truncated_header(served, cut):
    request = served.request()
    value = request.headers[cut]
    for length in range(0, len(value), 7):
        answer = refusal(request.send(headers={cut: value[:length]}))
        assert answer in (
            f"{cut} is malformed", "it is by another key, or for another "
            "message", "Signature-Input has no nonce", "Signature-Input has "
            "no created", "Signature-Input has an unknown parameter") or \
            answer.startswith(("it was created", "nonce is not")), answer
    assert request.send()[0] == 200


def test_path_of_another(served):
    assert refusal(served.request(path="/v0/other").send(path=PATH)) \
        == "it is by another key, or for another message"


def test_method_of_another(served):
    assert refusal(served.request(method="PUT").send(method="POST")) \
        == "it is by another key, or for another message"


def test_authority_changed_on_the_way(served):
    request = served.request(authority="10.9.9.9:8025")
    host = f"127.0.0.2:{served.port}"
    assert refusal(request.send(headers={"Host": host})) \
        == "it is by another key, or for another message"


@pytest.mark.parametrize("authority", [
    "10.9.9.9:PORT", "127.0.0.2", "127.0.0.2:1", "[127.0.0.2]:PORT",
    "connector.example", "connector.example:8026", "[::1]:8025", "127.0.0.2:",
    "x"])
def test_for_another_host(served, authority):
    authority = authority.replace("PORT", str(served.port))
    answer = refusal(served.request(authority=authority).send())
    assert answer.startswith("it is for another host")


def test_brought_to_another_connector(served, alone):
    """The same peer and key at two connectors: what is meant for one is of no
    use at the other."""
    alone.daemon.configure(signed_config(alone.port, served.peer))
    alone.daemon.reload()
    request = served.request()
    assert refusal(request.send(port=alone.port)).startswith(
        "it is for another host")
    assert request.send()[0] == 200


def test_names_that_are_configured(served):
    assert served.request(authority="connector.example:8025").send()[0] == 200
    request = served.request(authority="connector.example:8025")
    assert request.send(headers={"Host": "CONNECTOR.example:8025"})[0] == 200


@pytest.mark.parametrize("hosts", [None, ["a", "b"]])
def test_no_host_or_two(served, hosts):
    request = served.request()
    if hosts:
        hosts = [request.authority, request.authority]
    assert refusal(request.send(headers={"Host": hosts})) \
        == "there is not one Host"


def test_body_swapped(served):
    request = served.request()
    other = request.body.replace(b"10.7.0.1", b"10.7.0.9")
    assert refusal(request.send(body=other)) \
        == "the body is not the one of Content-Digest"
    assert not any(m[2] == "10.7.0.9" for m in served.mappings())


def test_body_and_digest_swapped(served):
    request = served.request()
    other = served.request(body={"transitIPs": [
        entry("169.254.64.1", "10.7.0.9")]})
    answer = refusal(request.send(
        body=other.body,
        headers={"Content-Digest": other.headers["Content-Digest"]}))
    assert answer == "it is by another key, or for another message"


def test_large_body_in_pieces_is_checked_too(served):
    entries = {"transitIPs": [entry(f"169.254.70.{n % 250}", "10.7.0.1")
                              for n in range(3000)], "pad": "x" * 500000}
    request = served.request(body=entries)
    swapped = request.body[:-3] + b'y' + request.body[-2:]
    assert refusal(request.send(body=swapped)) \
        == "the body is not the one of Content-Digest"
    assert served.request(body=entries).send()[0] == 200


@pytest.mark.parametrize("missing", REQUEST)
def test_component_not_covered(served, missing):
    covered = [c for c in REQUEST if c != missing]
    assert refusal(served.request(covered=covered).send()) \
        == f"it does not cover {missing}"


def test_more_covered_than_needed(served):
    request = served.request(covered=["content-type", *REQUEST],
                             values={"content-type": "application/json"})
    assert request.send()[0] == 200
    assert refusal(request.send(headers={"Content-Type": "x/y"})) \
        == "it is by another key, or for another message"


def test_covered_and_not_there(served):
    request = served.request(covered=[*REQUEST, "x"], values={"x": "1"})
    assert refusal(request.send()) \
        == "it covers a component that is not there"


def test_no_digest(served):
    assert refusal(served.request().send(headers={"Content-Digest": None})) \
        == "it covers a component that is not there"


def test_digest_of_another_kind(served):
    request = served.request(values={"content-digest": "sha-512=:AAAA:"})
    assert refusal(request.send()) == "Content-Digest has no sha-256"


def test_no_nonce(served):
    assert refusal(served.request(nonce=None).send()) \
        == "Signature-Input has no nonce"


def test_another_algorithm(served):
    assert refusal(served.request(params=';alg="hmac-sha256"').send()) \
        == "alg is not ed25519"


def test_duplicate_labels(served):
    request = served.request()
    for name in ("Signature-Input", "Signature"):
        value = request.headers[name]
        for twice in ([value, value], f"{value}, {value}"):
            assert refusal(request.send(headers={name: twice})) \
                == f"{name} has more than one signature, or one label twice"
    assert request.send()[0] == 200


@pytest.mark.parametrize("name, value, status, what", [
    ("Signature-Input", "a=(" + " " * 3000 + ")", 401,
     "Signature-Input is longer than 2048 bytes"),
    ("Signature-Input", "a=()" + ";created=1" * 100, 401,
     "Signature-Input has a parameter twice"),
    ("Signature-Input", "a=(" + " ".join(f'"x{n}"' for n in range(100)) + ")",
     401, "Signature-Input covers more than 16 components"),
    ("Signature-Input", "a=" + "(" * 2000, 401,
     "Signature-Input is malformed"),
    ("Signature", "a=:" + "A" * 3000 + ":", 401,
     "Signature is longer than 2048 bytes"),
    ("Signature", "a=:" + "A" * 2000 + ":", 401, "Signature is malformed"),
    ("Content-Digest", "sha-256=:" + "A" * 3000 + ":", 401, None),
    ("Signature-Input", "a=(" + " " * 9000 + ")", 431, None),
])
def test_absurd_sizes(served, name, value, status, what):
    answer = served.request().send(headers={name: value})
    assert answer[0] == status
    if what:
        assert refusal(answer) == what


def test_unsigned_body_is_not_read(served):
    """Refused by its head: nobody can make us take a mebibyte for nothing."""
    with socket.create_connection(("127.0.0.2", served.port),
                                  scaled(10)) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 1000000\r\n\r\n".encode())
        assert sock.recv(4096).split()[1] == b"401"


def test_answers_are_signed(served):
    for body in (MAPPING, b"{", b"{}"):
        request = served.request(body=body)
        status, data, headers = request.send()
        assert status == (400 if body == b"{" else 200)
        assert set(headers["Signature-Input"].split(")")[0].split("(")[1]
                   .split()) == {'"@status"', '"content-digest"',
                                 '"conn25-epoch"', '"signature";req'}
        said = {"@status": status,
                "signature;req": request.headers["Signature"]}
        assert verified(served.own.public, headers, said)
        assert not verified(served.own.public, headers,
                            {**said, "@status": 201})
        assert not verified(served.own.public, headers,
                            {**said, "signature;req": "sig=:AAAA:"})
        assert headers["Content-Digest"] == digest(data)


def test_refusals_are_signed_too(served):
    request = served.request(key=Key())
    status, _, headers = request.send()
    assert status == 401
    assert verified(served.own.public, headers, {
        "@status": 401, "signature;req": request.headers["Signature"]})


def test_old_key_after_rotation_by_reload(alone):
    fresh = Key()
    kept = alone.request()
    assert kept.send()[0] == 200
    both = signed_config(alone.port, alone.peer, fresh)
    alone.daemon.configure(both)
    alone.daemon.reload()
    assert alone.request().send()[0] == 200
    assert alone.request(key=fresh).send()[0] == 200
    # nonces are remembered over a reload
    assert refusal(kept.send()) == "its nonce was used before"
    alone.daemon.configure(signed_config(alone.port, fresh))
    alone.daemon.reload()
    assert refusal(alone.request().send()) \
        == "it is by another key, or for another message"
    assert alone.request(key=fresh).send()[0] == 200


def test_key_added_while_a_body_is_on_its_way(alone):
    """It was let in unsigned; when its body is there, that is not enough."""
    alone.daemon.configure(connector_config(alone.port))
    alone.daemon.reload()
    with socket.create_connection(("127.0.0.2", alone.port),
                                  scaled(10)) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nExpect: "
                     "100-continue\r\nContent-Length: 2\r\n"
                     f"Content-Digest: {digest(b'{}')}\r\n\r\n".encode())
        assert sock.recv(4096).split()[1] == b"100"
        alone.daemon.configure(signed_config(alone.port, alone.peer))
        alone.daemon.reload()
        sock.sendall(b"{}")
        reply = sock.recv(4096)
        assert reply.split()[1] == b"401"
        assert b"the configuration has changed meanwhile" in reply


def test_replay_over_a_restart(alone):
    request = alone.request()
    assert request.send()[0] == 200
    began = request.created
    alone.daemon.stop()
    wait_for(lambda: int(time.time()) > began, "the next second")
    alone.daemon.start()
    assert refusal(request.send()) == "it was created before this host " \
        "could know whether its nonce was used"
    assert alone.request().send()[0] == 200


def test_what_was_refused_is_told_once_and_without_secrets(alone):
    alone.daemon.control("verbosity", "5")
    for _ in range(20):
        assert alone.request(key=Key()).send()[0] == 401
    assert alone.request().send()[0] == 200
    alone.daemon.reload()       # reads the key file once more
    log = alone.daemon.process.log()
    assert log.count("peer edge-1: signature refused: it is by another key") \
        == 1
    # Not the end of the base64: a key as libsodium has it goes on with the
    # public one.
    assert base64.b64encode(alone.own.seed).decode()[:40] not in log
    assert alone.own.seed.hex() not in log.lower()


def test_each_request_of_a_connection_is_judged(served):
    """One that was signed lets in none after it."""
    connection = http.client.HTTPConnection(
        "127.0.0.2", served.port, timeout=scaled(10),
        source_address=("127.0.0.1", 0))
    for signed in (True, False, True):
        request = served.request(body=b"{}")
        headers = request.headers if signed else {"Host": request.authority}
        # after a refusal it is closed, and this opens another one
        connection.request("POST", PATH, b"{}", headers)
        response = connection.getresponse()
        response.read()
        assert response.status == (200 if signed else 401)
    connection.close()


# ---- connectors -------------------------------------------------------------

def signing_world(fresh, fake, key, client_key, name="client.key", **client):
    """A client that signs, and a connector, played by us, that has a key."""
    keeper = Keeper("signing")
    config = connectors(fake)
    config[0]["publicKey"] = key.public
    world = fresh(client={
        "connectors": config, "dns": {"holdMilliseconds": 50},
        "self": {"privateKeyFile": client_key.write(keeper, name)},
        **client}, start=("client", "unbound"))
    world.client.process.allow("office-1", "push:")
    return world


def states(world):
    return {a.line.split()[6] for a in world.client.assignments()}


def last_error(world):
    return world.client.control("list_connectors")


def test_good_connector_and_what_is_sent(fresh, fake):
    key, own, office = Key(), Key(), fake()
    office.sign = lambda status, body, headers: sign_response(
        key, status, body, headers["Signature"], epoch="e1")
    world = signing_world(fresh, office, key, own)
    world.magic("wiki.corp.example")
    wait_for(lambda: states(world) == {"ready"}, "it to be ready")
    _, headers, _ = office.requests[-1]
    assert verified(own.public, headers, {
        "@method": "POST", "@path": PATH,
        "@authority": office.url.removeprefix("http://")})
    inputs = [headers["Signature-Input"]
              for _, headers, _ in office.requests]
    nonces = {i.split('nonce="')[1].split('"')[0] for i in inputs}
    assert len(nonces) == len(office.requests)
    assert all(f'"{c}"' in i for i in inputs for c in REQUEST)


def unsigned(_key, _status, _body, _headers):
    return {}


def wrong_key(_key, status, body, headers):
    return sign_response(Key(), status, body, headers["Signature"])


def wrong_status(key, status, body, headers):
    return sign_response(key, status + 1, body, headers["Signature"])


def wrong_body(key, status, body, headers):
    return sign_response(key, status, body + b" ", headers["Signature"])


def of_another_request(key, status, body, _headers):
    return sign_response(key, status, body, "conn25=:AAAA:")


def stale(key, status, body, headers):
    return sign_response(key, status, body, headers["Signature"],
                         created=int(time.time()) - 100)


def without_request(key, status, body, headers):
    return sign_response(key, status, body, headers["Signature"], covered=(
        '"@status"', '"content-digest"'))


def without_digest(key, status, body, headers):
    return sign_response(key, status, body, headers["Signature"], covered=(
        '"@status"', '"signature";req'))


def without_status(key, status, body, headers):
    return sign_response(key, status, body, headers["Signature"], covered=(
        '"content-digest"', '"signature";req'))


def epoch_not_covered(key, status, body, headers):
    return dict(sign_response(key, status, body, headers["Signature"]),
                **{"Conn25-Epoch": "x"})


class Replayer:
    """Gives each time the answer that was good for the first request."""

    def __init__(self):
        self.first = None

    def __call__(self, key, status, body, headers):
        self.first = self.first or sign_response(
            key, status, body, headers["Signature"])
        return self.first


HOSTILE = [
    (unsigned, "it is not signed"),
    (wrong_key, "it is by another key, or for another message"),
    (wrong_status, "it is by another key, or for another message"),
    (wrong_body, "the body is not the one of Content-Digest"),
    (of_another_request, "it is by another key, or for another message"),
    (stale, "compare the clocks"),
    (without_request, 'it does not cover "signature";req'),
    (without_digest, "it does not cover content-digest"),
    (without_status, "it does not cover @status"),
    (epoch_not_covered, "it does not cover conn25-epoch"),
]


@pytest.mark.parametrize("how, why", HOSTILE, ids=[
    how.__name__ for how, _ in HOSTILE])
def test_answer_that_is_not_believed(fresh, fake, how, why):
    key, office = Key(), fake()
    office.sign = lambda status, body, headers: how(key, status, body,
                                                    headers)
    world = signing_world(fresh, office, key, Key())
    world.magic("wiki.corp.example")
    wait_for(lambda: len(office.entries()) >= 2, "it to be sent again")
    wait_for(lambda: why in last_error(world), "the reason")
    assert states(world) == {"pending"}
    assert world.client.stat("push.acked") == 0
    assert world.client.stat("connector.office-1.healthy") == 0
    office.sign = lambda status, body, headers: sign_response(
        key, status, body, headers["Signature"])
    wait_for(lambda: states(world) == {"ready"}, "it to be ready")


def test_answer_to_another_request_replayed(fresh, fake):
    key, office, replayer = Key(), fake(), Replayer()
    office.sign = lambda *a: replayer(key, *a)
    world = signing_world(fresh, office, key, Key())
    wait_for(lambda: replayer.first, "an answer to be replayed")
    name = zones.bulk_name(1)
    world.magic(name)
    wait_for(lambda: sum(e["domain"] == name for e in office.entries()) >= 2,
             "it to be sent again")
    assert {a.line.split()[6] for a in world.client.assignments()
            if a.domain == name} == {"pending"}
    assert "it is by another key, or for another message" in last_error(world)


def test_refusal_that_is_not_signed_is_no_refusal(fresh, fake):
    """Code 6 would be final, and 400 would halve the batch, if believed."""
    key, office = Key(), fake(lambda entries: (200, {"transitIPs": [
        {"code": 6} for _ in entries]} if entries else {}))
    world = signing_world(fresh, office, key, Key())
    world.magic("wiki.corp.example")
    wait_for(lambda: len(office.entries()) >= 2, "it to be sent again")
    assert states(world) == {"pending"}
    office.answer = lambda entries: (400, b"no\x1b[2J \xe4 <b>\n")
    wait_for(lambda: "HTTP status 400: no?[2J ? <b> (signature of the answer: "
             "it is not signed)" in last_error(world), "the reason")


def test_client_without_key_believes_nothing(fresh, fake):
    key, office = Key(), fake()
    office.sign = lambda status, body, headers: sign_response(
        key, status, body, headers.get("Signature", "x=:AAAA:"))
    config = connectors(office)
    config[0]["publicKey"] = key.public
    world = fresh(client={"connectors": config,
                          "dns": {"holdMilliseconds": 50}},
                  start=())
    world.client.process.allow("office-1", "push:")
    world.client.start()
    world.unbound.start()
    world.magic("wiki.corp.example")
    wait_for(lambda: "set self.privateKeyFile" in last_error(world),
             "the reason")
    assert "only answers to signed requests" in world.client.process.log()
    assert states(world) == {"pending"}


# ---- both -------------------------------------------------------------------

def keygen(path):
    run = subprocess.run([CONTROL, "keygen", path], text=True, check=True,
                         capture_output=True, timeout=scaled(10))
    return run.stdout.strip()


def test_both_sides(fresh):
    """Keys by keygen, a mapping, new keys on both sides by reload."""
    world = fresh(start=())
    paths = {n: os.path.join(world.client.dir, n) for n in "abcd"}
    public = {n: keygen(path) for n, path in paths.items()}
    client, connector = world.client, world.connector

    def configure(own, others, daemon):
        config = dict(daemon.config, self={"privateKeyFile": paths[own]})
        who = config["connectors" if daemon is client else "peers"][0]
        who["publicKey"] = [public[n] for n in others]
        daemon.configure(config)
        if daemon.process.alive():
            daemon.reload()
    configure("a", "b", client)
    configure("b", "a", connector)
    connector.start()
    client.start()
    world.unbound.start()
    world.magic("wiki.corp.example")
    world.wait_mapped()
    # first both are believed, then the new ones are used
    configure("a", "bd", client)
    configure("b", "ac", connector)
    configure("c", "bd", client)
    configure("d", "ac", connector)
    configure("c", "d", client)
    configure("d", "c", connector)
    world.magic(zones.bulk_name(1))
    world.wait_mapped()
    assert client.stat("push.failed") == 0
    assert client.stat("connector.office-1.healthy") == 1
    # and now one that nobody knows
    for process in (client.process, connector.process):
        process.allow("signature", "office-1")
    configure("a", "d", client)
    wait_for(lambda: "HTTP status 401: signature refused: it is by another "
             "key" in client.control("list_connectors"), "the reason")
    for daemon in (client, connector):
        log = daemon.process.log()
        for path in paths.values():
            with open(path, encoding="ascii") as file:
                assert file.read().strip() not in log


# ---- tools ------------------------------------------------------------------

def test_keygen(keeper):
    path = os.path.join(keeper.path, "key")
    printed = keygen(path)
    assert len(printed) == 44
    info = os.stat(path)
    assert stat.S_IMODE(info.st_mode) == 0o600
    with open(path, encoding="ascii") as file:
        seed = base64.b64decode(file.read())
    assert Key(seed).public == printed
    again = subprocess.run([CONTROL, "keygen", path], text=True, check=False,
                           capture_output=True, timeout=scaled(10))
    assert again.returncode == 1
    assert again.stderr == f"conn25-control: {path}: can't be made: File " \
        "exists: a key is never overwritten, remove it first\n"
    none = subprocess.run([CONTROL, "keygen"], text=True, check=False,
                          capture_output=True, timeout=scaled(10))
    assert none.returncode == 1 and "keygen FILE" in none.stderr


@pytest.mark.parametrize("spoil, why", [
    (lambda path: None, ""),
    (os.remove, "can't be read: No such file or directory: make it with "
     "conn25-control keygen"),
    (lambda path: os.chmod(path, 0o644), "mode 0644 lets others at the "
     "private key"),
    (lambda path: os.truncate(path, 40), "is no private key"),
    (lambda path: (os.remove(path), os.mkdir(path)), "is no regular file"),
])
def test_key_file_is_checked(keeper, spoil, why):
    """By conn25-checkconf, at start and at reload."""
    port = free_port("127.0.0.2")
    path = os.path.join(keeper.path, "node.key")
    keygen(path)
    config = signed_config(port, Key(), key_file=path)
    daemon = Conn25d(keeper, "connector", config)
    daemon.process.allow("privateKeyFile", "not taken")
    daemon.start()
    spoil(path)
    run = subprocess.run([CHECKCONF, daemon.conf], text=True, check=False,
                         capture_output=True, timeout=scaled(10))
    reload = daemon.control_run("reload")
    if not why:
        assert (run.returncode, reload.returncode) == (0, 0), run.stderr
        return
    assert run.returncode == 1
    assert f"error: self.privateKeyFile: {path}: {why}" in run.stderr
    assert reload.returncode == 1
    assert f"self.privateKeyFile: {path}: {why}" in reload.stderr
    # everything as it was
    assert post(port, b"{}", source="127.0.0.3") == (200, {})
    daemon.stop()
    daemon.start(wait=False)
    assert daemon.process.wait_exit() == 1
    daemon.process.popen = None


def test_bad_public_key_is_reported(keeper):
    port = free_port("127.0.0.2")
    config = connector_config(port)
    config["peers"][0]["publicKey"] = ["AAAA", Key().public]
    path = keeper.write("bad.json", json.dumps(config))
    run = subprocess.run([CHECKCONF, path], text=True, check=False,
                         capture_output=True, timeout=scaled(10))
    assert run.returncode == 1
    assert 'publicKey[0] "AAAA": is 3 bytes in base64' in run.stderr
