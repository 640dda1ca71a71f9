/*
 * server_stream_test.c - answers and bodies that come piece by piece, and events
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/failure.h>
#include <weir/scope.h>
#include <weir/task.h>

#include "tests/http/service.h"
#include "tests/support/test.h"

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static struct {
    int ended; /* handlers that returned */
    int rc;    /* what the last one returned */
    size_t bytes;
    int failed_rc;
} seen;

static int note(int rc)
{
    seen.ended++;
    seen.rc = rc;
    return rc;
}

static void hear_failure(void *arg, weir_request *request, int rc, const char *message)
{
    (void)arg;
    (void)request;
    (void)message;
    seen.failed_rc = rc;
}

static char block[100000];

/* --------------------------------------------------------------------------------------------- */

static int count_up(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, "text/plain");
    for (int i = 0; rc == 0 && i < 1000; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "%d,", i);
        rc = weir_stream_write(request, text, (size_t)size);
    }
    return note(rc);
}

static int write_large(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, "text/plain");
    for (int i = 0; rc == 0 && i < 5; i++) {
        rc = weir_stream_write(request, "small", 5);
        if (rc == 0)
            rc = weir_stream_write(request, block, sizeof block);
    }
    return note(rc);
}

static int write_sized(weir_request *request)
{
    int rc = weir_stream_begin_sized(request, 200, NULL, 10);
    if (rc == 0)
        rc = weir_stream_write(request, "hello", 5);
    if (rc == 0)
        EXPECT_RC(-EMSGSIZE, weir_stream_write(request, "world!", 6));
    if (rc == 0)
        rc = weir_stream_write(request, "world", 5);
    return note(rc);
}

static int write_less(weir_request *request)
{
    int rc = weir_stream_begin_sized(request, 200, NULL, 10);
    return note(rc < 0 ? rc : weir_stream_write(request, "hello", 5));
}

static int fail_in_the_middle(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, NULL);
    if (rc == 0)
        rc = weir_stream_write(request, "half", 4);
    return note(rc < 0 ? rc : -EIO);
}

static int end_early(weir_request *request)
{
    EXPECT_RC(-EINVAL, weir_stream_write(request, "x", 1));
    EXPECT_RC(-EINVAL, weir_stream_end(request));
    EXPECT_RC(-EINVAL, weir_stream_begin(request, 204, NULL));
    int rc = weir_stream_begin(request, 200, NULL);
    if (rc == 0)
        rc = weir_stream_write(request, "all", 3);
    if (rc == 0)
        rc = weir_stream_end(request);
    EXPECT_RC(-EINVAL, weir_stream_write(request, "more", 4));
    return note(rc);
}

static bool first_piece_seen;

/* Goes on when the client has what was flushed. */
static int write_and_flush(weir_request *request)
{
    EXPECT_RC(-EINVAL, weir_stream_flush(request)); /* nothing was begun */
    int rc = weir_stream_begin(request, 200, NULL);
    if (rc == 0)
        rc = weir_stream_write(request, "first", 5);
    if (rc == 0)
        rc = weir_stream_flush(request);
    while (rc == 0 && !first_piece_seen)
        rc = weir_yield();
    if (rc == 0)
        rc = weir_stream_write(request, " second", 7);
    return note(rc);
}

static int write_slowly(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, NULL);
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = weir_stream_write(request, "tick ", 5);
        if (rc == 0)
            rc = weir_sleep(10 * WEIR_MS);
    }
    return note(rc);
}

static int write_for_ever(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, NULL);
    while (rc == 0) {
        rc = weir_stream_write(request, block, sizeof block);
        if (rc == 0)
            seen.bytes += sizeof block;
    }
    return note(rc);
}

static int receive(weir_request *request)
{
    char piece[1000];
    ssize_t got;
    seen.bytes = 0;
    while ((got = weir_body_read(request, piece, sizeof piece)) > 0)
        seen.bytes += (size_t)got;
    if (got < 0)
        return note((int)got);
    EXPECT_EQ(0, weir_body_read(request, piece, sizeof piece));
    snprintf(piece, sizeof piece, "%zu", seen.bytes);
    return note(weir_respond_text(request, 200, piece));
}

/* Reads what was collected for it. */
static int receive_collected(weir_request *request)
{
    char piece[7];
    size_t size = 0;
    ssize_t got;
    while ((got = weir_body_read(request, piece, sizeof piece)) > 0)
        size += (size_t)got;
    EXPECT_EQ(weir_request_body(request).size, size);
    return weir_respond_text(request, 200, "ok");
}

static int ignore_body(weir_request *request)
{
    return weir_respond_text(request, 200, "ignored");
}

/* Sends back what it reads, while it is read. */
static int mirror(weir_request *request)
{
    char piece[4096];
    ssize_t got = 0;
    int rc = weir_stream_begin(request, 200, NULL);
    while (rc == 0 && (got = weir_body_read(request, piece, sizeof piece)) > 0)
        rc = weir_stream_write(request, piece, (size_t)got);
    return note(rc < 0 ? rc : (int)got);
}

static int events(weir_request *request)
{
    int rc = weir_sse_begin(request);
    if (rc == 0)
        rc = weir_sse_send(request, NULL, NULL, "one");
    if (rc == 0)
        rc = weir_sse_send(request, "progress", "7", "two\nthree\r\nfour\rfive");
    if (rc == 0)
        EXPECT_RC(-EINVAL, weir_sse_send(request, "a\nb", NULL, ""));
    if (rc == 0)
        rc = weir_sse_send(request, NULL, NULL, "");
    return note(rc);
}

static int events_for_ever(weir_request *request)
{
    int rc = weir_sse_begin(request);
    if (rc == 0)
        rc = weir_sse_send(request, NULL, NULL, "begun");
    if (rc == 0)
        rc = weir_sleep(WEIR_HOUR);
    return note(rc);
}

static int many_events(weir_request *request)
{
    int rc = weir_sse_begin(request);
    for (int i = 0; rc == 0 && i < 3000; i++) {
        char data[64];
        snprintf(data, sizeof data, "event number %d", i);
        rc = weir_sse_send(request, NULL, NULL, data);
    }
    if (rc == 0)
        rc = weir_sse_send(request, NULL, NULL, block);
    return note(rc);
}

/* Goes on after a write of it was cut: what follows would be read as a part of it. */
static int write_after_a_cut(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, NULL);
    while (rc == 0) {
        WEIR_TIMEOUT(rc, 20 * WEIR_MS)
        {
            rc = weir_stream_write(request, block, sizeof block);
        }
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_RC(-EPIPE, weir_stream_write(request, "more", 4));
    EXPECT_RC(-EPIPE, weir_stream_end(request));
    return note(0);
}

static int respond_giant(weir_request *request)
{
    enum { SIZE = 16 << 20 };
    char *giant = calloc(SIZE, 1);
    int rc = weir_respond_bytes(request, 200, NULL, giant, SIZE);
    free(giant);
    return note(rc);
}

/* The answer has a block of its own, and those before it are sent when it is taken back. */
static int wait_and_fail(weir_request *request)
{
    int rc = weir_respond_bytes(request, 200, NULL, block, 10000);
    for (int i = 0; rc == 0 && i < 5; i++)
        rc = weir_sleep(WEIR_MS);
    return note(rc < 0 ? rc : -EIO);
}

static const weir_route routes[] = {
    WEIR_GET("/cut", write_after_a_cut),
    WEIR_GET("/giant", respond_giant),
    WEIR_GET("/wait-and-fail", wait_and_fail),
    WEIR_GET("/count", count_up),
    WEIR_GET("/large", write_large),
    WEIR_GET("/sized", write_sized),
    WEIR_GET("/less", write_less),
    WEIR_GET("/fail", fail_in_the_middle),
    WEIR_GET("/end", end_early),
    WEIR_GET("/flush", write_and_flush),
    WEIR_GET("/slowly", write_slowly, .timeout_ns = WEIR_MIN),
    WEIR_GET("/for-ever", write_for_ever),
    WEIR_POST("/upload", receive, .stream_body = true, .body_bytes_max = 10 << 20),
    WEIR_POST("/collected", receive_collected),
    WEIR_POST("/ignore", ignore_body, .stream_body = true),
    WEIR_POST("/mirror", mirror, .stream_body = true, .body_bytes_max = 10 << 20),
    WEIR_GET("/events", events),
    WEIR_GET("/events/for-ever", events_for_ever),
    WEIR_GET("/events/many", many_events),
    {0},
};

static bool open_both(struct service *service, struct client *client,
                      const weir_http_server_options *given)
{
    weir_http_server_options options = {0};
    if (given != NULL)
        options = *given;
    options.hooks.handler_failed = hear_failure;
    memset(block, 'b', sizeof block - 1);
    return service_open(service, routes, &options) && client_open(client, service);
}

static void close_both(struct service *service, struct client *client)
{
    client_close(client);
    service_close(service);
}

static void wait_for_end(int count)
{
    for (int i = 0; i < 2000 && seen.ended < count; i++)
        let_run(1);
    EXPECT_EQ(count, seen.ended);
}

/* --- answers ---------------------------------------------------------------------------------- */

ANY_TEST(a_stream_of_small_pieces_arrives_whole)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    struct answer answer = client_ask(&client, GET("/count"));
    EXPECT_EQ(200, answer.status);
    EXPECT(answer.chunked && answer.keep_alive && !answer.cut);
    EXPECT_EQ(10 * 2 + 90 * 3 + 900 * 4, answer.body_size);
    EXPECT(strncmp(answer.body, "0,1,2,3,", 8) == 0);
    EXPECT_STR("998,999,", answer.body + answer.body_size - 8);
    EXPECT_ANSWER(200, "all", client_ask(&client, GET("/end")));
    close_both(&service, &client);
}

ANY_TEST(a_stream_of_small_and_large_pieces_arrives_whole)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    struct answer answer = client_ask(&client, GET("/large"));
    EXPECT_EQ(5 * (5 + sizeof block), answer.body_size);
    EXPECT(!answer.cut);
    EXPECT_EQ(0, seen.rc);
    EXPECT_ANSWER(200, "all", client_ask(&client, GET("/end")));
    close_both(&service, &client);
}

IO_TEST(what_is_flushed_arrives_before_the_rest_is_written)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, GET("/flush"));
    EXPECT(client_until(&client, "first"));
    EXPECT_EQ(0, seen.ended);
    first_piece_seen = true;
    EXPECT_ANSWER(200, "first second", client_answer(&client));
    close_both(&service, &client);
}

ANY_TEST(a_stream_to_http_1_0_ends_with_its_connection)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    struct answer answer =
        client_ask(&client, "GET /end HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_ANSWER(200, "all", answer);
    EXPECT(!answer.chunked);
    EXPECT(client_is_ended(&client));
    close_both(&service, &client);
}

ANY_TEST(a_head_request_to_a_stream_gets_its_head)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, "HEAD /count HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(200, client_answer_to_head(&client).status);
    client_send(&client, "HEAD /sized HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(200, client_answer_to_head(&client).status);
    client_send(&client, "HEAD /events/for-ever HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_EQ(200, client_answer_to_head(&client).status);
    EXPECT_ANSWER(200, "all", client_ask(&client, GET("/end")));
    close_both(&service, &client);
}

ANY_TEST(a_sized_stream_has_its_length)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    struct answer answer = client_ask(&client, GET("/sized"));
    EXPECT_ANSWER(200, "helloworld", answer);
    EXPECT(!answer.chunked);
    EXPECT_ANSWER(200, "all", client_ask(&client, GET("/end")));
    close_both(&service, &client);
}

ANY_TEST(a_stream_that_fails_is_cut_so_that_the_client_sees_it)
{
    static const char *const requests[] = {GET("/less"), GET("/fail"),
                                           "GET /fail HTTP/1.0\r\n\r\n"};
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    for (size_t i = 0; i < 3; i++) {
        seen.failed_rc = 0;
        struct answer answer = client_ask(&client, requests[i]);
        EXPECT_EQ(200, answer.status);
        EXPECT(answer.cut);
        EXPECT_EQ(i == 0 ? -ENODATA : -EIO, seen.failed_rc);
        client_close(&client);
        REQUIRE(client_open(&client, &service));
    }
    close_both(&service, &client);
}

ANY_TEST(pieces_leave_while_the_handler_waits)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, GET("/slowly"));
    REQUIRE(client_until(&client, "tick"));
    EXPECT_EQ(0, seen.ended);
    EXPECT_ANSWER(200, "tick tick tick ", client_answer(&client));
    close_both(&service, &client);
}

ANY_TEST(a_client_that_does_not_read_holds_up_its_own_handler_only)
{
    struct service service;
    struct client slow, other;
    REQUIRE(open_both(&service, &slow, NULL));
    REQUIRE(client_open(&other, &service));
    client_send(&slow, GET("/for-ever"));
    size_t before;
    do {
        before = seen.bytes;
        let_run(20);
    } while (seen.bytes != before);
    EXPECT(seen.bytes > 0);
    EXPECT_ANSWER(200, "all", client_ask(&other, GET("/end")));
    EXPECT_EQ(1, seen.ended);
    client_reset(&slow);
    wait_for_end(2);
    EXPECT(seen.rc == -EPIPE || seen.rc == -ECANCELED);
    close_both(&service, &other);
}

ANY_TEST(a_client_that_takes_nothing_for_too_long_is_reset)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.write_timeout_ns = 30 * WEIR_MS};
    REQUIRE(open_both(&service, &client, &options));
    client_send(&client, GET("/for-ever"));
    wait_for_end(1);
    EXPECT_EQ(-ETIMEDOUT, seen.rc);
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_WRITE_STALL));
    while (client_more(&client))
        ;
    EXPECT_RC(-ECONNRESET, client.error);
    close_both(&service, &client);
}

ANY_TEST(a_client_that_does_not_take_a_whole_answer_is_reset)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.write_timeout_ns = 30 * WEIR_MS};
    REQUIRE(open_both(&service, &client, &options));
    client_send(&client, GET("/giant"));
    weir_http_server_stats stats;
    do {
        let_run(5);
        weir_http_server_stats_get(service.server, &stats);
    } while (stats.conn_count > 0);
    EXPECT_EQ(1, stats.limit_count[WEIR_HTTP_LIMIT_WRITE_STALL]);
    while (client_more(&client))
        ;
    EXPECT_RC(-ECONNRESET, client.error);
    close_both(&service, &client);
}

ANY_TEST(nothing_follows_a_piece_that_was_cut_in_the_middle)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, GET("/cut"));
    wait_for_end(1);
    EXPECT(client_answer(&client).cut);
    close_both(&service, &client);
}

ANY_TEST(an_answer_is_taken_back_after_those_before_it_have_left)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, GET("/end") GET("/wait-and-fail") GET("/end"));
    EXPECT_ANSWER(200, "all", client_answer(&client));
    EXPECT_EQ(500, client_answer(&client).status);
    EXPECT_ANSWER(200, "all", client_answer(&client));
    close_both(&service, &client);
}

/* --- bodies ----------------------------------------------------------------------------------- */

ANY_TEST(a_body_is_read_as_it_comes)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 10; i++)
        client_send_bytes(&client, block, sizeof block);
    EXPECT_ANSWER(200, "1000000", client_answer(&client));
    client_send(&client, "POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        client_send(&client, "186a0\r\n");
        client_send_bytes(&client, block, sizeof block);
        client_send(&client, "\r\n");
    }
    client_send(&client, "0\r\n\r\n" GET("/end"));
    EXPECT_ANSWER(200, "1000000", client_answer(&client));
    EXPECT_ANSWER(200, "all", client_answer(&client));
    EXPECT_ANSWER(200, "ok",
                  client_ask(&client, "POST /collected HTTP/1.1\r\n" HOST
                                      "Content-Length: 20\r\n\r\n01234567890123456789"));
    close_both(&service, &client);
}

IO_TEST(a_streamed_body_cut_short_is_an_error_and_never_a_shorter_body)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhello");
    client_finish(&client);
    EXPECT_EQ(400, client_answer(&client).status);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(-ECONNRESET, seen.rc);
    EXPECT_EQ(5, seen.bytes);
    client_close(&client);

    REQUIRE(client_open(&client, &service));
    client_send(&client, "POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                         "5\r\nhello\r\n5\r\nwoXX");
    client_reset(&client);
    wait_for_end(2);
    EXPECT(seen.rc == -ECONNRESET || seen.rc == -ECANCELED);

    REQUIRE(client_open(&client, &service));
    client_send(&client, "POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                         "5\r\nhelloX");
    EXPECT_EQ(400, client_answer(&client).status);
    EXPECT_EQ(-EBADMSG, seen.rc);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(0, seen.failed_rc);
    close_both(&service, &client);
}

ANY_TEST(a_streamed_body_beyond_its_limit_is_413)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    EXPECT_EQ(413, client_ask(&client,
                              "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 10485761\r\n\r\n")
                       .status);
    EXPECT(client_is_ended(&client));
    EXPECT_EQ(0, seen.ended);
    client_close(&client);
    REQUIRE(client_open(&client, &service));
    EXPECT_EQ(413, client_ask(&client,
                              "POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                              "5\r\nhello\r\na00000\r\n")
                       .status);
    EXPECT_EQ(-EMSGSIZE, seen.rc);
    close_both(&service, &client);
}

ANY_TEST(a_body_that_its_handler_does_not_read_is_skipped_up_to_a_limit)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.body_discard_max = 150000};
    REQUIRE(open_both(&service, &client, &options));
    client_send(&client, "POST /ignore HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    client_send_bytes(&client, block, sizeof block);
    EXPECT_ANSWER(200, "ignored", client_answer(&client));
    EXPECT_ANSWER(200, "all", client_ask(&client, GET("/end")));
    client_send(&client, "POST /ignore HTTP/1.1\r\n" HOST "Content-Length: 150001\r\n\r\n");
    struct answer answer = client_answer(&client);
    EXPECT_ANSWER(200, "ignored", answer);
    EXPECT(!answer.keep_alive);
    EXPECT(client_is_ended(&client));
    close_both(&service, &client);
}

ANY_TEST(a_request_hidden_in_a_body_that_is_not_read_is_never_answered)
{
    static const char *const bodies[] = {"5\r\nhelloXX" GET("/end"), "+5\r\nhello\r\n" GET("/end")};
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.body_discard_max = 50000};
    REQUIRE(open_both(&service, &client, &options));
    for (int i = 0; i < 3; i++) {
        client_send(&client, "POST /ignore HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        if (i < 2) {
            client_send(&client, bodies[i]);
        } else { /* longer than what is skipped */
            client_send(&client, "186a0\r\n");
            client_send_bytes(&client, block, sizeof block);
            client_send(&client, "\r\n0\r\n\r\n" GET("/end"));
        }
        EXPECT_ANSWER(200, "ignored", client_answer(&client));
        EXPECT(client_is_ended(&client));
        EXPECT_EQ(0, seen.ended);
        client_close(&client);
        REQUIRE(client_open(&client, &service));
    }
    close_both(&service, &client);
}

ANY_TEST(a_body_may_be_answered_while_it_is_read)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    client_send(&client, "POST /mirror HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhello");
    REQUIRE(client_until(&client, "hello"));
    EXPECT_ANSWER(200, "helloworld", client_ask(&client, "world"));
    client_send(&client, "POST /mirror HTTP/1.1\r\n" HOST "Content-Length: 50000\r\n\r\n");
    client_send_bytes(&client, block, 50000);
    EXPECT_EQ(50000, client_answer(&client).body_size);
    /* It was answered when the body broke off: the answer is cut, too. */
    client_send(&client, "POST /mirror HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhello");
    client_finish(&client);
    EXPECT(client_answer(&client).cut);
    close_both(&service, &client);
}

/* --- events ----------------------------------------------------------------------------------- */

ANY_TEST(events_are_written_as_the_standard_says)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    struct answer answer = client_ask(&client, GET("/events"));
    EXPECT_ANSWER(200,
                  "data: one\n\n"
                  "event: progress\nid: 7\ndata: two\ndata: three\ndata: four\ndata: five\n\n"
                  "data: \n\n",
                  answer);
    EXPECT_STR("text/event-stream", answer_field(&client, &answer, "content-type"));
    EXPECT_STR("no-store", answer_field(&client, &answer, "cache-control"));
    EXPECT_EQ(0, seen.rc);
    EXPECT_ANSWER(200, "all", client_ask(&client, GET("/end")));
    close_both(&service, &client);
}

ANY_TEST(many_events_arrive_in_order_and_whole)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    struct answer answer = client_ask(&client, GET("/events/many"));
    EXPECT(!answer.cut);
    const char *at = answer.body;
    int found = 0;
    for (int i = 0; i < 3000 && at != NULL; i++) {
        char text[64];
        int size = snprintf(text, sizeof text, "data: event number %d\n\n", i);
        found += strncmp(at, text, (size_t)size) == 0;
        at += size;
    }
    EXPECT_EQ(3000, found);
    EXPECT_EQ(sizeof block - 1 + 8, strlen(at));
    close_both(&service, &client);
}

ANY_TEST(a_silent_stream_of_events_has_a_heartbeat)
{
    struct service service;
    struct client client;
    weir_http_server_options options = {.limits.heartbeat_ns = 10 * WEIR_MS};
    REQUIRE(open_both(&service, &client, &options));
    client_send(&client, GET("/events/for-ever"));
    REQUIRE(client_until(&client, "3\r\n:\n\n\r\n3\r\n:\n\n\r\n"));
    EXPECT_EQ(0, seen.ended);
    weir_http_server_stats stats;
    weir_http_server_stats_get(service.server, &stats);
    EXPECT_EQ(1, stats.stream_count);
    client_close(&client);
    wait_for_end(1);
    EXPECT_EQ(-ECANCELED, seen.rc);
    weir_http_server_stats_get(service.server, &stats);
    EXPECT_EQ(0, stats.stream_count);
    service_close(&service);
}

ANY_TEST(a_stream_of_events_ends_when_its_client_goes)
{
    struct service service;
    struct client client;
    REQUIRE(open_both(&service, &client, NULL));
    for (int i = 0; i < 2; i++) {
        client_send(&client, GET("/events/for-ever"));
        REQUIRE(client_until(&client, "begun"));
        if (i == 0)
            client_close(&client);
        else
            client_reset(&client);
        wait_for_end(i + 1);
        EXPECT_EQ(-ECANCELED, seen.rc);
        EXPECT_EQ(0, seen.failed_rc);
        REQUIRE(client_open(&client, &service));
    }
    close_both(&service, &client);
}

ANY_TEST(a_stream_of_events_ends_well_when_the_server_retires)
{
    struct service service;
    struct client client, late;
    REQUIRE(open_both(&service, &client, NULL));
    REQUIRE(client_open(&late, &service));
    client_send(&client, GET("/events/for-ever"));
    REQUIRE(client_until(&client, "begun"));
    weir_http_server_retire(service.server);
    struct answer answer = client_answer(&client);
    EXPECT_EQ(200, answer.status);
    EXPECT(!answer.cut);
    EXPECT_CONTAINS("data: begun\n\nretry: ", answer.body);
    EXPECT_EQ(0, seen.failed_rc);
    EXPECT(client_is_ended(&client));
    /* One that begins now ends at once, and says when to come back. */
    answer = client_ask(&late, GET("/events/for-ever"));
    EXPECT_EQ(200, answer.status);
    EXPECT(!answer.cut && !answer.keep_alive);
    EXPECT_CONTAINS("retry: ", answer.body);
    client_close(&late);
    close_both(&service, &client);
}
