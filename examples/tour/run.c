/* run.c - the smallest program: one task that waits */
#include <stdio.h>
#include <weir/weir.h>

static int app(void *arg)
{
    int rc = weir_sleep(100 * WEIR_MS); // only this task waits, not the thread
    if (rc < 0)
        return rc;
    printf("hello, %s\n", (const char *)arg);
    return 0;
}

int main(void)
{
    return weir_run(app, "weir");
}
