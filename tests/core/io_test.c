/*
 * io_test.c - streams against tasks: who waits, who closes, and in which turn
 */
#include "core/io.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "tests/core/bodies.h"

enum { OTHERS = 200 };

struct owner {
    struct weir__stream stream;
    bool *closed;
};

/* The memory goes at once, as a pool of connections does it. */
static void free_owner(struct weir__stream *stream)
{
    struct owner *owner = WEIR__CONTAINER(stream, struct owner, stream);
    *owner->closed = true;
    weir__base_free(owner);
}

struct read_one {
    struct weir__stream *stream;
    int *rc;
};
static int read_one(struct read_one *a)
{
    *a->rc = weir__stream_wait_more(a->stream, 0);
    return 0;
}

struct keep_busy {
    const bool *stop;
};
static int keep_busy(struct keep_busy *a)
{
    int rc = 0;
    while (!*a->stop && rc == 0) {
        int64_t until_ns = weir_now() + 30 * WEIR_US;
        while (weir_now() < until_ns) {
        }
        rc = weir_yield();
    }
    return rc;
}

struct close_when_woken {
    struct weir__stream *stream;
};
static int close_when_woken(struct close_when_woken *a)
{
    int rc = 0;
    while (weir__stream_unread(a->stream) == 0 && rc == 0)
        rc = weir_yield();
    weir__stream_close(a->stream);
    return rc;
}

/* The reader has been woken; with so many others before it, its step comes some turns later.
 * Meanwhile another task closes the stream, and its memory goes. */
IO_TEST(a_stream_may_be_closed_between_the_wake_and_the_step_of_its_reader) /* T3, O5 */
{
    int fds[2];
    bool closed = false, stop = false;
    int rc = 1;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    struct owner *owner = weir__base_alloc_zero(sizeof *owner);
    REQUIRE(owner != NULL);
    owner->closed = &closed;
    REQUIRE_RC(0, weir__stream_open(&owner->stream, fds[0], free_owner));
    owner->closed = &closed;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, read_one, .stream = &owner->stream, .rc = &rc));
    EXPECT_RC(0, WEIR_SPAWN(group, close_when_woken, .stream = &owner->stream));
    for (int i = 0; i < OTHERS; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, keep_busy, .stop = &stop));
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    EXPECT_EQ(1, write(fds[1], "x", 1));
    for (int i = 0; i < 1000 && !closed; i++)
        EXPECT_RC(0, weir_yield());
    EXPECT(closed);
    stop = true;
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, rc);
    close(fds[1]);
}
