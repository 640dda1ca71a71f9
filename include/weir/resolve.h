/*
 * weir/resolve.h - from names to addresses
 */
#ifndef WEIR_RESOLVE_H
#define WEIR_RESOLVE_H

#include <weir/address.h>

enum {
    /** Room for any host name, with its NUL: RFC 1035 section 3.1. */
    WEIR_HOST_BYTES = 254,
};

/** How to look up. Zero is the default of each field. */
typedef struct weir_resolve_options {
    int64_t timeout_ns; /* how long to wait for an answer; 0: 5 s; WEIR_FOREVER */
    bool fresh;         /* ask, whatever is kept; the answer is kept then */
} weir_resolve_options;

/** What the resolver of this process did so far. */
typedef struct weir_resolver_stats {
    uint64_t literals; /* answered without asking: literals, localhost, invalid */
    uint64_t hits;     /* answered from what was kept */
    uint64_t joined;   /* waited for a question that was asked already */
    uint64_t asked;    /* questions to the system */
    uint64_t failed;   /* of these, those that brought no address */
    uint64_t timeouts; /* callers that waited for 5 s in vain */
    uint64_t evicted;  /* names dropped before their time, for want of room */
    size_t kept;       /* names kept at present */
    size_t kept_max;   /* 256 */
} weir_resolver_stats;

WEIR_BEGIN_DECLS

/**
 * Look a name up.
 *
 * Address literals are answered at once, as are `localhost` (127.0.0.1, then ::1) and names below
 * `invalid` (RFC 6761). All else is asked of the system (getaddrinfo) on threads of its own, each
 * name once however many tasks want it. Answers are kept for 30 s and failures for 5 s, by the
 * process. A caller that is cancelled leaves at once; the question goes on without it.
 *
 * The order is the system's (/etc/nsswitch.conf, the hosts file, RFC 6724), but the families take
 * turns.
 *
 * @param host           a name or an address literal, without brackets
 * @param port           set in each address
 * @param out_addresses  written on success: at least one, IPv4 and IPv6 in turn
 *
 * Returns     0 or a negative errno; weir_failure_message() names the host
 * Errors      -ENXIO         the name does not exist, or has no address
 *             -EHOSTUNREACH  no name server answered, or it could not
 *             -ETIMEDOUT     no answer for 5 s
 *             -EINVAL        no name could look like this, or it has a port or a service in it
 *             -EBUSY         too many names are being looked up
 *             -ESHUTDOWN     the main task has ended: nothing new is asked
 *             -ENOMEM        no memory
 *             -ECANCELED     the caller's scope is cancelled
 *             -EPERM         called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      RFC 6761 sections 6.3 and 6.4; RFC 8305 section 4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_resolve(const char *host, uint16_t port,
                                                          weir_addresses *out_addresses);

/**
 * Look a name up, in a way of the caller's.
 *
 * @param host           a name or an address literal, without brackets
 * @param port           set in each address
 * @param options        borrowed; NULL for the defaults
 * @param out_addresses  written on success: at least one, the families in turn
 *
 * Returns     0 or a negative errno; weir_failure_message() names the host
 * Errors      as weir_resolve(), and
 *             -EINVAL  the time is negative
 * Checkpoint  always
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_resolve_with(const char *host, uint16_t port,
                                                               const weir_resolve_options *options,
                                                               weir_addresses *out_addresses);

/**
 * The name of an address, as the system has it: what its owner says, and proves nothing.
 *
 * It is not kept, and waited for as long as weir_resolve() waits.
 *
 * @param address   IPv4 or IPv6
 * @param out_host  written on success
 *
 * Returns     0 or a negative errno; weir_failure_message() names the address
 * Errors      -ENXIO         no name is known
 *             -EHOSTUNREACH  no name server answered, or it could not
 *             -ETIMEDOUT     no answer for 5 s
 *             -EINVAL        not such an address
 *             -EBUSY         too many are being looked up
 *             -ENOMEM        no memory
 *             -ECANCELED     the caller's scope is cancelled
 *             -EPERM         called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      getnameinfo(3)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_resolve_name(const weir_address *address,
                                                               char out_host[WEIR_HOST_BYTES]);

/**
 * Forget every name that is kept.
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_resolver_clear(void);

/**
 * What the resolver did so far.
 *
 * @param out_stats  written
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_resolver_stats_get(weir_resolver_stats *out_stats);

WEIR_END_DECLS

#endif
