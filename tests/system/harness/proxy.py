"""A proxy between the daemon and a server, on TCP or a unix socket, that does
to the bytes what networks and broken servers do.

Each method that takes a direction means REQUESTS (from the daemon), REPLIES
(to it), or both if none is named, of all connections, those to come too:

    stall, resume       nothing passes any more, and nobody is told
    drop                bytes vanish: the silence of a lost route
    split               each byte on its own
    throttle            so many bytes a second
    corrupt             a bit of the next byte at place n is flipped
    cut_mid_frame       half of the next bytes, then a reset
    half_close          one direction of every connection ends, as at EOF

and, without a direction:

    delay_ms            bytes wait for a random time of up to so much
    cut                 resets every connection (SO_LINGER 0)
    refuse, accept      no connection is accepted any more; again
    drop_reply, duplicate_reply
                        reply k of Redis, counted from now, of any connection
    swallow             what the server does not hear is not done: requests
                        pass, replies do not, and at the next one all is cut
    inject              bytes that no one asked for
    rewritten           (old, new) bytes, of one length: in replies, if whole
    lose                of the next connection that asks with these bytes, that
                        direction, the question included, until it is cut
    hold, let_go        the next request with these bytes, until it is let go;
                        whoever sent it may have left meanwhile
    pass_all            the end of every fault but cut's and lose's

n_connections counts those that were accepted, n_bytes what passed.
"""

import os
import random
import socket
import struct
import threading
import time

from harness.process import make_folder

REQUESTS = "requests"
REPLIES = "replies"
BOTH = (REQUESTS, REPLIES)


def reset(sock):
    """Close with a RST rather than a FIN, as far as the socket knows one."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        # Wakes up the thread that waits for it; it closes.
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    sock.close()


class Frames:
    """Splits what Redis sends into whole replies."""

    def __init__(self):
        self.bytes = b""

    def take(self, data):
        self.bytes += data
        frames = []
        while (end := self._end(0)) is not None:
            frames.append(self.bytes[:end])
            self.bytes = self.bytes[end:]
        return frames

    def _end(self, start):
        """Where the reply that begins there ends; None if it has not come."""
        line_end = self.bytes.find(b"\r\n", start)
        if line_end < 0:
            return None
        kind, rest = self.bytes[start:start + 1], line_end + 2
        if kind == b"$":
            n_bytes = int(self.bytes[start + 1:line_end])
            rest += n_bytes + 2 if n_bytes >= 0 else 0
            return rest if rest <= len(self.bytes) else None
        if kind == b"*":
            for _ in range(int(self.bytes[start + 1:line_end])):
                rest = self._end(rest)
                if rest is None:
                    return None
        return rest


class Gone(Exception):
    """This connection is to be reset."""


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.ends = {REQUESTS: (client, server), REPLIES: (server, client)}
        self.client = client
        self.frames = Frames()
        self.lost = None            # the direction in which nothing passes
        for direction in BOTH:
            threading.Thread(target=self._pump, args=(direction,),
                             daemon=True).start()

    def _pump(self, direction):
        source, sink = self.ends[direction]
        try:
            while data := source.recv(65536):
                for piece in self.proxy.pieces(self, direction, data):
                    sink.sendall(piece)
                    self.proxy.n_bytes[direction] += len(piece)
            self.proxy.flowing[direction].wait()
            sink.shutdown(socket.SHUT_WR)
        except Gone:
            self.reset()
        except OSError:
            self.proxy.flowing[direction].wait()
            self.reset()

    def half_close(self, direction):
        try:
            self.ends[direction][1].shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        for end in self.ends[REQUESTS]:
            reset(end)


class Proxy:
    """target: the path of a unix socket, or a host and a port."""

    def __init__(self, target, delay_ms=0, seed=1, unix=False):
        self.target = target
        self.delay_ms = delay_ms
        self.random = random.Random(seed)
        self.links = []
        self.n_connections = 0
        self.n_bytes = dict.fromkeys(BOTH, 0)
        self.flowing = {direction: threading.Event() for direction in BOTH}
        self.path = os.path.join(make_folder("pgripple-proxy-"), "sock") \
            if unix else None
        self.port = 0
        self.listener = None
        self.may_pass = threading.Event()
        self.pass_all()
        self.accept()

    def pass_all(self):
        """The end of every fault."""
        self.is_dropped = dict.fromkeys(BOTH, False)
        self.is_split = dict.fromkeys(BOTH, False)
        self.bytes_per_second = dict.fromkeys(BOTH)
        self.corrupted = dict.fromkeys(BOTH)
        self.is_cut_mid_frame = dict.fromkeys(BOTH, False)
        self.is_swallowing = False
        self.losing = None
        self.holding = None
        self.rewritten = None
        self.on_reply = {}          # number -> how often it is sent
        self.n_replies = 0
        self.resume()
        self.let_go()

    # Connections.

    def accept(self):
        """Listen, on the same port as before."""
        if self.path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
            os.chmod(self.path, 0o777)
            self.listener.listen()
        else:
            self.listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,),
                         daemon=True).start()

    def refuse(self):
        """Nobody listens any more; what is connected stays."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        if self.path is not None and os.path.exists(self.path):
            os.remove(self.path)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            for sock in (client, server):
                if sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.n_connections += 1
            self.links.append(Link(self, client, server))

    def _connect(self):
        if isinstance(self.target, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            return server
        return socket.create_connection(self.target)

    # What happens to bytes.

    def pieces(self, link, direction, data):
        """What is sent instead of the data, piece by piece."""
        if self.delay_ms:
            time.sleep(self.random.random() * self.delay_ms / 1000)
        self.flowing[direction].wait()
        if self.holding and direction == REQUESTS and self.holding in data:
            self.holding = None
            self.may_pass.wait()
        if self.losing and direction == REQUESTS and self.losing[0] in data:
            link.lost = self.losing[1]
            self.losing = None
        if self.is_dropped[direction] or link.lost == direction:
            return
        if self.is_cut_mid_frame[direction]:
            self.is_cut_mid_frame[direction] = False
            yield data[:len(data) // 2]
            raise Gone
        if direction == REPLIES:
            data = self._replies(link, data)
            if self.rewritten:
                data = data.replace(*self.rewritten)
        place = self.corrupted[direction]
        if place is not None and len(data) > place:
            self.corrupted[direction] = None
            data = (data[:place] + bytes([data[place] ^ 1])
                    + data[place + 1:])
        yield from self._paced(direction, data)

    def _replies(self, link, data):
        if self.is_swallowing:
            raise Gone
        if not self.on_reply:
            return data
        passed = b""
        for frame in link.frames.take(data):
            self.n_replies += 1
            passed += frame * self.on_reply.get(self.n_replies, 1)
        return passed

    def _paced(self, direction, data):
        per_second = self.bytes_per_second[direction]
        size = 1 if self.is_split[direction] else len(data)
        if per_second:
            size = max(1, min(size, per_second // 100))
        for start in range(0, len(data), max(size, 1)):
            piece = data[start:start + size]
            yield piece
            if per_second:
                time.sleep(len(piece) / per_second)

    # Faults.

    def stall(self, *directions):
        for direction in directions or BOTH:
            self.flowing[direction].clear()

    def resume(self, *directions):
        for direction in directions or BOTH:
            self.flowing[direction].set()

    def drop(self, *directions):
        for direction in directions or BOTH:
            self.is_dropped[direction] = True

    def split(self, *directions):
        for direction in directions or BOTH:
            self.is_split[direction] = True

    def throttle(self, bytes_per_second, *directions):
        for direction in directions or BOTH:
            self.bytes_per_second[direction] = bytes_per_second

    def corrupt(self, direction, place=0):
        self.corrupted[direction] = place

    def cut_mid_frame(self, direction):
        self.is_cut_mid_frame[direction] = True

    def lose(self, question, direction):
        self.losing = question, direction

    def hold(self, question):
        self.may_pass.clear()
        self.holding = question

    def let_go(self):
        self.may_pass.set()

    def swallow(self):
        self.is_swallowing = True

    def drop_reply(self, k=1):
        self.repeat_reply(k, 0)

    def duplicate_reply(self, k=1):
        self.repeat_reply(k, 2)

    def repeat_reply(self, k, times):
        self.n_replies = 0
        self.on_reply = {k: times}

    def inject(self, data):
        """Sent to the daemon over every connection."""
        for link in self.links:
            try:
                link.client.sendall(data)
            except OSError:
                pass

    def half_close(self, direction):
        for link in self.links:
            link.half_close(direction)

    def cut(self):
        for link in self.links:
            link.reset()
        self.links.clear()

    def close(self):
        self.refuse()
        self.cut()
        self.pass_all()
        if self.path is not None:
            os.rmdir(os.path.dirname(self.path))


def proxy_to_postgres(server, **options):
    return Proxy(os.path.join(server.folder, f".s.PGSQL.{server.port}"),
                 **options)


def proxy_to_redis(server, **options):
    return Proxy(server.socket, **options)
