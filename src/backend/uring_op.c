/*
 * uring_op.c - the backend on io_uring: operations, and their cancels
 *
 * Runs on  the loop's own thread.
 */
#include <assert.h>
#include <fcntl.h>

#include "backend/uring.h"
#include "base/fault.h"
#include "base/sys.h"

static void fill_slot(struct io_uring_sqe *sqe, const struct weir__op *op)
{
    switch (op->kind) {
    case WEIR__OP_RECV:
        io_uring_prep_recv(sqe, op->fd, op->buffer, weir__uring_clamped(op->size), op->flags);
        break;
    case WEIR__OP_SEND:
        io_uring_prep_send(sqe, op->fd, op->buffer, weir__uring_clamped(op->size),
                           op->flags | MSG_NOSIGNAL);
        break;
    case WEIR__OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, op->fd, op->message, (unsigned)(op->flags | MSG_NOSIGNAL));
        break;
    case WEIR__OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, op->fd, op->message, (unsigned)op->flags);
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
        io_uring_prep_read(sqe, op->fd, op->buffer, weir__uring_clamped(op->size),
                           (uint64_t)op->offset);
        break;
    case WEIR__OP_WRITE:
        io_uring_prep_write(sqe, op->fd, op->buffer, weir__uring_clamped(op->size),
                            (uint64_t)op->offset);
        break;
    case WEIR__OP_FSYNC:
        io_uring_prep_fsync(sqe, op->fd, op->flags == 1 ? IORING_FSYNC_DATASYNC : 0);
        break;
    case WEIR__OP_OPEN:
        io_uring_prep_openat(sqe, AT_FDCWD, op->buffer, op->flags | O_CLOEXEC, (mode_t)op->size);
        break;
    default:
        weir__uring_fill_file(sqe, op);
        break;
    }
    sqe->user_data = weir__uring_tagged(op, WEIR__URING_TAG_OP);
}

/*
 * wait_first: not before the kernel says that the socket is ready, for one that it said EAGAIN to.
 */
void weir__uring_place_op(struct weir__uring *uring, struct weir__op *op, bool wait_first)
{
    struct io_uring_sqe *sqe = weir__uring_take_slot(uring);
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

int weir__uring_submit(struct weir__backend *backend, struct weir__op *op)
{
    struct weir__uring *uring = weir__uring_of(backend);
    assert((unsigned)op->kind < WEIR__OP_KIND_COUNT);
    weir__report_take(backend, &uring->report, op);
    int fault = weir__base_fault(WEIR__FAULT_RING);
    if (fault != 0)
        weir__report_op(&uring->report, op, fault);
    else
        weir__uring_place_op(uring, op, false);
    return 0;
}

void weir__uring_prepare_cancel(struct io_uring_sqe *sqe, uint64_t target, uint64_t user_data)
{
    io_uring_prep_cancel64(sqe, target, 0);
    // That it worked is told by the target itself. That it came too late is told here, and ignored.
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = user_data;
}

void weir__uring_place_cancel(struct weir__uring *uring, struct weir__op *op)
{
    struct io_uring_sqe *sqe = weir__uring_take_slot(uring);
    if (sqe == NULL)
        weir__list_append(&uring->cancels, &op->link);
    else
        weir__uring_prepare_cancel(sqe, weir__uring_tagged(op, WEIR__URING_TAG_OP),
                                   WEIR__URING_TAG_OP_CANCEL);
}

void weir__uring_cancel(struct weir__backend *backend, struct weir__op *op)
{
    struct weir__uring *uring = weir__uring_of(backend);
    if (!op->submitted || op->cancelling)
        return;
    op->cancelling = true;
    backend->stats.aborts_requested++;
    switch (op->place) {
    case WEIR__OP_WORKING:
        weir__uring_place_cancel(uring, op);
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
    return op->kind == WEIR__OP_RECV || op->kind == WEIR__OP_SEND || op->kind == WEIR__OP_SENDMSG ||
           op->kind == WEIR__OP_RECVMSG;
}

/* What the kernel says about itself and not about the operation; no owner should see it. */
static bool is_interrupted(const struct weir__op *op, int result)
{
    return result == -EINTR ||
           (result == -EAGAIN && is_socket_transfer(op) && (op->flags & MSG_DONTWAIT) == 0);
}

void weir__uring_op_completed(struct weir__uring *uring, struct weir__op *op, int result)
{
    assert(op->submitted && op->place == WEIR__OP_WORKING);
    weir__list_remove(&op->link); // its cancel may still wait for a slot
    if (is_interrupted(op, result)) {
        if (!op->cancelling) {
            weir__uring_place_op(uring, op, is_socket_transfer(op));
            return;
        }
        result = -ECANCELED; // how a kernel worker says it
    }
    if (result >= 0 &&
        (op->kind == WEIR__OP_ACCEPT || op->kind == WEIR__OP_OPEN || op->kind == WEIR__OP_OPEN_HOW))
        weir__sys_count_opened();
    weir__report_done(&uring->base, &uring->report, op, result);
}
