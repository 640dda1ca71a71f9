/*
 * weir/http.h - serving HTTP/1.1: routes, handlers, requests, answers, and the server itself
 *
 *     typedef struct { char *item; int32_t count; } order;
 *     WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1), WEIR_FIELD(count, .min = 1, .max = 100))
 *     typedef struct { const char *status; } started;
 *     WEIR_MODEL(started, WEIR_FIELD(status))
 *
 *     WEIR_HANDLER(process, order, started)         // request, *in is valid, *out is to be filled
 *     {
 *         *out = (started){.status = "started"};
 *         return in->count > 10 ? weir_http_problem(request, 409, "too many of %s", in->item) : 0;
 *     }
 *
 *     static int show(weir_request *request)        // a raw handler answers by itself
 *     {
 *         return weir_respond_text(request, 200, weir_request_param(request, "id"));
 *     }
 *
 *     static const weir_route routes[] = {
 *         WEIR_POST("/process", process, .status = 202, .summary = "Start processing an order"),
 *         WEIR_GET("/checks/{id}", show),
 *         {0},
 *     };
 *
 * A handler runs in a task of its own under a time limit. It returns 0, or a negative errno: then
 * the client gets 500 (a limit of time: 503 or 504; a full disk: 507) and the text of the error
 * stays in the log. An answer
 * that was given before a failure is not sent. Memory of a request (weir_request_arena()) lives
 * until the answer is gone; a handler frees nothing.
 *
 * Every text that an accessor returns ends with NUL and lives as long as the request.
 */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include <weir/arena.h>
#include <weir/base.h>
#include <weir/model.h>

/** One request, while its handler runs. */
typedef struct weir_request weir_request;
/** What is behind a filter: the next one, or the handler. */
typedef struct weir_next weir_next;
/** The routes of a service, compiled. */
typedef struct weir_router weir_router;
/** Serves connections on one loop. */
typedef struct weir_http_server weir_http_server;
/** Accepts connections. */
typedef struct weir_listener weir_listener;

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

/* --- limits ---------------------------------------------------------------------------------- */

/** What may be hit; each is counted in weir_http_server_stats. */
typedef enum weir_http_limit {
    WEIR_HTTP_LIMIT_CONNECTIONS,         /* accepting paused, idle connections were closed */
    WEIR_HTTP_LIMIT_IN_FLIGHT,           /* 503 */
    WEIR_HTTP_LIMIT_FIRST_BYTE,          /* closed */
    WEIR_HTTP_LIMIT_HEAD_TIME,           /* 408 */
    WEIR_HTTP_LIMIT_LINE_BYTES,          /* 414 */
    WEIR_HTTP_LIMIT_HEAD_BYTES,          /* 431 */
    WEIR_HTTP_LIMIT_QUERY_COUNT,         /* 400 */
    WEIR_HTTP_LIMIT_BODY_BYTES,          /* 413 */
    WEIR_HTTP_LIMIT_BODY_IDLE,           /* 408 */
    WEIR_HTTP_LIMIT_BODY_RATE,           /* 408 */
    WEIR_HTTP_LIMIT_HANDLER_TIME,        /* 503 */
    WEIR_HTTP_LIMIT_WRITE_STALL,         /* reset */
    WEIR_HTTP_LIMIT_IDLE,                /* closed */
    WEIR_HTTP_LIMIT_CONN_REQUESTS,       /* Connection: close */
    WEIR_HTTP_LIMIT_CONN_AGE,            /* Connection: close */
    WEIR_HTTP_LIMIT_PIPELINE,            /* reading paused */
    WEIR_HTTP_LIMIT_ARENA_BYTES,         /* 500 */
    WEIR_HTTP_LIMIT_ADDRESS_CONNECTIONS, /* closed */
    WEIR_HTTP_LIMIT_QUEUE_DELAY,         /* 503 */
    WEIR_HTTP_LIMIT_COUNT
} weir_http_limit;

/**
 * Limits of a server. A zero field is the default behind it; none is WEIR_UNLIMITED or
 * WEIR_FOREVER.
 */
typedef struct weir_http_limits {
    size_t connections_max;         /* 10,000; at most 80 % of the descriptors, and all but 32 */
    size_t address_connections_max; /* none, with `edge` 256: of one client's address (IPv6: of one
                                       /64); more are closed as they come */
    size_t in_flight_max;           /* 2,048 requests being handled */
    size_t line_bytes_max;          /* 8 KiB: method, target and version */
    size_t head_bytes_max;          /* 32 KiB: all fields */
    size_t head_fields_max;         /* 100; at most 100 */
    size_t query_params_max;        /* 1,000 */
    size_t body_bytes_max;          /* 1 MiB, unless the route says otherwise */
    size_t body_discard_max;        /* 256 KiB of unread body are skipped; with more the connection
                                    closes */
    size_t body_rate_min;           /* 240 bytes a second, after body_rate_grace_ns */
    size_t arena_bytes_max;         /* 4 MiB, beside the body */
    size_t conn_requests_max;       /* 10,000 */
    size_t pipeline_bytes_max;      /* 16 KiB received behind a request in flight; then reading
                                    pauses */
    int64_t first_byte_timeout_ns;  /* 10 s on a new connection */
    int64_t head_timeout_ns;        /* 10 s from its first byte */
    int64_t body_idle_timeout_ns;   /* 15 s */
    int64_t body_rate_grace_ns;     /* 10 s */
    int64_t handler_timeout_ns;     /* 30 s */
    int64_t write_timeout_ns;       /* 30 s without progress */
    int64_t idle_timeout_ns;        /* 75 s between requests; 5 s above 80 % of connections_max */
    int64_t conn_age_max_ns;        /* 1 h, give or take 10 % */
    int64_t linger_timeout_ns;      /* 2 s: reading on after a refusal, so that the client can see
                                    it */
    int64_t heartbeat_ns;       /* 15 s: silence after which a stream of events gets a comment */
    int64_t queue_delay_max_ns; /* 500 ms between bytes that could be read and their handler: above
                                   that for queue_delay_sustain_ns, requests are answered 503 until
                                   it is halved; routes of low priority first, probes never */
    int64_t queue_delay_sustain_ns; /* 1 s */
    int64_t drain_grace_ns; /* 200 ms: how long a drain waits for a request that may be under way on
                                    a connection that was used within the last second */
} weir_http_limits;

/* --- the server ------------------------------------------------------------------------------ */

/** What is known about a request that has ended; for access logs and metrics. */
typedef struct weir_http_access {
    weir_request *request;   /* accessors may be called; NULL when there was no head to read */
    const char *method;      /* as it came; "" when there was no head */
    const char *path;        /* raw, as it came */
    const weir_route *route; /* NULL: none matched */
    int status;              /* sent; 0: the connection ended before an answer was begun */
    int rc;                  /* what the handler returned */
    uint64_t bytes_in;       /* of the body */
    uint64_t bytes_out;      /* of the answer, with its head */
    int64_t begun_at_ns;     /* on the clock of weir_now(), when the head was complete */
    int64_t duration_ns;     /* until the answer was whole; it may still be on its way */
    bool cut;                /* the answer or the body was cut short: the client saw no proper
                                end */
} weir_http_access;

/** Calls out of a server, on its loop's thread. They must not park. Each may be NULL. */
typedef struct weir_http_hooks {
    void *arg; /* passed to each; weir_request_hooks_arg() */
    /* Called for every request, also refused ones; not for those of probe routes. */
    void (*request_ended)(void *arg, const weir_http_access *access);
    /* A handler returned a negative code without a problem; `message` is what weir_fail() said. */
    void (*handler_failed)(void *arg, weir_request *request, int rc, const char *message);
    /* A limit was hit; peer is the client's address or "". */
    void (*limit_hit)(void *arg, weir_http_limit limit, const char *peer);
} weir_http_hooks;

/** How a server behaves. Zero is the default of each field. */
typedef struct weir_http_server_options {
    const char *name;               /* kept, for reports; NULL: "http" */
    const char *server_header;      /* kept: value of the Server field; NULL: none */
    const char *problem_base;       /* kept: prefix of the types of problems; NULL:
                                         "/problems/" */
    void *context;                  /* kept: weir_request_context() */
    weir_filter_fn *const *filters; /* kept; around every handler; ends with NULL */
    weir_http_limits limits;
    weir_http_hooks hooks;
    bool edge; /* clients come from anywhere, and not through a proxy of ours: sets the limit of
                  connections of one address */
} weir_http_server_options;

/** A snapshot of a server. */
typedef struct weir_http_server_stats {
    uint64_t accepted_count;                     /* connections, ever */
    uint64_t request_count;                      /* heads that were read, ever */
    uint64_t bytes_in;                           /* received */
    uint64_t bytes_out;                          /* sent */
    uint64_t status_count[6];                    /* answers by class: [2] is 2xx */
    uint64_t limit_count[WEIR_HTTP_LIMIT_COUNT]; /* times each limit was hit */
    size_t conn_count;                           /* open now */
    size_t idle_count;      /* of these, between two requests or before the first */
    size_t in_flight_count; /* requests now */
    size_t stream_count;    /* of these, streams of events */
    int64_t queue_delay_ns; /* how long the request that began last had waited for its turn */
    bool shedding;          /* overloaded: requests are refused by their priority */
    bool draining;
} weir_http_server_stats;

WEIR_BEGIN_DECLS

/** The model of weir_none: without fields; told apart by its address. */
WEIR_API extern const weir_model weir_none_weir_model;

/* --- the request ------------------------------------------------------------------------------ */

/**
 * Method of the request, as it came.
 *
 * @param request  the handler's
 *
 * Returns     such as "GET"
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_method(weir_request *request);

/**
 * Path of the request, raw: percent-encoding as it came, without the query.
 *
 * @param request  the handler's
 *
 * Returns     such as "/checks/17"
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_path(weir_request *request);

/**
 * Target of the request as it came: path and query, or an absolute URL.
 *
 * @param request  the handler's
 *
 * Returns     such as "/checks?limit=10"; "" when memory or the arena's limit is used up
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_target(weir_request *request);

/**
 * Host the request was sent to, with its port when one was given.
 *
 * @param request  the handler's
 *
 * Returns     such as "example.com:8080"; "" when an HTTP/1.0 client gave none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_host(weir_request *request);

/**
 * What stands in the path for a name of the route, percent-decoded.
 *
 * @param request  the handler's
 * @param name     as in the route, without braces
 *
 * Returns     the text, or NULL when the route has no such name
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_param(weir_request *request, const char *name);

/**
 * First value of a name in the query, decoded (`+` is a blank).
 *
 * @param request  the handler's
 * @param name     decoded, as people write it
 *
 * Returns     the text ("" when the name stands there without a value), or NULL: not there
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_query(weir_request *request, const char *name);

/**
 * Every name and value of the query, decoded, in their order.
 *
 * @param request    the handler's
 * @param out_pairs  valid as long as the request
 * @param out_count  how many
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API void weir_request_query_pairs(weir_request *request, const weir_model_pair **out_pairs,
                                       size_t *out_count);

/**
 * The query as a struct: what WEIR_QUERY() calls.
 *
 * @param request  the handler's
 * @param model    the one that the route gives as `.query`
 *
 * Returns     the struct; NULL when the route has another model or none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const void *weir_request_query_model(weir_request *request, const weir_model *model);

/**
 * The names in the path as a struct: what WEIR_PARAMS() calls.
 *
 * @param request  the handler's
 * @param model    the one that the route gives as `.params`
 *
 * Returns     the struct; NULL when the route has another model or none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const void *weir_request_params_model(weir_request *request, const weir_model *model);

/**
 * First value of a header field.
 *
 * @param request  the handler's
 * @param name     in any case of letters
 *
 * Returns     the value without blanks around it, or NULL: not there
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_header(weir_request *request, const char *name);

/**
 * One header field after another, in the order they came.
 *
 * @param request    the handler's
 * @param index      from zero
 * @param out_name   as it came
 * @param out_value  without blanks around it
 *
 * Returns     true, or false when there is none at that index
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API bool weir_request_header_at(weir_request *request, size_t index, const char **out_name,
                                     const char **out_value);

/**
 * The body of a route that does not stream it: all of it, before the handler began.
 *
 * @param request  the handler's
 *
 * Returns     the bytes, valid as long as the request; empty when there is none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API weir_str weir_request_body(weir_request *request);

/**
 * Bytes of the body as they come. A body that is cut short is an error, never a shorter body; once
 * it has failed it goes on failing, and a handler that returns the code leaves the answer to the
 * server (400, 408 or 413).
 *
 * @param request  the handler's; on a route with `.stream_body`, or for a body that is there
 *                 already
 * @param buffer   filled from its start
 * @param size     of buffer; more than 0
 *
 * Returns     how many bytes, at least one; 0 at the end of the body; or a negative errno
 * Errors      -ECONNRESET  the client is gone, or ended in the middle of the body
 *             -EBADMSG     the coding of the body is broken
 *             -EMSGSIZE    more than the limit of the route
 *             -ETIMEDOUT   nothing came for 15 s, or too little
 *             -ECANCELED   the handler's scope is cancelled
 * Checkpoint  yes
 * Thread      the request's task
 * Source      RFC 9112 section 8
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_body_read(weir_request *request, void *buffer,
                                                                size_t size);

/**
 * Address of the client.
 *
 * @param request  the handler's
 *
 * Returns     such as "192.0.2.7:51234" or "[2001:db8::7]:51234"; "unix" for a local socket
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_peer(weir_request *request);

/**
 * Identity of the request, in problems and logs: 26 letters and digits that sort by time.
 *
 * @param request  the handler's
 *
 * Returns     the text; made when it is first asked for
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_id(weir_request *request);

/**
 * Whether the client has finished sending, or is gone. It may still read: only a reset, and a route
 * with `eof_cancels`, ends the handler for it. For work that is of no use to somebody who has left.
 *
 * @param request  the handler's
 *
 * Returns     true once it has
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API bool weir_request_client_finished(const weir_request *request);

/**
 * Memory that lives until the answer is gone.
 *
 * @param request  the handler's
 *
 * Returns     the arena
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API weir_arena *weir_request_arena(weir_request *request);

/**
 * The route that was taken.
 *
 * @param request  the handler's
 *
 * Returns     the route; NULL when none matched
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const weir_route *weir_request_route(const weir_request *request);

/**
 * What the server was opened with as `.context`: the service's own state.
 *
 * @param request  the handler's
 *
 * Returns     the pointer
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API void *weir_request_context(const weir_request *request);

/**
 * What the server was opened with as `.hooks.arg`: the frame around the service.
 *
 * @param request  the handler's
 *
 * Returns     the pointer
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API void *weir_request_hooks_arg(const weir_request *request);

/**
 * Whether the server takes nothing new: a good moment for a long answer to end.
 *
 * @param request  the handler's
 *
 * Returns     true once it drains
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API bool weir_request_draining(const weir_request *request);

/**
 * Go on with what is behind a filter.
 *
 * @param request  the filter's
 * @param next     the filter's; used once
 *
 * Returns     what the handler (or a filter in between) returned; a problem it answered with counts
 *             as a negative code
 * Errors      the handler's own
 *             -EALREADY  called twice
 * Checkpoint  when the handler is
 * Thread      the request's task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_next_run(weir_request *request, weir_next *next);

/* --- the answer ------------------------------------------------------------------------------- */

/**
 * Add a field to the head of the answer. Before the answer is given.
 *
 * Content-Length, Transfer-Encoding, Connection, Date, Content-Type and Trailer are the server's.
 *
 * @param request  the handler's
 * @param name     copied
 * @param value    copied
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL    not a name, or CR, LF, NUL or another control in the value: refused, so
 *             that
 *                        nobody can write a second answer into it; or a field of the server's
 *             -EALREADY  the head is composed
 *             -ENOMEM    memory or the arena's limit is used up
 * Checkpoint  no
 * Thread      the request's loop
 * Source      RFC 9112 section 11.1
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_header(weir_request *request, const char *name,
                                                 const char *value);

/**
 * Choose the status that a typed answer, or a handler that says nothing more, is sent with.
 *
 * @param request  the handler's
 * @param status   200 to 599
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL    impossible status
 *             -EALREADY  the head is composed
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_status(weir_request *request, int status);

/**
 * Answer without a body.
 *
 * @param request  the handler's
 * @param status   200 to 599
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_empty(weir_request *request, int status);

/**
 * Answer with a text: text/plain; charset=utf-8.
 *
 * @param request  the handler's
 * @param status   200 to 599
 * @param text     copied
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_text(weir_request *request, int status, const char *text);

/**
 * Answer with a page: text/html; charset=utf-8.
 *
 * @param request  the handler's
 * @param status   200 to 599
 * @param html     copied; nothing in it is escaped
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_html(weir_request *request, int status, const char *html);

/**
 * Answer with a struct as JSON.
 *
 * @param request  the handler's
 * @param status   200 to 599
 * @param model    of the type of `value`: WEIR_MODEL_OF(type)
 * @param value    written at once
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes(); -EINVAL also for a value that
 *             JSON
 *                                          cannot say
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_json(weir_request *request, int status,
                                               const weir_model *model, const void *value);

/**
 * Answer with bytes.
 *
 * @param request       the handler's
 * @param status        200 to 599
 * @param content_type  copied; NULL: none is said
 * @param data          copied
 * @param size          of data
 *
 * Returns     0: it is sent when the handler has returned 0; or a negative errno
 * Errors      -EINVAL    impossible status, a body with 204 or 304, or a content type that is no
 *             field
 *                        value
 *             -EALREADY  answered before
 *             -ENOMEM    no memory
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_bytes(weir_request *request, int status,
                                                const char *content_type, const void *data,
                                                size_t size);

/**
 * The same for bytes that stay where they are until the request has ended: constants, files that
 * are mapped, the request's arena. Nothing is copied when there is much.
 *
 * @param request       the handler's
 * @param status        200 to 599
 * @param content_type  copied; NULL: none is said
 * @param data          kept until the request has ended
 * @param size          of data
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_kept(weir_request *request, int status,
                                               const char *content_type, const void *data,
                                               size_t size);

/**
 * Answer with a problem (RFC 9457): `return weir_http_problem(request, 404, "no check %s", id);`
 *
 * It replaces an answer given before that has not begun to be sent. Fields added before are kept,
 * but for those that tell of the answer's content (Cache-Control, ETag, Location, Content-Encoding,
 * …).
 *
 * @param request  the handler's
 * @param status   400 to 599
 * @param format   one sentence for the client, as printf; NULL: none
 *
 * Returns     a negative errno that stands for the status, whatever else went wrong: the request
 *             has failed, and is answered
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_http_problem(weir_request *request, int status,
                                               const char *format, ...) WEIR_PRINTF(3, 4);

/**
 * The same with a list of what is wrong with the request, such as a handler's own checks found.
 *
 * @param request  the handler's
 * @param status   400 to 599; 422 is usual
 * @param errors   written at once
 * @param format   one sentence for the client, as printf; NULL: none
 *
 * Returns     a negative errno that stands for the status
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_http_problem_errors(weir_request *request, int status,
                                                      const weir_model_errors *errors,
                                                      const char *format, ...) WEIR_PRINTF(4, 5);

/* --- answers that are sent piece by piece ----------------------------------------------------- */

/**
 * Begin an answer whose length is not known (chunked; for HTTP/1.0 it ends with the connection).
 * The handler's time limit ends here, unless the route sets one.
 *
 * @param request       the handler's
 * @param status        200 to 599, not 204 or 304
 * @param content_type  copied; NULL: none is said
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 *             -EPIPE                       the client is gone
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_begin(weir_request *request, int status,
                                               const char *content_type);

/**
 * The same for an answer of a known length: a handler that writes less is cut, so that the client
 * sees that something is missing.
 *
 * @param request       the handler's
 * @param status        200 to 599, not 204 or 304
 * @param content_type  copied; NULL: none is said
 * @param size          of all that will be written
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_begin()
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_begin_sized(weir_request *request, int status,
                                                     const char *content_type, uint64_t size);

/**
 * Write a piece. Small pieces are collected for at most a millisecond; a client that does not read
 * is waited for, so memory stays bounded.
 *
 * @param request  the handler's
 * @param data     sent or copied when this returns
 * @param size     of data; 0 does nothing
 *
 * Returns     0 or a negative errno
 * Errors      -EPIPE      the client is gone
 *             -ETIMEDOUT  it did not read for 30 s
 *             -EMSGSIZE   more than weir_stream_begin_sized() announced
 *             -EINVAL     no stream has begun
 *             -ECANCELED  the handler's scope is cancelled
 * Checkpoint  yes
 * Thread      the request's task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_stream_write(weir_request *request,
                                                               const void *data, size_t size);

/**
 * Send at once what was written so far, instead of within a millisecond.
 *
 * @param request  the handler's
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_write()
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_flush(weir_request *request);

/**
 * End the answer before the handler returns. A handler that returns 0 need not call it; one that
 * returns a failure without it cuts the connection, so that the client sees it.
 *
 * @param request  the handler's
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_write(), and
 *             -ENODATA  less was written than announced: the connection will be cut
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_end(weir_request *request);

/**
 * Begin a stream of events (server-sent events). It has no time limit unless the route sets one;
 * the handler's scope is cancelled when the client is gone and when the server drains.
 *
 * @param request  the handler's
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_begin()
 * Checkpoint  no
 * Thread      the request's task
 * Source      HTML standard, section "Server-sent events"
 */
WEIR_API WEIR_MUST_CHECK int weir_sse_begin(weir_request *request);

/**
 * Send one event. After 15 s of silence the server sends a comment by itself.
 *
 * @param request  the handler's
 * @param event    its name; NULL: "message" is understood
 * @param id       where a client that reconnects goes on (it comes as the field Last-Event-ID);
 *                 NULL
 * @param data     text of any number of lines
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_write(); -EINVAL also for a line break in event or id
 * Checkpoint  yes
 * Thread      the request's task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sse_send(weir_request *request, const char *event,
                                                           const char *id, const char *data);

/* --- routes ----------------------------------------------------------------------------------- */

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

/* --- the server's life ------------------------------------------------------------------------ */

/**
 * Open a server. Its requests are tasks of a group that the caller owns until the close: scopes and
 * groups that the caller opens afterwards end before it.
 *
 * @param router      kept until the close
 * @param options     copied, with what its fields keep; NULL for the defaults
 * @param out_server  closed with weir_http_server_close() by the calling task
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  a limit that is impossible
 *             -ENOMEM  no memory
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_http_server_open(const weir_router *router,
                                                   const weir_http_server_options *options,
                                                   weir_http_server **out_server);

/**
 * Serve the connections of a listener. May be called for several.
 *
 * @param server    open
 * @param listener  kept until the server drains or is closed; still the caller's to close
 *
 * Returns     0 or a negative errno
 * Errors      -ESHUTDOWN  the server drains
 *             -ENOMEM     no memory
 * Checkpoint  no
 * Thread      the server's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_http_server_listen(weir_http_server *server,
                                                     weir_listener *listener);

/**
 * Serve one connection that is there already.
 *
 * @param server  open
 * @param fd      taken, also on failure; a connected stream socket, non-blocking
 *
 * Returns     0 or a negative errno
 * Errors      -ESHUTDOWN  the server drains
 *             -EBUSY      the limit of connections is reached
 *             -ENOMEM     no memory
 * Checkpoint  no
 * Thread      the server's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_http_server_adopt(weir_http_server *server, int fd);

/**
 * Ask clients to leave: every answer carries `Connection: close`, streams of events end with a hint
 * to come back. New connections are still accepted, for those who have not heard yet.
 *
 * @param server  open
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the server's loop
 */
WEIR_API void weir_http_server_retire(weir_http_server *server);

/**
 * Take nothing new: retire, stop accepting, close connections that are between requests or never
 * sent one. Requests in flight go on.
 *
 * @param server  open
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the server's loop
 */
WEIR_API void weir_http_server_drain(weir_http_server *server);

/**
 * Wait until no request is in flight and every answer is sent. Put a timeout around it. Another
 * task may close the server meanwhile: then there is nothing left to wait for.
 *
 * @param server  open; usually draining
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 * Checkpoint  yes
 * Thread      the server's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_http_server_wait_idle(weir_http_server *server);

/**
 * Drain, cancel what is left, wait for its end, and release the server.
 *
 * @param server  taken; NULL does nothing
 *
 * Returns     0, or a negative errno
 * Errors      -EPERM, -EDEADLK  not the task that opened it: nothing was done
 * Checkpoint  when a connection is open; it cannot be left early
 * Thread      the task that opened it
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_http_server_close(weir_http_server *server);

/**
 * Look at a server.
 *
 * @param server     open
 * @param out_stats  filled
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the server's loop
 */
WEIR_API void weir_http_server_stats_get(const weir_http_server *server,
                                         weir_http_server_stats *out_stats);

/**
 * Name of a limit, as in logs and metrics.
 *
 * @param limit  any
 *
 * Returns     such as "head_time"; "" for none
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const char *weir_http_limit_name(weir_http_limit limit);

WEIR_END_DECLS

/** The query of a route with `.query = WEIR_MODEL_OF(type)`: a `const type *`, checked. */
#define WEIR_QUERY(request, type)                                                                  \
    ((const type *)weir_request_query_model((request), WEIR_MODEL_OF(type)))

/** The path of a route with `.params = WEIR_MODEL_OF(type)`: a `const type *`, checked. */
#define WEIR_PARAMS(request, type)                                                                 \
    ((const type *)weir_request_params_model((request), WEIR_MODEL_OF(type)))

#endif
