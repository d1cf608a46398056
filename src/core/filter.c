/*
 * Filters of templates.
 */
#include "core/filter.h"

#include <string.h>

#include "base/digest.h"

const char *
filter_name(enum filter_kind kind)
{
	switch (kind) {
	case FILTER_LOWER:
		return "lower";
	case FILTER_UPPER:
		return "upper";
	case FILTER_URL:
		return "url";
	case FILTER_MD5:
		return "md5";
	case FILTER_SHA1:
		return "sha1";
	case FILTER_DEFAULT:
		return "default";
	}
	return "unknown";
}

bool
filter_find(const char *name, size_t length, enum filter_kind *ret_kind)
{
	for (int kind = FILTER_LOWER; kind <= FILTER_DEFAULT; kind++) {
		const char *known = filter_name((enum filter_kind)kind);

		if (strlen(known) == length &&
		    memcmp(known, name, length) == 0) {
			*ret_kind = (enum filter_kind)kind;
			return true;
		}
	}
	return false;
}

const struct filter *
filter_default(const struct filter *filters, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (filters[i].kind == FILTER_DEFAULT)
			return &filters[i];
	return NULL;
}

static void
add_lower(const char *bytes, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_add_char(out, bytes[i] >= 'A' && bytes[i] <= 'Z'
				      ? (char)(bytes[i] - 'A' + 'a')
				      : bytes[i]);
}

static void
add_upper(const char *bytes, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_add_char(out, bytes[i] >= 'a' && bytes[i] <= 'z'
				      ? (char)(bytes[i] - 'a' + 'A')
				      : bytes[i]);
}

static void
add_url(const char *bytes, size_t n, struct buf *out)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";

	for (size_t i = 0; i < n; i++)
		if (bytes[i] != '\0' && strchr(unreserved, bytes[i]) != NULL)
			buf_add_char(out, bytes[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)bytes[i]);
}

static void
add_one(
    const struct filter *filter, const char *bytes, size_t n, struct buf *out)
{
	char hex[DIGEST_SHA1_LENGTH + 1];

	switch (filter->kind) {
	case FILTER_LOWER:
		add_lower(bytes, n, out);
		break;
	case FILTER_UPPER:
		add_upper(bytes, n, out);
		break;
	case FILTER_URL:
		add_url(bytes, n, out);
		break;
	case FILTER_MD5:
		digest_md5(bytes, n, hex);
		buf_add(out, hex, DIGEST_MD5_LENGTH);
		break;
	case FILTER_SHA1:
		digest_sha1(bytes, n, hex);
		buf_add(out, hex, DIGEST_SHA1_LENGTH);
		break;
	case FILTER_DEFAULT:
		buf_add(out, bytes, n); /* it is a value already */
		break;
	}
}

/* The last one writes to where the result goes: one filter alone, the usual
 * case, needs no memory of its own. */
void
filter_apply(const struct filter *filters, size_t n_filters, const char *bytes,
    size_t length, struct buf *out)
{
	struct buf last = BUF_INIT;

	if (n_filters == 0)
		buf_add(out, bytes, length);
	for (size_t i = 0; i < n_filters; i++) {
		struct buf next = BUF_INIT;

		if (i + 1 == n_filters) {
			add_one(&filters[i], bytes, length, out);
			break;
		}
		add_one(&filters[i], bytes, length, &next);
		out->failed |= next.failed;
		buf_done(&last);
		last = next;
		bytes = buf_string(&last);
		length = last.n;
	}
	buf_done(&last);
}
