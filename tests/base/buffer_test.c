/*
 * buffer_test.c - what is appended is there, and a failure stays
 */
#include "base/buffer.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

TEST(an_unused_buffer_has_no_memory_and_an_empty_text)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    EXPECT_STR("", weir__buffer_text(&buffer));
    EXPECT(buffer.data == NULL);
    weir__buffer_append(&buffer, NULL, 0);
    EXPECT(buffer.data == NULL);
    weir__buffer_deinit(&buffer);
    weir__buffer_deinit(&buffer);
    weir__buffer_deinit(NULL);
}

TEST(appends_of_all_kinds_follow_each_other)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__buffer_append_str(&buffer, "a=");
    weir__buffer_append_uint(&buffer, UINT64_MAX);
    weir__buffer_append_char(&buffer, ' ');
    weir__buffer_append_int(&buffer, INT64_MIN);
    weir__buffer_append(&buffer, " b", 2);
    weir__buffer_append_int(&buffer, INT64_MAX);
    weir__buffer_append_int(&buffer, 0);
    weir__buffer_append_int(&buffer, -1);
    weir__buffer_printf(&buffer, " %s/%d", "x", 5);
    EXPECT_STR("a=18446744073709551615 -9223372036854775808 b92233720368547758070-1 x/5",
               weir__buffer_text(&buffer));
    EXPECT_EQ(strlen(weir__buffer_text(&buffer)), buffer.size);
    EXPECT_RC(0, weir__buffer_error(&buffer));
    weir__buffer_deinit(&buffer);
}

TEST(a_reserved_place_becomes_text_when_the_size_is_added)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__buffer_append_str(&buffer, "ab");
    char *place = weir__buffer_reserve(&buffer, 1000);
    REQUIRE(place != NULL);
    memset(place, 'c', 1000);
    EXPECT_STR("ab", weir__buffer_text(&buffer));
    place[0] = 'c'; // where the closing NUL was
    buffer.size += 1000;
    EXPECT_EQ(1002, strlen(weir__buffer_text(&buffer)));
    EXPECT(weir__buffer_reserve(&buffer, 0) != NULL);
    weir__buffer_deinit(&buffer);
}

TEST(a_buffer_grows_like_one_that_never_has_to)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    static char model[20000];
    size_t size = 0;
    uint64_t seed = 7;
    while (size < sizeof model - 200) {
        char piece[200];
        size_t count = weir__base_random_next(&seed) % sizeof piece;
        memset(piece, (int)('a' + count % 26), sizeof piece);
        memcpy(model + size, piece, count);
        if (count % 3 == 0)
            weir__buffer_printf(&buffer, "%.*s", (int)count, piece);
        else
            weir__buffer_append(&buffer, piece, count);
        size += count;
        EXPECT_EQ(size, buffer.size);
        EXPECT(buffer.size == 0 || buffer.capacity > buffer.size);
    }
    EXPECT_BYTES(model, buffer.data, size);
    weir__buffer_deinit(&buffer);
}

TEST(clearing_keeps_the_memory_and_forgets_the_error)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    buffer.size_max = 4;
    weir__buffer_append_str(&buffer, "abcde");
    EXPECT_RC(-EMSGSIZE, weir__buffer_error(&buffer));
    weir__buffer_clear(&buffer);
    weir__buffer_append_str(&buffer, "abcd");
    EXPECT_RC(0, weir__buffer_error(&buffer));
    char *data = buffer.data;
    weir__buffer_clear(&buffer);
    EXPECT(buffer.data == data);
    EXPECT_STR("", weir__buffer_text(&buffer));
    weir__buffer_deinit(&buffer);
}

TEST(the_limit_is_exact_and_what_was_there_stays)
{
    struct weir__buffer buffer;
    for (size_t limit = 1; limit < 300; limit++) {
        weir__buffer_init(&buffer);
        buffer.size_max = limit;
        for (size_t i = 0; i < limit; i++)
            weir__buffer_append_char(&buffer, 'x');
        EXPECT_RC(0, weir__buffer_error(&buffer));
        EXPECT(buffer.capacity <= limit + 1);
        weir__buffer_append(&buffer, NULL, 0);
        EXPECT_RC(0, weir__buffer_error(&buffer));
        weir__buffer_append_char(&buffer, 'y');
        EXPECT_RC(-EMSGSIZE, weir__buffer_error(&buffer));
        EXPECT_EQ(limit, strlen(weir__buffer_text(&buffer)));
        weir__buffer_deinit(&buffer);
    }
}

TEST(printf_obeys_the_limit_also_where_there_is_memory)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__buffer_append_str(&buffer, "12345678"); // memory for 64 now
    buffer.size_max = 10;
    weir__buffer_printf(&buffer, "%s", "9a");
    EXPECT_RC(0, weir__buffer_error(&buffer));
    weir__buffer_printf(&buffer, "%s", "b");
    EXPECT_RC(-EMSGSIZE, weir__buffer_error(&buffer));
    EXPECT_STR("123456789a", weir__buffer_text(&buffer));
    weir__buffer_deinit(&buffer);
}

TEST(sizes_that_do_not_fit_are_refused)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__buffer_append_char(&buffer, 'a');
    EXPECT(weir__buffer_reserve(&buffer, SIZE_MAX) == NULL);
    EXPECT_RC(-EMSGSIZE, weir__buffer_error(&buffer));
    weir__buffer_clear(&buffer);
    EXPECT(weir__buffer_reserve(&buffer, SIZE_MAX) == NULL); // no room for the NUL
    EXPECT_RC(-ENOMEM, weir__buffer_error(&buffer));
    weir__buffer_deinit(&buffer);
}

TEST(after_a_failure_appends_do_nothing)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__buffer_append_str(&buffer, "kept");
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, false);
    EXPECT(weir__buffer_reserve(&buffer, 1000) == NULL);
    weir__base_fault_disarm();
    EXPECT_RC(-ENOMEM, weir__buffer_error(&buffer));
    weir__buffer_append_char(&buffer, 'x'); // would fit
    weir__buffer_printf(&buffer, "x");
    weir__buffer_append_json(&buffer, "x", 1);
    EXPECT_STR("kept", weir__buffer_text(&buffer));
    weir__buffer_deinit(&buffer);
}

static void write_a_page(void *arg)
{
    (void)arg;
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    for (int i = 0; i < 200; i++) {
        weir__buffer_append_str(&buffer, "line ");
        weir__buffer_printf(&buffer, "%d\n", i);
        weir__buffer_append_json(&buffer, "\"\x01", 2);
    }
    int rc = weir__buffer_error(&buffer);
    EXPECT(rc == 0 || rc == -ENOMEM);
    EXPECT(rc == 0 || fault_loop_nth != 0);
    EXPECT(strlen(weir__buffer_text(&buffer)) == buffer.size);
    weir__buffer_deinit(&buffer);
}

TEST(running_out_of_memory_anywhere_leaks_nothing)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, write_a_page, NULL) > 3);
    EXPECT(fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, write_a_page, NULL) > 3);
}

static void expect_json(const char *expected, const char *text, size_t size)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__buffer_append_json(&buffer, text, size);
    EXPECT_STR(expected, weir__buffer_text(&buffer));
    weir__buffer_deinit(&buffer);
}
#define EXPECT_JSON(expected, text) expect_json(expected, text, sizeof(text) - 1)

TEST(json_text_is_escaped_as_rfc_8259_says)
{
    EXPECT_JSON("", "");
    EXPECT_JSON("plain / text", "plain / text");
    EXPECT_JSON("\\\"\\\\", "\"\\");
    EXPECT_JSON("\\b\\f\\n\\r\\t", "\b\f\n\r\t");
    EXPECT_JSON("\\u0000\\u0001\\u001f\\u001b", "\0\x01\x1f\x1b");
    EXPECT_JSON("\x7f", "\x7f"); // allowed as it is
    EXPECT_JSON("a\\nb", "a\nb");
    EXPECT_JSON("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
                "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    EXPECT_JSON("\xc2\x85", "\xc2\x85"); // a C1 control is only for terminals a danger
}

#define FFFD "\xef\xbf\xbd"

TEST(json_text_replaces_what_is_not_utf_8)
{
    EXPECT_JSON(FFFD, "\xff");
    EXPECT_JSON(FFFD FFFD, "\xc0\xaf");          // overlong '/'
    EXPECT_JSON(FFFD FFFD FFFD, "\xed\xa0\x80"); // a surrogate
    EXPECT_JSON(FFFD, "\xe2\x82");               // cut off
    EXPECT_JSON("a" FFFD "b", "a\xe2\x82"
                              "b");                       // one for the broken sequence
    EXPECT_JSON(FFFD "\\\"", "\xf0\x9f\x98\"");           // the quote is not swallowed
    EXPECT_JSON(FFFD FFFD FFFD FFFD, "\xf4\x90\x80\x80"); // above U+10FFFF
    EXPECT_JSON(FFFD "a", "\x80"
                          "a");
    EXPECT_JSON("x" FFFD FFFD "y", "x\xfe\xff"
                                   "y");
}

TEST(every_byte_gives_valid_json_text)
{
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            char text[2] = {(char)first, (char)second};
            struct weir__buffer buffer;
            weir__buffer_init(&buffer);
            weir__buffer_append_json(&buffer, text, 2);
            if (!weir__str_is_utf8(buffer.data, buffer.size))
                EXPECT_EQ(-1, first * 256 + second);
            for (size_t i = 0; i < buffer.size; i++)
                if ((unsigned char)buffer.data[i] < 0x20)
                    EXPECT_EQ(-1, first * 256 + second);
            weir__buffer_deinit(&buffer);
        }
    }
}
