#!/bin/sh
# Checks that every C file reads as .clang-format says; --fix makes it so.
set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
--fix) set -- -i ;;
'') set -- --dry-run -Werror ;;
*)
    echo "usage: scripts/format.sh [--fix]" >&2
    exit 64
    ;;
esac
find include src tests bench -name '*.[ch]' -print0 | xargs -0 clang-format "$@"
