/*
 * JSON text into a buffer: used for log lines and for reports of the command
 * line.  Strings are escaped; bytes that are not UTF-8 become U+FFFD.
 */
#ifndef PGRIPPLE_BASE_JSON_WRITE_H
#define PGRIPPLE_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Commas are put by the writer: before every value or key but the first of
 * its object or array, told by the last byte in the buffer. */
void json_write_open(struct buf *buf, char bracket); /* '{' or '[' */
void json_write_close(struct buf *buf, char bracket); /* '}' or ']' */
void json_write_key(struct buf *buf, const char *key);
void json_write_string(struct buf *buf, const char *bytes, size_t n);
/* The same without a comma, for text that is no JSON otherwise. */
void json_write_quoted(struct buf *buf, const char *bytes, size_t n);
/* Copies JSON text with every character beyond ASCII as an escape: for a
 * server whose encoding may not have it. */
void json_write_ascii(struct buf *buf, const char *json, size_t n);
/* A whole tree, as it was read. */
struct json;
void json_write_tree(struct buf *buf, const struct json *value);
void json_write_int(struct buf *buf, int64_t value);
void json_write_bool(struct buf *buf, bool value);

/* A key and its value. */
void json_write_member(struct buf *buf, const char *key, const char *value);
void json_write_member_int(struct buf *buf, const char *key, int64_t value);

#endif
