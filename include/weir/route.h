/*
 * weir/route.h - which handler answers what: handlers, filters, routes
 */
#ifndef WEIR_ROUTE_H
#define WEIR_ROUTE_H

#include <weir/model.h>

/** One request, while its handler runs; weir/request.h. */
typedef struct weir_request weir_request;
/** What is behind a filter: the next one, or the handler. */
typedef struct weir_next weir_next;
/** The routes of a service, compiled. */
typedef struct weir_router weir_router;

/** Stands for "no body" on either side of WEIR_HANDLER(). */
typedef struct weir_none {
    char weir__unused;
} weir_none;

/** A handler that reads the request and answers by itself; 0 or a negative errno. */
typedef int weir_handler_fn(weir_request *request);

/**
 * Runs around a handler: `rc = weir_next_run(request, next)` goes on; not calling it answers
 * instead.
 */
typedef int weir_filter_fn(weir_request *request, weir_next *next);

/** A handler with declared types; made by WEIR_HANDLER(). */
typedef struct weir_handler {
    const char *name;
    int (*run)(weir_request *request, const void *in, void *out);
    const weir_model *in; /* the model of weir_none: no body */
    const weir_model *out;
} weir_handler;

/** Who is served first when not all can be: see weir_http_limits.queue_delay_max_ns. */
typedef enum weir_priority {
    WEIR_PRIORITY_NORMAL,
    WEIR_PRIORITY_LOW,  /* refused as soon as the server is overloaded */
    WEIR_PRIORITY_HIGH, /* refused last */
} weir_priority;

/** One route; made by WEIR_GET() and its kind. The fields from `status` on are options, by name. */
typedef struct weir_route {
    const char *method;
    const char *path;            /* `/checks/{id}`: a name in braces stands for one segment */
    const char *name;            /* of the handler */
    weir_handler_fn *fn;         /* raw, or */
    const weir_handler *handler; /* typed */

    int status;               /* of success; 0: 200, for a handler without an answer's type 204 */
    const char *summary;      /* one line, for the documentation */
    const char *doc;          /* more lines */
    const char *tag;          /* heading to list it under */
    const weir_model *params; /* of the names in the path: checked before, read with
                                 WEIR_PARAMS() */
    const weir_model *query;  /* of the query: checked before, read with WEIR_QUERY() */
    const weir_model *in;     /* documentation of a raw handler: its body */
    const weir_model *out;    /* and its answer */
    const char *in_type;      /* and the content type of its body, such as text/plain */
    const char *out_type;     /* and of its answer */
    size_t body_bytes_max;    /* 0: the server's (1 MiB); WEIR_UNLIMITED: none */
    int64_t timeout_ns;       /* of the handler; 0: the server's (30 s), none once it streams */
    bool stream_body;         /* the handler reads the body with weir_body_read() as it comes; the
                                 default limit of time begins at the end of the body */
    bool eof_cancels; /* a client that has finished sending counts as gone (streams: always) */
    bool hidden;      /* left out of the documentation */
    bool probe;       /* outside the limits of requests and outside the access log */
    weir_priority priority;         /* when the server is overloaded */
    weir_filter_fn *const *filters; /* kept; run inside the server's; ends with NULL */
    void *arg;                      /* kept, for the handler: weir_request_route(request)->arg */
} weir_route;

/**
 * Define a handler with a typed body and a typed answer:
 *
 *     WEIR_HANDLER(process, order, started) { ... return 0; }
 *
 * The body sees `weir_request *request`, `const order *in` (decoded, all limits hold) and
 * `started *out` (zeroed), and returns 0 or a negative errno. weir_none stands for no body.
 */
#define WEIR_HANDLER(handler, in_type, out_type)                                                   \
    static int handler##_weir_body(weir_request *request, const in_type *in, out_type *out);       \
    static int handler##_weir_run(weir_request *request, const void *in, void *out)                \
    {                                                                                              \
        return handler##_weir_body(request, (const in_type *)in, (out_type *)out);                 \
    }                                                                                              \
    static const weir_handler handler = {#handler, handler##_weir_run, WEIR_MODEL_OF(in_type),     \
                                         WEIR_MODEL_OF(out_type)};                                 \
    static int handler##_weir_body(__attribute__((unused)) weir_request *request,                  \
                                   __attribute__((unused)) const in_type *in,                      \
                                   __attribute__((unused)) out_type *out)

/* What a handler is, told by its type; anything else does not compile. */
#define WEIR__RAW_HANDLER(handler)                                                                 \
    _Generic(&(handler), weir_handler_fn * : &(handler), const weir_handler * : NULL)
#define WEIR__TYPED_HANDLER(handler)                                                               \
    _Generic(&(handler), const weir_handler * : &(handler), weir_handler_fn * : NULL)

/** A route of any method. `a_handler`: defined by WEIR_HANDLER(), or a weir_handler_fn. */
#define WEIR_ROUTE(a_method, a_path, a_handler, ...)                                               \
    {                                                                                              \
        .method = "" a_method, .path = "" a_path, .name = #a_handler,                              \
        .fn = WEIR__RAW_HANDLER(a_handler), .handler = WEIR__TYPED_HANDLER(a_handler), __VA_ARGS__ \
    }
#define WEIR_GET(path, handler, ...) WEIR_ROUTE("GET", path, handler, __VA_ARGS__)
#define WEIR_POST(path, handler, ...) WEIR_ROUTE("POST", path, handler, __VA_ARGS__)
#define WEIR_PUT(path, handler, ...) WEIR_ROUTE("PUT", path, handler, __VA_ARGS__)
#define WEIR_PATCH(path, handler, ...) WEIR_ROUTE("PATCH", path, handler, __VA_ARGS__)
#define WEIR_DELETE(path, handler, ...) WEIR_ROUTE("DELETE", path, handler, __VA_ARGS__)

WEIR_BEGIN_DECLS

/** The model of weir_none: without fields; told apart by its address. */
WEIR_API extern const weir_model weir_none_weir_model;

/**
 * Compile routes. A path is matched segment by segment; a literal segment goes before a name in
 * braces. HEAD is answered where GET is, OPTIONS everywhere.
 *
 * @param routes      kept, with all that they point to; ends with an entry of zeros; NULL: none yet
 * @param out_router  freed with weir_router_free()
 *
 * Returns     0 or a negative errno; weir_failure_message() says which route and why
 * Errors      -EINVAL  a path or a method that cannot be, an entry without a handler
 *             -EEXIST  two routes for one method and path
 *             -EDOM    a model that is wrong in itself
 *             -ENOMEM  no memory
 * Checkpoint  no
 * Thread      any; a compiled router may be used by servers of several loops
 */
WEIR_API WEIR_MUST_CHECK int weir_router_new(const weir_route *routes, weir_router **out_router);

/**
 * Add more routes. Before the first server is opened with the router.
 *
 * @param router  from weir_router_new()
 * @param routes  kept; ends with an entry of zeros
 *
 * Returns     0 or a negative errno; on failure those before the bad one are in
 * Errors      as weir_router_new()
 * Checkpoint  no
 * Thread      the one that made the router
 */
WEIR_API WEIR_MUST_CHECK int weir_router_add(weir_router *router, const weir_route *routes);

/**
 * One route after another, in the order they were added: for documentation.
 *
 * @param router  compiled
 * @param index   from zero
 *
 * Returns     the route, or NULL when there is none at that index
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const weir_route *weir_router_at(const weir_router *router, size_t index);

/**
 * Give back a router. No server may use it any more.
 *
 * @param router  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_router_free(weir_router *router);

WEIR_END_DECLS

#endif
