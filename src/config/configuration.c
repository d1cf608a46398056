/*
 * Settings and graph, read together.
 */
#include "config/configuration.h"

#include "base/arena.h"
#include "config/yaml.h"

/* The graph names targets, which the settings know. */
static int
aim(struct configuration *configuration, struct pgripple_errors *errors)
{
	const struct settings *settings = configuration->settings;
	struct pgripple_target_spec specs[PGRIPPLE_MAX_TARGETS];

	for (size_t i = 0; i < settings->redis.n_targets; i++)
		specs[i] = (struct pgripple_target_spec){
		    .name = settings->redis.targets[i].name,
		    .prefix = settings->redis.targets[i].prefix,
		};
	return pgripple_graph_aim(
	    configuration->graph, specs, settings->redis.n_targets, errors);
}

static int
load_graph(struct configuration *configuration, struct pgripple_errors *errors)
{
	struct arena *arena = arena_new();
	struct node *root;
	int result;

	if (arena == NULL) {
		struct pgripple_error err;

		(void)pgripple_error_nomem(&err);
		pgripple_errors_take(errors, &err);
		return -1;
	}
	/* Positions borrow the path, which the settings own. */
	result =
	    yaml_load(arena, configuration->settings->graph, errors, &root);
	/* What else is wrong with a file that has a duplicate key, say. */
	if (root != NULL &&
	    (pgripple_graph_load(root, errors, &configuration->graph) < 0 ||
		aim(configuration, errors) < 0))
		result = -1;
	arena_free(arena);
	return result;
}

int
configuration_load(const char *settings_path, struct pgripple_errors *errors,
    struct configuration **ret_configuration)
{
	struct configuration *configuration = calloc(1, sizeof(*configuration));
	int result = -1;

	if (configuration == NULL) {
		struct pgripple_error err;

		(void)pgripple_error_nomem(&err);
		pgripple_errors_take(errors, &err);
		return -1;
	}
	if (settings_load(settings_path, errors, &configuration->settings) == 0)
		result = load_graph(configuration, errors);
	if (result == 0)
		*ret_configuration = configuration;
	else
		configuration_free(configuration);
	pgripple_errors_sort(errors);
	return result;
}

void
configuration_free(struct configuration *configuration)
{
	if (configuration == NULL)
		return;
	pgripple_graph_free(configuration->graph);
	settings_free(configuration->settings);
	free(configuration);
}
