/*
 * json_write_test.c - strings as JSON
 */
#include "model/json.h"

#include "tests/support/guarded.h"
#include "tests/support/test.h"

static void expect_written(const char *expected, const char *text, size_t size)
{
    struct weir__buffer buffer;
    struct guarded copy = guarded_copy(text, size);
    weir__buffer_init(&buffer);
    weir__json_append_string(&buffer, copy.data, size);
    EXPECT_RC(0, weir__buffer_error(&buffer));
    EXPECT_STR(expected, weir__buffer_text(&buffer));
    weir__buffer_deinit(&buffer);
    guarded_free(&copy);
}

TEST(a_string_gets_quotes_and_the_escapes_it_needs)
{
    expect_written("\"\"", "", 0);
    expect_written("\"plain text of more than eight bytes\"", "plain text of more than eight bytes",
                   35);
    expect_written("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\"", "\"\\/\b\f\n\r\t\0\x1f\x7f",
                   11);
    expect_written("\"\xc3\xa9\xf0\x9f\x98\x80\"", "\xc3\xa9\xf0\x9f\x98\x80", 6);
    expect_written("\"a\xef\xbf\xbd"
                   "b\"",
                   "a\xff"
                   "b",
                   3);
}

TEST(every_byte_at_every_place_is_read_back)
{
    char text[20];
    for (size_t at = 0; at < sizeof text; at++)
        for (int c = 0; c < 0x80; c++) {
            struct weir__buffer buffer;
            struct weir__json json;
            struct weir__json_string string;
            char back[sizeof text];
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            weir__buffer_init(&buffer);
            weir__json_append_string(&buffer, text, sizeof text);
            weir__json_init(&json, (weir_str){buffer.data, buffer.size});
            EXPECT_EQ(WEIR__JSON_STRING, weir__json_peek(&json));
            EXPECT_RC(0, weir__json_read_string(&json, &string));
            EXPECT_RC(0, weir__json_finish(&json));
            EXPECT_EQ(sizeof text, string.size);
            weir__json_unescape(&string, back);
            EXPECT_BYTES(text, back, sizeof text);
            weir__buffer_deinit(&buffer);
        }
}

TEST(a_buffer_that_is_full_stays_as_it_was)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    buffer.size_max = 4;
    weir__json_append_string(&buffer, "abcde", 5);
    EXPECT_RC(-EMSGSIZE, weir__buffer_error(&buffer));
    weir__json_append_string(&buffer, "a", 1);
    EXPECT_RC(-EMSGSIZE, weir__buffer_error(&buffer));
    EXPECT_EQ(0, buffer.size);
    weir__buffer_deinit(&buffer);
}
