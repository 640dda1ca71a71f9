/*
 * background.c - jobs that no task waits for: what is read ahead
 *
 * The memory of such a job belongs to whoever sent it, until it comes home or is lost.
 *
 * Runs on  the loop that sends it; a lost one ends on its thread.
 * Holds    1. The loop's memory stays until the job is at home or lost.
 *          2. A loop that ends waits for its jobs as long as a pool that is closed does; one that
 *             takes longer is lost.
 */
#include "base/alloc.h"
#include "exec/pool.h"

int weir__exec_start(struct weir__job *job)
{
    int rc = weir__exec_default_pool(&job->pool);
    if (rc < 0)
        return rc;
    job->loop = weir_loop_retain_self();
    weir__core_external_begin(job->loop);
    rc = weir__exec_submit(job, true);
    if (rc < 0) {
        weir__core_external_end(job->loop);
        weir_loop_release(job->loop);
    }
    return rc;
}

void weir__exec_at_home(struct weir__job *job)
{
    weir_loop *loop = job->loop;
    weir__core_external_end(loop);
    weir__base_free(job->detail);
    job->detail = NULL;
    job->at_home(job);
    weir_loop_release(loop);
}

void weir__exec_lost(struct weir__job *job)
{
    weir_loop *loop = job->loop;
    weir__base_free(job->detail);
    job->detail = NULL;
    job->lost(job);
    weir_loop_release(loop);
}
