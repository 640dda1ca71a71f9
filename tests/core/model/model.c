/*
 * model.c - the model, see model.h: who runs, and the loop
 *
 * Runs on  one thread. Each task has a stack of its own; step() switches to it, and block() back.
 */
#include <stdio.h>

#include "arch/fiber.h"
#include "base/clock.h"
#include "core/stack.h"
#include "tests/core/model/inside.h"

enum { STACK_BYTES = 512 * 1024 };

struct model model;

/* Kept from run to run. */
static struct {
    struct weir__stacks stacks;
    struct weir__fiber fiber;
    struct weir__fiber no_fiber;
    void *sp;
    bool ready;
} host;

/* --- who runs --------------------------------------------------------------------------------- */

void make_ready(int task)
{
    model.tasks[task].state = READY;
    model.ready[model.ready_count++] = task;
}

void wake(int task, int result)
{
    model.tasks[task].result = result;
    model.tasks[task].wait = NO_WAIT;
    make_ready(task);
}

static struct weir__fiber *fiber_of(const struct task *task)
{
    struct weir__fiber *fiber = weir__stack_fiber(&host.stacks, task->slot);
    return fiber == NULL ? &host.no_fiber : fiber;
}

static void to_scheduler(void)
{
    struct task *task = self();
    weir__fiber_switch(fiber_of(task), &task->sp, &host.fiber, host.sp, false);
}

static void *task_main(void *arg)
{
    (void)arg;
    weir__fiber_arrived(&host.fiber);
    end_task(model.current, model.body(model.current));
    weir__stacks_give(&host.stacks, self()->slot);
    weir__stacks_unpromise(&host.stacks);
    return weir__fiber_end(&host.fiber, host.sp);
}

/* Runs a task until it parks or ends. */
static void step(int at)
{
    struct task *task = &model.tasks[at];
    model.current = at;
    task->state = RUNNING;
    bool first = !task->started;
    if (first) {
        task->started = true;
        if (weir__stacks_promise(&host.stacks) < 0)
            __builtin_trap();
        task->slot = weir__stacks_take(&host.stacks, (uint32_t)at);
        weir__fiber_renew(fiber_of(task));
        task->sp = weir__arch_prepare(weir__stack_top(&host.stacks, task->slot), task_main, NULL);
    }
    weir__fiber_switch(&host.fiber, &host.sp, fiber_of(task), task->sp, first);
    model.current = NONE;
}

/* O11: back of the queue, then on. */
void let_others_run(void)
{
    self()->budget = BUDGET;
    make_ready(model.current);
    to_scheduler();
}

/* Parks until wake(); the wait has been described in the task's record. */
int block(enum wait wait)
{
    self()->wait = wait;
    self()->state = BLOCKED;
    self()->budget = BUDGET;
    to_scheduler();
    return self()->result;
}

/* O9: after 64 checkpoints in a row that completed without waiting, others run once. */
void completed_at_once(void)
{
    if (--self()->budget == 0)
        let_others_run();
}

/* T1: the first member that has not begun. */
int first_unstarted(const struct group *group)
{
    for (int i = 0; i < group->member_count; i++)
        if (!model.tasks[group->members[i]].started)
            return group->members[i];
    return NONE;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* The wait or deadline that comes first, by the millisecond it is due at and the order in which it
 * was armed; NONE when there is none. */
static int first_wait(void)
{
    int first = NONE;
    for (int i = 0; i < STATEMENTS_MAX; i++) {
        const struct task *t = &model.tasks[i], *f = &model.tasks[first == NONE ? 0 : first];
        if (t->state != BLOCKED || t->due_ns == WEIR_NEVER ||
            (t->wait != WAITS_FOR_TIME && t->wait != WAITS_FOR_START))
            continue;
        if (first == NONE || t->armed_tick < f->armed_tick ||
            (t->armed_tick == f->armed_tick && t->armed_number < f->armed_number))
            first = i;
    }
    return first;
}

static int first_deadline(void)
{
    int first = NONE;
    for (int i = 0; i < SCOPES_MAX; i++) {
        const struct scope *s = &model.scopes[i], *f = &model.scopes[first == NONE ? 0 : first];
        if (!s->active || s->fired || s->deadline_ns == WEIR_NEVER)
            continue;
        if (first == NONE || s->armed_tick < f->armed_tick ||
            (s->armed_tick == f->armed_tick && s->armed_number < f->armed_number))
            first = i;
    }
    return first;
}

/* O10: a result that is there in time is seen before the deadline of the same turn. */
static void finish_waits(void)
{
    int64_t tick = tick_of(model.now_ns);
    int at;
    while ((at = first_wait()) != NONE && model.tasks[at].armed_tick <= tick) {
        if (model.tasks[at].wait == WAITS_FOR_START)
            model.groups[model.tasks[at].waits_in].calls->paused = false;
        wake(at, model.tasks[at].result);
    }
}

static void fire_deadlines(void)
{
    int64_t tick = tick_of(model.now_ns);
    int at;
    while ((at = first_deadline()) != NONE && model.scopes[at].armed_tick <= tick)
        fire(at);
}

/* Q2: time moves only when nothing else can happen. */
static void let_time_pass(void)
{
    int wait = first_wait(), deadline = first_deadline();
    int64_t tick = tick_of(model.now_ns), next = INT64_MAX;
    if (wait != NONE)
        next = model.tasks[wait].armed_tick;
    if (deadline != NONE && model.scopes[deadline].armed_tick < next)
        next = model.scopes[deadline].armed_tick;
    if (next > tick && next != INT64_MAX)
        model.now_ns = next * WEIR_MS;
}

/* Q4: the order in which a turn's tasks run is drawn as the core draws it. */
static void shuffle_ready(void)
{
    int order[STATEMENTS_MAX], count = model.ready_count;
    memcpy(order, model.ready, sizeof order);
    for (int i = count; i-- > 0 && count > 1;) {
        size_t pick = weir__base_random_next(&model.shuffle) % ((size_t)i + 1);
        model.ready[count - 1 - i] = order[pick];
        order[pick] = order[i];
    }
}

/* T1: what was handed over to goes first. */
static int next_task(void)
{
    int next = model.handover;
    model.handover = NONE;
    if (next == NONE && model.batch_count > 0)
        next = model.batch[0];
    if (next == NONE)
        return NONE;
    list_remove(model.batch, &model.batch_count, next);
    list_remove(model.ready, &model.ready_count, next);
    return next;
}

static void run_ready(void)
{
    if (model.shuffle != 0)
        shuffle_ready();
    memcpy(model.batch, model.ready, sizeof model.batch);
    model.batch_count = model.ready_count;
    model.ready_count = 0;
    int next;
    while ((next = next_task()) != NONE)
        step(next);
}

/* Q5: all are cancelled, and if that does not help, forced. */
static void break_deadlock(void)
{
    struct cause_note cause = {WEIR_CANCEL_JOIN_POLICY, NONE, NONE, model.now_ns - model.began_ns};
    if (model.deadlocks++ == 0) {
        model.counts->deadlocks++;
        cancel_level(ROOT, CANCELLED, cause);
    } else {
        cancel_level(ROOT, FORCED, cause);
    }
}

static bool is_idle(void)
{
    return model.ready_count == 0 && model.mail_count == 0;
}

static void turn(void)
{
    if (is_idle() && first_wait() == NONE && first_deadline() == NONE)
        break_deadlock();
    if (is_idle())
        let_time_pass();
    finish_waits();
    read_mail();
    fire_deadlines();
    run_ready();
}

static int run(const struct program *program, int (*body)(int self), struct report_counts *out)
{
    static const struct statement root_options = {.verb = GROUP, .policy = WEIR_COLLECT_ALL};
    if (!host.ready) {
        weir__stacks_init(&host.stacks, STACK_BYTES);
        weir__fiber_init_thread(&host.fiber);
        host.ready = true;
    }
    memset(&model, 0, sizeof model);
    model.program = program;
    model.body = body;
    model.counts = out;
    model.shuffle = program->shuffle_seed;
    model.now_ns = model.began_ns = 1 * WEIR_SEC;
    model.current = model.handover = NONE;
    model.groups[ROOT] =
        (struct group){.owner = NONE, .options = &root_options, .stopping = NONE, .given = NONE};
    model.scopes[ROOT] = (struct scope){
        .active = true, .parent = NONE, .task = NONE, .is_group = true, .deadline_ns = WEIR_NEVER};
    add_task(ROOT, 0);
    while (!model.main_ended)
        turn();
    /* F6: of the main task's failures the run returns one. */
    const struct set *set = &model.sets[ROOT];
    bool returned = set->count > 0 && set->failures[0].code == model.main_rc;
    out->failures += set->count - returned;
    return model.deadlocks > 0 ? -EDEADLK : model.main_rc;
}

static int64_t now_ns(void)
{
    return model.main_ended && model.current == NONE ? 0 : model.now_ns - model.began_ns;
}

const struct machine model_machine = {
    .name = "model",
    .run = run,
    .now_ns = now_ns,
    .yield = yield,
    .check = check,
    .sleep = sleep_for,
    .wait = wait_for,
    .enter = enter,
    .leave = leave,
    .cancel = cancel,
    .force = force,
    .set_deadline = set_deadline,
    .open = open_group,
    .close = close_group,
    .spawn = spawn,
    .start = start,
    .started = started,
    .calls = run_calls,
    .defer = defer,
    .cancel_task = cancel_task,
    .wait_task = wait_task,
    .set_result = set_result,
    .take_result = take_result,
    .forget = forget,
    .cancel_requested = cancel_requested,
    .next = next_member,
    .on_done = on_done,
    .remove = remove_callback,
    .set_local = set_local,
    .get_local = get_local,
    .take_failures = take_failures,
    .fail = fail,
    .deadline_ns = deadline_ns,
    .cancelled_because = cancelled_because,
};
