/*
 * server_everywhere_sweep_test.c - the server's handlers while clients wait, and the client's
 * places, cancelled and failed at every place: rules O4, O5, C5, I4, cases 293, 294, 296
 */
#include <stdio.h>
#include <weir/http.h>
#include <weir/http_client.h>
#include <weir/weir.h>

#include "tests/support/everywhere.h"

static struct {
    int begun, ended;
} books;

enum { BODY = 40000, PIECE = 3000 };

static char body[BODY];

/* --- handlers --------------------------------------------------------------------------------- */

static int end_handler(int rc)
{
    books.ended++;
    return rc;
}

static int count_body(weir_request *request)
{
    books.begun++;
    char piece[PIECE], text[16];
    size_t size = 0;
    ssize_t got;
    while ((got = weir_body_read(request, piece, sizeof piece)) > 0)
        size += (size_t)got;
    if (got < 0)
        return end_handler((int)got);
    WEIR_TEST_EXPECT(size == BODY); /* never a shorter body */
    snprintf(text, sizeof text, "%zu", size);
    return end_handler(weir_respond_text(request, 200, text));
}

static int stream(weir_request *request)
{
    books.begun++;
    int rc = weir_stream_begin(request, 200, "text/plain");
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = weir_stream_write(request, body, PIECE);
        if (rc == 0)
            rc = weir_yield();
    }
    return end_handler(rc);
}

static int send_events(weir_request *request)
{
    books.begun++;
    int rc = weir_sse_begin(request);
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = weir_sse_send(request, "tick", NULL, i == 2 ? "last" : "one");
        if (rc == 0)
            rc = weir_yield();
    }
    return end_handler(rc);
}

static int pause_shortly(void *arg)
{
    (void)arg;
    books.begun++;
    return end_handler(weir_yield());
}

static int open_group(weir_request *request)
{
    books.begun++;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return end_handler(rc);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = weir_spawn(group, pause_shortly, NULL);
    rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
    return end_handler(rc < 0 ? rc : weir_respond_text(request, 200, "both"));
}

static const weir_route routes[] = {
    WEIR_POST("/count", count_body, .stream_body = true),
    WEIR_GET("/stream", stream),
    WEIR_GET("/events", send_events),
    WEIR_GET("/group", open_group),
    {0},
};

/* --- clients ---------------------------------------------------------------------------------- */

/* Which answers there are, and what a whole one is. */
static bool is_whole(int which, weir_str got)
{
    switch (which) {
    case 0:
        return got.size == 5 && memcmp(got.data, "40000", 5) == 0;
    case 1:
        return got.size == (size_t)3 * PIECE;
    case 2:
        /* It may be asked to come again instead; that is said. */
        return memmem(got.data, got.size, "last", 4) != NULL ||
               memmem(got.data, got.size, "retry:", 6) != NULL;
    default:
        return got.size == 4;
    }
}

static int ask(weir_http_client *client, uint16_t port, int which)
{
    static const char *const paths[] = {"count", "stream", "events", "group"};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", port, paths[which]);
    weir_http_call call = {.url = url};
    if (which == 0) {
        call.body = body;
        call.body_bytes = sizeof body;
        call.content_type = "text/plain";
    }
    weir_http_response *response;
    int rc = weir_http_fetch(client, &call, &response);
    if (rc < 0)
        return rc;
    /* What ends well is whole; the rest is refused or fails, and is never passed off as whole. */
    int status = weir_http_response_status(response);
    WEIR_TEST_EXPECT(status == 200 ? is_whole(which, weir_http_response_body(response))
                                   : status >= 400);
    weir_http_response_free(response);
    return status == 200 ? 0 : -EREMOTEIO;
}

struct ask_all {
    uint16_t port;
};
static int ask_all(struct ask_all *a)
{
    int rc = 0;
    WEIR_SHIELD(rc, 20 * WEIR_SEC) /* the server is cut, and the client goes on */
    {
        weir_http_client *client = NULL;
        weir_http_client_options options = {.idle_timeout_ns = WEIR_SEC / 5};
        rc = weir_http_client_open(&options, &client);
        for (int which = 0; which < 4 && rc == 0; which++)
            rc = ask(client, a->port, which);
        weir_http_client_close(client);
    }
    return weir_cancelled() ? -ECANCELED : rc;
}

/* Runs clients against a server, in a group that is cancelled before them. */
static int serve(weir_task_fn *clients)
{
    books.begun = books.ended = 0;
    weir_router *router = NULL;
    weir_listener *listener = NULL;
    weir_group *group;
    int rc = weir_router_new(routes, &router);
    if (rc == 0)
        rc = weir_listener_open(NULL, &listener);
    if (rc == 0 && (rc = weir_group_open(&group, NULL)) == 0) {
        struct ask_all arg = {weir_address_port(weir_listener_address(listener))};
        weir_http_server *server = NULL;
        weir_task_id id = 0;
        rc = weir_http_server_open(router, NULL, &server);
        if (rc == 0)
            rc = weir_http_server_listen(server, listener);
        if (rc == 0)
            rc = weir_spawn_with(group, NULL, clients, &arg, &id);
        if (rc == 0)
            rc = weir_task_wait(id, NULL);
        int closed = weir_http_server_close(server);
        weir_listener_close(listener);
        listener = NULL;
        if (rc == -ESTALE) /* it has ended already */
            rc = 0;
        rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc < 0 ? rc : closed);
    }
    weir_listener_close(listener);
    weir_router_free(router);
    WEIR_TEST_EXPECT(books.begun == books.ended);
    return rc;
}

static int serve_all(void *arg)
{
    (void)arg;
    return serve((weir_task_fn *)(void (*)(void))ask_all);
}

TEST(handlers_everywhere_while_a_client_waits) /* O4, O5, C5, I4 */
{
    memset(body, 'x', sizeof body);
    everywhere_real("handlers", (struct everywhere){.body = serve_all, .rounds_min = 30});
}

TEST(handlers_everywhere_on_the_simulated_network) /* O4, O5, C5, I4, Q4 */
{
    memset(body, 'x', sizeof body);
    everywhere_simulated("handlers", (struct everywhere){.body = serve_all, .rounds_min = 30});
}

/* --- places ----------------------------------------------------------------------------------- */

struct ask_one {
    weir_http_client *client;
    uint16_t port;
};
static int ask_one(struct ask_one *a)
{
    return ask(a->client, a->port, 3);
}

static int share_a_place(void *arg)
{
    const struct ask_all *a = arg;
    weir_http_client *client;
    int rc = weir_http_client_open(
        &(weir_http_client_options){.conns_per_origin_max = 1, .idle_timeout_ns = WEIR_SEC / 5},
        &client);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = WEIR_SPAWN(group, ask_one, .client = client, .port = a->port);
        rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
        weir_http_client_stats stats;
        weir_http_client_stats_get(client, &stats);
        WEIR_TEST_EXPECT(stats.conns_in_use == 0 && stats.waiting == 0); /* I10 */
        WEIR_TEST_EXPECT(stats.conns_idle <= 1);
    }
    weir_http_client_close(client);
    return rc < 0 && weir_cancelled() ? -ECANCELED : rc;
}

static int serve_three(void *arg)
{
    (void)arg;
    return serve(share_a_place);
}

TEST(calls_that_wait_for_a_place_everywhere) /* I10, O4 */
{
    everywhere_real("places", (struct everywhere){.body = serve_three, .rounds_min = 20});
}

TEST(calls_that_wait_for_a_place_everywhere_on_the_simulated_network) /* I10, O4, Q4 */
{
    everywhere_simulated("places", (struct everywhere){.body = serve_three, .rounds_min = 20});
}
