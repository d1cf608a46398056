/*
 * The steps of "install" as a script for psql.
 */
#ifndef PGRIPPLE_CLI_SQL_H
#define PGRIPPLE_CLI_SQL_H

struct install_step;

/* On standard output, with a comment that says what it is. */
void sql_print_step(const struct install_step *step);

#endif
