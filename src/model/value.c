/*
 * value.c - the rules of single values: ranges, lengths, choices
 *
 * Shared by everything that reads, so that a query parameter and a member of a body are held to the
 * same rules and answered with the same words.
 *
 * Runs on  any thread; the arena of the report belongs to it.
 * Holds    A value is stored only when it keeps all rules, and then fits the member exactly.
 */
#include "model/model.h"

#include <float.h>

#include "base/str.h"

/* --- kinds ------------------------------------------------------------------------------------ */

static const struct {
    size_t bytes;
    uint64_t least; /* greatest magnitude below zero */
    uint64_t greatest;
    const char *wanted;
} kinds[] = {
    [WEIR_KIND_BOOL] = {sizeof(bool), 0, 0, "true or false"},
    [WEIR_KIND_INT8] = {1, UINT64_C(1) << 7, INT8_MAX, "an integer"},
    [WEIR_KIND_INT16] = {2, UINT64_C(1) << 15, INT16_MAX, "an integer"},
    [WEIR_KIND_INT32] = {4, UINT64_C(1) << 31, INT32_MAX, "an integer"},
    [WEIR_KIND_INT64] = {8, UINT64_C(1) << 63, INT64_MAX, "an integer"},
    [WEIR_KIND_UINT8] = {1, 0, UINT8_MAX, "an integer"},
    [WEIR_KIND_UINT16] = {2, 0, UINT16_MAX, "an integer"},
    [WEIR_KIND_UINT32] = {4, 0, UINT32_MAX, "an integer"},
    [WEIR_KIND_UINT64] = {8, 0, UINT64_MAX, "an integer"},
    [WEIR_KIND_FLOAT] = {sizeof(float), 0, 0, "a number"},
    [WEIR_KIND_DOUBLE] = {sizeof(double), 0, 0, "a number"},
    [WEIR_KIND_TEXT] = {sizeof(char *), 0, 0, "a string"},
    [WEIR_KIND_MODEL] = {0, 0, 0, "an object"},
};

size_t weir__model_kind_bytes(weir_model_kind kind, const weir_model *model)
{
    return kind == WEIR_KIND_MODEL ? model->size : kinds[kind].bytes;
}

size_t weir__model_opt_offset(weir_model_kind kind)
{
    /* A bool comes first; on all our machines a number is aligned to its size. */
    _Static_assert(offsetof(struct weir_opt_int64_t, value) == sizeof(int64_t), "aligned to size");
    _Static_assert(offsetof(struct weir_opt_double, value) == sizeof(double), "aligned to size");
    _Static_assert(offsetof(struct weir_opt_int16_t, value) == sizeof(int16_t), "aligned to size");
    return kinds[kind].bytes;
}

const char *weir__model_kind_wanted(weir_model_kind kind)
{
    return kinds[kind].wanted;
}

bool weir__model_kind_is_integer(weir_model_kind kind)
{
    return kind >= WEIR_KIND_INT8 && kind <= WEIR_KIND_UINT64;
}

bool weir__model_kind_is_number(weir_model_kind kind)
{
    return kind >= WEIR_KIND_INT8 && kind <= WEIR_KIND_DOUBLE;
}

void weir__model_kind_range(weir_model_kind kind, long double *out_min, long double *out_max)
{
    if (weir__model_kind_is_integer(kind)) {
        *out_min = -(long double)kinds[kind].least;
        *out_max = (long double)kinds[kind].greatest;
    } else {
        *out_max = kind == WEIR_KIND_FLOAT ? (long double)FLT_MAX : (long double)DBL_MAX;
        *out_min = -*out_max;
    }
}

/* --- rules ------------------------------------------------------------------------------------ */

void weir__model_value_rules(const weir_field *field, struct weir__model_rules *out_rules)
{
    if (field->shape == WEIR_SHAPE_LIST)
        *out_rules = (struct weir__model_rules){
            .min = field->item_min,
            .max = field->item_max,
            .min_len = field->item_min_len,
            .max_len = field->item_max_len,
            .one_of = field->item_one_of,
            .format = field->item_format,
            .check = field->item_check,
        };
    else
        *out_rules = (struct weir__model_rules){
            .min = field->min,
            .max = field->max,
            .min_len = field->min_len,
            .max_len = field->max_len,
            .one_of = field->one_of,
            .format = field->format,
            .check = field->check,
        };
    if (out_rules->max_len == 0)
        out_rules->max_len = SIZE_MAX;
}

size_t weir__model_items_max(const weir_field *field)
{
    return field->max_len == 0 ? WEIR_MODEL_ITEMS_MAX : field->max_len;
}

const char *weir__model_format_bound(long double bound, char out_text[WEIR__MODEL_BOUND_MAX])
{
    size_t size = 0;
    bool negative = bound < 0;
    long double magnitude = negative ? -bound : bound;
    if (magnitude <= (long double)UINT64_MAX && magnitude == (long double)(uint64_t)magnitude) {
        if (negative)
            out_text[size++] = '-';
        size += weir__str_format_uint(out_text + size, (uint64_t)magnitude);
    } else {
        size = weir__json_format_double((double)bound, out_text);
    }
    out_text[size] = '\0';
    return out_text;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* A number of a thousand digits is well-formed; nobody wants to read it in an answer. */
enum { SPELLED_MAX = 40 };
#define SPELLED(number)                                                                            \
    (int)((number)->size > SPELLED_MAX ? SPELLED_MAX : (number)->size), (number)->data,            \
        (number)->size > SPELLED_MAX ? "..." : ""

static int report_range(struct weir__model_report *report, const struct weir__model_place *place,
                        bool below, long double bound, const struct weir__json_number *number)
{
    char text[WEIR__MODEL_BOUND_MAX];
    weir__model_format_bound(bound, text);
    return below ? weir__model_report(report, place, "min", "must be at least %s, is %.*s%s", text,
                                      SPELLED(number))
                 : weir__model_report(report, place, "max", "must be at most %s, is %.*s%s", text,
                                      SPELLED(number));
}

static int report_type_range(struct weir__model_report *report,
                             const struct weir__model_place *place, weir_model_kind kind,
                             const struct weir__model_rules *rules, bool below,
                             const struct weir__json_number *number)
{
    long double min, max;
    weir__model_kind_range(kind, &min, &max);
    min = rules->min > min ? rules->min : min;
    max = rules->max < max ? rules->max : max;
    return report_range(report, place, below, below ? min : max, number);
}

static void store_integer(weir_model_kind kind, uint64_t bits, void *slot)
{
    switch (kinds[kind].bytes) {
    case 1: {
        uint8_t value = (uint8_t)bits;
        memcpy(slot, &value, sizeof value);
        break;
    }
    case 2: {
        uint16_t value = (uint16_t)bits;
        memcpy(slot, &value, sizeof value);
        break;
    }
    case 4: {
        uint32_t value = (uint32_t)bits;
        memcpy(slot, &value, sizeof value);
        break;
    }
    default:
        memcpy(slot, &bits, sizeof bits);
    }
}

static int read_integer(struct weir__model_report *report, const struct weir__model_place *place,
                        weir_model_kind kind, const struct weir__model_rules *rules,
                        const struct weir__json_number *number, void *slot)
{
    if (!number->integral)
        return weir__model_report(report, place, "type",
                                  "must be an integer, without fraction or exponent, is %.*s%s",
                                  SPELLED(number));
    uint64_t magnitude = number->mantissa;
    bool negative = number->negative;
    bool fits = number->exact && magnitude <= (negative ? kinds[kind].least : kinds[kind].greatest);
    if (!fits)
        return report_type_range(report, place, kind, rules, negative, number);
    /* long double holds every integer of 64 bits exactly on both our machines */
    long double value = negative ? -(long double)magnitude : (long double)magnitude;
    if (value < rules->min || value > rules->max)
        return report_type_range(report, place, kind, rules, value < rules->min, number);
    store_integer(kind, negative ? 0 - magnitude : magnitude, slot);
    return 0;
}

static int read_floating(struct weir__model_report *report, const struct weir__model_place *place,
                         weir_model_kind kind, const struct weir__model_rules *rules,
                         const struct weir__json_number *number, void *slot)
{
    double value;
    int rc = weir__json_to_double(number, &value);
    float narrow = rc == 0 ? (float)value : 0;
    if (rc < 0 || (kind == WEIR_KIND_FLOAT && __builtin_isinf(narrow)))
        return report_type_range(report, place, kind, rules, number->negative, number);
    if ((long double)value < rules->min)
        return report_range(report, place, true, rules->min, number);
    if ((long double)value > rules->max)
        return report_range(report, place, false, rules->max, number);
    if (kind == WEIR_KIND_FLOAT)
        memcpy(slot, &narrow, sizeof narrow);
    else
        memcpy(slot, &value, sizeof value);
    return 0;
}

int weir__model_store_number(struct weir__model_report *report,
                             const struct weir__model_place *place, weir_model_kind kind,
                             const struct weir__model_rules *rules,
                             const struct weir__json_number *number, void *slot)
{
    if (weir__model_kind_is_integer(kind))
        return read_integer(report, place, kind, rules, number, slot);
    return read_floating(report, place, kind, rules, number, slot);
}

/* --- strings and lists ------------------------------------------------------------------------ */

static bool is_choice(const char *choices, const char *text, size_t size)
{
    for (;;) {
        const char *end = strchrnul(choices, '|');
        if ((size_t)(end - choices) == size && memcmp(choices, text, size) == 0)
            return true;
        if (*end == '\0')
            return false;
        choices = end + 1;
    }
}

static int report_choice(struct weir__model_report *report, const struct weir__model_place *place,
                         const char *choices)
{
    struct weir__buffer list;
    weir__buffer_init(&list);
    for (const char *at = choices; *at != '\0'; at++)
        weir__buffer_append(&list, *at == '|' ? ", " : at, *at == '|' ? 2 : 1);
    int rc = weir__buffer_error(&list);
    if (rc == 0)
        rc = weir__model_report(report, place, "one_of", "must be one of %s",
                                weir__buffer_text(&list));
    weir__buffer_deinit(&list);
    return rc;
}

static int report_length(struct weir__model_report *report, const struct weir__model_place *place,
                         bool below, size_t bound, size_t length, const char *unit)
{
    return below
               ? weir__model_report(report, place, "min_len",
                                    "must have at least %zu %s%s, has %zu", bound, unit,
                                    bound == 1 ? "" : "s", length)
               : weir__model_report(report, place, "max_len", "must have at most %zu %s%s, has %zu",
                                    bound, unit, bound == 1 ? "" : "s", length);
}

int weir__model_check_text(struct weir__model_report *report, const struct weir__model_place *place,
                           const struct weir__model_rules *rules, const char *text, size_t size,
                           size_t code_points)
{
    if (code_points < rules->min_len)
        return report_length(report, place, true, rules->min_len, code_points, "character");
    if (code_points > rules->max_len)
        return report_length(report, place, false, rules->max_len, code_points, "character");
    if (rules->one_of != NULL && !is_choice(rules->one_of, text, size))
        return report_choice(report, place, rules->one_of);

    const char *fault = NULL;
    if (rules->format != NULL) {
        const struct weir__model_format *format = weir__model_find_format(rules->format);
        if (format != NULL)
            fault = format->check(text, size);
    }
    if (fault == NULL && rules->check != NULL)
        fault = rules->check(text, size);
    return fault == NULL ? 0 : weir__model_report(report, place, "format", "%s", fault);
}

int weir__model_check_count(struct weir__model_report *report,
                            const struct weir__model_place *place, const weir_field *field,
                            size_t count)
{
    if (count < field->min_len)
        return report_length(report, place, true, field->min_len, count, "item");
    if (count > weir__model_items_max(field))
        return report_length(report, place, false, weir__model_items_max(field), count, "item");
    return 0;
}
