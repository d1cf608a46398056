/*
 * The memory of a target: what came after a batch, and what is forgotten.
 */
#include <criterion/criterion.h>

#include <pgripple/error.h>

#include "flow/memory.h"

#define ENOUGH 10000

static void
add(struct memory *memory, const char *name, const char *task, size_t max_bytes)
{
	struct buf tasks = BUF_INIT;
	struct pgripple_error err;

	buf_add_string(&tasks, task);
	buf_add_char(&tasks, '\0');
	cr_assert_eq(memory_add(memory, name, &tasks, max_bytes, &err), 0);
}

Test(memory, tells_what_came_after_a_batch)
{
	struct memory memory = {0};
	const struct memory_batch *next;

	memory_restart(&memory, "a.1");
	cr_expect_str_eq(memory_head(&memory), "a.1");
	add(&memory, "a.2", "two", ENOUGH);
	add(&memory, "a.3", "three", ENOUGH);
	cr_expect_str_eq(memory_head(&memory), "a.3");
	cr_assert(memory_find(&memory, "a.1", &next));
	cr_expect_str_eq(next->tasks.bytes, "two");
	cr_expect_str_eq(next->next->tasks.bytes, "three");
	cr_assert(memory_find(&memory, "a.2", &next));
	cr_expect_str_eq(next->tasks.bytes, "three");
	cr_assert(memory_find(&memory, "a.3", &next));
	cr_expect_null(next);
	cr_expect(!memory_find(&memory, "a.4", &next));
	memory_restart(&memory, memory_head(&memory));
	cr_expect_str_eq(memory_head(&memory), "a.3");
	cr_expect_eq(memory.n_bytes, 0);
}

Test(memory, forgets_the_oldest)
{
	struct memory memory = {0};
	const struct memory_batch *next;
	size_t n_bytes_of_two;

	memory_restart(&memory, "a.1");
	add(&memory, "a.2", "two", ENOUGH);
	add(&memory, "a.3", "three", ENOUGH);
	n_bytes_of_two = memory.n_bytes;
	add(&memory, "a.4", "four", n_bytes_of_two);
	cr_expect(!memory_find(&memory, "a.1", &next));
	cr_assert(memory_find(&memory, "a.2", &next));
	cr_expect_str_eq(next->name, "a.3");
	/* One that is too large alone leaves nothing but its name. */
	add(&memory, "a.5", "five", 1);
	cr_expect_eq(memory.n_batches, 0);
	cr_expect_str_eq(memory_head(&memory), "a.5");
	cr_assert(memory_find(&memory, "a.5", &next));
	cr_expect_null(next);
}
