/*
 * request.c - what a handler may ask about its request
 *
 * Texts of the head lie in the connection's block, which is the request's until it ends: most are
 * closed with a NUL in place, over the byte that followed them in the head. Where that byte is
 * still needed (the host of an absolute target, the target as a whole) a copy is made in the arena.
 *
 * Runs on  the connection's task.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/parse/url.h"
#include "http/request.h"
#include "http/server.h"

/* Closes a slice of the head in place. Some are literals of the parser, closed already. */
static const char *closed(weir_str text)
{
    if (text.data[text.size] != '\0')
        ((char *)(uintptr_t)text.data)[text.size] = '\0';
    return text.data;
}

static bool has_head(const weir_request *request)
{
    return request->now.has_head;
}

const char *weir_request_method(weir_request *request)
{
    return has_head(request) ? closed(request->head.method_text) : "";
}

const char *weir_request_path(weir_request *request)
{
    return has_head(request) ? closed(request->head.path) : "";
}

const char *weir_request_target(weir_request *request)
{
    if (!has_head(request))
        return "";
    if (request->now.target_text == NULL) {
        const struct weir__http_request_head *head = &request->head;
        char *copy = weir__arena_strndup(&request->arena, head->target.data, head->target.size);
        if (copy == NULL)
            return "";
        if (head->query.data != NULL) // may be closed over, if the path was asked for before
            copy[head->query.data - 1 - head->target.data] = '?';
        request->now.target_text = copy;
    }
    return request->now.target_text;
}

const char *weir_request_host(weir_request *request)
{
    if (!has_head(request) || request->head.host.text.data == NULL)
        return "";
    if (request->now.host_text == NULL) {
        weir_str host = request->head.host.text;
        request->now.host_text = weir__arena_strndup(&request->arena, host.data, host.size);
    }
    return request->now.host_text == NULL ? "" : request->now.host_text;
}

/* Percent-decoded in the arena, closed with NUL. -EINVAL: a broken triplet, %00, no UTF-8;
 * -ENOMEM. */
static int decode(weir_request *request, weir_str raw, unsigned flags, weir_str *out_text)
{
    char *text = weir__arena_alloc(&request->arena, raw.size + 1);
    if (text == NULL)
        return -ENOMEM;
    ssize_t size = weir__http_decode(raw, flags, text, raw.size, &request->fail);
    if (size < 0)
        return -EINVAL;
    text[size] = '\0';
    *out_text = (weir_str){text, (size_t)size};
    return 0;
}

/* --- the path --------------------------------------------------------------------------------- */

int weir__http_check_path(struct weir_request *request)
{
    weir_str path = request->head.path, decoded;
    if (memchr(path.data, '%', path.size) == NULL)
        return 0;
    return decode(request, path, 0, &decoded);
}

static const char *param_text(weir_request *request, size_t index)
{
    const char **text = &request->now.param_texts[index];
    weir_str decoded;
    if (*text == NULL && decode(request, request->match.params[index], 0, &decoded) == 0)
        *text = decoded.data;
    return *text;
}

const char *weir_request_param(weir_request *request, const char *name)
{
    const struct weir__http_route *route = request->match.route;
    weir_str wanted = weir__str_from(name);
    for (size_t i = 0; route != NULL && i < route->param_count; i++)
        if (weir__str_equal(route->param_names[i], wanted))
            return param_text(request, i);
    return NULL;
}

int weir__http_param_pairs(struct weir_request *request, weir_model_pair *pairs, size_t *out_count)
{
    const struct weir__http_route *route = request->match.route;
    for (size_t i = 0; i < route->param_count; i++) {
        const char *text = param_text(request, i);
        if (text == NULL)
            return -ENOMEM;
        pairs[i] = (weir_model_pair){route->param_names[i], weir__str_from(text)};
    }
    *out_count = route->param_count;
    return 0;
}

/* A model that is declared in a header has a table of its own in each file that includes it. */
static bool is_same_model(const weir_model *one, const weir_model *other)
{
    return one == other || (one != NULL && other != NULL && one->size == other->size &&
                            strcmp(one->name, other->name) == 0);
}

const void *weir_request_params_model(weir_request *request, const weir_model *model)
{
    const weir_route *route = weir_request_route(request);
    return route != NULL && is_same_model(route->params, model) ? request->now.params_model : NULL;
}

/* --- the query -------------------------------------------------------------------------------- */

static size_t count_pairs(weir_str query)
{
    size_t count = 1;
    const char *at = query.data;
    const char *end = query.data + query.size;
    while ((at = memchr(at, '&', (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

static int read_pair(weir_request *request, weir_str text, weir_model_pair *out_pair)
{
    const char *mark = memchr(text.data, '=', text.size);
    weir_str name = text, value = {"", 0};
    if (mark != NULL) {
        name.size = (size_t)(mark - text.data);
        value = (weir_str){mark + 1, text.size - name.size - 1};
    }
    int rc = decode(request, name, WEIR__HTTP_DECODE_PLUS, &out_pair->name);
    return rc < 0 ? rc : decode(request, value, WEIR__HTTP_DECODE_PLUS, &out_pair->value);
}

int weir__http_parse_query(struct weir_request *request)
{
    weir_str query = request->head.query;
    size_t count = count_pairs(query);
    if (count > request->server->options.limits.query_params_max) {
        weir__http_limit_hit(request->server, WEIR_HTTP_LIMIT_QUERY_COUNT, request->conn);
        return -EMSGSIZE;
    }
    weir_model_pair *pairs = weir__arena_alloc(&request->arena, count * sizeof *pairs);
    if (pairs == NULL)
        return -ENOMEM;
    size_t used = 0;
    while (query.size > 0) {
        const char *mark = memchr(query.data, '&', query.size);
        weir_str text = {query.data, mark == NULL ? query.size : (size_t)(mark - query.data)};
        size_t taken = text.size + (mark == NULL ? 0 : 1);
        query = (weir_str){query.data + taken, query.size - taken};
        if (text.size == 0)
            continue;
        int rc = read_pair(request, text, &pairs[used]);
        if (rc < 0)
            return rc;
        used++;
    }
    request->now.query_pairs = pairs;
    request->now.query_count = used;
    return 0;
}

const char *weir_request_query(weir_request *request, const char *name)
{
    weir_str wanted = weir__str_from(name);
    for (size_t i = 0; i < request->now.query_count; i++)
        if (weir__str_equal(request->now.query_pairs[i].name, wanted))
            return request->now.query_pairs[i].value.data;
    return NULL;
}

void weir_request_query_pairs(weir_request *request, const weir_model_pair **out_pairs,
                              size_t *out_count)
{
    *out_pairs = request->now.query_pairs;
    *out_count = request->now.query_count;
}

const void *weir_request_query_model(weir_request *request, const weir_model *model)
{
    const weir_route *route = weir_request_route(request);
    return route != NULL && is_same_model(route->query, model) ? request->now.query_model : NULL;
}

/* --- fields ----------------------------------------------------------------------------------- */

const char *weir_request_header(weir_request *request, const char *name)
{
    if (!has_head(request))
        return NULL;
    weir_str wanted = weir__str_from(name);
    const struct weir__http_fields *fields = &request->head.fields;
    enum weir__http_field_id id = weir__http_field_id(wanted);
    const struct weir__http_field *field = id == WEIR__HTTP_FIELD_OTHER
                                               ? weir__http_fields_next(fields, NULL, wanted)
                                               : weir__http_fields_get(fields, id);
    return field == NULL ? NULL : closed(field->value);
}

bool weir_request_header_at(weir_request *request, size_t index, const char **out_name,
                            const char **out_value)
{
    if (!has_head(request) || index >= request->head.fields.count)
        return false;
    const struct weir__http_field *field = &request->head.fields.items[index];
    *out_name = closed(field->name);
    *out_value = closed(field->value);
    return true;
}

/* --- the body --------------------------------------------------------------------------------- */

weir_str weir_request_body(weir_request *request)
{
    if (!request->body.collected)
        return (weir_str){"", 0};
    return request->body.whole;
}

static ssize_t read_stream(weir_request *request, void *buffer, size_t size)
{
    bool was_done = request->body.done;
    ssize_t taken = weir__http_body_pull(request, buffer, size);
    // From here on the time is the handler's own.
    if (!was_done && request->body.done && request->now.answer < WEIR__HTTP_ANSWER_STREAM &&
        request->match.route->public->timeout_ns == 0)
        weir_scope_set_deadline(&request->scope, weir__http_time_limit_at_ns(request));
    return taken;
}

ssize_t weir_body_read(weir_request *request, void *buffer, size_t size)
{
    if (size == 0)
        return -EINVAL; // 0 would look like the end
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    struct weir__http_body *body = &request->body;
    if (!body->collected)
        return read_stream(request, buffer, size);
    size_t left = body->whole.size - body->whole_read;
    size_t taken = left < size ? left : size;
    memcpy(buffer, body->whole.data + body->whole_read, taken);
    body->whole_read += taken;
    weir__core_completed_at_once();
    return (ssize_t)taken;
}

/* --- who and what ----------------------------------------------------------------------------- */

void weir__http_conn_peer(const struct weir__http_conn *conn, char out_text[WEIR__HTTP_PEER_BYTES])
{
    weir_address address = {0};
    char text[WEIR_ADDRESS_TEXT_BYTES];
    out_text[0] = '\0';
    switch (conn->peer.any.sa_family) {
    case AF_INET:
        memcpy(&address.storage, &conn->peer.v4, sizeof conn->peer.v4);
        address.size = sizeof conn->peer.v4;
        break;
    case AF_INET6:
        memcpy(&address.storage, &conn->peer.v6, sizeof conn->peer.v6);
        address.size = sizeof conn->peer.v6;
        break;
    case AF_UNIX:
        snprintf(out_text, WEIR__HTTP_PEER_BYTES, "unix");
        return;
    default:
        return;
    }
    weir_address_format(&address, text);
    snprintf(out_text, WEIR__HTTP_PEER_BYTES, "%.*s", WEIR__HTTP_PEER_BYTES - 1, text);
}

const char *weir_request_peer(weir_request *request)
{
    if (request->now.peer[0] == '\0')
        weir__http_conn_peer(request->conn, request->now.peer);
    return request->now.peer;
}

/* 48 bits of time in milliseconds, 80 of chance, five bits a letter, none that looks like
 * another. */
static void make_id(weir_http_server *server, char out_id[WEIR__HTTP_ID_BYTES])
{
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t time_ms = (uint64_t)(weir__base_wall_now() / WEIR_MS);
    uint64_t high = weir__base_random_next(&server->random_state);
    uint64_t low = weir__base_random_next(&server->random_state);
    for (int i = 9; i >= 0; i--, time_ms >>= 5)
        out_id[i] = letters[time_ms & 31];
    for (int i = 17; i >= 10; i--, high >>= 5)
        out_id[i] = letters[high & 31];
    for (int i = 25; i >= 18; i--, low >>= 5)
        out_id[i] = letters[low & 31];
    out_id[26] = '\0';
}

const char *weir_request_id(weir_request *request)
{
    if (request->now.id[0] == '\0')
        make_id(request->server, request->now.id);
    return request->now.id;
}

bool weir_request_client_finished(const weir_request *request)
{
    return weir__http_conn_ended(request->conn);
}

weir_arena *weir_request_arena(weir_request *request)
{
    return &request->arena;
}

const weir_route *weir_request_route(const weir_request *request)
{
    return request->match.route == NULL ? NULL : request->match.route->public;
}

void *weir_request_context(const weir_request *request)
{
    return request->server->options.context;
}

void *weir_request_hooks_arg(const weir_request *request)
{
    return request->server->options.hooks.arg;
}

bool weir_request_draining(const weir_request *request)
{
    return request->server->retiring;
}
