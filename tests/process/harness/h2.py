# SPDX-License-Identifier: BSD-3-Clause
"""A connector that a test plays, over TLS: in HTTP/2 by the h2 library, or in
HTTP/1.1 if the test offers no other; and one that breaks HTTP/2's rules, frame
by frame. Their certificate is made here; whom it should convince gets it by
trust()."""

import datetime
import ipaddress
import json
import os
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .fake import accept


def make_certificate(keeper, *addresses):
    """Self-signed, for these addresses: (path of it, path of its key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.utcnow()
    hour = datetime.timedelta(hours=1)
    cert = x509.CertificateBuilder() \
        .subject_name(name).issuer_name(name).public_key(key.public_key()) \
        .serial_number(x509.random_serial_number()) \
        .not_valid_before(now - hour).not_valid_after(now + hour) \
        .add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]),
            critical=False) \
        .sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return (keeper.write("cert.pem", cert.public_bytes(pem).decode()),
            keeper.write("key.pem", key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()).decode()))


def trust(daemon, certificate):
    """Before it starts: this is the system's store."""
    daemon.process.env.update(SSL_CERT_FILE=certificate,
                              SSL_CERT_DIR="/nonexistent")


class Gone(Exception):
    """The other side has closed the connection."""


class TlsServer:
    """Accepts connections; what happens on them is serve()'s."""

    def __init__(self, keeper, host="127.0.0.2", alpn=("h2", "http/1.1")):
        self.certificate, key = make_certificate(keeper, host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        self.context = context
        self.end = threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"https://{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(sock, peer),
                             daemon=True).start()

    def _connection(self, sock, peer):
        try:
            with self.context.wrap_socket(sock, server_side=True) as tls:
                self.serve(tls, peer)
        except (OSError, Gone, h2.exceptions.ProtocolError):
            pass                # the other side may hang up
        finally:
            sock.close()

    def serve(self, sock, peer):
        raise NotImplementedError

    def close(self):
        self.end.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Stream:
    def __init__(self, headers):
        self.headers = dict(headers)
        self.body = b""


class H2Connector(TlsServer):
    """As FakeConnector, see there."""

    def __init__(self, keeper, answer=accept, **options):
        self.answer = answer
        self.requests = []      # (entries, headers, connection)
        self.versions = []      # of each request: "h2" or "http/1.1"
        self.sign = None        # as in FakeConnector; names are lower-case
        self.parting = None     # (connection of h2, stream) -> True: it has
                                # been told to go, and this isn't answered
        self.answered = None    # (connection of h2) -> True: close it now
        super().__init__(keeper, **options)

    def entries(self):
        with self.lock:
            return [e for entries, _, _ in self.requests for e in entries]

    def reply(self, version, headers, body, peer):
        """Notes the request; returns status, fields and body."""
        entries = json.loads(body).get("transitIPs", [])
        with self.lock:
            self.requests.append((entries, headers, peer))
            self.versions.append(version)
        status, reply = self.answer(entries)
        reply = reply if isinstance(reply, bytes) \
            else json.dumps(reply).encode()
        fields = {"content-type": "application/json",
                  "content-length": str(len(reply))}
        if self.sign:
            fields.update((name.lower(), value) for name, value in
                          self.sign(status, reply, headers).items())
        return status, fields, reply

    def serve(self, sock, peer):
        if sock.selected_alpn_protocol() == "h2":
            self.serve_h2(sock, peer)
        else:
            self.serve_http1(sock, peer)

    def serve_http1(self, sock, peer):
        file = sock.makefile("rb")
        while line := file.readline():
            headers = {"line": line.decode().strip()}
            while (line := file.readline().decode().strip()) != "":
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            body = file.read(int(headers["content-length"]))
            status, fields, reply = self.reply("http/1.1", headers, body,
                                               peer)
            sock.sendall(b"".join([
                f"HTTP/1.1 {status} x\r\n".encode(),
                *(f"{n}: {v}\r\n".encode() for n, v in fields.items()),
                b"\r\n", reply]))

    def serve_h2(self, sock, peer):
        conn = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8"))
        conn.initiate_connection()
        streams = {}
        while True:
            sock.sendall(conn.data_to_send())
            data = sock.recv(65536)
            if not data:
                return
            for event in conn.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    streams[event.stream_id] = Stream(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    streams[event.stream_id].body += event.data
                    conn.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    if self.parting and self.parting(conn, event.stream_id):
                        sock.sendall(conn.data_to_send())
                        return
                    self.respond(conn, event.stream_id,
                                 streams.pop(event.stream_id), peer)
                    sock.sendall(conn.data_to_send())
                    if self.answered and self.answered(conn):
                        sock.sendall(conn.data_to_send())
                        sock.unwrap()
                        return

    def respond(self, conn, stream_id, stream, peer):
        status, fields, reply = self.reply("h2", stream.headers, stream.body,
                                           peer)
        conn.send_headers(stream_id, [(":status", str(status)),
                                      *fields.items()])
        for at in range(0, len(reply), 16384):
            conn.send_data(stream_id, reply[at:at + 16384])
        conn.end_stream(stream_id)


# ---- against the rules ------------------------------------------------------

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, \
    CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
OK = b"\x88"                    # :status 200, of the static table


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) \
        + stream.to_bytes(4, "big") + payload


def field(name, value):
    """In no table."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(stream, block=OK, flags=0):
    return frame(HEADERS, END_HEADERS | flags, stream, block)


def pings(send, _, end):
    while not end.is_set():
        send(frame(PING, 0, 0, b"12345678") * 1000)


def settings(send, _, end):
    while not end.is_set():
        send(frame(SETTINGS, 0, 0, b"\0\3\0\0\0\1") * 1000)


def interim_heads(send, stream, end):
    while not end.is_set():
        send(head(stream, field(b":status", b"103")) * 100)


def endless_head(send, stream, end):
    send(frame(HEADERS, 0, stream, OK))
    while not end.is_set():
        send(frame(CONTINUATION, 0, stream, field(b"x", b"y" * 100) * 10))


def empty_continuations(send, stream, end):
    send(frame(HEADERS, 0, stream, OK))
    while not end.is_set():
        send(frame(CONTINUATION, 0, stream) * 100)


def large_by_the_table(send, stream, _):
    send(head(stream, OK + b"\x40\1x\x7f\xa1\x1e" + b"v" * 4000
              + b"\xbe" * 1000))


def empty_data(send, stream, end):
    send(head(stream))
    while not end.is_set():
        send(frame(DATA, 0, stream) * 1000)


def endless_body(send, stream, end):
    send(head(stream))
    while not end.is_set():
        send(frame(DATA, 0, stream, b" " * 10000))


def trickles(send, stream, end):
    send(head(stream))
    while not end.wait(0.1):
        send(frame(DATA, 0, stream, b" "))


def says_nothing(send, _, end):
    while not end.wait(0.2):
        send(frame(PING, 0, 0, b"12345678"))


def resets(send, stream, _):
    send(frame(RST, 0, stream, b"\0\0\0\2"))


def refuses(send, stream, _):
    send(frame(RST, 0, stream, b"\0\0\0\7"))


def says_goodbye(send, _, __):
    send(frame(GOAWAY, 0, 0, bytes(8)))


def pushes(send, stream, _):
    send(frame(PUSH, END_HEADERS, stream, b"\0\0\0\2\x82\x87\x84"))


def no_status(send, stream, _):
    send(head(stream, field(b"x", b"y"), END_STREAM))


def another_length(send, stream, _):
    send(head(stream, OK + field(b"content-length", b"5")))
    send(frame(DATA, END_STREAM, stream, b"{\"transitIPs\":[{}]}"))


def line_break(send, stream, _):
    send(head(stream, OK + field(b"x", b"y\r\nConn25-Epoch: z"),
              END_STREAM))


def closes_in_the_body(send, stream, _):
    send(head(stream))
    send(frame(DATA, 0, stream, b"{\"transitIPs\":[{}]}"))


def more_than_the_window(send, stream, _):
    send(head(stream) + frame(DATA, 0, stream, b" " * 16384) * 10)


def window_overflow(send, _, __):
    send(frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"))


def garbage(send, _, __):
    send(b"\xff" * 100)


def speaks_http1(send, _, __):
    """Given from the beginning, see Hostile2."""
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


RULES = "HTTP/2: the server is against the rules"

# What each of them is told by the client.
HOSTILE = {
    pings: "HTTP/2: ", settings: "HTTP/2: ",
    interim_heads: "HTTP/2: too much besides the answer",
    endless_head: "",           # the library's limit or ours
    empty_continuations: "HTTP/2: ",
    large_by_the_table: "response head too large",
    empty_data: "HTTP/2: too much besides the answer",
    endless_body: "",           # the window or the limit, as it comes
    trickles: "no answer in time", says_nothing: "no answer in time",
    resets: "HTTP/2: the server gave the request up: INTERNAL_ERROR",
    refuses: "HTTP/2: the server refuses requests",
    says_goodbye: "HTTP/2: the server refuses requests",
    pushes: "HTTP/2: the server pushes, which it may not",
    no_status: RULES, another_length: RULES,
    line_break: "the answer is not HTTP",
    closes_in_the_body: "connection closed before the answer",
    more_than_the_window: "",   # as it comes, this may be no violation
    window_overflow: RULES,
    garbage: RULES,
    speaks_http1: "HTTP/2: the server chose it and does not speak it",
}


class Hostile2(H2Connector):
    """Does with a request what the test says, until it is told to behave."""

    def __init__(self, keeper, how, **options):
        self.how = how          # None: behave
        self.asked = 0
        super().__init__(keeper, alpn=["h2"], **options)

    def serve(self, sock, peer):
        if self.how is None:
            self.serve_h2(sock, peer)
            return
        end = self.end

        def send(data):
            try:
                sock.sendall(data)
            except OSError as error:
                raise Gone from error
        if self.how is not speaks_http1:
            send(frame(SETTINGS, 0, 0))
        stream = self.read_request(sock)
        self.asked += 1
        self.how(send, stream, end)
        sock.settimeout(5)
        # so that what we said is read before the connection is reset
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    @staticmethod
    def read_request(sock):
        """Up to the end of the first request; returns its stream."""
        data = b""
        while True:
            piece = sock.recv(65536)
            if not piece:
                raise Gone
            data += piece
            at = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            while len(data) >= at + 9:
                size = int.from_bytes(data[at:at + 3], "big")
                kind, flags = data[at + 3], data[at + 4]
                stream = int.from_bytes(data[at + 5:at + 9], "big")
                at += 9 + size
                if len(data) >= at and kind in (DATA, HEADERS) \
                        and flags & END_STREAM:
                    return stream

    def behave(self):
        self.how = None
        self.end.set()


# ---- a real one -------------------------------------------------------------

def listens(host, port):
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def nginx_conf(keeper, address, port, backend, certificate, key,
               requests=1000):
    """Of an nginx that speaks HTTP/2 at address:port and HTTP/1.1 with the
    backend, and closes a connection after so many requests."""
    directory = keeper.sub("nginx")
    temp = "\n".join(f"    {kind}_temp_path {directory}/{kind};" for kind in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return keeper.write("nginx.conf", f"""\
daemon off;
pid {directory}/pid;
worker_processes 1;
error_log stderr warn;
{"user root;" if os.geteuid() == 0 else ""}
events {{
    worker_connections 64;
}}
http {{
    log_format seen '$server_protocol $connection $status';
    access_log {directory}/access.log seen;
{temp}
    upstream connector {{
        server {backend};
        keepalive 4;
    }}
    server {{
        listen {address}:{port} ssl http2;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        keepalive_requests {requests};
        location / {{
            proxy_pass http://connector;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
""")
