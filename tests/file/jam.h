/*
 * jam.h - the default pool with all its threads taken, so that what is sent to it waits
 */
#ifndef WEIR_TESTS_FILE_JAM_H
#define WEIR_TESTS_FILE_JAM_H

#include <weir/exec.h>
#include <weir/weir.h>

#include "base/thread.h"

/* Jobs that take all threads of the default pool until the gate opens. */
struct jam {
    struct weir__mutex lock;
    struct weir__cond opened;
    bool open;
    weir_group *group;
};

weir_pool_stats pool_stats(void);
void jam_pool(struct jam *jam);
void open_gate(struct jam *jam);
void clear_jam(struct jam *jam);

#endif
