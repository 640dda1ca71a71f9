/*
 * gather.c - several calls side by side, one outcome each: gather for a list of calls, map for one
 * function and a list of items
 *
 * Runs on  the loop's own thread.
 * Costs    a group, and a task for each call; no allocation besides when warm.
 */
#include "core/calls.h"

static int collect_all(struct weir__calls *calls, weir_group *group)
{
    weir_failures *failures;
    int spawned = weir__calls_spawn_all(calls, group);
    int rc = weir__group_close_at(group, spawned, &failures, calls->address);
    weir_failures_free(failures); /* every one of them is in an outcome, or returned */
    if (spawned == -ESHUTDOWN)
        return -ECANCELED; /* the group is not cancelled but with its caller */
    if (spawned < 0)
        return spawned;
    return rc == -ECANCELED ? rc : (int)calls->failed_count;
}

static int fail_fast(struct weir__calls *calls, weir_group *group)
{
    int rc = weir__calls_close(calls, group, weir__calls_spawn_all(calls, group));
    if (rc == 0 && calls->cancelled_alone)
        return weir__failure_say(-ECHILD, calls->address, "one of the calls was cancelled alone");
    return rc;
}

static int run_all(struct weir__calls *calls, const weir_group_options *options)
{
    bool collects = options->policy == WEIR_COLLECT_ALL;
    if (options->policy != WEIR_FAIL_FAST && !collects)
        return -EINVAL;
    if (collects && calls->outcomes == NULL && calls->count > 0)
        return -EINVAL;
    if (weir__core_task() == NULL)
        return -EPERM;
    if (calls->count == 0)
        return 0;
    weir_group *group;
    int rc = weir__calls_open(calls, options, &group);
    if (rc < 0)
        return rc;
    rc = collects ? collect_all(calls, group) : fail_fast(calls, group);
    return weir__calls_done(calls, rc);
}

int weir_gather(weir_policy policy, const weir_call *calls, size_t count,
                weir_outcome *out_outcomes)
{
    struct weir__calls all = {.list = calls,
                              .count = count,
                              .outcomes = out_outcomes,
                              .address = __builtin_return_address(0)};
    return run_all(&all, &(weir_group_options){.policy = policy, .name = "gather"});
}

int weir_map(const weir_map_options *options, weir_task_fn *fn, void *items, size_t item_bytes,
             size_t count, weir_outcome *out_outcomes)
{
    static const weir_map_options defaults;
    if (options == NULL)
        options = &defaults;
    struct weir__calls all = {.fn = fn,
                              .items = items,
                              .item_bytes = item_bytes,
                              .count = count,
                              .outcomes = out_outcomes,
                              .address = __builtin_return_address(0)};
    return run_all(&all, &(weir_group_options){
                             .policy = options->policy,
                             .running_max = options->running_max,
                             .name = options->name == NULL ? "map" : options->name,
                         });
}
