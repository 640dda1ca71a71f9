/*
 * uring.c - the backend on io_uring
 *
 * Submissions collect in the queue until the turn hands them over, with the wait for completions in
 * the same system call. Every connection has one multishot receive armed, which takes buffers from
 * a ring that we keep filled. It is told to end by itself after as many bytes as may lie unread
 * (Linux 6.17); older kernels cannot be told, there it is cancelled, and what came meanwhile is on
 * top: at worst all buffers of the ring.
 *
 * A user_data is a pointer with the kind of the completion in its low three bits. Completions of
 * cancels are only looked at for what they are: their op may be gone by then, and nothing is learnt
 * from them. A cancel names its target by that same value, so it is handed over before anything
 * else can be submitted at the same address. Nothing is ever cancelled by descriptor: the kernel
 * would walk all.
 *
 * Costs    a request and its answer on a kept connection: one submission (the send) and a share of
 *          one io_uring_enter for all that happened meanwhile; one copy each way (the kernel's); no
 *          allocation. A turn that does not wait, with nothing to hand over: no system call.
 * Runs on  the loop's own thread, which is the only one the kernel takes submissions from (single
 *          issuer); only wake() is called by others.
 * Holds    1. An op in place WORKING has exactly one completion to come. One that waits in
 *             `cancels` is WORKING all the same: its cancel is not handed over yet, and is never
 *             dropped.
 *          2. rx->in_flight while a receive is with the kernel, until its completion without
 *             F_MORE.
 *          3. A buffer is derived from the id in the completion and from nothing else; one that
 *             comes with no data goes back as well.
 *          4. A receive that found no buffer is armed again only when there is one.
 */
#include <assert.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/backend.h"
#include "backend/pool.h"
#include "backend/report.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/sys.h"

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 8192,
    RING_BUFFERS = 256, /* with the kernel at a time: a power of two, and few, for it goes round */
    BUFFER_GROUP = 0,
    ROUNDS_MAX = 64, /* enters of one turn: the kernel finishes at most 20 deferred ones in each */
    TRANSFER_MAX = 1 << 30 /* bytes of one op: the field has 32 bits, results are ints */
};

enum tag { TAG_OP, TAG_RX, TAG_RX_CANCEL, TAG_OP_CANCEL, TAG_WAKE, TAG_MASK = 7 };

struct step; /* of set-up: which flags the kernel took */

struct uring {
    struct weir__backend base;
    struct weir__report report;
    struct io_uring ring;
    const struct step *step;
    unsigned
        enter_flags; /* IORING_ENTER_REGISTERED_RING when the ring's descriptor is registered */
    bool multishot;
    bool capped; /* a multishot receive can be told to end after so many bytes */
    bool wake_armed;
    int wake_fd;
    struct io_uring_buf_ring *buffer_ring;
    unsigned buffers_given;       /* buffers in the ring, as far as completions have told */
    struct weir__list postponed;  /* ops without a submission slot */
    struct weir__list cancels;    /* ops whose cancel has no submission slot */
    struct weir__list rx_cancels; /* the same for receives */
    struct weir__list starved;    /* rx to arm when there is a buffer */
    struct weir__list to_arm;     /* rx to arm when there is a slot */
};

static struct uring *uring_of(struct weir__backend *backend)
{
    return WEIR__CONTAINER(backend, struct uring, base);
}

static uint64_t tagged(const void *pointer, enum tag tag)
{
    return (uint64_t)(uintptr_t)pointer | (uint64_t)tag;
}

/* --- into the kernel -------------------------------------------------------------------------- */

static unsigned publish_submissions(struct uring *uring)
{
    struct io_uring_sq *sq = &uring->ring.sq;
    sq->sqe_head = sq->sqe_tail;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

static bool has_submissions(const struct uring *uring)
{
    return uring->ring.sq.sqe_tail != io_uring_smp_load_acquire(uring->ring.sq.khead);
}

static unsigned kernel_flags(const struct uring *uring)
{
    return IO_URING_READ_ONCE(*uring->ring.sq.kflags);
}

/* Completions that only an enter brings into the queue. */
static bool kernel_calls(const struct uring *uring)
{
    return (kernel_flags(uring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static bool has_completions(const struct uring *uring)
{
    return *uring->ring.cq.khead != io_uring_smp_load_acquire(uring->ring.cq.ktail);
}

/* The one system call: hand over what is queued, and wait for one completion up to timeout_ns. */
static void enter(struct uring *uring, int64_t timeout_ns)
{
    unsigned flags = uring->enter_flags | IORING_ENTER_GETEVENTS;
    unsigned count = publish_submissions(uring);
    unsigned wait_for = timeout_ns > 0 ? 1 : 0;
    if ((kernel_flags(uring) & IORING_SQ_CQ_OVERFLOW) != 0)
        uring->base.stats.overflows++;

    struct __kernel_timespec ts;
    struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8};
    int rc;
    weir__sys_count_call();
    if (wait_for > 0 && timeout_ns != WEIR_FOREVER) {
        ts = (struct __kernel_timespec){.tv_sec = timeout_ns / WEIR_SEC,
                                        .tv_nsec = timeout_ns % WEIR_SEC};
        arg.ts = (uint64_t)(uintptr_t)&ts;
        rc = io_uring_enter2((unsigned)uring->ring.enter_ring_fd, count, wait_for,
                             flags | IORING_ENTER_EXT_ARG, (sigset_t *)(void *)&arg, sizeof arg);
    } else {
        rc = io_uring_enter2((unsigned)uring->ring.enter_ring_fd, count, wait_for, flags, NULL,
                             _NSIG / 8);
    }
    // Time is up, a signal came, the kernel is short of memory or wants its completions taken
    // first: in each case we look at what is there, and what was not taken is handed over again.
    assert(rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN ||
           rc == -ENOMEM);
    (void)rc;
}

/* A free submission slot; NULL only when the kernel takes nothing at the moment. */
static struct io_uring_sqe *take_slot(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (sqe != NULL)
        return sqe;
    unsigned count = publish_submissions(uring);
    weir__sys_count_call();
    int rc = io_uring_enter2((unsigned)uring->ring.enter_ring_fd, count, 0, uring->enter_flags,
                             NULL, _NSIG / 8);
    (void)rc; // what it took shows in the queue
    return io_uring_get_sqe(&uring->ring);
}

/* --- operations ------------------------------------------------------------------------------- */

static unsigned clamped(size_t size)
{
    return size > TRANSFER_MAX ? TRANSFER_MAX : (unsigned)size;
}

static void fill_slot(struct io_uring_sqe *sqe, const struct weir__op *op)
{
    switch (op->kind) {
    case WEIR__OP_RECV:
        io_uring_prep_recv(sqe, op->fd, op->buffer, clamped(op->size), op->flags);
        break;
    case WEIR__OP_SEND:
        io_uring_prep_send(sqe, op->fd, op->buffer, clamped(op->size), op->flags | MSG_NOSIGNAL);
        break;
    case WEIR__OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, op->fd, op->message, (unsigned)(op->flags | MSG_NOSIGNAL));
        break;
    case WEIR__OP_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, op->address, op->address_size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        break;
    case WEIR__OP_CONNECT:
        io_uring_prep_connect(sqe, op->fd, op->address, *op->address_size);
        break;
    case WEIR__OP_POLL:
        io_uring_prep_poll_add(sqe, op->fd, (unsigned)op->flags);
        break;
    case WEIR__OP_READ:
        io_uring_prep_read(sqe, op->fd, op->buffer, clamped(op->size), (uint64_t)op->offset);
        break;
    case WEIR__OP_WRITE:
        io_uring_prep_write(sqe, op->fd, op->buffer, clamped(op->size), (uint64_t)op->offset);
        break;
    case WEIR__OP_FSYNC:
        io_uring_prep_fsync(sqe, op->fd, op->flags == 1 ? IORING_FSYNC_DATASYNC : 0);
        break;
    case WEIR__OP_OPEN:
        io_uring_prep_openat(sqe, AT_FDCWD, op->buffer, op->flags | O_CLOEXEC, (mode_t)op->size);
        break;
    default:
        assert(false && "unknown kind");
        io_uring_prep_nop(sqe);
        break;
    }
    sqe->user_data = tagged(op, TAG_OP);
}

/*
 * wait_first: not before the kernel says that the socket is ready, for one that it said EAGAIN to.
 */
static void place_op(struct uring *uring, struct weir__op *op, bool wait_first)
{
    struct io_uring_sqe *sqe = take_slot(uring);
    if (sqe == NULL) {
        op->place = WEIR__OP_POSTPONED;
        weir__list_append(&uring->postponed, &op->link);
        return;
    }
    op->place = WEIR__OP_WORKING;
    fill_slot(sqe, op);
    if (wait_first)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static int uring_submit(struct weir__backend *backend, struct weir__op *op)
{
    struct uring *uring = uring_of(backend);
    assert((unsigned)op->kind < WEIR__OP_KIND_COUNT);
    weir__report_take(backend, &uring->report, op);
    int fault = weir__base_fault(WEIR__FAULT_RING);
    if (fault != 0)
        weir__report_op(&uring->report, op, fault);
    else
        place_op(uring, op, false);
    return 0;
}

static void prepare_cancel(struct io_uring_sqe *sqe, uint64_t target, uint64_t user_data)
{
    io_uring_prep_cancel64(sqe, target, 0);
    // That it worked is told by the target itself. That it came too late is told here, and ignored.
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = user_data;
}

static void place_cancel(struct uring *uring, struct weir__op *op)
{
    struct io_uring_sqe *sqe = take_slot(uring);
    if (sqe == NULL)
        weir__list_append(&uring->cancels, &op->link);
    else
        prepare_cancel(sqe, tagged(op, TAG_OP), TAG_OP_CANCEL);
}

static void uring_cancel(struct weir__backend *backend, struct weir__op *op)
{
    struct uring *uring = uring_of(backend);
    if (!op->submitted || op->cancelling)
        return;
    op->cancelling = true;
    backend->stats.aborts_requested++;
    switch (op->place) {
    case WEIR__OP_WORKING:
        place_cancel(uring, op);
        break;
    case WEIR__OP_POSTPONED:
        weir__list_remove(&op->link);
        weir__report_op(&uring->report, op, -ECANCELED);
        break;
    default: // the result was first
        break;
    }
}

static bool is_socket_transfer(const struct weir__op *op)
{
    return op->kind == WEIR__OP_RECV || op->kind == WEIR__OP_SEND || op->kind == WEIR__OP_SENDMSG;
}

/* What the kernel says about itself and not about the operation; no owner should see it. */
static bool is_interrupted(const struct weir__op *op, int result)
{
    return result == -EINTR ||
           (result == -EAGAIN && is_socket_transfer(op) && (op->flags & MSG_DONTWAIT) == 0);
}

static void op_completed(struct uring *uring, struct weir__op *op, int result)
{
    assert(op->submitted && op->place == WEIR__OP_WORKING);
    weir__list_remove(&op->link); // its cancel may still wait for a slot
    if (is_interrupted(op, result)) {
        if (!op->cancelling) {
            place_op(uring, op, is_socket_transfer(op));
            return;
        }
        result = -ECANCELED; // how a kernel worker says it
    }
    if (result >= 0 && (op->kind == WEIR__OP_ACCEPT || op->kind == WEIR__OP_OPEN))
        weir__sys_count_opened();
    weir__report_done(&uring->base, &uring->report, op, result);
}

/* --- receiving -------------------------------------------------------------------------------- */

static unsigned bytes_until_full(const struct weir__rx *rx)
{
    size_t max = weir__rx_unread_max(rx);
    return rx->unread_bytes < max ? clamped(max - rx->unread_bytes) : 1;
}

static void arm_rx(struct uring *uring, struct weir__rx *rx)
{
    assert(!rx->in_flight && !rx->cancelling && weir__list_empty(&rx->link));
    struct io_uring_sqe *sqe = take_slot(uring);
    if (sqe == NULL) {
        weir__list_append(&uring->to_arm, &rx->link);
        return;
    }
    if (uring->multishot)
        io_uring_prep_recv_multishot(sqe, rx->fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, rx->fd, NULL, 0, 0);
    if (uring->capped)
        sqe->file_index = bytes_until_full(rx); // called optlen by newer headers
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    sqe->user_data = tagged(rx, TAG_RX);
    rx->in_flight = true;
}

static void cancel_rx(struct uring *uring, struct weir__rx *rx)
{
    if (rx->cancelling)
        return;
    rx->cancelling = true;
    struct io_uring_sqe *sqe = take_slot(uring);
    if (sqe == NULL)
        weir__list_append(&uring->rx_cancels, &rx->link);
    else
        prepare_cancel(sqe, tagged(rx, TAG_RX), TAG_RX_CANCEL);
}

/* Nothing of it is with the kernel: what now? */
static void settle_rx(struct uring *uring, struct weir__rx *rx)
{
    if (rx->stopping)
        weir__report_stopped(&uring->report, rx);
    else if (!rx->paused && !rx->eof && rx->error == 0)
        arm_rx(uring, rx);
}

static int uring_rx_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    struct uring *uring = uring_of(backend);
    weir__report_arm(backend, rx);
    int fault = weir__base_fault(WEIR__FAULT_RING);
    rx->error = fault == -ECANCELED ? -EIO : fault; // N1, as for a real one
    if (rx->error != 0)
        weir__report_rx(&uring->report, rx);
    else
        arm_rx(uring, rx);
    return 0;
}

static void uring_rx_stop(struct weir__backend *backend, struct weir__rx *rx)
{
    struct uring *uring = uring_of(backend);
    weir__report_stop(backend, &uring->report, rx);
    if (rx->in_flight) {
        cancel_rx(uring, rx);
        return;
    }
    weir__list_remove(&rx->link); // starved, or without a slot
    weir__report_stopped(&uring->report, rx);
}

static void uring_rx_resume(struct weir__backend *backend, struct weir__rx *rx)
{
    rx->paused = false;
    if (!rx->in_flight && weir__list_empty(&rx->link)) // else its completion settles it
        settle_rx(uring_of(backend), rx);
}

static void take_bytes(struct uring *uring, struct weir__rx *rx, int result, unsigned flags)
{
    if ((flags & IORING_CQE_F_BUFFER) == 0)
        return;
    int32_t buffer = (int32_t)(flags >> IORING_CQE_BUFFER_SHIFT);
    uring->buffers_given--;
    if (result <= 0 || rx->stopping) {
        weir__rx_pool_give(uring->base.pool, buffer);
        return;
    }
    weir__rx_attach(uring->base.pool, rx, buffer, (size_t)result);
    weir__report_rx(&uring->report, rx);
}

/* The receive has ended: with the peer's FIN, an error, our cancel, or for want of a buffer. */
static void rx_ended(struct uring *uring, struct weir__rx *rx, int result)
{
    bool asked = rx->cancelling;
    rx->in_flight = false;
    rx->cancelling = false;
    weir__list_remove(&rx->link); // its cancel may still wait for a slot
    if (rx->stopping) {
        settle_rx(uring, rx);
        return;
    }
    if (result == -ENOBUFS) {
        uring->base.stats.rx_starved++;
        weir__list_append(&uring->starved, &rx->link);
        return;
    }
    if (result == 0)
        rx->eof = true;
    else if (result < 0 && result != -EINTR && result != -EAGAIN &&
             !(result == -ECANCELED && asked))
        rx->error = result == -ECANCELED ? -EIO : result;
    if (rx->eof || rx->error != 0)
        weir__report_rx(&uring->report, rx);
    settle_rx(uring, rx);
}

static void rx_completed(struct uring *uring, struct weir__rx *rx, int result, unsigned flags)
{
    assert(rx->armed && rx->in_flight);
    take_bytes(uring, rx, result, flags);
    if (!rx->stopping && rx->unread_bytes >= weir__rx_unread_max(rx))
        rx->paused = true;
    if ((flags & IORING_CQE_F_MORE) == 0)
        rx_ended(uring, rx, result);
    else if (rx->paused)
        cancel_rx(uring, rx);
}

/* --- a turn ----------------------------------------------------------------------------------- */

/* Buffers that were read come back here, in one go; the kernel sees them with the next enter. */
static void fill_buffer_ring(struct uring *uring)
{
    int added = 0;
    while (uring->buffers_given < RING_BUFFERS) {
        int32_t buffer = weir__rx_pool_take(uring->base.pool);
        if (buffer < 0)
            break;
        io_uring_buf_ring_add(uring->buffer_ring, weir__rx_pool_memory(uring->base.pool, buffer),
                              WEIR__RX_BUFFER_BYTES, (unsigned short)buffer,
                              io_uring_buf_ring_mask(RING_BUFFERS), added++);
        uring->buffers_given++;
    }
    if (added > 0)
        io_uring_buf_ring_advance(uring->buffer_ring, added);
}

/* As many as there are buffers: arming all for one buffer would be a stampede. */
static void arm_starved(struct uring *uring)
{
    for (unsigned n = uring->buffers_given; n > 0; n--) {
        struct weir__list *node = weir__list_take_first(&uring->starved);
        if (node == NULL)
            return;
        arm_rx(uring, WEIR__CONTAINER(node, struct weir__rx, link));
    }
}

/* What found no submission slot. Each that finds none again goes back to the end of its list. */
static void place_delayed(struct uring *uring)
{
    struct weir__list now;
    struct weir__list *node;
    weir__list_init(&now);
    weir__list_splice(&now, &uring->cancels);
    while ((node = weir__list_take_first(&now)) != NULL)
        place_cancel(uring, WEIR__CONTAINER(node, struct weir__op, link));
    weir__list_splice(&now, &uring->rx_cancels);
    while ((node = weir__list_take_first(&now)) != NULL) {
        struct weir__rx *rx = WEIR__CONTAINER(node, struct weir__rx, link);
        rx->cancelling = false;
        cancel_rx(uring, rx);
    }
    weir__list_splice(&now, &uring->postponed);
    while ((node = weir__list_take_first(&now)) != NULL)
        place_op(uring, WEIR__CONTAINER(node, struct weir__op, link), false);
    weir__list_splice(&now, &uring->to_arm);
    while ((node = weir__list_take_first(&now)) != NULL)
        arm_rx(uring, WEIR__CONTAINER(node, struct weir__rx, link));
}

static bool anything_delayed(const struct uring *uring)
{
    return !weir__list_empty(&uring->cancels) || !weir__list_empty(&uring->rx_cancels) ||
           !weir__list_empty(&uring->postponed) || !weir__list_empty(&uring->to_arm);
}

/*
 * A poll that stays armed and an eventfd that is never read: each write to it is a completion, so a
 * wake costs this side no call at all.
 */
static void arm_wake(struct uring *uring)
{
    struct io_uring_sqe *sqe = take_slot(uring);
    if (sqe == NULL)
        return; // the next turn tries again
    io_uring_prep_poll_multishot(sqe, uring->wake_fd, POLLIN);
    sqe->user_data = TAG_WAKE;
    uring->wake_armed = true;
}

static void prepare(struct uring *uring)
{
    if (!uring->wake_armed)
        arm_wake(uring);
    fill_buffer_ring(uring);
    if (anything_delayed(uring))
        place_delayed(uring);
    if (!weir__list_empty(&uring->starved))
        arm_starved(uring);
}

static bool must_not_wait(struct uring *uring)
{
    return weir__report_due(&uring->report) || has_completions(uring) || anything_delayed(uring) ||
           (!weir__list_empty(&uring->starved) && uring->buffers_given > 0) || !uring->wake_armed ||
           __atomic_load_n(&uring->base.wake_requested, __ATOMIC_SEQ_CST) != 0;
}

static void take_completion(struct uring *uring, uint64_t user_data, int result, unsigned flags)
{
    void *pointer = (void *)(uintptr_t)(user_data & ~(uint64_t)TAG_MASK);
    switch ((enum tag)(user_data & TAG_MASK)) {
    case TAG_OP:
        op_completed(uring, pointer, result);
        break;
    case TAG_RX:
        rx_completed(uring, pointer, result, flags);
        break;
    case TAG_WAKE:
        if ((flags & IORING_CQE_F_MORE) == 0)
            uring->wake_armed = false;
        break;
    default: // a cancel that came too late
        break;
    }
}

static void harvest(struct uring *uring)
{
    struct io_uring_cq *cq = &uring->ring.cq;
    unsigned head = *cq->khead;
    while (head != io_uring_smp_load_acquire(cq->ktail)) {
        const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
        uint64_t user_data = cqe->user_data;
        int result = cqe->res;
        unsigned flags = cqe->flags;
        // What a stale entry points to is harmless to prefetch.
        uint64_t ahead = cq->cqes[(head + 2) & cq->ring_mask].user_data;
        __builtin_prefetch((void *)(uintptr_t)(ahead & ~(uint64_t)TAG_MASK), 1);
        // Given back before the callback, which may submit and so make room necessary.
        io_uring_smp_store_release(cq->khead, ++head);
        take_completion(uring, user_data, result, flags);
    }
}

static void uring_turn(struct weir__backend *backend, int64_t timeout_ns)
{
    struct uring *uring = uring_of(backend);
    weir__backend_count_turn(backend);

    bool more = true;
    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        prepare(uring);
        bool wait = round == 0 && timeout_ns > 0 && !must_not_wait(uring);
        more = false;
        if (wait || has_submissions(uring) || kernel_calls(uring)) {
            weir__backend_set_waiting(backend, wait);
            enter(uring, wait ? timeout_ns : 0);
            weir__backend_set_waiting(backend, 0);
            // Asked now: what becomes ready while we harvest is for the next turn.
            more = kernel_calls(uring);
        }
        weir__backend_take_wake(backend);
        harvest(uring);
    }
    weir__report_all(backend, &uring->report);
}

static bool uring_pending(struct weir__backend *backend)
{
    return weir__report_pending(&uring_of(backend)->report);
}

static void uring_wake(struct weir__backend *backend)
{
    weir__backend_ring_bell(uring_of(backend)->wake_fd);
}

static void uring_forget_fd(struct weir__backend *backend, int fd)
{
    (void)backend;
    (void)fd; // the ring knows open files, not numbers
}

/* --- open and close --------------------------------------------------------------------------- */

struct step {
    unsigned flags;
    const char *detail;
};

/* From the newest kernel down; the first that the kernel takes. */
static const struct step ladder[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
     "single issuer, deferred task work"}, // Linux 6.1
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
     "single issuer, cooperative task work"},                                         // Linux 6.0
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, "cooperative task work"}, // Linux 5.19
};

static int set_up_ring(struct uring *uring)
{
    int rc = -EINVAL;
    size_t first = (size_t)weir__uring_age; // a step of the ladder each
    for (size_t i = first; i < sizeof ladder / sizeof ladder[0] && rc == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = ladder[i].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
                     IORING_SETUP_SUBMIT_ALL,
            .cq_entries = CQ_ENTRIES,
        };
        rc = io_uring_queue_init_params(SQ_ENTRIES, &uring->ring, &params);
        uring->step = &ladder[i];
    }
    if (rc < 0)
        return rc == -EINVAL ? -ENOSYS : rc; // an io_uring of before 5.19
    weir__sys_count_opened();
    for (unsigned i = 0; i < uring->ring.sq.ring_entries; i++)
        uring->ring.sq.array[i] = i; // slots are used in order
    return 0;
}

static void tear_down_ring(struct uring *uring)
{
    io_uring_queue_exit(&uring->ring);
    weir__sys_count_closed();
}

static int check_opcodes(struct uring *uring)
{
    static const unsigned char needed[] = {
        IORING_OP_RECV,     IORING_OP_SEND,   IORING_OP_SENDMSG,      IORING_OP_ACCEPT,
        IORING_OP_CONNECT,  IORING_OP_READ,   IORING_OP_WRITE,        IORING_OP_FSYNC,
        IORING_OP_POLL_ADD, IORING_OP_OPENAT, IORING_OP_ASYNC_CANCEL,
    };
    static const size_t probe_bytes =
        sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op);
    struct io_uring_probe *probe = weir__base_alloc_zero(probe_bytes);
    if (probe == NULL)
        return -ENOMEM;
    int rc = io_uring_register_probe(&uring->ring, probe, 256);
    for (size_t i = 0; i < sizeof needed && rc == 0; i++) {
        if (!io_uring_opcode_supported(probe, needed[i]))
            rc = -EOPNOTSUPP;
    }
    weir__base_free(probe);
    return rc;
}

/*
 * What this kernel's receive can do: multishot (Linux 6.0), and with a cap (6.17). It looks at its
 * arguments before it looks at the descriptor, so something that is no socket tells: -EINVAL for
 * what it does not know, else -ENOTSOCK.
 */
static bool receive_takes(struct uring *uring, unsigned cap_bytes)
{
    struct io_uring_sqe *sqe = take_slot(uring);
    if (sqe == NULL)
        return false;
    io_uring_prep_recv_multishot(sqe, uring->wake_fd, NULL, 0, 0);
    sqe->file_index = cap_bytes;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    sqe->user_data = TAG_RX_CANCEL; // looked at by nobody, should it come late
    enter(uring, WEIR_SEC);
    if (!has_completions(uring))
        return false;
    const struct io_uring_cq *cq = &uring->ring.cq;
    int result = cq->cqes[*cq->khead & cq->ring_mask].res;
    io_uring_smp_store_release(cq->khead, *cq->khead + 1);
    return result == -ENOTSOCK;
}

static void probe_receive(struct uring *uring)
{
    uring->multishot = weir__uring_age < WEIR__URING_LINUX_5_19 && receive_takes(uring, 0);
    uring->capped = weir__uring_age < WEIR__URING_LINUX_6_0 && receive_takes(uring, 4096);
    snprintf(uring->base.features.detail, sizeof uring->base.features.detail, "%s, %s receive",
             uring->step->detail,
             uring->capped      ? "capped multishot"
             : uring->multishot ? "multishot"
                                : "single");
}

static size_t buffer_ring_bytes(void)
{
    return RING_BUFFERS * sizeof(struct io_uring_buf);
}

static int set_up_buffers(struct uring *uring)
{
    void *memory;
    int rc = weir__sys_map(buffer_ring_bytes(), &memory);
    if (rc < 0)
        return rc;
    // The kernel holds on to these very pages: a copy made by fork would part us.
    weir_ignore(weir__sys_advise(memory, buffer_ring_bytes(), MADV_DONTFORK), "a child only execs");
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)memory,
        .ring_entries = RING_BUFFERS,
        .bgid = BUFFER_GROUP,
    };
    rc = io_uring_register_buf_ring(&uring->ring, &reg, 0);
    if (rc < 0) {
        weir__sys_unmap(memory, buffer_ring_bytes());
        return rc;
    }
    uring->buffer_ring = memory;
    io_uring_buf_ring_init(uring->buffer_ring);
    return 0;
}

static void uring_close(struct weir__backend *backend)
{
    struct uring *uring = uring_of(backend);
    assert(!weir__report_pending(&uring->report) && backend->stats.rx_armed == 0);
    tear_down_ring(uring);
    weir__sys_unmap(uring->buffer_ring, buffer_ring_bytes());
    weir_ignore(weir__sys_close(uring->wake_fd), "an eventfd has nothing to lose");
    weir__rx_pool_close(backend->pool);
    weir__base_free(uring);
}

static const struct weir__backend_table uring_table = {
    .submit = uring_submit,
    .cancel = uring_cancel,
    .rx_arm = uring_rx_arm,
    .rx_stop = uring_rx_stop,
    .rx_resume = uring_rx_resume,
    .forget_fd = uring_forget_fd,
    .pending = uring_pending,
    .turn = uring_turn,
    .wake = uring_wake,
    .close = uring_close,
};

int weir__uring_open(struct weir__backend **out_backend)
{
    struct uring *uring = weir__base_alloc_zero(sizeof *uring);
    if (uring == NULL)
        return -ENOMEM;
    uring->base.table = &uring_table;
    uring->base.features.name = "io_uring";
    uring->base.features.file_ops = true;
    weir__report_init(&uring->report);
    weir__list_init(&uring->postponed);
    weir__list_init(&uring->cancels);
    weir__list_init(&uring->rx_cancels);
    weir__list_init(&uring->starved);
    weir__list_init(&uring->to_arm);

    int rc = weir__rx_pool_open(&uring->base.pool);
    if (rc < 0)
        goto free_uring;
    rc = set_up_ring(uring);
    if (rc < 0)
        goto close_pool;
    rc = check_opcodes(uring);
    if (rc < 0)
        goto tear_down;
    rc = set_up_buffers(uring);
    if (rc < 0)
        goto tear_down;
    rc = uring->wake_fd = weir__sys_eventfd();
    if (rc < 0)
        goto unmap_buffers;
    // Both spare something and are no loss where the kernel says no.
    if (io_uring_register_ring_fd(&uring->ring) == 1)
        uring->enter_flags = IORING_ENTER_REGISTERED_RING;
    weir_ignore(io_uring_ring_dontfork(&uring->ring), "a child only execs");
    probe_receive(uring);
    *out_backend = &uring->base;
    return 0;

unmap_buffers:
    // The ring goes first: it holds on to the buffers.
    tear_down_ring(uring);
    weir__sys_unmap(uring->buffer_ring, buffer_ring_bytes());
    goto close_pool;
tear_down:
    tear_down_ring(uring);
close_pool:
    weir__rx_pool_close(uring->base.pool);
free_uring:
    weir__base_free(uring);
    return rc;
}
