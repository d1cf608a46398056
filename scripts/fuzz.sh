#!/bin/bash
# Feeds made-up input to whatever reads text from outside:
#
#     scripts/fuzz.sh [--seconds N] [TARGET...]     default: 20, all targets
#
# Two targets run at a time. An input that ends one of them is kept, and named.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/deps.sh
. scripts/deps.sh

seconds=20
build=${PGRIPPLE_FUZZ_BUILD:-build-fuzz}
targets=()
while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
        seconds=${2:?--seconds needs a number}
        shift
        ;;
    -*)
        echo "usage: scripts/fuzz.sh [--seconds N] [TARGET...]" >&2
        exit 64
        ;;
    *) targets+=("$1") ;;
    esac
    shift
done
if [ ${#targets[@]} -eq 0 ]; then
    for folder in tests/fuzz/seeds/*/; do
        targets+=("$(basename "$folder")")
    done
fi

need_packages build test
if [ ! -f "$build/build.ninja" ]; then
    CC=clang meson setup "$build" -Dwerror=true -Dfuzz=true -Dtests=disabled \
        -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
fi
ninja -C "$build" --quiet

# fuzz TARGET: what it learns goes into a folder of this run
fuzz() {
    local found=$work/$1 log=$work/$1.log
    local seeds=("tests/fuzz/seeds/$1")
    [ "$1" = graph ] && seeds+=(tests/unit/bad)
    mkdir -p "$found"
    if "$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$kept/$1-" "$found" "${seeds[@]}" \
        >"$log" 2>&1; then
        awk -v target="$1" '/stat::number_of_executed_units/ {
            print "ok       " target ": " $2 " executions" }' "$log"
        return
    fi
    grep -v '^#' "$log" | tail -60
    echo "FAILED   $1"
    return 1
}

work=$(mktemp -d)
kept=$(mktemp -d -t pgripple-fuzz.XXXXXX)
trap 'rm -rf "$work"; rmdir --ignore-fail-on-non-empty "$kept"' EXIT
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1
export -f fuzz
export seconds build work kept
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'fuzz {}'
