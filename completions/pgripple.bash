# Bash completion for pgripple: what it offers it asks the program itself for,
# so that it never offers what is not there.
# shellcheck shell=bash

# The long options of a command, or without one the commands.
_pgripple_words() {
    if [[ $# -eq 0 ]]; then
        pgripple --help 2>/dev/null |
            sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
    else
        pgripple "$1" --help 2>/dev/null |
            sed -n '/^options:/,/^$/s/^ .*\(--[a-z-]*\) .*/\1/p'
    fi
}

# What may follow an option or a command; nothing if that is free text.
_pgripple_values() {
    case $1 in
    --format) echo "text svg dot mermaid" ;;
    --op) echo "insert update delete truncate invalidate" ;;
    rejected) echo "list retry drop" ;;
    import) echo "postgres" ;;
    esac
}

_pgripple() {
    local word=${COMP_WORDS[COMP_CWORD]}
    local before=${COMP_WORDS[COMP_CWORD - 1]}
    local offers

    if [[ ${COMP_WORDS[1]} == tail && $word != -* && $before == tail ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    case $before in
    -c | --config | --output)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    if [[ $COMP_CWORD -eq 1 ]]; then
        offers=$(_pgripple_words)
    elif [[ $word == -* ]]; then
        offers=$(_pgripple_words "${COMP_WORDS[1]}")
    else
        offers=$(_pgripple_values "$before")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$offers" -- "$word")
}

complete -F _pgripple pgripple
