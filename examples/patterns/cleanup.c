/*
 * cleanup.c - what was begun is undone at the end of its scope, however that comes
 *
 * weir_defer() says at once what has to happen later, so no way out can forget it. It runs the
 * latest first, inside a shield: it may wait, although the task itself may not any more. (Cleanup
 * that needs no waiting is as good behind a label.)
 */
#include <stdio.h>
#include <weir/weir.h>

static int undo(void *arg)
{
    int rc = weir_sleep(5 * WEIR_MS); // a round trip to whoever has it
    printf("  %s is given back: %s\n", (const char *)arg, rc == 0 ? "ok" : weir_code_name(rc));
    return rc;
}

static int take(char *what)
{
    printf("  %s is taken\n", what);
    return weir_defer(undo, what);
}

static int book(void *arg)
{
    (void)arg;
    static char seat[] = "the seat", meal[] = "the meal";
    int rc = take(seat);
    if (rc == 0)
        rc = take(meal);
    if (rc == 0)
        rc = weir_sleep(10 * WEIR_SEC); // the payment, cut at 50 ms
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    int rc = weir_timeout(50 * WEIR_MS, book, NULL);
    printf("the booking: %s\n", weir_code_name(rc));
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
