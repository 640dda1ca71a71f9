/*
 * server_handler_test.c - handlers: what they are given, how they answer, what their failures mean
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/failure.h>
#include <weir/group.h>
#include <weir/scope.h>
#include <weir/task.h>

#include "tests/http/service.h"
#include "tests/support/test.h"

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

/* What the hooks heard. */
static struct {
    int failed_count;
    int failed_rc;
    char failed_message[200];
    int access_count;
    int status;
    int rc;
    char method[16];
    char path[64];
    char route[64];
    uint64_t bytes_in, bytes_out;
    bool cut;
    bool has_peer;
} heard;

static void hear_failure(void *arg, weir_request *request, int rc, const char *message)
{
    (void)arg;
    (void)request;
    heard.failed_count++;
    heard.failed_rc = rc;
    snprintf(heard.failed_message, sizeof heard.failed_message, "%s", message);
}

static void hear_access(void *arg, const weir_http_access *access)
{
    EXPECT(arg == &heard);
    heard.access_count++;
    heard.status = access->status;
    heard.rc = access->rc;
    heard.bytes_in = access->bytes_in;
    heard.bytes_out = access->bytes_out;
    heard.cut = access->cut;
    EXPECT(access->duration_ns >= 0);
    heard.has_peer = strncmp(weir_request_peer(access->request), "127.0.0.1:", 10) == 0;
    snprintf(heard.method, sizeof heard.method, "%s", access->method);
    snprintf(heard.path, sizeof heard.path, "%s", access->path);
    snprintf(heard.route, sizeof heard.route, "%s",
             access->route == NULL ? "none" : access->route->path);
}

static const weir_http_server_options hearing = {
    .hooks = {.arg = &heard, .request_ended = hear_access, .handler_failed = hear_failure},
};

/* --- typed ------------------------------------------------------------------------------------ */

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1, .max_len = 120),
           WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"))

typedef struct {
    const char *status;
    int32_t count;
} started;
WEIR_MODEL(started, WEIR_FIELD(status), WEIR_FIELD(count))

typedef struct {
    int32_t limit;
    WEIR_LIST(char *) tag;
} page;
WEIR_MODEL(page, WEIR_FIELD(limit, .min = 1, .max = 50, .or_else = "20"),
           WEIR_FIELD(tag, .optional = true))

typedef struct {
    int32_t id;
} place;
WEIR_MODEL(place, WEIR_FIELD(id, .min = 1))

WEIR_HANDLER(process, order, started)
{
    if (strcmp(in->item, "fail") == 0)
        return weir_fail(-EIO, "the disk said no");
    if (strcmp(in->item, "conflict") == 0)
        return weir_http_problem(request, 409, "no more of %s", in->item);
    if (strcmp(in->item, "null") == 0)
        return 0; /* leaves a field NULL that is not optional */
    if (strcmp(in->item, "created") == 0) {
        int rc = weir_respond_status(request, 201);
        if (rc == 0)
            rc = weir_respond_header(request, "Location", "/orders/1");
        if (rc < 0)
            return rc;
    }
    *out = (started){.status = "started", .count = in->count};
    return 0;
}

WEIR_HANDLER(forget, weir_none, weir_none)
{
    return 0;
}

WEIR_HANDLER(list, weir_none, started)
{
    const page *query = WEIR_QUERY(request, page);
    const place *params = WEIR_PARAMS(request, place);
    EXPECT(WEIR_QUERY(request, order) == NULL);
    out->status = query->tag.count > 0 ? query->tag.items[query->tag.count - 1] : "none";
    out->count = query->limit * 1000 + params->id;
    return 0;
}

static const weir_route typed_routes[] = {
    WEIR_POST("/process", process, .status = 202),
    WEIR_DELETE("/forget", forget),
    WEIR_GET("/list/{id}", list, .query = WEIR_MODEL_OF(page), .params = WEIR_MODEL_OF(place)),
    {0},
};

#define POST(type, size, body)                                                                     \
    "POST /process HTTP/1.1\r\n" HOST type "Content-Length: " size "\r\n\r\n" body
#define JSON "Content-Type: application/json\r\n"

ANY_TEST(a_typed_handler_gets_a_struct_and_answers_with_one)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, typed_routes, &hearing));
    REQUIRE(client_open(&client, &service));
    struct answer answer =
        client_ask(&client, POST(JSON, "29", "{\"item\":\"bread\",  \"count\":3} "));
    EXPECT_ANSWER(202, "{\"status\":\"started\",\"count\":3}", answer);
    EXPECT_STR("application/json", answer_field(&client, &answer, "content-type"));
    EXPECT_EQ(202, heard.status);
    EXPECT_EQ(29, heard.bytes_in);
    EXPECT_STR("/process", heard.route);
    EXPECT_STR("POST", heard.method);
    EXPECT(heard.has_peer);
    EXPECT_ANSWER(202, "{\"status\":\"started\",\"count\":1}",
                  client_ask(&client, POST("Content-Type: application/x+json; charset=UTF-8\r\n",
                                           "12", "{\"item\":\"x\"}")));
    answer = client_ask(&client, POST(JSON, "18", "{\"item\":\"created\"}"));
    EXPECT_EQ(201, answer.status);
    EXPECT_STR("/orders/1", answer_field(&client, &answer, "location"));
    EXPECT_EQ(204, client_ask(&client, "DELETE /forget HTTP/1.1\r\n" HOST "\r\n").status);
    EXPECT_EQ(0, heard.failed_count);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_body_that_does_not_fit_is_422_with_every_error)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, typed_routes, NULL));
    REQUIRE(client_open(&client, &service));
    struct answer answer =
        client_ask(&client, POST(JSON, "24", "{\"item\":\"\",\"count\":\"no\"}"));
    EXPECT_EQ(422, answer.status);
    EXPECT(answer.keep_alive);
    EXPECT_STR("application/problem+json", answer_field(&client, &answer, "content-type"));
    EXPECT_CONTAINS(
        "{\"type\":\"/problems/validation\",\"title\":\"Validation failed\",\"status\":422,"
        "\"request_id\":\"",
        answer.body);
    EXPECT_CONTAINS("\"errors\":[{\"in\":\"body\",\"loc\":\"/item\",\"type\":\"min_len\",",
                    answer.body);
    EXPECT_CONTAINS("{\"in\":\"body\",\"loc\":\"/count\",\"type\":\"type\",", answer.body);
    answer = client_ask(&client, POST(JSON, "2", "{}"));
    EXPECT_EQ(422, answer.status);
    EXPECT_CONTAINS("\"loc\":\"/item\",\"type\":\"missing\"", answer.body);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_body_that_is_not_json_is_400_and_one_that_does_not_say_so_is_415)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, typed_routes, NULL));
    REQUIRE(client_open(&client, &service));
    EXPECT_EQ(400, client_ask(&client, POST(JSON, "5", "{\"a\":")).status);
    EXPECT_EQ(400, client_ask(&client, POST(JSON, "0", "")).status);
    EXPECT_EQ(415, client_ask(&client, POST("", "12", "{\"item\":\"x\"}")).status);
    EXPECT_EQ(
        415,
        client_ask(&client, POST("Content-Type: text/plain\r\n", "12", "{\"item\":\"x\"}")).status);
    EXPECT_EQ(415, client_ask(&client, POST("Content-Type: application/json; charset=latin1\r\n",
                                            "12", "{\"item\":\"x\"}"))
                       .status);
    EXPECT_EQ(202, client_ask(&client, POST(JSON, "12", "{\"item\":\"x\"}")).status);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(query_and_path_are_read_into_structs_and_their_errors_come_together)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, typed_routes, NULL));
    REQUIRE(client_open(&client, &service));
    EXPECT_ANSWER(200, "{\"status\":\"none\",\"count\":20007}",
                  client_ask(&client, GET("/list/7")));
    EXPECT_ANSWER(200, "{\"status\":\"b c\",\"count\":5007}",
                  client_ask(&client, GET("/list/7?tag=a&limit=5&tag=b+%63&other=1")));
    struct answer answer = client_ask(&client, GET("/list/x?limit=500"));
    EXPECT_EQ(422, answer.status);
    EXPECT_CONTAINS("{\"in\":\"path\",\"loc\":\"/id\",\"type\":\"type\"", answer.body);
    EXPECT_CONTAINS("{\"in\":\"query\",\"loc\":\"/limit\",\"type\":\"max\"", answer.body);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_failure_is_told_to_the_hook_and_not_to_the_client)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, typed_routes, &hearing));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, POST(JSON, "15", "{\"item\":\"fail\"}"));
    EXPECT_EQ(500, answer.status);
    EXPECT(answer.keep_alive);
    EXPECT(strstr(answer.body, "disk") == NULL);
    EXPECT_CONTAINS("\"request_id\":\"", answer.body);
    EXPECT_EQ(1, heard.failed_count);
    EXPECT_EQ(-EIO, heard.failed_rc);
    EXPECT_STR("the disk said no", heard.failed_message);
    EXPECT_EQ(500, heard.status);
    EXPECT_EQ(-EIO, heard.rc);
    /* The next request on the same connection is not touched by it. */
    EXPECT_EQ(202, client_ask(&client, POST(JSON, "12", "{\"item\":\"x\"}")).status);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_problem_is_an_answer_and_not_a_failure)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, typed_routes, &hearing));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, POST(JSON, "19", "{\"item\":\"conflict\"}"));
    EXPECT_EQ(409, answer.status);
    EXPECT_CONTAINS("\"detail\":\"no more of conflict\"", answer.body);
    EXPECT_EQ(0, heard.failed_count);
    EXPECT_EQ(-EEXIST, heard.rc);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(an_answer_that_json_cannot_say_is_the_handlers_failure)
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, typed_routes, &hearing));
    REQUIRE(client_open(&client, &service));
    EXPECT_EQ(500, client_ask(&client, POST(JSON, "15", "{\"item\":\"null\"}")).status);
    EXPECT_CONTAINS("started/status", heard.failed_message);
    client_close(&client);
    service_close(&service);
}

/* --- raw -------------------------------------------------------------------------------------- */

static int say_nothing(weir_request *request)
{
    (void)request;
    return 0;
}

static int answer_then_fail(weir_request *request)
{
    EXPECT_RC(0, weir_respond_header(request, "Cache-Control", "max-age=3600"));
    EXPECT_RC(0, weir_respond_header(request, "X-Trace", "kept"));
    EXPECT_RC(0, weir_respond_header(request, "ETag", "\"1\""));
    int rc = weir_respond_text(request, 200, "all is well");
    return rc < 0 ? rc : weir_fail(-EIO, "it was not");
}

static int answer_twice(weir_request *request)
{
    EXPECT_RC(0, weir_respond_text(request, 200, "first"));
    EXPECT_RC(-EALREADY, weir_respond_text(request, 200, "second"));
    EXPECT_RC(-EALREADY, weir_respond_header(request, "X-Late", "y"));
    EXPECT_RC(-EALREADY, weir_respond_status(request, 201));
    EXPECT_RC(-EALREADY, weir_stream_begin(request, 200, NULL));
    return 0;
}

static int answer_impossibly(weir_request *request)
{
    EXPECT_RC(-EINVAL, weir_respond_text(request, 99, ""));
    EXPECT_RC(-EINVAL, weir_respond_text(request, 600, ""));
    EXPECT_RC(-EINVAL, weir_respond_text(request, 100, ""));
    EXPECT_RC(-EINVAL, weir_respond_text(request, 204, "body"));
    EXPECT_RC(-EINVAL, weir_respond_text(request, 304, "body"));
    EXPECT_RC(-EINVAL, weir_respond_bytes(request, 200, "text/plain\r\nX: y", "", 0));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "X: y", "z"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "", "z"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "X\r\n", "z"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "X", "a\r\nSet-Cookie: b"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "X", "a\nb"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "X", "a\rb"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "Content-Length", "0"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "transfer-encoding", "chunked"));
    EXPECT_RC(-EINVAL, weir_respond_header(request, "Connection", "close"));
    EXPECT_RC(0, weir_respond_header(request, "X-Fine", "a, b; c=\"d\""));
    EXPECT_RC(0, weir_respond_header(request, "Set-Cookie", "one"));
    EXPECT_RC(0, weir_respond_header(request, "Set-Cookie", "two"));
    return weir_respond_empty(request, 304);
}

static int ask_everything(weir_request *request)
{
    EXPECT_STR("GET", weir_request_method(request));
    EXPECT_STR("/ask/a%2Fb/c", weir_request_path(request));
    EXPECT_STR("/ask/a%2Fb/c?q=1&q=2&empty&plus=a+b%2B", weir_request_target(request));
    EXPECT_STR("example.com:8080", weir_request_host(request));
    EXPECT_STR("a/b", weir_request_param(request, "first"));
    EXPECT_STR("c", weir_request_param(request, "second"));
    EXPECT(weir_request_param(request, "third") == NULL);
    EXPECT_STR("1", weir_request_query(request, "q"));
    EXPECT_STR("", weir_request_query(request, "empty"));
    EXPECT_STR("a b+", weir_request_query(request, "plus"));
    EXPECT(weir_request_query(request, "none") == NULL);
    const weir_model_pair *pairs;
    size_t pair_count;
    weir_request_query_pairs(request, &pairs, &pair_count);
    EXPECT_EQ(4, pair_count); /* in order, doubles too */
    EXPECT_STR("1", pairs[0].value.data);
    EXPECT_STR("q", pairs[1].name.data);
    EXPECT_STR("2", pairs[1].value.data);
    EXPECT_STR("a b+", pairs[3].value.data);
    EXPECT(weir_request_hooks_arg(request) == &heard);
    EXPECT_STR("text/html", weir_request_header(request, "ACCEPT"));
    EXPECT_STR("one", weir_request_header(request, "x-own"));
    EXPECT(weir_request_header(request, "x-other") == NULL);
    const char *name, *value;
    EXPECT(weir_request_header_at(request, 3, &name, &value));
    EXPECT_STR("X-Own", name);
    EXPECT_STR("two", value);
    EXPECT(!weir_request_header_at(request, 4, &name, &value));
    EXPECT_EQ(26, (long)strlen(weir_request_id(request)));
    EXPECT_EQ(0, weir_request_body(request).size);
    EXPECT(weir_request_context(request) == &heard);
    EXPECT_STR("/ask/{first}/{second}", weir_request_route(request)->path);
    EXPECT(weir_request_arena(request) != NULL);
    EXPECT(!weir_request_draining(request));
    return weir_respond_html(request, 200, "<p>");
}

static char large[300000];

static int answer_large(weir_request *request)
{
    bool kept = weir_request_query(request, "kept") != NULL;
    return kept ? weir_respond_kept(request, 200, "text/plain", large, sizeof large)
                : weir_respond_bytes(request, 200, "text/plain", large, sizeof large);
}

static int use_arena(weir_request *request)
{
    char *text = weir_arena_alloc(weir_request_arena(request), 100000);
    if (text == NULL)
        return -ENOMEM;
    memset(text, 'x', 100000);
    return weir_respond_kept(request, 200, "text/plain", text, 100000);
}

static int use_too_much(weir_request *request)
{
    return weir_arena_alloc(weir_request_arena(request), 5 << 20) == NULL
               ? -ENOMEM
               : weir_respond_empty(request, 200);
}

static int sleep_long(weir_request *request)
{
    int rc = weir_sleep(WEIR_HOUR);
    return rc < 0 ? rc : weir_respond_empty(request, 200);
}

static int undone;

static int undo(void *arg)
{
    int rc = weir_sleep(WEIR_MS); // it may wait, whatever became of the handler
    undone += rc == 0 ? *(int *)arg : 0;
    return rc;
}

static int defer_and_sleep(weir_request *request)
{
    static int one = 1;
    int rc = weir_defer(undo, &one);
    if (rc == 0)
        rc = weir_sleep(WEIR_HOUR);
    return rc < 0 ? rc : weir_respond_empty(request, 200);
}

static int defer_and_answer(weir_request *request)
{
    static int ten = 10;
    int rc = weir_defer(undo, &ten);
    return rc < 0 ? rc : weir_respond_empty(request, 202);
}

static int time_out_inside(weir_request *request)
{
    (void)request;
    int rc = 0;
    WEIR_TIMEOUT(rc, WEIR_MS)
    {
        rc = weir_sleep(WEIR_HOUR);
    }
    return rc;
}

static int answer_late(weir_request *request)
{
    int rc = weir_sleep(WEIR_HOUR);
    EXPECT_RC(-ECANCELED, rc);
    return weir_respond_text(request, 200, "just so");
}

static int leave_group_open(weir_request *request)
{
    weir_group *group;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    return weir_group_close(group, weir_respond_text(request, 200, "grouped"));
}

static int fill_disk(weir_request *request)
{
    return weir_fail(strcmp(weir_request_param(request, "code"), "quota") == 0 ? -EDQUOT : -ENOSPC,
                     "cannot write /srv/secret");
}

static const weir_route raw_routes[] = {
    WEIR_GET("/disk/{code}", fill_disk),
    WEIR_GET("/nothing", say_nothing),
    WEIR_GET("/nothing-202", say_nothing, .status = 202),
    WEIR_GET("/answer-then-fail", answer_then_fail),
    WEIR_GET("/twice", answer_twice),
    WEIR_GET("/impossible", answer_impossibly),
    WEIR_GET("/ask/{first}/{second}", ask_everything),
    WEIR_GET("/large", answer_large),
    WEIR_GET("/arena", use_arena),
    WEIR_GET("/too-much", use_too_much),
    WEIR_GET("/sleep", sleep_long, .timeout_ns = 5 * WEIR_MS),
    WEIR_GET("/late", answer_late, .timeout_ns = 5 * WEIR_MS),
    WEIR_GET("/inside", time_out_inside),
    WEIR_GET("/defer", defer_and_sleep, .timeout_ns = 5 * WEIR_MS),
    WEIR_GET("/defer-and-answer", defer_and_answer),
    WEIR_GET("/group", leave_group_open),
    WEIR_GET("/endless", sleep_long, .timeout_ns = WEIR_FOREVER),
    WEIR_GET("/eof", sleep_long, .timeout_ns = WEIR_FOREVER, .eof_cancels = true),
    WEIR_GET("/probe", say_nothing, .status = 200, .probe = true),
    {0},
};

static bool open_raw(struct service *service, struct client *client)
{
    weir_http_server_options options = hearing;
    options.context = &heard;
    return service_open(service, raw_routes, &options) && client_open(client, service);
}

ANY_TEST(a_handler_that_says_nothing_is_500_unless_its_route_has_a_status)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    EXPECT_EQ(500, client_ask(&client, GET("/nothing")).status);
    EXPECT_CONTAINS("say_nothing returned 0 without an answer", heard.failed_message);
    struct answer answer = client_ask(&client, GET("/nothing-202"));
    EXPECT_ANSWER(202, "", answer);
    EXPECT_STR("0", answer_field(&client, &answer, "content-length"));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(an_answer_before_a_failure_is_taken_back)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    client_send(&client, GET("/nothing-202") GET("/answer-then-fail") GET("/nothing-202"));
    EXPECT_EQ(202, client_answer(&client).status);
    struct answer answer = client_answer(&client);
    EXPECT_EQ(500, answer.status);
    EXPECT(strstr(answer.body, "well") == NULL);
    EXPECT_STR("kept", answer_field(&client, &answer, "x-trace"));
    EXPECT(answer_field(&client, &answer, "cache-control") == NULL);
    EXPECT(answer_field(&client, &answer, "etag") == NULL);
    EXPECT_EQ(202, client_answer(&client).status);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_second_answer_is_refused_to_the_handler)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    EXPECT_ANSWER(200, "first", client_ask(&client, GET("/twice")));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(no_field_or_type_that_a_handler_gives_can_split_the_answer)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    struct answer answer = client_ask(&client, GET("/impossible"));
    EXPECT_EQ(304, answer.status);
    EXPECT_STR("a, b; c=\"d\"", answer_field(&client, &answer, "x-fine"));
    EXPECT_CONTAINS("Set-Cookie: one\r\nSet-Cookie: two\r\n", answer.head);
    EXPECT(answer_field(&client, &answer, "x") == NULL);
    EXPECT_ANSWER(202, "", client_ask(&client, GET("/nothing-202")));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_handler_may_ask_everything_about_its_request)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    struct answer answer = client_ask(
        &client,
        "GET /ask/a%2Fb/c?q=1&q=2&empty&plus=a+b%2B HTTP/1.1\r\n"
        "Host: example.com:8080\r\nAccept:  text/html \r\nx-own: one\r\nX-Own: two\r\n\r\n");
    EXPECT_ANSWER(200, "<p>", answer);
    EXPECT_STR("text/html; charset=utf-8", answer_field(&client, &answer, "content-type"));
    EXPECT_STR("/ask/a%2Fb/c", heard.path);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_large_answer_arrives_whole_copied_or_kept)
{
    struct service service;
    struct client client;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 23);
    REQUIRE(open_raw(&service, &client));
    client_send(&client, GET("/large") GET("/large?kept") GET("/nothing-202") GET("/arena"));
    for (int i = 0; i < 2; i++) {
        struct answer answer = client_answer(&client);
        EXPECT_EQ(200, answer.status);
        EXPECT_EQ(sizeof large, answer.body_size);
        if (answer.body_size == sizeof large)
            EXPECT_BYTES(large, answer.body, sizeof large);
    }
    EXPECT_EQ(202, client_answer(&client).status);
    EXPECT_EQ(100000, client_answer(&client).body_size);
    client_send(&client, "HEAD /large?kept HTTP/1.1\r\n" HOST "\r\n");
    struct answer answer = client_answer_to_head(&client);
    EXPECT_STR("300000", answer_field(&client, &answer, "content-length"));
    EXPECT_EQ(202, client_ask(&client, GET("/nothing-202")).status);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_full_disk_is_507)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    struct answer answer = client_ask(&client, GET("/disk/full"));
    EXPECT_EQ(507, answer.status);
    EXPECT(strstr(answer.body, "secret") == NULL);
    EXPECT_EQ(507, client_ask(&client, GET("/disk/quota")).status);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_request_cannot_take_more_memory_than_its_limit)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    EXPECT_EQ(500, client_ask(&client, GET("/too-much")).status);
    EXPECT_EQ(202, client_ask(&client, GET("/nothing-202")).status);
    client_close(&client);
    service_close(&service);
}

/* --- what a handler is part of ---------------------------------------------------------------- */

static struct {
    bool went_on, cleaned_up, finished_before, finished_after;
    int shielded_rc;
    weir_cancel_cause cause;
} part;

/* Commits what it has, whatever ends it. */
static int work_and_clean_up(weir_request *request)
{
    int rc = weir_sleep(WEIR_HOUR);
    weir_ignore(weir_cancelled_because(&part.cause), "then it stays empty");
    weir_scope shield = {0};
    int entered = weir_shield_enter(&shield, WEIR_MIN);
    part.shielded_rc = weir_sleep(WEIR_MS);
    part.cleaned_up = true;
    rc = entered < 0 ? entered : weir_scope_leave(&shield, rc);
    return rc < 0 ? rc : weir_respond_text(request, 200, "done");
}

static int work_until_the_client_has_finished(weir_request *request)
{
    part.finished_before = weir_request_client_finished(request);
    for (int i = 0; i < 5000 && !weir_request_client_finished(request); i++) {
        int rc = weir_sleep(WEIR_MS);
        if (rc < 0)
            return rc;
    }
    part.finished_after = weir_request_client_finished(request);
    part.went_on = weir_sleep(WEIR_MS) == 0; /* nobody cancelled it */
    return weir_respond_text(request, 200, "done");
}

static const weir_route part_routes[] = {
    WEIR_GET("/limited", work_and_clean_up, .timeout_ns = 10 * WEIR_MS),
    WEIR_GET("/cancelled", work_and_clean_up, .eof_cancels = true),
    WEIR_GET("/goes-on", work_until_the_client_has_finished),
    WEIR_GET("/nothing-202", say_nothing, .status = 202),
    {0},
};

static bool open_part(struct service *service, struct client *client)
{
    memset(&part, 0, sizeof part);
    memset(&heard, 0, sizeof heard);
    return service_open(service, part_routes, &hearing) && client_open(client, service);
}

ANY_TEST(a_limit_ends_one_handler_in_good_order_and_no_other) /* C7, G2, case 279 */
{
    struct service service;
    struct client client, other;
    REQUIRE(open_part(&service, &client));
    REQUIRE(client_open(&other, &service));
    client_send(&client, GET("/limited"));
    EXPECT_EQ(202, client_ask(&other, GET("/nothing-202")).status);
    EXPECT_EQ(503, client_answer(&client).status); /* 504 is for a limit inside of the handler */
    EXPECT(part.cleaned_up);
    EXPECT_RC(0, part.shielded_rc);
    EXPECT_EQ(202, client_ask(&other, GET("/nothing-202")).status);
    client_close(&client);
    client_close(&other);
    service_close(&service);
}

/* --- time ------------------------------------------------------------------------------------- */

ANY_TEST(a_handler_beyond_its_time_is_503_and_the_connection_stays)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    EXPECT_EQ(503, client_ask(&client, GET("/sleep")).status);
    EXPECT_EQ(-ETIME, heard.rc);
    EXPECT_EQ(0, heard.failed_count);
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_HANDLER_TIME));
    EXPECT_EQ(202, client_ask(&client, GET("/nothing-202")).status);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(what_a_handler_deferred_runs_with_its_request) /* L1, case 279 */
{
    struct service service;
    struct client client;
    undone = 0;
    REQUIRE(open_raw(&service, &client));
    EXPECT_EQ(503, client_ask(&client, GET("/defer")).status);
    EXPECT_EQ(1, undone);
    EXPECT_EQ(202, client_ask(&client, GET("/defer-and-answer")).status);
    EXPECT_EQ(202, client_ask(&client, GET("/nothing-202")).status);
    EXPECT_EQ(11, undone); /* the connection is still open */
    client_close(&client);
    service_close(&service);
}

ANY_TEST(an_answer_given_after_the_time_is_still_an_answer)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    EXPECT_ANSWER(200, "just so", client_ask(&client, GET("/late")));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_timeout_of_the_handlers_own_is_504)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    EXPECT_EQ(504, client_ask(&client, GET("/inside")).status);
    EXPECT_EQ(0, service_limit_count(&service, WEIR_HTTP_LIMIT_HANDLER_TIME));
    client_close(&client);
    service_close(&service);
}

ANY_TEST(a_handler_may_open_groups)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    EXPECT_ANSWER(200, "grouped", client_ask(&client, GET("/group")));
    client_close(&client);
    service_close(&service);
}

static void wait_for_flight(const struct service *service, size_t count)
{
    weir_http_server_stats stats = {0};
    for (int i = 0; i < 1000 && stats.in_flight_count != count; i++) {
        let_run(1);
        weir_http_server_stats_get(service->server, &stats);
    }
    EXPECT_EQ(count, stats.in_flight_count);
}

static void wait_for_access(int count)
{
    for (int i = 0; i < 1000 && heard.access_count < count; i++)
        EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_EQ(count, heard.access_count);
}

ANY_TEST(a_handler_is_cancelled_when_its_client_is_reset)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    client_send(&client, GET("/endless"));
    wait_for_flight(&service, 1);
    EXPECT_EQ(0, heard.access_count);
    client_reset(&client);
    wait_for_access(1);
    EXPECT_EQ(0, heard.status);
    EXPECT(heard.cut);
    EXPECT_EQ(0, heard.failed_count);
    service_close(&service);
}

ANY_TEST(a_handler_goes_on_when_its_client_leaves_and_may_know_it) /* case 280 */
{
    struct service service;
    struct client client;
    REQUIRE(open_part(&service, &client));
    client_send(&client, GET("/goes-on"));
    wait_for_flight(&service, 1);
    client_close(&client);
    wait_for_access(1); /* one line */
    EXPECT(!part.finished_before);
    EXPECT(part.finished_after);
    EXPECT(part.went_on);
    EXPECT_EQ(0, heard.rc);
    EXPECT_EQ(0, heard.failed_count);
    service_close(&service);
}

ANY_TEST(where_the_route_says_so_a_client_that_leaves_cancels_its_handler) /* C6, H2, case 281 */
{
    struct service service;
    struct client client;
    REQUIRE(open_part(&service, &client));
    client_send(&client, GET("/cancelled"));
    wait_for_flight(&service, 1);
    client_close(&client);
    wait_for_access(1);
    EXPECT_EQ(WEIR_CANCEL_EXPLICIT, part.cause.kind);
    EXPECT_STR("the client is gone", part.cause.reason);
    EXPECT_RC(0, part.shielded_rc);
    EXPECT(part.cleaned_up);
    service_close(&service);
}

ANY_TEST(a_route_may_count_the_end_of_input_as_the_end_of_its_client)
{
    struct service service;
    struct client client;
    REQUIRE(open_raw(&service, &client));
    client_send(&client, GET("/eof"));
    wait_for_flight(&service, 1);
    client_finish(&client);
    wait_for_access(1);
    EXPECT_EQ(0, heard.status);
    client_close(&client);
    service_close(&service);
}

/* --- limit of requests in flight -------------------------------------------------------------- */

ANY_TEST(more_requests_than_may_be_in_flight_are_503_and_probes_are_not)
{
    struct service service;
    struct client waiting, other;
    weir_http_server_options options = hearing;
    options.limits.in_flight_max = 1;
    REQUIRE(service_open(&service, raw_routes, &options));
    REQUIRE(client_open(&waiting, &service));
    REQUIRE(client_open(&other, &service));
    client_send(&waiting, GET("/endless"));
    wait_for_flight(&service, 1);
    struct answer answer = client_ask(&other, GET("/nothing-202"));
    EXPECT_EQ(503, answer.status);
    EXPECT_STR("1", answer_field(&other, &answer, "retry-after"));
    EXPECT(answer.keep_alive);
    EXPECT_EQ(1, heard.access_count);
    EXPECT_EQ(200, client_ask(&other, GET("/probe")).status);
    EXPECT_EQ(1, heard.access_count); /* a probe is in no log */
    EXPECT_EQ(1, service_limit_count(&service, WEIR_HTTP_LIMIT_IN_FLIGHT));
    client_reset(&waiting);
    wait_for_access(2);
    EXPECT_EQ(202, client_ask(&other, GET("/nothing-202")).status);
    client_close(&other);
    service_close(&service);
}

/* --- filters ---------------------------------------------------------------------------------- */

static char trail[64];

static int outer_filter(weir_request *request, weir_next *next)
{
    strcat(trail, "<");
    if (weir_request_query(request, "x") == NULL &&
        strcmp(weir_request_path(request), "/stop") == 0)
        return weir_http_problem(request, 401, "who are you?");
    EXPECT_RC(0, weir_respond_header(request, "X-Filter", "yes"));
    int rc = weir_next_run(request, next);
    EXPECT_RC(-EALREADY, weir_next_run(request, next));
    strcat(trail, ">");
    return rc;
}

static int map_enoent(weir_request *request, weir_next *next)
{
    strcat(trail, "(");
    int rc = weir_next_run(request, next);
    strcat(trail, ")");
    return rc == -ENOENT ? weir_http_problem(request, 404, NULL) : rc;
}

static int find_nothing(weir_request *request)
{
    (void)request;
    strcat(trail, "h");
    return -ENOENT;
}

/* Beside the handler, something else runs for the sake of this request. */
static int run_in_group(weir_request *request, weir_next *next)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    return rc < 0 ? rc : weir_group_close(group, weir_next_run(request, next));
}

static weir_filter_fn *const grouping_filters[] = {map_enoent, run_in_group, NULL};
static weir_filter_fn *const server_filters[] = {outer_filter, NULL};
static weir_filter_fn *const route_filters[] = {map_enoent, NULL};

static const weir_route filtered_routes[] = {
    WEIR_GET("/find", find_nothing, .filters = route_filters),
    WEIR_GET("/find-in-group", find_nothing, .filters = grouping_filters),
    WEIR_GET("/stop", find_nothing),
    {0},
};

ANY_TEST(a_filter_that_opens_a_group_passes_the_handlers_code_on) /* G5, case 288 */
{
    struct service service;
    struct client client;
    REQUIRE(service_open(&service, filtered_routes, &hearing));
    REQUIRE(client_open(&client, &service));
    trail[0] = '\0';
    EXPECT_EQ(404, client_ask(&client, GET("/find-in-group")).status);
    EXPECT_STR("(h)", trail);
    client_close(&client);
    service_close(&service);
}

ANY_TEST(filters_run_around_handlers_and_see_their_codes)
{
    struct service service;
    struct client client;
    weir_http_server_options options = hearing;
    options.filters = server_filters;
    REQUIRE(service_open(&service, filtered_routes, &options));
    REQUIRE(client_open(&client, &service));
    struct answer answer = client_ask(&client, GET("/find"));
    EXPECT_EQ(404, answer.status);
    EXPECT_STR("yes", answer_field(&client, &answer, "x-filter"));
    EXPECT_STR("<(h)>", trail);
    trail[0] = '\0';
    EXPECT_EQ(401, client_ask(&client, GET("/stop")).status);
    EXPECT_STR("<", trail);
    trail[0] = '\0';
    EXPECT_EQ(404, client_ask(&client, GET("/unknown")).status);
    EXPECT_STR("<>", trail);
    client_close(&client);
    service_close(&service);
}
