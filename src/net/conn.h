/*
 * conn.h - the inside of a connection, and the layer that a room above may put over it
 *
 * A layer (TLS) turns what the kernel carries into what the caller reads and writes. It is a table
 * of functions and a record of its own: net knows nothing of what it does. Every public call of a
 * connection works on top of a layer as it does without one. A plain connection pays one test of a
 * pointer for each call.
 *
 * Runs on  the loop's own thread.
 * Holds    1. At most one task is in a read and one in a write, with a layer too.
 *          2. A layer is put on once, while no task reads or writes, and stays until the memory
 *             goes; its `free` is then the last that is heard of it.
 */
#ifndef WEIR__NET_CONN_H
#define WEIR__NET_CONN_H

#include <weir/conn.h>

#include "core/io.h"
#include "core/ledger.h"

/* Called inside the public calls of the same name: task, loop and use by two tasks are checked. */
struct weir__conn_layer {
    const char *name;
    /* Checkpoint: at least one byte, 0 at the end, or an error with its message. */
    ssize_t (*read)(weir_conn *conn, void *out_buffer, size_t size);
    /* Checkpoint: more than `known_bytes` can be looked at (1), the peer has finished (0), error.
     */
    int (*wait_more)(weir_conn *conn, size_t known_bytes);
    const char *(*peek)(weir_conn *conn, size_t *out_size); /* NULL: nothing is there */
    void (*consume)(weir_conn *conn, size_t size);
    /* Checkpoint when there is anything to write. *written is counted up as bytes are taken. */
    int (*write)(weir_conn *conn, const weir_str *parts, size_t count, size_t *written);
    int (*finish)(weir_conn *conn);   /* must not park */
    void (*closing)(weir_conn *conn); /* before the descriptor goes; must not park */
    void (*free)(weir_conn *conn);    /* on the loop, outside of tasks too */
    /* Nothing came that its reader has not seen; may look at what lies below. */
    bool (*at_rest)(weir_conn *conn);
};

struct weir_conn {
    struct weir__stream stream;
    const struct weir__conn_layer *layer; /* NULL: the bytes are those of the kernel */
    void *layer_state;
    struct weir__ledger_entry entry; /* who opened it, until it is closed */
    weir_address peer;
    int64_t read_idle_ns;
    int64_t write_stall_ns;
    struct weir__op *write_op; /* the send that is with the backend */
    struct weir__op *read_op;  /* a bare one's receive, likewise */
    unsigned users;            /* tasks inside a call */
    bool reading;
    bool writing;
    bool bare;     /* nothing is received but by its layer: see unix_fds.c */
    bool abrupt;   /* weir_conn_abort() was called: no layer says goodbye */
    bool closed;   /* weir_conn_close() was called */
    bool released; /* descriptor and stream are gone */
};

static inline bool weir__net_conn_layered(const weir_conn *conn)
{
    return __builtin_expect(conn->layer != NULL, 0);
}

/* --- below the layer: for the layer itself ---------------------------------------------------- */

/* Checkpoints, within the limits of the connection; errors with their message. */
int weir__net_raw_wait(weir_conn *conn) WEIR_MUST_CHECK; /* bytes (1), the end (0), an error */
/* One send: at least one byte. */
ssize_t weir__net_raw_send(weir_conn *conn, struct msghdr *message) WEIR_MUST_CHECK;
/* Not a checkpoint: what goes into the kernel at once; 0 when nothing does, or while a send is with
 * the backend. */
size_t weir__net_raw_send_now(weir_conn *conn, const void *data, size_t size);
int weir__net_raw_finish(weir_conn *conn) WEIR_MUST_CHECK;
/* `op` sends on without a task: until let_go() nobody else writes, and the memory stays. */
void weir__net_raw_hold(weir_conn *conn, struct weir__op *op);
void weir__net_raw_let_go(weir_conn *conn);

/* One side, for calls that are not in the table. `side`: conn->reading or conn->writing. */
int weir__net_conn_enter(weir_conn *conn, bool *side) WEIR_MUST_CHECK;
void weir__net_conn_leave(weir_conn *conn, bool *side);
/* What is plain in the way it writes. *written is counted up. */
int weir__net_raw_write(weir_conn *conn, const weir_str *parts, size_t count, size_t *written)
    WEIR_MUST_CHECK;
/* The message for an error of one side; -ETIME is the connection's limit. */
int weir__net_conn_fail(const weir_conn *conn, bool reading, int rc);

/* Both sides are the caller's, as in a read and a write at once: -EBUSY when a task has one. */
int weir__net_conn_enter_both(weir_conn *conn) WEIR_MUST_CHECK;
void weir__net_conn_leave_both(weir_conn *conn);

/* --- what a configuration of a layer looks like from below ------------------------------------ */

/*
 * A client's room (http) is given a configuration that it cannot look into; this is its first
 * member. `client` is a checkpoint: it puts the layer on, as a client of `host`. `hold` and
 * `release` count whoever keeps it; any thread.
 */
struct weir__net_secure {
    int (*client)(weir_conn *conn, struct weir__net_secure *secure, const char *host);
    void (*hold)(struct weir__net_secure *secure);
    void (*release)(struct weir__net_secure *secure);
};

#endif
