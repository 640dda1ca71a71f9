/*
 * weir/http_client.h - asking other servers: HTTP/1.1 with a pool of connections, and limits
 *
 *     weir_http_client *client;
 *     int rc = weir_http_client_open(NULL, &client);
 *     ...
 *     weir_http_response *response;
 *     rc = weir_http_get(client, "http://example.com/", &response);
 *     if (rc < 0)
 *         return rc;                  // weir_failure_message(rc) says what happened, and where
 *     weir_str body = weir_http_response_body(response);
 *     printf("%d, %zu bytes\n", weir_http_response_status(response), body.size);
 *     weir_http_response_free(response);
 *
 * Every wait has a limit: connecting (5 s), a silent peer (10 s), the whole call (30 s), a place in
 * the pool (5 s). Within a WEIR_TIMEOUT() the nearer time counts, and then the scope says -ETIME; a
 * limit of the client itself is -ETIMEDOUT. An answer of any status is a success: -EIO and its kind
 * mean that no whole answer came.
 *
 * https:// needs a configuration of weir/tls.h, see weir_http_client_options.tls. Redirects are not
 * followed.
 */
#ifndef WEIR_HTTP_CLIENT_H
#define WEIR_HTTP_CLIENT_H

#include <weir/base.h>

struct weir_tls_config;

/** Connections to servers, kept for the next call. It belongs to the loop it was opened on. */
typedef struct weir_http_client weir_http_client;
/** A whole answer, in memory of its own. */
typedef struct weir_http_response weir_http_response;
/** A call whose answer is read piece by piece. */
typedef struct weir_http_exchange weir_http_exchange;

/**
 * Limits of a client. Zero is the default of each field; WEIR_FOREVER and WEIR_UNLIMITED take one
 * away.
 */
typedef struct weir_http_client_options {
    size_t conns_max;            /* open at once, all origins; 0: 100 */
    size_t conns_per_origin_max; /* to one host and port; 0: 32 */
    int64_t pool_wait_ns;        /* for a free place; 0: 5 s */
    int64_t connect_timeout_ns;  /* with looking the name up, and TLS; 0: 5 s */
    int64_t idle_timeout_ns;     /* no byte from or to the peer; 0: 10 s */
    int64_t total_timeout_ns;    /* of one call, its body included; 0: 30 s */
    int64_t kept_ns;             /* an idle connection is kept; 0: 50 s */
    size_t response_bytes_max;   /* of a body held in memory; 0: 16 MiB */
    const char *user_agent;      /* kept; NULL: "weir" */
    struct weir_tls_config
        *tls; /* for https, of role WEIR_TLS_CLIENT, with an alpn of "http/1.1" or
                                    none; held until the client is closed; NULL: https is refused */
} weir_http_client_options;

/** A header of a call: both borrowed. */
typedef struct weir_http_header {
    const char *name;
    const char *value;
} weir_http_header;

/** What to ask. Zero is the default of each field but url. */
typedef struct weir_http_call {
    const char *url;                 /* http://host[:port]/path?query, or https:// */
    const char *method;              /* NULL: GET, or POST when there is a body */
    const weir_http_header *headers; /* ends with a NULL name; NULL: none of your own */
    const void *body;
    size_t body_bytes;
    const char *content_type; /* of the body */
    int64_t total_timeout_ns; /* 0: the client's */
} weir_http_call;

/** What a client did so far. */
typedef struct weir_http_client_stats {
    size_t conns_in_use;
    size_t conns_idle;
    size_t waiting; /* calls that wait for a place */
    uint64_t calls;
    uint64_t connected; /* connections made */
    uint64_t reused;    /* calls that found one open */
    uint64_t retried;   /* sent again, since a kept connection turned out dead */
    uint64_t failed;
    uint64_t gave_way; /* idle connections closed, so that a listener of this loop could accept */
} weir_http_client_stats;

WEIR_BEGIN_DECLS

/**
 * Open a client: no connection is made yet.
 *
 * @param options     borrowed; NULL for the defaults
 * @param out_client  closed by the caller with weir_http_client_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a limit is negative
 *             -EPERM   no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 */
WEIR_API WEIR_MUST_CHECK int weir_http_client_open(const weir_http_client_options *options,
                                                   weir_http_client **out_client);

/**
 * Close a client and the connections it kept. Calls must have ended.
 *
 * @param client  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the client's loop
 */
WEIR_API void weir_http_client_close(weir_http_client *client);

/**
 * GET a URL and hold the answer in memory.
 *
 * @param client        open
 * @param url           as in weir_http_call
 * @param out_response  released by the caller with weir_http_response_free()
 *
 * Returns     0 when a whole answer came, whatever its status, or a negative errno
 * Errors      as weir_http_fetch()
 * Checkpoint  always
 * Thread      the client's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_http_get(weir_http_client *client,
                                                           const char *url,
                                                           weir_http_response **out_response);

/**
 * Make a call and hold the answer in memory.
 *
 * A GET, HEAD, PUT, DELETE or OPTIONS is sent once more when a kept connection turns out to be dead
 * before any byte of the answer came.
 *
 * @param client        open
 * @param call          borrowed
 * @param out_response  released by the caller with weir_http_response_free()
 *
 * Returns     0 when a whole answer came, whatever its status, or a negative errno
 * Errors      -EINVAL           the URL or a header is impossible
 *             -EPROTONOSUPPORT  https without a configuration for it, or nothing in common with it
 *             -EKEYREJECTED     https: the certificate is refused; the message says why
 *             -ETIMEDOUT        a limit of the client was hit; the message says which
 *             -EBADMSG          what came is no HTTP/1.1 answer
 *             -EPIPE            the peer closed before the answer was whole
 *             -EMSGSIZE         the body is larger than response_bytes_max
 *             -EBUSY            no place in the pool within pool_wait_ns
 *             -ENOMEM           no memory
 *             -ECANCELED        the caller's scope is cancelled
 *             others            as weir_connect(), weir_conn_read(), weir_conn_write_all(); for
 *                               https as weir_tls_client()
 * Checkpoint  always
 * Thread      the client's loop, in a task
 * Source      RFC 9110, RFC 9112
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_http_fetch(weir_http_client *client,
                                                             const weir_http_call *call,
                                                             weir_http_response **out_response);

/**
 * The status of an answer.
 *
 * @param response  an answer
 *
 * Returns     100 to 599
 * Checkpoint  no
 * Thread      the owner's
 */
WEIR_API int weir_http_response_status(const weir_http_response *response);

/**
 * The first header with a name.
 *
 * @param response  an answer
 * @param name      any case
 *
 * Returns     its value, valid as long as the answer; NULL when there is none
 * Checkpoint  no
 * Thread      the owner's
 */
WEIR_API const char *weir_http_response_header(const weir_http_response *response,
                                               const char *name);

/**
 * The body of an answer.
 *
 * @param response  an answer
 *
 * Returns     its bytes, valid as long as the answer; a NUL that is not counted follows them
 * Checkpoint  no
 * Thread      the owner's
 */
WEIR_API weir_str weir_http_response_body(const weir_http_response *response);

/**
 * Release an answer.
 *
 * @param response  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the owner's
 */
WEIR_API void weir_http_response_free(weir_http_response *response);

/**
 * Make a call and return when the head of the answer is there; its body is read piece by piece.
 *
 * @param client        open
 * @param call          borrowed for this call only
 * @param out_exchange  closed by the caller with weir_http_exchange_close()
 *
 * Returns     0 when the head of an answer came, or a negative errno
 * Errors      as weir_http_fetch(), but for -EMSGSIZE
 * Checkpoint  always
 * Thread      the client's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_http_begin(weir_http_client *client,
                                                             const weir_http_call *call,
                                                             weir_http_exchange **out_exchange);

/**
 * The status of an answer that is being read.
 *
 * @param exchange  begun
 *
 * Returns     100 to 599
 * Checkpoint  no
 * Thread      the client's loop
 */
WEIR_API int weir_http_exchange_status(const weir_http_exchange *exchange);

/**
 * The first header with a name, of an answer that is being read.
 *
 * @param exchange  begun
 * @param name      any case
 *
 * Returns     its value, valid as long as the exchange; NULL when there is none
 * Checkpoint  no
 * Thread      the client's loop
 */
WEIR_API const char *weir_http_exchange_header(const weir_http_exchange *exchange,
                                               const char *name);

/**
 * Read more of the body.
 *
 * @param exchange    begun
 * @param out_buffer  at least one byte of it is written when this returns more than 0
 * @param size        not 0
 *
 * Returns     how many bytes; 0 when the body is complete; or a negative errno
 * Errors      -EPIPE      the peer closed before the body was whole
 *             -EBADMSG    its coding is broken
 *             -ETIMEDOUT  a limit of the client was hit
 *             others      as weir_conn_read()
 * Checkpoint  when bytes have to be waited for
 * Thread      the client's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_http_read(weir_http_exchange *exchange,
                                                                void *out_buffer, size_t size);

/**
 * End an exchange. A connection whose answer was read to its end is kept for the next call; any
 * other is closed.
 *
 * @param exchange  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the client's loop
 */
WEIR_API void weir_http_exchange_close(weir_http_exchange *exchange);

/**
 * What the client did so far.
 *
 * @param client     open
 * @param out_stats  filled
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the client's loop
 */
WEIR_API void weir_http_client_stats_get(const weir_http_client *client,
                                         weir_http_client_stats *out_stats);

WEIR_END_DECLS

#endif
