/*
 * network_test.c - what a test does to its simulated network, seen by connections: rules Q1, Q4
 */
#include <string.h>
#include <weir/test.h>
#include <weir/weir.h>

#include "tests/support/test.h"

enum { PORT = 7000 };

static weir_test_report report;

static void expect_passes(weir_task_fn *body, weir_test_options options)
{
    options.report = &report;
    EXPECT_RC(0, weir_test_run(body, NULL, &options));
    EXPECT_STR("", report.what);
}

/* --- a host that answers ---------------------------------------------------------------------- */

static int echo(weir_conn *conn)
{
    char bytes[512];
    ssize_t got;
    int rc = 0;
    while (rc == 0 && (got = weir_conn_read(conn, bytes, sizeof bytes)) > 0)
        rc = weir_conn_write_all(conn, bytes, (size_t)got, NULL);
    return rc;
}

static int echo_all(void *arg)
{
    weir_conn *conn;
    int rc;
    while ((rc = weir_listener_accept(arg, &conn)) == 0) {
        weir_ignore(echo(conn), "whoever asked may be gone");
        weir_conn_close(conn);
    }
    return rc;
}

/* Runs `ask` while 10.0.0.2:7000 echoes. */
static int with_echo(weir_task_fn *ask)
{
    weir_listener *listener;
    weir_group *group;
    int rc = weir_listener_open(&(weir_listener_options){.address = "10.0.0.2:7000"}, &listener);
    if (rc < 0)
        return rc;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn_with(group, &(weir_spawn_options){.service = true}, echo_all, listener,
                             NULL);
        if (rc == 0)
            rc = ask(NULL);
        rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
    }
    weir_listener_close(listener);
    return rc;
}

static int exchange(weir_conn *conn)
{
    char back[6] = "";
    int rc = weir_conn_write_all(conn, "hello", 5, NULL);
    if (rc == 0)
        rc = weir_conn_read_exact(conn, back, 5, NULL);
    WEIR_TEST_EXPECT(rc < 0 || strcmp(back, "hello") == 0);
    return rc;
}

/* --- names ------------------------------------------------------------------------------------ */

static int look_up(void *arg)
{
    (void)arg;
    weir_addresses addresses;
    int rc = weir_test_host("db.example", "10.0.0.2", 3 * WEIR_SEC, 0);
    if (rc == 0)
        rc = weir_test_host("db.example", "fd00::2", 3 * WEIR_SEC, 0);
    if (rc == 0)
        rc = weir_test_host("slow.example", "10.0.0.3", WEIR_HOUR, 0);
    if (rc == 0)
        rc = weir_test_host("broken.example", NULL, 0, -EHOSTUNREACH);
    if (rc < 0)
        return rc;
    WEIR_TEST_EXPECT(weir_test_host("x", "10.0.0.300", 0, 0) == -EINVAL);

    int64_t began_ns = weir_now();
    WEIR_TEST_EXPECT(weir_resolve("db.example", 80, &addresses) == 0);
    WEIR_TEST_EXPECT(addresses.count == 2 && weir_address_port(&addresses.at[1]) == 80);
    WEIR_TEST_EXPECT(weir_now() - began_ns == 3 * WEIR_SEC);
    WEIR_TEST_EXPECT(weir_resolve("slow.example", 80, &addresses) == -ETIMEDOUT);
    WEIR_TEST_EXPECT(weir_resolve("broken.example", 80, &addresses) == -EHOSTUNREACH);
    WEIR_TEST_EXPECT(weir_resolve("unknown.example", 80, &addresses) == -ENXIO);
    WEIR_TEST_EXPECT(weir_resolve("localhost", 80, &addresses) == 0);
    WEIR_TEST_EXPECT(weir_resolve("192.0.2.1", 80, &addresses) == 0);
    return 0;
}

TEST(names_are_answered_from_the_table_of_the_test)
{
    expect_passes(look_up, (weir_test_options){0});
}

/* --- trouble ---------------------------------------------------------------------------------- */

static int survive_a_partition(void *arg)
{
    (void)arg;
    weir_conn *conn;
    int rc = weir_connect("10.0.0.2", PORT, NULL, &conn);
    if (rc < 0)
        return rc;
    rc = exchange(conn);
    if (rc == 0)
        rc = weir_test_partition("10.0.0.2", "10.0.0.1");
    weir_conn *other;
    WEIR_TEST_EXPECT(weir_connect("10.0.0.2", PORT, NULL, &other) == -ETIMEDOUT);
    weir_group *group;
    if (rc == 0)
        rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, (weir_task_fn *)(void (*)(void))exchange, conn);
        if (rc == 0)
            rc = weir_sleep(2 * WEIR_SEC);
        if (rc == 0)
            rc = weir_test_heal();
        rc = weir_group_close(group, rc); /* it arrives after all */
    }
    weir_conn_close(conn);
    return rc;
}

static int with_a_partition(void *arg)
{
    (void)arg;
    return with_echo(survive_a_partition);
}

TEST(a_partition_that_ends_in_time_is_a_delay)
{
    expect_passes(with_a_partition, (weir_test_options){.seeds = 20});
}

static int hear_of_a_reset(void *arg)
{
    (void)arg;
    weir_conn *conn;
    int rc = weir_connect("10.0.0.2", PORT, NULL, &conn);
    if (rc < 0)
        return rc;
    WEIR_TEST_EXPECT(exchange(conn) == 0);
    WEIR_TEST_EXPECT(weir_test_reset_connections("10.0.0.2") == 0);
    WEIR_TEST_EXPECT(exchange(conn) == -ECONNRESET);
    weir_conn_close(conn);
    rc = weir_connect("10.0.0.2", PORT, NULL, &conn);
    if (rc == 0) {
        rc = exchange(conn);
        weir_conn_close(conn);
    }
    return rc;
}

static int with_a_reset(void *arg)
{
    (void)arg;
    return with_echo(hear_of_a_reset);
}

TEST(connections_that_are_reset_say_so_and_the_next_one_works)
{
    expect_passes(with_a_reset, (weir_test_options){0});
}

static int outside_of_the_simulation(void *arg)
{
    (void)arg;
    WEIR_TEST_EXPECT(weir_test_partition(NULL, NULL) == -EPERM);
    WEIR_TEST_EXPECT(weir_test_host("x", "10.0.0.2", 0, 0) == -EPERM);
    WEIR_TEST_EXPECT(weir_test_heal() == -EPERM);
    WEIR_TEST_EXPECT(weir_test_reset_connections(NULL) == -EPERM);
    return 0;
}

TEST(a_real_backend_has_no_simulated_network)
{
    expect_passes(outside_of_the_simulation, (weir_test_options){.backend = "epoll"});
    EXPECT_RC(-EPERM, weir_test_heal());
}

/* --- seeds ------------------------------------------------------------------------------------ */

static int exchange_some(void *arg)
{
    (void)arg;
    weir_conn *conn;
    int rc = weir_connect("10.0.0.2", PORT, NULL, &conn);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = exchange(conn);
    weir_conn_close(conn);
    return rc;
}

static int with_exchanges(void *arg)
{
    (void)arg;
    return with_echo(exchange_some);
}

TEST(a_seed_is_one_run_and_another_seed_another)
{
    static const weir_test_network network = {
        .jitter_ns = 20 * WEIR_MS, .segment_bytes_max = 3, .loss_per_million = 50000};
    uint64_t traces[3];
    for (size_t i = 0; i < 3; i++) {
        expect_passes(with_exchanges,
                      (weir_test_options){.network = &network, .seed = i == 2 ? 8 : 7});
        traces[i] = report.round.trace;
    }
    EXPECT(traces[0] == traces[1]);
    EXPECT(traces[0] != traces[2]);
}

/* The mistake: it believes that what was sent at once arrives at once. */
static int read_once(void *arg)
{
    (void)arg;
    weir_conn *conn;
    char back[8];
    int rc = weir_connect("10.0.0.2", PORT, NULL, &conn);
    if (rc < 0)
        return rc;
    rc = weir_conn_write_all(conn, "hello", 5, NULL);
    if (rc == 0) {
        ssize_t got = weir_conn_read(conn, back, sizeof back);
        rc = got < 0 ? (int)got : got == 5 ? 0 : -EPROTO;
    }
    weir_conn_close(conn);
    return rc;
}

static int with_a_mistake(void *arg)
{
    (void)arg;
    return with_echo(read_once);
}

TEST(who_believes_in_whole_messages_is_found)
{
    expect_passes(with_a_mistake, (weir_test_options){0}); /* it works here, as it always does */
    static const weir_test_network network = {.jitter_ns = WEIR_MS, .segment_bytes_max = 100};
    weir_test_options options = {
        .name = "once", .network = &network, .seeds = 50, .report = &report, .quiet = true};
    EXPECT_RC(-EPROTO, weir_test_run(with_a_mistake, NULL, &options));
    EXPECT_CONTAINS("once seed=", report.replay);
}

/* --- datagrams -------------------------------------------------------------------------------- */

enum { PINGS = 200 };

struct tally {
    size_t got, twice, disordered;
};

static int count_pings(weir_datagram *socket, struct tally *tally)
{
    static bool seen[PINGS];
    int highest = -1;
    memset(seen, 0, sizeof seen);
    for (;;) {
        int number;
        ssize_t got = weir_datagram_recv_from(socket, &number, sizeof number, NULL);
        if (got < 0)
            return got == -ETIMEDOUT ? 0 : (int)got;
        WEIR_TEST_EXPECT(got == sizeof number && number >= 0 && number < PINGS);
        tally->got++;
        tally->twice += seen[number];
        tally->disordered += number < highest;
        seen[number] = true;
        highest = number > highest ? number : highest;
    }
}

static int send_pings(void *arg)
{
    struct tally *tally = arg;
    *tally = (struct tally){0};
    weir_datagram *from, *to;
    int rc = weir_datagram_open(&(weir_datagram_options){.address = "10.0.0.2:53"}, &to);
    if (rc < 0)
        return rc;
    rc = weir_datagram_connect(weir_datagram_address(to), NULL, &from);
    for (int i = 0; i < PINGS && rc == 0; i++)
        rc = weir_datagram_send_to(from, &i, sizeof i, NULL);
    if (rc == 0)
        rc = count_pings(to, tally);
    weir_datagram_close(from);
    weir_datagram_close(to);
    return rc;
}

static struct tally ping_through(weir_test_network network)
{
    struct tally tally;
    weir_test_options options = {.network = &network, .seed = 3, .report = &report};
    EXPECT_RC(0, weir_test_run(send_pings, &tally, &options));
    EXPECT_STR("", report.what);
    return tally;
}

TEST(datagrams_are_lost_come_twice_and_overtake_each_other)
{
    struct tally tally = ping_through((weir_test_network){0});
    EXPECT_EQ(PINGS, tally.got);
    EXPECT_EQ(0, tally.twice + tally.disordered);
    tally = ping_through((weir_test_network){.loss_per_million = 200000});
    EXPECT(tally.got < PINGS && tally.got > PINGS / 2);
    tally = ping_through((weir_test_network){.twice_per_million = 200000});
    EXPECT(tally.twice > 0 && tally.got == PINGS + tally.twice);
    tally = ping_through((weir_test_network){.jitter_ns = WEIR_SEC});
    EXPECT(tally.disordered > PINGS / 4 && tally.got == PINGS);
    tally = ping_through((weir_test_network){.window_bytes = 40});
    EXPECT_EQ(10, tally.got); // nobody read meanwhile: the rest found no room
}

static int ask_nobody(void *arg)
{
    (void)arg;
    weir_address nobody;
    weir_datagram *socket;
    char answer[16];
    int rc = weir_address_parse("127.0.0.1:9", &nobody);
    if (rc == 0)
        rc = weir_datagram_connect(&nobody, NULL, &socket);
    if (rc == 0)
        rc = weir_datagram_send_to(socket, "hello", 5, NULL);
    if (rc < 0)
        return rc;
    WEIR_TEST_EXPECT(weir_datagram_recv_from(socket, answer, sizeof answer, NULL) == -ECONNREFUSED);
    weir_datagram_close(socket);
    return 0;
}

TEST(a_datagram_to_nobody_is_refused_to_who_is_connected)
{
    expect_passes(ask_nobody, (weir_test_options){0});
}
