/*
 * task.c - the table of tasks
 *
 * Two reservations of address space, touched as the table grows: hot lines (64 bytes a task) and
 * cold records (192). Free slots form a list, last in, first out; a slot's generation is odd while
 * it holds a task and moves on with each use, so an id of a task that ended is told apart (R4).
 *
 * An id is, from its low end, 24 bits of index, 16 of loop, and 24 that count the uses of the slot.
 * A slot that has had 2^24 tasks is worn and rests; at most 65,536 rest, so the id of a task names
 * nobody else until its loop has run 2^40 tasks (or 2^24 times tasks_max, if that is less). The
 * number of a loop is free again when the loop has ended, and comes again after 65,534 others.
 *
 * Runs on  the loop's own thread.
 */
#include "core/task.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"
#include "core/handle.h"
#include "core/observe.h"

enum {
    ARG_SMALLEST = 64,
    ID_INDEX_BITS = 24,
    ID_LOOP_BITS = 16,
    USES_MAX = 1 << (64 - ID_INDEX_BITS - ID_LOOP_BITS),
    WORN_KEPT = 1 << 16,
};

_Static_assert(sizeof(weir_scope) == 96, "scopes are part of every task record");
_Static_assert(sizeof(weir_task) == 192, "the cold record of a task is three cache lines");

int weir__task_table_init(weir_loop *loop, size_t tasks_max)
{
    void *hot, *cold;
    int rc = weir__sys_map(tasks_max * sizeof(struct weir__hot), &hot);
    if (rc < 0)
        return rc;
    rc = weir__sys_map(tasks_max * sizeof(weir_task), &cold);
    if (rc < 0) {
        weir__sys_unmap(hot, tasks_max * sizeof(struct weir__hot));
        return rc;
    }
    loop->hot = hot;
    loop->cold = cold;
    loop->tasks_max = tasks_max;
    loop->free_head = WEIR__NO_TASK;
    loop->worn_head = loop->worn_tail = WEIR__NO_TASK;
    return 0;
}

void weir__task_table_deinit(weir_loop *loop)
{
    if (loop->hot == NULL)
        return;
    weir__sys_unmap(loop->hot, loop->tasks_max * sizeof(struct weir__hot));
    weir__sys_unmap(loop->cold, loop->tasks_max * sizeof(weir_task));
    loop->hot = NULL;
    loop->cold = NULL;
    for (int i = 0; i < WEIR__ARG_CLASSES; i++) {
        void *block;
        while ((block = loop->free_args[i]) != NULL) {
            loop->free_args[i] = *(void **)block;
            weir__base_free(block);
        }
    }
}

/* --- arguments by value ----------------------------------------------------------------------- */

/* Class 1..WEIR__ARG_CLASSES: a block from the loop's list; beyond: from the heap; 0: not ours. */
static void *arg_new(weir_loop *loop, size_t bytes, uint8_t *out_class)
{
    uint8_t class = 1;
    size_t size = ARG_SMALLEST;
    while (size < bytes && class <= WEIR__ARG_CLASSES) {
        size *= 2;
        class ++;
    }
    *out_class = class;
    if (class > WEIR__ARG_CLASSES)
        return weir__base_alloc(bytes);
    void *block = loop->free_args[class - 1];
    if (block == NULL)
        return weir__base_alloc(size);
    loop->free_args[class - 1] = *(void **)block;
    return block;
}

static void arg_free(weir_loop *loop, void *arg, uint8_t class)
{
    if (class == 0)
        return;
    if (class > WEIR__ARG_CLASSES) {
        weir__base_free(arg);
        return;
    }
    *(void **)arg = loop->free_args[class - 1];
    loop->free_args[class - 1] = arg;
}

/* --- records ---------------------------------------------------------------------------------- */

/* The one that has rested longest; its generations begin again. */
static uint32_t take_worn_slot(weir_loop *loop)
{
    uint32_t index = loop->worn_head;
    if (index == WEIR__NO_TASK)
        return WEIR__NO_TASK;
    loop->worn_head = loop->hot[index].next;
    if (loop->worn_head == WEIR__NO_TASK)
        loop->worn_tail = WEIR__NO_TASK;
    loop->worn_count--;
    return index;
}

static uint32_t take_slot(weir_loop *loop)
{
    uint32_t index = loop->free_head;
    if (index != WEIR__NO_TASK) {
        loop->free_head = loop->hot[index].next;
        return index;
    }
    if (loop->used_count < loop->tasks_max && loop->worn_count < WORN_KEPT)
        return (uint32_t)loop->used_count++;
    return take_worn_slot(loop);
}

static uint32_t uses(uint32_t generation)
{
    return (generation >> 1) % USES_MAX;
}

static void give_slot(weir_loop *loop, uint32_t index)
{
    struct weir__hot *hot = &loop->hot[index];
    hot->state = WEIR_TASK_FREE;
    hot->generation++;
    if (__builtin_expect(uses(hot->generation) != 0, 1)) {
        hot->next = loop->free_head;
        loop->free_head = index;
        return;
    }
    hot->next = WEIR__NO_TASK;
    if (loop->worn_tail == WEIR__NO_TASK)
        loop->worn_head = index;
    else
        loop->hot[loop->worn_tail].next = index;
    loop->worn_tail = index;
    loop->worn_count++;
}

weir_task *weir__task_new(weir_loop *loop, weir_group *group, weir_task_fn *fn, void *arg,
                          int *out_rc)
{
    int rc = weir__stacks_promise(&loop->stacks);
    if (rc < 0) {
        *out_rc = rc;
        return NULL;
    }
    uint32_t index = take_slot(loop);
    if (index == WEIR__NO_TASK) {
        weir__stacks_unpromise(&loop->stacks);
        *out_rc = -EAGAIN;
        return NULL;
    }
    struct weir__hot *hot = &loop->hot[index];
    hot->sp = NULL;
    hot->stack_slot = -1;
    hot->wait_kind = WEIR_WAIT_NONE;
    hot->refused_count = 0;
    hot->step_count = 0;
    hot->group_number = group->number;
    hot->generation++;

    weir_task *task = &loop->cold[index];
    weir__base_zero_record(task, sizeof *task);
    task->index = index;
    task->fn = fn;
    task->arg = arg;
    task->group = group;
    task->budget = 64;
    task->active = &task->scope;
    task->scope.weir__parent = &group->scope;
    task->scope.weir__task = task;
    task->scope.weir__flags = WEIR__SCOPE_TASK;
    task->scope.weir__state = WEIR__SCOPE_ACTIVE;
    task->scope.weir__timer.weir__deadline_ns = WEIR_NEVER;
    weir__list_append(&group->members, &task->sibling);
    if (group->unstarted == &group->members)
        group->unstarted = &task->sibling;
    group->live_count++;
    loop->task_count++;
    loop->spawned_count++;
    weir__sched_ready(loop, task);
    return task;
}

struct weir__extra *weir__task_extra(weir_task *task)
{
    if (task->extra == NULL)
        task->extra = weir__base_alloc_zero(sizeof *task->extra);
    return task->extra;
}

void weir__extra_free(struct weir__extra *extra)
{
    if (extra == NULL)
        return;
    weir__supervised_free(extra->supervised);
    weir__locals_release(extra->locals);
    weir__base_free(extra->detail);
    weir__base_free(extra->handle);
    weir__cleanup_free(extra->cleanup);
    weir__base_free(extra);
}

void weir__task_release(weir_loop *loop, weir_task *task)
{
    struct weir__extra *extra = task->extra;
    give_slot(loop, task->index);
    if (__builtin_expect(extra != NULL, 0))
        weir__extra_free(extra); /* last: destructors must not find the task any more */
}

/* It is alive no more: all goes but its record, and that too unless it is kept. */
static void end(weir_loop *loop, weir_task *task)
{
    weir__token_detach(&task->scope);
    arg_free(loop, task->arg, task->arg_class);
    weir__stacks_unpromise(&loop->stacks);
    loop->task_count--;
    loop->ended_count++;
    if (__builtin_expect(weir__handle_keeps(task), 0)) {
        task->arg = NULL;
        struct weir__locals *locals = task->extra->locals;
        task->extra->locals = NULL;
        task->scope.weir__state = WEIR__SCOPE_LEFT;
        loop->hot[task->index].state = WEIR_TASK_DONE;
        loop->hot[task->index].since_ns = loop->now_ns;
        weir__locals_release(locals); /* last: a destructor may forget the task */
        return;
    }
    weir__task_release(loop, task);
}

/* The group whose scope this is, among the open ones; the pointer itself is not followed. */
static weir_group *open_group_of(weir_loop *loop, const weir_scope *scope)
{
    for (struct weir__list *node = loop->groups.next; node != &loop->groups; node = node->next) {
        weir_group *group = WEIR__CONTAINER(node, weir_group, registered);
        if (&group->scope == scope)
            return group;
    }
    return NULL;
}

/* G12: groups live on the heap, so a forgotten close is made up for. A forgotten scope lived in a
 * frame that is gone: its timer and links are in memory that is being reused, so there is no way
 * on. */
void weir__task_close_left(weir_loop *loop, weir_task *task, const weir_scope *until)
{
    while (task->active != until) {
        weir_group *group = open_group_of(loop, task->active);
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_MISNESTED,
            .loop = loop,
            .task = task,
            .address = group == NULL ? loop->forgotten_address : group->open_address,
            .what = group == NULL ? "returned with a scope still entered: leave it first"
                                  : "returned with a group still open: it is cancelled and joined",
            .fatal = group == NULL});
        weir_group_cancel(group, "its owner returned");
        weir_ignore(weir_group_close(group, 0), "the owner has gone; the finding above tells");
    }
}

void (*weir__core_locks_left)(weir_loop *loop, weir_task *task);

void weir__task_finish(weir_loop *loop, weir_task *task, int rc)
{
    if (task->active != &task->scope)
        weir__task_close_left(loop, task, &task->scope);
    if (__builtin_expect(task->scope.weir__flags & WEIR__SCOPE_DEFERS, 0))
        weir__cleanup_end_task(loop, task, rc);
    if (task->locks_held != 0)
        __atomic_load_n(&weir__core_locks_left, __ATOMIC_RELAXED)(loop, task);
    loop->hot[task->index].state = WEIR_TASK_FINISHING;
    weir__group_child_ended(loop, task, rc);
    end(loop, task);
}

/* --- spawning --------------------------------------------------------------------------------- */

int weir__task_check_group(weir_group *group, const weir_loop *loop)
{
    if (group == NULL)
        return -EINVAL;
    if (loop == NULL || group->loop != loop)
        return -EPERM;
    if (!group->joined && !group->shut && group->scope.weir__effective < WEIR__LEVEL_CANCEL)
        return 0;
    if (group->owner == loop->current)
        group->body_refused = true;
    return -ESHUTDOWN;
}

static bool wants_extra(const weir_loop *loop, const weir_group *group,
                        const weir_spawn_options *options)
{
    return weir__handle_wanted(group, options) || (options != NULL && options->cleanup_ns != 0) ||
           group->equips || (loop->current != NULL && weir__task_locals(loop->current) != NULL);
}

/* What a task needs beyond its record from its first step on. */
static int make_extra(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn,
                      struct weir__extra **out_extra)
{
    const weir_task *spawner = group->loop->current;
    struct weir__locals *locals = spawner == NULL ? NULL : weir__task_locals(spawner);
    if (options != NULL &&
        (options->backoff_ns < 0 || options->backoff_max_ns < 0 || options->stop_budget_ns < 0))
        return -EINVAL;
    struct weir__extra *extra = weir__base_alloc_zero(sizeof *extra);
    if (extra == NULL)
        return -ENOMEM;
    int rc = 0;
    if (weir__handle_wanted(group, options))
        rc = weir__handle_prepare(group, options, extra);
    if (rc == 0 && options != NULL && options->cleanup_ns != 0)
        rc = weir__cleanup_set_budget(extra, options->cleanup_ns);
    if (rc == 0 && group->supervision != NULL) {
        extra->supervised = weir__supervised_new(options, fn, locals);
        rc = extra->supervised == NULL ? -ENOMEM : 0;
    }
    if (rc < 0) {
        weir__extra_free(extra);
        return rc;
    }
    extra->locals = weir__locals_share(locals);
    extra->start = group->start;
    *out_extra = extra;
    return 0;
}

/* Its place may have been what kept its group from stopping the services. */
static void enlist_service(weir_group *group, weir_task *task)
{
    weir__service_enlist(group, task);
    weir__group_member_left(group);
}

static int spawn(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn, void *arg,
                 size_t copy_bytes, const void *place, unsigned place_flag, weir_task_id *out_id)
{
    weir_loop *loop = weir__loop;
    int rc = weir__task_check_group(group, loop);
    if (rc < 0)
        return rc;
    bool limited = group->running_max != 0;
    if (limited) {
        rc = weir__group_promise_place(group, options != NULL && options->try_only);
        if (rc < 0)
            return rc;
        rc = weir__task_check_group(group, loop); /* others may have run meanwhile */
        if (rc < 0)
            goto drop_place;
    }

    uint8_t class = 0;
    void *given = arg;
    struct weir__extra *extra = NULL;
    if (copy_bytes > 0) {
        given = arg_new(loop, copy_bytes, &class);
        if (given == NULL) {
            rc = -ENOMEM;
            goto drop_place;
        }
        memcpy(given, arg, copy_bytes);
    }
    if (__builtin_expect(wants_extra(loop, group, options), 0)) {
        rc = make_extra(group, options, fn, &extra);
        if (rc < 0)
            goto free_arg;
    }
    bool supervised = extra != NULL && extra->supervised != NULL;
    weir_task *task =
        weir__task_new(loop, group, supervised ? weir__supervise_run : fn, given, &rc);
    if (task == NULL)
        goto free_extra;
    if (limited)
        group->places_promised--; /* it is taken now */
    task->extra = extra;
    task->arg_class = class;
    task->spawn_place = place;
    task->flags |= (uint8_t)place_flag;
    if (options != NULL) {
        task->name = options->name;
        if (__builtin_expect(options->service, 0))
            enlist_service(group, task);
    }
    if (out_id != NULL)
        *out_id = weir__core_task_id(loop, task);
    return 0;

free_extra:
    weir__extra_free(extra);
free_arg:
    arg_free(loop, given, class);
drop_place:
    if (limited)
        weir__group_drop_place(group);
    return rc;
}

int weir_spawn(weir_group *group, weir_task_fn *fn, void *arg)
{
    return spawn(group, NULL, fn, arg, 0, __builtin_return_address(0), 0, NULL);
}

int weir_spawn_with(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn,
                    void *arg, weir_task_id *out_id)
{
    return spawn(group, options, fn, arg, 0, __builtin_return_address(0), 0, out_id);
}

int weir__spawn_copy(weir_group *group, weir_task_fn *fn, const void *arg, size_t arg_bytes,
                     const weir_site *site)
{
    weir_spawn_options options = {.name = site->function};
    /* The copy is the task's; the original is only read. */
    return spawn(group, &options, fn, (void *)(uintptr_t)arg, arg_bytes, site, WEIR__TASK_SITE,
                 NULL);
}

int weir__core_spawn(weir_group *group, const char *name, weir_task_fn *fn, void *arg,
                     weir_task_id *out_id)
{
    weir_spawn_options options = {.name = name, .try_only = true};
    return spawn(group, &options, fn, arg, 0, __builtin_return_address(0), 0, out_id);
}

int weir__task_spawn_at(weir_group *group, weir_task_fn *fn, void *arg, const void *address)
{
    return spawn(group, NULL, fn, arg, 0, address, 0, NULL);
}

int weir__task_spawn_with_at(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn,
                             void *arg, const void *address, weir_task_id *out_id)
{
    return spawn(group, options, fn, arg, 0, address, 0, out_id);
}

const weir_site *weir__task_spawn_site(const weir_task *task)
{
    return task->flags & WEIR__TASK_SITE ? task->spawn_place : NULL;
}

const void *weir__task_spawn_address(const weir_task *task)
{
    return task->flags & WEIR__TASK_SITE ? NULL : task->spawn_place;
}

/* --- ids -------------------------------------------------------------------------------------- */

weir_task_id weir__core_task_id(const weir_loop *loop, const weir_task *task)
{
    return ((uint64_t)uses(loop->hot[task->index].generation) << (ID_INDEX_BITS + ID_LOOP_BITS)) |
           ((uint64_t)loop->id << ID_INDEX_BITS) | task->index;
}

bool weir__core_owns_id(const weir_loop *loop, weir_task_id id)
{
    return loop != NULL && (uint16_t)(id >> ID_INDEX_BITS) == loop->id;
}

weir_task *weir__core_record_by_id(weir_loop *loop, weir_task_id id)
{
    uint32_t index = (uint32_t)id & ((1u << ID_INDEX_BITS) - 1);
    if (index >= loop->used_count || loop->hot[index].state == WEIR_TASK_FREE)
        return NULL;
    weir_task *task = &loop->cold[index];
    return weir__core_task_id(loop, task) == id ? task : NULL;
}

weir_task *weir__core_task_by_id(weir_loop *loop, weir_task_id id)
{
    weir_task *task = weir__core_record_by_id(loop, id);
    return task != NULL && loop->hot[task->index].state != WEIR_TASK_DONE ? task : NULL;
}

weir_task_id weir_task_self(void)
{
    weir_task *task = weir__core_task();
    return task == NULL ? 0 : weir__core_task_id(weir__loop, task);
}

void weir_task_set_name(const char *name)
{
    weir_task *task = weir__core_task();
    if (task != NULL)
        task->name = name;
}

int weir_task_cancel(weir_task_id id, const char *reason)
{
    weir_loop *loop = weir__loop;
    if (!weir__core_owns_id(loop, id))
        return -EPERM;
    weir_task *task = weir__core_record_by_id(loop, id);
    if (task == NULL)
        return -ESTALE;
    weir__scope_cancel_level(loop, &task->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_EXPLICIT, reason,
                             __builtin_return_address(0));
    return 0;
}

size_t weir_task_count(void)
{
    return weir__loop == NULL ? 0 : weir__loop->task_count;
}

void weir__core_each_task(weir_loop *loop, void (*fn)(weir_task *task, void *arg), void *arg)
{
    for (size_t i = 0; i < loop->used_count; i++)
        if (loop->hot[i].state != WEIR_TASK_FREE && loop->hot[i].state != WEIR_TASK_DONE)
            fn(&loop->cold[i], arg);
}

const char *weir__core_wait_text(enum weir_wait_kind kind)
{
    static const char *const text[WEIR_WAIT_KIND_COUNT] = {
        [WEIR_WAIT_NONE] = "nothing",
        [WEIR_WAIT_SLEEP] = "a sleep",
        [WEIR_WAIT_GROUP] = "the tasks of its group",
        [WEIR_WAIT_NEXT] = "the next task of its group to end",
        [WEIR_WAIT_TASK] = "the end of a task",
        [WEIR_WAIT_PLACE] = "a place in a full group",
        [WEIR_WAIT_IO] = "an operation of the kernel",
        [WEIR_WAIT_BYTES] = "bytes from its peer",
        [WEIR_WAIT_JOB] = "a job on an executor thread",
        [WEIR_WAIT_EVENT] = "an event",
        [WEIR_WAIT_SHARED_EVENT] = "a shared event",
        [WEIR_WAIT_SEMAPHORE] = "a semaphore",
        [WEIR_WAIT_MUTEX] = "a mutex",
        [WEIR_WAIT_RWLOCK] = "a reader-writer lock",
        [WEIR_WAIT_CONDITION] = "a condition",
        [WEIR_WAIT_BARRIER] = "a barrier",
        [WEIR_WAIT_CHANNEL] = "a channel",
        [WEIR_WAIT_STAGGER] = "the time to start its next call",
        [WEIR_WAIT_SHARED_CHANNEL] = "a shared channel",
        [WEIR_WAIT_SELECT] = "the first of several",
        [WEIR_WAIT_FUTURE] = "a future",
        [WEIR_WAIT_LIMITER] = "a rate limiter",
        [WEIR_WAIT_CONN] = "a place in a pool of connections",
        [WEIR_WAIT_REMOTE] = "a task on another loop",
        [WEIR_WAIT_LOOP] = "the end of a loop",
        [WEIR_WAIT_OTHER] = "something",
    };
    return text[kind];
}
