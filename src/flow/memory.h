/*
 * The memory of a target: which batches were acknowledged, and what they did,
 * in order.  It is bounded; past the bound the oldest are forgotten.  Pure.
 */
#ifndef PGRIPPLE_FLOW_MEMORY_H
#define PGRIPPLE_FLOW_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/util.h"

/* Of the name of a batch, with its end. */
#define MEMORY_NAME 64

struct memory_batch {
	struct memory_batch *next;
	char name[MEMORY_NAME];
	struct buf tasks; /* texts of tasks that do the same, each terminated */
};

struct memory {
	/* The batch before the first that is remembered; "": there was none. */
	char base[MEMORY_NAME];
	struct memory_batch *first;
	struct memory_batch *last;
	size_t n_bytes;
	size_t n_batches;
};

/* Forgets all; that batch is the last one. */
void memory_restart(struct memory *memory, const char *base);

/* The last batch; its tasks are moved here.  -1 (NOMEM): the memory is empty,
 * and begins behind this batch. */
int memory_add(struct memory *memory, const char *name, struct buf *tasks,
    size_t max_bytes, struct pgripple_error *err) MUST_CHECK;

/* The name of the last batch. */
const char *memory_head(const struct memory *memory);

/* Whether a batch is among them, or the one before; *ret_next is what came
 * after it, NULL if that is nothing. */
bool memory_find(const struct memory *memory, const char *name,
    const struct memory_batch **ret_next);

#endif
