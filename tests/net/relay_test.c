/*
 * relay_test.c - two connections, each copied to the other
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

struct rig {
    weir_conn *first, *second;
    int first_peer, second_peer;
    weir_relay_counts counts;
    int rc;
};

static void open_rig(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->first = open_pair(NULL, &rig->first_peer);
    rig->second = open_pair(NULL, &rig->second_peer);
}

static void close_rig(struct rig *rig)
{
    weir_conn_close(rig->first);
    weir_conn_close(rig->second);
    if (rig->first_peer >= 0)
        close(rig->first_peer);
    if (rig->second_peer >= 0)
        close(rig->second_peer);
}

static int run_relay(void *arg)
{
    struct rig *rig = arg;
    rig->rc = weir_relay(rig->first, rig->second, NULL, &rig->counts);
    return 0;
}

static weir_group *start(struct rig *rig)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, run_relay, rig));
    return group;
}

/* What a plain peer gets, while the loop goes on. */
static size_t receive_with(int fd, char *out, size_t size)
{
    size_t got = 0;
    for (int i = 0; got < size && i < 200000; i++) {
        ssize_t n = recv(fd, out + got, size - got, MSG_DONTWAIT);
        if (n == 0)
            break;
        got += n > 0 ? (size_t)n : 0;
        if (n < 0 && weir_yield() < 0)
            break;
    }
    return got;
}

IO_TEST(bytes_go_both_ways_and_each_end_is_handed_on)
{
    struct rig rig;
    char buffer[64] = "";
    open_rig(&rig);
    weir_group *group = start(&rig);
    peer_send(rig.first_peer, "request", 7);
    EXPECT_EQ(7, receive_with(rig.second_peer, buffer, 7));
    EXPECT_BYTES("request", buffer, 7);
    EXPECT(shutdown(rig.first_peer, SHUT_WR) == 0);
    EXPECT_EQ(0, receive_with(rig.second_peer, buffer, 1)); // the end, and the way back goes on
    peer_send(rig.second_peer, "answer", 6);
    EXPECT_EQ(6, receive_with(rig.first_peer, buffer, 6));
    EXPECT_BYTES("answer", buffer, 6);
    EXPECT(shutdown(rig.second_peer, SHUT_WR) == 0);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, rig.rc);
    EXPECT_EQ(7, rig.counts.forth);
    EXPECT_EQ(6, rig.counts.back);
    close_rig(&rig);
}

IO_TEST(a_reset_of_one_side_ends_it_and_names_the_peer)
{
    struct rig rig;
    open_rig(&rig);
    weir_group *group = start(&rig);
    EXPECT_RC(0, weir_yield());
    peer_reset(rig.second_peer);
    rig.second_peer = -1;
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECONNRESET, rig.rc);
    close_rig(&rig);
}

IO_TEST(silence_of_both_sides_ends_it)
{
    struct rig rig;
    open_rig(&rig);
    EXPECT_RC(0, weir_conn_set_limits(rig.first, 5 * WEIR_MS, 0));
    EXPECT_RC(-ETIMEDOUT, weir_relay(rig.first, rig.second, NULL, &rig.counts));
    EXPECT_RC(-EINVAL, weir_relay(rig.first, rig.second, &(weir_relay_options){.buffer_bytes = 1},
                                  &rig.counts));
    close_rig(&rig);
}

IO_TEST(a_peer_that_the_kernel_has_given_up_ends_it_although_the_other_way_moves)
{
    struct rig rig;
    open_rig(&rig);
    EXPECT_RC(0, weir_conn_set_limits(rig.first, WEIR_FOREVER, 0));
    EXPECT_RC(0, weir_conn_set_limits(rig.second, WEIR_FOREVER, 0));
    rig.first->stream.rx.error = -ETIMEDOUT; // as after keep-alive probes without an answer
    EXPECT_RC(-ETIMEDOUT, weir_relay(rig.first, rig.second, NULL, &rig.counts));
    close_rig(&rig);
}

/* The client says nothing while it is served, for many times as long as its limit. */
IO_TEST(silence_of_one_side_is_none_while_the_other_way_moves)
{
    struct rig rig;
    char byte;
    open_rig(&rig);
    EXPECT_RC(0, weir_conn_set_limits(rig.first, 200 * WEIR_MS, 0));
    EXPECT_RC(0, weir_conn_set_limits(rig.second, WEIR_FOREVER, 0));
    weir_group *group = start(&rig);
    int64_t until = weir_now() + 500 * WEIR_MS;
    size_t sent = 0;
    while (weir_now() < until) {
        peer_send(rig.second_peer, "x", 1);
        EXPECT_EQ(1, receive_with(rig.first_peer, &byte, 1));
        sent++;
    }
    EXPECT(shutdown(rig.first_peer, SHUT_WR) == 0);
    EXPECT(shutdown(rig.second_peer, SHUT_WR) == 0);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(rig.rc == 0 || rig.rc == -ETIMEDOUT); // a machine may stall for longer than the limit
    EXPECT(rig.rc < 0 || rig.counts.back == sent);
    close_rig(&rig);
}

/* --- everywhere ------------------------------------------------------------------------------- */

enum { SIZE = 100000 };

struct end {
    weir_conn *conn;
    size_t got;
    bool right;
};

static int send_pattern(void *arg)
{
    static char data[SIZE];
    struct end *end = arg;
    fill_pattern(data, SIZE, 0);
    int rc = weir_conn_write_all(end->conn, data, SIZE, NULL);
    return rc < 0 ? rc : weir_conn_finish(end->conn);
}

static int receive_pattern(void *arg)
{
    struct end *end = arg;
    static _Thread_local char buffer[10000];
    end->right = true;
    ssize_t n;
    while ((n = weir_conn_read(end->conn, buffer, sizeof buffer)) > 0) {
        end->right &= is_pattern(buffer, (size_t)n, end->got);
        end->got += (size_t)n;
    }
    return (int)n;
}

struct quad {
    weir_conn *conn[4]; /* client - server's; ours - upstream */
    weir_relay_counts counts;
};

static int relay_between(void *arg)
{
    struct quad *quad = arg;
    return weir_relay(quad->conn[1], quad->conn[2], &(weir_relay_options){.buffer_bytes = 20000},
                      &quad->counts);
}

static int relay_body(void *arg)
{
    (void)arg;
    struct quad quad = {0};
    struct end client = {0}, upstream = {0};
    weir_group *group = NULL;
    int rc = weir_conn_pair(NULL, &quad.conn[0], &quad.conn[1]);
    if (rc == 0)
        rc = weir_conn_pair(NULL, &quad.conn[2], &quad.conn[3]);
    client.conn = quad.conn[0];
    upstream.conn = quad.conn[3];
    if (rc == 0)
        rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, relay_between, &quad);
        if (rc == 0)
            rc = weir_spawn(group, send_pattern, &client);
        if (rc == 0)
            rc = weir_spawn(group, receive_pattern, &upstream);
        if (rc == 0)
            rc = weir_conn_finish(upstream.conn);
        if (rc == 0)
            rc = receive_pattern(&client);
        rc = weir_group_close(group, rc);
    }
    for (int i = 0; i < 4; i++)
        weir_conn_close(quad.conn[i]);
    WEIR_TEST_EXPECT(upstream.got <= quad.counts.forth && quad.counts.forth <= SIZE); // O6
    WEIR_TEST_EXPECT(rc < 0 || (upstream.got == SIZE && upstream.right && client.got == 0));
    return rc;
}

TEST(a_relay_everywhere) /* O4 to O6, I4 */
{
    everywhere_real("relay", (struct everywhere){relay_body, NULL, NULL, 10});
}
