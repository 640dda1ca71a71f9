/*
 * pipe.c - descriptors that are read or written in order, without blocking the loop
 *
 * The call is tried first; only when it would block is the descriptor given to the backend to
 * watch, until it is ready. A borrowed descriptor is never made non-blocking, since its flags
 * belong to everybody who shares it: what it refers to is opened again through /proc, and where
 * that is not possible a thread makes the call once the descriptor is ready.
 *
 * Runs on  the loop's own thread.
 * Costs    a read of bytes that are there: one system call. A write to a pipe: one, and four that
 *          keep SIGPIPE away from a program that does not ignore it: buffer small pieces
 *          (weir/stream.h).
 * Holds    1. At most one task is in a read and one in a write.
 *          2. read_wait and write_wait are set exactly while such a poll is with the backend, or
 *             its task has not run since.
 *          3. Descriptor and memory go when the pipe is closed and no task is inside a call.
 */
#include "stream/pipe.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <weir/exec.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "base/thread.h"

enum { PARTS_MAX = 16 }; /* of one writev */

/* --- open and close --------------------------------------------------------------------------- */

/* A descriptor of our own for a borrowed one, and how it is to be used. */
static int open_again(int fd, enum weir__pipe_kind *kind)
{
    if (*kind == WEIR__PIPE_OWN) {
        int flags = weir__sys_status_flags(fd);
        if (flags < 0)
            return flags;
        int again = weir__sys_reopen(fd, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY);
        if (again >= 0 || again == -EMFILE || again == -ENFILE || again == -ENOMEM)
            return again;
        *kind = WEIR__PIPE_SHARED;
    }
    return weir__sys_dup(fd);
}

static int learn(int fd, enum weir__pipe_kind *out_kind)
{
    struct stat stat;
    int rc = weir__sys_fstat(fd, &stat);
    if (rc < 0)
        return rc;
    if (S_ISDIR(stat.st_mode))
        return -EISDIR;
    *out_kind = S_ISSOCK(stat.st_mode)                           ? WEIR__PIPE_SOCKET
                : S_ISREG(stat.st_mode) || S_ISBLK(stat.st_mode) ? WEIR__PIPE_FILE
                                                                 : WEIR__PIPE_OWN;
    return 0;
}

static int prepare(int fd, bool borrowed, int *out_fd, enum weir__pipe_kind *out_kind)
{
    int rc = learn(fd, out_kind);
    if (rc < 0)
        return rc;
    if (borrowed) {
        *out_fd = open_again(fd, out_kind);
        return *out_fd < 0 ? *out_fd : 0;
    }
    *out_fd = fd;
    return *out_kind == WEIR__PIPE_OWN ? weir__sys_set_nonblocking(fd) : 0;
}

static void close_left_open(struct weir__ledger_entry *entry)
{
    weir_pipe_close(WEIR__CONTAINER(entry, weir_pipe, entry));
}

/* A descriptor that is not borrowed is counted as one of ours before this. */
static int open_pipe(int fd, bool borrowed, const void *address, weir_pipe **out_pipe)
{
    int rc = -EPERM;
    weir_pipe *pipe = NULL;
    if (weir__loop == NULL)
        goto close_fd;
    rc = -ENOMEM;
    pipe = weir__base_alloc_zero(sizeof *pipe);
    if (pipe == NULL)
        goto close_fd;
    rc = prepare(fd, borrowed, &pipe->fd, &pipe->kind);
    if (rc < 0)
        goto free_pipe;
    pipe->loop = weir__loop;
    weir__ledger_add(&pipe->entry, "pipe", address, close_left_open);
    *out_pipe = pipe;
    return 0;

free_pipe:
    weir__base_free(pipe);
close_fd:
    if (!borrowed)
        weir__sys_close(fd);
    return rc;
}

int weir__pipe_open(int fd, const void *address, weir_pipe **out_pipe)
{
    return open_pipe(fd, false, address, out_pipe);
}

int weir_pipe_open_fd(int fd, const weir_pipe_options *options, weir_pipe **out_pipe)
{
    bool borrowed = options != NULL && options->borrowed;
    if (fd < 0)
        return -EBADF;
    if (!borrowed)
        weir__sys_count_opened();
    return open_pipe(fd, borrowed, __builtin_return_address(0), out_pipe);
}

int weir_pipe_open(weir_pipe **out_reader, weir_pipe **out_writer)
{
    int fds[2];
    int rc = weir__sys_pipe(fds);
    if (rc < 0)
        return rc;
    weir_pipe *reader;
    rc = weir__pipe_open(fds[0], __builtin_return_address(0), &reader);
    if (rc < 0) {
        weir__sys_close(fds[1]);
        return rc;
    }
    rc = weir__pipe_open(fds[1], __builtin_return_address(0), out_writer);
    if (rc < 0) {
        weir_pipe_close(reader);
        return rc;
    }
    *out_reader = reader;
    return 0;
}

static void release_when_unused(weir_pipe *pipe)
{
    if (!pipe->closed || pipe->users > 0)
        return;
    weir__io_close(pipe->fd);
    weir__base_free(pipe);
}

void weir_pipe_close(weir_pipe *pipe)
{
    if (pipe == NULL || pipe->closed)
        return;
    pipe->closed = true;
    weir__ledger_remove(&pipe->entry);
    if (pipe->read_wait != NULL)
        weir__io_cancel(pipe->read_wait);
    if (pipe->write_wait != NULL)
        weir__io_cancel(pipe->write_wait);
    release_when_unused(pipe);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* `side`: pipe->reading or pipe->writing. */
static int enter_call(weir_pipe *pipe, bool *side)
{
    if (weir__core_task() == NULL || pipe->loop != weir__core_loop())
        return -EPERM;
    if (pipe->closed)
        return -EBADF;
    if (*side)
        return weir_fail(-EBUSY, "another task %s this pipe already",
                         side == &pipe->reading ? "reads from" : "writes to");
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    *side = true;
    pipe->users++;
    return 0;
}

static void leave_call(weir_pipe *pipe, bool *side)
{
    *side = false;
    pipe->users--;
    release_when_unused(pipe);
}

struct call {
    weir_pipe *pipe;
    const struct iovec *parts; /* one to read */
    int count;
    bool writes;
};

static ssize_t call_socket(const struct call *call)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)call->parts,
                             .msg_iovlen = (size_t)call->count};
    return call->writes ? weir__sys_sendmsg(call->pipe->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                        : weir__sys_recv(call->pipe->fd, call->parts->iov_base,
                                         call->parts->iov_len, MSG_DONTWAIT);
}

static ssize_t call_descriptor(const struct call *call)
{
    if (call->pipe->kind == WEIR__PIPE_SOCKET)
        return call_socket(call);
    if (!call->writes)
        return weir__sys_read(call->pipe->fd, call->parts->iov_base, call->parts->iov_len);
    struct weir__sigpipe held;
    weir__base_sigpipe_hold(&held);
    ssize_t n = weir__sys_writev(call->pipe->fd, call->parts, call->count);
    weir__base_sigpipe_release(&held);
    return n;
}

struct job {
    struct call call;
    struct iovec part;
    ssize_t result;
};

static int run_call(void *arg)
{
    struct job *job = arg;
    job->result = call_descriptor(&job->call);
    return 0;
}

/* One part at a time; to a pipe no more than it surely takes when it is ready. */
static ssize_t call_on_thread(const struct call *call)
{
    struct job job = {.call = *call, .part = call->parts[0]};
    if (call->writes && call->pipe->kind == WEIR__PIPE_SHARED && job.part.iov_len > PIPE_BUF)
        job.part.iov_len = PIPE_BUF;
    job.call.parts = &job.part;
    job.call.count = 1;
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "pipe"}, run_call, &job);
    if (rc == -EAGAIN) // which would mean that it is not ready
        return weir_fail(-ENOMEM,
                         "no thread could be started for a pipe that has to stay blocking");
    return rc < 0 ? rc : job.result;
}

/* Until the descriptor is ready. */
static int wait_ready(struct call *call)
{
    weir_pipe *pipe = call->pipe;
    struct weir__op poll = {
        .kind = WEIR__OP_POLL, .fd = pipe->fd, .flags = call->writes ? POLLOUT : POLLIN};
    struct weir__op **slot = call->writes ? &pipe->write_wait : &pipe->read_wait;
    *slot = &poll;
    ssize_t n = weir__io_run(&poll);
    *slot = NULL;
    if (pipe->closed && n != -ECANCELED)
        return -EBADF;
    return n < 0 ? (int)n : 0;
}

/* Tries, and waits until it is worth another try. */
static ssize_t transfer_ready(struct call *call)
{
    bool shared = call->pipe->kind == WEIR__PIPE_SHARED;
    bool waited = shared;
    for (;;) {
        if (shared) {
            int rc = wait_ready(call);
            if (rc < 0)
                return rc;
        }
        ssize_t n = shared ? call_on_thread(call) : call_descriptor(call);
        if (n != -EAGAIN) {
            if (!waited)
                weir__core_completed_at_once();
            return n;
        }
        if (call->pipe->closed) // while a thread tried: nobody would end another wait
            return -EBADF;
        int rc = shared ? 0 : wait_ready(call);
        if (rc < 0)
            return rc;
        waited = true;
    }
}

static ssize_t transfer(struct call *call)
{
    return call->pipe->kind == WEIR__PIPE_FILE ? call_on_thread(call) : transfer_ready(call);
}

ssize_t weir_pipe_read(weir_pipe *pipe, void *out_buffer, size_t size)
{
    if (size == 0)
        return -EINVAL; // 0 would look like the end
    ssize_t rc = enter_call(pipe, &pipe->reading);
    if (rc < 0)
        return rc;
    struct iovec part = {out_buffer, size > SSIZE_MAX ? SSIZE_MAX : size};
    rc = transfer(&(struct call){pipe, &part, 1, false});
    leave_call(pipe, &pipe->reading);
    return rc;
}

static int write_batch(weir_pipe *pipe, struct iovec *parts, size_t count, size_t *written)
{
    struct msghdr rest = {.msg_iov = parts, .msg_iovlen = count};
    while (rest.msg_iovlen > 0) {
        ssize_t n = pipe->closed
                        ? -EBADF
                        : transfer(&(struct call){pipe, rest.msg_iov, (int)rest.msg_iovlen, true});
        if (n == 0)
            n = -EIO; // a descriptor that takes nothing and says nothing
        if (n == -EPIPE)
            return weir_fail(-EPIPE, "nobody is left to read from this pipe");
        if (n < 0)
            return (int)n;
        *written += (size_t)n;
        weir__io_skip_sent(&rest, (size_t)n);
    }
    return 0;
}

int weir_pipe_write_parts(weir_pipe *pipe, const weir_str *parts, size_t count, size_t *out_written)
{
    size_t written = 0;
    int rc = enter_call(pipe, &pipe->writing);
    if (rc == 0) {
        size_t next = 0;
        while (rc == 0 && next < count) {
            struct iovec batch[PARTS_MAX];
            size_t batched = 0;
            for (; next < count && batched < PARTS_MAX; next++) {
                if (parts[next].size > 0)
                    batch[batched++] =
                        (struct iovec){(void *)(uintptr_t)parts[next].data, parts[next].size};
            }
            rc = write_batch(pipe, batch, batched, &written);
        }
        leave_call(pipe, &pipe->writing);
    }
    if (out_written != NULL)
        *out_written = written;
    return rc;
}

int weir_pipe_write_all(weir_pipe *pipe, const void *data, size_t size, size_t *out_written)
{
    weir_str part = {data, size};
    return weir_pipe_write_parts(pipe, &part, 1, out_written);
}
