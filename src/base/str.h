/*
 * str.h - strings with a length, and the one number parser of weir
 *
 * Half of the request smuggling bugs known are a lenient strtol: signs, `0x`, blanks, `_`. Here a
 * number is digits only, all of the text, and within the width that the caller gives.
 */
#ifndef WEIR__BASE_STR_H
#define WEIR__BASE_STR_H

#include <string.h>
#include <weir/base.h>

static inline weir_str weir__str_from(const char *text)
{
    weir_str str = {text, text == NULL ? 0 : strlen(text)};
    return str;
}
static inline weir_str weir__str_of(const char *data, size_t size)
{
    weir_str str = {data, size};
    return str;
}
bool weir__str_equal(weir_str a, weir_str b);
bool weir__str_equal_nocase(weir_str a, weir_str b); /* ASCII letters only */
bool weir__str_starts(weir_str text, weir_str prefix);
weir_str weir__str_trim(weir_str text, const char *blanks); /* both ends */

/* Digits 0-9 only, at least one, all of `text`, at most `max`. -EINVAL, -ERANGE. */
int weir__str_parse_uint(weir_str text, uint64_t max, uint64_t *out_value) WEIR_MUST_CHECK;
/* The same with an optional leading '-'. */
int weir__str_parse_int(weir_str text, int64_t min, int64_t max, int64_t *out_value)
    WEIR_MUST_CHECK;
/* Hexadecimal digits only, at most `max`. */
int weir__str_parse_hex(weir_str text, uint64_t max, uint64_t *out_value) WEIR_MUST_CHECK;
/* Digits and one of ns us ms s m h: `25s`, `500ms`, `2m`, `1h`; only 0 needs no unit. */
int weir__str_parse_duration(weir_str text, int64_t *out_ns) WEIR_MUST_CHECK;

/* Decimal digits of `value`, no NUL; returns how many (1 to 20). */
size_t weir__str_format_uint(char out_text[20], uint64_t value);
/* Whether the bytes are valid UTF-8 (RFC 3629: no overlong forms, surrogates, or above 10FFFF). */
bool weir__str_is_utf8(const char *data, size_t size);

/*
 * Escapes a text piece by piece, without memory of its own. Takes at least one of `size` (> 0)
 * bytes and returns how many; `out_piece` is what to write for them: a stretch of `data` that needs
 * no change, or an escape in `scratch`. What is not UTF-8 becomes one U+FFFD for each broken
 * sequence.
 */
enum weir__str_escape {
    WEIR__STR_ESCAPE_JSON,   /* inside of a JSON string: RFC 8259, section 7 */
    WEIR__STR_ESCAPE_QUOTED, /* the same for people: DEL and C1 controls too, terminals obey them */
    WEIR__STR_ESCAPE_PLAIN,  /* control characters only, quotes and backslashes stay */
};
enum { WEIR__STR_ESCAPE_MAX = 6 };
size_t weir__str_escape_next(const char *data, size_t size, enum weir__str_escape how,
                             char scratch[WEIR__STR_ESCAPE_MAX], weir_str *out_piece);

#endif
