/*
 * open.c - starting loops, attending to them, waiting for them
 *
 * Runs on  the loop of the owner.
 * Holds    1. A set that could not be opened has left nothing: every thread that began is joined.
 */
#include <stdio.h>
#include <string.h>
#include <weir/log.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/observe.h"
#include "loops/loops.h"

enum { LOOPS_MAX = 1024, STOP_BUDGET_DEFAULT_S = 5 };

/* --- names ------------------------------------------------------------------------------------ */

/* They outlive the loops: failures name them. */
static const char *default_name(size_t index)
{
    static char names[LOOPS_MAX][12];
    static struct weir__mutex lock = WEIR__MUTEX_INIT;
    weir__base_mutex_lock(&lock);
    snprintf(names[index], sizeof names[index], "loop %u", (unsigned)index);
    weir__base_mutex_unlock(&lock);
    return names[index];
}

static const char *backend_of(const weir_loop *loop)
{
    const char *name = loop->backend->features.name;
    return strcmp(name, "io_uring") == 0 ? "uring" : name;
}

/* --- news from the threads -------------------------------------------------------------------- */

static bool heard_enough(const weir_loops *loops)
{
    if (loops->giving_up)
        return loops->ended_count == loops->begun_count;
    return loops->standing_count == loops->begun_count || loops->ended_count > 0;
}

static void wake_waiter(weir_loops *loops)
{
    weir_task *waiter = loops->waiter;
    if (waiter == NULL || !heard_enough(loops))
        return;
    loops->waiter = NULL;
    weir__core_wake(waiter, 0);
}

void weir__loops_hear_stands(struct weir__post *post)
{
    weir_loops *loops = WEIR__CONTAINER(post, struct weir__loops_one, stands_post)->all;
    loops->standing_count++;
    wake_waiter(loops);
}

void weir__loops_hear_ended(struct weir__post *post)
{
    struct weir__loops_one *one = WEIR__CONTAINER(post, struct weir__loops_one, ended_post);
    one->ended = true;
    one->all->ended_count++;
    weir__base_thread_join(&one->thread);
    wake_waiter(one->all);
    if (one->attendant != NULL)
        weir__core_wake(one->attendant, 0);
}

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct weir__loops_one *one = object;
    snprintf(out->detail, sizeof out->detail, "\"%s\"", one->name);
}

/* --- attendants ------------------------------------------------------------------------------- */

static void pass_cancel_on(weir_task *task, void *object)
{
    weir_cancel_cause cause = {0};
    bool known = weir__scope_cause(task->active, &cause);
    bool failed = cause.kind == WEIR_CANCEL_SIBLING_FAILED; /* judge() has said it better */
    weir__loops_cancel_one(object, known && !failed ? cause.reason : NULL);
}

static bool is_early(const weir_loops *loops)
{
    return loops->phase < WEIR_STOP_CANCEL && loops->ended_count < loops->count;
}

/* Told at once: the owner may be busy for long before it closes the set. */
static void tell_failure(struct weir__loops_one *one)
{
    weir_loops *all = one->all;
    bool stops_all = all->policy == WEIR_FAIL_FAST;
    if (!is_early(all))
        return;
    if (stops_all)
        snprintf(all->why, sizeof all->why, "loop \"%s\" failed: %s", one->name, one->message);
    weir_log_error(stops_all ? "weir W602 one of several loops has failed; the others are cancelled"
                             : "weir W602 one of several loops has failed; the others run on",
                   WEIR_KV("loop", one->name), WEIR_KV("message", one->message));
}

/* A loop that has ended, in the words of its attendant. */
static int judge(struct weir__loops_one *one)
{
    weir_task *task = weir__core_task();
    int rc = one->rc;
    if (rc >= 0)
        return 0;
    if (rc == -ECANCELED) {
        one->outcome = WEIR_OUTCOME_CANCELLED;
        if (is_early(one->all))
            weir_log_warn("weir W602 one of several loops was stopped by itself; the others run on",
                          WEIR_KV("loop", one->name));
        return weir__core_cancelled(task) ? rc : 0;
    }
    one->outcome = WEIR_OUTCOME_FAILED;
    bool explained = one->failures != NULL;
    weir__failure_receive(task, one->failures);
    one->failures = NULL;
    snprintf(one->message, sizeof one->message, "%s", weir_failure_message(rc));
    tell_failure(one);
    return explained ? rc : weir_fail(rc, "loop \"%s\": %s", one->name, weir_code_text(rc));
}

static int attend(void *arg)
{
    struct weir__loops_one *one = arg;
    weir_loop *home = one->all->home;
    if (!one->ended) {
        one->attendant = weir__core_task();
        weir__core_tell_waits(WEIR_WAIT_LOOP, tell);
        weir__core_external_begin(home);
        weir_ignore(weir__core_park(WEIR_WAIT_LOOP, one, pass_cancel_on), "its record has it");
        weir__core_external_end(home);
        one->attendant = NULL;
    }
    int rc = judge(one);
    __atomic_store_n(&one->over, true, __ATOMIC_RELEASE);
    return rc;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int check(const weir_loops_options *options)
{
    if (options->count > LOOPS_MAX || options->policy > WEIR_COLLECT_ALL ||
        (options->stop_budget_ns < 0 && options->stop_budget_ns != WEIR_FOREVER))
        return -EINVAL;
    return 0;
}

static void free_loops(weir_loops *loops)
{
    weir__loops_stop_over(loops);
    for (size_t i = 0; i < loops->count; i++) {
        weir__failures_release(loops->one[i].failures);
        weir_loop_release(loops->one[i].loop);
    }
    weir_shared_event_release(loops->gate_moved);
    weir__base_free(loops);
}

static int make(const weir_loops_options *options, weir_loops_fn *fn, void *arg,
                weir_loops **out_loops)
{
    size_t count = options->count == 0 ? weir_loops_usable() : options->count;
    weir_loops *loops = weir__base_alloc_zero(
        sizeof *loops + (count < LOOPS_MAX ? count : LOOPS_MAX) * sizeof loops->one[0]);
    if (loops == NULL)
        return -ENOMEM;
    int rc = weir_shared_event_new(&loops->gate_moved);
    if (rc < 0) {
        weir__base_free(loops);
        return rc;
    }
    loops->count = count < LOOPS_MAX ? count : LOOPS_MAX;
    loops->home = weir__core_loop();
    loops->fn = fn;
    loops->arg = arg;
    loops->policy = options->policy;
    loops->pinned = options->pinned;
    loops->stop_budget_ns =
        options->stop_budget_ns == 0 ? STOP_BUDGET_DEFAULT_S * WEIR_SEC : options->stop_budget_ns;
    loops->cancel_at_ns = loops->force_at_ns = loops->tell_at_ns = WEIR_NEVER;
    loops->run = options->run;
    if (loops->run.backend == NULL)
        loops->run.backend = backend_of(loops->home);
    for (size_t i = 0; i < loops->count; i++) {
        loops->one[i].all = loops;
        loops->one[i].index = i;
        loops->one[i].name = options->names == NULL ? default_name(i) : options->names[i];
    }
    *out_loops = loops;
    return 0;
}

static void move_gate(weir_loops *loops, enum weir__gate gate)
{
    __atomic_store_n(&loops->gate, gate, __ATOMIC_RELEASE);
    weir_shared_event_post(loops->gate_moved);
}

static void stop_waiting(weir_task *task, void *object)
{
    struct weir__loops_one *one = object;
    one->all->waiter = NULL;
    weir__core_wake(task, -ECANCELED);
}

static int wait_for_news(weir_loops *loops)
{
    if (heard_enough(loops))
        return 0;
    loops->waiter = weir__core_task();
    weir__core_tell_waits(WEIR_WAIT_LOOP, tell);
    weir__core_external_begin(loops->home);
    int rc =
        weir__core_park(WEIR_WAIT_LOOP, &loops->one[0], loops->giving_up ? NULL : stop_waiting);
    weir__core_external_end(loops->home);
    return rc == -ECANCELED ? weir__core_cancelled_result(weir__core_task()) : rc;
}

static int could_not_start(const struct weir__loops_one *one, int rc, const char *what)
{
    return weir_fail(rc, "loop \"%s\", number %zu of %zu, could not be started: its %s: %s",
                     one->name, one->index + 1, one->all->count, what, weir_code_text(rc));
}

static int start_threads(weir_loops *loops)
{
    for (size_t i = 0; i < loops->count; i++) {
        struct weir__loops_one *one = &loops->one[i];
        int rc = weir__base_thread_start(&one->thread, one->name, weir__loops_thread, one);
        if (rc < 0)
            return could_not_start(one, rc, "thread");
        one->begun = true;
        loops->begun_count++;
    }
    int rc = wait_for_news(loops);
    for (size_t i = 0; i < loops->count && rc == 0; i++)
        if (loops->one[i].ended)
            rc = could_not_start(&loops->one[i], loops->one[i].rc, "scheduler");
    return rc;
}

/* Nobody's fn has begun: they only have to be told. */
static void give_up(weir_loops *loops)
{
    loops->giving_up = true;
    move_gate(loops, WEIR__GATE_REFUSED);
    weir_ignore(wait_for_news(loops), "it cannot be cut");
    free_loops(loops);
}

static int spawn_attendants(weir_loops *loops)
{
    int rc = 0;
    for (size_t i = 0; i < loops->count && rc == 0; i++)
        rc = weir_spawn_with(loops->group, &(weir_spawn_options){.name = loops->one[i].name},
                             attend, &loops->one[i], NULL);
    return rc;
}

/* By the end of its owner its loops have ended: the group was joined then. */
static void close_forgotten(struct weir__ledger_entry *entry)
{
    free_loops(WEIR__CONTAINER(entry, weir_loops, entry));
}

int weir_loops_open(const weir_loops_options *options, weir_loops_fn *fn, void *arg,
                    weir_loops **out_loops)
{
    static const weir_loops_options defaults;
    const void *address = __builtin_return_address(0);
    if (options == NULL)
        options = &defaults;
    int rc = weir__core_checkpoint();
    if (rc == 0)
        rc = check(options);
    if (rc < 0)
        return rc;
    weir_loops *loops;
    rc = make(options, fn, arg, &loops);
    if (rc < 0)
        return rc;
    rc = start_threads(loops);
    if (rc < 0)
        goto give_up;
    rc = weir_group_open(&loops->group,
                         &(weir_group_options){.policy = options->policy, .name = "loops"});
    if (rc < 0)
        goto give_up;
    loops->group->open_address = address;
    rc = spawn_attendants(loops);
    if (rc < 0)
        goto close_group;
    weir__ledger_add(&loops->entry, "set of loops", address, close_forgotten);
    move_gate(loops, WEIR__GATE_OPEN);
    *out_loops = loops;
    return 0;

close_group:
    rc = weir_group_close(loops->group, rc);
give_up:
    give_up(loops);
    return rc;
}

int weir_loops_close(weir_loops *loops, int rc)
{
    if (loops == NULL)
        return rc;
    weir_task *task = weir__core_task();
    if (task == NULL || loops->group->owner != task ||
        weir__cleanup_runs_in(task, &loops->group->scope))
        return -EPERM;
    rc = weir__group_close_at(loops->group, rc, NULL, __builtin_return_address(0));
    weir__ledger_remove(&loops->entry);
    free_loops(loops);
    return rc;
}
