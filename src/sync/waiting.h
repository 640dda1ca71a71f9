/*
 * waiting.h - the list of waiters that lives in a public struct
 */
#ifndef WEIR__SYNC_WAITING_H
#define WEIR__SYNC_WAITING_H

#include <weir/sync.h>

#include "core/core.h"

_Static_assert(sizeof(struct weir__waiting) == sizeof(struct weir__list) &&
                   offsetof(struct weir__waiting, weir__prev) == offsetof(struct weir__list, prev),
               "the waiters of a public struct are a list");

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

/* What a wait came to, in the words of N1. */
static inline int weir__sync_result(int rc)
{
    return rc == -ECANCELED ? weir__core_cancelled_result(weir__core_task()) : rc;
}

#endif
