/*
 * client_test.c - the client against servers that answer well, badly, late, or not at all
 *
 * Each server is a task that takes connections and says what the test wrote down.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/http_client.h>
#include <weir/net.h>
#include <weir/weir.h>

#include "http/client.h"
#include "tests/support/test.h"

enum { ANSWERS_MAX = 8 };

/* What a server says to each request in turn; NULL in `answers` closes the connection. */
struct server {
    weir_group *group;
    weir_listener *listener;
    weir_http_client *client;
    char url[64];
    const char *answers[ANSWERS_MAX];
    size_t answer_bytes[ANSWERS_MAX]; /* 0: strlen */
    bool then_close;                  /* after each answer */
    bool drip;                        /* one byte each 20 ms */
    size_t next;
    size_t conns;
    char request[4096]; /* the last one, as it came */
};

static int read_request(struct server *server, weir_conn *conn)
{
    size_t size = 0;
    while (size == 0 || strstr(server->request, "\r\n\r\n") == NULL) {
        ssize_t n = weir_conn_read(conn, server->request + size, sizeof server->request - 1 - size);
        if (n <= 0)
            return n == 0 ? -EPIPE : (int)n;
        size += (size_t)n;
        server->request[size] = '\0';
    }
    return 0;
}

static int say(struct server *server, weir_conn *conn, size_t index)
{
    const char *text = server->answers[index];
    size_t size = server->answer_bytes[index] != 0 ? server->answer_bytes[index] : strlen(text);
    int rc = 0;
    if (!server->drip)
        return weir_conn_write_all(conn, text, size, NULL);
    for (size_t i = 0; i < size && rc == 0; i++) {
        rc = weir_conn_write_all(conn, text + i, 1, NULL);
        if (rc == 0)
            rc = weir_sleep(20 * WEIR_MS);
    }
    return rc;
}

struct serve_conn {
    struct server *server;
    weir_conn *conn;
};
static int serve_conn(struct serve_conn *a)
{
    int rc = 0;
    while (rc == 0) {
        rc = read_request(a->server, a->conn);
        if (rc < 0)
            break;
        size_t index = a->server->next++;
        if (index >= ANSWERS_MAX || a->server->answers[index] == NULL)
            break;
        if (strcmp(a->server->answers[index], "(silence)") == 0)
            rc = weir_sleep(WEIR_MIN);
        else
            rc = say(a->server, a->conn, index);
        if (a->server->then_close)
            break;
    }
    weir_conn_close(a->conn);
    return rc == -ECANCELED ? rc : 0;
}

struct accept_all {
    struct server *server;
};
static int accept_all(struct accept_all *a)
{
    for (;;) {
        weir_conn *conn;
        int rc = weir_listener_accept(a->server->listener, &conn);
        if (rc < 0)
            return rc;
        a->server->conns++;
        rc = WEIR_SPAWN(a->server->group, serve_conn, .server = a->server, .conn = conn);
        if (rc < 0) {
            weir_conn_close(conn);
            return rc;
        }
    }
}

static void open_server(struct server *server, const weir_http_client_options *options)
{
    EXPECT_RC(0, weir_group_open(&server->group, NULL));
    EXPECT_RC(0, weir_listener_open(NULL, &server->listener));
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u/",
             weir_address_port(weir_listener_address(server->listener)));
    EXPECT_RC(0, WEIR_SPAWN(server->group, accept_all, .server = server));
    EXPECT_RC(0, weir_http_client_open(options, &server->client));
}

static void close_server(struct server *server)
{
    weir_http_client_close(server->client);
    weir_group_cancel(server->group, "the test is over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(server->group, 0));
    weir_listener_close(server->listener);
}

static int get(struct server *server, weir_http_response **out_response)
{
    return weir_http_get(server->client, server->url, out_response);
}

static void expect_body(struct server *server, int status, const char *body)
{
    weir_http_response *response;
    int rc = get(server, &response);
    EXPECT_RC(0, rc);
    if (rc < 0) {
        fprintf(stderr, "%s\n", weir_failure_message(rc));
        return;
    }
    EXPECT_EQ(status, weir_http_response_status(response));
    EXPECT_STR(body, weir_http_response_body(response).data);
    EXPECT_EQ(strlen(body), weir_http_response_body(response).size);
    weir_http_response_free(response);
}

ANY_TEST(answers_of_every_framing_are_read_whole)
{
    struct server server = {
        .answers = {
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Kind: plain\r\n\r\nhello",
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: "
            "chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
            "0\r\n\r\n",
            "HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\nuntil the end",
        }};
    open_server(&server, NULL);
    weir_http_response *response;
    REQUIRE_RC(0, get(&server, &response));
    EXPECT_EQ(200, weir_http_response_status(response));
    EXPECT_STR("plain", weir_http_response_header(response, "x-kind"));
    EXPECT(weir_http_response_header(response, "x-other") == NULL);
    EXPECT_STR("hello", weir_http_response_body(response).data);
    weir_http_response_free(response);
    EXPECT_CONTAINS("GET / HTTP/1.1\r\nHost: 127.0.0.1:", server.request);
    expect_body(&server, 404, "abcdefg");
    expect_body(&server, 204, "");
    expect_body(&server, 200, "");
    EXPECT_EQ(1, server.conns); /* all on one connection */
    server.then_close = true;
    expect_body(&server, 500, "until the end");
    close_server(&server);
}

ANY_TEST(an_answer_is_read_piece_by_piece_behind_its_head)
{
    struct server server = {
        .answers = {"HTTP/1.1 200 OK\r\nX-Kind: first\r\nx-kind: second\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"}};
    open_server(&server, NULL);
    weir_http_exchange *exchange;
    REQUIRE_RC(0, weir_http_begin(server.client, &(weir_http_call){.url = server.url}, &exchange));
    EXPECT_EQ(200, weir_http_exchange_status(exchange));
    EXPECT_STR("first", weir_http_exchange_header(exchange, "x-KIND"));
    EXPECT(weir_http_exchange_header(exchange, "X-Other") == NULL);
    char body[16] = {0}, piece[2];
    size_t size = 0;
    ssize_t got;
    while ((got = weir_http_read(exchange, piece, sizeof piece)) > 0 && size < 8)
        for (ssize_t i = 0; i < got; i++)
            body[size++] = piece[i];
    EXPECT_EQ(0, got);
    EXPECT_STR("abcdefg", body);
    EXPECT_EQ(0, weir_http_read(exchange, piece, sizeof piece)); /* the end stays the end */
    weir_http_exchange_close(exchange);
    expect_body(&server, 200, "b");
    EXPECT_EQ(1, server.conns); /* it was read to its end, so it was kept */
    close_server(&server);
}

ANY_TEST(an_answer_in_single_bytes_is_the_same_answer)
{
    struct server server = {
        .drip = true,
        .answers = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"}};
    open_server(&server, NULL);
    expect_body(&server, 200, "ok");
    close_server(&server);
}

ANY_TEST(a_body_cut_short_is_an_error_and_never_a_shorter_body) /* V2 */
{
    struct server server = {
        .then_close = true,
        .answers = {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                    "HTTP/1.1 200 OK\r\nConte"}};
    open_server(&server, NULL);
    weir_http_response *response;
    int rc = get(&server, &response);
    EXPECT_RC(-EPIPE, rc);
    EXPECT_CONTAINS("half-way: 9 of 50 bytes", weir_failure_message(rc));
    EXPECT_RC(-EPIPE, get(&server, &response));
    rc = get(&server, &response);
    EXPECT_RC(-EPIPE, rc);
    EXPECT_CONTAINS("in the middle of the answer's head", weir_failure_message(rc));
    close_server(&server);
}

ANY_TEST(garbage_is_told_from_an_answer) /* B4 */
{
    static const char *const bad[] = {
        "220 smtp.example ready\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +12\r\n\r\nhello hello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct server server = {.then_close = true, .answers = {bad[i]}};
        open_server(&server, NULL);
        weir_http_response *response;
        EXPECT_RC(-EBADMSG, get(&server, &response));
        close_server(&server);
    }
}

ANY_TEST(a_silent_server_hits_the_clients_own_limit) /* B4, F10 */
{
    struct server server = {.answers = {"(silence)", "(silence)"}};
    open_server(&server, &(weir_http_client_options){.total_timeout_ns = 50 * WEIR_MS});
    weir_http_response *response;
    int rc = get(&server, &response);
    EXPECT_RC(-ETIMEDOUT, rc);
    EXPECT_CONTAINS("within 50 ms", weir_failure_message(rc));
    EXPECT_EQ(0, server.client->stats.conns_idle);
    int outer = 0;
    WEIR_TIMEOUT(outer, 10 * WEIR_MS)
    {
        outer = get(&server, &response);
        EXPECT_RC(-ECANCELED, outer);
    }
    EXPECT_RC(-ETIME, outer);
    close_server(&server);
}

/* A limit of the client is -ETIMEDOUT: -ETIME is for scopes that the caller wrote. */
ANY_TEST(a_dripping_server_hits_the_total_limit) /* D5, case 287 */
{
    struct server server = {
        .drip = true,
        .answers = {
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n................................"}};
    open_server(&server, &(weir_http_client_options){.total_timeout_ns = 100 * WEIR_MS});
    weir_http_response *response;
    EXPECT_RC(-ETIMEDOUT, get(&server, &response));
    close_server(&server);
}

ANY_TEST(a_connection_whose_answer_was_not_read_to_its_end_is_never_used_again) /* O6, case 286 */
{
    struct server server = {.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"}};
    open_server(&server, NULL);
    int rc = 0;
    weir_http_response *response;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = get(&server, &response);
    }
    EXPECT_RC(-ETIME, rc);
    expect_body(&server, 200, "b");
    weir_http_client_stats stats;
    weir_http_client_stats_get(server.client, &stats);
    EXPECT_EQ(2, stats.connected);
    EXPECT_EQ(0, stats.reused);
    close_server(&server);
}

ANY_TEST(a_kept_connection_that_died_is_replaced_without_a_word)
{
    struct server server = {.then_close = true,
                            .answers = {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"}};
    open_server(&server, NULL);
    expect_body(&server, 200, "a");
    expect_body(&server, 200, "b");
    EXPECT_EQ(2, server.conns);
    close_server(&server);
}

ANY_TEST(unasked_bytes_behind_an_answer_end_the_connection) /* B4 */
{
    struct server server = {.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 "
                                        "OK\r\nContent-Length: 4\r\n\r\nevil",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"}};
    open_server(&server, NULL);
    expect_body(&server, 200, "a");
    expect_body(&server, 200, "b");
    EXPECT_EQ(2, server.conns);
    close_server(&server);
}

ANY_TEST(a_body_beyond_the_limit_is_refused_at_the_limit)
{
    struct server server = {
        .answers = {
            "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n"}};
    open_server(&server, &(weir_http_client_options){.response_bytes_max = 8});
    expect_body(&server, 200, "12345678");
    expect_body(&server, 200, "12345678");
    weir_http_response *response;
    EXPECT_RC(-EMSGSIZE, get(&server, &response));
    EXPECT_RC(-EMSGSIZE, get(&server, &response));
    close_server(&server);
}

ANY_TEST(a_post_carries_its_body_and_its_type)
{
    struct server server = {.answers = {"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"}};
    open_server(&server, NULL);
    weir_http_response *response;
    weir_http_header headers[] = {{"X-Trace", "7"}, {NULL, NULL}};
    weir_http_call call = {.url = server.url,
                           .body = "{}",
                           .body_bytes = 2,
                           .headers = headers,
                           .content_type = "application/json"};
    REQUIRE_RC(0, weir_http_fetch(server.client, &call, &response));
    EXPECT_EQ(201, weir_http_response_status(response));
    weir_http_response_free(response);
    EXPECT_CONTAINS("POST / HTTP/1.1", server.request);
    EXPECT_CONTAINS("X-Trace: 7\r\n", server.request);
    EXPECT_CONTAINS("Content-Type: application/json\r\n", server.request);
    EXPECT_CONTAINS("Content-Length: 2\r\n", server.request);
    headers[0].value = "7\r\nX-Evil: 1"; /* splitting is refused at the call */
    EXPECT_RC(-EINVAL, weir_http_fetch(server.client, &call, &response));
    close_server(&server);
}

ANY_TEST(impossible_urls_are_refused_with_a_sentence)
{
    weir_http_client *client;
    REQUIRE_RC(0, weir_http_client_open(NULL, &client));
    weir_http_response *response;
    int rc = weir_http_get(client, "https://example.com/", &response);
    EXPECT_RC(-EPROTONOSUPPORT, rc);
    EXPECT_CONTAINS("https needs a configuration of TLS", weir_failure_message(rc));
    EXPECT_RC(-EINVAL, weir_http_get(client, "ftp://example.com/", &response));
    EXPECT_RC(-EINVAL, weir_http_get(client, "http://user:secret@example.com/", &response));
    rc = weir_http_get(client, "http://127.0.0.1:1/", &response);
    EXPECT_RC(-ECONNREFUSED, rc);
    EXPECT_CONTAINS("127.0.0.1:1", weir_failure_message(rc));
    rc = weir_http_get(client, "http://nosuch.invalid/", &response);
    EXPECT_RC(-ENXIO, rc);
    EXPECT_CONTAINS("nosuch.invalid", weir_failure_message(rc));
    weir_http_client_close(client);
}

struct get_one {
    struct server *server;
    int *rc;
};
static int get_one(struct get_one *a)
{
    weir_http_response *response;
    *a->rc = get(a->server, &response);
    if (*a->rc == 0)
        weir_http_response_free(response);
    return 0;
}

ANY_TEST(calls_wait_for_a_place_in_turn_and_share_connections) /* I10 */
{
    struct server server = {0};
    for (int i = 0; i < ANSWERS_MAX; i++)
        server.answers[i] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    open_server(&server, &(weir_http_client_options){.conns_per_origin_max = 2});
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    int results[ANSWERS_MAX];
    for (int i = 0; i < ANSWERS_MAX; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, get_one, .server = &server, .rc = &results[i]));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < ANSWERS_MAX; i++)
        EXPECT_RC(0, results[i]);
    EXPECT_EQ(2, server.conns);
    weir_http_client_stats stats;
    weir_http_client_stats_get(server.client, &stats);
    EXPECT_EQ(0, stats.conns_in_use);
    EXPECT_EQ(0, stats.waiting);
    EXPECT_EQ(6, stats.reused);
    close_server(&server);
}

struct accepting {
    weir_listener *listener;
    weir_conn *conn;
    int rc;
};
static int accept_one(void *arg)
{
    struct accepting *a = arg;
    a->rc = weir_listener_accept(a->listener, &a->conn);
    return 0;
}

/* Nobody needs a kept connection; somebody waits for the new one. */
IO_TEST(kept_connections_give_way_when_a_listener_finds_no_free_descriptor)
{
    struct server server = {.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"}};
    open_server(&server, NULL);
    expect_body(&server, 200, "a");
    weir_listener *listener;
    REQUIRE_RC(0, weir_listener_open(NULL, &listener));
    const weir_address *address = weir_listener_address(listener);
    int newcomer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(newcomer, (const struct sockaddr *)(const void *)&address->storage,
                    address->size) == 0);
    struct rlimit before, now;
    getrlimit(RLIMIT_NOFILE, &before);
    int lowest_free = dup(STDIN_FILENO);
    close(lowest_free);
    now = (struct rlimit){.rlim_cur = (rlim_t)lowest_free, .rlim_max = before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &now) == 0);

    weir_group *group;
    struct accepting accepting = {.listener = listener, .rc = 1};
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, accept_one, &accepting));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, accepting.rc);
    weir_http_client_stats stats;
    weir_http_client_stats_get(server.client, &stats);
    EXPECT_EQ(1, stats.gave_way);
    EXPECT_EQ(0, stats.conns_idle);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    weir_conn_close(accepting.conn);
    weir_listener_close(listener);
    close(newcomer);
    close_server(&server);
}

ANY_TEST(a_full_pool_is_an_error_after_its_limit_and_loses_no_place) /* I10 */
{
    struct server server = {
        .answers = {"(silence)", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}};
    open_server(&server, &(weir_http_client_options){.conns_max = 1,
                                                     .pool_wait_ns = 20 * WEIR_MS,
                                                     .total_timeout_ns = 100 * WEIR_MS});
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    int first = 1, second = 1;
    EXPECT_RC(0, WEIR_SPAWN(group, get_one, .server = &server, .rc = &first));
    EXPECT_RC(0, WEIR_SPAWN(group, get_one, .server = &server, .rc = &second));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ETIMEDOUT, first);
    EXPECT_RC(-EBUSY, second);
    expect_body(&server, 200, "ok");
    close_server(&server);
}

ANY_TEST(a_cancelled_call_leaves_nothing_behind_wherever_it_was) /* O1-O6 */
{
    for (int after_ms = 0; after_ms < 12; after_ms += 3) {
        struct server server = {
            .drip = true, .answers = {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"}};
        open_server(&server, NULL);
        weir_http_response *response;
        int rc = 0;
        WEIR_TIMEOUT(rc, after_ms * WEIR_MS)
        {
            rc = get(&server, &response);
        }
        EXPECT_RC(-ETIME, rc);
        EXPECT_EQ(0, server.client->stats.conns_in_use);
        EXPECT_EQ(0, server.client->places_taken);
        close_server(&server);
    }
}
