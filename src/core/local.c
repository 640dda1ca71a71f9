/*
 * local.c - task-locals: what a task sees by key, shared with those it spawned until one sets
 *
 * A snapshot is an array of boxes, a box a value with its key. Both are counted. A snapshot that
 * more than one task sees is never changed: setting makes a new one, of the same boxes but one.
 *
 * Runs on  a loop's own thread; a job of the executor reads the snapshot of its caller, and may be
 *          the last to let go of it, so the counts are atomic.
 */
#include <weir/local.h>

#include "base/alloc.h"
#include "core/core.h"
#include "core/handle.h"

struct box {
    int refs; /* atomic */
    const weir_local *local;
    void *value;
};

struct weir__locals {
    int refs; /* atomic */
    size_t count;
    struct box *boxes[];
};

static bool let_go(int *refs)
{
    return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

static void hold(int *refs)
{
    __atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
}

static void release_box(struct box *box)
{
    if (!let_go(&box->refs))
        return;
    weir__result_destroy(weir__loop, box->value, box->local->weir__destroy);
    weir__base_free(box);
}

struct weir__locals *weir__locals_share(struct weir__locals *locals)
{
    if (locals != NULL)
        hold(&locals->refs);
    return locals;
}

void weir__locals_release(struct weir__locals *locals)
{
    if (locals == NULL || !let_go(&locals->refs))
        return;
    for (size_t i = 0; i < locals->count; i++)
        release_box(locals->boxes[i]);
    weir__base_free(locals);
}

/* Where a key stands, or the count. */
static size_t find(const struct weir__locals *locals, const weir_local *local)
{
    size_t count = locals == NULL ? 0 : locals->count;
    for (size_t i = 0; i < count; i++)
        if (locals->boxes[i]->local == local)
            return i;
    return count;
}

/* A new snapshot: that of `old`, with `box` in the place of its key. */
static struct weir__locals *with_box(const struct weir__locals *old, struct box *box)
{
    size_t count = old == NULL ? 0 : old->count;
    size_t at = find(old, box->local);
    size_t new_count = at == count ? count + 1 : count;
    struct weir__locals *locals =
        weir__base_alloc(sizeof *locals + new_count * sizeof locals->boxes[0]);
    if (locals == NULL)
        return NULL;
    locals->refs = 1;
    locals->count = new_count;
    for (size_t i = 0; i < count; i++) {
        locals->boxes[i] = old->boxes[i];
        if (i != at)
            hold(&locals->boxes[i]->refs);
    }
    locals->boxes[at] = box;
    return locals;
}

int weir_local_set(const weir_local *local, void *value)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    struct weir__extra *extra = weir__task_extra(task);
    struct box *box = extra == NULL ? NULL : weir__base_alloc(sizeof *box);
    if (box == NULL)
        return -ENOMEM;
    *box = (struct box){.refs = 1, .local = local, .value = value};
    struct weir__locals *locals = with_box(extra->locals, box);
    if (locals == NULL) {
        weir__base_free(box);
        return -ENOMEM;
    }
    struct weir__locals *old = extra->locals;
    extra->locals = locals;
    weir__locals_release(old); /* last: a destructor may ask for what is set now */
    return 0;
}

_Thread_local const struct weir__locals *weir__job_locals;

void *weir_local_get(const weir_local *local)
{
    const weir_task *task = weir__core_task();
    const struct weir__locals *locals = task == NULL ? weir__job_locals : weir__task_locals(task);
    if (locals == NULL)
        return NULL;
    size_t at = find(locals, local);
    return at == locals->count ? NULL : locals->boxes[at]->value;
}
