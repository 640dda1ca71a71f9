/*
 * interface.c - the addresses of this machine
 *
 * The system tells of each interface once for every address, and once more for the link itself.
 * The link's entry is of use only where there is no address.
 *
 * Runs on  any thread.
 */
#include <weir/interface.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/sys.h"
#include "net/net.h"

struct collecting {
    weir_interface *list;
    size_t count_max;
    size_t count;
};

static unsigned count_bits(const void *bytes, size_t size)
{
    unsigned bits = 0;
    for (size_t i = 0; i < size; i++)
        bits += (unsigned)__builtin_popcount(((const unsigned char *)bytes)[i]);
    return bits;
}

static unsigned prefix_of(const struct sockaddr *mask)
{
    if (mask == NULL)
        return 0;
    if (mask->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, mask, sizeof in);
        return count_bits(&in.sin_addr, sizeof in.sin_addr);
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, mask, sizeof in6);
    return count_bits(&in6.sin6_addr, sizeof in6.sin6_addr);
}

static bool has_address(const struct ifaddrs *entry)
{
    return entry->ifa_addr != NULL &&
           (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6);
}

/* Whether another entry of the list has an address of the same interface. */
static bool is_listed_elsewhere(const struct ifaddrs *all, const struct ifaddrs *entry)
{
    for (const struct ifaddrs *other = all; other != NULL; other = other->ifa_next) {
        if (has_address(other) && strcmp(other->ifa_name, entry->ifa_name) == 0)
            return true;
    }
    return false;
}

static void fill(const struct ifaddrs *entry, weir_interface *out)
{
    *out = (weir_interface){
        .index = weir__sys_interface_index(entry->ifa_name),
        .up = (entry->ifa_flags & IFF_UP) != 0,
        .running = (entry->ifa_flags & IFF_RUNNING) != 0,
        .loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0,
        .point_to_point = (entry->ifa_flags & IFF_POINTOPOINT) != 0,
        .broadcast = (entry->ifa_flags & IFF_BROADCAST) != 0,
        .multicast = (entry->ifa_flags & IFF_MULTICAST) != 0,
    };
    size_t size = strnlen(entry->ifa_name, sizeof out->name - 1);
    memcpy(out->name, entry->ifa_name, size);
    if (!has_address(entry))
        return;
    out->address.size = entry->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                              : sizeof(struct sockaddr_in6);
    memcpy(&out->address.storage, entry->ifa_addr, out->address.size);
    out->prefix_bits = prefix_of(entry->ifa_netmask);
}

static void collect(const struct ifaddrs *all, void *arg)
{
    struct collecting *collecting = arg;
    for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
        if (!has_address(entry) && is_listed_elsewhere(all, entry))
            continue;
        if (collecting->count < collecting->count_max)
            fill(entry, &collecting->list[collecting->count]);
        collecting->count++;
    }
}

int weir_interfaces(weir_interface *out_list, size_t count_max, size_t *out_count)
{
    struct collecting collecting = {.list = out_list, .count_max = count_max};
    int rc = weir__sys_interfaces(collect, &collecting);
    if (rc < 0)
        return rc;
    *out_count = collecting.count;
    return 0;
}
