/*
 * op_test.c - every kind of operation, on both backends: at once, later, and cancelled
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/sys.h"
#include "base/thread.h"
#include "tests/backend/rig.h"

static struct weir__op accept_op(int fd, struct sockaddr *address, socklen_t *size)
{
    return (struct weir__op){
        .kind = WEIR__OP_ACCEPT, .fd = fd, .address = address, .address_size = size};
}

static struct weir__op connect_op(int fd, struct sockaddr_in *address, socklen_t *size)
{
    *size = sizeof *address;
    return (struct weir__op){.kind = WEIR__OP_CONNECT,
                             .fd = fd,
                             .address = (struct sockaddr *)address,
                             .address_size = size};
}

static struct weir__op poll_op(int fd, int events)
{
    return (struct weir__op){.kind = WEIR__OP_POLL, .fd = fd, .flags = events};
}

/* A listener whose queue is full: connecting to it is left without an answer. */
struct full_listener {
    struct sockaddr_in address;
    int fd;
    int clients[8];
    int count;
};

static void full_listener_open(struct full_listener *full)
{
    full->fd = tcp_listener(&full->address, 0);
    for (full->count = 0; full->count < 8; full->count++) {
        int fd = full->clients[full->count] = tcp_socket();
        connect(fd, (struct sockaddr *)&full->address, sizeof full->address);
    }
}

static void full_listener_close(struct full_listener *full)
{
    for (int i = 0; i < full->count; i++)
        close(full->clients[i]);
    close(full->fd);
}

/* --- sending and receiving -------------------------------------------------------------------- */

ON_BOTH(what_is_sent_is_received)
{
    int fds[2];
    stream_pair(fds);
    struct job job;
    char buffer[16];
    EXPECT_EQ(5, job_run(&job, send_op(fds[0], "hello", 5)));
    EXPECT_EQ(5, job_run(&job, recv_op(fds[1], buffer, sizeof buffer)));
    EXPECT_BYTES("hello", buffer, 5);
    close_fd(fds[0]);
    EXPECT_EQ(0, job_run(&job, recv_op(fds[1], buffer, sizeof buffer)));
    EXPECT_RC(-EPIPE, job_run(&job, send_op(fds[1], "x", 1))); // and no SIGPIPE
    close_fd(fds[1]);
}

ON_BOTH(a_recv_waits_for_bytes)
{
    int fds[2];
    tcp_pair(fds);
    struct job job;
    char buffer[16];
    job_start(&job, recv_op(fds[1], buffer, sizeof buffer));
    weir__backend_turn(backend, 0);
    EXPECT_EQ(0, job.done_count);
    EXPECT(weir__backend_pending(backend));
    put(fds[0], "later", 5);
    job_wait(&job);
    EXPECT_EQ(5, job.result);
    EXPECT_BYTES("later", buffer, 5);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(a_send_waits_for_room)
{
    int fds[2];
    stream_pair(fds);
    fill(fds[0]);
    struct job job;
    job_start(&job, send_op(fds[0], "x", 1));
    weir__backend_turn(backend, 0);
    EXPECT_EQ(0, job.done_count);
    drain(fds[1]);
    job_wait(&job);
    EXPECT_EQ(1, job.result);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(a_large_send_may_be_short_and_says_how_much_went)
{
    int fds[2];
    stream_pair(fds);
    static char data[1 << 22];
    struct job job;
    ssize_t sent = job_run(&job, send_op(fds[0], data, sizeof data));
    EXPECT(sent > 0 && sent < (ssize_t)sizeof data);
    EXPECT_EQ(sent, drain(fds[1]));
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(sendmsg_gathers_its_pieces)
{
    int fds[2];
    stream_pair(fds);
    struct iovec pieces[2] = {{"one ", 4}, {"two", 3}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    struct job job;
    EXPECT_EQ(7, job_run(&job, (struct weir__op){
                                   .kind = WEIR__OP_SENDMSG, .fd = fds[0], .message = &message}));
    char buffer[16];
    EXPECT_EQ(7, recv(fds[1], buffer, sizeof buffer, 0));
    EXPECT_BYTES("one two", buffer, 7);
    close_fd(fds[0]);
    EXPECT_EQ(0, job_run(&job, recv_op(fds[1], buffer, sizeof buffer)));
    close_fd(fds[1]);
}

ON_BOTH(a_recv_that_must_not_wait_says_so)
{
    int fds[2];
    stream_pair(fds);
    char byte;
    struct job job;
    struct weir__op op = recv_op(fds[0], &byte, 1);
    op.flags = MSG_DONTWAIT;
    EXPECT_RC(-EAGAIN, job_run(&job, op));
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(an_operation_on_a_closed_descriptor_is_answered)
{
    char byte;
    struct job job = {.op = recv_op(900, &byte, 1)};
    EXPECT_RC(-EBADF, job_run(&job, job.op));
    EXPECT_RC(-ENOTSOCK, job_run(&job, recv_op(STDERR_FILENO, &byte, 1)));
}

ON_EPOLL(operations_on_one_side_of_a_descriptor_are_served_in_order)
{
    int fds[2];
    stream_pair(fds);
    struct job jobs[3];
    char bytes[3] = {0};
    for (int i = 0; i < 3; i++)
        job_start(&jobs[i], recv_op(fds[0], &bytes[i], 1));
    put(fds[1], "ab", 2);
    TURN_UNTIL(jobs[1].done_count == 1);
    EXPECT_EQ(0, jobs[2].done_count);
    EXPECT_BYTES("ab", bytes, 2);
    put(fds[1], "c", 1);
    job_wait(&jobs[2]);
    EXPECT_BYTES("abc", bytes, 3);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(both_sides_of_a_descriptor_wait_independently)
{
    int fds[2];
    stream_pair(fds);
    fill(fds[0]);
    struct job sending, receiving;
    char byte;
    job_start(&sending, send_op(fds[0], "x", 1));
    job_start(&receiving, recv_op(fds[0], &byte, 1));
    put(fds[1], "r", 1);
    job_wait(&receiving);
    EXPECT_EQ(0, sending.done_count);
    drain(fds[1]);
    job_wait(&sending);
    EXPECT_EQ(1, sending.result);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/* --- accept and connect ----------------------------------------------------------------------- */

static void check_accepted(ssize_t fd, const struct sockaddr_in *address)
{
    EXPECT(fd >= 0);
    EXPECT((fcntl((int)fd, F_GETFL) & O_NONBLOCK) != 0);
    EXPECT((fcntl((int)fd, F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_EQ(AF_INET, address->sin_family);
    EXPECT_EQ(INADDR_LOOPBACK, ntohl(address->sin_addr.s_addr));
    weir__backend_forget_fd(backend, (int)fd);
    EXPECT_RC(0, weir__sys_close((int)fd));
}

ON_BOTH(accept_takes_a_connection_that_is_there_and_waits_for_one_that_is_not)
{
    struct sockaddr_in address, peer;
    int listener = tcp_listener(&address, 8);
    int clients[2];
    struct job job;
    clients[0] = tcp_socket();
    connect(clients[0], (struct sockaddr *)&address, sizeof address);
    socklen_t size = sizeof peer;
    check_accepted(job_run(&job, accept_op(listener, (struct sockaddr *)&peer, &size)), &peer);

    memset(&peer, 0, sizeof peer);
    size = sizeof peer;
    job_start(&job, accept_op(listener, (struct sockaddr *)&peer, &size));
    weir__backend_turn(backend, 0);
    EXPECT_EQ(0, job.done_count);
    clients[1] = tcp_socket();
    connect(clients[1], (struct sockaddr *)&address, sizeof address);
    job_wait(&job);
    EXPECT_EQ(sizeof peer, size);
    check_accepted(job.result, &peer);
    close_fd(clients[0]);
    close_fd(clients[1]);
    close_fd(listener);
}

ON_BOTH(accept_without_free_descriptors_gives_the_code)
{
    struct sockaddr_in address;
    int listener = tcp_listener(&address, 8);
    int client = tcp_socket();
    connect(client, (struct sockaddr *)&address, sizeof address);
    struct rlimit before, limit;
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = 3; // far below what is open: no number is left
    setrlimit(RLIMIT_NOFILE, &limit);
    struct job job;
    EXPECT_RC(-EMFILE, job_run(&job, accept_op(listener, NULL, NULL)));
    setrlimit(RLIMIT_NOFILE, &before);

    ssize_t fd = job_run(&job, accept_op(listener, NULL, NULL)); // the connection is still there
    EXPECT(fd >= 0);
    EXPECT_RC(0, weir__sys_close((int)fd));
    close_fd(client);
    close_fd(listener);
}

ON_BOTH(connect_succeeds_or_says_why_not)
{
    struct sockaddr_in address;
    socklen_t size;
    int listener = tcp_listener(&address, 8);
    struct job job;
    int fd = tcp_socket();
    EXPECT_EQ(0, job_run(&job, connect_op(fd, &address, &size)));
    EXPECT_EQ(1, job_run(&job, send_op(fd, "x", 1)));
    close_fd(fd);
    close_fd(listener);

    fd = tcp_socket();
    EXPECT_RC(-ECONNREFUSED, job_run(&job, connect_op(fd, &address, &size)));
    close_fd(fd);
}

ON_BOTH(a_full_unix_listener_is_told_at_once)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX}; // an abstract name of the kernel's choice
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(0, bind(listener, (struct sockaddr *)&address, sizeof address.sun_family));
    EXPECT_EQ(0, listen(listener, 0));
    socklen_t size = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &size);
    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct job job;
        ssize_t rc = job_run(&job, (struct weir__op){.kind = WEIR__OP_CONNECT,
                                                     .fd = fd,
                                                     .address = (struct sockaddr *)&address,
                                                     .address_size = &size});
        EXPECT_RC(i == 0 ? 0 : -EAGAIN, rc);
        close_fd(fd);
        if (i == 0) {
            int other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            connect(other, (struct sockaddr *)&address, size); // whatever room was left
            close_fd(other);
        }
    }
    close_fd(listener);
}

ON_BOTH(a_connect_that_takes_long_can_be_cancelled)
{
    struct full_listener full;
    full_listener_open(&full);
    struct job job;
    socklen_t size;
    int fd = tcp_socket();
    job_start(&job, connect_op(fd, &full.address, &size));
    weir__backend_turn(backend, 10 * WEIR_MS);
    EXPECT_EQ(0, job.done_count);
    weir__backend_cancel(backend, &job.op);
    job_wait(&job);
    EXPECT_RC(-ECANCELED, job.result);
    close_fd(fd);
    full_listener_close(&full);
}

ON_BOTH(a_connect_in_progress_finishes_when_the_listener_has_room)
{
    struct full_listener full;
    full_listener_open(&full);
    struct job job;
    socklen_t size;
    int fd = tcp_socket();
    job_start(&job, connect_op(fd, &full.address, &size));
    weir__backend_turn(backend, 0);
    EXPECT_EQ(0, job.done_count);
    int accepted;
    while (job.done_count == 0) { // the kernel tries again after a second
        while ((accepted = accept4(full.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
            close(accepted);
        weir__backend_turn(backend, 20 * WEIR_MS);
    }
    EXPECT_EQ(0, job.result);
    close_fd(fd);
    full_listener_close(&full);
}

/* --- poll ------------------------------------------------------------------------------------- */

ON_BOTH(poll_tells_what_is_ready_now)
{
    int fds[2];
    stream_pair(fds);
    struct job job;
    EXPECT_EQ(POLLOUT, job_run(&job, poll_op(fds[0], POLLIN | POLLOUT)));
    EXPECT_EQ(POLLOUT, job_run(&job, poll_op(fds[0], POLLOUT))); // and says it again
    put(fds[1], "x", 1);
    EXPECT_EQ(POLLIN, job_run(&job, poll_op(fds[0], POLLIN)));
    EXPECT_EQ(POLLIN, job_run(&job, poll_op(fds[0], POLLIN)));
    EXPECT_EQ(POLLIN | POLLOUT, job_run(&job, poll_op(fds[0], POLLIN | POLLOUT)));
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(poll_waits_and_can_be_cancelled)
{
    int fds[2];
    stream_pair(fds);
    struct job reading, hanging;
    job_start(&reading, poll_op(fds[0], POLLIN));
    job_start(&hanging, poll_op(fds[0], POLLRDHUP));
    weir__backend_turn(backend, 0);
    EXPECT_EQ(0, reading.done_count);
    weir__backend_cancel(backend, &reading.op);
    job_wait(&reading);
    EXPECT_RC(-ECANCELED, reading.result);
    EXPECT_EQ(0, hanging.done_count);

    job_start(&reading, poll_op(fds[0], POLLIN));
    put(fds[1], "x", 1);
    job_wait(&reading);
    EXPECT_EQ(POLLIN, reading.result);
    EXPECT_EQ(0, hanging.done_count);
    shutdown(fds[1], SHUT_WR);
    job_wait(&hanging);
    EXPECT_EQ(POLLRDHUP, hanging.result);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(poll_says_that_a_regular_file_is_always_ready)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    struct job job;
    EXPECT_EQ(POLLIN, job_run(&job, poll_op(fd, POLLIN)));
    close_fd(fd);
}

/* --- cancelling ------------------------------------------------------------------------------- */

ON_BOTH(a_cancelled_recv_ends_once_and_takes_nothing) /* O3, I3, I9, case 185 */
{
    int fds[2];
    stream_pair(fds);
    struct job job;
    char buffer[16];
    job_start(&job, recv_op(fds[0], buffer, sizeof buffer));
    weir__backend_turn(backend, 0);
    weir__backend_cancel(backend, &job.op);
    weir__backend_cancel(backend, &job.op); // once is enough, O3
    EXPECT_EQ(0, job.done_count);
    job_wait(&job);
    EXPECT_RC(-ECANCELED, job.result);
    EXPECT_EQ(1, backend->stats.aborts_requested);
    put(fds[1], "mine", 4);
    EXPECT_EQ(4, job_run(&job, recv_op(fds[0], buffer, sizeof buffer)));
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(a_cancel_before_the_kernel_has_seen_the_operation_ends_it_too)
{
    int fds[2];
    stream_pair(fds);
    struct job job;
    char byte;
    job_start(&job, recv_op(fds[0], &byte, 1));
    weir__backend_cancel(backend, &job.op);
    job_wait(&job);
    EXPECT_RC(-ECANCELED, job.result);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(a_cancel_after_the_end_does_nothing) /* O4, case 186 */
{
    int fds[2];
    stream_pair(fds);
    put(fds[1], "x", 1);
    struct job job;
    char byte;
    EXPECT_EQ(1, job_run(&job, recv_op(fds[0], &byte, 1)));
    weir__backend_cancel(backend, &job.op);
    weir__backend_turn(backend, 0);
    EXPECT_EQ(1, job.done_count);
    EXPECT_EQ(0, backend->stats.aborts_requested);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_BOTH(a_cancelled_send_that_waited_for_room_sends_nothing)
{
    int fds[2];
    stream_pair(fds);
    size_t filled = fill(fds[0]);
    struct job job;
    job_start(&job, send_op(fds[0], "x", 1));
    weir__backend_turn(backend, 0);
    weir__backend_cancel(backend, &job.op);
    job_wait(&job);
    EXPECT_RC(-ECANCELED, job.result);
    EXPECT_EQ(filled, drain(fds[1]));
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/* The peer of a stream that is read under cancellation: numbers, one after the other. */
struct counter_peer {
    int fd;
    uint32_t count;
};

static void *send_numbers(void *arg)
{
    struct counter_peer *peer = arg;
    uint64_t random = 7;
    for (uint32_t i = 0; i < peer->count; i++) {
        put(peer->fd, &i, sizeof i);
        for (uint64_t spin = weir__base_random_next(&random) % 2000; spin > 0; spin--)
            __asm__ volatile("" ::: "memory");
    }
    return NULL;
}

/* B5: the result wins over the cancel; what a cancelled receive took is never lost. */
ON_BOTH(twenty_thousand_racing_cancels_lose_no_byte) /* O4, O5, cases 186 and 192 */
{
    enum { ROUNDS = 20000, NUMBERS = 10000 };
    int fds[2];
    stream_pair(fds);
    set_blocking(fds[1]);
    struct counter_peer peer = {.fd = fds[1], .count = NUMBERS};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "peer", send_numbers, &peer));

    static char received[NUMBERS * 4 + 64];
    size_t got = 0;
    int cancelled = 0;
    uint64_t random = 1;
    for (int i = 0; i < ROUNDS; i++) {
        struct job job;
        job_start(&job, recv_op(fds[0], received + got, 64));
        uint64_t choice = weir__base_random_next(&random);
        if ((choice & 1) != 0)
            weir__backend_turn(backend, 0);
        for (uint64_t spin = (choice >> 8) % 4000; spin > 0; spin--)
            __asm__ volatile("" ::: "memory");
        weir__backend_cancel(backend, &job.op);
        job_wait(&job);
        if (job.result > 0)
            got += (size_t)job.result;
        else if (job.result == -ECANCELED)
            cancelled++;
        if (got == NUMBERS * sizeof(uint32_t))
            break;
        REQUIRE(job.result > 0 || job.result == -ECANCELED);
    }
    while (got < NUMBERS * sizeof(uint32_t)) {
        struct job job;
        ssize_t more = job_run(&job, recv_op(fds[0], received + got, 64));
        REQUIRE(more > 0);
        got += (size_t)more;
    }
    weir__base_thread_join(&thread);
    EXPECT(cancelled > 0);
    for (uint32_t i = 0; i < NUMBERS; i++) {
        uint32_t number;
        memcpy(&number, received + (size_t)i * 4, 4);
        REQUIRE(number == i);
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/*
 * O5: a descriptor that comes although its accept was cancelled is handed over, and so not leaked.
 */
ON_BOTH(accepts_that_race_with_their_cancel_leak_no_descriptor) /* O5, I4, case 190 */
{
    struct sockaddr_in address;
    int listener = tcp_listener(&address, 64);
    int accepted = 0;
    uint64_t random = 3;
    for (int i = 0; i < 1000; i++) {
        struct job job;
        job_start(&job, accept_op(listener, NULL, NULL));
        uint64_t choice = weir__base_random_next(&random);
        if ((choice & 1) != 0)
            weir__backend_turn(backend, 0);
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if ((choice & 2) != 0)
            weir__backend_cancel(backend, &job.op);
        EXPECT_EQ(0, connect(client, (struct sockaddr *)&address, sizeof address));
        if ((choice & 4) != 0)
            weir__backend_turn(backend, 0);
        weir__backend_cancel(backend, &job.op);
        job_wait(&job);
        if (job.result < 0) {
            EXPECT_RC(-ECANCELED, job.result);
            job_run(&job, accept_op(listener, NULL, NULL)); // it is still waiting
        } else {
            accepted++;
        }
        REQUIRE(job.result >= 0);
        EXPECT_RC(0, weir__sys_close((int)job.result));
        close(client);
    }
    EXPECT(accepted > 0);
    close_fd(listener);
}

ON_BOTH(five_thousand_operations_and_their_cancels_fit_any_queue) /* I3, case 198 */
{
    enum { COUNT = 5000 };
    int fds[2];
    stream_pair(fds);
    static struct job jobs[COUNT];
    static char bytes[COUNT];
    for (int i = 0; i < COUNT; i++)
        job_start(&jobs[i], recv_op(fds[0], &bytes[i], 1));
    put(fds[1], "abc", 3);
    for (int i = 0; i < COUNT; i++)
        weir__backend_cancel(backend, &jobs[i].op);
    TURN_UNTIL(!weir__backend_pending(backend));
    int received = 0;
    for (int i = 0; i < COUNT; i++) {
        EXPECT_EQ(1, jobs[i].done_count);
        EXPECT(jobs[i].result == 1 || jobs[i].result == -ECANCELED);
        received += jobs[i].result == 1;
    }
    received += (int)drain(fds[0]);
    EXPECT_EQ(3, received);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/* --- files ------------------------------------------------------------------------------------ */

ON_URING(files_are_opened_written_synced_and_read)
{
    char path[] = "/tmp/weir-backend-XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    close(fd);
    struct job job;
    ssize_t opened = job_run(
        &job, (struct weir__op){
                  .kind = WEIR__OP_OPEN, .buffer = path, .flags = O_RDWR | O_CREAT, .size = 0600});
    REQUIRE(opened >= 0);
    fd = (int)opened;
    EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    struct weir__op write = {
        .kind = WEIR__OP_WRITE, .fd = fd, .buffer = "some bytes", .size = 10, .offset = 4090};
    EXPECT_EQ(10, job_run(&job, write));
    EXPECT_EQ(0, job_run(&job, (struct weir__op){.kind = WEIR__OP_FSYNC, .fd = fd}));
    EXPECT_EQ(0, job_run(&job, (struct weir__op){.kind = WEIR__OP_FSYNC, .fd = fd, .flags = 1}));
    char buffer[16];
    struct weir__op read = {
        .kind = WEIR__OP_READ, .fd = fd, .buffer = buffer, .size = sizeof buffer, .offset = 4095};
    EXPECT_EQ(5, job_run(&job, read));
    EXPECT_BYTES("bytes", buffer, 5);
    EXPECT_RC(0, weir__sys_close(fd));
    unlink(path);
    EXPECT_RC(-ENOENT, job_run(&job, (struct weir__op){.kind = WEIR__OP_OPEN, .buffer = path}));
}

ON_EPOLL(files_are_left_to_the_executor)
{
    EXPECT(!backend->features.file_ops);
    static const enum weir__op_kind kinds[] = {WEIR__OP_READ, WEIR__OP_WRITE, WEIR__OP_FSYNC,
                                               WEIR__OP_OPEN};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct weir__op op = {.kind = kinds[i], .fd = 0};
        EXPECT_RC(-EOPNOTSUPP, weir__backend_submit(backend, &op));
    }
}

/* --- faults ----------------------------------------------------------------------------------- */

ON_BOTH(a_fault_completes_the_operation_in_the_next_turn)
{
    int fds[2];
    stream_pair(fds);
    struct job job;
    weir__base_fault_arm(WEIR__FAULT_RING, 1, -ENOMEM, false);
    job_start(&job, send_op(fds[0], "x", 1));
    weir__base_fault_disarm();
    EXPECT_EQ(0, job.done_count);
    EXPECT(weir__backend_pending(backend));
    weir__backend_cancel(backend, &job.op); // its result was first
    weir__backend_turn(backend, WEIR_FOREVER);
    EXPECT_EQ(1, job.done_count);
    EXPECT_RC(-ENOMEM, job.result);
    EXPECT_EQ(0, drain(fds[1]));
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/* N1: a kernel that says ECANCELED to somebody who did not ask has had an accident. */
ON_BOTH(a_cancelled_that_nobody_asked_for_is_an_io_error) /* N1, I8, case 194 */
{
    int fds[2];
    stream_pair(fds);
    struct job job;
    weir__base_fault_arm(WEIR__FAULT_RING, 1, -ECANCELED, false);
    job_start(&job, send_op(fds[0], "x", 1));
    weir__base_fault_disarm();
    job_wait(&job);
    EXPECT_RC(-EIO, job.result);
    close_fd(fds[0]);
    close_fd(fds[1]);
}
