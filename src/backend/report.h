/*
 * report.h - what a backend has to tell at the end of a turn; internal to the room
 *
 * uring.c and epoll.c collect here what has come to an end, and say it when they have looked at
 * everything the kernel had for them: an owner is told once a turn about a connection, however many
 * pieces came.
 */
#ifndef WEIR__BACKEND_REPORT_H
#define WEIR__BACKEND_REPORT_H

#include "backend/backend.h"

struct weir__report {
    struct weir__list completed; /* ops with a result */
    struct weir__list announced; /* rx with something new */
    struct weir__list stopped;   /* rx that are forgotten now */
    uint64_t ops_count;          /* ops taken and not done */
    uint64_t stopping_count;     /* rx stopped and not yet told so */
};

void weir__report_init(struct weir__report *report);

/* Queue an op that has its result; `done` follows. */
void weir__report_op(struct weir__report *report, struct weir__op *op, ssize_t result);
/* Queue `event`, unless it is queued already or the rx is stopping. */
void weir__report_rx(struct weir__report *report, struct weir__rx *rx);
/* Queue `stopped`. */
void weir__report_stopped(struct weir__report *report, struct weir__rx *rx);
/* Call back for all that is queued now; what the callbacks queue waits for the next turn. */
void weir__report_all(struct weir__backend *backend, struct weir__report *report);

/* Call `done` at once. Only from inside a turn. */
static inline void weir__report_done(struct weir__backend *backend, struct weir__report *report,
                                     struct weir__op *op, ssize_t result)
{
    // N1: that word is for those who asked. A kernel that says it unasked has had an accident.
    op->result = result == -ECANCELED && !op->cancelling ? -EIO : result;
    op->submitted = false;
    op->place = WEIR__OP_OUTSIDE;
    report->ops_count--;
    backend->stats.ops_completed++;
    op->done(op);
}

/* Whether something is queued, so that a turn must not wait. */
static inline bool weir__report_due(const struct weir__report *report)
{
    return !weir__list_empty(&report->completed) || !weir__list_empty(&report->announced) ||
           !weir__list_empty(&report->stopped);
}
static inline bool weir__report_pending(const struct weir__report *report)
{
    return report->ops_count > 0 || report->stopping_count > 0 ||
           !weir__list_empty(&report->announced);
}

/* The first part of every submit: the op belongs to the backend now. */
static inline void weir__report_take(struct weir__backend *backend, struct weir__report *report,
                                     struct weir__op *op)
{
    weir__list_init(&op->link);
    op->submitted = true;
    op->cancelling = false;
    op->place = WEIR__OP_WORKING;
    report->ops_count++;
    backend->stats.ops_submitted++;
}
/*
 * Take notice of a wake, before anything is looked at: whoever asks from here on asks for the next
 * turn. It must be an exchange where there was one, so that what the waker did before is seen
 * after.
 */
static inline bool weir__backend_take_wake(struct weir__backend *backend)
{
    return __atomic_load_n(&backend->wake_requested, __ATOMIC_RELAXED) != 0 &&
           __atomic_exchange_n(&backend->wake_requested, 0, __ATOMIC_SEQ_CST) != 0;
}
/* Write to the eventfd of a loop; from any thread. */
void weir__backend_ring_bell(int wake_fd);

/* The first part of every arm. */
void weir__report_arm(struct weir__backend *backend, struct weir__rx *rx);
/* The first part of every stop: nothing is told any more, nothing unread is kept. */
void weir__report_stop(struct weir__backend *backend, struct weir__report *report,
                       struct weir__rx *rx);

#endif
