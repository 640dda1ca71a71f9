/*
 * server_conn_test.c - connections of the server: kept, pipelined, cut into pieces, ended
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/scope.h>
#include <weir/task.h>

#include "tests/http/service.h"
#include "tests/support/test.h"

static int hello(weir_request *request)
{
    return weir_respond_text(request, 200, "hello");
}

static int echo(weir_request *request)
{
    weir_str body = weir_request_body(request);
    return weir_respond_bytes(request, 200, "text/plain", body.data, body.size);
}

static int show_number(weir_request *request)
{
    return weir_respond_text(request, 200, weir_request_param(request, "number"));
}

/* Waits before it answers, so that what follows on its connection has to wait as well. */
static int slow_number(weir_request *request)
{
    int rc = weir_sleep(2 * WEIR_MS);
    return rc < 0 ? rc : weir_respond_text(request, 200, weir_request_param(request, "number"));
}

static bool released;

static int held_number(weir_request *request)
{
    int rc = 0;
    while (rc == 0 && !released)
        rc = weir_sleep(1);
    return rc < 0 ? rc : weir_respond_text(request, 200, weir_request_param(request, "number"));
}

static const weir_route routes[] = {
    WEIR_GET("/held/{number}", held_number),
    WEIR_GET("/", hello),
    WEIR_POST("/echo", echo),
    WEIR_GET("/number/{number}", show_number),
    WEIR_GET("/slow/{number}", slow_number),
    {0},
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

ANY_TEST(a_request_is_answered)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, GET("/"));
    EXPECT_ANSWER(200, "hello", answer);
    EXPECT(answer.keep_alive);
    EXPECT_STR("5", answer_field(&client, &answer, "content-length"));
    EXPECT_STR("text/plain; charset=utf-8", answer_field(&client, &answer, "content-type"));
    EXPECT_EQ(29, (long)strlen(answer_field(&client, &answer, "date")));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_connection_is_kept_for_many_requests)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    for (int i = 0; i < 300; i++)
        EXPECT_ANSWER(200, "hello", client_ask(&client, GET("/")));
    weir_http_server_stats stats;
    weir_http_server_stats_get(service.server, &stats);
    EXPECT_EQ(1, stats.accepted_count);
    EXPECT_EQ(300, stats.request_count);
    EXPECT_EQ(300, stats.status_count[2]);
    EXPECT_EQ(1, stats.conn_count);
    EXPECT_EQ(1, stats.idle_count);
    EXPECT_EQ(0, stats.in_flight_count);
    client_close(&client);
    service_close(&service);
}

static void ask_numbers(const char *path, int count)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    size_t size = 0, capacity = (size_t)count * 64;
    char *requests = malloc(capacity);
    for (int i = 0; i < count; i++)
        size += (size_t)snprintf(requests + size, capacity - size,
                                 "GET %s/%d HTTP/1.1\r\nHost: a\r\n\r\n", path, i);
    client_send_bytes(&client, requests, size);
    int in_order = 0;
    for (int i = 0; i < count; i++) {
        struct answer answer = client_answer(&client);
        in_order += answer.status == 200 && atoi(answer.body) == i && !answer.cut;
        weir_arena_reset(client.arena);
    }
    EXPECT_EQ(count, in_order);
    free(requests);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(two_pipelined_requests_are_answered_in_order)
{
    ask_numbers("/number", 2);
}

ANY_TEST(a_hundred_pipelined_requests_are_answered_in_order)
{
    ask_numbers("/number", 100);
}

/* More than fits into what is read ahead: reading pauses, and goes on. */
ANY_TEST(two_thousand_pipelined_requests_are_answered_in_order)
{
    ask_numbers("/number", 2000);
}

ANY_TEST(pipelined_requests_to_slow_handlers_are_answered_in_order)
{
    ask_numbers("/slow", 20);
}

/* The answers before the slow one must not wait for it. */
ANY_TEST(answers_leave_while_the_next_handler_waits)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    released = false;
    client_send(&client, GET("/number/1") GET("/number/2") GET("/held/3"));
    EXPECT_ANSWER(200, "1", client_answer(&client));
    EXPECT_ANSWER(200, "2", client_answer(&client));
    weir_http_server_stats stats;
    weir_http_server_stats_get(service.server, &stats);
    EXPECT_EQ(1, stats.in_flight_count);
    released = true;
    EXPECT_ANSWER(200, "3", client_answer(&client));
    client_close(&client);
    service_close(&service);
}

static const char pieces[] =
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n8;x=y\r\ndefghijk\r\n0\r\nX: y\r\n\r\n"
    "GET /number/7 HTTP/1.1\r\nHost: a\r\n\r\n";

static void expect_pieces(struct client *client)
{
    EXPECT_ANSWER(200, "hello world", client_answer(client));
    EXPECT_ANSWER(200, "abcdefghijk", client_answer(client));
    EXPECT_ANSWER(200, "7", client_answer(client));
}

ANY_TEST(requests_that_come_octet_by_octet_are_the_same_requests)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    for (size_t i = 0; i < sizeof pieces - 1; i++) {
        client_send_bytes(&client, pieces + i, 1);
        let_run(1);
    }
    expect_pieces(&client);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(requests_cut_at_each_place_are_the_same_requests)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    for (size_t i = 1; i < sizeof pieces - 1; i++) {
        client_send_bytes(&client, pieces, i);
        let_run(1);
        client_send_bytes(&client, pieces + i, sizeof pieces - 1 - i);
        expect_pieces(&client);
        weir_arena_reset(client.arena);
    }
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_client_that_has_finished_sending_still_gets_its_answers)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    client_send(&client, GET("/number/1") GET("/slow/2"));
    client_finish(&client);
    EXPECT_ANSWER(200, "1", client_answer(&client));
    EXPECT_ANSWER(200, "2", client_answer(&client));
    EXPECT(client_is_ended(&client));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(connection_close_is_honoured_and_nothing_behind_it_is_answered)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    client_send(&client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/number/2"));
    struct answer answer = client_answer(&client);
    EXPECT_ANSWER(200, "hello", answer);
    EXPECT(!answer.keep_alive);
    EXPECT(client_is_ended(&client));
    client_close(&client);
    service_close(&service);
}

/* A close with unread bytes would be a reset, which takes the answer away from the client. */
ANY_TEST(the_last_answer_arrives_however_much_comes_behind_its_request)
{
    enum { SIZE = 4 * 1024 * 1024 };
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    char *more = malloc(SIZE);
    memset(more, 'x', SIZE);
    client_send(&client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_send_bytes(&client, more, SIZE);
    client.error = 0;
    EXPECT_ANSWER(200, "hello", client_answer(&client));
    free(more);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_client_of_http_1_0_is_closed_unless_it_asks_to_be_kept)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_ANSWER(200, "hello", answer);
    EXPECT_STR("keep-alive", answer_field(&client, &answer, "connection"));
    EXPECT_ANSWER(200, "hello", client_ask(&client, "GET / HTTP/1.0\r\n\r\n"));
    EXPECT(client_is_ended(&client));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_connection_ends_after_its_last_request)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.conn_requests_max = 3};
    REQUIRE(service_open(&service, routes, &options));
    REQUIRE(client_open(&client, &service));
    client_send(&client, GET("/number/1") GET("/number/2") GET("/number/3") GET("/number/4"));
    EXPECT_ANSWER(200, "1", client_answer(&client));
    EXPECT_ANSWER(200, "2", client_answer(&client));
    struct answer last = client_answer(&client);
    EXPECT_ANSWER(200, "3", last);
    EXPECT(!last.keep_alive);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_CONN_REQUESTS));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_connection_beyond_its_age_ends_with_an_answer)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.conn_age_max_ns = 1};
    REQUIRE(service_open(&service, routes, &options));
    REQUIRE(client_open(&client, &service));
    EXPECT_RC(0, weir_sleep(2 * WEIR_MS));
    struct answer answer = client_ask(&client, GET("/"));
    EXPECT_ANSWER(200, "hello", answer);
    EXPECT(!answer.keep_alive);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_CONN_AGE));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(clients_that_go_at_any_moment_leave_nothing_behind)
{
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t i = 0; i < sizeof request; i++) {
        struct client client;
        REQUIRE(client_open(&client, &service));
        client_send_bytes(&client, request, i);
        let_run((int)(i % 3));
        if (i % 2 == 0)
            client_reset(&client);
        else
            client_close(&client);
    }
    for (int i = 0; i < 100; i++) {
        weir_http_server_stats stats;
        weir_http_server_stats_get(service.server, &stats);
        if (stats.conn_count == 0)
            break;
        EXPECT_RC(0, weir_sleep(WEIR_MS));
    }
    weir_http_server_stats stats;
    weir_http_server_stats_get(service.server, &stats);
    EXPECT_EQ(0, stats.conn_count);
    EXPECT_EQ(0, stats.in_flight_count);
    service_close(&service);
}
