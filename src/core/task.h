/*
 * task.h - the table of tasks: how a record is made, started and given back
 */
#ifndef WEIR__CORE_TASK_H
#define WEIR__CORE_TASK_H

#include "core/core.h"

int weir__task_table_init(weir_loop *loop, size_t tasks_max) WEIR_MUST_CHECK;
void weir__task_table_deinit(weir_loop *loop);
/* fn has returned rc: settle what it left open, tell its group, give the record back. On its
 * stack. */
void weir__task_finish(weir_loop *loop, weir_task *task, int rc);
/* weir_spawn() in the name of a caller's caller. */
int weir__task_spawn_at(weir_group *group, weir_task_fn *fn, void *arg, const void *address)
    WEIR_MUST_CHECK;
int weir__task_spawn_with_at(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn,
                             void *arg, const void *address, weir_task_id *out_id) WEIR_MUST_CHECK;
/* Where it was spawned: exactly one of the two is not NULL. */
const weir_site *weir__task_spawn_site(const weir_task *task);
const void *weir__task_spawn_address(const weir_task *task);

#endif
