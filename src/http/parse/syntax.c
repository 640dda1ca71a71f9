/*
 * syntax.c - classes of bytes, tokens, values, lists, reason phrases
 *
 * Runs on  any thread. Pure functions over the bytes given.
 * Holds    Nothing here reads past `size`, looks at the locale, or allocates.
 */
#include "http/parse/syntax.h"

#include <stdio.h>
#include <string.h>

/* One row for each 16 bytes; tests/http/parse_syntax_test.c spells every class out. */
const uint8_t weir__http_classes[256] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x08, 0x5b, 0x18, 0x09, 0x5b, 0x19, 0x5b, 0x5b, 0x5a, 0x5a, 0x5b, 0x5b, 0x5a, 0x7b, 0x7b, 0x18,
    0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x58, 0x5a, 0x18, 0x5a, 0x18, 0x18,
    0x58, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b,
    0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x18, 0x18, 0x18, 0x19, 0x7b,
    0x19, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b,
    0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x7b, 0x18, 0x19, 0x18, 0x7b, 0x00,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
};

int weir__http_refuse(struct weir__http_fail *fail, int status, size_t offset, const char *reason)
{
    if (fail != NULL)
        *fail = (struct weir__http_fail){.status = status, .offset = offset, .reason = reason};
    return -EBADMSG;
}

void weir__http_fail_text(const struct weir__http_fail *fail, char *out_text, size_t size)
{
    if (size > 0)
        snprintf(out_text, size, "byte %zu: %s", fail->offset, fail->reason);
}

size_t weir__http_span(const char *data, size_t size, size_t from, unsigned class_bits)
{
    while (from < size && weir__http_is(data[from], class_bits))
        from++;
    return from;
}

bool weir__http_token_valid(weir_str text)
{
    return text.size > 0 && weir__http_span(text.data, text.size, 0, WEIR__HTTP_TOKEN) == text.size;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool weir__http_value_valid(weir_str text)
{
    if (text.size == 0)
        return true;
    if (is_blank(text.data[0]) || is_blank(text.data[text.size - 1]))
        return false;
    return weir__http_span(text.data, text.size, 0, WEIR__HTTP_VALUE) == text.size;
}

const char *weir__http_field_problem(weir_str name, weir_str value)
{
    if (name.size == 0)
        return "a field name may not be empty";
    if (!weir__http_token_valid(name))
        return "a field name is letters, digits and !#$%&'*+-.^_`|~ only";
    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        if (c == '\r' || c == '\n')
            return "a field value may not contain a line break (it would split the message)";
        if (c == '\0')
            return "a field value may not contain NUL";
        if (!weir__http_is(c, WEIR__HTTP_VALUE))
            return "a field value may not contain control characters";
    }
    if (!weir__http_value_valid(value))
        return "a field value may not begin or end with a blank";
    return NULL;
}

bool weir__http_field_valid(weir_str name, weir_str value)
{
    return weir__http_field_problem(name, value) == NULL;
}

bool weir__http_list_next(weir_str *rest, weir_str *out_element)
{
    if (rest->data == NULL)
        return false;
    bool quoted = false;
    size_t end = 0;
    for (; end < rest->size; end++) {
        char c = rest->data[end];
        if (quoted && c == '\\' && end + 1 < rest->size)
            end++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted)
            break;
    }
    *out_element = weir__http_trim((weir_str){rest->data, end});
    if (end == rest->size)
        *rest = (weir_str){NULL, 0};
    else
        *rest = (weir_str){rest->data + end + 1, rest->size - end - 1};
    return true;
}

const char *weir__http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } phrases[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {207, "Multi-Status"},
        {208, "Already Reported"},
        {226, "IM Used"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {305, "Use Proxy"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {506, "Variant Also Negotiates"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
        {510, "Not Extended"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].reason;
    return "";
}
