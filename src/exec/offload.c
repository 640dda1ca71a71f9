/*
 * offload.c - a task and its job: sending it, waiting for it, letting it go
 *
 * Runs on  the loop of the caller, but for weir_job_call() and weir_job_cancelled(), which run on
 *          the job's thread.
 * Holds    1. A default job is on its caller's stack: the caller does not leave before its thread
 *             has let go of it.
 *          2. One that may be abandoned is on the heap. It is released by its caller, or, once
 *             abandoned, by its thread.
 */
#include "base/alloc.h"
#include "exec/pool.h"

/* --- news for the caller ---------------------------------------------------------------------- */

void weir__exec_bring_home(struct weir__post *post)
{
    struct weir__job *job = WEIR__CONTAINER(post, struct weir__job, post);
    if (job->at_home == NULL)
        weir__core_wake(job->task, WEIR__JOB_CAME_HOME);
    else
        weir__exec_at_home(job);
}

/* With the lock: nobody wants the job any more; 0 when its caller has to wait all the same. */
static int let_go(struct weir__job *job)
{
    weir_pool *pool = job->pool;
    switch (job->state) {
    case WEIR__JOB_QUEUED:
        weir__list_remove(&job->link);
        pool->queue_count--;
        pool->cancelled_count++;
        return WEIR__JOB_REMOVED;
    case WEIR__JOB_RUNNING:
        __atomic_store_n(&job->cancelled, true, __ATOMIC_RELAXED);
        if (job->abandon == NULL)
            return 0;
        job->abandoned = true;
        job->progress.fn = NULL;
        pool->abandoned_count++;
        return WEIR__JOB_ABANDONED;
    default: /* it is on its way home: the result wins */
        return 0;
    }
}

static void abort_job(weir_task *task, void *object)
{
    struct weir__job *job = object;
    weir_pool *pool = job->pool;
    weir__base_mutex_lock(&pool->lock);
    int news = let_go(job);
    weir__base_mutex_unlock(&pool->lock);
    if (news != 0) /* the job may be gone by now */
        weir__core_wake(task, news);
}

/* --- weir_job_call() -------------------------------------------------------------------------- */

/* With the lock. */
static void answer(struct weir__job *job, int rc)
{
    job->ask_rc = rc;
    job->ask = WEIR__ASK_ANSWERED;
    weir__base_cond_signal(&job->worker->answered);
}

static void bring_question(struct weir__post *post)
{
    struct weir__job *job = WEIR__CONTAINER(post, struct weir__job, post);
    weir_pool *pool = job->pool;
    weir_task *task = job->task;
    weir__base_mutex_lock(&pool->lock);
    bool abandoned = job->abandoned;
    if (abandoned)
        answer(job, -ESTALE);
    weir__base_mutex_unlock(&pool->lock);
    if (!abandoned)
        weir__core_wake(task, WEIR__JOB_ASKS);
}

/* In the caller's task. A cancellation that came meanwhile found nobody parked in the job: it is
 * passed on here. Returns news, or 0 to wait on. */
static int answer_question(struct weir__job *job, weir_task *task)
{
    weir_pool *pool = job->pool;
    int rc = job->ask_fn(job->ask_arg);
    weir__base_mutex_lock(&pool->lock);
    answer(job, rc);
    int news = weir__core_cancelled(task) ? let_go(job) : 0;
    weir__base_mutex_unlock(&pool->lock);
    return news;
}

int weir_job_call(weir_task_fn *fn, void *arg)
{
    struct weir__job *job = weir__exec_current_job();
    if (job == NULL)
        return -EPERM;
    if (job->here)
        return weir__exec_call_here(job, fn, arg);
    weir_pool *pool = job->pool;
    int rc = -ESTALE;
    weir__base_mutex_lock(&pool->lock);
    if (!job->abandoned) {
        job->ask = WEIR__ASK_SENT;
        job->ask_fn = fn;
        job->ask_arg = arg;
        job->post.run = bring_question;
        /* Under the lock it cannot be abandoned, so its loop is there; and a loop that ends reads
         * all its mail first, so the answer comes. */
        weir_ignore(weir__core_post(job->loop, &job->post), "its caller is parked");
        while (job->ask != WEIR__ASK_ANSWERED)
            weir__base_cond_wait(&job->worker->answered, &pool->lock);
        rc = job->ask_rc;
    }
    weir__base_mutex_unlock(&pool->lock);
    return rc;
}

bool weir_job_cancelled(void)
{
    const struct weir__job *job = weir__exec_current_job();
    return job != NULL && __atomic_load_n(&job->cancelled, __ATOMIC_RELAXED);
}

/* --- the call --------------------------------------------------------------------------------- */

static int wait_for(struct weir__job *job, weir_task *task)
{
    weir_loop *loop = job->loop;
    int news = 0;
    weir__core_external_begin(loop);
    while (news == 0) {
        news = weir__core_park(WEIR_WAIT_JOB, job, abort_job);
        if (news == WEIR__JOB_ASKS)
            news = answer_question(job, task);
    }
    weir__core_external_end(loop);
    return news;
}

/* What a job that came home came to. */
static int result_of(struct weir__job *job, weir_task *task)
{
    int rc = job->rc == -ECANCELED ? weir__core_cancelled_result(task) : job->rc;
    if (job->detail != NULL) {
        job->detail->code = rc;
        weir__failure_adopt(task, job->detail);
    }
    return rc;
}

static int run_job(struct weir__job *job, bool try_only)
{
    weir_task *task = job->task;
    int rc = weir__exec_submit(job, try_only);
    if (rc < 0)
        return rc;
    switch (wait_for(job, task)) {
    case WEIR__JOB_CAME_HOME:
        return result_of(job, task);
    default:
        return weir__core_cancelled_result(task);
    }
}

static int run_abandonable(struct weir__job job, bool try_only)
{
    struct weir__job *kept = weir__base_alloc(sizeof *kept);
    if (kept == NULL)
        return -ENOMEM;
    *kept = job;
    kept->locals = weir__locals_share(weir__task_locals(job.task));
    int rc = weir__exec_submit(kept, try_only);
    if (rc < 0) {
        weir__locals_release(kept->locals);
        weir__base_free(kept);
        return rc;
    }
    switch (wait_for(kept, job.task)) {
    case WEIR__JOB_ABANDONED:
        return -ECANCELED; /* arg and job belong to its thread */
    case WEIR__JOB_CAME_HOME:
        rc = result_of(kept, job.task);
        break;
    default:
        rc = weir__core_cancelled_result(job.task);
        break;
    }
    weir__locals_release(kept->locals);
    weir__base_free(kept);
    if (rc == -ECANCELED)
        job.abandon(job.arg);
    return rc;
}

int weir_offload_with(weir_pool *pool, const weir_offload_options *options, weir_job_fn *fn,
                      void *arg)
{
    static const weir_offload_options defaults;
    if (options == NULL)
        options = &defaults;
    int rc = weir__core_checkpoint();
    if (rc == -ECANCELED && options->abandon != NULL)
        options->abandon(arg);
    bool here = rc == 0 && weir__exec_runs_here(pool, options);
    if (rc == 0 && pool == NULL && !here)
        rc = weir__exec_default_pool(&pool);
    if (rc < 0)
        return rc;
    weir_loop *loop = weir__core_loop();
    weir_task *task = weir__core_task();
    struct weir__job job = {.pool = pool,
                            .loop = loop,
                            .task = task,
                            .task_id = weir__core_task_id(loop, task),
                            .fn = fn,
                            .arg = arg,
                            .abandon = options->abandon,
                            .name = options->name,
                            .listened_to = options->progress != NULL,
                            .progress = {.fn = options->progress, .arg = options->progress_arg}};
    if (here)
        return weir__exec_run_here(&job);
    if (options->abandon != NULL)
        return run_abandonable(job, options->try_only);
    job.locals = weir__locals_share(weir__task_locals(task));
    rc = run_job(&job, options->try_only);
    weir__locals_release(job.locals);
    return rc;
}

int weir_offload(weir_pool *pool, weir_job_fn *fn, void *arg)
{
    return weir_offload_with(pool, NULL, fn, arg);
}
