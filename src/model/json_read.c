/*
 * json_read.c - the reader: one pass over the bytes, no tree, no memory of its own
 *
 * Runs on  any thread. Pure functions over the bytes given.
 * Holds    1. start <= at <= end; no byte at or behind end is read.
 *          2. depth is at most WEIR_MODEL_DEPTH_MAX.
 *          3. After a fault every call returns -EBADMSG and changes nothing.
 */
#include "model/json.h"

#include <weir/model.h>

static int fail(struct weir__json *json, const unsigned char *at, const char *fault)
{
    if (json->fault == NULL) {
        json->fault = fault;
        json->fault_at = at;
        json->at = at;
    }
    return -EBADMSG;
}

void weir__json_init(struct weir__json *json, weir_str text)
{
    static const unsigned char nothing[1];
    const unsigned char *start = text.size == 0 ? nothing : (const unsigned char *)text.data;
    *json = (struct weir__json){.start = start, .at = start, .end = start + text.size};
    if (text.size >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0)
        fail(json, start, "the text begins with a byte order mark");
}

static inline void skip_blanks(struct weir__json *json)
{
    const unsigned char *at = json->at;
    while (at < json->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    json->at = at;
}

/* --- which value, and into and out of objects and arrays -------------------------------------- */

static int no_value(struct weir__json *json)
{
    static const char wanted[] = "a value is expected";
    switch (*json->at) {
    case '\'':
        return fail(json, json->at, "a value is expected; strings stand in double quotes");
    case '+':
    case '.':
        return fail(json, json->at, "a number begins with a digit or a minus sign");
    case ']':
    case '}':
        return fail(json, json->at, "a value is expected; is there a comma too many?");
    case '/':
        return fail(json, json->at, "a value is expected; JSON has no comments");
    default:
        return fail(json, json->at, wanted);
    }
}

int weir__json_peek(struct weir__json *json)
{
    if (json->fault != NULL)
        return -EBADMSG;
    skip_blanks(json);
    if (json->at == json->end)
        return fail(json, json->at,
                    json->start == json->end ? "the text is empty"
                                             : "a value is expected, but the text ends");
    switch (*json->at) {
    case '{':
        return WEIR__JSON_OBJECT;
    case '[':
        return WEIR__JSON_ARRAY;
    case '"':
        return WEIR__JSON_STRING;
    case 't':
        return WEIR__JSON_TRUE;
    case 'f':
        return WEIR__JSON_FALSE;
    case 'n':
        return WEIR__JSON_NULL;
    case '-':
    case '0' ... '9':
        return WEIR__JSON_NUMBER;
    default:
        return no_value(json);
    }
}

int weir__json_enter(struct weir__json *json)
{
    if (json->fault != NULL)
        return -EBADMSG;
    if (json->depth >= WEIR_MODEL_DEPTH_MAX)
        return fail(json, json->at, "objects and arrays are nested too deep, more than 64 levels");
    json->depth++;
    json->at++;
    return 0;
}

/* The comma before a further name or item, or the end. 1: go on, 0: the end was taken. */
static int next_member(struct weir__json *json, bool first, unsigned char close)
{
    if (json->fault != NULL)
        return -EBADMSG;
    skip_blanks(json);
    if (json->at == json->end)
        return fail(json, json->at,
                    close == '}' ? "the text ends inside an object"
                                 : "the text ends inside an array");
    if (*json->at == close) {
        json->at++;
        json->depth--;
        return 0;
    }
    if (first)
        return 1;
    if (*json->at != ',')
        return fail(json, json->at,
                    close == '}' ? "a comma or } is expected" : "a comma or ] is expected");
    json->at++;
    return 1;
}

int weir__json_next_item(struct weir__json *json, bool first)
{
    return next_member(json, first, ']');
}

int weir__json_next_name(struct weir__json *json, bool first, struct weir__json_string *out_name)
{
    int rc = next_member(json, first, '}');
    if (rc <= 0)
        return rc;
    skip_blanks(json);
    if (json->at == json->end)
        return fail(json, json->at, "the text ends inside an object");
    if (*json->at != '"')
        return fail(json, json->at, "a name in double quotes is expected");
    struct weir__json_string name;
    rc = weir__json_read_string(json, &name);
    if (rc < 0)
        return rc;
    skip_blanks(json);
    if (json->at == json->end || *json->at != ':')
        return fail(json, json->at, "a colon is expected after the name");
    json->at++;
    *out_name = name;
    return 1;
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at `at`, whose first byte is 0x80 or more; 0 if it is none
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *at, const unsigned char *end)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    if (*at >= 0xc2 && *at <= 0xdf) {
        length = 2;
    } else if (*at >= 0xe0 && *at <= 0xef) {
        length = 3;
        low = *at == 0xe0 ? 0xa0 : 0x80;
        high = *at == 0xed ? 0x9f : 0xbf;
    } else if (*at >= 0xf0 && *at <= 0xf4) {
        length = 4;
        low = *at == 0xf0 ? 0x90 : 0x80;
        high = *at == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if ((size_t)(end - at) < length || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return length;
}

/* Four hexadecimal digits, or -1. */
static int read_hex4(const unsigned char *at, const unsigned char *end)
{
    if (end - at < 4)
        return -1;
    int value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit;
        if (at[i] >= '0' && at[i] <= '9')
            digit = at[i] - '0';
        else if ((at[i] | 0x20) >= 'a' && (at[i] | 0x20) <= 'f')
            digit = (at[i] | 0x20) - 'a' + 10;
        else
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static bool is_high_surrogate(int code)
{
    return code >= 0xd800 && code <= 0xdbff;
}
static bool is_low_surrogate(int code)
{
    return code >= 0xdc00 && code <= 0xdfff;
}

static size_t utf8_size(int code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* The code point of the escape at `at` (a backslash), and its length; -1 with a fault. */
static int read_escape(struct weir__json *json, const unsigned char *at, size_t *out_length)
{
    if (json->end - at < 2) {
        fail(json, json->end, "the text ends inside a string");
        return -1;
    }
    *out_length = 2;
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
        return at[1];
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        fail(json, at, "an escape is one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
        return -1;
    }

    int code = read_hex4(at + 2, json->end);
    if (code < 0) {
        fail(json, at, "\\u needs four hexadecimal digits");
        return -1;
    }
    *out_length = 6;
    if (is_low_surrogate(code)) {
        fail(json, at, "the second half of a surrogate pair stands alone");
        return -1;
    }
    if (!is_high_surrogate(code))
        return code;
    int low = -1;
    if (json->end - at >= 12 && at[6] == '\\' && at[7] == 'u')
        low = read_hex4(at + 8, json->end);
    if (!is_low_surrogate(low)) {
        fail(json, at, "the first half of a surrogate pair stands alone");
        return -1;
    }
    *out_length = 12;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

int weir__json_read_string(struct weir__json *json, struct weir__json_string *out_string)
{
    if (json->fault != NULL)
        return -EBADMSG;

    const unsigned char *at = json->at + 1;
    struct weir__json_string string = {.data = (const char *)at};
    size_t longer = 0;  /* how much longer the raw form of escapes is than what they mean */
    size_t further = 0; /* bytes of the text that do not begin a code point */
    for (;;) {
        at = weir__json_plain_end(at, json->end);
        if (at == json->end)
            return fail(json, at, "the text ends inside a string");
        if (*at == '"')
            break;
        size_t length;
        if (*at == '\\') {
            int code = read_escape(json, at, &length);
            if (code < 0)
                return -EBADMSG;
            string.escaped = true;
            string.has_nul |= code == 0;
            longer += length - utf8_size(code);
            further += utf8_size(code) - 1;
        } else if (*at < 0x20) {
            return fail(json, at, "control characters in strings must be escaped");
        } else {
            length = utf8_length(at, json->end);
            if (length == 0)
                return fail(json, at, "the bytes are not UTF-8");
            further += length - 1;
        }
        at += length;
    }
    string.raw_size = (size_t)((const char *)at - string.data);
    string.size = string.raw_size - longer;
    string.code_points = string.size - further;
    json->at = at + 1;
    *out_string = string;
    return 0;
}

static char *write_utf8(char *to, int code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

void weir__json_unescape(const struct weir__json_string *string, char *out_text)
{
    if (!string->escaped) {
        memcpy(out_text, string->data, string->size);
        return;
    }
    const unsigned char *at = (const unsigned char *)string->data;
    struct weir__json json = {.start = at, .at = at, .end = at + string->raw_size};
    while (at < json.end) {
        const unsigned char *escape = memchr(at, '\\', (size_t)(json.end - at));
        size_t plain = (size_t)((escape == NULL ? json.end : escape) - at);
        memcpy(out_text, at, plain);
        out_text += plain;
        at += plain;
        if (escape != NULL) {
            size_t length;
            int code = read_escape(&json, at, &length); /* was read once: cannot fail */
            out_text = write_utf8(out_text, code);
            at += length;
        }
    }
}

/* --- numbers and words ------------------------------------------------------------------------ */

static inline bool is_digit(const unsigned char *at, const unsigned char *end)
{
    return at < end && (unsigned)(*at - '0') <= 9;
}

/* Digits into the mantissa, as many as fit; those that do not are still walked over. */
static const unsigned char *read_digits(const unsigned char *at, const unsigned char *end,
                                        struct weir__json_number *number)
{
    while (is_digit(at, end)) {
        unsigned digit = (unsigned)(*at++ - '0');
        uint64_t mantissa;
        if (!number->exact || __builtin_mul_overflow(number->mantissa, 10u, &mantissa) ||
            __builtin_add_overflow(mantissa, digit, &mantissa))
            number->exact = false;
        else
            number->mantissa = mantissa;
    }
    return at;
}

/* Beyond this every number is 0 or too large, unless it has as many digits, which no text has. */
#define EXPONENT_MAX (INT64_MAX / 4)

static int read_exponent(struct weir__json *json, const unsigned char **at, int64_t *exponent)
{
    const unsigned char *digits = *at + 1;
    bool negative = digits < json->end && *digits == '-';
    if (negative || (digits < json->end && *digits == '+'))
        digits++;
    if (!is_digit(digits, json->end))
        return fail(json, digits, "a digit is expected in the exponent");
    int64_t value = 0;
    for (; is_digit(digits, json->end); digits++)
        if (value < EXPONENT_MAX / 10)
            value = value * 10 + (*digits - '0');
    *exponent += negative ? -value : value;
    *at = digits;
    return 0;
}

int weir__json_read_number(struct weir__json *json, struct weir__json_number *out_number)
{
    if (json->fault != NULL)
        return -EBADMSG;

    const unsigned char *at = json->at;
    struct weir__json_number number = {.data = (const char *)at, .integral = true, .exact = true};
    if (*at == '-') {
        number.negative = true;
        at++;
    }
    if (!is_digit(at, json->end))
        return fail(json, at, "a digit is expected after the minus sign");
    if (*at == '0' && is_digit(at + 1, json->end))
        return fail(json, at, "a number does not begin with further zeros");
    at = read_digits(at, json->end, &number);
    if (at < json->end && *at == '.') {
        const unsigned char *fraction = ++at;
        number.integral = false;
        if (!is_digit(at, json->end))
            return fail(json, at, "a digit is expected after the decimal point");
        at = read_digits(at, json->end, &number);
        number.exponent = -(int64_t)(at - fraction);
    }
    if (at < json->end && (*at == 'e' || *at == 'E')) {
        number.integral = false;
        int rc = read_exponent(json, &at, &number.exponent);
        if (rc < 0)
            return rc;
    }
    number.size = (size_t)((const char *)at - number.data);
    json->at = at;
    *out_number = number;
    return 0;
}

int weir__json_read_word(struct weir__json *json, enum weir__json_type type)
{
    if (json->fault != NULL)
        return -EBADMSG;
    const char *word = type == WEIR__JSON_TRUE    ? "true"
                       : type == WEIR__JSON_FALSE ? "false"
                                                  : "null";
    size_t size = strlen(word);
    if ((size_t)(json->end - json->at) < size || memcmp(json->at, word, size) != 0)
        return fail(json, json->at, "a value is expected; the only words are true, false and null");
    json->at += size;
    return 0;
}

/* --- whole values ----------------------------------------------------------------------------- */

static int skip_scalar(struct weir__json *json, int type)
{
    struct weir__json_string string;
    struct weir__json_number number;
    switch (type) {
    case WEIR__JSON_STRING:
        return weir__json_read_string(json, &string);
    case WEIR__JSON_NUMBER:
        return weir__json_read_number(json, &number);
    default:
        return weir__json_read_word(json, (enum weir__json_type)type);
    }
}

/* Iterative: what is open is a bit for each level, 1 for an object. */
int weir__json_skip(struct weir__json *json)
{
    _Static_assert(WEIR_MODEL_DEPTH_MAX <= 64, "a bit for each level");
    uint64_t objects = 0;
    unsigned outer = json->depth;
    bool first = false;
    for (;;) {
        int type = weir__json_peek(json);
        if (type < 0)
            return type;
        int rc;
        first = type == WEIR__JSON_OBJECT || type == WEIR__JSON_ARRAY;
        if (first) {
            rc = weir__json_enter(json);
            objects = objects << 1 | (type == WEIR__JSON_OBJECT);
        } else {
            rc = skip_scalar(json, type);
        }
        if (rc < 0)
            return rc;

        /* on to the next value, out of everything that ends here */
        for (rc = 0; json->depth > outer && rc == 0; first = false) {
            struct weir__json_string name;
            rc = (objects & 1) != 0 ? weir__json_next_name(json, first, &name)
                                    : weir__json_next_item(json, first);
            if (rc < 0)
                return rc;
            if (rc == 0)
                objects >>= 1;
        }
        if (rc == 0)
            return 0;
    }
}

int weir__json_finish(struct weir__json *json)
{
    if (json->fault != NULL)
        return -EBADMSG;
    skip_blanks(json);
    if (json->at < json->end)
        return fail(json, json->at, "something follows after the end of the value");
    return 0;
}

void weir__json_place(const struct weir__json *json, size_t *out_line, size_t *out_column,
                      size_t *out_offset)
{
    const unsigned char *place = json->fault != NULL ? json->fault_at : json->at;
    size_t line = 1, column = 1;
    for (const unsigned char *at = json->start; at < place; at++) {
        if (*at == '\n') {
            line++;
            column = 1;
        } else if ((*at & 0xc0) != 0x80) { /* bytes that continue a character are not counted */
            column++;
        }
    }
    *out_line = line;
    *out_column = column;
    *out_offset = (size_t)(place - json->start);
}
