/*
 * What the catalog says of the graph.
 */
#include "flow/coverage.h"

#include <string.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "config/configuration.h"
#include "observe/log.h"
#include "postgres/catalog.h"
#include "postgres/gaps.h"

/* Of the sentences about a drift; "pgripple check" has them all. */
#define MAX_SENTENCES 20

void
coverage_tell_problems(const struct pgripple_errors *problems)
{
	for (size_t i = 0; i < problems->n_items; i++)
		log_error(LOG_LEVEL_ERROR, "config.error", &problems->items[i]);
}

static bool
is_same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

static void
tell_table(const struct pgripple_table *table,
    const struct catalog_table *former, const struct catalog_table *seen)
{
	if (seen->watch == CATALOG_WATCHED ||
	    (former != NULL && former->watch == seen->watch &&
		is_same_text(former->problem, seen->problem)))
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
coverage_tell_gaps(const struct configuration *configuration,
    const struct catalog *former, const struct catalog *catalog)
{
	const struct pgripple_graph *graph = configuration->graph;

	for (size_t i = 0; i < graph->n_tables; i++)
		tell_table(&graph->tables[i],
		    former == NULL ? NULL : &former->tables[i],
		    &catalog->tables[i]);
	if (former == NULL ||
	    !is_same_text(former->notify_mode, catalog->notify_mode))
		tell_notify_mode(
		    notify_mode_name(configuration->settings->postgres.notify),
		    catalog->notify_mode);
}

static bool
are_same(const struct pgripple_errors *a, const struct pgripple_errors *b)
{
	if (a->n_items != b->n_items)
		return false;
	for (size_t i = 0; i < a->n_items; i++)
		if (strcmp(a->items[i].text, b->items[i].text) != 0)
			return false;
	return true;
}

void
coverage_tell_graph(const struct catalog *former, const struct catalog *catalog)
{
	if (former == NULL || !are_same(&former->problems, &catalog->problems))
		coverage_tell_problems(&catalog->problems);
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

/* Drift. */

size_t
coverage_count_gaps(
    const struct configuration *configuration, const struct catalog *catalog)
{
	size_t n = 0;

	for (size_t i = 0;
	     catalog != NULL && i < configuration->graph->n_tables; i++)
		n += catalog->tables[i].watch != CATALOG_WATCHED;
	return n;
}

size_t
coverage_count_problems(const struct catalog *catalog)
{
	return catalog == NULL ? 0 : catalog->problems.n_items;
}

bool
coverage_is_drifted(
    const struct configuration *configuration, const struct catalog *catalog)
{
	return coverage_count_gaps(configuration, catalog) > 0 ||
	       coverage_count_problems(catalog) > 0;
}

static void
print_gap(const struct pgripple_table *table, const struct catalog_table *seen,
    struct buf *buf)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	buf_printf(&text, "table %s: %s", table->spelled,
	    seen->problem != NULL ? seen->problem : "is not watched");
	json_write_string(buf, buf_string(&text), text.n);
	buf->failed |= text.failed;
}

void
coverage_print_drift(const struct configuration *configuration,
    const struct catalog *catalog, struct buf *buf)
{
	const struct pgripple_graph *graph = configuration->graph;
	size_t n = 0;

	json_write_open(buf, '[');
	for (size_t i = 0;
	     catalog != NULL && i < graph->n_tables && n < MAX_SENTENCES; i++) {
		if (catalog->tables[i].watch == CATALOG_WATCHED)
			continue;
		print_gap(&graph->tables[i], &catalog->tables[i], buf);
		n++;
	}
	for (size_t i = 0;
	     i < coverage_count_problems(catalog) && n < MAX_SENTENCES;
	     i++, n++) {
		const char *text = catalog->problems.items[i].text;

		json_write_string(buf, text, strlen(text));
	}
	json_write_close(buf, ']');
}
