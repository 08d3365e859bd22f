# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on who may ask and what a signature says: each row is one, with
the answer it gets. After each of them conn25d is as it was before.

The others: test_attacks_requests.py (HTTP, JSON and destinations),
test_attacks_noise.py (random bytes at every socket), test_attacks_table.py
(shared memory), test_attacks_datapath.py (the same, to reach the kernel),
test_hostile_connectors.py (answers to a client),
test_limits.py (floods, ten thousand connections), test_tls.py (handshakes),
test_signatures.py (one by one what this table only names)."""

import base64
import secrets
import time

import pytest

from harness.attacks import (HOST, KEYED, OTHER, PLAIN, STRANGER, Target)
from harness.conn25 import entry, post
from harness.process import Keeper, free_port
from harness.signing import REQUEST, digest

EVIL = {"transitIPs": [entry("169.254.66.6", "10.66.6.6")]}
ANOTHER = "it is by another key, or for another message"
OTHER_HOST = "it is for another host"
GROUP_ORDER = (1 << 252) + 27742317777372353535851937790883648493


@pytest.fixture(scope="module")
def target():
    with Keeper("attacks") as keeper:
        one = Target(keeper)
        # edge-1 had another key before, which is no longer believed
        one.accept(one.former, one.peer)
        request = one.request(b"{}", one.former)
        assert request.send()[0] == 200
        one.accept(one.peer)
        yield one


@pytest.fixture(autouse=True)
def unharmed(target):
    yield
    target.unharmed()


def signature_of(request):
    return bytearray(base64.b64decode(
        request.headers["Signature"].split(":")[1]))


def with_signature(request, raw):
    text = base64.b64encode(bytes(raw)).decode()
    return request.send(headers={"Signature": f"sig=:{text}:"})


# ---- who --------------------------------------------------------------------

def from_stranger(**headers):
    return lambda t: t.request().send(source=STRANGER, headers=headers)


WHO = {
    "unknown peer":
        (lambda t: post(t.port, EVIL, source=STRANGER),
         403, "you are not a known peer"),
    "unknown peer with a known peer's signature":
        (from_stranger(), 403, "you are not a known peer"),
    "unknown peer that says it forwards":
        (from_stranger(**{"Forwarded": f"for={PLAIN}",
                          "X-Forwarded-For": PLAIN, "X-Real-IP": PLAIN}),
         403, "you are not a known peer"),
    "unknown peer that asks another page":
        (lambda t: post(t.port, EVIL, path="/v0", source=STRANGER),
         404, "no such page"),
    "right peer, from the address of one without a key":
        (lambda t: t.request().send(source=PLAIN),
         200, '"code":6,"message":"peer may not use this app"'),
    "right peer, from the address of one with a key":
        (lambda t: t.request().send(source=OTHER), 401, ANOTHER),
    "right address, not signed":
        (lambda t: post(t.port, EVIL), 401, "it is not signed"),
    "right address, key of another peer":
        (lambda t: t.request(key=t.other).send(), 401, ANOTHER),
    "right address, key that was rotated out":
        (lambda t: t.request(key=t.former).send(), 401, ANOTHER),
    "right address, the connector's own key":
        (lambda t: t.request(key=t.own).send(), 401, ANOTHER),
}


# ---- signatures -------------------------------------------------------------

def now(off):
    return lambda t: t.request(created=int(time.time()) + off).send()


def flipped(t):
    request = t.request()
    raw = signature_of(request)
    raw[secrets.randbelow(64)] ^= 1 << secrets.randbelow(8)
    return with_signature(request, raw)


def cut(length):
    def attack(t):
        request = t.request()
        return with_signature(request, signature_of(request)[:length])
    return attack


def of_zeros(t):
    return with_signature(t.request(), bytes(64))


def malleable(t):
    """The same signature with S + L: who accepts both can be replayed to."""
    request = t.request()
    raw = signature_of(request)
    more = int.from_bytes(raw[32:], "little") + GROUP_ORDER
    return with_signature(request, raw[:32] + more.to_bytes(32, "little"))


def replayed(t):
    request = t.request(b"{}")
    assert request.send()[0] == 200
    return request.send()


def replayed_with_another_label(t):
    nonce = secrets.token_hex(16)
    assert t.request(b"{}", nonce=nonce).send()[0] == 200
    return t.request(nonce=nonce, label="other").send()


def swapped(t):
    request = t.request(b"{}")
    return request.send(body=b'{"transitIPs":[{"transitIP":"169.254.66.6",'
                        b'"destinationIP":"10.66.6.6","app":"wiki"}]}')


def swapped_with_digest(t):
    body = t.request().body
    return t.request(b"{}").send(
        body=body, headers={"Content-Digest": digest(body)})


def digest_is(value, **other):
    """A signed Content-Digest of this kind."""
    def attack(t):
        body = t.request().body
        text = value(body)
        return t.request(values={"content-digest": text}, **other).send(
            headers={"Content-Digest": text})
    return attack


def digest_twice(t):
    request = t.request()
    value = request.headers["Content-Digest"]
    return request.send(headers={"Content-Digest": [digest(b"{}"), value]})


def absolute(t):
    """The line says another host than the signed Host."""
    return t.request(path="http://10.9.9.9" + t.request().path).send()


def host(text, sent=None):
    def attack(t):
        name = text.replace("PORT", str(t.port))
        headers = {"Host": sent(t)} if sent else {}
        return t.request(authority=name).send(headers=headers)
    return attack


SIGNED = {
    "bad signature": (flipped, 401, ANOTHER),
    "signature of zeros": (of_zeros, 401, ANOTHER),
    "malleable signature": (malleable, 401, ANOTHER),
    "truncated signature": (cut(63), 401, "Signature is malformed"),
    "truncated signature, half": (cut(32), 401, "Signature is malformed"),
    "empty signature": (cut(0), 401, "Signature is malformed"),
    "Signature without Signature-Input":
        (lambda t: t.request().send(headers={"Signature-Input": None}), 401,
         "there is no Signature-Input field"),
    "Signature-Input without Signature":
        (lambda t: t.request().send(headers={"Signature": None}), 401,
         "there is no Signature field"),
    "stale": (now(-33), 401, "30 are the most: compare the clocks"),
    "years old": (now(-10 ** 8), 401, "30 are the most"),
    "from the future": (now(40), 401, "in the future"),
    "from beyond all times": (now(1 << 48), 401, "in the future"),
    "expired": (lambda t: t.request(params=";expires=1").send(), 401,
                "it expired"),
    "replayed": (replayed, 401, "its nonce was used before"),
    "nonce used again": (replayed_with_another_label, 401,
                         "its nonce was used before"),
    "no nonce": (lambda t: t.request(nonce=None).send(), 401,
                 "Signature-Input has no nonce"),
    "re-targeted to another host":
        (host("10.9.9.9:PORT"), 401, OTHER_HOST),
    "re-targeted to another port": (host(f"{HOST}:1"), 401, OTHER_HOST),
    "re-targeted, with Host mended on the way":
        (host("10.9.9.9:PORT", lambda t: f"{HOST}:{t.port}"), 401, ANOTHER),
    "re-targeted to another port, with Host mended on the way":
        (host(f"{HOST}:1", lambda t: f"{HOST}:{t.port}"), 401, ANOTHER),
    "re-targeted to another path":
        (lambda t: t.request(path="/v0/other").send(path=t.request().path),
         401, ANOTHER),
    "re-targeted to another method":
        (lambda t: t.request(method="PUT").send(method="POST"), 401,
         ANOTHER),
    "re-targeted by an absolute target": (absolute, 401, OTHER_HOST),
    "body swapped": (swapped, 401, "the body is not the one of "
                     "Content-Digest"),
    "body and digest swapped": (swapped_with_digest, 401, ANOTHER),
    "no Content-Digest":
        (lambda t: t.request().send(headers={"Content-Digest": None}), 401,
         "it covers a component that is not there"),
    "Content-Digest not covered":
        (lambda t: t.request(covered=REQUEST[:-1]).send(), 401,
         "it does not cover content-digest"),
    "Content-Digest by another algorithm":
        (digest_is(lambda body: digest(body).replace("sha-256", "sha-512")),
         401, "Content-Digest has no sha-256"),
    "Content-Digest by md5":
        (digest_is(lambda _: "md5=:AAAA:"), 401,
         "Content-Digest has no sha-256"),
    "Content-Digest twice in one line, one right":
        (digest_is(lambda body: f"{digest(b'x')}, {digest(body)}"),
         401, "Content-Digest has sha-256 twice"),
    "Content-Digest twice, one right": (digest_twice, 401, ANOTHER),
    "Content-Digest cut short":
        (digest_is(lambda body: digest(body)[:-5] + ":"),
         401, "Content-Digest is malformed"),
    "another algorithm":
        (lambda t: t.request(params=';alg="hmac-sha256"').send(), 401,
         "alg is not ed25519"),
}


@pytest.mark.parametrize("attack, status, why",
                         [*WHO.values(), *SIGNED.values()],
                         ids=[*WHO, *SIGNED])
def test_who_asks(target, attack, status, why):
    found = attack(target)
    text = found[1] if isinstance(found[1], str) else \
        found[1].decode() if isinstance(found[1], bytes) else str(found[1])
    assert (found[0], why in text) == (status, True), found
    if status == 401:
        assert text.startswith("signature refused: ")


# ---- which app --------------------------------------------------------------

@pytest.mark.parametrize("source", [PLAIN, KEYED])
@pytest.mark.parametrize("change", [
    {}, {"transitIP": ""}, {"destinationIP": ""}, {"destinationIP": "::1"},
    {"destinationIP": "127.0.0.1"}, {"destinationIP": "10.66.6.6"}], ids=str)
def test_unknown_and_foreign_apps_look_alike(target, source, change):
    """No enumeration: byte for byte the same, whatever else is wrong."""
    foreign = "wiki" if source == PLAIN else "anywhere"

    def ask(app):
        body = {"transitIPs": [dict(EVIL["transitIPs"][0], app=app,
                                    **change)]}
        if source == KEYED:
            return target.request(body).send()[:2]
        return post(target.port, body, source=source)
    unknown = ask("no-such-app")
    assert unknown[0] == 200 and "may not use this app" in str(unknown[1])
    assert ask(foreign) == unknown
    assert ask("") == unknown
    assert ask("x" * 100000) == unknown
