/*
 * core.h - the scheduler's own records, and the calls by which rooms above park and wake tasks
 *
 * A loop is one thread. It turns: harvest completions (their tasks become ready with results),
 * sleepers that are due, posts of other threads, deadlines that have passed, then the ready tasks,
 * first in, first out (rule O10). A task runs on a stack of its own until it parks; parking
 * switches straight to the next ready task. Everything here belongs to the loop's thread unless a
 * line says otherwise.
 *
 * Task records sit in a table: one 64-byte hot line a task (what the scheduler touches, and what an
 * observer reads while the program runs, hangs or is dead), the cold 192 bytes beside it.
 *
 * Holds  1. A task is in the ready list exactly while its state is READY.
 *        2. A blocked task is woken exactly once for each park (I3); only weir__core_wake() does
 *           it.
 *        3. current is NULL while the loop's own stack runs, and while a task's stack runs what
 *           must not park: callbacks and destructors.
 */
#ifndef WEIR__CORE_H
#define WEIR__CORE_H

#include <weir/failure.h>
#include <weir/group.h>
#include <weir/remote.h>
#include <weir/scope.h>
#include <weir/stop.h>
#include <weir/task.h>

#include "arch/fiber.h"
#include "backend/backend.h"
#include "base/list.h"
#include "core/failure.h"
#include "core/stack.h"
#include "core/timer.h"

/* What a blocked task waits for; shown by reports. */
enum weir_wait_kind {
    WEIR_WAIT_NONE,
    WEIR_WAIT_SLEEP,
    WEIR_WAIT_GROUP, /* every task of a group */
    WEIR_WAIT_TASK,  /* the end of one task */
    WEIR_WAIT_NEXT,  /* the end of a task of a group */
    WEIR_WAIT_PLACE, /* in a full group */
    WEIR_WAIT_IO,    /* an operation of the backend */
    WEIR_WAIT_BYTES, /* from a peer */
    WEIR_WAIT_JOB,   /* on an executor's thread */
    WEIR_WAIT_EVENT,
    WEIR_WAIT_SHARED_EVENT,
    WEIR_WAIT_SEMAPHORE,
    WEIR_WAIT_MUTEX,
    WEIR_WAIT_RWLOCK,
    WEIR_WAIT_CONDITION,
    WEIR_WAIT_BARRIER,
    WEIR_WAIT_CHANNEL,
    WEIR_WAIT_STAGGER, /* between two starts of a race */
    WEIR_WAIT_SHARED_CHANNEL,
    WEIR_WAIT_SELECT, /* the first of several */
    WEIR_WAIT_FUTURE,
    WEIR_WAIT_LIMITER,
    WEIR_WAIT_CONN,   /* a place in a pool of connections */
    WEIR_WAIT_REMOTE, /* a task on another loop */
    WEIR_WAIT_LOOP,   /* the end of a loop that this one started */
    WEIR_WAIT_OTHER,
    WEIR_WAIT_KIND_COUNT
};

enum { WEIR__NO_TASK = UINT32_MAX };

/* One cache line a task. Written by the owning loop only. */
struct weir__hot {
    void *sp;      /* saved stack pointer; NULL before the first step */
    uint32_t next; /* ready or free list, by index */
    uint32_t prev;
    uint8_t state;          /* enum weir_task_state */
    uint8_t wait_kind;      /* enum weir_wait_kind */
    uint16_t refused_count; /* checkpoints refused in a row: the swallow detector's count */
    int32_t result;         /* what its wait came to */
    const void *wait_object;
    const void *wait_address; /* code that parked: weir's own, for weir_task_describe() */
    int64_t since_ns;         /* of the state */
    uint32_t generation;      /* odd while the slot holds a task */
    uint32_t step_count;      /* times it was switched to */
    int32_t stack_slot;       /* -1: none yet */
    uint32_t group_number;    /* for observers */
};
_Static_assert(sizeof(struct weir__hot) == 64, "the hot record of a task is one cache line");

typedef void weir__abort_fn(weir_task *task, void *object);

/* What most tasks never need; made when it is first used, released with the task. */
struct weir__extra {
    struct weir__detail *detail;         /* what weir_fail() said last */
    struct weir__handle *handle;         /* core/handle.h: result, outcome, and who waits for it */
    struct weir__cleanup *cleanup;       /* core/cleanup.c */
    struct weir__locals *locals;         /* core/local.c */
    struct weir__start *start;           /* core/start.c: until it has started */
    struct weir__supervised *supervised; /* core/supervise.c */
    bool started;                        /* by weir_start(), and it has said so */
};

struct weir_task {
    weir_scope scope; /* the bottom one: a child of its group's */
    weir_task_fn *fn;
    void *arg;
    weir_group *group;
    struct weir__list sibling;
    weir_scope *active; /* the innermost scope */
    const char *name;
    const void *spawn_place;      /* weir_site or code address, see WEIR__TASK_SITE */
    weir__abort_fn *abort;        /* ends the current wait early; NULL when it cannot */
    struct weir__extra *extra;    /* NULL until something of it is used */
    weir_failures *last_failures; /* of the group closed last; causes of what is returned next */
    uint32_t index;
    uint8_t flags;
    uint8_t budget; /* checkpoints that may complete without blocking (O9) */
    uint8_t arg_class;
    uint8_t locks_held; /* counted by the sync room */
};

enum {
    WEIR__TASK_SITE = 1,    /* spawn_place is a weir_site */
    WEIR__TASK_STARTED = 2, /* its first step has begun */
    WEIR__TASK_SWALLOW_TOLD = 4,
    WEIR__TASK_SERVICE = 32, /* stopped last: core/service.c */
};

/* weir_scope.weir__flags */
enum {
    WEIR__SCOPE_SHIELD = 1,
    WEIR__SCOPE_TIMEOUT = 2,
    WEIR__SCOPE_GROUP = 4,
    WEIR__SCOPE_TASK = 8,
    WEIR__SCOPE_CAUGHT = 16,
    WEIR__SCOPE_FIRED = 32,
    WEIR__SCOPE_ROOT = 64,
    WEIR__SCOPE_DEFERS = 128, /* something was deferred to its end */
};
/* weir_scope.weir__state; zero means never entered */
enum { WEIR__SCOPE_FRESH = 0, WEIR__SCOPE_ACTIVE = 1, WEIR__SCOPE_LEFT = 2 };
enum { WEIR__LEVEL_NONE = 0, WEIR__LEVEL_CANCEL = 1, WEIR__LEVEL_FORCE = 2 };

enum weir__goal { WEIR__GOAL_OPEN, WEIR__GOAL_WON, WEIR__GOAL_LOST };
enum { WEIR__TO_COME_UNKNOWN = UINT32_MAX };

enum weir__owner_wait { WEIR__OWNER_GOES_ON, WEIR__OWNER_CLOSES, WEIR__OWNER_WANTS_NEXT };

struct weir_group {
    weir_scope scope;
    weir_loop *loop;
    weir_task *owner;             /* NULL for a loop's root group */
    struct weir__list members;    /* weir_task.sibling, in spawn order */
    struct weir__list *unstarted; /* the first member that has not begun; &members when none */
    struct weir__list place_waiters;
    size_t live_count;
    size_t service_count;                  /* of them, those that are stopped last */
    weir_task *stopping;                   /* the service that is being stopped */
    struct weir__supervision *supervision; /* of WEIR_SUPERVISE: core/supervise.c */
    struct weir__start *start;             /* its one member is being started */
    size_t running_max;                    /* 0: no limit */
    size_t members_blocked_on_place;
    size_t places_promised; /* of spawners on their way: waiters that were woken, and who found
                               one */
    size_t holds;           /* what else keeps it open: callbacks that are still to run */
    size_t cancelled_count; /* members that ended cancelled while the group was */
    weir_failures *failures;
    struct weir__keeping *keeping; /* core/handle.h; NULL until a member is to be kept */
    int first_code;
    const char *name;
    uint32_t number;
    uint8_t policy;
    uint8_t goal;         /* enum weir__goal: of the policies beyond WEIR_COLLECT_ALL */
    bool cancelled_alone; /* a member was, or its failure stayed with its record */
    bool body_refused;    /* the body was not let in by its own group any more */
    uint8_t owner_waits;  /* enum weir__owner_wait: the owner is parked */
    bool equips;          /* its members need an extra from their first step on */
    bool shut;            /* its services are being stopped: nobody comes in any more */
    bool joined;          /* nobody is left in it, and nobody comes in any more */
    bool primary_only;
    bool failed;                    /* some failure was added, kept or not */
    bool first_lost;                /* of its first failure there is the code only */
    size_t lost_count;              /* other failures that there was no memory to keep */
    uint32_t quorum, success_count; /* members that must do well, and those that did */
    uint32_t to_come;               /* members that the body will still spawn */
    const void *open_address;
    /* gather, map and race: told about each end, after the policy has judged it */
    void (*ended)(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc);
    void *ended_arg;
    struct weir__list registered; /* in the loop's list of groups */
};

/* Something another thread asks of a loop. Lives in the sender's memory until `run`. */
struct weir__post {
    struct weir__post *next;
    void (*run)(struct weir__post *post); /* on the loop's thread, outside tasks; must not park */
};

struct weir__probe;

/* One step of the end of a loop's program, from core/stop.c. */
struct weir__stop_step {
    struct weir__post post;
    const char *reason;
    int phase; /* atomic: enum weir_stop_phase; NONE: not asked for yet */
};

struct weir__run_queue {
    uint32_t head, tail;
    size_t count;
};

enum { WEIR__ARG_CLASSES = 4 }; /* 64, 128, 256, 512 bytes */

struct weir_loop {
    /* hot */
    weir_task *current;
    struct weir__hot *hot;
    weir_task *cold;
    struct weir__run_queue batch; /* this turn's */
    struct weir__run_queue ready; /* the next turn's */
    int64_t now_ns;               /* read once a turn */
    int64_t turn_started_ns;
    uint32_t turn_steps;
    bool turn_over;     /* its budget is used up */
    uint8_t folds_left; /* turns that may still begin in this one, see sched.c */
    int64_t turn_coarse_ns;
    int64_t looked_at_ns;      /* when the backend was asked last */
    int64_t slept_at_ns;       /* when it was asked last with nothing else to do, if sleeps_timed */
    bool sleeps_timed;         /* somebody wants to know how long news may have lain there */
    bool looks_are_dear;       /* asking costs a system call each time */
    struct weir__probe *probe; /* of a test, core/probe.h; NULL */
    uint32_t free_head;
    size_t used_count;  /* slots of the table ever used */
    uint32_t worn_head; /* slots whose generations are used up, oldest first */
    uint32_t worn_tail;
    size_t worn_count;
    size_t task_count;
    size_t tasks_max;
    weir_task *handover; /* to be stepped to before the batch */
    void *loop_sp;
    struct weir__fiber loop_fiber;
    struct weir__fiber *leaving_fiber;
    struct weir__stacks stacks;
    struct weir__backend *backend;
    struct weir__wheel sleeps;
    struct weir__wheel deadlines;
    weir_group *root;
    struct weir__list groups;         /* every open one */
    struct weir__list ledger;         /* what rooms above hold open, core/ledger.h */
    struct weir__list late_callbacks; /* callback.c: of tasks that had ended, to be run by a post */

    /* progress, read by the watchdog's thread (atomic, relaxed) */
    uint64_t step_count;
    uint64_t turn_count;
    size_t tasks_seen; /* of the last turn, as the next */
    uint64_t failures_seen;
    int arriving; /* by any thread: tasks sent here that have not been spawned */
    int closing;  /* its tasks have ended: what blocks now is meant to */
    int tid;

    /* mail from other threads */
    struct weir__post *inbox; /* atomic; CLOSED when the loop is gone */
    struct weir__post *inbox_rest;
    int senders;    /* atomic: inside a push or wake */
    int asleep;     /* atomic */
    int refs;       /* atomic */
    int stop_phase; /* atomic: enum weir_stop_phase; written by the loop's thread */
    struct weir__stop_step stop_steps[3];
    struct weir__list stop_waiters;
    size_t external_count; /* jobs and the like that will post: the loop is not deadlocked */

    /* accounting */
    uint64_t failures_created, failures_delivered, failures_handled, failures_reported;
    uint64_t failure_sequence;
    uint64_t callback_number;
    uint64_t spawned_count, ended_count;
    uint64_t shields_unbounded_count;
    uint64_t scopes_open;
    uint64_t strays_count, swallows_count;
    uint32_t group_number;
    uint64_t shuffle_state;
    uint64_t choice_state; /* who is chosen among equals */
    int deadlock_rc;
    bool forced;
    const void *forgotten_address; /* code that entered the scope a task returned with, or NULL */

    void *free_args[WEIR__ARG_CLASSES];
    weir_group *free_groups;
    uint16_t id;     /* in task ids; not 0 */
    uint32_t number; /* from 1; of no other loop of this process */
    const char *name;
    char backend_note[256];       /* why not io_uring, or empty */
    struct weir__list registered; /* in the process's list of loops */
    void *locals[8];              /* rooms above keep one thing each, see enum weir__local */
};

/* Slots of weir_loop.locals. A room that fills one gives a function to clear it at the loop's
 * end. */
enum weir__local {
    WEIR__LOCAL_NET,
    WEIR__LOCAL_APP,
    WEIR__LOCAL_EXEC,
    WEIR__LOCAL_LOOPS,
};

extern _Thread_local weir_loop *weir__loop __attribute__((tls_model("initial-exec")));

/* --- run ------------------------------------------------------------------------------------- */

/* `report_failure`: a failure of fn becomes a finding here, for callers that only keep a status. */
int weir__core_run(const weir_run_options *options, weir_task_fn *fn, void *arg,
                   bool report_failure) WEIR_MUST_CHECK;
/* The loop of this thread, or NULL. */
static inline weir_loop *weir__core_loop(void)
{
    return weir__loop;
}
/* The task that runs now, or NULL outside tasks. */
static inline weir_task *weir__core_task(void)
{
    return weir__loop == NULL ? NULL : weir__loop->current;
}
static inline struct weir__hot *weir__core_hot(const weir_loop *loop, const weir_task *task)
{
    return &loop->hot[task->index];
}
/* Work that would wake a task by a post is under way: the loop is idle, not deadlocked. */
static inline void weir__core_external_begin(weir_loop *loop)
{
    loop->external_count++;
    loop->backend->wakes_expected++; /* virtual time stands still meanwhile */
}
static inline void weir__core_external_end(weir_loop *loop)
{
    loop->external_count--;
    loop->backend->wakes_expected--;
}
/*
 * In a callback of the backend, on a loop with sleeps_timed: since when its news may have been
 * there. A loop that was at work may have left it lying since it looked before; one that slept has
 * it now.
 */
int64_t weir__core_news_since_ns(const weir_loop *loop);
/* Called for every loop when it ends, after its last task: rooms above give back what they keep. */
void weir__core_at_loop_end(enum weir__local slot, void (*clear)(void *local));
/* Force: even shielded checkpoints of the loop's tasks return -ECANCELED (W4). */
void weir__core_force(weir_loop *loop, const char *reason);

/* --- fork ------------------------------------------------------------------------------------- */

extern bool weir__core_forked; /* this is the child of a process that had loops */
void weir__core_watch_forks(void);
/* -EPERM, for what was refused outside a task; says why when fork() is the reason. */
int weir__core_refuse_fork(void);
/* The child has come back to the loop: there is no way on. */
void weir__core_end_forked(void);

/* --- park and wake --------------------------------------------------------------------------- */

/*
 * Before any wait or quick result: -EPERM outside a task; -ECANCELED, after one yield, when the
 * context is cancelled (O1); else 0.
 */
int weir__core_checkpoint(void) WEIR_MUST_CHECK;
/* After a checkpoint that completed without blocking: yields when the budget is used up (O9). */
void weir__core_completed_at_once(void);
/*
 * Block the current task until weir__core_wake(); the result given there is returned. `abort` is
 * called at most once, when the context is cancelled meanwhile: it must see to it that the task is
 * woken, at once or later. NULL: this wait cannot be ended early. weir__core_checkpoint() comes
 * first.
 */
int weir__core_park(enum weir_wait_kind kind, void *object, weir__abort_fn *abort);
/* Make a blocked task ready with a result. Loop thread only; from a task, a callback or a post. */
void weir__core_wake(weir_task *task, int result);
/* What a wait that was aborted returns: -ECANCELED when the context is cancelled, else -EIO
 * (N1). */
int weir__core_cancelled_result(const weir_task *task);

/* First in, first out list of tasks waiting for one thing; the node is on the waiter's stack. */
struct weir__waiter {
    struct weir__list link;
    weir_task *task;
};
/* Park at the end of a list; wake with weir__core_wake_first(). Aborts by leaving the list. */
int weir__core_park_in(struct weir__list *waiters, enum weir_wait_kind kind);
/* Wakes the first waiter with result; false when there is none. */
bool weir__core_wake_first(struct weir__list *waiters, int result);

/* A timer that calls back on the loop in a turn's phase of completions; for rooms above. */
struct weir__alarm {
    struct weir__timer timer;
    void (*fire)(struct weir__alarm *alarm); /* must not park */
};
void weir__core_alarm_set(weir_loop *loop, struct weir__alarm *alarm, int64_t at_ns); /* re-arms */
void weir__core_alarm_clear(weir_loop *loop, struct weir__alarm *alarm);

/* User code that the loop calls between two tasks, a callback or a destructor: it runs as if
 * outside every task, so that its checkpoints refuse. What weir_fail() says there goes to `detail`;
 * NULL: nobody asks. */
struct weir__outside {
    weir_task *current;
    struct weir__detail *job_detail;
};
static inline struct weir__outside weir__core_go_outside(weir_loop *loop,
                                                         struct weir__detail *detail)
{
    struct weir__outside before = {loop->current, weir__job_detail};
    loop->current = NULL;
    weir__job_detail = detail;
    if (detail != NULL)
        detail->code = 0;
    return before;
}
static inline void weir__core_come_back(weir_loop *loop, struct weir__outside before)
{
    loop->current = before.current;
    weir__job_detail = before.job_detail;
}

/* --- tasks and groups, for rooms above -------------------------------------------------------- */

/* Spawn from a callback of the loop, outside any task; never waits. */
int weir__core_spawn(weir_group *group, const char *name, weir_task_fn *fn, void *arg,
                     weir_task_id *out_id) WEIR_MUST_CHECK;
/* A task ends and locks_held is not 0; the sync room, which counts it, puts itself here. */
extern void (*weir__core_locks_left)(weir_loop *loop, weir_task *task);
weir_task_id weir__core_task_id(const weir_loop *loop, const weir_task *task);
weir_task *weir__core_task_by_id(weir_loop *loop, weir_task_id id); /* NULL: ended */
/* The same, also of a task that has ended and is kept; NULL: nothing is known of it. */
weir_task *weir__core_record_by_id(weir_loop *loop, weir_task_id id);
bool weir__core_owns_id(const weir_loop *loop, weir_task_id id); /* false for NULL */

/* --- scopes ---------------------------------------------------------------------------------- */

static inline bool weir__core_cancelled(const weir_task *task)
{
    return task->active->weir__effective >= WEIR__LEVEL_CANCEL;
}
void weir__scope_begin(weir_loop *loop, weir_task *task, weir_scope *scope, unsigned flags,
                       int64_t deadline_ns);
/* The code that entered it; kept where the cause will be, so not known any more once there is
 * one. */
static inline const void *weir__scope_entered_at(const weir_scope *scope)
{
    return scope->weir__cause == WEIR_CANCEL_NONE ? scope->weir__cause_address : NULL;
}
int weir__scope_end(weir_loop *loop, weir_task *task, weir_scope *scope, int rc,
                    const void *address);
void weir__scope_cancel_level(weir_loop *loop, weir_scope *scope, unsigned level,
                              weir_cancel_kind kind, const char *reason, const void *address);
void weir__scope_fire(weir_loop *loop, struct weir__timer *timer);
bool weir__scope_cause(const weir_scope *scope, weir_cancel_cause *out_cause);
void weir__token_detach_now(weir_scope *scope);
static inline void weir__token_detach(weir_scope *scope)
{
    if (__builtin_expect(scope->weir__token != NULL, 0))
        weir__token_detach_now(scope);
}

/* --- tasks' inside ---------------------------------------------------------------------------- */

/* The task's extra, made when it has none; NULL: no memory. */
struct weir__extra *weir__task_extra(weir_task *task);
void weir__extra_free(struct weir__extra *extra); /* NULL does nothing */

/* G12: groups that were opened inside `until` and are still open are cancelled, joined,
 * reported. */
void weir__task_close_left(weir_loop *loop, weir_task *task, const weir_scope *until);

/* --- task-locals (R5) ------------------------------------------------------------------------- */

struct weir__locals;
/* Counted snapshots; NULL is an empty one. Any thread. */
struct weir__locals *weir__locals_share(struct weir__locals *locals);
void weir__locals_release(struct weir__locals *locals);
static inline struct weir__locals *weir__task_locals(const weir_task *task)
{
    return task->extra == NULL ? NULL : task->extra->locals;
}
/* What the job sees that runs on this thread of an executor. */
extern _Thread_local const struct weir__locals *weir__job_locals;

/* --- cleanup: what was deferred to the end of a scope, a group or a task (L1-L3) -------------- */

/* In the place of weir__scope_end(), for the task's innermost scope when it has DEFERS. */
int weir__cleanup_end_scope(weir_loop *loop, weir_task *task, weir_scope *scope, int rc,
                            const void *address) WEIR_MUST_CHECK;
/* Of a group whose members have ended. */
void weir__cleanup_end_group(weir_loop *loop, weir_task *task, weir_group *group);
/* Of a task that came to rc. */
void weir__cleanup_end_task(weir_loop *loop, weir_task *task, int rc);
/* The failures that waited for the end of `scope`, a group's or the task's bottom one, become the
 * group's. */
void weir__cleanup_hand_in(weir_group *group, weir_task *task, const weir_scope *scope);
/* They are reported: whose they are goes on. */
void weir__cleanup_report_late(weir_task *task);
/* Whether deferred functions are being run inside `scope`: it cannot be left from there. */
bool weir__cleanup_runs_in(const weir_task *task, const weir_scope *scope);
bool weir__cleanup_finishing(const weir_task *task); /* its deferred functions run (T6) */
int weir__cleanup_set_budget(struct weir__extra *extra, int64_t budget_ns) WEIR_MUST_CHECK;
void weir__cleanup_free(struct weir__cleanup *cleanup);
int weir__cleanup_late_now(const weir_task *task, const weir_scope *scope);
int weir__cleanup_outcome_now(weir_task *task, int rc);
/* The first code of what waits for hand_in; 0: nothing does. */
static inline int weir__cleanup_late_code(const weir_task *task, const weir_scope *scope)
{
    return __builtin_expect(task->extra != NULL, 0) ? weir__cleanup_late_now(task, scope) : 0;
}
/* L2: what a task has come to that returned rc. */
static inline int weir__cleanup_outcome(weir_task *task, int rc)
{
    return __builtin_expect(task->extra != NULL, 0) ? weir__cleanup_outcome_now(task, rc) : rc;
}
/* The task itself came well, and failed with its cleanup. */
bool weir__cleanup_came_well(const weir_task *task);
/* Then its failure is kept with its record: what waits for the end of the task becomes the
 * cause. */
void weir__cleanup_become_causes(weir_task *task);

/* Puts a scope below another one, whose state it sees from here on; it was not cancelled. */
void weir__scope_reparent(weir_loop *loop, weir_scope *scope, weir_scope *parent);
/* Whether fn may be spawned into the group: 0, or why not. */
int weir__task_check_group(weir_group *group, const weir_loop *loop) WEIR_MUST_CHECK;

/* --- service members (G9) --------------------------------------------------------------------- */

void weir__service_enlist(weir_group *group, weir_task *task);
/* Only services are left, and the owner waits for them. */
void weir__service_stop_next(weir_group *group);
void weir__service_ended(weir_group *group, const weir_task *task);

/* --- supervision (P6) ------------------------------------------------------------------------- */

int weir__supervise_check(const weir_supervise_options *options) WEIR_MUST_CHECK;
struct weir__supervision *weir__supervise_new(weir_group *group,
                                              const weir_supervise_options *options);
void weir__supervise_free(weir_loop *loop, struct weir__supervision *supervision);
/* What a member runs in the place of its function; it finds itself in its extra. */
int weir__supervise_run(void *arg);
struct weir__supervised *weir__supervised_new(const weir_spawn_options *options, weir_task_fn *fn,
                                              struct weir__locals *locals);
void weir__supervised_free(struct weir__supervised *member); /* NULL does nothing */
void weir__supervise_judge(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc);
void weir__supervise_nudge(struct weir__supervision *supervision);

/* --- groups' inside --------------------------------------------------------------------------- */

weir_group *weir__group_new(weir_loop *loop, const weir_group_options *options);
void weir__group_discard(weir_loop *loop, weir_group *group);
/* A member was moved to another group, or a service has come to this one: maybe it is over now. */
void weir__group_member_left(weir_group *group);
void weir__group_child_ended(weir_loop *loop, weir_task *task, int rc);
/* In a group with a limit: a place for one more, waited for unless try_only. It keeps the group
 * open until a task has taken it (places_promised goes down again) or it is dropped. */
int weir__group_promise_place(weir_group *group, bool try_only) WEIR_MUST_CHECK;
void weir__group_drop_place(weir_group *group);
/* The group cannot be joined until it is released again. */
void weir__group_hold(weir_group *group);
void weir__group_release(weir_group *group);
void weir__group_child_started(weir_group *group, weir_task *task);
/* weir_group_close_failures() in the name of a caller's caller; out_failures may be NULL. */
int weir__group_close_at(weir_group *group, int rc, weir_failures **out_failures,
                         const void *address) WEIR_MUST_CHECK;

/* --- policies --------------------------------------------------------------------------------- */

/* 0, or -EINVAL for options of a policy with a goal that no group can have. */
int weir__policy_check(const weir_group_options *options) WEIR_MUST_CHECK;
/* A group with a goal: a policy beyond WEIR_COLLECT_ALL. */
void weir__policy_init(weir_group *group, const weir_group_options *options);
/* A member has ended; not called for one that did well in a group without a goal. */
void weir__policy_judge(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc);
/* The first of a group's set is what its close returns: what a goal that was won has absorbed
 * goes. */
void weir__policy_make_room(weir_group *group);
/* rc 0: only its cleanup did. */
void weir__policy_body_failed(weir_group *group, weir_task *task, int rc);
/* Somebody who was on the way in does not come. */
void weir__policy_fewer_come(weir_group *group);
/* The body of a group with a goal has ended: it spawns nobody any more. */
void weir__policy_body_done(weir_group *group, int rc);
/* All of a group with a goal have ended: what the body's code becomes. `address` closed it. */
int weir__policy_settle(weir_group *group, int rc, const void *address) WEIR_MUST_CHECK;

/* --- failures' inside ------------------------------------------------------------------------- */

/* core/failure.h has the rest. */
static inline struct weir__detail *weir__failure_detail(weir_task *task, int code)
{
    struct weir__detail *detail = task->extra == NULL ? NULL : task->extra->detail;
    return detail != NULL && detail->code == code ? detail : NULL;
}
/* The task closes another group, or has ended: what nobody saw of its last set is reported. */
static inline void weir__failure_settle_last(weir_task *task)
{
    weir_failures *set = task->last_failures;
    if (__builtin_expect(set != NULL, 0)) {
        task->last_failures = NULL;
        weir__failures_discard(set, true);
    }
}

/* --- scheduler's inside ----------------------------------------------------------------------- */

weir_task *weir__task_new(weir_loop *loop, weir_group *group, weir_task_fn *fn, void *arg,
                          int *out_rc);
/* What is left of a task that was kept: its slot and its extra. */
void weir__task_release(weir_loop *loop, weir_task *task);
void weir__sched_ready(weir_loop *loop, weir_task *task);
void weir__sched_unready(weir_loop *loop, weir_task *task);
/* The next to run on this stack's behalf, or NULL when the turn is over. */
weir_task *weir__sched_next(weir_loop *loop);
void weir__sched_run_batch(weir_loop *loop);
/* Ask a blocked task to end its wait; it can be asked once, since it is ABORTING from then on
 * (I9). */
void weir__sched_abort_wait(weir_loop *loop, weir_task *task);
/* What a task does that another thread asked for: fn in a scope, what was deferred in it included;
 * failures of that beside one of fn are told. Returns as weir_scope_leave(). */
int weir__remote_run(weir_scope *scope, weir_task_fn *fn, void *arg) WEIR_MUST_CHECK;
void weir__remote_drain(weir_loop *loop);
void weir__remote_close(weir_loop *loop);
/* Any thread. */
bool weir__core_has_ended(const weir_loop *loop);
/* The loop's thread: as weir_remote_stop(), at once. */
void weir__core_stop(weir_loop *loop, weir_stop_phase phase, const char *reason);
/* 0, or -ESHUTDOWN: the post was not taken. Any thread. */
int weir__core_post(weir_loop *loop, struct weir__post *post) WEIR_MUST_CHECK;

#endif
