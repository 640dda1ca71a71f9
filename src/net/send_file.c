/*
 * send_file.c - from a file to a connection, without the bytes passing through the program
 *
 * sendfile(2) waits for the disk when the page cache has not what it needs. So the cache is asked
 * first: what it holds is sent on the loop, a piece at a time; all else by a thread, which may
 * wait. The socket does not block, neither here nor there: when it is full the task waits until it
 * takes more, within the limit of the connection. (A splice through a pipe in the ring does the
 * same with two operations, each of which the kernel gives to a thread of its own.)
 *
 * Runs on  the loop's own thread; jobs on threads of the default pool.
 * Costs    256 KiB that are cached: four system calls, and four that keep SIGPIPE away. 1 MiB that
 *          is not: one job, and a second descriptor of the socket while it runs.
 * Holds    1. A job has a descriptor of its own: a close by another task leaves it a socket.
 *          2. *sent is what the kernel took, at every moment.
 */
#include <sys/uio.h>
#include <weir/exec.h>
#include <weir/relay.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "base/thread.h"
#include "file/file.h"
#include "net/net.h"

enum {
    CACHED_BYTES = 256 << 10, /* on the loop at once */
    FETCHED_BYTES = 1 << 20,  /* by one job */
    COPIED_BYTES = 64 << 10,
};

struct sending {
    weir_conn *conn;
    weir_file *file;
    int64_t offset;
    size_t left;
    size_t sent;
};

/* --- one piece -------------------------------------------------------------------------------- */

/* The kernel counts pages that are being read as well: the last one is looked at. */
static bool is_cached(const struct sending *s, size_t size)
{
    char last;
    struct iovec part = {&last, 1};
    int rc = weir__sys_cached(s->file->fd, s->offset, size);
    if (rc == 0)
        return false;
    ssize_t n;
    if (rc < 0 && (!weir__file_read_cached(s->file, &part, 1, s->offset, &n) || n == 0))
        return false; // nobody can tell how much: its ends are looked at
    return weir__file_read_cached(s->file, &part, 1, s->offset + (int64_t)size - 1, &n);
}

static ssize_t send_here(int fd, const struct sending *s, size_t size)
{
    struct weir__sigpipe held;
    weir__base_sigpipe_hold(&held);
    ssize_t n = weir__sys_sendfile(fd, s->file->fd, s->offset, size);
    weir__base_sigpipe_release(&held);
    return n;
}

struct job {
    const struct sending *sending;
    int fd;
    size_t size;
    ssize_t result;
};

static int run_job(void *arg)
{
    struct job *job = arg;
    job->result = send_here(job->fd, job->sending, job->size);
    return 0;
}

static ssize_t send_on_thread(const struct sending *s, size_t size)
{
    struct job job = {.sending = s, .size = size};
    job.fd = weir__sys_dup(weir__stream_fd(&s->conn->stream));
    if (job.fd < 0)
        return job.fd;
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "send a file"}, run_job, &job);
    weir__sys_close(job.fd);
    if (rc == -EAGAIN) // which would mean that the socket is full
        return weir_fail(-ENOMEM, "no thread could be started to send a file");
    return rc < 0 ? rc : job.result;
}

/* At least a byte, 0 at the end of the file, -EAGAIN when the socket is full. */
static ssize_t send_piece(const struct sending *s)
{
    size_t size = s->left < CACHED_BYTES ? s->left : CACHED_BYTES;
    int64_t end = 0;
    if (s->file->regular && weir_file_size(s->file, &end) < 0)
        end = 0;
    if (end > 0 && s->offset >= end)
        return 0;
    if (end > 0 && size > (uint64_t)(end - s->offset))
        size = (size_t)(end - s->offset);
    if (!is_cached(s, size))
        return send_on_thread(s, s->left < FETCHED_BYTES ? s->left : FETCHED_BYTES);
    ssize_t n = send_here(weir__stream_fd(&s->conn->stream), s, size);
    weir__core_completed_at_once();
    return n;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int wait_writable(weir_conn *conn)
{
    if (conn->closed) // while a thread tried: nobody would end this wait
        return weir__net_conn_fail(conn, false, -EBADF);
    int rc = weir__net_wait_writable(weir__stream_fd(&conn->stream), conn->write_stall_ns,
                                     &conn->write_op);
    if (conn->closed && rc != -ECANCELED)
        rc = -EBADF;
    return rc < 0 ? weir__net_conn_fail(conn, false, rc) : 0;
}

/* The kernel, or this kind of file, knows no sendfile. */
static bool is_refused(int rc)
{
    return rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP;
}

static int fail(const struct sending *s, int rc)
{
    if (is_refused(rc) || rc == -ECANCELED || rc == -ENOMEM)
        return rc;
    if (rc == -EPIPE || rc == -ECONNRESET || rc == -ETIMEDOUT)
        return weir__net_conn_fail(s->conn, false, rc);
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    return weir_fail(rc, "cannot send a file to %s: %s", weir_address_format(&s->conn->peer, peer),
                     weir_code_text(rc));
}

static int send_all(struct sending *s)
{
    while (s->left > 0) {
        int rc = weir__core_checkpoint();
        if (rc == 0 && s->conn->closed)
            rc = weir__net_conn_fail(s->conn, false, -EBADF);
        if (rc < 0)
            return rc;
        ssize_t n = send_piece(s);
        if (n == 0)
            break;
        if (n > 0) {
            s->sent += (size_t)n;
            s->left -= (size_t)n;
            s->offset += n;
            continue;
        }
        rc = n == -EAGAIN ? wait_writable(s->conn) : fail(s, (int)n);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- by copying ------------------------------------------------------------------------------- */

static int copy_all(struct sending *s)
{
    char *buffer = weir__base_alloc(COPIED_BYTES);
    if (buffer == NULL)
        return -ENOMEM;
    int rc = 0;
    while (rc == 0 && s->left > 0) {
        ssize_t n = weir__file_read_some(
            s->file, buffer, s->left < COPIED_BYTES ? s->left : COPIED_BYTES, s->offset);
        if (n <= 0) {
            rc = (int)n;
            break;
        }
        if (s->conn->closed) {
            rc = weir__net_conn_fail(s->conn, false, -EBADF);
            break;
        }
        weir_str part = {buffer, (size_t)n};
        size_t written = 0;
        rc = weir__net_conn_layered(s->conn) ? s->conn->layer->write(s->conn, &part, 1, &written)
                                             : weir__net_raw_write(s->conn, &part, 1, &written);
        s->sent += written;
        s->left -= written;
        s->offset += (int64_t)written;
    }
    weir__base_free(buffer);
    return rc;
}

int weir_conn_send_file(weir_conn *conn, weir_file *file, int64_t offset, size_t size,
                        size_t *out_sent)
{
    struct sending s = {.conn = conn, .file = file, .offset = offset, .left = size};
    int rc = offset < 0 ? -EINVAL : weir__net_conn_enter(conn, &conn->writing);
    if (rc == 0) {
        weir__file_hold(file);
        rc = weir__net_conn_layered(conn) ? -EOPNOTSUPP : send_all(&s);
        if (is_refused(rc))
            rc = copy_all(&s);
        weir_ignore(weir__file_let_go(file), "whoever closed it has been told");
        weir__net_conn_leave(conn, &conn->writing);
    }
    if (out_sent != NULL)
        *out_sent = s.sent;
    return rc;
}
