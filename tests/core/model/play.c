/*
 * play.c - the interpreter, see play.h
 *
 * Runs on  one thread; one program at a time.
 * Holds    1. Nothing here decides by what the machine is: all differences come from the machine.
 */
#include "tests/core/model/play.h"

#include <stdio.h>
#include <string.h>

enum presence { NOT_YET, PRESENT, GONE };

static struct {
    const struct machine *machine;
    const struct program *program;
    struct trace *trace;
    enum presence presence[STATEMENTS_MAX]; /* of groups and scopes: between open and close */
    int owner[STATEMENTS_MAX];
    bool spawned[STATEMENTS_MAX];
    bool added[STATEMENTS_MAX]; /* callbacks */
} now;

static struct event *note(int self, int statement, enum event_kind kind, int value)
{
    static struct event too_many;
    struct event *event = &too_many;
    if (now.trace->count < EVENTS_MAX)
        event = &now.trace->events[now.trace->count++];
    *event = (struct event){.at_ns = now.machine->now_ns(),
                            .task = (int16_t)self,
                            .statement = (int16_t)statement,
                            .kind = (uint8_t)kind,
                            .value = value};
    return event;
}

void play_destroyed(int by)
{
    note(NONE, by, DESTROYED, 0);
}

int play_callback(int by, const struct outcome_note *outcome)
{
    struct event *event = note(NONE, by, CALLED, outcome->rc);
    event->more[0] = outcome->kind;
    event->more[1] = outcome->task;
    event->more[2] = outcome->message;
    return now.program->statements[by].code;
}

static void note_failures(int self, int at, const struct failure_notes *notes)
{
    for (int i = 0; i < notes->count; i++) {
        const struct failure_note *n = &notes->notes[i];
        struct event *event = note(self, at, FAILURE, n->code);
        event->more[0] = n->origin;
        event->more[1] = n->task;
        event->more[2] = n->message;
        event->more[3] = n->depth;
    }
}

static int run_block(int self, int first);

static int in_scope(int self, int at, const struct statement *s)
{
    int rc = now.machine->enter(at, s);
    if (rc < 0)
        return rc;
    now.presence[at] = PRESENT;
    now.owner[at] = self;
    rc = run_block(self, s->body);
    now.presence[at] = GONE;
    return now.machine->leave(at, rc);
}

static int in_group(int self, int at, const struct statement *s)
{
    int rc = now.machine->open(at, s);
    if (rc < 0)
        return rc;
    now.presence[at] = PRESENT;
    now.owner[at] = self;
    rc = run_block(self, s->body);
    struct failure_notes notes = {0};
    rc = now.machine->close(at, rc, s->takes_failures ? &notes : NULL);
    now.presence[at] = GONE;
    note_failures(self, at, &notes);
    return rc;
}

static int burn(int at, const struct statement *s)
{
    static const struct statement empty = {.verb = GROUP};
    int rc = 0;
    for (int i = 0; i < s->count && rc == 0; i++) {
        rc = now.machine->open(at, &empty);
        now.presence[at] = rc == 0 ? PRESENT : GONE; /* others may try to get in */
        if (rc == 0)
            rc = now.machine->close(at, 0, NULL);
        now.presence[at] = GONE;
    }
    return rc;
}

static int spin(const struct statement *s, int64_t *out_refused)
{
    for (int i = 0; i < s->count; i++)
        *out_refused += now.machine->yield() == -ECANCELED;
    return 0;
}

static void note_outcome(int self, int at, const struct outcome_note *outcome)
{
    struct event *event = note(self, at, OUTCOME, outcome->rc);
    event->more[0] = outcome->kind;
    event->more[1] = outcome->task;
    event->more[2] = outcome->message;
    event->more[3] = outcome->result;
}

static int run_calls(int self, int at, const struct statement *s, int *out_winner)
{
    int tasks[STATEMENTS_MAX] = {0}, count = 0;
    for (int i = s->body; i != NONE; i = now.program->statements[i].next)
        if (now.program->statements[i].verb == CALL)
            tasks[count++] = i;
    struct outcome_note outcomes[STATEMENTS_MAX] = {0};
    *out_winner = NONE;
    int rc = now.machine->calls(at, s, tasks, count, outcomes, out_winner);
    for (int i = 0; i < count && rc != -EINVAL; i++) /* then they were not written */
        note_outcome(self, at, &outcomes[i]);
    return rc;
}

static int wait_task(int self, int at, const struct statement *s)
{
    struct outcome_note outcome = {0};
    int rc = now.machine->wait_task(s->target, &outcome);
    if (rc < 0)
        return rc;
    note_outcome(self, at, &outcome);
    return rc;
}

static int next(int self, int at, const struct statement *s)
{
    struct outcome_note outcome = {0};
    int rc = now.machine->next(s->target, &outcome);
    if (rc == 0)
        note_outcome(self, at, &outcome);
    return rc;
}

static void take_failures(int self, int at)
{
    struct failure_notes notes = {0};
    now.machine->take_failures(&notes);
    note_failures(self, at, &notes);
}

static void ask(int self, int at)
{
    struct cause_note cause = {0};
    bool cancelled = now.machine->cancelled_because(&cause);
    struct event *event = note(self, at, CONTEXT, cancelled);
    if (cancelled) {
        event->more[0] = cause.kind;
        event->more[1] = cause.source;
        event->more[2] = cause.reason;
        event->more[3] = cause.at_ns;
    }
    note(self, at, DEADLINE, 0)->more[0] = now.machine->deadline_ns();
    event = note(self, at, LOCAL, 0);
    for (int key = 0; key < LOCALS; key++)
        event->more[key] = now.machine->get_local(key);
}

/* What the statement is about is not there: it does nothing. */
static bool is_void(int self, const struct statement *s)
{
    bool has_target = (s->verb >= SPAWN && s->verb <= CLOSE && s->verb != DEFER) ||
                      s->verb == NEXT || s->verb == ON_DONE || s->verb == REMOVE;
    if (!has_target)
        return false;
    if (s->target == NONE)
        return true;
    const struct statement *target = &now.program->statements[s->target];
    enum presence presence = now.presence[s->target];
    switch (s->verb) {
    case CANCEL:
    case FORCE:
        return !is_scope(target) && (target->verb != GROUP || presence != PRESENT);
    case CANCEL_TASK:
    case WAIT_TASK:
    case TAKE_RESULT:
    case FORGET:
    case REQUESTED:
    case ON_DONE:
        return (!is_spawn(target) && target->verb != CALL) || !now.spawned[s->target];
    case SET_DEADLINE:
        return !is_scope(target) || presence != PRESENT || now.owner[s->target] != self;
    case CLOSE:
        return target->verb != GROUP || presence != PRESENT || now.owner[s->target] == self;
    case NEXT:
        return target->verb != GROUP || presence != PRESENT;
    case REMOVE:
        return target->verb != ON_DONE || !now.added[s->target];
    default: /* SPAWN */
        return (target->verb != GROUP && target->verb != BURN) || presence != PRESENT;
    }
}

static int run_statement(int self, int at)
{
    const struct statement *s = &now.program->statements[at];
    const struct machine *m = now.machine;
    int rc = 0, aborts = 0, result = 0, winner = NONE;
    int64_t refused = 0;
    if (s->verb == NOTHING || is_void(self, s))
        return 0;
    switch (s->verb) {
    case BLOCK:
        return run_block(self, s->body);
    case YIELD:
        rc = m->yield();
        break;
    case CHECK:
        rc = m->check();
        break;
    case SLEEP:
        rc = m->sleep(s->ns);
        break;
    case OP:
    case HARD:
    case LATE:
        rc = m->wait(s, &aborts);
        break;
    case SCOPE:
    case TIMEOUT:
    case SHIELD:
        rc = in_scope(self, at, s);
        break;
    case GROUP:
        rc = in_group(self, at, s);
        break;
    case GATHER:
    case RACE:
        rc = run_calls(self, at, s, &winner);
        break;
    case SPAWN:
        rc = m->spawn(s->target, at, s);
        now.spawned[at] = rc == 0;
        break;
    case START:
        rc = m->start(s->target, at, s, &result);
        break;
    case STARTED:
        rc = m->started(at);
        break;
    case DEFER:
        rc = m->defer(at);
        break;
    case CANCEL:
        m->cancel(s->target, at);
        break;
    case FORCE:
        m->force(s->target, at);
        break;
    case CANCEL_TASK:
        rc = m->cancel_task(s->target, at);
        break;
    case WAIT_TASK:
        rc = wait_task(self, at, s);
        break;
    case TAKE_RESULT:
        rc = m->take_result(s->target, &result);
        break;
    case FORGET:
        rc = m->forget(s->target);
        break;
    case REQUESTED:
        rc = m->cancel_requested(s->target);
        break;
    case SET_RESULT:
        rc = m->set_result(at);
        break;
    case TAKE_FAILURES:
        take_failures(self, at);
        break;
    case SET_DEADLINE:
        m->set_deadline(s->target, s->ns == WEIR_FOREVER ? WEIR_NEVER : m->now_ns() + s->ns);
        break;
    case CLOSE:
        rc = m->close(s->target, 0, NULL);
        break;
    case ASK:
        ask(self, at);
        return 0;
    case FAIL:
        rc = m->fail(s->code, at);
        break;
    case RETURN:
        rc = s->code;
        break;
    case BURN:
        rc = burn(at, s);
        break;
    case SPIN:
        rc = spin(s, &refused);
        break;
    case NEXT:
        rc = next(self, at, s);
        break;
    case SET_LOCAL:
        rc = m->set_local(s->count, at);
        break;
    case ON_DONE:
        rc = m->on_done(s->target, at);
        now.added[at] = rc == 0;
        break;
    case REMOVE:
        rc = m->remove(s->target);
        break;
    default:
        break;
    }
    struct event *event = note(self, at, CAME_TO, rc);
    event->more[0] = aborts;
    event->more[1] = refused;
    event->more[2] = result;
    event->more[3] = winner;
    return rc;
}

static bool ends_block(const struct statement *s, int rc)
{
    if (s->verb == FAIL || s->verb == RETURN)
        return rc != 0;
    return rc < 0 && !s->carry_on;
}

static int run_block(int self, int first)
{
    int rc = 0;
    for (int at = first; at != NONE; at = now.program->statements[at].next) {
        rc = run_statement(self, at);
        if (ends_block(&now.program->statements[at], rc))
            return rc;
        rc = rc < 0 ? 0 : rc;
    }
    return rc;
}

int play_deferred(int self, int by)
{
    note(self, by, DEFERRED_BEGINS, 0);
    int rc = run_block(self, now.program->statements[by].body);
    note(self, by, DEFERRED_ENDS, rc);
    return rc;
}

static int run_task(int self)
{
    note(self, NONE, TASK_BEGINS, 0);
    now.spawned[self] = true; /* of a call, this is how its id becomes known */
    int rc = run_block(self, now.program->statements[self].body);
    note(self, NONE, TASK_ENDS, rc);
    return rc;
}

void play(const struct machine *machine, const struct program *program, struct trace *out_trace)
{
    memset(&now, 0, sizeof now);
    now.machine = machine;
    now.program = program;
    now.trace = out_trace;
    out_trace->count = 0;
    struct report_counts counts = {0};
    int rc = machine->run(program, run_task, &counts);
    note(NONE, NONE, RUN_ENDS, rc);
    struct event *event = note(NONE, NONE, REPORTS, counts.strays);
    event->more[0] = counts.swallows;
    event->more[1] = counts.deadlocks;
    event->more[2] = counts.failures;
    event->more[3] = counts.others;
}

void print_event(const struct event *e)
{
    printf("%9.3f ms  task %2d  ", (double)e->at_ns / (double)WEIR_MS, e->task);
    switch (e->kind) {
    case TASK_BEGINS:
        printf("begins");
        break;
    case TASK_ENDS:
        printf("returns %d", e->value);
        break;
    case CAME_TO:
        printf("statement %2d: %d", e->statement, e->value);
        if (e->more[0] != 0 || e->more[1] != 0)
            printf(" (%d aborts, %d refusals)", (int)e->more[0], (int)e->more[1]);
        if (e->more[3] != NONE)
            printf(" (call %d wins)", (int)e->more[3]);
        if (e->more[2] != 0)
            printf(" (the result of statement %d)", (int)e->more[2]);
        break;
    case CONTEXT:
        printf("statement %2d: ", e->statement);
        if (e->value)
            printf("cancelled, kind %d by task %d with statement %d at %.3f ms", (int)e->more[0],
                   (int)e->more[1], (int)e->more[2], (double)e->more[3] / (double)WEIR_MS);
        else
            printf("not cancelled");
        break;
    case DEADLINE:
        printf("statement %2d: deadline %lld ns", e->statement, (long long)e->more[0]);
        break;
    case OUTCOME:
        printf("statement %2d: task %d ended with %d of kind %d, message %d, result %d",
               e->statement, (int)e->more[1], e->value, (int)e->more[0], (int)e->more[2],
               (int)e->more[3]);
        break;
    case DEFERRED_BEGINS:
        printf("what statement %d deferred begins", e->statement);
        break;
    case DEFERRED_ENDS:
        printf("what statement %d deferred returns %d", e->statement, e->value);
        break;
    case DESTROYED:
        printf("what statement %d had set is destroyed", e->statement);
        break;
    case LOCAL:
        printf("statement %2d: locals %d, %d", e->statement, (int)e->more[0], (int)e->more[1]);
        break;
    case CALLED:
        printf("the callback of statement %d hears that task %d ended with %d of kind %d, message "
               "%d",
               e->statement, (int)e->more[1], e->value, (int)e->more[0], (int)e->more[2]);
        break;
    case FAILURE:
        printf("statement %2d: %*s failure %d of origin %d by task %d, message %d", e->statement,
               4 * (int)e->more[3], "", e->value, (int)e->more[0], (int)e->more[1],
               (int)e->more[2]);
        break;
    case RUN_ENDS:
        printf("the run returns %d", e->value);
        break;
    default:
        printf("%d strays, %d swallows, %d deadlocks, %d failures reported, %d other findings",
               e->value, (int)e->more[0], (int)e->more[1], (int)e->more[2], (int)e->more[3]);
        break;
    }
    printf("\n");
}
