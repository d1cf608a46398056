#!/bin/bash
# What takes too long for every change: the models in larger sizes (half an
# hour, 8 GB), thousands of rounds of the doorbell on real servers (ten
# minutes), random histories for the oracle (half an hour), every nth allocation
# and system call (half an hour), the simulator (half an hour), an hour of random
# faults, the system tests that scripts/test.sh runs with gcc alone with the
# sanitizers too, those of django-cacheops with a newer one (ten minutes), all of
# them in the next Debian release with its servers (half an hour), and the daemon
# under valgrind.
# Run scripts/test.sh first.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/deps.sh
. scripts/deps.sh
need_packages build test long

if [ ! -x build-test/pgripple ]; then
    meson setup build-test -Dwerror=true >/dev/null
fi
ninja -C build-test --quiet

echo "== the doorbell, thousands of rounds"
PGRIPPLE_BUILD=build-test PGRIPPLE_DOORBELL_SECONDS=600 \
    /usr/bin/python3 -m pytest tests/system/test_doorbell.py -q -s \
    -p no:cacheprovider -k no_row_waits

echo "== random histories"
PGRIPPLE_BUILD=build-test /usr/bin/python3 tests/system/oracle.py --minutes 30

echo "== long system tests with the sanitizers"
PGRIPPLE_BUILD=build-sanitized /usr/bin/python3 -m pytest \
    tests/system tests/fault -q -n 3 -p no:cacheprovider \
    -m "once and not timing"

echo "== django-cacheops of a newer Debian, in both of its layouts"
newer=$(scripts/newer-cacheops.sh)
for layout in SITE_CLASSIC SITE_INSIDEOUT; do
    env "$layout=1" PYTHONPATH="$newer" PGRIPPLE_BUILD=build-test \
        /usr/bin/python3 -m pytest tests/system/test_django_cacheops.py \
        tests/system/test_cacheops.py -q -n 2 -p no:cacheprovider
done

echo "== the servers and libraries of a newer Debian"
scripts/newer-servers.sh

echo "== every allocation fails, a kill at every system call"
PGRIPPLE_EVERY_NTH=1 PGRIPPLE_BUILD=build-test /usr/bin/python3 -m pytest \
    tests/fault/test_every_nth.py --rootdir . -q -s -p no:cacheprovider

echo "== memory, and what a million changes leave behind"
PGRIPPLE_LONG=1 PGRIPPLE_BUILD=build-test /usr/bin/python3 -m pytest \
    tests/fault/test_memory.py --rootdir . -q -s -p no:cacheprovider
PGRIPPLE_BUILD=build-test /usr/bin/python3 tests/fault/soak.py \
    --changes 1000000 --every 5

echo "== ten million schedules of the simulator"
tests/sim/run.sh build-test 10000000 "$(date +%s)000000"

echo "== random faults: an hour, and three minutes with the sanitizers"
PGRIPPLE_BUILD=build-test /usr/bin/python3 tests/fault/chaos.py --minutes 60
PGRIPPLE_BUILD=build-sanitized /usr/bin/python3 tests/fault/chaos.py --minutes 3

echo "== the daemon under valgrind"
PGRIPPLE_BUILD=build-test PGRIPPLE_WRAPPER="valgrind --quiet \
    --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite" \
    /usr/bin/python3 -m pytest tests/system/test_tournament.py \
    tests/system/test_bad_moments.py -q -p no:cacheprovider

echo "== the models"
tests/model/run.sh --long
