#!/bin/bash
# Every event of the log stands in docs/events.md, and no other does.  Lines of
# metrics hold names of settings, which look alike.
set -euo pipefail
cd "$(dirname "$0")/.."
families='batch|capture|catalog|change|changes|config|daemon|doorbell|http|lookup|postgres|probe'
families="$families|redis|reload|task|tasks"
diff --label "in the source" --label "in docs/events.md" -u \
    <(grep -rh --include='*.c' '"' src/flow src/observe/http*.c src/postgres \
        src/redis | grep -v METRIC_ | grep -oE "\"($families)\.[a-z_]+\"" |
        tr -d '"' | sort -u) \
    <(grep -oE "^\| \`($families)\.[a-z_]+\`" docs/events.md |
        tr -d '|\` ' | sort -u)
