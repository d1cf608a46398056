#!/bin/sh
# Installs the example configuration, and never over a file that somebody may
# have changed: install-conf.sh TARGET_FOLDER SOURCE_FOLDER (run by meson)
set -eu

target=${DESTDIR:-}$1
mkdir -p "$target"
for file in "$2"/*.yaml; do
    name=$(basename "$file")
    if [ ! -e "$target/$name" ]; then
        install -m 644 "$file" "$target/$name"
    elif ! cmp -s "$file" "$target/$name"; then
        install -m 644 "$file" "$target/$name.new"
        echo "kept $target/$name; the new example is $name.new"
    fi
done
