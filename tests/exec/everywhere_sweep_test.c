/*
 * everywhere_sweep_test.c - jobs on threads, cancelled and failed at every place: rules X5 to X7,
 * O4
 */
#include <stdlib.h>

#include "tests/exec/jobs.h"
#include "tests/support/everywhere.h"

static int begun, ended; /* jobs: on threads, but read when all have come home */

static int job(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
    return 0;
}

static int offload_one(void *arg)
{
    return weir_offload(arg, job, NULL);
}

static int offload_some(void *arg)
{
    (void)arg;
    begun = ended = 0;
    weir_pool *pool;
    int rc = weir_pool_open(&(weir_pool_options){.threads_max = 2}, &pool);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = weir_spawn(group, offload_one, pool);
        if (rc == 0)
            rc = weir_offload(pool, job, NULL);
        if (rc == -ESHUTDOWN)
            rc = weir_check();
        rc = weir_group_close(group, rc);
    }
    weir_pool_close(pool);
    WEIR_TEST_EXPECT(begun == ended);
    return rc;
}

TEST(jobs_everywhere) /* X5, X7 */
{
    struct everywhere what = {.body = offload_some, .rounds_min = 10};
    everywhere_on("sim", "jobs", what);
    everywhere_real("jobs", what);
}

/* --- jobs that may be left running ------------------------------------------------------------ */

/* On the heap, since it may outlive the call. */
struct loose {
    weir_event *runs; /* NULL: it does not say so, and ends by itself */
};

static struct {
    int made, released;
} loose_books;

static void release_loose(void *arg)
{
    __atomic_fetch_add(&loose_books.released, 1, __ATOMIC_SEQ_CST);
    free(arg);
}

static int say_that_it_runs(void *arg)
{
    weir_event_set(arg);
    return weir_yield(); /* in the caller's task: it can be cut here */
}

static int run_loose(void *arg)
{
    struct loose *loose = arg;
    if (loose->runs == NULL)
        return 0;
    int rc = weir_job_call(say_that_it_runs, loose->runs);
    while (rc == 0 && !weir_job_cancelled())
        continue;
    return rc == -ESTALE ? 0 : rc;
}

struct leave {
    weir_pool *pool;
    weir_event *runs;
};
static int leave(struct leave *a)
{
    struct loose *loose = malloc(sizeof *loose);
    *loose = (struct loose){a->runs};
    loose_books.made++;
    weir_offload_options options = {.name = "loose", .abandon = release_loose};
    int rc = weir_offload_with(a->pool, &options, run_loose, loose);
    if (rc != -ECANCELED)
        release_loose(loose);
    if (a->runs != NULL)
        weir_event_set(a->runs); /* it may never have begun */
    return rc;
}

static int leave_some(weir_pool *pool)
{
    weir_event runs = {0};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = WEIR_SPAWN(group, leave, .pool = pool);
    if (rc == 0)
        rc = WEIR_SPAWN(group, leave, .pool = pool, .runs = &runs);
    if (rc == 0)
        rc = WEIR_SPAWN(group, leave, .pool = pool); /* behind it, in the queue */
    if (rc == 0)
        rc = weir_event_wait(&runs);
    if (rc == 0)
        rc = weir_yield();
    weir_group_cancel(group, "nobody waits for it any more");
    return weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
}

static int abandon_some(void *arg)
{
    (void)arg;
    loose_books.made = loose_books.released = 0;
    weir_pool *pool;
    int rc = weir_pool_open(&(weir_pool_options){.threads_max = 1}, &pool);
    if (rc < 0)
        return rc;
    rc = leave_some(pool);
    weir_pool_close(pool);
    WEIR_TEST_EXPECT(loose_books.made == loose_books.released); /* each once */
    return rc == WEIR_CAUGHT ? 0 : rc;
}

TEST(abandoned_jobs_everywhere) /* X5, X7, case 201 */
{
    struct everywhere what = {.body = abandon_some, .rounds_min = 10};
    everywhere_on("sim", "abandon", what);
    everywhere_real("abandon", what);
}
