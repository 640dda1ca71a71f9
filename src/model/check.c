/*
 * check.c - mistakes in a declaration that the compiler cannot see
 *
 * Runs on  any thread; the arena belongs to it.
 */
#include "model/model.h"

#include <math.h>

#include "base/str.h"

/* One mistake: the message has to say what to write instead. */
#define WRONG(report, place, ...) weir__model_report((report), (place), "declaration", __VA_ARGS__)

/* --- limits ----------------------------------------------------------------------------------- */

/* The limits of the items are named `.item_min`, those of the value `.min`. */
static const char *prefix(bool of_items)
{
    return of_items ? "item_" : "";
}

static bool is_given(long double min, long double max)
{
    return min != -__builtin_infl() || max != __builtin_infl();
}

static int check_range(struct weir__model_report *report, const struct weir__model_place *place,
                       const weir_field *field, long double min, long double max, bool of_items)
{
    const char *item = prefix(of_items);
    if (!is_given(min, max))
        return 0;
    if (!weir__model_kind_is_number(field->kind))
        return WRONG(report, place, ".%smin and .%smax are for numbers", item, item);
    if (isnan(min) || isnan(max) || min > max)
        return WRONG(report, place, ".%smin is above .%smax", item, item);
    long double least, greatest;
    weir__model_kind_range(field->kind, &least, &greatest);
    if (min != -__builtin_infl() && min < least)
        return WRONG(report, place, ".%smin is below what the type can hold", item);
    if (max != __builtin_infl() && max > greatest)
        return WRONG(report, place, ".%smax is above what the type can hold", item);
    if (min > greatest || max < least)
        return WRONG(report, place, ".%smin and .%smax leave no value of the type", item, item);
    return 0;
}

static int check_text_rules(struct weir__model_report *report,
                            const struct weir__model_place *place, const weir_field *field,
                            const struct weir__model_rules *rules, bool of_items)
{
    const char *item = prefix(of_items);
    bool has_length = rules->min_len != 0 || rules->max_len != SIZE_MAX;
    if (field->kind != WEIR_KIND_TEXT) {
        if (rules->one_of != NULL || rules->format != NULL || rules->check != NULL)
            return WRONG(report, place, ".%sone_of, .%sformat and .%scheck are for strings", item,
                         item, item);
        if (has_length)
            return WRONG(report, place, ".%smin_len and .%smax_len are for strings%s", item, item,
                         of_items ? "" : " and lists");
        return 0;
    }
    if (rules->min_len > rules->max_len)
        return WRONG(report, place, ".%smin_len is above .%smax_len", item, item);
    if (rules->format != NULL && weir__model_find_format(rules->format) == NULL)
        return WRONG(report, place, ".%sformat \"%s\" is not known: use .%scheck", item,
                     rules->format, item);
    if (rules->one_of != NULL && *rules->one_of == '\0')
        return WRONG(report, place, ".%sone_of names nothing", item);
    return 0;
}

static int check_list(struct weir__model_report *report, const struct weir__model_place *place,
                      const weir_field *field)
{
    if (is_given(field->min, field->max) || field->one_of != NULL || field->format != NULL ||
        field->check != NULL)
        return WRONG(report, place, "this is a list: limits of its items begin with .item_");
    if (field->min_len > weir__model_items_max(field))
        return WRONG(report, place, ".min_len is above .max_len, which is %zu for a list",
                     weir__model_items_max(field));
    return 0;
}

static bool has_item_rules(const weir_field *field)
{
    return is_given(field->item_min, field->item_max) || field->item_min_len != 0 ||
           field->item_max_len != 0 || field->item_one_of != NULL || field->item_format != NULL ||
           field->item_check != NULL;
}

static int check_rules(struct weir__model_report *report, const struct weir__model_place *place,
                       const weir_field *field)
{
    struct weir__model_rules rules;
    bool list = field->shape == WEIR_SHAPE_LIST;
    weir__model_value_rules(field, &rules);
    int rc = list ? check_list(report, place, field) : 0;
    if (rc == 0 && !list && has_item_rules(field))
        rc = WRONG(report, place, "limits that begin with .item_ are for lists");
    if (rc == 0)
        rc = check_range(report, place, field, rules.min, rules.max, list);
    if (rc == 0)
        rc = check_text_rules(report, place, field, &rules, list);
    return rc;
}

/* --- absence ---------------------------------------------------------------------------------- */

static int check_absence(struct weir__model_report *report, const struct weir__model_place *place,
                         const weir_field *field)
{
    bool plain = field->shape == WEIR_SHAPE_PLAIN;
    if (field->optional && plain && field->kind == WEIR_KIND_MODEL)
        return WRONG(report, place, ".optional needs a pointer to the nested struct");
    if (field->optional && plain && field->kind != WEIR_KIND_TEXT)
        return WRONG(report, place, ".optional has no way to say absent: make it a WEIR_OPT");
    if (field->omit_absent && !field->optional && field->shape != WEIR_SHAPE_OPT)
        return WRONG(report, place, ".omit_absent needs .optional = true or a WEIR_OPT");
    return 0;
}

/* The default is read as it will be read, and its errors are told. */
static int check_default(struct weir__model_report *report, const struct weir__model_place *place,
                         const weir_model *model, const weir_field *field)
{
    if (field->or_else == NULL)
        return 0;
    struct weir__model_report quiet = {.arena = report->arena, .in = ""};
    char *base = weir__arena_alloc_zero(quiet.arena, model->size);
    if (base == NULL)
        return -ENOMEM;
    int rc = weir__model_absent(&quiet, place, field, 1, base);
    if (rc != -EDOM)
        return rc;
    return WRONG(report, place, ".or_else is JSON text within the limits of the field; %s is not",
                 field->or_else);
}

/* --- the whole -------------------------------------------------------------------------------- */

static int check_name(struct weir__model_report *report, const struct weir__model_place *place,
                      const weir_model_table *table, size_t index)
{
    if (place->name.size == 0 || !weir__str_is_utf8(place->name.data, place->name.size))
        return WRONG(report, place, ".name is a text that is not empty, in UTF-8");
    for (size_t i = 0; i < index; i++)
        if (weir__str_equal(weir__model_field_name(&table->fields[i]), place->name))
            return WRONG(report, place, "the name stands twice");
    return 0;
}

static int check_model(const weir_model *model, void *arg)
{
    struct weir__model_report *report = arg;
    const weir_model_table *table = model->table();
    report->in = model->name;
    for (size_t i = 0; i < table->count; i++) {
        const weir_field *field = &table->fields[i];
        struct weir__model_place place = {.name = weir__model_field_name(field)};
        int rc = check_name(report, &place, table, i);
        if (rc == 0)
            rc = check_rules(report, &place, field);
        if (rc == 0)
            rc = check_absence(report, &place, field);
        if (rc == 0)
            rc = check_default(report, &place, model, field);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int weir_model_check(const weir_model *model, weir_arena *arena, weir_model_errors *errors)
{
    struct weir__model_report report = {.arena = arena, .errors = errors};
    int rc = weir_model_visit(model, check_model, &report);
    if (rc < 0)
        return rc;
    return report.found > 0 ? -EDOM : 0;
}
