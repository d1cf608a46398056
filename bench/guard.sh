#!/bin/bash
# The regression guard: how many instructions the pure core needs, for inputs
# that are always the same, against what bench/guard.txt recorded. Instructions
# hardly depend on what else the machine does: a thousandth from run to run.
#
#     bench/guard.sh            status 1 if a change needs over 5 % more
#     bench/guard.sh --record   writes bench/guard.txt anew
#
# Two runs, one of more batches than the other: what is the same in both, such as
# loading the graph, drops out.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/deps.sh
. scripts/deps.sh
need_packages build test

recorded=bench/guard.txt
if [ ! -f build-bench/build.ninja ]; then
    meson setup build-bench --buildtype=release >/dev/null
fi
ninja -C build-bench --quiet bench/core
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT

# instructions BATCHES: how many it takes to put them through
instructions() {
    valgrind --quiet --tool=callgrind --callgrind-out-file="$found/out" \
        build-bench/bench/core --count "$1" >"$found/changes"
    awk '$1 == "totals:" || $1 == "summary:" { print $2; exit }' "$found/out"
}
few=$(instructions 5)
few_changes=$(<"$found/changes")
many=$(instructions 25)
now=$(((many - few) / ($(<"$found/changes") - few_changes)))

if [[ ${1:-} == --record ]]; then
    echo "instructions_per_change $now" >$recorded
    cat $recorded
    exit
fi
was=$(awk '$1 == "instructions_per_change" { print $2 }' $recorded)
echo "instructions per change: $now, recorded: $was"
if ((now * 100 > was * 105)); then
    echo "guard: that is over 5 % more; if it has to be, bench/guard.sh --record" >&2
    exit 1
fi
