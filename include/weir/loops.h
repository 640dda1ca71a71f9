/*
 * weir/loops.h - many loops in one process
 *
 * A loop uses one CPU. A service that wants more runs several, each on a thread of its own, all the
 * same program:
 *
 *     static int serve(size_t index, void *arg) { ... }       // the main task of each loop
 *     int main(void) { return weir_run_loops(NULL, serve, NULL) < 0; }
 *
 * Tasks never move from one loop to another; what crosses goes through weir/shared_channel.h,
 * weir/shared_event.h and weir_remote_call(). Loops that a task opens belong to it as the tasks of
 * a group do: closing them waits for every one, the failure of one stops the others, and each
 * failure comes back with its words. They all begin, or none does.
 *
 * Threads of loops take no signals: these reach the thread that started them.
 */
#ifndef WEIR_LOOPS_H
#define WEIR_LOOPS_H

#include <weir/base.h>
#include <weir/group.h>
#include <weir/remote.h>
#include <weir/stop.h>
#include <weir/task.h>

/** Loops that were started together. */
typedef struct weir_loops weir_loops;

/** The main task of each loop; `index` counts from zero. Returns 0 or more, or a negative errno. */
typedef int weir_loops_fn(size_t index, void *arg);

/** How to start loops. Zero is the default of each field. */
typedef struct weir_loops_options {
    size_t count;             /* 0: weir_loops_usable(); at most 1,024 */
    weir_policy policy;       /* WEIR_FAIL_FAST (default): a failure cancels the other loops;
                                 WEIR_COLLECT_ALL: they run on */
    const char *const *names; /* `count` texts that are kept, usually literals; 15 bytes of each
                                 name its thread; NULL: "loop 0", "loop 1", ... */
    weir_run_options run;     /* of each loop; .name is not used; .backend NULL: the one of the loop
                                 that starts them */
    bool pinned;              /* each thread stays on a CPU of its own, as far as there are so
                                 many */
    bool signals;           /* of weir_run_loops(): SIGTERM and SIGINT stop all loops, within 25 s;
                                 a second one cancels them */
    int64_t stop_budget_ns; /* loops that were cancelled are forced after this; 0: 5 s; may be
                                 WEIR_FOREVER */
} weir_loops_options;

/** How far a loop is. */
typedef enum weir_loop_state {
    WEIR_LOOP_STARTING,
    WEIR_LOOP_RUNNING,
    WEIR_LOOP_STOPPING, /* it was told to, see weir_loop_stats.phase */
    WEIR_LOOP_ENDED,
} weir_loop_state;

/** What is known of one loop. */
typedef struct weir_loop_stats {
    const char *name;
    weir_loop_state state;
    weir_stop_phase phase;
    size_t tasks;      /* alive when its last turn began */
    size_t arriving;   /* tasks that others have sent to it, not begun */
    uint64_t turns;    /* of its scheduler */
    uint64_t steps;    /* times a task was switched to */
    uint64_t failures; /* of its tasks, so far, handled ones included */
    /* once it has ended */
    weir_outcome_kind outcome;
    int rc;
    char message[120]; /* what weir_fail() said; empty when it said nothing */
} weir_loop_stats;

WEIR_BEGIN_DECLS

/**
 * Run a program on several loops, and wait for all of them.
 *
 * The calling thread runs a loop too, which only looks after the others: it starts them, hears of
 * failures, and waits.
 *
 * @param options  borrowed; NULL for the defaults; .run.backend NULL: as weir_run_with()
 * @param fn       the main task of each loop
 * @param arg      passed to fn
 *
 * Returns     0 when fn returned 0 or more on every loop, or a negative errno
 * Errors      the first failure of fn, and those of weir_loops_open() and weir_run_with()
 *             -EBUSY  options->signals, and they have an owner
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      any that runs no loop
 * Source      rules X1, G4, W6
 */
WEIR_API WEIR_MUST_CHECK int weir_run_loops(const weir_loops_options *options, weir_loops_fn *fn,
                                            void *arg);

/**
 * Start loops, each on a thread of its own. Returns when every one of them runs; then fn begins on
 * all. If one of them cannot be started fn runs nowhere, and weir_failure_message() says which and
 * why.
 *
 * They belong to the calling task's scope: when that is cancelled, so are they. A loop that fails
 * is told at once (W602), and its failure is one of the task that closes them.
 *
 * @param options    borrowed, but for the names; NULL for the defaults
 * @param fn         the main task of each loop
 * @param arg        passed to fn
 * @param out_loops  closed with weir_loops_close(), by the same task, innermost first
 *
 * Returns     0 or a negative errno
 * Errors      -EAGAIN     a thread could not be started
 *             -ENOMEM     no memory
 *             -EMFILE     no descriptor for a loop
 *             -EINVAL     more than 1,024, a policy with a goal, or weir_run_options that cannot be
 *             -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task, or a kernel that does not let the backend be made
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules X1, G1
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_loops_open(const weir_loops_options *options,
                                                             weir_loops_fn *fn, void *arg,
                                                             weir_loops **out_loops);

/**
 * Wait until every loop has ended, then release them. It does not stop them: they end when fn
 * returns, or by weir_loops_stop(), or because rc is a failure or the caller's scope is cancelled;
 * then all are cancelled, and forced when the stop budget is used up.
 *
 * @param loops  taken; opened by the calling task, the innermost of what it has open; NULL does
 *               nothing
 * @param rc     what the body between open and close came to: 0, or its failure
 *
 * Returns     rc when it and every loop came to 0 or more, or a negative errno
 * Errors      first failure  of the body or a loop, in order of completion; its cause says the loop
 *             -ECANCELED     the caller's own scope was cancelled, and the loops with it
 *             -EPERM         called by another task than the one that opened them
 * Checkpoint  always
 * Thread      the task that opened them, and no other
 * Source      rules G2, G4, G6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_loops_close(weir_loops *loops, int rc);

/**
 * End the programs of all loops, with one budget for all. They are told to drain at once
 * (weir_stopping() is true on each); who is still there after four fifths of the budget is
 * cancelled, and after all of it forced. A loop that does not end even then is told (W603) two
 * seconds later.
 *
 * A later call can only make it shorter. Loops that were ended this way have not failed.
 *
 * @param loops      open
 * @param budget_ns  0: 25 s; WEIR_FOREVER: only told to drain
 * @param reason     kept: a literal; why they are cancelled; may be NULL
 *
 * Returns     nothing; weir_loops_close() waits
 * Checkpoint  no
 * Thread      the loop that opened them
 * Source      rules W1 to W4
 */
WEIR_API void weir_loops_stop(weir_loops *loops, int64_t budget_ns, const char *reason);

/**
 * Cancel the programs of all loops now, and force what is still there when their stop budget is
 * used up. What weir_loops_close() then returns is no failure.
 *
 * @param loops   open
 * @param reason  kept: a literal; may be NULL
 *
 * Returns     nothing; weir_loops_close() waits
 * Checkpoint  no
 * Thread      the loop that opened them
 * Source      rules W3, W4
 */
WEIR_API void weir_loops_cancel(weir_loops *loops, const char *reason);

/**
 * How many loops the process should have: CPUs that it may use, or as many as its cgroup's CPU
 * quota stands for, rounded up, if that is less.
 *
 * Returns     at least 1
 * Checkpoint  no
 * Thread      any
 */
WEIR_API size_t weir_loops_usable(void);

/**
 * The set that the calling loop belongs to.
 *
 * @param out_index  which of them it is; may be NULL
 *
 * Returns     the set, valid as long as this loop's program runs; NULL when it was not started by
 *             weir_loops_open()
 * Checkpoint  no
 * Thread      a loop's
 */
WEIR_API weir_loops *weir_loops_self(size_t *out_index);

/**
 * How many loops a set has.
 *
 * @param loops  open
 *
 * Returns     a count; those that have ended included
 * Checkpoint  no
 * Thread      the loop that opened them, and they themselves
 */
WEIR_API size_t weir_loops_count(const weir_loops *loops);

/**
 * One of the loops, for weir_remote_call() and its like.
 *
 * @param loops  open
 * @param index  below the count
 *
 * Returns     valid until the set is closed, also when the loop has ended; not to be released
 * Checkpoint  no
 * Thread      the loop that opened them, and they themselves
 */
WEIR_API weir_loop *weir_loops_at(const weir_loops *loops, size_t index);

/**
 * A loop with little to do: of two that are drawn at random, the one with fewer tasks. Loops that
 * are being stopped are left out.
 *
 * @param loops      open
 * @param out_index  which of them it is; may be NULL
 *
 * Returns     as weir_loops_at(); NULL when none is running
 * Checkpoint  no
 * Thread      the loop that opened them, and they themselves
 */
WEIR_API weir_loop *weir_loops_choose(weir_loops *loops, size_t *out_index);

/**
 * What is known of one loop now. Figures of a loop that is running may be a turn old.
 *
 * @param loops      open
 * @param index      below the count
 * @param out_stats  written
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that opened them, and they themselves
 */
WEIR_API void weir_loops_stats_get(const weir_loops *loops, size_t index,
                                   weir_loop_stats *out_stats);

WEIR_END_DECLS

#endif
