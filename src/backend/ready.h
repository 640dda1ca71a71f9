/*
 * ready.h - operations and receiving sides on top of "it is ready now"; internal to the room
 *
 * What epoll.c and sim.c have in common: both hear that a descriptor has become readable or
 * writable, once for each time that it does (edge-triggered), and make the call then. They differ
 * in who tells them: the kernel, or the simulated network.
 *
 * An operation is tried at once; only one that would block waits for an edge, in the queue of its
 * side of the descriptor. Receiving sides are read when an edge says so, until a short read: a
 * stream socket that gave less than was asked for is empty, and the next byte is a new edge. After
 * the peer's FIN there may be no further edge, so from then on (hung_up) reading goes on until the
 * end.
 *
 * Holds  1. An op in a queue was refused with EAGAIN after its descriptor was registered, or the
 *           registration was made later: either way the edge it waits for is still to come.
 *        2. An rx with `readable` set is in to_read or starved, or it is paused, or at its end.
 *        3. A read never waits: every call carries MSG_DONTWAIT or is on a non-blocking descriptor.
 */
#ifndef WEIR__BACKEND_READY_H
#define WEIR__BACKEND_READY_H

#include "backend/backend.h"
#include "backend/pool.h"
#include "backend/report.h"

struct weir__watch;

struct weir__ready {
    struct weir__backend base;
    struct weir__report report;
    int fd_first;                /* the lowest number that can be watched */
    struct weir__watch **chunks; /* by number; watches never move: lists point at them */
    size_t chunk_count;
    struct weir__list to_read; /* rx to read in the next turn, without waiting for an edge */
    struct weir__list starved; /* rx that found no buffer */
    /*
     * The backend's: tell all edges of this descriptor from now on by weir__ready_edge(), first of
     * all its present state. `again`: it is told already, and the present state is asked for. Fails
     * with -EPERM for what is always ready.
     */
    int (*watch)(struct weir__ready *ready, int fd, uint32_t generation, bool again);
};

/* In zeroed memory. The pool of base, its table and its features are the backend's business. */
void weir__ready_init(struct weir__ready *ready,
                      int (*watch)(struct weir__ready *, int, uint32_t, bool));
void weir__ready_deinit(struct weir__ready *ready);

/* For the table of the backend. */
int weir__ready_submit(struct weir__backend *backend, struct weir__op *op);
void weir__ready_cancel(struct weir__backend *backend, struct weir__op *op);
int weir__ready_rx_arm(struct weir__backend *backend, struct weir__rx *rx);
void weir__ready_rx_stop(struct weir__backend *backend, struct weir__rx *rx);
void weir__ready_rx_resume(struct weir__backend *backend, struct weir__rx *rx);
void weir__ready_forget_fd(struct weir__backend *backend, int fd);
bool weir__ready_pending(struct weir__backend *backend);

/* In a turn: a descriptor is ready for `events` (EPOLLIN ...), told by its generation. */
void weir__ready_edge(struct weir__ready *ready, int fd, uint32_t generation, uint32_t events);
/* In a turn, when all edges have been told: read, and call back. */
void weir__ready_finish_turn(struct weir__ready *ready);
/* Whether the next turn has something to do without any edge. */
bool weir__ready_due(const struct weir__ready *ready);

#endif
