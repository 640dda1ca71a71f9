/*
 * local_test.c - task-locals: rule R5
 */
#include "tests/core/everywhere.h"

static int destroyed;

static void destroy(void *value)
{
    EXPECT(value != NULL);
    destroyed++;
}

static weir_local color = WEIR_LOCAL_INIT(NULL);
static weir_local shape = WEIR_LOCAL_INIT(NULL);
static weir_local owned = WEIR_LOCAL_INIT(destroy);

struct sees {
    const char **color;
    const char *sets;
};
static int sees(struct sees *a)
{
    int rc = weir_yield();
    *a->color = weir_local_get(&color);
    if (rc == 0 && a->sets != NULL)
        rc = weir_local_set(&color, (void *)(uintptr_t)a->sets);
    return rc;
}

TASK_TEST(a_child_sees_what_its_spawner_saw_at_that_moment) /* R5, case 284 */
{
    const char *before = "", *after = "";
    weir_group *group;
    EXPECT(weir_local_get(&color) == NULL);
    REQUIRE_RC(0, weir_local_set(&color, "red"));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, sees, .color = &before, .sets = "white"));
    EXPECT_RC(0, weir_local_set(&color, "green"));
    EXPECT_RC(0, WEIR_SPAWN(group, sees, .color = &after));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("red", before);
    EXPECT_STR("green", after);
    EXPECT_STR("green", weir_local_get(&color)); /* what a child sets is its own */
}

TASK_TEST(keys_do_not_touch_each_other)
{
    REQUIRE_RC(0, weir_local_set(&color, "red"));
    REQUIRE_RC(0, weir_local_set(&shape, "round"));
    REQUIRE_RC(0, weir_local_set(&color, NULL));
    EXPECT(weir_local_get(&color) == NULL);
    EXPECT_STR("round", weir_local_get(&shape));
}

static int grandchild(void *arg)
{
    *(const char **)arg = weir_local_get(&color);
    return 0;
}

static int child(void *arg)
{
    weir_call call = {grandchild, arg};
    return weir_gather(WEIR_FAIL_FAST, &call, 1, NULL);
}

TASK_TEST(locals_go_down_through_tasks_that_do_not_know_of_them) /* R5 */
{
    const char *seen = "";
    weir_call call = {child, &seen};
    REQUIRE_RC(0, weir_local_set(&color, "blue"));
    EXPECT_RC(0, weir_gather(WEIR_FAIL_FAST, &call, 1, NULL));
    EXPECT_STR("blue", seen);
}

static int wait_a_while(void *arg)
{
    (void)arg;
    return weir_sleep(5 * WEIR_MS);
}

static int owner_of_one(void *arg)
{
    int value = 0;
    weir_group *group = arg;
    int rc = weir_local_set(&owned, &value);
    return rc < 0 ? rc : weir_spawn(group, wait_a_while, NULL);
}

TASK_TEST(a_value_goes_with_the_last_task_that_sees_it) /* R5, I5 */
{
    destroyed = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, owner_of_one, group));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_EQ(1, weir_group_count(group)); /* its first owner has ended */
    EXPECT_EQ(0, destroyed);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, destroyed);
}

static int sets_twice(void *arg)
{
    static int one, two;
    int rc = weir_local_set(&owned, &one);
    if (rc == 0)
        rc = weir_local_set(&owned, &two);
    *(int *)arg = destroyed;
    return rc;
}

TASK_TEST(a_value_that_nobody_else_sees_goes_when_another_is_set)
{
    destroyed = 0;
    int after_second = 0;
    weir_call call = {sets_twice, &after_second};
    EXPECT_RC(0, weir_gather(WEIR_FAIL_FAST, &call, 1, NULL));
    EXPECT_EQ(1, after_second);
    EXPECT_EQ(2, destroyed);
}

static void park_in_destroy(void *value)
{
    EXPECT_RC(-EPERM, weir_yield());
    destroy(value);
}
static weir_local parking = WEIR_LOCAL_INIT(park_in_destroy);

static int sets_parking(void *arg)
{
    return weir_local_set(&parking, arg);
}

TASK_TEST(a_destructor_cannot_park) /* R2 */
{
    destroyed = 0;
    int value = 0;
    weir_call call = {sets_parking, &value};
    EXPECT_RC(0, weir_gather(WEIR_FAIL_FAST, &call, 1, NULL));
    EXPECT_EQ(1, destroyed);
}

TASK_TEST(a_record_that_is_kept_keeps_no_locals)
{
    destroyed = 0;
    int after = 0;
    weir_group *group;
    weir_task_id id;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_spawn_options options = {.keep = true};
    EXPECT_RC(0, weir_spawn_with(group, &options, sets_twice, &after, &id));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_EQ(2, destroyed);
    EXPECT_RC(0, weir_group_close(group, 0));
}

/* --- jobs ------------------------------------------------------------------------------------- */

static int job_sees(void *arg)
{
    *(const char **)arg = weir_local_get(&color);
    EXPECT_RC(-EPERM, weir_local_set(&color, "no"));
    return 0;
}

IO_TEST(a_job_sees_what_its_caller_sees) /* R5, case 284 */
{
    const char *seen = "";
    EXPECT_RC(0, weir_offload(NULL, job_sees, &seen));
    EXPECT(seen == NULL);
    REQUIRE_RC(0, weir_local_set(&color, "red"));
    EXPECT_RC(0, weir_offload(NULL, job_sees, &seen));
    EXPECT_STR("red", seen);
    REQUIRE_RC(0, weir_local_set(&color, NULL));
    EXPECT_RC(0, weir_offload(NULL, job_sees, &seen));
    EXPECT(seen == NULL);
}

struct left_job {
    bool begun;
    bool go_on;
    bool released;
    bool saw_red;
};

static int outlive_caller(void *arg)
{
    struct left_job *job = arg;
    __atomic_store_n(&job->begun, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&job->go_on, __ATOMIC_ACQUIRE))
        continue;
    const char *seen = weir_local_get(&color);
    job->saw_red = seen != NULL && seen[0] == 'r';
    return 0;
}

static void release_left(void *arg)
{
    struct left_job *job = arg;
    __atomic_store_n(&job->released, true, __ATOMIC_RELEASE);
}

static int sends_and_leaves(void *arg)
{
    int rc = weir_local_set(&color, "red");
    weir_offload_options options = {.abandon = release_left};
    return rc < 0 ? rc : weir_offload_with(NULL, &options, outlive_caller, arg);
}

IO_TEST(an_abandoned_job_keeps_what_its_caller_saw) /* R5, X5 */
{
    static struct left_job job;
    job = (struct left_job){0};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, sends_and_leaves, &job));
    while (!__atomic_load_n(&job.begun, __ATOMIC_ACQUIRE))
        EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, "nobody waits");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    __atomic_store_n(&job.go_on, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&job.released, __ATOMIC_ACQUIRE))
        EXPECT_RC(0, weir_yield());
    EXPECT(job.saw_red);
}

/* --- edges ------------------------------------------------------------------------------------ */

TEST(there_are_no_locals_outside_tasks)
{
    EXPECT(weir_local_get(&color) == NULL);
    EXPECT_RC(-EPERM, weir_local_set(&color, "red"));
}

static int given;

static int program(void *arg)
{
    (void)arg;
    static int value;
    given = destroyed = 0;
    int rc = weir_local_set(&owned, &value);
    given += rc == 0;
    if (rc == 0)
        rc = weir_local_set(&color, "red");
    weir_group *group;
    if (rc == 0)
        rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = weir_spawn(group, wait_a_while, NULL);
    if (rc == 0)
        rc = weir_local_set(&owned, &value);
    given += rc == 0;
    return weir_group_close(group, rc);
}

static int program_in_loop(void *arg)
{
    return program(arg);
}

TEST(values_are_destroyed_once_wherever_memory_runs_out) /* I5, case 294 */
{
    fail_everywhere(program_in_loop);
    EXPECT_EQ(given, destroyed);
}

/* --- destructors that call back --------------------------------------------------------------- */

static weir_task_id ending;
static int told;
static int asked_rc;

static int count_told(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)task, (void)outcome, (void)arg;
    told++;
    return 0;
}

static void ask(void *value)
{
    (void)value;
    asked_rc = weir_task_on_done(ending, count_told, NULL, NULL);
}

static weir_local asking = WEIR_LOCAL_INIT(ask);

static int sets_asking(void *arg)
{
    ending = weir_task_self();
    return weir_local_set(&asking, arg);
}

TASK_TEST(a_destructor_that_wants_to_hear_of_its_task_is_refused_or_told) /* K2, R5 */
{
    weir_group *group;
    told = 0;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, sets_asking, &told));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ESTALE, asked_rc);
    EXPECT_EQ(0, told);
}

static void forget(void *value)
{
    (void)value;
    asked_rc = weir_task_forget(ending);
}

static weir_local forgetting = WEIR_LOCAL_INIT(forget);

static int sets_forgetting(void *arg)
{
    ending = weir_task_self();
    return weir_local_set(&forgetting, arg);
}

TASK_TEST(a_destructor_may_forget_the_record_of_its_task) /* R5 */
{
    weir_group *group;
    weir_spawn_options options = {.keep = true};
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn_with(group, &options, sets_forgetting, &told, NULL));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, asked_rc);
    EXPECT_RC(-ESTALE, weir_task_cancel_requested(ending));
    EXPECT_RC(0, weir_group_close(group, 0));
}
