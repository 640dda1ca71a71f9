/*
 * openapi.c - OpenAPI 3.1 from the routes and their models
 *
 * Written in one pass over the routes, grouped by path, straight into a buffer; the schemas of all
 * models that occur follow under components. What weir itself may answer (validation, limits) is
 * part of each operation, since clients meet it.
 *
 * Runs on  any thread, once at start-up; pure but for the buffer's memory.
 */
#include "app/openapi.h"

#include <string.h>

#include "model/model.h"

enum { MODELS_MAX = 512 };

struct document {
    struct weir__buffer *out;
    const weir_router *router;
    const weir_model *models[MODELS_MAX]; /* each once, by name */
    size_t model_count;
};

static void text(struct document *document, const char *value)
{
    weir__buffer_append_char(document->out, '"');
    weir__buffer_append_json(document->out, value, strlen(value));
    weir__buffer_append_char(document->out, '"');
}

static void member(struct document *document, const char *name, const char *value)
{
    text(document, name);
    weir__buffer_append_char(document->out, ':');
    text(document, value);
}

static int remember(const weir_model *model, void *arg)
{
    struct document *document = arg;
    for (size_t i = 0; i < document->model_count; i++)
        if (strcmp(document->models[i]->name, model->name) == 0)
            return 0;
    if (document->model_count == MODELS_MAX)
        return -ENOMEM;
    document->models[document->model_count++] = model;
    return 0;
}

static bool is_body(const weir_model *model)
{
    return model != NULL && model != WEIR_MODEL_OF(weir_none) &&
           strcmp(model->name, "weir_none") != 0;
}

static void reference(struct document *document, const weir_model *model)
{
    weir_ignore(weir_model_visit(model, remember, document), "what does not fit is left out below");
    weir__buffer_printf(document->out, "{\"$ref\":\"#/components/schemas/%s\"}", model->name);
}

/* --- one operation ---------------------------------------------------------------------------- */

static const weir_model *in_of(const weir_route *route)
{
    return route->handler != NULL ? route->handler->in : route->in;
}

static const weir_model *out_of(const weir_route *route)
{
    return route->handler != NULL ? route->handler->out : route->out;
}

static void one_parameter(struct document *document, const weir_field *field, const char *in,
                          bool required, bool *first)
{
    if (!*first)
        weir__buffer_append_char(document->out, ',');
    *first = false;
    weir_str name = weir__model_field_name(field);
    weir__buffer_append_str(document->out, "{\"name\":\"");
    weir__buffer_append_json(document->out, name.data, name.size);
    weir__buffer_printf(document->out, "\",\"in\":\"%s\",\"required\":%s", in,
                        required ? "true" : "false");
    if (field->doc != NULL) {
        weir__buffer_append_char(document->out, ',');
        member(document, "description", field->doc);
    }
    weir__buffer_append_str(document->out, ",\"schema\":");
    weir__model_append_field_schema(document->out, field);
    weir__buffer_append_char(document->out, '}');
}

static void parameters_of_model(struct document *document, const weir_model *model, const char *in,
                                bool *first)
{
    const weir_model_table *table = model->table();
    for (size_t i = 0; i < table->count; i++) {
        const weir_field *field = &table->fields[i];
        bool in_path = strcmp(in, "path") == 0;
        one_parameter(document, field, in, in_path || weir__model_field_required(field), first);
    }
}

/* Names in braces that no model describes: plain strings. */
static void parameters_of_path(struct document *document, const char *path, bool *first)
{
    for (const char *open = strchr(path, '{'); open != NULL; open = strchr(open + 1, '{')) {
        const char *close = strchr(open, '}');
        if (close == NULL)
            return;
        if (!*first)
            weir__buffer_append_char(document->out, ',');
        *first = false;
        weir__buffer_append_str(document->out, "{\"name\":\"");
        weir__buffer_append_json(document->out, open + 1, (size_t)(close - open - 1));
        weir__buffer_append_str(
            document->out,
            "\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}");
    }
}

static void parameters(struct document *document, const weir_route *route)
{
    if (strchr(route->path, '{') == NULL && route->query == NULL)
        return;
    bool first = true;
    weir__buffer_append_str(document->out, ",\"parameters\":[");
    if (route->params != NULL)
        parameters_of_model(document, route->params, "path", &first);
    else
        parameters_of_path(document, route->path, &first);
    if (route->query != NULL)
        parameters_of_model(document, route->query, "query", &first);
    weir__buffer_append_char(document->out, ']');
}

static void content(struct document *document, const char *type, const weir_model *model)
{
    weir__buffer_append_str(document->out, "\"content\":{");
    text(document, type);
    weir__buffer_append_str(document->out, ":{\"schema\":");
    if (is_body(model))
        reference(document, model);
    else
        weir__buffer_append_str(document->out, "{\"type\":\"string\"}");
    weir__buffer_append_str(document->out, "}}");
}

static void request_body(struct document *document, const weir_route *route)
{
    const weir_model *in = in_of(route);
    if (!is_body(in) && route->in_type == NULL)
        return;
    weir__buffer_append_str(document->out, ",\"requestBody\":{\"required\":true,");
    content(document, route->in_type != NULL ? route->in_type : "application/json", in);
    weir__buffer_append_char(document->out, '}');
}

static int success_status(const weir_route *route)
{
    if (route->status != 0)
        return route->status;
    return route->handler != NULL && !is_body(route->handler->out) ? 204 : 200;
}

static void problem(struct document *document, const char *status, const char *what)
{
    weir__buffer_append_char(document->out, ',');
    text(document, status);
    weir__buffer_append_str(document->out, ":{");
    member(document, "description", what);
    weir__buffer_append_str(document->out, ",\"content\":{\"application/problem+json\":{\"schema\":"
                                           "{\"$ref\":\"#/components/schemas/Problem\"}}}}");
}

static void responses(struct document *document, const weir_route *route)
{
    const weir_model *out = out_of(route);
    weir__buffer_printf(document->out, ",\"responses\":{\"%d\":{", success_status(route));
    member(document, "description", "success");
    if (is_body(out) || route->out_type != NULL) {
        weir__buffer_append_char(document->out, ',');
        content(document, route->out_type != NULL ? route->out_type : "application/json", out);
    }
    weir__buffer_append_char(document->out, '}');
    bool has_body = is_body(in_of(route)) || route->in_type != NULL;
    if (is_body(in_of(route)))
        problem(document, "400", "the body is not JSON");
    if (has_body)
        problem(document, "413", "the body is too large");
    if (is_body(in_of(route)) || route->query != NULL || route->params != NULL)
        problem(document, "422", "what came is not valid: every error with its place");
    problem(document, "default", "anything else that went wrong");
    weir__buffer_append_char(document->out, '}');
}

static void operation(struct document *document, const weir_route *route)
{
    char method[16];
    size_t size = strnlen(route->method, sizeof method - 1);
    for (size_t i = 0; i < size; i++)
        method[i] = (char)(route->method[i] | 0x20);
    method[size] = '\0';
    text(document, method);
    weir__buffer_append_str(document->out, ":{");
    member(document, "operationId", route->name != NULL ? route->name : route->path);
    if (route->summary != NULL) {
        weir__buffer_append_char(document->out, ',');
        member(document, "summary", route->summary);
    }
    if (route->doc != NULL) {
        weir__buffer_append_char(document->out, ',');
        member(document, "description", route->doc);
    }
    if (route->tag != NULL) {
        weir__buffer_append_str(document->out, ",\"tags\":[");
        text(document, route->tag);
        weir__buffer_append_char(document->out, ']');
    }
    parameters(document, route);
    request_body(document, route);
    responses(document, route);
    weir__buffer_append_char(document->out, '}');
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Whether a route of the same path was shown before this one. */
static bool path_was_shown(const struct document *document, size_t index)
{
    const weir_route *route = weir_router_at(document->router, index);
    for (size_t i = 0; i < index; i++) {
        const weir_route *other = weir_router_at(document->router, i);
        if (!other->hidden && strcmp(other->path, route->path) == 0)
            return true;
    }
    return false;
}

static void operations_of_path(struct document *document, size_t first_index)
{
    const char *path = weir_router_at(document->router, first_index)->path;
    bool first = true;
    const weir_route *route;
    for (size_t i = first_index; (route = weir_router_at(document->router, i)) != NULL; i++) {
        if (route->hidden || strcmp(route->path, path) != 0)
            continue;
        if (!first)
            weir__buffer_append_char(document->out, ',');
        first = false;
        operation(document, route);
    }
}

static void paths(struct document *document)
{
    bool first = true;
    const weir_route *route;
    for (size_t i = 0; (route = weir_router_at(document->router, i)) != NULL; i++) {
        if (route->hidden || path_was_shown(document, i))
            continue;
        if (!first)
            weir__buffer_append_char(document->out, ',');
        first = false;
        text(document, route->path);
        weir__buffer_append_str(document->out, ":{");
        operations_of_path(document, i);
        weir__buffer_append_char(document->out, '}');
    }
}

static const char problem_schema[] =
    "\"Problem\":{\"type\":\"object\",\"description\":\"RFC "
    "9457\",\"required\":[\"title\",\"status\"],"
    "\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
    "\"request_id\":{\"type\":\"string\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"object\","
    "\"properties\":{\"in\":{\"type\":\"string\"},\"loc\":{\"type\":\"string\","
    "\"description\":\"JSON "
    "pointer\"},\"type\":{\"type\":\"string\"},\"msg\":{\"type\":\"string\"}}}}}}";

static void schemas(struct document *document)
{
    weir__buffer_append_str(document->out, problem_schema);
    for (size_t i = 0; i < document->model_count; i++) {
        weir__buffer_append_char(document->out, ',');
        text(document, document->models[i]->name);
        weir__buffer_append_char(document->out, ':');
        weir__model_append_schema(document->out, document->models[i]);
    }
}

int weir__app_openapi(struct weir__buffer *out, const char *title, const char *version,
                      const char *doc, const weir_router *router)
{
    struct document document = {.out = out, .router = router};
    weir__buffer_append_str(out, "{\"openapi\":\"3.1.0\",\"info\":{");
    member(&document, "title", title);
    weir__buffer_append_char(out, ',');
    member(&document, "version", version);
    if (doc != NULL) {
        weir__buffer_append_char(out, ',');
        member(&document, "description", doc);
    }
    weir__buffer_append_str(out, "},\"paths\":{");
    paths(&document);
    weir__buffer_append_str(out, "},\"components\":{\"schemas\":{");
    schemas(&document);
    weir__buffer_append_str(out, "}}}");
    return weir__buffer_error(out);
}
