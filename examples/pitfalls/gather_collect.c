/*
 * gather_collect.c - every call runs to its end, and every result is kept
 *
 * The article  return_exceptions=True collects exceptions between the results; whoever forgets to
 *              look into the list has lost them.
 * weir         WEIR_COLLECT_ALL interrupts nobody, fills one outcome for each call, in order, and
 *              returns how many failed: a result that the compiler does not let you drop. Failures
 *              that nobody looked at are reported, W202.
 */
#include <stdio.h>
#include <weir/weir.h>

static int task_ok(void *arg)
{
    (void)arg;
    return weir_sleep(60 * WEIR_MS);
}

static int task_fail(void *arg)
{
    int rc = weir_sleep(20 * WEIR_MS);
    return rc < 0 ? rc : weir_fail(-EINVAL, "something went wrong with %s", (const char *)arg);
}

static int app(void *arg)
{
    (void)arg;
    weir_call calls[] = {{task_fail, "the first"}, {task_ok, NULL}, {task_fail, "the third"}};
    weir_outcome outcomes[3];
    int failed = weir_gather(WEIR_COLLECT_ALL, calls, 3, outcomes);
    if (failed < 0)
        return failed; // we were cancelled ourselves
    printf("%d of 3 failed\n", failed);
    for (int i = 0; i < 3; i++)
        printf("  call %d: %s\n", i, outcomes[i].rc == 0 ? "ok" : outcomes[i].message);

    /* Wrong: the first failure of this group is returned, and nobody asks for the others. */
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = weir_spawn(group, calls[i].fn, calls[i].arg);
    rc = weir_group_close(group, rc);
    printf("the group failed: %s\n", weir_failure_message(rc));
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
