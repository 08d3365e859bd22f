# SPDX-License-Identifier: BSD-3-Clause
"""A forwarder before the authoritative server that notes each query.

nsd counts queries by type but not by name, so what reached it is seen here.
UDP and TCP; messages pass unchanged but for their ids.
"""

import collections
import selectors
import socket
import struct
import threading

import dns.message
import dns.rcode
import dns.rdatatype

from .ask import read_tcp
from .process import free_port


def _failure(wire):
    """The answer of a server that can't."""
    answer = dns.message.make_response(dns.message.from_wire(wire))
    answer.set_rcode(dns.rcode.SERVFAIL)
    return answer.to_wire()


class Wiretap:
    def __init__(self, upstream, host="127.0.0.1", port=None):
        self.upstream = upstream
        self.port = port or free_port(host)
        self.address = (host, self.port)
        self.lock = threading.Lock()
        self.seen = []          # (qname, qtype), in order
        self.deaf = False       # drops everything
        self.servfail = False   # answers everything so
        self.held_names = set() # queries for them wait for release()
        self.held = []          # (wire, client) that wait
        self.failing = set()    # names that are answered with SERVFAIL
        self.stopping = False
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.udp.bind(self.address)
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.back.connect(upstream)
        self.tcp = socket.create_server(self.address, backlog=64)
        self.wake_out, self.wake_in = socket.socketpair()
        self.under_way = {}     # our id -> (client, its id)
        self.next_id = 0
        self.connections = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.stopping = True
        self.wake_in.send(b"x")
        self.thread.join(10)
        for thread, sock in self.connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            thread.join(10)
        for sock in (self.udp, self.back, self.tcp, self.wake_in,
                     self.wake_out):
            sock.close()

    # ---- what was seen ----

    def clear(self):
        with self.lock:
            self.seen.clear()

    def queries(self, qtype=None):
        """How often each (name, type) was asked; names without final dot."""
        with self.lock:
            return collections.Counter(
                (n, t) for n, t in self.seen if qtype in (None, t))

    def count(self, qname, qtype):
        return self.queries()[qname.rstrip(".").lower(), qtype]

    # ---- making Unbound wait ----

    def hold(self, qname):
        """Queries for this name over UDP wait from now on."""
        self.held_names.add(qname)

    def release(self):
        self.held_names.clear()
        while self.held:
            self._forward(*self.held.pop(0))

    # ---- noting ----

    def _note(self, wire):
        try:
            question = dns.message.from_wire(wire, question_only=True)
            name = question.question[0].name.to_text().rstrip(".").lower()
            qtype = dns.rdatatype.to_text(question.question[0].rdtype)
        except Exception:       # noise is noted too
            name, qtype = "?", "?"
        with self.lock:
            self.seen.append((name, qtype))
        return name

    # ---- forwarding ----

    def _run(self):
        with selectors.DefaultSelector() as selector:
            for sock in (self.udp, self.back, self.tcp, self.wake_out):
                selector.register(sock, selectors.EVENT_READ)
            while not self.stopping:
                for key, _ in selector.select():
                    try:
                        self._ready(key.fileobj)
                    except ConnectionRefusedError:
                        pass    # the server is not there: nothing comes back

    def _ready(self, sock):
        if sock is self.udp:
            wire, client = self.udp.recvfrom(65535)
            if self.deaf or len(wire) < 12:
                return
            name = self._note(wire)
            if self.servfail or name in self.failing:
                self.udp.sendto(_failure(wire), client)
            elif name in self.held_names:
                self.held.append((wire, client))
            else:
                self._forward(wire, client)
        elif sock is self.back:
            wire = self.back.recv(65535)
            known = self.under_way.pop(struct.unpack("!H", wire[:2])[0],
                                       None)
            if known:
                self.udp.sendto(known[1] + wire[2:], known[0])
        elif sock is self.tcp:
            client, _ = self.tcp.accept()
            thread = threading.Thread(target=self._stream, args=(client,),
                                      daemon=True)
            self.connections.append((thread, client))
            thread.start()

    def _forward(self, wire, client):
        with self.lock:
            self.next_id = (self.next_id + 1) & 0xffff
            self.under_way[self.next_id] = (client, wire[:2])
            message_id = self.next_id
        self.back.send(struct.pack("!H", message_id) + wire[2:])

    def _stream(self, client):
        try:
            with client, socket.create_connection(self.upstream, 10) as back:
                while not self.stopping:
                    wire = read_tcp(client)
                    if self.deaf:
                        return
                    if self._note(wire) in self.failing or self.servfail:
                        answer = _failure(wire)
                    else:
                        back.sendall(struct.pack("!H", len(wire)) + wire)
                        answer = read_tcp(back)
                    client.sendall(struct.pack("!H", len(answer)) + answer)
        except (OSError, EOFError):
            pass
