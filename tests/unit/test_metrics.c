/*
 * Metrics: counting, printing, and that the page about them is right.
 */
#include "observe/metrics.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "observe/metrics_table.h"

static void
expect_line(const char *line)
{
	CLEANUP(buf_done) struct buf buf = BUF_INIT;

	metrics_print(&buf);
	cr_expect_not_null(strstr(buf_string(&buf), line), "no %s in\n%s", line,
	    buf_string(&buf));
}

Test(metrics, are_counted_by_their_labels)
{
	metrics_add(METRIC_OPERATIONS, "unlink", "default", 3);
	metrics_add(METRIC_OPERATIONS, "unlink", "other", 1);
	metrics_add(METRIC_OPERATIONS, "unlink", "default", 4);
	metrics_add(METRIC_CHANGED_ROWS, NULL, NULL, 5);
	expect_line("\npgripple_operations_total{do=\"unlink\","
		    "target=\"default\"} 7\n"
		    "pgripple_operations_total{do=\"unlink\","
		    "target=\"other\"} 1\n");
	expect_line("\n# TYPE pgripple_changed_rows_total counter\n"
		    "pgripple_changed_rows_total 5\n");
	cr_expect_eq(metrics_value(METRIC_OPERATIONS, "unlink", "default"), 7);
	cr_expect_eq(metrics_sum(METRIC_OPERATIONS), 8);
	metrics_reset();
	cr_expect_eq(metrics_sum(METRIC_OPERATIONS), 0);
	metrics_reset();
}

/* "ab" and "c" are not "a" and "bc". */
Test(metrics, do_not_mix_labels_up)
{
	metrics_add(METRIC_OPERATIONS, "ab", "c", 1);
	metrics_add(METRIC_OPERATIONS, "a", "bc", 2);
	cr_expect_eq(metrics_value(METRIC_OPERATIONS, "ab", "c"), 1);
	metrics_reset();
}

/* And it is the same series each time. */
Test(metrics, take_a_label_that_is_not_given_for_an_empty_one)
{
	metrics_add(METRIC_OPERATIONS, "unlink", NULL, 1);
	metrics_add(METRIC_OPERATIONS, "unlink", NULL, 2);
	metrics_add(METRIC_OPERATIONS, NULL, NULL, 4);
	metrics_add(METRIC_OPERATIONS, "unlink", "", 8);
	cr_expect_eq(metrics_value(METRIC_OPERATIONS, "unlink", ""), 11);
	cr_expect_eq(metrics_value(METRIC_OPERATIONS, "", ""), 4);
	metrics_reset();
}

Test(metrics, escape_their_labels)
{
	metrics_add(METRIC_TOUCHED_ROWS, "a\"b\\c\nd", NULL, 1);
	expect_line("{model=\"a\\\"b\\\\c\\nd\"} 1\n");
	metrics_reset();
}

Test(metrics, print_times_as_seconds)
{
	metrics_set(METRIC_OLDEST_AGE, NULL, NULL, 1500042);
	expect_line("pgripple_backlog_oldest_seconds 1.500042\n");
	metrics_reset();
}

Test(metrics, fill_the_buckets_of_histograms)
{
	static const int64_t times_us[] = {-5, 100, 101, 250000, 99000000};

	for (size_t i = 0; i < N_ELEMENTS(times_us); i++)
		metrics_observe(METRIC_STAGE, "applying", times_us[i], 1);
	expect_line("_bucket{stage=\"applying\",le=\"0.0001\"} 2\n"
		    "pgripple_stage_seconds_bucket{stage=\"applying\","
		    "le=\"0.00025\"} 3\n");
	expect_line("le=\"0.1\"} 3\n");
	expect_line("le=\"0.25\"} 4\n");
	expect_line("le=\"60\"} 4\n");
	expect_line("le=\"+Inf\"} 5\n");
	expect_line("_sum{stage=\"applying\"} 99.250201\n");
	expect_line("_count{stage=\"applying\"} 5\n");
	cr_expect_eq(metrics_count(METRIC_STAGE, "applying"), 5);
	metrics_observe(METRIC_STAGE, "applying", 1000, 3);
	cr_expect_eq(metrics_count(METRIC_STAGE, "applying"), 8);
	cr_expect_eq(metrics_value(METRIC_STAGE, "applying", NULL), 99253201);
	metrics_reset();
}

Test(metrics, are_all_in_the_table)
{
	for (size_t i = 0; i < METRICS; i++) {
		cr_assert_not_null(metrics_table[i].name, "metric %zu", i);
		cr_assert_not_null(metrics_table[i].help, "metric %zu", i);
	}
}

Test(metrics, are_documented)
{
	CLEANUP(buf_done) struct buf table = BUF_INIT, page = BUF_INIT;
	FILE *file = fopen(SOURCE_ROOT "/docs/metrics.md", "r");
	char bytes[4096];
	size_t n;

	cr_assert_not_null(file);
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_add(&page, bytes, n);
	(void)fclose(file);
	metrics_print_reference(&table);
	cr_assert_not_null(strstr(buf_string(&page), buf_string(&table)),
	    "docs/metrics.md lacks this table:\n%s", buf_string(&table));
}
