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


ALL = {f.__name__: f for f in (
    closes_in_the_body, closes_in_the_header, resets, endless_body,
    endless_chunks, endless_header, trickles, says_nothing, not_http,
    two_answers)}


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
