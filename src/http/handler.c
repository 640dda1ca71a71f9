/*
 * handler.c - from a head that was read to an answer that is final
 *
 * The order: the limit of requests in flight; filters, the server's and the route's; then what
 * stands before a handler (is there a route, is its body wanted, does it fit its types); the
 * handler; and what its code means for the answer. Filters see every request, also those that no
 * route takes.
 *
 * Runs on  the connection's task. Filters and handler run in one scope with the route's time limit;
 *          a body that is collected before the handler does not count against it.
 * Holds    1. A request ends with one answer, or with a connection that ends: a handler that fails
 *          after
 *             bytes were sent cuts them off, never ends them well.
 *          2. What a handler's failure says goes to the hook, not to the client.
 */
#include <assert.h>
#include <string.h>

#include <weir/failure.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/request.h"
#include "http/server.h"
#include "model/model.h"

struct weir_next {
    weir_filter_fn *const *filters;
    bool of_route; /* filters are the route's: behind the last one is the handler */
    bool used;
};

/* --- what a typed handler is given ------------------------------------------------------------ */

static bool is_typed(const weir_model *model)
{
    return model != NULL && model != &weir_none_weir_model;
}

/* Memory for a struct of a model, all zero. */
static int take_struct(struct weir_request *request, const weir_model *model, void **out_struct)
{
    *out_struct = weir__arena_alloc_zero(&request->arena, model->size);
    return *out_struct == NULL ? -ENOMEM : 0;
}

/* -EINVAL means that errors has more than before; it is not returned. */
static int gather_errors(int rc)
{
    return rc == -EINVAL ? 0 : rc;
}

static int read_params(struct weir_request *request, weir_model_errors *errors)
{
    const weir_model *model = request->match.route->public->params;
    if (!is_typed(model))
        return 0;
    weir_model_pair pairs[WEIR__HTTP_PARAMS_MAX];
    size_t count;
    void *value;
    int rc = weir__http_param_pairs(request, pairs, &count);
    if (rc == 0)
        rc = take_struct(request, model, &value);
    if (rc == 0)
        rc = weir_model_decode_pairs(model, pairs, count, "path", &request->arena, value, errors);
    if (rc == 0)
        request->now.params_model = value;
    return gather_errors(rc);
}

static int read_query(struct weir_request *request, weir_model_errors *errors)
{
    const weir_model *model = request->match.route->public->query;
    if (!is_typed(model))
        return 0;
    void *value;
    int rc = take_struct(request, model, &value);
    if (rc == 0)
        rc = weir_model_decode_pairs(model, request->now.query_pairs, request->now.query_count,
                                     "query", &request->arena, value, errors);
    if (rc == 0)
        request->now.query_model = value;
    return gather_errors(rc);
}

/* `application/json`, `application/problem+json`; a charset other than UTF-8 is none of ours. */
static bool is_json(weir_str type)
{
    const char *mark = memchr(type.data, ';', type.size);
    weir_str parameters = {"", 0};
    if (mark != NULL) {
        size_t size = (size_t)(mark - type.data);
        parameters = (weir_str){mark + 1, type.size - size - 1};
        type.size = size;
    }
    type = weir__http_trim(type);
    parameters = weir__http_trim(parameters);
    static const weir_str suffix = {"+json", 5}, charset = {"charset=", 8};
    bool named = weir__str_equal_nocase(type, WEIR_STR("application/json")) ||
                 (type.size > suffix.size && memchr(type.data, '/', type.size) != NULL &&
                  weir__str_equal_nocase(
                      (weir_str){type.data + type.size - suffix.size, suffix.size}, suffix));
    if (!named || parameters.size < charset.size ||
        !weir__str_equal_nocase((weir_str){parameters.data, charset.size}, charset))
        return named;
    weir_str value = {parameters.data + charset.size, parameters.size - charset.size};
    value = weir__str_trim(value, "\"");
    return weir__str_equal_nocase(value, WEIR_STR("utf-8")) ||
           weir__str_equal_nocase(value, WEIR_STR("utf8"));
}

static int check_content_type(struct weir_request *request)
{
    const struct weir__http_field *field =
        weir__http_fields_get(&request->head.fields, WEIR__HTTP_FIELD_CONTENT_TYPE);
    if (request->body.whole.size == 0 || (field != NULL && is_json(field->value)))
        return 0;
    return weir_http_problem(request, 415, "the body must be JSON: Content-Type: application/json");
}

static int read_body_as(struct weir_request *request, const weir_model *model, void **out_value,
                        weir_model_errors *errors)
{
    *out_value = NULL;
    if (!is_typed(model))
        return 0;
    int rc = check_content_type(request);
    if (rc == 0)
        rc = take_struct(request, model, out_value);
    if (rc == 0)
        rc = weir_model_decode(model, request->body.whole, &request->arena, *out_value, errors);
    return rc;
}

static int answer_invalid(struct weir_request *request, const weir_model_errors *errors, int rc)
{
    if (request->now.answer != WEIR__HTTP_ANSWER_NONE)
        return rc;
    if (rc == -EBADMSG) {
        weir__http_problem(request, 400, "malformed-json", errors,
                           "the body is not well-formed JSON");
        return rc;
    }
    if (errors->count == 0)
        return rc;
    weir__http_problem(request, 422, "validation", errors, NULL);
    return -EINVAL;
}

static int default_status(const struct weir_request *request, const weir_route *route,
                          bool has_body)
{
    if (request->now.wanted_status != 0)
        return request->now.wanted_status;
    if (route->status != 0)
        return route->status;
    return has_body ? 200 : 204;
}

static int run_typed(struct weir_request *request, const weir_route *route,
                     const weir_model_errors *before)
{
    const weir_handler *handler = route->handler;
    weir_model_errors errors = *before;
    void *in, *out = NULL;
    int rc = read_body_as(request, handler->in, &in, &errors);
    if (rc < 0 || errors.count > 0)
        return answer_invalid(request, &errors, rc);
    bool answers = is_typed(handler->out);
    if (answers)
        rc = take_struct(request, handler->out, &out);
    if (rc < 0)
        return rc;
    weir_none none = {0}, nothing = {0};
    rc = handler->run(request, in == NULL ? &none : in, out == NULL ? &nothing : out);
    if (rc < 0 || request->now.answer != WEIR__HTTP_ANSWER_NONE || request->now.gone)
        return rc;
    int status = default_status(request, route, answers);
    return answers ? weir_respond_json(request, status, handler->out, out)
                   : weir_respond_empty(request, status);
}

static int run_raw(struct weir_request *request, const weir_route *route,
                   const weir_model_errors *errors)
{
    if (errors->count > 0)
        return answer_invalid(request, errors, 0);
    int rc = route->fn(request);
    if (rc < 0 || request->now.answer != WEIR__HTTP_ANSWER_NONE || request->now.gone)
        return rc;
    if (route->status == 0 && request->now.wanted_status == 0)
        return weir_fail(-EPROTO, "the handler %s returned %d without an answer", route->name, rc);
    return weir_respond_empty(request, default_status(request, route, false));
}

/* --- before a handler ------------------------------------------------------------------------- */

static int answer_options(struct weir_request *request, const char *allow)
{
    int rc = weir__http_add_field(request, WEIR_STR("Allow"), weir__str_from(allow));
    return rc < 0 ? rc : weir_respond_empty(request, 204);
}

static int answer_without_route(struct weir_request *request)
{
    const struct weir__http_request_head *head = &request->head;
    if (head->form == WEIR__HTTP_TARGET_ASTERISK)
        return answer_options(request, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    if (request->match.path_known) {
        char allow[WEIR__HTTP_ALLOW_BYTES];
        weir__http_router_allow(request->server->router, head->path, allow);
        if (head->method == WEIR__HTTP_METHOD_OPTIONS)
            return answer_options(request, allow);
        int rc = weir__http_add_field(request, WEIR_STR("Allow"), weir__str_from(allow));
        return rc < 0 ? rc : weir_http_problem(request, 405, "allowed here: %s", allow);
    }
    if (head->method == WEIR__HTTP_METHOD_CONNECT)
        return weir_http_problem(request, 405, "this is no proxy");
    if (head->method == WEIR__HTTP_METHOD_OTHER)
        return weir_http_problem(request, 501, "a method that is not known here");
    return weir_http_problem(request, 404, NULL);
}

static int answer_refused_body(struct weir_request *request)
{
    if (request->body.status == 413)
        return weir_http_problem(request, 413, "the body is longer than %llu bytes",
                                 (unsigned long long)request->body.bytes_max);
    if (request->body.status == 408)
        return weir_http_problem(request, 408, "the body came too slowly");
    return weir_http_problem(request, request->body.status, "the body is not whole: %s",
                             request->fail.reason == NULL ? "it was cut short"
                                                          : request->fail.reason);
}

/* Query, expectation, body: what is wrong with them is answered here. */
static int check_head(struct weir_request *request)
{
    if (request->head.expect == WEIR__HTTP_EXPECT_UNKNOWN) {
        request->now.closing = true; // it may wait for a word that we do not know
        return weir_http_problem(request, 417, "of all expectations, only 100-continue is known");
    }
    if (request->body.error < 0)
        return answer_refused_body(request);
    int rc = request->head.query.size == 0 ? 0 : weir__http_parse_query(request);
    if (rc == -EMSGSIZE)
        return weir_http_problem(request, 400, "more than %zu parameters in the query",
                                 request->server->options.limits.query_params_max);
    if (rc == -EINVAL)
        return weir_http_problem(request, 400, "the query: %s", request->fail.reason);
    return rc;
}

static int64_t time_limit_ns(const struct weir_request *request)
{
    const struct weir__http_route *route = request->match.route;
    int64_t limit_ns = route == NULL ? 0 : route->public->timeout_ns;
    return limit_ns != 0 ? limit_ns : request->server->options.limits.handler_timeout_ns;
}

int64_t weir__http_time_limit_at_ns(const struct weir_request *request)
{
    int64_t limit_ns = time_limit_ns(request);
    return limit_ns == WEIR_FOREVER ? WEIR_NEVER
                                    : weir__base_add_ns(request->server->loop->now_ns, limit_ns);
}

/* The whole body, on the client's time. */
static int collect_body(struct weir_request *request)
{
    if (weir__http_body_is_here(request))
        return weir__http_body_collect(request);
    weir_scope_set_deadline(&request->scope, WEIR_NEVER);
    int rc = weir__http_body_collect(request);
    weir_scope_set_deadline(&request->scope, weir__http_time_limit_at_ns(request));
    if (rc < 0 && request->body.error < 0)
        return answer_refused_body(request);
    return rc;
}

static int run_handler(struct weir_request *request)
{
    if (request->match.route == NULL)
        return answer_without_route(request);
    const weir_route *route = request->match.route->public;
    int rc = check_head(request);
    if (rc == 0 && !route->stream_body)
        rc = collect_body(request);
    weir_model_errors errors = {0};
    if (rc == 0)
        rc = read_params(request, &errors);
    if (rc == 0)
        rc = read_query(request, &errors);
    if (rc < 0)
        return rc;
    return route->handler != NULL ? run_typed(request, route, &errors)
                                  : run_raw(request, route, &errors);
}

/* --- filters ---------------------------------------------------------------------------------- */

static int run_filters(struct weir_request *request, weir_filter_fn *const *filters, bool of_route)
{
    if (filters != NULL && *filters != NULL) {
        struct weir_next next = {.filters = filters + 1, .of_route = of_route};
        return (*filters)(request, &next);
    }
    if (!of_route && request->match.route != NULL)
        return run_filters(request, request->match.route->public->filters, true);
    return run_handler(request);
}

int weir_next_run(weir_request *request, weir_next *next)
{
    if (next->used)
        return weir_fail(-EALREADY, "a filter goes on only once");
    next->used = true;
    return run_filters(request, next->filters, next->of_route);
}

/* --- what its code means ---------------------------------------------------------------------- */

static void tell_failure(struct weir_request *request, int rc)
{
    const weir_http_hooks *hooks = &request->server->options.hooks;
    if (hooks->handler_failed != NULL)
        hooks->handler_failed(hooks->arg, request, rc, weir_failure_message(rc));
}

/* The client can make something of these; all others are our own business. */
static int status_of_failure(int rc)
{
    switch (rc) {
    case -ETIME: // a limit inside the handler: what it asked did not answer
        return 504;
    case -ENOSPC:
    case -EDQUOT:
        return 507;
    default:
        return 500;
    }
}

/* A failure that no problem tells of yet. */
static void answer_failure(struct weir_request *request, int rc)
{
    if (request->body.error < 0 && rc == request->body.error) { // the client's own doing
        weir_ignore(answer_refused_body(request), "it is the answer");
        return;
    }
    if (rc == -ETIME && weir_scope_expired(&request->scope)) {
        weir__http_limit_hit(request->server, WEIR_HTTP_LIMIT_HANDLER_TIME, request->conn);
        weir__http_problem(request, 503, "timeout", NULL, "the request took too long");
        return;
    }
    if (rc == -ECANCELED || rc == WEIR_CAUGHT) {
        request->now.closing = true;
        weir__http_problem(request, 503, "shutdown", NULL, "the service is stopping");
        return;
    }
    if (rc == -ENOMEM && request->arena.bytes_max > 0 &&
        request->arena.used_bytes * 10 >= request->arena.bytes_max * 9)
        weir__http_limit_hit(request->server, WEIR_HTTP_LIMIT_ARENA_BYTES, request->conn);
    tell_failure(request, rc);
    weir__http_problem(request, status_of_failure(rc), NULL, NULL, NULL);
}

/* The client sees that something is missing. */
static void cut(struct weir_request *request)
{
    struct weir__http_conn *conn = request->conn;
    request->now.cut = true;
    request->now.closing = true;
    // Without a length and without chunks, an end looks like the end.
    if (request->now.answer >= WEIR__HTTP_ANSWER_STREAM && !request->now.chunked &&
        !request->now.sized)
        conn->reset = true;
}

static void conclude_stream(struct weir_request *request, int rc)
{
    int closed = weir__http_stream_close(request, rc);
    if (closed == 0)
        return;
    if (!request->now.gone && closed != -EPIPE && closed != -ETIMEDOUT)
        tell_failure(request, closed);
    cut(request);
}

static void conclude(struct weir_request *request, int rc)
{
    struct weir__http_conn *conn = request->conn;
    enum weir__http_answer answer = request->now.answer;
    request->now.handler_rc = rc;
    if (answer >= WEIR__HTTP_ANSWER_STREAM) {
        conclude_stream(request, rc);
    } else if (request->now.gone) {
        weir__http_take_back(request);
        cut(request);
    } else if (answer != WEIR__HTTP_ANSWER_PROBLEM &&
               (rc < 0 || (rc == WEIR_CAUGHT && answer == WEIR__HTTP_ANSWER_NONE))) {
        answer_failure(request, rc);
    }
    if (request->now.answer == WEIR__HTTP_ANSWER_NONE)
        cut(request); // no memory even for a problem
    weir__http_out_commit(conn);
    // A head that left before the server retired could not say so.
    if (request->now.closing || request->server->retiring)
        conn->finishing = true;
}

void weir__http_report_access(struct weir_request *request)
{
    weir_http_server *server = request->server;
    const weir_http_hooks *hooks = &server->options.hooks;
    const weir_route *route = weir_request_route(request);
    int status = request->now.status;
    if (status >= 100)
        server->stats.status_count[status / 100]++;
    if (hooks->request_ended == NULL || (route != NULL && route->probe))
        return;
    int64_t now_ns = weir_now();
    weir_http_access access = {
        .request = request,
        .method = weir_request_method(request),
        .path = weir_request_path(request),
        .route = route,
        .status = status,
        .rc = request->now.handler_rc,
        .bytes_in = request->body.received,
        .bytes_out = request->now.bytes_out,
        .begun_at_ns = request->now.begun_at_ns,
        .duration_ns = now_ns - request->now.begun_at_ns,
        .cut = request->now.cut,
    };
    hooks->request_ended(hooks->arg, &access);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void begin(struct weir_request *request)
{
    memset(&request->now, 0, offsetof(struct weir__http_request_state, id));
    request->now.id[0] = '\0';
    request->now.peer[0] = '\0';
    request->now.begun_at_ns = request->server->loop->now_ns;
    request->now.extras_end = &request->now.extras;
    request->match.route = NULL;
    request->match.path_known = false;
    request->match.literal = false;
    request->fail.reason = NULL;
}

static void begin_with_head(struct weir_request *request)
{
    weir_http_server *server = request->server;
    const struct weir__http_request_head *head = &request->head;
    begin(request);
    request->now.has_head = true;
    request->now.head_method = head->method == WEIR__HTTP_METHOD_HEAD;
    server->stats.request_count++;
    weir__http_router_match(server->router, head->method, head->method_text, head->path,
                            &request->match);
    const struct weir__http_route *route = request->match.route;
    size_t bytes_max = route == NULL ? 0 : route->public->body_bytes_max;
    if (bytes_max == 0)
        bytes_max = server->options.limits.body_bytes_max;
    weir__http_body_begin(request, bytes_max == WEIR_UNLIMITED ? UINT64_MAX : bytes_max);
    for (size_t i = 0; route != NULL && i < route->param_count; i++)
        request->now.param_texts[i] = NULL;
    server->loop->current->name = route == NULL ? "http request" : route->label;
}

/* The limits of requests do not hold for probes: a full server still says that it lives. */
static bool enter_flight(struct weir_request *request, weir_http_limit *out_limit)
{
    weir_http_server *server = request->server;
    const weir_route *route = weir_request_route(request);
    if (route != NULL && route->probe)
        return true;
    *out_limit = WEIR_HTTP_LIMIT_QUEUE_DELAY;
    if (weir__http_shed_refuses(&server->shed,
                                route == NULL ? WEIR_PRIORITY_NORMAL : route->priority))
        return false;
    *out_limit = WEIR_HTTP_LIMIT_IN_FLIGHT;
    if (server->stats.in_flight_count >= server->options.limits.in_flight_max)
        return false;
    server->stats.in_flight_count++;
    request->now.in_flight = true;
    return true;
}

static int answer_overloaded(struct weir_request *request, weir_http_limit limit)
{
    weir__http_limit_hit(request->server, limit, request->conn);
    weir_ignore(weir__http_add_field(request, WEIR_STR("Retry-After"), WEIR_STR("1")),
                "the status says it as well");
    return weir_http_problem(request, 503,
                             limit == WEIR_HTTP_LIMIT_QUEUE_DELAY
                                 ? "requests wait too long for their turn"
                                 : "too many requests are in flight");
}

static int answer_bad_path(struct weir_request *request, int rc)
{
    return rc == -ENOMEM ? rc
                         : weir_http_problem(request, 400, "the path: %s", request->fail.reason);
}

/* A body that the handler reads as it comes has limits of its own: the handler's begins behind
 * it. */
static bool reads_body_first(const struct weir_request *request)
{
    const weir_route *route = weir_request_route(request);
    return route != NULL && route->stream_body && route->timeout_ns == 0 && !request->body.done;
}

static int run_in_scope(struct weir_request *request)
{
    weir_loop *loop = request->server->loop;
    memset(&request->scope, 0, sizeof request->scope);
    weir__scope_begin(loop, loop->current, &request->scope, WEIR__SCOPE_TIMEOUT, WEIR_NEVER);
    request->now.scope_entered = true;
    if (!reads_body_first(request))
        weir__http_conn_limit_handler(request->conn, weir__http_time_limit_at_ns(request));
    int rc = run_filters(request, request->server->options.filters, false);
    request->now.scope_entered = false;
    if (loop->current->active != &request->scope || // something inside was left open
        (request->scope.weir__flags & WEIR__SCOPE_DEFERS))
        return weir_scope_leave(&request->scope, rc);
    return weir__scope_end(loop, loop->current, &request->scope, rc, NULL);
}

void weir__http_handle(struct weir_request *request)
{
    begin_with_head(request);
    if (weir__http_out_pending(request->conn))
        weir__http_out_soon(request->conn); // should the handler wait, answers before it do not
    weir_http_limit limit;
    int rc = request->match.literal ? 0 : weir__http_check_path(request);
    if (rc < 0)
        rc = answer_bad_path(request, rc);
    else if (!enter_flight(request, &limit))
        rc = answer_overloaded(request, limit);
    else
        rc = run_in_scope(request);
    conclude(request, rc);
    if (request->now.in_flight)
        request->server->stats.in_flight_count--;
    if (request->now.sse)
        request->server->stats.stream_count--;
    weir__http_report_access(request);
}

static void count_refusal(struct weir_request *request)
{
    switch (request->fail.status) {
    case 414:
        weir__http_limit_hit(request->server, WEIR_HTTP_LIMIT_LINE_BYTES, request->conn);
        break;
    case 431:
        weir__http_limit_hit(request->server, WEIR_HTTP_LIMIT_HEAD_BYTES, request->conn);
        break;
    default:
        break;
    }
}

void weir__http_refuse_head(struct weir_request *request)
{
    struct weir__http_fail fail = request->fail;
    begin(request);
    request->now.closing = true;
    request->head.minor = 1;
    request->body = (struct weir__http_body){.done = true};
    count_refusal(request);
    request->fail = fail;
    weir_ignore(weir_http_problem(request, fail.status, "byte %zu: %s", fail.offset, fail.reason),
                "the connection closes after it");
    weir__http_out_commit(request->conn);
    weir__http_report_access(request);
}
