/*
 * A fresh database in which pgripple's objects are installed, and waiting for
 * what was submitted.
 */
#ifndef PGRIPPLE_TESTS_POSTGRES_INSTALLED_H
#define PGRIPPLE_TESTS_POSTGRES_INSTALLED_H

#include "postgres_world.h"

#include "base/buf.h"
#include "postgres/install.h"

#define SCHEMA "pgripple"

/* Whoever rings is heard though nobody holds K. */
static inline void
world_install(struct world *world, const char *schema)
{
	struct buf script = BUF_INIT;

	CHECK(install_objects(schema, &script, err));
	buf_printf(&script, "SELECT \"%s\".notify_mode('always')", schema);
	CHECK(command_script(world->admin, script.bytes, NULL, err));
	buf_done(&script);
}

/* Whoever comes first makes the database that the others copy, which is
 * quicker than to install again. */
static inline void
make_template(struct command *command)
{
	struct world world;
	struct rows rows = {0};

	CHECK(command_script(command,
	    "SELECT FROM pg_database WHERE datname = 'installed'", &rows, err));
	if (rows_count(&rows) > 0)
		return;
	CHECK(command_script(command, "CREATE DATABASE being_made", NULL, err));
	world_open_in(&world, "being_made");
	world_install(&world, SCHEMA);
	world_close(&world);
	CHECK(command_script(command,
	    "ALTER DATABASE being_made RENAME TO installed", NULL, err));
}

/* A session that is up, in a fresh database with pgripple's objects. */
static inline void
world_open_installed(struct world *world)
{
	struct command *command = server_connect();

	CHECK(command_script(command, "SELECT pg_advisory_lock(1)", NULL, err));
	make_template(command);
	world_open_copy(world, command, "installed");
	command_close(command);
	world_begin_up(world);
}

#endif
