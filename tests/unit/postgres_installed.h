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

static inline void
world_open_installed(struct world *world)
{
	world_open_up(world);
	world_install(world, SCHEMA);
}

#endif
