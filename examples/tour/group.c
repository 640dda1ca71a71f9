/* group.c - tasks side by side, which all end before their block does */
#include <stdio.h>
#include <weir/weir.h>

struct square {
    int number;
    int *out;
};

static int square(struct square *a)
{
    int rc = weir_sleep((10 - a->number) * WEIR_MS); // the smallest number waits longest
    if (rc == 0)
        *a->out = a->number * a->number;
    return rc;
}

static int squares(int *results, int count)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < count; i++)
        rc = WEIR_SPAWN(group, square, .number = i, .out = &results[i]);
    return weir_group_close(group, rc); // waits for every task
}

static int app(void *arg)
{
    (void)arg;
    int results[5];
    int rc = squares(results, 5);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 5; i++)
        printf("%d ", results[i]);
    printf("\n");
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
