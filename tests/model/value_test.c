/*
 * value_test.c - kinds, their ranges, and how a limit is spelled
 */
#include "model/model.h"

#include <float.h>

#include "tests/support/test.h"

typedef struct {
    bool flag;
    signed char a;
    short b;
    int c;
    long d;
    long long e;
    unsigned char f;
    unsigned short g;
    unsigned h;
    unsigned long i;
    unsigned long long j;
    float k;
    double l;
    char *m;
    const char *n;
    size_t o;
    enum { RED, GREEN } p;
    WEIR_OPT(double) q;
    WEIR_LIST(const char *) r;
    struct {
        char **items;
        size_t count;
    } s;
} kinds;
WEIR_MODEL(kinds, WEIR_FIELD(flag), WEIR_FIELD(a), WEIR_FIELD(b), WEIR_FIELD(c), WEIR_FIELD(d),
           WEIR_FIELD(e), WEIR_FIELD(f), WEIR_FIELD(g), WEIR_FIELD(h), WEIR_FIELD(i), WEIR_FIELD(j),
           WEIR_FIELD(k), WEIR_FIELD(l), WEIR_FIELD(m), WEIR_FIELD(n), WEIR_FIELD(o), WEIR_FIELD(p),
           WEIR_FIELD(q), WEIR_FIELD(r), WEIR_FIELD(s), )

TEST(the_compiler_finds_the_kind_of_every_member)
{
    static const weir_model_kind expected[] = {
        WEIR_KIND_BOOL,   WEIR_KIND_INT8,   WEIR_KIND_INT16,  WEIR_KIND_INT32,  WEIR_KIND_INT64,
        WEIR_KIND_INT64,  WEIR_KIND_UINT8,  WEIR_KIND_UINT16, WEIR_KIND_UINT32, WEIR_KIND_UINT64,
        WEIR_KIND_UINT64, WEIR_KIND_FLOAT,  WEIR_KIND_DOUBLE, WEIR_KIND_TEXT,   WEIR_KIND_TEXT,
        WEIR_KIND_UINT64, WEIR_KIND_UINT32, WEIR_KIND_DOUBLE, WEIR_KIND_TEXT,   WEIR_KIND_TEXT,
    };
    const weir_model_table *table = WEIR_MODEL_OF(kinds)->table();
    REQUIRE(table->count == sizeof expected / sizeof *expected);
    for (size_t i = 0; i < table->count; i++) {
        const weir_field *field = &table->fields[i];
        EXPECT_EQ(expected[i], field->kind);
        EXPECT_EQ(i == 17   ? WEIR_SHAPE_OPT
                  : i >= 18 ? WEIR_SHAPE_LIST
                            : WEIR_SHAPE_PLAIN,
                  field->shape);
        EXPECT_EQ(strlen(field->member), field->member_size);
        EXPECT_EQ(strlen(field->key), field->key_size);
        EXPECT_EQ(field->member_size + 4, field->key_size);
        if (field->shape == WEIR_SHAPE_PLAIN && i > 0 && i + 1 < table->count)
            EXPECT(weir__model_kind_bytes(field->kind, NULL) <=
                   table->fields[i + 1].offset - field->offset);
    }
    EXPECT_EQ(offsetof(kinds, r), table->fields[18].offset);
}

TEST(the_value_of_an_optional_stands_where_it_is_looked_for)
{
    EXPECT_EQ(offsetof(struct weir_opt_bool, value), weir__model_opt_offset(WEIR_KIND_BOOL));
    EXPECT_EQ(offsetof(struct weir_opt_int8_t, value), weir__model_opt_offset(WEIR_KIND_INT8));
    EXPECT_EQ(offsetof(struct weir_opt_int16_t, value), weir__model_opt_offset(WEIR_KIND_INT16));
    EXPECT_EQ(offsetof(struct weir_opt_int32_t, value), weir__model_opt_offset(WEIR_KIND_INT32));
    EXPECT_EQ(offsetof(struct weir_opt_int64_t, value), weir__model_opt_offset(WEIR_KIND_INT64));
    EXPECT_EQ(offsetof(struct weir_opt_uint8_t, value), weir__model_opt_offset(WEIR_KIND_UINT8));
    EXPECT_EQ(offsetof(struct weir_opt_uint16_t, value), weir__model_opt_offset(WEIR_KIND_UINT16));
    EXPECT_EQ(offsetof(struct weir_opt_uint32_t, value), weir__model_opt_offset(WEIR_KIND_UINT32));
    EXPECT_EQ(offsetof(struct weir_opt_uint64_t, value), weir__model_opt_offset(WEIR_KIND_UINT64));
    EXPECT_EQ(offsetof(struct weir_opt_size_t, value), weir__model_opt_offset(WEIR_KIND_UINT64));
    EXPECT_EQ(offsetof(struct weir_opt_int, value), weir__model_opt_offset(WEIR_KIND_INT32));
    EXPECT_EQ(offsetof(struct weir_opt_long, value), weir__model_opt_offset(WEIR_KIND_INT64));
    EXPECT_EQ(offsetof(struct weir_opt_float, value), weir__model_opt_offset(WEIR_KIND_FLOAT));
    EXPECT_EQ(offsetof(struct weir_opt_double, value), weir__model_opt_offset(WEIR_KIND_DOUBLE));
}

TEST(a_limit_is_spelled_as_people_write_it)
{
    char text[WEIR__MODEL_BOUND_MAX];
    EXPECT_STR("0", weir__model_format_bound(0, text));
    EXPECT_STR("-1", weir__model_format_bound(-1, text));
    EXPECT_STR("0.5", weir__model_format_bound(0.5, text));
    EXPECT_STR("-273.15", weir__model_format_bound(-273.15, text));
    EXPECT_STR("18446744073709551615", weir__model_format_bound((long double)UINT64_MAX, text));
    EXPECT_STR("-9223372036854775808", weir__model_format_bound((long double)INT64_MIN, text));
    EXPECT_STR("1e+300", weir__model_format_bound(1e300, text));
    EXPECT_STR("-1.7976931348623157e+308", weir__model_format_bound(-DBL_MAX, text));
}

TEST(ranges_are_those_of_the_types)
{
    long double min, max;
    weir__model_kind_range(WEIR_KIND_INT64, &min, &max);
    EXPECT(min == (long double)INT64_MIN && max == (long double)INT64_MAX);
    weir__model_kind_range(WEIR_KIND_UINT8, &min, &max);
    EXPECT(min == 0 && max == 255);
    weir__model_kind_range(WEIR_KIND_FLOAT, &min, &max);
    EXPECT(min == -(long double)FLT_MAX && max == (long double)FLT_MAX);
}
