/*
 * routes_test.c - probes, metrics, and the documents
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model/json.h"
#include "tests/app/both.h"
#include "tests/app/service.h"

static struct service service;

TEST_ON_BOTH(probes_answer_and_are_no_requests)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--backend", backend)));
    const char *answer = client_ask(&service, "GET /livez");
    EXPECT_EQ(200, status_of(answer));
    EXPECT_STR("alive\n", body_of(answer));
    EXPECT_CONTAINS("Cache-Control: no-store", answer);
    EXPECT_STR("ready\n", body_of(client_ask(&service, "GET /readyz")));
    EXPECT_STR("started\n", body_of(client_ask(&service, "GET /startupz")));
    EXPECT(strstr(client_ask(&service, "GET /metrics"), "/livez") == NULL);
    service_end(&service, 0);
    EXPECT_EQ(0, service_log_count(&service, "INFO request "));
}

/* --- limits ----------------------------------------------------------------------------------- */

/* The service may close it before it has all of the request. */
static const char *ask_maybe_refused(const char *path)
{
    char request[128];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", path);
    int fd = client_connect(&service);
    weir_ignore(send(fd, request, (size_t)size, MSG_NOSIGNAL) < 0, "refused, then");
    return client_read_all(fd);
}

/* Connections of one client land on any worker; they are counted together. */
TEST_ON_BOTH(an_address_has_its_limit_over_all_workers)
{
    REQUIRE(service_start(
        &service, &service_options,
        ARGUMENTS("--backend", backend, "--workers", "3", "--connections-per-address", "2")));
    int held = client_connect(&service);
    client_send(held, "GET /slow?ms=1 HTTP/1.1\r\nHost: t\r\n\r\n");
    char byte;
    EXPECT_EQ(1, client_receive(held, &byte, 1));
    int other = client_connect(&service);
    client_send(other, "GET /slow?ms=1 HTTP/1.1\r\nHost: t\r\n\r\n");
    EXPECT_EQ(1, client_receive(other, &byte, 1));
    for (int i = 0; i < 6; i++)
        EXPECT_STR("", ask_maybe_refused("/hello"));
    close(other);
    const char *answer = "";
    for (int i = 0; i < 1000 && status_of(answer) != 200; i++)
        answer = ask_maybe_refused("/metrics"); // until the close was heard
    EXPECT_EQ(200, status_of(answer));
    EXPECT_CONTAINS("weir_limit_hits_total{limit=\"address_connections\"} ", answer);
    EXPECT(strstr(answer, "limit=\"address_connections\"} 0") == NULL);
    EXPECT_CONTAINS("http_server_queue_delay_seconds 0.", answer);
    EXPECT_CONTAINS("http_server_overloaded_loops 0", answer);
    close(held);
    service_end(&service, 0);
    EXPECT_CONTAINS("a limit was hit limit=address_connections count=1 peer=127.0.0.1:",
                    service.log);
    EXPECT(service_log_count(&service, "limit=address_connections") <= 3); // one for each worker
}

/* --- metrics ---------------------------------------------------------------------------------- */

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == ':';
}

/* name{label="value",...} number */
static bool is_sample(const char *line, size_t size)
{
    size_t i = 0;
    while (i < size && is_name(line[i]))
        i++;
    if (i == 0 || isdigit((unsigned char)line[0]))
        return false;
    if (i < size && line[i] == '{') {
        bool quoted = false;
        for (i++; i < size && (quoted || line[i] != '}'); i++) {
            if (line[i] == '\\')
                i++;
            else if (line[i] == '"')
                quoted = !quoted;
        }
        i++;
    }
    if (i >= size || line[i] != ' ')
        return false;
    char number[64];
    if (size - i - 1 >= sizeof number)
        return false;
    memcpy(number, line + i + 1, size - i - 1);
    number[size - i - 1] = '\0';
    char *end;
    strtod(number, &end);
    return end != number && *end == '\0';
}

static void expect_well_formed(const char *text)
{
    char family[128] = "";
    for (const char *line = text; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        size_t size = (size_t)(end - line);
        if (strncmp(line, "# TYPE ", 7) == 0) {
            size_t name = strcspn(line + 7, " ");
            snprintf(family, sizeof family, "%.*s", (int)name, line + 7);
            char again[160];
            snprintf(again, sizeof again, "\n# TYPE %s ", family);
            EXPECT(strstr(end, again) == NULL); /* once each */
        } else if (line[0] != '#') {
            EXPECT(strncmp(line, family, strlen(family)) == 0);
            if (!is_sample(line, size))
                EXPECT_STR("a sample", line);
        }
        EXPECT(*end == '\n'); /* the last line too */
        line = *end == '\0' ? end : end + 1;
    }
}

TEST_ON_BOTH(metrics_are_prometheus_text_and_count)
{
    REQUIRE(service_start(&service, &service_options,
                          ARGUMENTS("--backend", backend, "--workers", "2")));
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(200, status_of(client_ask(&service, "GET /hello")));
    EXPECT_EQ(404, status_of(client_ask(&service, "GET /nowhere")));
    EXPECT_EQ(500, status_of(client_ask(&service, "GET /fail")));
    EXPECT_EQ(200, status_of(client_ask(&service, "GET /slow?ms=60")));
    const char *answer = client_ask(&service, "GET /metrics");
    EXPECT_EQ(200, status_of(answer));
    EXPECT_CONTAINS("Content-Type: text/plain; version=0.0.4; charset=utf-8", answer);
    const char *text = body_of(answer);
    expect_well_formed(text);
#define GET_HELLO "http_request_method=\"GET\",http_route=\"/hello\""
    EXPECT_CONTAINS("http_server_requests_total{" GET_HELLO ",class=\"2xx\"} 5\n", text);
    EXPECT_CONTAINS("http_route=\"\",class=\"4xx\"} 1\n", text);
    EXPECT_CONTAINS("http_route=\"/fail\",class=\"5xx\"} 1\n", text);
    EXPECT_CONTAINS("http_server_request_duration_seconds_bucket{" GET_HELLO ",le=\"+Inf\"} 5\n",
                    text);
    EXPECT_CONTAINS("http_server_request_duration_seconds_count{" GET_HELLO "} 5\n", text);
    EXPECT_CONTAINS("http_route=\"/slow\",le=\"0.05\"} 0\n", text);
    EXPECT_CONTAINS("http_route=\"/slow\",le=\"10\"} 1\n", text);
    EXPECT_CONTAINS("http_server_active_requests 0\n", text);
    EXPECT_CONTAINS("http_server_connections_accepted_total 9\n", text);
    EXPECT_CONTAINS("weir_limit_hits_total{limit=\"body_bytes\"} 0\n", text);
    EXPECT_CONTAINS("weir_loop_up{loop=\"0\"} 1\n", text);
    EXPECT_CONTAINS("weir_loop_up{loop=\"1\"} 1\n", text);
    EXPECT_CONTAINS("weir_loop_tasks{loop=\"1\"} ", text);
    EXPECT_CONTAINS("weir_loop_stalls_total 0\n", text);
    EXPECT_CONTAINS("weir_workers 2\n", text);
    EXPECT_CONTAINS("weir_draining 0\n", text);
    EXPECT_CONTAINS(
        strcmp(backend, "uring") == 0 ? "backend=\"io_uring\"} 1" : "backend=\"epoll\"} 1", text);
    service_end(&service, 0);
}

/* --- documents -------------------------------------------------------------------------------- */

TEST(the_openapi_document_is_json_and_describes_the_routes)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS()));
    const char *answer = client_ask(&service, "GET /openapi.json");
    EXPECT_EQ(200, status_of(answer));
    EXPECT_CONTAINS("Content-Type: application/json", answer);
    const char *text = body_of(answer);
    struct weir__json json;
    weir__json_init(&json, (weir_str){text, strlen(text)});
    EXPECT_RC(WEIR__JSON_OBJECT, weir__json_peek(&json));
    EXPECT_RC(0, weir__json_skip(&json));
    EXPECT_RC(0, weir__json_finish(&json));
    EXPECT_CONTAINS("\"openapi\":\"3.1.0\"", text);
    EXPECT_CONTAINS("\"title\":\"test-service\"", text);
    EXPECT_CONTAINS("\"version\":\"1.2.3\"", text);
    EXPECT_CONTAINS("\"/orders\":{\"post\":{", text);
    EXPECT_CONTAINS("\"summary\":\"Order something\"", text);
    EXPECT_CONTAINS("\"202\":{", text);
    EXPECT_CONTAINS("\"422\":{", text);
    EXPECT_CONTAINS("application/problem+json", text);
    EXPECT_CONTAINS("\"$ref\":\"#/components/schemas/order\"", text);
    EXPECT_CONTAINS("\"order\":{", text);
    EXPECT_CONTAINS("\"maxLength\":120", text);
    EXPECT_CONTAINS("\"/orders/{id}\":{\"get\":{", text);
    EXPECT_CONTAINS("\"name\":\"id\",\"in\":\"path\",\"required\":true", text);
    EXPECT(strstr(text, "/livez") == NULL);
    EXPECT(strstr(text, "/docs") == NULL);
    service_end(&service, 0);
}

TEST(the_docs_page_is_whole_and_fetches_nothing_from_elsewhere)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS()));
    const char *answer = client_ask(&service, "GET /docs");
    EXPECT_EQ(200, status_of(answer));
    EXPECT_CONTAINS("Content-Type: text/html; charset=utf-8", answer);
    EXPECT_CONTAINS("<!doctype html>", body_of(answer));
    EXPECT_CONTAINS("openapi.json", body_of(answer));
    EXPECT_CONTAINS("</html>", body_of(answer));
    EXPECT(strstr(body_of(answer), "src=\"http") == NULL);
    EXPECT(strstr(body_of(answer), "href=\"http") == NULL);
    service_end(&service, 0);
}

TEST(the_documents_can_be_hidden)
{
    weir_app_options options = service_options;
    options.docs_hidden = true;
    REQUIRE(service_start(&service, &options, ARGUMENTS()));
    EXPECT_EQ(404, status_of(client_ask(&service, "GET /docs")));
    EXPECT_EQ(404, status_of(client_ask(&service, "GET /openapi.json")));
    EXPECT_EQ(200, status_of(client_ask(&service, "GET /livez")));
    service_end(&service, 0);
}
