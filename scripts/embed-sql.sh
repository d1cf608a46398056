#!/bin/sh
# Makes C strings of the SQL files: embed-sql.sh INSTALL UNINSTALL OUT.c OUT.h
set -eu

# One character constant for each byte: a string literal of this length is
# more than ISO C promises.
embed() {
    printf 'const char embedded_%s_sql[] = {\n' "$2"
    od -An -v -to1 "$1" | sed "s/ *\([0-7]\{3\}\)/'\\\\\1',/g"
    printf "'\\\\0'};\n\n"
}

{
    printf '#include "postgres/embedded_sql.h"\n\n'
    embed "$1" install
    embed "$2" uninstall
} >"$3"

cat >"$4" <<'END'
/*
 * sql/pgripple.sql and sql/uninstall.sql, made by scripts/embed-sql.sh.
 */
#ifndef PGRIPPLE_POSTGRES_EMBEDDED_SQL_H
#define PGRIPPLE_POSTGRES_EMBEDDED_SQL_H

extern const char embedded_install_sql[];
extern const char embedded_uninstall_sql[];

#endif
END
