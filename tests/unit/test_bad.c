/*
 * Every fault that a file can have: bad/NAME.yaml is answered with
 * bad/NAME.err, to the letter.  Names that begin with "settings_" are read as
 * pgripple.yaml, the others as graph.yaml.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pgripple/graph.h>

#include "base/arena.h"
#include "base/buf.h"
#include "config/settings.h"
#include "config/yaml.h"

static int
load_settings(const char *path, struct pgripple_errors *errors)
{
	struct settings *settings = NULL;
	int result = settings_load(path, errors, &settings);

	settings_free(settings);
	return result;
}

static int
load_graph(const char *path, struct pgripple_errors *errors)
{
	struct arena *arena = arena_new();
	struct pgripple_graph *graph = NULL;
	struct node *root;
	int result = yaml_load(arena, path, errors, &root);

	if (root != NULL && pgripple_graph_load(root, errors, &graph) != 0)
		result = -1;
	arena_free(arena);
	pgripple_graph_free(graph);
	return result;
}

static void
print_errors(struct pgripple_errors *errors, struct buf *ret_text)
{
	pgripple_errors_sort(errors);
	for (size_t i = 0; i < errors->n_items; i++) {
		char text[2048];

		(void)pgripple_error_print(
		    &errors->items[i], text, sizeof(text));
		buf_printf(ret_text, "%s\n", text);
	}
}

static void
read_expected(const char *yaml, struct buf *ret_text)
{
	char path[256], bytes[4096];
	size_t n;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%.*s.err",
	    (int)(strlen(yaml) - strlen(".yaml")), yaml);
	file = fopen(path, "r");
	if (file == NULL)
		return; /* shows as a difference */
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_add(ret_text, bytes, n);
	(void)fclose(file);
}

static bool
is_answered_as_written(const char *path)
{
	CLEANUP(buf_done) struct buf expected = BUF_INIT, got = BUF_INIT;
	struct pgripple_errors errors = {0};
	int result = strncmp(path, "settings_", 9) == 0
			 ? load_settings(path, &errors)
			 : load_graph(path, &errors);
	bool same;

	print_errors(&errors, &got);
	pgripple_errors_done(&errors);
	read_expected(path, &expected);
	same = result == -1 && expected.n > 0 &&
	       strcmp(buf_string(&got), buf_string(&expected)) == 0;
	if (!same)
		cr_log_error("%s: returned %d and\n%sinstead of\n%s", path,
		    result, buf_string(&got), buf_string(&expected));
	return same;
}

Test(bad, files_are_answered_as_written)
{
	glob_t files;
	size_t n_wrong = 0;

	cr_assert_eq(chdir(SOURCE_ROOT "/tests/unit/bad"), 0);
	cr_assert_eq(glob("*.yaml", 0, NULL, &files), 0);
	cr_assert_gt(files.gl_pathc, 100);
	for (size_t i = 0; i < files.gl_pathc; i++)
		n_wrong += !is_answered_as_written(files.gl_pathv[i]);
	globfree(&files);
	cr_assert_eq(n_wrong, 0);
}
