/*
 * What the catalog says of the graph, for the log: problems that make the
 * configuration wrong, and gaps through which changes are not seen.
 */
#ifndef PGRIPPLE_FLOW_COVERAGE_H
#define PGRIPPLE_FLOW_COVERAGE_H

#include <stddef.h>

#include <pgripple/error.h>

struct catalog;
struct configuration;
struct gap;

/* One line for each. */
void coverage_tell_problems(const struct pgripple_errors *problems);
void coverage_tell_gaps(
    const struct configuration *configuration, const struct catalog *catalog);
/* A gap that has just opened or closed. */
void coverage_tell_gap(const struct gap *gap);

#endif
