/*
 * resolve_system.c - what the system is asked, and what its words mean
 *
 * The system's order stays (/etc/gai.conf, RFC 6724; the hosts file and name servers as
 * /etc/nsswitch.conf has them), but the families take turns, so that a broken one costs one
 * attempt.
 *
 * Runs on  a thread of the lane: these calls block for as long as they like.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "net/resolve.h"

/* --- words ------------------------------------------------------------------------------------ */

int weir__net_lookup_code(int result, const char **out_why)
{
    int system_error = errno;
    switch (result) {
    case EAI_NONAME:
        *out_why = "name does not exist (EAI_NONAME)";
        return -ENXIO;
    case EAI_NODATA:
        *out_why = "name has no address (EAI_NODATA)";
        return -ENXIO;
    case EAI_ADDRFAMILY:
        *out_why = "name has no address (EAI_ADDRFAMILY)";
        return -ENXIO;
    case EAI_AGAIN: // a final word here: the caller does not know when to try again either
        *out_why = "no name server answered (EAI_AGAIN) for name";
        return -EHOSTUNREACH;
    case EAI_FAIL:
        *out_why = "the name server could not answer (EAI_FAIL) for name";
        return -EHOSTUNREACH;
    case EAI_MEMORY:
        *out_why = "no memory (EAI_MEMORY) to look up name";
        return -ENOMEM;
    case EAI_SYSTEM:
        *out_why = "the system could not (EAI_SYSTEM) look up name";
        return system_error > 0 && system_error != EAGAIN && system_error != ECANCELED
                   ? -system_error
                   : -EIO;
    default:
        *out_why = gai_strerror(result);
        return -EIO;
    }
}

static bool has_address(const weir_addresses *addresses, const weir_address *wanted)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (weir_address_equal(&addresses->at[i], wanted))
            return true;
    }
    return false;
}

/* The next of `family` (or of any other, when `other`) at or after `info`. */
static const struct addrinfo *find_family(const struct addrinfo *info, int family, bool other)
{
    while (info != NULL && ((info->ai_family != AF_INET && info->ai_family != AF_INET6) ||
                            (info->ai_family == family) == other))
        info = info->ai_next;
    return info;
}

static void add_address(weir_addresses *addresses, const struct addrinfo *info)
{
    weir_address address = {.size = info->ai_addrlen};
    if (addresses->count == WEIR_ADDRESSES_MAX || info->ai_addrlen > sizeof address.storage)
        return;
    memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    weir_address_set_port(&address, 0);
    if (!has_address(addresses, &address))
        addresses->at[addresses->count++] = address;
}

void weir__net_collect(const struct addrinfo *list, weir_addresses *out_addresses)
{
    int family = list->ai_family;
    const struct addrinfo *same = find_family(list, family, false);
    const struct addrinfo *other = find_family(list, family, true);
    while (same != NULL || other != NULL) {
        if (same != NULL) {
            add_address(out_addresses, same);
            same = find_family(same->ai_next, family, false);
        }
        if (other != NULL) {
            add_address(out_addresses, other);
            other = find_family(other->ai_next, family, true);
        }
    }
}

static int ask_system(const char *host, weir_addresses *out_addresses, const char **out_why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    out_addresses->count = 0;
    int result = getaddrinfo(host, NULL, &hints, &list);
    if (result != 0)
        return weir__net_lookup_code(result, out_why);
    weir__net_collect(list, out_addresses);
    freeaddrinfo(list);
    return out_addresses->count > 0 ? 0 : weir__net_lookup_code(EAI_NODATA, out_why);
}

weir__net_lookup_fn *weir__net_lookup = ask_system;

/* --- the other way round ---------------------------------------------------------------------- */

static int ask_system_name(const weir_address *address, char out_host[WEIR_HOST_BYTES],
                           const char **out_why)
{
    int result = getnameinfo(weir__net_sockaddr(address), address->size, out_host, WEIR_HOST_BYTES,
                             NULL, 0, NI_NAMEREQD);
    if (result == 0)
        return 0;
    int rc = weir__net_lookup_code(result, out_why);
    if (rc == -ENXIO)
        *out_why = "no name is known (EAI_NONAME) for";
    return rc;
}

weir__net_lookup_name_fn *weir__net_lookup_name = ask_system_name;
