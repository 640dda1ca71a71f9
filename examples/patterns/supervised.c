/*
 * supervised.c - a worker that fails is started again, and one that fails too often ends them all
 *
 * A feed loses its connection now and then: its supervisor starts it again after a pause that
 * doubles. When it fails more often than two times in a second, starting it again does not help;
 * then the failure is the group's, and the others are stopped, the last one first.
 */
#include <stdio.h>
#include <weir/weir.h>

static int run_count;

static int follow_feed(void *arg)
{
    int losses = *(int *)arg;
    printf("feed: run %d\n", ++run_count);
    int rc = weir_sleep(20 * WEIR_MS);
    if (rc < 0)
        return rc;
    return run_count > losses ? 0 : weir_fail(-ECONNRESET, "the feed hung up");
}

static int keep_index(void *arg)
{
    (void)arg;
    int rc = weir_sleep(WEIR_FOREVER); // until it is stopped
    printf("index: stopped\n");
    return rc;
}

static int note_failure(const weir_failure *failure, void *arg)
{
    (void)arg;
    printf("supervisor: %s\n", failure->message);
    return 0;
}

static int supervise(int losses)
{
    const weir_group_options options = {
        .policy = WEIR_SUPERVISE,
        .supervise = {.intensity = 2, .period_ns = WEIR_SEC, .handler = note_failure}};
    weir_group *group;
    run_count = 0;
    int rc = weir_group_open(&group, &options);
    if (rc < 0)
        return rc;
    rc = weir_spawn_with(group, &(weir_spawn_options){.name = "index", .service = true}, keep_index,
                         NULL, NULL);
    if (rc == 0)
        rc = weir_spawn_with(group,
                             &(weir_spawn_options){.name = "feed", .backoff_ns = 10 * WEIR_MS},
                             follow_feed, &losses, NULL);
    return weir_group_close(group, rc);
}

static int app(void *arg)
{
    (void)arg;
    int rc = supervise(2);
    printf("=> %s\n\n", rc == 0 ? "ended well" : weir_failure_message(rc));
    rc = supervise(99);
    printf("=> %s: %s\n", weir_code_name(rc), weir_failure_message(rc));
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
