/*
 * schema.c - the declaration as JSON Schema, and the walk over nested models
 *
 * What the schema says is what the decoder enforces, no more: a client that keeps to it is
 * accepted.
 *
 * Runs on  any thread.
 */
#include "model/model.h"

#include "base/alloc.h"
#include "base/str.h"

/* --- keywords --------------------------------------------------------------------------------- */

static void append_text(struct weir__buffer *buffer, const char *key, const char *text)
{
    if (text == NULL)
        return;
    weir__buffer_append_str(buffer, key);
    weir__json_append_string(buffer, text, strlen(text));
}

static void append_type(struct weir__buffer *buffer, const char *type, bool nullable)
{
    weir__buffer_printf(buffer, nullable ? "\"type\":[\"%s\",\"null\"]" : "\"type\":\"%s\"", type);
}

static void append_lengths(struct weir__buffer *buffer, const char *noun, size_t min, size_t max)
{
    if (min > 0)
        weir__buffer_printf(buffer, ",\"min%s\":%zu", noun, min);
    if (max != SIZE_MAX)
        weir__buffer_printf(buffer, ",\"max%s\":%zu", noun, max);
}

static void append_choices(struct weir__buffer *buffer, const char *choices, bool nullable)
{
    weir__buffer_append_str(buffer, ",\"enum\":[");
    for (const char *at = choices;;) {
        const char *end = strchrnul(at, '|');
        weir__json_append_string(buffer, at, (size_t)(end - at));
        if (*end == '\0')
            break;
        weir__buffer_append_char(buffer, ',');
        at = end + 1;
    }
    weir__buffer_append_str(buffer, nullable ? ",null]" : "]");
}

/* --- values ----------------------------------------------------------------------------------- */

static void append_integer(struct weir__buffer *buffer, weir_model_kind kind,
                           const struct weir__model_rules *rules, bool nullable)
{
    static const char *const formats[] = {
        [WEIR_KIND_INT8] = "int8",     [WEIR_KIND_INT16] = "int16",   [WEIR_KIND_INT32] = "int32",
        [WEIR_KIND_INT64] = "int64",   [WEIR_KIND_UINT8] = "uint8",   [WEIR_KIND_UINT16] = "uint16",
        [WEIR_KIND_UINT32] = "uint32", [WEIR_KIND_UINT64] = "uint64",
    };
    append_type(buffer, "integer", nullable);
    weir__buffer_printf(buffer, ",\"format\":\"%s\"", formats[kind]);

    /* The formats that every tool knows say their range; for the others it is spelled out. */
    char text[WEIR__MODEL_BOUND_MAX];
    long double min, max;
    weir__model_kind_range(kind, &min, &max);
    bool known = kind == WEIR_KIND_INT32 || kind == WEIR_KIND_INT64;
    if (rules->min > min || !known)
        weir__buffer_printf(buffer, ",\"minimum\":%s",
                            weir__model_format_bound(rules->min > min ? rules->min : min, text));
    if (rules->max < max || !(known || kind == WEIR_KIND_UINT64))
        weir__buffer_printf(buffer, ",\"maximum\":%s",
                            weir__model_format_bound(rules->max < max ? rules->max : max, text));
}

static void append_floating(struct weir__buffer *buffer, weir_model_kind kind,
                            const struct weir__model_rules *rules, bool nullable)
{
    char text[WEIR__MODEL_BOUND_MAX];
    long double min, max;
    weir__model_kind_range(kind, &min, &max);
    append_type(buffer, "number", nullable);
    weir__buffer_append_str(buffer, kind == WEIR_KIND_FLOAT ? ",\"format\":\"float\""
                                                            : ",\"format\":\"double\"");
    if (rules->min > min)
        weir__buffer_printf(buffer, ",\"minimum\":%s", weir__model_format_bound(rules->min, text));
    if (rules->max < max)
        weir__buffer_printf(buffer, ",\"maximum\":%s", weir__model_format_bound(rules->max, text));
}

static void append_string(struct weir__buffer *buffer, const struct weir__model_rules *rules,
                          bool nullable)
{
    append_type(buffer, "string", nullable);
    append_lengths(buffer, "Length", rules->min_len, rules->max_len);
    if (rules->one_of != NULL)
        append_choices(buffer, rules->one_of, nullable);
    const struct weir__model_format *format =
        rules->format == NULL ? NULL : weir__model_find_format(rules->format);
    if (format != NULL) {
        append_text(buffer, ",\"format\":", format->schema_format);
        append_text(buffer, ",\"pattern\":", format->schema_pattern);
    }
}

/* The keywords of a value, without the braces around them. */
static void append_value(struct weir__buffer *buffer, const weir_field *field, bool nullable)
{
    struct weir__model_rules rules;
    weir__model_value_rules(field, &rules);
    switch (field->kind) {
    case WEIR_KIND_BOOL:
        append_type(buffer, "boolean", nullable);
        break;
    case WEIR_KIND_FLOAT:
    case WEIR_KIND_DOUBLE:
        append_floating(buffer, field->kind, &rules, nullable);
        break;
    case WEIR_KIND_TEXT:
        append_string(buffer, &rules, nullable);
        break;
    case WEIR_KIND_MODEL:
        weir__buffer_printf(buffer,
                            nullable ? "\"anyOf\":[{\"$ref\":\"#/components/schemas/%s\"},"
                                       "{\"type\":\"null\"}]"
                                     : "\"$ref\":\"#/components/schemas/%s\"",
                            field->model->name);
        break;
    default:
        append_integer(buffer, field->kind, &rules, nullable);
    }
}

static bool is_json(const char *text)
{
    struct weir__json json;
    weir__json_init(&json, weir__str_from(text));
    return weir__json_peek(&json) > 0 && weir__json_skip(&json) == 0 &&
           weir__json_finish(&json) == 0;
}

void weir__model_append_field_schema(struct weir__buffer *buffer, const weir_field *field)
{
    bool nullable = field->optional || field->shape == WEIR_SHAPE_OPT;
    weir__buffer_append_char(buffer, '{');
    if (field->shape == WEIR_SHAPE_LIST) {
        append_type(buffer, "array", nullable);
        weir__buffer_append_str(buffer, ",\"items\":{");
        append_value(buffer, field, false);
        weir__buffer_append_char(buffer, '}');
        append_lengths(buffer, "Items", field->min_len, weir__model_items_max(field));
    } else {
        append_value(buffer, field, nullable);
    }
    append_text(buffer, ",\"description\":", field->doc);
    if (field->or_else != NULL && is_json(field->or_else)) {
        weir__buffer_append_str(buffer, ",\"default\":");
        weir__buffer_append_str(buffer, field->or_else);
    }
    weir__buffer_append_char(buffer, '}');
}

/* --- the whole -------------------------------------------------------------------------------- */

static void append_required(struct weir__buffer *buffer, const weir_model_table *table)
{
    bool first = true;
    for (size_t i = 0; i < table->count; i++) {
        if (!weir__model_field_required(&table->fields[i]))
            continue;
        weir_str name = weir__model_field_name(&table->fields[i]);
        weir__buffer_append_str(buffer, first ? ",\"required\":[" : ",");
        weir__json_append_string(buffer, name.data, name.size);
        first = false;
    }
    if (!first)
        weir__buffer_append_char(buffer, ']');
}

void weir__model_append_schema(struct weir__buffer *buffer, const weir_model *model)
{
    const weir_model_table *table = model->table();
    weir__buffer_append_str(buffer, "{\"type\":\"object\"");
    append_text(buffer, ",\"title\":", model->name);
    append_text(buffer, ",\"description\":", model->doc);
    weir__buffer_append_str(buffer, ",\"properties\":{");
    for (size_t i = 0; i < table->count; i++) {
        weir_str name = weir__model_field_name(&table->fields[i]);
        if (i > 0)
            weir__buffer_append_char(buffer, ',');
        weir__json_append_string(buffer, name.data, name.size);
        weir__buffer_append_char(buffer, ':');
        weir__model_append_field_schema(buffer, &table->fields[i]);
    }
    weir__buffer_append_char(buffer, '}');
    append_required(buffer, table);
    if (model->strict)
        weir__buffer_append_str(buffer, ",\"additionalProperties\":false");
    weir__buffer_append_char(buffer, '}');
}

int weir_model_schema(const weir_model *model, weir_arena *arena, weir_str *out_schema)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__model_append_schema(&buffer, model);
    return weir__json_move(&buffer, arena, out_schema);
}

/* --- nested models ---------------------------------------------------------------------------- */

struct models {
    const weir_model **items;
    size_t count;
    size_t capacity;
};

static int add_once(struct models *models, const weir_model *model)
{
    for (size_t i = 0; i < models->count; i++)
        if (models->items[i] == model)
            return 0;
    if (models->count == models->capacity) {
        size_t capacity = models->capacity == 0 ? 8 : models->capacity * 2;
        const weir_model **items =
            weir__base_realloc(models->items, capacity * sizeof models->items[0]);
        if (items == NULL)
            return -ENOMEM;
        models->items = items;
        models->capacity = capacity;
    }
    models->items[models->count++] = model;
    return 0;
}

int weir_model_visit(const weir_model *model, weir_model_visit_fn *visit, void *arg)
{
    struct models models = {0};
    int rc = add_once(&models, model);
    for (size_t i = 0; i < models.count && rc == 0; i++) { /* grows while it is walked */
        rc = visit(models.items[i], arg);
        const weir_model_table *table = models.items[i]->table();
        for (size_t k = 0; k < table->count && rc == 0; k++)
            if (table->fields[k].model != NULL)
                rc = add_once(&models, table->fields[k].model);
    }
    weir__base_free(models.items);
    return rc;
}
