/*
 * failure.h - failures as the library keeps them: records, sets, and where each one goes
 *
 * A set is a list of records; a record may have causes, a set again. So failures form a tree, as
 * deep as groups are nested; every walk over it is a loop, since it runs on a task's stack.
 *
 * Holds  1. A record's fate is `settled` once: it was delivered, and then nothing is owed for it.
 *           What is not settled when its set goes is reported, or counts as handled (F6).
 *        2. Records among causes are settled: they were delivered with the code of their owner.
 *        3. A set without an owner belongs to a group, to a task (last_failures) or to whoever took
 *           it.
 */
#ifndef WEIR__CORE_FAILURE_H
#define WEIR__CORE_FAILURE_H

#include <weir/failure.h>
#include <weir/group.h>
#include <weir/remote.h>

/* The failure text a task carries, made by weir_fail(). */
struct weir__detail {
    int code;
    const void *address;
    char message[200];
};

struct weir__failure_record {
    weir_failure public;
    struct weir__failure_record *next;
    struct weir__failure_record *prev;
    weir_failures *set;                /* the one it is in */
    struct weir__failure_record *twin; /* while a set is split: what stands for it among the matched
                                        */
    bool matched;                      /* while a set is split */
    bool settled;
    char message[200];
};

/* A failure set; its records are owned by it. */
struct weir_failures {
    struct weir__failure_record *first;
    struct weir__failure_record *last;
    struct weir__failure_record *owner;  /* whose causes they are, or NULL */
    struct weir__failure_record *cursor; /* the last one asked for by index, and that index */
    size_t cursor_index;
    size_t count;
    int code;        /* what the close returned for it */
    weir_loop *loop; /* NULL: of a job that nobody waits for */
    bool inspected;  /* somebody took the set: nothing is left to report */
    bool primary_only;
};

/* --- where they come from, failure.c ---------------------------------------------------------- */

/* A failure in a group; its causes are claimed. Returns code. */
int weir__failure_add(weir_group *group, weir_failure_origin origin, weir_task *task, int code);
/* Failures of deferred functions, in order, on their way to the set they belong in. */
struct weir__late {
    weir_failures *failures; /* NULL: none, or no memory for them */
    int code;                /* of the first; 0: none */
    bool first_lost;         /* there was no memory for its record */
    size_t lost_count;       /* as many others */
};
void weir__late_add(weir_loop *loop, struct weir__late *late, weir_failure_origin origin,
                    weir_task *task, int code);
/* Appends, and empties `more`. */
void weir__late_join(struct weir__late *late, struct weir__late *more);
/* They become the group's. */
void weir__late_hand_in(weir_group *group, const struct weir__late *late);
/* The code is being returned, as by a close: what waits are the causes of what is returned next. */
void weir__late_return(weir_loop *loop, weir_task *task, const struct weir__late *late);
/* A record on the caller's stack, its causes claimed: they are the caller's to release. */
void weir__failure_fill(struct weir__failure_record *record, weir_failure_origin origin,
                        weir_task *task, const weir_group *group, int code);
/* The set of the group that the task closed last, if it explains this code; the caller's now. */
weir_failures *weir__failure_claim_causes(weir_task *task, int code);
/* Who failed; what it came to is still to be filled in. */
void weir__failure_about(weir_failure *failure, weir_failure_origin origin, weir_task *task,
                         const weir_group *group);
/* Tells a failure that reaches nobody; `created` is counted by the caller, `causes` is taken. */
void weir__failure_report(weir_task *task, weir_failure_origin origin, int code,
                          weir_failures *causes, const char *what);
/* The same of a task that may have gone; detail may be NULL. */
void weir__failure_tell(weir_loop *loop, const weir_failure *about, int code,
                        const struct weir__detail *detail, weir_failures *causes, const char *what);
/* weir_fail() in the name of a caller's caller. */
int weir__failure_say(int code, const void *address, const char *text);
/*
 * A task's failure on its way to another loop, as a set of one record with its causes: nothing is
 * owed for it any more, since its code is returned there. NULL: no memory; then the causes stay
 * with the task. Between the two calls nobody may look at it.
 */
weir_failures *weir__failure_send(weir_task *task, int code);
/* It explains the code that is being returned to `task`, as after a close. NULL does nothing. */
void weir__failure_receive(weir_task *task, weir_failures *failures);
/* A group that failed has been joined: its first code is being returned, or was absorbed by its
 * goal. Its set goes to `out_failures`, or stays with the task when that is NULL. */
void weir__failures_deliver(weir_group *group, weir_task *task, weir_failures **out_failures);
/* All that failed in the group until now counts as handled; it starts afresh. */
void weir__failures_absorb(weir_group *group);
/* The end of a set: what is not settled is reported, unless somebody looked, and counted. */
void weir__failures_discard(weir_failures *failures, bool report_rest);
/* Failures without a record; 0 says nothing. */
void weir__failures_tell_lost(weir_loop *loop, weir_task *task, size_t count);
/* Where weir_fail() writes on a thread that runs a job of the executor; NULL on all others. */
extern _Thread_local struct weir__detail *weir__job_detail;
/* The text becomes the task's; it was allocated, and is taken. */
void weir__failure_adopt(weir_task *task, struct weir__detail *detail);

/* --- sets, failures.c ------------------------------------------------------------------------- */

void weir__failures_append(weir_failures *set, struct weir__failure_record *record);
/* Settles every record of a set itself; how many were not. */
size_t weir__failures_settle(weir_failures *set);
void weir__failures_release(weir_failures *set); /* memory only; NULL does nothing */
/* The next of the tree under `set`, a record before its causes; NULL after the last. */
struct weir__failure_record *weir__failures_next(const weir_failures *set,
                                                 const struct weir__failure_record *record);

#endif
