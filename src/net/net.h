/*
 * net.h - the network room: addresses, names, listeners, connections
 *
 * Built on core/io.h (operations and streams) and on exec (the resolver's threads). What lies below
 * is for the rooms above that speak a protocol: a listener that hands out bare descriptors, and a
 * connection whose received bytes can be looked at where they lie.
 *
 * Holds  1. No wait is endless unless somebody wrote WEIR_FOREVER; accepting excepted.
 *        2. A limit of a connection that is hit is -ETIMEDOUT; -ECANCELED is the caller's scope.
 *        3. A close never waits, and ends the waits of other tasks on the same thing with -EBADF.
 */
#ifndef WEIR__NET_H
#define WEIR__NET_H

#include <weir/net.h>

#include "core/io.h"
#include "core/ledger.h"
#include "net/conn.h"

/* --- limits ----------------------------------------------------------------------------------- */

enum weir__net_default {
    WEIR__NET_BACKLOG = 4096,
    WEIR__NET_PAUSE_MS = 50,        /* after a shortage in accept */
    WEIR__NET_GIVEN_MS = 1,         /* the same when somebody gave way: a close takes a turn */
    WEIR__NET_NAMES_MAX = 256,      /* kept in the cache */
    WEIR__NET_RESOLVE_THREADS = 32, /* a name that nobody answers for holds one for 10 s or more */
};
#define WEIR__NET_CONNECT_NS (5 * WEIR_SEC)
#define WEIR__NET_CLIENT_READ_NS (10 * WEIR_SEC)
#define WEIR__NET_CLIENT_WRITE_NS (10 * WEIR_SEC)
#define WEIR__NET_SERVER_READ_NS (60 * WEIR_SEC)
#define WEIR__NET_SERVER_WRITE_NS (30 * WEIR_SEC)
#define WEIR__NET_LINGER_NS (2 * WEIR_SEC)
#define WEIR__NET_LANE_CLOSE_NS (1 * WEIR_SEC)
#define WEIR__NET_KEPT_NS (30 * WEIR_SEC)
#define WEIR__NET_FAILURE_KEPT_NS (5 * WEIR_SEC)

/* `given`, or `otherwise` when it is 0; -EINVAL when it is negative. */
int weir__net_limit(int64_t given, int64_t otherwise, int64_t *out_limit) WEIR_MUST_CHECK;
/* `10 s`, `250 ms` */
enum { WEIR__NET_DURATION_BYTES = 32 };
const char *weir__net_duration(int64_t duration_ns, char out_text[WEIR__NET_DURATION_BYTES]);

/* --- calls ------------------------------------------------------------------------------------ */

/* Checkpoint: an operation; -ETIME when nothing came of it within the limit. */
ssize_t weir__net_run(struct weir__op *op, int64_t limit_ns) WEIR_MUST_CHECK;
/* On the stack of a task that waits, and in a list of what it waits for. */
struct weir__net_call {
    struct weir__op op;
    struct weir__list link;
};
void weir__net_calls_cancel(struct weir__list *calls); /* their handle is being closed */

/* --- addresses -------------------------------------------------------------------------------- */

/* An IPv4 or IPv6 literal without port or brackets. -EINVAL: no such literal. */
int weir__net_address_literal(weir_str host, uint16_t port, weir_address *out_address)
    WEIR_MUST_CHECK;

static inline int weir__net_family(const weir_address *address)
{
    return address->storage.ss_family;
}
static inline const struct sockaddr *weir__net_sockaddr(const weir_address *address)
{
    return (const struct sockaddr *)(const void *)&address->storage;
}

int weir__net_local_address(int fd, weir_address *out_address) WEIR_MUST_CHECK;
/* `type` is the socket's; the file of a Unix one gets `unix_mode`, 0: what umask leaves. A file
 * that nobody has open any more is removed before. */
int weir__net_bind(int fd, int type, const weir_address *address, unsigned unix_mode)
    WEIR_MUST_CHECK;

/* TCP_NODELAY, keepalive and TCP_USER_TIMEOUT; sockets accepted from a listener inherit them. */
void weir__net_tune(int fd, int family, int64_t write_stall_ns);

/* --- connections ------------------------------------------------------------------------------ */

/* What the options of a connection come to: the limits are set, not 0. */
struct weir__net_how {
    int64_t read_idle_ns;
    int64_t write_stall_ns;
    bool takes_fds;
};
int weir__net_read_how(const weir_connect_options *options, struct weir__net_how *out_how)
    WEIR_MUST_CHECK;
/* Takes fd, also on failure. `peer` may be NULL. */
int weir__net_conn_open(int fd, const weir_address *peer, const struct weir__net_how *how,
                        weir_conn **out_conn) WEIR_MUST_CHECK;
/* Makes a bare connection of one that is being opened: it takes descriptors. */
int weir__net_conn_bare(weir_conn *conn) WEIR_MUST_CHECK;
/* A socket from elsewhere: a stream that listens or does not; made non-blocking, close-on-exec. */
int weir__net_check_socket(int fd, bool listening) WEIR_MUST_CHECK;
/* The code at `address` holds it from here on: told at the end of the run if it is never closed. */
void weir__net_conn_register(weir_conn *conn, const void *address);
/* Checkpoint: more than `known_bytes` unread (1), the peer has finished (0), or a read's error. */
int weir__net_conn_wait_more(weir_conn *conn, size_t known_bytes) WEIR_MUST_CHECK;

/*
 * Checkpoint: one send; at least one byte, or an error. -ETIME: the peer has acknowledged nothing
 * for `stall_ns`. What it acknowledges of earlier bytes counts as progress. `op` may be NULL; *op
 * is set exactly while the send is with the backend.
 */
ssize_t weir__net_send_some(int fd, struct msghdr *message, int64_t stall_ns, struct weir__op **op)
    WEIR_MUST_CHECK;
/* Checkpoint: the same wait without a send: until the socket takes bytes. */
int weir__net_wait_writable(int fd, int64_t stall_ns, struct weir__op **op) WEIR_MUST_CHECK;
/* How often a send that waits is looked at, so that a stall is seen soon after its limit. */
static inline int64_t weir__net_look_ns(int64_t stall_ns)
{
    return stall_ns == WEIR_FOREVER ? WEIR_FOREVER : stall_ns / 4 + 1;
}

static inline const char *weir__net_conn_peek(weir_conn *conn, size_t *out_size)
{
    if (weir__net_conn_layered(conn))
        return conn->layer->peek(conn, out_size);
    return weir__stream_peek(&conn->stream, out_size);
}
static inline void weir__net_conn_consume(weir_conn *conn, size_t size)
{
    if (weir__net_conn_layered(conn))
        conn->layer->consume(conn, size);
    else
        weir__stream_consume(&conn->stream, size);
}
/* Nothing came, and the peer has not gone as far as we know: fit to be used again. */
static inline bool weir__net_conn_at_rest(weir_conn *conn)
{
    const struct weir__rx *rx = &conn->stream.rx;
    if (conn->closed || conn->users != 0 || rx->eof || rx->error != 0)
        return false;
    return weir__net_conn_layered(conn) ? conn->layer->at_rest(conn) : rx->unread_bytes == 0;
}

/* --- listeners -------------------------------------------------------------------------------- */

/* As weir_listener_open() with inherited_fd; 0 is a descriptor like others here. */
int weir__net_listener_adopt(int fd, const weir_listener_options *options, const void *opener,
                             weir_listener **out_listener) WEIR_MUST_CHECK;
/* Checkpoint: a connected descriptor of the caller's; errors as weir_listener_accept(). */
int weir__net_accept_fd(weir_listener *listener, weir_address *out_peer) WEIR_MUST_CHECK;
/* Checkpoint: the caller had no memory for what it accepted; counts it, and pauses. */
int weir__net_accept_pause(weir_listener *listener) WEIR_MUST_CHECK;
/* For a task that will accept: the memory stays until it is released, also when the listener is
 * closed before that task's first step. */
void weir__net_listener_hold(weir_listener *listener);
void weir__net_listener_release(weir_listener *listener);

/* Who holds descriptors that it can do without; asked when accept finds none free. */
struct weir__net_spare {
    struct weir__list link;
    bool (*give_way)(struct weir__net_spare *spare); /* closes one; false: it has none to spare */
};
/* On this loop; until it is removed. */
void weir__net_spare_add(struct weir__net_spare *spare);
void weir__net_spare_remove(struct weir__net_spare *spare);

extern int64_t weir__net_stagger_ns; /* between attempts to connect; set by tests */

#endif
