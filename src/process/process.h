/*
 * process.h - other programs, and signals, inside the library
 *
 * plan.c turns options into what the child does, process.c holds the handle, run.c goes all the way
 * from start to end; signal.c stands beside them.
 *
 * Holds  1. A process is reaped exactly once, by the close of its handle: until then its number,
 *        and
 *           that of its group, cannot belong to anybody else, so signals hit whom they mean.
 *        2. A handle's memory stays until the last call on it has returned.
 */
#ifndef WEIR__PROCESS_PROCESS_H
#define WEIR__PROCESS_PROCESS_H

#include <weir/pipe.h>
#include <weir/process.h>

#include "base/sys_process.h"
#include "core/io.h"
#include "core/ledger.h"

/* --- plan.c ----------------------------------------------------------------------------------- */

struct weir__plan {
    struct weir__spawn spawn; /* borrows from the options and from the next three */
    const char **paths;
    char *path_text;
    const char **environment;
    struct weir__spawn_limit *limits;
    weir_pipe *ends[3]; /* ours, of those that are pipes */
    int theirs[3];      /* the other ends; -1 */
};

int weir__plan_make(struct weir__plan *plan, const weir_process_options *options) WEIR_MUST_CHECK;
/* Closes the child's ends; ours too unless they were taken (NULL). */
void weir__plan_deinit(struct weir__plan *plan);
/* What to say of a failure; returns the code. */
int weir__plan_fail(const struct weir__plan *plan, enum weir__spawn_step step, int code);

/* --- process.c -------------------------------------------------------------------------------- */

enum weir__process_state {
    WEIR__PROCESS_RUNS,
    WEIR__PROCESS_ENDED, /* a zombie, and `end` says how */
    WEIR__PROCESS_LOST,  /* somebody else has reaped it */
};

struct weir_process {
    struct weir__ledger_entry entry;
    weir_loop *loop;
    int refs; /* the opener's, and one for each call under way */
    int pidfd;
    pid_t pid;
    bool own_group;
    enum weir__process_state state;
    int64_t stop_budget_ns;
    struct weir__child_end end;
    weir_pipe *pipes[3];
};

#endif
