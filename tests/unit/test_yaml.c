#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "config/yaml.h"

static struct arena *arena;
static struct pgripple_errors errors;

static void
setup(void)
{
	arena = arena_new();
	errors = (struct pgripple_errors){0};
}

static void
teardown(void)
{
	pgripple_errors_done(&errors);
	arena_free(arena);
}

TestSuite(yaml, .init = setup, .fini = teardown);

static struct node *
parse(const char *text)
{
	struct node *root = NULL;

	cr_assert_eq(
	    yaml_parse(arena, "f.yaml", text, strlen(text), &errors, &root), 0,
	    "%s", errors.n_items > 0 ? errors.items[0].text : "");
	return root;
}

Test(yaml, makes_a_tree_with_positions)
{
	const struct node *root =
	    parse("a: b\nlist:\n  - x\n  - [1, {k: v}]\n");
	const struct node *list = node_get(root, "list");

	cr_assert_eq(root->kind, NODE_MAP);
	cr_assert_eq(root->n_children, 2);
	cr_assert_str_eq(node_get(root, "a")->text, "b");
	cr_assert_eq(node_get(root, "a")->at.line, 1);
	cr_assert_eq(node_get(root, "a")->at.column, 4);
	cr_assert_str_eq(node_get(root, "a")->at.file, "f.yaml");
	cr_assert_eq(list->kind, NODE_LIST);
	cr_assert_not(list->flow);
	cr_assert_eq(list->key->at.line, 2);
	cr_assert(list->children[1].flow);
	cr_assert_eq(list->children[1].children[1].kind, NODE_MAP);
	cr_assert_eq(list->children[1].children[1].at.column, 9);
	cr_assert_null(node_get(root, "none"));
}

Test(yaml, keeps_scalars_as_text)
{
	const struct node *list =
	    parse("[on, no, 007, 1.50, 0x1F, 'null', \"~\", true]");
	static const char *const texts[] = {
	    "on", "no", "007", "1.50", "0x1F", "null", "~", "true"};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		cr_assert_eq(list->children[i].kind, NODE_SCALAR);
		cr_assert_str_eq(list->children[i].text, texts[i]);
	}
}

Test(yaml, tells_nothing_from_text)
{
	const struct node *root = parse("a:\nb: ~\nc: null\nd: ''\n");

	cr_assert_eq(node_get(root, "a")->kind, NODE_NULL);
	cr_assert_eq(node_get(root, "b")->kind, NODE_NULL);
	cr_assert_eq(node_get(root, "c")->kind, NODE_NULL);
	cr_assert_eq(node_get(root, "d")->kind, NODE_SCALAR);
}

Test(yaml, counts_columns_in_bytes)
{
	const struct node *root = parse("\xc3\xa9: [\xe2\x86\x92, x]\n");

	cr_assert_eq(root->children[0].children[1].at.column, 11);
}

Test(yaml, knows_what_stands_verbatim)
{
	const struct node *list = parse("- plain\n- \"quoted\"\n- 'it''s'\n"
					"- \"a\\tb\"\n- two\n  lines\n");
	static const bool verbatim[] = {true, true, false, false, false};

	for (size_t i = 0; i < N_ELEMENTS(verbatim); i++)
		cr_assert_eq(list->children[i].verbatim, verbatim[i]);
}

Test(yaml, takes_a_byte_order_mark_and_a_document_start)
{
	const struct node *root = parse("\xef\xbb\xbf---\na: b\n");

	cr_assert_str_eq(node_get(root, "a")->text, "b");
}

Test(yaml, takes_sixteen_levels)
{
	const struct node *node = parse("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]");
	int depth = 0;

	for (; node != NULL; node = node->children)
		depth++;
	cr_assert_eq(depth, YAML_MAX_DEPTH);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Fills a document of the greatest size with a text, over and over. */
static void
refuse_repeated(const char *text, const char *message)
{
	size_t n = YAML_MAX_BYTES, length = strlen(text);
	char *bytes = malloc(n);
	struct node *root;
	double start;

	for (size_t i = 0; i < n; i++)
		bytes[i] = text[i % length];
	start = seconds();
	cr_assert_eq(yaml_parse(arena, "f.yaml", bytes, n, &errors, &root), -1);
	cr_assert_lt(seconds() - start, 5.0);
	cr_assert_null(root);
	cr_assert_str_eq(errors.items[0].text, message);
	free(bytes);
}

Test(yaml, refuses_four_mebibytes_of_brackets_at_once)
{
	refuse_repeated("[", "nested deeper than 16 levels");
}

Test(yaml, refuses_four_mebibytes_of_braces_at_once)
{
	refuse_repeated("{", "nested deeper than 16 levels");
}

Test(yaml, refuses_four_mebibytes_of_dashes_at_once)
{
	refuse_repeated("- ", "nested deeper than 16 levels");
}

Test(yaml, refuses_too_many_values)
{
	refuse_repeated("- x\n", "the file has more than 250000 values");
}

Test(yaml, refuses_a_file_that_is_too_big)
{
	size_t n = YAML_MAX_BYTES + 1;
	char *bytes = malloc(n);
	struct node *root;

	memset(bytes, '\n', n);
	cr_assert_eq(yaml_parse(arena, "f.yaml", bytes, n, &errors, &root), -1);
	cr_assert_str_eq(
	    errors.items[0].text, "the file is larger than 4194304 bytes");
	free(bytes);
}

Test(yaml, says_why_a_file_cannot_be_read)
{
	struct node *root;
	char text[600];

	cr_assert_eq(yaml_load(arena, "/nowhere/f.yaml", &errors, &root), -1);
	cr_assert_eq(yaml_load(arena, "/tmp", &errors, &root), -1);
	(void)pgripple_error_print(&errors.items[0], text, sizeof(text));
	cr_assert_str_eq(text,
	    "/nowhere/f.yaml: error: could not open \"/nowhere/f.yaml\": No "
	    "such file or directory");
	cr_assert_str_eq(
	    errors.items[1].text, "could not read \"/tmp\": it is a directory");
}

Test(yaml, goes_on_after_a_duplicate_key)
{
	static const char text[] = "a: 1\na: 2\nb: 3\n";
	struct node *root = NULL;

	cr_assert_eq(
	    yaml_parse(arena, "f.yaml", text, strlen(text), &errors, &root),
	    -1);
	cr_assert_eq(errors.n_items, 1);
	cr_assert_not_null(root);
	cr_assert_str_eq(node_get(root, "a")->text, "1");
	cr_assert_str_eq(node_get(root, "b")->text, "3");
}

/* Whatever is cut off: an answer, and never a crash. */
Test(yaml, answers_every_beginning_of_a_file)
{
	static const char text[] =
	    "models:\n  team:\n    table: 'a'\n    invalidate: [\"team:{id}\", "
	    "{ key: x, where: { a: [1, 2] } }]\nrelations:\n  - a.x -> b.y: "
	    "{ changed: [z] }   # c\n  - &a *b\n  - !t |\n    x\n? y\n: z\n";

	for (size_t n = 0; n < sizeof(text); n++) {
		struct node *root;
		char *copy = malloc(n + 1);

		memcpy(copy, text, n);
		(void)!yaml_parse(arena, "f.yaml", copy, n, &errors, &root);
		free(copy);
		pgripple_errors_done(&errors);
	}
}
