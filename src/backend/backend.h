/*
 * backend.h - how a loop hears that the kernel has finished something
 *
 * Three backends stand behind this one table: `uring` (io_uring through liburing), `epoll`, and
 * `sim` (no kernel, virtual clock, for tests). One loop owns one backend; every call is made on the
 * loop's own thread except weir__backend_wake(). Only core includes this header; rooms above do I/O
 * through core/io.h.
 *
 * Two shapes of work:
 *   op  one operation with one completion: a send, a connect, a file read. Lives in memory of
 *       whoever submitted it and stays there until `done` is called: the kernel may write into its
 *       buffers until then, also after a cancel.
 *   rx  everything a connected socket will ever receive. The backend reads into buffers of its own
 *       pool as data comes, so a connection at rest owns no buffer and no task, and a busy one
 *       costs no submission a request (multishot receive on io_uring, edge-triggered reads on
 *       epoll).
 *
 * Callbacks (`done`, `event`, `stopped`) are called only from inside weir__backend_turn(), never
 * from a submit, cancel, arm or stop. They mark, queue and wake; they run no user code and do not
 * block.
 *
 * Holds  1. Every op that submit() took (returned 0) is completed by exactly one `done`.
 *        2. cancel() asks at most once an op; the op still completes, with its result if that was
 *           first, else with -ECANCELED.
 *        3. After `stopped` the backend has forgotten the rx: its memory and descriptor may go.
 */
#ifndef WEIR__BACKEND_H
#define WEIR__BACKEND_H

#include <sys/socket.h>
#include <weir/base.h>

#include "base/list.h"

struct weir__backend;

enum weir__op_kind {
    WEIR__OP_RECV,    /* fd, buffer, size, flags (MSG_*) */
    WEIR__OP_SEND,    /* fd, buffer, size, flags; MSG_NOSIGNAL is added; may be short */
    WEIR__OP_SENDMSG, /* fd, message; MSG_NOSIGNAL is added; may be short */
    WEIR__OP_RECVMSG, /* fd, message, flags; one message of a socket that is no rx */
    WEIR__OP_ACCEPT,  /* fd, address, address_size; result: a non-blocking close-on-exec fd */
    WEIR__OP_CONNECT, /* fd, address, address_size; read until `done` */
    WEIR__OP_POLL,    /* fd, flags: POLLIN | POLLOUT ...; result: the events */
    WEIR__OP_READ,    /* fd, buffer, size, offset: files; epoll answers -EOPNOTSUPP (use exec) */
    WEIR__OP_WRITE,   /* fd, buffer, size, offset: files; as above */
    WEIR__OP_FSYNC,   /* fd, flags: 1 for data only; as above */
    WEIR__OP_OPEN,    /* path (buffer), flags (O_CLOEXEC is added), size: mode; as above */
    /* More about files, up to TRUNCATE: each where features.file_kinds has its bit. `fd` is the
     * folder of a name. Nothing else may come between READ and TRUNCATE. */
    WEIR__OP_READ_PARTS,  /* fd, more: struct iovec, size: how many, offset */
    WEIR__OP_WRITE_PARTS, /* the same */
    WEIR__OP_STAT,        /* fd, name (buffer), flags (AT_*), more: struct statx, written */
    WEIR__OP_OPEN_HOW,    /* fd, name, more: struct open_how; O_CLOEXEC is in it */
    WEIR__OP_RENAME,      /* fd, name, offset: the other folder, more: the other name, flags */
    WEIR__OP_LINK,        /* the same: the other name is the new one */
    WEIR__OP_SYMLINK,     /* fd, name of the new one, more: what it leads to */
    WEIR__OP_REMOVE,      /* fd, name, flags (AT_REMOVEDIR) */
    WEIR__OP_MAKE_FOLDER, /* fd, name, size: mode */
    WEIR__OP_ALLOCATE,    /* fd, flags (FALLOC_FL_*), offset, size */
    WEIR__OP_ADVISE,      /* fd, flags (POSIX_FADV_*), offset, size: 32 bits on the ring */
    WEIR__OP_TRUNCATE,    /* fd, offset: the new size; since Linux 6.9 */
    WEIR__OP_KIND_COUNT
};

/* Where a submitted op is; the backend's. */
enum weir__op_place {
    WEIR__OP_OUTSIDE,   /* not submitted, or handed back */
    WEIR__OP_POSTPONED, /* uring: no free submission slot yet */
    WEIR__OP_WORKING,   /* with the kernel, or waiting for readiness */
    WEIR__OP_COMPLETED, /* has its result; `done` comes in the next turn */
    WEIR__OP_HELD,      /* by a test, which begins it later: faulty.c */
};

struct weir__op {
    enum weir__op_kind kind;
    int fd;
    int flags;
    bool submitted;  /* the backend has it; cleared before `done` */
    bool cancelling; /* an abort was requested */
    void *buffer;
    size_t size;
    int64_t offset;
    union {
        struct msghdr *message;
        void *more;
    };
    struct sockaddr *address;
    socklen_t *address_size; /* accept: in and out; connect: in */
    ssize_t result;          /* valid in `done`, or when submit returned 1 */
    void (*done)(struct weir__op *op);
    void *owner;               /* the submitter's */
    struct weir__list link;    /* the backend's: in one of its queues */
    enum weir__op_place place; /* the backend's */
    unsigned turns_left;       /* HELD: until it begins */
};

enum { WEIR__RX_BUFFER_BYTES = 4096 };

/* The receiving side of one connected stream socket. Zero it, fill the first part, then arm. */
struct weir__rx {
    int fd;
    /* Something changed: bytes came, the peer finished, or an error. Called once a turn. */
    void (*event)(struct weir__rx *rx);
    void (*stopped)(struct weir__rx *rx); /* after stop(): the last thing the backend says */
    void *owner;

    /* State, read by the owner. */
    size_t unread_bytes; /* received and not yet consumed */
    size_t unread_max;   /* reading pauses here, at most a buffer later; 0: 64 KiB */
    bool eof;            /* the peer has finished sending; unread bytes may still be there */
    int error;           /* negative errno of the receive, 0 when none */

    /* The backend's. */
    bool armed;          /* between arm() and `stopped` */
    bool stopping;       /* stop() was called */
    bool in_flight;      /* uring: a receive is with the kernel */
    bool cancelling;     /* uring: and was asked to end */
    bool paused;         /* more than unread_max is unread: resumed by consume */
    bool announced;      /* its event is queued for this turn */
    bool readable;       /* epoll: the kernel may hold bytes that we have not read */
    bool hung_up;        /* epoll: read on until the end, no further edge will tell */
    int32_t head_buffer; /* chain of pool buffers with unread bytes; -1: none (set by arm) */
    int32_t tail_buffer;
    struct weir__list event_link; /* waits for `event` or `stopped` */
    struct weir__list link;       /* waits for a buffer, a submission slot or its turn to read */
};

/* What a backend can do, for the start-up line and for choosing paths. */
struct weir__backend_features {
    const char *name;    /* "io_uring", "epoll", "sim" */
    char detail[96];     /* "single issuer, deferred task work, capped multishot receive" */
    bool file_ops;       /* READ, WRITE, FSYNC, OPEN are done by the backend */
    uint64_t file_kinds; /* and of the others for files: a bit for each kind */
    bool virtual_time;   /* turn() moves a virtual clock instead of waiting */
};

struct weir__backend_stats {
    uint64_t turns;
    uint64_t ops_submitted;
    uint64_t ops_completed;
    uint64_t aborts_requested;
    uint64_t rx_armed;   /* arms minus stops: connections watched now */
    uint64_t rx_starved; /* times the buffer pool was empty */
    uint64_t overflows;  /* completion queue overflows seen */
};

struct weir__backend_table {
    int (*submit)(struct weir__backend *backend, struct weir__op *op);
    void (*cancel)(struct weir__backend *backend, struct weir__op *op);
    int (*rx_arm)(struct weir__backend *backend, struct weir__rx *rx);
    void (*rx_stop)(struct weir__backend *backend, struct weir__rx *rx);
    void (*rx_resume)(struct weir__backend *backend, struct weir__rx *rx);
    void (*forget_fd)(struct weir__backend *backend, int fd);
    bool (*pending)(struct weir__backend *backend);
    int64_t (*next_ns)(const struct weir__backend *backend); /* virtual time only; else NULL */
    void (*turn)(struct weir__backend *backend, int64_t timeout_ns);
    void (*wake)(struct weir__backend *backend);
    void (*close)(struct weir__backend *backend);
};

/* Buffers that receives land in, shared by all rx of one backend; backend/pool.c. */
struct weir__rx_pool;

struct weir__backend {
    const struct weir__backend_table *table;
    struct weir__backend_features features;
    struct weir__backend_stats stats;
    struct weir__rx_pool *pool;
    /* An eventfd or the like is written at most once until the loop has woken; see wake(). */
    int wake_requested; /* atomic */
    /*
     * For virtual time. Core keeps wakes_expected above 0 while another thread will call wake() (an
     * executor job runs): time stands still then, and a turn really waits for that thread. The
     * backend sets idle_forever when a turn had nothing to wait for: core reports a deadlock.
     */
    int wakes_expected;
    bool idle_forever;
    int waiting; /* atomic, for a watchdog: in the kernel, or at rest until a wake; nothing runs */
};

/*
 * Open a backend on the calling thread, which owns it from then on.
 *
 * want         "uring", "epoll", "sim", or NULL or "auto": io_uring where the kernel lets us, else
 *              epoll
 * out_why_not  one sentence when "auto" had to fall back ("io_uring is denied (EPERM) by ...;
 *              ..."), else ""
 * Errors       -EINVAL for an unknown name; what the kernel said for a backend asked for by name
 */
int weir__backend_open(const char *want, struct weir__backend **out_backend, char *out_why_not,
                       size_t why_not_bytes) WEIR_MUST_CHECK;
void weir__backend_close(struct weir__backend *backend); /* no op and no rx may be left */

int weir__uring_open(struct weir__backend **out_backend) WEIR_MUST_CHECK;
int weir__epoll_open(struct weir__backend **out_backend) WEIR_MUST_CHECK;
int weir__sim_open(struct weir__backend **out_backend) WEIR_MUST_CHECK;
/* Behave as on an older kernel, from the next open on; for tests. */
enum weir__uring_age { WEIR__URING_ANY, WEIR__URING_LINUX_6_0, WEIR__URING_LINUX_5_19 };
extern enum weir__uring_age weir__uring_age;
/* The virtual clock of a sim backend: starts at 1 s. */
int64_t *weir__sim_clock(struct weir__backend *backend);

/*
 * Hand an operation over. Fills a completion at once where that costs nothing (epoll tries the call
 * first).
 * Returns  1 completed: op->result is set and `done` will not be called; 0 taken; negative: not
 *          taken
 */
static inline int weir__backend_submit(struct weir__backend *backend, struct weir__op *op)
{
    return backend->table->submit(backend, op);
}
/* Ask for an end of a submitted op. Does nothing when it was asked before. Cannot fail. */
static inline void weir__backend_cancel(struct weir__backend *backend, struct weir__op *op)
{
    backend->table->cancel(backend, op);
}
/* Begin to receive. Fails only with -ENOMEM (epoll registration may give other codes). */
static inline int weir__backend_rx_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    return backend->table->rx_arm(backend, rx);
}
/* End receiving; `stopped` follows in a later turn. Unread buffers go back to the pool at once. */
static inline void weir__backend_rx_stop(struct weir__backend *backend, struct weir__rx *rx)
{
    backend->table->rx_stop(backend, rx);
}
/*
 * Say goodbye to a descriptor, right before it is closed; no op and no rx may be left on it. epoll
 * keeps a registration per descriptor number and would take the next one with this number for the
 * old one.
 */
static inline void weir__backend_forget_fd(struct weir__backend *backend, int fd)
{
    backend->table->forget_fd(backend, fd);
}
/*
 * Whether anything is submitted, armed or completed that will still call back (rx at rest
 * excluded).
 */
static inline bool weir__backend_pending(struct weir__backend *backend)
{
    return backend->table->pending(backend);
}
/* When something will happen in the backend's own world; WEIR_NEVER where the world is real. */
static inline int64_t weir__backend_next_ns(const struct weir__backend *backend)
{
    return backend->table->next_ns == NULL ? WEIR_NEVER : backend->table->next_ns(backend);
}
/* Kept by the backends: a turn begins; a wait that may last begins or ends. */
static inline void weir__backend_count_turn(struct weir__backend *backend)
{
    __atomic_store_n(&backend->stats.turns, backend->stats.turns + 1, __ATOMIC_RELAXED);
}
static inline void weir__backend_set_waiting(struct weir__backend *backend, int waiting)
{
    __atomic_store_n(&backend->waiting, waiting, __ATOMIC_RELAXED);
}
/*
 * One turn: hand all submissions to the kernel, wait up to timeout_ns (0: do not wait,
 * WEIR_FOREVER: until something happens) for at least one completion or a wake, and call back for
 * all that is there.
 */
static inline void weir__backend_turn(struct weir__backend *backend, int64_t timeout_ns)
{
    backend->table->turn(backend, timeout_ns);
}
/* From any thread: make a waiting turn return soon, or the next one not wait. Coalesced. */
static inline void weir__backend_wake(struct weir__backend *backend)
{
    if (__atomic_exchange_n(&backend->wake_requested, 1, __ATOMIC_SEQ_CST) == 0)
        backend->table->wake(backend);
}

/* First unread stretch of an rx; NULL when there is none. Valid until consumed or stopped. */
const char *weir__rx_peek(struct weir__backend *backend, struct weir__rx *rx, size_t *out_size);
/* Give `size` bytes back; frees buffers, and resumes reading when it had paused. */
void weir__rx_consume(struct weir__backend *backend, struct weir__rx *rx, size_t size);

#endif
