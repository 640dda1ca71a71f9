/*
 * uring.c - the backend on io_uring: a turn of it
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
#include <poll.h>
#include <string.h>

#include "backend/pool.h"
#include "backend/uring.h"
#include "base/sys.h"

enum {
    ROUNDS_MAX = 64, /* enters of one turn: the kernel finishes at most 20 deferred ones in each */
};

/* --- into the kernel -------------------------------------------------------------------------- */

static unsigned publish_submissions(struct weir__uring *uring)
{
    struct io_uring_sq *sq = &uring->ring.sq;
    sq->sqe_head = sq->sqe_tail;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

static unsigned kernel_flags(const struct weir__uring *uring)
{
    return IO_URING_READ_ONCE(*uring->ring.sq.kflags);
}

/* Completions that only an enter brings into the queue. */
static bool kernel_calls(const struct weir__uring *uring)
{
    return (kernel_flags(uring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* The one system call: hand over what is queued, and wait for one completion up to timeout_ns. */
void weir__uring_enter(struct weir__uring *uring, int64_t timeout_ns)
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
struct io_uring_sqe *weir__uring_take_slot(struct weir__uring *uring)
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

/* --- a turn ----------------------------------------------------------------------------------- */

/* Buffers that were read come back here, in one go; the kernel sees them with the next enter. */
static void fill_buffer_ring(struct weir__uring *uring)
{
    int added = 0;
    if (!weir__list_empty(&uring->starved) && uring->buffers_wanted < WEIR__URING_RING_BUFFERS)
        uring->buffers_wanted *= 2;
    while (uring->buffers_given < uring->buffers_wanted) {
        int32_t buffer = weir__rx_pool_take(uring->base.pool);
        if (buffer < 0)
            break;
        io_uring_buf_ring_add(uring->buffer_ring, weir__rx_pool_memory(uring->base.pool, buffer),
                              WEIR__RX_BUFFER_BYTES, (unsigned short)buffer,
                              io_uring_buf_ring_mask(WEIR__URING_RING_BUFFERS), added++);
        uring->buffers_given++;
    }
    if (added > 0)
        io_uring_buf_ring_advance(uring->buffer_ring, added);
}

/* As many as there are buffers: arming all for one buffer would be a stampede. */
static void arm_starved(struct weir__uring *uring)
{
    for (unsigned n = uring->buffers_given; n > 0; n--) {
        struct weir__list *node = weir__list_take_first(&uring->starved);
        if (node == NULL)
            return;
        weir__uring_arm_rx(uring, WEIR__CONTAINER(node, struct weir__rx, link));
    }
}

/* What found no submission slot. Each that finds none again goes back to the end of its list. */
static void place_delayed(struct weir__uring *uring)
{
    struct weir__list now;
    struct weir__list *node;
    weir__list_init(&now);
    weir__list_splice(&now, &uring->cancels);
    while ((node = weir__list_take_first(&now)) != NULL)
        weir__uring_place_cancel(uring, WEIR__CONTAINER(node, struct weir__op, link));
    weir__list_splice(&now, &uring->rx_cancels);
    while ((node = weir__list_take_first(&now)) != NULL) {
        struct weir__rx *rx = WEIR__CONTAINER(node, struct weir__rx, link);
        rx->cancelling = false;
        weir__uring_cancel_rx(uring, rx);
    }
    weir__list_splice(&now, &uring->postponed);
    while ((node = weir__list_take_first(&now)) != NULL)
        weir__uring_place_op(uring, WEIR__CONTAINER(node, struct weir__op, link), false);
    weir__list_splice(&now, &uring->to_arm);
    while ((node = weir__list_take_first(&now)) != NULL)
        weir__uring_arm_rx(uring, WEIR__CONTAINER(node, struct weir__rx, link));
}

static bool anything_delayed(const struct weir__uring *uring)
{
    return !weir__list_empty(&uring->cancels) || !weir__list_empty(&uring->rx_cancels) ||
           !weir__list_empty(&uring->postponed) || !weir__list_empty(&uring->to_arm);
}

/*
 * A poll that stays armed and an eventfd that is never read: each write to it is a completion, so a
 * wake costs this side no call at all.
 */
static void arm_wake(struct weir__uring *uring)
{
    struct io_uring_sqe *sqe = weir__uring_take_slot(uring);
    if (sqe == NULL)
        return; // the next turn tries again
    io_uring_prep_poll_multishot(sqe, uring->wake_fd, POLLIN);
    sqe->user_data = WEIR__URING_TAG_WAKE;
    uring->wake_armed = true;
}

static void prepare(struct weir__uring *uring)
{
    if (!uring->wake_armed)
        arm_wake(uring);
    fill_buffer_ring(uring);
    if (anything_delayed(uring))
        place_delayed(uring);
    if (!weir__list_empty(&uring->starved))
        arm_starved(uring);
}

static bool must_not_wait(struct weir__uring *uring)
{
    return weir__report_due(&uring->report) || weir__uring_has_completions(uring) ||
           anything_delayed(uring) ||
           (!weir__list_empty(&uring->starved) && uring->buffers_given > 0) || !uring->wake_armed ||
           __atomic_load_n(&uring->base.wake_requested, __ATOMIC_SEQ_CST) != 0;
}

static void take_completion(struct weir__uring *uring, uint64_t user_data, int result,
                            unsigned flags)
{
    void *pointer = (void *)(uintptr_t)(user_data & ~(uint64_t)WEIR__URING_TAG_MASK);
    switch ((enum weir__uring_tag)(user_data & WEIR__URING_TAG_MASK)) {
    case WEIR__URING_TAG_OP:
        weir__uring_op_completed(uring, pointer, result);
        break;
    case WEIR__URING_TAG_RX:
        weir__uring_rx_completed(uring, pointer, result, flags);
        break;
    case WEIR__URING_TAG_WAKE:
        if ((flags & IORING_CQE_F_MORE) == 0)
            uring->wake_armed = false;
        break;
    default: // a cancel that came too late
        break;
    }
}

static void harvest(struct weir__uring *uring)
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
        __builtin_prefetch((void *)(uintptr_t)(ahead & ~(uint64_t)WEIR__URING_TAG_MASK), 1);
        // Given back before the callback, which may submit and so make room necessary.
        io_uring_smp_store_release(cq->khead, ++head);
        take_completion(uring, user_data, result, flags);
    }
}

static void uring_turn(struct weir__backend *backend, int64_t timeout_ns)
{
    struct weir__uring *uring = weir__uring_of(backend);
    weir__backend_count_turn(backend);

    bool more = true;
    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        prepare(uring);
        bool wait = round == 0 && timeout_ns > 0 && !must_not_wait(uring);
        more = false;
        if (wait || weir__uring_has_submissions(uring) || kernel_calls(uring)) {
            weir__backend_set_waiting(backend, wait);
            weir__uring_enter(uring, wait ? timeout_ns : 0);
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
    return weir__report_pending(&weir__uring_of(backend)->report);
}

static void uring_wake(struct weir__backend *backend)
{
    weir__backend_ring_bell(weir__uring_of(backend)->wake_fd);
}

static void uring_forget_fd(struct weir__backend *backend, int fd)
{
    (void)backend;
    (void)fd; // the ring knows open files, not numbers
}

const struct weir__backend_table weir__uring_table = {
    .submit = weir__uring_submit,
    .cancel = weir__uring_cancel,
    .rx_arm = weir__uring_rx_arm,
    .rx_stop = weir__uring_rx_stop,
    .rx_resume = weir__uring_rx_resume,
    .forget_fd = uring_forget_fd,
    .pending = uring_pending,
    .turn = uring_turn,
    .wake = uring_wake,
    .close = weir__uring_close,
};
