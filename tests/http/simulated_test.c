/*
 * simulated_test.c - clients and a server on a network that slices, delays, loses, resets and is
 * cut: every exchange ends in time, with a whole answer or an error: rules Q4, O5, I4
 */
#include <stdio.h>
#include <string.h>
#include <weir/http.h>
#include <weir/http_client.h>
#include <weir/test.h>
#include <weir/weir.h>

#include "tests/support/test.h"

enum { BODY_MAX = 150000, CLIENTS = 3, CALLS = 4 };

#ifdef WEIR__TSAN /* a new stack costs ThreadSanitizer milliseconds */
enum { SEEDS = 20 };
#else
enum { SEEDS = 150 };
#endif

static char pattern[BODY_MAX + 256];

/* Where in the pattern a body begins is said in its first byte. */
static bool is_whole(const char *data, size_t size, size_t wanted)
{
    return size == wanted &&
           (size == 0 || memcmp(data, pattern + (unsigned char)data[0], size) == 0);
}

static void fill_pattern(void)
{
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)(i < 256 ? i : i * 7 + i / 251);
}

/* --- the server ------------------------------------------------------------------------------- */

/* Sends back what it reads, while it reads. */
static int send_back(weir_request *request)
{
    static const size_t pieces[] = {64, 1000, 4096, 20000};
    char piece[20000];
    size_t size = pieces[weir_test_random() % 4];
    int rc = weir_stream_begin(request, 200, "application/octet-stream");
    ssize_t got = 0;
    while (rc == 0 && (got = weir_body_read(request, piece, size)) > 0)
        rc = weir_stream_write(request, piece, (size_t)got);
    return got < 0 ? (int)got : rc;
}

static const weir_route routes[] = {
    WEIR_POST("/echo", send_back, .stream_body = true, .body_bytes_max = BODY_MAX),
    {0},
};

/* --- the clients ------------------------------------------------------------------------------ */

static int ask(weir_http_client *client)
{
    size_t size =
        weir_test_random() % 3 == 0 ? weir_test_random() % BODY_MAX : weir_test_random() % 3000;
    size_t start = weir_test_random() % 256;
    weir_http_call call = {.url = "http://api.example:8080/echo",
                           .method = "POST",
                           .body = pattern + start,
                           .body_bytes = size,
                           .content_type = "application/octet-stream"};
    weir_http_response *response;
    int64_t began_ns = weir_now();
    int rc = weir_http_fetch(client, &call, &response);
    WEIR_TEST_EXPECT(weir_now() - began_ns <= 31 * WEIR_SEC); /* V7: its total limit */
    if (rc < 0)
        return rc;
    weir_str body = weir_http_response_body(response);
    int status = weir_http_response_status(response);
    if (status == 200)
        WEIR_TEST_EXPECT(is_whole(body.data, body.size, size)); /* V2 */
    else
        WEIR_TEST_EXPECT(status == 408 || status >= 500);
    weir_http_response_free(response);
    return status == 200 ? 0 : -EREMOTEIO;
}

struct one_client {
    weir_http_client *client;
};
static int one_client(struct one_client *a)
{
    for (int i = 0; i < CALLS; i++) {
        int rc = ask(a->client);
        if (rc == -ECANCELED)
            return rc; /* else it is an answer: what the network does is nobody's mistake */
    }
    return 0;
}

/* Two phases: trouble, and then, when it has stopped, all must be well within minutes. */
static int trouble_and_peace(weir_http_client *client)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < CLIENTS && rc == 0; i++)
        rc = WEIR_SPAWN(group, one_client, .client = client);
    rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
    int64_t healed_ns = weir_now();
    while (rc == 0 && (rc = ask(client)) < 0 && rc != -ECANCELED) {
        if (weir_now() - healed_ns > 600 * WEIR_SEC)
            return rc;
        rc = weir_sleep(10 * WEIR_SEC);
    }
    return rc;
}

static int serve_and_ask(void *arg)
{
    (void)arg;
    weir_router *router = NULL;
    weir_listener *listener = NULL;
    weir_http_server *server = NULL;
    weir_http_client *client = NULL;
    weir_group *group;
    int rc = weir_test_host("api.example", "10.0.0.2", 5 * WEIR_MS, 0);
    if (rc == 0)
        rc = weir_router_new(routes, &router);
    if (rc == 0)
        rc = weir_listener_open(&(weir_listener_options){.address = "10.0.0.2:8080"}, &listener);
    if (rc == 0 && (rc = weir_group_open(&group, NULL)) == 0) {
        rc = weir_http_server_open(router, NULL, &server);
        if (rc == 0)
            rc = weir_http_server_listen(server, listener);
        if (rc == 0)
            rc = weir_http_client_open(NULL, &client);
        if (rc == 0)
            rc = trouble_and_peace(client);
        weir_http_client_close(client);
        int closed = weir_http_server_close(server);
        rc = weir_group_close(group, rc < 0 ? rc : closed);
    }
    weir_listener_close(listener);
    weir_router_free(router);
    return rc;
}

static weir_test_report report;

static const weir_test_network rough = {
    .latency_ns = 2 * WEIR_MS, .jitter_ns = 20 * WEIR_MS, .segment_bytes_max = 3000};

TEST(exchanges_in_pieces_are_whole_in_every_order) /* V2, V8 */
{
    fill_pattern();
    weir_test_options options = {
        .name = "pieces", .network = &rough, .seeds = SEEDS / 5, .report = &report};
    EXPECT_RC(0, weir_test_run(serve_and_ask, NULL, &options));
}

TEST(exchanges_on_a_network_that_loses_packets_are_whole) /* V2, V7 */
{
    fill_pattern();
    static const weir_test_network lossy = {
        .jitter_ns = 10 * WEIR_MS, .loss_per_million = 20000, .segment_bytes_max = 5000};
    weir_test_options options = {
        .name = "loss", .network = &lossy, .seeds = SEEDS / 5, .report = &report};
    EXPECT_RC(0, weir_test_run(serve_and_ask, NULL, &options));
}

static bool comes_to_an_end(const weir_test_round *round, void *arg)
{
    (void)arg;
    return round->rc >= 0 || round->struck;
}

TEST(a_swarm_of_resets_delays_and_partitions_ends_in_peace) /* V2, V4, V6, V7 */
{
    fill_pattern();
    weir_test_options options = {.name = "trouble",
                                 .network = &rough,
                                 .seeds = SEEDS,
                                 .kinds = WEIR_TEST_SHORT | WEIR_TEST_ALL_NETWORK,
                                 .verify = comes_to_an_end,
                                 .report = &report};
    EXPECT_RC(0, weir_test_swarm(serve_and_ask, NULL, &options));
}

TEST(a_swarm_of_everything_leaves_nothing_behind) /* O5, I4 */
{
    fill_pattern();
    weir_test_options options = {
        .name = "everything", .network = &rough, .seeds = SEEDS, .report = &report};
    EXPECT_RC(0, weir_test_swarm(serve_and_ask, NULL, &options));
}
