/*
 * The daemons: src/flow/daemon.c and all that it wires together, made and
 * started as daemon_run() does it.  The agenda takes the place of their event
 * loops.
 *
 * Who is killed is unmade: what is under way then ends with nobody there to
 * hear of it, but at the servers, where it goes on as the wires carry it.
 */
#include <stdio.h>
#include <string.h>

#include "config/configuration.h"
#include "flow/daemon_private.h"
#include "flow/targets.h"
#include "postgres/listen.h"
#include "postgres/session.h"
#include "world.h"

#define RESTART_US (2 * SECOND)

static struct configuration *calm, *stormy;

static struct daemons {
	struct daemon daemon;
	bool is_running;
	struct job *restart;
} daemons[MAX_DAEMONS];
static int n_daemons;
static struct configuration *used;

/* They are read once and kept: see the linker's --wrap in meson.build. */
void __wrap_configuration_free(struct configuration *configuration);
void __real_configuration_free(struct configuration *configuration);

void
__wrap_configuration_free(struct configuration *configuration)
{
	if (configuration != calm && configuration != stormy)
		__real_configuration_free(configuration);
}

static int
load(const char *path, struct configuration **ret_configuration)
{
	struct pgripple_errors errors = {0};
	int result = configuration_load(path, &errors, ret_configuration);

	for (size_t i = 0; i < errors.n_items; i++)
		(void)fprintf(stderr, "%s\n", errors.items[i].text);
	pgripple_errors_done(&errors);
	return result;
}

int
daemons_load(const char *calm_path, const char *stormy_path)
{
	if (load(calm_path, &calm) < 0 || load(stormy_path, &stormy) < 0)
		return -1;
	return 0;
}

void
daemons_unload(void)
{
	__real_configuration_free(calm);
	__real_configuration_free(stormy);
}

static void
start(struct daemons *one)
{
	struct pgripple_error err;

	story("a daemon starts");
	one->daemon = (struct daemon){.configuration = used};
	if (daemon_make(&one->daemon, &err) < 0) {
		judge_fail("a daemon could not be made: %s", err.text);
		return;
	}
	one->is_running = true;
	listen_start(one->daemon.listen);
	session_start(one->daemon.work);
	targets_start(one->daemon.targets);
	daemon_look_at_state(&one->daemon);
}

static void
on_restart(void *context)
{
	struct daemons *one = context;

	one->restart = NULL;
	start(one);
}

static void
end(struct daemons *one)
{
	agenda_cancel(steal(&one->restart));
	if (one->is_running)
		daemon_unmake(&one->daemon);
	one->is_running = false;
}

void
daemons_start(int n, bool is_calm)
{
	n_daemons = n;
	used = is_calm ? calm : stormy;
	for (int i = 0; i < n; i++)
		start(&daemons[i]);
}

void
daemons_kill(int which)
{
	struct daemons *one = &daemons[which];

	if (!one->is_running)
		return;
	story("a daemon is killed");
	end(one);
	one->restart = agenda_add(chance_delay(RESTART_US), on_restart, one);
}

void
daemons_clear(void)
{
	for (int i = 0; i < n_daemons; i++)
		end(&daemons[i]);
}

bool
daemons_have_left(void)
{
	for (int i = 0; i < n_daemons; i++)
		if (daemons[i].is_running && daemons[i].daemon.stopping)
			return true;
	return false;
}
