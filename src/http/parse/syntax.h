/*
 * syntax.h - the alphabet of HTTP/1.1: classes of bytes, tokens, values, and what a refusal says
 *
 * Source: RFC 9110 section 5, RFC 9112, RFC 3986. Where an RFC lets a recipient be lenient, weir is
 * not: a message that two programs may read in two ways is refused (400), never repaired.
 */
#ifndef WEIR__HTTP_PARSE_SYNTAX_H
#define WEIR__HTTP_PARSE_SYNTAX_H

#include <weir/base.h>

/*
 * Why a message was refused. Written on failure only. `reason` is a static sentence without a full
 * stop at its end, such as `a bare line feed; lines end with CR LF`.
 */
struct weir__http_fail {
    int status;         /* what a server answers: 400, 414, 431, 501, 505 */
    size_t offset;      /* of the byte that gave it away, from the start of the input */
    const char *reason; /* never freed */
};

/* `byte 17: a bare line feed; ...`; cut at `size`, always closed with a NUL when size > 0. */
void weir__http_fail_text(const struct weir__http_fail *fail, char *out_text, size_t size);

/* Fills `fail` (which may be NULL) and returns -EBADMSG, the code of every refusal of a parser. */
int weir__http_refuse(struct weir__http_fail *fail, int status, size_t offset, const char *reason)
    __attribute__((cold));

enum weir__http_class {
    WEIR__HTTP_TOKEN = 1,       /* tchar, RFC 9110 section 5.6.2 */
    WEIR__HTTP_REG_NAME = 2,    /* unreserved / sub-delims, RFC 3986; the '%' of a triplet apart */
    WEIR__HTTP_HEX = 4,         /* 0-9 A-F a-f */
    WEIR__HTTP_VALUE = 8,       /* in a field value: HTAB, SP, visible, 0x80 to 0xff */
    WEIR__HTTP_TARGET = 16,     /* in a request target: visible ASCII but '#' */
    WEIR__HTTP_UNRESERVED = 32, /* RFC 3986 section 2.3 */
    WEIR__HTTP_PCHAR = 64,      /* in a path segment without escaping, RFC 3986 section 3.3 */
};

extern const uint8_t weir__http_classes[256];

static inline bool weir__http_is(char c, unsigned classes)
{
    return (weir__http_classes[(unsigned char)c] & classes) != 0;
}

/* Index of the first byte of data[from..size) that is not in `class`; `size` when all are. */
size_t weir__http_span(const char *data, size_t size, size_t from, unsigned class_bits);

bool weir__http_token_valid(weir_str text); /* at least one byte, all tchar */
bool weir__http_value_valid(
    weir_str text); /* no CR, LF, NUL, other control; no blank at the ends */

/*
 * Whether a field may be sent: response splitting stops here, in release builds as well.
 * NULL when it may, or a static sentence that says why not.
 */
const char *weir__http_field_problem(weir_str name, weir_str value) WEIR_MUST_CHECK;
bool weir__http_field_valid(weir_str name, weir_str value) WEIR_MUST_CHECK;

/* The usual phrase of a status (RFC 9110 section 15 and the registry), "" when there is none. */
const char *weir__http_reason(int status);

/* The same text without SP and HTAB at both ends (OWS). */
static inline weir_str weir__http_trim(weir_str text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/*
 * Takes the next element of a comma list off the front of `*rest`, OWS trimmed. False when none is
 * left. Commas inside quoted strings do not count. Empty elements are handed out as such: a caller
 * that allows them (RFC 9110 section 5.6.1.2) skips them.
 */
bool weir__http_list_next(weir_str *rest, weir_str *out_element);

#endif
