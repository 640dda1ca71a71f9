/*
 * blocking.c - a call that blocks, and everybody else waits
 *
 * The article  One synchronous call inside a coroutine stops the whole application: hand it to an
 *              executor, use aiofiles, and turn on debug mode to hear of what takes over 100 ms.
 * weir         weir_offload() runs it on a thread while only this task waits, and reading a file
 *              takes one call that never blocks. Who forgets it is named by a watchdog that is
 *              always on, while the call still blocks: W104, with the line that holds the loop.
 */
#include <stdio.h>
#include <time.h>
#include <weir/file.h>
#include <weir/weir.h>

/* Somebody's library, which knows nothing of tasks. */
static int query_driver(void *arg)
{
    (void)arg;
    struct timespec rest = {.tv_nsec = 300 * WEIR_MS};
    while (nanosleep(&rest, &rest) < 0) {
        // EINTR: the watchdog has looked at our stack
    }
    return 0;
}

/* The rest of the application: wants to run every 10 ms. */
static int tick(void *arg)
{
    int *ticks = arg;
    int rc = 0;
    for (; rc == 0; ++*ticks)
        rc = weir_sleep(10 * WEIR_MS);
    return rc;
}

static int query(bool offloaded)
{
    int ticks = 0;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, tick, &ticks);
    if (rc == 0)
        rc = offloaded ? weir_offload(NULL, query_driver, NULL) : query_driver(NULL);
    printf("meanwhile others %s\n", ticks > 2 ? "ran" : "stood still");
    weir_group_cancel(group, "the query is done");
    rc = weir_group_close(group, rc);
    return rc < 0 ? rc : 0; // WEIR_CAUGHT: we asked for the cancellation ourselves
}

static int app(void *arg)
{
    (void)arg;
    int rc = query(false); // wrong
    if (rc == 0)
        rc = query(true);
    weir_bytes text = {0};
    if (rc == 0)
        rc = weir_file_read_all("/etc/passwd", 0, &text);
    printf("the file: %s\n", text.size > 0 ? "read" : weir_failure_message(rc));
    weir_bytes_free(&text);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
