#!/bin/bash
# The models of the protocols, checked by Spin: run.sh [--long] [MODEL...]
# The right models must be free of errors in every state; each planted bug must
# be found. --long: larger sizes, in about ten minutes and 2 GB. What the models
# mean, and the figures: docs/protocols.md.
set -euo pipefail
cd "$(dirname "$0")"

long=false
if [ "${1:-}" = --long ]; then
    long=true
    shift
fi
only=" ${*:-doorbell low_water batch mark} "

all=$(mktemp -d)
trap 'rm -rf "$all"' EXIT
cases=()

# explore MODEL DEFINE...: all its states, or up to the first error; the outcome
# goes to $outcome (none, error, incomplete) and the number of states to $states
explore() {
    local model=$1 path memory=3000 seconds=300
    shift
    if $long; then
        memory=12000
        seconds=3600
    fi
    path=$PWD/$model.pml
    outcome=incomplete
    states=0
    # invalid end states are not asked for (-E): each model has a judge
    (
        cd "$work"
        spin -a "${@/#/-D}" "$path" &&
            gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=$memory -o pan pan.c &&
            timeout $seconds ./pan -E -n -m1000000 -w25
    ) >"$work/out" 2>&1 || true
    states=$(awk '/states, stored/ { print $1 }' "$work/out")
    if grep -q 'assertion violated' "$work/out"; then
        outcome=error
    elif grep -q 'errors: 0' "$work/out" &&
        ! grep -qE 'Search not completed|too small' "$work/out"; then
        outcome=none
    fi
}

# judge right|planted MODEL DEFINE...: a line that says whether the model is
# free of errors, or whether its planted bug was found
judge() {
    local wanted=$1 name="$2${3:+ with ${*:3}}" outcome states work
    work=$(mktemp -d -p "$all")
    explore "${@:2}"
    case $wanted-$outcome in
    right-none) echo "ok  $name: $states states, no error" ;;
    planted-error) echo "ok  $name: error found" ;;
    *-none) echo "FAILED  $name: no error found in $states states" ;;
    *-error) echo "FAILED  $name: error found" ;;
    *) echo "FAILED  $name: the search was not completed" ;;
    esac
    [[ $wanted-$outcome =~ ^(right-none|planted-error)$ ]] ||
        tail -n 20 "$work/out" | sed 's/^/    /'
    rm -rf "$work"
}

# right MODEL DEFINE...: no error in any state
right() {
    [[ $only != *" $1 "* ]] || cases+=("right $*")
}

# planted MODEL BUG [DEFINE...]: the checker finds it
planted() {
    [[ $only != *" $1 "* ]] || cases+=("planted $*")
}

if $long; then
    right doorbell FAULTS=2
    right doorbell FAULTS=1 STATEMENTS=3
    right doorbell FAULTS=1 STATEMENTS=1 TRANSACTIONS=2
    right low_water WRITERS=3 IDS=4
    right low_water IDS=6
    right batch FAULTS=3 CHANGES=1
    right batch FAULTS=3 CHANGES=1 CONDITIONAL
    right batch FAULTS=2
    right batch LATE FAULTS=2
    right mark FAULTS=1 SAVEPOINTS
    right mark DAEMONS=2 STATEMENTS=1
    right mark WRITERS=3 STATEMENTS=1
else
    right doorbell FAULTS=1
    right low_water IDS=5
    right batch FAULTS=1
    right batch FAULTS=2 CHANGES=1
    right batch FAULTS=2 CHANGES=1 CONDITIONAL
    right batch LATE ALONE FAULTS=2
    right mark SAVEPOINTS
    right mark DAEMONS=2 WRITERS=1 WAITING=2 SAVEPOINTS
fi

for bug in NO_SECOND_FETCH DISCARD_AFTER_FETCH ONE_STATEMENT \
    UNLOCK_BEFORE_VISIBLE; do
    planted doorbell $bug FAULTS=1
done
planted doorbell EOF_IGNORED FAULTS=2
for bug in XMAX_BOUND HOLDERS_FIRST FRESH_SEQUENCE LATE_LOCK CACHED_IDS; do
    planted low_water $bug
done
for bug in REPLY_IGNORED NO_REPLAY BLIND_ACK COMPARED_ACK REUSED_NAME \
    TRUST_UNKNOWN UNMARKED_TASK CLAIM_ELSEWHERE READ_FIRST TASKS_LATER \
    LOST_REJECTION FETCHED_IS_DONE; do
    planted batch $bug CHANGES=1
done
planted batch SWALLOWED_TASK FAULTS=1
for bug in NOT_CLAIMED_ANEW SAME_OWNER; do
    planted batch $bug LATE ALONE FAULTS=2
done
planted batch ACCEPT_FIRST FAULTS=3 CHANGES=1 CONDITIONAL
for bug in NO_LOCK LOOK_BEFORE_LOCK LOCKS_BEFORE_CLAIM CLAIM_LAST NO_CLAIM \
    KEPT_ACKNOWLEDGED UNLOCK_BEFORE_VISIBLE; do
    planted mark $bug
done
planted mark SHARED_CLAIM DAEMONS=2 WRITERS=1 STATEMENTS=1 WAITING=2

# The larger sizes one after the other, for their memory.
n_at_once=$(nproc)
if $long; then n_at_once=1; fi
export -f judge explore
export all long
printf '%s\n' "${cases[@]}" |
    xargs -P "$n_at_once" -I{} bash -c 'judge {}' | tee "$all/told"
passed=$(grep -c '^ok ' "$all/told" || true)
echo "$passed passed, $((${#cases[@]} - passed)) failed"
[ "$passed" -eq ${#cases[@]} ]
