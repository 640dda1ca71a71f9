/*
 * weir/limiter.h - so many in a period, and no more
 *
 * A bucket of tokens that is full at first and is filled again evenly. Who finds too few waits its
 * turn, first in, first out. Time is the loop's clock, in nanoseconds; the account is exact, with
 * no rounding that adds up. Waiters are woken at full milliseconds: at a rate of many in one, those
 * whose time has come go on together, so that in any stretch of time no more pass than the burst
 * and what comes in that stretch and two milliseconds.
 */
#ifndef WEIR_LIMITER_H
#define WEIR_LIMITER_H

#include <weir/base.h>
#include <weir/waiting.h>

/** How much is let through. */
typedef struct weir_limiter_options {
    size_t tokens;     /* in each period; must be given */
    int64_t period_ns; /* 0: one second */
    size_t burst;      /* how many may be saved up; 0: those of one period */
} weir_limiter_options;

/** A rate; weir_limiter_init() says which. */
typedef struct weir_limiter {
    struct weir__waiting weir__waiting;
    int64_t weir__period_ns; /* what one token costs, in units of which `tokens` come each ns */
    int64_t weir__tokens;
    int64_t weir__full;
    int64_t weir__level;
    int64_t weir__filled_at_ns;
    weir_task_id weir__taken_by; /* last */
    uint32_t weir__home;         /* number of the loop that it belongs to */
} weir_limiter;

WEIR_BEGIN_DECLS

/**
 * Begin with a full bucket; nobody may be waiting.
 *
 * @param limiter  all of it is written
 * @param options  borrowed
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  no tokens, a negative period, or numbers that cannot be counted: burst times
 *                      period is at most 2^62 ns, which is 146 years
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_limiter_init(weir_limiter *limiter,
                                               const weir_limiter_options *options);

/**
 * Take tokens, all of them at once, after everybody who came earlier; waits until they are there.
 *
 * @param limiter  kept until this returns
 * @param tokens   how many; none is taken before all are there
 *
 * Returns     0 when the caller may go on, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; nothing was taken
 *             -EINVAL     more than the bucket holds, or the limiter was not begun
 *             -EPERM      called outside a task, or on another loop (reported)
 * Checkpoint  always
 * Thread      the limiter's loop, in a task
 * Source      rules O1, O4, I10, Q1
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_limiter_acquire(weir_limiter *limiter,
                                                                  size_t tokens);

/**
 * The same without waiting.
 *
 * @param limiter  of this loop
 * @param tokens   how many
 *
 * Returns     0 when the caller may go on, or a negative errno
 * Errors      -EAGAIN  there are not enough, or somebody came earlier
 *             -EINVAL  more than the bucket holds, or the limiter was not begun
 *             -EPERM   on another loop (reported)
 * Checkpoint  no
 * Thread      the limiter's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_limiter_try_acquire(weir_limiter *limiter, size_t tokens);

/**
 * How long the next caller would wait: what goes into a Retry-After.
 *
 * @param limiter  of this loop
 * @param tokens   how many it would take
 *
 * Returns     nanoseconds, 0 for at once; WEIR_FOREVER when the bucket never holds so many
 * Checkpoint  no
 * Thread      the limiter's loop
 */
WEIR_API int64_t weir_limiter_delay_ns(const weir_limiter *limiter, size_t tokens);

WEIR_END_DECLS

#endif
