/*
 * Both files together: the operator's settings, and the application's graph
 * that they name.
 */
#ifndef PGRIPPLE_CONFIG_CONFIGURATION_H
#define PGRIPPLE_CONFIG_CONFIGURATION_H

#include <pgripple/graph.h>

#include "base/util.h"
#include "config/settings.h"

struct configuration {
	struct settings *settings;
	struct pgripple_graph *graph;
};

/* Reads both files.  All faults of both are in *errors, in file order.  0, or
 * -1 when there were any. */
int configuration_load(const char *settings_path,
    struct pgripple_errors *errors,
    struct configuration **ret_configuration) MUST_CHECK;
void configuration_free(struct configuration *configuration);

#endif
