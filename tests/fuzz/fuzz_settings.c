/*
 * The text of a pgripple.yaml, to settings.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/settings.h"
#include "config/settings_table.h"
#include "fuzz.h"

/* A file in memory, for settings are read from a path. */
static int
put_into_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("pgripple.yaml", 0);
	EXPECT(fd >= 0 && ftruncate(fd, 0) == 0);
	EXPECT(pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

/* What was accepted is within the bounds of the table. */
static void
check(const struct settings *settings)
{
	for (size_t i = 0; i < settings_table_size; i++) {
		const struct setting *setting = &settings_table[i];
		const char *at = (const char *)settings + setting->offset;
		int64_t number;

		EXPECT(setting_is_equal(setting, settings, settings));
		if (setting->type != SETTING_COUNT &&
		    setting->type != SETTING_SIZE &&
		    setting->type != SETTING_DURATION)
			continue;
		memcpy(&number, at, sizeof(number));
		EXPECT(number >= setting->min && number <= setting->max);
	}
	EXPECT(settings_fixed_difference(settings, settings) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pgripple_errors errors = {0};
	struct settings *settings;
	char path[64];

	(void)snprintf(
	    path, sizeof(path), "/proc/self/fd/%d", put_into_file(data, size));
	if (settings_load(path, &errors, &settings) == 0) {
		EXPECT(errors.n_items == 0);
		check(settings);
		settings_free(settings);
	} else {
		EXPECT(errors.n_items > 0);
	}
	pgripple_errors_done(&errors);
	return 0;
}
