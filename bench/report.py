"""What bench/run.sh found: as a table, as CSV, as plots, and against the aims.

An aim is a function of a Bench that returns what was measured, or raises
KeyError where it was not.
"""

import csv
import os
import statistics
import subprocess

KEPT = ("part", "way", "variant", "figure", "value")
PEERS = ("python", "node", "decoding")


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# Aims.

def tps_ratio(bench, other, synchronous):
    return (bench.median("writers", "adaptive", f"8/{synchronous}", "tps")
            / bench.median("writers", other, f"8/{synchronous}", "tps"))


def latency(bench, way, variant, share):
    return percentile(bench.get("latency", way, variant, "ms"), share)


def latency_ratio(bench, share):
    return (latency(bench, "adaptive", "idle", share)
            / latency(bench, "naive_c", "idle", share))


def rate(bench, variant):
    return bench.median("backlog", "adaptive", variant, "changes/s")


def last_to_first(bench):
    first, last = (bench.median("snapshot", "adaptive", nth, "changes/s")
                   for nth in ("1", "10"))
    return first / last


def bulk(bench, n, figure="s", way="adaptive"):
    return bench.median("bulk", way, n, figure)


def bulk_ratio(bench, n):
    return bulk(bench, n) / bulk(bench, n, way="none")


def cpu_ratio(bench):
    def of(way):
        return bench.median("cost", way, "8 clients", "CPU s per 100,000")
    return of("adaptive") / min(map(of, PEERS))


def flatness(bench, start):
    """The dearest against the cheapest."""
    medians = [statistics.median(values)
               for (part, _, variant, _), values in bench.samples_of.items()
               if part == "flat" and variant.startswith(start)]
    if len(medians) < 2:
        raise KeyError(start)
    return max(medians) / min(medians)


def graph_flatness(bench):
    return max(bench.median("flat", "adaptive", f"500 models, {batch} in a"
                            " batch", "CPU us")
               / bench.median("flat", "adaptive", f"5 models for {batch}",
                              "CPU us") for batch in ("5", "all"))


# What, at least or at most, the aim, and what was measured.
AIMS = (
    ("writers' tps, 8 clients, adaptive / no triggers, synchronous_commit on",
     ">=", 0.85, lambda b: tps_ratio(b, "none", "on")),
    ("the same, off", ">=", 0.65, lambda b: tps_ratio(b, "none", "off")),
    ("adaptive / naive trigger, on", ">=", 2.0,
     lambda b: tps_ratio(b, "naive_c", "on")),
    ("the same, off", ">=", 1.5, lambda b: tps_ratio(b, "naive_c", "off")),
    ("latency at idle, p50 / the floor's", "<=", 1.5,
     lambda b: latency_ratio(b, 0.5)),
    ("the same, p99", "<=", 2.0, lambda b: latency_ratio(b, 0.99)),
    ("latency at 80 % load, p99 / p50 at idle", "<", 10.0,
     lambda b: latency(b, "adaptive", "80 %", 0.99)
     / latency(b, "adaptive", "idle", 0.5)),
    ("latency with a writing transaction held open, p99, ms", "<", 25.0,
     lambda b: latency(b, "adaptive", "writer open", 0.99)),
    ("drain, changes/s", ">=", 150_000, lambda b: rate(b, f"{b.backlog:,}")),
    ("drain / bare SQL of fetch and acknowledge in psql", ">=", 0.5,
     lambda b: rate(b, f"{b.backlog:,}") / rate(b, "bare SQL")),
    ("drain under a snapshot, time of the tenth / of the first", "<=", 1.3,
     last_to_first),
    ("UPDATE of 100,000 rows / without triggers", "<=", 1.6,
     lambda b: bulk_ratio(b, "100,000")),
    ("the same, s from the commit until Redis is done", "<=", 2.0,
     lambda b: bulk(b, "100,000", "s until Redis is done")),
    ("UPDATE of 1,000,000 rows / without triggers", "<=", 1.4,
     lambda b: bulk_ratio(b, "1,000,000")),
    ("the same, peak RSS of the daemon, MB", "<", 64.0,
     lambda b: bulk(b, "1,000,000", "peak RSS kB") / 1024),
    ("the same, s from the commit until Redis is done", "<=", 5.0,
     lambda b: bulk(b, "1,000,000", "s until Redis is done")),
    ("daemon CPU per 100,000 changes / the best peer's", "<=", 0.5,
     cpu_ratio),
    ("cost per change, graph of 500 models / of 5", "<=", 1.2,
     graph_flatness),
    ("cost per change, as Redis grows", "<=", 1.2,
     lambda b: flatness(b, "Redis ")),
    ("cost per change, as the backlog grows", "<=", 1.2,
     lambda b: flatness(b, "backlog ")),
)


def verdict(sign, aim, value):
    reached = {">=": value >= aim, "<=": value <= aim, "<": value < aim}[sign]
    return "reached" if reached else "**not reached**"


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def aims_table(bench):
    lines = ["| figure | aim | measured | |", "|---|---|---|---|"]
    for what, sign, aim, measure in AIMS:
        try:
            value = measure(bench)
        except KeyError:
            measured, how = "", "not measured"
        else:
            measured, how = number(value), verdict(sign, aim, value)
        lines.append(f"| {what} | {sign} {number(aim)} | {measured} | {how} |")
    return "\n".join(lines)


# Everything.

def rows(bench):
    for (part, way, variant, figure), values in bench.samples_of.items():
        if figure == "ms":
            for name, share in (("p50", .5), ("p90", .9), ("p99", .99)):
                yield (part, way, variant, f"{name} ms",
                       percentile(values, share), len(values))
            yield part, way, variant, "max ms", max(values), len(values)
        else:
            yield (part, way, variant, figure, statistics.median(values),
                   len(values))


def full_table(bench):
    """A line for each variant and figure, a column for each way."""
    cells, ways = {}, []
    for part, way, variant, figure, value, _ in rows(bench):
        cells.setdefault((part, variant, figure), {})[way] = number(value)
        if way not in ways:
            ways.append(way)
    lines = ["| | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    for (part, variant, figure), found in cells.items():
        lines.append(f"| {part}, {variant}: {figure} | " + " | ".join(
            found.get(way, "") for way in ways) + " |")
    return "\n".join(lines)


def write_csv(bench, path):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("part", "way", "variant", "figure", "median",
                         "samples"))
        for *names, value, n in rows(bench):
            writer.writerow((*names, f"{value:.6g}", n))


# Plots: grouped bars.

PLOTS = (
    ("writers", "Writers: transactions a second", "writers", "tps", False),
    ("latency-p50", "From COMMIT to gone, p50, ms", "latency", "p50 ms", True),
    ("latency-p99", "From COMMIT to gone, p99, ms", "latency", "p99 ms", True),
    ("drain", "A backlog drained: changes a second", "backlog", "changes/s",
     False),
    ("cpu", "The listener's CPU seconds per 100,000 changes", "cost",
     "CPU s per 100,000", False),
)


def plot(bench, folder, name, title, part, figure, is_log):
    found, ways, variants = {}, [], []
    for a_part, way, variant, a_figure, value, _ in rows(bench):
        if (a_part, a_figure) == (part, figure):
            found[way, variant] = value
            ways += [way] if way not in ways else []
            variants += [variant] if variant not in variants else []
    if not found:
        return
    data = "".join(
        f'"{variant}" ' + " ".join(str(found.get((way, variant), "NaN"))
                                   for way in ways) + "\n"
        for variant in variants)
    columns = ", ".join(
        f'$data using {n + 2}:xtic(1) title "{way}"'
        for n, way in enumerate(ways)).replace("_", " ")
    script = f"""set terminal svg size 900,420 font "sans-serif,13" background "white"
set output "{os.path.join(folder, name)}.svg"
set title "{title}"
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 0.85 noborder
set key outside right
set grid ytics lc rgb "#dddddd"
set border 3
set xtics nomirror
set ytics nomirror
{"set logscale y; set yrange [0.05:*]" if is_log else "set yrange [0:*]"}
$data << END
{data}END
plot {columns}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def write_all(bench, folder):
    os.makedirs(folder, exist_ok=True)
    write_csv(bench, os.path.join(folder, "figures.csv"))
    for what in PLOTS:
        plot(bench, folder, *what)
    text = "\n\n".join((bench.heading(), aims_table(bench),
                        full_table(bench))) + "\n"
    with open(os.path.join(folder, "tables.md"), "w") as file:
        file.write(text)
    return text
