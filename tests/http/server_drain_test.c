/*
 * server_drain_test.c - the end of a server: retiring, draining, closing
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <weir/group.h>
#include <weir/scope.h>
#include <weir/task.h>

#include "http/server.h"
#include "tests/http/service.h"
#include "tests/support/test.h"

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static bool released; /* handlers of /wait may go on */
static int cancelled_count;

static int hello(weir_request *request)
{
    return weir_respond_text(request, 200, weir_request_draining(request) ? "draining" : "hello");
}

static int wait_for_release(weir_request *request)
{
    int rc = 0;
    while (rc == 0 && !released)
        rc = weir_sleep(1);
    cancelled_count += rc == -ECANCELED;
    return rc < 0 ? rc : weir_respond_text(request, 200, "done");
}

static int stream_for_ever(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, NULL);
    while (rc == 0) {
        rc = weir_stream_write(request, "x", 1);
        if (rc == 0)
            rc = weir_sleep(WEIR_MS);
    }
    cancelled_count += rc == -ECANCELED;
    return rc;
}

static const weir_route routes[] = {
    WEIR_GET("/", hello),
    WEIR_GET("/wait", wait_for_release),
    WEIR_GET("/stream", stream_for_ever),
    {0},
};

static void wait_for_flight(const struct service *service, size_t count)
{
    weir_http_server_stats stats = {0};
    for (int i = 0; i < 2000; i++) {
        weir_http_server_stats_get(service->server, &stats);
        if (stats.in_flight_count == count)
            break;
        let_run(1);
    }
    EXPECT_EQ(count, stats.in_flight_count);
}

static size_t conn_count(const struct service *service)
{
    weir_http_server_stats stats;
    weir_http_server_stats_get(service->server, &stats);
    return stats.conn_count;
}

ANY_TEST(a_retiring_server_still_accepts_and_says_close)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    weir_http_server_retire(service.server);
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, GET("/"));
    EXPECT_ANSWER(200, "draining", answer);
    EXPECT_STR("close", answer_field(&client, &answer, "connection"));
    EXPECT(client_is_ended(&client));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_drain_lets_a_hundred_requests_end_and_a_silent_connection_does_not_hold_it)
{
    enum { COUNT = 100 };
    static struct client clients[COUNT];
    struct service service;
    struct client silent;
    released = false;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&silent, &service));
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(client_open(&clients[i], &service));
        client_send(&clients[i], GET("/wait"));
    }
    wait_for_flight(&service, COUNT);
    weir_http_server_drain(service.server);
    EXPECT_RC(-ESHUTDOWN, weir_http_server_listen(service.server, service.listener));
    int rc = 0;
    WEIR_TIMEOUT(rc, 5 * WEIR_MS)
    {
        rc = weir_http_server_wait_idle(service.server);
    }
    EXPECT_RC(-ETIME, rc);
    released = true;
    EXPECT_RC(0, weir_http_server_wait_idle(service.server));
    for (int i = 0; i < COUNT; i++) {
        struct answer answer = client_answer(&clients[i]);
        EXPECT_ANSWER(200, "done", answer);
        EXPECT(!answer.keep_alive);
        EXPECT(client_is_ended(&clients[i]));
        client_close(&clients[i]);
    }
    EXPECT(client_is_ended(&silent));
    client_close(&silent);
    service_close(&service);
}

ANY_TEST(a_drain_closes_idle_connections_and_serves_a_request_that_was_under_way) /* W2, case 290 */
{
    struct service service;
    struct client idle, busy;
    weir_http_server_options options = {.limits.drain_grace_ns = 200 * WEIR_MS};
    REQUIRE(service_open(&service, routes, &options));
    REQUIRE(client_open(&idle, &service));
    REQUIRE(client_open(&busy, &service));
    EXPECT_EQ(200, client_ask(&idle, GET("/")).status);
    EXPECT_EQ(200, client_ask(&busy, GET("/")).status);
    weir_http_server_drain(service.server);
    /* Sent before its sender could know. */
    struct answer answer = client_ask(&busy, GET("/"));
    EXPECT_ANSWER(200, "draining", answer);
    EXPECT(!answer.keep_alive);
    EXPECT(client_is_ended(&busy));
    EXPECT(client_is_ended(&idle));
    let_run(2);
    EXPECT_EQ(0, conn_count(&service));
    client_close(&idle);
    client_close(&busy);
    service_close(&service);
}

/* One that has been silent for long has no request under way: it does not wait for the grace. */
ANY_TEST(a_drain_closes_connections_that_have_been_silent_for_long_at_once) /* W2, case 290 */
{
    struct service service;
    struct client silent, recent;
    weir_http_server_options options = {.limits.drain_grace_ns = WEIR_HOUR};
    REQUIRE(service_open(&service, routes, &options));
    REQUIRE(client_open(&silent, &service));
    EXPECT_EQ(200, client_ask(&silent, GET("/")).status);
    let_run(2);
    struct weir__list *first = service.server->idle.next;
    REQUIRE(first != &service.server->idle);
    WEIR__CONTAINER(first, struct weir__http_conn, link)->since_ns -= 2 * WEIR_SEC;
    REQUIRE(client_open(&recent, &service));
    EXPECT_EQ(200, client_ask(&recent, GET("/")).status);
    let_run(2);
    weir_http_server_drain(service.server);
    EXPECT(client_is_ended(&silent));
    EXPECT_EQ(1, conn_count(&service));
    EXPECT_ANSWER(200, "draining", client_ask(&recent, GET("/"))); // that one has its grace
    client_close(&silent);
    client_close(&recent);
    service_close(&service);
}

ANY_TEST(a_head_that_had_begun_is_still_served_after_a_drain)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    client_send(&client, "GET / HTTP/1.1\r\nHo");
    let_run(2);
    weir_http_server_drain(service.server);
    let_run(2);
    EXPECT_ANSWER(200, "draining", client_ask(&client, "st: a\r\n\r\n"));
    EXPECT(client_is_ended(&client));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_close_cancels_what_is_left_and_tells_the_clients)
{
    struct service service;
    struct client waiting, streaming;
    released = false;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&waiting, &service));
    REQUIRE(client_open(&streaming, &service));
    client_send(&waiting, GET("/wait"));
    client_send(&streaming, GET("/stream"));
    wait_for_flight(&service, 2);
    service_close(&service);
    EXPECT_EQ(2, cancelled_count);
    struct answer answer = client_answer(&waiting);
    EXPECT_EQ(503, answer.status);
    EXPECT(!answer.keep_alive);
    EXPECT(client_is_ended(&waiting));
    answer = client_answer(&streaming);
    EXPECT_EQ(200, answer.status);
    EXPECT(answer.cut);
    client_close(&waiting);
    client_close(&streaming);
}

struct closer {
    struct service *service;
    int rc;
};
static int close_from_elsewhere(void *arg)
{
    struct closer *closer = arg;
    closer->rc = weir_http_server_close(closer->service->server);
    return 0;
}

ANY_TEST(only_the_task_that_opened_a_server_closes_it)
{
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    struct closer closer = {.service = &service};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, close_from_elsewhere, &closer));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EPERM, closer.rc);
    EXPECT_RC(0, weir_http_server_close(NULL));
    service_close(&service);
}

ANY_TEST(a_server_is_cancelled_with_the_scope_it_was_opened_in)
{
    struct service service;
    struct client client = {0};
    int rc = 0;
    released = false;
    cancelled_count = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        if (!service_open(&service, routes, NULL) || !client_open(&client, &service))
            break;
        client_send(&client, GET("/wait"));
        rc = weir_sleep(WEIR_HOUR);
        EXPECT_RC(0, weir_http_server_close(service.server));
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(1, cancelled_count);
    EXPECT_EQ(503, client_answer(&client).status);
    EXPECT(client_is_ended(&client));
    client_close(&client);
    weir_listener_close(service.listener);
    weir_router_free(service.router);
    let_run(2);
}

static int wait_until_idle(void *arg)
{
    struct closer *closer = arg;
    closer->rc = weir_http_server_wait_idle(closer->service->server);
    return 0;
}

ANY_TEST(who_waits_for_a_server_to_be_idle_may_see_it_closed)
{
    struct service service;
    struct client client;
    released = false;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    struct closer closers[2] = {{.service = &service, .rc = 1}, {.service = &service, .rc = 1}};
    weir_group *outer;
    weir_http_server *server = service.server;
    /* The server's group is the inner one: who waits is in a group around it. */
    EXPECT_RC(0, weir_http_server_close(server));
    REQUIRE_RC(0, weir_group_open(&outer, NULL));
    REQUIRE_RC(0, weir_http_server_open(service.router, NULL, &service.server));
    REQUIRE_RC(0, weir_http_server_listen(service.server, service.listener));
    client_close(&client);
    REQUIRE(client_open(&client, &service));
    client_send(&client, GET("/wait"));
    wait_for_flight(&service, 1);
    for (int i = 0; i < 2; i++)
        EXPECT_RC(0, weir_spawn(outer, wait_until_idle, &closers[i]));
    let_run(1);
    EXPECT_RC(0, weir_http_server_close(service.server));
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_RC(0, closers[0].rc);
    EXPECT_RC(0, closers[1].rc);
    EXPECT_EQ(503, client_answer(&client).status);
    client_close(&client);
    weir_listener_close(service.listener);
    weir_router_free(service.router);
    let_run(2);
}

/* The task that accepts has not begun: it must not look at a listener that is gone. */
ANY_TEST(a_listener_may_be_closed_before_its_accepting_has_begun)
{
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    weir_listener_close(service.listener);
    service.listener = NULL;
    let_run(2);
    EXPECT(weir__list_empty(&service.server->acceptors));
    service_close(&service);
}

ANY_TEST(a_listener_that_is_closed_ends_its_accepting_and_nothing_else)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    EXPECT_EQ(200, client_ask(&client, GET("/")).status);
    weir_listener_close(service.listener);
    service.listener = NULL;
    let_run(2);
    EXPECT_ANSWER(200, "hello", client_ask(&client, GET("/")));
    client_close(&client);
    service_close(&service);
}

static int show_peer(weir_request *request)
{
    return weir_respond_text(request, 200, weir_request_peer(request));
}
static const weir_route peer_routes[] = {WEIR_GET("/peer", show_peer), {0}};

IO_TEST(a_connection_that_is_there_already_is_served)
{
    struct service service;
    int ends[2];
    REQUIRE(service_open(&service, peer_routes, NULL));
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    EXPECT_RC(0, weir_http_server_adopt(service.server, ends[0]));
    EXPECT_EQ(1, conn_count(&service));
    struct client client;
    REQUIRE(client_take(&client, ends[1]));
    EXPECT_ANSWER(200, "unix", client_ask(&client, GET("/peer")));
    client_close(&client);
    weir_http_server_drain(service.server);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    EXPECT_RC(-ESHUTDOWN, weir_http_server_adopt(service.server, ends[0]));
    REQUIRE(client_take(&client, ends[1]));
    EXPECT(client_is_ended(&client)); /* it was taken, and closed */
    client_close(&client);
    service_close(&service);
}
