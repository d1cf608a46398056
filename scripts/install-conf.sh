#!/bin/sh
# Installs the example configuration, and never over a file that somebody may
# have changed: install-conf.sh TARGET_FOLDER SOURCE_FOLDER (run by meson)
set -eu

# The settings may hold a password: they are for root and for the daemon's
# group, once there is one.
place() {
    mode=644
    [ "$(basename "$1")" != pgripple.yaml ] || mode=640
    install -m $mode "$1" "$2"
    if [ $mode = 640 ] && [ "$(id -u)" = 0 ] &&
        getent group pgripple >/dev/null; then
        chgrp pgripple "$2"
    fi
}

target=${DESTDIR:-}$1
mkdir -p "$target"
for file in "$2"/*.yaml; do
    name=$(basename "$file")
    if [ ! -e "$target/$name" ]; then
        place "$file" "$target/$name"
    elif ! cmp -s "$file" "$target/$name"; then
        place "$file" "$target/$name.new"
        echo "kept $target/$name; the new example is $name.new"
    fi
done
