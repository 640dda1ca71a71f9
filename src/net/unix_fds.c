/*
 * unix_fds.c - connections that carry descriptors
 *
 * A plain connection receives before anybody reads, into the loop's buffers, and what comes beside
 * the bytes would be dropped there. So one that takes descriptors is bare: nothing is received but
 * by a call, with a layer that does it. What is only looked at lies in a buffer of that layer, and
 * is received as a plain read would: descriptors beside it are closed by the kernel.
 *
 * Runs on  the loop's own thread.
 * Costs    a receive: one recvmsg (io_uring: a submission), straight into the caller's buffer.
 * Holds    1. Descriptors of ours are close-on-exec, and each is in out_fds or closed.
 *          2. conn->read_op is set exactly while a receive is with the backend.
 */
#include <string.h>
#include <weir/unix.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "net/net.h"

enum {
    SEEN_BYTES = 4096,
    KERNEL_FDS_MAX = 253, /* SCM_MAX_FD: of one message, whoever sends it */
};

/* The layer's: what was looked at and not read yet. */
struct seen {
    size_t at;
    size_t size;
    int rc; /* 0, or what the looking came to */
    bool eof;
    char bytes[SEEN_BYTES];
};

static struct seen *seen_of(const weir_conn *conn)
{
    return conn->layer_state;
}

static size_t unread(const struct seen *seen)
{
    return seen->size - seen->at;
}

/* --- receiving -------------------------------------------------------------------------------- */

static ssize_t receive(weir_conn *conn, struct msghdr *message)
{
    struct weir__op op = {.kind = WEIR__OP_RECVMSG,
                          .fd = weir__stream_fd(&conn->stream),
                          .message = message,
                          .flags = MSG_CMSG_CLOEXEC};
    conn->read_op = &op;
    ssize_t got = weir__net_run(&op, conn->read_idle_ns);
    conn->read_op = NULL;
    return got < 0 ? weir__net_conn_fail(conn, true, (int)got) : got;
}

static ssize_t take_seen(struct seen *seen, void *out_buffer, size_t size)
{
    size_t taken = unread(seen) < size ? unread(seen) : size;
    memcpy(out_buffer, seen->bytes + seen->at, taken);
    seen->at += taken;
    return (ssize_t)taken;
}

static ssize_t bare_read(weir_conn *conn, void *out_buffer, size_t size)
{
    struct seen *seen = seen_of(conn);
    if (unread(seen) > 0 || seen->eof) {
        int rc = weir__core_checkpoint();
        return rc < 0 ? rc : take_seen(seen, out_buffer, size);
    }
    struct iovec part = {out_buffer, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return receive(conn, &message);
}

/* --- looking ahead ---------------------------------------------------------------------------- */

static int bare_wait_more(weir_conn *conn, size_t known_bytes)
{
    struct seen *seen = seen_of(conn);
    if (unread(seen) > known_bytes || seen->eof) {
        int rc = weir__core_checkpoint();
        return rc < 0 ? rc : unread(seen) > known_bytes;
    }
    memmove(seen->bytes, seen->bytes + seen->at, unread(seen));
    seen->size = unread(seen);
    seen->at = 0;
    while (seen->size <= known_bytes) {
        if (seen->size == SEEN_BYTES)
            return weir_fail(-EMSGSIZE,
                             "not more than %d bytes are looked at in a connection that "
                             "takes descriptors",
                             SEEN_BYTES);
        struct iovec part = {seen->bytes + seen->size, SEEN_BYTES - seen->size};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t got = receive(conn, &message);
        if (got < 0)
            return (int)got;
        seen->eof = got == 0;
        if (seen->eof)
            return 0;
        seen->size += (size_t)got;
    }
    return 1;
}

static const char *bare_peek(weir_conn *conn, size_t *out_size)
{
    struct seen *seen = seen_of(conn);
    *out_size = unread(seen);
    return *out_size == 0 ? NULL : seen->bytes + seen->at;
}

static void bare_consume(weir_conn *conn, size_t size)
{
    seen_of(conn)->at += size;
}

/* Nobody would hear that the peer has gone. */
static bool bare_at_rest(weir_conn *conn)
{
    (void)conn;
    return false;
}

static void bare_free(weir_conn *conn)
{
    weir__base_free(conn->layer_state);
}

static const struct weir__conn_layer bare_layer = {
    .name = "descriptors",
    .read = bare_read,
    .wait_more = bare_wait_more,
    .peek = bare_peek,
    .consume = bare_consume,
    .write = weir__net_raw_write,
    .finish = weir__net_raw_finish,
    .free = bare_free,
    .at_rest = bare_at_rest,
};

int weir__net_conn_bare(weir_conn *conn)
{
    struct seen *seen = weir__base_alloc_zero(sizeof *seen);
    if (seen == NULL)
        return -ENOMEM;
    conn->layer = &bare_layer;
    conn->layer_state = seen;
    conn->bare = true;
    return 0;
}

/* --- descriptors that come -------------------------------------------------------------------- */

static void close_foreign(int fd)
{
    weir__sys_count_opened(); // it came by another way than through our door
    weir__io_close(fd);
}

/* Whatever there is no room for is closed. */
static void collect(const struct msghdr *message, weir_fds *out_fds)
{
    *out_fds = (weir_fds){.lost = (message->msg_flags & MSG_CTRUNC) != 0};
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (out_fds->count < WEIR_FDS_MAX) {
                out_fds->at[out_fds->count++] = fd;
            } else {
                close_foreign(fd);
                out_fds->lost = true;
            }
        }
    }
}

static ssize_t receive_fds(weir_conn *conn, void *out_buffer, size_t size, weir_fds *out_fds)
{
    struct seen *seen = seen_of(conn);
    if (unread(seen) > 0 || seen->eof) { // of these it is too late
        *out_fds = (weir_fds){0};
        return bare_read(conn, out_buffer, size);
    }
    union {
        struct cmsghdr header; // for its alignment
        char bytes[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int))];
    } control;
    struct iovec part = {out_buffer, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = receive(conn, &message);
    if (got >= 0)
        collect(&message, out_fds);
    return got;
}

ssize_t weir_conn_recv_fds(weir_conn *conn, void *out_buffer, size_t size, weir_fds *out_fds)
{
    if (size == 0)
        return -EINVAL; // 0 would look like the end
    if (conn->layer != &bare_layer)
        return weir_fail(-EOPNOTSUPP, "descriptors are received only when takes_fds was set");
    int rc = weir__net_conn_enter(conn, &conn->reading);
    if (rc < 0)
        return rc;
    ssize_t got = receive_fds(conn, out_buffer, size, out_fds);
    weir__net_conn_leave(conn, &conn->reading);
    return got;
}

void weir_fds_close(weir_fds *fds)
{
    for (size_t i = 0; i < fds->count; i++) {
        if (fds->at[i] >= 0)
            close_foreign(fds->at[i]);
    }
    fds->count = 0;
}

/* --- descriptors that go ---------------------------------------------------------------------- */

static int send_fds(weir_conn *conn, const void *data, size_t size, const int *fds, size_t count,
                    size_t *written)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(WEIR_FDS_MAX * sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    if (count > 0)
        memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    struct iovec part = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    ssize_t sent = weir__net_raw_send(conn, &message);
    if (sent < 0)
        return (int)sent;
    *written = (size_t)sent;
    weir_str rest = {(const char *)data + sent, size - (size_t)sent};
    if (conn->closed && rest.size > 0)
        return weir__net_conn_fail(conn, false, -EBADF);
    return weir__net_raw_write(conn, &rest, 1, written);
}

static int check_unix(const weir_conn *conn)
{
    if (weir__net_family(&conn->peer) != AF_UNIX ||
        (weir__net_conn_layered(conn) && conn->layer != &bare_layer))
        return weir_fail(-EOPNOTSUPP, "not a plain Unix connection");
    return 0;
}

int weir_conn_send_fds(weir_conn *conn, const void *data, size_t size, const int *fds, size_t count,
                       size_t *out_written)
{
    size_t written = 0;
    int rc = size == 0 || count > WEIR_FDS_MAX ? -EINVAL : check_unix(conn);
    if (rc == 0)
        rc = weir__net_conn_enter(conn, &conn->writing);
    if (rc == 0) {
        rc = send_fds(conn, data, size, fds, count, &written);
        weir__net_conn_leave(conn, &conn->writing);
    }
    if (out_written != NULL)
        *out_written = written;
    return rc;
}

int weir_conn_peer_credentials(const weir_conn *conn, weir_credentials *out_credentials)
{
    if (conn->closed)
        return -EBADF;
    if (weir__net_family(&conn->peer) != AF_UNIX)
        return weir_fail(-EOPNOTSUPP, "only a Unix connection knows who is at its other end");
    struct ucred found;
    socklen_t size = sizeof found;
    int rc = weir__sys_getsockopt(weir__stream_fd(&conn->stream), SOL_SOCKET, SO_PEERCRED, &found,
                                  &size);
    if (rc == 0)
        *out_credentials = (weir_credentials){found.pid, found.uid, found.gid};
    return rc;
}
