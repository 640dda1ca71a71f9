/*
 * rig.c - one backend, and what the tests of this room do with it again and again
 *
 * The far ends of connections are worked with plain system calls: they are not what is tested.
 */
#include "tests/backend/rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"

struct weir__backend *backend;

static int64_t live_blocks(void)
{
    struct weir__alloc_stats stats;
    weir__base_alloc_stats(&stats);
    return (int64_t)(stats.allocated_count - stats.freed_count);
}

static int64_t live_fds(void)
{
    struct weir__sys_stats stats;
    weir__sys_stats(&stats);
    return (int64_t)(stats.fds_opened - stats.fds_closed);
}

void rig_run(const char *want, test_body_fn *body)
{
    int fds_before = weir__sys_open_fd_count();
    int64_t blocks_before = live_blocks();
    int64_t counted_before = live_fds();

    int rc = weir__backend_open(want, &backend, NULL, 0);
    if (rc == -EPERM || rc == -ENOSYS || rc == -EPROTONOSUPPORT) {
        test_skip("this machine refuses io_uring");
        return;
    }
    REQUIRE_RC(0, rc);
    body();
    EXPECT(!weir__backend_pending(backend));
    EXPECT_EQ(0, backend->stats.rx_armed);
    EXPECT_EQ(backend->stats.ops_submitted, backend->stats.ops_completed);
    if (!test_failed()) // its own asserts would hide what was found
        weir__backend_close(backend);

    if (!test_failed()) {
        EXPECT_EQ(fds_before, weir__sys_open_fd_count());
        EXPECT_EQ(blocks_before, live_blocks());
        EXPECT_EQ(counted_before, live_fds());
    }
}

bool rig_on_uring(void)
{
    return strcmp(backend->features.name, "io_uring") == 0;
}

/* --- operations ------------------------------------------------------------------------------- */

static void job_done(struct weir__op *op)
{
    struct job *job = op->owner;
    EXPECT(!op->submitted);
    job->done_count++;
    job->result = op->result;
}

void job_start(struct job *job, struct weir__op op)
{
    *job = (struct job){.op = op};
    job->op.owner = job;
    job->op.done = job_done;
    int rc = weir__backend_submit(backend, &job->op);
    EXPECT(rc == 0 || rc == 1);
    EXPECT_EQ(0, job->done_count); // callbacks come from turns only
    if (rc == 1) {
        job->done_count = 1;
        job->result = job->op.result;
    }
}

void job_wait(struct job *job)
{
    TURN_UNTIL(job->done_count > 0);
    EXPECT_EQ(1, job->done_count);
}

ssize_t job_run(struct job *job, struct weir__op op)
{
    job_start(job, op);
    job_wait(job);
    return job->result;
}

struct weir__op recv_op(int fd, void *buffer, size_t size)
{
    return (struct weir__op){.kind = WEIR__OP_RECV, .fd = fd, .buffer = buffer, .size = size};
}

struct weir__op send_op(int fd, const void *buffer, size_t size)
{
    return (struct weir__op){
        .kind = WEIR__OP_SEND, .fd = fd, .buffer = (void *)(uintptr_t)buffer, .size = size};
}

/* --- receiving sides -------------------------------------------------------------------------- */

size_t inbox_read(struct inbox *inbox, void *out, size_t size)
{
    size_t total = 0;
    size_t piece;
    const char *data;
    while (total < size && (data = weir__rx_peek(backend, &inbox->rx, &piece)) != NULL) {
        if (piece > size - total)
            piece = size - total;
        if (out != NULL)
            memcpy((char *)out + total, data, piece);
        weir__rx_consume(backend, &inbox->rx, piece);
        total += piece;
    }
    return total;
}

static void inbox_event(struct weir__rx *rx)
{
    struct inbox *inbox = rx->owner;
    inbox->event_count++;
    if (inbox->reads) {
        void *out = inbox->into == NULL ? NULL : inbox->into + inbox->read_bytes;
        inbox->read_bytes += inbox_read(inbox, out, SIZE_MAX);
    }
}

static void inbox_stopped(struct weir__rx *rx)
{
    struct inbox *inbox = rx->owner;
    inbox->stopped_count++;
}

void inbox_arm(struct inbox *inbox, int fd)
{
    inbox->rx.fd = fd;
    inbox->rx.owner = inbox;
    inbox->rx.event = inbox_event;
    inbox->rx.stopped = inbox_stopped;
    EXPECT_RC(0, weir__backend_rx_arm(backend, &inbox->rx));
}

void inbox_close(struct inbox *inbox)
{
    int events = inbox->event_count;
    weir__backend_rx_stop(backend, &inbox->rx);
    EXPECT_EQ(0, inbox->stopped_count);
    TURN_UNTIL(inbox->stopped_count > 0);
    EXPECT_EQ(1, inbox->stopped_count);
    EXPECT_EQ(events, inbox->event_count);
    close_fd(inbox->rx.fd);
}

/* --- descriptors ------------------------------------------------------------------------------ */

void stream_pair(int out_fds[2])
{
    EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out_fds));
}

int tcp_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int tcp_listener(struct sockaddr_in *out_address, int backlog)
{
    int fd = tcp_socket();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    EXPECT_EQ(0, bind(fd, (struct sockaddr *)&address, sizeof address));
    EXPECT_EQ(0, listen(fd, backlog));
    socklen_t size = sizeof *out_address;
    EXPECT_EQ(0, getsockname(fd, (struct sockaddr *)out_address, &size));
    return fd;
}

void tcp_pair(int out_fds[2])
{
    struct sockaddr_in address;
    int listener = tcp_listener(&address, 1);
    out_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(0, connect(out_fds[0], (struct sockaddr *)&address, sizeof address));
    out_fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    EXPECT(out_fds[1] >= 0);
    EXPECT_EQ(0, fcntl(out_fds[0], F_SETFL, O_NONBLOCK));
    close(listener);
}

void set_blocking(int fd)
{
    EXPECT_EQ(0, fcntl(fd, F_SETFL, 0));
}

void close_fd(int fd)
{
    weir__backend_forget_fd(backend, fd);
    EXPECT_EQ(0, close(fd));
}

void raise_fd_limit(void)
{
    EXPECT(weir__sys_raise_fd_limit() > 0);
}

void put(int fd, const void *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            EXPECT_EQ(0, errno);
            return;
        }
        data = (const char *)data + sent;
        size -= (size_t)sent;
    }
}

size_t fill(int fd)
{
    static const char zeros[16384];
    size_t total = 0;
    ssize_t sent;
    while ((sent = send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        total += (size_t)sent;
    return total;
}

size_t drain(int fd)
{
    static char bytes[65536];
    size_t total = 0;
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        total += (size_t)got;
    return total;
}

uint64_t call_count(void)
{
    struct weir__sys_stats stats;
    weir__sys_stats(&stats);
    return stats.calls;
}
