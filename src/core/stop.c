/*
 * stop.c - the end of a loop's program, asked for from elsewhere, and tasks started from there
 *
 * Each step of the end has a post of its own in the loop: asking can neither fail for want of
 * memory nor be asked twice. A task that another thread starts is a member of the loop's root
 * group, next to the main task, and ends with it (W6).
 *
 * Runs on  any thread up to the post; the loop's own after it.
 * Holds    1. stop_phase only grows. It is raised by the loop's thread, before the step is taken.
 *          2. What a remote spawn took is run once or refused once.
 */
#include <weir/stop.h>

#include "base/alloc.h"
#include "core/core.h"
#include "core/task.h"

/* --- steps ------------------------------------------------------------------------------------ */

static void wake_stop_waiters(weir_loop *loop)
{
    while (weir__core_wake_first(&loop->stop_waiters, 0))
        ;
}

void weir__core_stop(weir_loop *loop, weir_stop_phase phase, const char *reason)
{
    if ((int)phase <= loop->stop_phase)
        return;
    __atomic_store_n(&loop->stop_phase, (int)phase, __ATOMIC_RELEASE);
    wake_stop_waiters(loop);
    if (phase == WEIR_STOP_CANCEL)
        weir__scope_cancel_level(loop, &loop->root->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_SHUTDOWN,
                                 reason, NULL);
    else if (phase == WEIR_STOP_FORCE)
        weir__core_force(loop, reason);
}

static void take_step(struct weir__post *post)
{
    struct weir__stop_step *step = WEIR__CONTAINER(post, struct weir__stop_step, post);
    int phase = __atomic_load_n(&step->phase, __ATOMIC_RELAXED); // who asks again looks at it
    weir__core_stop(weir__loop, (weir_stop_phase)phase, step->reason);
}

int weir_remote_stop(weir_loop *loop, weir_stop_phase phase, const char *reason)
{
    if (phase < WEIR_STOP_DRAIN || phase > WEIR_STOP_FORCE)
        return -EINVAL;
    struct weir__stop_step *step = &loop->stop_steps[phase - 1];
    if (__atomic_exchange_n(&step->phase, (int)phase, __ATOMIC_ACQ_REL) != WEIR_STOP_NONE)
        return weir__core_has_ended(loop) ? -ESHUTDOWN : 0; // asked for before
    step->post.run = take_step;
    step->reason = reason;
    return weir__core_post(loop, &step->post);
}

bool weir_stopping(void)
{
    return weir__loop != NULL && weir__loop->stop_phase != WEIR_STOP_NONE;
}

int weir_wait_stopping(void)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (weir__loop->stop_phase == WEIR_STOP_NONE)
        return weir__core_park_in(&weir__loop->stop_waiters, WEIR_WAIT_OTHER);
    weir__core_completed_at_once();
    return 0;
}

/* --- tasks from other threads ----------------------------------------------------------------- */

struct remote_task {
    struct weir__post post;
    weir_task_fn *fn;
    void *arg;
    weir_refused_fn *refused;
};

/* A failure is told when the task ends, one of what it deferred too: the root group would keep it
 * until the loop's end. */
static int run_remote_task(void *arg)
{
    struct remote_task task = *(struct remote_task *)arg;
    weir__base_free(arg);
    weir_task *self = weir__core_task();
    self->fn = task.fn; // reports speak of that one
    weir_scope scope = {0};
    int rc = weir__remote_run(&scope, task.fn, task.arg);
    if (rc >= 0 || rc == -ECANCELED)
        return rc;
    self->group->loop->failures_created++;
    weir__failure_report(self, WEIR_FAILURE_CHILD, rc, weir__failure_claim_causes(self, rc),
                         "a task that another thread started failed");
    return 0;
}

static void refuse(struct remote_task *task, int rc)
{
    struct remote_task copy = *task;
    weir__base_free(task);
    if (copy.refused != NULL)
        copy.refused(copy.arg, rc);
}

static void start_remote_task(struct weir__post *post)
{
    struct remote_task *task = WEIR__CONTAINER(post, struct remote_task, post);
    weir_loop *loop = weir__loop;
    int rc = -ESHUTDOWN;
    __atomic_fetch_sub(&loop->arriving, 1, __ATOMIC_RELAXED);
    if (loop->stop_phase == WEIR_STOP_NONE)
        rc = weir__core_spawn(loop->root, "remote task", run_remote_task, task, NULL);
    if (rc < 0)
        refuse(task, rc);
}

int weir_remote_spawn(weir_loop *loop, weir_task_fn *fn, void *arg, weir_refused_fn *refused)
{
    if (__atomic_load_n(&loop->stop_phase, __ATOMIC_ACQUIRE) != WEIR_STOP_NONE)
        return -ESHUTDOWN;
    struct remote_task *task = weir__base_alloc(sizeof *task);
    if (task == NULL)
        return -ENOMEM;
    *task = (struct remote_task){
        .post.run = start_remote_task, .fn = fn, .arg = arg, .refused = refused};
    __atomic_fetch_add(&loop->arriving, 1, __ATOMIC_RELAXED);
    int rc = weir__core_post(loop, &task->post);
    if (rc < 0) {
        __atomic_fetch_sub(&loop->arriving, 1, __ATOMIC_RELAXED);
        weir__base_free(task);
    }
    return rc;
}
