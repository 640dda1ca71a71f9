/*
 * parse_syntax_test.c - classes of bytes, values to be sent, lists, known names, phrases
 */
#include "http/parse/syntax.h"

#include "http/parse/field.h"
#include "tests/http/parse_cases.h"

static bool is_one_of(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

TEST(every_class_is_what_its_rfc_says)
{
    for (int c = 0; c < 256; c++) {
        const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool digit = c >= '0' && c <= '9';
        const bool unreserved = alpha || digit || is_one_of(c, "-._~");
        const bool sub_delim = is_one_of(c, "!$&'()*+,;=");
        const struct {
            unsigned class_bits;
            bool expected;
        } cases[] = {
            {WEIR__HTTP_TOKEN, alpha || digit || is_one_of(c, "!#$%&'*+-.^_`|~")},
            {WEIR__HTTP_REG_NAME, unreserved || sub_delim},
            {WEIR__HTTP_HEX, digit || is_one_of(c, "abcdefABCDEF")},
            {WEIR__HTTP_VALUE, c == '\t' || (c >= ' ' && c != 0x7f)},
            {WEIR__HTTP_TARGET, c > ' ' && c < 0x7f && c != '#'},
            {WEIR__HTTP_UNRESERVED, unreserved},
            {WEIR__HTTP_PCHAR, unreserved || sub_delim || is_one_of(c, ":@")},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            EXPECT_EQ(cases[i].expected, weir__http_is((char)c, cases[i].class_bits));
    }
}

TEST(a_field_that_would_split_the_message_is_refused)
{
    static const struct text values[] = {T("a\rb"),
                                         T("a\nb"),
                                         T("a\r\nb"),
                                         T("a\0b"),
                                         T("\r"),
                                         T("\n"),
                                         T("\0"),
                                         T("a\r\nSet-Cookie: b"),
                                         T("a\x01"),
                                         T("\x7f"),
                                         T("a\x1f"
                                           "b"),
                                         T(" a"),
                                         T("a "),
                                         T("\ta"),
                                         T("a\t"),
                                         T(" ")};
    const weir_str name = WEIR_STR("X-Name");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const weir_str value = {values[i].data, values[i].size};
        EXPECT(!weir__http_field_valid(name, value));
        EXPECT(weir__http_field_problem(name, value) != NULL);
        EXPECT(!weir__http_value_valid(value));
    }
    static const struct text good[] = {T(""), T("a"), T("a b\tc"), T("\xc3\xa4"),
                                       T("\"(),/:;<=>?@")};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        EXPECT(weir__http_field_problem(name, (weir_str){good[i].data, good[i].size}) == NULL);
        EXPECT(weir__http_field_valid(name, (weir_str){good[i].data, good[i].size}));
    }
    EXPECT(weir__http_field_valid(name, (weir_str){NULL, 0}));
}

TEST(a_field_name_to_be_sent_is_a_token)
{
    static const struct text names[] = {T(""),    T("a b"), T("a:"),  T("a\r\nb"), T("\xc3\xa4"),
                                        T("a\0"), T(" a"),  T("a\n"), T("(a)")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        EXPECT(!weir__http_field_valid((weir_str){names[i].data, names[i].size}, WEIR_STR("v")));
    EXPECT(weir__http_token_valid(WEIR_STR("X-!#$%&'*+.^_`|~9")));
}

TEST(lists_are_split_at_commas_outside_quotes)
{
    static const struct {
        const char *list;
        const char *elements[6];
    } cases[] = {
        {"", {""}},
        {"a", {"a"}},
        {" a\t,b , c", {"a", "b", "c"}},
        {",", {"", ""}},
        {"a,,b,", {"a", "", "b", ""}},
        {"\"a,b\",c", {"\"a,b\"", "c"}},
        {"\"a\\\",b\",c", {"\"a\\\",b\"", "c"}},
        {"\"a,b", {"\"a,b"}},
        {"\"\\", {"\"\\"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_str rest = {cases[i].list, strlen(cases[i].list)}, element;
        size_t count = 0;
        while (weir__http_list_next(&rest, &element)) {
            REQUIRE(count < 6 && cases[i].elements[count] != NULL);
            EXPECT_SLICE(cases[i].elements[count], element);
            count++;
        }
        EXPECT(count == 6 || cases[i].elements[count] == NULL);
    }
    weir_str nothing = {NULL, 0}, element;
    EXPECT(!weir__http_list_next(&nothing, &element));
}

TEST(every_known_name_is_found_in_any_case_and_its_neighbours_are_not)
{
    bool slots[256] = {false};
    for (int id = 1; id < WEIR__HTTP_FIELD_COUNT; id++) {
        const weir_str name = weir__http_field_name((enum weir__http_field_id)id);
        REQUIRE(name.size > 0 && name.size <= WEIR__HTTP_KNOWN_NAME_MAX);
        EXPECT(weir__http_token_valid(name));
        EXPECT_EQ(id, weir__http_field_id(name));
        char changed[WEIR__HTTP_KNOWN_NAME_MAX + 2];
        for (size_t i = 0; i < name.size; i++)
            changed[i] = name.data[i] >= 'a' && name.data[i] <= 'z'
                             ? (char)(name.data[i] - ('a' - 'A'))
                             : name.data[i];
        EXPECT_EQ(id, weir__http_field_id((weir_str){changed, name.size}));
        changed[name.size] = 's';
        EXPECT(weir__http_field_id((weir_str){changed, name.size + 1}) != (unsigned)id);
        EXPECT(weir__http_field_id((weir_str){changed, name.size - 1}) != (unsigned)id);
        /* One byte replaced by any other: a different name. */
        for (size_t i = 0; i < name.size; i++) {
            memcpy(changed, name.data, name.size);
            for (int c = 0; c < 256; c++) {
                changed[i] = (char)c;
                const bool equal = (c | 0x20) == name.data[i] && c != ('-' & ~0x20);
                if (!equal)
                    EXPECT(weir__http_field_id((weir_str){changed, name.size}) != (unsigned)id);
            }
        }
    }
    for (int slot = 0; slot < 256; slot++) {
        const unsigned id = weir__http_known_slots[slot];
        REQUIRE(id < WEIR__HTTP_FIELD_COUNT);
        EXPECT(id == 0 || !slots[id]);
        slots[id] = true;
    }
    for (int id = 1; id < WEIR__HTTP_FIELD_COUNT; id++)
        EXPECT(slots[id]);
    EXPECT_EQ(WEIR__HTTP_FIELD_OTHER, weir__http_field_id((weir_str){NULL, 0}));
    EXPECT_EQ(WEIR__HTTP_FIELD_OTHER, weir__http_field_id(WEIR_STR("x")));
    EXPECT_EQ(0, weir__http_field_name(WEIR__HTTP_FIELD_OTHER).size);
    EXPECT_EQ(0, weir__http_field_name((enum weir__http_field_id)1000).size);
}

TEST(every_known_name_is_found_in_a_head_by_every_scan)
{
    for (int id = 2; id < WEIR__HTTP_FIELD_COUNT; id++) {
        if (id == WEIR__HTTP_FIELD_CONTENT_LENGTH || id == WEIR__HTTP_FIELD_TRANSFER_ENCODING)
            continue;
        static struct outcome outcome;
        char text[256];
        const weir_str name = weir__http_field_name((enum weir__http_field_id)id);
        int size = snprintf(text, sizeof text, "A / HTTP/1.0\r\n%.*s: a\r\nX: y\r\n%.*s: b\r\n\r\n",
                            (int)name.size, name.data, (int)name.size, name.data);
        parse_whole(&request_way, text, (size_t)size, &outcome);
        REQUIRE(outcome.rc == size);
        const struct weir__http_fields *fields = &outcome.request.fields;
        EXPECT_EQ(id, fields->items[0].id);
        EXPECT_EQ(WEIR__HTTP_FIELD_OTHER, fields->items[1].id);
        EXPECT_EQ(id, fields->items[2].id);
        EXPECT(weir__http_fields_get(fields, (enum weir__http_field_id)id) == &fields->items[0]);
        EXPECT(weir__http_fields_has_twice(fields, (enum weir__http_field_id)id));
        EXPECT(weir__http_fields_next(fields, NULL, name) == &fields->items[0]);
        EXPECT(weir__http_fields_next(fields, &fields->items[0], name) == &fields->items[2]);
        EXPECT(weir__http_fields_next(fields, &fields->items[2], name) == NULL);
        EXPECT(weir__http_fields_next(fields, NULL, WEIR_STR("x")) == &fields->items[1]);
    }
}

TEST(usual_statuses_have_their_phrase_and_others_an_empty_one)
{
    EXPECT_STR("OK", weir__http_reason(200));
    EXPECT_STR("Not Found", weir__http_reason(404));
    EXPECT_STR("Content Too Large", weir__http_reason(413));
    EXPECT_STR("HTTP Version Not Supported", weir__http_reason(505));
    EXPECT_STR("", weir__http_reason(299));
    EXPECT_STR("", weir__http_reason(-1));
    for (int status = 0; status < 1000; status++) {
        const char *reason = weir__http_reason(status);
        EXPECT(weir__http_value_valid((weir_str){reason, strlen(reason)}));
        EXPECT(reason[0] == '\0' || (status >= 100 && status <= 599));
    }
}

TEST(a_stop_byte_is_found_wherever_it_stands)
{
    for (size_t size = 0; size < 40; size++) {
        for (size_t at = 0; at <= size; at++) {
            char text[40];
            memset(text, (at & 1) != 0 ? '\t' : 0x80, sizeof text);
            if (at < size)
                text[at] = "\0\r\n\x7f\x1f"[at % 5];
            EXPECT_EQ(at, weir__http_span(text, size, 0, WEIR__HTTP_VALUE));
        }
    }
}

TEST(a_refusal_is_put_into_words_that_fit)
{
    const struct weir__http_fail fail = {400, 17, "a bare line feed"};
    char text[64], cut[9];
    weir__http_fail_text(&fail, text, sizeof text);
    EXPECT_STR("byte 17: a bare line feed", text);
    weir__http_fail_text(&fail, cut, sizeof cut);
    EXPECT_STR("byte 17:", cut);
    weir__http_fail_text(&fail, cut, 0);
    EXPECT_STR("byte 17:", cut);
    EXPECT_RC(-EBADMSG, weir__http_refuse(NULL, 400, 0, "x"));
}
