/* A program of somebody else: runs two tasks in a group and says so. */
#include <stdio.h>
#include <weir/weir.h>

static int count_up(void *arg)
{
    int *count = arg;
    int rc = weir_sleep(1 * WEIR_MS);
    if (rc == 0)
        ++*count;
    return rc;
}

static int app(void *arg)
{
    int *count = arg;
    weir_group *group = NULL;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, count_up, count);
    if (rc == 0)
        rc = weir_spawn(group, count_up, count);
    return weir_group_close(group, rc);
}

int main(void)
{
    int count = 0;
    int status = weir_run(app, &count);
    printf("%d tasks\n", count);
    return status;
}
