/*
 * sim_link.c - the way of one packet: how long it takes, and whether it comes at all
 *
 * Runs on  the loop's own thread.
 * Holds    1. Events fire in the order of their instants, and of their setting at one instant.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "backend/sim_net.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"

enum { LATE_MAX_MS = 2000, CUT_MAX_S = 40 };

/* --- events ----------------------------------------------------------------------------------- */

void weir__sim_never(struct sim_event *event)
{
    weir__list_remove(&event->link);
}

void weir__sim_at(struct sim_net *net, struct sim_event *event, int64_t at_ns)
{
    weir__list_remove(&event->link);
    event->at_ns = at_ns > *net->now_ns ? at_ns : *net->now_ns;
    /* Most are later than all others: look from the end. */
    struct weir__list *before = net->events.prev;
    while (before != &net->events &&
           WEIR__CONTAINER(before, struct sim_event, link)->at_ns > event->at_ns)
        before = before->prev;
    weir__list_insert_before(before->next, &event->link);
}

/* --- chance ----------------------------------------------------------------------------------- */

uint64_t weir__sim_draw(struct sim_net *net, uint64_t limit)
{
    return limit == 0 ? 0 : weir__base_random_next(&net->random) % limit;
}

bool weir__sim_struck(int point)
{
    bool before = weir__base_fault_exempt(false); /* see base/virtual.h: we are exempt in here */
    int rc = weir__base_fault((enum weir__fault_point)point);
    weir__base_fault_exempt(before);
    return rc != 0;
}

int64_t weir__sim_travel_ns(struct sim_net *net)
{
    int64_t travel_ns = net->settings.latency_ns;
    if (net->settings.jitter_ns > 0)
        travel_ns += (int64_t)weir__sim_draw(net, (uint64_t)net->settings.jitter_ns);
    if (weir__sim_struck(WEIR__FAULT_LATE))
        travel_ns += (int64_t)(1 + weir__sim_draw(net, LATE_MAX_MS)) * WEIR_MS;
    return travel_ns;
}

/* --- addresses -------------------------------------------------------------------------------- */

uint16_t weir__sim_port(const struct sim_address *address)
{
    const void *storage = &address->storage;
    switch (address->storage.ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)storage)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)storage)->sin6_port);
    default:
        return 0;
    }
}

void weir__sim_set_port(struct sim_address *address, uint16_t port)
{
    void *storage = &address->storage;
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)storage)->sin_port = htons(port);
    else if (address->storage.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)storage)->sin6_port = htons(port);
}

/* The bytes of the address itself; an IPv4 address in IPv6's clothes is the IPv4 address. */
static size_t host_bytes(const struct sim_address *address, const void **out_bytes)
{
    const void *storage = &address->storage;
    if (address->storage.ss_family == AF_INET) {
        *out_bytes = &((const struct sockaddr_in *)storage)->sin_addr;
        return 4;
    }
    const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)storage)->sin6_addr;
    bool mapped = IN6_IS_ADDR_V4MAPPED(ipv6);
    *out_bytes = ipv6->s6_addr + (mapped ? 12 : 0);
    return mapped ? 4 : 16;
}

bool weir__sim_same_host(const struct sim_address *a, const struct sim_address *b)
{
    bool a_is_internet = a->storage.ss_family == AF_INET || a->storage.ss_family == AF_INET6;
    bool b_is_internet = b->storage.ss_family == AF_INET || b->storage.ss_family == AF_INET6;
    if (!a_is_internet || !b_is_internet)
        return a_is_internet == b_is_internet; /* all Unix sockets are on one host */
    const void *a_bytes, *b_bytes;
    size_t size = host_bytes(a, &a_bytes);
    return size == host_bytes(b, &b_bytes) && memcmp(a_bytes, b_bytes, size) == 0;
}

/* --- cut off ---------------------------------------------------------------------------------- */

static bool is_meant(const struct sim_address *one, const struct sim_address *host)
{
    return one->size == 0 || weir__sim_same_host(one, host);
}

bool weir__sim_cut_off(const struct sim_net *net, const struct sim_address *a,
                       const struct sim_address *b)
{
    if (a->storage.ss_family == AF_UNIX)
        return false;
    for (struct weir__list *at = net->cuts.next; at != &net->cuts; at = at->next) {
        const struct sim_cut *cut = WEIR__CONTAINER(at, struct sim_cut, link);
        if ((is_meant(&cut->a, a) && is_meant(&cut->b, b)) ||
            (is_meant(&cut->a, b) && is_meant(&cut->b, a)))
            return true;
    }
    return false;
}

static void watch_silences(struct sim_net *net)
{
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next)
        weir__sim_tcp_watch_silence(net, WEIR__CONTAINER(at, struct sim_socket, link));
}

static void end_cut(struct sim_cut *cut)
{
    weir__sim_never(&cut->heal);
    weir__list_remove(&cut->link);
    weir__base_free(cut);
}

static void heal(struct sim_net *net, struct sim_event *event)
{
    end_cut(WEIR__CONTAINER(event, struct sim_cut, heal));
    watch_silences(net);
}

int weir__sim_cut(struct sim_net *net, const struct sim_address *a, const struct sim_address *b,
                  int64_t duration_ns)
{
    struct sim_cut *cut = weir__base_alloc_zero(sizeof *cut);
    if (cut == NULL)
        return -ENOMEM;
    if (a != NULL)
        cut->a = *a;
    if (b != NULL)
        cut->b = *b;
    weir__list_init(&cut->heal.link);
    cut->heal.fire = heal;
    if (duration_ns > 0 && duration_ns != WEIR_FOREVER)
        weir__sim_at(net, &cut->heal, weir__base_add_ns(*net->now_ns, duration_ns));
    weir__list_append(&net->cuts, &cut->link);
    watch_silences(net);
    return 0;
}

void weir__sim_heal_all(struct sim_net *net)
{
    while (!weir__list_empty(&net->cuts))
        end_cut(WEIR__CONTAINER(net->cuts.next, struct sim_cut, link));
    watch_silences(net);
}

/* --- whether it comes ------------------------------------------------------------------------- */

bool weir__sim_arrives(struct sim_net *net, const struct sim_address *from,
                       const struct sim_address *to)
{
    if (from->storage.ss_family == AF_UNIX)
        return true;
    if (weir__sim_struck(WEIR__FAULT_PARTITION))
        weir_ignore(
            weir__sim_cut(net, from, to, (int64_t)(1 + weir__sim_draw(net, CUT_MAX_S)) * WEIR_SEC),
            "without memory there is no fault");
    if (weir__sim_cut_off(net, from, to))
        return false;
    return net->settings.loss_per_million == 0 ||
           weir__sim_draw(net, 1000000) >= net->settings.loss_per_million;
}
