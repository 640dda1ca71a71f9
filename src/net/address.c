/*
 * address.c - addresses as values and as text
 *
 * Runs on  any thread; nothing here waits or allocates.
 * Holds    1. The text of an address parses to that address (but a Unix end may have no name).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/str.h"
#include "net/net.h"

static const char unix_prefix[] = "unix:";

/* --- in and out of the storage: by copy, since its type is another one ------------------------ */

static weir_address address_of(const void *sockaddr, size_t size)
{
    weir_address address = {.size = (socklen_t)size};
    memcpy(&address.storage, sockaddr, size);
    return address;
}
static struct sockaddr_in in_of(const weir_address *address)
{
    struct sockaddr_in in;
    memcpy(&in, &address->storage, sizeof in);
    return in;
}
static struct sockaddr_in6 in6_of(const weir_address *address)
{
    struct sockaddr_in6 in6;
    memcpy(&in6, &address->storage, sizeof in6);
    return in6;
}

/* --- text to address -------------------------------------------------------------------------- */

/* inet_pton wants a NUL behind the text; the longest literal is shorter than this. */
static bool terminate(weir_str text, char out_text[INET6_ADDRSTRLEN])
{
    if (text.size == 0 || text.size >= INET6_ADDRSTRLEN ||
        memchr(text.data, '\0', text.size) != NULL)
        return false;
    memcpy(out_text, text.data, text.size);
    out_text[text.size] = '\0';
    return true;
}

static int parse_ipv4(weir_str host, uint16_t port, weir_address *out_address)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr in;
    if (!terminate(host, text) || inet_pton(AF_INET, text, &in) != 1)
        return -EINVAL;
    struct sockaddr_in found = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = in};
    *out_address = address_of(&found, sizeof found);
    return 0;
}

static int parse_ipv6(weir_str host, uint16_t port, weir_address *out_address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr in6;
    uint64_t scope = 0;
    const char *percent = host.size == 0 ? NULL : memchr(host.data, '%', host.size);
    if (percent != NULL) {
        weir_str number = weir__str_of(percent + 1, host.size - (size_t)(percent + 1 - host.data));
        int rc = weir__str_parse_uint(number, UINT32_MAX, &scope);
        if (rc < 0)
            return -EINVAL;
        host.size = (size_t)(percent - host.data);
    }
    if (!terminate(host, text) || inet_pton(AF_INET6, text, &in6) != 1)
        return -EINVAL;
    struct sockaddr_in6 found = {.sin6_family = AF_INET6,
                                 .sin6_port = htons(port),
                                 .sin6_addr = in6,
                                 .sin6_scope_id = (uint32_t)scope};
    *out_address = address_of(&found, sizeof found);
    return 0;
}

int weir__net_address_literal(weir_str host, uint16_t port, weir_address *out_address)
{
    if (host.size > 0 && memchr(host.data, ':', host.size) != NULL)
        return parse_ipv6(host, port, out_address);
    return parse_ipv4(host, port, out_address);
}

static int parse_unix(weir_str path, weir_address *out_address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    bool abstract = path.size > 0 && path.data[0] == '@';
    /* A path ends with a NUL; an abstract name begins with one, and ends where the size says. */
    size_t size_max = abstract ? sizeof un.sun_path : sizeof un.sun_path - 1;
    if (path.size == 0 || path.size > size_max || (abstract && path.size == 1))
        return -EINVAL;
    memcpy(un.sun_path, path.data, path.size);
    if (abstract)
        un.sun_path[0] = '\0';
    *out_address =
        address_of(&un, offsetof(struct sockaddr_un, sun_path) + path.size + (abstract ? 0 : 1));
    return 0;
}

int weir_address_parse(const char *text, weir_address *out_address)
{
    if (text == NULL)
        return -EINVAL;
    weir_str all = weir__str_from(text);
    weir_str prefix = weir__str_of(unix_prefix, sizeof unix_prefix - 1);
    if (weir__str_starts(all, prefix))
        return parse_unix(weir__str_of(text + prefix.size, all.size - prefix.size), out_address);

    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return -EINVAL;
    uint64_t port;
    weir_str port_text = weir__str_from(colon + 1);
    if (port_text.size > 5 || weir__str_parse_uint(port_text, UINT16_MAX, &port) < 0)
        return -EINVAL;
    weir_str host = weir__str_of(text, (size_t)(colon - text));
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        return parse_ipv6(weir__str_of(host.data + 1, host.size - 2), (uint16_t)port, out_address);
    return parse_ipv4(host, (uint16_t)port, out_address);
}

/* --- address to text -------------------------------------------------------------------------- */

static void format_ipv4(const weir_address *address, char out_text[WEIR_ADDRESS_TEXT_BYTES])
{
    char host[INET_ADDRSTRLEN] = "";
    struct sockaddr_in in = in_of(address);
    inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
    snprintf(out_text, WEIR_ADDRESS_TEXT_BYTES, "%s:%u", host, (unsigned)ntohs(in.sin_port));
}

static void format_ipv6(const weir_address *address, char out_text[WEIR_ADDRESS_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";
    char scope[16] = "";
    struct sockaddr_in6 in6 = in6_of(address);
    inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
    if (in6.sin6_scope_id != 0)
        snprintf(scope, sizeof scope, "%%%u", (unsigned)in6.sin6_scope_id);
    snprintf(out_text, WEIR_ADDRESS_TEXT_BYTES, "[%s%s]:%u", host, scope,
             (unsigned)ntohs(in6.sin6_port));
}

static void format_unix(const weir_address *address, char out_text[WEIR_ADDRESS_TEXT_BYTES])
{
    struct sockaddr_un un;
    memcpy(&un, &address->storage, sizeof un);
    size_t header = offsetof(struct sockaddr_un, sun_path);
    size_t size = address->size > header ? address->size - header : 0;
    if (size > sizeof un.sun_path)
        size = sizeof un.sun_path;
    bool abstract = size > 0 && un.sun_path[0] == '\0';
    if (!abstract)
        size = strnlen(un.sun_path, size);
    if (size == 0) { /* the client's end usually has no name */
        snprintf(out_text, WEIR_ADDRESS_TEXT_BYTES, "%s", unix_prefix);
        return;
    }
    snprintf(out_text, WEIR_ADDRESS_TEXT_BYTES, "%s%s%.*s", unix_prefix, abstract ? "@" : "",
             (int)(abstract ? size - 1 : size), un.sun_path + (abstract ? 1 : 0));
}

const char *weir_address_format(const weir_address *address, char out_text[WEIR_ADDRESS_TEXT_BYTES])
{
    int family = address == NULL || address->size == 0 ? AF_UNSPEC : weir__net_family(address);
    switch (family) {
    case AF_INET:
        format_ipv4(address, out_text);
        break;
    case AF_INET6:
        format_ipv6(address, out_text);
        break;
    case AF_UNIX:
        format_unix(address, out_text);
        break;
    default:
        snprintf(out_text, WEIR_ADDRESS_TEXT_BYTES, "(no address)");
        break;
    }
    return out_text;
}

/* --- parts ------------------------------------------------------------------------------------ */

uint16_t weir_address_port(const weir_address *address)
{
    switch (weir__net_family(address)) {
    case AF_INET:
        return ntohs(in_of(address).sin_port);
    case AF_INET6:
        return ntohs(in6_of(address).sin6_port);
    default:
        return 0;
    }
}

void weir_address_set_port(weir_address *address, uint16_t port)
{
    if (weir__net_family(address) == AF_INET) {
        struct sockaddr_in in = in_of(address);
        in.sin_port = htons(port);
        memcpy(&address->storage, &in, sizeof in);
    } else if (weir__net_family(address) == AF_INET6) {
        struct sockaddr_in6 in6 = in6_of(address);
        in6.sin6_port = htons(port);
        memcpy(&address->storage, &in6, sizeof in6);
    }
}

static bool equal_ipv4(struct sockaddr_in a, struct sockaddr_in b)
{
    return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

/* The flow label says nothing about the place. */
static bool equal_ipv6(struct sockaddr_in6 a, struct sockaddr_in6 b)
{
    return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id &&
           memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

bool weir_address_equal(const weir_address *a, const weir_address *b)
{
    if (weir__net_family(a) != weir__net_family(b))
        return false;
    switch (weir__net_family(a)) {
    case AF_INET:
        return equal_ipv4(in_of(a), in_of(b));
    case AF_INET6:
        return equal_ipv6(in6_of(a), in6_of(b));
    default:
        return a->size == b->size && memcmp(&a->storage, &b->storage, a->size) == 0;
    }
}
