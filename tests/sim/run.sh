#!/bin/bash
# The simulator (see tests/sim/world.h): at least 100,000 schedules, and some of
# each program with a planted bug, which must be found:
#
#     tests/sim/run.sh [BUILD [SCHEDULES [FIRST SEED]]]
#
# By default build-test, 100000 and 1: the same for everybody. With another
# first seed it looks for what nobody has found yet (scripts/test-long.sh).
#
# A seed that is printed can be told as a story:
#     build-test/tests/sim/simulate tests/sim --story SEED
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build-test}
schedules=${2:-100000}
first=${3:-1}
workers=$(nproc)

ninja -C "$build" --quiet tests/sim/simulate mutants
for mutant in tests/sim/planted/*.patch; do
    name=$(basename "$mutant" .patch)
    printf '%s: ' "$name"
    if ! "$build/tests/sim/simulate_$name" tests/sim --must-fail \
        --workers "$workers" --seconds 60 >"$build/tests/sim/$name.log"; then
        cat "$build/tests/sim/$name.log"
        echo "FAILED: the planted bug \"$name\" was not found"
        exit 1
    fi
    grep -m 1 '^seed' "$build/tests/sim/$name.log"
done
"$build/tests/sim/simulate" tests/sim --schedules "$schedules" \
    --first "$first" --workers "$workers" --corpus tests/sim/corpus
