/*
 * router.h - from a method and a path to a route
 *
 * Compiled once, then only read: routers may be shared by servers of several loops.
 */
#ifndef WEIR__HTTP_ROUTER_H
#define WEIR__HTTP_ROUTER_H

#include <weir/http.h>

#include "base/arena.h"
#include "http/parse/head.h"

enum {
    WEIR__HTTP_PARAMS_MAX = 16,   /* names in one path */
    WEIR__HTTP_SEGMENTS_MAX = 32, /* of one path in a route */
    WEIR__HTTP_ALLOW_BYTES = 160,
};

/* A route as the server keeps it. */
struct weir__http_route {
    const weir_route *public;
    const char *label; /* `GET /checks/{id}`: the name of its tasks */
    weir_str param_names[WEIR__HTTP_PARAMS_MAX];
    size_t param_count;
    enum weir__http_method method; /* WEIR__HTTP_METHOD_OTHER: public->method decides */
};

/* The outcome of a look. */
struct weir__http_match {
    const struct weir__http_route *route;   /* NULL: none */
    bool literal;                           /* the path is the route's, byte by byte */
    bool path_known;                        /* the path has routes, for other methods */
    weir_str params[WEIR__HTTP_PARAMS_MAX]; /* raw, in the order of the route's names */
};

/* Find the route of a request. `path` is raw; a HEAD finds the GET. Never fails. */
void weir__http_router_match(const weir_router *router, enum weir__http_method method,
                             weir_str method_text, weir_str path,
                             struct weir__http_match *out_match);
/* The value of Allow for a path: `GET, HEAD, OPTIONS`. */
void weir__http_router_allow(const weir_router *router, weir_str path,
                             char out_text[WEIR__HTTP_ALLOW_BYTES]);

#endif
