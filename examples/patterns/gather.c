/*
 * gather.c - several calls side by side, and the two things a failure can mean for the others
 *
 * WEIR_FAIL_FAST  the result is of use only whole: the first failure cancels the rest
 * WEIR_COLLECT_ALL  each result is of use by itself: nobody is interrupted, one outcome a call
 */
#include <stdio.h>
#include <weir/weir.h>

static int load_prices(void *arg)
{
    int *prices = arg;
    int rc = weir_sleep(30 * WEIR_MS);
    if (rc < 0)
        return rc;
    *prices = 12;
    return 0;
}

static int load_stock(void *arg)
{
    (void)arg;
    int rc = weir_sleep(10 * WEIR_MS);
    return rc < 0 ? rc : weir_fail(-ENOENT, "no warehouse has it");
}

static const char *text_of(weir_outcome_kind kind)
{
    return kind == WEIR_OUTCOME_OK ? "ok" : kind == WEIR_OUTCOME_FAILED ? "failed" : "cancelled";
}

static int app(void *arg)
{
    (void)arg;
    int prices = 0;
    const weir_call calls[] = {{load_prices, &prices}, {load_stock, NULL}};
    weir_outcome outcomes[2];

    int rc = weir_gather(WEIR_FAIL_FAST, calls, 2, outcomes);
    printf("fail fast: %s\n", weir_failure_message(rc));
    for (int i = 0; i < 2; i++)
        printf("  call %d: %s\n", i, text_of(outcomes[i].kind));

    int failed_count = weir_gather(WEIR_COLLECT_ALL, calls, 2, outcomes);
    printf("collect all: %d failed, prices are %d\n", failed_count, prices);
    for (int i = 0; i < 2; i++)
        printf("  call %d: %s %s\n", i, text_of(outcomes[i].kind), outcomes[i].message);
    return failed_count < 0 ? failed_count : 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
