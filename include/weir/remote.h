/*
 * weir/remote.h - what may be called from another thread
 *
 * Everything of a loop belongs to its thread. These calls are the doors: they queue something for
 * the loop and wake it. First in, first out for each sender.
 */
#ifndef WEIR_REMOTE_H
#define WEIR_REMOTE_H

#include <weir/base.h>
#include <weir/task.h>

/** One thread's scheduler. */
typedef struct weir_loop weir_loop;

/** A counted handle on a scope, for cancelling it from anywhere. */
typedef struct weir_token weir_token;

/** Runs on the loop's thread, outside any task: it must not park and should be short. */
typedef void weir_post_fn(void *arg);

/** Hears, on the loop's thread and outside any task, that a task could not be started after all. */
typedef void weir_refused_fn(void *arg, int rc);

WEIR_BEGIN_DECLS

/**
 * The loop of this thread, with a reference for the caller.
 *
 * Returns     to be released with weir_loop_release(); NULL where no loop runs
 * Checkpoint  no
 * Thread      a loop's
 */
WEIR_API weir_loop *weir_loop_retain_self(void);

/**
 * Give a reference back.
 *
 * @param loop  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_loop_release(weir_loop *loop);

/**
 * Run a function on a loop's thread, soon.
 *
 * @param loop  referenced by the caller
 * @param fn    called exactly once when this returns 0
 * @param arg   passed to fn; on failure it is still the caller's
 *
 * Returns     0 or a negative errno
 * Errors      -ESHUTDOWN  the loop has ended
 *             -ENOMEM     no memory
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rule X2
 */
WEIR_API WEIR_MUST_CHECK int weir_remote_post(weir_loop *loop, weir_post_fn *fn, void *arg);

/**
 * Start a task on a loop, beside its main task: it is cancelled and waited for when that one ends.
 * A failure of it is reported when it ends.
 *
 * @param loop     referenced by the caller
 * @param fn       the task
 * @param arg      passed to fn; on failure it is still the caller's
 * @param refused  kept: called with arg instead of fn when the loop turns out to be ending, or has
 *                 no memory; may be NULL
 *
 * Returns     0: exactly one of fn and refused is called, once; or a negative errno: neither is
 * Errors      -ESHUTDOWN  the loop has ended, or its program is being ended (weir_remote_stop())
 *             -ENOMEM     no memory
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rules X2, T2, W6
 */
WEIR_API WEIR_MUST_CHECK int weir_remote_spawn(weir_loop *loop, weir_task_fn *fn, void *arg,
                                               weir_refused_fn *refused);

/**
 * Run a function as a task of another loop, and wait for what it comes to: a call across threads.
 * The caller waits for its end in every case, so `arg` may lie on the caller's stack; the two never
 * use it at the same time.
 *
 * A caller that is cancelled hands the cancellation over: what the function waits for ends with
 * -ECANCELED, cause WEIR_CANCEL_REMOTE with the caller's reason, and when it returns the caller
 * goes on. If it ends well all the same, its result wins. A failure of it is the cause of what the
 * caller returns next, with its own words, place and loop. It sees the caller's task-locals. It is
 * a task beside the main task of its loop, and is cancelled with that.
 *
 * @param loop  referenced by the caller; the caller's own: fn is simply called
 * @param fn    runs there, once or not at all
 * @param arg   passed to fn; the caller's again when this returns
 *
 * Returns     what fn returned, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; fn may not have begun
 *             -ESHUTDOWN  the loop has ended, or its program is being ended: fn was not begun, or
 *                         was cancelled with its loop; weir_failure_message() says which
 *             -ENOMEM     no memory for a task there
 *             -EINVAL     no loop, or no function
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules X1, X2, O1, O4, F4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_remote_call(weir_loop *loop, weir_task_fn *fn,
                                                              void *arg);

/**
 * A token for the calling task's innermost scope.
 *
 * @param out_token  released with weir_token_release()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule X3
 */
WEIR_API WEIR_MUST_CHECK int weir_token_open(weir_token **out_token);

/**
 * One more reference.
 *
 * @param token  referenced by the caller
 *
 * Returns     the same token
 * Checkpoint  no
 * Thread      any
 */
WEIR_API weir_token *weir_token_retain(weir_token *token);

/**
 * Give a reference back. The scope is not touched.
 *
 * @param token  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_token_release(weir_token *token);

/**
 * Cancel the token's scope, soon. Safe after the scope has ended, twice, and while it is being
 * left.
 *
 * @param token   referenced by the caller
 * @param reason  kept: a literal; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ESTALE     the scope has ended (as far as this thread can see)
 *             -ESHUTDOWN  its loop has ended
 *             -ENOMEM     no memory
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rule X3
 */
WEIR_API WEIR_MUST_CHECK int weir_token_cancel(weir_token *token, const char *reason);

WEIR_END_DECLS

#endif
