/*
 * observe.h - how rooms above hear about what core notices
 *
 * Core finds things (a failure nobody asked about, a swallowed cancellation, a deadlock) and hands
 * each to the one observer there may be. Without an observer a finding becomes one plain log line,
 * so it is never silent. The debug room installs itself here and says more: symbols, stacks,
 * places.
 */
#ifndef WEIR__CORE_OBSERVE_H
#define WEIR__CORE_OBSERVE_H

#include "core/core.h"

enum weir__finding_kind {
    WEIR__FINDING_FAILURES,      /* failures that nobody inspected; `failures` */
    WEIR__FINDING_STRAY,         /* -ECANCELED returned though nothing was cancelled */
    WEIR__FINDING_SWALLOWED,     /* a task goes on waiting in a cancelled scope */
    WEIR__FINDING_SCOPE_ESCAPED, /* a scope block was left by return or goto */
    WEIR__FINDING_MISNESTED,     /* scopes or groups left out of order, or left open */
    WEIR__FINDING_DEADLOCK,      /* every task waits, and nothing can wake one */
    WEIR__FINDING_LEFT_OPEN,     /* `what` was not closed at the end of a run; `address` opened
                                    it */
    WEIR__FINDING_CLEANUP,       /* a deferred function was cut: its budget is used up */
    WEIR__FINDING_LOCK,          /* a lock and a task that holds it no more, or never did */
    WEIR__FINDING_STRANGER,      /* something of one loop was used on another */
    WEIR__FINDING_STARTED_TWICE, /* weir_started() was called again */
    WEIR__FINDING_FORCED,        /* a supervised task used up its stop budget */
    WEIR__FINDING_FORKED,        /* weir is used in a process made by fork() */
    WEIR__FINDING_KIND_COUNT
};

struct weir__finding {
    enum weir__finding_kind kind;
    weir_loop *loop;      /* NULL when it may be gone: a job that was abandoned */
    weir_task *task;      /* NULL when none is involved */
    weir_task_id task_id; /* of one that may have ended; 0: none */
    const weir_failures *failures;
    bool open_only; /* of failures: not those that were delivered as a return code */
    const void *address;
    const char *what; /* one sentence */
    size_t count;
    bool fatal; /* there is no way on: the process ends when this has been said */
};

typedef void weir__observe_fn(const struct weir__finding *finding);

/* Process-wide; NULL goes back to plain log lines. */
void weir__core_observe(weir__observe_fn *fn);
void weir__core_find(const struct weir__finding *finding);

/* Calls fn for each loop of the process, under a lock: fn must be short and must not make loops. */
void weir__core_each_loop(void (*fn)(weir_loop *loop, void *arg), void *arg);
/* Calls fn for each live task of a loop. On the loop's thread, or while the loop stands still. */
void weir__core_each_task(weir_loop *loop, void (*fn)(weir_task *task, void *arg), void *arg);
const char *weir__core_wait_text(enum weir_wait_kind kind);

/* What can be said of one task's wait, beside its kind and age. */
struct weir__wait_facts {
    char detail[96];      /* "3 of 5 are there"; may be empty */
    const char *relation; /* "held by": what the task below is to it; NULL: nobody is named */
    weir_task_id task;    /* the owner or counterpart, of this loop or another; may have ended */
    int64_t since_ns;     /* 0: not known */
    const void *address;  /* code of that task; may be NULL */
};
/* `object` is the one that was given to weir__core_park(). Fills in what it knows. */
typedef void weir__wait_facts_fn(const void *object, struct weir__wait_facts *out);
/* All waits of a kind belong to one room, which says here, before it parks, who can tell of
 * them. */
void weir__core_tell_waits(enum weir_wait_kind kind, weir__wait_facts_fn *fn);
/* On the loop's thread, or while the loop stands still. */
void weir__core_wait_facts(const weir_loop *loop, const weir_task *task,
                           struct weir__wait_facts *out);

/* For fork(): nobody changes the list of loops meanwhile; whether there are any, meanwhile. */
void weir__core_loops_hold(bool hold);
bool weir__core_has_loops(void);

/* Whether a loop with this number has not ended. Any thread; takes a lock. */
bool weir__core_loop_lives(uint32_t number);

/* Called by core when a loop begins and ends. */
void weir__core_loop_started(weir_loop *loop);
void weir__core_loop_ended(weir_loop *loop);

/* Runs on a loop's thread when it starts and when it ends: alternate signal stacks and the like. */
struct weir__loop_hooks {
    void (*started)(weir_loop *loop);
    void (*ended)(weir_loop *loop);
};
void weir__core_set_loop_hooks(const struct weir__loop_hooks *hooks); /* kept for good */

#endif
