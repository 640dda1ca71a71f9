/*
 * http_url.c - fuzz target: any bytes as a URL, a path, a query, percent-coded text
 *
 * Properties, besides "no crash and nothing read beyond the end":
 *   1. A URL put together from its parts is the same URL.
 *   2. What decodes is UTF-8 without NUL, and decodes to the same after it was encoded.
 *   3. A path that decodes has no segment that leads out of its folder.
 *   4. The pairs of a query are never longer than the query.
 */
#include "fuzz/fuzz.h"

#include "base/str.h"
#include "http/parse/url.h"

static void check_url(weir_str text)
{
    struct weir__http_url url, again;
    struct weir__http_fail fail = {0, 0, ""};
    int rc = weir__http_url_parse(text, &url, &fail);
    if (rc < 0) {
        HOLDS(rc == -EBADMSG && fail.reason[0] != '\0' && fail.offset <= text.size);
        return;
    }
    const size_t room = text.size + 32;
    char *copy = malloc(room);
    HOLDS(copy != NULL);
    size_t size = (size_t)snprintf(copy, room, "%s://", url.https ? "https" : "http");
    ssize_t part = weir__http_url_write_host(&url, copy + size, room - size);
    HOLDS(part > 0);
    size += (size_t)part;
    part = weir__http_url_write_target(&url, copy + size, room - size);
    HOLDS(part > 0 && copy[size] == '/');
    size += (size_t)part;
    HOLDS(weir__http_url_parse((weir_str){copy, size}, &again, &fail) == 0);
    HOLDS(url.https == again.https && url.port == again.port && url.is_ipv6 == again.is_ipv6);
    HOLDS(weir__str_equal(url.host, again.host) && weir__str_equal(url.path, again.path));
    HOLDS(weir__str_equal(url.query, again.query));
    HOLDS((url.query.data == NULL) == (again.query.data == NULL));
    free(copy);
}

static bool is_text(const char *data, size_t size)
{
    return weir__str_is_utf8(data, size) && (size == 0 || memchr(data, '\0', size) == NULL);
}

static void check_decode(weir_str text, char *out, char *other, size_t room)
{
    for (unsigned flags = 0; flags < 2; flags++) {
        ssize_t size = weir__http_decode(text, flags, out, text.size, NULL);
        HOLDS(size <= (ssize_t)text.size && (size >= 0 || size == -EBADMSG));
        if (size < 0)
            continue;
        HOLDS(is_text(out, (size_t)size));
        ssize_t coded = weir__http_encode((weir_str){out, (size_t)size},
                                          (enum weir__http_encode_set)(text.size % 3), other, room);
        HOLDS(coded >= size);
        HOLDS(weir__http_decode((weir_str){other, (size_t)coded}, 0, other, room, NULL) == size);
        HOLDS(memcmp(out, other, (size_t)size) == 0);
    }
}

static void check_path(weir_str text, char *out)
{
    ssize_t size = weir__http_path_decode(text, out, text.size, NULL);
    HOLDS(size <= (ssize_t)text.size);
    if (size < 0)
        return;
    HOLDS(is_text(out, (size_t)size) && (size == 0 || out[0] != '/'));
    HOLDS(size == 0 || memchr(out, '\\', (size_t)size) == NULL);
    for (size_t at = 0; at < (size_t)size;) {
        const char *slash = memchr(out + at, '/', (size_t)size - at);
        const size_t end = slash == NULL ? (size_t)size : (size_t)(slash - out);
        const weir_str segment = {out + at, end - at};
        HOLDS(segment.size > 0 && !weir__str_equal(segment, WEIR_STR(".")) &&
              !weir__str_equal(segment, WEIR_STR("..")));
        at = end + 1;
    }
}

static void check_query(weir_str text, char *out)
{
    weir_str rest = text, name, value;
    size_t used = 0;
    while (weir__http_query_next(&rest, out + used, text.size - used, &name, &value, NULL) == 1) {
        HOLDS(name.data == out + used && is_text(name.data, name.size));
        used += name.size;
        if (value.data != NULL) {
            HOLDS(value.data == out + used && is_text(value.data, value.size));
            used += value.size;
        }
        HOLDS(used <= text.size);
    }
}

static void check_host(weir_str text)
{
    struct weir__http_host host;
    struct weir__http_fail fail = {0, 0, ""};
    if (weir__http_host_parse(text, &host, &fail) < 0) {
        HOLDS(fail.offset <= text.size);
        return;
    }
    HOLDS(host.name.size > 0 && host.name.data >= text.data);
    HOLDS(host.name.data + host.name.size <= text.data + text.size);
    for (size_t i = 0; i < text.size; i++)
        HOLDS(text.data[i] > ' ' && text.data[i] < 0x7f && strchr("/?#@\\%", text.data[i]) == NULL);
}

static void check(const char *data, size_t size)
{
    const weir_str text = {data, size};
    const size_t room = 3 * size + 1;
    char *out = malloc(size + 1), *other = malloc(room);
    HOLDS(out != NULL && other != NULL);
    check_url(text);
    check_decode(text, out, other, room);
    check_path(text, out);
    check_query(text, out);
    check_host(text);
    free(other);
    free(out);
}
