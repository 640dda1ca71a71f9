/*
 * conn.c - a connection's life: rest, one request after another, the last answer, the close
 *
 *     IDLE -> BUSY -> IDLE      a request and its answer
 *     HEAD -> BUSY -> HEAD      a head that comes in pieces; no stack is held in between
 *     BUSY -> LINGER -> CLOSED  the last answer is sent; after a refusal what still comes is thrown
 *                               away for a while, since a close with unread bytes resets the
 *                               connection, and a reset makes the client's kernel forget the answer
 *     any but BUSY -> CLOSED    its time is up, or the peer has gone
 *
 * A connection has one alarm. It is not moved for each request: it fires when it was set for, looks
 * how long there is really left, and is set again.
 *
 * Runs on  the loop's own thread; serve() is the task, all else runs in callbacks as well.
 * Holds    1. A connection is in server->idle while its state is IDLE, in server->busy in all
 *          others.
 *          2. A BUSY connection is not dropped: callbacks cancel what its task waits for, the task
 *             ends it.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "http/server.h"
#include "net/net.h"

enum {
    CROWDED_PERCENT = 80,   /* of connections_max: then idle ones are kept for a shorter time */
    SILENT_NS = 1000000000, /* idle for longer, a connection has probably no request under way */
};
static const int64_t crowded_idle_ns = 5 * WEIR_SEC;

static struct weir__http_conn *conn_of(struct weir__stream *stream)
{
    return WEIR__CONTAINER(stream, struct weir__http_conn, stream);
}

static int64_t now_of(const struct weir__http_conn *conn)
{
    return conn->server->loop->now_ns;
}

/* --- states ----------------------------------------------------------------------------------- */

/* The one place that keeps the account of who holds up wait_idle. */
static void weigh(struct weir__http_conn *conn)
{
    bool working = conn->state == WEIR__HTTP_CONN_BUSY || conn->state == WEIR__HTTP_CONN_HEAD ||
                   (conn->sending && conn->state != WEIR__HTTP_CONN_CLOSED);
    if (working == conn->working)
        return;
    weir_http_server *server = conn->server;
    conn->working = working;
    server->working_count += working ? 1 : (size_t)-1;
    if (server->working_count == 0)
        weir__http_server_quiet(server);
}

static void set_state(struct weir__http_conn *conn, enum weir__http_conn_state state)
{
    weir_http_server *server = conn->server;
    bool was_idle = conn->state == WEIR__HTTP_CONN_IDLE;
    bool is_idle = state == WEIR__HTTP_CONN_IDLE;
    conn->state = (uint8_t)state;
    conn->since_ns = server->loop->now_ns;
    if (was_idle != is_idle) {
        weir__list_remove(&conn->link);
        weir__list_append(is_idle ? &server->idle : &server->busy, &conn->link);
        server->stats.idle_count += is_idle ? 1 : (size_t)-1;
    }
    weigh(conn);
}

bool weir__http_conn_is_silent(const struct weir__http_conn *conn)
{
    return now_of(conn) - conn->since_ns >= SILENT_NS;
}

static int64_t idle_limit_ns(const weir_http_server *server)
{
    const weir_http_limits *limits = &server->options.limits;
    bool crowded = server->stats.conn_count * 100 / CROWDED_PERCENT >= limits->connections_max;
    return crowded && limits->idle_timeout_ns > crowded_idle_ns ? crowded_idle_ns
                                                                : limits->idle_timeout_ns;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void stream_closed(struct weir__stream *stream)
{
    struct weir__http_conn *conn = conn_of(stream);
    weir__http_conn_give(conn->server, conn);
}

/* Nothing is being sent. */
static void close_stream(struct weir__http_conn *conn)
{
    conn->mark = NULL;
    weir__http_out_discard(conn);
    if (conn->reset)
        weir_ignore(weir__sys_reset_on_close(weir__stream_fd(&conn->stream)),
                    "then the peer hears a plain end");
    weir__stream_close(&conn->stream);
}

void weir__http_conn_drop(struct weir__http_conn *conn)
{
    if (conn->state == WEIR__HTTP_CONN_CLOSED)
        return;
    assert(conn->state != WEIR__HTTP_CONN_BUSY && !conn->sending_own);
    set_state(conn, WEIR__HTTP_CONN_CLOSED);
    weir__core_alarm_clear(conn->server->loop, &conn->alarm);
    weir__list_remove(&conn->dirty);
    if (conn->in != NULL)
        weir__http_block_give(conn->server, conn->in);
    conn->in = NULL;
    if (conn->sending)
        weir__sender_cancel(&conn->out->sender);
    else
        close_stream(conn);
}

/* What comes after a refusal is read, so that no reset overtakes the answer. */
static void skim(struct weir__http_conn *conn)
{
    const char *data;
    size_t there;
    while ((data = weir__stream_peek(&conn->stream, &there)) != NULL) {
        conn->server->stats.bytes_in += there;
        weir__stream_consume(&conn->stream, there);
    }
}

/* The last answer has left. */
static void finish(struct weir__http_conn *conn)
{
    bool may_linger = conn->lingering && !conn->reset && conn->write_error == 0 &&
                      !weir__http_conn_ended(conn) && !conn->server->closing;
    if (!may_linger || weir__sys_shutdown(weir__stream_fd(&conn->stream), SHUT_WR) < 0) {
        weir__http_conn_drop(conn);
        return;
    }
    conn->since_ns = now_of(conn);
    weir__http_conn_watch(
        conn, weir__base_add_ns(conn->since_ns, conn->server->options.limits.linger_timeout_ns));
    skim(conn);
}

/* No task serves it any more, and no request will follow. */
static void begin_end(struct weir__http_conn *conn)
{
    set_state(conn, WEIR__HTTP_CONN_LINGER);
    conn->finishing = true;
    conn->lingering |= !weir__http_input_empty(conn); // it sent more than was answered
    if (conn->in != NULL)
        weir__http_block_give(conn->server, conn->in);
    conn->in = NULL;
    weir__http_out_start(conn);
    weigh(conn);
    if (!conn->sending)
        finish(conn);
}

void weir__http_conn_sent(struct weir__http_conn *conn)
{
    weigh(conn);
    switch (conn->state) {
    case WEIR__HTTP_CONN_CLOSED:
        close_stream(conn);
        break;
    case WEIR__HTTP_CONN_LINGER:
        finish(conn);
        break;
    case WEIR__HTTP_CONN_BUSY:
        break; // its task sees to it
    default:
        if (conn->write_error < 0 || weir__http_conn_ended(conn))
            weir__http_conn_drop(conn);
        else
            weir__http_out_rest(conn);
        break;
    }
}

/* Refuse without a task: a whole answer, then the end. */
static void refuse(struct weir__http_conn *conn, int status)
{
    weir__http_answer_bare(conn, status);
    conn->lingering = true;
    begin_end(conn);
}

/* --- rest ------------------------------------------------------------------------------------- */

static int64_t rest_deadline_ns(const struct weir__http_conn *conn)
{
    const weir_http_limits *limits = &conn->server->options.limits;
    if (conn->state == WEIR__HTTP_CONN_HEAD)
        return weir__base_add_ns(conn->head_since_ns, limits->head_timeout_ns);
    return weir__base_add_ns(conn->since_ns, conn->request_count == 0
                                                 ? limits->first_byte_timeout_ns
                                                 : idle_limit_ns(conn->server));
}

/* The task has nothing left to do. */
static void rest(struct weir__http_conn *conn)
{
    weir__http_input_release(conn);
    weir__http_out_start(conn);
    set_state(conn, conn->in == NULL ? WEIR__HTTP_CONN_IDLE : WEIR__HTTP_CONN_HEAD);
    weir__http_out_rest(conn);
    weir__http_conn_watch(conn, rest_deadline_ns(conn));
}

static void settle(struct weir__http_conn *conn)
{
    conn->request = NULL;
    weir__list_remove(&conn->dirty);
    bool draining = conn->server->draining && conn->in == NULL;
    if (conn->write_error < 0 || conn->finishing || conn->server->closing || draining ||
        weir__http_conn_ended(conn))
        begin_end(conn);
    else
        rest(conn);
}

/* --- serving ---------------------------------------------------------------------------------- */

/* What a request leaves behind; true when the connection may go on. */
static bool wrap_up(struct weir__http_conn *conn, struct weir_request *request)
{
    if (weir__http_out_has_kept(conn) && weir__http_out_wait(conn, true) < 0) {
        weir__http_out_discard(conn); // the kept bytes go now
        conn->finishing = true;
    }
    if (conn->write_error == 0 && !conn->finishing && !request->body.done) {
        weir__http_out_start(conn); // the client may wait for the answer before it sends the rest
        conn->finishing = !weir__http_body_skip(request);
    }
    conn->lingering |= conn->finishing && !request->body.done;
    weir__http_body_end(request);
    if (request->arena.used_bytes > 0)
        weir__arena_reset(&request->arena);
    return conn->write_error == 0 && !conn->finishing && !weir_cancelled();
}

static bool serve_one(struct weir__http_conn *conn, struct weir_request *request)
{
    int rc = weir__http_read_head(request);
    if (rc == 0)
        return false;
    if (rc < 0) {
        if (rc == -EBADMSG)
            weir__http_refuse_head(request);
        else
            weir__http_answer_bare(conn, 503);
        conn->finishing = conn->lingering = true;
        weir__arena_reset(&request->arena);
        return false;
    }
    conn->request_count++;
    weir__http_handle(request);
    return wrap_up(conn, request);
}

/* How long it waited for its turn. */
static void note_delay(struct weir__http_conn *conn)
{
    weir_http_server *server = conn->server;
    if (server->shed.delay_max_ns == WEIR_FOREVER)
        return;
    weir__http_shed_note(&server->shed, conn->came_at_ns, weir__base_now());
}

static int serve(void *arg)
{
    struct weir__http_conn *conn = arg;
    weir_http_server *server = conn->server;
    weir_request *request = weir__http_request_take(server);
    if (request == NULL) {
        weir__http_answer_bare(conn, 503);
        conn->finishing = conn->lingering = true;
        settle(conn);
        return 0;
    }
    request->conn = conn;
    conn->request = request;
    note_delay(conn);
    while (serve_one(conn, request))
        weir__core_completed_at_once();
    settle(conn);
    weir__http_request_give(server, request);
    return 0;
}

static void start(struct weir__http_conn *conn)
{
    conn->came_at_ns = weir__core_news_since_ns(conn->server->loop);
    int rc = weir__core_spawn(conn->server->group, "http request", serve, conn, NULL);
    if (rc == 0)
        set_state(conn, WEIR__HTTP_CONN_BUSY);
    else if (rc == -ESHUTDOWN)
        weir__http_conn_drop(conn);
    else
        refuse(conn, 503);
}

/* --- the client goes -------------------------------------------------------------------------- */

void weir__http_conn_gone(struct weir__http_conn *conn)
{
    struct weir_request *request = conn->request;
    if (request == NULL || request->now.gone)
        return;
    request->now.gone = true;
    if (request->now.scope_entered)
        weir_scope_cancel(&request->scope, "the client is gone");
}

/* A client that has finished sending may still read: only a stream is of no use to it, or what a
 * route says so of. One that was reset reads nothing. */
static void look_at_peer(struct weir__http_conn *conn)
{
    const struct weir_request *request = conn->request;
    if (request == NULL)
        return;
    const struct weir__http_route *route = request->match.route;
    if (conn->stream.rx.error < 0 ||
        (conn->stream.rx.eof &&
         (request->now.sse || (route != NULL && route->public->eof_cancels))))
        weir__http_conn_gone(conn);
}

/* --- callbacks -------------------------------------------------------------------------------- */

static void stream_ready(struct weir__stream *stream)
{
    struct weir__http_conn *conn = conn_of(stream);
    switch (conn->state) {
    case WEIR__HTTP_CONN_IDLE:
    case WEIR__HTTP_CONN_HEAD:
        if (weir__stream_unread(stream) > 0)
            start(conn);
        else if (stream->rx.error < 0 || !conn->sending)
            weir__http_conn_drop(conn);
        break;
    case WEIR__HTTP_CONN_BUSY:
        if (weir__stream_unread(stream) >= conn->stream.rx.unread_max)
            weir__http_limit_hit(conn->server, WEIR_HTTP_LIMIT_PIPELINE, conn);
        look_at_peer(conn);
        break;
    case WEIR__HTTP_CONN_LINGER:
        skim(conn);
        if (stream->rx.error < 0 || (stream->rx.eof && !conn->sending))
            weir__http_conn_drop(conn);
        break;
    default:
        break;
    }
}

int64_t weir__http_conn_look_ns(const struct weir__http_conn *conn)
{
    return weir__net_look_ns(conn->server->options.limits.write_timeout_ns);
}

/* What the kernel took counts when the peer has acknowledged it. Bytes of earlier sends may still
 * be on their way, so this may be negative; it only grows. */
static int64_t progress_of(const struct weir__http_conn *conn)
{
    int unsent;
    if (weir__sys_unsent_bytes(weir__stream_fd(&conn->stream), &unsent) < 0)
        unsent = 0;
    return (int64_t)conn->out->sender.sent - unsent;
}

/* The peer takes nothing: true when that was too long, and the connection is at its end. */
static bool stalled(struct weir__http_conn *conn, int64_t *next_ns)
{
    if (!conn->sending || conn->sending_own)
        return false;
    int64_t timeout_ns = conn->server->options.limits.write_timeout_ns;
    int64_t progress = progress_of(conn);
    if (!conn->sending_looked || progress > conn->sending_seen) {
        conn->sending_looked = true;
        conn->sending_seen = progress;
        conn->sending_since_ns = now_of(conn);
    }
    if (weir__base_add_ns(conn->sending_since_ns, timeout_ns) > now_of(conn)) {
        *next_ns = weir__base_add_ns(now_of(conn), weir__http_conn_look_ns(conn));
        return false;
    }
    weir__http_limit_hit(conn->server, WEIR_HTTP_LIMIT_WRITE_STALL, conn);
    conn->reset = true;
    conn->write_error = -ETIMEDOUT;
    if (conn->state == WEIR__HTTP_CONN_BUSY) {
        weir__sender_cancel(&conn->out->sender); // whoever waits for it hears the error
        weir__http_conn_gone(conn);
    } else {
        weir__http_conn_drop(conn);
    }
    return true;
}

/* The instant that the alarm watches for the handler; never, when a timer of the scope's own
 * does. */
static int64_t handler_deadline_ns(const struct weir_request *request)
{
    const weir_scope *scope = &request->scope;
    bool watched = request->now.scope_entered && scope->weir__timer.weir__next == NULL &&
                   scope->weir__level == WEIR__LEVEL_NONE;
    return watched ? scope->weir__timer.weir__deadline_ns : WEIR_NEVER;
}

void weir__http_conn_limit_handler(struct weir__http_conn *conn, int64_t deadline_ns)
{
    conn->request->scope.weir__timer.weir__deadline_ns = deadline_ns;
    weir__http_conn_watch(conn, deadline_ns);
}

static int64_t beat_at_ns(const struct weir_request *request)
{
    if (!request->now.sse)
        return WEIR_NEVER;
    return weir__base_add_ns(request->now.written_at_ns,
                             request->server->options.limits.heartbeat_ns);
}

static int64_t busy_deadline_ns(const struct weir_request *request)
{
    if (request == NULL)
        return WEIR_NEVER;
    int64_t handler_ns = handler_deadline_ns(request);
    int64_t beat_ns = beat_at_ns(request);
    return handler_ns < beat_ns ? handler_ns : beat_ns;
}

static void look_at_request(struct weir_request *request)
{
    int64_t now_ns = request->server->loop->now_ns;
    if (handler_deadline_ns(request) <= now_ns)
        weir__scope_fire(request->server->loop,
                         (struct weir__timer *)(void *)&request->scope.weir__timer);
    if (beat_at_ns(request) <= now_ns)
        weir__http_sse_beat(request);
}

static int64_t state_deadline_ns(const struct weir__http_conn *conn)
{
    const weir_http_limits *limits = &conn->server->options.limits;
    switch (conn->state) {
    case WEIR__HTTP_CONN_IDLE:
    case WEIR__HTTP_CONN_HEAD:
        return conn->sending ? WEIR_NEVER : rest_deadline_ns(conn);
    case WEIR__HTTP_CONN_BUSY:
        return busy_deadline_ns(conn->request);
    case WEIR__HTTP_CONN_LINGER:
        return conn->sending ? WEIR_NEVER
                             : weir__base_add_ns(conn->since_ns, limits->linger_timeout_ns);
    default:
        return WEIR_NEVER;
    }
}

/* The time of its state is up; false when the connection is at its end. */
static bool time_is_up(struct weir__http_conn *conn)
{
    weir_http_server *server = conn->server;
    switch (conn->state) {
    case WEIR__HTTP_CONN_IDLE:
        weir__http_limit_hit(
            server, conn->request_count == 0 ? WEIR_HTTP_LIMIT_FIRST_BYTE : WEIR_HTTP_LIMIT_IDLE,
            conn);
        weir__http_conn_drop(conn);
        return false;
    case WEIR__HTTP_CONN_HEAD:
        weir__http_limit_hit(server, WEIR_HTTP_LIMIT_HEAD_TIME, conn);
        refuse(conn, 408);
        return false;
    case WEIR__HTTP_CONN_BUSY:
        look_at_request(conn->request);
        return true;
    default:
        weir__http_conn_drop(conn);
        return false;
    }
}

static void alarm_fired(struct weir__alarm *alarm)
{
    struct weir__http_conn *conn = WEIR__CONTAINER(alarm, struct weir__http_conn, alarm);
    int64_t next_ns = WEIR_NEVER;
    if (stalled(conn, &next_ns))
        return;
    if (state_deadline_ns(conn) <= now_of(conn) && !time_is_up(conn))
        return;
    int64_t deadline_ns = state_deadline_ns(conn);
    weir__http_conn_watch(conn, deadline_ns < next_ns ? deadline_ns : next_ns);
}

void weir__http_conn_watch(struct weir__http_conn *conn, int64_t at_ns)
{
    if (at_ns == WEIR_NEVER ||
        (weir__timer_armed(&conn->alarm.timer) && conn->alarm.timer.deadline_ns <= at_ns))
        return;
    weir__core_alarm_set(conn->server->loop, &conn->alarm, at_ns);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void note_peer(struct weir__http_conn *conn, const struct sockaddr *peer)
{
    if (peer == NULL)
        return;
    if (peer->sa_family == AF_INET)
        memcpy(&conn->peer.v4, peer, sizeof conn->peer.v4);
    else if (peer->sa_family == AF_INET6)
        memcpy(&conn->peer.v6, peer, sizeof conn->peer.v6);
    else
        conn->peer.any.sa_family = peer->sa_family;
}

/* One hour, give or take a tenth: connections that began together do not end together. */
static int64_t expiry_ns(weir_http_server *server)
{
    int64_t age_ns = server->options.limits.conn_age_max_ns;
    if (age_ns == WEIR_FOREVER)
        return WEIR_NEVER;
    uint64_t spread = (uint64_t)age_ns / 5 + 1;
    int64_t drawn = (int64_t)(weir__base_random_next(&server->random_state) % spread);
    return weir__base_add_ns(server->loop->now_ns, age_ns - age_ns / 10 + drawn);
}

int weir__http_conn_open(weir_http_server *server, int fd, const struct sockaddr *peer,
                         struct weir__http_peer *counted)
{
    struct weir__http_conn *conn = weir__http_conn_take(server);
    if (conn == NULL) {
        weir__http_peers_leave(server->peers, counted);
        weir__io_close(fd);
        return -ENOMEM;
    }
    conn->counted = counted;
    int rc = weir__stream_open(&conn->stream, fd, stream_closed);
    if (rc < 0) {
        weir__http_conn_give(server, conn);
        return rc;
    }
    conn->stream.on_ready = stream_ready;
    conn->stream.rx.unread_max = server->options.limits.pipeline_bytes_max;
    conn->alarm.fire = alarm_fired;
    conn->expires_at_ns = expiry_ns(server);
    conn->since_ns = server->loop->now_ns;
    note_peer(conn, peer);
    server->stats.accepted_count++;
    weir__http_conn_watch(conn, rest_deadline_ns(conn));
    return 0;
}
