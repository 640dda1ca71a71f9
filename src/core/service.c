/*
 * service.c - members that serve the others: they are stopped last, one at a time
 *
 * A service member's task scope is a shield that belongs to the group: what cancels the group does
 * not reach it. When the owner waits in close and only services are left, the one that was started
 * last has its shield lifted and is cancelled; when it has ended, the one before it. From the first
 * lift on nobody comes in any more. Force passes through the shields at once.
 *
 * Runs on  the loop's own thread.
 * Holds    1. At most one service of a group is being stopped.
 *          2. service_count of live_count are services.
 */
#include "core/core.h"

void weir__service_enlist(weir_group *group, weir_task *task)
{
    task->flags |= WEIR__TASK_SERVICE;
    task->scope.weir__flags |= WEIR__SCOPE_SHIELD;
    group->service_count++;
}

static weir_task *last_service(const weir_group *group)
{
    for (struct weir__list *node = group->members.prev; node != &group->members;
         node = node->prev) {
        weir_task *task = WEIR__CONTAINER(node, weir_task, sibling);
        if (task->flags & WEIR__TASK_SERVICE)
            return task;
    }
    return NULL;
}

void weir__service_stop_next(weir_group *group)
{
    if (group->stopping != NULL)
        return;
    group->shut = true;
    weir_task *task = last_service(group);
    group->stopping = task;
    task->scope.weir__flags &= (uint8_t)~WEIR__SCOPE_SHIELD;
    weir__scope_cancel_level(group->loop, &task->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_JOIN_POLICY,
                             "nobody is left to be served", NULL);
}

void weir__service_ended(weir_group *group, const weir_task *task)
{
    group->service_count--;
    if (group->stopping == task)
        group->stopping = NULL;
}
