/*
 * conn_test.c - reading, writing and closing connections, on both backends
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/net.h>
#include <weir/scope.h>

#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/test.h"

enum { MEBIBYTE = 1024 * 1024 };

/* --- bytes there and back --------------------------------------------------------------------- */

static int echo_one(void *arg)
{
    weir_conn *conn;
    int rc = weir_listener_accept(arg, &conn);
    if (rc < 0)
        return rc;
    static _Thread_local char buffer[10000];
    ssize_t got;
    while ((got = weir_conn_read(conn, buffer, sizeof buffer)) > 0) {
        rc = weir_conn_write_all(conn, buffer, (size_t)got, NULL);
        if (rc < 0)
            break;
    }
    weir_conn_close(conn);
    return got < 0 ? (int)got : rc;
}

struct writing {
    weir_conn *conn;
    char *data;
    size_t size;
    size_t written;
    int rc;
};

static int write_and_finish(void *arg)
{
    struct writing *w = arg;
    w->rc = weir_conn_write_all(w->conn, w->data, w->size, &w->written);
    return w->rc < 0 ? w->rc : weir_conn_finish(w->conn);
}

ANY_TEST(a_mebibyte_comes_back_as_it_was_while_one_task_writes_and_another_reads)
{
    weir_listener *listener;
    weir_conn *conn;
    REQUIRE_RC(0, weir_listener_open(NULL, &listener));
    REQUIRE_RC(0, weir_connect_address(weir_listener_address(listener), NULL, &conn));

    struct writing w = {.conn = conn, .data = malloc(MEBIBYTE), .size = MEBIBYTE};
    char *back = malloc(MEBIBYTE);
    fill_pattern(w.data, MEBIBYTE, 0);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, echo_one, listener));
    EXPECT_RC(0, weir_spawn(group, write_and_finish, &w));
    size_t got = 0;
    EXPECT_RC(0, weir_conn_read_exact(conn, back, MEBIBYTE, &got));
    EXPECT_EQ(MEBIBYTE, got);
    EXPECT(is_pattern(back, MEBIBYTE, 0));
    EXPECT_RC(0, weir_conn_read(conn, back, 1)); // and not one byte more
    EXPECT_RC(0, weir_conn_read(conn, back, 1)); // the end stays the end
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(MEBIBYTE, w.written);

    free(w.data);
    free(back);
    weir_conn_close(conn);
    weir_listener_close(listener);
}

IO_TEST(a_read_returns_what_is_there_and_keeps_the_rest)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char buffer[16] = "";
    peer_send(peer, "hello", 5);
    EXPECT_RC(2, weir_conn_read(conn, buffer, 2));
    EXPECT_BYTES("he", buffer, 2);
    EXPECT_RC(3, weir_conn_read(conn, buffer, sizeof buffer));
    EXPECT_BYTES("llo", buffer, 3);
    EXPECT_RC(-EINVAL, weir_conn_read(conn, buffer, 0));
    close(peer);
    EXPECT_RC(0, weir_conn_read(conn, buffer, sizeof buffer));
    weir_conn_close(conn);
}

IO_TEST(an_exact_read_that_meets_the_end_says_how_far_it_came)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char buffer[10];
    size_t got = 77;
    EXPECT_RC(0, weir_conn_read_exact(conn, buffer, 0, &got));
    EXPECT_EQ(0, got);
    peer_send(peer, "12345", 5);
    close(peer);
    EXPECT_RC(-EPIPE, weir_conn_read_exact(conn, buffer, sizeof buffer, &got)); // O6
    EXPECT_EQ(5, got);
    EXPECT_BYTES("12345", buffer, 5);
    EXPECT_CONTAINS("finished after 5 of 10 bytes", weir_failure_message(-EPIPE));
    weir_conn_close(conn);
}

IO_TEST(a_reset_is_told_with_the_bytes_that_came_before_it)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char buffer[10];
    size_t got = 77;
    peer_send(peer, "123", 3);
    EXPECT_RC(1, weir__net_conn_wait_more(conn, 2)); // they are here before the reset is
    peer_reset(peer);
    EXPECT_RC(-ECONNRESET, weir_conn_read_exact(conn, buffer, sizeof buffer, &got));
    EXPECT_EQ(3, got);
    EXPECT_BYTES("123", buffer, 3);
    EXPECT_CONTAINS("connection reset by 127.0.0.1:", weir_failure_message(-ECONNRESET));
    EXPECT_RC(-ECONNRESET, weir_conn_read(conn, buffer, 1)); // and stays told
    weir_conn_close(conn);
}

IO_TEST(writing_to_a_peer_that_is_gone_is_an_error_and_no_signal)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    close(peer);
    char byte = 'x';
    EXPECT_RC(0, weir_conn_write_all(conn, &byte, 1, NULL)); // the kernel has it; the peer says no
    ssize_t end = weir_conn_read(conn, &byte, 1);
    EXPECT(end == 0 || end == -ECONNRESET); // its FIN, or what it says to the byte
    size_t written = 77;
    int rc = weir_conn_write_all(conn, &byte, 1, &written);
    EXPECT(rc == -EPIPE || rc == -ECONNRESET);
    EXPECT_EQ(0, written);
    EXPECT_CONTAINS("127.0.0.1:", weir_failure_message(rc));
    weir_conn_close(conn);
}

IO_TEST(after_a_half_close_reading_goes_on)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char buffer[16];
    EXPECT_RC(0, weir_conn_write_all(conn, "question", 8, NULL));
    EXPECT_RC(0, weir_conn_finish(conn));
    EXPECT_EQ(8, peer_receive(peer, buffer, sizeof buffer)); // up to the end of the stream
    EXPECT_RC(-EPIPE, weir_conn_write_all(conn, "more", 4, NULL));
    peer_send(peer, "answer", 6);
    EXPECT_RC(0, weir_conn_read_exact(conn, buffer, 6, NULL));
    EXPECT_BYTES("answer", buffer, 6);
    close(peer);
    EXPECT_RC(0, weir_conn_read(conn, buffer, 1));
    weir_conn_close(conn);
}

IO_TEST(parts_arrive_one_after_another_however_many)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    enum { PARTS = 101 };
    static char data[PARTS * (PARTS - 1) / 2], back[sizeof data];
    fill_pattern(data, sizeof data, 0);
    weir_str parts[PARTS];
    size_t at = 0;
    for (size_t i = 0; i < PARTS; i++) { // the first is empty
        parts[i] = (weir_str){data + at, i};
        at += i;
    }
    size_t written = 0;
    EXPECT_RC(0, weir_conn_write_parts(conn, parts, PARTS, &written));
    EXPECT_EQ(sizeof data, written);
    EXPECT_EQ(sizeof data, peer_receive(peer, back, sizeof back));
    EXPECT_BYTES(data, back, sizeof data);

    EXPECT_RC(0, weir_conn_write_parts(conn, parts, 1, &written)); // nothing but emptiness
    EXPECT_EQ(0, written);
    EXPECT_RC(0, weir_conn_write_parts(conn, NULL, 0, &written));
    weir_str too_much[2] = {{data, SIZE_MAX / 2}, {data, 2}};
    EXPECT_RC(-EINVAL, weir_conn_write_parts(conn, too_much, 2, &written));
    close(peer);
    weir_conn_close(conn);
}

/* --- limits ----------------------------------------------------------------------------------- */

IO_TEST(a_peer_that_says_nothing_is_not_waited_for_longer_than_the_limit)
{
    int peer;
    weir_connect_options options = {.read_idle_timeout_ns = 30 * WEIR_MS};
    weir_conn *conn = open_pair(&options, &peer);
    char byte;
    int64_t started_ns = weir_now();
    EXPECT_RC(-ETIMEDOUT, weir_conn_read(conn, &byte, 1));
    EXPECT(weir_now() - started_ns >= 30 * WEIR_MS);
    EXPECT_CONTAINS("no byte for 30 ms from 127.0.0.1:", weir_failure_message(-ETIMEDOUT));
    peer_send(peer, "x", 1);
    EXPECT_RC(1, weir_conn_read(conn, &byte, 1)); // the connection is as good as before
    close(peer);
    weir_conn_close(conn);
}

struct dripping {
    int fd;
    int bytes;
    int64_t pause_ns;
};

static int drip(void *arg)
{
    struct dripping *d = arg;
    for (int i = 0; i < d->bytes; i++) {
        int rc = weir_sleep(d->pause_ns);
        if (rc < 0)
            return rc;
        peer_send(d->fd, "x", 1);
    }
    return 0;
}

IO_TEST(the_read_limit_begins_anew_with_each_byte)
{
    struct dripping d = {.bytes = 6, .pause_ns = 100 * WEIR_MS};
    weir_connect_options options = {.read_idle_timeout_ns = 500 * WEIR_MS};
    weir_conn *conn = open_pair(&options, &d.fd);
    char buffer[6];
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, drip, &d));
    EXPECT_RC(0, weir_conn_read_exact(conn, buffer, sizeof buffer, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    close(d.fd);
    weir_conn_close(conn);
}

IO_TEST(the_deadline_of_a_scope_around_is_the_scopes)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char byte;
    int rc = 0;
    int inner = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = inner = (int)weir_conn_read(conn, &byte, 1);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_RC(-ETIME, rc);
    peer_send(peer, "x", 1);
    EXPECT_RC(1, weir_conn_read(conn, &byte, 1));
    close(peer);
    weir_conn_close(conn);
}

/* What the peer gets, up to the end of the stream. */
static size_t receive_all(int peer)
{
    static _Thread_local char buffer[65536];
    size_t total = 0;
    ssize_t got;
    while ((got = recv(peer, buffer, sizeof buffer, 0)) > 0) {
        EXPECT(is_pattern(buffer, (size_t)got, total));
        total += (size_t)got;
    }
    return total;
}

enum { TOO_MUCH = 32 * MEBIBYTE };

IO_TEST(a_peer_that_does_not_read_is_not_waited_for_longer_than_the_limit)
{
    int peer;
    weir_connect_options options = {.write_stall_timeout_ns = 30 * WEIR_MS};
    weir_conn *conn = open_pair(&options, &peer);
    char *data = malloc(TOO_MUCH);
    fill_pattern(data, TOO_MUCH, 0);
    size_t written = 0;
    EXPECT_RC(-ETIMEDOUT, weir_conn_write_all(conn, data, TOO_MUCH, &written));
    EXPECT(written > 0 && written < TOO_MUCH);
    EXPECT_CONTAINS("no byte for 30 ms to 127.0.0.1:", weir_failure_message(-ETIMEDOUT));
    weir_conn_close(conn);
    let_settle();
    EXPECT_EQ(written, receive_all(peer)); // O6: exact
    close(peer);
    free(data);
}

IO_TEST(limits_can_be_changed)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    int fd = weir__stream_fd(&conn->stream);
    char byte;
    EXPECT_RC(-EINVAL, weir_conn_set_limits(conn, -1, 0));
    EXPECT_RC(-EINVAL, weir_conn_set_limits(conn, 0, -1));
    EXPECT_RC(0, weir_conn_set_limits(conn, 20 * WEIR_MS, 0));
    EXPECT_EQ(60000, peer_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
    EXPECT_RC(-ETIMEDOUT, weir_conn_read(conn, &byte, 1));

    // The kernel counts a peer that does not read as gone: it must not be sooner than we are.
    EXPECT_RC(0, weir_conn_set_limits(conn, 0, 5 * WEIR_MIN));
    EXPECT_EQ(300000, peer_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
    EXPECT_RC(0, weir_conn_set_limits(conn, WEIR_FOREVER, WEIR_FOREVER));
    EXPECT_EQ(0, peer_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
    int rc = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = (int)weir_conn_read(conn, &byte, 1);
    }
    EXPECT_RC(-ETIME, rc);
    close(peer);
    weir_conn_close(conn);
}

IO_TEST(a_connection_notices_a_dead_peer_and_does_not_wait_for_more_to_send)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    int fd = weir__stream_fd(&conn->stream);
    EXPECT_EQ(1, peer_option(fd, IPPROTO_TCP, TCP_NODELAY));
    EXPECT_EQ(1, peer_option(fd, SOL_SOCKET, SO_KEEPALIVE));
    EXPECT_EQ(30, peer_option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
    EXPECT_EQ(10, peer_option(fd, IPPROTO_TCP, TCP_KEEPINTVL));
    EXPECT_EQ(3, peer_option(fd, IPPROTO_TCP, TCP_KEEPCNT));
    EXPECT_EQ(60000, peer_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
    EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(peer);
    weir_conn_close(conn);
}

/* --- cancelling ------------------------------------------------------------------------------- */

IO_TEST(a_cancelled_read_takes_nothing) /* O6, case 188 */
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char buffer[8];
    size_t got = 77;
    int inner = 0;
    peer_send(peer, "12", 2);
    int rc = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = inner = weir_conn_read_exact(conn, buffer, 4, &got);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_EQ(2, got); // O6
    rc = 0;
    WEIR_TIMEOUT(rc, 0)
    {
        peer_send(peer, "34", 2);
        rc = inner = weir_conn_read_exact(conn, buffer + got, 2, &got);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(0, got); // O1: without any effect
    EXPECT_RC(0, weir_conn_read_exact(conn, buffer + 2, 2, NULL));
    EXPECT_BYTES("1234", buffer, 4);
    close(peer);
    weir_conn_close(conn);
}

IO_TEST(in_a_cancelled_scope_nothing_is_sent_and_closing_works) /* O1, O8, cases 54 and 196 */
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char data[100] = {0};
    size_t written = 77;
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    int rc = weir_conn_write_all(conn, data, sizeof data, &written);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_EQ(0, written);
    weir_conn_close(conn);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, rc));
    let_settle();
    EXPECT_EQ(0, receive_all(peer)); /* no byte, and the end */
    close(peer);
}

IO_TEST(a_cancelled_write_says_exactly_how_far_it_came) /* O5, O6, case 189 */
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char *data = malloc(TOO_MUCH);
    fill_pattern(data, TOO_MUCH, 0);
    size_t written = 0;
    int inner = 0;
    int rc = 0;
    WEIR_TIMEOUT(rc, 50 * WEIR_MS)
    {
        rc = inner = weir_conn_write_all(conn, data, TOO_MUCH, &written);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_RC(-ETIME, rc);
    EXPECT(written > 0 && written < TOO_MUCH);
    free(data); // O5: the kernel has let go of it
    weir_conn_close(conn);
    let_settle();
    EXPECT_EQ(written, receive_all(peer));
    close(peer);
}

IO_TEST(a_task_that_goes_on_although_cancelled_gets_the_same_word_each_time_and_is_named)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    char byte = 0;
    int rc = 0;
    WEIR_TIMEOUT(rc, 0)
    {
        for (int i = 0; i < 40; i++) {
            EXPECT_RC(-ECANCELED, weir_conn_read(conn, &byte, 1));
            EXPECT_RC(-ECANCELED, weir_conn_write_all(conn, &byte, 1, NULL));
        }
        rc = -ECANCELED;
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(1, weir__core_loop()->swallows_count); // C12: scopes of ours hide nothing
    close(peer);
    weir_conn_close(conn);
}

/* --- several tasks ---------------------------------------------------------------------------- */

struct use {
    weir_conn *conn;
    int rc;
    char message[120];
};

static int read_one(void *arg)
{
    struct use *use = arg;
    char byte;
    use->rc = (int)weir_conn_read(use->conn, &byte, 1);
    strncpy(use->message, weir_failure_message(use->rc), sizeof use->message - 1);
    return 0;
}

static int write_much(void *arg)
{
    struct use *use = arg;
    char *data = malloc(TOO_MUCH);
    memset(data, 0, TOO_MUCH);
    use->rc = weir_conn_write_all(use->conn, data, TOO_MUCH, NULL);
    free(data);
    return 0;
}

IO_TEST(a_connection_closed_by_one_task_ends_the_waits_of_others) /* N1, O8, case 195 */
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    struct use reader = {.conn = conn}, writer = {.conn = conn};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_one, &reader));
    EXPECT_RC(0, weir_spawn(group, write_much, &writer));
    EXPECT_RC(0, weir_sleep(20 * WEIR_MS));
    weir_conn_close(conn);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, reader.rc);
    EXPECT_RC(-EBADF, writer.rc);
    EXPECT_CONTAINS("closed by another task", reader.message);
    close(peer);
}

IO_TEST(a_connection_closed_while_its_reader_is_about_to_run_is_closed_for_it)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    struct use reader = {.conn = conn};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_one, &reader));
    EXPECT_RC(0, weir_yield());
    close(peer); // makes the reader ready, soon
    for (int i = 0; i < 3 && reader.rc == 0; i++)
        EXPECT_RC(0, weir_yield());
    weir_conn_close(conn);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(reader.rc == 0 || reader.rc == -EBADF);
}

IO_TEST(one_task_reads_and_one_writes_and_no_more)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    struct use reader = {.conn = conn}, writer = {.conn = conn};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_one, &reader));
    EXPECT_RC(0, weir_spawn(group, write_much, &writer));
    EXPECT_RC(0, weir_sleep(20 * WEIR_MS));
    char byte = 0;
    EXPECT_RC(-EBUSY, weir_conn_read(conn, &byte, 1));
    EXPECT_CONTAINS("another task reads", weir_failure_message(-EBUSY));
    EXPECT_RC(-EBUSY, weir_conn_write_all(conn, &byte, 1, NULL));
    EXPECT_RC(-EBUSY, weir_conn_finish(conn));
    weir_group_cancel(group, "seen enough");
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, reader.rc);
    EXPECT_RC(-ECANCELED, writer.rc);
    close(peer);
    weir_conn_close(conn);
}

/* --- addresses, sockets of other kinds -------------------------------------------------------- */

ANY_TEST(both_ends_agree_on_their_addresses)
{
    weir_listener *listener;
    weir_conn *client, *server;
    REQUIRE_RC(0, weir_listener_open(&(weir_listener_options){.address = "[::1]:0"}, &listener));
    REQUIRE_RC(0, weir_connect_address(weir_listener_address(listener), NULL, &client));
    REQUIRE_RC(0, weir_listener_accept(listener, &server));
    weir_address client_local, server_local;
    EXPECT_RC(0, weir_conn_local_address(client, &client_local));
    EXPECT_RC(0, weir_conn_local_address(server, &server_local));
    EXPECT(weir_address_equal(&client_local, weir_conn_peer_address(server)));
    EXPECT(weir_address_equal(&server_local, weir_conn_peer_address(client)));
    EXPECT(weir_address_equal(&server_local, weir_listener_address(listener)));
    weir_conn_close(client);
    weir_conn_close(server);
    weir_listener_close(listener);
}

ANY_TEST(unix_sockets_are_connections_like_others)
{
    weir_listener *listener;
    weir_conn *client, *server;
    char text[WEIR_ADDRESS_TEXT_BYTES], byte;
    snprintf(text, sizeof text, "unix:@weir-test-%d", (int)getpid());
    REQUIRE_RC(0, weir_listener_open(&(weir_listener_options){.address = text}, &listener));
    REQUIRE_RC(0, weir_connect_address(weir_listener_address(listener), NULL, &client));
    REQUIRE_RC(0, weir_listener_accept(listener, &server));
    EXPECT_RC(0, weir_conn_write_all(server, "x", 1, NULL));
    EXPECT_RC(0, weir_conn_read_exact(client, &byte, 1, NULL));
    EXPECT_EQ('x', byte);
    weir_conn_close(server);
    EXPECT_RC(0, weir_conn_read(client, &byte, 1));
    weir_conn_close(client);
    weir_listener_close(listener);
}

/* --- many ------------------------------------------------------------------------------------- */

enum { MANY = 1000 };

static int echo_many(void *arg)
{
    weir_conn **servers = arg;
    for (int i = 0; i < MANY; i++) {
        char text[4];
        int rc = weir_conn_read_exact(servers[i], text, sizeof text, NULL);
        if (rc == 0)
            rc = weir_conn_write_all(servers[i], text, sizeof text, NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

ANY_TEST(a_thousand_connections_are_kept_apart)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur < 2 * MANY + 100) {
        test_skip("too few descriptors");
        return;
    }
    static weir_conn *clients[MANY], *servers[MANY];
    weir_listener *listener;
    REQUIRE_RC(0, weir_listener_open(NULL, &listener));
    for (int i = 0; i < MANY; i++) {
        REQUIRE_RC(0, weir_connect_address(weir_listener_address(listener), NULL, &clients[i]));
        REQUIRE_RC(0, weir_listener_accept(listener, &servers[i]));
    }
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, echo_many, servers));
    for (int i = MANY - 1; i >= 0; i--)
        EXPECT_RC(0, weir_conn_write_all(clients[i], &i, sizeof i, NULL));
    for (int i = 0; i < MANY; i++) {
        int back = -1;
        EXPECT_RC(0, weir_conn_read_exact(clients[i], &back, sizeof back, NULL));
        EXPECT_EQ(i, back);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < MANY; i++) {
        weir_conn_close(clients[i]);
        weir_conn_close(servers[i]);
    }
    weir_listener_stats stats;
    weir_listener_stats_get(listener, &stats);
    EXPECT_EQ(MANY, stats.accepted);
    EXPECT_EQ(0, stats.exhausted);
    weir_listener_close(listener);
}
