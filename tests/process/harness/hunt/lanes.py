# SPDX-License-Identifier: BSD-3-Clause
"""Connections to a resolver with several questions under way on each: UDP,
TCP, DNS over TLS and DNS over HTTPS (HTTP/2 without TLS).

A lane's receive() yields (Waiting, response bytes). What is lost when the
resolver reloads is sent again by tend(), over a new connection if need be.
"""

import base64
import select
import socket
import ssl
import struct

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from ..wait import scaled

CONNECT_TIMEOUT_S = 5
RESEND_S = 1.0          # doubles with each try
RESEND_MAX_S = 4.0
RECONNECT_S = 0.02


class Waiting:
    """A question under way."""
    __slots__ = ("question", "generation", "asked", "due", "pause", "tries")

    def __init__(self, question, generation, now):
        self.question = question
        self.generation = generation    # of the policy, when it was sent
        self.asked = now
        self.pause = RESEND_S
        self.due = now + RESEND_S       # to be sent again
        self.tries = 1


class Lane:
    window = 16

    def __init__(self, address, epoll):
        self.address = address
        self.epoll = epoll
        self.waiting = {}               # id -> Waiting
        self.sock = None
        self.next_id = 0
        self.retry_at = 0.0
        self.strays = 0                 # responses to nothing that waits
        self.resent = 0
        self.dead = False               # the connection has ended

    def full(self):
        return len(self.waiting) >= self.window

    def ask(self, waiting):
        self.next_id = (self.next_id + 1) & 0xffff
        while self.next_id in self.waiting:
            self.next_id = (self.next_id + 1) & 0xffff
        self.waiting[self.next_id] = waiting
        self._send_safely(self.next_id, waiting.question.wire)

    def _send_safely(self, message_id, wire):
        """A message that cannot be sent now is sent again later."""
        if self.sock is None:
            return
        try:
            self.send(message_id, message_id.to_bytes(2, "big") + wire[2:])
        except OSError:
            self.broken()

    def take(self, message_id):
        waiting = self.waiting.pop(message_id, None)
        if waiting is None:
            self.strays += 1
        return waiting

    def tend(self, now):
        """Called a few times a second: connects, sends again."""
        if self.dead:
            self.hang_up()
            self.retry_at = now + RECONNECT_S
            for waiting in self.waiting.values():
                waiting.due = now
        if self.sock is None and now >= self.retry_at:
            try:
                self.connect()
            except OSError:
                self.hang_up()
                self.retry_at = now + RECONNECT_S
        if self.sock is None:
            return
        for message_id, waiting in list(self.waiting.items()):
            if now >= waiting.due:
                waiting.pause = min(waiting.pause * 2, RESEND_MAX_S)
                waiting.due = now + scaled(waiting.pause)
                waiting.tries += 1
                self.resent += 1
                self._send_safely(message_id, waiting.question.wire)

    def broken(self):
        self.dead = True

    def hang_up(self):
        self.dead = False
        if self.sock is not None:
            try:
                self.epoll.unregister(self.sock.fileno())
            except (OSError, ValueError):
                pass
            self.sock.close()
            self.sock = None

    def register(self):
        self.epoll.register(self.sock.fileno(), select.EPOLLIN)


class UdpLane(Lane):
    def connect(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.connect(self.address)
        self.sock.setblocking(False)
        self.register()

    def send(self, _, wire):
        self.sock.send(wire)

    def broken(self):
        pass            # port unreachable: nobody is there at the moment

    def receive(self):
        recv = self.sock.recv
        try:
            while True:
                data = recv(65535)
                waiting = self.take(data[0] << 8 | data[1])
                if waiting is not None:
                    yield waiting, data
        except BlockingIOError:
            pass
        except OSError:
            pass        # as above


class TcpLane(Lane):
    window = 12

    def __init__(self, address, epoll):
        super().__init__(address, epoll)
        self.buffer = b""

    def connect(self):
        self.buffer = b""
        self.sock = self.open()
        self.sock.setblocking(False)
        self.register()

    def open(self):
        sock = socket.create_connection(self.address,
                                        scaled(CONNECT_TIMEOUT_S))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def send(self, _, wire):
        # So little is under way that it fits into the socket's buffer; if
        # not, the connection counts as broken.
        data = struct.pack("!H", len(wire)) + wire
        if self.sock.send(data) != len(data):
            raise OSError("the socket is full")

    def read(self):
        """Bytes, b"" for the end, None for nothing now."""
        try:
            return self.sock.recv(65535)
        except BlockingIOError:
            return None

    def receive(self):
        while not self.dead:
            try:
                data = self.read()
            except OSError:
                data = b""
            if data is None:
                return
            if not data:
                self.broken()
                return
            self.buffer += data
            yield from self.messages()

    def messages(self):
        while len(self.buffer) >= 2:
            size = self.buffer[0] << 8 | self.buffer[1]
            if len(self.buffer) < 2 + size:
                return
            data = self.buffer[2:2 + size]
            self.buffer = self.buffer[2 + size:]
            waiting = self.take(data[0] << 8 | data[1])
            if waiting is not None:
                yield waiting, data


class TlsLane(TcpLane):
    def __init__(self, address, epoll, certificate):
        super().__init__(address, epoll)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(certificate)

    def open(self):
        sock = super().open()
        try:
            return self.context.wrap_socket(sock)
        except OSError:
            sock.close()
            raise

    def read(self):
        try:
            return self.sock.recv(65535)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None


class HttpLane(TcpLane):
    """DNS over HTTPS, RFC 8484, GET and POST by turns. A stream stands for
    the id, which is 0 as the RFC wants."""
    window = 8

    def connect(self):
        self.http = h2.connection.H2Connection(
            config=h2.config.H2Configuration(client_side=True,
                                             header_encoding="utf-8"))
        self.streams = {}               # stream -> id
        self.bodies = {}                # stream -> bytes
        super().connect()
        self.http.initiate_connection()
        self._flush()

    def _flush(self):
        data = self.http.data_to_send()
        if data and self.sock.send(data) != len(data):
            raise OSError("the socket is full")

    def send(self, message_id, wire):
        wire = b"\0\0" + wire[2:]
        try:
            stream = self.http.get_next_available_stream_id()
            headers = [(":method", "POST"), (":scheme", "https"),
                       (":authority", "localhost"), (":path", "/dns-query"),
                       ("accept", "application/dns-message")]
            if stream & 2:
                headers[0] = (":method", "GET")
                headers[3] = (":path", "/dns-query?dns=" + base64.
                              urlsafe_b64encode(wire).decode().rstrip("="))
                self.http.send_headers(stream, headers, end_stream=True)
            else:
                headers += [("content-type", "application/dns-message"),
                            ("content-length", str(len(wire)))]
                self.http.send_headers(stream, headers)
                self.http.send_data(stream, wire, end_stream=True)
        except h2.exceptions.ProtocolError as error:
            raise OSError(str(error)) from None
        self.streams[stream] = message_id
        self.bodies[stream] = b""
        self._flush()

    def messages(self):
        data, self.buffer = self.buffer, b""
        try:
            events = self.http.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.broken()
            return
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] += event.data
                self.http.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                body = self.bodies.pop(event.stream_id)
                waiting = self.take(self.streams.pop(event.stream_id))
                if waiting is not None:
                    yield waiting, body
            elif isinstance(event, (h2.events.StreamReset,
                                    h2.events.ConnectionTerminated)):
                self.broken()
        try:
            self._flush()
        except OSError:
            self.broken()
