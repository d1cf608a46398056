/*
 * What happens when: a heap of jobs by time, and among those of one moment by
 * chance.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>

struct job {
	int64_t at_us;
	uint64_t order;
	job_cb run; /* NULL: cancelled */
	void *context;
};

bool story_is_told;

static struct {
	struct job **jobs;
	size_t n, capacity;
	int64_t now_us;
	uint64_t random[2];
} agenda;

/* Chance: xoroshiro128+ (Blackman and Vigna), seeded by SplitMix64. */

void
chance_seed(uint64_t seed)
{
	for (int i = 0; i < 2; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		agenda.random[i] = z ^ (z >> 31);
	}
}

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

uint64_t
chance_bits(void)
{
	uint64_t a = agenda.random[0], b = agenda.random[1];
	uint64_t result = a + b;

	b ^= a;
	agenda.random[0] = rotate(a, 24) ^ b ^ (b << 16);
	agenda.random[1] = rotate(b, 37);
	return result;
}

int64_t
chance_below(int64_t n)
{
	return (int64_t)((chance_bits() >> 1) % (uint64_t)n);
}

bool
chance_percent(int64_t percent)
{
	return chance_below(100) < percent;
}

int64_t
chance_delay(int64_t max_us)
{
	int64_t bound = chance_percent(80) ? max_us / 50 + 1 : max_us;

	return chance_below(bound);
}

/* The heap. */

static bool
is_before(const struct job *a, const struct job *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void
swap(size_t i, size_t j)
{
	struct job *job = agenda.jobs[i];

	agenda.jobs[i] = agenda.jobs[j];
	agenda.jobs[j] = job;
}

static void
sift_down(size_t i)
{
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < agenda.n &&
			    is_before(agenda.jobs[child], agenda.jobs[least]))
				least = child;
		if (least == i)
			return;
		swap(i, least);
		i = least;
	}
}

void
agenda_start(void)
{
	agenda.now_us = SECOND;
}

void
agenda_clear(void)
{
	for (size_t i = 0; i < agenda.n; i++)
		free(agenda.jobs[i]);
	agenda.n = 0;
}

struct job *
agenda_add(int64_t delay_us, job_cb run, void *context)
{
	struct job *job = malloc(sizeof(*job));
	size_t i = agenda.n;

	if (agenda.n == agenda.capacity) {
		agenda.capacity = agenda.capacity * 2 + 64;
		agenda.jobs = realloc(
		    agenda.jobs, agenda.capacity * sizeof(*agenda.jobs));
	}
	if (job == NULL || agenda.jobs == NULL)
		abort();
	*job =
	    (struct job){agenda.now_us + delay_us, chance_bits(), run, context};
	agenda.jobs[agenda.n++] = job;
	for (; i > 0 && is_before(job, agenda.jobs[(i - 1) / 2]);
	     i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
	return job;
}

void
agenda_cancel(struct job *job)
{
	if (job != NULL)
		job->run = NULL;
}

bool
agenda_run_next(void)
{
	struct job *job;

	if (agenda.n == 0)
		return false;
	job = agenda.jobs[0];
	agenda.jobs[0] = agenda.jobs[--agenda.n];
	sift_down(0);
	agenda.now_us = job->at_us;
	if (job->run != NULL)
		job->run(job->context);
	free(job);
	return true;
}

int64_t
agenda_now_us(void)
{
	return agenda.now_us;
}

void
story(const char *format, ...)
{
	va_list args;

	if (!story_is_told)
		return;
	(void)printf("%10.6f  ", (double)agenda.now_us / 1e6);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)putchar('\n');
}
