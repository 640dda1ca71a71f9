/*
 * weir/stop.h - ending a loop's program from elsewhere, in steps
 *
 * A program ends in the order run, drain, cancel, force. Each step is asked for by
 * weir_remote_stop() from any thread, and none is taken back. A loop that drains cancels nobody: it
 * says so (weir_stopping()), and work that goes on for ever ends by itself. What a service does
 * with signals and time limits is in weir/app.h, which is built on this.
 */
#ifndef WEIR_STOP_H
#define WEIR_STOP_H

#include <weir/base.h>
#include <weir/remote.h>

/** How far the end of a loop's program has come. */
typedef enum weir_stop_phase {
    WEIR_STOP_NONE,   /* it runs */
    WEIR_STOP_DRAIN,  /* weir_stopping() is true; nothing new from other threads */
    WEIR_STOP_CANCEL, /* every task is cancelled; shields hold */
    WEIR_STOP_FORCE,  /* shields do not hold any more */
} weir_stop_phase;

WEIR_BEGIN_DECLS

/**
 * Ask a loop to end its program, or to go one step further. A step that has been taken, or asked
 * for before, is not taken again. One that is left out is not made up for: after WEIR_STOP_CANCEL
 * nobody is told to drain.
 *
 * @param loop    referenced by the caller
 * @param phase   from WEIR_STOP_DRAIN on
 * @param reason  kept: a literal, for the cause of the cancellation; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ESHUTDOWN  the loop has ended
 *             -EINVAL     no such step
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rules W1 to W4, X2
 */
WEIR_API WEIR_MUST_CHECK int weir_remote_stop(weir_loop *loop, weir_stop_phase phase,
                                              const char *reason);

/**
 * Whether the program of this loop is being ended: a good moment for long work to come to an end.
 *
 * Returns     true from WEIR_STOP_DRAIN on; false where no loop runs
 * Checkpoint  no
 * Thread      any
 * Source      rule W2
 */
WEIR_API bool weir_stopping(void);

/**
 * Wait until the program of this loop is being ended.
 *
 * It is not the wait that keeps a program alive: a loop in which every task waits for this, and
 * nobody else holds a reference to it, is a deadlock (rule Q5).
 *
 * Returns     0 when it is, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule W2
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_wait_stopping(void);

WEIR_END_DECLS

#endif
