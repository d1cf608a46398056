#!/bin/bash
# The Debian package: builds it from what is committed, asks lintian, installs
# it, uses it, purges it, and looks for what is left.
#
# It is installed into a layer over this machine's own files that is thrown away
# afterwards, and that shows every file the package made or changed.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    echo "not run: root alone can install a package"
    exit 1
fi

# The mounts are made in a namespace of their own and end with it, so that what
# removes the folder never sees them.
if [ $# -eq 0 ]; then
    folder=$(mktemp -d)
    trap 'rm -rf --one-file-system "$folder"' EXIT
    unshare --mount --propagation private "$0" "$folder"
    exit
fi
folder=$1

mkdir "$folder/source"
# The checkout may be somebody else's, who has called this through sudo.
git -c safe.directory="$PWD" archive HEAD | tar x -C "$folder/source"
if ! (cd "$folder/source" && dpkg-buildpackage -b -us -uc -j2) \
    >"$folder/log" 2>&1; then
    tail -40 "$folder/log"
    exit 1
fi
lintian --fail-on error,warning --allow-root "$folder"/pgripple_*.changes

layer=$folder/layer
root=$layer/root
mkdir "$layer"
mount -t tmpfs layer "$layer"
mkdir "$layer"/{made,work} "$root"
mount -t overlay layer "$root" -o \
    "lowerdir=/,upperdir=$layer/made,workdir=$layer/work"
mount -t proc proc "$root/proc"
[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
package=$(basename "$folder"/pgripple_*.deb)
cp "$folder/$package" "$root/var/cache/"

inside() {
    chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"
}

fail() {
    echo "FAILED: $1"
    exit 1
}

inside dpkg -i "/var/cache/$package" >"$folder/log" 2>&1 || {
    cat "$folder/log"
    fail "it cannot be installed"
}
inside pgripple check --offline
inside pgripple sql >"$folder/sql"
grep -q "CREATE TABLE IF NOT EXISTS pgripple.outbox" "$folder/sql" ||
    fail "it does not print its SQL"
inside mandoc -Tlint -W warning /usr/share/man/man8/pgripple.8.gz
[ "$(inside stat -c '%a %U %G' /etc/pgripple/pgripple.yaml)" = \
    "640 root pgripple" ] || fail "others can read the settings"
for file in /lib/systemd/system/{pgripple,pgripple@}.service \
    /usr/share/man/man5/pgripple.yaml.5.gz \
    /usr/share/man/man5/pgripple-graph.5.gz \
    /usr/share/bash-completion/completions/pgripple \
    /usr/share/pgripple/{pgripple,roles,uninstall}.sql; do
    [ -s "$root$file" ] || fail "$file is missing"
done
for unit in pgripple.service pgripple@.service; do
    inside systemd-analyze verify --man=no "/lib/systemd/system/$unit"
    inside systemd-analyze security --offline=true --threshold=20 \
        "/lib/systemd/system/$unit" >"$folder/log" || {
        cat "$folder/log"
        fail "$unit is exposed to more than 2.0"
    }
    tail -n 1 "$folder/log"
done

inside dpkg --purge pgripple >"$folder/log" 2>&1 || {
    cat "$folder/log"
    fail "it cannot be purged"
}
# Whiteouts aside, only the package manager's own records may have changed, and
# what is gone with the next start of the machine.
records='run/.*|var/(lib/(dpkg|systemd)|log|cache)/.*'
records+='|etc/((passwd|group|shadow|gshadow|subuid|subgid)-?|\.pwd\.lock)'
left=$(find "$layer/made" ! -type d ! -type c -printf '%P\n' |
    { grep -vxE "$records" || true; })
[ -z "$left" ] || fail "left behind: $left"
! inside getent passwd pgripple || fail "the user is left behind"
[ ! -e "$root/etc/pgripple" ] || fail "/etc/pgripple is left behind"
echo "package: installed, used and purged"
