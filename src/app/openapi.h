/*
 * openapi.h - the documents that follow from the routes: OpenAPI 3.1 and the page that shows it
 */
#ifndef WEIR__APP_OPENAPI_H
#define WEIR__APP_OPENAPI_H

#include <weir/http.h>

#include "base/buffer.h"

/* The document of every route that is not hidden. 0, or -ENOMEM (sticky in `out`). */
int weir__app_openapi(struct weir__buffer *out, const char *title, const char *version,
                      const char *doc, const weir_router *router) WEIR_MUST_CHECK;

/* docs.html, part of the library (docs_page.S). */
extern const char weir__app_docs_page[];
extern const char weir__app_docs_page_end[];

#endif
