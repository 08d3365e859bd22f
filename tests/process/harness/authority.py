# SPDX-License-Identifier: BSD-3-Clause
"""A certificate authority of one test, and what it issues."""

import base64
import datetime
import hashlib
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _days(count):
    return datetime.datetime.now(datetime.timezone.utc) \
        + datetime.timedelta(days=count)


class Authority:
    def __init__(self, keeper, name):
        self.keeper = keeper
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(
            _name(name), self.key.public_key(), -400, 400,
            x509.BasicConstraints(ca=True, path_length=None))
        self.file = keeper.write(
            name + ".pem", self.certificate.public_bytes(PEM).decode())

    def _sign(self, name, key, start, end, *extensions):
        builder = x509.CertificateBuilder(
            _name(self.name), name, key, x509.random_serial_number(),
            _days(start), _days(end))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, address="127.0.0.2", days=90, key=None):
        """Files of a certificate for this address that ends in so many
        days."""
        return Issued(self, name, address, days, key)


class Issued:
    def __init__(self, authority, name, address, days, key):
        keeper = authority.keeper
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.certificate = authority._sign(
            _name(name), self.key.public_key(), -300, days,
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(address))]))
        self.file = keeper.write(
            name + ".crt", self.certificate.public_bytes(PEM).decode())
        self.key_file = keeper.write(name + ".key", self.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode())
        os.chmod(self.key_file, 0o600)

    @property
    def pin(self):
        spki = self.key.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        return "sha256/" + base64.b64encode(
            hashlib.sha256(spki).digest()).decode()

    @property
    def config(self):
        """As "tls" of "listen" has it."""
        return {"certificateFile": self.file,
                "privateKeyFile": self.key_file}
