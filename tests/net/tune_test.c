/*
 * tune_test.c - options, figures, looking ahead, and the ways to end a connection
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/scope.h>
#include <weir/unix.h>

#include "base/sys.h"
#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

/* --- options ---------------------------------------------------------------------------------- */

static int64_t option_of(const weir_conn *conn, weir_conn_option option)
{
    int64_t value = -1;
    EXPECT_RC(0, weir_conn_get_option(conn, option, &value));
    return value;
}

static void set_and_see(weir_conn *conn, weir_conn_option option, int64_t value, int64_t expected)
{
    EXPECT_RC(0, weir_conn_set_option(conn, option, value));
    EXPECT_EQ(expected, option_of(conn, option));
}

static void try_options(weir_conn *conn)
{
    EXPECT_EQ(1, option_of(conn, WEIR_CONN_NO_DELAY));
    EXPECT_EQ(30 * WEIR_SEC, option_of(conn, WEIR_CONN_KEEPALIVE_IDLE_NS));
    EXPECT_EQ(60 * WEIR_SEC, option_of(conn, WEIR_CONN_USER_TIMEOUT_NS));
    set_and_see(conn, WEIR_CONN_NO_DELAY, 0, 0);
    set_and_see(conn, WEIR_CONN_KEEPALIVE, 0, 0);
    set_and_see(conn, WEIR_CONN_KEEPALIVE_IDLE_NS, 1500 * WEIR_MS, 2 * WEIR_SEC);
    set_and_see(conn, WEIR_CONN_KEEPALIVE_INTERVAL_NS, 7 * WEIR_SEC, 7 * WEIR_SEC);
    set_and_see(conn, WEIR_CONN_KEEPALIVE_COUNT, 5, 5);
    set_and_see(conn, WEIR_CONN_USER_TIMEOUT_NS, 1, 1 * WEIR_MS);
    set_and_see(conn, WEIR_CONN_SEND_BUFFER_BYTES, 50000, 100000);
    set_and_see(conn, WEIR_CONN_RECEIVE_BUFFER_BYTES, 50000, 100000);
    set_and_see(conn, WEIR_CONN_TRAFFIC_CLASS, 0x28, 0x28); // AF11
    EXPECT_RC(-EINVAL, weir_conn_set_option(conn, WEIR_CONN_KEEPALIVE_COUNT, -1));
    EXPECT_RC(-EINVAL, weir_conn_set_option(conn, WEIR_CONN_SEND_BUFFER_BYTES, INT64_MAX));
    EXPECT_RC(-EINVAL, weir_conn_set_option(conn, (weir_conn_option)99, 1));
}

IO_TEST(options_of_a_connection_can_be_set_and_seen)
{
    static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < 2; i++) {
        weir_listener *listener;
        weir_conn *conn;
        REQUIRE_RC(
            0, weir_listener_open(&(weir_listener_options){.address = addresses[i]}, &listener));
        REQUIRE_RC(0, weir_connect_address(weir_listener_address(listener), NULL, &conn));
        try_options(conn);
        weir_conn_close(conn);
        weir_listener_close(listener);
    }
}

IO_TEST(the_figures_of_a_connection_are_those_of_the_kernel)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char data[3000] = "", back[sizeof data];
    EXPECT_RC(0, weir_conn_write_all(conn, data, sizeof data, NULL));
    EXPECT_EQ(sizeof data, peer_receive(peer, back, sizeof back));
    peer_send(peer, data, 500);
    EXPECT_RC(1, weir_conn_wait_readable(conn));
    weir_conn_stats stats;
    REQUIRE_RC(0, weir_conn_stats_get(conn, &stats));
    EXPECT_EQ(500, stats.unread_bytes);
    EXPECT_EQ(500, stats.received_bytes);
    EXPECT(stats.acked_bytes >= sizeof data); // the SYN may count
    EXPECT_EQ(0, stats.unacked_bytes);
    EXPECT_EQ(0, stats.retransmitted_segments);
    EXPECT(stats.rtt_ns > 0 && stats.rtt_min_ns > 0);
    close(peer);
    weir_conn_close(conn);
}

/* --- looking ahead ---------------------------------------------------------------------------- */

IO_TEST(what_has_come_can_be_looked_at_before_it_is_read)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char buffer[8];
    EXPECT_EQ(0, weir_conn_peek(conn).size);
    peer_send(peer, "hello", 5);
    EXPECT_RC(1, weir_conn_wait_readable(conn));
    EXPECT_EQ(5, weir_conn_peek(conn).size);
    EXPECT_BYTES("hello", weir_conn_peek(conn).data, 5);
    EXPECT_RC(-EINVAL, weir_conn_skip(conn, 6));
    EXPECT_RC(0, weir_conn_skip(conn, 2));
    EXPECT_RC(3, weir_conn_read(conn, buffer, sizeof buffer));
    EXPECT_BYTES("llo", buffer, 3);
    close(peer);
    EXPECT_RC(0, weir_conn_wait_readable(conn));
    EXPECT_EQ(0, weir_conn_peek(conn).size);
    weir_conn_close(conn);
}

IO_TEST(a_read_of_at_least_so_many_takes_what_else_has_come) /* O6 */
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char buffer[8];
    size_t got = 77;
    EXPECT_RC(0, weir_conn_read_at_least(conn, buffer, sizeof buffer, 0, &got));
    EXPECT_EQ(0, got);
    EXPECT_RC(-EINVAL, weir_conn_read_at_least(conn, buffer, 3, 4, &got));
    peer_send(peer, "hello", 5);
    EXPECT_RC(1, weir__net_conn_wait_more(conn, 4));
    EXPECT_RC(0, weir_conn_read_at_least(conn, buffer, sizeof buffer, 2, &got));
    EXPECT_EQ(5, got);
    peer_send(peer, "ab", 2);
    close(peer);
    EXPECT_RC(-EPIPE, weir_conn_read_at_least(conn, buffer, sizeof buffer, 3, &got));
    EXPECT_EQ(2, got);
    EXPECT_CONTAINS("finished after 2 of 3 bytes", weir_failure_message(-EPIPE));
    weir_conn_close(conn);
}

/* --- ending ----------------------------------------------------------------------------------- */

IO_TEST(an_aborted_connection_is_reset) /* O8 */
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char byte;
    EXPECT_RC(0, weir_conn_write_all(conn, "x", 1, NULL));
    weir_conn_abort(conn);
    weir_conn_abort(NULL);
    let_settle();
    ssize_t got = recv(peer, &byte, 1, 0);
    if (got == 1) // what came before the reset may still be read
        got = recv(peer, &byte, 1, 0);
    EXPECT_EQ(-1, got);
    EXPECT_EQ(ECONNRESET, errno);
    close(peer);
}

static int finish_slowly(void *arg)
{
    int *peer = arg;
    int rc = weir_sleep(5 * WEIR_MS);
    char buffer[16];
    peer_send(*peer, "more than anybody reads", 23);
    EXPECT_EQ(6, peer_receive(*peer, buffer, sizeof buffer)); // all of it, and the end
    EXPECT_BYTES("answer", buffer, 6);
    close(*peer);
    *peer = -1;
    return rc;
}

IO_TEST(a_shutdown_waits_until_the_peer_has_everything_and_has_finished)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_conn_write_all(conn, "answer", 6, NULL));
    peer_send(peer, "unread", 6); // a plain close would reset because of it
    EXPECT_RC(0, weir_spawn(group, finish_slowly, &peer));
    EXPECT_RC(0, weir_conn_shutdown(conn, 0));
    EXPECT_EQ(-1, peer);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_conn_shutdown(NULL, 0));
}

IO_TEST(a_shutdown_does_not_wait_for_longer_than_it_may)
{
    int peer;
    char byte;
    weir_conn *conn = open_pair(NULL, &peer);
    EXPECT_RC(-ETIMEDOUT, weir_conn_shutdown(conn, 10 * WEIR_MS));
    EXPECT_CONTAINS("has not finished in time", weir_failure_message(-ETIMEDOUT));
    let_settle();
    EXPECT_EQ(0, recv(peer, &byte, 1, 0)); // closed all the same
    close(peer);

    conn = open_pair(NULL, &peer);
    int rc = 0, inner = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = inner = weir_conn_shutdown(conn, WEIR_HOUR);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_RC(-ETIME, rc);
    close(peer);

    conn = open_pair(NULL, &peer);
    peer_reset(peer);
    rc = weir_conn_shutdown(conn, 0);
    EXPECT(rc == -ECONNRESET || rc == -ENOTCONN);
    conn = open_pair(NULL, &peer);
    EXPECT_RC(-EINVAL, weir_conn_shutdown(conn, -1));
    close(peer);
}

/* --- half a connection ------------------------------------------------------------------------ */

struct half {
    weir_listener *listener;
    int rc;
};

/* Answers when everything has come, and not before. */
static int count_and_answer(void *arg)
{
    struct half *a = arg;
    weir_conn *conn;
    a->rc = weir_listener_accept(a->listener, &conn);
    if (a->rc < 0)
        return 0;
    static _Thread_local char buffer[5000];
    size_t total = 0;
    ssize_t got;
    while ((got = weir_conn_read(conn, buffer, sizeof buffer)) > 0)
        total += (size_t)got;
    EXPECT_RC(0, got);
    a->rc = weir_conn_write_all(conn, &total, sizeof total, NULL);
    if (a->rc == 0)
        a->rc = weir_conn_shutdown(conn, 0);
    else
        weir_conn_close(conn);
    return 0;
}

ANY_TEST(a_half_closed_connection_carries_the_whole_answer)
{
    enum { SIZE = 200000 };
    struct half a = {0};
    weir_conn *conn;
    weir_group *group;
    char *data = calloc(1, SIZE);
    REQUIRE_RC(0, weir_listener_open(NULL, &a.listener));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, count_and_answer, &a));
    REQUIRE_RC(0, weir_connect_address(weir_listener_address(a.listener), NULL, &conn));
    EXPECT_RC(0, weir_conn_write_all(conn, data, SIZE, NULL));
    EXPECT_RC(0, weir_conn_finish(conn));
    EXPECT_RC(0, weir_conn_finish(conn)); // said twice is said once
    size_t total = 0;
    EXPECT_RC(0, weir_conn_read_exact(conn, &total, sizeof total, NULL));
    EXPECT_EQ(SIZE, total);
    EXPECT_RC(0, weir_conn_read(conn, &total, 1));
    weir_conn_close(conn);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, a.rc);
    weir_listener_close(a.listener);
    free(data);
}

static int end_politely(void *arg)
{
    (void)arg;
    weir_conn *ours, *theirs;
    int rc = weir_conn_pair(NULL, &ours, &theirs);
    if (rc < 0)
        return rc;
    rc = weir_conn_write_all(theirs, "bye", 3, NULL);
    if (rc == 0)
        rc = weir_conn_finish(theirs);
    if (rc == 0) {
        rc = weir_conn_shutdown(ours, 0);
        ours = NULL; // whatever it came to
    }
    weir_conn_close(ours);
    weir_conn_abort(theirs);
    return rc;
}

TEST(a_polite_end_everywhere) /* O8, I4 */
{
    everywhere_real("end", (struct everywhere){.body = end_politely, .rounds_min = 5});
}
