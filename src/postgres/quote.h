/*
 * SQL text: identifiers and literals, quoted; and array literals, by which a
 * whole list travels as one parameter.
 */
#ifndef PGRIPPLE_POSTGRES_QUOTE_H
#define PGRIPPLE_POSTGRES_QUOTE_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Always in quotes: plain names may be reserved words. */
void quote_identifier(struct buf *sql, const char *name);
/* A string literal that means the same whatever standard_conforming_strings
 * says. */
void quote_literal(struct buf *sql, const char *text);

/*
 * Array literals (the manual, section 8.15.6): open, any number of elements,
 * close.
 *
 *	array_open(&buf); array_add_int(&buf, 1); array_close(&buf);
 */
void array_open(struct buf *array);
void array_add(struct buf *array, const char *text, size_t length);
void array_add_string(struct buf *array, const char *text);
void array_add_int(struct buf *array, int64_t number);
void array_close(struct buf *array);

#endif
