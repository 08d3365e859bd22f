# SPDX-License-Identifier: BSD-3-Clause
"""A connector that doesn't keep to HTTP: it reads requests and does with the
connection what the test says, until it is told to behave."""

import json
import re
import socket
import socketserver
import threading

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Gone(Exception):
    """The other side has closed the connection, as it should."""


def _send(sock, data):
    try:
        sock.sendall(data)
    except OSError as error:
        raise Gone from error


# ---- what it may do; each is given the socket and an event: the end --------

def closes_in_the_body(sock, _):
    _send(sock, HEAD + b"Content-Length: 1000\r\n\r\n{\"transitIPs\":[{")


def closes_in_the_header(sock, _):
    _send(sock, HEAD + b"Content-Le")


def resets(sock, _):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    b"\1\0\0\0\0\0\0\0")


def endless_body(sock, end):
    _send(sock, HEAD + b"\r\n{\"transitIPs\":[")
    while not end.is_set():
        _send(sock, b"{}," * 10000)


def endless_chunks(sock, end):
    _send(sock, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not end.is_set():
        _send(sock, b"1000\r\n" + b" " * 0x1000 + b"\r\n")


def endless_header(sock, end):
    _send(sock, HEAD)
    while not end.is_set():
        _send(sock, b"X-More: " + b"x" * 1000 + b"\r\n")


def trickles(sock, end):
    """Never silent for long, and never done."""
    _send(sock, HEAD + b"Content-Length: 100000\r\n\r\n")
    while not end.wait(0.1):
        _send(sock, b" ")


def says_nothing(sock, end):
    sock.settimeout(0.2)
    while not end.is_set():
        try:
            if not sock.recv(1000):
                raise Gone
        except TimeoutError:
            pass
        except OSError as error:
            raise Gone from error


def not_http(sock, _):
    _send(sock, b"SSH-2.0-OpenSSH_9.2\r\n")


def two_answers(sock, _):
    """The second one, which nobody has asked for, says that all is well."""
    _send(sock, b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" + HEAD
          + b"Content-Length: 19\r\n\r\n{\"transitIPs\":[{}]}")


def interim_for_ever(sock, end):
    while not end.is_set():
        _send(sock, b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 100)


def another_protocol(sock, _):
    _send(sock, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n"
          b"Connection: Upgrade\r\n\r\n")


def elsewhere(sock, _):
    _send(sock, b"HTTP/1.1 307 Temporary Redirect\r\n"
          b"Location: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


def two_lengths(sock, _):
    _send(sock, HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")


def length_and_chunks(sock, _):
    _send(sock, HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"
          b"\r\n0\r\n\r\n")


def length_of_a_tebibyte(sock, _):
    _send(sock, HEAD + b"Content-Length: 1099511627776\r\n\r\n{}")


def _says(name, text):
    """One that answers in good HTTP with this body."""
    def how(sock, _):
        _send(sock, HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text)
    how.__name__ = name
    return how


def _of(entries):
    return b'{"transitIPs":[%s]}' % entries


BODIES = [
    _says("nothing", b""), _says("no_json", b"<html>200 OK</html>"),
    _says("an_array", b"[]"), _says("a_list_that_is_none", _of(b"")[:-1]),
    _says("an_object_for_a_list", b'{"transitIPs":{"0":{}}}'),
    _says("too_many_entries", _of(b",".join([b"{}"] * 1000))),
    _says("deep", b"[" * 200000), _says("invalid_utf8", _of(b'{"x":"\xff"}')),
    _says("a_nul_after_all", b"{}\0"),
]

TRANSPORT = {f.__name__: f for f in (
    closes_in_the_body, closes_in_the_header, resets, endless_body,
    endless_chunks, endless_header, trickles, says_nothing, not_http,
    two_answers, interim_for_ever, another_protocol, elsewhere, two_lengths,
    length_and_chunks, length_of_a_tebibyte)}
ALL = {**TRANSPORT, **{f.__name__: f for f in BODIES}}


class Hostile:
    def __init__(self, how, host="127.0.0.2"):
        self.how = how          # None: behave
        self.entries = []       # all that came, while it behaved
        self.requests = 0
        self.end = threading.Event()
        hostile = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    while hostile.serve(self.request):
                        pass
                except (Gone, OSError):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server((host, 0), Handler)
        self.url = f"http://{host}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def serve(self, sock):
        """One request; returns whether the connection stays open."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
        while len(body) < length:
            body += sock.recv(65536)
        self.requests += 1
        if self.how is not None:
            self.how(sock, self.end)
            return False
        entries = json.loads(body).get("transitIPs", [])
        self.entries += entries
        reply = json.dumps({"transitIPs": [{} for _ in entries]}).encode()
        _send(sock, HEAD + b"Content-Length: %d\r\n\r\n" % len(reply)
              + reply)
        return True

    def behave(self):
        self.how = None
        self.end.set()

    def close(self):
        self.end.set()
        self.server.shutdown()
        self.server.server_close()
