#!/bin/bash
# Static analysis of src/: a build with gcc's -fanalyzer, warnings being
# errors, then clang-tidy with the checks of .clang-tidy. Both must be clean.
# analyze.sh --deep: with clang's analyzer too, which takes half an hour, and
# takes a function for one that may return 0 after it has set an error.
set -euo pipefail
cd "$(dirname "$0")/.."

checks="-clang-analyzer-*"
if [ "${1:-}" = --deep ]; then
    checks=
fi

# Gcc 12 loses a pointer that is stored in an array, by an index or after
# reallocarray(), and says that it leaks or is freed twice: the sanitizers and
# valgrind judge those.
known="-Wno-analyzer-malloc-leak -Wno-analyzer-double-free"
if [ ! -f build-analyzed/build.ninja ]; then
    CC=gcc meson setup build-analyzed -Dwerror=true \
        -Dtests=disabled -Dc_args="-fanalyzer $known" >/dev/null
fi
ninja -C build-analyzed --quiet

# For its compile_commands.json alone, and the headers that are generated.
if [ ! -f build-tidy/build.ninja ]; then
    CC=clang meson setup build-tidy -Dtests=disabled >/dev/null
fi
ninja -C build-tidy -t targets all |
    sed -nE 's/^(.*embedded_[a-z]+\.h): CUSTOM_COMMAND$/\1/p' |
    xargs ninja -C build-tidy --quiet
find src -name '*.c' -print0 |
    xargs -0 -P "$(nproc)" -n 1 clang-tidy --quiet -p build-tidy \
        ${checks:+"--checks=$checks"}
