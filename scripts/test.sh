#!/bin/bash
# Every test of the project, on a fresh Debian 12 too: installs what is missing,
# builds with gcc (warnings are errors) and with clang's sanitizers, analyses the
# sources, and runs unit and system tests with both (those marked "sql", "once"
# or "timing" with gcc alone, the latter one after the other), three minutes of
# random faults; then a little fuzzing. The last lines name every test that
# failed, and say "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/deps.sh
. scripts/deps.sh
need_packages build test
need_node_modules

export PYTHONDONTWRITEBYTECODE=1
export PGRIPPLE_TAIL_LINES=12       # of the logs of a test that failed
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
passed=0
failed=0
touch "$results/failures"

count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
}

# begin NAME: says at which second of the run a step begins
begin() {
    echo "== $1 (at $SECONDS s)"
}

# fail NAME: one more line for the end, and one more failure
fail() {
    echo "FAILED: $1"
    echo "$1" >>"$results/failures"
    count 0 1
}

# check NAME COMMAND...: one test that passes or fails as a whole
check() {
    local name=$1
    shift
    begin "$name"
    if "$@"; then count 1 0; else fail "$name"; fi
}

# build FOLDER CC OPTION...: into FOLDER, anew when the options have changed
build() {
    local folder=$1 cc=$2
    shift 2
    if [ ! -f "$folder/build.ninja" ]; then
        CC=$cc meson setup "$folder" -Dwerror=true "$@" >/dev/null
    fi
    ninja -C "$folder" --quiet
}

# summarize KIND FILE TITLE STATUS: what FILE says of a run that ended with
# STATUS; a run that failed without a failed test is a failure of its own
summarize() {
    local counts="0 0"
    if [ -s "$2" ]; then
        counts=$(/usr/bin/python3 scripts/summary.py "$1" "$2" "$3" \
            "$results/failures")
    fi
    # shellcheck disable=SC2086 # two numbers
    count $counts
    if [ "$4" -ne 0 ] && [ "${counts#* }" -eq 0 ]; then
        fail "$3: ended with status $4"
    fi
}

# unit FOLDER: every program of tests/unit, within five minutes
unit() {
    local log=$1/meson-logs/testlog.json status=0
    begin "unit tests ($1)"
    rm -f "$log"
    timeout 300 meson test -C "$1" --no-rebuild --print-errorlogs \
        --num-processes 2 || status=$?
    summarize unit "$log" "unit tests ($1)" $status
}

# system FOLDER OPTION...: tests/system and tests/fault with that build, within
# twelve minutes
system() {
    local log=$results/system status=0
    begin "system tests ($*)"
    PGRIPPLE_BUILD=$1 PGRIPPLE_RESULTS=$log timeout --signal INT \
        --kill-after 30 720 /usr/bin/python3 -m pytest tests/system \
        tests/fault --rootdir . -q --tb short -p no:cacheprovider \
        "${@:2}" || status=$?
    summarize system "$log" "system tests ($1)" $status
    rm -f "$log"
}

check "format" scripts/format.sh
check "layers" tests/layers.sh
check "events of the log" tests/events.sh
check "shell scripts" shellcheck -x scripts/*.sh tests/*.sh completions/*.bash \
    tests/model/*.sh tests/sim/*.sh bench/*.sh .ci/run

check "models of the protocols" tests/model/run.sh

check "instructions of the core" bench/guard.sh
check "build with gcc" build build-test gcc
check "build with clang and sanitizers" build build-sanitized clang \
    -Db_sanitize=address,undefined -Db_lundef=false
check "static analysis" scripts/analyze.sh
if [ -x build-test/pgripple ]; then
    unit build-test
    check "simulator" tests/sim/run.sh build-test
    check "random faults" env PGRIPPLE_BUILD=build-test /usr/bin/python3 \
        tests/fault/chaos.py --minutes 3 --longest 3 --seed 1
    system build-test -n 4 -m "not timing"
    system build-test -m timing
fi
if [ -x build-sanitized/pgripple ]; then
    unit build-sanitized
    system build-sanitized -n 4 -m "not sql and not once and not timing"
fi

check "fuzzing" scripts/fuzz.sh --seconds 10
check "Debian package" as_root tests/package.sh

if [ "$failed" -ne 0 ]; then
    begin "failed"
    head -n 80 "$results/failures"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
