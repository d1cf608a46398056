"""A server process in a folder of its own: start, stop, kill, pause."""

import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from harness.wait import wait_until


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@functools.cache
def temporary_root():
    """Where files cost least: in memory, if there is room for the clusters of
    a run. A database is copied for each test, by half the system time. But
    PGRIPPLE_FILES names another place, for those who measure a disk."""
    if "PGRIPPLE_FILES" in os.environ:
        return os.environ["PGRIPPLE_FILES"]
    in_memory = "/dev/shm"
    try:
        found = os.statvfs(in_memory)
    except OSError:
        return "/tmp"
    free = found.f_bavail * found.f_frsize
    return in_memory if free >= 8 << 30 else "/tmp"


def make_folder(prefix):
    """A temporary folder with a short name: a socket's path has 107 bytes."""
    return tempfile.mkdtemp(prefix=prefix, dir=temporary_root())


def children_of(pid):
    """Ids of the direct child processes."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry))
    return found


class Server:
    """What the servers of the tests have in common.

    A subclass says how to start (command), how to stop politely
    (stop_signal) and when it is up (is_up).
    """

    name = "server"
    stop_signal = signal.SIGTERM
    user = None

    def __init__(self):
        self.folder = make_folder(f"pgripple-{self.name}-")
        self.log_path = os.path.join(self.folder, "log")
        self.process = None

    def command(self):
        raise NotImplementedError

    def is_up(self):
        raise NotImplementedError

    def start(self, wait=True):
        """Start the server; with wait, return only once it answers."""
        assert not self.is_running(), f"{self.name} runs already"
        account = {}
        if self.user is not None:
            account = {"user": self.user, "group": self.user,
                       "extra_groups": []}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **account)
        if wait:
            self.wait_until_up()
        return self

    def wait_until_up(self, timeout=30):
        def up_or_dead():
            assert self.is_running(), (
                f"{self.name} did not start:\n{self.log_text()[-4000:]}")
            return self.is_up()
        wait_until(up_or_dead, timeout, f"{self.name} to answer")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def pids(self):
        """The server's processes, the first one first."""
        return [self.process.pid] + children_of(self.process.pid)

    def signal_all(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop(self, timeout=30):
        """An orderly shutdown."""
        if not self.is_running():
            return
        self.process.send_signal(self.stop_signal)
        self.resume()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop in {timeout} s")

    def kill(self):
        """kill -9, as an out-of-memory killer would."""
        if not self.is_running():
            return
        pids = self.pids()
        self.signal_all(signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), 30,
                   f"the processes of {self.name} to be gone")

    def restart(self):
        self.stop()
        return self.start()

    def pause(self):
        """Stop answering while every connection stays open."""
        self.signal_all(signal.SIGSTOP)

    def resume(self):
        self.signal_all(signal.SIGCONT)

    def log_text(self, start=0):
        try:
            with open(self.log_path, "rb") as log:
                log.seek(start)
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def log_size(self):
        try:
            return os.path.getsize(self.log_path)
        except FileNotFoundError:
            return 0

    def remove(self):
        """Kill what runs and delete the folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def is_alive(pid):
    """Whether a process exists and is more than a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
