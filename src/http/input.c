/*
 * input.c - what has come: heads, and the bodies behind them
 *
 * While a connection is busy, what its peer has sent is moved into a block of its own (one copy of
 * a few hundred bytes), and parsed and used where it lies: the loop's receive buffers are free
 * again at once, however long the handler takes, and texts can be closed with a NUL in place. A
 * body that came with its head is used where it lies as well; a longer one is read from the stream.
 *
 * Runs on  the connection's task, except weir__http_input_release().
 * Holds    1. The block is moved or refilled only between requests: slices of a head stay good.
 *          2. Bytes of the block come before those of the stream.
 *          3. A body that was cut short, is malformed, too long or too slow is an error, and stays
 *             one.
 */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/server.h"

enum {
    COLLECT_FIRST_BYTES = 16 * 1024, /* taken at first for a long body, whatever was announced */
    HEAD_SLACK_BYTES = 64,           /* an empty line before it, line ends */
};

/* --- the block -------------------------------------------------------------------------------- */

static size_t in_block(const struct weir__http_conn *conn)
{
    return conn->in == NULL ? 0 : conn->in->end - conn->in->start;
}

bool weir__http_input_empty(struct weir__http_conn *conn)
{
    return in_block(conn) == 0 && weir__stream_unread(&conn->stream) == 0;
}

void weir__http_input_release(struct weir__http_conn *conn)
{
    if (conn->in == NULL || in_block(conn) > 0)
        return;
    weir__http_block_give(conn->server, conn->in);
    conn->in = NULL;
}

/* A longer block for a head that does not fit. The parser refuses it before it is too long. */
static int grow_block(struct weir__http_conn *conn)
{
    struct weir__http_block *old = conn->in;
    struct weir__http_block *block = weir__http_block_take(conn->server, old->capacity * 2);
    if (block == NULL)
        return -ENOMEM;
    memcpy(block->memory, old->memory + old->start, old->end - old->start);
    block->end = old->end - old->start;
    block->resume = old->resume;
    weir__http_block_give(conn->server, old);
    conn->in = block;
    return 0;
}

/* Makes room behind the bytes of the block, at least for one. */
static int make_room(struct weir__http_conn *conn)
{
    if (conn->in == NULL) {
        conn->in = weir__http_block_take(conn->server, 0);
        if (conn->in == NULL)
            return -ENOMEM;
        conn->in->resume = (struct weir__http_resume){0};
        return 0;
    }
    struct weir__http_block *in = conn->in;
    if (in->start == in->end)
        in->start = in->end = 0;
    if (in->end < in->capacity)
        return 0;
    if (in->start == 0)
        return grow_block(conn);
    memmove(in->memory, in->memory + in->start, in->end - in->start);
    in->end -= in->start;
    in->start = 0;
    return 0;
}

/* From the stream into the block, as much as there is room for. */
static int fill_block(struct weir__http_conn *conn)
{
    int rc = make_room(conn);
    if (rc < 0)
        return rc;
    struct weir__http_block *in = conn->in;
    const char *data;
    size_t there;
    while (in->end < in->capacity && (data = weir__stream_peek(&conn->stream, &there)) != NULL) {
        size_t take = there < in->capacity - in->end ? there : in->capacity - in->end;
        memcpy(in->memory + in->end, data, take);
        in->end += take;
        weir__stream_consume(&conn->stream, take);
        conn->server->stats.bytes_in += take;
    }
    return 0;
}

/* --- heads ------------------------------------------------------------------------------------ */

static ssize_t parse_block(struct weir_request *request)
{
    struct weir__http_block *in = request->conn->in;
    return weir__http_parse_request(&in->resume, in->memory + in->start, in->end - in->start,
                                    &request->server->head_limits, &request->head, &request->fail);
}

int weir__http_read_head(struct weir_request *request)
{
    struct weir__http_conn *conn = request->conn;
    for (;;) {
        if (in_block(conn) > 0) {
            ssize_t size = parse_block(request);
            if (size > 0) {
                conn->in->start += (size_t)size;
                conn->head_since_ns = 0;
                return 1;
            }
            if (size != -EAGAIN)
                return (int)size;
            if (conn->head_since_ns == 0)
                conn->head_since_ns = conn->server->loop->now_ns;
        }
        if (weir__stream_unread(&conn->stream) == 0)
            return 0;
        int rc = fill_block(conn);
        if (rc < 0)
            return rc;
    }
}

/* --- bodies: where they are ------------------------------------------------------------------- */

static const char *peek(struct weir__http_conn *conn, size_t *out_size)
{
    if (in_block(conn) > 0) {
        *out_size = in_block(conn);
        return conn->in->memory + conn->in->start;
    }
    return weir__stream_peek(&conn->stream, out_size);
}

static void consume(struct weir__http_conn *conn, size_t size)
{
    if (in_block(conn) > 0) {
        conn->in->start += size;
        return;
    }
    conn->server->stats.bytes_in += size;
    weir__stream_consume(&conn->stream, size);
}

static int fail_body(struct weir_request *request, int rc, int status)
{
    request->body.error = rc;
    request->body.status = status;
    return rc;
}

static int too_long(struct weir_request *request)
{
    weir__http_limit_hit(request->server, WEIR_HTTP_LIMIT_BODY_BYTES, request->conn);
    return fail_body(request, -EMSGSIZE, 413);
}

void weir__http_body_begin(struct weir_request *request, uint64_t bytes_max)
{
    struct weir__http_body *body = &request->body;
    const struct weir__http_framing *framing = &request->head.framing;
    if (framing->kind == WEIR__HTTP_BODY_NONE) { // most requests: only what is looked at
        body->kind = WEIR__HTTP_BODY_NONE;
        body->done = true;
        body->wants_continue = body->collected = false;
        body->error = 0;
        body->received = body->left = 0;
        body->whole = (weir_str){"", 0};
        body->whole_read = 0;
        body->buffer.data = NULL;
        return;
    }
    *body = (struct weir__http_body){
        .kind = framing->kind,
        .left = framing->length,
        .bytes_max = bytes_max,
    };
    body->done = body->kind == WEIR__HTTP_BODY_LENGTH && body->left == 0;
    body->wants_continue = !body->done && request->head.expect == WEIR__HTTP_EXPECT_CONTINUE;
    if (body->kind == WEIR__HTTP_BODY_LENGTH && body->left > bytes_max)
        too_long(request);
}

void weir__http_body_end(struct weir_request *request)
{
    if (request->body.buffer.data != NULL)
        weir__buffer_deinit(&request->body.buffer);
}

/* --- bodies: taking what is there ------------------------------------------------------------- */

static ssize_t take_length(struct weir_request *request, char *buffer, size_t size)
{
    struct weir__http_body *body = &request->body;
    size_t there;
    const char *data = peek(request->conn, &there);
    if (data == NULL)
        return 0;
    size_t take = there < size ? there : size;
    if (take > body->left)
        take = (size_t)body->left;
    if (buffer != NULL)
        memcpy(buffer, data, take);
    consume(request->conn, take);
    body->left -= take;
    body->received += take;
    body->done = body->left == 0;
    return (ssize_t)take;
}

static ssize_t take_chunked(struct weir_request *request, char *buffer, size_t size)
{
    struct weir__http_body *body = &request->body;
    size_t there;
    const char *data;
    while (!body->done && (data = peek(request->conn, &there)) != NULL) {
        size_t used = 0;
        weir_str piece = {NULL, 0};
        int rc = weir__http_chunked_feed(&body->chunked, data, there < size ? there : size, &used,
                                         &piece, &request->fail);
        if (rc < 0)
            return fail_body(request, -EBADMSG, request->fail.status);
        if (body->chunked.announced_bytes > body->bytes_max)
            return too_long(request);
        if (buffer != NULL && piece.size > 0)
            memcpy(buffer, piece.data, piece.size);
        consume(request->conn, used);
        body->done = rc == 1;
        body->received += piece.size;
        if (piece.size > 0)
            return (ssize_t)piece.size;
    }
    return 0;
}

/* Bytes that have come, without waiting: 0 when there are none, or the body is done. */
static ssize_t take(struct weir_request *request, char *buffer, size_t size)
{
    struct weir__http_body *body = &request->body;
    if (!weir__http_input_empty(request->conn))
        body->wants_continue = false; // the client did not wait for it
    return body->kind == WEIR__HTTP_BODY_CHUNKED ? take_chunked(request, buffer, size)
                                                 : take_length(request, buffer, size);
}

/* --- bodies: waiting -------------------------------------------------------------------------- */

/* RFC 9110 section 10.1.1: only when the body is wanted, and not when some of it has come
 * already. */
static int say_continue(struct weir_request *request)
{
    static const weir_str line = {"HTTP/1.1 100 Continue\r\n\r\n", 25};
    struct weir__http_conn *conn = request->conn;
    request->body.wants_continue = false;
    if (request->now.answer != WEIR__HTTP_ANSWER_NONE)
        return fail_body(request, -EALREADY, 400); // the client would take it for the next answer
    char *room = weir__http_out_room(conn, line.size);
    if (room == NULL)
        return -ENOMEM;
    memcpy(room, line.data, line.size);
    weir__http_out_wrote(conn, line.size);
    weir__http_out_commit(conn);
    weir__http_out_start(conn);
    return 0;
}

/* How long to wait for the next byte; *out_limit says which limit that is. */
static int64_t patience_ns(const struct weir_request *request, weir_http_limit *out_limit)
{
    const weir_http_limits *limits = &request->server->options.limits;
    const struct weir__http_body *body = &request->body;
    *out_limit = WEIR_HTTP_LIMIT_BODY_IDLE;
    int64_t idle_ns = limits->body_idle_timeout_ns;
    if (limits->body_rate_min == WEIR_UNLIMITED || limits->body_rate_grace_ns == WEIR_FOREVER)
        return idle_ns;
    // What has come so far is good for so long at the least rate; only waiting for it counts.
    int64_t earned_ns = WEIR_NEVER;
    if (body->received < (uint64_t)INT64_MAX / WEIR_SEC)
        earned_ns = (int64_t)(body->received * WEIR_SEC / limits->body_rate_min);
    if (earned_ns < limits->body_rate_grace_ns)
        earned_ns = limits->body_rate_grace_ns;
    int64_t left_ns = earned_ns > body->waited_ns ? earned_ns - body->waited_ns : 1;
    if (left_ns >= idle_ns)
        return idle_ns;
    *out_limit = WEIR_HTTP_LIMIT_BODY_RATE;
    return left_ns;
}

static int wait_for_input(struct weir_request *request)
{
    struct weir__http_conn *conn = request->conn;
    weir_http_limit limit;
    int64_t timeout_ns = patience_ns(request, &limit);
    weir_scope scope = {0};
    bool limited = timeout_ns != WEIR_FOREVER && !weir_cancelled();
    int rc = limited ? weir_timeout_enter(&scope, timeout_ns) : 0;
    if (rc < 0)
        return rc;
    int64_t begun_ns = conn->server->loop->now_ns;
    rc = weir__stream_wait(&conn->stream);
    if (limited)
        rc = weir_scope_leave(&scope, rc);
    request->body.waited_ns += conn->server->loop->now_ns - begun_ns;
    if (rc == -ETIME) {
        weir__http_limit_hit(conn->server, limit, conn);
        return fail_body(request, -ETIMEDOUT, 408);
    }
    if (rc == -ECANCELED)
        return rc;
    if (rc <= 0) // V2: an end in the middle is no end
        return fail_body(request, -ECONNRESET, 400);
    return 0;
}

ssize_t weir__http_body_pull(struct weir_request *request, void *buffer, size_t size)
{
    struct weir__http_body *body = &request->body;
    bool waited = false;
    for (;;) {
        if (body->error < 0)
            return body->error;
        if (body->done)
            return 0;
        ssize_t taken = take(request, buffer, size);
        if (taken > 0 && !waited)
            weir__core_completed_at_once();
        if (taken != 0)
            return taken;
        if (body->done)
            return 0;
        int rc = body->wants_continue ? say_continue(request) : 0;
        if (rc == 0)
            rc = wait_for_input(request);
        if (rc < 0)
            return rc;
        waited = true;
    }
}

/* --- bodies: all of it ------------------------------------------------------------------------ */

static bool came_with_its_head(const struct weir_request *request)
{
    const struct weir__http_body *body = &request->body;
    return body->kind == WEIR__HTTP_BODY_LENGTH && body->error == 0 &&
           body->left <= in_block(request->conn);
}

bool weir__http_body_is_here(const struct weir_request *request)
{
    return request->body.done || came_with_its_head(request);
}

static int collect_pieces(struct weir_request *request)
{
    struct weir__http_body *body = &request->body;
    weir__buffer_init(&body->buffer);
    for (;;) {
        // Room grows with what has come: an announcement alone costs nothing.
        size_t room =
            body->buffer.size < COLLECT_FIRST_BYTES ? COLLECT_FIRST_BYTES : body->buffer.size;
        if (body->kind == WEIR__HTTP_BODY_LENGTH && body->left < room)
            room = (size_t)body->left;
        char *to = weir__buffer_reserve(&body->buffer, room == 0 ? 1 : room);
        if (to == NULL)
            return -ENOMEM;
        ssize_t taken = weir__http_body_pull(request, to, room == 0 ? 1 : room);
        if (taken < 0)
            return (int)taken;
        if (taken == 0)
            break;
        body->buffer.size += (size_t)taken;
    }
    body->whole = (weir_str){body->buffer.data, body->buffer.size};
    return 0;
}

int weir__http_body_collect(struct weir_request *request)
{
    struct weir__http_body *body = &request->body;
    int rc = 0;
    if (body->done) {
        body->whole = (weir_str){"", 0};
    } else if (came_with_its_head(request)) {
        struct weir__http_block *in = request->conn->in;
        body->whole = (weir_str){in->memory + in->start, (size_t)body->left};
        body->received = body->left;
        in->start += (size_t)body->left;
        body->left = 0;
        body->done = true;
        body->wants_continue = false;
    } else {
        rc = collect_pieces(request);
    }
    body->collected = rc == 0;
    return rc;
}

/* --- bodies: none of it ----------------------------------------------------------------------- */

bool weir__http_body_skippable(const struct weir_request *request)
{
    const struct weir__http_body *body = &request->body;
    if (body->done)
        return true;
    if (body->error < 0 || body->wants_continue)
        return false;
    return body->kind == WEIR__HTTP_BODY_CHUNKED ||
           body->left <= request->server->options.limits.body_discard_max;
}

bool weir__http_body_skip(struct weir_request *request)
{
    struct weir__http_body *body = &request->body;
    size_t skipped = 0;
    while (!body->done) {
        if (!weir__http_body_skippable(request) ||
            skipped > request->server->options.limits.body_discard_max)
            return false;
        ssize_t taken = weir__http_body_pull(request, NULL, WEIR__RX_BUFFER_BYTES);
        if (taken < 0)
            return false;
        skipped += (size_t)taken;
    }
    return true;
}
