/*
 * host.c - host and port
 *
 * Runs on  any thread. Pure functions over the bytes given.
 */
#include "http/parse/host.h"

#include <string.h>

/* One to three digits up to 255 without a leading zero, four times. */
static bool is_ipv4(const char *text, size_t size)
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (at >= size || text[at++] != '.'))
            return false;
        size_t from = at;
        unsigned value = 0;
        while (at < size && at - from < 3 && text[at] >= '0' && text[at] <= '9')
            value = 10 * value + (unsigned)(text[at++] - '0');
        if (at == from || value > 255 || (at - from > 1 && text[from] == '0'))
            return false;
    }
    return at == size;
}

/* RFC 4291 section 2.2: groups of one to four hexadecimal digits, one `::`, IPv4 at the end. */
static bool is_ipv6(const char *text, size_t size)
{
    unsigned groups = 0;
    bool shortened = false;
    size_t at = 0;
    if (size >= 2 && text[0] == ':' && text[1] == ':') {
        shortened = true;
        at = 2;
    }
    while (at < size) {
        size_t from = at;
        at = weir__http_span(text, size, at, WEIR__HTTP_HEX);
        if (at < size && text[at] == '.') {
            groups += 2;
            return is_ipv4(text + from, size - from) && (shortened ? groups <= 7 : groups == 8);
        }
        if (at == from || at - from > 4)
            return false;
        groups++;
        if (at == size)
            break;
        if (text[at++] != ':' || at == size)
            return false;
        if (text[at] == ':') {
            if (shortened)
                return false;
            shortened = true;
            at++;
        }
    }
    return shortened ? groups <= 7 : groups == 8;
}

static int parse_port(weir_str text, size_t from, struct weir__http_host *host,
                      struct weir__http_fail *fail)
{
    unsigned port = 0;
    for (size_t i = from; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return weir__http_refuse(fail, 400, i, "the port is not a number");
        port = 10 * port + (unsigned)(text.data[i] - '0');
        if (port > UINT16_MAX)
            return weir__http_refuse(fail, 400, i, "the port is above 65535");
    }
    host->port = (uint16_t)port;
    host->has_port = from < text.size;
    return 0;
}

/* Name or address; returns where the port (with its colon) or the end is, or -EBADMSG. */
static ssize_t parse_name(weir_str text, struct weir__http_host *host, struct weir__http_fail *fail)
{
    size_t at;
    if (text.size > 0 && text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.size);
        if (close == NULL)
            return weir__http_refuse(fail, 400, 0, "the bracket of an address is not closed");
        at = (size_t)(close - text.data);
        if (!is_ipv6(text.data + 1, at - 1))
            return weir__http_refuse(fail, 400, 1, "the text in brackets is not an IPv6 address");
        host->name = (weir_str){text.data + 1, at - 1};
        host->is_ipv6 = true;
        at++;
    } else {
        for (at = 0; at < text.size && weir__http_is(text.data[at], WEIR__HTTP_REG_NAME); at++)
            ;
        host->name = (weir_str){text.data, at};
        host->is_ipv6 = false;
    }
    if (at < text.size && text.data[at] == '@')
        return weir__http_refuse(fail, 400, at, "user information before the host");
    if (at < text.size && text.data[at] != ':')
        return weir__http_refuse(fail, 400, at, "the host has a character that is not allowed");
    if (host->name.size == 0)
        return weir__http_refuse(fail, 400, 0, "the host is empty");
    if (host->name.size > WEIR__HTTP_HOST_NAME_MAX)
        return weir__http_refuse(fail, 400, WEIR__HTTP_HOST_NAME_MAX, "the host is too long");
    return (ssize_t)at;
}

int weir__http_host_parse(weir_str text, struct weir__http_host *out_host,
                          struct weir__http_fail *fail)
{
    out_host->text = text;
    out_host->port = 0;
    out_host->has_port = false;
    ssize_t at = parse_name(text, out_host, fail);
    if (at < 0)
        return (int)at;
    return (size_t)at == text.size ? 0 : parse_port(text, (size_t)at + 1, out_host, fail);
}
