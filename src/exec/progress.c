/*
 * progress.c - a job says how far it is; the loop hears the latest
 *
 * One post a job, which is on its way at most once: what is said meanwhile only changes the numbers
 * that it will find. The post is sent before the job is sent home, and mail keeps its order, so a
 * job that is waited for has no word under way when its caller goes on. Only an abandoned one may;
 * then the later of the two, its thread and its post, releases it.
 *
 * Runs on  the thread of the job; told() on its loop.
 * Costs    a word: three stores and an exchange; the first since the loop listened also a lock and
 *          a post.
 */
#include "base/alloc.h"
#include "exec/pool.h"

static void told(struct weir__post *post)
{
    struct weir__job *job = WEIR__CONTAINER(post, struct weir__job, progress.post);
    struct weir__progress *progress = &job->progress;
    weir_job_progress_fn *fn = progress->fn; /* of an abandoned job there is none, and no job
                                                soon */
    weir_loop *loop = weir__loop;
    int before = __atomic_fetch_and(&progress->state, ~WEIR__PROGRESS_SENT, __ATOMIC_ACQ_REL);
    if ((before & WEIR__PROGRESS_SETTLED) != 0)
        weir__base_free(job);
    if (fn == NULL)
        return;
    struct weir__outside outside = weir__core_go_outside(loop, NULL);
    fn(__atomic_load_n(&progress->done, __ATOMIC_RELAXED),
       __atomic_load_n(&progress->total, __ATOMIC_RELAXED), progress->arg);
    weir__core_come_back(loop, outside);
}

void weir__exec_free_abandoned(struct weir__job *job)
{
    int before = __atomic_fetch_or(&job->progress.state, WEIR__PROGRESS_SETTLED, __ATOMIC_ACQ_REL);
    if ((before & WEIR__PROGRESS_SENT) == 0)
        weir__base_free(job);
}

/* Under the lock it cannot be abandoned, so its loop is there. */
static void send_word(struct weir__job *job)
{
    weir_pool *pool = job->pool;
    weir__base_mutex_lock(&pool->lock);
    bool abandoned = job->abandoned;
    if (!abandoned) {
        job->progress.post.run = told;
        weir_ignore(weir__core_post(job->loop, &job->progress.post), "its caller is parked");
    }
    weir__base_mutex_unlock(&pool->lock);
    if (abandoned)
        __atomic_fetch_and(&job->progress.state, ~WEIR__PROGRESS_SENT, __ATOMIC_ACQ_REL);
}

void weir_job_progress(uint64_t done, uint64_t total)
{
    struct weir__job *job = weir__exec_current_job();
    if (job == NULL || !job->listened_to)
        return;
    struct weir__progress *progress = &job->progress;
    __atomic_store_n(&progress->total, total, __ATOMIC_RELAXED);
    __atomic_store_n(&progress->done, done, __ATOMIC_RELAXED);
    int before = __atomic_fetch_or(&progress->state, WEIR__PROGRESS_SENT, __ATOMIC_ACQ_REL);
    if ((before & WEIR__PROGRESS_SENT) == 0)
        send_word(job);
}
