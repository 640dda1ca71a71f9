/* race.c - one function over many items, and several calls of which one is enough */
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

/* What to ask for, and the answer beside it. */
struct measure {
    int point;
    int result;
};
static int measure(struct measure *a)
{
    int rc = weir_sleep(5 * WEIR_MS);
    a->result = a->point * a->point;
    return rc;
}

static int sum_up(void)
{
    struct measure points[20];
    for (int i = 0; i < 20; i++)
        points[i] = (struct measure){.point = i};
    int rc = WEIR_MAP(measure, points, 20, NULL, .running_max = 4); // four at a time
    int sum = 0;
    for (int i = 0; rc == 0 && i < 20; i++)
        sum += points[i].result;
    printf("the sum is %d\n", sum);
    return rc;
}

/* Leaves what it made with weir_task_set_result(): if it loses, free() gets it. */
static int ask_mirror(void *arg)
{
    const char *name = arg;
    int rc = weir_sleep(name[0] == 'c' ? 30 * WEIR_MS : 10 * WEIR_SEC);
    if (rc < 0)
        return rc;
    char *page = calloc(1, 32);
    if (page == NULL)
        return -ENOMEM;
    snprintf(page, 32, "a page from %s", name);
    rc = weir_task_set_result(page, free);
    if (rc < 0)
        free(page);
    return rc;
}

static int first_answer(void)
{
    weir_call mirrors[] = {{ask_mirror, "berlin"}, {ask_mirror, "cork"}, {ask_mirror, "delft"}};
    weir_outcome outcomes[3];
    size_t winner;
    int rc =
        weir_race(mirrors, 3, &(weir_race_options){.stagger_ns = 50 * WEIR_MS}, outcomes, &winner);
    if (rc < 0)
        return rc;
    printf("%s\n", (const char *)outcomes[winner].result);
    weir_outcomes_release(outcomes, 3); // free() for the winner's page as well
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    int rc = sum_up();
    return rc < 0 ? rc : first_answer();
}

int main(void)
{
    return weir_run(app, NULL);
}
