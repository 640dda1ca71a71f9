/*
 * output.c - what is to be sent: a chain of blocks, and one send for all that is there
 *
 * Answers are written one behind the other into the last block of a connection's chain; what is
 * committed may leave. A send takes everything that is ready in the first block, and its completion
 * goes on with what has become ready meanwhile. So pipelined answers share one send, and the task
 * that wrote them need not wait for it: the blocks belong to the connection.
 *
 * Runs on  the loop's own thread: in the connection's task, and in the completion of its sends.
 * Holds    1. start <= ready <= end in every block; only the last one grows, only the first is
 *          sent.
 *          2. At most one send is under way for a connection: one of a sender, or one that its task
 *             waits for (then out_waiter is NULL and the task is inside weir__http_out_send).
 *          3. Kept bytes are sent, or given up, before the request that keeps them ends.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "http/server.h"
#include "net/net.h"

enum { PARTS_MAX = 16 };

/* --- the chain -------------------------------------------------------------------------------- */

static void append_block(struct weir__http_conn *conn, struct weir__http_block *block)
{
    block->conn = conn;
    if (conn->out_last == NULL)
        conn->out = block;
    else
        conn->out_last->next = block;
    conn->out_last = block;
}

static void drop_first(struct weir__http_conn *conn)
{
    struct weir__http_block *block = conn->out;
    conn->out = block->next;
    if (conn->out == NULL)
        conn->out_last = NULL;
    weir__http_block_give(conn->server, block);
}

char *weir__http_out_room(struct weir__http_conn *conn, size_t bytes)
{
    struct weir__http_block *last = conn->out_last;
    if (last != NULL && last->capacity - last->end >= bytes && last->capacity > 0)
        return last->memory + last->end;
    struct weir__http_block *block = weir__http_block_take(conn->server, bytes);
    if (block == NULL)
        return NULL;
    append_block(conn, block);
    return block->memory;
}

int weir__http_out_keep(struct weir__http_conn *conn, const void *data, size_t size)
{
    struct weir__http_block *block = weir__http_block_take(conn->server, 0);
    if (block == NULL)
        return -ENOMEM;
    append_block(conn, block);
    block->data = data;
    block->capacity = 0;
    block->end = size;
    return 0;
}

void weir__http_out_commit(struct weir__http_conn *conn)
{
    for (struct weir__http_block *block = conn->out; block != NULL; block = block->next)
        block->ready = block->end;
    conn->mark = NULL;
}

size_t weir__http_out_mark(struct weir__http_conn *conn)
{
    conn->mark = conn->out_last;
    return conn->mark == NULL ? 0 : conn->mark->end;
}

void weir__http_out_roll_back(struct weir__http_conn *conn, size_t mark_end)
{
    struct weir__http_block *mark = conn->mark;
    struct weir__http_block *block = mark == NULL ? conn->out : mark->next;
    if (mark == NULL) {
        conn->out = NULL;
    } else {
        assert(mark->ready <= mark_end);
        mark->end = mark_end;
        mark->next = NULL;
    }
    conn->out_last = mark;
    conn->mark = NULL;
    while (block != NULL) {
        struct weir__http_block *next = block->next;
        weir__http_block_give(conn->server, block);
        block = next;
    }
}

bool weir__http_out_pending(const struct weir__http_conn *conn)
{
    for (const struct weir__http_block *block = conn->out; block != NULL; block = block->next)
        if (block->start < block->ready)
            return true;
    return false;
}

bool weir__http_out_has_kept(const struct weir__http_conn *conn)
{
    for (const struct weir__http_block *block = conn->out; block != NULL; block = block->next)
        if (block->capacity == 0)
            return true;
    return false;
}

void weir__http_out_discard(struct weir__http_conn *conn)
{
    assert(!conn->sending);
    while (conn->out != NULL)
        drop_first(conn);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* The connection takes no more bytes. What is under way is let go by whoever waits for it. */
static void fail_output(struct weir__http_conn *conn, int error)
{
    if (conn->write_error == 0)
        conn->write_error = error == -ETIMEDOUT ? -ETIMEDOUT : -EPIPE;
}

static void count_sent(struct weir__http_conn *conn, size_t bytes)
{
    conn->server->stats.bytes_out += bytes;
}

/* Blocks that are sent make room; the last one stays while its connection is busy. */
static void drop_sent(struct weir__http_conn *conn)
{
    struct weir__http_block *block;
    while ((block = conn->out) != NULL && block->start == block->end && block != conn->mark) {
        if (block->next == NULL && block->capacity > 0 && conn->state == WEIR__HTTP_CONN_BUSY) {
            block->start = block->ready = block->end = 0;
            return;
        }
        drop_first(conn);
    }
}

/* Blocks without a byte in them go; the connection rests. */
void weir__http_out_rest(struct weir__http_conn *conn)
{
    if (!conn->sending)
        drop_sent(conn);
}

static void take_result(struct weir__http_conn *conn, struct weir__sender *sender)
{
    conn->out->start += sender->sent;
    count_sent(conn, sender->sent);
    if (sender->error < 0)
        fail_output(conn, sender->error);
    else
        drop_sent(conn);
}

static void send_done(struct weir__sender *sender)
{
    struct weir__http_block *block = WEIR__CONTAINER(sender, struct weir__http_block, sender);
    struct weir__http_conn *conn = block->conn;
    conn->sending = false;
    take_result(conn, sender);
    if (conn->write_error == 0)
        weir__http_out_start(conn);
    if (conn->sending)
        return;
    weir_task *waiter = conn->out_waiter;
    conn->out_waiter = NULL;
    if (waiter != NULL)
        weir__core_wake(waiter, 0);
    weir__http_conn_sent(conn);
}

void weir__http_out_start(struct weir__http_conn *conn)
{
    while (!conn->sending && conn->write_error == 0) {
        struct weir__http_block *block = conn->out;
        if (block == NULL || block->start == block->ready)
            return;
        block->sender.done = send_done;
        conn->sending = true;
        if (weir__sender_start(&block->sender, weir__stream_fd(&conn->stream),
                               block->data + block->start, block->ready - block->start) == 0) {
            conn->sending_since_ns = conn->server->loop->now_ns;
            conn->sending_looked = false;
            weir__http_conn_watch(
                conn, weir__base_add_ns(conn->sending_since_ns, weir__http_conn_look_ns(conn)));
            return;
        }
        conn->sending = false;
        take_result(conn, &block->sender);
    }
}

void weir__http_out_soon(struct weir__http_conn *conn)
{
    weir_http_server *server = conn->server;
    if (!weir__list_empty(&conn->dirty))
        return;
    weir__list_append(&server->dirty, &conn->dirty);
    if (!weir__timer_armed(&server->flush_alarm.timer))
        weir__core_alarm_set(server->loop, &server->flush_alarm, server->loop->now_ns);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* The send goes on without us: its blocks are the connection's. */
static void leave_wait(weir_task *task, void *object)
{
    struct weir__http_conn *conn = object;
    conn->out_waiter = NULL;
    weir__core_wake(task, -ECANCELED);
}

/* The caller's own bytes are being sent: it can go only when the kernel has let go of them. */
static void cut_send(weir_task *task, void *object)
{
    (void)task;
    struct weir__http_conn *conn = object;
    fail_output(conn, -EPIPE);
    weir__sender_cancel(&conn->out->sender);
}

int weir__http_out_wait(struct weir__http_conn *conn, bool taken)
{
    int rc = weir__core_checkpoint();
    if (rc < 0 && taken && conn->sending)
        cut_send(weir__core_task(), conn);
    else if (rc < 0)
        return rc;
    weir__http_out_start(conn);
    while (conn->sending) {
        conn->out_waiter = weir__core_task();
        rc = weir__core_park(WEIR_WAIT_IO, conn, taken ? cut_send : leave_wait);
        if (rc == -ECANCELED)
            return weir__core_cancelled_result(weir__core_task());
    }
    return conn->write_error;
}

/* One send of the task's own: at least one byte, or an error. The limit is about progress. */
static ssize_t send_some(struct weir__http_conn *conn, struct msghdr *message)
{
    weir_http_server *server = conn->server;
    ssize_t sent = weir__net_send_some(weir__stream_fd(&conn->stream), message,
                                       server->options.limits.write_timeout_ns, NULL);
    if (sent == -ETIME) {
        weir__http_limit_hit(server, WEIR_HTTP_LIMIT_WRITE_STALL, conn);
        conn->reset = true;
        return -ETIMEDOUT;
    }
    return sent;
}

/* Sends all of the message; *sent_bytes is exact on every return. */
static int send_message(struct weir__http_conn *conn, struct msghdr *message, size_t *sent_bytes)
{
    while (message->msg_iovlen > 0) {
        ssize_t sent = send_some(conn, message);
        if (sent < 0)
            return (int)sent;
        count_sent(conn, (size_t)sent);
        *sent_bytes += (size_t)sent;
        weir__io_skip_sent(message, (size_t)sent);
    }
    return 0;
}

/* The blocks that are ready, then the parts, in one go. */
int weir__http_out_send(struct weir__http_conn *conn, const weir_str *parts, size_t count)
{
    assert(count < PARTS_MAX);
    int rc = 0;
    if (conn->sending || (conn->out != NULL && conn->out->next != NULL))
        rc = weir__http_out_wait(conn, false);
    if (rc == 0)
        rc = conn->write_error;
    if (rc < 0)
        return rc;

    struct iovec iov[PARTS_MAX];
    size_t used = 0;
    struct weir__http_block *block = conn->out;
    size_t before = block == NULL ? 0 : block->ready - block->start;
    if (before > 0)
        iov[used++] = (struct iovec){(char *)(uintptr_t)block->data + block->start, before};
    for (size_t i = 0; i < count; i++)
        if (parts[i].size > 0)
            iov[used++] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].size};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = used};

    size_t sent = 0;
    conn->sending = conn->sending_own = true;
    rc = send_message(conn, &message, &sent);
    conn->sending = conn->sending_own = false;
    if (block != NULL) {
        block->start += sent < before ? sent : before;
        drop_sent(conn);
    }
    // Cut between two pieces, the connection is as good as before; in the middle of one, it is not.
    if (rc < 0 && (rc != -ECANCELED || sent > before))
        fail_output(conn, rc);
    return rc < 0 && rc != -ECANCELED ? conn->write_error : rc;
}
