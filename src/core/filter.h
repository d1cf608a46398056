/*
 * What a template does to a value before it is put in: "{slug|lower|md5}".
 */
#ifndef PGRIPPLE_CORE_FILTER_H
#define PGRIPPLE_CORE_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/util.h"

enum filter_kind {
	FILTER_LOWER, /* ASCII letters */
	FILTER_UPPER, /* ASCII letters */
	FILTER_URL, /* percent-encoding: RFC 3986, section 2 */
	FILTER_MD5, /* hexadecimal */
	FILTER_SHA1, /* hexadecimal */
	FILTER_DEFAULT, /* a text in the place of NULL */
};

const char *filter_name(enum filter_kind kind);
/* False if there is none of that name. */
bool filter_find(
    const char *name, size_t length, enum filter_kind *ret_kind) MUST_CHECK;

struct filter {
	enum filter_kind kind;
	const char *text; /* of DEFAULT */
	size_t length;
};

/* The first DEFAULT among them, or NULL: what makes a value of a NULL. */
const struct filter *filter_default(const struct filter *filters, size_t n);

/* Appends what the filters, one after the other, make of the bytes. */
void filter_apply(const struct filter *filters, size_t n_filters,
    const char *bytes, size_t length, struct buf *out);

#endif
