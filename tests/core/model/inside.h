/*
 * inside.h - the state of the model, and what its files call of each other
 *
 * Holds  1. A scope, group or task has the number of the statement that makes it. ROOT is the scope
 *           and group around the main task.
 *        2. Nothing is derived and kept: is_cancelled() and the like look at the whole state.
 */
#ifndef WEIR_TESTS_CORE_MODEL_INSIDE_H
#define WEIR_TESTS_CORE_MODEL_INSIDE_H

#include <string.h>

#include "tests/core/model/model.h"

enum { ROOT = STATEMENTS_MAX, COUNT, MEMBERS_MAX = STATEMENTS_MAX };
/* The shield in which the deferred functions of a scope run is named after that scope. */
/* The group in which the task of a START is until it has started is named after that statement. */
enum { SHIELD_OF = COUNT, START_OF = 2 * COUNT, SCOPES_MAX = 3 * COUNT };
enum { BUDGET = 64, REFUSALS_TOLD = 64 };
enum level { FREE, CANCELLED, FORCED };
enum goal { OPEN, WON, LOST }; /* of groups with the policies P3 to P5 */

struct scope {
    bool active;
    int parent;
    int task; /* whose it is; NONE: the root's */
    bool is_shield, is_timeout, is_group;
    enum level level; /* its own */
    struct cause_note cause;
    int64_t deadline_ns;
    int64_t armed_tick, armed_number; /* the instant it was armed, and the how-manieth */
    bool fired, was_left;
};

struct group {
    bool joined;
    int owner;
    const struct statement *options;
    int members[MEMBERS_MAX], member_count; /* alive, in the order they were spawned */
    int line[MEMBERS_MAX], line_count;      /* tasks that wait for a place */
    int promised;                           /* places given to spawners who are on their way */
    int cancelled_count;
    bool owner_waits;
    bool shut;            /* the services are being stopped: nobody comes in */
    int stopping;         /* the service whose turn it is, or NONE */
    bool body_refused;    /* its owner could not spawn into it any more */
    int to_come;          /* that the body will still spawn; NONE: nobody knows */
    struct calls *calls;  /* of a gather or race */
    bool cancelled_alone; /* a member that did not fail the group, and is missing all the same */
    enum goal goal;
    int success_count;
    int first_code;                      /* what close returns, or 0 */
    int kept[MEMBERS_MAX], kept_count;   /* records, in the order the tasks ended */
    int ended[MEMBERS_MAX], ended_count; /* G13: of these, who next_member() has not given out */
    int given;                           /* who was given out last, unless it is kept; or NONE */
    bool owner_wants_next;
    int holds; /* by callbacks that are still to be called */
};

enum state { NO_TASK, READY, RUNNING, BLOCKED, DONE };
enum wait {
    NO_WAIT,
    WAITS_FOR_TIME,
    WAITS_FOR_START, /* of the next call of a race */
    WAITS_FOR_PLACE,
    WAITS_FOR_TASK,
    WAITS_FOR_NEXT,
    WAITS_FOR_MEMBERS
};

struct task {
    enum state state;
    bool started;
    int group;
    int scopes[STATEMENTS_MAX], depth; /* those it has entered; the first is its own */
    int budget, refusals;
    bool swallow_told;
    /* the present wait */
    enum wait wait;
    const struct statement *s; /* OP, HARD and LATE; NULL for a sleep */
    int waits_in;              /* the group in whose line it stands, or the task */
    int64_t due_ns;
    int64_t armed_tick, armed_number;
    int aborts;
    int result;
    /* failures */
    int said_code, said_by; /* by weir_fail() */
    int last_set;           /* of the group it closed last, when nobody took it; or NONE */
    /* what is known of it beyond its end */
    bool kept, handled, service;
    struct outcome_note outcome;
    bool was_cancelled;
    bool outcome_given;
    bool failure_stays;            /* with its record: nobody was told */
    int causes;                    /* of that failure */
    int own_result;                /* the statement that set it, or NONE */
    const struct statement *start; /* it has not said that it has started */
    bool has_started;
    int start_value;
    bool asked_for; /* kept until the close, also when it was given out */
    int waiters[MEMBERS_MAX], waiter_count;
    int callbacks[STATEMENTS_MAX], callback_count;
    /* R5: what it sees, in the order the keys were first set */
    int local_keys[LOCALS], locals[LOCALS], local_count;
    /* deferred functions, the latest last, and in which scope each was deferred */
    int deferred[STATEMENTS_MAX], deferred_in[STATEMENTS_MAX], deferred_count;
    int64_t cleanup_ns;
    int late[STATEMENTS_MAX];    /* sets that wait for the end of a group or the task, */
    int late_at[STATEMENTS_MAX]; /* whose end that is; the outermost first */
    int late_count;
    bool came_well; /* until its cleanup failed */
    /* its stack */
    void *sp;
    int32_t slot;
};

struct failure {
    int code, origin, task, message;
    int causes;   /* the set it came from, or NONE */
    bool outcome; /* it is what the outcome of its task says */
};

/* A gather or race under way. */
struct calls {
    const int *tasks;
    int count;
    struct outcome_note *outcomes;
    int failed_count;
    int winner; /* the position that decided, or NONE */
    int latest; /* of a race: the task that was started last */
    bool paused;
};

/* Failures of one group, named like the group. */
struct set {
    struct failure failures[MEMBERS_MAX + 1];
    int count;
    int code; /* what was returned for it */
    bool absorbed, primary_only;
};

struct model {
    const struct program *program;
    int (*body)(int self);
    struct report_counts *counts;
    int64_t now_ns, began_ns;
    int64_t arms;
    struct scope scopes[SCOPES_MAX];
    struct group groups[SCOPES_MAX];
    struct task tasks[STATEMENTS_MAX];
    struct set sets[SCOPES_MAX];
    int ready[STATEMENTS_MAX], ready_count; /* in the order they became it */
    int batch[STATEMENTS_MAX], batch_count; /* what this turn runs */
    int handover;                           /* who goes ahead of the batch, or NONE */
    int current;                            /* the task that runs, or NONE */
    int mail[STATEMENTS_MAX], mail_count;   /* K1: callbacks of tasks that had ended */
    struct outcome_note mail_outcomes[STATEMENTS_MAX];
    int main_rc;
    bool main_ended;
    int deadlocks;
    uint64_t shuffle;
};
extern struct model model;

static inline struct task *self(void)
{
    return &model.tasks[model.current];
}

static inline void list_remove(int *list, int *count, int item)
{
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if (list[i] != item)
            list[kept++] = list[i];
    *count = kept;
}

static inline bool list_has(const int *list, int count, int item)
{
    for (int i = 0; i < count; i++)
        if (list[i] == item)
            return true;
    return false;
}

/* model.c: who runs */
void make_ready(int task);
void wake(int task, int result);
void let_others_run(void);
int block(enum wait wait);
void completed_at_once(void);
int first_unstarted(const struct group *group);

/* model_scope.c: scopes and waits */
bool is_cancelled(int scope);
bool here_cancelled(void);
int active_scope(const struct task *task);
int64_t tick_of(int64_t at_ns);
void abort_waits_below(int scope);
void cancel_level(int scope, enum level level, struct cause_note cause);
void cancel_because(int scope, weir_cancel_kind kind, int source, int reason);
void fire(int scope);
void push_scope(int at, int task, int64_t deadline_ns);
int stray(void);
int pop_scope(int at, int rc);
int64_t deadline_in(int64_t ns);
int enter(int at, const struct statement *s);
void cancel(int scope, int by);
void force(int scope, int by);
void set_deadline(int scope, int64_t at_ns);
int64_t deadline_ns(void);
bool cancelled_because(struct cause_note *out_cause);
int checkpoint(void);
int yield(void);
int check(void);
void set_due(struct task *task, int64_t at_ns);
int sleep_for(int64_t ns);
int wait_for(const struct statement *s, int *out_aborts);

/* model_failure.c: failures, outcomes and results */
int fail(int code, int by);
void drop_last_set(struct task *task);
int claim_causes(struct task *task, int code);
int message_of(const struct task *task, int code);
void add_record(int set, weir_failure_origin origin, int by, int code);
void add_failure(int group, weir_failure_origin origin, int by, int code);
void move_records(int to, int from);
void list_failures(int of, int depth, struct failure_notes *notes);
void take_failures(struct failure_notes *out_notes);
void release_record(int at);
int set_result(int by);
int take_result(int at, int *out_by);
int forget(int at);
int cancel_requested(int at);
int wait_task(int at, struct outcome_note *out_outcome);
void note_outcome(int at, weir_outcome_kind kind, int rc);
int on_done(int at, int by);
int remove_callback(int by);
void read_mail(void);
int set_local(int key, int by);
int get_local(int key);
void inherit_locals(int at);
void release_locals(int at);

/* model_group.c: groups, their places and goals */
int open_group(int at, const struct statement *s);
int may_spawn(int at);
void offer_place(struct group *group);
int normal_count(const struct group *group);
bool settle(struct group *group);
void add_task(int group, int at);
int spawn(int at, int task, const struct statement *s);
int start(int at, int task, const struct statement *s, int *out_value);
int started(int by);
int cancel_task(int task, int by);
bool has_goal(const struct group *group);
int wanted(const struct group *group);
void decide(int at, enum goal goal);
bool out_of_reach(const struct group *group, int live_count);
void judge_goal(int at, weir_outcome_kind kind, bool alone, bool service);
int settle_goal(struct group *group, int rc);
int next_member(int at, struct outcome_note *out_outcome);

/* model_defer.c: deferred functions */
int defer(int by);
bool has_deferred(const struct task *task, int scope);
void run_deferred(int scope, bool came_well);
void keep_late(struct task *task, int set);
bool has_late(const struct task *task, int scope);
int take_late(struct task *task);
void hand_in_late(int group, struct task *task);
void return_set(struct task *task, int set);
int leave(int scope, int rc);

/* model_close.c: ends of members and of groups, gather and race */
void end_task(int at, int rc);
int close_group(int at, int rc, struct failure_notes *out_notes);
int may_close(int at);
int run_calls(int at, const struct statement *s, const int *tasks, int count,
              struct outcome_note *out_outcomes, int *out_winner);

#endif
