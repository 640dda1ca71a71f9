/*
 * here.c - jobs on their loop, where a test has a simulated disk
 *
 * A thread's work is not the same twice. So while a disk is simulated (weir/test.h), what would go
 * to a thread of the default pool runs inside the task that waits for it, in one of its next turns;
 * what its calls on the disk take of virtual time is slept afterwards, and cannot be cancelled:
 * that is what the disk is doing meanwhile (O7).
 *
 * Runs on  the loop's own thread.
 */
#include <weir/scope.h>

#include "base/virtual_disk.h"
#include "exec/pool.h"

static int wait_for_disk(int64_t cost_ns)
{
    weir_scope shield = {0};
    if (cost_ns == 0)
        return 0;
    int rc = weir_shield_enter(&shield, WEIR_FOREVER);
    return rc < 0 ? rc : weir_scope_leave(&shield, weir_sleep(cost_ns));
}

bool weir__exec_runs_here(const weir_pool *pool, const weir_offload_options *options)
{
    return weir__virtual_disk() != NULL && pool == NULL && options->abandon == NULL &&
           options->progress == NULL;
}

int weir__exec_run_here(struct weir__job *job)
{
    int rc = weir_yield(); /* in its queue: here it may be cancelled */
    if (rc < 0)
        return rc;
    job->here = true;
    weir__virtual_file_cost_ns(); /* what went before is nobody's */
    weir__exec_enter_job(job);
    rc = job->fn(job->arg);
    weir__exec_enter_job(NULL);
    weir_ignore(wait_for_disk(weir__virtual_file_cost_ns()), "the job has its result");
    return rc == -ECANCELED ? weir__core_cancelled_result(job->task) : rc;
}

/* weir_job_call(): the loop is here. */
int weir__exec_call_here(struct weir__job *job, weir_task_fn *fn, void *arg)
{
    weir__exec_enter_job(NULL); /* other tasks may run meanwhile */
    int rc = fn(arg);
    weir__exec_enter_job(job);
    return rc;
}
