#!/bin/sh
# Prints an SQL file with each line "\ir FILE" replaced by that file, as psql
# would run it: join_sql.sh FILE.  FILE is relative to the first one's folder.
set -eu

awk -v folder="$(dirname "$1")" '
    $1 == "\\ir" {
        file = folder "/" $2
        while ((got = (getline line < file)) > 0)
            print line
        if (got < 0) {
            print "could not read \"" file "\"" >"/dev/stderr"
            exit 1
        }
        close(file)
        next
    }
    { print }' "$1"
