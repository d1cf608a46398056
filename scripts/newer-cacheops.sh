#!/bin/bash
# Unpacks django-cacheops, and the Django that goes with it, of a newer Debian
# into a folder, and prints where Python finds them. Nothing is installed; they
# are Python alone, and run with the Python and the psycopg2 that are here.
#
#     PYTHONPATH=$(scripts/newer-cacheops.sh) /usr/bin/python3 ...
set -euo pipefail
cd "$(dirname "$0")/.."

suite=trixie
folder=$PWD/build-cacheops-$suite
modules=$folder/usr/lib/python3/dist-packages
packages=(python3-django python3-django-cacheops python3-redis python3-funcy
    python3-asgiref python3-sqlparse)

# An apt of its own, that knows one suite and leaves the system's alone.
write_settings() {
    mkdir -p state/lists/partial cache/archives/partial
    : >status
    cat >sources <<EOF
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main
EOF
    cat >settings <<EOF
Dir::Etc::SourceList "$PWD/sources";
Dir::Etc::SourceParts "-";
Dir::State "$PWD/state";
Dir::State::status "$PWD/status";
Dir::Cache "$PWD/cache";
APT::Sandbox::User "";
EOF
}

if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    (
        cd "$folder"
        write_settings
        export APT_CONFIG=$folder/settings
        apt-get update -qq
        apt-get download -qq "${packages[@]}"
        for package in *.deb; do
            dpkg-deb -x "$package" .
        done
        rm -rf state cache ./*.deb
        touch complete
    ) >&2
fi
echo "$modules"
