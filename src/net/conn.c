/*
 * conn.c - connections: reading, writing, closing
 *
 * The receiving side is a stream of core/io.h: bytes wait in the loop's buffers, and a connection
 * at rest owns none. Each wait that really waits is inside a scope whose deadline is the limit of
 * the connection; the scope's -ETIME becomes -ETIMEDOUT, while the deadline of a scope around it
 * stays -ECANCELED, and a result that came first wins over both.
 *
 * Runs on  the loop's own thread.
 * Costs    a read of bytes that are there: one copy, no timer, no system call. A wait: arming and
 *          disarming one timer of the wheel.
 * Holds    1. At most one task is in a read and one in a write.
 *          2. write_op is set exactly while a send is with the backend, or its task has not run
 *             since.
 *          3. The memory goes when the connection is closed, its stream has stopped, and no task is
 *             inside a call: a close ends the waits of others, who then still look at it.
 */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "net/net.h"

enum { PARTS_MAX = 16 /* of one sendmsg */ };

/* --- open and close --------------------------------------------------------------------------- */

static weir_conn *conn_of(struct weir__stream *stream)
{
    return WEIR__CONTAINER(stream, weir_conn, stream);
}

static void free_when_unused(weir_conn *conn)
{
    if (!conn->released || conn->users != 0)
        return;
    if (weir__net_conn_layered(conn))
        conn->layer->free(conn);
    weir__base_free(conn);
}

static void stream_closed(struct weir__stream *stream)
{
    weir_conn *conn = conn_of(stream);
    conn->released = true;
    free_when_unused(conn);
}

int weir__net_read_how(const weir_connect_options *options, struct weir__net_how *out_how)
{
    int rc = weir__net_limit(options->read_idle_timeout_ns, WEIR__NET_CLIENT_READ_NS,
                             &out_how->read_idle_ns);
    if (rc == 0)
        rc = weir__net_limit(options->write_stall_timeout_ns, WEIR__NET_CLIENT_WRITE_NS,
                             &out_how->write_stall_ns);
    out_how->takes_fds = options->takes_fds;
    return rc < 0 ? weir_fail(rc, "a time limit is negative") : 0;
}

/* Takes fd, also on failure. */
static int open_bare(weir_conn *conn, int fd)
{
    int rc = weir__net_family(&conn->peer) == AF_UNIX
                 ? weir__net_conn_bare(conn)
                 : weir_fail(-EOPNOTSUPP, "only a Unix connection takes descriptors");
    if (rc < 0)
        weir__io_close(fd);
    conn->stream.loop = weir__core_loop();
    conn->stream.rx.fd = fd;
    return rc;
}

int weir__net_conn_open(int fd, const weir_address *peer, const struct weir__net_how *how,
                        weir_conn **out_conn)
{
    weir_conn *conn = weir__base_alloc_zero(sizeof *conn);
    if (conn == NULL) {
        weir__io_close(fd);
        return -ENOMEM;
    }
    weir__list_init(&conn->entry.link);
    if (peer != NULL)
        conn->peer = *peer;
    conn->read_idle_ns = how->read_idle_ns;
    conn->write_stall_ns = how->write_stall_ns;
    int rc =
        how->takes_fds ? open_bare(conn, fd) : weir__stream_open(&conn->stream, fd, stream_closed);
    if (rc < 0) {
        weir__base_free(conn);
        return rc;
    }
    *out_conn = conn;
    return 0;
}

/* The descriptor goes when the kernel has let go of the buffers of both sides. */
static void settle_closed(weir_conn *conn)
{
    if (!conn->closed || conn->released || conn->write_op != NULL || conn->read_op != NULL)
        return;
    if (conn->bare) {
        weir__io_close(conn->stream.rx.fd);
        conn->released = true;
    } else {
        weir__stream_close(&conn->stream); // does nothing the second time
    }
}

static void close_left_open(struct weir__ledger_entry *entry)
{
    weir_conn_close(WEIR__CONTAINER(entry, weir_conn, entry));
}

void weir__net_conn_register(weir_conn *conn, const void *address)
{
    weir__ledger_add(&conn->entry, "connection", address, close_left_open);
}

void weir_conn_close(weir_conn *conn)
{
    if (conn == NULL || conn->closed)
        return;
    if (weir__net_conn_layered(conn) && conn->layer->closing != NULL)
        conn->layer->closing(conn);
    conn->closed = true;
    weir__ledger_remove(&conn->entry);
    if (conn->write_op != NULL)
        weir__io_cancel(conn->write_op);
    if (conn->read_op != NULL)
        weir__io_cancel(conn->read_op);
    settle_closed(conn);
    free_when_unused(conn);
}

/* --- calls ------------------------------------------------------------------------------------ */

int weir__net_conn_enter(weir_conn *conn, bool *side)
{
    if (weir__core_task() == NULL || conn->stream.loop != weir__core_loop())
        return -EPERM;
    if (conn->closed)
        return -EBADF;
    if (*side)
        return weir_fail(-EBUSY, "another task %s this connection already",
                         side == &conn->reading ? "reads from" : "writes to");
    *side = true;
    conn->users++;
    return 0;
}

void weir__net_conn_leave(weir_conn *conn, bool *side)
{
    *side = false;
    conn->users--;
    settle_closed(conn);
    free_when_unused(conn);
}

int weir__net_conn_enter_both(weir_conn *conn)
{
    int rc = weir__net_conn_enter(conn, &conn->reading);
    if (rc < 0)
        return rc;
    rc = weir__net_conn_enter(conn, &conn->writing);
    if (rc < 0)
        weir__net_conn_leave(conn, &conn->reading);
    return rc;
}

void weir__net_conn_leave_both(weir_conn *conn)
{
    conn->writing = false;
    conn->users--; // the other one still holds it
    weir__net_conn_leave(conn, &conn->reading);
}

void weir__net_raw_hold(weir_conn *conn, struct weir__op *op)
{
    conn->writing = true;
    conn->users++;
    conn->write_op = op;
}

void weir__net_raw_let_go(weir_conn *conn)
{
    conn->write_op = NULL;
    weir__net_conn_leave(conn, &conn->writing);
}

/* --- messages --------------------------------------------------------------------------------- */

/* What went wrong on one side; `reading` or else writing. */
static int fail_side(const weir_conn *conn, bool reading, int rc)
{
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    weir_address_format(&conn->peer, peer);
    switch (rc) {
    case -ECANCELED:
        return rc;
    case -ECONNRESET:
        return weir_fail(rc, "connection reset by %s", peer);
    case -ETIMEDOUT:
        return weir_fail(rc, "%s is gone: it has not answered for too long", peer);
    case -EBADF:
        return weir_fail(rc, "the connection to %s was closed by another task", peer);
    default:
        if (rc == -EPIPE && !reading)
            return weir_fail(rc, "the connection to %s takes no more bytes: it is closed", peer);
        return weir_fail(rc, "cannot %s %s: %s", reading ? "read from" : "write to", peer,
                         weir_code_text(rc));
    }
}

/* The limit of one side. */
static int fail_limit(const weir_conn *conn, bool reading)
{
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    char duration[WEIR__NET_DURATION_BYTES];
    return weir_fail(
        -ETIMEDOUT, "no byte for %s %s %s%s",
        weir__net_duration(reading ? conn->read_idle_ns : conn->write_stall_ns, duration),
        reading ? "from" : "to", weir_address_format(&conn->peer, peer),
        reading ? "" : ": it does not read");
}

int weir__net_conn_fail(const weir_conn *conn, bool reading, int rc)
{
    if (rc == -ETIME)
        return fail_limit(conn, reading);
    return fail_side(conn, reading, conn->closed && rc != -ECANCELED ? -EBADF : rc);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Bytes, an end or an error are there: no timer is needed to hear of them. */
static bool is_answered(const weir_conn *conn, size_t known_bytes)
{
    const struct weir__rx *rx = &conn->stream.rx;
    return rx->unread_bytes > known_bytes || rx->eof || rx->error < 0;
}

static int wait_for_bytes(weir_conn *conn, size_t known_bytes)
{
    weir_scope limit = {0};
    bool limited = conn->read_idle_ns != WEIR_FOREVER && !is_answered(conn, known_bytes) &&
                   !weir_cancelled(); // a refusal belongs to the scope around: C12 counts it there
    int rc = limited ? weir_timeout_enter(&limit, conn->read_idle_ns) : 0;
    if (rc < 0)
        return rc;
    rc = weir__stream_wait_more(&conn->stream, known_bytes);
    if (limited)
        rc = weir_scope_leave(&limit, rc);
    if (rc == -ETIME)
        return fail_limit(conn, true);
    return rc < 0 ? fail_side(conn, true, rc) : rc;
}

int weir__net_raw_wait(weir_conn *conn)
{
    return wait_for_bytes(conn, 0);
}

static size_t take_bytes(weir_conn *conn, void *out_buffer, size_t size)
{
    size_t taken = 0;
    while (taken < size) {
        size_t there;
        const char *data = weir__stream_peek(&conn->stream, &there);
        if (data == NULL)
            break;
        size_t piece = there < size - taken ? there : size - taken;
        memcpy((char *)out_buffer + taken, data, piece);
        weir__stream_consume(&conn->stream, piece);
        taken += piece;
    }
    return taken;
}

int weir__net_conn_wait_more(weir_conn *conn, size_t known_bytes)
{
    int rc = weir__net_conn_enter(conn, &conn->reading);
    if (rc < 0)
        return rc;
    rc = weir__net_conn_layered(conn) ? conn->layer->wait_more(conn, known_bytes)
                                      : wait_for_bytes(conn, known_bytes);
    weir__net_conn_leave(conn, &conn->reading);
    return rc;
}

static ssize_t read_some(weir_conn *conn, void *out_buffer, size_t size)
{
    if (weir__net_conn_layered(conn))
        return conn->layer->read(conn, out_buffer, size);
    int rc = wait_for_bytes(conn, 0);
    return rc > 0 ? (ssize_t)take_bytes(conn, out_buffer, size) : rc;
}

ssize_t weir_conn_read(weir_conn *conn, void *out_buffer, size_t size)
{
    if (size == 0)
        return -EINVAL; // 0 would look like the end
    ssize_t rc = weir__net_conn_enter(conn, &conn->reading);
    if (rc < 0)
        return rc;
    rc = read_some(conn, out_buffer, size > SSIZE_MAX ? SSIZE_MAX : size);
    weir__net_conn_leave(conn, &conn->reading);
    return rc;
}

/* At least `enough` of the room that there is. */
static int read_until(weir_conn *conn, char *out_buffer, size_t size, size_t enough,
                      size_t *out_read)
{
    *out_read = 0;
    while (*out_read < enough) {
        ssize_t rc = read_some(conn, out_buffer + *out_read, size - *out_read);
        if (rc < 0)
            return (int)rc;
        if (rc == 0) {
            char peer[WEIR_ADDRESS_TEXT_BYTES];
            return weir_fail(-EPIPE, "%s finished after %zu of %zu bytes",
                             weir_address_format(&conn->peer, peer), *out_read, enough);
        }
        *out_read += (size_t)rc;
    }
    return 0;
}

int weir_conn_read_at_least(weir_conn *conn, void *out_buffer, size_t size, size_t enough,
                            size_t *out_read)
{
    size_t read = 0;
    int rc = enough > size || size > SSIZE_MAX ? -EINVAL : 0;
    if (rc == 0)
        rc = weir__net_conn_enter(conn, &conn->reading);
    if (rc == 0) {
        rc = read_until(conn, out_buffer, size, enough, &read);
        weir__net_conn_leave(conn, &conn->reading);
    }
    if (out_read != NULL)
        *out_read = read;
    return rc;
}

int weir_conn_read_exact(weir_conn *conn, void *out_buffer, size_t size, size_t *out_read)
{
    return weir_conn_read_at_least(conn, out_buffer, size, size, out_read);
}

int weir_conn_wait_readable(weir_conn *conn)
{
    return weir__net_conn_wait_more(conn, 0);
}

weir_str weir_conn_peek(weir_conn *conn)
{
    weir_str there = {0};
    if (!conn->closed && conn->stream.loop == weir__core_loop())
        there.data = weir__net_conn_peek(conn, &there.size);
    return there.data == NULL ? (weir_str){0} : there;
}

int weir_conn_skip(weir_conn *conn, size_t size)
{
    if (conn->stream.loop != weir__core_loop())
        return -EPERM;
    if (conn->closed)
        return -EBADF;
    if (conn->reading)
        return weir_fail(-EBUSY, "another task reads from this connection already");
    if (size > weir_conn_peek(conn).size)
        return -EINVAL;
    weir__net_conn_consume(conn, size);
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

ssize_t weir__net_raw_send(weir_conn *conn, struct msghdr *message)
{
    ssize_t sent = weir__net_send_some(weir__stream_fd(&conn->stream), message,
                                       conn->write_stall_ns, &conn->write_op);
    return sent >= 0 ? sent : weir__net_conn_fail(conn, false, (int)sent);
}

size_t weir__net_raw_send_now(weir_conn *conn, const void *data, size_t size)
{
    if (conn->write_op != NULL || conn->closed)
        return 0;
    ssize_t sent = weir__sys_send(weir__stream_fd(&conn->stream), data, size, MSG_DONTWAIT);
    return sent < 0 ? 0 : (size_t)sent;
}

static int send_all(weir_conn *conn, struct iovec *parts, size_t count, size_t *written)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    while (message.msg_iovlen > 0) {
        ssize_t sent = weir__net_raw_send(conn, &message);
        if (sent < 0)
            return (int)sent;
        *written += (size_t)sent;
        weir__io_skip_sent(&message, (size_t)sent);
        if (conn->closed && message.msg_iovlen > 0)
            return fail_side(conn, false, -EBADF);
    }
    return 0;
}

/* The list is ours, since a short send moves through it: parts go over by the dozen. */
int weir__net_raw_write(weir_conn *conn, const weir_str *parts, size_t count, size_t *written)
{
    size_t next = 0;
    while (next < count) {
        struct iovec batch[PARTS_MAX];
        size_t batched = 0;
        for (; next < count && batched < PARTS_MAX; next++) {
            if (parts[next].size > 0)
                batch[batched++] =
                    (struct iovec){(void *)(uintptr_t)parts[next].data, parts[next].size};
        }
        int rc = send_all(conn, batch, batched, written);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_total(const weir_str *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(total, parts[i].size, &total) || total > SSIZE_MAX)
            return -EINVAL;
    }
    return 0;
}

int weir_conn_write_parts(weir_conn *conn, const weir_str *parts, size_t count, size_t *out_written)
{
    size_t written = 0;
    int rc = check_total(parts, count);
    if (rc == 0)
        rc = weir__net_conn_enter(conn, &conn->writing);
    if (rc == 0) {
        rc = weir__net_conn_layered(conn) ? conn->layer->write(conn, parts, count, &written)
                                          : weir__net_raw_write(conn, parts, count, &written);
        weir__net_conn_leave(conn, &conn->writing);
    }
    if (out_written != NULL)
        *out_written = written;
    return rc;
}

int weir_conn_write_all(weir_conn *conn, const void *data, size_t size, size_t *out_written)
{
    weir_str part = {data, size};
    return weir_conn_write_parts(conn, &part, 1, out_written);
}

int weir__net_raw_finish(weir_conn *conn)
{
    int rc = weir__sys_shutdown(weir__stream_fd(&conn->stream), SHUT_WR);
    return rc < 0 ? fail_side(conn, false, rc) : 0;
}

int weir_conn_finish(weir_conn *conn)
{
    if (conn->stream.loop != weir__core_loop())
        return -EPERM;
    if (conn->closed)
        return -EBADF;
    if (conn->writing)
        return weir_fail(-EBUSY, "another task writes to this connection already");
    return weir__net_conn_layered(conn) ? conn->layer->finish(conn) : weir__net_raw_finish(conn);
}

/* --- other ways to end ------------------------------------------------------------------------ */

void weir_conn_abort(weir_conn *conn)
{
    if (conn == NULL || conn->closed)
        return;
    weir_ignore(weir__sys_reset_on_close(weir__stream_fd(&conn->stream)),
                "it is closed all the same, and the peer hears an end");
    conn->abrupt = true;
    weir_conn_close(conn);
}

/* Checkpoint: what the peer still sends is thrown away, until it has finished. */
static int wait_for_the_end(weir_conn *conn)
{
    char nothing[1024];
    ssize_t got;
    do
        got = weir_conn_read(conn, nothing, sizeof nothing);
    while (got > 0);
    return (int)got;
}

int weir_conn_shutdown(weir_conn *conn, int64_t timeout_ns)
{
    if (conn == NULL)
        return 0;
    int rc = timeout_ns < 0 ? -EINVAL : weir_conn_finish(conn);
    if (rc == 0)
        WEIR_TIMEOUT(rc, timeout_ns == 0 ? WEIR__NET_LINGER_NS : timeout_ns)
        {
            rc = wait_for_the_end(conn);
        }
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    if (rc == -ETIME)
        rc = weir_fail(-ETIMEDOUT, "%s has not finished in time; closed all the same",
                       weir_address_format(&conn->peer, peer));
    weir_conn_close(conn);
    return rc;
}

/* --- what it is ------------------------------------------------------------------------------- */

const weir_address *weir_conn_peer_address(const weir_conn *conn)
{
    return &conn->peer;
}

int weir_conn_local_address(const weir_conn *conn, weir_address *out_address)
{
    return weir__net_local_address(weir__stream_fd(&conn->stream), out_address);
}
