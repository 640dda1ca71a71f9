/* scope.c - deadlines, cancellation by name, and a cleanup that may wait */
#include <stdio.h>
#include <weir/weir.h>

static int work(void *arg)
{
    const char *name = arg;
    int rc = weir_sleep(1 * WEIR_HOUR);
    if (rc == -ECANCELED) {
        weir_cancel_cause cause;
        bool by_deadline = weir_cancelled_because(&cause) && cause.kind == WEIR_CANCEL_DEADLINE;
        printf("%s: cancelled by %s\n", name, by_deadline ? "a deadline" : cause.reason);

        int tidied = 0;
        WEIR_SHIELD(tidied, 1 * WEIR_SEC)
        {
            tidied = weir_sleep(10 * WEIR_MS); // without the shield: -ECANCELED at once
        }
        printf("%s: tidied up: %s\n", name, weir_code_name(tidied));
    }
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    int rc = 0;
    WEIR_TIMEOUT(rc, 50 * WEIR_MS)
    {
        rc = work("first");
    }
    printf("the block came to %s\n", weir_code_name(rc));

    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, work, "second");
    if (rc == 0)
        rc = weir_sleep(20 * WEIR_MS);
    weir_group_cancel(group, "nobody needs it");
    rc = weir_group_close(group, rc);
    printf("the group came to %s\n", rc == WEIR_CAUGHT ? "WEIR_CAUGHT" : weir_code_name(rc));
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
