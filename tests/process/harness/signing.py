# SPDX-License-Identifier: BSD-3-Clause
"""HTTP Message Signatures (RFC 9421) by another hand than conn25's: a peer
that signs rightly, or wrongly in one way, and a connector that does."""

import base64
import hashlib
import http.client
import json
import os
import re
import secrets
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey, Ed25519PublicKey)

from .conn25 import PATH
from .wait import scaled

REQUEST = ["@method", "@path", "@authority", "content-digest"]
RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def b64(data):
    return base64.b64encode(data).decode()


class Key:
    def __init__(self, seed=None):
        self.seed = seed or secrets.token_bytes(32)
        self.private = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public = b64(self.private.public_key().public_bytes(*RAW))

    def write(self, keeper, name):
        """As a key file; returns its path."""
        path = keeper.write(name, b64(self.seed) + "\n")
        os.chmod(path, 0o600)
        return path

    def sign(self, base):
        return self.private.sign(base.encode())


def digest(body):
    return f"sha-256=:{b64(hashlib.sha256(body).digest())}:"


def base_of(values, params):
    """What is signed: (component as in the list, value) and the rest."""
    lines = [f"{name}: {value}" for name, value in values]
    return "\n".join(lines + [f'"@signature-params": {params}'])


class Request:
    """A request, signed; what tests change is what they give."""

    def __init__(self, port, key, body=b"{}", **other):
        self.port = port
        self.body = body if isinstance(body, bytes) \
            else json.dumps(body).encode()
        self.method = other.get("method", "POST")
        self.path = other.get("path", PATH)
        self.authority = other.get("authority", f"127.0.0.2:{port}")
        self.created = other.get("created", int(time.time()))
        nonce = other.get("nonce", secrets.token_hex(16))
        covered = other.get("covered", REQUEST)
        label = other.get("label", "sig")
        values = {"@method": self.method, "@path": self.path,
                  "@authority": self.authority,
                  "content-digest": digest(self.body),
                  **other.get("values", {})}
        params = "(" + " ".join(f'"{name}"' for name in covered) + ")"
        params += f";created={self.created}"
        if nonce is not None:
            params += f';nonce="{nonce}"'
        params += other.get("params", "")
        base = base_of([(f'"{name}"', values[name]) for name in covered],
                       params)
        self.headers = {
            "Host": self.authority,
            "Content-Type": "application/json",
            "Content-Digest": values["content-digest"],
            "Signature-Input": f"{label}={params}",
            "Signature": f"{label}=:{b64(key.sign(base))}:",
        }

    def send(self, source="127.0.0.1", host="127.0.0.2", port=None, **change):
        """Sends it, changed or not: (status, body, headers)."""
        headers = dict(self.headers, **change.get("headers", {}))
        connection = http.client.HTTPConnection(
            host, port or self.port, timeout=scaled(10),
            source_address=(source, 0))
        body = change.get("body", self.body)
        try:
            connection.putrequest(change.get("method", self.method),
                                  change.get("path", self.path),
                                  skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                for one in value if isinstance(value, list) else [value]:
                    if one is not None:
                        connection.putheader(name, one)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()


def component_values(message, covered):
    """Of what is covered, each with its value in the message."""
    values = []
    for name, req in re.findall(r'"([^"]+)"(;req)?', covered):
        key = f'"{name}"{req}'
        values.append((key, message[name + req]))
    return values


def verified(public, headers, message):
    """Is this signed? `message` has the values of what isn't a field."""
    match = re.fullmatch(r'(\S+?)=(\(([^)]*)\)\S*)',
                         headers["Signature-Input"])
    label, params, covered = match.groups()
    message = {**{k.lower(): v for k, v in headers.items()}, **message}
    base = base_of(component_values(message, covered), params)
    sig = re.fullmatch(re.escape(label) + "=:(.*):", headers["Signature"])
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(
            base64.b64decode(sig.group(1)), base.encode())
    except InvalidSignature:
        return False
    return True


def sign_response(key, status, body, request_signature, epoch=None,
                  created=None,
                  covered=('"@status"', '"content-digest"',
                           '"signature";req')):
    """Header lines of an answer."""
    headers = {"Content-Digest": digest(body)}
    values = {'"@status"': status, '"content-digest"': digest(body),
              '"signature";req': request_signature,
              '"conn25-epoch"': epoch}
    if epoch is not None:
        headers["Conn25-Epoch"] = epoch
        if '"conn25-epoch"' not in covered and len(covered) == 3:
            covered = (*covered, '"conn25-epoch"')
    params = "(" + " ".join(covered) + ")"
    params += f";created={int(time.time()) if created is None else created}"
    base = base_of([(name, values[name]) for name in covered], params)
    headers["Signature-Input"] = f"r={params}"
    headers["Signature"] = f"r=:{b64(key.sign(base))}:"
    return headers
