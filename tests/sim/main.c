/*
 * Runs schedules, each from its seed:
 *
 *	simulate SETTINGS [--seconds N] [--schedules N] [--first SEED]
 *	    [--workers N] [--corpus FILE] [--story SEED] [--must-fail]
 *
 * SETTINGS is the folder of calm.yaml and stormy.yaml.  The seeds of the corpus
 * go first: each has failed once.  --must-fail is for mutants: it succeeds if
 * some schedule fails.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define PATIENCE_US (180 * SECOND)

struct options {
	const char *settings;
	const char *corpus;
	int64_t seconds;
	int64_t schedules;
	uint64_t first;
	uint64_t story;
	bool must_fail;
	int workers;
};

static volatile uint64_t seed_at_hand;

/* One schedule. */

static struct plan
make_plan(void)
{
	struct plan plan = {
	    .n_daemons = chance_percent(70) ? 1 : 2,
	    .n_writers = 1 + (int)chance_below(3),
	    .until_us = SECOND / 2 + chance_delay(8 * SECOND),
	    .breaks_redis = chance_percent(60),
	    .breaks_postgres = chance_percent(60),
	    .kills = chance_percent(40),
	    .goes_back = chance_percent(60),
	};

	return plan;
}

static void
run_until(int64_t until_us)
{
	while (!judge_has_failed() && agenda_now_us() < until_us &&
	       agenda_run_next())
		;
}

/* Until nothing is left to do.  That Redis has gone back is seen nowhere but in
 * Redis: so much later than it is noticed that a connection broke. */
static void
run_until_quiet(const struct plan *plan)
{
	int64_t until_us = plan->until_us + PATIENCE_US;

	run_until(agenda_now_us() + (plan->goes_back ? 15 : 1) * SECOND);
	while (!judge_has_failed() && agenda_now_us() < until_us) {
		if (people_are_done() && database_waiting() == 0)
			return;
		run_until(agenda_now_us() + SECOND);
	}
}

static void
run_dry(void)
{
	while (agenda_run_next())
		;
}

/* True if all that was promised held. */
static bool
run_schedule(uint64_t seed)
{
	struct plan plan;

	seed_at_hand = seed;
	chance_seed(seed);
	agenda_start();
	judge_start();
	database_start();
	redis_start();
	plan = make_plan();
	plan.until_us += agenda_now_us();
	story("seed %" PRIu64 ": %d daemons, %d writers%s%s%s", seed,
	    plan.n_daemons, plan.n_writers,
	    plan.breaks_redis
		? plan.goes_back ? ", redis goes back" : ", redis breaks"
		: "",
	    plan.breaks_postgres ? ", postgres breaks" : "",
	    plan.kills ? ", kills" : "");
	faults_start(&plan);
	daemons_start(plan.n_daemons,
	    !plan.breaks_postgres && !plan.breaks_redis && !plan.kills);
	people_start(plan.n_writers, plan.until_us);
	run_until(plan.until_us);
	faults_mend();
	run_until_quiet(&plan);
	judge_end();
	daemons_clear();
	run_dry();
	database_clear();
	agenda_clear();
	return !judge_has_failed();
}

/* Workers. */

static void
on_crash(int number)
{
	char text[100];
	int n = snprintf(text, sizeof(text),
	    "seed %" PRIu64 ": ended by signal %d\n", seed_at_hand, number);

	(void)!write(STDOUT_FILENO, text, (size_t)n);
	_exit(1);
}

static void
catch_crashes(void)
{
	static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};

	for (size_t i = 0; i < N_ELEMENTS(numbers); i++)
		(void)signal(numbers[i], on_crash);
}

static int64_t
seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static bool
run_one(uint64_t seed)
{
	if (run_schedule(seed))
		return true;
	(void)printf("seed %" PRIu64 ": %s\n", seed, judge_reason());
	(void)fflush(stdout);
	return false;
}

static bool
run_corpus(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[200];
	bool held = true;

	if (file == NULL) {
		(void)printf("%s: %s\n", path, strerror(errno));
		return false;
	}
	while (held && fgets(line, sizeof(line), file) != NULL)
		if (line[0] >= '0' && line[0] <= '9')
			held = run_one(strtoull(line, NULL, 10));
	(void)fclose(file);
	return held;
}

/* A worker's share; tells how many it ran. */
static int
work(const struct options *options, int number, int tell)
{
	int64_t end = seconds_now() + options->seconds;
	int64_t n = 0;
	bool held = true;

	catch_crashes();
	if (number == 0 && options->corpus != NULL)
		held = run_corpus(options->corpus);
	for (int64_t i = number; held && i < options->schedules;
	     i += options->workers) {
		if (options->seconds > 0 && seconds_now() >= end)
			break;
		held = run_one(options->first + (uint64_t)i);
		n++;
	}
	if (write(tell, &n, sizeof(n)) != sizeof(n))
		return 1;
	return held ? 0 : 1;
}

static int
work_and_clear(const struct options *options, int number, int tell)
{
	int status = work(options, number, tell);

	daemons_unload();
	return status;
}

static int
run_workers(const struct options *options)
{
	int tell[2];
	int64_t total = 0, n;
	bool held = true;
	int status;

	(void)fflush(stdout);
	if (pipe(tell) < 0)
		return 1;
	for (int i = 0; i < options->workers; i++) {
		pid_t pid = fork();

		if (pid == 0)
			exit(work_and_clear(options, i, tell[1]));
		held &= pid > 0;
	}
	(void)close(tell[1]);
	while (read(tell[0], &n, sizeof(n)) == sizeof(n))
		total += n;
	while (wait(&status) > 0)
		held &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	(void)close(tell[0]);
	(void)printf("%" PRId64 " schedules: %s\n", total,
	    held ? "all promises held" : "a promise was broken");
	return held != options->must_fail ? 0 : 1;
}

/* The command line. */

static int
usage(void)
{
	(void)fprintf(stderr,
	    "usage: simulate SETTINGS [--seconds N] [--schedules N] [--first "
	    "SEED] [--workers N] [--corpus FILE] [--story SEED] "
	    "[--must-fail]\n");
	return 64;
}

static bool
read_option(struct options *options, const char *name, const char *value)
{
	int64_t number = value == NULL ? 0 : atoll(value);

	if (value == NULL)
		return false;
	if (strcmp(name, "--seconds") == 0)
		options->seconds = number;
	else if (strcmp(name, "--schedules") == 0)
		options->schedules = number;
	else if (strcmp(name, "--first") == 0)
		options->first = strtoull(value, NULL, 10);
	else if (strcmp(name, "--workers") == 0)
		options->workers = (int)number;
	else if (strcmp(name, "--corpus") == 0)
		options->corpus = value;
	else if (strcmp(name, "--story") == 0) {
		options->story = strtoull(value, NULL, 10);
		story_is_told = true;
	} else
		return false;
	return true;
}

static int
load(const char *folder)
{
	char calm[4096], stormy[4096];

	(void)snprintf(calm, sizeof(calm), "%s/calm.yaml", folder);
	(void)snprintf(stormy, sizeof(stormy), "%s/stormy.yaml", folder);
	return daemons_load(calm, stormy);
}

int
main(int argc, char **argv)
{
	struct options options = {
	    .schedules = INT64_MAX, .first = 1, .workers = 1};
	int status;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--must-fail") == 0)
			options.must_fail = true;
		else if (!read_option(&options, argv[i], argv[i + 1]))
			return usage();
		else
			i++;
	}
	if (argc < 2 || load(argv[1]) < 0)
		return usage();
	if (story_is_told)
		status = run_one(options.story) ? 0 : 1;
	else
		status = run_workers(&options);
	daemons_unload();
	return status;
}
