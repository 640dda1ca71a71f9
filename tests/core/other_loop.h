/*
 * other_loop.h - a second loop, on a thread of its own, for tests of what crosses threads
 */
#ifndef WEIR_TESTS_CORE_OTHER_LOOP_H
#define WEIR_TESTS_CORE_OTHER_LOOP_H

#include "base/thread.h"
#include "core/core.h"

struct other_loop {
    struct weir__thread thread;
    weir_loop *loop; /* referenced */
    const char *backend;
    int rc; /* what its program came to, after the end */
    /* while it starts */
    weir_loop *home;
    weir_task *starter;
    struct weir__post stands;
};

/* Called in a task; the other loop has the same backend, and does nothing until it is stopped. */
bool other_loop_start(struct other_loop *other);
/* The same where no loop runs. */
bool other_loop_start_outside(struct other_loop *other, const char *backend);
/* Blocks until its thread has ended. It may have been stopped before. */
void other_loop_end(struct other_loop *other);
/* Whether the caller runs on it. */
bool other_loop_is_here(const struct other_loop *other);

#endif
