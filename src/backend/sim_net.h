/*
 * sim_net.h - the simulated network: sockets without a kernel, on virtual time; internal to the
 * room
 *
 *   sim_net.c   sockets as the calls of base/sys.h know them
 *   sim_port.c  addresses and ports: who listens where
 *   sim_flow.c  bytes on their way in one direction
 *   sim_tcp.c   what is between two sockets: a handshake, two flows, an end
 *   sim_udp.c   datagrams
 *   sim_link.c  the way of one packet: how long it takes, and whether it comes at all
 *   sim_host.c  hosts that have names, and what a test does to hosts
 *
 * All hosts live in one process: a host is an IP address that somebody has bound or named. Packets
 * between two addresses take time (latency, jitter, bandwidth) and can be lost, cut off or
 * answered with a reset. Everything that will happen is an event with an instant; sim.c lets
 * virtual time jump to the first of them.
 *
 * Runs on  the loop's own thread.
 * Holds    1. The same seed and the same calls give the same events.
 *          2. Between two sockets bytes arrive in the order they were written, each once.
 *          3. A socket's memory goes when no descriptor, no accept queue and no event knows it.
 */
#ifndef WEIR__BACKEND_SIM_NET_H
#define WEIR__BACKEND_SIM_NET_H

#include <weir/test.h>

#include "backend/sim.h"
#include "base/list.h"
#include "base/virtual.h"

struct sim_net;
struct sim_socket;

/* Something that will happen. */
struct sim_event {
    struct weir__list link; /* in net->events while it is to come */
    int64_t at_ns;
    void (*fire)(struct sim_net *net, struct sim_event *event);
};

struct sim_address {
    struct sockaddr_storage storage;
    socklen_t size; /* 0: none */
};

/*
 * Bytes on their way to one socket. All four counts only grow:
 *
 *     read <= arrived <= departed <= written
 *
 * written - arrived is what the sender's kernel still holds, departed - read what the window of the
 * receiver is used for.
 */
enum { SIM_SEGMENTS_MAX = 64 };
struct sim_segment {
    uint64_t until;
    int64_t at_ns;
    bool fin;
};
struct sim_flow {
    uint64_t written, departed, arrived, read;
    bool fin_written, fin_departed, fin_arrived;
    bool cut;        /* nothing comes any more: one of the two is dead */
    char *ring;      /* bytes read..written, at their count modulo capacity */
    size_t capacity; /* a power of two */
    struct sim_segment segments[SIM_SEGMENTS_MAX]; /* on their way, in order */
    size_t first_segment, segment_count;
    struct sim_event arrival; /* of the first segment */
    int64_t link_free_ns;     /* until then the bandwidth is used up */
    int64_t last_at_ns;       /* nothing overtakes */
    int64_t lost_since_ns;    /* the first segment is being sent again since then; 0: it is not */
    unsigned tries;
};

enum sim_state { SIM_FRESH, SIM_LISTENING, SIM_CONNECTING, SIM_CONNECTED, SIM_DEAD };

struct sim_option {
    int level, option, value;
};
enum { SIM_OPTIONS_MAX = 16 };

struct sim_socket {
    struct weir__list link; /* in net->sockets */
    int fd;                 /* -1: it has no descriptor: not accepted yet, or closed */
    int family, type;
    enum sim_state state;
    struct sim_address local, remote;
    struct sim_option options[SIM_OPTIONS_MAX];
    size_t option_count;
    bool linger_none; /* a close resets */
    int error;        /* negative errno that the next call is told */
    bool closed;      /* its descriptor is */
    bool wants_room;  /* a send was refused: it is told when there is room */
    bool watched;     /* its edges are told */
    uint32_t generation;
    struct weir__list edge_link; /* in net->edges: its state is to be told */

    /* a listener's */
    struct weir__list queue; /* of children, by queue_link; those that can be accepted; of a
                                datagram socket: of packets, by link */
    int backlog, child_count;

    size_t waiting_bytes; /* in a queue of packets */

    /* a connection's */
    struct sim_socket *peer;     /* NULL: not connected, or both are gone */
    struct sim_flow in;          /* to this socket, from its peer */
    struct sim_socket *listener; /* a child's, until it was accepted */
    struct weir__list queue_link;
    struct sim_event step; /* of the handshake, or of a reset on its way to this socket */
    unsigned tries;
    struct sim_event silence; /* the peer has been cut off for too long */
};

/* A datagram. */
struct sim_packet {
    struct weir__list link;
    struct sim_event arrival;
    struct sim_address from, to;
    size_t size;
    char bytes[];
};

/* Two hosts that hear nothing of each other; an empty one stands for all. */
struct sim_cut {
    struct weir__list link;
    struct sim_address a, b;
    struct sim_event heal; /* of one that ends by itself */
};

/* A name and what is answered to who looks it up. */
enum { SIM_HOST_BYTES = 254, SIM_HOST_ADDRESSES_MAX = 4 };
struct sim_host {
    struct weir__list link;
    char name[SIM_HOST_BYTES];
    struct sim_address addresses[SIM_HOST_ADDRESSES_MAX];
    size_t address_count;
    int64_t delay_ns;
    int rc; /* 0, or what a look-up comes to */
};

struct sim_net {
    struct weir__virtual_net base;
    weir_test_network settings; /* no field is 0 but those that may be */
    const int64_t *now_ns;
    uint64_t random;
    struct weir__list sockets;
    struct sim_socket **by_fd;
    size_t fd_count;
    struct weir__list events; /* in the order of their instants */
    struct weir__list edges;  /* sockets whose state is to be told in this turn */
    struct weir__list cuts;
    struct weir__list hosts;
    struct weir__list flying; /* packets on their way, by link */
    bool in_any_order;        /* edges of one turn */
    uint16_t next_port;
};

/* sim_net.c */
int weir__sim_net_open(const int64_t *now_ns, struct sim_net **out_net) WEIR_MUST_CHECK;
void weir__sim_net_close(struct sim_net *net);
void weir__sim_net_set(struct sim_net *net, const weir_test_network *settings, uint64_t seed);
struct sim_socket *weir__sim_socket_of(const struct sim_net *net, int fd);
/* What epoll would say of it now (EPOLLIN ...). */
void weir__sim_write_address(const struct sim_address *address, struct sockaddr *out_address,
                             socklen_t *size);
uint32_t weir__sim_socket_events(const struct sim_socket *socket);
/* Its state has changed: those who watch it are told in this turn. */
void weir__sim_tell(struct sim_net *net, struct sim_socket *socket);
struct sim_socket *weir__sim_socket_new(struct sim_net *net, int family, int type);
void weir__sim_socket_free(struct sim_net *net, struct sim_socket *socket);
int weir__sim_option(const struct sim_socket *socket, int level, int option, int otherwise);

/* sim_port.c */
enum { SIM_PORT_FIRST = 32768, SIM_PORT_LAST = 60999 };
int weir__sim_choose_port(struct sim_net *net, struct sim_address *address) WEIR_MUST_CHECK;
/* Somebody holds the name of this socket, and shares it not. */
bool weir__sim_is_taken(const struct sim_net *net, const struct sim_socket *socket);
/* Somebody has, or had, an address there. */
bool weir__sim_is_reachable(const struct sim_net *net, const struct sim_address *to);
/* Before a connect: what a wildcard means, what bind would have done, and which address the other
 * side will see. */
int weir__sim_name_caller(struct sim_net *net, struct sim_address *local, struct sim_address *to)
    WEIR_MUST_CHECK;
/* What is sent to this address is for who has bound what this socket has. */
bool weir__sim_takes(const struct sim_socket *socket, const struct sim_address *to);
/* Who listens where a packet to `to` arrives; NULL: nobody. */
struct sim_socket *weir__sim_find_listener(struct sim_net *net, const struct sim_address *to,
                                           const struct sim_address *from);

/* sim_flow.c */
/* When a packet to or from this socket that leaves now arrives. */
int64_t weir__sim_arrival_ns(struct sim_net *net, const struct sim_socket *socket);
/* False: no memory. */
bool weir__sim_flow_take(struct sim_flow *flow, const void *data, size_t size);
void weir__sim_flow_copy_out(const struct sim_flow *flow, uint64_t at, char *out, size_t size);
/* Sends on its way what the window of the receiver takes. */
void weir__sim_flow_pump(struct sim_net *net, struct sim_socket *to);
/* Nothing moves in this direction any more; what has arrived can be read. */
void weir__sim_flow_cut(struct sim_flow *flow);

/* sim_tcp.c */
int weir__sim_tcp_connect(struct sim_net *net, struct sim_socket *socket);
ssize_t weir__sim_tcp_receive(struct sim_net *net, struct sim_socket *socket,
                              const struct msghdr *message, int flags);
ssize_t weir__sim_tcp_send(struct sim_net *net, struct sim_socket *socket,
                           const struct msghdr *message);
void weir__sim_tcp_finish(struct sim_net *net, struct sim_socket *socket); /* SHUT_WR */
/* The descriptor is gone; the memory goes when the other side's is, too. */
void weir__sim_tcp_close(struct sim_net *net, struct sim_socket *socket);
/* Ends this side at once; the other hears a reset if the network lets it through. */
void weir__sim_tcp_abort(struct sim_net *net, struct sim_socket *socket, int error);
size_t weir__sim_tcp_room(const struct sim_net *net, const struct sim_socket *socket);
/* Two fresh ones are connected from now on. */
void weir__sim_tcp_pair(struct sim_net *net, struct sim_socket *one, struct sim_socket *other);
/* Connected at once, as Unix sockets are. */
int weir__sim_tcp_join(struct sim_net *net, struct sim_socket *socket, struct sim_socket *listener);
/* Cut off from its peer from now on (or no more): how long it takes to find out. */
void weir__sim_tcp_watch_silence(struct sim_net *net, struct sim_socket *socket);

/* sim_udp.c */
ssize_t weir__sim_udp_receive(struct sim_net *net, struct sim_socket *socket,
                              struct msghdr *message, int flags);
ssize_t weir__sim_udp_send(struct sim_net *net, struct sim_socket *socket,
                           const struct msghdr *message);
int weir__sim_udp_connect(struct sim_net *net, struct sim_socket *socket,
                          const struct sim_address *to);
void weir__sim_udp_close(struct sim_net *net, struct sim_socket *socket);
void weir__sim_udp_forget_all(struct sim_net *net); /* the network is closed */

/* sim_link.c */
void weir__sim_at(struct sim_net *net, struct sim_event *event, int64_t at_ns);
void weir__sim_never(struct sim_event *event);
uint64_t weir__sim_draw(struct sim_net *net, uint64_t limit); /* 0 ... limit - 1 */
/* How long a packet takes, drawn. */
int64_t weir__sim_travel_ns(struct sim_net *net);
/* Whether a packet that arrives now does: not when it is lost, or the hosts are cut off. */
bool weir__sim_arrives(struct sim_net *net, const struct sim_address *from,
                       const struct sim_address *to);
bool weir__sim_cut_off(const struct sim_net *net, const struct sim_address *a,
                       const struct sim_address *b);
/* A plan of faults strikes here. */
bool weir__sim_struck(int point);
/* Two hosts hear nothing of each other; for ever, or for so long. NULL: all. */
int weir__sim_cut(struct sim_net *net, const struct sim_address *a, const struct sim_address *b,
                  int64_t duration_ns) WEIR_MUST_CHECK;
void weir__sim_heal_all(struct sim_net *net);
bool weir__sim_same_host(const struct sim_address *a, const struct sim_address *b);
uint16_t weir__sim_port(const struct sim_address *address);
void weir__sim_set_port(struct sim_address *address, uint16_t port);

/* sim_host.c */
bool weir__sim_is_named(const struct sim_net *net, const struct sim_address *address);
int weir__sim_lookup(struct weir__virtual_net *base, const char *name,
                     struct weir__virtual_answer *out_answer);

/* sim.c: the calling thread's; NULL: it has none. */
struct sim_net *weir__sim_net_here(void);

#endif
