/*
 * The files of the status page, from src/observe/page/.
 */
#ifndef PGRIPPLE_OBSERVE_PAGE_H
#define PGRIPPLE_OBSERVE_PAGE_H

#include <stdbool.h>

#include "observe/http.h"

/* False if the path is none of theirs. */
bool page_answer(const char *path, struct http_reply *reply);

#endif
