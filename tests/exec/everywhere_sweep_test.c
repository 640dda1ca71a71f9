/*
 * everywhere_sweep_test.c - jobs on threads, cancelled and failed at every place: rules X5 to X7,
 * O4
 */
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
