/*
 * response.c - composing answers
 *
 * An answer is written where it will be sent from: its head, and the body behind it in the same
 * block when that has room. It is not final until the handler has returned 0: until then it can be
 * taken back and a problem be written in its place.
 *
 * Runs on  the connection's task; weir__http_answer_bare() also in callbacks.
 * Holds    1. Nothing that a handler gives can end its line: names, values and types are checked
 *          here,
 *             in every build (RFC 9112 section 11.1).
 *          2. The framing of an answer follows from its payload, its status and the method asked,
 *             never from a field that a handler added.
 * Costs    the usual answer: copies of a few dozen bytes and one of the body; no allocation.
 */
#include <string.h>

#include <weir/failure.h>

#include "base/str.h"
#include "http/server.h"
#include "model/model.h"

enum {
    HEAD_FIXED_BYTES = 320,     /* all lines of an answer that are not of variable length */
    COPY_KEPT_BYTES_MAX = 2048, /* kept bytes up to here are copied: one piece is cheaper to send */
    JSON_KEPT_BYTES_MAX = 256 * 1024, /* of the buffer for encoding, between two answers */
};

/* --- head ------------------------------------------------------------------------------------- */

static inline char *put(char *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}
#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static char *put_uint(char *at, uint64_t value)
{
    if (value >= 1000)
        return at + weir__str_format_uint(at, value);
    unsigned small = (unsigned)value;
    if (small >= 100)
        *at++ = (char)('0' + small / 100);
    if (small >= 10)
        *at++ = (char)('0' + small / 10 % 10);
    *at++ = (char)('0' + small % 10);
    return at;
}

static char *put_status_line(char *at, int status)
{
    if (status == 200)
        return PUT(at, "HTTP/1.1 200 OK\r\n");
    at = PUT(at, "HTTP/1.1 ");
    at[0] = (char)('0' + status / 100);
    at[1] = (char)('0' + status / 10 % 10);
    at[2] = (char)('0' + status % 10);
    at[3] = ' ';
    at += 4;
    const char *reason = weir__http_reason(status);
    at = put(at, reason, strlen(reason));
    return PUT(at, "\r\n");
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static char *put_framing(char *at, int status, enum weir__http_payload payload, uint64_t size,
                         unsigned minor)
{
    if (has_no_body(status))
        return at;
    if (payload != WEIR__HTTP_PAYLOAD_CHUNKED) {
        at = PUT(at, "Content-Length: ");
        at = put_uint(at, size);
        return PUT(at, "\r\n");
    }
    return minor >= 1 ? PUT(at, "Transfer-Encoding: chunked\r\n") : at;
}

static char *put_extras(char *at, const struct weir__http_extra *extra)
{
    for (; extra != NULL; extra = extra->next) {
        at = put(at, extra->name.data, extra->name.size);
        at = PUT(at, ": ");
        at = put(at, extra->value.data, extra->value.size);
        at = PUT(at, "\r\n");
    }
    return at;
}

/* Whether this is the last answer of its connection; known limits are counted. */
static bool is_last(struct weir_request *request, enum weir__http_payload payload)
{
    weir_http_server *server = request->server;
    struct weir__http_conn *conn = request->conn;
    const weir_http_limits *limits = &server->options.limits;
    if (!request->head.framing.keep_alive || server->retiring || conn->finishing ||
        request->now.closing || !weir__http_body_skippable(request) ||
        (payload == WEIR__HTTP_PAYLOAD_CHUNKED && request->head.minor == 0))
        return true;
    if (conn->request_count >= limits->conn_requests_max) {
        weir__http_limit_hit(server, WEIR_HTTP_LIMIT_CONN_REQUESTS, conn);
        return true;
    }
    if (server->loop->now_ns >= conn->expires_at_ns) {
        weir__http_limit_hit(server, WEIR_HTTP_LIMIT_CONN_AGE, conn);
        return true;
    }
    return false;
}

static char *put_connection(char *at, const struct weir_request *request)
{
    if (request->now.closing)
        return PUT(at, "Connection: close\r\n");
    return request->head.minor == 0 ? PUT(at, "Connection: keep-alive\r\n") : at;
}

static size_t head_bytes_max(const struct weir_request *request, size_t type_size)
{
    return HEAD_FIXED_BYTES + WEIR__HTTP_COMMON_BYTES + type_size + request->now.extras_bytes;
}

static char *put_head(char *at, const struct weir_request *request, int status, weir_str type,
                      enum weir__http_payload payload, uint64_t size)
{
    weir_str common = weir__http_common_lines(request->server);
    at = put_status_line(at, status);
    at = put(at, common.data, common.size);
    if (type.size > 0) {
        at = PUT(at, "Content-Type: ");
        at = put(at, type.data, type.size);
        at = PUT(at, "\r\n");
    }
    at = put_framing(at, status, payload, size, request->head.minor);
    at = put_extras(at, request->now.extras);
    at = put_connection(at, request);
    return PUT(at, "\r\n");
}

/* --- whole answers ---------------------------------------------------------------------------- */

static int check_answer(struct weir_request *request, int status, uint64_t size)
{
    if (request->now.answer != WEIR__HTTP_ANSWER_NONE)
        return weir_fail(-EALREADY, "this request is answered already");
    if (status < 200 || status > 599)
        return weir_fail(-EINVAL, "%d is no status to answer with; 200 to 599 are", status);
    if (has_no_body(status) && size > 0)
        return weir_fail(-EINVAL, "an answer with status %d has no body", status);
    return 0;
}

static int add_body(struct weir__http_conn *conn, enum weir__http_payload payload, const void *data,
                    size_t size)
{
    if (payload == WEIR__HTTP_PAYLOAD_KEEP)
        return weir__http_out_keep(conn, data, size);
    char *room = weir__http_out_room(conn, size);
    if (room == NULL)
        return -ENOMEM;
    memcpy(room, data, size);
    weir__http_out_wrote(conn, size);
    return 0;
}

/* Eight bytes at a time: none below the blank, no DEL, none above ASCII. False may also mean too
 * short. */
static bool is_plain(weir_str text)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    if (text.size < 8)
        return false; // not worth it
    uint64_t seen = 0;
    for (size_t at = 0;; at = at + 16 <= text.size ? at + 8 : text.size - 8) {
        uint64_t word;
        memcpy(&word, text.data + at, 8);
        seen |= word | (word - ones * 0x20) | ((word ^ ones * 0x7f) - ones);
        if (at + 8 == text.size)
            return (seen & highs) == 0;
    }
}

int weir__http_check_type(const char *content_type, weir_str *out_type)
{
    weir_str type = {"", 0};
    if (content_type != NULL)
        type = weir__str_from(content_type);
    bool usual =
        type.size > 0 && type.data[0] != ' ' && type.data[type.size - 1] != ' ' && is_plain(type);
    if (!usual && !weir__http_value_valid(type))
        return weir_fail(-EINVAL, "a content type with a control character");
    *out_type = type;
    return 0;
}

int weir__http_compose(struct weir_request *request, int status, weir_str type,
                       enum weir__http_payload payload, const void *data, uint64_t size)
{
    struct weir__http_conn *conn = request->conn;
    int rc = check_answer(request, status, size);
    if (rc < 0)
        return rc;
    bool pieces = payload == WEIR__HTTP_PAYLOAD_CHUNKED || payload == WEIR__HTTP_PAYLOAD_SIZED;
    size_t body_bytes = pieces || request->now.head_method ? 0 : (size_t)size;
    if (payload == WEIR__HTTP_PAYLOAD_KEEP && body_bytes <= COPY_KEPT_BYTES_MAX)
        payload = WEIR__HTTP_PAYLOAD_COPY;

    request->now.closing = is_last(request, payload);
    request->now.mark_end = weir__http_out_mark(conn);
    size_t head_max = head_bytes_max(request, type.size);
    bool together = payload == WEIR__HTTP_PAYLOAD_COPY && body_bytes <= WEIR__HTTP_BLOCK_BYTES / 2;
    char *room = weir__http_out_room(conn, head_max + (together ? body_bytes : 0));
    if (room == NULL) {
        conn->mark = NULL;
        return -ENOMEM;
    }
    char *end = put_head(room, request, status, type, payload, size);
    if (together && body_bytes > 0)
        end = put(end, data, body_bytes);
    weir__http_out_wrote(conn, (size_t)(end - room));
    if (!together && body_bytes > 0) {
        rc = add_body(conn, payload, data, body_bytes);
        if (rc < 0) {
            weir__http_out_roll_back(conn, request->now.mark_end);
            return rc;
        }
    }
    request->now.answer = WEIR__HTTP_ANSWER_COMPOSED;
    request->now.status = status;
    request->now.bytes_out = (size_t)(end - room) + (together ? 0 : body_bytes);
    return 0;
}

void weir__http_take_back(struct weir_request *request)
{
    if (request->now.answer != WEIR__HTTP_ANSWER_COMPOSED &&
        request->now.answer != WEIR__HTTP_ANSWER_PROBLEM)
        return;
    weir__http_out_roll_back(request->conn, request->now.mark_end);
    request->now.answer = WEIR__HTTP_ANSWER_NONE;
    request->now.bytes_out = 0;
    request->now.status = 0;
}

void weir__http_answer_bare(struct weir__http_conn *conn, int status)
{
    const char *reason = weir__http_reason(status);
    char *room = weir__http_out_room(conn, HEAD_FIXED_BYTES + WEIR__HTTP_COMMON_BYTES);
    if (room == NULL)
        return; // there is no memory for a word: the client sees a close
    weir_str common = weir__http_common_lines(conn->server);
    char *at = put_status_line(room, status);
    at = put(at, common.data, common.size);
    at = PUT(at, "Content-Type: application/problem+json\r\nContent-Length: ");
    at = put_uint(at, strlen("{\"title\":\"\",\"status\":000}") + strlen(reason));
    if (status == 503)
        at = PUT(at, "\r\nRetry-After: 1");
    at = PUT(at, "\r\nConnection: close\r\n\r\n{\"title\":\"");
    at = put(at, reason, strlen(reason));
    at = PUT(at, "\",\"status\":");
    at = put_uint(at, (uint64_t)status);
    *at++ = '}';
    weir__http_out_wrote(conn, (size_t)(at - room));
    weir__http_out_commit(conn);
    conn->server->stats.status_count[status / 100]++;
}

/* --- fields ----------------------------------------------------------------------------------- */

static bool is_servers_own(weir_str name)
{
    switch (weir__http_field_id(name)) {
    case WEIR__HTTP_FIELD_CONTENT_LENGTH:
    case WEIR__HTTP_FIELD_TRANSFER_ENCODING:
    case WEIR__HTTP_FIELD_CONNECTION:
    case WEIR__HTTP_FIELD_KEEP_ALIVE:
    case WEIR__HTTP_FIELD_DATE:
    case WEIR__HTTP_FIELD_CONTENT_TYPE:
    case WEIR__HTTP_FIELD_TRAILER:
    case WEIR__HTTP_FIELD_UPGRADE:
        return true;
    default:
        return false;
    }
}

int weir__http_add_field(struct weir_request *request, weir_str name, weir_str value)
{
    struct weir__http_extra *extra = weir__arena_alloc(&request->arena, sizeof *extra);
    char *name_copy = weir__arena_strndup(&request->arena, name.data, name.size);
    char *value_copy = weir__arena_strndup(&request->arena, value.data, value.size);
    if (extra == NULL || name_copy == NULL || value_copy == NULL)
        return -ENOMEM;
    *extra = (struct weir__http_extra){
        .name = {name_copy, name.size},
        .value = {value_copy, value.size},
    };
    *request->now.extras_end = extra;
    request->now.extras_end = &extra->next;
    request->now.extras_bytes += name.size + value.size + 4;
    return 0;
}

/* Fields that tell of the answer that was meant, and would be wrong on a problem in its place: an
 * error must not be cached for an hour, or be taken for gzip. */
static bool is_of_content(weir_str name)
{
    switch (weir__http_field_id(name)) {
    case WEIR__HTTP_FIELD_CONTENT_ENCODING:
    case WEIR__HTTP_FIELD_CONTENT_DISPOSITION:
    case WEIR__HTTP_FIELD_CONTENT_RANGE:
    case WEIR__HTTP_FIELD_ACCEPT_RANGES:
    case WEIR__HTTP_FIELD_ETAG:
    case WEIR__HTTP_FIELD_LAST_MODIFIED:
    case WEIR__HTTP_FIELD_CACHE_CONTROL:
    case WEIR__HTTP_FIELD_EXPIRES:
    case WEIR__HTTP_FIELD_AGE:
    case WEIR__HTTP_FIELD_LOCATION:
        return true;
    default:
        return false;
    }
}

void weir__http_drop_content_fields(struct weir_request *request)
{
    struct weir__http_extra **link = &request->now.extras;
    while (*link != NULL) {
        if (is_of_content((*link)->name))
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    request->now.extras_end = link;
}

int weir_respond_header(weir_request *request, const char *name, const char *value)
{
    if (request->now.answer != WEIR__HTTP_ANSWER_NONE)
        return weir_fail(-EALREADY, "the head of the answer is written; add %s before it", name);
    weir_str name_str = weir__str_from(name);
    weir_str value_str = weir__str_from(value);
    const char *problem = weir__http_field_problem(name_str, value_str);
    if (problem != NULL)
        return weir_fail(-EINVAL, "a field of the answer is refused: %s", problem);
    if (is_servers_own(name_str))
        return weir_fail(-EINVAL, "the field %s is the server's own", name);
    return weir__http_add_field(request, name_str, value_str);
}

int weir_respond_status(weir_request *request, int status)
{
    if (request->now.answer != WEIR__HTTP_ANSWER_NONE)
        return weir_fail(-EALREADY, "the head of the answer is written");
    if (status < 200 || status > 599)
        return weir_fail(-EINVAL, "%d is no status to answer with; 200 to 599 are", status);
    request->now.wanted_status = status;
    return 0;
}

/* --- what handlers call ----------------------------------------------------------------------- */

int weir_respond_bytes(weir_request *request, int status, const char *content_type,
                       const void *data, size_t size)
{
    weir_str type;
    int rc = weir__http_check_type(content_type, &type);
    return rc < 0 ? rc
                  : weir__http_compose(request, status, type, WEIR__HTTP_PAYLOAD_COPY, data, size);
}

int weir_respond_kept(weir_request *request, int status, const char *content_type, const void *data,
                      size_t size)
{
    weir_str type;
    int rc = weir__http_check_type(content_type, &type);
    return rc < 0 ? rc
                  : weir__http_compose(request, status, type, WEIR__HTTP_PAYLOAD_KEEP, data, size);
}

int weir_respond_empty(weir_request *request, int status)
{
    return weir__http_compose(request, status, (weir_str){"", 0}, WEIR__HTTP_PAYLOAD_COPY, "", 0);
}

int weir_respond_text(weir_request *request, int status, const char *text)
{
    return weir__http_compose(request, status, WEIR_STR("text/plain; charset=utf-8"),
                              WEIR__HTTP_PAYLOAD_COPY, text, strlen(text));
}

int weir_respond_html(weir_request *request, int status, const char *html)
{
    return weir__http_compose(request, status, WEIR_STR("text/html; charset=utf-8"),
                              WEIR__HTTP_PAYLOAD_COPY, html, strlen(html));
}

int weir_respond_json(weir_request *request, int status, const weir_model *model, const void *value)
{
    struct weir__buffer *json = &request->server->json;
    weir_model_errors errors = {0};
    weir__buffer_clear(json);
    int rc = weir__model_encode_to(json, model, value, &request->arena, &errors);
    if (rc == 0)
        rc = weir__buffer_error(json);
    if (rc == -EINVAL && errors.count > 0)
        rc = weir_fail(rc, "the answer %s%s cannot be written as JSON: %s", model->name,
                       errors.items[0].pointer, errors.items[0].message);
    if (rc == 0)
        rc = weir__http_compose(request, status, WEIR_STR("application/json"),
                                WEIR__HTTP_PAYLOAD_COPY, json->data, json->size);
    if (json->capacity > JSON_KEPT_BYTES_MAX) {
        weir__buffer_deinit(json);
        weir__buffer_init(json);
    }
    return rc;
}
