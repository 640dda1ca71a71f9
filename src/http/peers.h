/*
 * peers.h - how many connections each client's address has
 *
 * An address is an IPv4 address, or the first 64 bits of an IPv6 one: whoever has a network has all
 * of its last 64 bits. IPv4 inside IPv6 counts as IPv4. Unix sockets have no address and no limit.
 */
#ifndef WEIR__HTTP_PEERS_H
#define WEIR__HTTP_PEERS_H

#include <sys/socket.h>

#include <weir/base.h>

struct weir__http_peers; /* the servers of all workers of a service share one */
struct weir__http_peer;  /* one address with at least one connection */

int weir__http_peers_new(size_t connections_max, struct weir__http_peers **out_peers)
    WEIR_MUST_CHECK;
/* Nobody is counted any more. NULL does nothing. */
void weir__http_peers_free(struct weir__http_peers *peers);
/*
 * One more connection; given back with weir__http_peers_leave().
 * Returns  0, *out_peer is NULL for one that is not counted; -EUSERS: it has as many as it may;
 *          -ENOMEM. Any thread.
 */
int weir__http_peers_enter(struct weir__http_peers *peers, const struct sockaddr *address,
                           struct weir__http_peer **out_peer) WEIR_MUST_CHECK;
void weir__http_peers_leave(struct weir__http_peers *peers, struct weir__http_peer *peer);

#endif
