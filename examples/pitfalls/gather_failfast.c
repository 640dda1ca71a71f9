/*
 * gather_failfast.c - several calls at once, and one of them fails
 *
 * The article  gather raises the first exception and lets go of the other calls. What they were
 *              doing is left half done: a write to a database is partially committed.
 * weir         WEIR_FAIL_FAST, written at the call, cancels the rest and waits until they have
 *              unwound. Each of them sees -ECANCELED where it waits, and has time to undo.
 */
#include <stdio.h>
#include <weir/weir.h>

static int write_orders(void *arg)
{
    const char **state = arg;
    *state = "half written";
    int rc = weir_sleep(1 * WEIR_SEC); // the rest of the transaction
    if (rc == 0)
        *state = "committed";
    if (rc == -ECANCELED) {
        int undone = 0;
        WEIR_SHIELD(undone, 5 * WEIR_SEC) // a cleanup that waits needs a shield, and a limit
        {
            undone = weir_sleep(10 * WEIR_MS);
        }
        *state = undone == 0 ? "rolled back" : "half written";
    }
    return rc;
}

static int charge_card(void *arg)
{
    (void)arg;
    int rc = weir_sleep(50 * WEIR_MS);
    return rc < 0 ? rc : weir_fail(-EACCES, "the card was refused");
}

static int app(void *arg)
{
    (void)arg;
    const char *orders = "not begun";
    weir_call calls[] = {{write_orders, &orders}, {charge_card, NULL}};
    weir_outcome outcomes[2];
    int rc = weir_gather(WEIR_FAIL_FAST, calls, 2, outcomes);

    printf("gather returned %s: %s\n", weir_code_name(rc), weir_failure_message(rc));
    printf("write_orders was cancelled: %s; the orders are %s\n",
           outcomes[0].kind == WEIR_OUTCOME_CANCELLED ? "yes" : "no", orders);
    return rc; // nobody handles it further up: weir_run() reports it and the status is 1
}

int main(void)
{
    return weir_run(app, NULL);
}
