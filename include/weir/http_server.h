/*
 * weir/http_server.h - the HTTP/1.1 server: its limits, its hooks, its life
 */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include <weir/route.h>

/** Serves connections on one loop. */
typedef struct weir_http_server weir_http_server;
/** Accepts connections; weir/listener.h. */
typedef struct weir_listener weir_listener;

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

#endif
