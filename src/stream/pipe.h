/*
 * pipe.h - a stream descriptor inside the library
 */
#ifndef WEIR__STREAM_PIPE_H
#define WEIR__STREAM_PIPE_H

#include <weir/pipe.h>

#include "core/io.h"
#include "core/ledger.h"

/* How a call is kept from blocking the loop. */
enum weir__pipe_kind {
    WEIR__PIPE_OWN,    /* O_NONBLOCK: try, wait until it is ready, try again */
    WEIR__PIPE_SOCKET, /* the same, with MSG_DONTWAIT at each call */
    WEIR__PIPE_SHARED, /* blocking for others' sake: wait until it is ready, call on a thread */
    WEIR__PIPE_FILE,   /* always ready, and may wait for a disk: call on a thread */
};

struct weir_pipe {
    struct weir__ledger_entry entry;
    weir_loop *loop;
    struct weir__op *read_wait; /* a poll that is with the backend */
    struct weir__op *write_wait;
    unsigned users; /* tasks inside a call */
    int fd;         /* -1: closed */
    enum weir__pipe_kind kind;
    bool reading;
    bool writing;
    bool closed; /* weir_pipe_close() was called */
};

/* Takes fd, also on failure: one that sys.h opened; told as opened by the code at `address`. */
int weir__pipe_open(int fd, const void *address, weir_pipe **out_pipe) WEIR_MUST_CHECK;

#endif
