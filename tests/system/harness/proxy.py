"""A TCP proxy between the daemon and a server: delays, stalls and cuts."""

import os
import random
import socket
import threading
import time


class Proxy:
    """Listens on 127.0.0.1 and leads to a unix socket or a TCP address.

    delay_ms   bytes wait for a random time of up to so much, each way
    stall()    nothing passes any more, and nobody is told; resume() ends it
    cut()      resets every connection
    """

    def __init__(self, target, delay_ms=0, seed=1):
        self.target = target
        self.delay_ms = delay_ms
        self.random = random.Random(seed)
        self.flowing = threading.Event()
        self.flowing.set()
        self.closing = False
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _connect(self):
        if isinstance(self.target, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            return server
        return socket.create_connection(self.target)

    def _accept(self):
        while not self.closing:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            self.pairs.append((client, server))
            for one, other in ((client, server), (server, client)):
                if one.family != socket.AF_UNIX:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(one, other),
                                 daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                if self.delay_ms:
                    time.sleep(self.random.random() * self.delay_ms / 1000)
                self.flowing.wait()
                sink.sendall(data)
        except OSError:
            pass
        self.flowing.wait()
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stall(self):
        self.flowing.clear()

    def resume(self):
        self.flowing.set()

    def cut(self):
        for pair in self.pairs:
            for end in pair:
                end.close()
        self.pairs.clear()

    def close(self):
        self.closing = True
        self.listener.close()
        self.cut()
        self.resume()


def proxy_to_postgres(server, **options):
    return Proxy(os.path.join(server.folder, f".s.PGSQL.{server.port}"),
                 **options)
