/*
 * datagram.h - a socket for datagrams, as its two files see it
 *
 * Holds  1. A call that is with the backend is in `calls`; the descriptor is closed only when that
 *           is empty, and the memory goes when no task is inside a call.
 *        2. An error that came behind a datagram of the same system call is kept in `late_error`,
 *           and is the result of the next receive.
 */
#ifndef WEIR__NET_DATAGRAM_H
#define WEIR__NET_DATAGRAM_H

#include <weir/datagram.h>

#include "net/net.h"

struct weir_datagram {
    struct weir__ledger_entry entry;
    weir_loop *loop;
    int fd;
    int late_error;
    unsigned users;
    bool closed;
    bool connected;
    struct weir__list calls;
    weir_address local;
    weir_address peer; /* when it is connected */
    int64_t receive_ns;
    int64_t send_ns;
    uint64_t received;
    uint64_t sent;
    uint64_t cut;
};

/* The last task has left, or the last call has come back, of one that is closed. */
void weir__net_datagram_settle(weir_datagram *datagram);

#endif
