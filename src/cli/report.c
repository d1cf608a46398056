/*
 * The report of "check".
 */
#include "cli/report.h"

#include <stdarg.h>

#include "cli/output.h"

static const struct {
	const char *name;
	enum output_style style;
} levels[] = {
    [REPORT_OK] = {"ok", OUTPUT_GOOD},
    [REPORT_WARNING] = {"warning", OUTPUT_WARNING},
    [REPORT_ERROR] = {"error", OUTPUT_BAD},
};

static void PRINTF_LIKE(3, 0) print_line(
    enum report_level level, const char *hint, const char *format, va_list args)
{
	enum output_style style = levels[level].style;

	(void)printf("%s%-8s%s ", output_begin(stdout, style),
	    levels[level].name, output_end(stdout, style));
	(void)vprintf(format, args);
	(void)putchar('\n');
	if (hint != NULL && hint[0] != '\0')
		(void)printf("         %shint: %s%s\n",
		    output_begin(stdout, OUTPUT_FAINT), hint,
		    output_end(stdout, OUTPUT_FAINT));
}

void
report_ok(struct report *report, const char *format, ...)
{
	va_list args;

	(void)report;
	va_start(args, format);
	print_line(REPORT_OK, NULL, format, args);
	va_end(args);
}

void
report_warning(struct report *report, const char *hint, const char *format, ...)
{
	va_list args;

	report->n_warnings++;
	va_start(args, format);
	print_line(REPORT_WARNING, hint, format, args);
	va_end(args);
}

/* Of two statuses the greater is the worse: they are numbered like that. */
void
report_status(struct report *report, enum exit_status status)
{
	if (status > report->status)
		report->status = status;
}

void
report_problem(struct report *report, const char *hint, const char *format, ...)
{
	va_list args;

	report->n_errors++;
	report_status(report, EXIT_STATUS_PROBLEM);
	va_start(args, format);
	print_line(REPORT_ERROR, hint, format, args);
	va_end(args);
}

void
report_failure(struct report *report, const char *subject,
    const struct pgripple_error *err)
{
	report_status(report, exit_status_of(err->kind));
	report_problem(report, err->hint, "%s: %s", subject, err->text);
}

enum exit_status
report_end(const struct report *report)
{
	if (report->status == EXIT_STATUS_OK && report->n_warnings == 0)
		(void)printf("\nno problem found\n");
	else if (report->status == EXIT_STATUS_OK)
		(void)printf("\nno problem found, %u warning%s\n",
		    report->n_warnings, report->n_warnings == 1 ? "" : "s");
	else
		(void)printf("\n%u problem%s found\n", report->n_errors,
		    report->n_errors == 1 ? "" : "s");
	return report->status;
}
