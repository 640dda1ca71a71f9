/*
 * callback.c - functions that are told of a task's end
 *
 * They run inside the end of the task, on its stack, between the moment its outcome is fixed and
 * the moment those who wait for it are woken. One that is added later, to a record that is kept,
 * runs in a later turn: it goes through the loop's own mail, and holds the group open until then.
 *
 * Runs on  the loop's own thread.
 * Holds    1. A callback is in a list exactly as long as it can be removed: it leaves it before it
 *             is called.
 */
#include "base/alloc.h"
#include "core/handle.h"

struct callback {
    struct weir__list link; /* in its handle's, or in the loop's late_callbacks */
    weir_task_done_fn *fn;
    void *arg;
    uint64_t number;
};

/* Added to a task that had ended: it knows by itself all that it is going to tell. */
struct late_callback {
    struct callback callback; /* fn is NULL once it was removed */
    struct weir__post post;
    weir_group *group; /* held */
    weir_failure about;
    weir_outcome outcome;
};

/* --- calling ---------------------------------------------------------------------------------- */

/* K2: as if outside every task, so that checkpoints refuse; what weir_fail() says is kept. */
static int call(weir_loop *loop, const struct callback *callback, const weir_outcome *outcome,
                struct weir__detail *detail)
{
    struct weir__outside before = weir__core_go_outside(loop, detail);
    int rc = callback->fn(outcome->task, outcome, callback->arg);
    weir__core_come_back(loop, before);
    return rc;
}

static void report(weir_loop *loop, const weir_failure *about, int rc,
                   const struct weir__detail *detail)
{
    loop->failures_created++;
    weir__failure_tell(loop, about, rc, detail->code == rc ? detail : NULL, NULL,
                       "a callback failed that was told of a task's end");
}

void weir__callbacks_run(weir_loop *loop, weir_task *task)
{
    struct weir__handle *handle = weir__handle_of(task);
    struct weir__list *node;
    while ((node = weir__list_take_first(&handle->callbacks)) != NULL) {
        struct callback *callback = WEIR__CONTAINER(node, struct callback, link);
        struct weir__detail detail;
        weir__handle_seen(handle);
        int rc = call(loop, callback, &handle->outcome, &detail);
        weir__base_free(callback);
        if (rc >= 0)
            continue;
        weir_failure about;
        weir__failure_about(&about, WEIR_FAILURE_CALLBACK, task, task->group);
        report(loop, &about, rc, &detail);
    }
}

static void run_late(struct weir__post *post)
{
    struct late_callback *late = WEIR__CONTAINER(post, struct late_callback, post);
    weir_loop *loop = weir__loop;
    if (late->callback.fn != NULL) {
        weir__list_remove(&late->callback.link);
        weir_task *task = weir__core_record_by_id(loop, late->outcome.task);
        if (task != NULL) /* it may have been forgotten meanwhile */
            weir__handle_seen(weir__handle_of(task));
        struct weir__detail detail;
        int rc = call(loop, &late->callback, &late->outcome, &detail);
        if (rc < 0)
            report(loop, &late->about, rc, &detail);
        weir__group_release(late->group);
    }
    weir__base_free(late);
}

/* --- adding and removing ---------------------------------------------------------------------- */

static int add_late(weir_loop *loop, weir_task *task, const struct callback *callback)
{
    if (task->group->joined)
        return -ESTALE; /* nothing holds it open any more, and its records are about to go */
    struct late_callback *late = weir__base_alloc(sizeof *late);
    if (late == NULL)
        return -ENOMEM;
    *late = (struct late_callback){.callback = *callback,
                                   .post.run = run_late,
                                   .group = task->group,
                                   .outcome = weir__handle_of(task)->outcome};
    weir__failure_about(&late->about, WEIR_FAILURE_CALLBACK, task, task->group);
    weir__list_append(&loop->late_callbacks, &late->callback.link);
    weir__group_hold(task->group);
    weir_ignore(weir__core_post(loop, &late->post), "it is open as long as it has tasks");
    return 0;
}

static int add(weir_task *task, const struct callback *callback)
{
    struct weir__handle *handle = weir__handle_made(task);
    struct callback *copy = handle == NULL ? NULL : weir__base_alloc(sizeof *copy);
    if (copy == NULL)
        return -ENOMEM;
    *copy = *callback;
    weir__list_append(&handle->callbacks, &copy->link);
    return 0;
}

int weir_task_on_done(weir_task_id id, weir_task_done_fn *fn, void *arg,
                      weir_task_callback *out_callback)
{
    if (fn == NULL)
        return -EINVAL;
    weir_task *task = NULL;
    int rc = weir__handle_find(id, &task);
    if (rc < 0)
        return rc;
    weir_loop *loop = weir__loop;
    const struct weir__handle *handle = weir__handle_of(task);
    struct callback callback = {.fn = fn, .arg = arg, .number = loop->callback_number + 1};
    bool ended = handle != NULL && handle->ended;
    rc = ended ? add_late(loop, task, &callback) : add(task, &callback);
    if (rc < 0)
        return rc;
    loop->callback_number++;
    if (out_callback != NULL)
        *out_callback = (weir_task_callback){id, callback.number};
    return 0;
}

static struct callback *find_in(struct weir__list *list, uint64_t number)
{
    for (struct weir__list *node = list->next; node != list; node = node->next) {
        struct callback *callback = WEIR__CONTAINER(node, struct callback, link);
        if (callback->number == number)
            return callback;
    }
    return NULL;
}

int weir_task_callback_remove(weir_task_callback callback)
{
    weir_loop *loop = weir__loop;
    if (!weir__core_owns_id(loop, callback.task))
        return -EPERM;
    weir_task *task = weir__core_task_by_id(loop, callback.task);
    struct weir__handle *handle = task == NULL ? NULL : weir__handle_of(task);
    struct callback *found = handle == NULL ? NULL : find_in(&handle->callbacks, callback.number);
    if (found != NULL) {
        weir__list_remove(&found->link);
        weir__base_free(found);
        return 0;
    }
    found = find_in(&loop->late_callbacks, callback.number);
    if (found == NULL)
        return -ESTALE;
    weir__list_remove(&found->link);
    found->fn = NULL; /* its post is on the way, and releases it */
    weir__group_release(WEIR__CONTAINER(found, struct late_callback, callback)->group);
    return 0;
}
