/*
 * cleanup.c - functions deferred to the end of a scope, a group or a task
 *
 * They stand in one list of the task, the latest first. Scopes are left innermost first, so those
 * of the scope that ends are always its head. They run inside a shield with the task's cleanup
 * budget, before the scope is left.
 *
 * What they fail with is collected (a "late" set), and goes where it cannot hide the primary code:
 * it is the result of the leave when there was no failure before; otherwise it waits for the end of
 * the group around, or of the task, and is recorded there after the primary one.
 *
 * Runs on  the task's own stack.
 * Holds    1. A scope has the flag DEFERS exactly while the list has an entry of it, or one runs.
 *          2. What waits for an outer end was left behind earlier than what waits for an inner one,
 *             and is handed in later: a stack. Without memory for another place in it, failures
 *             wait for the outer end. A deferred function is a world of its own: what waits inside
 *             it does so until it returns.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "core/core.h"
#include "core/observe.h"

enum { BUDGET_DEFAULT_S = 5 };

struct deferred {
    struct deferred *older;
    weir_scope *scope;
    weir_task_fn *fn;
    void *arg;
};

/* Failures that wait for the end of `at`: a group's scope, the task's bottom one, or a run's
 * shield. */
struct waiting {
    struct weir__late late;
    const weir_scope *at;
    struct waiting *outer; /* on the heap */
};

/* Deferred functions that run now; on the stack of who runs them. */
struct run {
    struct run *outer;
    weir_scope shield;
    bool cut_told;
    /* Of the code that they follow; it goes on with them when they have run. */
    struct waiting waiting;
    weir_failures *last_failures;
};

struct weir__cleanup {
    struct deferred *latest;
    struct run *run; /* the innermost */
    int64_t budget_ns;
    struct waiting waiting; /* the innermost */
    bool finishing;
    bool came_well; /* until its cleanup failed */
};

static struct weir__cleanup *cleanup_of(struct weir__extra *extra)
{
    if (extra == NULL)
        return NULL;
    if (extra->cleanup == NULL) {
        extra->cleanup = weir__base_alloc_zero(sizeof *extra->cleanup);
        if (extra->cleanup != NULL)
            extra->cleanup->budget_ns = BUDGET_DEFAULT_S * WEIR_SEC;
    }
    return extra->cleanup;
}

void weir__cleanup_free(struct weir__cleanup *cleanup)
{
    weir__base_free(cleanup);
}

int weir__cleanup_set_budget(struct weir__extra *extra, int64_t budget_ns)
{
    struct weir__cleanup *cleanup = cleanup_of(extra);
    if (cleanup == NULL)
        return -ENOMEM;
    cleanup->budget_ns = budget_ns;
    return 0;
}

int weir_defer(weir_task_fn *fn, void *arg)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    if (fn == NULL)
        return -EINVAL;
    struct weir__cleanup *cleanup = cleanup_of(weir__task_extra(task));
    if (cleanup == NULL)
        return -ENOMEM;
    struct deferred *deferred = weir__base_alloc(sizeof *deferred);
    if (deferred == NULL)
        return -ENOMEM;
    *deferred = (struct deferred){cleanup->latest, task->active, fn, arg};
    cleanup->latest = deferred;
    task->active->weir__flags |= WEIR__SCOPE_DEFERS;
    return 0;
}

/* --- running them ----------------------------------------------------------------------------- */

static void tell_cut(weir_loop *loop, weir_task *task, const struct deferred *call)
{
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_CLEANUP,
        .loop = loop,
        .task = task,
        .address = (const void *)(uintptr_t)call->fn,
        .what = "a deferred function was cut: the cleanup budget of its task is used up"});
}

/* What one that returned rc failed with; 0: it did not. One that was cut did as it was told. */
static int judge(weir_loop *loop, weir_task *task, struct run *run, const struct deferred *call,
                 int rc)
{
    if (rc != -ECANCELED)
        return rc < 0 ? rc : 0;
    if (run->shield.weir__effective >= WEIR__LEVEL_CANCEL) {
        if (run->shield.weir__level != WEIR__LEVEL_NONE && !run->cut_told)
            tell_cut(loop, task, call);
        run->cut_told = true;
        return 0;
    }
    loop->strays_count++;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_STRAY,
        .loop = loop,
        .task = task,
        .address = (const void *)(uintptr_t)call->fn,
        .what = "a deferred function returned -ECANCELED although nothing there is cancelled; it "
                "counts as -EIO"});
    return -EIO;
}

/* Takes the latest one of `scope`, or of the shield they run in: deferred meanwhile, it is next. */
static bool take_latest(struct weir__cleanup *cleanup, const weir_scope *scope,
                        struct deferred *out_call)
{
    struct deferred *latest = cleanup->latest;
    if (latest == NULL || (latest->scope != scope && latest->scope != &cleanup->run->shield))
        return false;
    cleanup->latest = latest->older;
    *out_call = *latest;
    weir__base_free(latest);
    return true;
}

static int64_t deadline_of(const struct weir__cleanup *cleanup)
{
    if (cleanup->budget_ns == WEIR_FOREVER)
        return WEIR_NEVER;
    return cleanup->budget_ns <= 0 ? 0 : weir__base_add_ns(weir_now(), cleanup->budget_ns);
}

static struct weir__late take_late(struct weir__cleanup *cleanup)
{
    struct weir__late late = cleanup->waiting.late;
    struct waiting *outer = cleanup->waiting.outer;
    cleanup->waiting = outer == NULL ? (struct waiting){0} : *outer;
    weir__base_free(outer);
    return late;
}

/*
 * Runs what was deferred in `scope`, the task's innermost one. The words of the body's own failure
 * outlive them; when it had none (`came_well`), the words of their first failure stay.
 */
static struct weir__late run_deferred(weir_loop *loop, weir_task *task, weir_scope *scope,
                                      bool came_well)
{
    struct weir__extra *extra = task->extra;
    struct weir__cleanup *cleanup = extra->cleanup;
    struct weir__late late = {0};
    struct weir__detail *words = extra->detail;
    extra->detail = NULL;
    struct run run = {.outer = cleanup->run, .waiting = cleanup->waiting};
    cleanup->waiting = (struct waiting){0};
    run.last_failures = task->last_failures;
    task->last_failures = NULL;
    cleanup->run = &run;
    weir__scope_begin(loop, task, &run.shield, WEIR__SCOPE_SHIELD | WEIR__SCOPE_TIMEOUT,
                      deadline_of(cleanup));
    loop->shields_unbounded_count += cleanup->budget_ns == WEIR_FOREVER;
    struct deferred call;
    while (take_latest(cleanup, scope, &call)) {
        int rc = call.fn(call.arg);
        if (task->active != &run.shield)
            weir__task_close_left(loop, task, &run.shield);
        rc = judge(loop, task, &run, &call, rc);
        bool first = late.code == 0;
        if (rc < 0)
            weir__late_add(loop, &late, WEIR_FAILURE_DEFER, task, rc);
        while (cleanup->waiting.late.code != 0) {
            struct weir__late behind = take_late(cleanup);
            weir__late_join(&late, &behind);
        }
        if (rc < 0 && first && came_well) {
            weir__base_free(words);
            words = extra->detail;
            extra->detail = NULL;
        }
    }
    weir__failure_settle_last(task);
    run.shield.weir__flags &= (uint8_t)~WEIR__SCOPE_DEFERS;
    weir_ignore(weir__scope_end(loop, task, &run.shield, 0, NULL), "0 stays 0");
    scope->weir__flags &= (uint8_t)~WEIR__SCOPE_DEFERS;
    cleanup->run = run.outer;
    cleanup->waiting = run.waiting;
    task->last_failures = run.last_failures;
    weir__base_free(extra->detail);
    extra->detail = words;
    return late;
}

/* --- where their failures go ------------------------------------------------------------------ */

static const weir_scope *end_to_wait_for(const weir_task *task)
{
    const weir_scope *scope = task->active;
    const struct run *run = task->extra->cleanup->run;
    while (!(scope->weir__flags & (WEIR__SCOPE_GROUP | WEIR__SCOPE_TASK)) &&
           (run == NULL || scope != &run->shield))
        scope = scope->weir__parent;
    return scope;
}

static void keep_late(struct weir__cleanup *cleanup, const weir_scope *at, struct weir__late *late)
{
    struct waiting *waiting = &cleanup->waiting;
    struct waiting *outer = NULL;
    bool inner = waiting->late.code != 0 && waiting->at != at;
    if (inner)
        outer = weir__base_alloc(sizeof *outer);
    if (outer != NULL) {
        *outer = *waiting;
        *waiting = (struct waiting){.at = at, .outer = outer};
    } else if (!inner) {
        waiting->at = at;
    }
    weir__late_join(&waiting->late, late);
}

void weir__cleanup_hand_in(weir_group *group, weir_task *task, const weir_scope *scope)
{
    if (weir__cleanup_late_code(task, scope) == 0)
        return;
    struct weir__late late = take_late(task->extra->cleanup);
    weir__late_hand_in(group, &late);
}

void weir__cleanup_become_causes(weir_task *task)
{
    struct weir__late late = take_late(task->extra->cleanup);
    weir__late_return(task->group->loop, task, &late);
}

void weir__cleanup_report_late(weir_task *task)
{
    if (weir__cleanup_late_code(task, &task->scope) == 0)
        return;
    struct weir__late late = take_late(task->extra->cleanup);
    weir__failures_tell_lost(task->group->loop, task, late.lost_count + late.first_lost);
    if (late.failures != NULL)
        weir__failures_discard(late.failures, true);
}

int weir__cleanup_late_now(const weir_task *task, const weir_scope *scope)
{
    const struct weir__cleanup *cleanup = task->extra->cleanup;
    return cleanup == NULL || cleanup->waiting.at != scope ? 0 : cleanup->waiting.late.code;
}

int weir__cleanup_outcome_now(weir_task *task, int rc)
{
    int late = weir__cleanup_late_now(task, &task->scope);
    if (rc < 0 || late == 0)
        return rc;
    task->extra->cleanup->came_well = true;
    return late;
}

bool weir__cleanup_came_well(const weir_task *task)
{
    return task->extra != NULL && task->extra->cleanup != NULL && task->extra->cleanup->came_well;
}

int weir__cleanup_end_scope(weir_loop *loop, weir_task *task, weir_scope *scope, int rc,
                            const void *address)
{
    struct weir__late late = run_deferred(loop, task, scope, rc >= 0);
    int left = weir__scope_end(loop, task, scope, rc, address);
    if (late.code == 0)
        return left;
    if (left < 0) {
        keep_late(task->extra->cleanup, end_to_wait_for(task), &late);
        return left;
    }
    weir__late_return(loop, task, &late);
    return late.code;
}

void weir__cleanup_end_group(weir_loop *loop, weir_task *task, weir_group *group)
{
    struct weir__late late = run_deferred(loop, task, &group->scope, group->first_code == 0);
    if (late.code == 0)
        return;
    weir__policy_make_room(group);
    weir__late_hand_in(group, &late);
}

void weir__cleanup_end_task(weir_loop *loop, weir_task *task, int rc)
{
    struct weir__cleanup *cleanup = task->extra->cleanup;
    cleanup->finishing = true;
    struct weir__late late = run_deferred(loop, task, &task->scope, rc >= 0);
    if (late.code != 0)
        keep_late(cleanup, &task->scope, &late);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool weir__cleanup_runs_in(const weir_task *task, const weir_scope *scope)
{
    if (task->extra == NULL || task->extra->cleanup == NULL || task->extra->cleanup->run == NULL)
        return false;
    const weir_scope *shield = &task->extra->cleanup->run->shield;
    for (const weir_scope *at = task->active; at != scope; at = at->weir__parent)
        if (at == shield)
            return true;
    return false;
}

bool weir__cleanup_finishing(const weir_task *task)
{
    return task->extra != NULL && task->extra->cleanup != NULL && task->extra->cleanup->finishing;
}
