/*
 * client.c - the HTTP client: a call, its answer, its limits
 *
 * A call sends its head and body in one write, reads heads until one is final, then hands the body
 * out as it is asked for. Every step runs in a scope that ends at the call's deadline, so a limit
 * of the client is told apart from one of the caller's: -ETIMEDOUT with a sentence, against
 * -ECANCELED.
 *
 * Runs on  the client's loop, in the caller's task.
 * Holds    1. A connection is used again only after its answer was read to the end and nothing came
 *          behind.
 *          2. A body that ends early is an error, never a shorter body (V2).
 *          3. What a server sends is bounded: heads by the parser's limits, interim answers by
 *             count.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "http/client.h"

enum {
    INTERIM_ANSWERS_MAX = 16,
    HEAD_BYTES_MAX = 64 * 1024,
    TARGET_BYTES_MAX = 8 * 1024,
    READ_PIECE_BYTES = 16 * 1024,
};

/* --- the client ------------------------------------------------------------------------------- */

static int limit_or(int64_t *limit, int64_t otherwise)
{
    if (*limit < 0)
        return -EINVAL;
    if (*limit == 0)
        *limit = otherwise;
    return 0;
}

static void count_or(size_t *limit, size_t otherwise)
{
    if (*limit == 0)
        *limit = otherwise;
}

static int fill_limits(weir_http_client_options *limits)
{
    if (limit_or(&limits->pool_wait_ns, 5 * WEIR_SEC) < 0 ||
        limit_or(&limits->connect_timeout_ns, 5 * WEIR_SEC) < 0 ||
        limit_or(&limits->idle_timeout_ns, 10 * WEIR_SEC) < 0 ||
        limit_or(&limits->total_timeout_ns, 30 * WEIR_SEC) < 0 ||
        limit_or(&limits->kept_ns, 50 * WEIR_SEC) < 0)
        return -EINVAL;
    count_or(&limits->conns_max, 100);
    count_or(&limits->conns_per_origin_max, 32);
    count_or(&limits->response_bytes_max, (size_t)16 * 1024 * 1024);
    if (limits->user_agent == NULL)
        limits->user_agent = "weir";
    return 0;
}

static void close_left_open(struct weir__ledger_entry *entry)
{
    weir_http_client_close(WEIR__CONTAINER(entry, weir_http_client, entry));
}

int weir_http_client_open(const weir_http_client_options *options, weir_http_client **out_client)
{
    if (weir__core_loop() == NULL)
        return -EPERM;
    weir_http_client_options limits = options == NULL ? (weir_http_client_options){0} : *options;
    int rc = fill_limits(&limits);
    if (rc < 0)
        return weir_fail(rc, "a limit of an HTTP client is negative");
    weir_http_client *client = weir__base_alloc_zero(sizeof *client);
    if (client == NULL)
        return -ENOMEM;
    client->loop = weir__core_loop();
    client->limits = limits;
    client->secure = (struct weir__net_secure *)(void *)limits.tls; // its first member
    if (client->secure != NULL)
        client->secure->hold(client->secure);
    weir__client_pool_open(client);
    weir__ledger_add(&client->entry, "HTTP client", __builtin_return_address(0), close_left_open);
    *out_client = client;
    return 0;
}

void weir_http_client_close(weir_http_client *client)
{
    if (client == NULL)
        return;
    weir__ledger_remove(&client->entry);
    weir__client_pool_close(client);
    if (client->secure != NULL)
        client->secure->release(client->secure);
    weir__base_free(client);
}

void weir_http_client_stats_get(const weir_http_client *client, weir_http_client_stats *out_stats)
{
    *out_stats = client->stats;
}

/* --- limits of time --------------------------------------------------------------------------- */

/* What a step came to under the call's deadline. */
static int translate(const weir_http_exchange *exchange, int rc)
{
    if (rc != -ETIME)
        return rc;
    return weir_fail(-ETIMEDOUT, "no whole answer from %s within %lld ms", exchange->url,
                     (long long)(exchange->total_timeout_ns / WEIR_MS));
}

#define UNDER_DEADLINE(exchange, rc, step)                                                         \
    do {                                                                                           \
        weir_scope scope_ = {0};                                                                   \
        (rc) = weir_deadline_enter(&scope_, (exchange)->deadline_ns);                              \
        if ((rc) == 0)                                                                             \
            (rc) = translate((exchange), weir_scope_leave(&scope_, (step)));                       \
    } while (0)

/* --- sending ---------------------------------------------------------------------------------- */

static int append_headers(struct weir__buffer *out, const weir_http_header *headers)
{
    for (; headers != NULL && headers->name != NULL; headers++) {
        weir_str name = weir__str_from(headers->name), value = weir__str_from(headers->value);
        const char *problem = weir__http_field_problem(name, value);
        if (problem != NULL)
            return weir_fail(-EINVAL, "header %.40s cannot be sent: %s", headers->name, problem);
        enum weir__http_field_id id = weir__http_field_id(name);
        if (id == WEIR__HTTP_FIELD_HOST || id == WEIR__HTTP_FIELD_CONTENT_LENGTH ||
            id == WEIR__HTTP_FIELD_TRANSFER_ENCODING || id == WEIR__HTTP_FIELD_CONNECTION)
            return weir_fail(-EINVAL, "header %s is written by the client itself", headers->name);
        weir__buffer_printf(out, "%s: %s\r\n", headers->name, headers->value);
    }
    return 0;
}

static int append_head(struct weir__buffer *out, const weir_http_client *client,
                       const weir_http_call *call, const struct weir__http_url *url,
                       const char *method)
{
    char *text = weir__base_alloc(TARGET_BYTES_MAX);
    if (text == NULL)
        return -ENOMEM;
    int rc = 0;
    weir__buffer_printf(out, "%s ", method);
    ssize_t size = weir__http_url_write_target(url, text, TARGET_BYTES_MAX);
    if (size < 0) {
        rc = weir_fail(-EINVAL, "the URL is longer than %d bytes", TARGET_BYTES_MAX);
        goto free_text;
    }
    weir__buffer_append(out, text, (size_t)size);
    weir__buffer_append_str(out, " HTTP/1.1\r\nHost: ");
    size = weir__http_url_write_host(url, text, TARGET_BYTES_MAX);
    if (size < 0) {
        rc = weir_fail(-EINVAL, "the host of the URL is too long");
        goto free_text;
    }
    weir__buffer_append(out, text, (size_t)size);
    weir__buffer_printf(out, "\r\nUser-Agent: %s\r\n", client->limits.user_agent);
    rc = append_headers(out, call->headers);
    if (rc < 0)
        goto free_text;
    if (call->content_type != NULL) {
        weir_http_header type[] = {{"Content-Type", call->content_type}, {NULL, NULL}};
        rc = append_headers(out, type);
        if (rc < 0)
            goto free_text;
    }
    if (call->body_bytes > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
        weir__buffer_printf(out, "Content-Length: %zu\r\n", call->body_bytes);
    weir__buffer_append_str(out, "\r\n");
    rc = weir__buffer_error(out);

free_text:
    weir__base_free(text);
    return rc;
}

static int send_call(weir_http_exchange *exchange, const struct weir__buffer *head,
                     const weir_http_call *call)
{
    weir_str parts[] = {{head->data, head->size}, {call->body, call->body_bytes}};
    return weir_conn_write_parts(exchange->conn->conn, parts, 2, NULL);
}

/* --- receiving the head ----------------------------------------------------------------------- */

static int cut_short(const weir_http_exchange *exchange, const char *where)
{
    return weir_fail(-EPIPE, "%s closed the connection %s", exchange->url, where);
}

/* One head into head_bytes; nothing behind it is consumed. */
static int receive_head(weir_http_exchange *exchange)
{
    weir_conn *conn = exchange->conn->conn;
    struct weir__buffer *bytes = &exchange->head_bytes;
    struct weir__http_resume resume = {0};
    weir__buffer_clear(bytes);
    for (;;) {
        int rc = weir__net_conn_wait_more(conn, 0);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return cut_short(exchange, bytes->size == 0 ? "without an answer"
                                                        : "in the middle of the answer's head");
        size_t there, before = bytes->size;
        const char *data = weir__net_conn_peek(conn, &there);
        weir__buffer_append(bytes, data, there);
        if (weir__buffer_error(bytes) < 0)
            return weir__buffer_error(bytes) == -EMSGSIZE
                       ? weir_fail(-EBADMSG, "the head of the answer of %s is too large",
                                   exchange->url)
                       : -ENOMEM;
        exchange->head.fields.items = exchange->fields;
        exchange->head.fields.count_max = WEIR__CLIENT_FIELDS_MAX;
        struct weir__http_fail fail;
        ssize_t size = weir__http_parse_response(&resume, bytes->data, bytes->size, NULL,
                                                 &exchange->asked, &exchange->head, &fail);
        if (size == -EAGAIN) {
            weir__net_conn_consume(conn, there);
            continue;
        }
        if (size < 0) {
            char text[160];
            weir__http_fail_text(&fail, text, sizeof text);
            return weir_fail(-EBADMSG, "%s sent no HTTP answer: %s", exchange->url, text);
        }
        weir__net_conn_consume(conn, (size_t)size - before);
        bytes->size = (size_t)size;
        return 0;
    }
}

static int receive_final_head(weir_http_exchange *exchange)
{
    for (int i = 0; i < INTERIM_ANSWERS_MAX; i++) {
        int rc = receive_head(exchange);
        if (rc < 0 || exchange->head.status >= 200)
            return rc;
    }
    return weir_fail(-EBADMSG, "%s sent more than %d interim answers", exchange->url,
                     INTERIM_ANSWERS_MAX);
}

static void begin_body(weir_http_exchange *exchange)
{
    const struct weir__http_framing *framing = &exchange->head.framing;
    exchange->left = framing->length;
    exchange->received = 0;
    exchange->chunked = (struct weir__http_chunked){0};
    exchange->body_done = framing->kind == WEIR__HTTP_BODY_NONE ||
                          (framing->kind == WEIR__HTTP_BODY_LENGTH && framing->length == 0);
}

/* --- one call --------------------------------------------------------------------------------- */

static void give_back(weir_http_exchange *exchange)
{
    if (exchange->conn == NULL)
        return;
    bool reusable = exchange->body_done && exchange->head.framing.keep_alive;
    weir__client_release(exchange->client, exchange->conn, reusable);
    exchange->conn = NULL;
}

/* A kept connection that died while it was idle answers nothing at all. */
static bool died_idle(const weir_http_exchange *exchange, int rc)
{
    return exchange->conn != NULL && exchange->conn->used_before &&
           exchange->head_bytes.size == 0 &&
           (rc == -EPIPE || rc == -ECONNRESET ||
            (rc == -EPROTO && exchange->conn->origin->https)); // closed without the close of TLS
}

struct attempt {
    const weir_http_call *call;
    const struct weir__buffer *head;
    struct weir__client_target target;
    bool fresh;
};

static int attempt_call(weir_http_exchange *exchange, const struct attempt *attempt)
{
    int rc =
        weir__client_acquire(exchange->client, &attempt->target, attempt->fresh, &exchange->conn);
    if (rc < 0)
        return rc;
    weir__buffer_clear(&exchange->head_bytes);
    rc = send_call(exchange, attempt->head, attempt->call);
    /* A server may answer and close without reading all of it: its answer counts. */
    if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET) {
        int received = receive_final_head(exchange);
        rc = received == 0 || rc == 0 ? received : rc;
    }
    if (rc == 0)
        begin_body(exchange);
    return rc;
}

static int run_call(weir_http_exchange *exchange, struct attempt *attempt)
{
    int rc;
    UNDER_DEADLINE(exchange, rc, attempt_call(exchange, attempt));
    if (rc < 0 && exchange->idempotent && died_idle(exchange, rc)) {
        exchange->body_done = false;
        give_back(exchange);
        exchange->client->stats.retried++;
        attempt->fresh = true;
        UNDER_DEADLINE(exchange, rc, attempt_call(exchange, attempt));
    }
    return rc;
}

static bool is_idempotent(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(method, known[i]) == 0)
            return true;
    return false;
}

static int parse_url(const weir_http_client *client, const char *text,
                     struct weir__http_url *out_url)
{
    struct weir__http_fail fail;
    if (text == NULL)
        return weir_fail(-EINVAL, "a call has no URL");
    if (weir__http_url_parse(weir__str_from(text), out_url, &fail) < 0) {
        char reason[120];
        weir__http_fail_text(&fail, reason, sizeof reason);
        return weir_fail(-EINVAL, "not a URL that can be fetched: %s", reason);
    }
    if (out_url->https && client->secure == NULL)
        return weir_fail(-EPROTONOSUPPORT, "https needs a configuration of TLS: set "
                                           "weir_http_client_options.tls (weir/tls.h)");
    return 0;
}

static int exchange_new(weir_http_client *client, const weir_http_call *call, const char *method,
                        weir_http_exchange **out_exchange)
{
    weir_http_exchange *exchange = weir__base_alloc_zero(sizeof *exchange);
    if (exchange == NULL)
        return -ENOMEM;
    exchange->url = weir__base_strdup(call->url);
    if (exchange->url == NULL) {
        weir__base_free(exchange);
        return -ENOMEM;
    }
    exchange->client = client;
    weir__buffer_init(&exchange->head_bytes);
    exchange->head_bytes.size_max = HEAD_BYTES_MAX;
    exchange->asked.head = strcmp(method, "HEAD") == 0;
    exchange->idempotent = is_idempotent(method);
    exchange->total_timeout_ns =
        call->total_timeout_ns != 0 ? call->total_timeout_ns : client->limits.total_timeout_ns;
    exchange->deadline_ns = exchange->total_timeout_ns == WEIR_FOREVER
                                ? WEIR_NEVER
                                : weir__base_add_ns(weir_now(), exchange->total_timeout_ns);
    *out_exchange = exchange;
    return 0;
}

int weir_http_begin(weir_http_client *client, const weir_http_call *call,
                    weir_http_exchange **out_exchange)
{
    if (weir__core_task() == NULL)
        return -EPERM;
    const char *method = call->method != NULL   ? call->method
                         : call->body_bytes > 0 ? "POST"
                                                : "GET";
    if (!weir__http_token_valid(weir__str_from(method)) || strcmp(method, "CONNECT") == 0)
        return weir_fail(-EINVAL, "method %.20s cannot be sent by this client", method);
    struct weir__http_url url;
    int rc = parse_url(client, call->url, &url);
    if (rc < 0)
        return rc;
    weir_http_exchange *exchange;
    rc = exchange_new(client, call, method, &exchange);
    if (rc < 0)
        return rc;
    client->stats.calls++;

    struct weir__buffer head;
    weir__buffer_init(&head);
    char *host = weir__base_strndup(url.host.data, url.host.size);
    rc = host == NULL ? -ENOMEM : append_head(&head, client, call, &url, method);
    if (rc == 0) {
        struct attempt attempt = {
            .call = call, .head = &head, .target = {host, url.port, url.https}};
        rc = run_call(exchange, &attempt);
    }
    weir__base_free(host);
    weir__buffer_deinit(&head);
    if (rc < 0) {
        client->stats.failed++;
        exchange->body_done = false;
        weir_http_exchange_close(exchange);
        return rc;
    }
    *out_exchange = exchange;
    return 0;
}

/* --- the body --------------------------------------------------------------------------------- */

static ssize_t take(weir_http_exchange *exchange, void *out_buffer, size_t size)
{
    size_t there;
    const char *data = weir__net_conn_peek(exchange->conn->conn, &there);
    size_t count = there < size ? there : size;
    memcpy(out_buffer, data, count);
    weir__net_conn_consume(exchange->conn->conn, count);
    exchange->received += count;
    return (ssize_t)count;
}

static ssize_t read_length(weir_http_exchange *exchange, void *out_buffer, size_t size)
{
    int rc = weir__net_conn_wait_more(exchange->conn->conn, 0);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return weir_fail(-EPIPE, "%s closed the connection half-way: %llu of %llu bytes came",
                         exchange->url, (unsigned long long)exchange->received,
                         (unsigned long long)exchange->head.framing.length);
    ssize_t count =
        take(exchange, out_buffer, exchange->left < size ? (size_t)exchange->left : size);
    exchange->left -= (uint64_t)count;
    exchange->body_done = exchange->left == 0;
    return count;
}

static ssize_t read_until_close(weir_http_exchange *exchange, void *out_buffer, size_t size)
{
    int rc = weir__net_conn_wait_more(exchange->conn->conn, 0);
    if (rc < 0)
        return rc;
    if (rc > 0)
        return take(exchange, out_buffer, size);
    exchange->body_done = true;
    return 0;
}

static ssize_t read_chunked(weir_http_exchange *exchange, void *out_buffer, size_t size)
{
    weir_conn *conn = exchange->conn->conn;
    for (;;) {
        int rc = weir__net_conn_wait_more(conn, 0);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return weir_fail(-EPIPE, "%s closed the connection half-way, after %llu bytes",
                             exchange->url, (unsigned long long)exchange->received);
        size_t there, used;
        const char *data = weir__net_conn_peek(conn, &there);
        weir_str body;
        struct weir__http_fail fail;
        rc = weir__http_chunked_feed(&exchange->chunked, data, there < size ? there : size, &used,
                                     &body, &fail);
        if (rc < 0)
            return weir_fail(-EBADMSG, "the body of %s is broken: %s", exchange->url, fail.reason);
        if (body.size > 0)
            memcpy(out_buffer, body.data, body.size);
        weir__net_conn_consume(conn, used);
        exchange->received += body.size;
        exchange->body_done = rc == 1;
        if (body.size > 0 || exchange->body_done)
            return (ssize_t)body.size;
    }
}

static ssize_t read_body(weir_http_exchange *exchange, void *out_buffer, size_t size)
{
    switch (exchange->head.framing.kind) {
    case WEIR__HTTP_BODY_LENGTH:
        return read_length(exchange, out_buffer, size);
    case WEIR__HTTP_BODY_CHUNKED:
        return read_chunked(exchange, out_buffer, size);
    case WEIR__HTTP_BODY_UNTIL_CLOSE:
        return read_until_close(exchange, out_buffer, size);
    case WEIR__HTTP_BODY_NONE:
        break;
    }
    return 0;
}

ssize_t weir_http_read(weir_http_exchange *exchange, void *out_buffer, size_t size)
{
    if (size == 0 || size > INT32_MAX)
        return -EINVAL;
    if (exchange->body_done)
        return 0;
    int rc;
    UNDER_DEADLINE(exchange, rc, (int)read_body(exchange, out_buffer, size));
    if (rc < 0)
        exchange->client->stats.failed++;
    return rc;
}

/* --- looking at it ---------------------------------------------------------------------------- */

static const char *find_header(struct weir__http_fields *fields, const char *name)
{
    const struct weir__http_field *field =
        weir__http_fields_next(fields, NULL, weir__str_from(name));
    return field == NULL ? NULL : field->value.data;
}

/* Values become C strings where they lie: what follows each is a CR or a blank of its line. */
static void close_values(weir_http_exchange *exchange)
{
    for (size_t i = 0; i < exchange->head.fields.count; i++) {
        const weir_str *value = &exchange->fields[i].value;
        exchange->head_bytes
            .data[value->data - exchange->head_bytes.data + (ptrdiff_t)value->size] = '\0';
    }
}

int weir_http_exchange_status(const weir_http_exchange *exchange)
{
    return exchange->head.status;
}

const char *weir_http_exchange_header(const weir_http_exchange *exchange, const char *name)
{
    weir_http_exchange *writable = (weir_http_exchange *)(uintptr_t)exchange;
    close_values(writable);
    return find_header(&writable->head.fields, name);
}

void weir_http_exchange_close(weir_http_exchange *exchange)
{
    if (exchange == NULL)
        return;
    give_back(exchange);
    weir__buffer_deinit(&exchange->head_bytes);
    weir__base_free(exchange->url);
    weir__base_free(exchange);
}

/* --- whole answers ---------------------------------------------------------------------------- */

struct weir_http_response {
    weir_http_exchange *exchange; /* its head; the connection has gone back */
    struct weir__buffer body;
};

/* The limit is reached: only the end of the body may follow. */
static int expect_end(weir_http_exchange *exchange, size_t limit)
{
    char extra;
    ssize_t n = weir_http_read(exchange, &extra, 1);
    if (n <= 0)
        return (int)n;
    return weir_fail(-EMSGSIZE, "the body of %s is larger than %zu bytes", exchange->url, limit);
}

static int read_all(weir_http_exchange *exchange, struct weir__buffer *body)
{
    for (;;) {
        size_t left = body->size_max - body->size;
        if (left == 0)
            return expect_end(exchange, body->size_max);
        size_t size = left < READ_PIECE_BYTES ? left : READ_PIECE_BYTES;
        char *room = weir__buffer_reserve(body, size);
        if (room == NULL)
            return -ENOMEM;
        ssize_t n = weir_http_read(exchange, room, size);
        if (n <= 0)
            return (int)n;
        body->size += (size_t)n;
    }
}

int weir_http_fetch(weir_http_client *client, const weir_http_call *call,
                    weir_http_response **out_response)
{
    weir_http_exchange *exchange;
    int rc = weir_http_begin(client, call, &exchange);
    if (rc < 0)
        return rc;
    weir_http_response *response = weir__base_alloc_zero(sizeof *response);
    if (response == NULL) {
        rc = -ENOMEM;
        goto close_exchange;
    }
    weir__buffer_init(&response->body);
    response->body.size_max = client->limits.response_bytes_max;
    if (exchange->head.framing.kind == WEIR__HTTP_BODY_LENGTH &&
        exchange->head.framing.length > client->limits.response_bytes_max)
        rc = weir_fail(-EMSGSIZE, "the body of %s has %llu bytes, more than %zu", exchange->url,
                       (unsigned long long)exchange->head.framing.length,
                       client->limits.response_bytes_max);
    else
        rc = read_all(exchange, &response->body);
    if (rc < 0)
        goto free_response;
    give_back(exchange);
    close_values(exchange);
    response->exchange = exchange;
    *out_response = response;
    return 0;

free_response:
    weir__buffer_deinit(&response->body);
    weir__base_free(response);
close_exchange:
    weir_http_exchange_close(exchange);
    return rc;
}

int weir_http_get(weir_http_client *client, const char *url, weir_http_response **out_response)
{
    return weir_http_fetch(client, &(weir_http_call){.url = url}, out_response);
}

int weir_http_response_status(const weir_http_response *response)
{
    return response->exchange->head.status;
}

const char *weir_http_response_header(const weir_http_response *response, const char *name)
{
    return find_header(&response->exchange->head.fields, name);
}

weir_str weir_http_response_body(const weir_http_response *response)
{
    weir_http_response *writable = (weir_http_response *)(uintptr_t)response;
    weir_str body = {weir__buffer_text(&writable->body), response->body.size};
    return body;
}

void weir_http_response_free(weir_http_response *response)
{
    if (response == NULL)
        return;
    weir__buffer_deinit(&response->body);
    weir_http_exchange_close(response->exchange);
    weir__base_free(response);
}
