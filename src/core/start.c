/*
 * start.c - a task that says when it is ready, and only then goes over to its group
 *
 * Until it calls weir_started() the new task is a member of a small group that the caller of
 * weir_start() opens and closes: so whatever cancels the caller reaches it, and its failure comes
 * back to the caller. weir_started() moves it, with all that is below it, to the group it was meant
 * for. A place is promised there meanwhile, which keeps that group open.
 *
 * Runs on  the loop's own thread.
 * Holds    1. extra->start is not NULL exactly while the task is the caller's; the caller is parked
 *             in its close then, so what it points to is there.
 *          2. A task that is cancelled does not move: its context never gets less cancelled (I7).
 */
#include "core/core.h"
#include "core/handle.h"
#include "core/observe.h"
#include "core/task.h"

struct weir__start {
    weir_group *target;
    const weir_spawn_options *options;
    void *value;
    bool handed_over;
    weir_task_id id;
};

/* --- the new task's side ---------------------------------------------------------------------- */

static void told_twice(weir_task *task)
{
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_STARTED_TWICE,
        .loop = weir__loop,
        .task = task,
        .what = "called weir_started() again; what it said the first time stays"});
}

static void move(weir_task *task, weir_group *to)
{
    weir_group *from = task->group;
    weir_loop *loop = from->loop;
    weir__list_remove(&task->sibling);
    from->live_count--;
    task->group = to;
    weir__list_append(&to->members, &task->sibling);
    to->live_count++;
    to->places_promised--;
    loop->hot[task->index].group_number = to->number;
}

static void hand_over(weir_task *task, struct weir__start *start)
{
    weir_group *from = task->group, *to = start->target;
    move(task, to);
    if (start->options->service)
        weir__service_enlist(to, task);
    if (start->options->handled)
        task->extra->handle->handled = true;
    if (weir__handle_keeps(task))
        task->extra->handle->asked_for = start->options->keep || start->options->handled;
    weir__scope_reparent(from->loop, &task->scope, &to->scope);
    weir__group_member_left(from);
    if (start->options->service)
        weir__group_member_left(to);
}

int weir_started(void *value)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    struct weir__extra *extra = task->extra;
    if (extra == NULL || extra->start == NULL) {
        if (extra != NULL && extra->started)
            told_twice(task);
        return -EINVAL;
    }
    /* Also behind a shield of its own: what it would be moved away from is being cancelled. */
    if (task->scope.weir__effective >= WEIR__LEVEL_CANCEL || weir__core_cancelled(task))
        return -ECANCELED;
    struct weir__start *start = extra->start;
    extra->start = NULL;
    extra->started = true;
    start->value = value;
    start->handed_over = true;
    hand_over(task, start);
    return 0;
}

/* --- the caller's side ------------------------------------------------------------------------ */

/* Keeps the group open, and in a group with a limit is the task's place. */
static int promise(weir_group *group, bool try_only)
{
    int rc = weir__task_check_group(group, weir__loop);
    if (rc < 0)
        return rc;
    if (group->running_max == 0) {
        rc = weir__core_checkpoint();
        if (rc < 0)
            return rc;
        rc = weir__task_check_group(group, weir__loop);
        group->places_promised += rc == 0;
        return rc;
    }
    rc = weir__group_promise_place(group, try_only);
    if (rc < 0)
        return rc;
    rc = weir__task_check_group(group, weir__loop); /* others may have run meanwhile */
    if (rc < 0)
        weir__group_drop_place(group);
    return rc;
}

/* What the task is to be kept by is there before it starts: handing over cannot fail. */
static int prepare_keeping(weir_group *target, const weir_spawn_options *options, bool *out_keep)
{
    *out_keep = weir__handle_wanted(target, options);
    return *out_keep && weir__keeping_of(target) == NULL ? -ENOMEM : 0;
}

static int run_start(weir_group *group, struct weir__start *start, weir_task_fn *fn, void *arg,
                     bool keep, const void *address)
{
    weir_group *own;
    int rc = weir_group_open(&own, &(weir_group_options){.name = group->name});
    if (rc < 0)
        return rc;
    weir_spawn_options options = *start->options;
    options.try_only = true;
    options.keep = keep;
    options.handled = false; /* until it has started its failure is the caller's */
    options.service = false;
    own->start = start;
    own->equips = true;
    rc = weir__task_spawn_with_at(own, &options, fn, arg, address, &start->id);
    return weir__group_close_at(own, rc, NULL, address);
}

/* The task has ended without having started. */
static int judge(int rc, const void *address)
{
    if (rc < 0)
        return rc;
    if (weir__core_cancelled(weir__core_task()))
        return -ECANCELED;
    return weir__failure_say(-EPROTO, address, "the task ended without weir_started()");
}

static int start_task(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn,
                      void *arg, void **out_value, weir_task_id *out_id, const void *address)
{
    static const weir_spawn_options defaults;
    if (weir__core_task() == NULL)
        return -EPERM;
    struct weir__start start = {.target = group, .options = options == NULL ? &defaults : options};
    int rc = promise(group, start.options->try_only);
    if (rc < 0)
        return rc;
    bool keep;
    rc = prepare_keeping(group, options, &keep);
    if (rc == 0)
        rc = run_start(group, &start, fn, arg, keep, address);
    if (!start.handed_over) {
        weir__group_drop_place(group);
        return judge(rc, address);
    }
    if (out_value != NULL)
        *out_value = start.value;
    if (out_id != NULL)
        *out_id = start.id;
    return 0;
}

int weir_start(weir_group *group, weir_task_fn *fn, void *arg, void **out_value)
{
    return start_task(group, NULL, fn, arg, out_value, NULL, __builtin_return_address(0));
}

int weir_start_with(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn,
                    void *arg, void **out_value, weir_task_id *out_id)
{
    return start_task(group, options, fn, arg, out_value, out_id, __builtin_return_address(0));
}
