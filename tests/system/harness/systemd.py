"""What systemd is to a service: the journal's socket, and the one on which the
service tells how it is."""

import json
import os
import socket
import time

from harness.wait import wait_until

# A file system of its own, in which /run/systemd/journal is the folder $0, and
# standard error is said to be the journal, as systemd.exec(5) has it.
BESIDE_JOURNAL = """
mount -t tmpfs run /run
mkdir /run/systemd
ln -s "$0" /run/systemd/journal
JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2)
export JOURNAL_STREAM
exec "$@"
"""


def beside_journal(folder):
    """The wrapper of a command that is to find the journal in that folder."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *user, "sh", "-ec", BESIDE_JOURNAL,
            str(folder)]


class DatagramSocket:
    """A socket that keeps all that it was sent."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.received = []      # what decode() has made of it

    def decode(self, data):
        return data

    def read(self):
        """Everything so far."""
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                return self.received
            self.received.append(self.decode(data))

    def close(self):
        self.socket.close()
        os.unlink(self.path)


def parse_entry(data):
    """https://systemd.io/JOURNAL_NATIVE_PROTOCOL/"""
    entry = {}
    while data:
        name, _, rest = data.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8:8 + length], rest[8 + length + 1:]
        assert name.decode().isupper() and name.decode() not in entry, name
        entry[name.decode()] = value.decode()
        data = rest
    return entry


class Journal(DatagramSocket):
    """The journal's socket, in a folder; each entry is a dict."""

    def __init__(self, folder):
        super().__init__(os.path.join(folder, "socket"))

    def decode(self, data):
        return parse_entry(data)

    def wait_for(self, event, after=0, **fields):
        """The first such entry from there on."""
        def found():
            return next((entry for entry in self.read()[after:]
                         if entry["PGRIPPLE_EVENT"] == event
                         and fields.items() <= entry.items()), None)
        return wait_until(found, what=f"an entry {event} {fields or ''}")


class Manager(DatagramSocket):
    """The service manager: each message is a dict, with the time as "at"."""

    def decode(self, data):
        pairs = (line.split("=", 1) for line in data.decode().splitlines())
        return {**dict(pairs), "at": time.monotonic()}

    def mark(self):
        return len(self.read())

    def wait_for(self, after=0, timeout=30.0, **fields):
        """The index of the first such message from there on."""
        def found():
            return next((i for i, message in enumerate(self.read())
                         if i >= after and fields.items() <= message.items()),
                        None)
        wait_until(lambda: found() is not None, timeout,
                   f"{fields}; heard: {json.dumps(self.received[-20:])}")
        return found()
