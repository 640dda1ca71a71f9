/*
 * background.c - tasks that outlive their request: owned by the app, one group on each worker
 *
 * Each runs inside a frame that counts it, and that tells its failure when it happens instead of
 * keeping it for a group that may be open for months. The group belongs to a task of its own (the
 * keeper), so that it can be cancelled without cancelling the worker.
 *
 * Runs on  the worker's loop.
 */
#include <stdio.h>
#include <string.h>
#include <weir/local.h>
#include <weir/log.h>
#include <weir/remote.h>
#include <weir/scope.h>

#include "app/app.h"
#include "base/alloc.h"

enum { REQUEST_ID_BYTES = 40 };

/* The id of the request that everything here goes back to. */
static weir_local request_id = WEIR_LOCAL_INIT(NULL);

/* One task: what it runs, and a copy of its arguments. */
struct job {
    weir_app_worker *worker;
    weir_task_fn *fn;
    const weir_site *site;
    int64_t begun_at_ns;
    char request_id[REQUEST_ID_BYTES]; /* of its origin; empty: none */
    _Alignas(max_align_t) unsigned char arg[];
};

struct run_job {
    struct job *job;
};

/* --- the end of one --------------------------------------------------------------------------- */

static void tell(const struct job *job, int rc, bool failed)
{
    char spawned[120];
    snprintf(spawned, sizeof spawned, "%s:%d", job->site->file, job->site->line);
    int64_t ran_ms = (weir_now() - job->begun_at_ns) / WEIR_MS;
    if (failed)
        weir_log_error("background task failed", WEIR_KV("task", job->site->function),
                       WEIR_KV("code", weir_code_name(rc)),
                       WEIR_KV("message", weir_failure_message(rc)), WEIR_KV("spawned", spawned),
                       WEIR_KV("ran_ms", ran_ms), WEIR_KV("request", job->request_id));
    else if (job->worker->draining)
        weir_log_info(rc < 0 ? "weir W801 a background task was cancelled"
                             : "weir W801 a background task finished",
                      WEIR_KV("task", job->site->function), WEIR_KV("spawned", spawned),
                      WEIR_KV("ran_ms", ran_ms));
}

static void leave(weir_app_worker *worker)
{
    uint64_t running = weir__app_read(&worker->background_running) - 1;
    __atomic_store_n(&worker->background_running, running, __ATOMIC_RELAXED);
    if (running > 0 || worker->quiet_waiter == NULL)
        return;
    weir_task *waiter = worker->quiet_waiter;
    worker->quiet_waiter = NULL;
    weir__core_wake(waiter, 0);
}

/* In a scope: what the task defers belongs before its end is told. */
static int call(struct job *job)
{
    weir_scope scope = {0};
    if (job->request_id[0] != '\0')
        weir_ignore(weir_local_set(&request_id, job->request_id),
                    "without memory for it, what this task starts does not say where it is from");
    int rc = weir_scope_enter(&scope);
    return rc < 0 ? rc : weir_scope_leave(&scope, job->fn(job->arg));
}

static int run_job(struct run_job *a)
{
    struct job *job = a->job;
    weir_app_worker *worker = job->worker;
    job->begun_at_ns = weir_now();
    int rc = call(job);
    bool cancelled = rc == -ECANCELED && weir_cancelled();
    bool failed = rc < 0 && !cancelled;
    if (cancelled)
        weir__app_add(&worker->background_cancelled, 1);
    if (failed)
        weir__app_add(&worker->background_failed, 1);
    if (rc < 0 && worker->cancelling)
        weir__app_add(&worker->background_cut, 1);
    tell(job, rc, failed);
    weir__base_free(job);
    leave(worker);
    /* A failure has been told. -ECANCELED without a cancel is a mistake that core has words for. */
    return rc == -ECANCELED ? rc : 0;
}

/* --- starting one ----------------------------------------------------------------------------- */

static int start(weir_app_worker *worker, const char *id, weir_task_fn *fn, const void *arg,
                 size_t arg_bytes, const weir_site *site)
{
    if (worker->draining || worker->background == NULL || weir__app_stopping(worker->app)) {
        weir__app_add(&worker->background_refused, 1);
        return weir_fail(-ESHUTDOWN, "no background task is started while the service drains");
    }
    struct job *job = weir__base_alloc(sizeof *job + arg_bytes);
    if (job == NULL)
        return -ENOMEM;
    *job = (struct job){.worker = worker, .fn = fn, .site = site};
    snprintf(job->request_id, sizeof job->request_id, "%s", id == NULL ? "" : id);
    memcpy(job->arg, arg, arg_bytes);
    struct run_job run = {job};
    int rc = weir__spawn_copy(worker->background, WEIR__TASK_FN(run_job), &run, sizeof run, site);
    if (rc < 0) {
        weir__base_free(job);
        return rc;
    }
    weir__app_add(&worker->background_started, 1);
    weir__app_add(&worker->background_running, 1);
    return 0;
}

int weir__background_copy(weir_request *request, weir_task_fn *fn, const void *arg,
                          size_t arg_bytes, const weir_site *site)
{
    return start(weir_request_worker(request), weir_request_id(request), fn, arg, arg_bytes, site);
}

int weir__background_here(weir_task_fn *fn, const void *arg, size_t arg_bytes,
                          const weir_site *site)
{
    weir_app_worker *worker = weir_app_worker_self();
    if (worker == NULL)
        return weir_fail(-EPERM, "this thread is no worker of an app");
    return start(worker, weir_local_get(&request_id), fn, arg, arg_bytes, site);
}

/* --- all of a worker's ------------------------------------------------------------------------ */

int weir__app_keep_background(void *arg)
{
    weir_app_worker *worker = arg;
    int rc = weir_group_open(&worker->background, &(weir_group_options){.policy = WEIR_COLLECT_ALL,
                                                                        .name = "background"});
    if (rc < 0)
        return rc;
    weir_ignore(weir_event_wait(&worker->over), "cancelled: the group is joined then");
    /* Until the join nobody may spawn: those that are asked are refused (draining). */
    weir_group *group = worker->background;
    weir_ignore(weir_group_close(group, 0), "each task has told its failure itself");
    worker->background = NULL;
    return 0;
}

void weir__app_wait_background(weir_app_worker *worker)
{
    if (weir__app_read(&worker->background_running) == 0)
        return;
    worker->quiet_waiter = weir__core_task();
    weir__core_park(WEIR_WAIT_OTHER, worker, NULL);
}

void weir_background_stats_get(const weir_app *app, weir_background_stats *out_stats)
{
    weir_background_stats stats = {0};
    for (unsigned i = 0; i < app->worker_count; i++) {
        const weir_app_worker *worker = &app->workers[i];
        stats.running += (size_t)weir__app_read(&worker->background_running);
        stats.started += weir__app_read(&worker->background_started);
        stats.failed += weir__app_read(&worker->background_failed);
        stats.cancelled += weir__app_read(&worker->background_cancelled);
        stats.refused += weir__app_read(&worker->background_refused);
    }
    *out_stats = stats;
}
