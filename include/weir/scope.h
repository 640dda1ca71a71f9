/*
 * weir/scope.h - deadlines, cancellation and shields: stretches of one task that end as a whole
 *
 * A scope is a local variable. Everything that waits inside it returns -ECANCELED once the scope is
 * cancelled, at every checkpoint, until the scope is left (level-triggered: nothing is swallowed by
 * accident). Groups opened inside inherit it, and so do their tasks.
 *
 *     int rc = 0;
 *     WEIR_TIMEOUT(rc, 10 * WEIR_SEC) {
 *         rc = weir_http_get(client, url, &response);
 *     }
 *     if (rc == -ETIME) ...                     // this block's own time was up, nothing else
 */
#ifndef WEIR_SCOPE_H
#define WEIR_SCOPE_H

#include <weir/base.h>
#include <weir/task.h>

/** Why a scope was cancelled; the first cause is kept (rule C6). */
typedef enum weir_cancel_kind {
    WEIR_CANCEL_NONE,
    WEIR_CANCEL_DEADLINE,       /* its time was up */
    WEIR_CANCEL_EXPLICIT,       /* somebody cancelled it */
    WEIR_CANCEL_SIBLING_FAILED, /* another task of the group failed */
    WEIR_CANCEL_BODY_FAILED,    /* the body of the group failed */
    WEIR_CANCEL_JOIN_POLICY,    /* the task that everything belongs to has ended */
    WEIR_CANCEL_SHUTDOWN,       /* the service is stopping */
    WEIR_CANCEL_REMOTE,         /* through a token, from another thread */
} weir_cancel_kind;

/** What is known about a cancellation. */
typedef struct weir_cancel_cause {
    weir_cancel_kind kind;
    weir_task_id source; /* the task that asked, 0 when it was none */
    const void *address; /* code that asked, for weir_symbol-like tools; NULL when unknown */
    const char *reason;  /* text given by whoever asked, or NULL */
    int64_t at_ns;       /* when, on the monotonic clock */
} weir_cancel_cause;

/** A stretch of one task. Zero it before use; every field belongs to the library. */
typedef struct weir_scope {
    struct weir_scope *weir__parent;
    struct weir_scope *weir__inner;
    weir_task *weir__task;
    struct weir_token *weir__token;
    struct {
        void *weir__next;
        void *weir__prev;
        int64_t weir__deadline_ns;
    } weir__timer;
    uint8_t weir__level;     /* its own level: 0 none, 1 cancel, 2 force */
    uint8_t weir__effective; /* with what it inherits */
    uint8_t weir__flags;
    uint8_t weir__cause;
    uint8_t weir__wheel_level;
    uint8_t weir__wheel_slot;
    uint8_t weir__state;
    uint8_t weir__reserved;
    weir_task_id weir__cause_source;
    const void *weir__cause_address;
    const char *weir__cause_reason;
    int64_t weir__cause_at_ns;
} weir_scope;

WEIR_BEGIN_DECLS

/**
 * Begin a scope without a deadline: a stretch that can be cancelled as a whole.
 *
 * @param scope  kept until it is left; zeroed before. One that was cancelled before it was entered
 *               starts cancelled
 *
 * Returns     0 or a negative errno
 * Errors      -EBUSY  the scope is in use
 *             -EPERM  called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rules C8, C9
 */
WEIR_API WEIR_MUST_CHECK int weir_scope_enter(weir_scope *scope);

/**
 * Begin a scope that is cancelled when `timeout_ns` has passed.
 *
 * @param scope       kept until it is left; zeroed before
 * @param timeout_ns  from now; 0 or less has already passed: the first checkpoint returns
 *                    -ECANCELED
 *
 * Returns     0 or a negative errno
 * Errors      -EBUSY, -EPERM  as weir_scope_enter()
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rules D1, D2
 */
WEIR_API WEIR_MUST_CHECK int weir_timeout_enter(weir_scope *scope, int64_t timeout_ns);

/**
 * Begin a scope that is cancelled at an instant.
 *
 * @param scope        kept until it is left; zeroed before
 * @param deadline_ns  on the clock of weir_now(); WEIR_NEVER for none
 *
 * Returns     0 or a negative errno
 * Errors      -EBUSY, -EPERM  as weir_scope_enter()
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rules D1, D2
 */
WEIR_API WEIR_MUST_CHECK int weir_deadline_enter(weir_scope *scope, int64_t deadline_ns);

/**
 * Begin a shield: a stretch that outer cancellation does not reach, for cleanup that has to wait.
 *
 * @param scope      kept until it is left; zeroed before
 * @param budget_ns  its own time limit; WEIR_FOREVER must be written out, and is counted
 *
 * Returns     0 or a negative errno
 * Errors      -EBUSY, -EPERM  as weir_scope_enter()
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rules H1-H5
 */
WEIR_API WEIR_MUST_CHECK int weir_shield_enter(weir_scope *scope, int64_t budget_ns);

/**
 * End a scope and say what its body came to.
 *
 * @param scope  released; the calling task's innermost one
 * @param rc     what the body came to
 *
 * Returns     rc, except for -ECANCELED, which the scope that was cancelled absorbs
 * Errors      -ETIME       this scope's own deadline cut its body
 *             WEIR_CAUGHT  (not negative) this scope was cancelled by name and absorbed it
 *             -ECANCELED   an outer scope is cancelled too: go on unwinding
 *             -EIO         rc was -ECANCELED although nothing here is cancelled (reported)
 *             -EPERM       not entered by this task, or called in a function deferred in it
 *             others       what a function deferred in it failed with, after a body that did well
 * Checkpoint  when functions deferred in the scope wait; never cancelled
 * Thread      the task that entered it
 * Source      rules C7, C8, D6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_scope_leave(weir_scope *scope, int rc);

/**
 * Have a function called when the innermost scope of the caller ends: a scope, a group, or the task
 * itself. The one deferred last runs first.
 *
 * They run inside a shield, so cleanup may wait although everything around is cancelled, for the
 * task's cleanup budget in all: 5 seconds, or weir_spawn_options.cleanup_ns. When that is used up,
 * checkpoints inside return -ECANCELED; the rest still runs. A group's run after its last task has
 * ended. What one defers runs next, before the older ones.
 *
 * A function that fails is a failure of its own, WEIR_FAILURE_DEFER: leaving a scope that came to 0
 * or more returns its code; after another failure it is recorded beside that one, in the group
 * around.
 *
 * @param fn   0, or a negative errno
 * @param arg  kept until fn has run; passed to it
 *
 * Returns     0 or a negative errno; then fn is never called
 * Errors      -ENOMEM  no memory
 *             -EINVAL  fn is NULL
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rules L1, L2, L3
 */
WEIR_API WEIR_MUST_CHECK int weir_defer(weir_task_fn *fn, void *arg);

/**
 * Cancel a scope: everything that waits inside it is asked to end. Doing it twice changes nothing.
 *
 * @param scope   entered, or not yet; one that was left is not touched
 * @param reason  kept: a text that outlives the scope, usually a literal; may be NULL
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that the scope belongs to; others use a weir_token
 * Source      rules C4, C5, C6
 */
WEIR_API void weir_scope_cancel(weir_scope *scope, const char *reason);

/**
 * Move the deadline of an active scope. After it has fired this changes nothing.
 *
 * @param scope        entered by the calling task
 * @param deadline_ns  the new instant; in the past: the next turn of the loop fires it
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the task that entered it
 * Source      rule D4
 */
WEIR_API void weir_scope_set_deadline(weir_scope *scope, int64_t deadline_ns);

/**
 * Whether the scope's own deadline has fired, also after it was left.
 *
 * @param scope  entered, or left and not reused
 *
 * Returns     true when it has
 * Checkpoint  no
 * Thread      the loop that the scope belongs to
 */
WEIR_API bool weir_scope_expired(const weir_scope *scope);

/**
 * Whether leaving the scope absorbed a cancellation.
 *
 * @param scope  left and not reused
 *
 * Returns     true when it did
 * Checkpoint  no
 * Thread      the loop that the scope belongs to
 */
WEIR_API bool weir_scope_caught(const weir_scope *scope);

/**
 * The nearest deadline that holds here: the minimum over the scopes around, up to a shield; now
 * when the context is cancelled.
 *
 * Returns     an instant on the clock of weir_now(), or WEIR_NEVER
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule D3
 */
WEIR_API int64_t weir_deadline(void);

/**
 * Whether the context of the caller is cancelled (shields respected): the next checkpoint would
 * return -ECANCELED.
 *
 * Returns     true when it is
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule H5
 */
WEIR_API bool weir_cancelled(void);

/**
 * Test for cancellation without parking.
 *
 * Returns     0, or -ECANCELED when the context of the caller is cancelled
 * Checkpoint  no: it neither parks nor yields
 * Thread      a loop's, in a task
 * Source      rule O11
 */
WEIR_API WEIR_MUST_CHECK int weir_check(void);

/**
 * Why the context of the caller is cancelled.
 *
 * @param out_cause  written when it is
 *
 * Returns     true when it is cancelled
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule C6
 */
WEIR_API bool weir_cancelled_because(weir_cancel_cause *out_cause);

/**
 * Run a function under a timeout: the form for bodies that want to `return`.
 *
 * @param timeout_ns  as weir_timeout_enter()
 * @param fn          called on this task, once
 * @param arg         passed on
 *
 * Returns     what fn returned, through weir_scope_leave()
 * Errors      -ETIME  the time was up
 * Checkpoint  when fn is
 * Thread      a loop's, in a task
 * Source      rule D5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_timeout(int64_t timeout_ns, weir_task_fn *fn,
                                                          void *arg);

/* The door of WEIR_TIMEOUT() and WEIR_SHIELD(); not called by hand. */
WEIR_API weir_scope *weir__timeout_begin(weir_scope *scope, int64_t timeout_ns, int *rc);
WEIR_API weir_scope *weir__shield_begin(weir_scope *scope, int64_t budget_ns, int *rc);
WEIR_API void weir__scope_escaped(weir_scope *scope);

WEIR_END_DECLS

#define WEIR__JOIN_(a, b) a##b
#define WEIR__JOIN(a, b) WEIR__JOIN_(a, b)
/* Names of their own for each block, so that nested ones do not shadow each other. */
#define WEIR__SCOPE_BLOCK_(begin, rc, duration, scope, entered, once)                              \
    for (weir_scope scope __attribute__((cleanup(weir__scope_escaped))),                           \
         *entered = begin(&scope, (duration), &(rc));                                              \
         entered != NULL; (rc) = weir_scope_leave(entered, (rc)), entered = NULL)                  \
        for (int once = 1; once; once = 0)
#define WEIR__SCOPE_BLOCK(begin, rc, duration, number)                                             \
    WEIR__SCOPE_BLOCK_(begin, rc, duration, WEIR__JOIN(weir__scope_, number),                      \
                       WEIR__JOIN(weir__entered_, number), WEIR__JOIN(weir__once_, number))

/**
 * A block with a time limit. `break` leaves it correctly; a `return` or `goto` out of it is caught,
 * reported, and the scope is left all the same (use weir_timeout() when the body wants to return).
 *
 * @param rc        an int variable: set by the body, -ETIME afterwards when this block's time was
 *                  up
 * @param duration  nanoseconds
 */
#define WEIR_TIMEOUT(rc, duration) WEIR__SCOPE_BLOCK(weir__timeout_begin, rc, duration, __COUNTER__)

/** A block that outer cancellation does not reach, with a time limit of its own; rc as above. */
#define WEIR_SHIELD(rc, budget) WEIR__SCOPE_BLOCK(weir__shield_begin, rc, budget, __COUNTER__)

#endif
