#!/bin/bash
# Runs the unit and system tests in the next Debian release: with its Postgres,
# Redis, Valkey, hiredis and compiler. Says so if that release cannot be had.
#
#     scripts/newer-servers.sh [ARGUMENT OF PYTEST...]
#
# The release is unpacked into build-trixie (2 GB), which stays for the next
# time. Nothing outside of it is touched: what must be mounted for its programs
# is mounted in a name space of this script's own, and is gone with it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/deps.sh
. scripts/deps.sh

suite=trixie
mirror=http://deb.debian.org/debian
root=$PWD/build-$suite
# Without those that only fuzzing, packaging and drawing need, which does not
# depend on the servers.
packages=(gcc libc6-dev meson ninja-build pkg-config libpq-dev libhiredis-dev
    libevent-dev libyaml-dev libsystemd-dev libyajl-dev libmd-dev
    libcriterion-dev postgresql redis-server valkey-server pgbouncer iproute2
    mandoc openssl graphviz prometheus strace systemd systemd-journal-remote
    nodejs npm procps git patch python3-pytest python3-pytest-xdist
    python3-psycopg2 python3-redis python3-django python3-django-cacheops)

if [[ ${1:-} != --in-name-space ]]; then
    need_packages newer
    # A name space that is made by root alone: mounts in it stay in it.
    as_root unshare --mount --propagation private "$0" --in-name-space "$@"
    exit
fi
shift

in_root() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
}

# Device nodes are debootstrap's own, made by mknod.
mount_all() {
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs tmpfs "$root/tmp"
    mkdir -p "$root/dev/shm" "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
}

unpack() {
    # Nothing is mounted in it: this name space is new.
    rm -rf --one-file-system "$root"
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" \
        "$mirror" >"$root.log" 2>&1 || return
    # No server of its own is to be started.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
}

fill() {
    in_root apt-get update -qq >>"$root.log" 2>&1 || return
    in_root apt-get install -qq -y --no-install-recommends "${packages[@]}" \
        >>"$root.log" 2>&1 || return
    touch "$root/complete"
}

if [[ ! -e $root/complete ]]; then
    if ! unpack || ! mount_all || ! fill; then
        echo "not tested with newer servers: Debian $suite could not be had" \
            "from $mirror; $root.log says why"
        exit 0
    fi
else
    mount_all
fi

rm -rf --one-file-system "$root/src"
mkdir "$root/src"
git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from=- --create | tar --extract --no-same-owner \
        --directory="$root/src"
echo "== in Debian $suite"
# shellcheck disable=SC2016 # for dpkg-query
in_root dpkg-query --show --showformat '${Package} ${Version}\n' postgresql-17 \
    redis-server valkey-server libhiredis1.1.0 libpq5 libevent-2.1-7t64 gcc
# shellcheck disable=SC2016 # for the shell inside
in_root bash -euc 'cd /src
    meson setup build-test -Dwerror=true >/dev/null
    ninja -C build-test --quiet
    meson test -C build-test --no-rebuild --print-errorlogs \
        --num-processes 2 | tail -n 30
    export PGRIPPLE_BUILD=build-test
    echo "== with Redis"
    python3 -m pytest tests/system -q -n 3 -p no:cacheprovider "$@"
    echo "== with Valkey, but for what counts keys as SCAN of Redis does, and" \
        "LOADING after a restart, which nobody has seen it say"
    PGRIPPLE_REDIS_SERVER=/usr/bin/valkey-server python3 -m pytest \
        tests/system -q -n 3 -p no:cacheprovider -m "not sql" \
        --deselect tests/system/test_rules.py::test_long_work_is_done_in_slices \
        --deselect tests/system/test_redis_states.py::test_loading \
        "$@"' bash "$@"
