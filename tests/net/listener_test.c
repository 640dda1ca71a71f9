/*
 * listener_test.c - taking connections, and going on when that is not possible for a while
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weir/failure.h>
#include <weir/group.h>
#include <weir/net.h>
#include <weir/scope.h>

#include "base/fault.h"
#include "base/sys.h"
#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/test.h"

static weir_listener *open_listener(void)
{
    weir_listener *listener = NULL;
    EXPECT_RC(0, weir_listener_open(NULL, &listener));
    return listener;
}

struct acceptor {
    weir_listener *listener;
    weir_conn *conn;
    int rc;
};

static int accept_one(void *arg)
{
    struct acceptor *a = arg;
    a->rc = weir_listener_accept(a->listener, &a->conn);
    return 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

ANY_TEST(without_options_a_listener_is_on_a_free_port_of_this_machine_only)
{
    weir_listener *listener = open_listener();
    char text[WEIR_ADDRESS_TEXT_BYTES];
    EXPECT_CONTAINS("127.0.0.1:", weir_address_format(weir_listener_address(listener), text));
    EXPECT(weir_address_port(weir_listener_address(listener)) != 0);
    weir_listener_close(listener);
    weir_listener_close(NULL);
}

ANY_TEST(an_address_in_use_is_named)
{
    weir_listener *listener = open_listener(), *other = NULL;
    char text[WEIR_ADDRESS_TEXT_BYTES], expected[200];
    weir_address_format(weir_listener_address(listener), text);
    EXPECT_RC(-EADDRINUSE, weir_listener_open(&(weir_listener_options){.address = text}, &other));
    snprintf(expected, sizeof expected, "cannot listen on %s: EADDRINUSE: address already in use",
             text);
    EXPECT_STR(expected, weir_failure_message(-EADDRINUSE));
    EXPECT(other == NULL);
    weir_listener_close(listener);

    // A restart right away, with connections of before in TIME_WAIT.
    EXPECT_RC(0, weir_listener_open(&(weir_listener_options){.address = text}, &other));
    weir_listener_close(other);
}

IO_TEST(what_cannot_be_listened_on_is_refused)
{
    weir_listener *listener = NULL;
    EXPECT_RC(-EINVAL,
              weir_listener_open(&(weir_listener_options){.address = "localhost:80"}, &listener));
    EXPECT_CONTAINS("cannot listen on 'localhost:80'", weir_failure_message(-EINVAL));
    EXPECT_RC(-EADDRNOTAVAIL,
              weir_listener_open(&(weir_listener_options){.address = "192.0.2.1:0"}, &listener));
    EXPECT_RC(-EINVAL, weir_listener_open(&(weir_listener_options){.backlog = -1}, &listener));
    EXPECT_RC(-EINVAL,
              weir_listener_open(&(weir_listener_options){.read_idle_timeout_ns = -1}, &listener));
    EXPECT_RC(-EINVAL, weir_listener_open(&(weir_listener_options){.inherited_fd = -1}, &listener));
    int pipe_fds[2];
    REQUIRE(pipe(pipe_fds) == 0);
    EXPECT_RC(-ENOTSOCK,
              weir_listener_open(&(weir_listener_options){.inherited_fd = pipe_fds[0]}, &listener));
    EXPECT(fcntl(pipe_fds[0], F_GETFD) < 0); // taken, also on failure
    close(pipe_fds[1]);
    EXPECT(listener == NULL);
}

ANY_TEST(listeners_share_a_port_when_they_say_so)
{
    weir_listener *first = NULL, *second = NULL;
    weir_listener_options options = {.reuse_port = true};
    REQUIRE_RC(0, weir_listener_open(&options, &first));
    char text[WEIR_ADDRESS_TEXT_BYTES];
    options.address = weir_address_format(weir_listener_address(first), text);
    EXPECT_RC(0, weir_listener_open(&options, &second));
    weir_listener_close(first);
    weir_listener_close(second);
}

IO_TEST(a_listener_of_an_earlier_process_is_taken_over_with_those_who_wait)
{
    weir_address address;
    int fd = peer_listen("127.0.0.1:0", 8, &address);
    int client = peer_connect(&address);
    weir_listener *listener;
    REQUIRE_RC(0, weir_listener_open(&(weir_listener_options){.inherited_fd = fd}, &listener));
    EXPECT(weir_address_equal(&address, weir_listener_address(listener)));
    weir_conn *conn;
    EXPECT_RC(0, weir_listener_accept(listener, &conn));
    peer_send(client, "x", 1);
    char byte;
    EXPECT_RC(1, weir_conn_read(conn, &byte, 1));
    weir_conn_close(conn);
    close(client);
    weir_listener_close(listener);
    EXPECT(fcntl(fd, F_GETFD) < 0);
}

ANY_TEST(an_ipv6_listener_takes_both_families_unless_told_otherwise)
{
    weir_listener *both, *one;
    REQUIRE_RC(0, weir_listener_open(&(weir_listener_options){.address = "[::]:0"}, &both));
    REQUIRE_RC(0, weir_listener_open(
                      &(weir_listener_options){.address = "[::]:0", .ipv6_only = true}, &one));
    weir_conn *conn = NULL;
    EXPECT_RC(
        0, weir_connect("127.0.0.1", weir_address_port(weir_listener_address(both)), NULL, &conn));
    weir_conn_close(conn);
    EXPECT_RC(
        -ECONNREFUSED,
        weir_connect("127.0.0.1", weir_address_port(weir_listener_address(one)), NULL, &conn));
    weir_listener_close(both);
    weir_listener_close(one);
}

/* --- accepting -------------------------------------------------------------------------------- */

IO_TEST(accepted_connections_are_tuned_and_are_not_inherited_by_children)
{
    weir_listener *listener = open_listener();
    int client = peer_connect(weir_listener_address(listener));
    weir_conn *conn;
    REQUIRE_RC(0, weir_listener_accept(listener, &conn));
    int fd = weir__stream_fd(&conn->stream);
    EXPECT_EQ(1, peer_option(fd, IPPROTO_TCP, TCP_NODELAY));
    EXPECT_EQ(1, peer_option(fd, SOL_SOCKET, SO_KEEPALIVE));
    EXPECT_EQ(60000, peer_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
    EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    EXPECT_EQ(60 * WEIR_SEC, conn->read_idle_ns);
    EXPECT_EQ(30 * WEIR_SEC, conn->write_stall_ns);
    close(client);
    weir_conn_close(conn);
    weir_listener_close(listener);
}

IO_TEST(several_tasks_may_wait_for_connections)
{
    enum { TASKS = 5 };
    struct acceptor acceptors[TASKS] = {0};
    int clients[TASKS];
    weir_listener *listener = open_listener();
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < TASKS; i++) {
        acceptors[i].listener = listener;
        EXPECT_RC(0, weir_spawn(group, accept_one, &acceptors[i]));
    }
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS)); // so that they wait already
    for (int i = 0; i < TASKS; i++)
        clients[i] = peer_connect(weir_listener_address(listener));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < TASKS; i++) {
        EXPECT_RC(0, acceptors[i].rc);
        weir_conn_close(acceptors[i].conn);
        close(clients[i]);
    }
    weir_listener_close(listener);
}

IO_TEST(a_cancelled_accept_takes_no_connection)
{
    weir_listener *listener = open_listener();
    weir_conn *conn = NULL;
    int rc = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = weir_listener_accept(listener, &conn);
    }
    EXPECT_RC(-ETIME, rc);
    int client = peer_connect(weir_listener_address(listener));
    WEIR_TIMEOUT(rc, 0)
    {
        rc = weir_listener_accept(listener, &conn);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT(conn == NULL);
    EXPECT_RC(0, weir_listener_accept(listener, &conn)); // it waited for us
    weir_conn_close(conn);
    close(client);
    weir_listener_close(listener);
}

ANY_TEST(closing_a_listener_ends_the_waits_on_it)
{
    struct acceptor acceptors[3] = {0};
    weir_listener *listener = open_listener();
    weir_address address = *weir_listener_address(listener);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < 3; i++) {
        acceptors[i].listener = listener;
        EXPECT_RC(0, weir_spawn(group, accept_one, &acceptors[i]));
    }
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    weir_listener_close(listener);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 3; i++)
        EXPECT_RC(-EBADF, acceptors[i].rc);
    weir_conn *conn;
    EXPECT_RC(-ECONNREFUSED, weir_connect_address(&address, NULL, &conn));
}

/* --- shortages -------------------------------------------------------------------------------- */

/* From here on no descriptor is to be had; returns the old limit. */
static struct rlimit use_up_descriptors(void)
{
    struct rlimit before, now;
    getrlimit(RLIMIT_NOFILE, &before);
    int lowest_free = dup(STDIN_FILENO);
    close(lowest_free);
    now = (struct rlimit){.rlim_cur = (rlim_t)lowest_free, .rlim_max = before.rlim_max};
    EXPECT(setrlimit(RLIMIT_NOFILE, &now) == 0);
    return before;
}

IO_TEST(without_a_free_descriptor_accept_pauses_and_recovers_by_itself)
{
    weir_listener *listener = open_listener();
    int client = peer_connect(weir_listener_address(listener));
    int known = peer_connect(weir_listener_address(listener));
    weir_conn *earlier;
    REQUIRE_RC(0, weir_listener_accept(listener, &earlier)); // the first one, before the shortage
    struct rlimit before = use_up_descriptors();

    struct acceptor acceptor = {.listener = listener};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, accept_one, &acceptor));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    struct weir__sys_stats calls_before, calls_after;
    weir__sys_stats(&calls_before);
    EXPECT_RC(0, weir_sleep(240 * WEIR_MS));
    weir__sys_stats(&calls_after);
    // A pause of 50 ms: some five attempts. Spinning would be thousands.
    EXPECT(calls_after.calls - calls_before.calls < 60);
    weir_listener_stats stats;
    weir_listener_stats_get(listener, &stats);
    EXPECT(stats.exhausted >= 2 && stats.exhausted <= 10);
    EXPECT_EQ(1, stats.accepted);

    char byte;
    peer_send(client, "x", 1); // old connections are served
    EXPECT_RC(1, weir_conn_read(earlier, &byte, 1));

    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT_RC(0, weir_group_close(group, 0)); // it returns by itself
    EXPECT_RC(0, acceptor.rc);
    weir_conn_close(acceptor.conn);
    weir_conn_close(earlier);
    close(client);
    close(known);
    weir_listener_close(listener);
}

IO_TEST(a_pause_for_want_of_descriptors_can_be_cancelled_and_closed)
{
    weir_listener *listener = open_listener();
    int client = peer_connect(weir_listener_address(listener));
    struct rlimit before = use_up_descriptors();
    weir_conn *conn;
    int rc = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = weir_listener_accept(listener, &conn);
    }
    EXPECT_RC(-ETIME, rc);

    struct acceptor acceptor = {.listener = listener};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, accept_one, &acceptor));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    weir_listener_close(listener);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, acceptor.rc);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    close(client);
}

/* What the kernel may say to an accept, on both backends. */
static void refuse_next_accept(int rc)
{
    weir__base_fault_arm(WEIR__FAULT_RING, 1, rc, false);
}

IO_TEST(connections_that_are_gone_again_are_counted_and_skipped)
{
    static const int codes[] = {-ECONNABORTED, -EPROTO, -ENETUNREACH, -EPERM};
    weir_listener *listener = open_listener();
    weir_listener_stats stats;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        int client = peer_connect(weir_listener_address(listener));
        refuse_next_accept(codes[i]);
        int fd = weir__net_accept_fd(listener, &(weir_address){0});
        weir__base_fault_disarm();
        EXPECT(fd >= 0);
        weir__io_close(fd);
        close(client);
        weir_listener_stats_get(listener, &stats);
        EXPECT_EQ(i + 1, stats.aborted);
    }
    EXPECT_EQ(0, stats.exhausted);

    static const int shortages[] = {-ENFILE, -ENOBUFS, -ENOMEM};
    for (size_t i = 0; i < sizeof shortages / sizeof shortages[0]; i++) {
        int client = peer_connect(weir_listener_address(listener));
        refuse_next_accept(shortages[i]);
        int64_t started_ns = weir_now();
        int fd = weir__net_accept_fd(listener, &(weir_address){0});
        weir__base_fault_disarm();
        EXPECT(weir_now() - started_ns >= 50 * WEIR_MS);
        EXPECT(fd >= 0);
        weir__io_close(fd);
        close(client);
        weir_listener_stats_get(listener, &stats);
        EXPECT_EQ(i + 1, stats.exhausted);
    }
    weir_listener_close(listener);
}

ANY_TEST(what_does_not_pass_ends_the_accept_with_a_word)
{
    weir_listener *listener = open_listener();
    refuse_next_accept(-EIO);
    weir_conn *conn;
    EXPECT_RC(-EIO, weir_listener_accept(listener, &conn));
    weir__base_fault_disarm();
    EXPECT_CONTAINS("cannot accept on 127.0.0.1:", weir_failure_message(-EIO));
    weir_listener_close(listener);
}
