/*
 * pool.h - threads, the jobs they run, and the queue between them and the loops
 *
 * offload.c is the side of the tasks, background.c that of jobs which no task waits for, pool.c
 * that of the threads, progress.c goes from the one to the other, map.c shares work out; stats.c
 * counts, process.c keeps the pool that every process has.
 *
 * A job lives on the stack of the task that waits for it, so the queue costs no memory however long
 * it is; only one that may be abandoned has memory of its own. The lock of the pool guards every
 * field but those that say otherwise, and the places of all its jobs.
 *
 * Holds  1. A job is in the queue exactly while QUEUED, in `running` exactly while RUNNING.
 *        2. DONE is final: its thread sends the job home (by post) and does not touch it again, and
 *           no cancellation does. So the result wins (O4).
 *        3. While a job is not abandoned its task is parked in it, so its loop is alive. One that
 *           no task waits for keeps the memory of its loop.
 *        4. A thread that has left is joined by the next one that leaves, or by close.
 */
#ifndef WEIR__EXEC_POOL_H
#define WEIR__EXEC_POOL_H

#include <weir/exec.h>

#include "base/thread.h"
#include "core/core.h"
#include "core/ledger.h"

struct weir__worker {
    struct weir__thread thread;
    weir_pool *pool;
    struct weir__cond answered; /* of weir_job_call() */
};

enum weir__job_state { WEIR__JOB_QUEUED, WEIR__JOB_RUNNING, WEIR__JOB_DONE };

/* What a parked caller is woken with. */
enum weir__job_news {
    WEIR__JOB_CAME_HOME = 1,
    WEIR__JOB_REMOVED,   /* cancelled before it began */
    WEIR__JOB_ABANDONED, /* the job is not the caller's any more: not to be touched */
    WEIR__JOB_ASKS,      /* weir_job_call() */
};

enum weir__ask_state { WEIR__ASK_NONE, WEIR__ASK_SENT, WEIR__ASK_ANSWERED };

/* What a job says about itself, on its way to the loop: progress.c. */
struct weir__progress {
    struct weir__post post;
    weir_job_progress_fn *fn; /* the loop's; NULL: nobody listens (any more) */
    void *arg;
    uint64_t done, total; /* atomic */
    int state;            /* atomic: of WEIR__PROGRESS_... */
};
enum {
    WEIR__PROGRESS_SENT = 1,    /* the post is with the loop */
    WEIR__PROGRESS_SETTLED = 2, /* and the job is over and abandoned: the post releases it */
};

struct weir__job {
    struct weir__list link;
    struct weir__post post;
    weir_pool *pool;
    weir_loop *loop;
    weir_task *task;
    weir_task_id task_id;
    weir_job_fn *fn;
    void *arg;
    void (*abandon)(void *arg); /* NULL: the caller always waits */
    const char *name;
    struct weir__worker *worker; /* while RUNNING */
    struct weir__locals *locals; /* its caller's when it was sent */
    struct weir__detail *detail; /* what weir_fail() said about rc, allocated; or NULL */
    int64_t queued_at_ns;
    int rc;
    enum weir__job_state state;
    bool abandoned;
    bool cancelled; /* atomic: read by the job */
    bool here;      /* it runs in its task, not on a thread: here.c */
    /* Nobody is parked in it: weir__exec_start(). */
    void (*at_home)(struct weir__job *job); /* on its loop */
    void (*lost)(struct weir__job *job);    /* instead, on its thread: the loop has ended */
    bool listened_to;                       /* it has a progress function, or had one */
    struct weir__progress progress;
    /* weir_job_call() */
    enum weir__ask_state ask;
    weir_task_fn *ask_fn;
    void *ask_arg;
    int ask_rc;
};

struct weir_pool {
    struct weir__ledger_entry entry; /* of the loop that opened it; not under the lock */
    struct weir__mutex lock;
    struct weir__cond work;  /* threads without a job wait here */
    struct weir__cond quiet; /* close outside a task waits here: the last thread has left */
    struct weir__list queue;
    struct weir__list running;
    struct weir__list closers;      /* tasks in close */
    struct weir__worker *last_left; /* not joined yet */
    size_t queue_count;
    size_t running_count;
    size_t thread_count;
    size_t idle_count;    /* threads in `work` */
    size_t closing_count; /* calls of close under way */
    size_t threads_max;
    size_t queue_max;
    int64_t idle_timeout_ns;
    int64_t close_budget_ns;
    bool call_due; /* a waiting thread is to be woken once the lock is free */
    int callers;   /* atomic: who is about to wake one */
    bool calling;  /* a thread was woken or started and has not looked at the queue yet */
    bool stopping;
    bool orphaned; /* close gave up: the last thread releases the pool */
    bool leaves_quietly;
    uint64_t finished_count, cancelled_count, abandoned_count, refused_count;
    int64_t wait_total_ns, wait_max_ns;
    uint64_t waits[WEIR_POOL_WAIT_BUCKETS];
    char name[16];
};

/* A pool that is in no ledger. */
int weir__exec_open(const weir_pool_options *options, weir_pool **out_pool) WEIR_MUST_CHECK;
/* Its jobs wait for others, who may never answer: what a close leaves running is no finding. */
void weir__exec_leave_quietly(weir_pool *pool);
/* Queue a job. On failure nothing has happened. Any thread. */
int weir__exec_submit(struct weir__job *job, bool try_only) WEIR_MUST_CHECK;
/*
 * Not a checkpoint: queue a job in the default pool that no task waits for; it is zeroed but for
 * fn, arg, name, at_home and lost, and one of the last two is the end of it. -EBUSY when the queue
 * is full: it can be done without. On failure nothing has happened.
 */
int weir__exec_start(struct weir__job *job) WEIR_MUST_CHECK;
/* The default pool of the process, for this loop until its end. */
int weir__exec_default_pool(weir_pool **out_pool) WEIR_MUST_CHECK;
void weir__exec_read_stats(weir_pool *pool, weir_pool_stats *out_stats);
/* With the lock: a job begins, and has waited. */
void weir__exec_note_wait(weir_pool *pool, const struct weir__job *job);
/* The memory of an abandoned job goes, now or when its last word has arrived. */
void weir__exec_free_abandoned(struct weir__job *job);
/* The job that this thread runs, or NULL. */
struct weir__job *weir__exec_current_job(void);
void weir__exec_enter_job(struct weir__job *job);
/* Tests: whether a job runs in its task; run it there; its weir_job_call(). */
bool weir__exec_runs_here(const weir_pool *pool, const weir_offload_options *options);
int weir__exec_run_here(struct weir__job *job) WEIR_MUST_CHECK;
int weir__exec_call_here(struct weir__job *job, weir_task_fn *fn, void *arg);
/* The loop of a job has ended before it. */
void weir__exec_lost(struct weir__job *job);
void weir__exec_at_home(struct weir__job *job);
/* A post that brings a job home to its loop. */
void weir__exec_bring_home(struct weir__post *post);

#endif
