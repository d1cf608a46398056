/*
 * The files of the status page.
 */
#include "observe/page.h"

#include <string.h>

#include "observe/embedded_page.h"

static const struct file {
	const char *path;
	const char *type;
	const char *text;
} files[] = {
    {"/", "text/html; charset=utf-8", embedded_index_html},
    {"/page.css", "text/css; charset=utf-8", embedded_page_css},
    {"/page.js", "text/javascript; charset=utf-8", embedded_page_js},
    {"/icon.svg", "image/svg+xml", embedded_icon_svg},
};

bool
page_answer(const char *path, struct http_reply *reply)
{
	for (size_t i = 0; i < N_ELEMENTS(files); i++) {
		if (strcmp(path, files[i].path) != 0)
			continue;
		reply->status = 200;
		reply->type = files[i].type;
		reply->text = files[i].text;
		reply->length = strlen(files[i].text);
		return true;
	}
	return false;
}
