/*
 * decode_text.c - single texts to struct: query strings, parts of a path, headers
 *
 * Runs on  any thread; the arena belongs to it.
 * Holds    A text goes through the same rules as a value of a body, see value.c.
 */
#include "model/model.h"

#include "base/str.h"

/* --- one text --------------------------------------------------------------------------------- */

/* What people are shown of a text that did not fit: short, and cut between two characters. */
enum { SHOWN_MAX = 40 };

static int wrong_type(struct weir__model_report *report, const struct weir__model_place *place,
                      weir_model_kind kind, weir_str text)
{
    size_t size = text.size;
    if (size > SHOWN_MAX)
        for (size = SHOWN_MAX; size > 0 && (text.data[size] & 0xc0) == 0x80;)
            size--;
    return weir__model_report(report, place, "type", "must be %s, is \"%.*s%s\"",
                              weir__model_kind_wanted(kind), (int)size, size == 0 ? "" : text.data,
                              size < text.size ? "..." : "");
}

static bool is_text(weir_str text, const char *a, const char *b)
{
    return weir__str_equal(text, weir__str_from(a)) || weir__str_equal(text, weir__str_from(b));
}

static int read_bool(struct weir__model_report *report, const struct weir__model_place *place,
                     weir_str text, char *slot)
{
    bool value = is_text(text, "true", "1");
    if (!value && !is_text(text, "false", "0"))
        return wrong_type(report, place, WEIR_KIND_BOOL, text);
    memcpy(slot, &value, sizeof value);
    return 0;
}

static int read_number(struct weir__model_report *report, const struct weir__model_place *place,
                       weir_model_kind kind, const struct weir__model_rules *rules, weir_str text,
                       char *slot)
{
    struct weir__json json;
    struct weir__json_number number;
    weir__json_init(&json, text);
    if (weir__json_peek(&json) != WEIR__JSON_NUMBER || weir__json_read_number(&json, &number) < 0 ||
        number.size != text.size) /* blanks around it are skipped in JSON, and wrong here */
        return wrong_type(report, place, kind, text);
    return weir__model_store_number(report, place, kind, rules, &number, slot);
}

static size_t count_code_points(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += (text[i] & 0xc0) != 0x80;
    return count;
}

static int read_text(struct weir__model_report *report, const struct weir__model_place *place,
                     const struct weir__model_rules *rules, weir_str text, char *slot)
{
    if (!weir__str_is_utf8(text.data, text.size))
        return weir__model_report(report, place, "format", "must be UTF-8");
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
        return weir__model_report(report, place, "format", "must not contain the character U+0000");
    char *copy = weir__arena_strndup(report->arena, text.data, text.size);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(slot, &copy, sizeof copy);
    return weir__model_check_text(report, place, rules, copy, text.size,
                                  count_code_points(copy, text.size));
}

static int read_value(struct weir__model_report *report, const struct weir__model_place *place,
                      const weir_field *field, const struct weir__model_rules *rules, weir_str text,
                      char *slot)
{
    switch (field->kind) {
    case WEIR_KIND_MODEL:
        return -EDOM;
    case WEIR_KIND_BOOL:
        return read_bool(report, place, text, slot);
    case WEIR_KIND_TEXT:
        return read_text(report, place, rules, text, slot);
    default:
        return read_number(report, place, field->kind, rules, text, slot);
    }
}

/* --- into a field ----------------------------------------------------------------------------- */

static int read_single(struct weir__model_report *report, const struct weir__model_place *place,
                       const weir_field *field, weir_str text, char *base)
{
    struct weir__model_rules rules;
    weir__model_value_rules(field, &rules);
    char *slot = base + field->offset;
    if (field->shape == WEIR_SHAPE_OPT) {
        bool present = true;
        memcpy(slot, &present, sizeof present);
        slot += weir__model_opt_offset(field->kind);
    }
    return read_value(report, place, field, &rules, text, slot);
}

/* Every pair of this name, counted before. */
static int read_list(struct weir__model_report *report, const struct weir__model_place *place,
                     const weir_field *field, const weir_model_pair *pairs, size_t pair_count,
                     size_t count, char *base)
{
    struct weir__model_rules rules;
    weir__model_value_rules(field, &rules);
    size_t item_bytes = weir__model_kind_bytes(field->kind, field->model);
    if (count > weir__model_items_max(field))
        return weir__model_check_count(report, place, field, count);
    char *items = weir__arena_alloc_array(report->arena, count, item_bytes);
    if (items == NULL)
        return -ENOMEM;

    struct weir__model_place item = {.outer = place};
    for (size_t i = 0; i < pair_count; i++) {
        if (!weir__str_equal(pairs[i].name, place->name))
            continue;
        int rc = read_value(report, &item, field, &rules, pairs[i].value,
                            items + item.index * item_bytes);
        if (rc < 0)
            return rc;
        item.index++;
    }
    struct weir__any_list list = {.items = (void *)items, .count = count};
    memcpy(base + field->offset, &list, sizeof list);
    return weir__model_check_count(report, place, field, count);
}

static int read_field(struct weir__model_report *report, const weir_field *field,
                      const weir_model_pair *pairs, size_t pair_count, char *base)
{
    struct weir__model_place place = {.name = weir__model_field_name(field)};
    weir_str text = {0};
    size_t count = 0;
    for (size_t i = 0; i < pair_count; i++) {
        if (!weir__str_equal(pairs[i].name, place.name))
            continue;
        if (count++ == 0)
            text = pairs[i].value;
    }
    if (count == 0)
        return weir__model_absent(report, &place, field, 1, base);
    if (field->kind == WEIR_KIND_MODEL)
        return -EDOM;
    if (field->shape == WEIR_SHAPE_LIST)
        return read_list(report, &place, field, pairs, pair_count, count, base);
    if (count > 1)
        return weir__model_report(report, &place, "duplicate", "must be given only once");
    return read_single(report, &place, field, text, base);
}

static int report_unknown(struct weir__model_report *report, const weir_model *model,
                          const weir_model_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_model_find(model, pairs[i].name) >= 0)
            continue;
        struct weir__model_place place = {.name = pairs[i].name};
        if (place.name.data == NULL)
            place.name = WEIR_STR("");
        int rc = weir__model_report(report, &place, "unknown", "is not a parameter that is known");
        if (rc < 0)
            return rc;
    }
    return 0;
}

int weir_model_decode_pairs(const weir_model *model, const weir_model_pair *pairs, size_t count,
                            const char *in, weir_arena *arena, void *out_value,
                            weir_model_errors *errors)
{
    struct weir__model_report report = {.arena = arena, .errors = errors, .in = in};
    const weir_model_table *table = model->table();
    char *value = weir__arena_alloc_zero(arena, model->size);
    if (value == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < table->count; i++) {
        int rc = read_field(&report, &table->fields[i], pairs, count, value);
        if (rc < 0)
            return rc;
    }
    if (model->strict) {
        int rc = report_unknown(&report, model, pairs, count);
        if (rc < 0)
            return rc;
    }
    if (report.found > 0)
        return -EINVAL;
    memcpy(out_value, value, model->size);
    return 0;
}

/* --- one field of a struct that is there already ---------------------------------------------- */

/* The list is copied: how much room its items have behind the last one is not known. */
static int append_item(struct weir__model_report *report, const struct weir__model_place *place,
                       const weir_field *field, weir_str text, char *base)
{
    struct weir__any_list list;
    memcpy(&list, base + field->offset, sizeof list);
    struct weir__model_rules rules;
    weir__model_value_rules(field, &rules);
    size_t item_bytes = weir__model_kind_bytes(field->kind, field->model);
    if (list.count >= weir__model_items_max(field))
        return weir__model_check_count(report, place, field, list.count + 1);
    char *items = weir__arena_alloc_array(report->arena, list.count + 1, item_bytes);
    if (items == NULL)
        return -ENOMEM;
    if (list.count > 0)
        memcpy(items, list.items, list.count * item_bytes);

    struct weir__model_place item = {.outer = place, .index = list.count};
    int rc = read_value(report, &item, field, &rules, text, items + list.count * item_bytes);
    if (rc < 0 || report->found > 0)
        return rc;
    list = (struct weir__any_list){.items = (void *)items, .count = list.count + 1};
    memcpy(base + field->offset, &list, sizeof list);
    return 0;
}

int weir_model_decode_text(const weir_model *model, size_t index, weir_str text, const char *in,
                           weir_arena *arena, void *value, weir_model_errors *errors)
{
    struct weir__model_report report = {.arena = arena, .errors = errors, .in = in};
    const weir_model_table *table = model->table();
    if (index >= table->count || table->fields[index].kind == WEIR_KIND_MODEL)
        return -EDOM;
    const weir_field *field = &table->fields[index];
    struct weir__model_place place = {.name = weir__model_field_name(field)};

    int rc;
    if (field->shape == WEIR_SHAPE_LIST) {
        rc = append_item(&report, &place, field, text, value);
    } else {
        /* read beside the struct, so that nothing of it changes when the text does not fit */
        char *beside = weir__arena_alloc_zero(arena, model->size);
        if (beside == NULL)
            return -ENOMEM;
        rc = read_single(&report, &place, field, text, beside);
        size_t bytes = weir__model_kind_bytes(field->kind, NULL);
        if (field->shape == WEIR_SHAPE_OPT)
            bytes += weir__model_opt_offset(field->kind);
        if (rc == 0 && report.found == 0)
            memcpy((char *)value + field->offset, beside + field->offset, bytes);
    }
    if (rc < 0)
        return rc;
    return report.found > 0 ? -EINVAL : 0;
}
