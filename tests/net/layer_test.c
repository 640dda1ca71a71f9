/*
 * layer_test.c - the table that a room above puts over a connection: every public call goes through
 * it, and it hears of the end exactly once
 */
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/test.h"

/* A layer that keeps a count of calls; on the wire every byte is one higher. */
struct shifted {
    char last; /* what peek hands out */
    int finished, closing, freed;
};
static struct shifted state;

static struct shifted *state_of(weir_conn *conn)
{
    return conn->layer_state;
}

static ssize_t shifted_read(weir_conn *conn, void *out_buffer, size_t size)
{
    int rc = weir__net_raw_wait(conn);
    if (rc <= 0)
        return rc;
    size_t there;
    const char *data = weir__stream_peek(&conn->stream, &there);
    size_t taken = there < size ? there : size;
    for (size_t i = 0; i < taken; i++)
        ((char *)out_buffer)[i] = (char)(data[i] - 1);
    weir__stream_consume(&conn->stream, taken);
    return (ssize_t)taken;
}

static int shifted_wait_more(weir_conn *conn, size_t known_bytes)
{
    (void)known_bytes;
    return weir__net_raw_wait(conn);
}

static const char *shifted_peek(weir_conn *conn, size_t *out_size)
{
    const char *data = weir__stream_peek(&conn->stream, out_size);
    if (data == NULL)
        return NULL;
    *out_size = 1;
    state_of(conn)->last = (char)(*data - 1);
    return &state_of(conn)->last;
}

static void shifted_consume(weir_conn *conn, size_t size)
{
    weir__stream_consume(&conn->stream, size);
}

static int shifted_write(weir_conn *conn, const weir_str *parts, size_t count, size_t *written)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < parts[i].size; at++) {
            char byte = (char)(parts[i].data[at] + 1);
            struct iovec vec = {&byte, 1};
            struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
            ssize_t sent = weir__net_raw_send(conn, &message);
            if (sent < 0)
                return (int)sent;
            ++*written;
        }
    }
    return 0;
}

static int shifted_finish(weir_conn *conn)
{
    state_of(conn)->finished++;
    EXPECT_EQ(1, weir__net_raw_send_now(conn, "!", 1));
    return weir__net_raw_finish(conn);
}

static void shifted_closing(weir_conn *conn)
{
    state_of(conn)->closing++;
}

static void shifted_free(weir_conn *conn)
{
    state_of(conn)->freed++;
}

static bool shifted_at_rest(weir_conn *conn)
{
    return weir__stream_unread(&conn->stream) == 0;
}

static const struct weir__conn_layer shifted = {
    .name = "shifted",
    .read = shifted_read,
    .wait_more = shifted_wait_more,
    .peek = shifted_peek,
    .consume = shifted_consume,
    .write = shifted_write,
    .finish = shifted_finish,
    .closing = shifted_closing,
    .free = shifted_free,
    .at_rest = shifted_at_rest,
};

static weir_conn *open_shifted(int *out_peer)
{
    weir_conn *conn = open_pair(NULL, out_peer);
    state = (struct shifted){0};
    conn->layer = &shifted;
    conn->layer_state = &state;
    return conn;
}

IO_TEST(every_call_of_a_connection_goes_through_its_layer)
{
    int peer;
    weir_conn *conn = open_shifted(&peer);
    char buffer[8] = "";
    EXPECT(weir__net_conn_at_rest(conn));
    peer_send(peer, "bcdefg", 6);
    EXPECT_RC(0, weir_conn_read_exact(conn, buffer, 3, NULL));
    EXPECT_BYTES("abc", buffer, 3);
    EXPECT_RC(1, weir__net_conn_wait_more(conn, 0));
    size_t there = 0;
    const char *data = weir__net_conn_peek(conn, &there);
    EXPECT(there == 1 && data != NULL && *data == 'd');
    weir__net_conn_consume(conn, 1);
    EXPECT(!weir__net_conn_at_rest(conn));
    EXPECT_RC(2, weir_conn_read(conn, buffer, sizeof buffer));
    EXPECT_BYTES("ef", buffer, 2);

    size_t written = 0;
    weir_str parts[] = {{"ab", 2}, {"", 0}, {"c", 1}};
    EXPECT_RC(0, weir_conn_write_parts(conn, parts, 3, &written));
    EXPECT_EQ(3, written);
    EXPECT_RC(0, weir_conn_finish(conn));
    EXPECT_EQ(4, peer_receive(peer, buffer, sizeof buffer)); // and then the end
    EXPECT_BYTES("bcd!", buffer, 4);
    EXPECT_EQ(1, state.finished);

    close(peer);
    EXPECT_RC(-EPIPE, weir_conn_read_exact(conn, buffer, 1, NULL));
    weir_conn_close(conn);
    weir_conn_close(conn); // does nothing the second time
    EXPECT_EQ(1, state.closing);
    let_settle();
    EXPECT_EQ(1, state.freed);
}

static int read_one(void *arg)
{
    char byte;
    return weir_conn_read(arg, &byte, 1) < 0 ? 0 : -EPROTO;
}

IO_TEST(a_layer_goes_after_the_last_task_has_left_the_call) /* O8 */
{
    int peer;
    weir_conn *conn = open_shifted(&peer);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_one, conn));
    let_settle();
    EXPECT_RC(-EBUSY, weir__net_conn_enter_both(conn));
    weir_conn_close(conn);
    EXPECT_EQ(0, state.freed);
    EXPECT_RC(0, weir_group_close(group, 0));
    let_settle();
    EXPECT_EQ(1, state.freed);
    close(peer);
}

IO_TEST(both_sides_of_a_connection_are_taken_and_given_back_together)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char byte;
    EXPECT_RC(0, weir__net_conn_enter_both(conn));
    EXPECT_RC(-EBUSY, weir_conn_read(conn, &byte, 1));
    EXPECT_RC(-EBUSY, weir_conn_write_all(conn, "x", 1, NULL));
    weir__net_conn_leave_both(conn);
    EXPECT_RC(0, weir_conn_write_all(conn, "x", 1, NULL));
    weir_conn_close(conn);
    close(peer);
}
