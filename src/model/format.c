/*
 * format.c - named formats of strings
 *
 * Each says NULL, or what the string must be. They look at the form only: whether a host exists or
 * an address receives mail is not theirs to know.
 *
 * Runs on  any thread. Pure functions over the bytes given.
 */
#include "model/model.h"

#include "base/str.h"

/* --- letters ---------------------------------------------------------------------------------- */

enum {
    LETTER = 1,
    DIGIT = 2,
    HEX = 4,
    MARK = 8,       /* - . _ ~ : with letters and digits, the unreserved characters of RFC 3986 */
    SUB_DELIM = 16, /* ! $ & ' ( ) * + , ; = */
    GEN_DELIM = 32, /* : / ? # [ ] @ */
    UNRESERVED = LETTER | DIGIT | MARK,
};

/* By table: a list of a thousand URLs is looked at letter by letter. */
static const uint8_t classes[256] = {
    ['0' ... '9'] = DIGIT | HEX,
    ['A' ... 'F'] = LETTER | HEX,
    ['a' ... 'f'] = LETTER | HEX,
    ['G' ... 'Z'] = LETTER,
    ['g' ... 'z'] = LETTER,
    ['-'] = MARK,
    ['.'] = MARK,
    ['_'] = MARK,
    ['~'] = MARK,
    ['!'] = SUB_DELIM,
    ['$'] = SUB_DELIM,
    ['&'] = SUB_DELIM,
    ['\''] = SUB_DELIM,
    ['('] = SUB_DELIM,
    [')'] = SUB_DELIM,
    ['*'] = SUB_DELIM,
    ['+'] = SUB_DELIM,
    [','] = SUB_DELIM,
    [';'] = SUB_DELIM,
    ['='] = SUB_DELIM,
    [':'] = GEN_DELIM,
    ['/'] = GEN_DELIM,
    ['?'] = GEN_DELIM,
    ['#'] = GEN_DELIM,
    ['['] = GEN_DELIM,
    [']'] = GEN_DELIM,
    ['@'] = GEN_DELIM,
};

static inline bool is_a(char c, unsigned class)
{
    return (classes[(unsigned char)c] & class) != 0;
}
static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Characters of these classes, and %XX. */
static bool is_made_of(weir_str text, unsigned class)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_a(text.data[i], class))
            continue;
        if (text.data[i] != '%' || text.size - i < 3 || !is_a(text.data[i + 1], HEX) ||
            !is_a(text.data[i + 2], HEX))
            return false;
        i += 2;
    }
    return true;
}

/* `size` digits; -1 when they are none. */
static int read_digits(const char *text, size_t size)
{
    int value = 0;
    for (size_t i = 0; i < size; i++) {
        if (!is_a(text[i], DIGIT))
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static weir_str rest_from(weir_str text, size_t at)
{
    return weir__str_of(text.data + at, text.size - at);
}

/* --- URIs: RFC 3986 --------------------------------------------------------------------------- */

static size_t scheme_size(weir_str text)
{
    size_t size = 0;
    while (size < text.size &&
           (is_a(text.data[size], LETTER) ||
            (size > 0 && (is_a(text.data[size], DIGIT) || is_in(text.data[size], "+-.")))))
        size++;
    return size > 0 && size < text.size && text.data[size] == ':' ? size : 0;
}

static const char *check_uri(const char *data, size_t size)
{
    weir_str text = weir__str_of(data, size);
    size_t scheme = scheme_size(text);
    weir_str rest = rest_from(text, scheme);
    const char *hash = memchr(data, '#', size);
    if (scheme == 0 || rest.size < 2)
        return "must be a URI, beginning with a scheme such as https:";
    if (hash != NULL && memchr(hash + 1, '#', (size_t)(data + size - hash - 1)) != NULL)
        return "must be a URI, with at most one #";
    if (!is_made_of(rest, UNRESERVED | SUB_DELIM | GEN_DELIM))
        return "must be a URI: other characters must be percent-encoded";
    return NULL;
}

static bool is_ipv4(weir_str text)
{
    for (int part = 0; part < 4; part++) {
        size_t digits = 0;
        while (digits < text.size && digits < 4 && is_a(text.data[digits], DIGIT))
            digits++;
        if (digits == 0 || digits > 3 || (digits > 1 && text.data[0] == '0') ||
            read_digits(text.data, digits) > 255)
            return false;
        text = rest_from(text, digits);
        if (part < 3) {
            if (text.size == 0 || text.data[0] != '.')
                return false;
            text = rest_from(text, 1);
        }
    }
    return text.size == 0;
}

/* Groups of up to four hexadecimal digits, at most one gap, perhaps an IPv4 address at the end. */
static bool is_ipv6(weir_str text)
{
    size_t groups = 0;
    bool gap = false;
    if (text.size >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = true;
        text = rest_from(text, 2);
    }
    while (text.size > 0) {
        size_t digits = 0;
        while (digits < text.size && digits < 5 && is_a(text.data[digits], HEX))
            digits++;
        if (digits < text.size && text.data[digits] == '.') {
            groups += 2;
            return is_ipv4(text) && (gap ? groups < 8 : groups == 8);
        }
        if (digits == 0 || digits > 4)
            return false;
        groups++;
        text = rest_from(text, digits);
        if (text.size == 0)
            break;
        if (text.data[0] != ':' || text.size == 1)
            return false;
        text = rest_from(text, 1);
        if (text.data[0] == ':') {
            if (gap)
                return false;
            gap = true;
            text = rest_from(text, 1);
        }
    }
    return gap ? groups < 8 : groups == 8;
}

/* RFC 3986 section 3.2: host and port; user information is refused, see RFC 9110 section 4.2.4. */
static const char *check_authority(weir_str authority)
{
    weir_str host = authority, port = {0};
    bool literal = authority.size > 0 && authority.data[0] == '[';
    if (memchr(authority.data, '@', authority.size) != NULL)
        return "must not contain a user name or password";
    const char *colon = NULL;
    if (literal) {
        const char *close = memchr(authority.data, ']', authority.size);
        size_t inside = close == NULL ? 0 : (size_t)(close - authority.data);
        if (close == NULL || !is_ipv6(weir__str_of(authority.data + 1, inside - 1)))
            return "must have an IPv6 address inside the brackets";
        if (inside + 1 < authority.size)
            colon = close + 1;
        if (colon != NULL && *colon != ':')
            return "must have a colon between host and port";
    } else {
        colon = memchr(authority.data, ':', authority.size);
    }
    if (colon != NULL) {
        host.size = (size_t)(colon - authority.data);
        port = rest_from(authority, host.size + 1);
        uint64_t number;
        if (weir__str_parse_uint(port, 65535, &number) < 0 || number == 0)
            return "must have a port between 1 and 65535 after the colon";
    }
    if (host.size == 0)
        return "must have a host";
    if (host.size > 255)
        return "must have a host of at most 255 characters";
    if (!literal && !is_made_of(host, UNRESERVED | SUB_DELIM))
        return "must have a host of letters, digits, dots and hyphens";
    return NULL;
}

static const char *check_http_url(const char *data, size_t size)
{
    weir_str text = weir__str_of(data, size);
    size_t scheme = scheme_size(text);
    weir_str name = weir__str_of(data, scheme);
    if (!(weir__str_equal_nocase(name, WEIR_STR("http")) ||
          weir__str_equal_nocase(name, WEIR_STR("https"))) ||
        !weir__str_starts(rest_from(text, scheme), WEIR_STR("://")))
        return "must begin with http:// or https://";
    weir_str rest = rest_from(text, scheme + 3);
    size_t end = 0;
    while (end < rest.size && rest.data[end] != '/' && rest.data[end] != '?' &&
           rest.data[end] != '#')
        end++;
    const char *fault = check_authority(weir__str_of(rest.data, end));
    return fault != NULL ? fault : check_uri(data, size);
}

static const char *check_ipv4(const char *text, size_t size)
{
    return is_ipv4(weir__str_of(text, size)) ? NULL : "must be an IPv4 address such as 192.0.2.1";
}

/* --- other ------------------------------------------------------------------------------------ */

/* The part of RFC 5321 that is in use: dot-atom before the @, a host name behind it. */
static const char *check_email(const char *data, size_t size)
{
    static const char wrong[] = "must be an email address such as name@example.org";
    const char *at = memchr(data, '@', size);
    if (at == NULL || size > 254)
        return wrong;
    weir_str local = weir__str_of(data, (size_t)(at - data));
    weir_str domain = rest_from(weir__str_of(data, size), local.size + 1);
    if (local.size == 0 || local.size > 64 || domain.size == 0)
        return wrong;
    for (size_t i = 0; i < local.size; i++) {
        char c = local.data[i];
        bool dot = c == '.' && i > 0 && i + 1 < local.size && local.data[i - 1] != '.';
        if (!dot && !is_a(c, LETTER) && !is_a(c, DIGIT) && !is_in(c, "!#$%&'*+/=?^_`{|}~-"))
            return wrong;
    }
    size_t label = 0;
    for (size_t i = 0; i < domain.size; i++) {
        char c = domain.data[i];
        if (c == '.') {
            if (label == 0 || domain.data[i - 1] == '-')
                return wrong;
            label = 0;
        } else {
            if ((!is_a(c, LETTER) && !is_a(c, DIGIT) && (c != '-' || label == 0)) || ++label > 63)
                return wrong;
        }
    }
    return label == 0 || domain.data[domain.size - 1] == '-' ? wrong : NULL;
}

/* RFC 9562 */
static const char *check_uuid(const char *data, size_t size)
{
    bool good = size == 36;
    for (size_t i = 0; good && i < size; i++)
        good = i == 8 || i == 13 || i == 18 || i == 23 ? data[i] == '-' : is_a(data[i], HEX);
    return good ? NULL : "must be a UUID such as 0190163d-8694-739b-aea5-966c26f8ad91";
}

/* RFC 3339: a day that exists. */
static bool is_date(const char *data, size_t size)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (size != 10 || data[4] != '-' || data[7] != '-')
        return false;
    int year = read_digits(data, 4), month = read_digits(data + 5, 2),
        day = read_digits(data + 8, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

static const char *check_date(const char *data, size_t size)
{
    return is_date(data, size) ? NULL : "must be a date such as 2024-02-29";
}

static bool is_hour_minute(const char *data)
{
    int hour = read_digits(data, 2), minute = read_digits(data + 3, 2);
    return data[2] == ':' && hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59;
}

static const char *check_date_time(const char *data, size_t size)
{
    static const char wrong[] = "must be a date and time such as 2024-02-29T12:30:00Z";
    if (size < 20 || !is_date(data, 10) || !is_in(data[10], "Tt") || !is_hour_minute(data + 11))
        return wrong;
    int second = read_digits(data + 17, 2);
    if (data[16] != ':' || second < 0 || second > 60) /* 60: a leap second */
        return wrong;
    size_t at = 19;
    if (data[at] == '.') {
        size_t fraction = ++at;
        while (at < size && is_a(data[at], DIGIT))
            at++;
        if (at == fraction)
            return wrong;
    }
    if (size - at == 1 && is_in(data[at], "Zz"))
        return NULL;
    return size - at == 6 && is_in(data[at], "+-") && is_hour_minute(data + at + 1) ? NULL : wrong;
}

const struct weir__model_format *weir__model_find_format(const char *name)
{
    static const struct weir__model_format formats[] = {
        {"http-url", check_http_url, "uri", "^[Hh][Tt][Tt][Pp][Ss]?://"},
        {"uri", check_uri, "uri", NULL},
        {"uuid", check_uuid, "uuid", NULL},
        {"email", check_email, "email", NULL},
        {"date", check_date, "date", NULL},
        {"date-time", check_date_time, "date-time", NULL},
        {"ipv4", check_ipv4, "ipv4", NULL},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}
