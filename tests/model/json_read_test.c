/*
 * json_read_test.c - the reader: what is JSON, what is not, and where it stops being it
 *
 * Every text is read from a copy that ends at a page nobody may touch.
 */
#include "model/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <weir/model.h>

#include "base/str.h"
#include "tests/support/guarded.h"
#include "tests/support/test.h"

/* 0, or -EBADMSG with the fault. The text is walked by skip. */
static int read_whole(const char *text, size_t size, struct weir__json *out_json)
{
    struct guarded copy = guarded_copy(text, size);
    weir__json_init(out_json, weir__str_of(copy.data, size));
    int rc = weir__json_peek(out_json);
    if (rc > 0)
        rc = weir__json_skip(out_json);
    if (rc == 0)
        rc = weir__json_finish(out_json);
    EXPECT(rc == 0 ? out_json->fault == NULL : out_json->fault != NULL);
    EXPECT(rc == 0 ||
           (out_json->fault_at >= out_json->start && out_json->fault_at <= out_json->end));
    out_json->at = out_json->start; /* the copy goes: nobody may look */
    guarded_free(&copy);
    return rc;
}

struct text {
    const char *data;
    size_t size;
};
#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct text valid[] = {
    /* words and blanks */
    T("null"),
    T("true"),
    T("false"),
    T(" null"),
    T("null "),
    T("\t\r\n null \t\r\n"),
    /* numbers */
    T("0"),
    T("-0"),
    T("1"),
    T("-1"),
    T("10"),
    T("123456789"),
    T("0.0"),
    T("-0.0"),
    T("0.5"),
    T("1.25"),
    T("-12.5"),
    T("1e1"),
    T("1E1"),
    T("1e+1"),
    T("1e-1"),
    T("1.5e3"),
    T("0e0"),
    T("0E-0"),
    T("-0e+1"),
    T("1e400"),
    T("-1e400"),
    T("1e-400"),
    T("1e99999999999999999999"),
    T("18446744073709551615"),
    T("18446744073709551616"),
    T("-9223372036854775808"),
    T("123456789012345678901234567890"),
    T("0.00000000000000000000000000000000001"),
    T("1.7976931348623157e308"),
    T("4.9e-324"),
    T("[0,-0,0.0]"),
    T("1.0000000000000000000000000000"),
    /* strings */
    T("\"\""),
    T("\"a\""),
    T("\"abc def\""),
    T("\"\\\"\""),
    T("\"\\\\\""),
    T("\"\\/\""),
    T("\"/\""),
    T("\"\\b\\f\\n\\r\\t\""),
    T("\"\\u0041\""),
    T("\"\\u00e9\""),
    T("\"\\u20AC\""),
    T("\"\\u20ac\""),
    T("\"\\ud83d\\ude00\""),
    T("\"\\uD83D\\uDE00\""),
    T("\"\\u0000\""),
    T("\"\\ud800\\udc00\""),
    T("\"\\udbff\\udfff\""),
    T("\"\x7f\""),
    T("\"\xc3\xa9\""),
    T("\"\xe2\x82\xac\""),
    T("\"\xf0\x9f\x98\x80\""),
    T("\"\xc2\x80\""),
    T("\"\xdf\xbf\""),
    T("\"\xe0\xa0\x80\""),
    T("\"\xed\x9f\xbf\""),
    T("\"\xee\x80\x80\""),
    T("\"\xef\xbf\xbf\""),
    T("\"\xf0\x90\x80\x80\""),
    T("\"\xf4\x8f\xbf\xbf\""),
    T("\"12345678\""),
    T("\"1234567\""),
    T("\"123456789012345\\n\""),
    T("\"\\\\u0041\""),
    T("\"\\uffff\""),
    T("\"\xe2\x80\xa8\xe2\x80\xa9\""),
    /* arrays and objects */
    T("[]"),
    T("[ ]"),
    T("[1]"),
    T("[1,2]"),
    T("[ 1 , 2 ]"),
    T("[[]]"),
    T("[[],[]]"),
    T("[{}]"),
    T("[\"a\",null,true,false,1.5,{},[]]"),
    T("{}"),
    T("{ }"),
    T("{\"a\":1}"),
    T("{\"\":1}"),
    T("{\"a\":1,\"b\":2}"),
    T("{ \"a\" : 1 , \"b\" : 2 }"),
    T("{\"a\":{\"b\":{\"c\":[]}}}"),
    T("{\"a\":1,\"a\":2}"),
    T("{\"\\u0061\":1}"),
    T("{\"\xc3\xa9\":1}"),
    T("[1,[2,[3,[4]]]]"),
    T("\n{\n\"a\"\n:\n[\n]\n}\n"),
    T("[{\"a\":[{\"b\":[{\"c\":null}]}]},2]"),
};

static const struct text invalid[] = {
    /* nothing, and too much */
    T(""),
    T(" "),
    T("\n"),
    T("null null"),
    T("1 2"),
    T("{}{}"),
    T("[]]"),
    T("{}}"),
    T("\"a\"\"b\""),
    T("null,"),
    T("[1]x"),
    T("{}#"),
    T("1\0"),
    T("\xef\xbb\xbf{}"),
    T("\xff"),
    T("\xfe\xff\0{\0}"),
    T("\x0b"),
    T("\x0cnull"),
    T("\xc2\xa0null"),
    T("\xe2\x81\xa0null"),
    /* words */
    T("nul"),
    T("nulll"),
    T("Null"),
    T("NULL"),
    T("tru"),
    T("True"),
    T("fals"),
    T("n"),
    T("undefined"),
    T("NaN"),
    T("Infinity"),
    T("-Infinity"),
    T("nan"),
    T("nu ll"),
    T("yes"),
    T("t\0ue"),
    /* numbers */
    T("+1"),
    T("-"),
    T("--1"),
    T("01"),
    T("-01"),
    T("00"),
    T("1."),
    T(".5"),
    T("-.5"),
    T("1.e1"),
    T("1e"),
    T("1e+"),
    T("1e-"),
    T("1E"),
    T("1.5e"),
    T("0x10"),
    T("1_000"),
    T("1,000"),
    T("1 000"),
    T("1a"),
    T("1e1.5"),
    T("1.2.3"),
    T("1e1e1"),
    T("-a"),
    T("- 1"),
    T("0b1"),
    T("0o7"),
    T("1f"),
    T("1\xc2\xa0"),
    T("\xef\xbc\x91"),
    T("1.5.e1"),
    T("1/2"),
    T("1-1"),
    T("[1-]"),
    T("[-]"),
    /* strings */
    T("\""),
    T("\"a"),
    T("\"\\"),
    T("\"\\\""),
    T("\"\\x41\""),
    T("\"\\a\""),
    T("\"\\'\""),
    T("'a'"),
    T("\"\\u\""),
    T("\"\\u1\""),
    T("\"\\u12\""),
    T("\"\\u123\""),
    T("\"\\u123g\""),
    T("\"\\U0041\""),
    T("\"\n\""),
    T("\"\t\""),
    T("\"\0\""),
    T("\"\x1f\""),
    T("\"a\nb\""),
    T("\"1234567\x01\""),
    T("\"\\ud800\""),
    T("\"\\udc00\""),
    T("\"\\ud800\\ud800\""),
    T("\"\\udc00\\ud800\""),
    T("\"\\ud800x\""),
    T("\"\\ud800\\n\""),
    T("\"\\ud800\\u\""),
    T("\"\\ud800\\u0041\""),
    T("\"\\ud83d\xed\xb8\x80\""),
    T("\"\x80\""),
    T("\"\xbf\""),
    T("\"\xc0\x80\""),
    T("\"\xc1\xbf\""),
    T("\"\xc3\""),
    T("\"\xc3\x28\""),
    T("\"\xe0\x80\x80\""),
    T("\"\xe0\x9f\xbf\""),
    T("\"\xe2\x82\""),
    T("\"\xe2\x28\xac\""),
    T("\"\xed\xa0\x80\""),
    T("\"\xed\xbf\xbf\""),
    T("\"\xf0\x80\x80\x80\""),
    T("\"\xf0\x8f\xbf\xbf\""),
    T("\"\xf0\x9f\x98\""),
    T("\"\xf4\x90\x80\x80\""),
    T("\"\xf5\x80\x80\x80\""),
    T("\"\xfe\""),
    T("\"\xff\""),
    T("\"\xf8\x88\x80\x80\x80\""),
    T("\"\xc3"),
    T("\"\xf0\x9f\x98"),
    T("\"\\ud83d\\ude0"),
    T("\"\\u00"),
    /* arrays and objects */
    T("["),
    T("]"),
    T("[1"),
    T("[1,"),
    T("[,]"),
    T("[1,]"),
    T("[,1]"),
    T("[1,,2]"),
    T("[1 2]"),
    T("[1;2]"),
    T("[1:2]"),
    T("[}"),
    T("[1}"),
    T("{"),
    T("}"),
    T("{]"),
    T("{\"a\""),
    T("{\"a\":"),
    T("{\"a\":1"),
    T("{\"a\":1,"),
    T("{\"a\":1,}"),
    T("{,}"),
    T("{\"a\"}"),
    T("{\"a\",1}"),
    T("{\"a\":}"),
    T("{a:1}"),
    T("{'a':1}"),
    T("{1:1}"),
    T("{null:1}"),
    T("{\"a\":1 \"b\":2}"),
    T("{\"a\":1;\"b\":2}"),
    T("{\"a\"::1}"),
    T("{\"a\":1:2}"),
    T("{\"a\":1]"),
    T("{\"a\" 1}"),
    T("{\"a\":1,,\"b\":2}"),
    T("{:1}"),
    T("{\"a\":[}]"),
    T("[\"a\":1]"),
    T("{\"a\\ud800\":1}"),
    T("{\"\xff\":1}"),
    T("{\"a\n\":1}"),
    T("[1]//"),
    T("/*a*/1"),
    T("[1/**/]"),
    T("[...]"),
    T("<a>"),
    T("(1)"),
    T("$"),
    T("[\"a"),
    T("{[]:1}"),
};

TEST(every_text_that_is_json_is_read_to_its_end)
{
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        struct weir__json json;
        int rc = read_whole(valid[i].data, valid[i].size, &json);
        if (rc != 0)
            printf("valid[%zu] %s: %s\n", i, valid[i].data, json.fault);
        EXPECT_RC(0, rc);
        EXPECT_EQ(0, json.depth);
    }
}

TEST(every_text_that_is_not_json_is_refused)
{
    EXPECT(sizeof valid / sizeof *valid + sizeof invalid / sizeof *invalid >= 150);
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        struct weir__json json;
        int rc = read_whole(invalid[i].data, invalid[i].size, &json);
        if (rc == 0)
            printf("invalid[%zu] was taken: %s\n", i, invalid[i].data);
        EXPECT_RC(-EBADMSG, rc);
    }
}

TEST(a_text_that_was_cut_is_refused_wherever_that_was)
{
    static const char text[] =
        "{\"name\":\"\\u00e9\\ud83d\\ude00 \xf0\x9f\x98\x80 x\",\"list\":[1.5e3,"
        "null,true,{\"a\":-0}],\"last\":false}";
    struct weir__json json;
    for (size_t size = 0; size < sizeof text - 1; size++)
        EXPECT_RC(-EBADMSG, read_whole(text, size, &json));
    EXPECT_RC(0, read_whole(text, sizeof text - 1, &json));
}

TEST(any_byte_may_be_anything_and_nothing_is_read_beyond_the_end)
{
    static const char text[] =
        "{\"a\":[1.5e-3,\"x\\u00e9\xc3\xa9\\ud83d\\ude00\",null,{\"b\":true}]} ";
    char changed[sizeof text];
    for (size_t at = 0; at < sizeof text - 1; at++) {
        memcpy(changed, text, sizeof text);
        for (unsigned c = 0; c < 256; c++) {
            struct weir__json json;
            changed[at] = (char)c;
            int rc = read_whole(changed, sizeof text - 1, &json);
            EXPECT(rc == 0 || rc == -EBADMSG);
        }
    }
}

/* --- depth ------------------------------------------------------------------------------------ */

static int read_nested(size_t levels, const char *open, const char *inside, const char *close)
{
    static char text[100000];
    size_t size = 0;
    for (size_t i = 0; i < levels; i++)
        size += (size_t)sprintf(text + size, "%s", open);
    size += (size_t)sprintf(text + size, "%s", inside);
    for (size_t i = 0; i < levels; i++)
        size += (size_t)sprintf(text + size, "%s", close);
    struct weir__json json;
    return read_whole(text, size, &json);
}

TEST(nesting_is_read_at_the_limit_and_refused_one_deeper)
{
    EXPECT_RC(0, read_nested(WEIR_MODEL_DEPTH_MAX, "[", "1", "]"));
    EXPECT_RC(-EBADMSG, read_nested(WEIR_MODEL_DEPTH_MAX + 1, "[", "1", "]"));
    EXPECT_RC(0, read_nested(WEIR_MODEL_DEPTH_MAX, "{\"a\":", "1", "}"));
    EXPECT_RC(-EBADMSG, read_nested(WEIR_MODEL_DEPTH_MAX + 1, "{\"a\":", "1", "}"));
    EXPECT_RC(0, read_nested(WEIR_MODEL_DEPTH_MAX / 2, "[{\"a\":", "1", "}]"));
    EXPECT_RC(-EBADMSG, read_nested(10000, "[", "", ""));
    EXPECT_RC(-EBADMSG, read_nested(10000, "{\"a\":", "", ""));
}

TEST(values_side_by_side_do_not_add_to_the_depth)
{
    static char text[20000];
    size_t size = (size_t)sprintf(text, "[");
    for (size_t i = 0; i < 1000; i++)
        size += (size_t)sprintf(text + size, "%s[{\"a\":[]}]", i == 0 ? "" : ",");
    size += (size_t)sprintf(text + size, "]");
    struct weir__json json;
    EXPECT_RC(0, read_whole(text, size, &json));
}

/* --- places ----------------------------------------------------------------------------------- */

static void expect_fault(const char *text, size_t line, size_t column, size_t offset,
                         const char *fault)
{
    struct weir__json json;
    weir__json_init(&json, weir__str_from(text));
    int rc = weir__json_peek(&json);
    if (rc > 0)
        rc = weir__json_skip(&json);
    if (rc == 0)
        rc = weir__json_finish(&json);
    EXPECT_RC(-EBADMSG, rc);
    size_t at_line, at_column, at_offset;
    weir__json_place(&json, &at_line, &at_column, &at_offset);
    EXPECT_EQ(line, at_line);
    EXPECT_EQ(column, at_column);
    EXPECT_EQ(offset, at_offset);
    EXPECT_CONTAINS(fault, json.fault);
    EXPECT_RC(-EBADMSG, weir__json_peek(&json)); /* sticky */
    EXPECT_RC(-EBADMSG, weir__json_skip(&json));
    EXPECT_RC(-EBADMSG, weir__json_finish(&json));
}

TEST(a_fault_says_its_line_and_column)
{
    expect_fault("", 1, 1, 0, "empty");
    expect_fault("{\"a\": 1,\n \"b\": ?}", 2, 7, 15, "a value is expected");
    expect_fault("[1,\n2,\n3", 3, 2, 8, "ends inside an array");
    expect_fault("{\"a\":1", 1, 7, 6, "ends inside an object");
    expect_fault("[1,]", 1, 4, 3, "comma too many");
    expect_fault("{\"a\":1,}", 1, 8, 7, "a name in double quotes");
    expect_fault("['a']", 1, 2, 1, "double quotes");
    expect_fault("[1] x", 1, 5, 4, "something follows");
    expect_fault("\"a\tb\"", 1, 3, 2, "control characters");
    expect_fault("[01]", 1, 2, 1, "zeros");
    expect_fault("[+1]", 1, 2, 1, "a digit or a minus");
    expect_fault("// x", 1, 1, 0, "comments");
    expect_fault("{\"a\" 1}", 1, 6, 5, "colon");
    expect_fault("nil", 1, 1, 0, "true, false and null");
    expect_fault("\"\\ud800\"", 1, 2, 1, "first half");
    expect_fault("\"\\udc00\"", 1, 2, 1, "second half");
}

TEST(a_column_counts_characters_and_not_bytes)
{
    expect_fault("[\"\xc3\xa9\xe2\x82\xac\", x]", 1, 8, 10, "a value is expected");
}

/* --- what is read ----------------------------------------------------------------------------- */

static void expect_string(const char *text, const char *expected, size_t size, size_t code_points)
{
    struct weir__json json;
    struct weir__json_string string;
    struct guarded copy = guarded_copy(text, strlen(text));
    weir__json_init(&json, weir__str_of(copy.data, copy.size));
    EXPECT_EQ(WEIR__JSON_STRING, weir__json_peek(&json));
    EXPECT_RC(0, weir__json_read_string(&json, &string));
    EXPECT_EQ(size, string.size);
    EXPECT_EQ(code_points, string.code_points);
    struct guarded out = guarded_copy(expected, size); /* a byte too many is a crash */
    memset(out.data, '?', size);
    weir__json_unescape(&string, out.data);
    EXPECT_BYTES(expected, out.data, size);
    guarded_free(&out);
    guarded_free(&copy);
}

TEST(a_string_means_what_its_escapes_say)
{
    expect_string("\"\"", "", 0, 0);
    expect_string("\"abc\"", "abc", 3, 3);
    expect_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8, 8);
    expect_string("\"a\\u0041b\"", "aAb", 3, 3);
    expect_string("\"\\u00e9\"", "\xc3\xa9", 2, 1);
    expect_string("\"\\u20AC \xe2\x82\xac\"", "\xe2\x82\xac \xe2\x82\xac", 7, 3);
    expect_string("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4, 1);
    expect_string("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf", 4, 1);
    expect_string("\"\\u0000\"", "\0", 1, 1);
    expect_string("\"\\u07ff\\u0800\\uffff\"", "\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 8, 3);
    expect_string("\"12345678\\n12345678\"", "12345678\n12345678", 17, 17);
    expect_string("\"\\\\n\"", "\\n", 2, 2);
}

static void expect_number(const char *text, uint64_t mantissa, int64_t exponent, bool integral,
                          bool exact)
{
    struct weir__json json;
    struct weir__json_number number;
    weir__json_init(&json, weir__str_from(text));
    EXPECT_EQ(WEIR__JSON_NUMBER, weir__json_peek(&json));
    EXPECT_RC(0, weir__json_read_number(&json, &number));
    EXPECT_EQ(strlen(text), number.size);
    EXPECT_EQ(integral, number.integral);
    EXPECT_EQ(exact, number.exact);
    EXPECT_EQ(text[0] == '-', number.negative);
    EXPECT_EQ(exponent, number.exponent);
    if (exact)
        EXPECT_EQ(mantissa, number.mantissa);
}

TEST(a_number_is_its_digits_and_a_power_of_ten)
{
    expect_number("0", 0, 0, true, true);
    expect_number("-0", 0, 0, true, true);
    expect_number("-12", 12, 0, true, true);
    expect_number("1.50", 150, -2, false, true);
    expect_number("1e3", 1, 3, false, true);
    expect_number("-1.25E-7", 125, -9, false, true);
    expect_number("18446744073709551615", UINT64_MAX, 0, true, true);
    expect_number("18446744073709551616", 0, 0, true, false);
    expect_number("1844674407370955161.6", 0, -1, false, false);
}

TEST(members_are_handed_out_one_by_one)
{
    struct weir__json json;
    struct weir__json_string name;
    struct weir__json_number number;
    weir__json_init(&json, WEIR_STR("{\"a\":[1,2],\"b\":{}}"));
    REQUIRE(weir__json_peek(&json) == WEIR__JSON_OBJECT);
    EXPECT_RC(0, weir__json_enter(&json));
    REQUIRE(weir__json_next_name(&json, true, &name) == 1);
    EXPECT_BYTES("a", name.data, 1);
    REQUIRE(weir__json_peek(&json) == WEIR__JSON_ARRAY);
    EXPECT_RC(0, weir__json_enter(&json));
    EXPECT_RC(1, weir__json_next_item(&json, true));
    EXPECT_EQ(WEIR__JSON_NUMBER, weir__json_peek(&json));
    EXPECT_RC(0, weir__json_read_number(&json, &number));
    EXPECT_EQ(1, number.mantissa);
    EXPECT_RC(1, weir__json_next_item(&json, false));
    EXPECT_EQ(WEIR__JSON_NUMBER, weir__json_peek(&json));
    EXPECT_RC(0, weir__json_skip(&json));
    EXPECT_RC(0, weir__json_next_item(&json, false));
    REQUIRE(weir__json_next_name(&json, false, &name) == 1);
    EXPECT_EQ(WEIR__JSON_OBJECT, weir__json_peek(&json));
    EXPECT_RC(0, weir__json_skip(&json));
    EXPECT_RC(0, weir__json_next_name(&json, false, &name));
    EXPECT_RC(0, weir__json_finish(&json));
}
