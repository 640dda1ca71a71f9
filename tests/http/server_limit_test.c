/*
 * server_limit_test.c - limits of time and number: slow, silent and too many clients
 *
 * The limits are made small: these are real sockets, on the real clock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/scope.h>
#include <weir/task.h>

#include "tests/http/service.h"
#include "tests/support/test.h"

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static int hello(weir_request *request)
{
    return weir_respond_text(request, 200, "hello");
}

static int seen_rc;

static int receive(weir_request *request)
{
    char piece[100];
    ssize_t got;
    while ((got = weir_body_read(request, piece, sizeof piece)) > 0)
        ;
    seen_rc = (int)got;
    return got < 0 ? (int)got : weir_respond_text(request, 200, "all");
}

static int echo(weir_request *request)
{
    weir_str body = weir_request_body(request);
    return weir_respond_bytes(request, 200, NULL, body.data, body.size);
}

/* Holds the loop; for longer than OVERLOAD allows. */
static int block(weir_request *request)
{
    usleep(12000);
    return weir_respond_text(request, 200, "blocked");
}
#define OVERLOAD .queue_delay_max_ns = 10 * WEIR_MS, .queue_delay_sustain_ns = 1

/* The same, and the next client speaks meanwhile. */
enum { CHAIN = 20 };
static int chain_fds[CHAIN + 1];
static int chain_next;

static int block_and_pass_on(weir_request *request)
{
    static const char next[] = GET("/chain");
    usleep(12000);
    EXPECT_EQ((ssize_t)sizeof next - 1, write(chain_fds[chain_next++], next, sizeof next - 1));
    return weir_respond_text(request, 200, "passed on");
}

static const weir_route routes[] = {
    WEIR_GET("/chain", block_and_pass_on),
    WEIR_GET("/block", block),
    WEIR_GET("/block-low", block, .priority = WEIR_PRIORITY_LOW),
    WEIR_GET("/probe", hello, .probe = true),
    WEIR_GET("/", hello),
    WEIR_POST("/", echo, .timeout_ns = 20 * WEIR_MS),
    WEIR_POST("/upload", receive, .stream_body = true),
    {0},
};

static weir_http_limit last_hit;
static char last_peer[64];

static void hear_limit(void *arg, weir_http_limit limit, const char *peer)
{
    (void)arg;
    last_hit = limit;
    snprintf(last_peer, sizeof last_peer, "%s", peer);
}

static bool open_both(struct service *service, struct client *client,
                      const weir_http_limits *limits)
{
    weir_http_server_options options = {.limits = *limits, .hooks.limit_hit = hear_limit};
    last_hit = WEIR_HTTP_LIMIT_COUNT;
    return service_open(service, routes, &options) && client_open(client, service);
}

static void close_both(struct service *service, struct client *client)
{
    client_close(client);
    service_close(service);
}

ANY_TEST(a_client_that_never_says_a_word_is_closed)
{
    struct service service;
    struct client client;
    REQUIRE(
        open_both(&service, &client, &(weir_http_limits){.first_byte_timeout_ns = 10 * WEIR_MS}));
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(WEIR_HTTP_LIMIT_FIRST_BYTE, last_hit);
    EXPECT(strncmp(last_peer, "127.0.0.1:", 10) == 0);
    close_both(&service, &client);
}

/* The time runs from the first byte of the head, not from the last one. */
ANY_TEST(a_head_that_drips_is_408)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, &(weir_http_limits){.head_timeout_ns = 30 * WEIR_MS}));
    EXPECT_EQ(200, client_ask(&client, GET("/")).status);
    static const char head[] =
        "GET / HTTP/1.1\r\nHost: a\r\nX-Long-Header: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";
    size_t sent = 0;
    weir_http_server_stats stats;
    do {
        client_send_bytes(&client, head + sent++, 1);
        let_run(2);
        weir_http_server_stats_get(service.server, &stats);
    } while (stats.limit_count[WEIR_HTTP_LIMIT_HEAD_TIME] == 0 && sent < sizeof head - 1);
    EXPECT(sent < sizeof head - 1);
    struct answer answer = client_answer(&client);
    EXPECT_EQ(408, answer.status);
    EXPECT(!answer.keep_alive);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(WEIR_HTTP_LIMIT_HEAD_TIME, last_hit);
    close_both(&service, &client);
}

ANY_TEST(a_connection_that_stays_idle_is_closed)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, &(weir_http_limits){.idle_timeout_ns = 10 * WEIR_MS}));
    EXPECT_EQ(200, client_ask(&client, GET("/")).status);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(WEIR_HTTP_LIMIT_IDLE, last_hit);
    close_both(&service, &client);
}

ANY_TEST(a_connection_that_is_used_is_not_closed_as_idle)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client,
                      &(weir_http_limits){.idle_timeout_ns = 500 * WEIR_MS,
                                          .first_byte_timeout_ns = 500 * WEIR_MS}));
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(200, client_ask(&client, GET("/")).status);
        EXPECT_RC(0, weir_sleep(70 * WEIR_MS));
    }
    EXPECT_EQ(WEIR_HTTP_LIMIT_COUNT, last_hit);
    close_both(&service, &client);
}

ANY_TEST(a_body_that_stops_coming_is_408)
{
    struct service service;
    struct client client;
    REQUIRE(
        open_both(&service, &client, &(weir_http_limits){.body_idle_timeout_ns = 10 * WEIR_MS}));
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhello");
    struct answer answer = client_answer(&client);
    EXPECT_EQ(408, answer.status);
    EXPECT(!answer.keep_alive);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(WEIR_HTTP_LIMIT_BODY_IDLE, last_hit);
    client_close(&client);
    REQUIRE(client_open(&client, &service));
    client_send(&client, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhello");
    EXPECT_EQ(408, client_answer(&client).status);
    EXPECT_EQ(-ETIMEDOUT, seen_rc);
    close_both(&service, &client);
}

/* Never idle, and never done: what nginx and HAProxy let live. */
ANY_TEST(a_body_that_drips_below_the_least_rate_is_408)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(
        &service, &client,
        &(weir_http_limits){.body_rate_grace_ns = 20 * WEIR_MS, .body_rate_min = 100000}));
    client_send(&client, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n");
    int sent = 0;
    while (last_hit == WEIR_HTTP_LIMIT_COUNT && sent < 500) {
        client_send(&client, "x");
        let_run(2);
        sent++;
    }
    EXPECT_EQ(WEIR_HTTP_LIMIT_BODY_RATE, last_hit);
    EXPECT_EQ(408, client_answer(&client).status);
    close_both(&service, &client);
}

ANY_TEST(a_body_at_the_least_rate_is_served_however_long_it_takes)
{
    struct service service;
    struct client client;
    REQUIRE(
        open_both(&service, &client,
                  &(weir_http_limits){.body_rate_grace_ns = 10 * WEIR_MS, .body_rate_min = 1000}));
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n");
    char piece[2000];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 10; i++) { /* longer than the route's own limit of time */
        client_send_bytes(&client, piece, sizeof piece);
        EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    }
    struct answer answer = client_answer(&client);
    EXPECT_EQ(200, answer.status);
    EXPECT_EQ(20000, answer.body_size);
    close_both(&service, &client);
}

ANY_TEST(beyond_the_limit_of_connections_the_longest_idle_one_makes_room)
{
    struct service service;
    struct client clients[4];
    REQUIRE(open_both(&service, &clients[0], &(weir_http_limits){.connections_max = 3}));
    EXPECT_EQ(200, client_ask(&clients[0], GET("/")).status);
    for (int i = 1; i < 3; i++) {
        REQUIRE(client_open(&clients[i], &service));
        EXPECT_EQ(200, client_ask(&clients[i], GET("/")).status);
    }
    EXPECT_EQ(200, client_ask(&clients[0], GET("/")).status); /* now the second is the oldest */
    REQUIRE(client_open(&clients[3], &service));
    EXPECT_EQ(200, client_ask(&clients[3], GET("/")).status);
    EXPECT(client_is_ended(&clients[1]));
    EXPECT_EQ(200, client_ask(&clients[0], GET("/")).status);
    EXPECT_EQ(WEIR_HTTP_LIMIT_CONNECTIONS, last_hit);
    weir_http_server_stats stats;
    weir_http_server_stats_get(service.server, &stats);
    EXPECT_EQ(3, stats.conn_count);
    for (int i = 0; i < 4; i++)
        client_close(&clients[i]);
    service_close(&service);
}

ANY_TEST(with_all_connections_busy_a_new_one_waits_and_is_served_afterwards)
{
    struct service service;
    struct client busy, waiting;
    REQUIRE(open_both(&service, &busy, &(weir_http_limits){.connections_max = 1}));
    client_send(&busy, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    let_run(2);
    REQUIRE(client_open(&waiting, &service)); /* in the kernel's queue */
    client_send(&waiting, GET("/"));
    let_run(2);
    EXPECT_ANSWER(200, "all", client_ask(&busy, "lo"));
    client_close(&busy);
    EXPECT_ANSWER(200, "hello", client_answer(&waiting));
    client_close(&waiting);
    service_close(&service);
}

ANY_TEST(many_slow_clients_do_not_hold_up_a_good_one)
{
    enum { COUNT = 200 };
    static struct client slow[COUNT];
    struct service service;
    struct client good;
    REQUIRE(open_both(&service, &good, &(weir_http_limits){0}));
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(client_open(&slow[i], &service));
        client_send(&slow[i], i % 2 == 0
                                  ? "GET / HTTP/1.1\r\nHost: a\r\nX: "
                                  : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    }
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < COUNT; i += 2)
            client_send(&slow[i], "y");
        EXPECT_EQ(200, client_ask(&good, GET("/")).status);
        weir_http_server_stats stats;
        weir_http_server_stats_get(service.server, &stats);
        EXPECT_EQ(COUNT + 1, stats.conn_count); /* not because the others had used up their time */
    }
    for (int i = 0; i < COUNT; i++)
        client_close(&slow[i]);
    close_both(&service, &good);
}

/* --- connections of one address --------------------------------------------------------------- */

ANY_TEST(beyond_the_limit_of_its_address_a_newcomer_is_closed_and_nobody_else)
{
    struct service service;
    struct client first, second, third;
    REQUIRE(open_both(&service, &first, &(weir_http_limits){.address_connections_max = 2}));
    REQUIRE(client_open(&second, &service));
    EXPECT_EQ(200, client_ask(&first, GET("/")).status);
    EXPECT_EQ(200, client_ask(&second, GET("/")).status);
    REQUIRE(client_open(&third, &service));
    EXPECT(client_is_ended(&third));
    client_close(&third);
    EXPECT_EQ(WEIR_HTTP_LIMIT_ADDRESS_CONNECTIONS, last_hit);
    EXPECT(strncmp(last_peer, "127.0.0.1:", 10) == 0);
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_ADDRESS_CONNECTIONS));
    EXPECT_EQ(200, client_ask(&first, GET("/")).status);
    client_close(&second); /* one place for another */
    let_run(3);
    REQUIRE(client_open(&third, &service));
    EXPECT_EQ(200, client_ask(&third, GET("/")).status);
    client_close(&third);
    close_both(&service, &first);
}

IO_TEST(a_connection_that_is_handed_over_counts_for_its_address)
{
    struct service service, other;
    struct client client;
    REQUIRE(open_both(&service, &client, &(weir_http_limits){.address_connections_max = 1}));
    EXPECT_EQ(200, client_ask(&client, GET("/")).status);
    REQUIRE(service_open(&other, routes, NULL));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* from 127.0.0.1 as well */
    REQUIRE(connect(fd, (const struct sockaddr *)(const void *)&other.address.storage,
                    other.address.size) == 0);
    EXPECT_RC(-EBUSY, weir_http_server_adopt(service.server, fd));
    int ends[2]; /* without an address there is nothing to count */
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    EXPECT_RC(0, weir_http_server_adopt(service.server, ends[0]));
    close(ends[1]);
    service_close(&other);
    close_both(&service, &client);
}

/* At the edge the limit is 256; only the number is looked at here. */
IO_TEST(without_the_edge_an_address_has_as_many_connections_as_it_likes)
{
    enum { COUNT = 260 };
    static int fds[COUNT];
    for (int edge = 0; edge <= 1; edge++) {
        struct service service;
        weir_http_server_options options = {.edge = edge};
        REQUIRE(service_open(&service, routes, &options));
        for (int i = 0; i < COUNT; i++) {
            fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            EXPECT_EQ(0, connect(fds[i],
                                 (const struct sockaddr *)(const void *)&service.address.storage,
                                 service.address.size));
        }
        weir_http_server_stats stats = {0};
        uint64_t closed = 0;
        for (int i = 0; i < 2000 && stats.accepted_count + closed < COUNT; i++) {
            let_run(1);
            weir_http_server_stats_get(service.server, &stats);
            closed = stats.limit_count[WEIR_HTTP_LIMIT_ADDRESS_CONNECTIONS];
        }
        EXPECT_EQ(edge ? 4 : 0, closed);
        EXPECT_EQ(edge ? 256 : COUNT, stats.conn_count);
        for (int i = 0; i < COUNT; i++)
            close(fds[i]);
        service_close(&service);
    }
}

/* --- overload --------------------------------------------------------------------------------- */

enum { WAITING = 5 };

/* Requests that are all there before the loop looks. */
static void send_at_once(struct service *service, struct client clients[WAITING],
                         const char *const requests[WAITING])
{
    int ends[WAITING][2];
    for (int i = 0; i < WAITING; i++) {
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends[i]) == 0);
        EXPECT_RC(0, weir_http_server_adopt(service->server, ends[i][0]));
    }
    let_run(2);
    for (int i = 0; i < WAITING; i++)
        EXPECT_EQ((ssize_t)strlen(requests[i]),
                  write(ends[i][1], requests[i], strlen(requests[i])));
    for (int i = 0; i < WAITING; i++)
        EXPECT(client_take(&clients[i], ends[i][1]));
}

IO_TEST(requests_that_wait_too_long_for_their_turn_are_503_and_probes_are_not)
{
    struct service service;
    static struct client clients[WAITING];
    weir_http_server_options options = {.limits = {OVERLOAD}, .hooks.limit_hit = hear_limit};
    static const char *const requests[WAITING] = {GET("/block"), GET("/block"), GET("/block"),
                                                  GET("/block"), GET("/probe")};
    REQUIRE(service_open(&service, routes, &options));
    send_at_once(&service, clients, requests);
    int refused = 0;
    for (int i = 0; i < WAITING - 1; i++) {
        struct answer answer = client_answer(&clients[i]);
        EXPECT(answer.status == 200 || answer.status == 503);
        if (answer.status == 503) {
            refused++;
            EXPECT_STR("1", answer_field(&clients[i], &answer, "retry-after"));
            EXPECT(answer.keep_alive);
        }
    }
    EXPECT_ANSWER(200, "hello", client_answer(&clients[WAITING - 1]));
    EXPECT(refused >= 1 && refused < WAITING - 1); // the third one that began at the latest
    EXPECT_EQ(refused, service_limit_count(&service, WEIR_HTTP_LIMIT_QUEUE_DELAY));
    EXPECT_EQ(WEIR_HTTP_LIMIT_QUEUE_DELAY, last_hit);
    /* Once the queue is short again, everybody is served. */
    int status = 0;
    for (int i = 0; i < 200 && status != 200; i++)
        status = client_ask(&clients[0], GET("/")).status;
    EXPECT_EQ(200, status);
    weir_http_server_stats stats;
    weir_http_server_stats_get(service.server, &stats);
    EXPECT(!stats.shedding);
    for (int i = 0; i < WAITING; i++)
        client_close(&clients[i]);
    service_close(&service);
}

/* Between two handlers nothing is ready, and the loop asks for news as if it slept; but those that
 * it finds have waited for as long as it was busy. */
IO_TEST(what_came_while_a_handler_held_the_loop_has_waited_since_then)
{
    struct service service;
    static struct client clients[CHAIN + 1];
    weir_http_server_options options = {.limits = {OVERLOAD}};
    REQUIRE(service_open(&service, routes, &options));
    for (int i = 0; i <= CHAIN; i++) {
        int ends[2];
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        EXPECT_RC(0, weir_http_server_adopt(service.server, ends[0]));
        EXPECT(client_take(&clients[i], ends[1]));
        chain_fds[i] = ends[1];
    }
    let_run(2);
    chain_next = 1;
    client_send(&clients[0], GET("/chain"));
    int status = 200;
    for (int i = 0; i < CHAIN && status == 200; i++)
        status = client_answer(&clients[i]).status;
    EXPECT_EQ(503, status); // the third, unless this process was held up itself
    for (int i = 0; i <= CHAIN; i++)
        client_close(&clients[i]);
    service_close(&service);
}

IO_TEST(without_a_limit_of_delay_every_request_is_served)
{
    struct service service;
    static struct client clients[WAITING];
    weir_http_server_options options = {
        .limits = {.queue_delay_max_ns = WEIR_FOREVER, .queue_delay_sustain_ns = 1}};
    static const char *const requests[WAITING] = {GET("/block"), GET("/block"), GET("/block-low"),
                                                  GET("/block-low"), GET("/block-low")};
    REQUIRE(service_open(&service, routes, &options));
    send_at_once(&service, clients, requests);
    for (int i = 0; i < WAITING; i++) {
        EXPECT_ANSWER(200, "blocked", client_answer(&clients[i]));
        client_close(&clients[i]);
    }
    service_close(&service);
}

TASK_TEST(impossible_limits_are_refused)
{
    weir_router *router;
    weir_http_server *server;
    REQUIRE_RC(0, weir_router_new(routes, &router));
    weir_http_server_options options = {.limits.idle_timeout_ns = -1};
    EXPECT_RC(-EINVAL, weir_http_server_open(router, &options, &server));
    options.limits = (weir_http_limits){.head_fields_max = 101};
    EXPECT_RC(-EINVAL, weir_http_server_open(router, &options, &server));
    weir_router_free(router);
}

TEST(every_limit_has_a_name)
{
    for (int i = 0; i < WEIR_HTTP_LIMIT_COUNT; i++)
        EXPECT(strlen(weir_http_limit_name((weir_http_limit)i)) > 0);
    EXPECT_STR("", weir_http_limit_name(WEIR_HTTP_LIMIT_COUNT));
}
