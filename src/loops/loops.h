/*
 * loops.h - loops that were started together: one record for each, and who looks after it
 *
 * The task that opens a set owns it. On its loop each of the others has an *attendant*: a task of
 * one group that waits for the end of that loop. So policies, cancellation, failures and joining
 * are those of groups: a failed loop is a failed task, a cancelled attendant cancels its loop.
 *
 * thread.c is the side of the loop that was started, open.c and stop.c that of the owner; stats.c
 * is for everybody.
 *
 * Holds  1. Nobody's fn begins before every loop stands, and then all do: the gate.
 *        2. The last thing that a thread does is to send `ended`; then it is joined, and the rest
 *           of its record belongs to the owner's loop.
 *        3. The loops' own records live until the set is closed, also when they have ended.
 */
#ifndef WEIR__LOOPS_H
#define WEIR__LOOPS_H

#include <weir/loops.h>
#include <weir/shared_event.h>

#include "base/thread.h"
#include "core/core.h"
#include "core/ledger.h"

enum weir__gate { WEIR__GATE_CLOSED, WEIR__GATE_OPEN, WEIR__GATE_REFUSED };

struct weir__loops_one {
    weir_loops *all;
    size_t index;
    const char *name;
    struct weir__thread thread;
    weir_loop *loop; /* referenced, by its main task; NULL: it does not stand yet */
    struct weir__post stands_post, ended_post;
    int rc;                  /* until `ended` is sent its thread's, as the next */
    weir_failures *failures; /* of its main task */
    /* the owner's loop */
    weir_task *attendant; /* parked */
    bool begun, ended;
    /* what it came to; others read it once `over` is true (atomic) */
    bool over;
    weir_outcome_kind outcome;
    char message[120];
};

struct weir_loops {
    struct weir__ledger_entry entry;
    weir_loop *home;
    weir_group *group; /* of the attendants */
    weir_loops_fn *fn;
    void *arg;
    weir_run_options run;
    bool pinned;
    weir_policy policy;
    int64_t stop_budget_ns;
    weir_shared_event *gate_moved;
    int gate; /* atomic: enum weir__gate */
    /* the owner's loop, from here on */
    weir_task *waiter; /* in open */
    bool giving_up;    /* the waiter wants all that have begun to end */
    size_t begun_count, standing_count, ended_count;
    struct weir__alarm alarm; /* to the next of the three instants */
    int64_t cancel_at_ns, force_at_ns, tell_at_ns;
    weir_stop_phase phase;
    bool told;
    const char *reason; /* why they are stopped */
    char why[160];      /* the same, of a failure */
    size_t count;
    struct weir__loops_one one[];
};

/* What a loop's thread runs. */
void *weir__loops_thread(void *arg);
/* On the owner's loop. */
void weir__loops_hear_stands(struct weir__post *post);
void weir__loops_hear_ended(struct weir__post *post);

/* Cancel one loop, in the name of its attendant; force follows when the stop budget is used up. */
void weir__loops_cancel_one(struct weir__loops_one *one, const char *reason);
void weir__loops_stop_over(weir_loops *loops);

#endif
