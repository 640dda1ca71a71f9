/*
 * play.h - one interpreter of programs, for two machines: the model and the core itself
 *
 * The interpreter walks the statements of a task and asks the machine for everything that has to do
 * with tasks, scopes and time. So the two runs can differ only in what the machines do. What each
 * statement came to is written down as an event: who, which statement, what, when.
 */
#ifndef WEIR_TESTS_CORE_MODEL_PLAY_H
#define WEIR_TESTS_CORE_MODEL_PLAY_H

#include "tests/core/model/program.h"

enum { EVENTS_MAX = 1024, NOTES_MAX = 64 };

enum event_kind {
    TASK_BEGINS,
    TASK_ENDS, /* value: what its function returns */
    CAME_TO,   /* value: what the statement returned; more: aborts, refusals, later times */
    CONTEXT,   /* of ASK: value: cancelled; more: the cause */
    DEADLINE,  /* of ASK: value: unused; more: the nearest, in ns */
    OUTCOME,   /* value: the code; more: the rest of it */
    DEFERRED_BEGINS,
    DEFERRED_ENDS, /* value: what the function returns */
    DESTROYED,     /* statement: whose result it is */
    LOCAL,         /* of ASK: more: the values of the keys */
    CALLED,        /* statement: the callback; value and more: as OUTCOME */
    FAILURE,       /* of a set that was taken: value: the code; more: the record */
    RUN_ENDS,      /* value: what the run returned */
    REPORTS,       /* how many findings of each kind there were */
    EVENT_KIND_COUNT
};

struct event {
    int64_t at_ns; /* since the run began */
    int16_t task;
    int16_t statement;
    uint8_t kind; /* enum event_kind */
    int32_t value;
    int64_t more[4];
};

struct trace {
    int count;
    struct event events[EVENTS_MAX];
};

/* Why a context is cancelled. */
struct cause_note {
    weir_cancel_kind kind;
    int source; /* a task, or NONE */
    int reason; /* the statement that cancelled, or NONE */
    int64_t at_ns;
};

/* One record of a failure set; the causes of a record follow it, one level deeper. */
struct failure_note {
    int code;
    int origin;
    int task;
    int message; /* the statement that said weir_fail() with this code last, or NONE */
    int depth;
};

struct failure_notes {
    int count;
    struct failure_note notes[NOTES_MAX];
};

/* How a task ended. */
struct outcome_note {
    weir_outcome_kind kind;
    int rc;
    int task;
    int message;
    int result; /* of a GATHER or RACE: the statement that set it, or NONE */
};

/* What was said beside the codes. */
struct report_counts {
    int strays, swallows, deadlocks, failures, others;
};

/* Scopes, groups and tasks are named by the statement that makes them; `self` is a task. */
struct machine {
    const char *name;
    /* Runs body(0) as the main task. */
    int (*run)(const struct program *program, int (*body)(int self), struct report_counts *out);
    int64_t (*now_ns)(void);

    int (*yield)(void);
    int (*check)(void);
    int (*sleep)(int64_t ns);
    int (*wait)(const struct statement *s, int *out_aborts); /* OP, HARD, LATE */

    int (*enter)(int scope, const struct statement *s);
    int (*leave)(int scope, int rc);
    void (*cancel)(int scope, int by); /* of a scope or group, by the statement `by` */
    void (*force)(int scope, int by);
    void (*set_deadline)(int scope, int64_t at_ns);

    int (*open)(int group, const struct statement *s);
    int (*close)(int group, int rc, struct failure_notes *out_notes); /* NULL: they stay */
    int (*spawn)(int group, int task, const struct statement *s);
    int (*start)(int group, int task, const struct statement *s, int *out_value);
    int (*started)(int by); /* the statement that says so is the value */
    /* GATHER and RACE; one outcome for each of the tasks. */
    int (*calls)(int at, const struct statement *s, const int *tasks, int count,
                 struct outcome_note *out_outcomes, int *out_winner);
    int (*defer)(int by); /* the machine calls play_deferred(self, by) */
    int (*cancel_task)(int task, int by);
    int (*wait_task)(int task, struct outcome_note *out_outcome);
    int (*set_result)(int by); /* the statement that set it is the result */
    int (*take_result)(int task, int *out_by);
    int (*forget)(int task);
    int (*cancel_requested)(int task);
    int (*next)(int group, struct outcome_note *out_outcome);
    int (*on_done)(int task, int by);  /* the machine calls play_callback(by, outcome) */
    int (*remove)(int by);             /* the callback that statement `by` added */
    int (*set_local)(int key, int by); /* play_destroyed(by) when nobody sees it any more */
    int (*get_local)(int key);

    int (*fail)(int code, int by);
    void (*take_failures)(struct failure_notes *out_notes);
    int64_t (*deadline_ns)(void);
    bool (*cancelled_because)(struct cause_note *out_cause);
};

extern const struct machine model_machine, core_machine;

void play(const struct machine *machine, const struct program *program, struct trace *out_trace);
/* For machines: runs what statement `by` of task `self` deferred. */
int play_deferred(int self, int by);
/* For machines: the callback that statement `by` added is called; what it returns. */
int play_callback(int by, const struct outcome_note *outcome);
/* For machines: the result, or the local, that statement `by` had set was destroyed. */
void play_destroyed(int by);
void print_event(const struct event *event);

#endif
