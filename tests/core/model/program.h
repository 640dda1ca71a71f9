/*
 * program.h - small concurrent programs as data: drawn from a seed, printed, made smaller
 *
 * A program is a tree of statements. Each runs at most once, so the number of a statement also
 * names what it makes: the scope it enters, the group it opens, the task it spawns. Statement 0 is
 * the main task. What a statement refers to (`target`) may not be there when it runs; then it does
 * nothing.
 */
#ifndef WEIR_TESTS_CORE_MODEL_PROGRAM_H
#define WEIR_TESTS_CORE_MODEL_PROGRAM_H

#include <weir/weir.h>

enum { STATEMENTS_MAX = 128, LOCALS = 2, NONE = -1 };

enum verb {
    NOTHING,      /* what shrinking leaves of a statement */
    BLOCK,        /* its body, here */
    YIELD,        /* weir_yield() */
    CHECK,        /* weir_check() */
    SLEEP,        /* weir_sleep(ns) */
    OP,           /* lasts ns or for ever; when it is aborted it ends at once */
    HARD,         /* lasts ns, cannot be aborted, gives `code` */
    LATE,         /* lasts ns; an abort ends it `later_ns` after, with `code` or as cancelled (0) */
    SCOPE,        /* weir_scope_enter(), body, leave */
    TIMEOUT,      /* weir_timeout_enter(ns), body, leave */
    SHIELD,       /* weir_shield_enter(ns), body, leave */
    GROUP,        /* weir_group_open(), body, close */
    GATHER,       /* weir_gather() of the CALLs in its body */
    RACE,         /* weir_race() of the CALLs in its body, staggered by later_ns */
    CALL,         /* a task of a GATHER or RACE, with this body */
    SPAWN,        /* a task with this body, into the group `target` */
    START,        /* the same by weir_start_with(): waits until it says STARTED */
    DEFER,        /* weir_defer(): the body runs when what is around ends */
    CANCEL,       /* the scope or group `target`, which may not have been entered yet */
    FORCE,        /* the same with level FORCE */
    CANCEL_TASK,  /* the task `target`, by its id */
    WAIT_TASK,    /* for the end of the task `target` */
    TAKE_RESULT,  /* of the task `target` */
    FORGET,       /* the record of the task `target` */
    REQUESTED,    /* whether the task `target` was asked to end */
    SET_DEADLINE, /* of the scope `target` when this task has entered it: in ns from now */
    CLOSE,        /* the group `target`, which belongs to somebody else */
    SET_RESULT,   /* of this task */
    TAKE_FAILURES, /* of the group this task closed last */
    ASK,           /* all getters of the context */
    FAIL,          /* ends the block with weir_fail(code) */
    RETURN,        /* ends the block with `code` */
    BURN,          /* opens and closes `count` empty groups */
    SPIN,          /* `count` times weir_yield(), whatever it returns */
    NEXT,          /* weir_group_next() of the group `target` */
    SET_LOCAL,     /* the key `count`: the statement is the value */
    ON_DONE,       /* a callback for the end of the task `target`; it returns `code` */
    STARTED,       /* weir_started(): the statement is the value */
    REMOVE,        /* the callback that the statement `target` added */
    VERB_COUNT
};

struct statement {
    uint8_t verb;                /* enum verb */
    bool carry_on;               /* after a negative code the block goes on */
    bool try_only;               /* SPAWN, START */
    bool keep, handled, service; /* SPAWN, START */
    uint8_t policy;              /* GROUP: weir_policy */
    uint8_t quorum;              /* GROUP */
    bool primary_only;           /* GROUP */
    bool takes_failures;         /* GROUP: closed with weir_group_close_failures() */
    bool keeps_outcomes;         /* GROUP */
    uint8_t running_max;         /* GROUP: 0 is none */
    uint8_t count;               /* BURN, SPIN, SET_LOCAL */
    int16_t code;
    int16_t target; /* a statement, or NONE */
    int16_t body;   /* the first statement of it, or NONE */
    int16_t next;   /* in its block, or NONE */
    int16_t parent;
    int64_t ns; /* WEIR_FOREVER: for ever; GROUP: 0 is no limit */
    int64_t later_ns;
    int64_t cleanup_ns; /* SPAWN, START: budget of its deferred functions; 0: the default */
};

struct program {
    uint64_t seed;
    uint64_t shuffle_seed; /* 0: ready tasks run first in, first out */
    int count;
    struct statement statements[STATEMENTS_MAX];
};

void program_draw(struct program *program, uint64_t seed);
/* To standard output, one statement a line, indented. */
void program_print(const struct program *program);
/* Makes the program smaller as long as `fails` says that it still fails. */
void program_shrink(struct program *program, bool (*fails)(const struct program *program));

static inline bool is_spawn(const struct statement *s)
{
    return s->verb == SPAWN || s->verb == START;
}

static inline bool is_scope(const struct statement *s)
{
    return s->verb == SCOPE || s->verb == TIMEOUT || s->verb == SHIELD;
}

#endif
