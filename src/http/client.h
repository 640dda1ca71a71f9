/*
 * client.h - the inside of the HTTP client: pool, exchange, answers
 */
#ifndef WEIR__HTTP_CLIENT_H
#define WEIR__HTTP_CLIENT_H

#include <weir/http_client.h>

#include "base/buffer.h"
#include "core/core.h"
#include "core/ledger.h"
#include "http/parse/chunked.h"
#include "http/parse/head.h"
#include "http/parse/url.h"
#include "net/net.h"

/* One connection of the pool. While idle it is in client->idle, the most recently used first. */
struct weir__client_conn {
    struct weir__list link;
    weir_conn *conn;
    struct weir__origin *origin;
    int64_t kept_until_ns;
    bool used_before; /* it has carried an answer: it may have died since */
};

/* Where a call goes. */
struct weir__client_target {
    const char *host;
    uint16_t port;
    bool https;
};

/* A target that is being talked to. */
struct weir__origin {
    struct weir__list link;
    size_t places_taken; /* connections in use and idle, and those being made */
    size_t askers;       /* tasks that want a place, also those that have just been woken */
    uint16_t port;
    bool https;
    char host[]; /* NUL at the end */
};

struct weir_http_client {
    struct weir__ledger_entry entry;
    weir_loop *loop;
    weir_http_client_options limits; /* defaults filled in */
    struct weir__net_secure *secure; /* limits.tls, held; NULL: no https */
    struct weir__list origins;
    struct weir__list idle;
    struct weir__list waiters; /* struct place_waiter, first come first served */
    size_t places_taken;
    struct weir__alarm sweep;
    struct weir__net_spare spare; /* idle connections give way to new ones of a listener */
    weir_http_client_stats stats;
};

/* --- pool, client_pool.c ---------------------------------------------------------------------- */

/* A checkpoint. A connection to the origin, idle or new; its place is taken. Errors of
 * weir_connect(), and -EBUSY when no place came free in time. `fresh`: do not use an idle one. */
int weir__client_acquire(weir_http_client *client, const struct weir__client_target *target,
                         bool fresh, struct weir__client_conn **out_conn) WEIR_MUST_CHECK;
/* Not a checkpoint. `reusable`: keep it for the next call. */
void weir__client_release(weir_http_client *client, struct weir__client_conn *conn, bool reusable);
void weir__client_pool_open(weir_http_client *client);
void weir__client_pool_close(weir_http_client *client);

/* --- exchange --------------------------------------------------------------------------------- */

enum { WEIR__CLIENT_FIELDS_MAX = 100 };

struct weir_http_exchange {
    weir_http_client *client;
    struct weir__client_conn *conn; /* NULL once released */
    int64_t deadline_ns;            /* of the whole call */
    int64_t total_timeout_ns;
    char *url; /* for messages */
    struct weir__buffer head_bytes;
    struct weir__http_response_head head;
    struct weir__http_field fields[WEIR__CLIENT_FIELDS_MAX];
    struct weir__http_asked asked;
    struct weir__http_chunked chunked;
    uint64_t left;     /* of a body with a length */
    uint64_t received; /* of the body */
    bool body_done;
    bool idempotent;
};

#endif
