/*
 * uring_rx.c - the backend on io_uring: receiving
 *
 * Runs on  the loop's own thread.
 */
#include <assert.h>

#include "backend/pool.h"
#include "backend/uring.h"
#include "base/fault.h"

static unsigned bytes_until_full(const struct weir__rx *rx)
{
    size_t max = weir__rx_unread_max(rx);
    return rx->unread_bytes < max ? weir__uring_clamped(max - rx->unread_bytes) : 1;
}

void weir__uring_arm_rx(struct weir__uring *uring, struct weir__rx *rx)
{
    assert(!rx->in_flight && !rx->cancelling && weir__list_empty(&rx->link));
    struct io_uring_sqe *sqe = weir__uring_take_slot(uring);
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
    sqe->buf_group = WEIR__URING_BUFFER_GROUP;
    sqe->user_data = weir__uring_tagged(rx, WEIR__URING_TAG_RX);
    rx->in_flight = true;
}

void weir__uring_cancel_rx(struct weir__uring *uring, struct weir__rx *rx)
{
    if (rx->cancelling)
        return;
    rx->cancelling = true;
    struct io_uring_sqe *sqe = weir__uring_take_slot(uring);
    if (sqe == NULL)
        weir__list_append(&uring->rx_cancels, &rx->link);
    else
        weir__uring_prepare_cancel(sqe, weir__uring_tagged(rx, WEIR__URING_TAG_RX),
                                   WEIR__URING_TAG_RX_CANCEL);
}

/* Nothing of it is with the kernel: what now? */
static void settle_rx(struct weir__uring *uring, struct weir__rx *rx)
{
    if (rx->stopping)
        weir__report_stopped(&uring->report, rx);
    else if (!rx->paused && !rx->eof && rx->error == 0)
        weir__uring_arm_rx(uring, rx);
}

int weir__uring_rx_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    struct weir__uring *uring = weir__uring_of(backend);
    weir__report_arm(backend, rx);
    int fault = weir__base_fault(WEIR__FAULT_RING);
    rx->error = fault == -ECANCELED ? -EIO : fault; // N1, as for a real one
    if (rx->error != 0)
        weir__report_rx(&uring->report, rx);
    else
        weir__uring_arm_rx(uring, rx);
    return 0;
}

void weir__uring_rx_stop(struct weir__backend *backend, struct weir__rx *rx)
{
    struct weir__uring *uring = weir__uring_of(backend);
    weir__report_stop(backend, &uring->report, rx);
    if (rx->in_flight) {
        weir__uring_cancel_rx(uring, rx);
        return;
    }
    weir__list_remove(&rx->link); // starved, or without a slot
    weir__report_stopped(&uring->report, rx);
}

void weir__uring_rx_resume(struct weir__backend *backend, struct weir__rx *rx)
{
    rx->paused = false;
    if (!rx->in_flight && weir__list_empty(&rx->link)) // else its completion settles it
        settle_rx(weir__uring_of(backend), rx);
}

static void take_bytes(struct weir__uring *uring, struct weir__rx *rx, int result, unsigned flags)
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
static void rx_ended(struct weir__uring *uring, struct weir__rx *rx, int result)
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

void weir__uring_rx_completed(struct weir__uring *uring, struct weir__rx *rx, int result,
                              unsigned flags)
{
    assert(rx->armed && rx->in_flight);
    take_bytes(uring, rx, result, flags);
    if (!rx->stopping && rx->unread_bytes >= weir__rx_unread_max(rx))
        rx->paused = true;
    if ((flags & IORING_CQE_F_MORE) == 0)
        rx_ended(uring, rx, result);
    else if (rx->paused)
        weir__uring_cancel_rx(uring, rx);
}
