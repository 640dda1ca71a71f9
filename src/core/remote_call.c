/*
 * remote_call.c - a task on another loop whose caller waits for it
 *
 * The call lies on the caller's stack, with the three pieces of mail it may need: the start, a
 * cancellation, the reply. The task runs in a scope of its own there; cancelling the caller cancels
 * that scope. The caller leaves only when the other side will not touch the call again, which the
 * last one to be done there says: the task, or a cancellation that was still on its way.
 *
 * Runs on  the caller's loop, or `there`, as each part says.
 * Holds    1. `pending` counts what is still to happen there; who brings it to 0 sends the reply
 *             and does not touch the call again. From 0 it does not grow: the result wins (O4).
 *          2. fn runs once or not at all; when it ran, its code is the result, and failures that it
 *             left behind are the caller's.
 *
 * Costs    two posts and a task; nothing is allocated unless it fails.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "core/core.h"
#include "core/observe.h"

struct remote_call {
    struct weir__post start, cancel, reply;
    weir_loop *home;
    weir_task *caller;
    weir_loop *there;
    weir_task_fn *fn;
    void *arg;
    struct weir__locals *locals; /* the caller's, who holds them */
    const char *reason;          /* why it is cancelled */
    int pending;                 /* atomic */
    weir_task_id id;             /* atomic: of the task there; 0: not yet */
    /* there, until the reply */
    weir_scope *scope; /* while fn runs */
    bool cancelled;
    int rc;
    weir_failures *failures;
};

/* --- there ------------------------------------------------------------------------------------ */

static void bring_reply(struct weir__post *post)
{
    weir__core_wake(WEIR__CONTAINER(post, struct remote_call, reply)->caller, 0);
}

static void one_less(struct remote_call *call)
{
    if (__atomic_sub_fetch(&call->pending, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    call->reply.run = bring_reply;
    weir_ignore(weir__core_post(call->home, &call->reply),
                "its caller is parked, so its loop is there");
}

/* The caller's locals, for as long as fn runs: their destructors are the caller's loop's. */
static int lend_locals(weir_task *task, struct weir__locals *locals)
{
    if (locals == NULL)
        return 0;
    struct weir__extra *extra = weir__task_extra(task);
    if (extra == NULL)
        return -ENOMEM;
    extra->locals = weir__locals_share(locals);
    return 0;
}

static void take_locals_back(weir_task *task)
{
    if (task->extra == NULL)
        return;
    struct weir__locals *locals = task->extra->locals;
    task->extra->locals = NULL;
    weir__locals_release(locals);
}

int weir__remote_run(weir_scope *scope, weir_task_fn *fn, void *arg)
{
    int rc = weir_scope_enter(scope);
    if (rc < 0)
        return rc;
    rc = fn(arg);
    rc = weir_scope_leave(scope, rc);
    weir__cleanup_report_late(weir__core_task());
    return rc;
}

static int run_call(void *arg)
{
    struct remote_call *call = arg;
    weir_task *self = weir__core_task();
    weir_scope scope = {0};
    int rc = call->cancelled ? -ECANCELED : lend_locals(self, call->locals);
    if (rc == 0) {
        self->fn = call->fn; /* reports speak of the call, not of this */
        call->scope = &scope;
        rc = weir__remote_run(&scope, call->fn, call->arg);
        call->scope = NULL;
    }
    take_locals_back(self);
    if (rc < 0 && rc != -ECANCELED)
        call->failures = weir__failure_send(self, rc);
    call->rc = weir_scope_caught(&scope) && call->cancelled ? -ECANCELED : rc;
    one_less(call);
    return 0;
}

static void start_call(struct weir__post *post)
{
    struct remote_call *call = WEIR__CONTAINER(post, struct remote_call, start);
    weir_loop *loop = weir__loop;
    weir_task_id id;
    int rc = -ESHUTDOWN;
    __atomic_fetch_sub(&loop->arriving, 1, __ATOMIC_RELAXED);
    if (loop->stop_phase == WEIR_STOP_NONE)
        rc = weir__core_spawn(loop->root, "remote call", run_call, call, &id);
    if (rc == 0) {
        __atomic_store_n(&call->id, id, __ATOMIC_RELAXED);
        return;
    }
    call->rc = rc;
    one_less(call);
}

static void cancel_call(struct weir__post *post)
{
    struct remote_call *call = WEIR__CONTAINER(post, struct remote_call, cancel);
    call->cancelled = true;
    if (call->scope != NULL)
        weir__scope_cancel_level(weir__loop, call->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_REMOTE,
                                 call->reason, NULL);
    one_less(call);
}

/* --- at home ---------------------------------------------------------------------------------- */

/* False when the reply is on its way. */
static bool one_more(struct remote_call *call)
{
    int pending = __atomic_load_n(&call->pending, __ATOMIC_ACQUIRE);
    while (pending > 0)
        if (__atomic_compare_exchange_n(&call->pending, &pending, pending + 1, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return true;
    return false;
}

static void hand_cancel_over(weir_task *task, void *object)
{
    struct remote_call *call = object;
    if (!one_more(call))
        return;
    weir_cancel_cause cause;
    call->reason = weir__scope_cause(task->active, &cause) ? cause.reason : NULL;
    if (call->reason == NULL)
        call->reason = "its caller on another loop was cancelled";
    call->cancel.run = cancel_call;
    if (weir__core_post(call->there, &call->cancel) < 0) // it has ended: what was to happen, has
        one_less(call);
}

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct remote_call *call = object;
    snprintf(out->detail, sizeof out->detail, "on loop \"%s\"", call->there->name);
    out->relation = "which is";
    out->task = __atomic_load_n(&call->id, __ATOMIC_RELAXED);
}

static int say_ended(const weir_loop *loop, const char *what, const void *address)
{
    char text[120];
    snprintf(text, sizeof text, "loop \"%s\" %s", loop->name, what);
    return weir__failure_say(-ESHUTDOWN, address, text);
}

static int result_of(struct remote_call *call, const void *address)
{
    weir_task *task = call->caller;
    if (call->rc == -ECANCELED && weir__core_cancelled(task))
        return -ECANCELED;
    if (call->rc == -ECANCELED)
        return say_ended(call->there, "ended its program: the task there was cancelled with it",
                         address);
    if (call->rc == -ESHUTDOWN && call->failures == NULL)
        return say_ended(call->there, "is ending, and takes no task", address);
    weir__failure_receive(task, call->failures);
    return call->rc;
}

int weir_remote_call(weir_loop *loop, weir_task_fn *fn, void *arg)
{
    const void *address = __builtin_return_address(0);
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (loop == NULL || fn == NULL)
        return -EINVAL;
    weir_loop *home = weir__loop;
    if (loop == home)
        return fn(arg);
    weir_task *task = weir__core_task();
    struct remote_call call = {.start.run = start_call,
                               .home = home,
                               .caller = task,
                               .there = loop,
                               .fn = fn,
                               .arg = arg,
                               .locals = weir__task_locals(task),
                               .pending = 1};
    __atomic_fetch_add(&loop->arriving, 1, __ATOMIC_RELAXED);
    if (weir__core_post(loop, &call.start) < 0) {
        __atomic_fetch_sub(&loop->arriving, 1, __ATOMIC_RELAXED);
        return say_ended(loop, "has ended", address);
    }
    weir__core_tell_waits(WEIR_WAIT_REMOTE, tell);
    weir__core_external_begin(home);
    weir_ignore(weir__core_park(WEIR_WAIT_REMOTE, &call, hand_cancel_over), "the call has it");
    weir__core_external_end(home);
    return result_of(&call, address);
}
