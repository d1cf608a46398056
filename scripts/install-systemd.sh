#!/bin/sh
# Makes the daemon's user and lets systemd see the unit: install-systemd.sh
# SYSUSERS_FILE (run by meson). A package, or a user who is not root, does that
# later.
set -eu

[ -z "${DESTDIR:-}" ] && [ "$(id -u)" = 0 ] || exit 0
if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers "$1"
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
