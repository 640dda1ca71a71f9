/*
 * check_test.c - mistakes in a declaration that the compiler cannot see
 */
#include <weir/model.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

typedef struct nested nested;
struct nested {
    int id;
    nested *next;
};
WEIR_MODEL(nested, WEIR_FIELD(id, .min = 5, .max = 4), WEIR_NESTED(next, nested, .optional = true))

typedef struct {
    int number;
    int other;
    uint8_t small;
    bool flag;
    char *text;
    char *more;
    double d;
    float f;
    WEIR_OPT(int) maybe;
    WEIR_LIST(int) list;
    WEIR_LIST(char *) texts;
    nested in;
    nested *ref;
} every;

#define ONE(type_name, ...)                                                                        \
    typedef every type_name;                                                                       \
    WEIR_MODEL(type_name, __VA_ARGS__)

ONE(good, WEIR_FIELD(number, .min = -2147483648.0, .max = 2147483647, .or_else = "0"),
    WEIR_FIELD(small, .min = 0, .max = 255, .or_else = "255"),
    WEIR_FIELD(text, .min_len = 1, .max_len = 1, .one_of = "a|b", .or_else = "\"a\""),
    WEIR_FIELD(more, .format = "date", .optional = true, .omit_absent = true),
    WEIR_FIELD(d, .min = -1e308, .or_else = "1e3"), WEIR_FIELD(f, .max = 3e38, .or_else = "1"),
    WEIR_FIELD(maybe, .min = 1, .or_else = "null", .omit_absent = true),
    WEIR_FIELD(list, .min_len = 1, .item_min = 0, .or_else = "[1, 2]"),
    WEIR_FIELD(texts, .min_len = 0, .max_len = WEIR_UNLIMITED, .item_max_len = 3, .optional = true))
ONE(no_fields_twice, WEIR_FIELD(number), WEIR_FIELD(other, .name = "number"))
ONE(no_name, WEIR_FIELD(number, .name = ""))
ONE(no_text_name, WEIR_FIELD(number, .name = "\xff"))
ONE(min_above_max, WEIR_FIELD(number, .min = 2, .max = 1))
ONE(beyond_type, WEIR_FIELD(small, .max = 256))
ONE(below_type, WEIR_FIELD(small, .min = -1))
ONE(outside_type, WEIR_FIELD(small, .min = 300))
ONE(float_beyond, WEIR_FIELD(f, .max = 1e39))
ONE(range_of_text, WEIR_FIELD(text, .min = 1))
ONE(range_of_flag, WEIR_FIELD(flag, .max = 1))
ONE(length_of_number, WEIR_FIELD(number, .max_len = 3))
ONE(choice_of_number, WEIR_FIELD(number, .one_of = "1|2"))
ONE(format_of_number, WEIR_FIELD(number, .format = "date"))
ONE(unknown_format, WEIR_FIELD(text, .format = "url"))
ONE(no_choice, WEIR_FIELD(text, .one_of = ""))
ONE(lengths_crossed, WEIR_FIELD(text, .min_len = 5, .max_len = 4))
ONE(list_with_min, WEIR_FIELD(list, .min = 1))
ONE(list_lengths, WEIR_FIELD(list, .min_len = 3, .max_len = 2))
ONE(list_default_length, WEIR_FIELD(list, .min_len = 10001))
ONE(list_item_length, WEIR_FIELD(list, .item_max_len = 3))
ONE(item_of_number, WEIR_FIELD(number, .item_min = 1))
ONE(item_crossed, WEIR_FIELD(list, .item_min = 2, .item_max = 1))
ONE(optional_number, WEIR_FIELD(number, .optional = true))
ONE(optional_struct, WEIR_NESTED(in, nested, .optional = true))
ONE(omit_required, WEIR_FIELD(text, .omit_absent = true))
ONE(bad_default, WEIR_FIELD(number, .or_else = "x"))
ONE(default_of_type, WEIR_FIELD(number, .or_else = "\"1\""))
ONE(default_outside, WEIR_FIELD(number, .max = 5, .or_else = "6"))
ONE(default_trailing, WEIR_FIELD(number, .or_else = "5 5"))
ONE(default_bare, WEIR_FIELD(text, .or_else = "text"))
ONE(default_null, WEIR_FIELD(text, .or_else = "null"))
ONE(default_nested, WEIR_NESTED(in, nested, .or_else = "{}"))

static void expect_wrong(const weir_model *model, const char *pointer, const char *part)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    EXPECT_RC(-EDOM, weir_model_check(model, arena, &errors));
    EXPECT_RC(-EDOM, weir_model_check(model, arena, NULL));
    if (errors.count >= 1) {
        EXPECT_STR(model->name, errors.items[0].in);
        EXPECT_STR(pointer, errors.items[0].pointer);
        EXPECT_STR("declaration", errors.items[0].type);
        EXPECT_CONTAINS(part, errors.items[0].message);
    }
    EXPECT(errors.total >= 1);
    weir_arena_free(arena);
}

TEST(a_declaration_without_mistakes_passes)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    int rc = weir_model_check(WEIR_MODEL_OF(good), arena, &errors);
    for (size_t i = 0; i < errors.count; i++)
        printf("%s %s\n", errors.items[i].pointer, errors.items[i].message);
    EXPECT_RC(0, rc);
    weir_arena_free(arena);
}

TEST(each_mistake_is_named_with_its_field)
{
    expect_wrong(WEIR_MODEL_OF(no_fields_twice), "/number", "twice");
    expect_wrong(WEIR_MODEL_OF(no_name), "/", "not empty");
    expect_wrong(WEIR_MODEL_OF(no_text_name), "/\xff", "UTF-8");
    expect_wrong(WEIR_MODEL_OF(min_above_max), "/number", ".min is above .max");
    expect_wrong(WEIR_MODEL_OF(beyond_type), "/small", ".max is above what the type can hold");
    expect_wrong(WEIR_MODEL_OF(below_type), "/small", ".min is below what the type can hold");
    expect_wrong(WEIR_MODEL_OF(outside_type), "/small", "no value");
    expect_wrong(WEIR_MODEL_OF(float_beyond), "/f", ".max is above");
    expect_wrong(WEIR_MODEL_OF(range_of_text), "/text", "for numbers");
    expect_wrong(WEIR_MODEL_OF(range_of_flag), "/flag", "for numbers");
    expect_wrong(WEIR_MODEL_OF(length_of_number), "/number", "for strings and lists");
    expect_wrong(WEIR_MODEL_OF(choice_of_number), "/number", "for strings");
    expect_wrong(WEIR_MODEL_OF(format_of_number), "/number", "for strings");
    expect_wrong(WEIR_MODEL_OF(unknown_format), "/text", "\"url\" is not known");
    expect_wrong(WEIR_MODEL_OF(no_choice), "/text", "names nothing");
    expect_wrong(WEIR_MODEL_OF(lengths_crossed), "/text", ".min_len is above .max_len");
    expect_wrong(WEIR_MODEL_OF(list_with_min), "/list", "begin with .item_");
    expect_wrong(WEIR_MODEL_OF(list_lengths), "/list", ".min_len is above .max_len, which is 2");
    expect_wrong(WEIR_MODEL_OF(list_default_length), "/list", "which is 10000");
    expect_wrong(WEIR_MODEL_OF(list_item_length), "/list", ".item_min_len and .item_max_len");
    expect_wrong(WEIR_MODEL_OF(item_of_number), "/number", "are for lists");
    expect_wrong(WEIR_MODEL_OF(item_crossed), "/list", ".item_min is above .item_max");
    expect_wrong(WEIR_MODEL_OF(optional_number), "/number", "WEIR_OPT");
    expect_wrong(WEIR_MODEL_OF(optional_struct), "/in", "pointer");
    expect_wrong(WEIR_MODEL_OF(omit_required), "/text", ".omit_absent");
}

TEST(a_default_is_read_before_anybody_needs_it)
{
    expect_wrong(WEIR_MODEL_OF(bad_default), "/number", "x is not");
    expect_wrong(WEIR_MODEL_OF(default_of_type), "/number", ".or_else");
    expect_wrong(WEIR_MODEL_OF(default_outside), "/number", "6 is not");
    expect_wrong(WEIR_MODEL_OF(default_trailing), "/number", ".or_else");
    expect_wrong(WEIR_MODEL_OF(default_bare), "/text", ".or_else");
    expect_wrong(WEIR_MODEL_OF(default_null), "/text", ".or_else");
    expect_wrong(WEIR_MODEL_OF(default_nested), "/in", ".or_else");
}

typedef struct {
    nested in;
    nested *ref;
} holder;
WEIR_MODEL(holder, WEIR_NESTED(in, nested), WEIR_NESTED(ref, nested))

TEST(mistakes_of_nested_models_are_found_once)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    EXPECT_RC(-EDOM, weir_model_check(WEIR_MODEL_OF(holder), arena, &errors));
    EXPECT_EQ(1, errors.total);
    EXPECT_STR("nested", errors.items[0].in);
    EXPECT_STR("/id", errors.items[0].pointer);
    weir_arena_free(arena);
}

static void check(void *arg)
{
    weir_arena *arena = weir_arena_new(0);
    if (arena == NULL)
        return;
    weir_model_errors errors = {0};
    int rc = weir_model_check(arg, arena, &errors);
    EXPECT(rc == 0 || rc == -EDOM || (rc == -ENOMEM && fault_loop_nth > 0));
    weir_arena_free(arena);
}

TEST(a_heap_that_runs_out_leaves_nothing_behind)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, check, (void *)(uintptr_t)WEIR_MODEL_OF(good)) >
           1);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, check, (void *)(uintptr_t)WEIR_MODEL_OF(holder)) >
           1);
}
