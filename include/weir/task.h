/*
 * weir/task.h - running a program of tasks
 *
 * A task is a function with a stack of its own. It runs until it calls something marked
 * WEIR_CHECKPOINT, which may park it until the result is there; meanwhile other tasks of the same
 * loop run. Tasks of one loop never run at the same time, so what only they share needs no lock.
 *
 *     static int app(void *arg) { return weir_sleep(1 * WEIR_SEC); }
 *     int main(void) { return weir_run(app, NULL); }
 */
#ifndef WEIR_TASK_H
#define WEIR_TASK_H

#include <weir/base.h>

/** A task; always a member of exactly one group. */
typedef struct weir_task weir_task;

/** What a task runs: 0 or a negative errno; what it could not do it says by returning. */
typedef int weir_task_fn(void *arg);

/** Releases a value that nobody has taken. It runs on the loop and must not wait: checkpoints give
 * -EPERM in it. */
typedef void weir_destroy_fn(void *value);

/** Names a task for as long as anybody remembers it; a value, stale once its record has gone: when
 * the task has ended, or later when the record is kept (weir/handle.h). Never 0. */
typedef uint64_t weir_task_id;

/** What a task is doing. */
typedef enum weir_task_state {
    WEIR_TASK_FREE, /* there is no task */
    WEIR_TASK_READY,
    WEIR_TASK_RUNNING,
    WEIR_TASK_BLOCKED,
    WEIR_TASK_ABORTING, /* blocked, and asked to end its wait */
    WEIR_TASK_FINISHING,
    WEIR_TASK_DONE, /* ended; only its record is kept */
} weir_task_state;

enum {
    /** Stack of a task unless something else is asked for; the guard below it is part of it. */
    WEIR_STACK_BYTES_DEFAULT = 128 * 1024,
};

/** How to run a loop. Zero is the default of each field. */
typedef struct weir_run_options {
    const char *backend;   /* "uring", "epoll", "sim"; NULL: WEIR_BACKEND from the environment, else
                              io_uring where the kernel lets us, and epoll where not */
    const char *name;      /* for reports; NULL: "main" */
    size_t tasks_max;      /* live tasks and kept records; 0: 1,048,576; at most 16,777,216,
                              also if WEIR_UNLIMITED */
    size_t stack_bytes;    /* each task's, at most 16 MiB; 0: WEIR_STACK_BYTES_DEFAULT (more under
                              sanitizers) */
    uint64_t shuffle_seed; /* tests: permute each turn's ready tasks from this seed; 0: first in,
                              first out */
} weir_run_options;

WEIR_BEGIN_DECLS

/**
 * Run a program: make a loop on this thread, run `fn` as its main task, end when all has ended.
 *
 * Whatever the main task leaves running is cancelled and waited for. A failure is reported on
 * standard error, with where it came from.
 *
 * @param fn   the main task
 * @param arg  passed to fn
 *
 * Returns     an exit status for main(): 0 when fn returned 0 or more, else 1
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      any that runs no loop
 * Source      rule W6
 */
WEIR_API int weir_run(weir_task_fn *fn, void *arg);

/**
 * The same with options, and with the code itself.
 *
 * @param options  borrowed; NULL for the defaults
 * @param fn       the main task
 * @param arg      passed to fn
 *
 * Returns     what fn returned, or a negative errno when the loop could not be made
 * Errors      -EINVAL   an option is impossible (unknown backend, a limit beyond what there is)
 *             -EPERM    this thread already runs a loop; or the backend asked for is denied
 *             -ENOMEM   no memory for the loop
 *             -EDEADLK  every task waited for something that could never come; all were cancelled
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      any that runs no loop
 */
WEIR_API WEIR_MUST_CHECK int weir_run_with(const weir_run_options *options, weir_task_fn *fn,
                                           void *arg);

/**
 * Sleep.
 *
 * @param duration_ns  0 or less only yields; rounded up to milliseconds, never early
 *
 * Returns     0 when the time has passed, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sleep(int64_t duration_ns);

/**
 * Sleep until an instant.
 *
 * @param at_ns  on the clock of weir_now()
 *
 * Returns     0 when it has come, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sleep_until(int64_t at_ns);

/**
 * Let other tasks run, then go on.
 *
 * Returns     0, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O11
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_yield(void);

/**
 * The calling task.
 *
 * Returns     its id, or 0 outside a task
 * Checkpoint  no
 * Thread      any
 */
WEIR_API weir_task_id weir_task_self(void);

/**
 * Name the calling task for reports.
 *
 * @param name  kept: a text that outlives the task, usually a literal
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      a loop's, in a task
 */
WEIR_API void weir_task_set_name(const char *name);

/**
 * Cancel one task: everything it waits for is asked to end.
 *
 * @param id      a task of this loop
 * @param reason  kept: usually a literal; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ESTALE  it has ended and its record has gone
 *             -EPERM   the task belongs to another loop, or no loop runs here
 * Checkpoint  no
 * Thread      the task's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_task_cancel(weir_task_id id, const char *reason);

/**
 * How many tasks of this loop are alive, the calling one included.
 *
 * Returns     a count; 0 where no loop runs
 * Checkpoint  no
 * Thread      a loop's
 */
WEIR_API size_t weir_task_count(void);

WEIR_END_DECLS

#endif
