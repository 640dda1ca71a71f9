/*
 * shielded_commit.c - what was begun is finished, although the caller's time is up
 *
 * A cancelled task can wait no more, not even to tidy up. A shield is a block that cancellation
 * from outside does not reach; it has a time limit of its own, so that a server that hangs cannot
 * hold a shutdown for ever.
 */
#include <stdio.h>
#include <weir/weir.h>

static int transfer(void *arg)
{
    (void)arg;
    printf("begin\n");
    int rc = weir_sleep(10 * WEIR_SEC); // the work between, cut at 50 ms
    printf("the work: %s\n", weir_code_name(rc));

    int undone = 0;
    WEIR_SHIELD(undone, 200 * WEIR_MS)
    {
        undone = weir_sleep(20 * WEIR_MS); // roll back: a round trip to the database
    }
    printf("rolled back: %s\n", undone == 0 ? "yes" : weir_code_name(undone));
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    int rc = weir_timeout(50 * WEIR_MS, transfer, NULL);
    printf("the transfer: %s\n", weir_code_name(rc));
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
