/*
 * pipe.c - our ends of the pipes to a process
 *
 * The call is made first; only one that would block waits, for readiness: io_uring gives no other
 * answer about a non-blocking pipe either, and the other end is not ours to change.
 *
 * Runs on  the loop that opened it, in a task.
 * Costs    a read of what is there: one system call. A write: one, and three around it that keep
 *          SIGPIPE away. A wait: one operation of the backend.
 */
#include "base/sys.h"
#include "base/thread.h"
#include "process/process.h"

#include <poll.h>

static void close_now(struct weir__pipe_end *end)
{
    weir__io_close(end->fd);
    end->fd = -1;
}

void weir__pipe_close(struct weir__pipe_end *end)
{
    if (end->fd < 0 || end->closed)
        return;
    if (!end->busy) {
        close_now(end);
        return;
    }
    end->closed = true;
    if (end->op != NULL)
        weir__io_cancel(end->op);
}

static int begin(struct weir__pipe_end *end)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (end->fd < 0 || end->closed)
        return -EBADF;
    if (end->busy)
        return weir_fail(-EBUSY, "another task is using this pipe of the process");
    end->busy = true;
    return 0;
}

static void finish(struct weir__pipe_end *end)
{
    end->busy = false;
    if (end->closed)
        close_now(end);
}

static int wait_ready(struct weir__pipe_end *end, int events)
{
    struct weir__op op = {.kind = WEIR__OP_POLL, .fd = end->fd, .flags = events};
    end->op = &op;
    int rc = (int)weir__io_run(&op);
    end->op = NULL;
    return end->closed && rc != -ECANCELED ? -EBADF : rc;
}

ssize_t weir__pipe_read(struct weir__pipe_end *end, void *buffer, size_t size)
{
    ssize_t n = begin(end);
    if (n < 0)
        return n;
    int rc = 0;
    while (rc >= 0 && (n = weir__sys_read(end->fd, buffer, size)) == -EAGAIN)
        rc = wait_ready(end, POLLIN);
    finish(end);
    if (rc < 0)
        return rc;
    weir__core_completed_at_once();
    return n;
}

static ssize_t write_some(int fd, const char *data, size_t size)
{
    struct weir__sigpipe held;
    weir__base_sigpipe_hold(&held);
    ssize_t n = weir__sys_write(fd, data, size);
    weir__base_sigpipe_release(&held);
    return n;
}

int weir__pipe_write(struct weir__pipe_end *end, const char *data, size_t size, size_t *out_written)
{
    int rc = begin(end);
    if (rc < 0)
        return rc;
    size_t done = 0;
    while (rc >= 0 && done < size) {
        ssize_t n = write_some(end->fd, data + done, size - done);
        if (n >= 0)
            done += (size_t)n;
        else
            rc = n == -EAGAIN ? wait_ready(end, POLLOUT) : (int)n;
    }
    finish(end);
    *out_written = done;
    if (rc >= 0)
        weir__core_completed_at_once();
    return rc < 0 ? rc : 0;
}
