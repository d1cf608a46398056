#!/bin/bash
# Every event of the log stands in docs/events.md, and no other does.
set -euo pipefail
cd "$(dirname "$0")/.."
families='batch|capture|catalog|change|changes|config|daemon|doorbell|lookup|postgres'
families="$families|redis|reload|task|tasks"
diff --label "in the source" --label "in docs/events.md" -u \
    <(grep -rhoE "\"($families)\.[a-z_]+\"" --include='*.c' src/flow \
        src/postgres src/redis | tr -d '"' | sort -u) \
    <(grep -oE "^\| \`($families)\.[a-z_]+\`" docs/events.md |
        tr -d '|\` ' | sort -u)
