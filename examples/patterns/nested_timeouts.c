/*
 * nested_timeouts.c - a limit for each try, and one for all of them
 *
 * Each block says -ETIME when its own time was up, and -ECANCELED when an outer one cut it: so the
 * inner code can tell "try again" from "it is over", without looking at a clock.
 */
#include <stdio.h>
#include <weir/weir.h>

static int ask_a_silent_server(void *arg)
{
    (void)arg;
    return weir_sleep(10 * WEIR_SEC);
}

static int try_often(void *arg)
{
    int *tries = arg;
    int rc;
    do {
        ++*tries;
        rc = weir_timeout(40 * WEIR_MS, ask_a_silent_server, NULL);
        if (rc == -ETIME)
            printf("try %d: %s\n", *tries, weir_code_name(rc));
    } while (rc == -ETIME);
    printf("try %d: %s\n", *tries, weir_code_name(rc)); // cut by the outer limit
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    int tries = 0;
    int rc = weir_timeout(100 * WEIR_MS, try_often, &tries);
    printf("all tries: %s\n", weir_code_name(rc));
    return tries == 3 ? 0 : -EIO;
}

int main(void)
{
    return weir_run(app, NULL);
}
