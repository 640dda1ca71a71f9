/*
 * rig.h - one backend, and what the tests of this room do with it again and again
 *
 * ON_BOTH(name) { ... } is several tests: the body runs with `backend` open on io_uring, as it is
 * here and as older kernels have it, and on epoll. At its end nothing may be left: no operation, no
 * memory, no descriptor.
 */
#ifndef WEIR_TESTS_BACKEND_RIG_H
#define WEIR_TESTS_BACKEND_RIG_H

#include <netinet/in.h>

#include "backend/backend.h"
#include "backend/pool.h"
#include "tests/support/test.h"

extern struct weir__backend *backend;

void rig_run(const char *want, test_body_fn *body);
bool rig_on_uring(void);

#define ON_BOTH(name)                                                                              \
    static void name##_body(void);                                                                 \
    TEST(name##_on_io_uring)                                                                       \
    {                                                                                              \
        rig_run("uring", name##_body);                                                             \
    }                                                                                              \
    TEST(name##_on_io_uring_of_linux_6_0)                                                          \
    {                                                                                              \
        weir__uring_age = WEIR__URING_LINUX_6_0;                                                   \
        rig_run("uring", name##_body);                                                             \
    }                                                                                              \
    TEST(name##_on_io_uring_of_linux_5_19)                                                         \
    {                                                                                              \
        weir__uring_age = WEIR__URING_LINUX_5_19;                                                  \
        rig_run("uring", name##_body);                                                             \
    }                                                                                              \
    TEST(name##_on_epoll)                                                                          \
    {                                                                                              \
        rig_run("epoll", name##_body);                                                             \
    }                                                                                              \
    static void name##_body(void)
#define ON_URING(name)                                                                             \
    static void name##_body(void);                                                                 \
    TEST(name)                                                                                     \
    {                                                                                              \
        rig_run("uring", name##_body);                                                             \
    }                                                                                              \
    static void name##_body(void)
#define ON_EPOLL(name)                                                                             \
    static void name##_body(void);                                                                 \
    TEST(name)                                                                                     \
    {                                                                                              \
        rig_run("epoll", name##_body);                                                             \
    }                                                                                              \
    static void name##_body(void)

/* Turn until it holds; gives up after ten seconds, and the expectation fails. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int64_t turn_until_ns = weir_now() + 10 * WEIR_SEC;                                        \
        while (!(condition) && weir_now() < turn_until_ns)                                         \
            weir__backend_turn(backend, 50 * WEIR_MS);                                             \
        EXPECT(condition);                                                                         \
    } while (0)

/* --- operations ------------------------------------------------------------------------------- */

struct job {
    struct weir__op op;
    int done_count;
    ssize_t result;
};

/* Submit; a result at once counts as done. */
void job_start(struct job *job, struct weir__op op);
/* Start, and turn until it is done. */
ssize_t job_run(struct job *job, struct weir__op op);
void job_wait(struct job *job);

struct weir__op recv_op(int fd, void *buffer, size_t size);
struct weir__op send_op(int fd, const void *buffer, size_t size);

/* --- receiving sides -------------------------------------------------------------------------- */

struct inbox {
    struct weir__rx rx;
    int event_count;
    int stopped_count;
    bool reads; /* consume all in the event */
    uint64_t read_bytes;
    char *into; /* NULL: drop what is read */
};

void inbox_arm(struct inbox *inbox, int fd);
/* Consume up to `size` bytes; returns how many. */
size_t inbox_read(struct inbox *inbox, void *out, size_t size);
/* Stop and wait for `stopped`; then forget and close the descriptor. */
void inbox_close(struct inbox *inbox);

/* --- descriptors ------------------------------------------------------------------------------ */

void stream_pair(int out_fds[2]); /* connected Unix sockets, non-blocking */
void tcp_pair(int out_fds[2]);
int tcp_listener(struct sockaddr_in *out_address, int backlog);
int tcp_socket(void);
void set_blocking(int fd);
void close_fd(int fd); /* forgotten by the backend first */
void raise_fd_limit(void);
void put(int fd, const void *data, size_t size); /* from the other side; all of it */
size_t fill(int fd);                             /* write until it would block */
size_t drain(int fd);                            /* read until it would block */
uint64_t call_count(void);                       /* system calls of weir so far */

#endif
