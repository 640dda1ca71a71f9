/*
 * service.c - a server and its clients in one loop, for the tests of the server
 */
#include "tests/http/service.h"

#include <stdlib.h>
#include <string.h>

#include <weir/task.h>

#include "base/sys.h"
#include "http/parse/chunked.h"
#include "http/parse/head.h"
#include "net/net.h"
#include "tests/support/test.h"

void let_run(int turns)
{
    for (int i = 0; i < turns; i++)
        EXPECT_RC(0, weir_sleep(1)); // to the next tick: with nothing ready, the kernel is asked
}

bool service_open(struct service *service, const weir_route *routes,
                  const weir_http_server_options *options)
{
    *service = (struct service){0};
    int rc = weir_router_new(routes, &service->router);
    if (rc == 0)
        rc = weir_listener_open(NULL, &service->listener);
    if (rc == 0)
        rc = weir_http_server_open(service->router, options, &service->server);
    if (rc == 0)
        rc = weir_http_server_listen(service->server, service->listener);
    EXPECT_RC(0, rc);
    if (rc == 0)
        service->address = *weir_listener_address(service->listener);
    return rc == 0;
}

void service_close(struct service *service)
{
    EXPECT_RC(0, weir_http_server_close(service->server));
    weir_listener_close(service->listener);
    weir_router_free(service->router);
    let_run(3);
}

uint64_t service_limit_count(const struct service *service, weir_http_limit limit)
{
    weir_http_server_stats stats;
    weir_http_server_stats_get(service->server, &stats);
    return stats.limit_count[limit];
}

static void init_client(struct client *client)
{
    *client = (struct client){0};
    client->arena = weir_arena_new(WEIR_UNLIMITED);
    client->capacity = 4096;
    client->data = malloc(client->capacity);
}

bool client_open(struct client *client, const struct service *service)
{
    init_client(client);
    EXPECT_RC(0, weir_connect_address(&service->address, NULL, &client->conn));
    return client->conn != NULL;
}

bool client_take(struct client *client, int fd)
{
    init_client(client);
    struct weir__net_how how = {.read_idle_ns = 10 * WEIR_SEC, .write_stall_ns = 10 * WEIR_SEC};
    EXPECT_RC(0, weir__net_conn_open(fd, NULL, &how, &client->conn));
    return client->conn != NULL;
}

void client_close(struct client *client)
{
    weir_conn_close(client->conn);
    weir_arena_free(client->arena);
    free(client->data);
    *client = (struct client){0};
}

void client_reset(struct client *client)
{
    EXPECT_RC(0, weir__sys_reset_on_close(weir__stream_fd(&client->conn->stream)));
    client_close(client);
}

void client_send_bytes(struct client *client, const void *data, size_t size)
{
    int rc = weir_conn_write_all(client->conn, data, size, NULL);
    if (rc < 0)
        client->error = rc; // the server may have closed before it had all of it
}

void client_send(struct client *client, const char *text)
{
    client_send_bytes(client, text, strlen(text));
}

void client_finish(struct client *client)
{
    EXPECT_RC(0, weir_conn_finish(client->conn));
}

bool client_more(struct client *client)
{
    if (client->ended || client->error < 0)
        return false;
    if (client->size + 4096 > client->capacity) {
        client->capacity *= 2;
        client->data = realloc(client->data, client->capacity);
    }
    ssize_t got =
        weir_conn_read(client->conn, client->data + client->size, client->capacity - client->size);
    if (got > 0)
        client->size += (size_t)got;
    else if (got == 0)
        client->ended = true;
    else
        client->error = (int)got;
    return got > 0;
}

bool client_until(struct client *client, const char *text)
{
    while (memmem(client->data, client->size, text, strlen(text)) == NULL)
        if (!client_more(client))
            return false;
    return true;
}

static void take(struct client *client, size_t size)
{
    memmove(client->data, client->data + size, client->size - size);
    client->size -= size;
}

static const char *copy(struct client *client, const char *data, size_t size)
{
    char *text = weir_arena_alloc(client->arena, size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

static void read_length(struct client *client, struct answer *answer, uint64_t length)
{
    while (client->size < length && client_more(client))
        ;
    answer->cut = client->size < length;
    answer->body_size = answer->cut ? client->size : (size_t)length;
    answer->body = copy(client, client->data, answer->body_size);
    take(client, answer->body_size);
}

static void read_chunked(struct client *client, struct answer *answer)
{
    struct weir__http_chunked chunked = {0};
    size_t size = 0, capacity = 4096;
    char *body = malloc(capacity);
    int rc = 0;
    answer->chunked = true;
    while (rc == 0) {
        if (client->size == 0 && !client_more(client))
            break;
        size_t used;
        weir_str piece;
        struct weir__http_fail fail;
        rc = weir__http_chunked_feed(&chunked, client->data, client->size, &used, &piece, &fail);
        EXPECT(rc >= 0);
        if (rc < 0)
            break;
        while (size + piece.size > capacity)
            body = realloc(body, capacity *= 2);
        if (piece.size > 0)
            memcpy(body + size, piece.data, piece.size);
        size += piece.size;
        take(client, used);
    }
    answer->cut = rc != 1;
    answer->body_size = size;
    answer->body = copy(client, body, size);
    free(body);
}

static void read_body(struct client *client, struct answer *answer,
                      const struct weir__http_framing *framing)
{
    switch (framing->kind) {
    case WEIR__HTTP_BODY_LENGTH:
        read_length(client, answer, framing->length);
        break;
    case WEIR__HTTP_BODY_CHUNKED:
        read_chunked(client, answer);
        break;
    case WEIR__HTTP_BODY_UNTIL_CLOSE:
        while (client_more(client))
            ;
        answer->cut = client->error < 0;
        answer->body_size = client->size;
        answer->body = copy(client, client->data, client->size);
        take(client, client->size);
        break;
    default:
        break;
    }
}

static struct answer read_answer(struct client *client, bool to_head)
{
    struct answer answer = {.head = "", .body = ""};
    struct weir__http_field fields[100];
    struct weir__http_asked asked = {.head = to_head};
    for (;;) {
        struct weir__http_response_head head;
        head.fields.items = fields;
        head.fields.count_max = 100;
        struct weir__http_fail fail = {0};
        ssize_t size = client->size == 0
                           ? -EAGAIN
                           : weir__http_parse_response(NULL, client->data, client->size, NULL,
                                                       &asked, &head, &fail);
        if (size == -EAGAIN && client_more(client))
            continue;
        if (size < 0) {
            if (size != -EAGAIN)
                EXPECT_STR("", fail.reason);
            answer.cut = true;
            return answer;
        }
        answer.status = head.status;
        answer.keep_alive = head.framing.keep_alive;
        answer.head = copy(client, client->data, (size_t)size);
        struct weir__http_framing framing = head.framing;
        take(client, (size_t)size);
        read_body(client, &answer, &framing);
        return answer;
    }
}

struct answer client_answer(struct client *client)
{
    return read_answer(client, false);
}

struct answer client_answer_to_head(struct client *client)
{
    return read_answer(client, true);
}

bool client_is_ended(struct client *client)
{
    while (client->size == 0 && client_more(client))
        ;
    if (client->size > 0) // show what should not be there
        EXPECT_STR("", copy(client, client->data, client->size));
    EXPECT_RC(0, client->error);
    return client->ended && client->size == 0;
}

const char *client_rest(struct client *client)
{
    while (client_more(client))
        ;
    const char *rest = copy(client, client->data, client->size);
    client->size = 0;
    return rest;
}

const char *answer_field(struct client *client, const struct answer *answer, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = strstr(answer->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, size) == 0 && line[2 + size] == ':') {
            const char *value = line + 2 + size + 1;
            value += strspn(value, " ");
            return copy(client, value, strcspn(value, "\r"));
        }
    }
    return NULL;
}

struct answer client_ask(struct client *client, const char *request)
{
    client_send(client, request);
    return client_answer(client);
}
