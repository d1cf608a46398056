#!/bin/bash
# Measures pgripple beside what people would use instead, in one run on private
# servers, and prints tables; with CSV and plots in build-bench/figures, or where
# --out says. docs/performance.md has what came of it.
#
#     bench/run.sh            an hour and a half
#     bench/run.sh --quick    about ten minutes: fewer and shorter rounds
#     bench/run.sh --tiny     only to see that everything runs
#     bench/run.sh --help     the other options
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/deps.sh
. scripts/deps.sh
need_packages build test bench

if [ ! -f build-bench/build.ninja ]; then
    meson setup build-bench --buildtype=release >/dev/null
fi
ninja -C build-bench --quiet pgripple bench/core bench/naive
if ! cmp -s bench/peers/package-lock.json bench/peers/node_modules/.installed; then
    (
        cd bench/peers
        npm ci --prefer-offline --no-audit --no-fund --loglevel=error
        cp package-lock.json node_modules/.installed
    )
fi
exec /usr/bin/python3 bench/run.py "$@"
