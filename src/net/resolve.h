/*
 * resolve.h - the resolver: its cache, its questions, and the system behind them
 *
 * Holds  1. Only resolve_system.c asks the system, and only on the lane's threads.
 */
#ifndef WEIR__NET_RESOLVE_H
#define WEIR__NET_RESOLVE_H

#include <weir/resolve.h>

#include "net/net.h"

struct addrinfo;

/*
 * Ask the system for the addresses of a name, on a thread that may block; their port is 0.
 * `out_why` is a static text for the message, on failure. Tests put another function here.
 */
typedef int weir__net_lookup_fn(const char *host, weir_addresses *out_addresses,
                                const char **out_why);
extern weir__net_lookup_fn *weir__net_lookup;
/* Checkpoint. 1: a test's simulated network has answered; 0: it has no names; -ETIME, -ECANCELED */
struct weir__net_answer;
int weir__net_answer_simulated(const char *host, int64_t limit_ns,
                               struct weir__net_answer *out_answer) WEIR_MUST_CHECK;
/* The name of an address, likewise. */
typedef int weir__net_lookup_name_fn(const weir_address *address, char out_host[WEIR_HOST_BYTES],
                                     const char **out_why);
extern weir__net_lookup_name_fn *weir__net_lookup_name;
/* What a word of getaddrinfo (EAI_*) comes to. */
int weir__net_lookup_code(int result, const char **out_why) WEIR_MUST_CHECK;
/* The families in turn, beginning with the system's first choice: RFC 8305 section 4. */
void weir__net_collect(const struct addrinfo *list, weir_addresses *out_addresses);
extern int64_t weir__net_resolve_ns; /* how long a caller waits; tests are less patient */

struct weir__net_answer {
    int rc;          /* 0, or a negative errno */
    const char *why; /* static; on failure */
    weir_addresses addresses;
};

/*
 * The cache, resolve_cache.c: one for the process, any thread, never waits for more than a few
 * comparisons. Hosts are in lower case; instants are those of weir__base_kernel_now().
 */
bool weir__net_cache_find(const char *host, int64_t now_ns, struct weir__net_answer *out_answer);
void weir__net_cache_keep(const char *host, int64_t now_ns, const struct weir__net_answer *answer);
void weir__net_cache_clear(void);
size_t weir__net_cache_count(int64_t now_ns);

/* Checkpoint: a name in lower case; whoever asks for it already is joined. -ETIME: the limit. */
int weir__net_ask(const char *host, int64_t limit_ns, struct weir__net_answer *out_answer)
    WEIR_MUST_CHECK;
/* Checkpoint: out_why is static, and set when the system has said no. */
int weir__net_ask_name(const weir_address *address, char out_host[WEIR_HOST_BYTES],
                       const char **out_why) WEIR_MUST_CHECK;

/* Of the process; relaxed. */
extern struct weir__net_counters {
    uint64_t literals, hits, joined, asked, failed, timeouts, evicted;
} weir__net_counters;
static inline void weir__net_count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

#endif
