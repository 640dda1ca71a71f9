/*
 * peers.c - how many connections each client's address has
 *
 * A table of chains. Its seed is drawn at random, so that nobody can choose addresses that fall
 * into one chain; there are never more entries than connections.
 *
 * Runs on  any thread; a lock is held for a few comparisons.
 * Holds    1. An entry is in the table exactly while its count is above 0.
 */
#include "http/peers.h"

#include <netinet/in.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"

enum { CHAINS = 4096 };

struct weir__http_peer {
    struct weir__http_peer *next;
    uint64_t key;
    uint32_t count;
    uint16_t chain;
    bool v4;
};

struct weir__http_peers {
    struct weir__mutex lock;
    size_t connections_max;
    uint64_t seed;
    struct weir__http_peer *chains[CHAINS];
};

int weir__http_peers_new(size_t connections_max, struct weir__http_peers **out_peers)
{
    struct weir__http_peers *peers = weir__base_alloc_zero(sizeof *peers);
    if (peers == NULL)
        return -ENOMEM;
    peers->connections_max = connections_max;
    weir__base_random_bytes(&peers->seed, sizeof peers->seed);
    weir__base_mutex_init(&peers->lock);
    *out_peers = peers;
    return 0;
}

void weir__http_peers_free(struct weir__http_peers *peers)
{
    if (peers == NULL)
        return;
    weir__base_mutex_deinit(&peers->lock);
    weir__base_free(peers);
}

/* What is counted together; false: not counted at all. */
static bool read_key(const struct sockaddr *address, uint64_t *out_key, bool *out_v4)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address == NULL)
        return false;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        *out_key = v4.sin_addr.s_addr;
        *out_v4 = true;
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    *out_v4 = memcmp(v6.sin6_addr.s6_addr, mapped, sizeof mapped) == 0;
    *out_key = 0;
    if (*out_v4)
        memcpy(out_key, v6.sin6_addr.s6_addr + sizeof mapped, 4);
    else
        memcpy(out_key, v6.sin6_addr.s6_addr, sizeof *out_key);
    return true;
}

static struct weir__http_peer *new_peer(struct weir__http_peers *peers, uint64_t key, bool v4,
                                        size_t chain)
{
    struct weir__http_peer *peer = weir__base_alloc_zero(sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->key = key;
    peer->v4 = v4;
    peer->chain = (uint16_t)chain;
    peer->next = peers->chains[chain];
    peers->chains[chain] = peer;
    return peer;
}

static int count_one(struct weir__http_peers *peers, uint64_t key, bool v4,
                     struct weir__http_peer **out_peer)
{
    uint64_t state = peers->seed ^ key ^ v4;
    size_t chain = weir__base_random_next(&state) % CHAINS;
    struct weir__http_peer *peer = peers->chains[chain];
    while (peer != NULL && (peer->key != key || peer->v4 != v4))
        peer = peer->next;
    if (peer != NULL && peer->count >= peers->connections_max)
        return -EUSERS;
    if (peer == NULL)
        peer = new_peer(peers, key, v4, chain);
    if (peer == NULL)
        return -ENOMEM;
    peer->count++;
    *out_peer = peer;
    return 0;
}

int weir__http_peers_enter(struct weir__http_peers *peers, const struct sockaddr *address,
                           struct weir__http_peer **out_peer)
{
    uint64_t key;
    bool v4;
    *out_peer = NULL;
    if (peers == NULL || !read_key(address, &key, &v4))
        return 0;
    weir__base_mutex_lock(&peers->lock);
    int rc = count_one(peers, key, v4, out_peer);
    weir__base_mutex_unlock(&peers->lock);
    return rc;
}

void weir__http_peers_leave(struct weir__http_peers *peers, struct weir__http_peer *peer)
{
    if (peer == NULL)
        return;
    weir__base_mutex_lock(&peers->lock);
    if (--peer->count == 0) {
        struct weir__http_peer **at = &peers->chains[peer->chain];
        while (*at != peer)
            at = &(*at)->next;
        *at = peer->next;
        weir__base_free(peer);
    }
    weir__base_mutex_unlock(&peers->lock);
}
