"""The pgripple binary: the daemon, its log, and the command line."""

import json
import os
import shutil
import signal
import subprocess
import textwrap
import threading
import time
from collections import namedtuple

from harness.postgres import ROOT
from harness.process import make_folder
from harness.wait import wait_until

Completed = namedtuple("Completed", "status stdout stderr")

SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                   "runtime error:")


TAIL_LINES = int(os.environ.get("PGRIPPLE_TAIL_LINES", 40))


def binary():
    """The binary under test: $PGRIPPLE_BUILD/pgripple, default build/."""
    build = os.environ.get("PGRIPPLE_BUILD", "build")
    return os.path.join(ROOT, build, "pgripple")


def is_sanitized():
    """True if the binary was built with sanitizers: memory and speed of such
    a build say nothing."""
    with open(binary(), "rb") as file:
        return b"__asan_init" in file.read()


def environment(**more):
    """A clean environment, in which sanitizers end the process loudly."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("PG") or name.startswith("PGRIPPLE_")}
    env.setdefault("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:abort_on_error=1"
                   ":print_stacktrace=1")
    env.update(more)
    return env


def run_cli(*args, stdin="", timeout=60, env=None):
    """Run pgripple with these arguments; returns status, stdout, stderr."""
    done = subprocess.run(
        [binary(), *map(str, args)], input=stdin, text=True, timeout=timeout,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(**(env or {})))
    assert not any(mark in done.stderr for mark in SANITIZER_MARKS), done.stderr
    return Completed(done.returncode, done.stdout, done.stderr)


def yaml_text(node, indent=0):
    """Nested dicts, lists and scalars as block-style YAML."""
    pad = "  " * indent
    lines = []
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, (dict, list)) and value:
                lines.append(f"{pad}{key}:\n{yaml_text(value, indent + 1)}")
            else:
                lines.append(f"{pad}{key}: {scalar_text(value)}\n")
    else:
        for value in node:
            lines.append(f"{pad}- {scalar_text(value)}\n")
    return "".join(lines)


def scalar_text(value):
    """JSON's spelling of a scalar is YAML's too; true, 5 and 2s stay bare."""
    return json.dumps(value, ensure_ascii=False)


def merge(base, more):
    """Nested dicts: what is in more wins."""
    merged = dict(base)
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


class Config:
    """pgripple.yaml and graph.yaml in a folder of their own."""

    def __init__(self, conninfo, redis_url, graph, settings=None):
        self.folder = make_folder("pgripple-conf-")
        self.path = os.path.join(self.folder, "pgripple.yaml")
        self.graph_path = os.path.join(self.folder, "graph.yaml")
        self.settings = merge({
            "postgres": {"conninfo": conninfo, "notify": "always"},
            "redis": {"url": redis_url},
            "graph": "graph.yaml",
            "http": {"listen": "unix://" + os.path.join(self.folder, "http"),
                     "canary_interval": "0s"},
            "log": {"level": "debug", "format": "json"},
        }, settings or {})
        self.write_settings()
        self.write_graph(graph)

    def write_settings(self, settings=None):
        """Write pgripple.yaml; what is given is merged into what was."""
        self.settings = merge(self.settings, settings or {})
        self.write(self.path, yaml_text(self.settings))

    def write_graph(self, graph):
        """Write graph.yaml: a text, which may be indented as a whole."""
        self.write(self.graph_path, textwrap.dedent(graph))

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def unique(pairs):
    """A JSON object; two members of one name are an error."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


class Daemon:
    """`pgripple run -c FILE`, and everything it says.

    Events are the JSON lines of standard error as dicts, in order. What is
    no JSON is kept in text_lines. A wrapper is a command that becomes the one
    behind it.
    """

    def __init__(self, config, env=None, wrapper=()):
        self.config = config
        self.env = env or {}
        self.wrapper = wrapper
        self.process = None
        self.text_lines = []
        self._events = []
        self._news = threading.Condition()
        self._reader = None

    def start(self, wait=True, timeout=30):
        """Start it; with wait, return when it says that it is live."""
        assert not self.is_running(), "the daemon runs already"
        mark = self.mark()
        self.process = subprocess.Popen(
            [*self.wrapper, *os.environ.get("PGRIPPLE_WRAPPER", "").split(),
             binary(), "run", "-c", self.config.path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, encoding="utf-8",
            errors="replace", env=environment(**self.env))
        self.process.stdout.close()
        self._reader = threading.Thread(
            target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        if wait:
            self.wait_for_event("daemon.ready", timeout, after=mark)
        return self

    def _read(self, stream):
        for line in stream:
            line = line.rstrip("\n")
            try:
                event = json.loads(line, object_pairs_hook=unique)
            except ValueError:
                event = None
            with self._news:
                if isinstance(event, dict):
                    self._events.append(event)
                else:
                    self.text_lines.append(line)
                self._news.notify_all()
        stream.close()
        with self._news:
            self._news.notify_all()

    def mark(self):
        """The present end of the log, for `after`."""
        with self._news:
            return len(self._events)

    def events(self, name=None, after=0, **fields):
        """Events of that name with those fields, oldest first."""
        with self._news:
            return self._matching(name, after, fields)

    def _matching(self, name, after, fields):
        return [event for event in self._events[after:]
                if (name is None or event.get("event") == name)
                and all(event.get(key) == value
                        for key, value in fields.items())]

    def wait_for_event(self, name, timeout=30, after=0, **fields):
        """The first such event, now or within timeout seconds."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = self._matching(name, after, fields)
                if found:
                    return found[0]
                left = deadline - time.monotonic()
                dead = not self.is_running() and not self._reader.is_alive()
                if left <= 0 or dead:
                    why = "ended" if dead else f"is silent for {timeout} s"
                    raise AssertionError(
                        f"no event {name} {fields or ''}: the daemon {why}\n"
                        + self._tail())
                self._news.wait(min(left, 0.2))

    def _tail(self, n_lines=TAIL_LINES):
        lines = [json.dumps(event) for event in self._events[-n_lines:]]
        return "\n".join(lines + self.text_lines[-n_lines:])

    def tail(self):
        """The last lines of the log, for a person."""
        with self._news:
            return self._tail()

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def pause(self):
        """Freeze it, and return when it does not run any more."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: self._state() == "T", what="a frozen daemon")

    def _state(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def wait(self, timeout=30):
        """Wait for the daemon's end and return its exit status."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the daemon did not end in {timeout} s\n{self.tail()}")
        self._reader.join(timeout)
        return status

    def stop(self, timeout=30):
        """SIGTERM; it must drain and leave with status 0."""
        self.process.send_signal(signal.SIGTERM)
        status = self.wait(timeout)
        assert status == 0, f"exit status {status}\n{self.tail()}"

    def kill(self):
        """kill -9."""
        if self.is_running():
            self.process.kill()
        if self.process is not None:
            self.wait()

    def rss_kb(self):
        """Resident memory."""
        return self._memory_kb("VmRSS:")

    def peak_kb(self):
        """The most that resident memory has been."""
        return self._memory_kb("VmHWM:")

    def _memory_kb(self, name):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith(name):
                    return int(line.split()[1])
        raise AssertionError(f"no {name} the daemon is dead")

    def cpu_seconds(self):
        """Processor time used so far."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sanitizer_reports(self):
        with self._news:
            return [line for line in self.text_lines
                    if any(mark in line for mark in SANITIZER_MARKS)]
