/*
 * server_refuse_test.c - what the server refuses, and in which state the connection is afterwards
 *
 * The rule behind most of it: a message that two programs could read in two ways is refused and its
 * connection closed, so that a second request hidden in it is never answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/scope.h>
#include <weir/task.h>

#include "tests/http/service.h"
#include "tests/support/test.h"

static int hits; /* requests that reached a handler */

static int hello(weir_request *request)
{
    hits++;
    return weir_respond_text(request, 200, "hello");
}

static int echo(weir_request *request)
{
    hits++;
    weir_str body = weir_request_body(request);
    return weir_respond_bytes(request, 200, "text/plain", body.data, body.size);
}

static const weir_route routes[] = {
    WEIR_GET("/", hello),          WEIR_GET("/hidden", hello),           WEIR_POST("/", echo),
    WEIR_PUT("/put/{name}", echo), WEIR_ROUTE("PURGE", "/purge", hello), {0},
};

#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
#define HOST "Host: a\r\n"

/* --- heads ------------------------------------------------------------------------------------ */

struct refused {
    int status;
    const char *request;
};

/* Each is one message that a lenient reader might take for two. */
static const struct refused refused_heads[] = {
    /* the first line */
    {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
    {400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\r\n" HOST "\r\n"},
    {400, "G@T / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /a b HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /#x HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET a HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / http/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.11\r\n" HOST "\r\n"},
    {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
    {505, "GET / HTTP/3.1\r\n" HOST "\r\n"},
    {400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
    {400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n"},
    /* Host */
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    /* field lines */
    {400, "GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X y: z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"},
    {400, "GET / HTTP/1.1\n" HOST "\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
    {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n"},
    /* lengths */
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5_0\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 0\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5,5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5.0\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\nhello"},
    /* codings */
    {400,
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400,
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
};

ANY_TEST(a_head_in_doubt_is_refused_and_what_it_hides_is_never_answered)
{
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    for (size_t i = 0; i < sizeof refused_heads / sizeof refused_heads[0]; i++) {
        struct client client;
        REQUIRE(client_open(&client, &service));
        hits = 0;
        client_send(&client, refused_heads[i].request);
        client_send(&client, HIDDEN HIDDEN);
        struct answer answer = client_answer(&client);
        if (answer.status != refused_heads[i].status)
            printf("of: %s\n", refused_heads[i].request);
        EXPECT_EQ(refused_heads[i].status, answer.status);
        EXPECT(!answer.keep_alive);
        EXPECT_STR("application/problem+json", answer_field(&client, &answer, "content-type"));
        EXPECT(client_is_ended(&client));
        EXPECT_EQ(0, hits);
        client_close(&client);
    }
    service_close(&service);
}

ANY_TEST(a_nul_in_a_head_is_refused)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nX: \0y\r\n\r\n";
    client_send_bytes(&client, request, sizeof request - 1);
    EXPECT_EQ(400, client_answer(&client).status);
    EXPECT(client_is_ended(&client));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(names_that_look_like_framing_are_plain_fields)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    EXPECT_ANSWER(200, "hello",
                  client_ask(&client, "GET / HTTP/1.1\r\n" HOST
                                      "Content_Length: 99\r\nTransfer_Encoding: chunked\r\n\r\n"));
    EXPECT_ANSWER(200, "hello", client_ask(&client, HIDDEN));
    client_close(&client);
    service_close(&service);
}

/* --- bodies ----------------------------------------------------------------------------------- */

static const struct refused refused_chunks[] = {
    {400, "+5\r\nhello\r\n0\r\n\r\n"},
    {400, "-5\r\nhello\r\n0\r\n\r\n"},
    {400, "0x5\r\nhello\r\n0\r\n\r\n"},
    {400, "5_0\r\nhello\r\n0\r\n\r\n"},
    {400, " 5\r\nhello\r\n0\r\n\r\n"},
    {400, "5 \r\nhello\r\n0\r\n\r\n"},
    {400, "00000000000000005\r\nhello\r\n0\r\n\r\n"},
    {400, "10000000000000005\r\nhello\r\n0\r\n\r\n"},
    {400, "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"},
    {413, "100000005\r\nhello\r\n0\r\n\r\n"},
    {400, "5\nhello\r\n0\r\n\r\n"},
    {400, "5\r\nhelloXX0\r\n\r\n"},
    {400, "5\r\nhello\n0\r\n\r\n"},
    {400, "5\r\nhello0\r\n\r\n"},
    {400, "5;a\nb\r\nhello\r\n0\r\n\r\n"},
    {400, "5;a\rb\r\nhello\r\n0\r\n\r\n"},
    {400, "5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"},
    {400, "5\r\nhello\r\n0\r\nTransfer-Encoding: x\r\n\r\n"},
    {400, "5\r\nhello\r\n0\r\nHost: b\r\n\r\n"},
    {400, "5\r\nhello\r\n0\r\nX y: z\r\n\r\n"},
    {400, "g\r\nhello\r\n0\r\n\r\n"},
    {400, "\r\n0\r\n\r\n"},
};

ANY_TEST(a_chunked_body_in_doubt_is_refused_and_what_it_hides_is_never_answered)
{
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    for (size_t i = 0; i < sizeof refused_chunks / sizeof refused_chunks[0]; i++) {
        struct client client;
        REQUIRE(client_open(&client, &service));
        hits = 0;
        client_send(&client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        client_send(&client, refused_chunks[i].request);
        client_send(&client, HIDDEN);
        struct answer answer = client_answer(&client);
        if (answer.status != refused_chunks[i].status)
            printf("of: %s\n", refused_chunks[i].request);
        EXPECT_EQ(refused_chunks[i].status, answer.status);
        EXPECT(!answer.keep_alive);
        EXPECT(client_is_ended(&client));
        EXPECT_EQ(0, hits);
        client_close(&client);
    }
    service_close(&service);
}

ANY_TEST(a_body_cut_short_never_reaches_its_handler)
{
    static const char *const bodies[] = {
        "Content-Length: 6\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    };
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct client client;
        REQUIRE(client_open(&client, &service));
        hits = 0;
        client_send(&client, "POST / HTTP/1.1\r\n" HOST);
        client_send(&client, bodies[i]);
        client_finish(&client);
        EXPECT_EQ(400, client_answer(&client).status);
        EXPECT(client_is_ended(&client));
        EXPECT_EQ(0, hits);
        client_close(&client);
    }
    service_close(&service);
}

/* --- routes, methods, targets ----------------------------------------------------------------- */

ANY_TEST(an_unknown_path_is_404_and_the_connection_stays)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(404, answer.status);
    EXPECT_CONTAINS("{\"type\":\"/problems/not-found\",\"title\":\"Not Found\",\"status\":404,"
                    "\"request_id\":\"",
                    answer.body);
    EXPECT_EQ(404, client_ask(&client, "GET /hidden/ HTTP/1.1\r\n" HOST "\r\n").status);
    EXPECT_ANSWER(200, "hello", client_ask(&client, HIDDEN));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_body_to_an_unknown_path_is_skipped)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    EXPECT_EQ(404, client_ask(&client, "POST /nothing HTTP/1.1\r\n" HOST
                                       "Content-Length: 39\r\n\r\n" HIDDEN "!!!!!!")
                       .status);
    EXPECT_ANSWER(200, "hello", client_ask(&client, HIDDEN));
    EXPECT_EQ(404, client_ask(&client,
                              "POST /nothing HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                              "3\r\nabc\r\n0\r\n\r\n")
                       .status);
    EXPECT_ANSWER(200, "hello", client_ask(&client, HIDDEN));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_method_that_a_path_does_not_take_is_405_with_allow)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, "DELETE / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(405, answer.status);
    EXPECT_STR("GET, POST, HEAD, OPTIONS", answer_field(&client, &answer, "allow"));
    answer = client_ask(&client, "GET /put/x HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(405, answer.status);
    EXPECT_STR("PUT, OPTIONS", answer_field(&client, &answer, "allow"));
    EXPECT_ANSWER(200, "hello", client_ask(&client, "PURGE /purge HTTP/1.1\r\n" HOST "\r\n"));
    EXPECT_EQ(405, client_ask(&client, "BREW /purge HTTP/1.1\r\n" HOST "\r\n").status);
    EXPECT_EQ(501, client_ask(&client, "BREW /nothing HTTP/1.1\r\n" HOST "\r\n").status);
    EXPECT_EQ(405, client_ask(&client, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").status);
    EXPECT_EQ(405, client_ask(&client, "TRACE / HTTP/1.1\r\n" HOST "\r\n").status);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(options_and_head_are_answered_from_the_routes)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, "OPTIONS / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(204, answer.status);
    EXPECT_STR("GET, POST, HEAD, OPTIONS", answer_field(&client, &answer, "allow"));
    EXPECT(answer_field(&client, &answer, "content-length") == NULL);
    EXPECT_EQ(204, client_ask(&client, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n").status);
    client_send(&client, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    answer = client_answer_to_head(&client);
    EXPECT_EQ(200, answer.status);
    EXPECT_STR("5", answer_field(&client, &answer, "content-length"));
    EXPECT_ANSWER(200, "hello", client_ask(&client, HIDDEN));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(an_absolute_target_is_served)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    EXPECT_ANSWER(200, "hello",
                  client_ask(&client, "GET http://b/hidden HTTP/1.1\r\n" HOST "\r\n"));
    EXPECT_ANSWER(200, "hello", client_ask(&client, "GET http://b HTTP/1.1\r\n" HOST "\r\n"));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(percent_encoding_that_is_broken_or_hides_a_nul_is_400)
{
    static const char *const paths[] = {"/put/%00", "/put/%zz", "/put/%4", "/put/%c0%af",
                                        "/?x=%00",  "/?x=%",    "/?%gg=1"};
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char request[128];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", paths[i]);
        EXPECT_EQ(400, client_ask(&client, request).status);
    }
    EXPECT_ANSWER(200, "hello", client_ask(&client, "GET /%68idden HTTP/1.1\r\n" HOST "\r\n"));
    client_close(&client);
    service_close(&service);
}

/* --- sizes ------------------------------------------------------------------------------------ */

static char *filled(size_t size)
{
    char *text = malloc(size + 1);
    memset(text, 'a', size);
    text[size] = '\0';
    return text;
}

ANY_TEST(a_first_line_is_taken_up_to_its_limit_and_414_beyond_it)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    char *long_name = filled(8192 - strlen("GET / HTTP/1.1"));
    client_send(&client, "GET /");
    client_send(&client, long_name);
    client_send(&client, " HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(404, client_answer(&client).status);
    client_send(&client, "GET /a");
    client_send(&client, long_name);
    client_send(&client, " HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(414, client_answer(&client).status);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_LINE_BYTES));
    free(long_name);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(fields_are_taken_up_to_their_limits_and_431_beyond_them)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    char *value = filled(32 * 1024 - strlen(HOST) - strlen("X: \r\n"));
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "X: ");
    client_send(&client, value);
    client_send(&client, "\r\n\r\n");
    EXPECT_ANSWER(200, "hello", client_answer(&client));
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "X: a");
    client_send(&client, value);
    client_send(&client, "\r\n\r\n");
    EXPECT_EQ(431, client_answer(&client).status);
    EXPECT(client_is_ended(&client));
    free(value);
    client_close(&client);

    REQUIRE(client_open(&client, &service));
    for (int more = 0; more <= 1; more++) {
        client_send(&client, "GET / HTTP/1.1\r\n" HOST);
        for (int i = 0; i < 99 + more; i++)
            client_send(&client, "X: y\r\n");
        client_send(&client, "\r\n");
        EXPECT_EQ(more == 0 ? 200 : 431, client_answer(&client).status);
    }
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(2, service_limit_count(&service, WEIR_HTTP_LIMIT_HEAD_BYTES));
    client_close(&client);
    service_close(&service);
}

/* The client sends on and on: it must be able to read why it is refused. */
ANY_TEST(an_endless_head_is_refused_and_the_refusal_arrives)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    char *value = filled(4 * 1024 * 1024);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "X: ");
    client_send(&client, value);
    EXPECT_EQ(431, client_answer(&client).status);
    free(value);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_body_is_taken_up_to_its_limit_and_413_beyond_it)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.body_bytes_max = 100000};
    REQUIRE(service_open(&service, routes, &options));
    REQUIRE(client_open(&client, &service));
    char *body = filled(100001);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    client_send_bytes(&client, body, 100000);
    struct answer answer = client_answer(&client);
    EXPECT_EQ(200, answer.status);
    EXPECT_EQ(100000, answer.body_size);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n186a0\r\n");
    client_send_bytes(&client, body, 100000);
    client_send(&client, "\r\n0\r\n\r\n");
    EXPECT_EQ(100000, client_answer(&client).body_size);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n186a1\r\n");
    client_send_bytes(&client, body, 100001);
    client_send(&client, "\r\n0\r\n\r\n");
    EXPECT_EQ(413, client_answer(&client).status);
    EXPECT(client_is_ended(&client));
    client_close(&client);
    free(body);
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_BODY_BYTES));
    service_close(&service);
}

ANY_TEST(an_announced_giant_is_refused_before_it_is_read_and_the_refusal_arrives)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    char *body = filled(4 * 1024 * 1024);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n\r\n");
    client_send(&client, body);
    struct answer answer = client_answer(&client);
    EXPECT_EQ(413, answer.status);
    EXPECT_CONTAINS("the body is longer than 1048576 bytes", answer.body);
    EXPECT(!answer.keep_alive);
    free(body);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(more_query_parameters_than_the_limit_are_400)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.query_params_max = 3};
    REQUIRE(service_open(&service, routes, &options));
    REQUIRE(client_open(&client, &service));
    EXPECT_EQ(200, client_ask(&client, "GET /?a&b&c HTTP/1.1\r\n" HOST "\r\n").status);
    EXPECT_EQ(400, client_ask(&client, "GET /?a&b&c&d HTTP/1.1\r\n" HOST "\r\n").status);
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_QUERY_COUNT));
    client_close(&client);
    service_close(&service);
}

/* --- expectations and upgrades ---------------------------------------------------------------- */

ANY_TEST(a_body_that_is_wanted_is_asked_for)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    EXPECT_EQ(100, client_ask(&client, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                                       "Content-Length: 5\r\n\r\n")
                       .status);
    EXPECT_ANSWER(200, "hello", client_ask(&client, "hello"));
    /* It did not wait: nothing to ask for. */
    EXPECT_ANSWER(200, "there",
                  client_ask(&client, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                                      "Content-Length: 5\r\n\r\nthere"));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_body_that_has_begun_to_come_is_not_asked_for)
{
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 10\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
        "Transfer-Encoding: chunked\r\n\r\na\r\nhello",
    };
    static const char *const rests[] = {"world", "world\r\n0\r\n\r\n"};
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    for (int i = 0; i < 2; i++) {
        client_send(&client, heads[i]);
        let_run(2);
        EXPECT_ANSWER(200, "helloworld", client_ask(&client, rests[i]));
    }
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_body_that_is_not_wanted_is_not_asked_for_and_the_connection_ends)
{
    static const char *const heads[] = {
        "POST /nothing HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5000000\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Expect: a-miracle\r\nContent-Length: 5\r\n\r\n",
    };
    static const int statuses[] = {404, 413, 417};
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    for (size_t i = 0; i < 3; i++) {
        struct client client;
        REQUIRE(client_open(&client, &service));
        struct answer answer = client_ask(&client, heads[i]);
        EXPECT_EQ(statuses[i], answer.status);
        EXPECT(!answer.keep_alive);
        EXPECT(client_is_ended(&client));
        client_close(&client);
    }
    service_close(&service);
}

ANY_TEST(an_upgrade_that_nobody_knows_is_ignored_and_loses_no_request)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, routes, NULL));
    REQUIRE(client_open(&client, &service));
    client_send(&client,
                "POST / HTTP/1.1\r\n" HOST "Connection: upgrade, http2-settings\r\n"
                "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 4\r\n\r\nbody" HIDDEN);
    EXPECT_ANSWER(200, "body", client_answer(&client));
    EXPECT_ANSWER(200, "hello", client_answer(&client));
    client_close(&client);
    service_close(&service);
}
