/*
 * "pgripple graph": the relation graph as a picture.
 */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/closest.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/setup.h"
#include "config/configuration.h"
#include "core/picture.h"
#include "postgres/catalog.h"
#include "postgres/command.h"

enum format {
	FORMAT_TEXT,
	FORMAT_SVG,
	FORMAT_DOT,
	FORMAT_MERMAID,
};

static const char *const format_names[] = {"text", "svg", "dot", "mermaid"};

static int
parse_format(
    const char *text, enum format *ret_format, struct pgripple_error *err)
{
	const char *near;

	for (size_t i = 0; i < N_ELEMENTS(format_names); i++)
		if (text == NULL || strcmp(text, format_names[i]) == 0) {
			*ret_format = (enum format)i;
			return 0;
		}
	(void)pgripple_error_set(
	    err, PGRIPPLE_ERROR_CONFIG, "unknown format \"%s\"", text);
	near = closest(text, format_names, N_ELEMENTS(format_names));
	if (near != NULL)
		pgripple_error_hint(err, "Did you mean \"%s\"?", near);
	else
		pgripple_error_hint(err, "Known are text, svg, dot, mermaid.");
	return -1;
}

static enum picture_watch
watch_of(const struct catalog_table *table)
{
	if (table->quoted == NULL)
		return PICTURE_NO_TABLE;
	switch (table->watch) {
	case CATALOG_WATCHED:
		return PICTURE_WATCHED;
	case CATALOG_UNWATCHED:
		return PICTURE_UNWATCHED;
	case CATALOG_DIFFERENT:
	case CATALOG_BROKEN:
		return PICTURE_WRONG;
	}
	return PICTURE_WRONG;
}

/* Describes the graph and tells how each table is watched.  What is wrong with
 * the graph is not told here but by "check". */
static enum exit_status
ask_database(struct arena *arena, const struct options *options,
    const struct configuration *configuration, enum picture_watch **ret_watches)
{
	const struct settings *settings = configuration->settings;
	size_t n = configuration->graph->n_tables;
	enum picture_watch *watches = arena_array(arena, n, sizeof(*watches));
	struct command *command;
	struct catalog *catalog;
	struct pgripple_error err;
	enum exit_status status;

	if (watches == NULL) {
		(void)pgripple_error_nomem(&err);
		return output_error(&err);
	}
	status = setup_postgres(options, settings, &command);
	if (status != EXIT_STATUS_OK)
		return status;
	if (catalog_describe(command, settings->postgres.schema,
		configuration->graph, &catalog, &err) == 0) {
		for (size_t i = 0; i < n; i++)
			watches[i] = watch_of(&catalog->tables[i]);
		catalog_free(catalog);
		*ret_watches = watches;
	} else {
		status = setup_refused(command, &err);
	}
	command_close(command);
	return status;
}

static int
print(const struct picture *picture, enum format format, struct buf *buf,
    struct pgripple_error *err)
{
	switch (format) {
	case FORMAT_TEXT:
		picture_print_text(picture, buf);
		break;
	case FORMAT_SVG:
		return picture_print_svg(picture, buf, err);
	case FORMAT_DOT:
		picture_print_dot(picture, buf);
		break;
	case FORMAT_MERMAID:
		picture_print_mermaid(picture, buf);
		break;
	}
	return buf->failed ? pgripple_error_nomem(err) : 0;
}

static enum exit_status
make_and_print(struct arena *arena, const struct options *options,
    const struct configuration *configuration, enum format format)
{
	enum picture_watch *watches = NULL;
	enum exit_status status = EXIT_STATUS_OK;
	struct buf buf = BUF_INIT;
	struct picture picture;
	struct pgripple_error err;

	if (!options_has(options, OPTION_OFFLINE))
		status = ask_database(arena, options, configuration, &watches);
	if (status != EXIT_STATUS_OK)
		return status;
	if (picture_make(
		arena, configuration->graph, watches, &picture, &err) != 0 ||
	    print(&picture, format, &buf, &err) != 0)
		status = output_error(&err);
	else
		status = output_write(options->output,
		    options_has(options, OPTION_FORCE), buf_string(&buf),
		    buf.n);
	buf_done(&buf);
	return status;
}

enum exit_status
graph_command(const struct cli_call *call)
{
	struct configuration *configuration;
	struct pgripple_error err;
	struct arena *arena;
	enum format format;
	enum exit_status status;

	if (parse_format(call->options->format, &format, &err) != 0)
		return output_usage_error(&err);
	status = setup_configuration(call->options, &configuration);
	if (status != EXIT_STATUS_OK)
		return status;
	arena = arena_new();
	if (arena == NULL) {
		(void)pgripple_error_nomem(&err);
		status = output_error(&err);
	} else {
		status =
		    make_and_print(arena, call->options, configuration, format);
	}
	arena_free(arena);
	configuration_free(configuration);
	return status;
}
