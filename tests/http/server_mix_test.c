/*
 * server_mix_test.c - many clients at once, each with a random mix of requests in random pieces
 *
 * What a client sends is drawn from a seed, and so is how it is cut; every answer is known
 * beforehand. Some clients go in the middle. The seed is printed when something is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/group.h>
#include <weir/scope.h>
#include <weir/task.h>

#include "base/clock.h"
#include "tests/http/service.h"
#include "tests/support/test.h"

enum { CLIENTS = 12, REQUESTS = 25, BODY_MAX = 9000, LARGE = 70000 };

static char pattern[LARGE + 1]; /* bytes that differ from place to place */

/* --- the service ------------------------------------------------------------------------------ */

static size_t size_asked(weir_request *request)
{
    const char *text = weir_request_query(request, "size");
    return text == NULL ? 0 : (size_t)atol(text);
}

static int show(weir_request *request)
{
    return weir_respond_text(request, 200, weir_request_param(request, "text"));
}

static int show_later(weir_request *request)
{
    int rc = weir_sleep(1);
    return rc < 0 ? rc : weir_respond_text(request, 200, weir_request_param(request, "text"));
}

static int echo(weir_request *request)
{
    weir_str body = weir_request_body(request);
    return weir_respond_bytes(request, 200, NULL, body.data, body.size);
}

static int echo_stream(weir_request *request)
{
    char piece[777];
    ssize_t got = 0;
    int rc = weir_stream_begin(request, 200, NULL);
    while (rc == 0 && (got = weir_body_read(request, piece, sizeof piece)) > 0)
        rc = weir_stream_write(request, piece, (size_t)got);
    return rc < 0 ? rc : (int)got;
}

static int send_kept(weir_request *request)
{
    return weir_respond_kept(request, 200, NULL, pattern, size_asked(request));
}

static int send_copied(weir_request *request)
{
    return weir_respond_bytes(request, 200, NULL, pattern, size_asked(request));
}

static int send_pieces(weir_request *request)
{
    size_t left = size_asked(request), at = 0, size = 1;
    int rc = weir_stream_begin(request, 200, NULL);
    while (rc == 0 && left > 0) {
        size = size > left ? left : size;
        rc = weir_stream_write(request, pattern + at, size);
        at += size;
        left -= size;
        size = size * 3 + 1;
    }
    return rc;
}

static int fail_after_answer(weir_request *request)
{
    weir_ignore(weir_respond_text(request, 200, "not this"), "it fails anyway");
    return -EIO;
}

static const weir_route routes[] = {
    WEIR_GET("/show/{text}", show),
    WEIR_GET("/later/{text}", show_later),
    WEIR_POST("/echo", echo),
    WEIR_POST("/echo-stream", echo_stream, .stream_body = true),
    WEIR_GET("/kept", send_kept),
    WEIR_GET("/copied", send_copied),
    WEIR_GET("/pieces", send_pieces),
    WEIR_GET("/fail", fail_after_answer),
    {0},
};

/* --- what a client says, and hears ------------------------------------------------------------ */

struct expected {
    int status;
    bool head;
    size_t from, size; /* of pattern; body of 200 */
    char text[24];     /* or this */
};

struct script {
    uint64_t random;
    char *data;
    size_t size, capacity;
    struct expected expected[REQUESTS];
    size_t go_after; /* answers after which the client goes; REQUESTS: it stays to the end */
    struct client client;
    bool wrong;
};

static size_t draw(struct script *script, size_t below)
{
    return weir__base_random_next(&script->random) % below;
}

static void add(struct script *script, const char *data, size_t size)
{
    if (script->size + size > script->capacity) {
        script->capacity = (script->size + size) * 2;
        script->data = realloc(script->data, script->capacity);
    }
    memcpy(script->data + script->size, data, size);
    script->size += size;
}

#define ADD(script, ...)                                                                           \
    do {                                                                                           \
        char text_[256];                                                                           \
        add((script), text_, (size_t)snprintf(text_, sizeof text_, __VA_ARGS__));                  \
    } while (0)

static void add_body(struct script *script, size_t from, size_t size)
{
    if (draw(script, 2) == 0) {
        ADD(script, "Content-Length: %zu\r\n\r\n", size);
        add(script, pattern + from, size);
        return;
    }
    ADD(script, "Transfer-Encoding: chunked\r\n\r\n");
    while (size > 0) {
        size_t piece = 1 + draw(script, size);
        ADD(script, "%zx%s\r\n", piece, draw(script, 4) == 0 ? ";a=\"b\"" : "");
        add(script, pattern + from, piece);
        ADD(script, "\r\n");
        from += piece;
        size -= piece;
    }
    ADD(script, draw(script, 4) == 0 ? "0\r\nX-Trailer: y\r\n\r\n" : "0\r\n\r\n");
}

static void add_request(struct script *script, struct expected *expected)
{
    static const char *const bodies[] = {"/echo", "/echo-stream", "/unknown"};
    static const char *const larges[] = {"/kept", "/copied", "/pieces"};
    *expected = (struct expected){.status = 200};
    size_t kind = draw(script, 10);
    if (kind < 4) {
        snprintf(expected->text, sizeof expected->text, "%zu", draw(script, 1000000));
        expected->head = draw(script, 8) == 0;
        ADD(script, "%s /%s/%s HTTP/1.1\r\nHost: a\r\n\r\n", expected->head ? "HEAD" : "GET",
            kind == 0 ? "later" : "show", expected->text);
    } else if (kind < 7) {
        size_t which = draw(script, 3);
        expected->size = draw(script, draw(script, 3) == 0 ? BODY_MAX : 300);
        expected->from = draw(script, LARGE - BODY_MAX);
        ADD(script, "POST %s HTTP/1.1\r\nHost: a\r\n", bodies[which]);
        add_body(script, expected->from, expected->size);
        if (which == 2)
            expected->status = 404;
    } else if (kind < 9) {
        expected->size = draw(script, draw(script, 3) == 0 ? LARGE : 5000);
        ADD(script, "GET %s?size=%zu HTTP/1.1\r\nHost: a\r\n\r\n", larges[draw(script, 3)],
            expected->size);
    } else {
        expected->status = 500;
        ADD(script, "GET /fail HTTP/1.1\r\nHost: a\r\n\r\n");
    }
}

static void write_script(struct script *script)
{
    for (int i = 0; i < REQUESTS; i++)
        add_request(script, &script->expected[i]);
    script->go_after = draw(script, 3) == 0 ? draw(script, REQUESTS) : REQUESTS;
}

static bool is_right(const struct expected *expected, const struct answer *answer)
{
    if (answer->status != expected->status || answer->cut || !answer->keep_alive)
        return false;
    if (expected->status != 200 || expected->head)
        return true;
    if (expected->text[0] != '\0')
        return strcmp(answer->body, expected->text) == 0;
    return answer->body_size == expected->size &&
           memcmp(answer->body, pattern + expected->from, expected->size) == 0;
}

struct speak {
    struct script *script;
};
static int speak(struct speak *a)
{
    struct script *script = a->script;
    size_t at = 0;
    while (at < script->size) {
        size_t most = draw(script, 4) == 0 ? 30 : 20000;
        size_t size = 1 + draw(script, most);
        size = size > script->size - at ? script->size - at : size;
        int rc = weir_conn_write_all(script->client.conn, script->data + at, size, NULL);
        if (rc < 0)
            return 0; // the reader knows better
        at += size;
        if (draw(script, 3) == 0 && weir_sleep(draw(script, 2) == 0 ? 0 : 1) < 0)
            return 0;
    }
    return 0;
}

static void listen_to(struct script *script)
{
    for (size_t i = 0; i < script->go_after; i++) {
        struct answer answer = script->expected[i].head ? client_answer_to_head(&script->client)
                                                        : client_answer(&script->client);
        if (!is_right(&script->expected[i], &answer)) {
            script->wrong = true;
            printf("answer %zu: status %d for %d, %zu bytes for %zu\n", i, answer.status,
                   script->expected[i].status, answer.body_size, script->expected[i].size);
            return;
        }
        weir_arena_reset(script->client.arena);
    }
}

struct converse {
    struct script *script;
    const struct service *service;
};
static int converse(struct converse *a)
{
    struct script *script = a->script;
    weir_group *group;
    if (!client_open(&script->client, a->service))
        return -EIO;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = WEIR_SPAWN(group, speak, .script = script);
    listen_to(script);
    weir_group_cancel(group, "heard enough");
    rc = weir_group_close(group, rc);
    if (script->go_after < REQUESTS && draw(script, 2) == 0)
        client_reset(&script->client);
    else
        client_close(&script->client);
    return rc < 0 ? rc : 0;
}

static void run_mix(uint64_t seed, const weir_http_server_options *options)
{
    struct script *scripts = calloc(CLIENTS, sizeof *scripts);
    struct service service;
    weir_group *group;
    for (size_t i = 0; i < LARGE; i++)
        pattern[i] = (char)('!' + i * 7 % 89);
    REQUIRE(service_open(&service, routes, options));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    int rc = 0;
    for (int i = 0; i < CLIENTS && rc == 0; i++) {
        scripts[i].random = seed * 1000 + (uint64_t)i;
        write_script(&scripts[i]);
        rc = WEIR_SPAWN(group, converse, .script = &scripts[i], .service = &service);
    }
    EXPECT_RC(0, weir_group_close(group, rc));
    weir_http_server_stats stats;
    weir_http_server_stats_get(service.server, &stats);
    EXPECT_EQ(CLIENTS, stats.accepted_count);
    EXPECT(stats.request_count > CLIENTS * REQUESTS / 3);
    for (int i = 0; i < CLIENTS; i++) {
        if (scripts[i].wrong)
            printf("seed %llu, client %d\n", (unsigned long long)seed, i);
        EXPECT(!scripts[i].wrong);
        free(scripts[i].data);
    }
    free(scripts);
    service_close(&service);
}

ANY_TEST(random_clients_get_the_answers_to_what_they_asked)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        run_mix(seed, NULL);
}

ANY_TEST(random_clients_get_their_answers_with_small_buffers_as_well)
{
    weir_http_server_options options = {.limits.pipeline_bytes_max = 512};
    for (uint64_t seed = 101; seed <= 106; seed++)
        run_mix(seed, &options);
}
