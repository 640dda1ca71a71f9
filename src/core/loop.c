/*
 * loop.c - one thread's scheduler: its turn, its start, its end
 *
 * Runs on  the thread that called weir__core_run(), from start to end.
 * Holds    1. The order inside a turn is that of rule O10: completions, sleepers, posts, deadlines,
 *          tasks.
 *             So a result beats a deadline of the same turn.
 *          2. Before the loop sleeps, everything submitted has been handed to the kernel.
 *          3. When run returns there is no task, scope, timer or operation left (I11).
 *
 * Costs    a turn with ready tasks: one clock read, and a system call only when something was
 *          submitted (io_uring) or 50 us have passed since the last look (epoll).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "core/core.h"
#include "core/ledger.h"
#include "core/observe.h"
#include "core/probe.h"
#include "core/task.h"

enum {
    TASKS_MAX_DEFAULT = 1 << 20,
    TASKS_MAX_MOST = 1 << 24, /* what the index in a task's id can tell apart */
    STACK_BYTES_MOST = 16 * 1024 * 1024,
    SLEPT_NS_MIN = 1000000, /* after less, what is found was there before */
    LOOK_EVERY_NS = 50000,  /* epoll, while tasks are ready: how often the kernel is asked */
    DRAIN_TURNS_MAX = 1000,
};

_Thread_local weir_loop *weir__loop __attribute__((tls_model("initial-exec")));

static void (*local_clear[8])(void *local);

void weir__core_at_loop_end(enum weir__local slot, void (*clear)(void *local))
{
    __atomic_store_n(&local_clear[slot], clear, __ATOMIC_RELEASE);
}

/* --- one turn --------------------------------------------------------------------------------- */

static int64_t next_wake_ns(const weir_loop *loop)
{
    int64_t sleeps = weir__wheel_next_ns(&loop->sleeps);
    int64_t deadlines = weir__wheel_next_ns(&loop->deadlines);
    int64_t own = sleeps < deadlines ? sleeps : deadlines;
    int64_t simulated = weir__backend_next_ns(loop->backend);
    return own < simulated ? own : simulated;
}

int64_t weir__core_next_instant(const weir_loop *loop)
{
    return next_wake_ns(loop);
}

static bool has_ready(const weir_loop *loop)
{
    return loop->ready.head != WEIR__NO_TASK || loop->batch.head != WEIR__NO_TASK;
}

static bool has_mail(const weir_loop *loop)
{
    return loop->inbox_rest != NULL || __atomic_load_n(&loop->inbox, __ATOMIC_SEQ_CST) != NULL;
}

static void wait_for_news(weir_loop *loop, int64_t timeout_ns)
{
    __atomic_store_n(&loop->asleep, 1, __ATOMIC_SEQ_CST);
    if (timeout_ns < 0 || has_mail(loop)) /* a sender that saw us awake did not wake us */
        timeout_ns = 0;
    weir__backend_turn(loop->backend, timeout_ns);
    __atomic_store_n(&loop->asleep, 0, __ATOMIC_SEQ_CST);
}

/* Q2: something that is not of virtual time may still bring news. */
static bool news_may_come(const weir_loop *loop)
{
    if (loop->external_count > 0 || __atomic_load_n(&loop->refs, __ATOMIC_ACQUIRE) > 1)
        return true;
    if (loop->backend->features.virtual_time) /* what it will bring has an instant */
        return false;
    return loop->backend->stats.rx_armed > 0 || weir__backend_pending(loop->backend);
}

/* A test moves time, and nobody waits for an instant that has come. */
static bool time_stands_still(const weir_loop *loop)
{
    return loop->probe != NULL && loop->probe->by_hand && next_wake_ns(loop) > weir__base_now();
}

/* The virtual clock of a real backend; true when it has jumped to wake_ns. */
static bool clock_jumps(weir_loop *loop, int64_t wake_ns)
{
    struct weir__probe *probe = loop->probe;
    if (!probe->virtual_clock || news_may_come(loop))
        return false;
    if (wake_ns > *probe->clock)
        *probe->clock = wake_ns;
    return true;
}

int64_t weir__core_news_since_ns(const weir_loop *loop)
{
    if (!loop->asleep)
        return loop->looked_at_ns;
    int64_t now_ns = weir__base_now();
    return now_ns - loop->slept_at_ns < SLEPT_NS_MIN ? loop->looked_at_ns : now_ns;
}

static void sleep_until_something(weir_loop *loop)
{
    weir__stacks_trim(&loop->stacks);
    if (loop->sleeps_timed)
        loop->slept_at_ns = weir__base_now();
    int64_t wake_ns = next_wake_ns(loop);
    if (loop->probe != NULL && (loop->probe->by_hand || loop->probe->virtual_clock)) {
        if (time_stands_still(loop))
            wake_ns = WEIR_NEVER;
        else if (wake_ns != WEIR_NEVER && clock_jumps(loop, wake_ns))
            wake_ns = weir__base_now();
        else if (loop->probe->virtual_clock && wake_ns > weir__base_now())
            wake_ns = WEIR_NEVER; /* time stands still until what is under way has come */
    }
    if (wake_ns != WEIR_NEVER) {
        wait_for_news(loop, wake_ns - weir__base_now());
        return;
    }
    loop->backend->wakes_expected++; /* by whoever holds the loop; without one it is a deadlock */
    wait_for_news(loop, WEIR_FOREVER);
    loop->backend->wakes_expected--;
}

static void harvest(weir_loop *loop)
{
    if (!has_ready(loop)) {
        sleep_until_something(loop);
        loop->now_ns = weir__base_now();
        loop->looked_at_ns = loop->now_ns;
        return;
    }
    loop->now_ns = weir__base_now();
    /* Asking epoll is a system call each time; io_uring's turn makes none when there is nothing to
     * say. A deadline that is due fires only after completions were harvested: results win. */
    if (loop->looks_are_dear && loop->now_ns - loop->looked_at_ns < LOOK_EVERY_NS &&
        next_wake_ns(loop) > loop->now_ns)
        return;
    weir__backend_turn(loop->backend, 0);
    loop->looked_at_ns = loop->now_ns;
}

static void wake_sleepers(weir_loop *loop)
{
    struct weir__list due;
    weir__list_init(&due);
    weir__wheel_advance(&loop->sleeps, loop->now_ns, &due);
    struct weir__timer *timer;
    while ((timer = weir__wheel_take(&loop->sleeps, &due)) != NULL) {
        struct weir__alarm *alarm = WEIR__CONTAINER(timer, struct weir__alarm, timer);
        alarm->fire(alarm);
    }
}

static void fire_deadlines(weir_loop *loop)
{
    struct weir__list due;
    weir__list_init(&due);
    weir__wheel_advance(&loop->deadlines, loop->now_ns, &due);
    struct weir__timer *timer;
    while ((timer = weir__wheel_take(&loop->deadlines, &due)) != NULL)
        weir__scope_fire(loop, timer);
}

/* For whoever looks from another thread. */
static void show(weir_loop *loop)
{
    __atomic_store_n(&loop->turn_count, loop->turn_count + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&loop->tasks_seen, loop->task_count, __ATOMIC_RELAXED);
    __atomic_store_n(&loop->failures_seen, loop->failures_created, __ATOMIC_RELAXED);
}

static void take_turn(weir_loop *loop)
{
    if (__builtin_expect(weir__core_forked, 0)) /* in a callback */
        weir__core_end_forked();
    show(loop);
    harvest(loop);
    wake_sleepers(loop);
    weir__remote_drain(loop);
    fire_deadlines(loop);
    weir__sched_run_batch(loop);
}

/* --- deadlock (Q5) ---------------------------------------------------------------------------- */

/* Who gives its reference back may have posted just before: the mail is looked at after that. */
static bool nothing_can_happen(weir_loop *loop)
{
    return !has_ready(loop) && !news_may_come(loop) && !has_mail(loop) &&
           (next_wake_ns(loop) == WEIR_NEVER || time_stands_still(loop));
}

static void break_deadlock(weir_loop *loop)
{
    if (loop->deadlock_rc != 0 && loop->forced) {
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_DEADLOCK,
            .loop = loop,
            .count = loop->task_count,
            .what = "tasks wait for ever in waits that cannot be ended; there is no way on",
            .fatal = true});
    }
    if (loop->deadlock_rc != 0) {
        weir__core_force(loop, "deadlock");
        return;
    }
    loop->deadlock_rc = -EDEADLK;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_DEADLOCK,
        .loop = loop,
        .count = loop->task_count,
        .what = "every task waits, and nothing is left that could wake one; all are cancelled"});
    weir__scope_cancel_level(loop, &loop->root->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_JOIN_POLICY,
                             "deadlock", NULL);
}

/* --- start and end ---------------------------------------------------------------------------- */

static int check_options(const weir_run_options *options)
{
    if (options->tasks_max > TASKS_MAX_MOST && options->tasks_max != WEIR_UNLIMITED)
        return -EINVAL;
    return options->stack_bytes > STACK_BYTES_MOST ? -EINVAL : 0;
}

static size_t tasks_max_of(const weir_run_options *options)
{
    if (options->tasks_max == 0)
        return TASKS_MAX_DEFAULT;
    return options->tasks_max == WEIR_UNLIMITED ? TASKS_MAX_MOST : options->tasks_max;
}

static size_t stack_bytes_of(const weir_run_options *options)
{
    size_t bytes = options->stack_bytes == 0 ? WEIR_STACK_BYTES_DEFAULT : options->stack_bytes;
#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
    bytes *= 4; /* instrumented frames are larger */
#endif
    return bytes;
}

static const char *backend_wanted(const weir_run_options *options)
{
    return options->backend != NULL ? options->backend : getenv("WEIR_BACKEND");
}

static void install_clock(weir_loop *loop)
{
    struct weir__probe *probe = loop->probe;
    int64_t *clock = NULL;
    if (loop->backend->features.virtual_time) {
        clock = weir__sim_clock(loop->backend);
        if (probe != NULL)
            probe->virtual_clock = false; /* it jumps by itself */
    } else if (probe != NULL && probe->virtual_clock) {
        probe->own_now_ns = weir__base_kernel_now();
        clock = &probe->own_now_ns;
    }
    if (probe != NULL)
        probe->clock = clock;
    if (clock != NULL)
        weir__base_clock_install(clock);
}

static int loop_open(const weir_run_options *options, struct weir__probe *probe,
                     weir_loop **out_loop)
{
    int rc = check_options(options);
    if (rc < 0)
        return rc;
    weir_loop *loop = weir__base_alloc_zero(sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    loop->refs = 1;
    loop->probe = probe;
    loop->name = options->name == NULL ? "main" : options->name;
    loop->shuffle_state = loop->choice_state = options->shuffle_seed;
    loop->batch = loop->ready = (struct weir__run_queue){WEIR__NO_TASK, WEIR__NO_TASK, 0};
    weir__list_init(&loop->groups);
    weir__list_init(&loop->ledger);
    weir__list_init(&loop->late_callbacks);
    weir__list_init(&loop->registered);
    weir__list_init(&loop->stop_waiters);
    weir__stacks_init(&loop->stacks, stack_bytes_of(options));
    weir__fiber_init_thread(&loop->loop_fiber);

    rc = weir__task_table_init(loop, tasks_max_of(options));
    if (rc < 0)
        goto free_loop;
    rc = weir__backend_open(backend_wanted(options), &loop->backend, loop->backend_note,
                            sizeof loop->backend_note);
    if (rc < 0)
        goto deinit_table;
    install_clock(loop);
    loop->looks_are_dear = strcmp(loop->backend->features.name, "epoll") == 0;
    loop->now_ns = weir__base_now();
    weir__wheel_init(&loop->sleeps, loop->now_ns);
    weir__wheel_init(&loop->deadlines, loop->now_ns);
    loop->tid = weir__sys_gettid();
    weir__loop = loop;
    loop->root = weir__group_new(loop, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (loop->root == NULL) {
        rc = -ENOMEM;
        goto close_backend;
    }
    weir__scope_begin(loop, NULL, &loop->root->scope, WEIR__SCOPE_GROUP | WEIR__SCOPE_ROOT,
                      WEIR_NEVER);
    weir__core_loop_started(loop);
    *out_loop = loop;
    return 0;

close_backend:
    weir__loop = NULL;
    weir__base_clock_install(NULL);
    weir__backend_close(loop->backend);
deinit_table:
    weir__task_table_deinit(loop);
free_loop:
    weir__base_free(loop);
    return rc;
}

/* Streams being closed and operations on their way back need turns of the backend, but no tasks. */
static void drain_backend(weir_loop *loop)
{
    for (int i = 0; i < DRAIN_TURNS_MAX; i++) {
        weir__remote_drain(loop); /* what comes later is read when the inbox closes */
        if (!weir__backend_pending(loop->backend) && loop->backend->stats.rx_armed == 0 &&
            loop->external_count == 0)
            return;
        wait_for_news(loop, 10 * WEIR_MS);
    }
    weir__core_find(
        &(struct weir__finding){.kind = WEIR__FINDING_LEFT_OPEN,
                                .loop = loop,
                                .count = loop->backend->stats.rx_armed,
                                .what = "streams that could not be closed before the loop ended"});
}

/* I11 and F6, in every build: what does not add up is said, and in tests it ends the process. */
static void check_ledger(weir_loop *loop)
{
    bool clean = loop->task_count == 0 && loop->spawned_count == loop->ended_count &&
                 loop->scopes_open == 0 && loop->sleeps.armed_count == 0 &&
                 loop->deadlines.armed_count == 0 &&
                 loop->failures_created ==
                     loop->failures_delivered + loop->failures_handled + loop->failures_reported;
    if (clean)
        return;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_LEFT_OPEN,
        .loop = loop,
        .count = loop->scopes_open + loop->sleeps.armed_count + loop->deadlines.armed_count,
        .what = "the loop's books do not balance at its end: a scope, timer or failure was lost"});
    assert(loop->probe != NULL && "the books of the loop do not balance"); /* a test goes on */
}

static void free_groups(weir_loop *loop)
{
    weir_group *group;
    while ((group = loop->free_groups) != NULL) {
        loop->free_groups = (weir_group *)(void *)group->owner;
        weir__base_free(group);
    }
}

static void loop_close(weir_loop *loop)
{
    __atomic_store_n(&loop->closing, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < sizeof local_clear / sizeof local_clear[0]; i++) {
        void (*clear)(void *local) = __atomic_load_n(&local_clear[i], __ATOMIC_ACQUIRE);
        if (loop->locals[i] != NULL && clear != NULL)
            clear(loop->locals[i]);
    }
    weir__ledger_settle(loop);
    drain_backend(loop);
    weir__remote_close(loop);
    weir__core_loop_ended(loop);
    weir__scope_end(loop, NULL, &loop->root->scope, 0, NULL);
    weir__group_discard(loop, loop->root);
    free_groups(loop);
    show(loop);
    check_ledger(loop);
    weir__backend_close(loop->backend);
    weir__base_clock_install(NULL);
    weir__stacks_deinit(&loop->stacks);
    weir__task_table_deinit(loop);
    weir__loop = NULL;
    weir_loop_release(loop);
}

struct main_call {
    const weir_task *task;
    weir_task_id id;
    int rc;
    bool ended;
};

static void note_main(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc)
{
    (void)kind;
    struct main_call *call = group->ended_arg;
    if (task != call->task || call->ended)
        return;
    call->rc = rc;
    call->ended = true;
}

/* The main task's failure sits in the root group's set: its code is what run returns. Nobody else
 * hears of a failure of another member. */
static void settle_root(weir_loop *loop, const struct main_call *call, bool report_failure)
{
    weir_group *root = loop->root;
    weir_failures *failures = root->failures;
    root->failures = NULL;
    if (root->first_code == 0)
        return;
    bool recorded = failures != NULL && failures->count > 0;
    bool main_first = call->rc == root->first_code &&
                      (root->first_lost || failures->first->public.task == call->id);
    loop->failures_delivered += main_first;
    weir__failures_tell_lost(loop, NULL, root->lost_count + (root->first_lost && !main_first));
    if (recorded)
        failures->first->settled |= main_first && !root->first_lost;
    if (recorded && (report_failure || !main_first)) {
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_FAILURES,
            .loop = loop,
            .failures = failures,
            .count = failures->count,
            .what = call->rc < 0 ? "the program failed" : "a task of the program failed"});
        loop->failures_reported += weir__failures_settle(failures);
    }
    if (failures != NULL)
        weir__failures_discard(failures, true);
}

int weir__core_run(const weir_run_options *options, weir_task_fn *fn, void *arg,
                   bool report_failure)
{
    return weir__core_run_probed(options, NULL, fn, arg, report_failure);
}

int weir__core_run_probed(const weir_run_options *options, struct weir__probe *probe,
                          weir_task_fn *fn, void *arg, bool report_failure)
{
    static const weir_run_options defaults;
    if (weir__loop != NULL || weir__core_forked)
        return weir__core_refuse_fork();
    weir__core_watch_forks();
    weir_loop *loop;
    int rc = loop_open(options == NULL ? &defaults : options, probe, &loop);
    if (rc < 0)
        return rc;
    struct main_call call = {0};
    loop->root->ended = note_main;
    loop->root->ended_arg = &call;
    weir_task *task = weir__task_new(loop, loop->root, fn, arg, &rc);
    if (task == NULL) {
        call.rc = rc;
    } else {
        task->name = loop->name;
        call.task = task;
        call.id = weir__core_task_id(loop, task);
        while (!call.ended) {
            while (nothing_can_happen(loop)) /* shields may hide the first try */
                break_deadlock(loop);
            take_turn(loop);
        }
    }
    /* W6: what the main task left running is cancelled and waited for, never dropped. */
    weir__scope_cancel_level(loop, &loop->root->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_JOIN_POLICY,
                             "the main task has ended", NULL);
    while (loop->task_count > 0) {
        while (nothing_can_happen(loop))
            break_deadlock(loop);
        take_turn(loop);
    }
    rc = loop->deadlock_rc < 0 ? loop->deadlock_rc : call.rc;
    settle_root(loop, &call, report_failure);
    loop_close(loop);
    return rc;
}
