/*
 * send_test.c - one send within a limit of progress: what counts is what the peer has taken
 */
#include <sys/socket.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/scope.h>
#include <weir/task.h>

#include "base/sys.h"
#include "net/net.h"
#include "tests/support/test.h"

enum { PIECE = 1024 };
static char piece[PIECE];

/* Two ends; the first one's buffer is full of small pieces. Returns how many. */
static int open_full_pair(int out_ends[2])
{
    int pieces = 0;
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out_ends) == 0);
    while (send(out_ends[0], piece, PIECE, MSG_NOSIGNAL) == PIECE)
        pieces++;
    return pieces;
}

static ssize_t send_piece(int fd, int64_t stall_ns)
{
    struct iovec part = {piece, PIECE};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct weir__op *op = NULL;
    ssize_t sent = weir__net_send_some(fd, &message, stall_ns, &op);
    EXPECT(op == NULL);
    return sent;
}

struct reader {
    int fd;
    int pieces;
    bool stopped;
};

/* One piece in each millisecond: never two looks without one. */
static int read_slowly(void *arg)
{
    struct reader *reader = arg;
    char bytes[PIECE];
    while (!reader->stopped && weir_sleep(WEIR_MS) == 0)
        reader->pieces += recv(reader->fd, bytes, PIECE, 0) == PIECE;
    return 0;
}

/* The kernel says that there is room only when most of its buffer is free again: for this peer
 * that would be later than the limit. */
IO_TEST(a_peer_that_reads_slowly_is_not_taken_for_one_that_does_not_read)
{
    enum { STALL_MS = 16 };
    int ends[2];
    EXPECT(open_full_pair(ends) > 3 * STALL_MS);
    struct reader reader = {.fd = ends[1]};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_slowly, &reader));
    EXPECT_RC(PIECE, send_piece(ends[0], STALL_MS * WEIR_MS));
    EXPECT(reader.pieces > 0);
    reader.stopped = true;
    EXPECT_RC(0, weir_group_close(group, 0));
    close(ends[0]);
    close(ends[1]);
}

IO_TEST(a_peer_that_takes_nothing_is_noticed)
{
    int ends[2];
    open_full_pair(ends);
    int64_t begun_ns = weir_now();
    EXPECT_RC(-ETIME, send_piece(ends[0], 20 * WEIR_MS));
    EXPECT(weir_now() - begun_ns >= 20 * WEIR_MS); /* not before the limit */
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = (int)send_piece(ends[0], WEIR_FOREVER);
    }
    EXPECT_RC(-ETIME, rc); /* that of the scope around */
    close(ends[0]);
    close(ends[1]);
}

IO_TEST(a_limit_of_the_scope_around_a_send_stays_a_cancellation)
{
    int ends[2], rc = 0, inner = 0;
    open_full_pair(ends);
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = inner = (int)send_piece(ends[0], WEIR_HOUR);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_RC(-ETIME, rc);
    close(ends[0]);
    close(ends[1]);
}

IO_TEST(what_a_peer_has_not_taken_is_counted)
{
    int ends[2], before = -1, after = -1;
    open_full_pair(ends);
    char bytes[PIECE];
    EXPECT_RC(0, weir__sys_unsent_bytes(ends[0], &before));
    EXPECT_EQ(PIECE, recv(ends[1], bytes, PIECE, 0));
    EXPECT_RC(0, weir__sys_unsent_bytes(ends[0], &after));
    EXPECT(after < before);
    EXPECT_RC(-EBADF, weir__sys_unsent_bytes(-1, &after));
    close(ends[0]);
    close(ends[1]);
}
