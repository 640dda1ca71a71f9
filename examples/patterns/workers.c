/*
 * workers.c - a writer that serves the others, a server that says when it is ready, and a worker
 * that is started again when it has failed
 */
#include <stdio.h>
#include <weir/weir.h>

/* Serves the others: it is cancelled when they have ended. */
static int write_log(void *arg)
{
    (void)arg;
    int rc = weir_sleep(1 * WEIR_HOUR);
    printf("the writer: nobody writes any more\n");
    return rc;
}

static int listen_and_serve(void *arg)
{
    (void)arg;
    static int port = 8080;
    int rc = weir_sleep(10 * WEIR_MS); // it takes a while until it listens
    if (rc == 0)
        rc = weir_started(&port); // until here, a failure is the starter's
    return rc < 0 ? rc : weir_sleep(50 * WEIR_MS);
}

static int work(void *arg)
{
    int *attempts = arg;
    if (++*attempts == 1)
        return weir_fail(-ECONNRESET, "the queue has gone");
    printf("the worker: done, the second time\n");
    return 0;
}

static int note(const weir_failure *failure, void *arg)
{
    (void)arg;
    printf("the worker: %s, once more in a moment\n", failure->message);
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    weir_group *group;
    const weir_group_options options = {.policy = WEIR_SUPERVISE, .supervise = {.handler = note}};
    int rc = weir_group_open(&group, &options);
    if (rc < 0)
        return rc;

    const weir_spawn_options writer = {.service = true};
    rc = weir_spawn_with(group, &writer, write_log, NULL, NULL);
    void *port = NULL;
    if (rc == 0)
        rc = weir_start(group, listen_and_serve, NULL, &port);
    if (rc == 0)
        printf("the server listens on %d\n", *(int *)port);

    int attempts = 0;
    const weir_spawn_options worker = {.backoff_ns = 20 * WEIR_MS};
    if (rc == 0)
        rc = weir_spawn_with(group, &worker, work, &attempts, NULL);
    return weir_group_close(group, rc);
}

int main(void)
{
    return weir_run(app, NULL);
}
