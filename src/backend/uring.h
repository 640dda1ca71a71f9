/*
 * uring.h - what the files of the io_uring backend share
 *
 *   uring.c       a turn: into the kernel, and what came out of it
 *   uring_op.c    operations, and their cancels
 *   uring_file.c  operations on files
 *   uring_rx.c    receiving
 *   uring_open.c  what this kernel can do; the ring and its buffers
 */
#ifndef WEIR__BACKEND_URING_H
#define WEIR__BACKEND_URING_H

#include <liburing.h>

#include "backend/backend.h"
#include "backend/report.h"

enum {
    WEIR__URING_SQ_ENTRIES = 1024,
    WEIR__URING_CQ_ENTRIES = 8192,
    WEIR__URING_RING_BUFFERS = 2048, /* a power of two: places in the ring of buffers */
    /* With the kernel at a time; few, for they go round in the cache. Twice as many after each turn
       in which a receive found none, as with thousands of busy connections. */
    WEIR__URING_BUFFERS_FIRST = 256,
    WEIR__URING_BUFFER_GROUP = 0,
};

/* What a completion is, in the low bits of its user_data. */
enum weir__uring_tag {
    WEIR__URING_TAG_OP,
    WEIR__URING_TAG_RX,
    WEIR__URING_TAG_RX_CANCEL,
    WEIR__URING_TAG_OP_CANCEL,
    WEIR__URING_TAG_WAKE,
    WEIR__URING_TAG_MASK = 7
};

struct weir__uring_step; /* of set-up: which flags the kernel took */

struct weir__uring {
    struct weir__backend base;
    struct weir__report report;
    struct io_uring ring;
    const struct weir__uring_step *step;
    unsigned
        enter_flags; /* IORING_ENTER_REGISTERED_RING when the ring's descriptor is registered */
    bool multishot;
    bool capped; /* a multishot receive can be told to end after so many bytes */
    bool wake_armed;
    int wake_fd;
    struct io_uring_buf_ring *buffer_ring;
    unsigned buffers_given;       /* buffers in the ring, as far as completions have told */
    unsigned buffers_wanted;      /* there */
    struct weir__list postponed;  /* ops without a submission slot */
    struct weir__list cancels;    /* ops whose cancel has no submission slot */
    struct weir__list rx_cancels; /* the same for receives */
    struct weir__list starved;    /* rx to arm when there is a buffer */
    struct weir__list to_arm;     /* rx to arm when there is a slot */
};

static inline struct weir__uring *weir__uring_of(struct weir__backend *backend)
{
    return WEIR__CONTAINER(backend, struct weir__uring, base);
}

static inline uint64_t weir__uring_tagged(const void *pointer, enum weir__uring_tag tag)
{
    return (uint64_t)(uintptr_t)pointer | (uint64_t)tag;
}

static inline bool weir__uring_has_submissions(const struct weir__uring *uring)
{
    return uring->ring.sq.sqe_tail != io_uring_smp_load_acquire(uring->ring.sq.khead);
}

static inline bool weir__uring_has_completions(const struct weir__uring *uring)
{
    return *uring->ring.cq.khead != io_uring_smp_load_acquire(uring->ring.cq.ktail);
}

/* How much one operation can move: the field has 32 bits, results are ints. */
static inline unsigned weir__uring_clamped(size_t size)
{
    return size > (1 << 30) ? (1 << 30) : (unsigned)size;
}

/* The one system call: hand over what is queued, and wait for one completion up to timeout_ns. */
void weir__uring_enter(struct weir__uring *uring, int64_t timeout_ns);
/* A free submission slot; NULL only when the kernel takes nothing at the moment. */
struct io_uring_sqe *weir__uring_take_slot(struct weir__uring *uring);

/* operations */
int weir__uring_submit(struct weir__backend *backend, struct weir__op *op);
void weir__uring_cancel(struct weir__backend *backend, struct weir__op *op);
/* wait_first: not before the kernel says that the socket is ready, for one that it said EAGAIN to.
 */
void weir__uring_place_op(struct weir__uring *uring, struct weir__op *op, bool wait_first);
void weir__uring_place_cancel(struct weir__uring *uring, struct weir__op *op);
void weir__uring_prepare_cancel(struct io_uring_sqe *sqe, uint64_t target, uint64_t user_data);
void weir__uring_op_completed(struct weir__uring *uring, struct weir__op *op, int result);

/* operations on files */
void weir__uring_fill_file(struct io_uring_sqe *sqe, const struct weir__op *op);
/* The bits of features.file_kinds that this kernel has. */
uint64_t weir__uring_file_kinds(const struct io_uring_probe *probe);

/* receiving */
int weir__uring_rx_arm(struct weir__backend *backend, struct weir__rx *rx);
void weir__uring_rx_stop(struct weir__backend *backend, struct weir__rx *rx);
void weir__uring_rx_resume(struct weir__backend *backend, struct weir__rx *rx);
void weir__uring_arm_rx(struct weir__uring *uring, struct weir__rx *rx);
void weir__uring_cancel_rx(struct weir__uring *uring, struct weir__rx *rx);
void weir__uring_rx_completed(struct weir__uring *uring, struct weir__rx *rx, int result,
                              unsigned flags);

extern const struct weir__backend_table weir__uring_table;
void weir__uring_close(struct weir__backend *backend);

#endif
