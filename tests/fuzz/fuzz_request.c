/*
 * The head of an HTTP request, which anybody may have sent.
 */
#include <string.h>

#include "fuzz.h"
#include "observe/http_request.h"

static bool
is_status(int parsed)
{
	return parsed == 400 || parsed == 405 || parsed == 414 ||
	       parsed == 431 || parsed == 505;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly so long, that a byte too far is seen. */
	char *bytes = malloc(size + (size == 0));
	struct http_request request;
	int parsed;

	EXPECT(bytes != NULL);
	if (size > 0)
		memcpy(bytes, data, size);
	parsed = http_request_parse(bytes, size, &request);
	if (parsed == HTTP_PARSE_DONE) {
		EXPECT(request.path[0] == '/');
		EXPECT(strlen(request.path) < sizeof(request.path));
		EXPECT(strlen(request.host) < sizeof(request.host));
		(void)http_host_is_local(request.host);
	} else if (parsed != HTTP_PARSE_MORE) {
		EXPECT(is_status(parsed));
	}
	free(bytes);
	return 0;
}
