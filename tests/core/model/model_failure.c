/*
 * model_failure.c - the model, see model.h: failures, outcomes and results
 *
 * Runs on  one thread.
 */
#include "tests/core/model/inside.h"

/* --- failures --------------------------------------------------------------------------------- */

int fail(int code, int by)
{
    self()->said_code = code;
    self()->said_by = by;
    return code;
}

/* F6: what nobody saw of a set is reported; its first failure was returned by the close. */
void drop_last_set(struct task *task)
{
    if (task->last_set == NONE)
        return;
    const struct set *set = &model.sets[task->last_set];
    for (int i = 1; i < set->count && !set->absorbed && !set->primary_only; i++) {
        const struct failure *f = &set->failures[i];
        bool given = f->outcome && model.tasks[f->task].outcome_given;
        model.counts->failures += !given;
    }
    task->last_set = NONE;
}

/* F4. */
int claim_causes(struct task *task, int code)
{
    int set = task->last_set;
    if (set == NONE || model.sets[set].code != code)
        return NONE;
    task->last_set = NONE;
    return set;
}

int message_of(const struct task *task, int code)
{
    return task->said_code == code ? task->said_by : NONE;
}

/* F1. */
void add_record(int set, weir_failure_origin origin, int by, int code)
{
    struct task *task = &model.tasks[by];
    struct set *s = &model.sets[set];
    s->failures[s->count++] = (struct failure){.code = code,
                                               .origin = (int)origin,
                                               .task = by,
                                               .message = message_of(task, code),
                                               .causes = claim_causes(task, code)};
}

void add_failure(int group, weir_failure_origin origin, int by, int code)
{
    if (model.groups[group].first_code == 0)
        model.groups[group].first_code = code;
    add_record(group, origin, by, code);
}

void move_records(int to, int from)
{
    struct set *into = &model.sets[to], *out = &model.sets[from];
    for (int i = 0; i < out->count; i++)
        into->failures[into->count++] = out->failures[i];
    out->count = 0;
}

void list_failures(int of, int depth, struct failure_notes *notes)
{
    const struct set *set = &model.sets[of];
    for (int i = 0; i < set->count; i++) {
        const struct failure *f = &set->failures[i];
        if (notes->count == NOTES_MAX)
            return;
        notes->notes[notes->count++] =
            (struct failure_note){f->code, f->origin, f->task, f->message, depth};
        if (f->causes != NONE)
            list_failures(f->causes, depth + 1, notes);
    }
}

void take_failures(struct failure_notes *out_notes)
{
    if (self()->last_set != NONE)
        list_failures(self()->last_set, 0, out_notes);
    self()->last_set = NONE;
}

/* --- results and outcomes --------------------------------------------------------------------- */

/* R5: whether any task that lives sees the value. */
static bool is_seen(int value)
{
    for (int i = 0; i < STATEMENTS_MAX; i++)
        if (list_has(model.tasks[i].locals, model.tasks[i].local_count, value))
            return true;
    return false;
}

int set_local(int key, int by)
{
    struct task *task = self();
    int at = 0;
    while (at < task->local_count && task->local_keys[at] != key)
        at++;
    int before = at < task->local_count ? task->locals[at] : NONE;
    task->local_count += at == task->local_count;
    task->local_keys[at] = key;
    task->locals[at] = by;
    if (before != NONE && !is_seen(before))
        play_destroyed(before);
    return 0;
}

int get_local(int key)
{
    for (int i = 0; i < self()->local_count; i++)
        if (self()->local_keys[i] == key)
            return self()->locals[i];
    return NONE;
}

void inherit_locals(int at)
{
    if (model.current == NONE)
        return;
    memcpy(model.tasks[at].local_keys, self()->local_keys, sizeof self()->local_keys);
    memcpy(model.tasks[at].locals, self()->locals, sizeof self()->locals);
    model.tasks[at].local_count = self()->local_count;
}

void release_locals(int at)
{
    struct task *task = &model.tasks[at];
    int count = task->local_count;
    task->local_count = 0;
    for (int i = 0; i < count; i++)
        if (!is_seen(task->locals[i]))
            play_destroyed(task->locals[i]);
}

static void destroy_result(struct task *task)
{
    if (task->own_result != NONE)
        play_destroyed(task->own_result);
    task->own_result = NONE;
}

/* Nobody can ask for it any more. P8: a failure that stayed here and that nobody was given. */
void release_record(int at)
{
    struct task *task = &model.tasks[at];
    if (task->failure_stays && !task->outcome_given)
        model.counts->failures++;
    task->failure_stays = false;
    destroy_result(task);
    task->state = NO_TASK;
}

int set_result(int by)
{
    destroy_result(self());
    self()->own_result = by;
    return 0;
}

int take_result(int at, int *out_by)
{
    struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    if (task->state != DONE)
        return -EAGAIN;
    if (task->own_result == NONE)
        return -ENOENT;
    *out_by = task->own_result;
    task->own_result = NONE;
    return 0;
}

int forget(int at)
{
    struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    task->kept = false;
    if (task->state != DONE)
        return 0;
    struct group *group = &model.groups[task->group];
    list_remove(group->kept, &group->kept_count, at);
    list_remove(group->ended, &group->ended_count, at);
    if (group->given == at)
        group->given = NONE;
    release_record(at);
    return 0;
}

int cancel_requested(int at)
{
    const struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    return task->state == DONE ? task->was_cancelled : is_cancelled(at);
}

/* R3. */
int wait_task(int at, struct outcome_note *out_outcome)
{
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    if (at == model.current)
        return -EDEADLK;
    if (task->state == DONE) {
        *out_outcome = task->outcome;
        task->outcome_given = true;
        completed_at_once();
        return 0;
    }
    task->waiters[task->waiter_count++] = model.current;
    self()->waits_in = at;
    self()->aborts = 0;
    rc = block(WAITS_FOR_TASK);
    if (rc == 0)
        *out_outcome = task->outcome;
    return rc;
}

/* R2, R3: a result stays only where somebody can take it. */
void note_outcome(int at, weir_outcome_kind kind, int rc)
{
    struct task *task = &model.tasks[at];
    task->outcome = (struct outcome_note){kind, rc, at, message_of(task, rc), NONE};
    task->was_cancelled = is_cancelled(at);
    if (kind != WEIR_OUTCOME_OK)
        destroy_result(task);
    while (task->callback_count > 0) { /* K1 */
        int by = task->callbacks[0];
        list_remove(task->callbacks, &task->callback_count, by);
        task->outcome_given = true;
        model.counts->failures += play_callback(by, &task->outcome) < 0; /* K2 */
    }
    for (int i = 0; i < task->waiter_count; i++) {
        task->outcome_given = true;
        wake(task->waiters[i], 0);
    }
    task->waiter_count = 0;
}

/* --- callbacks -------------------------------------------------------------------------------- */

/* K1: of one that has ended it is called later, and its group stays open until then. */
int on_done(int at, int by)
{
    struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    if (task->state != DONE) {
        task->callbacks[task->callback_count++] = by;
        return 0;
    }
    if (model.groups[task->group].joined)
        return -ESTALE;
    model.groups[task->group].holds++;
    model.mail_outcomes[by] = task->outcome;
    model.mail[model.mail_count++] = by;
    return 0;
}

static void let_go(int group)
{
    model.groups[group].holds--;
    settle(&model.groups[group]);
}

int remove_callback(int by)
{
    struct task *task = &model.tasks[model.program->statements[by].target];
    if (list_has(task->callbacks, task->callback_count, by)) {
        list_remove(task->callbacks, &task->callback_count, by);
        return 0;
    }
    if (!list_has(model.mail, model.mail_count, by))
        return -ESTALE;
    list_remove(model.mail, &model.mail_count, by);
    let_go(task->group);
    return 0;
}

void read_mail(void)
{
    int mail[STATEMENTS_MAX], count = model.mail_count;
    memcpy(mail, model.mail, sizeof mail);
    for (int i = 0; i < count; i++) {
        struct task *task = &model.tasks[model.program->statements[mail[i]].target];
        list_remove(model.mail, &model.mail_count, mail[i]);
        task->outcome_given = true;
        model.counts->failures += play_callback(mail[i], &model.mail_outcomes[mail[i]]) < 0;
        let_go(task->group);
    }
}
