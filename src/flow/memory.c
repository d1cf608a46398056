/*
 * The memory of a target: a list, of which the oldest are dropped.
 */
#include "flow/memory.h"

#include <stdio.h>
#include <string.h>

static void
set_base(struct memory *memory, const char *name)
{
	char copy[MEMORY_NAME]; /* the name may be that of what goes */

	(void)snprintf(copy, sizeof(copy), "%s", name);
	memcpy(memory->base, copy, sizeof(copy));
}

static size_t
size_of(const struct memory_batch *batch)
{
	return sizeof(*batch) + batch->tasks.capacity;
}

/* It becomes the one before the first. */
static void
drop_first(struct memory *memory)
{
	struct memory_batch *batch = memory->first;

	set_base(memory, batch->name);
	memory->first = batch->next;
	if (memory->first == NULL)
		memory->last = NULL;
	memory->n_bytes -= size_of(batch);
	memory->n_batches--;
	buf_done(&batch->tasks);
	free(batch);
}

void
memory_restart(struct memory *memory, const char *base)
{
	char copy[MEMORY_NAME];

	(void)snprintf(copy, sizeof(copy), "%s", base);
	while (memory->first != NULL)
		drop_first(memory);
	set_base(memory, copy);
}

int
memory_add(struct memory *memory, const char *name, struct buf *tasks,
    size_t max_bytes, struct pgripple_error *err)
{
	struct memory_batch *batch =
	    tasks->failed ? NULL : calloc(1, sizeof(*batch));

	if (batch == NULL) {
		buf_done(tasks);
		memory_restart(memory, name);
		return pgripple_error_nomem(err);
	}
	(void)snprintf(batch->name, sizeof(batch->name), "%s", name);
	batch->tasks = *tasks;
	*tasks = BUF_INIT;
	if (memory->last == NULL)
		memory->first = batch;
	else
		memory->last->next = batch;
	memory->last = batch;
	memory->n_bytes += size_of(batch);
	memory->n_batches++;
	while (memory->n_bytes > max_bytes && memory->first != NULL)
		drop_first(memory);
	return 0;
}

const char *
memory_head(const struct memory *memory)
{
	return memory->last == NULL ? memory->base : memory->last->name;
}

bool
memory_find(const struct memory *memory, const char *name,
    const struct memory_batch **ret_next)
{
	const struct memory_batch *batch = memory->first;

	if (strcmp(memory->base, name) == 0) {
		*ret_next = batch;
		return true;
	}
	while (batch != NULL && strcmp(batch->name, name) != 0)
		batch = batch->next;
	if (batch == NULL)
		return false;
	*ret_next = batch->next;
	return true;
}
