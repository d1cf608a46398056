/*
 * What "explain" says: explain/NAME.in is answered with explain/NAME.ok, to
 * the letter, as text and as JSON.
 *
 * An .in file says in lines what the command line would, then what is in the
 * database, then the graph:
 *
 *	model team
 *	op update			also old, new, row: JSON
 *	offline
 *	limits 3 10 10			as in struct pgripple_limits
 *	columns id name			of the model's table, the key first
 *	refuse team.a -> b.id		that lookup fails
 *	in app_team {"id":1}		a row
 *	graph				and the rest is graph.yaml
 */
#include "cli/explain.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build_graph.h"
#include "fake_database.h"

#define MAX_ROWS 64

struct scene {
	const char *model, *op, *old, *new, *row, *refused;
	bool offline;
	struct pgripple_limits limits;
	struct table_column columns[16];
	size_t n_columns;
	struct fake_row rows[MAX_ROWS];
	size_t n_rows;
	const char *yaml;
};

static void
read_file(const char *path, struct buf *ret_text)
{
	char bytes[4096];
	size_t n;
	FILE *file = fopen(path, "r");

	if (file == NULL)
		return; /* shows as a difference */
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_add(ret_text, bytes, n);
	(void)fclose(file);
}

static void
read_columns(struct scene *scene, char *names)
{
	char *rest;

	for (char *name = strtok_r(names, " ", &rest); name != NULL;
	     name = strtok_r(NULL, " ", &rest)) {
		scene->columns[scene->n_columns].name = name;
		scene->columns[scene->n_columns].is_key = scene->n_columns == 0;
		scene->n_columns++;
	}
}

static void
read_row_line(struct scene *scene, char *line)
{
	char *image = strchr(line, ' ');

	cr_assert_not_null(image);
	cr_assert_lt(scene->n_rows, MAX_ROWS);
	*image++ = '\0';
	scene->rows[scene->n_rows++] = (struct fake_row){line, image};
}

static void
read_line(struct scene *scene, char *line)
{
	const struct {
		const char *word;
		const char **text;
	} words[] = {{"model", &scene->model}, {"op", &scene->op},
	    {"old", &scene->old}, {"new", &scene->new}, {"row", &scene->row},
	    {"refuse", &scene->refused}};
	char *rest = strchr(line, ' ');

	if (rest != NULL)
		*rest++ = '\0';
	for (size_t i = 0; i < N_ELEMENTS(words); i++)
		if (strcmp(line, words[i].word) == 0) {
			*words[i].text = rest;
			return;
		}
	if (strcmp(line, "offline") == 0)
		scene->offline = true;
	else if (strcmp(line, "columns") == 0)
		read_columns(scene, rest);
	else if (strcmp(line, "in") == 0)
		read_row_line(scene, rest);
	else if (strcmp(line, "limits") == 0)
		cr_assert_eq(
		    sscanf(rest, "%zu %zu %zu", &scene->limits.touched_rows,
			&scene->limits.lookup_rows, &scene->limits.lookup_keys),
		    3);
	else
		cr_assert(false, "there is no line \"%s\"", line);
}

static void
read_scene(char *text, struct scene *scene)
{
	*scene = (struct scene){.limits = no_limits};
	while (scene->yaml == NULL) {
		char *end = strchr(text, '\n');

		cr_assert_not_null(end, "the graph is missing");
		*end = '\0';
		if (strcmp(text, "graph") == 0)
			scene->yaml = end + 1;
		else
			read_line(scene, text);
		text = end + 1;
	}
}

/* ---- a database ---- */

static bool
has_key(const char *image, const char *column, const char *key)
{
	struct arena *arena = arena_new();
	struct json *root;
	struct pgripple_error err;
	const struct json *value;
	bool has;

	cr_assert_eq(json_read(arena, image, strlen(image), &root, &err), 0,
	    "%s: %s", image, err.text);
	value = json_member(root, column);
	has = value != NULL && value->text != NULL &&
	      strcmp(value->text, key) == 0;
	arena_free(arena);
	return has;
}

struct world {
	const struct scene *scene;
	const struct pgripple_model *model;
};

static int
read_row(void *context, const char *const *keys, struct arena *arena UNUSED,
    const char **ret_image, struct pgripple_error *err UNUSED)
{
	const struct world *world = context;
	const struct scene *scene = world->scene;

	for (size_t i = 0; i < scene->n_rows; i++)
		if (strcmp(scene->rows[i].table, world->model->table->name) ==
			0 &&
		    has_key(
			scene->rows[i].image, scene->columns[0].name, keys[0]))
			*ret_image = scene->rows[i].image;
	return 0;
}

static int
look_up(void *context, const struct pgripple_lookup *lookup,
    struct arena *arena, struct explain_answer *ret_answer,
    struct pgripple_error *err)
{
	const struct scene *scene = ((const struct world *)context)->scene;
	const struct pgripple_table *table = lookup->model->table;

	check_keys(lookup);
	ret_answer->sql =
	    arena_printf(arena, "SELECT ... FROM %s", table->name);
	if (scene->refused != NULL && lookup->relation != NULL &&
	    strcmp(scene->refused, lookup->relation->name) == 0) {
		(void)pgripple_error_set(err, PGRIPPLE_ERROR_PEER,
		    "permission denied for table %s (42501)", table->name);
		return EXPLAIN_UNANSWERED;
	}
	ret_answer->images =
	    arena_array(arena, scene->n_rows, sizeof(*ret_answer->images));
	for (size_t i = 0; i < scene->n_rows; i++) {
		const char *image = scene->rows[i].image;
		struct pgripple_row row;

		if (strcmp(scene->rows[i].table, table->name) != 0)
			continue;
		cr_assert_eq(pgripple_row_decode(
				 arena, table, image, strlen(image), &row, err),
		    0, "%s", err->text);
		if (answers_lookup(lookup, row.values))
			ret_answer->images[ret_answer->n_images++] = image;
	}
	return EXPLAIN_ANSWERED;
}

/* ---- the answers ---- */

static void
print_error(const struct pgripple_error *err, struct buf *ret_text)
{
	char text[2048];

	(void)pgripple_error_print(err, text, sizeof(text));
	buf_printf(ret_text, "%s\n", text);
}

static void
explain_scene(const struct scene *scene, struct buf *ret_text)
{
	struct pgripple_graph *graph = build_graph(scene->yaml);
	struct world world = {scene, pgripple_graph_model(graph, scene->model)};
	struct explain_database database = {
	    &world, scene->columns, scene->n_columns, read_row, look_up};
	CLEANUP(buf_done) struct buf json = BUF_INIT;
	struct arena *arena = arena_new();
	struct explain_request request;
	struct explanation *explanation;
	struct pgripple_error err;

	cr_assert_not_null(world.model, "no model \"%s\"", scene->model);
	if (explain_request_read(arena, scene->row, scene->old, scene->new,
		scene->op, &request, &err) == 0 &&
	    explain_new(graph, world.model, &scene->limits, &request,
		scene->offline ? NULL : &database, &explanation, &err) == 0) {
		explain_print_text(explanation, ret_text);
		explain_print_json(explanation, &json);
		buf_printf(ret_text, "\n---- json\n%s\n", buf_string(&json));
		explain_free(explanation);
	} else {
		print_error(&err, ret_text);
	}
	arena_free(arena);
	pgripple_graph_free(graph);
}

/* EXPLAIN_OUT names a folder to which the answers are written: to be read, and
 * taken over if they are right. */
static void
keep_answer(const char *name, const struct buf *text)
{
	const char *folder = getenv("EXPLAIN_OUT");
	char path[512];
	FILE *file;

	if (folder == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	(void)fwrite(text->bytes, 1, text->n, file);
	(void)fclose(file);
}

static bool
is_answered_as_written(const char *path)
{
	CLEANUP(buf_done) struct buf in = BUF_INIT, expected = BUF_INIT;
	CLEANUP(buf_done) struct buf got = BUF_INIT;
	struct scene scene;
	char ok[256];

	read_file(path, &in);
	cr_assert_gt(in.n, 0);
	read_scene(in.bytes, &scene);
	explain_scene(&scene, &got);
	(void)snprintf(ok, sizeof(ok), "%.*s.ok",
	    (int)(strlen(path) - strlen(".in")), path);
	keep_answer(ok, &got);
	read_file(ok, &expected);
	if (strcmp(buf_string(&got), buf_string(&expected)) == 0)
		return true;
	cr_log_error("%s is answered with\n%s\ninstead of\n%s", path,
	    buf_string(&got), buf_string(&expected));
	return false;
}

Test(explain, changes_are_answered_as_written)
{
	glob_t found;
	size_t n_wrong = 0;

	cr_assert_eq(chdir(SOURCE_ROOT "/tests/unit/explain"), 0);
	cr_assert_eq(glob("*.in", 0, NULL, &found), 0);
	cr_assert_gt(found.gl_pathc, 10);
	for (size_t i = 0; i < found.gl_pathc; i++)
		n_wrong += !is_answered_as_written(found.gl_pathv[i]);
	globfree(&found);
	cr_assert_eq(n_wrong, 0);
}

/* A list in the database is a deep tree: it is cut, and counted whole. */
Test(explain, is_no_deeper_than_can_be_read)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	static struct scene scene;
	static char image[MAX_ROWS][32];

	scene = (struct scene){.limits = no_limits,
	    .model = "node",
	    .row = "{\"id\":0,\"next\":1}",
	    .yaml = "models:\n"
		    "  node: { table: node, invalidate: [\"node:{id}\"] }\n"
		    "relations:\n"
		    "  - node.next -> node.id\n"};
	scene.columns[0] = (struct table_column){"id", true};
	scene.columns[1] = (struct table_column){"next", false};
	scene.n_columns = 2;
	for (int i = 1; i < MAX_ROWS; i++) {
		(void)snprintf(image[i], sizeof(image[i]),
		    "{\"id\":%d,\"next\":%d}", i, i + 1);
		scene.rows[scene.n_rows++] =
		    (struct fake_row){"node", image[i]};
	}
	explain_scene(&scene, &text);
	cr_assert_not_null(strstr(text.bytes, ", and what follows\n"));
	cr_assert_not_null(strstr(text.bytes, "  unlink node:63 ("));
}
