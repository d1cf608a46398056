#!/usr/bin/python3
"""pgripple beside what people would use instead, on private servers, in
interleaved rounds. Start it with bench/run.sh, which builds what it needs."""

import argparse
import os
import platform
import statistics
import sys
import time
import traceback

import parts
import report
from ways import ROOT, make_ways

from harness.postgres import Postgres
from harness.redis_server import RedisServer

FULL = dict(rounds=5, seconds=5, samples=300, changes=40_000, backlog=50_000,
            backlogs=(100, 10_000, 100_000, 1_000_000),
            cache_sizes=(1_000, 100_000, 10_000_000),
            bulk=(100_000, 1_000_000), flat=20_000,
            bulk_ways=("none", "adaptive", "naive_c", "python", "node",
                       "decoding"))
QUICK = dict(FULL, rounds=2, seconds=1, samples=100, changes=16_000,
             backlog=20_000,
             backlogs=(100, 10_000, 100_000), cache_sizes=(1_000, 1_000_000),
             bulk_ways=("none", "adaptive"))
TINY = dict(QUICK, rounds=1, samples=10, changes=800, backlog=1_000,
            backlogs=(100, 1_000), cache_sizes=(1_000, 10_000),
            bulk=(1_000, 10_000), flat=1_000)


class Bench:
    """What is to be measured, and the samples so far."""

    def __init__(self, options):
        self.__dict__.update(TINY if options.tiny else
                             QUICK if options.quick else FULL)
        self.rounds = options.rounds or self.rounds
        self.options = options
        self.build = options.build
        self.samples_of = {}
        self.loads = []
        self.failed = []
        self.started = time.time()

    def sizes(self, way):
        n_items = max(self.backlogs) if way == "adaptive" else self.backlog
        return {"n_items": max(n_items, self.backlog, self.flat),
                "n_bulk": max(self.bulk) if way in self.bulk_ways else 0}

    def add(self, part, way, variant, figure, value):
        self.add_all(part, way, variant, figure, [value])

    def add_all(self, part, way, variant, figure, values):
        self.samples_of.setdefault(
            (part, way.name, variant, figure), []).extend(values)
        self.loads.append(os.getloadavg()[0])

    def get(self, part, way, variant, figure):
        return self.samples_of[part, way, variant, figure]

    def median(self, part, way, variant, figure):
        return statistics.median(self.get(part, way, variant, figure))

    def run(self, part, log):
        """A part that fails says so, and the others go on."""
        started = time.monotonic()
        try:
            part(self)
        except Exception:
            self.failed.append(part.__name__)
            traceback.print_exc()
        print(f"{part.__name__}: {time.monotonic() - started:.0f} s",
              file=log, flush=True)

    def heading(self):
        began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.started))
        lines = [
            f"Begun {began}, took {time.time() - self.started:.0f} s;"
            f" {os.cpu_count()} cores, Linux {platform.release()};"
            f" {'--tiny, ' if self.options.tiny else ''}"
            f"{'--quick, ' if self.options.quick else ''}"
            f"{self.rounds} rounds of {self.seconds} s; load average from"
            f" {min(self.loads, default=0):.1f} to"
            f" {max(self.loads, default=0):.1f}."]
        if self.failed:
            lines.append("Failed: " + ", ".join(self.failed) + ".")
        return "\n".join(lines)


def choose(text):
    known = {part.__name__: part for part in parts.PARTS}
    chosen = text.split(",") if text else list(known)
    unknown = set(chosen) - set(known)
    if unknown:
        sys.exit(f"run.py: no such part: {', '.join(sorted(unknown))}")
    return [known[name] for name in chosen]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="fewer and shorter rounds")
    parser.add_argument("--tiny", action="store_true",
                        help="only to see that everything runs")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help="how many, in place of the usual number")
    parser.add_argument("--only", metavar="PART,...",
                        help="of " + ", ".join(
                            part.__name__ for part in parts.PARTS))
    parser.add_argument("--build", default="build-bench")
    parser.add_argument("--out", default="build-bench/figures",
                        help="where tables.md, figures.csv and plots go")
    options = parser.parse_args()
    # In memory synchronous_commit costs nothing.
    os.environ.setdefault("PGRIPPLE_FILES", "/var/tmp")
    os.environ["PGRIPPLE_BUILD"] = os.path.join(ROOT, options.build)
    chosen = choose(options.only)

    bench = Bench(options)
    settings = dict(shared_buffers="512MB", max_wal_size="16GB",
                    checkpoint_timeout="1h", max_connections=200)
    postgres = Postgres(**settings)
    logical = Postgres(wal_level="logical", **settings)
    redis = RedisServer(notify_keyspace_events="Eg")
    try:
        servers = postgres.start(), redis.start()
        bench.ways = make_ways(servers, logical.start(), options.build,
                               bench.sizes)
        for part in chosen:
            bench.run(part, sys.stderr)
            text = report.write_all(bench, options.out)
        print(text)
    finally:
        postgres.remove()
        logical.remove()
        redis.remove()
    sys.exit(1 if bench.failed else 0)


if __name__ == "__main__":
    main()
