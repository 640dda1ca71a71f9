/*
 * waiting.c - see waiting.h
 */
#include "sync/waiting.h"

static void leave_list(weir_task *task, void *object)
{
    struct weir__arm *arm = object;
    weir__list_remove(&arm->link);
    weir__core_wake(task, -ECANCELED);
}

int weir__sync_wait(struct weir__list *list, enum weir_wait_kind kind, void *object, void *item)
{
    struct weir__arm arm = {.task = weir__core_task(), .object = object, .item = item};
    weir__list_append(list, &arm.link);
    return weir__sync_result(weir__core_park(kind, &arm, leave_list));
}

/* Everything may be used before its loop begins and after it has ended; only two loops, or a loop
 * and a thread, must not have it at once. */
bool weir__sync_move_in(uint32_t *home, uint32_t here)
{
    if (*home != 0 && weir__core_loop_lives(*home))
        return false;
    *home = here;
    return true;
}

int weir__sync_stranger(const char *what, const void *address)
{
    weir__core_find(&(struct weir__finding){.kind = WEIR__FINDING_STRANGER,
                                            .loop = weir__core_loop(),
                                            .task = weir__core_task(),
                                            .address = address,
                                            .what = what});
    return -EPERM;
}
