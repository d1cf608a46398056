"""What the daemon says over HTTP, and rude clients."""

import http.client
import json
import socket


class Web:
    """The HTTP side of a daemon, at the address that its settings name."""

    def __init__(self, config):
        self.listen = config.settings["http"]["listen"]

    def connect(self, timeout=10):
        """A connected socket."""
        if self.listen.startswith("unix://"):
            sock = socket.socket(socket.AF_UNIX)
            address = self.listen[len("unix://"):]
        else:
            sock = socket.socket()
            host, _, port = self.listen.rpartition(":")
            address = (host, int(port))
        sock.settimeout(timeout)
        sock.connect(address)
        return sock

    def ask(self, request, timeout=10):
        """Send these bytes; all that comes back, until the other side ends."""
        with self.connect(timeout) as sock:
            sock.sendall(request)
            return read_all(sock)

    def get(self, path, timeout=10, host="127.0.0.1"):
        """Status and text of an answer."""
        with self.connect(timeout) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
                         .encode())
            response = http.client.HTTPResponse(sock)
            response.begin()
            return response.status, response.read().decode()

    def ready(self):
        """Status and facts of /readyz."""
        status, text = self.get("/readyz")
        return status, json.loads(text)

    def metrics(self):
        """Every series as it is written -> its value."""
        status, text = self.get("/metrics")
        assert status == 200
        return {name: float(value) for name, value in (
            line.rsplit(" ", 1) for line in text.splitlines()
            if not line.startswith("#"))}

    def metric(self, series):
        return self.metrics().get(series)


def read_all(sock):
    """Until the end of the stream."""
    pieces = []
    while True:
        piece = sock.recv(65536)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
