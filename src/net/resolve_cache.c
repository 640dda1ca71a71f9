/*
 * resolve_cache.c - names that were looked up, for a while
 *
 * The table is static and small, and searched from end to end: a lookup that it spares costs a
 * thousand times more. Addresses lie in it without the padding of their storage.
 *
 * Runs on  any thread, under one mutex that is held for a search and a copy.
 * Holds    1. A host is in at most one entry.
 *          2. An entry whose time is over is as good as free.
 */
#include <netinet/in.h>
#include <string.h>

#include "base/thread.h"
#include "net/resolve.h"

struct kept_address {
    uint8_t size;
    unsigned char sockaddr[sizeof(struct sockaddr_in6)];
};

struct entry {
    int64_t until_ns; /* 0: never used */
    uint32_t hash;
    int rc;
    const char *why;
    size_t count;
    struct kept_address addresses[WEIR_ADDRESSES_MAX];
    char host[WEIR_HOST_BYTES];
};

static struct weir__mutex lock = WEIR__MUTEX_INIT;
static struct entry entries[WEIR__NET_NAMES_MAX];

/* FNV-1a; a collision costs a comparison, nothing else. */
static uint32_t hash_of(const char *host)
{
    uint32_t hash = 2166136261u;
    for (; *host != '\0'; host++)
        hash = (hash ^ (unsigned char)*host) * 16777619u;
    return hash;
}

static struct entry *find(const char *host, uint32_t hash)
{
    for (size_t i = 0; i < WEIR__NET_NAMES_MAX; i++) {
        if (entries[i].hash == hash && entries[i].until_ns != 0 &&
            strcmp(entries[i].host, host) == 0)
            return &entries[i];
    }
    return NULL;
}

/* Free ones have 0, so they go before the one that would go first anyway. */
static struct entry *find_oldest(void)
{
    struct entry *oldest = &entries[0];
    for (size_t i = 1; i < WEIR__NET_NAMES_MAX; i++) {
        if (entries[i].until_ns < oldest->until_ns)
            oldest = &entries[i];
    }
    return oldest;
}

static void put_addresses(struct entry *entry, const weir_addresses *addresses)
{
    entry->count = 0;
    for (size_t i = 0; i < addresses->count; i++) {
        const weir_address *address = &addresses->at[i];
        if (address->size > sizeof entry->addresses[0].sockaddr)
            continue; // no name has a Unix socket for an address
        struct kept_address *kept = &entry->addresses[entry->count++];
        kept->size = (uint8_t)address->size;
        memcpy(kept->sockaddr, &address->storage, address->size);
    }
}

static void get_addresses(const struct entry *entry, weir_addresses *out_addresses)
{
    out_addresses->count = entry->count;
    for (size_t i = 0; i < entry->count; i++) {
        out_addresses->at[i] = (weir_address){.size = entry->addresses[i].size};
        memcpy(&out_addresses->at[i].storage, entry->addresses[i].sockaddr,
               entry->addresses[i].size);
    }
}

bool weir__net_cache_find(const char *host, int64_t now_ns, struct weir__net_answer *out_answer)
{
    weir__base_mutex_lock(&lock);
    const struct entry *entry = find(host, hash_of(host));
    bool found = entry != NULL && entry->until_ns > now_ns;
    if (found) {
        out_answer->rc = entry->rc;
        out_answer->why = entry->why;
        get_addresses(entry, &out_answer->addresses);
    }
    weir__base_mutex_unlock(&lock);
    return found;
}

void weir__net_cache_keep(const char *host, int64_t now_ns, const struct weir__net_answer *answer)
{
    size_t size = strlen(host) + 1;
    if (size > WEIR_HOST_BYTES)
        return;
    uint32_t hash = hash_of(host);
    weir__base_mutex_lock(&lock);
    struct entry *entry = find(host, hash);
    if (entry == NULL) {
        entry = find_oldest();
        if (entry->until_ns > now_ns)
            weir__net_count(&weir__net_counters.evicted);
    }
    entry->until_ns = now_ns + (answer->rc < 0 ? WEIR__NET_FAILURE_KEPT_NS : WEIR__NET_KEPT_NS);
    entry->hash = hash;
    entry->rc = answer->rc;
    entry->why = answer->why;
    put_addresses(entry, &answer->addresses);
    memcpy(entry->host, host, size);
    weir__base_mutex_unlock(&lock);
}

void weir__net_cache_clear(void)
{
    weir__base_mutex_lock(&lock);
    for (size_t i = 0; i < WEIR__NET_NAMES_MAX; i++)
        entries[i].until_ns = 0;
    weir__base_mutex_unlock(&lock);
}

size_t weir__net_cache_count(int64_t now_ns)
{
    size_t count = 0;
    weir__base_mutex_lock(&lock);
    for (size_t i = 0; i < WEIR__NET_NAMES_MAX; i++)
        count += entries[i].until_ns > now_ns;
    weir__base_mutex_unlock(&lock);
    return count;
}
