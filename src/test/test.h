/*
 * test.h - rounds: one run of a body on a loop of its own, with what is done to it
 *
 * A plan says what a round does: the seed of the order, and a list of strikes (cancel before
 * checkpoint 3, fail allocation 12). Sweeps make plans with one strike each, a swarm draws its
 * strikes on the way and writes down those that happened; so every round that fails can be said in
 * one line, and repeated from it. Strikes are counted only while the body runs.
 *
 * Holds  1. One round at a time in a process.
 *        2. No fault is armed outside the body.
 */
#ifndef WEIR__TEST_H
#define WEIR__TEST_H

#include <weir/scope.h>
#include <weir/test.h>

#include "base/buffer.h"
#include "core/probe.h"

/* The bits of enum weir_test_kind, as numbers. */
enum weir__test_kind {
    WEIR__TEST_CANCEL,
    WEIR__TEST_CANCEL_LATE,
    WEIR__TEST_NO_MEMORY,
    WEIR__TEST_KERNEL,
    WEIR__TEST_OPERATION,
    WEIR__TEST_NO_THREAD,
    WEIR__TEST_SHORT,
    WEIR__TEST_LATE,
    WEIR__TEST_RESET,
    WEIR__TEST_PARTITION,
    WEIR__TEST_LATER,
    WEIR__TEST_KIND_COUNT
};

struct weir__test_strike {
    enum weir__test_kind kind;
    uint64_t number; /* from 1 */
};

enum { WEIR__TEST_STRIKES_MAX = 16 };

struct weir__test_plan {
    uint64_t seed;
    size_t count;
    struct weir__test_strike strikes[WEIR__TEST_STRIKES_MAX];
    /* A swarm: strikes are drawn while the body runs. */
    bool drawn;
    unsigned kinds;
    uint32_t one_in[WEIR__TEST_KIND_COUNT]; /* how rare each is */
};

/* A call of this module: what stays the same in all its rounds. */
struct weir__test {
    const weir_test_options *options;
    const char *name;
    weir_task_fn *body;
    void *arg;
    bool real_clock;
    bool simulated; /* the same seed is the same run */
    uint64_t round_count;
};

/* One round. */
struct weir__round {
    struct weir__probe probe;
    struct weir__test *test;
    struct weir__test_plan plan;
    weir_loop *loop;
    weir_scope scope; /* the body's */
    bool running;     /* the body is */
    bool failed;      /* it was said, found, or left open */
    bool forced;      /* it did not end by itself */
    size_t settling;  /* tasks in weir_test_settle() */
    uint64_t random;
    uint64_t trace;
    uint64_t points;
    size_t seen_count; /* strikes that the loop's thread knows of */
    uint64_t points_at_strike;
    uint64_t points_at_force;
    int64_t began_at_ns;
    int64_t must_end_at_ns;   /* WEIR_NEVER: no strike so far */
    struct weir__alarm alarm; /* where time is real */
    int rc;
    char first[200];          /* what was wrong first */
    char note[260];           /* for a crash: how to see it again */
    struct weir__buffer said; /* all of it, with marks for addresses */
    /* atomic: any thread */
    uint64_t hits[WEIR__TEST_KIND_COUNT];
    size_t struck_count;
    struct weir__test_strike struck[WEIR__TEST_STRIKES_MAX];
};

/* --- plans, plan.c ---------------------------------------------------------------------------- */

/* Asked for each hit of a kind while the body runs: whether it is struck now. Any thread. */
bool weir__test_strikes(struct weir__round *round, enum weir__test_kind kind);
/* `name seed=7 cancel=3`, as in WEIR_TEST_REPLAY. */
void weir__test_plan_write(const struct weir__test_plan *plan, const char *name, char *out_text,
                           size_t bytes);
/* 1: WEIR_TEST_REPLAY names this test, and the plan was read from it; 0: it does not; -EINVAL. */
int weir__test_plan_replayed(const char *name, struct weir__test_plan *out_plan) WEIR_MUST_CHECK;
/* "cancelled before checkpoint 3", in words. */
void weir__test_plan_tell(const struct weir__test_plan *plan, char *out_text, size_t bytes);
bool weir__test_rounds_are_named(void);

/* --- rounds, run.c ---------------------------------------------------------------------------- */

/* What a round leaves behind. */
struct weir__verdict {
    weir_test_round round;
    struct weir__test_plan plan; /* what really happened */
    bool failed;
    int rc; /* of the public call, when it failed */
    char how[120];
    char what[200];
};

int weir__test_init(struct weir__test *test, weir_task_fn *body, void *arg,
                    const weir_test_options *options) WEIR_MUST_CHECK;
void weir__test_play(struct weir__test *test, const struct weir__test_plan *plan, bool quiet,
                     struct weir__verdict *out_verdict);
/* On standard error, for what is not known at the end of one round. */
void weir__test_tell_verdict(const struct weir__test *test, const struct weir__verdict *verdict);
/* Fills the report; returns what the public call returns. */
int weir__test_settle_report(const struct weir__test *test, const struct weir__verdict *verdict);
/* 1: a replay was asked for and played, its end is in the verdict; 0: none; negative errno. */
int weir__test_replay(struct weir__test *test, struct weir__verdict *out_verdict) WEIR_MUST_CHECK;

/* The round of the calling task, or NULL. */
struct weir__round *weir__test_round(void);
/* It has failed: a line about it, its first line is the headline. */
void weir__test_say(struct weir__round *round, const char *format, ...) WEIR_PRINTF(2, 3);
/* Memory and descriptors of weir now. */
struct weir__test_level {
    uint64_t blocks;
    int fds;
};
struct weir__test_level weir__test_level_now(void);
/* False: there is more than before. Threads that are on their way out get a moment. */
bool weir__test_level_is_kept(struct weir__test_level before, struct weir__test_level *out_after);

#endif
