/*
 * encode.c - struct to JSON
 *
 * The names of members stand in the table as `,"name":`, made by the compiler, so that most of the
 * work is copying.
 *
 * Runs on  any thread; buffer and arena belong to it.
 * Holds    The stack in use is bounded by WEIR_MODEL_DEPTH_MAX, also when pointers form a circle.
 */
#include "model/model.h"

#include <math.h>

#include "base/str.h"

struct encoder {
    struct weir__buffer *buffer;
    struct weir__model_report report;
    unsigned depth;
};

static int encode_object(struct encoder *encoder, const struct weir__model_place *outer,
                         const weir_model *model, const char *base);

/* The first thing that cannot be said ends the writing: half an answer is of no use. */
static int refuse(struct encoder *encoder, const struct weir__model_place *place, const char *type,
                  const char *why)
{
    int rc = weir__model_report(&encoder->report, place, type, "%s", why);
    return rc < 0 ? rc : -EINVAL;
}

static void *load_pointer(const char *slot)
{
    void *pointer;
    memcpy(&pointer, slot, sizeof pointer);
    return pointer;
}

static void append_null(struct encoder *encoder)
{
    weir__buffer_append(encoder->buffer, "null", 4);
}

/* --- single values ---------------------------------------------------------------------------- */

static void encode_uint(struct encoder *encoder, bool negative, uint64_t magnitude)
{
    char *to = weir__buffer_reserve(encoder->buffer, 21);
    if (to == NULL)
        return;
    *to = '-';
    encoder->buffer->size += negative + weir__str_format_uint(to + negative, magnitude);
}

static void encode_int(struct encoder *encoder, int64_t value)
{
    encode_uint(encoder, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static int encode_floating(struct encoder *encoder, const struct weir__model_place *place,
                           bool narrow, const char *slot)
{
    float single = 0;
    double value;
    if (narrow) {
        memcpy(&single, slot, sizeof single);
        value = single;
    } else {
        memcpy(&value, slot, sizeof value);
    }
    if (!isfinite(value))
        return refuse(encoder, place, "type",
                      isnan(value) ? "is not a number (NaN), which JSON cannot say"
                                   : "is infinite, which JSON cannot say");
    char *to = weir__buffer_reserve(encoder->buffer, WEIR__JSON_DOUBLE_MAX);
    if (to != NULL)
        encoder->buffer->size +=
            narrow ? weir__json_format_float(single, to) : weir__json_format_double(value, to);
    return 0;
}

#define LOAD(type, slot)                                                                           \
    ({                                                                                             \
        type loaded;                                                                               \
        memcpy(&loaded, (slot), sizeof loaded);                                                    \
        loaded;                                                                                    \
    })

static int encode_value(struct encoder *encoder, const struct weir__model_place *place,
                        const weir_field *field, const char *slot)
{
    switch (field->kind) {
    case WEIR_KIND_BOOL:
        if (LOAD(uint8_t, slot) != 0)
            weir__buffer_append(encoder->buffer, "true", 4);
        else
            weir__buffer_append(encoder->buffer, "false", 5);
        return 0;
    case WEIR_KIND_INT8:
        encode_int(encoder, LOAD(int8_t, slot));
        return 0;
    case WEIR_KIND_INT16:
        encode_int(encoder, LOAD(int16_t, slot));
        return 0;
    case WEIR_KIND_INT32:
        encode_int(encoder, LOAD(int32_t, slot));
        return 0;
    case WEIR_KIND_INT64:
        encode_int(encoder, LOAD(int64_t, slot));
        return 0;
    case WEIR_KIND_UINT8:
        encode_uint(encoder, false, LOAD(uint8_t, slot));
        return 0;
    case WEIR_KIND_UINT16:
        encode_uint(encoder, false, LOAD(uint16_t, slot));
        return 0;
    case WEIR_KIND_UINT32:
        encode_uint(encoder, false, LOAD(uint32_t, slot));
        return 0;
    case WEIR_KIND_UINT64:
        encode_uint(encoder, false, LOAD(uint64_t, slot));
        return 0;
    case WEIR_KIND_FLOAT:
    case WEIR_KIND_DOUBLE:
        return encode_floating(encoder, place, field->kind == WEIR_KIND_FLOAT, slot);
    case WEIR_KIND_MODEL:
        return encode_object(encoder, place, field->model, slot);
    case WEIR_KIND_TEXT: {
        const char *text = load_pointer(slot);
        if (text == NULL)
            return refuse(encoder, place, "missing", "is NULL, and the field is not optional");
        weir__json_append_string(encoder->buffer, text, strlen(text));
        return 0;
    }
    default:
        return -EINVAL;
    }
}

/* --- members ---------------------------------------------------------------------------------- */

static int encode_list(struct encoder *encoder, const struct weir__model_place *place,
                       const weir_field *field, const char *slot)
{
    struct weir__any_list list;
    memcpy(&list, slot, sizeof list);
    if (list.count > 0 && list.items == NULL)
        return refuse(encoder, place, "missing", "counts items, but they are NULL");
    if (encoder->depth >= WEIR_MODEL_DEPTH_MAX)
        return refuse(encoder, place, "json", "is nested too deep, more than 64 levels");

    size_t item_bytes = weir__model_kind_bytes(field->kind, field->model);
    const char *items = (const char *)list.items;
    struct weir__model_place item = {.outer = place};
    encoder->depth++;
    weir__buffer_append_char(encoder->buffer, '[');
    for (; item.index < list.count; item.index++) {
        if (item.index > 0)
            weir__buffer_append_char(encoder->buffer, ',');
        int rc = encode_value(encoder, &item, field, items + item.index * item_bytes);
        if (rc < 0)
            return rc;
        if (encoder->buffer->error != 0) /* a long list: no need to walk all of it for nothing */
            break;
    }
    weir__buffer_append_char(encoder->buffer, ']');
    encoder->depth--;
    return 0;
}

/* Whether there is nothing to write but null. */
static bool is_absent(const weir_field *field, const char *slot)
{
    if (field->shape == WEIR_SHAPE_OPT)
        return LOAD(uint8_t, slot) == 0;
    bool pointer = field->shape != WEIR_SHAPE_PLAIN || field->kind == WEIR_KIND_TEXT;
    return pointer && field->optional && load_pointer(slot) == NULL; /* a list begins with one */
}

static int encode_member(struct encoder *encoder, const struct weir__model_place *place,
                         const weir_field *field, const char *slot, bool absent)
{
    if (absent) {
        append_null(encoder);
        return 0;
    }
    switch (field->shape) {
    case WEIR_SHAPE_OPT:
        return encode_value(encoder, place, field, slot + weir__model_opt_offset(field->kind));
    case WEIR_SHAPE_LIST:
        return encode_list(encoder, place, field, slot);
    case WEIR_SHAPE_POINTER: {
        const char *nested = load_pointer(slot);
        if (nested == NULL)
            return refuse(encoder, place, "missing", "is NULL, and the field is not optional");
        return encode_value(encoder, place, field, nested);
    }
    default:
        return encode_value(encoder, place, field, slot);
    }
}

static void append_key(struct encoder *encoder, const weir_field *field, bool first)
{
    if (field->name == NULL) {
        weir__buffer_append(encoder->buffer, field->key + first, field->key_size - first);
        return;
    }
    if (!first)
        weir__buffer_append_char(encoder->buffer, ',');
    weir__json_append_string(encoder->buffer, field->name, strlen(field->name));
    weir__buffer_append_char(encoder->buffer, ':');
}

static int encode_object(struct encoder *encoder, const struct weir__model_place *outer,
                         const weir_model *model, const char *base)
{
    if (encoder->depth >= WEIR_MODEL_DEPTH_MAX)
        return refuse(encoder, outer, "json", "is nested too deep, more than 64 levels");
    const weir_model_table *table = model->table();
    bool first = true;
    encoder->depth++;
    weir__buffer_append_char(encoder->buffer, '{');
    for (size_t i = 0; i < table->count; i++) {
        const weir_field *field = &table->fields[i];
        const char *slot = base + field->offset;
        bool absent = is_absent(field, slot);
        if (absent && field->omit_absent)
            continue;
        append_key(encoder, field, first);
        first = false;
        struct weir__model_place place = {.outer = outer, .name = weir__model_field_name(field)};
        int rc = encode_member(encoder, &place, field, slot, absent);
        if (rc < 0)
            return rc;
    }
    weir__buffer_append_char(encoder->buffer, '}');
    encoder->depth--;
    return 0;
}

int weir__model_encode_to(struct weir__buffer *buffer, const weir_model *model, const void *value,
                          weir_arena *arena, weir_model_errors *errors)
{
    struct encoder encoder = {
        .buffer = buffer,
        .report = {.arena = arena, .errors = errors, .in = "value"},
    };
    int rc = encode_object(&encoder, NULL, model, value);
    return rc < 0 ? rc : weir__buffer_error(buffer);
}

int weir_model_encode(const weir_model *model, const void *value, weir_arena *arena,
                      weir_str *out_json, weir_model_errors *errors)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    int rc = weir__model_encode_to(&buffer, model, value, arena, errors);
    if (rc < 0) {
        weir__buffer_deinit(&buffer);
        return rc;
    }
    return weir__json_move(&buffer, arena, out_json);
}
