/*
 * "pgripple version": of itself and of the libraries it uses.
 */
#include "cli/commands.h"
#include "config/library.h"
#include "postgres/library.h"
#include "redis/library.h"

enum exit_status
version_command(const struct cli_call *call)
{
	static const struct {
		const char *name;
		void (*version)(char *buffer, size_t size);
	} libraries[] = {
	    {"libpq", postgres_library_version},
	    {"hiredis", redis_library_version},
	    {"libyaml", config_library_version},
	};
	char version[32];

	(void)printf("pgripple %s\n", PGRIPPLE_VERSION);
	for (size_t i = 0; i < N_ELEMENTS(libraries); i++) {
		libraries[i].version(version, sizeof(version));
		(void)printf("%s %s\n", libraries[i].name, version);
	}
	(void)printf("libevent %s\n", call->host->event_version);
	return EXIT_STATUS_OK;
}
