/*
 * url.c - URLs, paths, queries, percent coding
 *
 * Runs on  any thread. Pure functions over the bytes given.
 * Holds    1. Nothing is decoded twice.
 *          2. What comes out of a decoder is valid UTF-8 without NUL.
 */
#include "http/parse/url.h"

#include <string.h>

#include "base/str.h"

static int refuse_at(struct weir__http_fail *fail, size_t base, int rc)
{
    if (rc == -EBADMSG && fail != NULL)
        fail->offset += base;
    return rc;
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

static bool is_triplet(weir_str text, size_t at)
{
    return text.size - at >= 3 && weir__http_is(text.data[at + 1], WEIR__HTTP_HEX) &&
           weir__http_is(text.data[at + 2], WEIR__HTTP_HEX);
}

/* --- URLs ------------------------------------------------------------------------------------ */

/* `http:` or `https:`, then `//`. Returns where the authority starts, or -EBADMSG. */
static ssize_t parse_scheme(weir_str text, struct weir__http_url *url, struct weir__http_fail *fail)
{
    const char *colon = memchr(text.data, ':', text.size);
    const char *slash = memchr(text.data, '/', text.size);
    if (colon == NULL || (slash != NULL && slash < colon))
        return weir__http_refuse(fail, 400, 0, "the URL has no scheme; write http://host/path");
    url->scheme = (weir_str){text.data, (size_t)(colon - text.data)};
    url->https = weir__str_equal_nocase(url->scheme, WEIR_STR("https"));
    if (!url->https && !weir__str_equal_nocase(url->scheme, WEIR_STR("http")))
        return weir__http_refuse(fail, 400, 0, "the scheme of the URL is neither http nor https");
    const size_t at = url->scheme.size + 1;
    if (text.size - at < 2 || memcmp(text.data + at, "//", 2) != 0)
        return weir__http_refuse(fail, 400, at, "the URL has no // behind its scheme");
    return (ssize_t)at + 2;
}

static int parse_authority(weir_str text, size_t from, size_t to, struct weir__http_url *url,
                           struct weir__http_fail *fail)
{
    url->authority = (weir_str){text.data + from, to - from};
    const char *at_sign = memchr(url->authority.data, '@', url->authority.size);
    if (at_sign != NULL)
        return weir__http_refuse(fail, 400, (size_t)(at_sign - text.data),
                                 "the URL has user information before the host; send credentials "
                                 "in a field");
    struct weir__http_host host;
    int rc = weir__http_host_parse(url->authority, &host, fail);
    if (rc < 0)
        return refuse_at(fail, from, rc);
    const uint16_t usual = url->https ? 443 : 80;
    url->host = host.name;
    url->is_ipv6 = host.is_ipv6;
    url->port = host.has_port ? host.port : usual;
    url->default_port = url->port == usual;
    if (url->port == 0)
        return weir__http_refuse(fail, 400, from, "port 0 cannot be connected to");
    return 0;
}

/* Path and query text[from..size), the fragment cut off already. */
static int parse_target(weir_str text, size_t from, struct weir__http_url *url,
                        struct weir__http_fail *fail)
{
    for (size_t i = from; i < text.size; i++) {
        if (!weir__http_is(text.data[i], WEIR__HTTP_TARGET))
            return weir__http_refuse(fail, 400, i,
                                     "the URL has a character that must be percent-encoded");
        if (text.data[i] == '%' && !is_triplet(text, i))
            return weir__http_refuse(fail, 400, i,
                                     "the URL has a % without two hexadecimal digits");
    }
    const weir_str target = {text.data + from, text.size - from};
    const char *mark = target.size > 0 ? memchr(target.data, '?', target.size) : NULL;
    url->path = target;
    url->query = (weir_str){NULL, 0};
    if (mark != NULL) {
        url->path.size = (size_t)(mark - target.data);
        url->query = (weir_str){mark + 1, target.size - url->path.size - 1};
    }
    if (url->path.size == 0)
        url->path = WEIR_STR("/");
    return 0;
}

int weir__http_url_parse(weir_str text, struct weir__http_url *out_url,
                         struct weir__http_fail *fail)
{
    struct weir__http_url url = {0};
    if (text.size == 0)
        return weir__http_refuse(fail, 400, 0, "the URL is empty");
    ssize_t from = parse_scheme(text, &url, fail);
    if (from < 0)
        return (int)from;
    size_t end = (size_t)from;
    while (end < text.size && strchr("/?#\\", text.data[end]) == NULL)
        end++;
    if (end < text.size && text.data[end] == '\0')
        return weir__http_refuse(fail, 400, end, "the URL has a NUL byte");
    if (end < text.size && text.data[end] == '\\')
        return weir__http_refuse(fail, 400, end, "the URL has a backslash behind its host");
    const char *fragment = memchr(text.data, '#', text.size);
    if (fragment != NULL)
        text.size = (size_t)(fragment - text.data);
    int rc = parse_authority(text, (size_t)from, end, &url, fail);
    if (rc == 0)
        rc = parse_target(text, end, &url, fail);
    if (rc == 0)
        *out_url = url;
    return rc;
}

/* Appends to out[0..size); one past `size` in *used says that it did not fit. */
static void append(char *out_text, size_t size, size_t *used, const char *data, size_t count)
{
    if (*used > size || size - *used < count) {
        *used = size + 1;
        return;
    }
    if (count > 0)
        memcpy(out_text + *used, data, count);
    *used += count;
}

static ssize_t appended(size_t size, size_t used)
{
    return used > size ? -ENOSPC : (ssize_t)used;
}

ssize_t weir__http_url_write_host(const struct weir__http_url *url, char *out_text, size_t size)
{
    size_t used = 0;
    append(out_text, size, &used, "[", url->is_ipv6);
    append(out_text, size, &used, url->host.data, url->host.size);
    append(out_text, size, &used, "]", url->is_ipv6);
    if (!url->default_port) {
        char digits[20];
        append(out_text, size, &used, ":", 1);
        append(out_text, size, &used, digits, weir__str_format_uint(digits, url->port));
    }
    return appended(size, used);
}

ssize_t weir__http_url_write_target(const struct weir__http_url *url, char *out_text, size_t size)
{
    size_t used = 0;
    append(out_text, size, &used, url->path.data, url->path.size);
    if (url->query.data != NULL) {
        append(out_text, size, &used, "?", 1);
        append(out_text, size, &used, url->query.data, url->query.size);
    }
    return appended(size, used);
}

/* --- percent coding -------------------------------------------------------------------------- */

ssize_t weir__http_decode(weir_str text, unsigned flags, char *out_text, size_t size,
                          struct weir__http_fail *fail)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        const size_t at = i;
        if (c == '%') {
            if (!is_triplet(text, i))
                return weir__http_refuse(fail, 400, at, "a % without two hexadecimal digits");
            c = (char)(hex_value(text.data[i + 1]) << 4 | hex_value(text.data[i + 2]));
            i += 2;
        } else if (c == '+' && (flags & WEIR__HTTP_DECODE_PLUS) != 0) {
            c = ' ';
        }
        if (c == '\0')
            return weir__http_refuse(fail, 400, at, "a NUL byte");
        if (used == size)
            return -ENOSPC;
        out_text[used++] = c;
    }
    if (!weir__str_is_utf8(out_text, used))
        return weir__http_refuse(fail, 400, 0, "the decoded text is not UTF-8");
    return (ssize_t)used;
}

ssize_t weir__http_encode(weir_str text, enum weir__http_encode_set set, char *out_text,
                          size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned kept =
        set == WEIR__HTTP_ENCODE_COMPONENT ? WEIR__HTTP_UNRESERVED : WEIR__HTTP_PCHAR;
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        if (weir__http_is(c, kept) || (c == '/' && set == WEIR__HTTP_ENCODE_PATH)) {
            append(out_text, size, &used, &c, 1);
        } else {
            const unsigned char byte = (unsigned char)c;
            const char triplet[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            append(out_text, size, &used, triplet, sizeof triplet);
        }
    }
    return appended(size, used);
}

/* --- queries and paths ----------------------------------------------------------------------- */

int weir__http_query_next(weir_str *rest, char *buffer, size_t size, weir_str *out_name,
                          weir_str *out_value, struct weir__http_fail *fail)
{
    weir_str pair = {NULL, 0};
    while (rest->size > 0 && pair.size == 0) {
        const char *end = memchr(rest->data, '&', rest->size);
        pair = *rest;
        if (end == NULL) {
            *rest = (weir_str){NULL, 0};
        } else {
            pair.size = (size_t)(end - rest->data);
            *rest = (weir_str){end + 1, rest->size - pair.size - 1};
        }
    }
    if (pair.size == 0)
        return 0;

    const char *equals = memchr(pair.data, '=', pair.size);
    weir_str name = pair, value = {NULL, 0};
    if (equals != NULL) {
        name.size = (size_t)(equals - pair.data);
        value = (weir_str){equals + 1, pair.size - name.size - 1};
    }
    ssize_t name_size = weir__http_decode(name, WEIR__HTTP_DECODE_PLUS, buffer, size, fail);
    if (name_size < 0)
        return (int)name_size;
    *out_name = (weir_str){buffer, (size_t)name_size};
    if (equals == NULL) {
        *out_value = (weir_str){NULL, 0};
        return 1;
    }
    buffer += name_size;
    ssize_t value_size =
        weir__http_decode(value, WEIR__HTTP_DECODE_PLUS, buffer, size - (size_t)name_size, fail);
    if (value_size < 0)
        return (int)value_size;
    *out_value = (weir_str){buffer, (size_t)value_size};
    return 1;
}

bool weir__http_path_next(weir_str *rest, weir_str *out_segment)
{
    if (rest->size == 0 || rest->data[0] != '/')
        return false;
    const char *from = rest->data + 1;
    const size_t left = rest->size - 1;
    const char *slash = left > 0 ? memchr(from, '/', left) : NULL;
    const size_t size = slash == NULL ? left : (size_t)(slash - from);
    *out_segment = (weir_str){from, size};
    *rest = (weir_str){from + size, left - size};
    return true;
}

static const char *segment_problem(weir_str segment, bool last)
{
    if (segment.size == 0)
        return last ? NULL : "the path has an empty segment";
    if (weir__str_equal(segment, WEIR_STR(".")) || weir__str_equal(segment, WEIR_STR("..")))
        return "the path has a . or .. segment";
    if (memchr(segment.data, '/', segment.size) != NULL)
        return "the path has an encoded slash";
    if (memchr(segment.data, '\\', segment.size) != NULL)
        return "the path has a backslash";
    return NULL;
}

ssize_t weir__http_path_decode(weir_str raw, char *out_text, size_t size,
                               struct weir__http_fail *fail)
{
    weir_str rest = raw, segment;
    size_t used = 0;
    if (raw.size == 0 || raw.data[0] != '/')
        return weir__http_refuse(fail, 400, 0, "the path does not start with a slash");
    while (weir__http_path_next(&rest, &segment)) {
        const size_t at = (size_t)(segment.data - raw.data);
        ssize_t decoded = weir__http_decode(segment, 0, out_text + used, size - used, fail);
        if (decoded < 0)
            return refuse_at(fail, at, (int)decoded);
        const char *problem =
            segment_problem((weir_str){out_text + used, (size_t)decoded}, rest.size == 0);
        if (problem != NULL)
            return weir__http_refuse(fail, 400, at, problem);
        used += (size_t)decoded;
        if (rest.size > 0) {
            if (used == size)
                return -ENOSPC;
            out_text[used++] = '/';
        }
    }
    return (ssize_t)used;
}
