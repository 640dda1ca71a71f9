/*
 * log_line_test.c - the form of log lines, whatever goes into them
 */
#include "base/log_line.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "tests/support/test.h"

enum { RING_BYTES = 1024 };
#define AN_INSTANT (INT64_C(1769868131123) * WEIR_MS) // 2026-01-31T14:02:11.123Z

static char ring[RING_BYTES];
static char text[RING_BYTES + 1];

static const char *format(weir_log_format form, weir_log_level level, int64_t wall_ns,
                          const char *message, const weir_log_value *values)
{
    struct weir__log_line line = {ring, RING_BYTES, 0, RING_BYTES, false};
    weir__log_line_format(&line, form, level, wall_ns, message, values);
    EXPECT(!line.cut);
    memcpy(text, ring, line.at);
    text[line.at] = '\0';
    EXPECT(weir__str_is_utf8(text, line.at));
    return text;
}

#define VALUES(...) ((const weir_log_value[]){__VA_ARGS__, {0}})

/* What a value looks like, in either form. */
static const char *value_text(weir_log_format form, weir_log_value value)
{
    const char *line = format(form, WEIR_LOG_INFO, 0, "m", VALUES(value));
    const char *start = form == WEIR_LOG_JSON ? strstr(line, "\"k\":") + 4 : strstr(line, "k=") + 2;
    static char result[RING_BYTES];
    size_t size = strlen(start) - (form == WEIR_LOG_JSON ? 2 : 1);
    memcpy(result, start, size);
    result[size] = '\0';
    return result;
}
#define TEXT_OF(value) value_text(WEIR_LOG_TEXT, WEIR_KV("k", value))
#define JSON_OF(value) value_text(WEIR_LOG_JSON, WEIR_KV("k", value))

TEST(a_line_of_text_is_time_level_message_and_values)
{
    EXPECT_STR("2026-01-31T14:02:11.123Z INFO listening address=127.0.0.1:8080 port=8080 "
               "note=\"two words\"\n",
               format(WEIR_LOG_TEXT, WEIR_LOG_INFO, AN_INSTANT, "listening",
                      VALUES(WEIR_KV("address", "127.0.0.1:8080"), WEIR_KV("port", 8080),
                             WEIR_KV("note", "two words"))));
    EXPECT_STR("1970-01-01T00:00:00.000Z ERROR \n",
               format(WEIR_LOG_TEXT, WEIR_LOG_ERROR, 0, NULL, NULL));
}

TEST(a_line_of_json_is_one_object)
{
    EXPECT_STR(
        "{\"time\":\"2026-01-31T14:02:11.123Z\",\"level\":\"warn\",\"msg\":\"say \\\"a\\\"\","
        "\"n\":-1,\"ok\":true,\"s\":\"x\\ny\"}\n",
        format(WEIR_LOG_JSON, WEIR_LOG_WARN, AN_INSTANT, "say \"a\"",
               VALUES(WEIR_KV("n", -1), WEIR_KV("ok", (bool)true), WEIR_KV("s", "x\ny"))));
    EXPECT_STR("{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"debug\",\"msg\":\"\"}\n",
               format(WEIR_LOG_JSON, WEIR_LOG_DEBUG, 0, NULL, NULL));
}

TEST(every_type_of_value_finds_its_kind)
{
    EXPECT_STR("18446744073709551615", TEXT_OF(UINT64_MAX));
    EXPECT_STR("-9223372036854775808", TEXT_OF(INT64_MIN));
    EXPECT_STR("9223372036854775807", TEXT_OF(INT64_MAX));
    EXPECT_STR("7", TEXT_OF((size_t)7));
    EXPECT_STR("255", TEXT_OF((unsigned char)255));
    EXPECT_STR("-5", TEXT_OF((short)-5));
    EXPECT_STR("65535", TEXT_OF((unsigned short)65535));
    EXPECT_STR("-1", TEXT_OF(-1L));
    EXPECT_STR("true", TEXT_OF((bool)1));
    EXPECT_STR("false", TEXT_OF((bool)0));
    EXPECT_STR("0.5", TEXT_OF(0.5f));
    EXPECT_STR("word", TEXT_OF("word"));
    char array[] = "array";
    EXPECT_STR("array", TEXT_OF(array));
    EXPECT_STR("null", TEXT_OF((const char *)NULL));
    EXPECT_STR("null", JSON_OF((const char *)NULL));
}

TEST(texts_are_quoted_when_they_could_be_read_otherwise)
{
    EXPECT_STR("plain-word/1.2:3", TEXT_OF("plain-word/1.2:3"));
    EXPECT_STR("\"\"", TEXT_OF(""));
    EXPECT_STR("\"a b\"", TEXT_OF("a b"));
    EXPECT_STR("\"a=b\"", TEXT_OF("a=b"));
    EXPECT_STR("\"\\\"\"", TEXT_OF("\""));
    EXPECT_STR("\"a\\\\b\"", TEXT_OF("a\\b"));
    EXPECT_STR("\"\\u001b[31m\"", TEXT_OF("\x1b[31m"));
    EXPECT_STR("\"\xc3\xa4\"", TEXT_OF("\xc3\xa4"));
    EXPECT_STR("\"\\u009b\"", TEXT_OF("\xc2\x9b"));
    EXPECT_STR("\"\xef\xbf\xbd\"", TEXT_OF("\xff"));
    EXPECT_STR("\"\xef\xbf\xbd\"", JSON_OF("\xff"));
    EXPECT_STR("\"a\\u0001\"", JSON_OF("a\x01"));
}

TEST(nothing_from_outside_can_begin_a_line_of_its_own)
{
    EXPECT_STR("1970-01-01T00:00:00.000Z INFO a\\n1970 ERROR \"b\" \\u001b k=\"x\\ny\"\n",
               format(WEIR_LOG_TEXT, WEIR_LOG_INFO, 0, "a\n1970 ERROR \"b\" \x1b",
                      VALUES(WEIR_KV("k", "x\ny"))));
    const char *line =
        format(WEIR_LOG_TEXT, WEIR_LOG_INFO, 0, "m", VALUES(weir__log_int("a\nb c=", 1)));
    EXPECT_STR("1970-01-01T00:00:00.000Z INFO m \"a\\nb c=\"=1\n", line);
    line = format(WEIR_LOG_JSON, WEIR_LOG_INFO, 0, "m", VALUES(weir__log_int("a\"\n", 1)));
    EXPECT_CONTAINS(",\"a\\\"\\n\":1}", line);
}

TEST(what_is_no_number_is_null_in_json)
{
    EXPECT_STR("null", JSON_OF((double)NAN));
    EXPECT_STR("null", JSON_OF((double)INFINITY));
    EXPECT_STR("null", JSON_OF(-(double)INFINITY));
    EXPECT_STR("nan", TEXT_OF((double)NAN));
    EXPECT_STR("inf", TEXT_OF((double)INFINITY));
    EXPECT_STR("-inf", TEXT_OF(-(double)INFINITY));
}

TEST(doubles_look_like_people_write_them)
{
    EXPECT_STR("0", JSON_OF(0.0));
    EXPECT_STR("0", JSON_OF(-0.0));
    EXPECT_STR("1", JSON_OF(1.0));
    EXPECT_STR("-1.5", JSON_OF(-1.5));
    EXPECT_STR("0.1", JSON_OF(0.1));
    EXPECT_STR("0.001", JSON_OF(0.001));
    EXPECT_STR("0.00001", JSON_OF(0.00001));
    EXPECT_STR("1e-6", JSON_OF(0.000001));
    EXPECT_STR("1.25e-7", JSON_OF(1.25e-7));
    EXPECT_STR("123456.789", JSON_OF(123456.789));
    EXPECT_STR("100.5", JSON_OF(100.5));
    EXPECT_STR("999999999999999", JSON_OF(999999999999999.0));
    EXPECT_STR("1e15", JSON_OF(1e15));
    EXPECT_STR("1e300", JSON_OF(1e300));
    EXPECT_STR("-1.79769313486232e308", JSON_OF(-1.7976931348623157e308));
    EXPECT_STR("4.94065645841247e-324", JSON_OF(4.9406564584124654e-324));
    EXPECT_STR("2.2250738585072e-308", JSON_OF(2.2250738585072014e-308));
    EXPECT_STR("0.333333333333333", JSON_OF(1.0 / 3));
    EXPECT_STR("0.666666666666667", JSON_OF(2.0 / 3));
    EXPECT_STR("1", JSON_OF(0.99999999999999999));
    EXPECT_STR("10", JSON_OF(9.9999999999999999));
    EXPECT_STR("1", JSON_OF(0.9999999999999999)); // 15 digits of it
}

TEST(decimal_numbers_come_out_as_they_went_in)
{
    for (int i = 1; i < 20000; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%.15g", i / 1000.0);
        EXPECT_STR(expected, JSON_OF(i / 1000.0));
        if (test_failed())
            return;
    }
}

TEST(any_double_is_shown_with_fifteen_digits)
{
    uint64_t seed = 5;
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = weir__base_random_next(&seed);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        const char *shown = JSON_OF(value);
        double read = strtod(shown, NULL);
        double difference = fabs(read / 2 - value / 2); // halves: the largest would overflow
        if (difference > fabs(value / 2) * 5.1e-15 && difference > 0x1p-1074) {
            printf("%.17g is shown as %s\n", value, shown);
            EXPECT(false);
            return;
        }
    }
}

TEST(times_agree_with_the_calendar_of_the_c_library)
{
    static const int64_t known[] = {
        0,
        -1,
        951782399999,
        951782400000,
        951868800000,
        4107542400000,
        1709164800000,
        1735689599999,
        -2208988800000,
        INT64_MAX / WEIR_MS,
        INT64_MIN / WEIR_MS + 1,
    };
    uint64_t seed = 9;
    for (int i = 0; i < 20000; i++) {
        int64_t ms = i < (int)(sizeof known / sizeof known[0])
                         ? known[i]
                         : (int64_t)(weir__base_random_next(&seed) >> 1) / WEIR_MS;
        int64_t floor_s = ms / 1000 - (ms % 1000 < 0);
        time_t seconds = (time_t)floor_s;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        char expected[96];
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ INFO m\n",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(ms - floor_s * 1000));
        EXPECT_STR(expected, format(WEIR_LOG_TEXT, WEIR_LOG_INFO, ms * WEIR_MS, "m", NULL));
        if (test_failed())
            return;
    }
}

TEST(a_line_wraps_around_the_end_of_the_ring)
{
    char expected[RING_BYTES];
    snprintf(expected, sizeof expected, "%s",
             format(WEIR_LOG_TEXT, WEIR_LOG_INFO, AN_INSTANT, "message",
                    VALUES(WEIR_KV("key", "a value"), WEIR_KV("n", 12345))));
    size_t size = strlen(expected);
    for (uint64_t start = RING_BYTES - 100; start < RING_BYTES + 10; start++) {
        memset(ring, '?', sizeof ring);
        struct weir__log_line line = {ring, RING_BYTES, start, start + size, false};
        weir__log_line_format(&line, WEIR_LOG_TEXT, WEIR_LOG_INFO, AN_INSTANT, "message",
                              VALUES(WEIR_KV("key", "a value"), WEIR_KV("n", 12345)));
        EXPECT(!line.cut);
        EXPECT_EQ(start + size, line.at);
        for (size_t i = 0; i < RING_BYTES; i++) {
            size_t place = (start + i) % RING_BYTES;
            EXPECT(ring[place] == (i < size ? expected[i] : '?'));
        }
    }
}

TEST(a_line_that_does_not_fit_is_cut_and_never_runs_over)
{
    const char *whole = format(WEIR_LOG_JSON, WEIR_LOG_INFO, AN_INSTANT, "message",
                               VALUES(WEIR_KV("d", 0.25), WEIR_KV("s", "\x01\xff"
                                                                       "abc")));
    size_t size = strlen(whole);
    for (size_t room = 0; room < size; room++) {
        memset(ring, '?', sizeof ring);
        struct weir__log_line line = {ring, RING_BYTES, 5, 5 + room, false};
        weir__log_line_format(&line, WEIR_LOG_JSON, WEIR_LOG_INFO, AN_INSTANT, "message",
                              VALUES(WEIR_KV("d", 0.25), WEIR_KV("s", "\x01\xff"
                                                                      "abc")));
        EXPECT(line.cut);
        EXPECT(line.at <= line.limit);
        for (size_t i = room; i < RING_BYTES; i++)
            EXPECT(ring[(5 + i) % RING_BYTES] == '?');
    }
}

TEST(unknown_levels_and_kinds_are_no_crash)
{
    weir_log_value odd = {.key = "k", .kind = (weir_log_kind)99};
    EXPECT_STR("1970-01-01T00:00:00.000Z ERROR m k=null\n",
               format(WEIR_LOG_TEXT, (weir_log_level)99, 0, "m", VALUES(odd)));
}
