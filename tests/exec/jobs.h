/*
 * jobs.h - what the tests of exec share: a gate that holds jobs, and looks at a pool
 */
#ifndef WEIR_TESTS_EXEC_JOBS_H
#define WEIR_TESTS_EXEC_JOBS_H

#include <weir/weir.h>

#include "base/thread.h"
#include "tests/support/test.h"

/* Jobs wait at a gate until it is open. */
struct gate {
    struct weir__mutex lock;
    struct weir__cond opened;
    bool open;
};

void gate_init(struct gate *gate);
void gate_deinit(struct gate *gate);
void gate_open(struct gate *gate);
void gate_wait(struct gate *gate);

weir_pool *open_pool(size_t threads_max);
weir_pool_stats stats_of(weir_pool *pool);
/* Lets other tasks run until so many jobs are on threads, in the queue, or have ended. */
void until_running(weir_pool *pool, size_t count);
void until_queued(weir_pool *pool, size_t count);
void until_threads(weir_pool *pool, size_t count);
/* The same without letting anybody run: what comes home stays in the inbox. */
void hold_until_finished(weir_pool *pool, uint64_t count);

weir_group *open_group(weir_policy policy);
weir_task_id spawn(weir_group *group, weir_task_fn *fn, void *arg);

/* A task that offloads one job that waits at a gate. */
struct held {
    weir_pool *pool;
    struct gate *gate;
    weir_offload_options options;
    int job_rc;         /* what the job returns */
    int rc;             /* what the call returned */
    bool ran, ended;    /* the job has begun; the call has returned */
    bool saw_cancelled; /* the job asked, after the gate */
    int released_count; /* by abandon */
};

int offload_held(void *arg);  /* a task */
int run_held(void *arg);      /* its job */
void release_held(void *arg); /* for options.abandon */

#endif
