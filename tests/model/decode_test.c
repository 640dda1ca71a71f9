/*
 * decode_test.c - JSON to struct: what is taken, what is refused, and with which words
 */
#include <weir/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/support/fault_loop.h"
#include "tests/support/guarded.h"
#include "tests/support/test.h"

/* --- models ----------------------------------------------------------------------------------- */

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1, .max_len = 120, .doc = "what to buy"),
           WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"))

typedef struct {
    char *street;
    const char *zip;
} address;
WEIR_MODEL(address, WEIR_FIELD(street), WEIR_FIELD(zip, .optional = true))

typedef struct {
    bool flag;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f;
    double d;
    char *text;
} scalars;
WEIR_MODEL(scalars, WEIR_FIELD(flag, .or_else = "false"), WEIR_FIELD(i8, .or_else = "0"),
           WEIR_FIELD(i16, .or_else = "0"), WEIR_FIELD(i32, .or_else = "0"),
           WEIR_FIELD(i64, .or_else = "0"), WEIR_FIELD(u8, .or_else = "0"),
           WEIR_FIELD(u16, .or_else = "0"), WEIR_FIELD(u32, .or_else = "0"),
           WEIR_FIELD(u64, .or_else = "0"), WEIR_FIELD(f, .or_else = "0"),
           WEIR_FIELD(d, .or_else = "0"), WEIR_FIELD(text, .or_else = "\"\""))

typedef struct {
    WEIR_OPT(bool) flag;
    WEIR_OPT(int8_t) i8;
    WEIR_OPT(uint16_t) u16;
    WEIR_OPT(int32_t) i32;
    WEIR_OPT(int) plain;
    WEIR_OPT(long) wide;
    WEIR_OPT(size_t) size;
    WEIR_OPT(uint64_t) u64;
    WEIR_OPT(float) f;
    WEIR_OPT(double) d;
} opts;
WEIR_MODEL(opts, WEIR_FIELD(flag), WEIR_FIELD(i8), WEIR_FIELD(u16),
           WEIR_FIELD(i32, .min = 0, .max = 9), WEIR_FIELD(plain), WEIR_FIELD(wide),
           WEIR_FIELD(size), WEIR_FIELD(u64), WEIR_FIELD(f), WEIR_FIELD(d, .or_else = "0.5"))

typedef struct {
    WEIR_LIST(char *) urls;
    WEIR_LIST(int16_t) numbers;
    WEIR_LIST(bool) flags;
    WEIR_LIST(double) weights;
} lists;
WEIR_MODEL(lists,
           WEIR_FIELD(urls, .min_len = 1, .max_len = 3, .item_min_len = 2, .item_max_len = 20,
                      .item_format = "http-url"),
           WEIR_FIELD(numbers, .or_else = "[1,2,3]", .item_min = -5, .item_max = 5),
           WEIR_FIELD(flags, .optional = true), WEIR_FIELD(weights, .or_else = "[]"))

typedef struct person person;
struct person {
    char *name;
    address home;
    address *work;
    WEIR_LIST(address) past;
    person *boss;
    WEIR_LIST(person) friends;
};
WEIR_MODEL(person, WEIR_FIELD(name), WEIR_NESTED(home, address),
           WEIR_NESTED(work, address, .optional = true),
           WEIR_NESTED(past, address, .or_else = "[]"), WEIR_NESTED(boss, person, .optional = true),
           WEIR_NESTED(friends, person, .optional = true))

static const char *even(const char *text, size_t size)
{
    (void)text;
    return size % 2 == 0 ? NULL : "must be of even length";
}

typedef struct {
    char *state;
    char *code;
    int renamed;
} choices;
WEIR_MODEL_WITH(choices, (.strict = true, .doc = "a strict one"),
                WEIR_FIELD(state, .one_of = "running|done|cancelled"),
                WEIR_FIELD(code, .check = even, .optional = true),
                WEIR_FIELD(renamed, .name = "re-named/~", .or_else = "7"))

typedef struct {
    int64_t low;
    uint64_t high;
} wide;
WEIR_MODEL(wide, WEIR_FIELD(low, .min = -9223372036854775807, .or_else = "0"),
           WEIR_FIELD(high, .max = 18446744073709551614u, .or_else = "0"))

typedef struct {
    int32_t zero;
    double open;
} bounds;
WEIR_MODEL(bounds, WEIR_FIELD(zero, .min = 0, .or_else = "0"),
           WEIR_FIELD(open, .min = -0.5, .max = 0.5, .or_else = "0"))

typedef struct nest nest;
struct nest {
    nest *in;
};
WEIR_MODEL(nest, WEIR_NESTED(in, nest, .optional = true))

typedef struct hungry hungry;
struct hungry {
    hungry *more;
};
WEIR_MODEL(hungry, WEIR_NESTED(more, hungry, .or_else = "{}"))

typedef struct {
    int count;
} misdeclared;
WEIR_MODEL(misdeclared, WEIR_FIELD(count, .max = 5, .or_else = "6"))

typedef struct {
    int unused;
} empty;
WEIR_MODEL_WITH(empty, (.strict = false), WEIR_FIELD(unused, .or_else = "0"))

/* --- help ------------------------------------------------------------------------------------- */

struct tried {
    weir_arena *arena;
    weir_model_errors errors;
    int rc;
};

/* From a copy that ends at a guarded page and is gone afterwards: nothing may refer to it. */
static struct tried try_sized(const weir_model *model, const char *json, size_t size, void *out)
{
    struct tried tried = {.arena = weir_arena_new(0)};
    struct guarded copy = guarded_copy(json, size);
    tried.rc =
        weir_model_decode(model, (weir_str){copy.data, size}, tried.arena, out, &tried.errors);
    guarded_free(&copy);
    return tried;
}

static struct tried try(const weir_model *model, const char *json, void *out)
{
    return try_sized(model, json, strlen(json), out);
}

static void expect_errors(const weir_model *model, const char *json, int rc, const char *expected)
{
    char *out = calloc(1, model->size);
    memset(out, 0x5a, model->size);
    char *before = calloc(1, model->size);
    memcpy(before, out, model->size);
    struct tried tried = try(model, json, out);
    EXPECT_RC(rc, tried.rc);
    EXPECT_BYTES(before, out, model->size); /* written on success only */
    char text[2000];
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < tried.errors.count; i++) {
        const weir_model_error *error = &tried.errors.items[i];
        EXPECT_STR("body", error->in);
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s %s %s", i == 0 ? "" : "\n",
                                 error->pointer, error->type, error->message);
    }
    EXPECT_STR(expected, text);
    EXPECT_EQ(tried.errors.count, tried.errors.total);
    free(out);
    free(before);
    weir_arena_free(tried.arena);
}

/* --- what fits -------------------------------------------------------------------------------- */

TEST(an_order_is_read_into_its_struct)
{
    order value;
    struct tried tried = try(WEIR_MODEL_OF(order), "{\"item\":\"tea\",\"count\":3}", &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT_STR("tea", value.item);
    EXPECT_EQ(3, value.count);
    EXPECT_EQ(0, tried.errors.total);
    weir_arena_free(tried.arena);
}

TEST(an_absent_field_takes_its_default)
{
    order value;
    struct tried tried = try(WEIR_MODEL_OF(order), " { \"item\" : \"tea\" } ", &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT_EQ(1, value.count);
    weir_arena_free(tried.arena);
}

TEST(names_come_in_any_order_and_with_escapes)
{
    order value;
    struct tried tried =
        try(WEIR_MODEL_OF(order), "{\"coun\\u0074\":2,\"\\u0069te\\u006d\":\"\\u0074ea\"}", &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT_STR("tea", value.item);
    EXPECT_EQ(2, value.count);
    weir_arena_free(tried.arena);
}

TEST(unknown_names_are_skipped_with_everything_in_them)
{
    order value;
    struct tried tried = try(WEIR_MODEL_OF(order),
                             "{\"x\":{\"item\":[1,{\"count\":null}]},\"item\":\"tea\",\"ite\":1,"
                             "\"items\":[],\"\":0,\"x\":2}",
                             &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT_STR("tea", value.item);
    weir_arena_free(tried.arena);
}

TEST(every_kind_of_member_takes_its_least_and_greatest_value)
{
    scalars value;
    struct tried tried =
        try(WEIR_MODEL_OF(scalars),
            "{\"flag\":true,\"i8\":-128,\"i16\":-32768,\"i32\":-2147483648,"
            "\"i64\":-9223372036854775808,\"u8\":255,\"u16\":65535,\"u32\":4294967295,"
            "\"u64\":18446744073709551615,\"f\":-3.4028235e38,\"d\":1.7976931348623157e308,"
            "\"text\":\"\xf0\x9f\x98\x80\"}",
            &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT(value.flag);
    EXPECT_EQ(INT8_MIN, value.i8);
    EXPECT_EQ(INT16_MIN, value.i16);
    EXPECT_EQ(INT32_MIN, value.i32);
    EXPECT_EQ(INT64_MIN, value.i64);
    EXPECT_EQ(UINT8_MAX, value.u8);
    EXPECT_EQ(UINT16_MAX, value.u16);
    EXPECT_EQ(UINT32_MAX, value.u32);
    EXPECT(value.u64 == UINT64_MAX);
    EXPECT(value.f == -3.4028235e38f);
    EXPECT(value.d == 1.7976931348623157e308);
    EXPECT_STR("\xf0\x9f\x98\x80", value.text);
    weir_arena_free(tried.arena);

    tried = try(WEIR_MODEL_OF(scalars),
                "{\"i8\":127,\"i16\":32767,\"i32\":2147483647,\"i64\":9223372036854775807,"
                "\"u64\":-0,\"d\":-0,\"f\":1e-60}",
                &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT_EQ(INT8_MAX, value.i8);
    EXPECT_EQ(INT16_MAX, value.i16);
    EXPECT_EQ(INT32_MAX, value.i32);
    EXPECT_EQ(INT64_MAX, value.i64);
    EXPECT_EQ(0, value.u64);
    EXPECT(value.d == 0 && __builtin_signbit(value.d));
    EXPECT(value.f == 0);
    EXPECT_STR("", value.text);
    weir_arena_free(tried.arena);
}

TEST(one_beyond_what_the_type_holds_is_refused)
{
    expect_errors(WEIR_MODEL_OF(scalars),
                  "{\"i8\":128,\"i16\":-32769,\"i32\":2147483648,\"i64\":9223372036854775808,"
                  "\"u8\":-1,\"u16\":65536,\"u32\":4294967296,\"u64\":18446744073709551616,"
                  "\"f\":3.5e38,\"d\":-1e400}",
                  -EINVAL,
                  "/i8 max must be at most 127, is 128\n"
                  "/i16 min must be at least -32768, is -32769\n"
                  "/i32 max must be at most 2147483647, is 2147483648\n"
                  "/i64 max must be at most 9223372036854775807, is 9223372036854775808\n"
                  "/u8 min must be at least 0, is -1\n"
                  "/u16 max must be at most 65535, is 65536\n"
                  "/u32 max must be at most 4294967295, is 4294967296\n"
                  "/u64 max must be at most 18446744073709551615, is 18446744073709551616\n"
                  "/f max must be at most 3.4028234663852886e+38, is 3.5e38\n"
                  "/d min must be at least -1.7976931348623157e+308, is -1e400");
    expect_errors(WEIR_MODEL_OF(scalars), "{\"i64\":-9223372036854775809}", -EINVAL,
                  "/i64 min must be at least -9223372036854775808, is -9223372036854775809");
    expect_errors(WEIR_MODEL_OF(scalars), "{\"u8\":-99999999999999999999999}", -EINVAL,
                  "/u8 min must be at least 0, is -99999999999999999999999");
}

TEST(an_integer_has_neither_fraction_nor_exponent)
{
    expect_errors(WEIR_MODEL_OF(scalars), "{\"i32\":1.0,\"u8\":1e2,\"i64\":-1E0}", -EINVAL,
                  "/i32 type must be an integer, without fraction or exponent, is 1.0\n"
                  "/u8 type must be an integer, without fraction or exponent, is 1e2\n"
                  "/i64 type must be an integer, without fraction or exponent, is -1E0");
}

TEST(limits_of_64_bits_are_exact)
{
    wide value;
    struct tried tried =
        try(WEIR_MODEL_OF(wide), "{\"low\":-9223372036854775807,\"high\":18446744073709551614}",
            &value);
    EXPECT_RC(0, tried.rc);
    EXPECT_EQ(-INT64_MAX, value.low);
    EXPECT(value.high == UINT64_MAX - 1);
    weir_arena_free(tried.arena);
    expect_errors(WEIR_MODEL_OF(wide),
                  "{\"low\":-9223372036854775808,\"high\":18446744073709551615}", -EINVAL,
                  "/low min must be at least -9223372036854775807, is -9223372036854775808\n"
                  "/high max must be at most 18446744073709551614, is 18446744073709551615");
}

TEST(a_limit_of_zero_is_a_limit)
{
    bounds value;
    struct tried tried = try(WEIR_MODEL_OF(bounds), "{\"zero\":0,\"open\":-0.5}", &value);
    EXPECT_RC(0, tried.rc);
    weir_arena_free(tried.arena);
    expect_errors(WEIR_MODEL_OF(bounds), "{\"zero\":-1,\"open\":0.5000000000000001}", -EINVAL,
                  "/zero min must be at least 0, is -1\n"
                  "/open max must be at most 0.5, is 0.5000000000000001");
}

/* --- limits at the limit and one beyond ------------------------------------------------------- */

static int decode_order(size_t letters, const char *letter, int count)
{
    char json[2000];
    size_t size = (size_t)sprintf(json, "{\"item\":\"");
    for (size_t i = 0; i < letters; i++)
        size += (size_t)sprintf(json + size, "%s", letter);
    sprintf(json + size, "\",\"count\":%d}", count);
    order value;
    struct tried tried = try(WEIR_MODEL_OF(order), json, &value);
    weir_arena_free(tried.arena);
    return tried.rc;
}

TEST(lengths_and_ranges_hold_at_the_limit_and_not_beyond)
{
    EXPECT_RC(0, decode_order(1, "a", 1));
    EXPECT_RC(0, decode_order(120, "a", 100));
    EXPECT_RC(-EINVAL, decode_order(0, "a", 1));
    EXPECT_RC(-EINVAL, decode_order(121, "a", 1));
    EXPECT_RC(-EINVAL, decode_order(1, "a", 0));
    EXPECT_RC(-EINVAL, decode_order(1, "a", 101));
}

TEST(a_length_counts_code_points)
{
    EXPECT_RC(0, decode_order(120, "\xc3\xa9", 1));
    EXPECT_RC(-EINVAL, decode_order(121, "\xc3\xa9", 1));
    EXPECT_RC(0, decode_order(120, "\xf0\x9f\x98\x80", 1));
    EXPECT_RC(0, decode_order(120, "\\ud83d\\ude00", 1));
    EXPECT_RC(-EINVAL, decode_order(121, "\\ud83d\\ude00", 1));
    EXPECT_RC(0, decode_order(120, "\\n", 1));
}

TEST(each_kind_of_error_has_its_word_and_pointer)
{
    expect_errors(WEIR_MODEL_OF(order), "{}", -EINVAL, "/item missing is required");
    expect_errors(WEIR_MODEL_OF(order), "{\"item\":\"\",\"count\":250}", -EINVAL,
                  "/item min_len must have at least 1 character, has 0\n"
                  "/count max must be at most 100, is 250");
    expect_errors(WEIR_MODEL_OF(order), "{\"item\":1,\"count\":\"3\"}", -EINVAL,
                  "/item type must be a string, is a number\n"
                  "/count type must be an integer, is a string");
    expect_errors(WEIR_MODEL_OF(order), "{\"item\":null,\"count\":null}", -EINVAL,
                  "/item type must be a string, is null\n"
                  "/count type must be an integer, is null");
    expect_errors(WEIR_MODEL_OF(order), "{\"item\":{\"a\":[1]},\"count\":[2]}", -EINVAL,
                  "/item type must be a string, is an object\n"
                  "/count type must be an integer, is an array");
    expect_errors(WEIR_MODEL_OF(scalars), "{\"flag\":1,\"d\":true,\"f\":false}", -EINVAL,
                  "/flag type must be true or false, is a number\n"
                  "/d type must be a number, is true\n"
                  "/f type must be a number, is false");
    expect_errors(WEIR_MODEL_OF(order), "{\"item\":\"a\\u0000b\"}", -EINVAL,
                  "/item format must not contain the character U+0000");
    expect_errors(WEIR_MODEL_OF(order), "{\"item\":\"a\",\"item\":\"b\",\"count\":1,\"count\":[1]}",
                  -EINVAL,
                  "/item duplicate must be given only once\n"
                  "/count duplicate must be given only once");
    expect_errors(WEIR_MODEL_OF(choices), "{\"state\":\"run\"}", -EINVAL,
                  "/state one_of must be one of running, done, cancelled");
    expect_errors(WEIR_MODEL_OF(choices), "{\"state\":\"running|done\"}", -EINVAL,
                  "/state one_of must be one of running, done, cancelled");
    expect_errors(WEIR_MODEL_OF(choices), "{\"state\":\"\"}", -EINVAL,
                  "/state one_of must be one of running, done, cancelled");
    expect_errors(WEIR_MODEL_OF(choices), "{\"state\":\"done\",\"code\":\"abc\"}", -EINVAL,
                  "/code format must be of even length");
    expect_errors(WEIR_MODEL_OF(choices), "{\"state\":\"done\",\"x/y~z\":[{\"a\":1}],\"\":1}",
                  -EINVAL,
                  "/x~1y~0z unknown is not a field that is known\n"
                  "/ unknown is not a field that is known");
    expect_errors(WEIR_MODEL_OF(choices), "{\"state\":\"done\",\"re-named/~\":null}", -EINVAL,
                  "/re-named~1~0 type must be an integer, is null");
    expect_errors(WEIR_MODEL_OF(order), "[]", -EINVAL, " type must be an object, is an array");
    expect_errors(WEIR_MODEL_OF(order), "null", -EINVAL, " type must be an object, is null");
    expect_errors(WEIR_MODEL_OF(order), "3", -EINVAL, " type must be an object, is a number");
}

TEST(every_choice_is_taken)
{
    static const char *const states[] = {"running", "done", "cancelled"};
    for (size_t i = 0; i < 3; i++) {
        char json[100];
        choices value;
        sprintf(json, "{\"state\":\"%s\",\"code\":\"ab\",\"re-named/~\":%zu}", states[i], i);
        struct tried tried = try(WEIR_MODEL_OF(choices), json, &value);
        REQUIRE_RC(0, tried.rc);
        EXPECT_STR(states[i], value.state);
        EXPECT_STR("ab", value.code);
        EXPECT_EQ(i, value.renamed);
        weir_arena_free(tried.arena);
    }
}

TEST(a_number_of_a_thousand_digits_is_not_repeated_whole)
{
    char json[1100];
    size_t size = (size_t)sprintf(json, "{\"item\":\"a\",\"count\":");
    memset(json + size, '9', 1000);
    strcpy(json + size + 1000, "}");
    expect_errors(WEIR_MODEL_OF(order), json, -EINVAL,
                  "/count max must be at most 100, is 9999999999999999999999999999999999999999...");
}

/* --- optional values -------------------------------------------------------------------------- */

TEST(optional_values_are_absent_null_or_there)
{
    opts value;
    memset(&value, 0x5a, sizeof value);
    struct tried tried = try(WEIR_MODEL_OF(opts), "{\"i8\":null,\"plain\":null}", &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT(!value.flag.present && !value.i8.present && !value.u16.present && !value.i32.present);
    EXPECT(!value.plain.present && !value.size.present && !value.u64.present && !value.f.present);
    EXPECT(value.d.present && value.d.value == 0.5);
    weir_arena_free(tried.arena);

    tried =
        try(WEIR_MODEL_OF(opts),
            "{\"flag\":false,\"i8\":-3,\"u16\":65535,\"i32\":9,\"plain\":-1,\"wide\":-5000000000,"
            "\"size\":18446744073709551615,\"u64\":7,\"f\":0.25,\"d\":null}",
            &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT(value.flag.present && !value.flag.value);
    EXPECT(value.i8.present && value.i8.value == -3);
    EXPECT(value.u16.present && value.u16.value == 65535);
    EXPECT(value.i32.present && value.i32.value == 9);
    EXPECT(value.plain.present && value.plain.value == -1);
    EXPECT(value.wide.present && value.wide.value == -5000000000);
    EXPECT(value.size.present && value.size.value == SIZE_MAX);
    EXPECT(value.u64.present && value.u64.value == 7);
    EXPECT(value.f.present && value.f.value == 0.25f);
    EXPECT(!value.d.present); /* null is not absent: no default */
    weir_arena_free(tried.arena);
    expect_errors(WEIR_MODEL_OF(opts), "{\"i32\":10,\"flag\":\"x\"}", -EINVAL,
                  "/i32 max must be at most 9, is 10\n"
                  "/flag type must be true or false, is a string");
}

/* --- lists ------------------------------------------------------------------------------------ */

TEST(lists_are_read_with_all_their_items)
{
    lists value;
    struct tried tried = try(WEIR_MODEL_OF(lists),
                             "{\"urls\":[\"http://a\",\"https://b/c\"],\"flags\":[true,false],"
                             "\"weights\":[0,1.5,-2e3]}",
                             &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT_EQ(2, value.urls.count);
    EXPECT_STR("http://a", value.urls.items[0]);
    EXPECT_STR("https://b/c", value.urls.items[1]);
    EXPECT_EQ(3, value.numbers.count);
    EXPECT_EQ(3, value.numbers.items[2]);
    EXPECT_EQ(2, value.flags.count);
    EXPECT(value.flags.items[0] && !value.flags.items[1]);
    EXPECT_EQ(3, value.weights.count);
    EXPECT(value.weights.items[2] == -2000);
    weir_arena_free(tried.arena);
}

TEST(an_empty_list_is_not_an_absent_one)
{
    lists value;
    struct tried tried =
        try(WEIR_MODEL_OF(lists), "{\"urls\":[\"http://a\"],\"flags\":[],\"numbers\":[]}", &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT(value.flags.items != NULL && value.flags.count == 0);
    EXPECT(value.numbers.items != NULL && value.numbers.count == 0);
    EXPECT(value.weights.items != NULL && value.weights.count == 0);
    weir_arena_free(tried.arena);
    tried = try(WEIR_MODEL_OF(lists), "{\"urls\":[\"http://a\"],\"flags\":null}", &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT(value.flags.items == NULL && value.flags.count == 0);
    weir_arena_free(tried.arena);
}

TEST(a_list_holds_its_limits_and_so_do_its_items)
{
    lists value;
    struct tried tried =
        try(WEIR_MODEL_OF(lists), "{\"urls\":[\"http://a\",\"http://b\",\"http://c\"]}", &value);
    EXPECT_RC(0, tried.rc);
    weir_arena_free(tried.arena);
    expect_errors(WEIR_MODEL_OF(lists), "{\"urls\":[]}", -EINVAL,
                  "/urls min_len must have at least 1 item, has 0");
    expect_errors(WEIR_MODEL_OF(lists),
                  "{\"urls\":[\"http://a\",\"http://b\",\"http://c\",5,\"http://d\"]}", -EINVAL,
                  "/urls max_len must have at most 3 items, has 5");
    expect_errors(
        WEIR_MODEL_OF(lists),
        "{\"urls\":[\"x\",\"http://way-too-long.example\",\"ftp://a\"],\"numbers\":[6,0,-6],"
        "\"flags\":[null,1],\"weights\":{}}",
        -EINVAL,
        "/urls/0 min_len must have at least 2 characters, has 1\n"
        "/urls/1 max_len must have at most 20 characters, has 27\n"
        "/urls/2 format must begin with http:// or https://\n"
        "/numbers/0 max must be at most 5, is 6\n"
        "/numbers/2 min must be at least -5, is -6\n"
        "/flags/0 type must be true or false, is null\n"
        "/flags/1 type must be true or false, is a number\n"
        "/weights type must be an array, is an object");
    expect_errors(WEIR_MODEL_OF(lists), "{\"urls\":null}", -EINVAL,
                  "/urls type must be an array, is null");
}

static int decode_numbers(size_t count)
{
    char *json = malloc(count * 2 + 100);
    size_t size = (size_t)sprintf(json, "{\"urls\":[\"http://a\"],\"weights\":[");
    for (size_t i = 0; i < count; i++)
        size += (size_t)sprintf(json + size, "%s1", i == 0 ? "" : ",");
    size += (size_t)sprintf(json + size, "]}");
    lists value;
    struct tried tried = try_sized(WEIR_MODEL_OF(lists), json, size, &value);
    if (tried.rc == 0)
        EXPECT_EQ(count, value.weights.count);
    weir_arena_free(tried.arena);
    free(json);
    return tried.rc;
}

TEST(a_list_without_a_limit_of_its_own_has_one_all_the_same)
{
    EXPECT_RC(0, decode_numbers(WEIR_MODEL_ITEMS_MAX));
    EXPECT_RC(-EINVAL, decode_numbers(WEIR_MODEL_ITEMS_MAX + 1));
}

TEST(items_beyond_the_limit_take_no_memory)
{
    static char json[1 << 20];
    size_t size = (size_t)sprintf(json, "{\"urls\":[");
    while (size < sizeof json - 20)
        size += (size_t)sprintf(json + size, "\"abcdefgh\",");
    size += (size_t)sprintf(json + size, "1]}");
    weir_arena *arena = weir_arena_new(8192);
    lists value;
    weir_model_errors errors = {0};
    EXPECT_RC(-EINVAL, weir_model_decode(WEIR_MODEL_OF(lists), (weir_str){json, size}, arena,
                                         &value, &errors));
    weir_arena_free(arena);
}

/* --- nested ----------------------------------------------------------------------------------- */

TEST(nested_structs_pointers_and_lists_are_read)
{
    person value;
    struct tried tried =
        try(WEIR_MODEL_OF(person),
            "{\"name\":\"Ada\",\"home\":{\"street\":\"s1\",\"zip\":\"1\"},"
            "\"work\":{\"street\":\"s2\"},\"past\":[{\"street\":\"s3\"},"
            "{\"street\":\"s4\",\"zip\":null}],\"boss\":{\"name\":\"Bob\",\"home\":"
            "{\"street\":\"s5\"},\"boss\":null},\"friends\":[{\"name\":\"Cy\","
            "\"home\":{\"street\":\"s6\"}}]}",
            &value);
    REQUIRE_RC(0, tried.rc);
    EXPECT_STR("s1", value.home.street);
    EXPECT_STR("1", value.home.zip);
    EXPECT_STR("s2", value.work->street);
    EXPECT(value.work->zip == NULL);
    EXPECT_EQ(2, value.past.count);
    EXPECT_STR("s4", value.past.items[1].street);
    EXPECT(value.past.items[1].zip == NULL);
    EXPECT_STR("Bob", value.boss->name);
    EXPECT(value.boss->boss == NULL && value.boss->work == NULL);
    EXPECT_EQ(0, value.boss->past.count);
    EXPECT_STR("s6", value.friends.items[0].home.street);
    weir_arena_free(tried.arena);
}

TEST(the_pointer_leads_to_the_nested_value)
{
    expect_errors(
        WEIR_MODEL_OF(person),
        "{\"name\":\"A\",\"home\":{\"street\":1,\"zip\":2},\"past\":[{\"street\":\"ok\"},{},7],"
        "\"boss\":{\"name\":null},\"friends\":[{\"name\":\"B\",\"home\":{\"street\":\"s\"},"
        "\"friends\":[{\"home\":[]}]}],\"work\":[]}",
        -EINVAL,
        "/home/street type must be a string, is a number\n"
        "/home/zip type must be a string, is a number\n"
        "/past/1/street missing is required\n"
        "/past/2 type must be an object, is a number\n"
        "/boss/name type must be a string, is null\n"
        "/boss/home missing is required\n"
        "/friends/0/friends/0/home type must be an object, is an array\n"
        "/friends/0/friends/0/name missing is required\n"
        "/work type must be an object, is an array");
}

static int decode_nested(size_t levels)
{
    char json[4000];
    size_t size = 0;
    for (size_t i = 1; i < levels; i++)
        size += (size_t)sprintf(json + size, "{\"in\":");
    size += (size_t)sprintf(json + size, "{}");
    for (size_t i = 1; i < levels; i++)
        size += (size_t)sprintf(json + size, "}");
    nest value;
    struct tried tried = try_sized(WEIR_MODEL_OF(nest), json, size, &value);
    if (tried.rc == -EBADMSG)
        EXPECT_CONTAINS("nested too deep", tried.errors.items[0].message);
    weir_arena_free(tried.arena);
    return tried.rc;
}

TEST(structs_nest_up_to_the_limit_and_not_beyond)
{
    EXPECT_RC(0, decode_nested(1));
    EXPECT_RC(0, decode_nested(WEIR_MODEL_DEPTH_MAX));
    EXPECT_RC(-EBADMSG, decode_nested(WEIR_MODEL_DEPTH_MAX + 1));
}

/* --- malformed -------------------------------------------------------------------------------- */

TEST(malformed_json_is_told_apart_and_is_the_only_error)
{
    order value;
    struct tried tried = try(WEIR_MODEL_OF(order), "{\"item\":1,\n \"count\":200,}", &value);
    EXPECT_RC(-EBADMSG, tried.rc);
    REQUIRE(tried.errors.count == 1);
    EXPECT_EQ(1, tried.errors.total);
    EXPECT_STR("json", tried.errors.items[0].type);
    EXPECT_STR("", tried.errors.items[0].pointer);
    EXPECT_STR("line 2, column 14: a name in double quotes is expected",
               tried.errors.items[0].message);
    EXPECT_EQ(2, tried.errors.line);
    EXPECT_EQ(14, tried.errors.column);
    EXPECT_EQ(24, tried.errors.offset);
    weir_arena_free(tried.arena);
}

TEST(malformed_json_is_found_wherever_it_hides)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "{\"item\":\"a\"",
        "{\"item\":\"a\",\"x\":[1,}",
        "{\"item\":\"a\"}}",
        "{\"item\":\"\xff\"}",
        "{\"item\":\"\\ud800\"}",
        "{\"x\":\"\\ud800\",\"item\":\"a\"}",
        "{\"item\":\"a\",\"count\":01}",
        "{\"item\":\"a\",\"count\":1.}",
        "{\"item\":\"a\" \"count\":1}",
        "{\"item\":nul}",
        "{\"item\":[tru]}",
        "\xef\xbb\xbf{\"item\":\"a\"}",
        "{\"item\":\"a\"} x",
        "{\"item\":\"a\",\"item\":bad}",
        "[1",
        "\"a",
        "-",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        order value;
        struct tried tried = try(WEIR_MODEL_OF(order), texts[i], &value);
        if (tried.rc != -EBADMSG)
            printf("%s\n", texts[i]);
        EXPECT_RC(-EBADMSG, tried.rc);
        EXPECT_EQ(1, tried.errors.total);
        weir_arena_free(tried.arena);
    }
}

TEST(errors_of_an_earlier_call_stay_when_the_next_text_is_malformed)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    order value;
    EXPECT_RC(-EINVAL,
              weir_model_decode(WEIR_MODEL_OF(order), WEIR_STR("{}"), arena, &value, &errors));
    EXPECT_RC(-EBADMSG, weir_model_decode(WEIR_MODEL_OF(order), WEIR_STR("{\"count\":0"), arena,
                                          &value, &errors));
    EXPECT_EQ(2, errors.total);
    EXPECT_STR("missing", errors.items[0].type);
    EXPECT_STR("json", errors.items[1].type);
    weir_arena_free(arena);
}

TEST(errors_need_not_be_asked_for)
{
    weir_arena *arena = weir_arena_new(0);
    order value;
    EXPECT_RC(-EINVAL,
              weir_model_decode(WEIR_MODEL_OF(order), WEIR_STR("{}"), arena, &value, NULL));
    EXPECT_RC(-EBADMSG,
              weir_model_decode(WEIR_MODEL_OF(order), WEIR_STR("{"), arena, &value, NULL));
    EXPECT_RC(-EBADMSG,
              weir_model_decode(WEIR_MODEL_OF(order), (weir_str){NULL, 0}, arena, &value, NULL));
    EXPECT_RC(0, weir_model_decode(WEIR_MODEL_OF(order), WEIR_STR("{\"item\":\"a\"}"), arena,
                                   &value, NULL));
    weir_arena_free(arena);
}

TEST(more_errors_than_are_kept_are_counted)
{
    char json[8000];
    size_t size = (size_t)sprintf(json, "{\"urls\":[\"http://a\"],\"numbers\":[");
    for (int i = 0; i < 250; i++)
        size += (size_t)sprintf(json + size, "%s9", i == 0 ? "" : ",");
    size += (size_t)sprintf(json + size, "]}");
    lists value;
    struct tried tried = try_sized(WEIR_MODEL_OF(lists), json, size, &value);
    EXPECT_RC(-EINVAL, tried.rc);
    EXPECT_EQ(WEIR_MODEL_ERRORS_MAX, tried.errors.count);
    EXPECT_EQ(250, tried.errors.total);
    EXPECT_STR("/numbers/99", tried.errors.items[99].pointer);
    weir_arena_free(tried.arena);

    weir_arena *arena = weir_arena_new(0);
    weir_model_errors few = {.count_max = 3};
    EXPECT_RC(-EINVAL,
              weir_model_decode(WEIR_MODEL_OF(lists), (weir_str){json, size}, arena, &value, &few));
    EXPECT_EQ(3, few.count);
    EXPECT_EQ(250, few.total);
    weir_arena_free(arena);
}

/* --- declarations that are wrong -------------------------------------------------------------- */

TEST(a_default_that_breaks_its_own_rules_does_not_blame_the_client)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    misdeclared value;
    EXPECT_RC(-EDOM, weir_model_decode(WEIR_MODEL_OF(misdeclared), WEIR_STR("{}"), arena, &value,
                                       &errors));
    EXPECT_EQ(0, errors.total);
    EXPECT_RC(0, weir_model_decode(WEIR_MODEL_OF(misdeclared), WEIR_STR("{\"count\":5}"), arena,
                                   &value, &errors));
    weir_arena_free(arena);
}

TEST(a_default_that_needs_itself_comes_to_an_end)
{
    weir_arena *arena = weir_arena_new(0);
    hungry value;
    EXPECT_RC(-EDOM, weir_model_decode(WEIR_MODEL_OF(hungry), WEIR_STR("{}"), arena, &value, NULL));
    weir_arena_free(arena);
}

TEST(a_field_is_found_by_its_json_name)
{
    EXPECT_EQ(0, weir_model_find(WEIR_MODEL_OF(order), WEIR_STR("item")));
    EXPECT_EQ(1, weir_model_find(WEIR_MODEL_OF(order), WEIR_STR("count")));
    EXPECT_EQ(2, weir_model_find(WEIR_MODEL_OF(choices), WEIR_STR("re-named/~")));
    EXPECT_RC(-ENOENT, weir_model_find(WEIR_MODEL_OF(choices), WEIR_STR("renamed")));
    EXPECT_RC(-ENOENT, weir_model_find(WEIR_MODEL_OF(order), WEIR_STR("ite")));
    EXPECT_RC(-ENOENT, weir_model_find(WEIR_MODEL_OF(order), (weir_str){NULL, 0}));
}

/* --- memory ----------------------------------------------------------------------------------- */

static const char large[] =
    "{\"name\":\"A\\u0064a\",\"h\\u006fme\":{\"street\":\"s1\",\"zip\":\"1\"},\"work\":{\"street\":"
    "\"s2\"},"
    "\"past\":[{\"street\":\"s3\"},{\"street\":\"s4\"},{\"street\":\"s\"},{\"street\":\"s\"},"
    "{\"street\":\"s\"},{\"street\":\"s\"},{\"street\":\"s\"},{\"street\":\"s\"},{\"street\":\"s\"}"
    "],"
    "\"boss\":{\"name\":\"Bob\",\"home\":{\"street\":\"s5\"}}}";
static const char large_wrong[] = "{\"name\":1,\"home\":{\"street\":2,\"zip\":\"1\"},\"past\":[{"
                                  "\"street\":\"s3\"},{\"street\":4},{}]}";

static void decode_with_limit(const char *json, int expected)
{
    bool finished = false;
    for (size_t limit = 1; limit < 20000 && !finished; limit += 16) {
        weir_arena *arena = weir_arena_new(limit);
        weir_model_errors errors = {0};
        person value;
        int rc = weir_model_decode(WEIR_MODEL_OF(person), (weir_str){json, strlen(json)}, arena,
                                   &value, &errors);
        if (rc != -ENOMEM) {
            EXPECT_RC(expected, rc);
            EXPECT(limit > 100);
            finished = true;
        }
        weir_arena_free(arena);
    }
    EXPECT(finished);
}

TEST(an_arena_that_is_too_small_is_always_told)
{
    decode_with_limit(large, 0);
    decode_with_limit(large_wrong, -EINVAL);
    decode_with_limit("{\"name\":", -EBADMSG);
}

static void decode_from_the_heap(void *arg)
{
    const char *json = arg;
    weir_arena *arena = weir_arena_new(0);
    if (arena == NULL)
        return;
    weir_model_errors errors = {0};
    person value;
    int rc = weir_model_decode(WEIR_MODEL_OF(person), (weir_str){json, strlen(json)}, arena, &value,
                               &errors);
    if (fault_loop_nth == 0)
        EXPECT_RC(json == large ? 0 : -EINVAL, rc);
    else
        EXPECT(rc == -ENOMEM || rc == 0 || rc == -EINVAL);
    weir_arena_free(arena);
}

TEST(a_heap_that_runs_out_leaves_nothing_behind)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, decode_from_the_heap, (void *)(uintptr_t)large) >
           1);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, decode_from_the_heap,
                      (void *)(uintptr_t)large_wrong) > 1);
}
