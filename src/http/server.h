/*
 * server.h - the HTTP/1.1 server: its records, and what its files do for each other
 *
 *     server.c    opening, accepting, draining, closing; pools; limits
 *     conn.c      a connection's life: rest, requests one after another, lingering, close
 *     input.c     what has come: heads, bodies
 *     output.c    what is to be sent: blocks, one send for all that is there
 *     peers.c     connections of each client's address
 *     shed.c      when there are more requests than turns
 *     router.c    from method and path to a route
 *     handler.c   filters, typed bodies, time limits, failures
 *     request.c   what a handler may ask
 *     response.c  composing answers
 *     problem.c   problem documents
 *     stream.c    answers that are sent piece by piece, events
 *
 * A connection at rest is one record of at most 512 bytes: no task, no stack, no buffer. When bytes
 * come, a task is spawned that reads heads, runs handlers on its own stack, collects the answers in
 * one block and sends them together; when nothing is left to do it ends, and the connection rests
 * again. So all busy connections of a loop share a few hot stacks and blocks.
 *
 * Everything runs on the loop's own thread. Tasks: weir__http_serve and all it calls. Callbacks
 * outside tasks, which never park: a stream's on_ready and on_closed, alarms, a sender's done.
 *
 * Holds  1. A connection is BUSY exactly while a task serves it, spawned and not yet ended; only
 *        that
 *           task touches its input and its request.
 *        2. Bytes of an answer leave only when they are final: an answer is committed when its
 *           handler has returned, a stream's piece when it was written.
 *        3. The descriptor is closed when no send is under way, and the record freed after that.
 */
#ifndef WEIR__HTTP_SERVER_H
#define WEIR__HTTP_SERVER_H

#include <netinet/in.h>

#include <weir/http.h>
#include <weir/net.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "core/io.h"
#include "http/parse/chunked.h"
#include "http/parse/date.h"
#include "http/parse/head.h"
#include "http/peers.h"
#include "http/router.h"
#include "http/shed.h"

enum {
    WEIR__HTTP_BLOCK_BYTES = 4096, /* with its header */
    WEIR__HTTP_ID_BYTES = 27,
    WEIR__HTTP_PEER_BYTES = 64,
    WEIR__HTTP_COMMON_BYTES = 128,
};

/* --- records ---------------------------------------------------------------------------------- */

/* Bytes that have come and are not consumed, or that are to be sent. */
struct weir__http_block {
    struct weir__sender sender;
    struct weir__http_conn *conn;
    struct weir__http_block *next;
    const char *data; /* `memory`, or bytes that a handler keeps */
    size_t capacity;  /* of memory; 0: kept bytes */
    bool pooled;      /* of the usual size */
    size_t start;     /* first byte that is unread or unsent */
    size_t ready;     /* output: bytes that are final and may leave */
    size_t end;
    struct weir__http_resume resume; /* input: how far an incomplete head was looked at */
    char memory[];
};

enum weir__http_conn_state {
    WEIR__HTTP_CONN_IDLE,   /* no task: before the first request, or between two */
    WEIR__HTTP_CONN_HEAD,   /* no task: a head has begun, the rest has not come */
    WEIR__HTTP_CONN_BUSY,   /* a task serves it */
    WEIR__HTTP_CONN_LINGER, /* no task: refused; what still comes is thrown away, so that the client
                               can read why before it is reset */
    WEIR__HTTP_CONN_CLOSED, /* to be freed when the backend has let go */
};

struct weir__http_conn {
    struct weir__stream stream;
    struct weir__alarm alarm; /* looked at when it fires: it may be early, never late */
    weir_http_server *server;
    struct weir__http_conn *next_free;
    struct weir_request *request; /* while BUSY */
    struct weir__http_block *in;  /* NULL: nothing */
    struct weir__http_block *out; /* first of a chain; NULL: nothing */
    struct weir__http_block *out_last;
    struct weir__http_block *mark;   /* not dropped: behind it lies an answer that may be taken
                                       back */
    weir_task *out_waiter;           /* parked until everything ready is sent */
    struct weir__list link;          /* in server->idle or server->busy */
    struct weir__list dirty;         /* in server->dirty: to be flushed within a millisecond */
    struct weir__http_peer *counted; /* its client's address; NULL: without limit */
    int64_t expires_at_ns;           /* its age limit */
    int64_t came_at_ns;              /* of the bytes that began the task; or a little later */
    int64_t since_ns;                /* of the state */
    int64_t head_since_ns;           /* first byte of a head that is not complete; 0: none */
    int64_t sending_since_ns;        /* of the last progress of the send under way */
    int64_t sending_seen;            /* what was sent and acknowledged then, less older bytes */
    uint32_t request_count;
    uint8_t state;
    bool sending;        /* a send is under way: of the first block, or */
    bool sending_own;    /* one that its task waits for */
    bool sending_looked; /* sending_seen is of the send under way */
    bool working;        /* counted in server->working_count */
    bool finishing;      /* no further request: close when all is sent */
    bool lingering;      /* and read on for a while when closing */
    bool reset;          /* close with a reset: the client must see that something is missing */
    int write_error;     /* a send has failed: nothing can be sent any more */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
};
_Static_assert(sizeof(struct weir__http_conn) <= 512, "a connection at rest is small");

enum weir__http_answer {
    WEIR__HTTP_ANSWER_NONE,
    WEIR__HTTP_ANSWER_COMPOSED, /* whole, and sent if the handler returns 0 */
    WEIR__HTTP_ANSWER_PROBLEM,  /* whole, and sent in any case */
    WEIR__HTTP_ANSWER_STREAM,   /* its head is committed, pieces follow */
    WEIR__HTTP_ANSWER_ENDED,    /* a stream whose end was written */
};

/* A field that a handler adds to its answer; in the arena. */
struct weir__http_extra {
    struct weir__http_extra *next;
    weir_str name;
    weir_str value;
};

struct weir__http_body {
    enum weir__http_body_kind kind;
    bool done;           /* its end was read */
    bool wants_continue; /* the client waits for 100 before it sends */
    bool collected;      /* all of it is in `whole` */
    int error;           /* why it will never be whole; sticky */
    int status;          /* what that is answered with */
    uint64_t left;       /* of a known length */
    uint64_t received;   /* without chunk framing */
    uint64_t bytes_max;
    int64_t waited_ns; /* for the client, in all */
    struct weir__http_chunked chunked;
    weir_str whole;
    size_t whole_read; /* handed out by weir_body_read() */
    struct weir__buffer buffer;
};

/* What is zeroed for each request. */
struct weir__http_request_state {
    int64_t begun_at_ns;
    enum weir__http_answer answer;
    int status;        /* of the answer */
    int wanted_status; /* weir_respond_status() */
    int handler_rc;
    bool in_flight; /* counted */
    bool has_head;
    bool head_method; /* HEAD: no body is sent */
    bool closing;     /* the answer says Connection: close, or the like */
    bool cut;
    bool gone; /* the client is */
    bool sse;
    bool sse_retired; /* its last words are written */
    bool chunked;     /* stream */
    bool sized;       /* stream of a known length */
    bool scope_entered;
    uint64_t stream_left;
    uint64_t bytes_out;
    int64_t written_at_ns; /* stream: for the heartbeat */
    struct weir__http_extra *extras;
    struct weir__http_extra **extras_end;
    size_t extras_bytes;
    const void *params_model;
    const void *query_model;
    weir_model_pair *query_pairs; /* decoded; NULL: not yet */
    size_t query_count;
    const char *target_text;
    const char *host_text;
    /* from here on made when they are asked for */
    char id[WEIR__HTTP_ID_BYTES];
    char peer[WEIR__HTTP_PEER_BYTES];
    const char *param_texts[WEIR__HTTP_PARAMS_MAX]; /* as many as the route has names */
    size_t mark_end; /* where the answer begins in conn->mark, for taking it back */
};

struct weir_request {
    weir_http_server *server;
    struct weir__http_conn *conn;
    struct weir_request *next_free;
    struct weir__arena arena;
    weir_scope scope; /* around filters and handler */
    struct weir__http_fail fail;
    struct weir__http_match match;
    struct weir__http_request_head head;
    struct weir__http_request_state now;
    struct weir__http_body body;
    struct weir__http_field fields[WEIR__HTTP_FIELD_COUNT_MAX];
};

/* Accepts for one listener. */
struct weir__http_acceptor {
    struct weir__list link;
    weir_http_server *server;
    weir_listener *listener;
    weir_task_id task;
};

struct weir_http_server {
    weir_loop *loop;
    const weir_router *router;
    weir_http_server_options options; /* every limit is set */
    struct weir__http_head_limits head_limits;
    weir_group *group;
    struct weir__list idle; /* connections without a task, the longest idle first */
    struct weir__list busy; /* all others */
    struct weir__list dirty;
    struct weir__list acceptors;
    struct weir__list room_waiters;  /* acceptors that wait for a connection to end */
    struct weir__list quiet_waiters; /* tasks in wait_idle and close */
    struct weir__http_shed shed;
    struct weir__http_peers *peers; /* NULL: no limit */
    bool peers_shared;              /* they are not the server's own */
    struct weir__alarm flush_alarm;
    struct weir__alarm drain_alarm;
    size_t working_count; /* connections that hold up wait_idle: neither idle nor closed */

    struct weir__http_block *free_blocks;
    size_t free_block_count;
    struct weir_request *free_requests;
    size_t free_request_count;
    struct weir__http_conn *free_conns;
    size_t free_conn_count;
    struct weir__arena_pool arena_pool;
    struct weir__buffer json; /* answers are encoded here; nobody parks meanwhile */

    int64_t common_until_ns;
    size_t common_size;
    char common[WEIR__HTTP_COMMON_BYTES]; /* lines that all answers share: Date, Server */
    uint64_t random_state;
    bool retiring;
    bool draining;
    bool closing;
    bool closed;       /* only its memory is left, for those in wait_idle */
    size_t user_count; /* tasks in wait_idle */
    weir_http_server_stats stats;
};

/* --- server.c --------------------------------------------------------------------------------- */

void weir__http_limit_hit(weir_http_server *server, weir_http_limit limit,
                          struct weir__http_conn *conn);
/* Defaults for those that are 0. -EINVAL: one is impossible. */
int weir__http_limits_fill(weir_http_limits *limits, bool edge) WEIR_MUST_CHECK;
/* Count the connections of each address together with other servers. Before the first one; they
 * stay until the close. */
void weir__http_server_share_peers(weir_http_server *server, struct weir__http_peers *peers);
/* A block with room for at least `bytes`; NULL: no memory. */
struct weir__http_block *weir__http_block_take(weir_http_server *server, size_t bytes)
    WEIR_MUST_CHECK;
void weir__http_block_give(weir_http_server *server, struct weir__http_block *block);
struct weir_request *weir__http_request_take(weir_http_server *server) WEIR_MUST_CHECK;
void weir__http_request_give(weir_http_server *server, struct weir_request *request);
/* The lines that all answers share; the date is right to the second. */
weir_str weir__http_common_lines(weir_http_server *server);
/* A record to fill, all zero; NULL: no memory. */
struct weir__http_conn *weir__http_conn_take(weir_http_server *server) WEIR_MUST_CHECK;
/* A connection has ended: its record goes back, and who waits for room hears it. */
void weir__http_conn_give(weir_http_server *server, struct weir__http_conn *conn);
void weir__http_server_quiet(weir_http_server *server); /* working_count is 0 */
/* Gives all of them back to the heap; no connection is left. */
void weir__http_free_lists(weir_http_server *server);

/* --- conn.c ----------------------------------------------------------------------------------- */

/* Takes fd and what was counted for it, also on failure. */
int weir__http_conn_open(weir_http_server *server, int fd, const struct sockaddr *peer,
                         struct weir__http_peer *counted) WEIR_MUST_CHECK;
/* Close without another word; the record goes in a later turn. Not while a task serves it. */
void weir__http_conn_drop(struct weir__http_conn *conn);
/* Everything ready has been sent, or can never be. */
void weir__http_conn_sent(struct weir__http_conn *conn);
/* How long until the next look at whether a send makes progress. */
int64_t weir__http_conn_look_ns(const struct weir__http_conn *conn);
/* A deadline of the connection lies at this instant. */
void weir__http_conn_watch(struct weir__http_conn *conn, int64_t at_ns);
/*
 * The time of its handler is up at this instant. Watched by the connection's alarm, which stands
 * anyway: so a limit costs no timer of its own. The scope of the request shows it.
 */
void weir__http_conn_limit_handler(struct weir__http_conn *conn, int64_t deadline_ns);
/* The client will never read an answer: end what the handler waits for. */
void weir__http_conn_gone(struct weir__http_conn *conn);
/* Whether it ever sent a byte, or one of late: a request may be under way. */
bool weir__http_conn_is_silent(const struct weir__http_conn *conn);
/* Whether the peer has finished sending, or the connection has failed. */
static inline bool weir__http_conn_ended(const struct weir__http_conn *conn)
{
    return conn->stream.rx.eof || conn->stream.rx.error < 0;
}

/* --- input.c ---------------------------------------------------------------------------------- */

/*
 * The next head, parsed into the request.
 * Returns  1 there is one; 0 not yet, or never if the peer has finished; -EBADMSG refused
 *          (request->fail); -ENOMEM
 */
int weir__http_read_head(struct weir_request *request) WEIR_MUST_CHECK;
bool weir__http_input_empty(struct weir__http_conn *conn);
void weir__http_input_release(struct weir__http_conn *conn); /* the block, when it is empty */
/* Prepare the body of the head that was just read. */
void weir__http_body_begin(struct weir_request *request, uint64_t bytes_max);
/* Checkpoint: as weir_body_read(). */
ssize_t weir__http_body_pull(struct weir_request *request, void *buffer, size_t size)
    WEIR_MUST_CHECK;
/* Whether collecting it takes no waiting. */
bool weir__http_body_is_here(const struct weir_request *request);
/* Checkpoint: all of it into body.whole. 0, or as weir_body_read(). */
int weir__http_body_collect(struct weir_request *request) WEIR_MUST_CHECK;
/* Whether what is left of the body can be skipped, so that the connection can go on. */
bool weir__http_body_skippable(const struct weir_request *request);
/* Checkpoint: skip it. False: the connection cannot go on. */
bool weir__http_body_skip(struct weir_request *request);
void weir__http_body_end(struct weir_request *request);

/* --- output.c --------------------------------------------------------------------------------- */

/* Room for `bytes` in one piece at the end of the chain; NULL: no memory. */
char *weir__http_out_room(struct weir__http_conn *conn, size_t bytes) WEIR_MUST_CHECK;
static inline void weir__http_out_wrote(struct weir__http_conn *conn, size_t bytes)
{
    conn->out_last->end += bytes;
}
/* Bytes that stay where they are until they are sent. */
int weir__http_out_keep(struct weir__http_conn *conn, const void *data, size_t size)
    WEIR_MUST_CHECK;
/* Bytes that may leave: everything written so far. */
void weir__http_out_commit(struct weir__http_conn *conn);
/* Remember where the chain ends; what is written behind it may be taken back until the commit. */
size_t weir__http_out_mark(struct weir__http_conn *conn);
void weir__http_out_roll_back(struct weir__http_conn *conn, size_t mark_end);
/* Whether committed bytes are not yet sent. */
bool weir__http_out_pending(const struct weir__http_conn *conn);
bool weir__http_out_has_kept(const struct weir__http_conn *conn);
/* Begin to send what is ready, if nobody does already. */
void weir__http_out_start(struct weir__http_conn *conn);
/* Within a millisecond, unless it is sent earlier. */
void weir__http_out_soon(struct weir__http_conn *conn);
/* Checkpoint: until all that is ready is sent. `taken`: not to be left early. 0, -EPIPE,
 * -ETIMEDOUT, -ECANCELED. */
int weir__http_out_wait(struct weir__http_conn *conn, bool taken) WEIR_MUST_CHECK;
/* Checkpoint: what is ready, then these. Errors as above; a part of it may have been sent. */
int weir__http_out_send(struct weir__http_conn *conn, const weir_str *parts, size_t count)
    WEIR_MUST_CHECK;
/* The connection rests: blocks that are sent go back. */
void weir__http_out_rest(struct weir__http_conn *conn);
void weir__http_out_discard(struct weir__http_conn *conn); /* nothing is being sent */

/* --- handler.c -------------------------------------------------------------------------------- */

/* Everything from a head that was read to its answer, committed. */
void weir__http_handle(struct weir_request *request);
/* Answer a head that could not be read; the connection will close. */
void weir__http_refuse_head(struct weir_request *request);
void weir__http_report_access(struct weir_request *request);
/* When the time of a handler that began now would be up. */
int64_t weir__http_time_limit_at_ns(const struct weir_request *request);

/* --- response.c ------------------------------------------------------------------------------- */

enum weir__http_payload {
    WEIR__HTTP_PAYLOAD_COPY,
    WEIR__HTTP_PAYLOAD_KEEP,
    WEIR__HTTP_PAYLOAD_CHUNKED, /* pieces follow; size is not known */
    WEIR__HTTP_PAYLOAD_SIZED,   /* pieces follow; size is known */
};

/* -EINVAL: a handler's content type that could end its line. NULL is an empty one. */
int weir__http_check_type(const char *content_type, weir_str *out_type) WEIR_MUST_CHECK;
/* Write the head of an answer, and its body if it is whole. An empty type is not said. 0, -EINVAL,
 * -EALREADY, -ENOMEM. */
int weir__http_compose(struct weir_request *request, int status, weir_str type,
                       enum weir__http_payload payload, const void *data, uint64_t size)
    WEIR_MUST_CHECK;
void weir__http_take_back(struct weir_request *request);
/* A field of the server's own; as weir_respond_header() without the checks. */
int weir__http_add_field(struct weir_request *request, weir_str name, weir_str value)
    WEIR_MUST_CHECK;
/* Fields of an answer that is not given after all, such as ETag and Location. */
void weir__http_drop_content_fields(struct weir_request *request);
/* A whole answer without memory or a request, for those that there is no room for: committed. */
void weir__http_answer_bare(struct weir__http_conn *conn, int status);

/* --- problem.c -------------------------------------------------------------------------------- */

/* Answer with a problem, in place of an answer that is composed and not committed. Never fails for
 * want of memory: then the answer is bare. */
void weir__http_problem(struct weir_request *request, int status, const char *type,
                        const weir_model_errors *errors, const char *detail);

/* --- stream.c --------------------------------------------------------------------------------- */

/* The end of a stream: 0, or a negative errno when the client must see a cut. */
int weir__http_stream_close(struct weir_request *request, int rc) WEIR_MUST_CHECK;
/* The server retires: events end with a hint to come back. */
void weir__http_sse_retire(struct weir_request *request);
/* Nothing was written for a while. */
void weir__http_sse_beat(struct weir_request *request);

#endif
