/*
 * waiting.h - what the waits of this room have in common
 *
 * Somebody who waits is an arm in a list of what it waits for. Most arms are a wait of their own;
 * those of a weir_select() belong together: granting one takes the others out of their lists, so
 * each of them is in its list or its task has been woken.
 *
 * Runs on  the loop's own thread.
 */
#ifndef WEIR__SYNC_WAITING_H
#define WEIR__SYNC_WAITING_H

#include <weir/sync.h>

#include "core/core.h"
#include "core/observe.h"

_Static_assert(sizeof(struct weir__waiting) == sizeof(struct weir__list) &&
                   offsetof(struct weir__waiting, weir__prev) == offsetof(struct weir__list, prev),
               "the waiters of a public struct are a list");

struct weir__choice; /* select.c */

/* One that waits for one thing. */
struct weir__arm {
    struct weir__list link;
    weir_task *task;
    void *object;                /* what it waits for */
    void *item;                  /* where its item comes from or goes to */
    struct weir__choice *choice; /* NULL: this is all that its task waits for */
};

/* Its list; one that is still all zero becomes an empty one. */
static inline struct weir__list *weir__sync_waiters(struct weir__waiting *waiting)
{
    struct weir__list *list = (struct weir__list *)(void *)waiting;
    if (list->next == NULL)
        weir__list_init(list);
    return list;
}

static inline bool weir__sync_has_waiters(struct weir__waiting *waiting)
{
    return !weir__list_empty(weir__sync_waiters(waiting));
}

static inline struct weir__arm *weir__sync_take_first(struct weir__list *arms)
{
    struct weir__list *node = weir__list_take_first(arms);
    return node == NULL ? NULL : WEIR__CONTAINER(node, struct weir__arm, link);
}

/* What a wait came to, in the words of N1. */
static inline int weir__sync_result(int rc)
{
    return rc == -ECANCELED ? weir__core_cancelled_result(weir__core_task()) : rc;
}

/* This arm of a select has been granted: the others leave their lists. */
void weir__sync_choose(struct weir__arm *arm);

/* To an arm that has been taken out of its list: its wait is over. */
static inline void weir__sync_grant(struct weir__arm *arm, int result)
{
    if (arm->choice != NULL)
        weir__sync_choose(arm);
    weir__core_wake(arm->task, result);
}

/* Waits at the end of a list until it is granted, or leaves it with -ECANCELED. The caller has
 * passed a checkpoint. */
int weir__sync_wait(struct weir__list *list, enum weir_wait_kind kind, void *object, void *item);

/* --- at home ---------------------------------------------------------------------------------- */

bool weir__sync_move_in(uint32_t *home, uint32_t here);

/* Whether this is the loop that something belongs to; it becomes that when it has none. */
static inline bool weir__sync_at_home(uint32_t *home)
{
    uint32_t here = weir__loop == NULL ? 0 : weir__loop->number;
    return __builtin_expect(*home == here, 1) || weir__sync_move_in(home, here);
}

/* Tells of a call that is not at home: -EPERM. `what` is a sentence. */
int weir__sync_stranger(const char *what, const void *address);

#endif
