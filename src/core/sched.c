/*
 * sched.c - who runs next, parking and waking
 *
 * Runs on  the loop's own thread.
 * Holds    1. A task that parks switches straight to the next ready one; the loop's own stack runs
 *             only between turns.
 *          2. A dying task starts the next new one on the stack it leaves behind: a chain of short
 *             tasks uses one warm stack and no switch.
 *          3. Handing over (to a group's first unstarted child, to a sibling, to an owner whose
 *             last child has ended) goes ahead of the queue, but only within a turn's budget: so
 *             trees unfold depth first, and every ready task still gets its turn (T1).
 *
 * Costs    a switch: six pushes and pops, two cache lines of the records; no call, no allocation.
 */
#include <assert.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "core/core.h"
#include "core/observe.h"
#include "core/probe.h"
#include "core/task.h"

enum {
    TURN_STEPS_CHECK = 64,  /* the clock is read every so many steps */
    TURN_STEPS_MAX = 16384, /* for a clock that stands still */
    TURN_FOLDS_MAX = 64,
    TURN_NS_MAX = 1000000, /* then timers and completions get their turn */
    COMPLETED_AT_ONCE_MAX = 64,
    REFUSED_TOLD = 64,
};

/* --- the queues ------------------------------------------------------------------------------- */

static void queue_append(weir_loop *loop, struct weir__run_queue *queue, uint32_t index)
{
    struct weir__hot *hot = &loop->hot[index];
    hot->next = WEIR__NO_TASK;
    hot->prev = queue->tail;
    if (queue->tail == WEIR__NO_TASK)
        queue->head = index;
    else
        loop->hot[queue->tail].next = index;
    queue->tail = index;
}

static void queue_remove(weir_loop *loop, struct weir__run_queue *queue, uint32_t index)
{
    struct weir__hot *hot = &loop->hot[index];
    if (hot->prev == WEIR__NO_TASK)
        queue->head = hot->next;
    else
        loop->hot[hot->prev].next = hot->next;
    if (hot->next == WEIR__NO_TASK)
        queue->tail = hot->prev;
    else
        loop->hot[hot->next].prev = hot->prev;
}

/* Everything of `ready` to the end of `batch`. */
static void queue_splice(weir_loop *loop)
{
    struct weir__run_queue *to = &loop->batch, *from = &loop->ready;
    if (from->head == WEIR__NO_TASK)
        return;
    if (to->tail == WEIR__NO_TASK) {
        *to = *from;
    } else {
        loop->hot[to->tail].next = from->head;
        loop->hot[from->head].prev = to->tail;
        to->tail = from->tail;
    }
    from->head = from->tail = WEIR__NO_TASK;
}

/* Tests only (Q4): the turn's ready tasks in an order drawn from the seed. */
static void shuffle_ready(weir_loop *loop)
{
    size_t count = 0;
    for (uint32_t i = loop->ready.head; i != WEIR__NO_TASK; i = loop->hot[i].next)
        count++;
    bool exempt = weir__base_fault_exempt(true); /* none of the calls that the test is about */
    uint32_t *order = count < 2 ? NULL : weir__base_alloc(count * sizeof *order);
    weir__base_fault_exempt(exempt);
    if (order == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        order[i] = loop->ready.head;
        queue_remove(loop, &loop->ready, order[i]);
    }
    for (size_t i = count; i-- > 0;) {
        size_t pick = weir__base_random_next(&loop->shuffle_state) % (i + 1);
        queue_append(loop, &loop->ready, order[pick]);
        order[pick] = order[i];
    }
    weir__base_free(order);
}

void weir__sched_ready(weir_loop *loop, weir_task *task)
{
    struct weir__hot *hot = &loop->hot[task->index];
    hot->state = WEIR_TASK_READY;
    hot->since_ns = loop->now_ns;
    queue_append(loop, &loop->ready, task->index);
}

void weir__sched_unready(weir_loop *loop, weir_task *task)
{
    assert(loop->hot[task->index].state == WEIR_TASK_READY);
    bool in_batch = loop->batch.head == task->index || loop->batch.tail == task->index;
    bool in_ready = loop->ready.head == task->index || loop->ready.tail == task->index;
    /* In the middle of either, no end changes and the queue named here does not matter. */
    queue_remove(loop, in_batch || !in_ready ? &loop->batch : &loop->ready, task->index);
}

/* --- choosing and switching ------------------------------------------------------------------- */

/* Once over, a turn stays over: what was being handed over to waits in the queue like all
 * others. */
static bool turn_goes_on(weir_loop *loop)
{
    if (loop->turn_over)
        return false;
    if (++loop->turn_steps % TURN_STEPS_CHECK == 0)
        loop->turn_over = loop->turn_steps >= TURN_STEPS_MAX ||
                          weir__base_now() - loop->turn_started_ns >= TURN_NS_MAX;
    return !loop->turn_over;
}

/* The stack of the one that runs after the next, and the records of the one after that. */
static void prefetch_followers(const weir_loop *loop, uint32_t index)
{
    if (index == WEIR__NO_TASK)
        return;
    const struct weir__hot *hot = &loop->hot[index];
    __builtin_prefetch(hot->sp);
    if (hot->next == WEIR__NO_TASK)
        return;
    __builtin_prefetch(&loop->hot[hot->next]);
    __builtin_prefetch(&loop->cold[hot->next].active);
}

/* A turn whose tasks have all run, with others ready and nothing else to do but look for news: the
 * next one begins here, without a detour over the loop's stack. After 64 of them, or sooner when
 * they take long, the kernel is asked; what another thread sends, or is due, is seen at once. */
static bool fold_turn(weir_loop *loop)
{
    if (loop->ready.head == WEIR__NO_TASK || loop->folds_left == 0 || loop->shuffle_state != 0 ||
        loop->inbox_rest != NULL || __atomic_load_n(&loop->inbox, __ATOMIC_RELAXED) != NULL ||
        weir__wheel_has_due(&loop->sleeps) || weir__wheel_has_due(&loop->deadlines) ||
        weir__base_coarse_now() != loop->turn_coarse_ns)
        return false;
    loop->folds_left--;
    queue_splice(loop);
    return true;
}

weir_task *weir__sched_next(weir_loop *loop)
{
    weir_task *handover = loop->handover;
    loop->handover = NULL;
    if (handover == NULL && loop->batch.head == WEIR__NO_TASK && !fold_turn(loop))
        return NULL;
    if (!turn_goes_on(loop))
        return NULL;
    if (handover != NULL) {
        weir__sched_unready(loop, handover);
        return handover;
    }
    uint32_t index = loop->batch.head;
    queue_remove(loop, &loop->batch, index);
    prefetch_followers(loop, loop->batch.head);
    return &loop->cold[index];
}

static void begin_step(weir_loop *loop, weir_task *task)
{
    struct weir__hot *hot = &loop->hot[task->index];
    hot->state = WEIR_TASK_RUNNING;
    hot->step_count++;
    loop->current = task;
    __atomic_store_n(&loop->step_count, loop->step_count + 1, __ATOMIC_RELAXED);
    if (!(task->flags & WEIR__TASK_STARTED)) {
        task->flags |= WEIR__TASK_STARTED;
        weir__group_child_started(task->group, task);
    }
}

static void *task_main(void *arg);

static struct weir__fiber *fiber_of(weir_loop *loop, int32_t slot)
{
    static struct weir__fiber none; /* plain builds: nothing is kept of a stack */
    struct weir__fiber *fiber = weir__stack_fiber(&loop->stacks, slot);
    return fiber == NULL ? &none : fiber;
}

/* Go on with `next`, or on the loop's own stack when it is NULL; `from` is gone back to later. */
static void leave_for(weir_loop *loop, weir_task *next, void **out_sp, struct weir__fiber *from)
{
    loop->leaving_fiber = from;
    if (next == NULL) {
        loop->current = NULL;
        weir__fiber_switch(from, out_sp, &loop->loop_fiber, loop->loop_sp, false);
        return;
    }
    begin_step(loop, next);
    struct weir__hot *hot = &loop->hot[next->index];
    bool first = hot->sp == NULL;
    if (first) {
        hot->stack_slot = weir__stacks_take(&loop->stacks, next->index);
        weir__fiber_renew(fiber_of(loop, hot->stack_slot));
        hot->sp =
            weir__arch_prepare(weir__stack_top(&loop->stacks, hot->stack_slot), task_main, loop);
    }
    weir__fiber_switch(from, out_sp, fiber_of(loop, hot->stack_slot), hot->sp, first);
}

/* The task returned with a scope entered, which lay in a frame that is gone now. Before anything
 * else is called that frame is still there to read: where the scope was entered is the best thing
 * to say about it. Sanitizers have their own say about such frames, and their own words. */
__attribute__((always_inline)) static inline void look_at_forgotten(weir_loop *loop,
                                                                    const weir_task *task,
                                                                    int32_t slot)
{
#ifdef WEIR__FIBER_SANITIZED
    (void)loop, (void)task, (void)slot;
#else
    const char *at = (const char *)task->active;
    const weir_scope *scope = task->active;
    loop->forgotten_address = NULL;
    if (at > weir__stack_bottom(&loop->stacks, slot) &&
        at < weir__stack_top(&loop->stacks, slot) - sizeof *scope && scope->weir__task == task &&
        scope->weir__state == WEIR__SCOPE_ACTIVE)
        loop->forgotten_address = weir__scope_entered_at(scope);
#endif
}

/* The outermost frame of every task stack: runs tasks, one after another, until the one to go on
 * with has a stack of its own. */
static void *task_main(void *arg)
{
    weir_loop *loop = arg;
    weir__fiber_arrived(loop->leaving_fiber);
    for (;;) {
        weir_task *task = loop->current;
        int32_t slot = loop->hot[task->index].stack_slot;
        int rc = task->fn(task->arg);
        if (__builtin_expect(loop->current != task, 0))
            weir__core_end_forked(); /* nothing else can have changed it */
        if (__builtin_expect(task->active != &task->scope, 0))
            look_at_forgotten(loop, task, slot);
        weir__task_finish(loop, task, rc);

        weir_task *next = weir__sched_next(loop);
        struct weir__hot *hot = next == NULL ? NULL : &loop->hot[next->index];
        if (hot != NULL && hot->sp == NULL) {
            weir__stacks_hand_on(&loop->stacks, slot, next->index);
            hot->stack_slot = slot;
            hot->sp = weir__stack_top(&loop->stacks, slot); /* begun: any value but NULL */
            begin_step(loop, next);
            continue;
        }
        weir__stacks_give(&loop->stacks, slot); /* nobody can take it before we have left it */
        loop->leaving_fiber = fiber_of(loop, slot);
        if (hot == NULL) {
            loop->current = NULL;
            return weir__fiber_end(&loop->loop_fiber, loop->loop_sp);
        }
        begin_step(loop, next);
        return weir__fiber_end(fiber_of(loop, hot->stack_slot), hot->sp);
    }
}

static void switch_away(weir_loop *loop, weir_task *task)
{
    struct weir__hot *hot = &loop->hot[task->index];
    weir_task *next = weir__sched_next(loop);
    if (next == task) { /* woken before anybody else could run: nothing to switch */
        begin_step(loop, task);
        return;
    }
    leave_for(loop, next, &hot->sp, fiber_of(loop, hot->stack_slot));
}

void weir__sched_run_batch(weir_loop *loop)
{
    if (loop->probe != NULL)
        loop->probe->turn(loop->probe, loop);
    if (loop->shuffle_state != 0)
        shuffle_ready(loop);
    queue_splice(loop);
    loop->turn_steps = 0;
    loop->turn_over = false;
    loop->turn_started_ns = loop->now_ns;
    loop->turn_coarse_ns = weir__base_coarse_now();
    loop->folds_left = loop->probe == NULL ? TURN_FOLDS_MAX : 0; /* it wants to hear of each turn */
    weir_task *next;
    while ((next = weir__sched_next(loop)) != NULL)
        leave_for(loop, next, &loop->loop_sp, &loop->loop_fiber);
}

/* --- parking and waking ----------------------------------------------------------------------- */

/* Back of the queue, then on. */
static void yield_now(weir_loop *loop, weir_task *task)
{
    task->budget = COMPLETED_AT_ONCE_MAX;
    weir__sched_ready(loop, task);
    switch_away(loop, task);
}

static void count_refusal(weir_loop *loop, weir_task *task)
{
    struct weir__hot *hot = &loop->hot[task->index];
    if (++hot->refused_count < REFUSED_TOLD || (task->flags & WEIR__TASK_SWALLOW_TOLD))
        return;
    task->flags |= WEIR__TASK_SWALLOW_TOLD;
    loop->swallows_count++;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_SWALLOWED,
        .loop = loop,
        .task = task,
        .what = "goes on waiting although it is cancelled; return the -ECANCELED you were given",
        .count = hot->refused_count});
}

/* Out of line: a checkpoint of every day needs no frame for it. */
static __attribute__((noinline)) int look_closer(weir_loop *loop, weir_task *task)
{
    if (loop->probe != NULL)
        loop->probe->checkpoint(loop->probe, loop, task);
    if (weir__core_cancelled(task)) {
        count_refusal(loop, task);
        yield_now(loop, task);
        return -ECANCELED;
    }
    loop->hot[task->index].refused_count = 0;
    return 0;
}

int weir__core_checkpoint(void)
{
    weir_loop *loop = weir__loop;
    if (loop == NULL || loop->current == NULL)
        return weir__core_refuse_fork();
    weir_task *task = loop->current;
    /* Two rare things in one test: a probe, or a level. */
    if (__builtin_expect(((uintptr_t)loop->probe | task->active->weir__effective) != 0, 0))
        return look_closer(loop, task);
    loop->hot[task->index].refused_count = 0;
    return 0;
}

void weir__core_completed_at_once(void)
{
    weir_task *task = weir__loop->current;
    if (--task->budget == 0)
        yield_now(weir__loop, task);
}

void weir__sched_abort_wait(weir_loop *loop, weir_task *task)
{
    struct weir__hot *hot = &loop->hot[task->index];
    assert(hot->state == WEIR_TASK_BLOCKED);
    hot->state = WEIR_TASK_ABORTING;
    task->abort(task, (void *)(uintptr_t)hot->wait_object);
}

int weir__core_park(enum weir_wait_kind kind, void *object, weir__abort_fn *abort)
{
    weir_loop *loop = weir__loop;
    weir_task *task = loop->current;
    struct weir__hot *hot = &loop->hot[task->index];
    hot->state = WEIR_TASK_BLOCKED;
    hot->wait_kind = (uint8_t)kind;
    hot->wait_object = object;
    hot->wait_address = __builtin_return_address(0);
    hot->since_ns = loop->now_ns;
    task->abort = abort;
    task->budget = COMPLETED_AT_ONCE_MAX;
    /* Woken with a result and cancelled before it ran, it waits again: nobody would ask it to
     * end. */
    if (__builtin_expect(abort != NULL && weir__core_cancelled(task), 0))
        weir__sched_abort_wait(loop, task);
    switch_away(loop, task);
    hot->wait_kind = WEIR_WAIT_NONE;
    task->abort = NULL;
    return hot->result;
}

void weir__core_wake(weir_task *task, int result)
{
    weir_loop *loop = weir__loop;
    struct weir__hot *hot = &loop->hot[task->index];
    assert(hot->state == WEIR_TASK_BLOCKED || hot->state == WEIR_TASK_ABORTING);
    hot->result = result;
    weir__sched_ready(loop, task);
}

int weir__core_cancelled_result(const weir_task *task)
{
    return weir__core_cancelled(task) ? -ECANCELED : -EIO;
}

static void abort_in_list(weir_task *task, void *object)
{
    struct weir__waiter *waiter = object;
    weir__list_remove(&waiter->link);
    weir__core_wake(task, -ECANCELED);
}

int weir__core_park_in(struct weir__list *waiters, enum weir_wait_kind kind)
{
    weir_task *task = weir__loop->current;
    struct weir__waiter waiter = {.task = task};
    weir__list_append(waiters, &waiter.link);
    return weir__core_park(kind, &waiter, abort_in_list);
}

bool weir__core_wake_first(struct weir__list *waiters, int result)
{
    struct weir__list *node = weir__list_take_first(waiters);
    if (node == NULL)
        return false;
    weir__core_wake(WEIR__CONTAINER(node, struct weir__waiter, link)->task, result);
    return true;
}

int weir_yield(void)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    yield_now(weir__loop, weir__loop->current);
    return 0;
}

/* --- sleeping --------------------------------------------------------------------------------- */

struct sleeper {
    struct weir__alarm alarm;
    weir_task *task;
};

static void wake_sleeper(struct weir__alarm *alarm)
{
    weir__core_wake(WEIR__CONTAINER(alarm, struct sleeper, alarm)->task, 0);
}

static void abort_sleep(weir_task *task, void *object)
{
    struct sleeper *sleeper = object;
    weir__core_alarm_clear(weir__loop, &sleeper->alarm);
    weir__core_wake(task, -ECANCELED);
}

int weir_sleep_until(int64_t at_ns)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir_loop *loop = weir__loop;
    if (at_ns <= loop->now_ns) {
        yield_now(loop, loop->current);
        return 0;
    }
    struct sleeper sleeper = {.alarm.fire = wake_sleeper, .task = loop->current};
    weir__core_alarm_set(loop, &sleeper.alarm, at_ns);
    return weir__core_park(WEIR_WAIT_SLEEP, &sleeper, abort_sleep);
}

int weir_sleep(int64_t duration_ns)
{
    if (duration_ns <= 0)
        return weir_yield();
    return weir_sleep_until(weir__base_add_ns(weir_now(), duration_ns));
}

void weir__core_alarm_set(weir_loop *loop, struct weir__alarm *alarm, int64_t at_ns)
{
    weir__wheel_disarm(&loop->sleeps, &alarm->timer);
    if (at_ns != WEIR_NEVER)
        weir__wheel_arm(&loop->sleeps, &alarm->timer, at_ns);
}

void weir__core_alarm_clear(weir_loop *loop, struct weir__alarm *alarm)
{
    weir__wheel_disarm(&loop->sleeps, &alarm->timer);
}
