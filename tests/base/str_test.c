/*
 * str_test.c - numbers are digits and nothing else, and UTF-8 is what RFC 3629 says
 */
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/support/guarded.h"
#include "tests/support/test.h"

/* Each parser gets its text at the end of a page: a byte read beyond it is a crash. */
static int parse_uint(const char *text, size_t size, uint64_t max, uint64_t *out_value)
{
    struct guarded copy = guarded_copy(text, size);
    int rc = weir__str_parse_uint(weir__str_of(copy.data, size), max, out_value);
    guarded_free(&copy);
    return rc;
}
static int parse_int(const char *text, size_t size, int64_t min, int64_t max, int64_t *out_value)
{
    struct guarded copy = guarded_copy(text, size);
    int rc = weir__str_parse_int(weir__str_of(copy.data, size), min, max, out_value);
    guarded_free(&copy);
    return rc;
}
static int parse_hex(const char *text, size_t size, uint64_t max, uint64_t *out_value)
{
    struct guarded copy = guarded_copy(text, size);
    int rc = weir__str_parse_hex(weir__str_of(copy.data, size), max, out_value);
    guarded_free(&copy);
    return rc;
}

static void expect_uint(int rc, uint64_t expected, uint64_t max, const char *text, size_t size)
{
    uint64_t value = 12345;
    int actual = parse_uint(text, size, max, &value);
    if (actual != rc || value != (rc == 0 ? expected : 12345))
        fprintf(stderr, "for `%.*s`: %" PRIu64 "\n", (int)size, text, value);
    EXPECT_RC(rc, actual);
    EXPECT(value == (rc == 0 ? expected : 12345)); // written on success only
}
#define UINT_IS(expected, text) expect_uint(0, expected, UINT64_MAX, text, sizeof(text) - 1)
#define UINT_FAILS(rc, text) expect_uint(rc, 0, UINT64_MAX, text, sizeof(text) - 1)

static void expect_int(int rc, int64_t expected, const char *text, size_t size)
{
    int64_t value = 12345;
    EXPECT_RC(rc, parse_int(text, size, INT64_MIN, INT64_MAX, &value));
    EXPECT_EQ(rc == 0 ? expected : 12345, value);
}
#define INT_IS(expected, text) expect_int(0, expected, text, sizeof(text) - 1)
#define INT_FAILS(rc, text) expect_int(rc, 0, text, sizeof(text) - 1)

static void expect_hex(int rc, uint64_t expected, const char *text, size_t size)
{
    uint64_t value = 12345;
    EXPECT_RC(rc, parse_hex(text, size, UINT64_MAX, &value));
    EXPECT(value == (rc == 0 ? expected : 12345));
}
#define HEX_IS(expected, text) expect_hex(0, expected, text, sizeof(text) - 1)
#define HEX_FAILS(rc, text) expect_hex(rc, 0, text, sizeof(text) - 1)

TEST(a_number_is_all_digits_up_to_the_full_width)
{
    UINT_IS(0, "0");
    UINT_IS(7, "7");
    UINT_IS(1234567890, "1234567890");
    UINT_IS(0, "0000000000000000000000000000000000000000");
    UINT_IS(42, "00000000000000000000000000000000000042");
    UINT_IS(UINT64_C(9223372036854775807), "9223372036854775807");
    UINT_IS(UINT64_C(9223372036854775808), "9223372036854775808");
    UINT_IS(UINT64_MAX, "18446744073709551615");
    UINT_FAILS(-ERANGE, "18446744073709551616");
    UINT_FAILS(-ERANGE, "18446744073709551625"); // the last digit overflows in the multiplication
    UINT_FAILS(-ERANGE, "99999999999999999999");
    UINT_FAILS(-ERANGE, "184467440737095516160");
    UINT_FAILS(-ERANGE, "1000000000000000000000000000000000000000000000000");
}

TEST(a_number_has_no_sign_no_blank_no_prefix_and_no_rest)
{
    UINT_FAILS(-EINVAL, "");
    UINT_FAILS(-EINVAL, "+1");
    UINT_FAILS(-EINVAL, "-1");
    UINT_FAILS(-EINVAL, "-0");
    UINT_FAILS(-EINVAL, " 1");
    UINT_FAILS(-EINVAL, "1 ");
    UINT_FAILS(-EINVAL, "\t1");
    UINT_FAILS(-EINVAL, "1\n");
    UINT_FAILS(-EINVAL, "1\r");
    UINT_FAILS(-EINVAL, "0x10");
    UINT_FAILS(-EINVAL, "1_000");
    UINT_FAILS(-EINVAL, "1,000");
    UINT_FAILS(-EINVAL, "1.0");
    UINT_FAILS(-EINVAL, "1e3");
    UINT_FAILS(-EINVAL, "a");
    UINT_FAILS(-EINVAL, "1a");
    UINT_FAILS(-EINVAL, "\xd9\xa1"); // an Arabic digit one
    UINT_FAILS(-EINVAL, "1\0");
    UINT_FAILS(-EINVAL, "\0");
    UINT_FAILS(-EINVAL, "99999999999999999999999x"); // no number at all, so not "too large"
}

TEST(only_ten_bytes_are_digits)
{
    for (int c = 0; c < 256; c++) {
        char text[1] = {(char)c};
        bool digit = c >= '0' && c <= '9';
        expect_uint(digit ? 0 : -EINVAL, digit ? (uint64_t)(c - '0') : 0, UINT64_MAX, text, 1);
        char two[2] = {'1', (char)c};
        expect_uint(digit ? 0 : -EINVAL, digit ? (uint64_t)(10 + c - '0') : 0, UINT64_MAX, two, 2);
    }
}

TEST(the_callers_limit_is_inclusive)
{
    expect_uint(0, 65535, 65535, "65535", 5);
    expect_uint(-ERANGE, 0, 65535, "65536", 5);
    expect_uint(0, 0, 0, "0", 1);
    expect_uint(-ERANGE, 0, 0, "1", 1);
    expect_uint(-ERANGE, 0, INT64_MAX, "9223372036854775808", 19);
}

TEST(a_signed_number_may_have_one_minus)
{
    INT_IS(0, "0");
    INT_IS(0, "-0");
    INT_IS(-1, "-1");
    INT_IS(-7, "-0007");
    INT_IS(INT64_MAX, "9223372036854775807");
    INT_IS(INT64_MIN, "-9223372036854775808");
    INT_FAILS(-ERANGE, "9223372036854775808");
    INT_FAILS(-ERANGE, "-9223372036854775809");
    INT_FAILS(-ERANGE, "18446744073709551616");
    INT_FAILS(-ERANGE, "-18446744073709551616");
    INT_FAILS(-EINVAL, "");
    INT_FAILS(-EINVAL, "-");
    INT_FAILS(-EINVAL, "--1");
    INT_FAILS(-EINVAL, "+1");
    INT_FAILS(-EINVAL, "- 1");
    INT_FAILS(-EINVAL, "1-");
    INT_FAILS(-EINVAL, "-0x1");

    int64_t value = 0;
    EXPECT_RC(0, parse_int("-5", 2, -5, 5, &value));
    EXPECT_EQ(-5, value);
    EXPECT_RC(-ERANGE, parse_int("-6", 2, -5, 5, &value));
    EXPECT_RC(-ERANGE, parse_int("6", 1, -5, 5, &value));
    EXPECT_RC(-ERANGE, parse_int("0", 1, 1, 5, &value));
}

TEST(a_hexadecimal_number_is_hexadecimal_digits)
{
    HEX_IS(0, "0");
    HEX_IS(0xabcdef, "abcdef");
    HEX_IS(0xabcdef, "ABCDEF");
    HEX_IS(0x1a, "0000000000000000000000001a");
    HEX_IS(UINT64_MAX, "ffffffffffffffff");
    HEX_FAILS(-ERANGE, "10000000000000000");
    HEX_FAILS(-EINVAL, "");
    HEX_FAILS(-EINVAL, "0x1");
    HEX_FAILS(-EINVAL, "g");
    HEX_FAILS(-EINVAL, "1 ");
    HEX_FAILS(-EINVAL, " 1");
    HEX_FAILS(-EINVAL, "-1");
    HEX_FAILS(-EINVAL, "+1");
    HEX_FAILS(-EINVAL, "1_0");
    HEX_FAILS(-EINVAL, "@");
    HEX_FAILS(-EINVAL, "`");
    HEX_FAILS(-EINVAL, ":");
    HEX_FAILS(-EINVAL, "1;ext"); // a chunk size with an extension is for its caller to split
    uint64_t value = 0;
    EXPECT_RC(-ERANGE, parse_hex("100", 3, 0xff, &value));
    EXPECT_RC(0, parse_hex("ff", 2, 0xff, &value));
    EXPECT_EQ(255, value);
}

TEST(numbers_that_are_written_are_read_back)
{
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        uint64_t number = weir__base_random_next(&seed) >> (weir__base_random_next(&seed) % 64);
        char text[20];
        size_t size = weir__str_format_uint(text, number);
        char expected[24];
        EXPECT_EQ(snprintf(expected, sizeof expected, "%" PRIu64, number), size);
        EXPECT_BYTES(expected, text, size);
        uint64_t value = 0;
        EXPECT_RC(0, weir__str_parse_uint(weir__str_of(text, size), UINT64_MAX, &value));
        EXPECT(value == number);
    }
    char text[20];
    EXPECT_EQ(1, weir__str_format_uint(text, 0));
    EXPECT_EQ(20, weir__str_format_uint(text, UINT64_MAX));
}

static void expect_duration(int rc, int64_t expected, const char *text)
{
    struct guarded copy = guarded_copy(text, strlen(text));
    int64_t ns = 12345;
    EXPECT_RC(rc, weir__str_parse_duration(weir__str_of(copy.data, copy.size), &ns));
    EXPECT_EQ(rc == 0 ? expected : 12345, ns);
    guarded_free(&copy);
}

TEST(a_duration_is_digits_and_a_unit)
{
    expect_duration(0, 25 * WEIR_SEC, "25s");
    expect_duration(0, 500 * WEIR_MS, "500ms");
    expect_duration(0, 2 * WEIR_MIN, "2m");
    expect_duration(0, WEIR_HOUR, "1h");
    expect_duration(0, 3 * WEIR_US, "3us");
    expect_duration(0, 9, "9ns");
    expect_duration(0, 0, "0");
    expect_duration(0, 0, "00");
    expect_duration(0, 0, "0s");
    expect_duration(0, INT64_MAX, "9223372036854775807ns");
    expect_duration(0, INT64_C(9223372036) * WEIR_SEC, "9223372036s");
    expect_duration(-ERANGE, 0, "9223372036854775808ns");
    expect_duration(-ERANGE, 0, "9223372037s");
    expect_duration(-ERANGE, 0, "99999999999999999999h");
    expect_duration(-EINVAL, 0, "");
    expect_duration(-EINVAL, 0, "s");
    expect_duration(-EINVAL, 0, "ms");
    expect_duration(-EINVAL, 0, "5");
    expect_duration(-EINVAL, 0, "99999999999999999999");
    expect_duration(-EINVAL, 0, "5S");
    expect_duration(-EINVAL, 0, "5 s");
    expect_duration(-EINVAL, 0, " 5s");
    expect_duration(-EINVAL, 0, "5s ");
    expect_duration(-EINVAL, 0, "-5s");
    expect_duration(-EINVAL, 0, "+5s");
    expect_duration(-EINVAL, 0, "1.5s");
    expect_duration(-EINVAL, 0, "1m30s");
    expect_duration(-EINVAL, 0, "5sec");
    expect_duration(-EINVAL, 0, "5d");
    expect_duration(-EINVAL, 0, "5\xc2\xb5s");
}

TEST(strings_are_equal_by_their_bytes)
{
    weir_str none = {NULL, 0};
    EXPECT(weir__str_equal(none, WEIR_STR("")));
    EXPECT(weir__str_equal(WEIR_STR("a\0b"), WEIR_STR("a\0b")));
    EXPECT(!weir__str_equal(WEIR_STR("a\0b"), WEIR_STR("a\0c")));
    EXPECT(!weir__str_equal(WEIR_STR("a"), WEIR_STR("ab")));
    EXPECT(!weir__str_equal(WEIR_STR("a"), WEIR_STR("A")));
    EXPECT(weir__str_equal_nocase(WEIR_STR("Content-Length"), WEIR_STR("content-LENGTH")));
    EXPECT(weir__str_equal_nocase(none, none));
    EXPECT(!weir__str_equal_nocase(WEIR_STR("a"), WEIR_STR("ab")));
    EXPECT_EQ(0, weir__str_from(NULL).size);
    EXPECT_EQ(4, weir__str_from("weir").size);
}

TEST(case_is_ignored_for_ascii_letters_only)
{
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char left[1] = {(char)a};
            char right[1] = {(char)b};
            int lower_a = a >= 'A' && a <= 'Z' ? a + 32 : a;
            int lower_b = b >= 'A' && b <= 'Z' ? b + 32 : b;
            bool equal = weir__str_equal_nocase(weir__str_of(left, 1), weir__str_of(right, 1));
            if (equal != (lower_a == lower_b))
                EXPECT_EQ(-1, a * 256 + b);
        }
    }
}

TEST(a_text_starts_with_its_beginnings)
{
    EXPECT(weir__str_starts(WEIR_STR("/checks/1"), WEIR_STR("/checks/")));
    EXPECT(weir__str_starts(WEIR_STR("a"), WEIR_STR("a")));
    EXPECT(weir__str_starts(WEIR_STR(""), WEIR_STR("")));
    EXPECT(weir__str_starts(WEIR_STR("a"), (weir_str){NULL, 0}));
    EXPECT(!weir__str_starts(WEIR_STR("a"), WEIR_STR("ab")));
    EXPECT(!weir__str_starts(WEIR_STR("ba"), WEIR_STR("a")));
}

static void expect_trim(const char *expected, weir_str text, const char *blanks)
{
    weir_str trimmed = weir__str_trim(text, blanks);
    EXPECT_EQ(strlen(expected), trimmed.size);
    EXPECT_BYTES(expected, trimmed.data, trimmed.size);
}

TEST(trimming_takes_the_given_blanks_and_no_others)
{
    expect_trim("a b", WEIR_STR("  a b\t"), " \t");
    expect_trim("\na\n", WEIR_STR(" \na\n "), " \t");
    expect_trim("", WEIR_STR("   "), " ");
    expect_trim("", WEIR_STR(""), " ");
    expect_trim("x", WEIR_STR("x"), "");
    weir_str nul =
        weir__str_trim(WEIR_STR("\0a\0"), " "); // NUL closes `blanks`, it is none of them
    EXPECT_EQ(3, nul.size);
}

/* A decoder by the table of RFC 3629, written the slow way, to compare with. */
static bool is_utf8_by_the_book(const unsigned char *s, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t length = s[i] < 0x80       ? 1
                        : s[i] >> 5 == 6  ? 2
                        : s[i] >> 4 == 14 ? 3
                        : s[i] >> 3 == 30 ? 4
                                          : 0;
        if (length == 0 || i + length > size)
            return false;
        uint32_t code = length == 1 ? s[i] : s[i] & (0x7fu >> length);
        for (size_t k = 1; k < length; k++) {
            if (s[i + k] >> 6 != 2)
                return false;
            code = code << 6 | (s[i + k] & 0x3f);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        i += length;
    }
    return true;
}

TEST(utf_8_is_what_the_standard_says_for_all_short_texts)
{
    unsigned char text[3];
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            for (unsigned c = 0x70; c < 0xd0; c++) {
                text[0] = (unsigned char)a;
                text[1] = (unsigned char)b;
                text[2] = (unsigned char)c;
                for (size_t size = 1; size <= 3; size++)
                    if (weir__str_is_utf8((char *)text, size) != is_utf8_by_the_book(text, size))
                        EXPECT_EQ(-1, (a << 16) + (b << 8) + c);
            }
        }
    }
}

TEST(utf_8_of_four_bytes_ends_at_10ffff)
{
    for (unsigned a = 0xee; a < 0xf8; a++) {
        for (unsigned b = 0x7e; b < 0xc2; b++) {
            unsigned char text[4] = {(unsigned char)a, (unsigned char)b, 0x80, 0xbf};
            EXPECT(weir__str_is_utf8((char *)text, 4) == is_utf8_by_the_book(text, 4));
        }
    }
    EXPECT(weir__str_is_utf8("\xf4\x8f\xbf\xbf", 4));
    EXPECT(!weir__str_is_utf8("\xf4\x90\x80\x80", 4));
    EXPECT(!weir__str_is_utf8("\xed\xa0\x80", 3));
    EXPECT(weir__str_is_utf8("", 0));
    EXPECT(weir__str_is_utf8(NULL, 0));
}

TEST(utf_8_is_checked_at_every_place_and_never_beyond_the_end)
{
    for (size_t size = 1; size < 40; size++) {
        for (size_t at = 0; at < size; at++) {
            char text[40];
            memset(text, 'a', sizeof text);
            text[at] = '\xff';
            struct guarded copy = guarded_copy(text, size);
            EXPECT(!weir__str_is_utf8(copy.data, size));
            copy.data[at] = '\xc3'; // cut off, or followed by a letter
            EXPECT(!weir__str_is_utf8(copy.data, size));
            if (at + 1 < size) {
                copy.data[at + 1] = '\xa4';
                EXPECT(weir__str_is_utf8(copy.data, size));
            }
            guarded_free(&copy);
        }
    }
}

static void expect_escaped(const char *expected, weir_str text, enum weir__str_escape how)
{
    char all[256];
    size_t size = 0;
    struct guarded copy = guarded_copy(text.data, text.size);
    for (size_t at = 0; at < copy.size;) {
        char scratch[WEIR__STR_ESCAPE_MAX];
        weir_str piece;
        size_t taken = weir__str_escape_next(copy.data + at, copy.size - at, how, scratch, &piece);
        REQUIRE(taken > 0 && taken <= copy.size - at);
        REQUIRE(size + piece.size < sizeof all);
        memcpy(all + size, piece.data, piece.size);
        size += piece.size;
        at += taken;
    }
    all[size] = '\0';
    EXPECT_STR(expected, all);
    guarded_free(&copy);
}

TEST(escapes_for_people_also_stop_what_terminals_obey)
{
    weir_str text = WEIR_STR("a\"\\\n\x1b[31m\x7f\xc2\x9b\xc3\xa4\xc2\xa0");
    expect_escaped("a\\\"\\\\\\n\\u001b[31m\x7f\xc2\x9b\xc3\xa4\xc2\xa0", text,
                   WEIR__STR_ESCAPE_JSON);
    expect_escaped("a\\\"\\\\\\n\\u001b[31m\\u007f\\u009b\xc3\xa4\xc2\xa0", text,
                   WEIR__STR_ESCAPE_QUOTED);
    expect_escaped("a\"\\\\n\\u001b[31m\\u007f\\u009b\xc3\xa4\xc2\xa0", text,
                   WEIR__STR_ESCAPE_PLAIN);
    expect_escaped("\xef\xbf\xbd", WEIR_STR("\xc2"), WEIR__STR_ESCAPE_QUOTED);
}
