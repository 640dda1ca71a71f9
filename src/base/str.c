/*
 * str.c - strings with a length, the one number parser, UTF-8
 *
 * Runs on  any thread. Pure functions over the bytes given.
 * Holds    Nothing here looks at the locale, skips blanks, or reads past `size`.
 */
#include "base/str.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool weir__str_equal(weir_str a, weir_str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool weir__str_equal_nocase(weir_str a, weir_str b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool weir__str_starts(weir_str text, weir_str prefix)
{
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

weir_str weir__str_trim(weir_str text, const char *blanks)
{
    while (text.size > 0 && is_one_of(text.data[0], blanks)) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_one_of(text.data[text.size - 1], blanks))
        text.size--;
    return text;
}

/* --- numbers --------------------------------------------------------------------------------- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return 16;
}

/* Reads on after the value is too large: a text that is no number is -EINVAL, however long. */
static int parse_digits(weir_str text, unsigned base, uint64_t max, uint64_t *out_value)
{
    if (text.size == 0)
        return -EINVAL;
    uint64_t value = 0;
    bool too_large = false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)digit_value(text.data[i]);
        if (digit >= base)
            return -EINVAL;
        too_large |= __builtin_mul_overflow(value, base, &value);
        too_large |= __builtin_add_overflow(value, digit, &value);
    }
    if (too_large || value > max)
        return -ERANGE;
    *out_value = value;
    return 0;
}

int weir__str_parse_uint(weir_str text, uint64_t max, uint64_t *out_value)
{
    return parse_digits(text, 10, max, out_value);
}

int weir__str_parse_hex(weir_str text, uint64_t max, uint64_t *out_value)
{
    return parse_digits(text, 16, max, out_value);
}

int weir__str_parse_int(weir_str text, int64_t min, int64_t max, int64_t *out_value)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    if (negative) {
        text.data++;
        text.size--;
    }
    uint64_t magnitude;
    uint64_t magnitude_max = negative ? UINT64_C(1) << 63 : (uint64_t)INT64_MAX;
    int rc = parse_digits(text, 10, magnitude_max, &magnitude);
    if (rc < 0)
        return rc;
    int64_t value = (int64_t)(negative ? 0 - magnitude : magnitude);
    if (value < min || value > max)
        return -ERANGE;
    *out_value = value;
    return 0;
}

int weir__str_parse_duration(weir_str text, int64_t *out_ns)
{
    static const struct {
        weir_str name;
        int64_t ns;
    } units[] = {
        {{"ns", 2}, WEIR_NS}, {{"us", 2}, WEIR_US}, {{"ms", 2}, WEIR_MS},
        {{"s", 1}, WEIR_SEC}, {{"m", 1}, WEIR_MIN}, {{"h", 1}, WEIR_HOUR},
    };

    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    weir_str unit = {text.data + digits, text.size - digits};

    uint64_t number;
    int rc = weir__str_parse_uint(weir__str_of(text.data, digits), INT64_MAX, &number);
    if (rc == -EINVAL)
        return rc;
    if (rc == 0 && number == 0 && unit.size == 0) {
        *out_ns = 0;
        return 0;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!weir__str_equal(unit, units[i].name))
            continue;
        int64_t ns;
        if (rc < 0 || __builtin_mul_overflow((int64_t)number, units[i].ns, &ns))
            return -ERANGE;
        *out_ns = ns;
        return 0;
    }
    return -EINVAL;
}

size_t weir__str_format_uint(char out_text[20], uint64_t value)
{
    char reversed[20];
    size_t size = 0;
    do {
        reversed[size++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < size; i++)
        out_text[i] = reversed[size - 1 - i];
    return size;
}

/* --- UTF-8 ----------------------------------------------------------------------------------- */

/*
 * Length of the sequence at `data`, size > 0. Where it is broken, out_valid is false and the length
 * is that of the part which could still have become one (at least 1), so that one broken sequence
 * gives one replacement: Unicode 15, section 3.9, "maximal subpart".
 */
static size_t utf8_step(const unsigned char *data, size_t size, bool *out_valid)
{
    unsigned char first = data[0];
    unsigned char low = 0x80;  /* what the second byte may be, by the first: no overlong forms, */
    unsigned char high = 0xbf; /* no surrogates, nothing above U+10FFFF */
    size_t length;

    *out_valid = false;
    if (first < 0x80) {
        *out_valid = true;
        return 1;
    } else if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0)
            low = 0xa0;
        if (first == 0xed)
            high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0)
            low = 0x90;
        if (first == 0xf4)
            high = 0x8f;
    } else {
        return 1;
    }

    for (size_t i = 1; i < length; i++) {
        if (i >= size || data[i] < low || data[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *out_valid = true;
    return length;
}

bool weir__str_is_utf8(const char *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t at = 0;
    while (at < size) {
        uint64_t eight;
        if (size - at >= sizeof eight) {
            memcpy(&eight, bytes + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        bool valid;
        at += utf8_step(bytes + at, size - at, &valid);
        if (!valid)
            return false;
    }
    return true;
}

/* --- escapes --------------------------------------------------------------------------------- */

static bool needs_escape(unsigned char c, enum weir__str_escape how)
{
    if (c < 0x20)
        return true;
    if (c == '"' || c == '\\')
        return how != WEIR__STR_ESCAPE_PLAIN;
    return c == 0x7f && how != WEIR__STR_ESCAPE_JSON;
}

static weir_str write_escape(unsigned code, char scratch[WEIR__STR_ESCAPE_MAX])
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";

    const char *known = code == 0 || code > 0x7f ? NULL : strchr(from, (int)code);
    scratch[0] = '\\';
    if (known != NULL) {
        scratch[1] = to[known - from];
        return weir__str_of(scratch, 2);
    }
    scratch[1] = 'u';
    scratch[2] = '0';
    scratch[3] = '0';
    scratch[4] = hex[code >> 4];
    scratch[5] = hex[code & 15];
    return weir__str_of(scratch, 6);
}

size_t weir__str_escape_next(const char *data, size_t size, enum weir__str_escape how,
                             char scratch[WEIR__STR_ESCAPE_MAX], weir_str *out_piece)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t at = 0;
    while (at < size) {
        unsigned char c = bytes[at];
        bool valid = true;
        size_t length = 1;
        if (c >= 0x80)
            length = utf8_step(bytes + at, size - at, &valid);
        bool c1_control =
            valid && c == 0xc2 && bytes[at + 1] < 0xa0 && how != WEIR__STR_ESCAPE_JSON;
        if (valid && !c1_control && !needs_escape(c, how)) {
            at += length;
            continue;
        }
        if (at > 0)
            break; /* the plain stretch first */
        if (!valid)
            *out_piece = WEIR_STR("\xef\xbf\xbd");
        else
            *out_piece = write_escape(c1_control ? bytes[at + 1] : c, scratch);
        return length;
    }
    *out_piece = weir__str_of(data, at);
    return at;
}
