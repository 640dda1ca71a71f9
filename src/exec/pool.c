/*
 * pool.c - the threads of a pool: started when there is work, gone when there is none
 *
 * A thread is called, woken or started, when a job is queued that none of those about to look at
 * the queue will take; one at a time, and it calls the next when it finds more than it takes. So a
 * flood of short jobs is done by few threads, and jobs that block get one each. A thread leaves
 * after a while without work. A job that is done is sent home before its thread runs the next one,
 * whatever that may take: the loop's inbox does the batching, it is woken once for any number.
 *
 * Runs on  any thread.
 * Costs    a job: two rounds of one lock, one exchange on the loop's inbox, and a wake-up at each
 *          end if the other side sleeps. No allocation.
 */
#include "exec/pool.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"
#include "core/observe.h"

enum { THREADS_MOST = 32, THREADS_LIMIT = 4096, QUEUE_MAX_DEFAULT = 1024 };

#define IDLE_TIMEOUT_DEFAULT (30 * WEIR_SEC)
#define CLOSE_BUDGET_DEFAULT (5 * WEIR_SEC)

static _Thread_local struct weir__job *current_job;

struct weir__job *weir__exec_current_job(void)
{
    return current_job;
}

void weir__exec_enter_job(struct weir__job *job)
{
    current_job = job;
}

/* --- open ------------------------------------------------------------------------------------- */

static size_t default_threads(void)
{
    size_t threads = 2 * (size_t)weir__sys_cpu_count() + 4;
    return threads > THREADS_MOST ? THREADS_MOST : threads;
}

int weir__exec_open(const weir_pool_options *options, weir_pool **out_pool)
{
    static const weir_pool_options defaults;
    if (options == NULL)
        options = &defaults;
    if (options->threads_max > THREADS_LIMIT || options->idle_timeout_ns < 0 ||
        options->close_budget_ns < 0)
        return -EINVAL;
    weir_pool *pool = weir__base_alloc_zero(sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    weir__list_init(&pool->entry.link);
    weir__base_mutex_init(&pool->lock);
    weir__base_cond_init(&pool->work);
    weir__base_cond_init(&pool->quiet);
    weir__list_init(&pool->queue);
    weir__list_init(&pool->running);
    weir__list_init(&pool->closers);
    pool->threads_max = options->threads_max == 0 ? default_threads() : options->threads_max;
    pool->queue_max = options->queue_max == 0 ? QUEUE_MAX_DEFAULT : options->queue_max;
    pool->idle_timeout_ns =
        options->idle_timeout_ns == 0 ? IDLE_TIMEOUT_DEFAULT : options->idle_timeout_ns;
    pool->close_budget_ns =
        options->close_budget_ns == 0 ? CLOSE_BUDGET_DEFAULT : options->close_budget_ns;
    snprintf(pool->name, sizeof pool->name, "%s", options->name == NULL ? "exec" : options->name);
    *out_pool = pool;
    return 0;
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_pool_close(WEIR__CONTAINER(entry, weir_pool, entry));
}

int weir_pool_open(const weir_pool_options *options, weir_pool **out_pool)
{
    int rc = weir__exec_open(options, out_pool);
    if (rc == 0)
        weir__ledger_add(&(*out_pool)->entry, "pool", __builtin_return_address(0), close_forgotten);
    return rc;
}

static void join_left(struct weir__worker *worker)
{
    if (worker == NULL)
        return;
    weir__base_thread_join(&worker->thread);
    weir__base_cond_deinit(&worker->answered);
    weir__base_free(worker);
}

static void release(weir_pool *pool)
{
    while (__atomic_load_n(&pool->callers, __ATOMIC_ACQUIRE) > 0)
        weir__base_thread_pause();
    weir__base_cond_deinit(&pool->quiet);
    weir__base_cond_deinit(&pool->work);
    weir__base_mutex_deinit(&pool->lock);
    weir__base_free(pool);
}

/* --- a job on its thread ---------------------------------------------------------------------- */

static struct weir__detail *keep_detail(const struct weir__detail *said, int rc)
{
    if (rc >= 0 || said->code != rc)
        return NULL;
    struct weir__detail *kept = weir__base_alloc(sizeof *kept);
    if (kept != NULL) /* else the code goes home alone */
        *kept = *said;
    return kept;
}

static void run(struct weir__job *job, struct weir__detail *said)
{
    said->code = 0;
    current_job = job;
    weir__job_locals = job->locals;
    job->rc = job->fn(job->arg);
    weir__job_locals = NULL;
    current_job = NULL;
    job->detail = keep_detail(said, job->rc);
}

/* Its caller has gone: what it came to is told here or nowhere. */
static void settle_abandoned(struct weir__job *job)
{
    if (job->rc < 0 && job->rc != -ECANCELED) {
        struct weir__failure_record record = {
            .public = {.code = job->rc,
                       .origin = WEIR_FAILURE_JOB,
                       .task = job->task_id,
                       .task_name = job->name,
                       .task_fn = (const void *)(uintptr_t)job->fn,
                       .fail_address = job->detail == NULL ? NULL : job->detail->address,
                       .message = record.message,
                       .at_ns = weir__base_kernel_now()}};
        if (job->detail != NULL)
            memcpy(record.message, job->detail->message, sizeof record.message);
        weir_failures failures = {.code = job->rc};
        weir__failures_append(&failures, &record);
        weir__core_find(&(struct weir__finding){.kind = WEIR__FINDING_FAILURES,
                                                .failures = &failures,
                                                .address = record.public.task_fn,
                                                .count = 1,
                                                .what = "a job failed after its caller had left"});
    }
    job->abandon(job->arg);
    weir__locals_release(job->locals);
    weir__base_free(job->detail);
    weir__exec_free_abandoned(job);
}

/* After it was marked DONE, without the lock. */
static void send_home(struct weir__job *job)
{
    job->post.run = weir__exec_bring_home;
    int rc = weir__core_post(job->loop, &job->post);
    if (rc < 0) // no task waits for it: else its loop would be there
        weir__exec_lost(job);
}

/* With the lock, which is given back for a while when the job was abandoned: its slot stays taken
 * until its argument has been released. True: it is to be sent home. */
static bool mark_done(weir_pool *pool, struct weir__job *job)
{
    bool abandoned = job->abandoned;
    weir__list_remove(&job->link);
    job->state = WEIR__JOB_DONE;
    if (abandoned) {
        weir__base_mutex_unlock(&pool->lock);
        settle_abandoned(job);
        weir__base_mutex_lock(&pool->lock);
    }
    pool->running_count--;
    pool->finished_count++;
    return !abandoned;
}

static void *work(void *arg);

/* With the lock: the thread's first act is to take it, so it finds its own record complete. */
static int start_thread(weir_pool *pool)
{
    struct weir__worker *worker = weir__base_alloc_zero(sizeof *worker);
    if (worker == NULL)
        return -ENOMEM;
    worker->pool = pool;
    weir__base_cond_init(&worker->answered);
    int rc = weir__base_thread_start(&worker->thread, pool->name, work, worker);
    if (rc < 0) {
        weir__base_cond_deinit(&worker->answered);
        weir__base_free(worker);
        return rc;
    }
    pool->thread_count++;
    return 0;
}

/*
 * With the lock, to be given back with unlock_and_call(): see to it that somebody comes for what is
 * queued. One thread is called at a time; it calls the next one when it finds more than it takes.
 * Fails only when there is no thread at all.
 */
static int call_thread(weir_pool *pool)
{
    size_t coming_count = pool->thread_count - pool->running_count - pool->idle_count;
    if (pool->calling || pool->queue_count <= coming_count)
        return 0;
    if (pool->idle_count > 0) {
        pool->calling = true;
        pool->call_due = true;
        return 0;
    }
    if (pool->thread_count == pool->threads_max)
        return 0;
    int rc = start_thread(pool);
    if (rc == 0)
        pool->calling = true;
    return pool->thread_count > 0 ? 0 : rc;
}

/* A thread that is woken wants the lock first: it is free by then. The pool waits for us before it
 * goes, since the job that we call for may be the last and over already. */
static void unlock_and_call(weir_pool *pool)
{
    bool call = pool->call_due;
    pool->call_due = false;
    if (call)
        __atomic_add_fetch(&pool->callers, 1, __ATOMIC_RELAXED);
    weir__base_mutex_unlock(&pool->lock);
    if (call) {
        weir__base_cond_signal(&pool->work);
        __atomic_sub_fetch(&pool->callers, 1, __ATOMIC_RELEASE);
    }
}

static struct weir__job *take(weir_pool *pool, struct weir__worker *self)
{
    struct weir__list *node = weir__list_take_first(&pool->queue);
    if (node == NULL)
        return NULL;
    struct weir__job *job = WEIR__CONTAINER(node, struct weir__job, link);
    pool->queue_count--;
    pool->running_count++;
    weir__list_append(&pool->running, &job->link);
    job->state = WEIR__JOB_RUNNING;
    job->worker = self;
    weir__exec_note_wait(pool, job);
    if (pool->stopping)
        __atomic_store_n(&job->cancelled, true, __ATOMIC_RELAXED);
    weir_ignore(call_thread(pool), "there is one: this");
    return job;
}

/* NULL: time to leave. */
static struct weir__job *wait_for_job(weir_pool *pool, struct weir__worker *self)
{
    int64_t until_ns = weir__base_add_ns(weir__base_kernel_now(), pool->idle_timeout_ns);
    for (;;) {
        struct weir__job *job = take(pool, self);
        if (job != NULL || pool->stopping)
            return job;
        pool->idle_count++;
        int rc = weir__base_cond_wait_until(&pool->work, &pool->lock, until_ns);
        pool->idle_count--;
        pool->calling = false;
        if (rc < 0 && weir__list_empty(&pool->queue))
            return NULL;
    }
}

struct closer {
    struct weir__list link; /* in no list: the news is under way */
    struct weir__post post;
    weir_pool *pool;
    weir_loop *loop;
    weir_task *task;
    struct weir__alarm budget;
};

/* With the lock: the last thread of a pool that is being closed has left. */
static void announce_quiet(weir_pool *pool)
{
    struct weir__list *node;
    while ((node = weir__list_take_first(&pool->closers)) != NULL) {
        struct closer *closer = WEIR__CONTAINER(node, struct closer, link);
        weir_ignore(weir__core_post(closer->loop, &closer->post),
                    "its task is parked, so its loop is there");
    }
    weir__base_cond_broadcast(&pool->quiet);
}

/* With the lock, which is given back: the pool may be gone right after. */
static void leave(weir_pool *pool, struct weir__worker *self)
{
    struct weir__worker *before = pool->last_left;
    pool->last_left = self;
    pool->thread_count--;
    bool last = pool->thread_count == 0;
    bool release_it = last && pool->orphaned;
    if (last && pool->stopping)
        announce_quiet(pool);
    weir__base_mutex_unlock(&pool->lock);
    join_left(before);
    if (release_it) { /* nobody is left to join us */
        weir__base_thread_detach(&self->thread);
        weir__base_cond_deinit(&self->answered);
        weir__base_free(self);
        release(pool);
    }
}

static void *work(void *arg)
{
    struct weir__worker *self = arg;
    weir_pool *pool = self->pool;
    struct weir__detail said;
    weir__job_detail = &said;
    struct weir__job *done = NULL;

    weir__base_mutex_lock(&pool->lock);
    pool->calling = false;
    for (;;) {
        if (done != NULL && !mark_done(pool, done))
            done = NULL;
        /* With one to send home, no waiting for another. */
        struct weir__job *job = done == NULL ? wait_for_job(pool, self) : take(pool, self);
        if (done == NULL && job == NULL)
            break;
        unlock_and_call(pool);
        if (done != NULL)
            send_home(done);
        if (job != NULL)
            run(job, &said);
        done = job;
        weir__base_mutex_lock(&pool->lock);
    }
    weir__job_detail = NULL;
    leave(pool, self);
    return NULL;
}

/* --- queueing --------------------------------------------------------------------------------- */

int weir__exec_submit(struct weir__job *job, bool try_only)
{
    weir_pool *pool = job->pool;
    int rc = 0;
    job->queued_at_ns = weir__base_kernel_now();
    weir__base_mutex_lock(&pool->lock);
    if (pool->stopping) {
        rc = -ESHUTDOWN;
    } else if (try_only && pool->queue_count >= pool->queue_max) {
        pool->refused_count++;
        rc = -EBUSY;
    } else {
        job->state = WEIR__JOB_QUEUED;
        weir__list_append(&pool->queue, &job->link);
        pool->queue_count++;
        rc = call_thread(pool);
        if (rc < 0) {
            weir__list_remove(&job->link);
            pool->queue_count--;
        }
    }
    unlock_and_call(pool);
    if (rc == -EBUSY)
        return weir_fail(rc, "pool %s: %zu jobs wait already", pool->name, pool->queue_max);
    if (rc == -EAGAIN || rc == -ENOMEM)
        return weir_fail(rc, "pool %s has no thread, and none can be started", pool->name);
    return rc;
}

/* --- close ------------------------------------------------------------------------------------ */

static void begin_stop(weir_pool *pool)
{
    weir__base_mutex_lock(&pool->lock);
    pool->closing_count++;
    pool->stopping = true;
    for (struct weir__list *node = pool->running.next; node != &pool->running; node = node->next)
        __atomic_store_n(&WEIR__CONTAINER(node, struct weir__job, link)->cancelled, true,
                         __ATOMIC_RELAXED);
    weir__base_cond_broadcast(&pool->work);
    weir__base_mutex_unlock(&pool->lock);
}

static void wait_on_this_thread(weir_pool *pool)
{
    int64_t until_ns = weir__base_add_ns(weir__base_kernel_now(), pool->close_budget_ns);
    int rc = 0;
    weir__base_mutex_lock(&pool->lock);
    while (pool->thread_count > 0 && rc == 0)
        rc = weir__base_cond_wait_until(&pool->quiet, &pool->lock, until_ns);
    weir__base_mutex_unlock(&pool->lock);
}

static void wake_closer(struct weir__post *post)
{
    weir__core_wake(WEIR__CONTAINER(post, struct closer, post)->task, 0);
}

static void give_up(struct weir__alarm *alarm)
{
    struct closer *closer = WEIR__CONTAINER(alarm, struct closer, budget);
    weir__base_mutex_lock(&closer->pool->lock);
    bool waits = !weir__list_empty(&closer->link);
    weir__list_remove(&closer->link);
    weir__base_mutex_unlock(&closer->pool->lock);
    if (waits)
        weir__core_wake(closer->task, 0);
}

static void wait_in_task(weir_pool *pool, weir_task *task)
{
    struct closer closer = {.post.run = wake_closer,
                            .pool = pool,
                            .loop = weir__core_loop(),
                            .task = task,
                            .budget.fire = give_up};
    weir__base_mutex_lock(&pool->lock);
    bool waits = pool->thread_count > 0;
    if (waits)
        weir__list_append(&pool->closers, &closer.link);
    weir__base_mutex_unlock(&pool->lock);
    if (!waits)
        return;
    weir__core_external_begin(closer.loop);
    weir__core_alarm_set(closer.loop, &closer.budget,
                         weir__base_add_ns(weir_now(), pool->close_budget_ns));
    weir__core_park(WEIR_WAIT_JOB, &closer, NULL);
    weir__core_alarm_clear(closer.loop, &closer.budget);
    weir__core_external_end(closer.loop);
}

void weir__exec_leave_quietly(weir_pool *pool)
{
    pool->leaves_quietly = true;
}

/* The last of those who close it releases it, or leaves it to its last thread. */
static void end_stop(weir_pool *pool)
{
    weir__base_mutex_lock(&pool->lock);
    bool last = --pool->closing_count == 0;
    size_t left_running = pool->running_count;
    bool quiet = pool->thread_count == 0;
    bool told = !pool->leaves_quietly;
    if (last)
        pool->orphaned = !quiet;
    weir__base_mutex_unlock(&pool->lock);
    if (!last)
        return;
    if (quiet) {
        join_left(pool->last_left);
        release(pool);
        return;
    }
    if (!told) // and the pool may be gone already
        return;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_LEFT_OPEN,
        .loop = weir__core_loop(),
        .task = weir__core_task(),
        .count = left_running,
        .what = "jobs still ran when the time to close their pool was up; they are left running"});
}

void weir_pool_close(weir_pool *pool)
{
    if (pool == NULL)
        return;
    weir__ledger_remove(&pool->entry);
    begin_stop(pool);
    weir_task *task = weir__core_task();
    if (task != NULL)
        wait_in_task(pool, task);
    else
        wait_on_this_thread(pool);
    end_stop(pool);
}
