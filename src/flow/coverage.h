/*
 * What the catalog says of the graph, for the log: problems that make the
 * configuration wrong, and gaps through which changes are not seen.
 */
#ifndef PGRIPPLE_FLOW_COVERAGE_H
#define PGRIPPLE_FLOW_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <pgripple/error.h>

struct buf;
struct catalog;
struct configuration;
struct gap;

/* One line for each. */
void coverage_tell_problems(const struct pgripple_errors *problems);
/* What a look at the catalog found; of an earlier look at the same graph
 * (NULL: there is none) nothing is said again. */
void coverage_tell_gaps(const struct configuration *configuration,
    const struct catalog *former, const struct catalog *catalog);
void coverage_tell_graph(
    const struct catalog *former, const struct catalog *catalog);
/* A gap that has just opened or closed. */
void coverage_tell_gap(const struct gap *gap);

/* Drift: triggers or columns are not what the graph needs.  Catalog may be
 * NULL: nobody has looked. */
size_t coverage_count_gaps(
    const struct configuration *configuration, const struct catalog *catalog);
size_t coverage_count_problems(const struct catalog *catalog);
bool coverage_is_drifted(
    const struct configuration *configuration, const struct catalog *catalog);
/* A JSON array with a sentence for each, of which the first few. */
void coverage_print_drift(const struct configuration *configuration,
    const struct catalog *catalog, struct buf *buf);

#endif
