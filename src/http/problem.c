/*
 * problem.c - problem documents (RFC 9457)
 *
 *     {"type":"/problems/not-found","title":"Not Found","status":404,"detail":"no check 17",
 *      "request_id":"01J..."}
 *
 * Runs on  the connection's task.
 */
#include <stdio.h>
#include <string.h>

#include <weir/failure.h>

#include "base/str.h"
#include "http/server.h"
#include "model/model.h"

enum { DETAIL_BYTES = 512 };

/* `Not Found` as the last part of an address: `not-found`. */
static void append_slug(struct weir__buffer *json, const char *title)
{
    for (; *title != '\0'; title++) {
        char c = *title;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            weir__buffer_append_char(json, c);
        else if (c == ' ' || c == '-')
            weir__buffer_append_char(json, '-');
    }
}

static void append_text(struct weir__buffer *json, const char *before, const char *text)
{
    weir__buffer_append_str(json, before);
    weir__buffer_append_json(json, text, strlen(text));
    weir__buffer_append_char(json, '"');
}

static void write_document(struct weir_request *request, struct weir__buffer *json, int status,
                           const char *type, const weir_model_errors *errors, const char *detail)
{
    const char *base = request->server->options.problem_base;
    const char *title = weir__http_reason(status);
    if (title[0] == '\0')
        title = "Error";
    append_text(json, "{\"type\":\"", base == NULL ? "/problems/" : base);
    json->size--; // the closing quotation mark comes after the rest
    append_slug(json, type == NULL ? title : type);
    if (type != NULL && strcmp(type, "validation") == 0)
        title = "Validation failed";
    append_text(json, "\",\"title\":\"", title);
    weir__buffer_append_str(json, ",\"status\":");
    weir__buffer_append_int(json, status);
    if (detail != NULL && detail[0] != '\0')
        append_text(json, ",\"detail\":\"", detail);
    append_text(json, ",\"request_id\":\"", weir_request_id(request));
    if (errors != NULL && errors->count > 0) {
        weir__buffer_append_str(json, ",\"errors\":");
        weir__model_append_errors(json, errors);
    }
    weir__buffer_append_char(json, '}');
}

void weir__http_problem(struct weir_request *request, int status, const char *type,
                        const weir_model_errors *errors, const char *detail)
{
    if (request->now.answer >= WEIR__HTTP_ANSWER_STREAM)
        return; // its head is gone; the handler's code cuts it
    struct weir__buffer *json = &request->server->json;
    weir__http_take_back(request);
    weir__http_drop_content_fields(request);
    weir__buffer_clear(json);
    write_document(request, json, status, type, errors, detail);
    int rc = weir__buffer_error(json);
    if (rc == 0)
        rc = weir__http_compose(request, status, WEIR_STR("application/problem+json"),
                                WEIR__HTTP_PAYLOAD_COPY, json->data, json->size);
    if (rc < 0)
        rc = weir_respond_empty(request, status);
    if (rc == 0)
        request->now.answer = WEIR__HTTP_ANSWER_PROBLEM;
}

/* What a handler that answers with a problem returns. */
static int code_of(int status)
{
    switch (status) {
    case 401:
    case 403:
        return -EACCES;
    case 404:
    case 410:
        return -ENOENT;
    case 409:
    case 412:
        return -EEXIST;
    case 413:
    case 414:
    case 431:
        return -EMSGSIZE;
    case 408:
    case 504:
        return -ETIMEDOUT;
    case 429:
    case 503:
        return -EBUSY;
    case 405:
    case 501:
        return -EOPNOTSUPP;
    case 507:
        return -ENOSPC;
    default:
        return status < 500 ? -EINVAL : -EIO;
    }
}

static WEIR_PRINTF(4, 0) int respond(weir_request *request, int status,
                                     const weir_model_errors *errors, const char *format,
                                     va_list args)
{
    char detail[DETAIL_BYTES] = "";
    if (format != NULL)
        vsnprintf(detail, sizeof detail, format, args);
    if (status < 400 || status > 599)
        status = 500;
    weir__http_problem(request, status, errors != NULL && status == 422 ? "validation" : NULL,
                       errors, detail);
    return weir_fail(code_of(status), "%s", detail[0] != '\0' ? detail : weir__http_reason(status));
}

int weir_http_problem(weir_request *request, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = respond(request, status, NULL, format, args);
    va_end(args);
    return rc;
}

int weir_http_problem_errors(weir_request *request, int status, const weir_model_errors *errors,
                             const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = respond(request, status, errors, format, args);
    va_end(args);
    return rc;
}
