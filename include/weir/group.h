/*
 * weir/group.h - tasks that all end before the block that started them does
 *
 *     weir_group *group;
 *     int rc = weir_group_open(&group, NULL);
 *     if (rc < 0)
 *         return rc;
 *     for (size_t i = 0; rc == 0 && i < count; i++)
 *         rc = WEIR_SPAWN(group, fetch, .url = urls[i], .out = &pages[i]);
 *     return weir_group_close(group, rc);
 */
#ifndef WEIR_GROUP_H
#define WEIR_GROUP_H

#include <weir/base.h>
#include <weir/failure.h>
#include <weir/task.h>

/** A set of tasks that all end before the group does. */
typedef struct weir_group weir_group;

/** What the end of one task means for the others. */
typedef enum weir_policy {
    WEIR_FAIL_FAST,   /* the first failure cancels the rest */
    WEIR_COLLECT_ALL, /* nobody is interrupted; every outcome is kept */
    /* With a goal: when it is reached the rest is cancelled, and what failed is absorbed. */
    WEIR_FIRST_SUCCESS, /* one that ends well is enough */
    WEIR_FIRST_DONE,    /* the first to end decides, for better or worse */
    WEIR_QUORUM,        /* `quorum` that end well are enough */
    WEIR_SUPERVISE,     /* who fails is started again; see weir_supervise_options */
} weir_policy;

/** Which tasks of a supervised group are started again when one is. */
typedef enum weir_strategy {
    WEIR_ONE_FOR_ONE,  /* that one */
    WEIR_ONE_FOR_ALL,  /* all: the others are stopped first */
    WEIR_REST_FOR_ONE, /* that one, and those started after it */
} weir_strategy;

/** When a task of a supervised group is started again. */
typedef enum weir_restart {
    WEIR_TRANSIENT, /* when it has failed */
    WEIR_PERMANENT, /* always */
    WEIR_TEMPORARY, /* never */
} weir_restart;

/**
 * Is given each failure of a supervised group once, when it happens; must not park. What it returns
 * is a failure of its own, and reported.
 */
typedef int weir_supervise_fn(const weir_failure *failure, void *arg);

/**
 * How a group of WEIR_SUPERVISE deals with failures. Zero is the default of each field.
 *
 * A task that fails is started again after its back-off; its id stays good. One that is cancelled
 * by its id, or with the group, is not. More restarts than `intensity` within `period_ns` make the
 * failure the group's: the others are stopped, the last one started first, each within its stop
 * budget, and then the group is cancelled.
 */
typedef struct weir_supervise_options {
    weir_strategy strategy;     /* default WEIR_ONE_FOR_ONE */
    size_t intensity;           /* restarts that are fine within a period; 0: 3; at most 65,536, or
                               WEIR_UNLIMITED */
    int64_t period_ns;          /* 0: 5 s */
    weir_supervise_fn *handler; /* NULL: failures are reported */
    void *handler_arg;          /* kept */
} weir_supervise_options;

/** How a group behaves. Zero is the default of each field. */
typedef struct weir_group_options {
    weir_policy policy;  /* default WEIR_FAIL_FAST */
    const char *name;    /* kept, for reports; usually a literal */
    size_t running_max;  /* tasks alive at once; spawning waits for a place; 0: no limit */
    int64_t timeout_ns;  /* time limit of the whole group; 0: none */
    bool primary_only;   /* failures after the first are counted, not reported */
    bool keeps_outcomes; /* every member's record is kept until weir_group_next() gave it out */
    size_t quorum;       /* of WEIR_QUORUM, at least 1 */
    weir_supervise_options supervise; /* of WEIR_SUPERVISE */
} weir_group_options;

/** How to start one task. Zero is the default of each field. */
typedef struct weir_spawn_options {
    const char *name;   /* kept, for reports; usually a literal; NULL: the function's symbol */
    bool try_only;      /* in a full group: -EAGAIN instead of waiting */
    bool keep;          /* outcome and result can be asked for after its end, see weir/handle.h */
    bool handled;       /* its failure stays with its record and fails nobody; it is kept */
    bool service;       /* it serves the others: cancelled when they have ended, latest first */
    int64_t cleanup_ns; /* budget of its deferred functions; 0: 5 s; weir_defer() */
    /* In a group of WEIR_SUPERVISE. */
    weir_restart restart;   /* default WEIR_TRANSIENT */
    int64_t backoff_ns;     /* before the first restart, then twice as long each time; 0: 100 ms */
    int64_t backoff_max_ns; /* 0: 30 s; it begins again after a run as long as the period */
    int64_t stop_budget_ns; /* then what it goes on doing is forced; 0: 5 s */
} weir_spawn_options;

/** A call for weir_gather() and weir_race(). */
typedef struct weir_call {
    weir_task_fn *fn;
    void *arg;
} weir_call;

/** How to run one function over many items. Zero is the default of each field. */
typedef struct weir_map_options {
    weir_policy policy; /* WEIR_FAIL_FAST (default) or WEIR_COLLECT_ALL */
    size_t running_max; /* items under way at once; 0: all of them */
    const char *name;   /* kept, for reports; usually a literal; NULL: "map" */
} weir_map_options;

/** What decides a race, and how it starts. Zero is the default of each field. */
typedef struct weir_race_options {
    weir_policy policy; /* WEIR_FIRST_SUCCESS (default), WEIR_FIRST_DONE or WEIR_QUORUM */
    size_t quorum;      /* of WEIR_QUORUM; 0: more than half */
    int64_t stagger_ns; /* from one start to the next, which comes earlier when the call before has
                           ended; 0: all at once; WEIR_FOREVER: one after another */
    const char *name;   /* kept, for reports; usually a literal; NULL: "race" */
} weir_race_options;

typedef enum weir_outcome_kind {
    WEIR_OUTCOME_OK,
    WEIR_OUTCOME_FAILED,
    WEIR_OUTCOME_CANCELLED,
} weir_outcome_kind;

/** How one task ended. */
typedef struct weir_outcome {
    weir_outcome_kind kind;
    int rc;            /* what it returned */
    char message[120]; /* what weir_fail() said, cut to fit; empty when it said nothing */
    weir_task_id task; /* whose it is; 0 for a call that was never started */
    /* Of gather, map and race that returned 0 or more: what the call left with
     * weir_task_set_result(). It is the caller's, see weir_outcomes_release(). Elsewhere NULL. */
    void *result;
    weir_destroy_fn *destroy;
} weir_outcome;

WEIR_BEGIN_DECLS

/**
 * Open a group: from here to its close, the caller owns the tasks spawned into it.
 *
 * @param out_group  to be closed by the calling task
 * @param options    borrowed; NULL for the defaults
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EINVAL  WEIR_QUORUM without a quorum, a policy that there is not, or supervise
 *                      options that cannot be
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule G1
 */
WEIR_API WEIR_MUST_CHECK int weir_group_open(weir_group **out_group,
                                             const weir_group_options *options);

/**
 * End the group: wait until every task in it has ended, then release it.
 *
 * When one task fails, the others are cancelled at once (unless the policy says otherwise); the
 * wait still lasts until the last of them has unwound, so nothing they borrowed from the caller is
 * in use afterwards. It cannot be left early: a caller that is cancelled meanwhile hands the
 * cancellation down and goes on waiting.
 *
 * @param group  taken; opened by the calling task, its innermost one; NULL does nothing
 * @param rc     what the body between open and close came to: 0, or its failure
 *
 * Returns     rc when the body and every task returned 0 or more, or a negative errno
 * Errors      first failure  in order of completion, the body's included; a goal that was reached
 *                            absorbs those of its tasks
 *             -ECANCELED     the caller's own scope was cancelled, and the tasks with it
 *             -ETIME         the group's own time limit came first
 *             WEIR_CAUGHT    (not negative) the group was cancelled by name
 *             -ECHILD        the goal of the policy was missed, since tasks were cancelled alone
 *             -EINVAL        the policy wants more tasks than there were
 *             -EIO           rc was -ECANCELED although nothing here is cancelled (reported)
 *             -EDEADLK       called by a member of the group
 *             -EPERM         called by a task that did not open it, or in a function deferred in it
 *             -ESTALE        it was closed before (as far as can be seen)
 * Checkpoint  when a task of the group is still alive, or functions deferred in it wait
 * Thread      the task that opened the group, and no other
 * Source      rules G2, G4, G5, G6, P1-P6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_group_close(weir_group *group, int rc);

/**
 * The same, and hand out every failure instead of only the first one's code.
 *
 * @param group         as weir_group_close()
 * @param rc            as weir_group_close()
 * @param out_failures  owned by the caller, released with weir_failures_free(); NULL when nothing
 *                      failed. Written whatever is returned; those that a goal absorbed are in it
 *
 * Returns     as weir_group_close()
 * Checkpoint  when a task of the group is still alive, or functions deferred in it wait
 * Thread      the task that opened the group, and no other
 * Source      rules F5, F6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_group_close_failures(
    weir_group *group, int rc, weir_failures **out_failures);

/**
 * Cancel everything in the group, the body included. Doing it twice changes nothing.
 *
 * @param group   open
 * @param reason  kept: usually a literal; may be NULL
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the group's loop
 */
WEIR_API void weir_group_cancel(weir_group *group, const char *reason);

/**
 * How many tasks of the group are alive.
 *
 * @param group  open
 *
 * Returns     a count
 * Checkpoint  no
 * Thread      the group's loop
 */
WEIR_API size_t weir_group_count(const weir_group *group);

/**
 * Start a task. It runs after the caller has parked, siblings in the order they were spawned.
 *
 * @param group  open; any task of its loop may spawn into it
 * @param fn     runs exactly once when this returns 0, even if the group is cancelled before
 * @param arg    passed to fn; on failure it is still the caller's
 *
 * Returns     0 or a negative errno
 * Errors      -ESHUTDOWN  the group is cancelled or has been joined
 *             -ENOMEM     no memory, or no stack
 *             -EAGAIN     the limit of live tasks is reached
 *             -ECANCELED  while waiting for a place in a full group, the caller was cancelled
 *             -EDEADLK    every member of the full group waits to spawn into it
 *             -EINVAL     there is no group
 *             -EPERM      called from another loop or outside one
 * Checkpoint  when the group has running_max tasks
 * Thread      the group's loop
 * Source      rules T1, T2, G3, G10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_spawn(weir_group *group, weir_task_fn *fn,
                                                        void *arg);

/**
 * Start a task, with options and its id.
 *
 * @param group    as weir_spawn()
 * @param options  borrowed; NULL for the defaults
 * @param fn       as weir_spawn()
 * @param arg      as weir_spawn()
 * @param out_id   may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      as weir_spawn(), and
 *             -EAGAIN  options->try_only and the group is full
 *             -EINVAL  a back-off or a stop budget is negative, in a group of WEIR_SUPERVISE
 * Checkpoint  when the group has running_max tasks and options->try_only is false
 * Thread      the group's loop
 * Source      rules T1, T2, G3, G10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_spawn_with(weir_group *group,
                                                             const weir_spawn_options *options,
                                                             weir_task_fn *fn, void *arg,
                                                             weir_task_id *out_id);

/**
 * Start a task and wait until it says that it is ready, by weir_started().
 *
 * Until then it belongs to the caller: what cancels the caller cancels it, and the caller waits for
 * its end; its failure is returned here, and the group hears nothing of it. From then on it is a
 * task of the group like any other; only WEIR_SUPERVISE does not start it again, since nobody waits
 * for it any more. If the group is cancelled meanwhile, it goes over all the same, and is cancelled
 * there. The group stays open while this waits.
 *
 * @param group      open; any task of its loop may start into it
 * @param fn         calls weir_started() once
 * @param arg        passed to fn; borrowed: fn keeps nothing of it beyond weir_started()
 * @param out_value  what weir_started() was given; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      its failure  it ended before it was ready (origin WEIR_FAILURE_START)
 *             -EPROTO      it ended without weir_started()
 *             -ECANCELED   the caller's scope is cancelled; the task has ended
 *             -ESHUTDOWN   the group is cancelled or has been joined
 *             -ENOMEM, -EAGAIN, -EDEADLK, -EINVAL, -EPERM  as weir_spawn()
 * Checkpoint  always
 * Thread      the group's loop, in a task
 * Source      rule G11
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_start(weir_group *group, weir_task_fn *fn,
                                                        void *arg, void **out_value);

/**
 * The same with options; a service is one, and a failure `handled`, from weir_started() on.
 *
 * @param group      as weir_start()
 * @param options    borrowed; NULL for the defaults
 * @param fn         as weir_start()
 * @param arg        as weir_start()
 * @param out_value  as weir_start()
 * @param out_id     written when this returns 0; may be NULL
 *
 * Returns     as weir_start()
 * Checkpoint  always
 * Thread      the group's loop, in a task
 * Source      rule G11
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_start_with(weir_group *group,
                                                             const weir_spawn_options *options,
                                                             weir_task_fn *fn, void *arg,
                                                             void **out_value,
                                                             weir_task_id *out_id);

/**
 * In a task that weir_start() started: it is ready, and goes over to its group.
 *
 * @param value  handed to the caller of weir_start(), when this returns 0
 *
 * Returns     0 or a negative errno; then the task is still the caller's, and value is not handed
 *             on
 * Errors      -ECANCELED  the task is cancelled
 *             -EINVAL     it was not started by weir_start(), or has said so before (reported)
 *             -EPERM      called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule G11
 */
WEIR_API WEIR_MUST_CHECK int weir_started(void *value);

/**
 * Run several calls side by side and wait for all of them.
 *
 * @param policy        WEIR_FAIL_FAST: the first failure cancels the rest; WEIR_COLLECT_ALL: nobody
 *                      is interrupted
 * @param calls         borrowed
 * @param count         of calls; 0 is fine
 * @param out_outcomes  one for each call, by position; may be NULL with WEIR_FAIL_FAST
 *
 * Returns     WEIR_COLLECT_ALL: how many failed; WEIR_FAIL_FAST: 0; or a negative errno
 * Errors      first failure  with WEIR_FAIL_FAST
 *             -ECHILD        with WEIR_FAIL_FAST: one of them was cancelled alone
 *             -ECANCELED     the caller's scope is cancelled
 *             -ENOMEM, -EAGAIN  not all could be started; those that were have ended
 *             -EINVAL        another policy; or WEIR_COLLECT_ALL without outcomes
 *             -EPERM         called outside a task
 * Checkpoint  when count is not 0
 * Thread      a loop's, in a task
 * Source      rules P1, P2, P9
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_gather(weir_policy policy, const weir_call *calls,
                                                         size_t count, weir_outcome *out_outcomes);

/**
 * Run one function over many items, so many at once, and wait for all of them. With a limit, items
 * are started in order, each when there is room; after a failure (WEIR_FAIL_FAST) no more are.
 *
 * WEIR_MAP() is the same for a function that takes a pointer to the struct of its name.
 *
 * @param options       borrowed; NULL for the defaults
 * @param fn            called with a pointer to each item
 * @param items         borrowed; what the function finds out it leaves in its item
 * @param item_bytes    size of one
 * @param count         of items; 0 is fine
 * @param out_outcomes  one for each item, by position, WEIR_OUTCOME_CANCELLED for one that was not
 *                      started; may be NULL with WEIR_FAIL_FAST
 *
 * Returns     as weir_gather()
 * Errors      as weir_gather()
 * Checkpoint  when count is not 0
 * Thread      a loop's, in a task
 * Source      rules G10, P1, P2, P9
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_map(const weir_map_options *options,
                                                      weir_task_fn *fn, void *items,
                                                      size_t item_bytes, size_t count,
                                                      weir_outcome *out_outcomes);

/**
 * Run several calls of which one is enough, or as many as the policy says. When that is reached,
 * the rest is cancelled; the call returns when all have ended, so nothing they use is in use
 * afterwards.
 *
 * A loser may end well all the same, in the turn in which the race is decided or since it could not
 * be stopped: its outcome says so. What it made is lost, unless it knows how to release it: a call
 * that makes something leaves it with weir_task_set_result(), and then only the winner's (each of
 * those that made up a quorum) arrives in an outcome, and all others are destroyed.
 *
 * @param calls         borrowed
 * @param count         of calls, at least 1
 * @param options       borrowed; NULL: all start at once, the first success wins
 * @param out_outcomes  one for each call, by position, WEIR_OUTCOME_CANCELLED for one that was not
 *                      started; may be NULL
 * @param out_winner    position of the call that decided the race; with WEIR_FIRST_DONE also of one
 *                      that did so by failing; left alone when none did. May be NULL
 *
 * Returns     0 when the goal was reached, or a negative errno
 * Errors      first failure  too few succeeded, or the first to end failed (WEIR_FIRST_DONE)
 *             -ECHILD        the same, and those that are missing were cancelled alone
 *             -ECANCELED     the caller's scope was cancelled before the goal was reached
 *             -EINVAL        no calls, a quorum of more than there are, another policy
 *             -ENOMEM, -EAGAIN  not all could be started; those that were have ended
 *             -EPERM         called outside a task
 * Checkpoint  when it does not return -EINVAL
 * Thread      a loop's, in a task
 * Source      rules P3, P4, P5, P7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_race(const weir_call *calls, size_t count,
                                                       const weir_race_options *options,
                                                       weir_outcome *out_outcomes,
                                                       size_t *out_winner);

/**
 * Destroy the results that stand in outcomes, and take them out. A result that was put to use is
 * taken out before: `page = outcomes[i].result; outcomes[i].result = NULL;`
 *
 * @param outcomes  of gather, map or race; NULL when count is 0
 * @param count     of outcomes
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      that of the call that filled them, also after its loop has ended
 * Source      rule R2
 */
WEIR_API void weir_outcomes_release(weir_outcome *outcomes, size_t count);

/* The door of WEIR_SPAWN(); not called by hand. */
WEIR_API WEIR_MUST_CHECK int weir__spawn_copy(weir_group *group, weir_task_fn *fn, const void *arg,
                                              size_t arg_bytes, const weir_site *site);

WEIR_END_DECLS

/* The function, checked to take a pointer to the struct of its name, as a weir_task_fn: a pointer
 * to a struct and a pointer to void are passed alike on every machine that weir runs on. */
#define WEIR__TASK_FN(task)                                                                        \
    ((weir_task_fn *)(void (*)(void)) _Generic(&(task), int (*)(struct task *) : &(task)))

/* A static record of this place in the program. */
#define WEIR__SITE(what)                                                                           \
    (__extension__({                                                                               \
        static const weir_site weir__here = {__FILE__, what, __LINE__};                            \
        &weir__here;                                                                               \
    }))

/**
 * Start a task with arguments by name: `task` is a function that takes a pointer to the struct of
 * the same name. The struct is copied into the task, so nothing dangles.
 *
 *     struct fetch { const char *url; struct page *out; };
 *     static int fetch(struct fetch *a) { ... }
 *
 *     rc = WEIR_SPAWN(group, fetch, .url = url, .out = &page);
 *
 * Returns what weir_spawn() does, and is a checkpoint when that is.
 */
#define WEIR_SPAWN(group, task, ...)                                                               \
    weir__spawn_copy((group), WEIR__TASK_FN(task), &(struct task){__VA_ARGS__},                    \
                     sizeof(struct task), WEIR__SITE(#task))

/**
 * Run `task`, a function that takes a pointer to the struct of the same name, over an array of that
 * struct; options by name.
 *
 *     struct fetch { const char *url; struct page page; };
 *     static int fetch(struct fetch *a) { ... }
 *
 *     rc = WEIR_MAP(fetch, fetches, count, NULL, .running_max = 10);
 *
 * Returns what weir_map() does, and is a checkpoint when that is.
 */
#define WEIR_MAP(task, items, count, out_outcomes, ...)                                            \
    weir_map(&(weir_map_options){__VA_ARGS__}, WEIR__TASK_FN(task),                                \
             (1 ? (items) : (struct task *)0), sizeof(struct task), (count), (out_outcomes))

#endif
