# SPDX-License-Identifier: BSD-3-Clause
"""A connector that a test plays: it notes each request and answers what the
test says. It stands for other implementations of the protocol, good and bad.
"""

import http.server
import json
import socket
import socketserver
import threading


def accept(entries):
    """The answer of a connector that is content."""
    return 200, {"transitIPs": [{} for _ in entries]} if entries else {}


def with_code(code, message="no"):
    """The answer of one that gives each entry this code."""
    def answer(entries):
        return 200, {"transitIPs": [{"code": code, "message": message}
                                    for _ in entries]}
    return answer


class FakeConnector:
    def __init__(self, answer=accept, host="127.0.0.2", port=0):
        self.answer = answer    # entries -> (status, body), None: hang up
        self.requests = []      # (entries, headers, connection)
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.never = threading.Event()
        self.delay_s = 0        # before each answer
        self.sign = None        # (status, body, headers of the request) ->
                                # headers of the answer
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                entries = json.loads(body).get("transitIPs", [])
                with fake.lock:
                    fake.requests.append((
                        entries, dict(self.headers, path=self.path),
                        self.client_address))
                fake.gate.wait(60)
                fake.never.wait(fake.delay_s)
                answer = fake.answer(entries)
                if answer is None:
                    self.close_connection = True
                    return
                status, reply = answer
                if not isinstance(reply, bytes):
                    reply = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                if fake.sign:
                    for name, value in fake.sign(status, reply,
                                                 self.headers).items():
                        self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(reply)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            address_family = (socket.AF_INET6 if ":" in host
                              else socket.AF_INET)

            def handle_error(self, *_):
                pass            # the other side may hang up

        self.server = Server((host, port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def entries(self):
        """All entries of all requests, in order."""
        with self.lock:
            return [e for entries, _, _ in self.requests for e in entries]

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def connectors(*fakes):
    """The configuration's list of them, the first one best."""
    return [{"name": f"office-{n}", "tags": ["tag:office"], "url": f.url,
             "priority": n} for n, f in enumerate(fakes, 1)]


def world_with(fresh, *fakes, **client):
    """A world whose client tells these connectors."""
    unbound = client.pop("unbound", None)
    return fresh(client={"connectors": connectors(*fakes), **client},
                 unbound=unbound, start=("client", "unbound"))
