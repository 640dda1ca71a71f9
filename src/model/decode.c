/*
 * decode.c - JSON to struct, in one pass
 *
 * The reader is asked for what the table wants and writes where the table says. What does not fit
 * is reported and skipped, so that one answer names everything that is wrong. The outermost struct
 * is filled beside its place and copied at the end: nobody sees a half-read value.
 *
 * Runs on  any thread; the arena belongs to it.
 * Holds    1. When a function here returns 0, the reader stands behind the value it was called for.
 *          2. A pointer written into a struct is NULL or points into the arena.
 *          3. The stack in use is bounded by WEIR_MODEL_DEPTH_MAX.
 */
#include "model/model.h"

#include "base/str.h"

struct decoder {
    struct weir__json json;
    struct weir__model_report report;
};

static int decode_value(struct decoder *decoder, const struct weir__model_place *place,
                        const weir_field *field, const struct weir__model_rules *rules, char *slot);

/* --- what stands there instead ---------------------------------------------------------------- */

static const char *type_name(int type)
{
    static const char *const names[] = {
        [WEIR__JSON_OBJECT] = "an object", [WEIR__JSON_ARRAY] = "an array",
        [WEIR__JSON_STRING] = "a string",  [WEIR__JSON_NUMBER] = "a number",
        [WEIR__JSON_TRUE] = "true",        [WEIR__JSON_FALSE] = "false",
        [WEIR__JSON_NULL] = "null",
    };
    return names[type];
}

static int wrong_type(struct decoder *decoder, const struct weir__model_place *place,
                      const char *wanted, int type)
{
    int rc = weir__model_report(&decoder->report, place, "type", "must be %s, is %s", wanted,
                                type_name(type));
    return rc < 0 ? rc : weir__json_skip(&decoder->json);
}

/* --- single values ---------------------------------------------------------------------------- */

static int decode_text(struct decoder *decoder, const struct weir__model_place *place,
                       const struct weir__model_rules *rules, char *slot)
{
    struct weir__json_string string;
    int rc = weir__json_read_string(&decoder->json, &string);
    if (rc < 0)
        return rc;
    if (string.has_nul)
        return weir__model_report(&decoder->report, place, "format",
                                  "must not contain the character U+0000");
    char *text = weir__arena_alloc(decoder->report.arena, string.size + 1);
    if (text == NULL)
        return -ENOMEM;
    weir__json_unescape(&string, text);
    text[string.size] = '\0';
    memcpy(slot, &text, sizeof text);
    return weir__model_check_text(&decoder->report, place, rules, text, string.size,
                                  string.code_points);
}

static int decode_number(struct decoder *decoder, const struct weir__model_place *place,
                         weir_model_kind kind, const struct weir__model_rules *rules, char *slot)
{
    struct weir__json_number number;
    int rc = weir__json_read_number(&decoder->json, &number);
    if (rc < 0)
        return rc;
    return weir__model_store_number(&decoder->report, place, kind, rules, &number, slot);
}

static int decode_bool(struct decoder *decoder, int type, char *slot)
{
    bool value = type == WEIR__JSON_TRUE;
    memcpy(slot, &value, sizeof value);
    return weir__json_read_word(&decoder->json, (enum weir__json_type)type);
}

/* --- lists and optional values ---------------------------------------------------------------- */

/* Moves to twice the room; what was there before stays in the arena until that ends. */
static int grow_list(struct decoder *decoder, char **items, size_t count, size_t *capacity,
                     size_t item_bytes)
{
    size_t next = *capacity == 0 ? 4 : *capacity;
    if (__builtin_mul_overflow(next, 2, &next))
        return -ENOMEM;
    char *room = weir__arena_alloc_array(decoder->report.arena, next, item_bytes);
    if (room == NULL)
        return -ENOMEM;
    if (count > 0)
        memcpy(room, *items, count * item_bytes);
    *items = room;
    *capacity = next;
    return 0;
}

static int decode_list(struct decoder *decoder, const struct weir__model_place *place,
                       const weir_field *field, const struct weir__model_rules *rules, char *slot)
{
    size_t item_bytes = weir__model_kind_bytes(field->kind, field->model);
    size_t count_max = weir__model_items_max(field);
    char *items = weir__arena_alloc(decoder->report.arena, 0); /* an empty list is not NULL */
    struct weir__model_place item = {.outer = place};
    size_t capacity = 0;

    int rc = items == NULL ? -ENOMEM : weir__json_enter(&decoder->json);
    if (rc < 0)
        return rc;
    while ((rc = weir__json_next_item(&decoder->json, item.index == 0)) > 0) {
        if (item.index >= count_max) { /* only counted: nobody pays for what is refused anyway */
            rc = weir__json_peek(&decoder->json);
            rc = rc < 0 ? rc : weir__json_skip(&decoder->json);
        } else {
            rc = item.index < capacity
                     ? 0
                     : grow_list(decoder, &items, item.index, &capacity, item_bytes);
            if (rc == 0)
                rc = decode_value(decoder, &item, field, rules, items + item.index * item_bytes);
        }
        if (rc < 0)
            return rc;
        item.index++;
    }
    if (rc < 0)
        return rc;

    struct weir__any_list list = {.items = (void *)items, .count = item.index};
    memcpy(slot, &list, sizeof list);
    return weir__model_check_count(&decoder->report, place, field, item.index);
}

static int decode_pointer(struct decoder *decoder, const struct weir__model_place *place,
                          const weir_field *field, const struct weir__model_rules *rules,
                          char *slot)
{
    char *nested = weir__arena_alloc_zero(decoder->report.arena, field->model->size);
    if (nested == NULL)
        return -ENOMEM;
    memcpy(slot, &nested, sizeof nested);
    return decode_value(decoder, place, field, rules, nested);
}

static int decode_opt(struct decoder *decoder, const struct weir__model_place *place,
                      const weir_field *field, const struct weir__model_rules *rules, char *slot)
{
    bool present = true;
    memcpy(slot, &present, sizeof present);
    return decode_value(decoder, place, field, rules, slot + weir__model_opt_offset(field->kind));
}

static int decode_field(struct decoder *decoder, const struct weir__model_place *place,
                        const weir_field *field, char *base)
{
    char *slot = base + field->offset;
    int type = weir__json_peek(&decoder->json);
    if (type < 0)
        return type;
    if (type == WEIR__JSON_NULL && (field->optional || field->shape == WEIR_SHAPE_OPT))
        return weir__json_read_word(&decoder->json, WEIR__JSON_NULL);

    struct weir__model_rules rules;
    weir__model_value_rules(field, &rules);
    switch (field->shape) {
    case WEIR_SHAPE_OPT:
        return decode_opt(decoder, place, field, &rules, slot);
    case WEIR_SHAPE_POINTER:
        return decode_pointer(decoder, place, field, &rules, slot);
    case WEIR_SHAPE_LIST:
        if (type != WEIR__JSON_ARRAY)
            return wrong_type(decoder, place, "an array", type);
        return decode_list(decoder, place, field, &rules, slot);
    default:
        return decode_value(decoder, place, field, &rules, slot);
    }
}

/* --- objects ---------------------------------------------------------------------------------- */

static bool is_name_of(const weir_field *field, weir_str name)
{
    if (field->name == NULL) /* the usual case: its length is known */
        return field->member_size == name.size && memcmp(field->member, name.data, name.size) == 0;
    return weir__str_equal(weir__str_from(field->name), name);
}

/* Clients tend to write fields in the order of the declaration: look behind the last one first. */
static size_t find_field(const weir_model_table *table, weir_str name, size_t expected)
{
    for (size_t i = expected; i < table->count; i++)
        if (is_name_of(&table->fields[i], name))
            return i;
    for (size_t i = 0; i < expected; i++)
        if (is_name_of(&table->fields[i], name))
            return i;
    return table->count;
}

ssize_t weir_model_find(const weir_model *model, weir_str name)
{
    const weir_model_table *table = model->table();
    size_t index = find_field(table, name, 0);
    return index == table->count ? -ENOENT : (ssize_t)index;
}

/* The name as text. One without escapes, which is nearly every one, is used where it stands. */
static int name_text(struct decoder *decoder, const struct weir__json_string *string,
                     weir_str *out_name)
{
    if (!string->escaped) {
        *out_name = weir__str_of(string->data, string->size);
        return 0;
    }
    char *text = weir__arena_alloc(decoder->report.arena, string->size);
    if (text == NULL)
        return -ENOMEM;
    weir__json_unescape(string, text);
    *out_name = weir__str_of(text, string->size);
    return 0;
}

static int skip_member(struct decoder *decoder)
{
    int rc = weir__json_peek(&decoder->json);
    return rc < 0 ? rc : weir__json_skip(&decoder->json);
}

static int decode_unknown(struct decoder *decoder, const struct weir__model_place *place,
                          const weir_model *model)
{
    int rc = 0;
    if (model->strict)
        rc = weir__model_report(&decoder->report, place, "unknown", "is not a field that is known");
    return rc < 0 ? rc : skip_member(decoder);
}

static int decode_twice(struct decoder *decoder, const struct weir__model_place *place)
{
    int rc = weir__model_report(&decoder->report, place, "duplicate", "must be given only once");
    return rc < 0 ? rc : skip_member(decoder);
}

struct seen {
    uint64_t bits[WEIR_MODEL_FIELDS_MAX / 64];
    size_t count;
};

/* True when it was there before. */
static bool see(struct seen *seen, size_t index)
{
    uint64_t bit = UINT64_C(1) << index % 64;
    if ((seen->bits[index / 64] & bit) != 0)
        return true;
    seen->bits[index / 64] |= bit;
    seen->count++;
    return false;
}

static int fill_absent(struct decoder *decoder, const struct weir__model_place *outer,
                       const weir_model_table *table, const struct seen *seen, char *base)
{
    for (size_t i = 0; i < table->count; i++) {
        if ((seen->bits[i / 64] & UINT64_C(1) << i % 64) != 0)
            continue;
        const weir_field *field = &table->fields[i];
        struct weir__model_place place = {.outer = outer, .name = weir__model_field_name(field)};
        int rc = weir__model_absent(&decoder->report, &place, field, decoder->json.depth + 1, base);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int decode_object(struct decoder *decoder, const struct weir__model_place *outer,
                         const weir_model *model, char *base)
{
    const weir_model_table *table = model->table();
    struct seen seen = {0};
    struct weir__json_string string;
    size_t expected = 0;

    int rc = weir__json_enter(&decoder->json);
    if (rc < 0)
        return rc;
    for (bool first = true; (rc = weir__json_next_name(&decoder->json, first, &string)) > 0;
         first = false) {
        struct weir__model_place place = {.outer = outer};
        rc = name_text(decoder, &string, &place.name);
        if (rc < 0)
            return rc;
        size_t index = find_field(table, place.name, expected);
        if (index == table->count) {
            rc = decode_unknown(decoder, &place, model);
        } else if (see(&seen, index)) {
            rc = decode_twice(decoder, &place);
        } else {
            rc = decode_field(decoder, &place, &table->fields[index], base);
            expected = index + 1;
        }
        if (rc < 0)
            return rc;
    }
    if (rc < 0)
        return rc;
    return seen.count == table->count ? 0 : fill_absent(decoder, outer, table, &seen, base);
}

static int decode_value(struct decoder *decoder, const struct weir__model_place *place,
                        const weir_field *field, const struct weir__model_rules *rules, char *slot)
{
    int type = weir__json_peek(&decoder->json);
    if (type < 0)
        return type;
    switch (field->kind) {
    case WEIR_KIND_BOOL:
        if (type == WEIR__JSON_TRUE || type == WEIR__JSON_FALSE)
            return decode_bool(decoder, type, slot);
        break;
    case WEIR_KIND_TEXT:
        if (type == WEIR__JSON_STRING)
            return decode_text(decoder, place, rules, slot);
        break;
    case WEIR_KIND_MODEL:
        if (type == WEIR__JSON_OBJECT)
            return decode_object(decoder, place, field->model, slot);
        break;
    default:
        if (type == WEIR__JSON_NUMBER)
            return decode_number(decoder, place, field->kind, rules, slot);
        break;
    }
    return wrong_type(decoder, place, weir__model_kind_wanted(field->kind), type);
}

/* --- fields that are not there ---------------------------------------------------------------- */

int weir__model_absent(struct weir__model_report *report, const struct weir__model_place *place,
                       const weir_field *field, unsigned depth, char *base)
{
    if (weir__model_field_required(field))
        return weir__model_report(report, place, "missing", "is required");
    if (field->or_else == NULL)
        return 0; /* the struct began as zero: NULL, not present */

    /* The client is not to blame for what is wrong with a default: its errors are not reported. The
     * depth goes on, so that a default which needs itself comes to an end. */
    struct decoder decoder = {.report = {.arena = report->arena, .in = report->in}};
    weir__json_init(&decoder.json, weir__str_from(field->or_else));
    decoder.json.depth = depth;
    int rc = decode_field(&decoder, place, field, base);
    if (rc == 0)
        rc = weir__json_finish(&decoder.json);
    if (rc == -EBADMSG || decoder.report.found > 0)
        rc = -EDOM;
    return rc;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int report_malformed(struct decoder *decoder, size_t count_before, size_t total_before)
{
    size_t line, column, offset;
    weir__json_place(&decoder->json, &line, &column, &offset);
    weir_model_errors *errors = decoder->report.errors;
    if (errors != NULL) { /* what was found so far comes from a text that is not JSON */
        errors->count = count_before;
        errors->total = total_before;
    }
    int rc = weir__model_report(&decoder->report, NULL, "json", "line %zu, column %zu: %s", line,
                                column, decoder->json.fault);
    if (rc < 0)
        return rc;
    if (errors != NULL) {
        errors->line = line;
        errors->column = column;
        errors->offset = offset;
    }
    return -EBADMSG;
}

int weir_model_decode(const weir_model *model, weir_str json, weir_arena *arena, void *out_value,
                      weir_model_errors *errors)
{
    struct decoder decoder = {.report = {.arena = arena, .errors = errors, .in = "body"}};
    const weir_field whole = {.kind = WEIR_KIND_MODEL, .model = model};
    size_t count_before = errors == NULL ? 0 : errors->count;
    size_t total_before = errors == NULL ? 0 : errors->total;

    char *value = weir__arena_alloc_zero(arena, model->size);
    if (value == NULL)
        return -ENOMEM;
    weir__json_init(&decoder.json, json);
    int rc = decode_value(&decoder, NULL, &whole, NULL, value);
    if (rc == 0)
        rc = weir__json_finish(&decoder.json);
    if (rc == -EBADMSG)
        return report_malformed(&decoder, count_before, total_before);
    if (rc < 0)
        return rc;
    if (decoder.report.found > 0)
        return -EINVAL;
    memcpy(out_value, value, model->size);
    return 0;
}
