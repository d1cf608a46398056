/*
 * What the fuzz targets share.  Each is one file, fuzz_NAME.c, and gets bytes
 * that libFuzzer makes from tests/fuzz/seeds/NAME; scripts/fuzz.sh runs them.
 */
#ifndef PGRIPPLE_TESTS_FUZZ_H
#define PGRIPPLE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* libFuzzer's; see https://llvm.org/docs/LibFuzzer.html. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds in every build, and says to libFuzzer that a fault was found. */
#define EXPECT(condition)         \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* The bytes as a terminated text, which ends at the first NUL. */
static inline char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	EXPECT(text != NULL);
	return text;
}

#endif
