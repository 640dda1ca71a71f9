/*
 * weir/exec.h - threads for work that would block a loop
 *
 * A call that waits inside the kernel or computes for long stops every task of its loop. Offloaded,
 * it runs on a thread of a pool while only the calling task is parked:
 *
 *     struct resize job = {.image = image};
 *     int rc = weir_offload(NULL, resize, &job);      // NULL: the pool that every process has
 *
 * What runs there is a job: an ordinary function, free to block, but not a task: calls marked
 * WEIR_CHECKPOINT return -EPERM in it. Nobody can interrupt it; it can ask weir_job_cancelled() and
 * leave early. Its caller waits for it in every case, so arg may lie on the caller's stack. A job
 * that may be left running is declared so, see weir_offload_options.abandon.
 */
#ifndef WEIR_EXEC_H
#define WEIR_EXEC_H

#include <weir/base.h>
#include <weir/group.h>
#include <weir/task.h>

/** A set of threads with a queue in front. */
typedef struct weir_pool weir_pool;

/** What a pool runs: 0 or more, or a negative errno; the caller gets it back. */
typedef int weir_job_fn(void *arg);

/** How a pool behaves. Zero is the default of each field. */
typedef struct weir_pool_options {
    const char *name;   /* of its threads and in reports; 15 bytes are kept; NULL: "exec" */
    size_t threads_max; /* 0: twice the CPUs and four, at most 32; 1: a lane, jobs run one after
                                the other in the order they came */
    size_t queue_max;   /* jobs waiting for a thread above which `try_only` is refused; 0: 1024 */
    int64_t idle_timeout_ns; /* a thread without work leaves after this; 0: 30 s */
    int64_t close_budget_ns; /* how long close waits for running jobs; 0: 5 s */
} weir_pool_options;

/** Told how far a job has come, in units of its own; on the loop, between tasks. */
typedef void weir_job_progress_fn(uint64_t done, uint64_t total, void *arg);

/** How to run one job. Zero is the default of each field. */
typedef struct weir_offload_options {
    const char *name; /* kept while the job lives, for reports; usually a literal; may be NULL */
    bool try_only;    /* -EBUSY when queue_max jobs wait already, instead of waiting behind
                           them */
    /* When set, the job may be left running: a caller that is cancelled returns -ECANCELED at once.
       Then, and whenever the call returns -ECANCELED, arg is the job's, and `abandon` releases it
       once nobody uses it any more, on whatever thread that is. So arg must not lie on the caller's
       stack. On every other return arg is still the caller's. */
    void (*abandon)(void *arg);
    /* Told what the job says with weir_job_progress(), in the order it says it, until the call
       returns; must not wait, so it may set an event, or print. NULL: nobody is told. */
    weir_job_progress_fn *progress;
    void *progress_arg; /* passed to it */
} weir_offload_options;

/** How to run one function over many items on the threads of a pool. Zero is the default of each
 * field. */
typedef struct weir_pool_map_options {
    weir_policy policy; /* WEIR_FAIL_FAST (default) or WEIR_COLLECT_ALL */
    size_t
        running_max;  /* threads at it at once; 0: as many as the pool may have, or the CPUs if they
                           are fewer */
    size_t chunk;     /* items that a thread takes at a time; 0: many at first, single ones at the
                           end, so that all threads end together */
    const char *name; /* as weir_offload_options.name */
} weir_pool_map_options;

enum { WEIR_POOL_WAIT_BUCKETS = 8 };

/** A snapshot of a pool. */
typedef struct weir_pool_stats {
    size_t threads; /* alive */
    size_t threads_max;
    size_t running; /* jobs on threads, abandoned ones included */
    size_t queued;  /* jobs waiting for a thread */
    size_t queue_max;
    int64_t oldest_wait_ns; /* of the job that has waited longest for a thread; 0: none waits */
    uint64_t finished;      /* jobs that ran to their end, since the pool was opened */
    uint64_t cancelled;     /* jobs removed before they began */
    uint64_t abandoned;     /* jobs left running by their callers */
    uint64_t refused;       /* calls that got -EBUSY */
    int64_t wait_total_ns;  /* in the queue, of all jobs that began; by their number: the mean */
    int64_t wait_max_ns;
    /* Jobs that began, by how long they had waited: below 10 us, 100 us, 1 ms, 10 ms, 100 ms, 1 s,
       10 s, and above. */
    uint64_t waits[WEIR_POOL_WAIT_BUCKETS];
} weir_pool_stats;

WEIR_BEGIN_DECLS

/**
 * Open a pool. Threads are started when there is work for them.
 *
 * @param options   borrowed; NULL for the defaults
 * @param out_pool  to be closed with weir_pool_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a negative duration, or threads without limit
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_pool_open(const weir_pool_options *options, weir_pool **out_pool);

/**
 * End a pool: no new jobs; those that were accepted run, weir_job_cancelled() is true in them, and
 * their callers get their results; then the threads end. It cannot be left early: cancellation does
 * not shorten it, but its budget does (weir_pool_options.close_budget_ns). What runs even then is
 * reported and left running; it stays safe, and its memory with it.
 *
 * @param pool  taken; NULL does nothing. Nobody may begin to use it any more
 *
 * Returns     nothing
 * Checkpoint  while a job runs: other tasks go on. Outside a task it blocks the thread
 * Thread      the loop that opened it; for one that was opened outside loops, any
 * Source      rules X7, O8
 */
WEIR_API WEIR_CHECKPOINT void weir_pool_close(weir_pool *pool);

/**
 * Run a job on a thread of a pool and wait for it; only the calling task waits.
 *
 * A cancelled caller leaves the queue: then fn never runs. Once fn runs, the caller waits for its
 * end and gets its result; meanwhile weir_job_cancelled() says to the job that nobody wants it any
 * more. What the job says with weir_fail() is the caller's as if it had said it itself.
 *
 * @param pool  open; NULL: the default pool, shared by the process, made when it is first used and
 *              closed with the last loop that used it
 * @param fn    runs at most once, on another thread
 * @param arg   passed to fn; the caller's again when this returns
 *
 * Returns     what fn returned, or a negative errno when fn never ran
 * Errors      -ECANCELED  the caller's scope is cancelled, and fn did not begin (or returned this)
 *             -ESHUTDOWN  the pool is being closed
 *             -ENOMEM     no memory for the first thread
 *             -EAGAIN     no thread could be started, and there is none yet
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules X5, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_offload(weir_pool *pool, weir_job_fn *fn,
                                                          void *arg);

/**
 * The same with options.
 *
 * @param pool     as weir_offload()
 * @param options  borrowed; NULL for the defaults
 * @param fn       as weir_offload()
 * @param arg      as weir_offload(); with options->abandon taken when this returns -ECANCELED
 *
 * Returns     as weir_offload()
 * Errors      as weir_offload(), and
 *             -EBUSY      options->try_only and queue_max jobs wait
 *             -ECANCELED  with options->abandon also when fn runs on
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules X5, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_offload_with(weir_pool *pool,
                                                               const weir_offload_options *options,
                                                               weir_job_fn *fn, void *arg);

/**
 * Whether nobody waits for the result of this job any more, or its pool is being closed: leave
 * soon.
 *
 * Returns     true when it should; false outside a job
 * Checkpoint  no
 * Thread      any; of use in a job
 * Source      rule X5
 */
WEIR_API bool weir_job_cancelled(void);

/**
 * From a job: run a function in the task that waits for it, with its scopes, deadline and loop, and
 * wait for what it comes to. The thread blocks meanwhile.
 *
 * @param fn   runs in the caller's task, where it may park; at most once
 * @param arg  passed to fn
 *
 * Returns     what fn returned, or a negative errno when fn never ran
 * Errors      -ESTALE  the caller has abandoned the job
 *             -EPERM   called outside a job
 * Checkpoint  no: it blocks the thread of the job
 * Thread      of a pool, in a job
 * Source      rule X6
 */
WEIR_API WEIR_MUST_CHECK int weir_job_call(weir_task_fn *fn, void *arg);

/**
 * From a job: say how far it has come. Its caller's progress function hears the latest of what was
 * said since it was told last: a job may say it as often as it likes. Does nothing when nobody
 * listens.
 *
 * @param done   in whatever unit
 * @param total  in the same; 0: not known. When it changes, one call may pair it with the done
 *               before
 *
 * Returns     nothing
 * Checkpoint  no; it does not wait for the loop either
 * Thread      of a pool, in a job
 */
WEIR_API void weir_job_progress(uint64_t done, uint64_t total);

/**
 * Compute something for each of many items on the threads of a pool, and wait for all of them.
 *
 * The items are taken in order, in chunks; what the function finds out it leaves in its item, so
 * the results stand in the order of the items. After a failure (WEIR_FAIL_FAST) no further item is
 * begun, and weir_job_cancelled() is true in those that run; so it is when the caller is cancelled.
 *
 * @param pool        as weir_offload()
 * @param options     borrowed; NULL for the defaults
 * @param fn          called with a pointer to each item; blocks or computes as any job
 * @param items       borrowed
 * @param item_bytes  size of one
 * @param count       of items; 0 is fine
 * @param out_codes   what fn returned for each item, -ECANCELED for one that was not begun; exact
 *                    on every return; may be NULL with WEIR_FAIL_FAST
 *
 * Returns     WEIR_FAIL_FAST: 0 when all went well, else the first failure; WEIR_COLLECT_ALL: how
 *             many failed; or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EINVAL     another policy; or WEIR_COLLECT_ALL without out_codes
 *             others      as weir_offload()
 * Checkpoint  when count is not 0
 * Thread      a loop's, in a task
 * Source      rules X5, P1, P2, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_pool_map(weir_pool *pool,
                                                           const weir_pool_map_options *options,
                                                           weir_job_fn *fn, void *items,
                                                           size_t item_bytes, size_t count,
                                                           int *out_codes);

/**
 * What a pool is doing.
 *
 * @param pool       open; NULL: the default pool, all zero while there is none
 * @param out_stats  written
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_pool_stats_get(weir_pool *pool, weir_pool_stats *out_stats);

WEIR_END_DECLS

#endif
