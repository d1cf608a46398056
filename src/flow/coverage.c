/*
 * What the catalog says of the graph.
 */
#include "flow/coverage.h"

#include <string.h>

#include "config/configuration.h"
#include "observe/log.h"
#include "postgres/catalog.h"
#include "postgres/gaps.h"

void
coverage_tell_problems(const struct pgripple_errors *problems)
{
	for (size_t i = 0; i < problems->n_items; i++)
		log_error(LOG_LEVEL_ERROR, "config.error", &problems->items[i]);
}

static void
tell_table(const struct pgripple_table *table, const struct catalog_table *seen)
{
	if (seen->watch == CATALOG_WATCHED)
		return;
	log_event(LOG_LEVEL_ERROR, "capture.gap",
	    log_string("table", table->spelled),
	    log_string("state", catalog_watch_name(seen->watch)),
	    log_string("error", seen->problem),
	    log_string("hint",
		"Changes of this table may not be seen; run \"pgripple "
		"install\"."));
}

static void
tell_notify_mode(const char *wanted, const char *installed)
{
	if (installed == NULL || strcmp(wanted, installed) == 0)
		return;
	log_event(LOG_LEVEL_WARNING, "capture.notify",
	    log_string("installed", installed), log_string("wanted", wanted),
	    log_string("hint",
		"Run \"pgripple install\" to change how the doorbell "
		"rings."));
}

void
coverage_tell_gaps(
    const struct configuration *configuration, const struct catalog *catalog)
{
	const struct pgripple_graph *graph = configuration->graph;

	for (size_t i = 0; i < graph->n_tables; i++)
		tell_table(&graph->tables[i], &catalog->tables[i]);
	tell_notify_mode(
	    notify_mode_name(configuration->settings->postgres.notify),
	    catalog->notify_mode);
}

void
coverage_tell_gap(const struct gap *gap)
{
	if (gap->problem == NULL)
		log_event(LOG_LEVEL_INFO, "capture.gap_closed",
		    log_string("table", gap->table));
	else
		log_event(LOG_LEVEL_ERROR, "capture.gap_opened",
		    log_string("table", gap->table),
		    log_string("error", gap->problem),
		    log_string("hint",
			"Its model was touched as a whole, and will be again "
			"when the gap is closed; run \"pgripple install\"."));
}
