#!/bin/bash
# Every test of the project, on a fresh Debian 12 too: installs what is missing,
# builds with gcc (warnings are errors) and with clang's sanitizers, and runs
# unit and system tests with both (those marked "sql" or "once" with gcc alone);
# then a little fuzzing. The last line says "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/deps.sh
. scripts/deps.sh
need_packages build test
need_node_modules

export PYTHONDONTWRITEBYTECODE=1
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
passed=0
failed=0

count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
}

# check NAME COMMAND...: one test that passes or fails as a whole
check() {
    local name=$1
    shift
    echo "== $name"
    if "$@"; then count 1 0; else
        echo "FAILED: $name"
        count 0 1
    fi
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

# sum PATTERN FILE: the last words of the lines that match, added up
sum() {
    awk -v pattern="$1" '$0 ~ pattern { n += $NF } END { print n + 0 }' "$2"
}

# unit FOLDER: every program of tests/unit, within five minutes
unit() {
    echo "== unit tests ($1)"
    timeout 300 meson test -C "$1" --no-rebuild --print-errorlogs \
        --num-processes 2 | tee "$results/unit" || true
    count "$(sum '^(Ok|Expected Fail):' "$results/unit")" \
        "$(sum '^(Fail|Unexpected Pass|Timeout):' "$results/unit")"
}

# system FOLDER OPTION...: tests/system and tests/fault with that build, within twelve minutes
system() {
    echo "== system tests ($1)"
    PGRIPPLE_BUILD=$1 timeout 720 /usr/bin/python3 -m pytest tests/system tests/fault \
        -q -n 3 -p no:cacheprovider --junitxml "$results/system.xml" \
        "${@:2}" || true
    if [ ! -f "$results/system.xml" ]; then
        echo "FAILED: the system tests did not come to their end"
        count 0 1
        return
    fi
    # shellcheck disable=SC2046 # two numbers
    count $(/usr/bin/python3 scripts/count_junit.py "$results/system.xml")
    rm "$results/system.xml"
}

check "format" scripts/format.sh
check "layers" tests/layers.sh
check "events of the log" tests/events.sh
check "shell scripts" shellcheck -x scripts/*.sh tests/*.sh completions/*.bash \
    tests/model/*.sh .ci/run

check "models of the protocols" tests/model/run.sh

check "build with gcc" build build-test gcc
check "build with clang and sanitizers" build build-sanitized clang \
    -Db_sanitize=address,undefined -Db_lundef=false
if [ -x build-test/pgripple ]; then
    unit build-test
    system build-test
fi
if [ -x build-sanitized/pgripple ]; then
    unit build-sanitized
    system build-sanitized -m "not sql and not once"
fi

check "fuzzing" scripts/fuzz.sh --seconds 20

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
