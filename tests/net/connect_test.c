/*
 * connect_test.c - from a place to a connection: refusals, silence, races
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <weir/failure.h>
#include <weir/group.h>
#include <weir/net.h>
#include <weir/scope.h>
#include <weir/test.h>

#include "base/clock.h"
#include "base/sys.h"
#include "net/resolve.h"
#include "tests/net/peer.h"
#include "tests/support/test.h"

/* --- one address ------------------------------------------------------------------------------ */

ANY_TEST(a_refusal_names_the_place)
{
    weir_address address = closed_port();
    weir_conn *conn = NULL;
    EXPECT_RC(-ECONNREFUSED, weir_connect_address(&address, NULL, &conn));
    EXPECT(conn == NULL);
    char text[WEIR_ADDRESS_TEXT_BYTES], expected[200];
    snprintf(expected, sizeof expected, "connection refused by %s",
             weir_address_format(&address, text));
    EXPECT_STR(expected, weir_failure_message(-ECONNREFUSED));

    EXPECT_RC(-ECONNREFUSED, weir_connect("127.0.0.1", weir_address_port(&address), NULL, &conn));
    EXPECT_STR(expected, weir_failure_message(-ECONNREFUSED));
}

IO_TEST(a_place_that_does_not_answer_is_given_up_in_time)
{
    struct black_hole hole;
    black_hole_open(&hole, "127.0.0.1:0");
    weir_conn *conn = NULL;
    weir_connect_options options = {.connect_timeout_ns = 50 * WEIR_MS};
    EXPECT_RC(-ETIMEDOUT, weir_connect_address(&hole.address, &options, &conn));
    char text[WEIR_ADDRESS_TEXT_BYTES], expected[200];
    snprintf(expected, sizeof expected, "timed out connecting to %s after 50 ms",
             weir_address_format(&hole.address, text));
    EXPECT_STR(expected, weir_failure_message(-ETIMEDOUT));
    black_hole_close(&hole);
}

IO_TEST(the_deadline_of_a_scope_around_a_connect_is_the_scopes)
{
    struct black_hole hole;
    black_hole_open(&hole, "127.0.0.1:0");
    weir_conn *conn = NULL;
    int rc = 0;
    int inner = 0;
    WEIR_TIMEOUT(rc, 30 * WEIR_MS)
    {
        rc = inner = weir_connect_address(&hole.address, NULL, &conn);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_RC(-ETIME, rc);
    WEIR_TIMEOUT(rc, 30 * WEIR_MS)
    {
        weir_connect_options options = {.connect_timeout_ns = WEIR_FOREVER};
        rc = inner = weir_connect_address(&hole.address, &options, &conn);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT(conn == NULL);
    black_hole_close(&hole);
}

ANY_TEST(a_cancelled_context_does_not_even_try)
{
    weir_address address;
    int listener = peer_listen("127.0.0.1:0", 1, &address);
    weir_conn *conn = NULL;
    int rc = 0;
    WEIR_TIMEOUT(rc, 0)
    {
        rc = weir_connect_address(&address, NULL, &conn);
        EXPECT_RC(-ECANCELED, rc);
        rc = weir_connect("127.0.0.1", weir_address_port(&address), NULL, &conn);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT(conn == NULL);
    close(listener);
}

IO_TEST(impossible_requests_are_refused_with_a_word)
{
    weir_address none = {0}, address = closed_port();
    weir_conn *conn = NULL;
    EXPECT_RC(-EINVAL, weir_connect_address(NULL, NULL, &conn));
    EXPECT_RC(-EINVAL, weir_connect_address(&none, NULL, &conn));
    EXPECT_RC(-EINVAL, weir_connect(NULL, 80, NULL, &conn));
    EXPECT_RC(-EINVAL, weir_connect("", 80, NULL, &conn));
    EXPECT_RC(-EINVAL, weir_connect("127.0.0.1", 0, NULL, &conn));
    weir_connect_options options = {.read_idle_timeout_ns = -1};
    EXPECT_RC(-EINVAL, weir_connect_address(&address, &options, &conn));
    EXPECT_STR("a time limit is negative", weir_failure_message(-EINVAL));
    weir_address path;
    REQUIRE_RC(0, weir_address_parse("unix:/nowhere/at/all", &path));
    EXPECT_RC(-ENOENT, weir_connect_address(&path, NULL, &conn));
    EXPECT_CONTAINS("cannot connect to unix:/nowhere/at/all", weir_failure_message(-ENOENT));
}

TEST(outside_a_task_nothing_connects)
{
    weir_address address = closed_port();
    weir_conn *conn = NULL;
    EXPECT_RC(-EPERM, weir_connect_address(&address, NULL, &conn));
    EXPECT_RC(-EPERM, weir_connect("127.0.0.1", 80, NULL, &conn));
    EXPECT_RC(-EPERM, weir_resolve("127.0.0.1", 80, &(weir_addresses){0}));
    weir_listener *listener;
    EXPECT_RC(-EPERM, weir_listener_open(NULL, &listener));
}

/* --- several: each loopback address is another host ------------------------------------------- */

static const char *const *hosts; /* what the next lookup answers */
static size_t host_count;

static int look_up_hosts(const char *host, weir_addresses *out_addresses, const char **out_why)
{
    (void)host, (void)out_why;
    for (size_t i = 0; i < host_count; i++) {
        int rc = strncmp(hosts[i], "unix:", 5) == 0
                     ? weir_address_parse(hosts[i], &out_addresses->at[i])
                     : weir__net_address_literal((weir_str){hosts[i], strlen(hosts[i])}, 0,
                                                 &out_addresses->at[i]);
        if (rc < 0)
            return rc;
    }
    out_addresses->count = host_count;
    return 0;
}

static void answer_with(const char *const *names, size_t count)
{
    hosts = names;
    host_count = count;
    weir__net_lookup = look_up_hosts;
    weir__net_cache_clear();
}

/* A listener on another loopback address, with the port of `address`. */
static int listen_beside(const char *host, const weir_address *address)
{
    char text[64];
    weir_address bound;
    snprintf(text, sizeof text, "%s:%u", host, (unsigned)weir_address_port(address));
    return peer_listen(text, 8, &bound);
}

IO_TEST(a_host_that_is_silent_at_one_address_is_reached_at_the_next)
{
    static const char *const names[] = {"127.0.0.1", "127.0.0.2"};
    struct black_hole hole;
    black_hole_open(&hole, "127.0.0.1:0");
    int listener = listen_beside("127.0.0.2", &hole.address);
    answer_with(names, 2);
    weir_conn *conn;
    int64_t started_ns = weir_now();
    REQUIRE_RC(0, weir_connect("half.silent", weir_address_port(&hole.address), NULL, &conn));
    EXPECT(weir_now() - started_ns >= 250 * WEIR_MS);
    char text[WEIR_ADDRESS_TEXT_BYTES];
    EXPECT_CONTAINS("127.0.0.2:", weir_address_format(weir_conn_peer_address(conn), text));
    int peer = peer_accept(listener);
    char byte;
    EXPECT_RC(0, weir_conn_write_all(conn, "x", 1, NULL));
    EXPECT_EQ(1, peer_receive(peer, &byte, 1));
    weir_conn_close(conn);
    close(peer);
    close(listener);
    black_hole_close(&hole);
}

IO_TEST(after_a_refusal_the_next_address_is_tried_at_once)
{
    static const char *const names[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3",
                                        "127.0.0.4", "127.0.0.5", "127.0.0.6",
                                        "127.0.0.7", "127.0.0.8", "127.0.0.9"};
    weir_address address = closed_port();
    int listener = listen_beside("127.0.0.9", &address);
    answer_with(names, 9);
    weir_conn *conn;
    // Waiting 250 ms before each of the eight others would take two seconds.
    weir_connect_options options = {.connect_timeout_ns = 1500 * WEIR_MS};
    REQUIRE_RC(0, weir_connect("mostly.closed", weir_address_port(&address), &options, &conn));
    char text[WEIR_ADDRESS_TEXT_BYTES];
    EXPECT_CONTAINS("127.0.0.9:", weir_address_format(weir_conn_peer_address(conn), text));
    weir_conn_close(conn);
    close(listener);
}

IO_TEST(the_first_address_is_preferred_when_all_answer)
{
    static const char *const names[] = {"127.0.0.1", "127.0.0.2"};
    weir_address address;
    int first = peer_listen("127.0.0.1:0", 8, &address);
    int second = listen_beside("127.0.0.2", &address);
    answer_with(names, 2);
    weir_conn *conn;
    REQUIRE_RC(0, weir_connect("both.open", weir_address_port(&address), NULL, &conn));
    char text[WEIR_ADDRESS_TEXT_BYTES];
    EXPECT_CONTAINS("127.0.0.1:", weir_address_format(weir_conn_peer_address(conn), text));
    weir_conn_close(conn);
    close(first);
    close(second);
}

ANY_TEST(when_every_address_fails_the_host_and_the_most_telling_one_are_named)
{
    static const char *const names[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
    weir_address address = closed_port();
    answer_with(names, 3);
    weir_conn *conn;
    EXPECT_RC(-ECONNREFUSED, weir_connect("all.closed", weir_address_port(&address), NULL, &conn));
    char expected[200];
    unsigned port = weir_address_port(&address);
    snprintf(expected, sizeof expected,
             "connection refused by all.closed:%u (127.0.0.1:%u and 2 more)", port, port);
    EXPECT_STR(expected, weir_failure_message(-ECONNREFUSED));

    answer_with(names, 1);
    EXPECT_RC(-ECONNREFUSED, weir_connect("one.closed", weir_address_port(&address), NULL, &conn));
    snprintf(expected, sizeof expected, "connection refused by one.closed:%u (127.0.0.1:%u)", port,
             port);
    EXPECT_STR(expected, weir_failure_message(-ECONNREFUSED));
}

IO_TEST(of_two_connections_that_come_at_once_one_is_kept)
{
    // The kernel connects Unix sockets at once: on io_uring in the very call that asks for the end
    // of the second attempt.
    char first_text[64], second_text[64];
    snprintf(first_text, sizeof first_text, "unix:@weir-first-%d", (int)getpid());
    snprintf(second_text, sizeof second_text, "unix:@weir-second-%d", (int)getpid());
    const char *const names[] = {first_text, second_text};
    weir_address bound;
    int first = peer_listen(first_text, 8, &bound);
    int second = peer_listen(second_text, 8, &bound);
    answer_with(names, 2);
    EXPECT_EQ(250 * WEIR_MS, weir__net_stagger_ns);
    weir__net_stagger_ns = 0;
    weir_conn *conn;
    REQUIRE_RC(0, weir_connect("both.open", 80, NULL, &conn));
    EXPECT_RC(0, weir_conn_write_all(conn, "x", 1, NULL));
    weir_conn_close(conn);
    close(first);
    close(second); // and the test's end sees that the other one is closed
}

/* A network of our own, where every connection gets the same local port; false: not permitted. */
static bool enter_network_with_one_port(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    bool up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
    bool set = fd >= 0 && write(fd, "40001 40001", 11) == 11;
    if (fd >= 0)
        close(fd);
    return up && set;
}

ANY_TEST(a_connection_with_itself_is_a_refusal)
{
    if (!enter_network_with_one_port()) {
        test_skip("a network namespace of its own is not permitted");
        return;
    }
    weir_conn *conn = NULL;
    EXPECT_RC(-ECONNREFUSED, weir_connect("127.0.0.1", 40001, NULL, &conn));
    EXPECT(conn == NULL);
}

ANY_TEST(an_address_without_a_route_is_told_of_only_when_there_is_nothing_else_to_tell)
{
    static const char *const names[] = {"224.0.0.1", "127.0.0.1"}; // nobody connects to a group
    weir_address address = closed_port();
    weir_conn *conn;
    answer_with(names, 2);
    EXPECT_RC(-ECONNREFUSED, weir_connect("half.there", weir_address_port(&address), NULL, &conn));
    char expected[200];
    snprintf(expected, sizeof expected,
             "connection refused by half.there:%u (127.0.0.1:%u; 224.0.0.1:%u ENETUNREACH)",
             (unsigned)weir_address_port(&address), (unsigned)weir_address_port(&address),
             (unsigned)weir_address_port(&address));
    EXPECT_STR(expected, weir_failure_message(-ECONNREFUSED));
    answer_with(names, 1);
    EXPECT_RC(-ENETUNREACH, weir_connect("not.there", 80, NULL, &conn));
    EXPECT_STR("no route to not.there:80 (224.0.0.1:80)", weir_failure_message(-ENETUNREACH));
}

IO_TEST(when_every_address_is_silent_all_attempts_end_with_the_limit)
{
    static const char *const names[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
    struct black_hole first, second;
    black_hole_open(&first, "127.0.0.1:0");
    char text[64];
    snprintf(text, sizeof text, "127.0.0.2:%u", (unsigned)weir_address_port(&first.address));
    black_hole_open(&second, text);
    answer_with(names, 2);
    weir_conn *conn;
    weir_connect_options options = {.connect_timeout_ns = 400 * WEIR_MS};
    EXPECT_RC(-ETIMEDOUT,
              weir_connect("all.silent", weir_address_port(&first.address), &options, &conn));
    EXPECT_CONTAINS("timed out connecting to all.silent:", weir_failure_message(-ETIMEDOUT));
    EXPECT_EQ(1, weir_task_count());

    int rc = 0;
    int inner = 0;
    WEIR_TIMEOUT(rc, 300 * WEIR_MS)
    {
        rc = inner = weir_connect("all.silent", weir_address_port(&first.address), NULL, &conn);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(1, weir_task_count());
    black_hole_close(&first);
    black_hole_close(&second);
}

ANY_TEST(a_name_that_does_not_exist_is_the_resolvers_message)
{
    weir_conn *conn;
    EXPECT_RC(-ENXIO, weir_connect("nosuch.invalid", 80, NULL, &conn));
    EXPECT_STR("name does not exist (EAI_NONAME): nosuch.invalid", weir_failure_message(-ENXIO));
}

IO_TEST(localhost_is_reached_in_either_family)
{
    weir_address v4, v6;
    int listener = peer_listen("127.0.0.1:0", 8, &v4);
    weir_conn *conn;
    REQUIRE_RC(0, weir_connect("localhost", weir_address_port(&v4), NULL, &conn));
    EXPECT(weir_address_equal(&v4, weir_conn_peer_address(conn)));
    weir_conn_close(conn);
    close(listener);

    listener = peer_listen("[::1]:0", 8, &v6);
    REQUIRE_RC(0, weir_connect("LocalHost", weir_address_port(&v6), NULL, &conn));
    EXPECT(weir_address_equal(&v6, weir_conn_peer_address(conn)));
    weir_conn_close(conn);
    close(listener);
}

/* --- the stagger: time moves by hand ---------------------------------------------------------- */

static struct black_hole silent_one;

struct late {
    int rc;
    bool ended;
    weir_conn *conn;
};

static int connect_late(void *arg)
{
    struct late *late = arg;
    weir_connect_options options = {.connect_timeout_ns = WEIR_MIN};
    late->rc =
        weir_connect("late.one", weir_address_port(&silent_one.address), &options, &late->conn);
    late->ended = true;
    return 0;
}

/* Three addresses that are silent, and one that answers: how many sockets there are, and when. */
static int connect_after_three(void *arg)
{
    (void)arg;
    static const char *const names[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"};
    answer_with(names, 4);
    struct late late = {0};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_addresses known;
    rc = weir_resolve("late.one", 80, &known); // so that no thread has a part in it
    int fds = weir__sys_open_fd_count();
    if (rc == 0)
        rc = weir_spawn(group, connect_late, &late);
    for (int attempts = 1; rc == 0 && attempts <= 3; attempts++) {
        rc = weir_test_advance(248 * WEIR_MS); // timers have a millisecond
        WEIR_TEST_EXPECT(weir__sys_open_fd_count() == fds + attempts && !late.ended);
        if (rc == 0)
            rc = weir_test_advance(2 * WEIR_MS);
    }
    if (rc == 0)
        rc = weir_test_advance(1 * WEIR_MS);
    rc = weir_group_close(group, rc); // the fourth needs no more time
    WEIR_TEST_EXPECT(late.rc == 0);
    WEIR_TEST_EXPECT(weir__sys_open_fd_count() == fds + 1); // the losers are closed
    weir_conn_close(late.conn);
    return rc;
}

TEST(attempts_begin_a_quarter_of_a_second_apart_and_the_losers_are_closed) /* case 235 */
{
    struct black_hole second, third;
    char text[64];
    black_hole_open(&silent_one, "127.0.0.1:0");
    unsigned port = weir_address_port(&silent_one.address);
    snprintf(text, sizeof text, "127.0.0.2:%u", port);
    black_hole_open(&second, text);
    snprintf(text, sizeof text, "127.0.0.3:%u", port);
    black_hole_open(&third, text);
    int listener = listen_beside("127.0.0.4", &silent_one.address);
    static const char *const backends[] = {"epoll", "uring"};
    for (size_t i = 0; i < (test_why_no_uring() == NULL ? 2 : 1); i++) {
        weir_test_options by_hand = {.backend = backends[i], .clock = WEIR_TEST_CLOCK_BY_HAND};
        EXPECT_RC(0, weir_test_run(connect_after_three, NULL, &by_hand));
    }
    close(listener);
    black_hole_close(&silent_one);
    black_hole_close(&second);
    black_hole_close(&third);
}

/* Cut with two attempts under way: both are waited for, none is left open. */
static int connect_in_vain(void *arg)
{
    (void)arg;
    static const char *const names[] = {"127.0.0.1", "127.0.0.2", "127.0.0.1"};
    answer_with(names, 3);
    struct late late = {0};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_addresses known;
    rc = weir_resolve("late.one", 80, &known);
    int fds = weir__sys_open_fd_count();
    if (rc == 0)
        rc = weir_spawn(group, connect_late, &late);
    if (rc == 0)
        rc = weir_test_advance(400 * WEIR_MS);
    WEIR_TEST_EXPECT(weir__sys_open_fd_count() == fds + 2);
    weir_group_cancel(group, "seen enough");
    rc = weir_group_close(group, rc);
    WEIR_TEST_EXPECT(late.rc == -ECANCELED && weir__sys_open_fd_count() == fds);
    return rc;
}

TEST(attempts_that_are_cut_are_waited_for) /* case 236, O5 */
{
    struct black_hole second;
    char text[64];
    black_hole_open(&silent_one, "127.0.0.1:0");
    snprintf(text, sizeof text, "127.0.0.2:%u", (unsigned)weir_address_port(&silent_one.address));
    black_hole_open(&second, text);
    weir_test_options by_hand = {.backend = "epoll", .clock = WEIR_TEST_CLOCK_BY_HAND};
    EXPECT_RC(0, weir_test_run(connect_in_vain, NULL, &by_hand));
    black_hole_close(&silent_one);
    black_hole_close(&second);
}
