/*
 * model_defer.c - the model, see model.h: deferred functions
 *
 * Runs on  one thread.
 */
#include "tests/core/model/inside.h"

int defer(int by)
{
    struct task *task = self();
    task->deferred[task->deferred_count] = by;
    task->deferred_in[task->deferred_count++] = active_scope(task);
    return 0;
}

bool has_deferred(const struct task *task, int scope)
{
    return task->deferred_count > 0 && task->deferred_in[task->deferred_count - 1] == scope;
}

/* L3: one that was cut did as it was told; the first one cut by the budget is reported. */
static int judge_deferred(int shield, bool *told, int rc)
{
    if (rc != -ECANCELED)
        return rc < 0 ? rc : 0;
    if (!is_cancelled(shield))
        return stray();
    model.counts->others += model.scopes[shield].level != FREE && !*told;
    *told = true;
    return 0;
}

/* L1: what was deferred in a scope, which is the innermost of the task and about to end. What fails
 * is put into the set `scope`. The words of the body's failure stay; it had none when it came well,
 * and then those of the first failure here stay. */
void run_deferred(int scope, bool came_well)
{
    struct task *task = self();
    int shield = SHIELD_OF + scope, said_code = task->said_code, said_by = task->said_by;
    int last_set = task->last_set, late_count = task->late_count;
    bool told = false;
    model.sets[scope] = (struct set){0};
    task->last_set = NONE; /* what they do has nothing to do with the body's */
    task->said_code = 0;
    task->said_by = NONE;
    model.scopes[shield] = (struct scope){.is_shield = true, .is_timeout = true};
    push_scope(shield, model.current,
               deadline_in(task->cleanup_ns == 0 ? 5 * WEIR_SEC : task->cleanup_ns));
    while (has_deferred(task, scope) || has_deferred(task, shield)) {
        int rc = play_deferred(model.current, task->deferred[--task->deferred_count]);
        rc = judge_deferred(shield, &told, rc);
        bool first = model.sets[scope].count == 0;
        if (rc < 0)
            add_record(scope, WEIR_FAILURE_DEFER, model.current, rc);
        while (task->late_count > late_count)
            move_records(scope, take_late(task));
        if (rc == 0 || !first || !came_well)
            continue;
        said_code = task->said_code;
        said_by = task->said_by;
        task->said_code = 0;
        task->said_by = NONE;
    }
    drop_last_set(task);
    pop_scope(shield, 0);
    task->last_set = last_set;
    task->said_code = said_code;
    task->said_by = said_by;
}

/* L2: what follows another failure is recorded behind it, at the end of the group around. */
void keep_late(struct task *task, int set)
{
    int i = task->depth - 1, count = task->late_count;
    while (i > 0 && !model.scopes[task->scopes[i]].is_group && task->scopes[i] < SHIELD_OF)
        i--;
    if (count > 0 && task->late_at[count - 1] == task->scopes[i]) {
        move_records(task->late[count - 1], set);
        return;
    }
    task->late[count] = set;
    task->late_at[count] = task->scopes[i];
    task->late_count++;
}

bool has_late(const struct task *task, int scope)
{
    return task->late_count > 0 && task->late_at[task->late_count - 1] == scope;
}

int take_late(struct task *task)
{
    return task->late[--task->late_count];
}

void hand_in_late(int group, struct task *task)
{
    struct group *g = &model.groups[group];
    int set = take_late(task);
    if (g->first_code == 0)
        g->first_code = model.sets[set].failures[0].code;
    move_records(group, set);
}

/* The code of the first is what is returned. */
void return_set(struct task *task, int set)
{
    drop_last_set(task);
    model.sets[set].code = model.sets[set].failures[0].code;
    task->last_set = set;
}

int leave(int scope, int rc)
{
    struct task *task = self();
    if (!has_deferred(task, scope))
        return pop_scope(scope, rc);
    run_deferred(scope, rc >= 0);
    rc = pop_scope(scope, rc);
    if (model.sets[scope].count == 0)
        return rc;
    if (rc < 0) {
        keep_late(task, scope);
        return rc;
    }
    return_set(task, scope);
    return model.sets[scope].code;
}
