# SPDX-License-Identifier: BSD-3-Clause
"""DNS over TLS (RFC 7858) and HTTPS (RFC 8484), with a key made at run time."""

import base64
import os
import socket
import ssl
import struct
import subprocess

import h2.config
import h2.connection
import h2.events

from .ask import read_tcp
from .wait import scaled


def make_key(directory):
    """A key and a certificate for 127.0.0.1; returns their paths."""
    key = os.path.join(directory, "tls.key")
    pem = os.path.join(directory, "tls.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", pem],
        check=True, capture_output=True)
    return key, pem


def _connect(server, pem, protocols=()):
    context = ssl.create_default_context(cafile=pem)
    if protocols:
        context.set_alpn_protocols(protocols)
    sock = socket.create_connection(server, scaled(10))
    return context.wrap_socket(sock, server_hostname=server[0])


def over_tls(server, pem, wires):
    """Sends all the messages at once; returns as many that come back."""
    with _connect(server, pem) as sock:
        sock.sendall(b"".join(struct.pack("!H", len(wire)) + wire
                              for wire in wires))
        return [read_tcp(sock) for _ in wires]


def over_https(server, pem, wire, method="POST"):
    """One request; returns the DNS message of the answer."""
    with _connect(server, pem, ["h2"]) as sock:
        assert sock.selected_alpn_protocol() == "h2"
        conn = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True))
        conn.initiate_connection()
        path = "/dns-query"
        if method == "GET":
            path += "?dns=" + base64.urlsafe_b64encode(
                wire).decode().rstrip("=")
        headers = [(":method", method), (":scheme", "https"),
                   (":authority", f"{server[0]}:{server[1]}"),
                   (":path", path), ("accept", "application/dns-message")]
        if method == "POST":
            headers.append(("content-type", "application/dns-message"))
        stream = conn.get_next_available_stream_id()
        conn.send_headers(stream, headers, end_stream=method == "GET")
        if method == "POST":
            conn.send_data(stream, wire, end_stream=True)
        sock.sendall(conn.data_to_send())
        return _read_stream(sock, conn, stream)


def _read_stream(sock, conn, stream):
    body = b""
    while True:
        data = sock.recv(65535)
        if not data:
            raise EOFError("connection closed")
        for event in conn.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[b":status"]
                assert status == b"200", status
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
                conn.acknowledge_received_data(
                    event.flow_controlled_length, stream)
            elif isinstance(event, h2.events.StreamEnded):
                return body
            elif isinstance(event, (h2.events.StreamReset,
                                    h2.events.ConnectionTerminated)):
                raise EOFError(str(event))
        sock.sendall(conn.data_to_send())
