#!/usr/bin/env bash
# Shows pgripple at work: a private Postgres and Redis, the tournament
# application of conf/graph.yaml, a few changes by raw SQL, and which cached
# keys each of them removes. Leaves nothing behind.
#
#     scripts/demo.sh           run it
#     scripts/demo.sh --keep    leave it running and print how to talk to it
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${PGRIPPLE_BUILD:-build}
[[ $build == /* ]] || build=$root/$build
keep=no
work=
pids=()
# Postgres refuses to run as root.
unprivileged=()
if [[ $(id -u) -eq 0 ]]; then
    unprivileged=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi

# shellcheck source=scripts/deps.sh
. "$root/scripts/deps.sh"

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' faint=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' faint='' red='' green='' plain=''
fi

usage() {
    sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

title() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

fail() {
    echo "demo: $*" >&2
    exit 1
}

# --- servers -----------------------------------------------------------------

wait_for() {
    local what=$1
    shift
    for ((i = 0; i < 300; i++)); do
        if "$@" >/dev/null 2>&1; then
            return
        fi
        sleep 0.1
    done
    tail -n 20 "$work"/*.log >&2
    fail "$what does not answer"
}

sql() {
    psql -X -q -v ON_ERROR_STOP=1 "$@"
}

# Commands on standard input, one a line.
redis() {
    redis-cli -s "$work/redis.sock"
}

redis_answers() {
    [[ $(redis-cli -s "$work/redis.sock" ping) == PONG ]]
}

build_it() {
    local log=$build/demo-build.log
    mkdir -p "$build"
    if ! {
        [[ -f $build/build.ninja ]] ||
            meson setup "$build" "$root" -Dtests=disabled
        ninja -C "$build" pgripple
    } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        fail "the build failed; all of its output is in $log"
    fi
    pgripple=$build/pgripple
}

# Every process is a session of its own: Ctrl-C is for this script, which then
# stops them in order.
start() {
    local log=$1
    shift
    setsid "$@" >"$work/$log.log" 2>&1 </dev/null &
    pids+=($!)
}

start_postgres() {
    local bin
    bin=$(find /usr/lib/postgresql/*/bin -name initdb | sort -V | tail -n 1)
    bin=$(dirname "${bin:-$(command -v initdb)}")
    [[ $(id -u) -ne 0 ]] || chown postgres "$work"
    "${unprivileged[@]}" "$bin/initdb" -D "$work/data" -U demo -A trust -E UTF8 \
        --no-sync >"$work/initdb.log"
    start postgres "${unprivileged[@]}" "$bin/postgres" -D "$work/data" \
        -c listen_addresses= -c unix_socket_directories="$work" \
        -c fsync=off -c shared_buffers=32MB
    # What the environment says of other servers is not for this one.
    unset "${!PG@}"
    export PGHOST=$work PGUSER=demo PGDATABASE=demo
    wait_for Postgres psql -X -d postgres -c 'SELECT 1'
    sql -d postgres -c 'CREATE DATABASE demo'
}

start_redis() {
    start redis redis-server --port 0 --unixsocket "$work/redis.sock" \
        --save '' --dir "$work"
    wait_for Redis redis_answers
}

write_settings() {
    cp "$root/conf/graph.yaml" "$work/graph.yaml"
    cat >"$work/pgripple.yaml" <<SETTINGS
postgres:
  conninfo: "host=$work user=demo dbname=demo"
  notify: always
redis:
  url: "unix://$work/redis.sock"
graph: graph.yaml
log:
  format: text
SETTINGS
}

# --- cached values -----------------------------------------------------------

# A key for every row, as an application's cache would have them.
all_keys() {
    sql -At <<'SQL'
SELECT 'tournament_list'
UNION ALL (SELECT 'tournament:' || id FROM app_tournament ORDER BY id)
UNION ALL (SELECT 'team:' || id FROM app_team ORDER BY id)
UNION ALL (SELECT 'draft:' || id FROM app_draft ORDER BY id)
UNION ALL (SELECT 'draft_round:' || id FROM app_draftround ORDER BY id)
UNION ALL (SELECT 'game:' || id FROM app_game ORDER BY id)
UNION ALL (SELECT 'user:' || id FROM app_customuser ORDER BY id)
SQL
}

warm() {
    all_keys | sed 's/.*/SET & "a cached value" EX 3600/' | redis >/dev/null
}

# All keys with 1 (in Redis) or 0 before each.
keys_with_presence() {
    all_keys >"$work/keys"
    sed 's/^/EXISTS /' "$work/keys" | redis | paste -d ' ' - "$work/keys"
}

# team:1 team:2 team:3 -> team:{1,2,3}; in one line, the others as they are.
fold() {
    awk -F: '
        NF == 1 { order[++n] = $0; next }
        !($1 in ids) { order[++n] = $1 }
        { ids[$1] = ids[$1] (count[$1]++ ? "," : "") $2 }
        END {
            for (i = 1; i <= n; i++) {
                m = order[i]
                text = !(m in ids) ? m : count[m] == 1 ? m ":" ids[m] \
                    : m ":{" ids[m] "}"
                line = line (i > 1 ? "  " : "") text
            }
            print n == 0 ? "nothing" : line
        }'
}

# --- the changes -------------------------------------------------------------

# What the daemon said of changes from that line on, with its paths put into
# words and the long lines broken.
show_log() {
    sed -n "$1,\$p" "$work/pgripple.log" | grep -F ' change.applied ' |
        grep -vF ' op=ping ' | sed -E "
            s/^[^ ]+ ([^ ]+) +INFO +/  log    \1 /
            s/\\{\"model\":\"[^\"]*\",\"path\":\"([^\"]*)\",\"rows\":([0-9]+)\\},?/\n             \1 (\2)/g
            s/\\{\"model\":\"[^\"]*\",\"path\":\"([^\"]*)\",\"relation\":\"([^\"]*)\",\"rows\":([0-9]+)\\},?/\n             \1 (\3), by \2/g
            s/ models=\\[([^]]*)\\]/\n           models:\1/
            s/ (keys=)/\n           \1/" || true
}

# change TITLE REMARK: runs the SQL on standard input, waits until it is
# applied, and shows what became of the keys.
change() {
    local text from
    text=$(cat)
    warm
    from=$(($(wc -l <"$work/pgripple.log") + 1))
    title "$1"
    echo "  $faint$2$plain"
    awk '{ print (NR == 1 ? "  sql    " : "         ") $0 }' <<<"$text"
    sql -o /dev/null <<<"$text"
    # The outbox is a queue: when the canary is through, so is the change.
    "$pgripple" ping -c "$work/pgripple.yaml" >"$work/ping.out" ||
        fail "no answer from the daemon"
    show_log "$from"
    keys_with_presence >"$work/presence"
    echo "  ${red}gone${plain}   $(sed -n 's/^0 //p' "$work/presence" | fold)"
    echo "  ${green}stays${plain}  $(sed -n 's/^1 //p' "$work/presence" | fold)"
}

changes() {
    change "A nickname" \
        "user -> team_member -> team: the teams that show the name" <<'SQL'
UPDATE app_customuser SET nickname = 'Puppey' WHERE id = 6;
SQL
    change "A team moves from tournament 1 to 2" \
        "the old row and the new one count: both tournaments" <<'SQL'
UPDATE app_team SET tournament_id = 2 WHERE id = 1;
SQL
    change "A draft round" \
        "draft_round -> draft -> tournament, and the captain's team" <<'SQL'
UPDATE app_draftround SET choice_id = 9 WHERE id = 3;
SQL
    change "A transaction that is rolled back" \
        "nothing was committed, nothing is removed" <<'SQL'
BEGIN;
DELETE FROM app_game;
UPDATE app_tournament SET name = 'Cancelled';
ROLLBACK;
SQL
    change "A login" \
        "user ignores last_login: an UPDATE of nothing else is no change" <<'SQL'
UPDATE app_customuser SET last_login = now();
SQL
    change "A bulk update, as an ORM's queryset.update() sends it" \
        "one statement, no signal: its games, their teams and tournaments" <<'SQL'
UPDATE app_game SET round = round + 1 WHERE tournament_id IS NOT NULL;
SQL
    change "COPY into the link table" \
        "no ORM in sight: the teams that have new members" <<'SQL'
COPY app_team_members (team_id, customuser_id) FROM STDIN;
5	10
2	10
\.
SQL
}

# --- the frame ---------------------------------------------------------------

# In the order opposite to the one they were started in.
stop_all() {
    local i
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -INT "${pids[i]}" 2>/dev/null || true
        wait "${pids[i]}" 2>/dev/null || true
    done
    pids=()
}

clean_up() {
    local status=$?
    trap - EXIT
    stop_all
    if [[ $status -ne 0 && -n $work && -f $work/pgripple.log ]]; then
        echo "the daemon's last lines:" >&2
        tail -n 10 "$work/pgripple.log" >&2
    fi
    [[ -z $work ]] || rm -rf "$work"
    exit "$status"
}

keep_it() {
    cat >"$work/stop" <<STOP
#!/bin/sh
# Stops the demo and removes its folder.
for pid in ${pids[2]} ${pids[1]} ${pids[0]}; do
    kill -INT "\$pid"
    n=0
    while [ \$n -lt 100 ] && kill -0 "\$pid" 2>/dev/null; do
        n=\$((n + 1))
        sleep 0.1
    done
done
rm -rf "$work"
STOP
    chmod +x "$work/stop"
    title "It goes on running"
    cat <<KEEP
  change something   psql "host=$work user=demo dbname=demo"
  look at the keys   redis-cli -s $work/redis.sock
  read the log       tail -f $work/pgripple.log
  is it working      $pgripple ping -c $work/pgripple.yaml
  the whole state    $pgripple check -c $work/pgripple.yaml
  the graph          \$EDITOR $work/graph.yaml; kill -HUP ${pids[2]}
  end                $work/stop
KEEP
    trap - EXIT
}

case ${1:-} in
'') ;;
--keep) keep=yes ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 64
    ;;
esac

need_packages build servers
trap clean_up EXIT
trap 'exit 130' INT TERM

title "Building"
build_it
"$pgripple" version | sed 's/^/  /'

title "Starting a private Postgres and Redis"
work=$(mktemp -d /tmp/pgripple-demo.XXXXXX)
chmod 755 "$work"
start_postgres
start_redis
sql -o /dev/null -f "$root/tests/system/tournament.sql"
echo "  in $work, with the tables of a tournament application"

title "The graph: changed -> also invalidate"
sed -n '/^relations:/,$p' "$root/conf/graph.yaml" | grep '^ *- ' | sed 's/^ *- */  /'

title "pgripple install"
write_settings
"$pgripple" install -c "$work/pgripple.yaml" | sed 's/^/  /'

title "pgripple run"
start pgripple "$pgripple" run -c "$work/pgripple.yaml"
wait_for "The daemon" grep -qF ' daemon.ready ' "$work/pgripple.log"
grep -F ' daemon.ready ' "$work/pgripple.log" | sed 's/^/  /'

title "pgripple ping"
"$pgripple" ping -c "$work/pgripple.yaml" | sed 's/^/  /'

changes

if [[ $keep == yes ]]; then
    keep_it
else
    title "Done"
    echo "  Run it again with --keep to try changes of your own."
fi
