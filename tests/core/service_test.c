/*
 * service_test.c - members that serve the others are stopped when those have ended: rule G9
 */
#include <stdio.h>
#include <string.h>

#include "tests/core/everywhere.h"

/* Who ended, in order, with the instant. */
static char ended[200];

static void note(const char *name, int64_t at_ms)
{
    size_t used = strlen(ended);
    snprintf(ended + used, sizeof ended - used, "%s@%lld ", name, (long long)at_ms);
}

static int64_t begin_ns;

static void begin(void)
{
    ended[0] = '\0';
    begin_ns = weir_now();
}

static int64_t since(void)
{
    return (weir_now() - begin_ns) / WEIR_MS;
}

struct serves {
    const char *name;
    int64_t flush_ms; /* what it takes to stop */
    int fails;
};
static int serves(struct serves *a)
{
    int rc = op();
    if (rc == -ECANCELED && a->flush_ms > 0) {
        int flushed = 0;
        WEIR_SHIELD(flushed, WEIR_SEC)
        {
            flushed = weir_sleep(a->flush_ms * WEIR_MS);
        }
        EXPECT_RC(0, flushed);
    }
    note(a->name, since());
    return a->fails < 0 ? a->fails : rc;
}

struct works {
    const char *name;
    int64_t for_ms;
};
static int works(struct works *a)
{
    int rc = a->for_ms == 0 ? op() : weir_sleep(a->for_ms * WEIR_MS);
    note(a->name, since());
    return rc;
}

/* WEIR_SPAWN has no options: by hand. */
static int serve(weir_group *group, struct serves *a)
{
    weir_spawn_options options = {.name = a->name, .service = true};
    return weir_spawn_with(group, &options, (weir_task_fn *)(void (*)(void))serves, a, NULL);
}

static struct serves log_writer = {.name = "log", .flush_ms = 10};
static struct serves metrics = {.name = "metrics", .flush_ms = 5};

TASK_TEST(services_are_stopped_one_by_one_when_the_others_have_ended) /* G9, case 256 */
{
    weir_group *group;
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, serve(group, &log_writer));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a", .for_ms = 20));
    EXPECT_RC(0, serve(group, &metrics));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "b", .for_ms = 30));
    EXPECT_RC(7, weir_group_close(group, 7)); /* services that were stopped do not count: G5 */
    EXPECT_STR("a@20 b@30 metrics@35 log@45 ", ended);
}

TASK_TEST(a_cancelled_group_stops_its_services_last) /* G9, case 256 */
{
    weir_group *group;
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, serve(group, &log_writer));
    EXPECT_RC(0, serve(group, &metrics));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a"));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    weir_group_cancel(group, "over");
    EXPECT_STR("", ended);
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, weir_yield()));
    EXPECT_STR("a@1 metrics@6 log@16 ", ended);
}

TASK_TEST(services_outlive_the_scope_around_until_the_others_have_ended) /* G9, C4 */
{
    weir_group *group;
    begin();
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_timeout_enter(&scope, 5 * WEIR_MS));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, serve(group, &metrics));
    EXPECT_RC(0, WEIR_SPAWN(group, serves, .name = "slow", .flush_ms = 20));
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, weir_group_close(group, 0)));
    EXPECT_STR("slow@25 metrics@30 ", ended);
}

TASK_TEST(services_are_not_stopped_while_the_body_goes_on) /* G9 */
{
    weir_group *group;
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, serve(group, &metrics));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a", .for_ms = 5));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    EXPECT_STR("a@5 ", ended);
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "b", .for_ms = 5));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("a@5 b@15 metrics@20 ", ended);
}

struct late_spawner {
    weir_group *group;
    int *rc;
};
static int late_spawner(void *arg)
{
    struct late_spawner *a = arg;
    int rc = op();
    *a->rc = WEIR_SPAWN(a->group, works, .name = "late");
    return rc;
}

TASK_TEST(while_services_are_stopped_nobody_comes_in) /* G3, G9 */
{
    int spawned = 0;
    weir_group *group;
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    struct late_spawner a = {group, &spawned};
    weir_spawn_options options = {.service = true};
    EXPECT_RC(0, weir_spawn_with(group, &options, late_spawner, &a, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ESHUTDOWN, spawned);
    EXPECT_STR("", ended);
}

TASK_TEST(a_service_that_fails_is_a_failure_like_any_other) /* G9, P1 */
{
    static struct serves failing = {.name = "failing", .fails = -EIO};
    weir_group *group;
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, serve(group, &failing));
    EXPECT_RC(0, serve(group, &metrics));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_STR("metrics@5 failing@5 ", ended);
}

static int just_end(void *arg)
{
    return (int)(intptr_t)arg;
}

TASK_TEST(a_service_may_end_by_itself) /* G9 */
{
    weir_group *group;
    weir_spawn_options options = {.service = true};
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, serve(group, &metrics));
    EXPECT_RC(0, weir_spawn_with(group, &options, just_end, NULL, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a", .for_ms = 5));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("a@5 metrics@10 ", ended);
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn_with(group, &options, just_end, JUST(-EIO), NULL));
    int got = 0;
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .got = &got));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, got);
}

TASK_TEST(a_service_cancelled_by_its_id_ends_alone) /* G5, G9 */
{
    weir_task_id id;
    weir_group *group;
    weir_spawn_options options = {.service = true};
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(
        0, weir_spawn_with(group, &options, (weir_task_fn *)(void (*)(void))serves, &metrics, &id));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a", .for_ms = 9));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_RC(0, weir_task_cancel(id, "not needed"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("metrics@6 a@9 ", ended);
}

TASK_TEST(a_service_is_no_success_of_a_goal) /* G9, P3 */
{
    weir_group *group;
    weir_spawn_options options = {.service = true};
    begin();
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_FIRST_SUCCESS}));
    EXPECT_RC(0, weir_spawn_with(group, &options, just_end, NULL, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a", .for_ms = 9));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("a@9 ", ended);
}

static int force_services(void *arg)
{
    (void)arg;
    weir_group *group;
    begin();
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    static struct serves one = {.name = "one"}, two = {.name = "two"};
    EXPECT_RC(0, serve(group, &one));
    EXPECT_RC(0, serve(group, &two));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a"));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    weir__core_force(weir__core_loop(), "the end");
    return weir_group_close(group, weir_yield());
}

TEST(force_reaches_services_at_once) /* G9, W4 */
{
    EXPECT_RC(-ECANCELED,
              weir__core_run(&(weir_run_options){.backend = "sim"}, force_services, NULL, false));
    EXPECT_STR("one@1 two@1 a@1 ", ended);
}

/* --- everywhere ------------------------------------------------------------------------------- */

static int program(void *arg)
{
    (void)arg;
    begin();
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = serve(group, &log_writer);
    if (rc == 0)
        rc = weir_sleep(WEIR_MS);
    if (rc == 0)
        rc = serve(group, &metrics);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = WEIR_SPAWN(group, works, .name = "w", .for_ms = 2 + i);
    rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
    const char *log = strstr(ended, "log@"), *other = strstr(ended, "metrics@");
    EXPECT(log == NULL || other == NULL || other < log);
    return rc;
}

TASK_TEST(services_are_stopped_in_order_wherever_a_cancel_cuts) /* G9, case 293 */
{
    EXPECT(cut_everywhere(program, NULL) > 6);
}

TEST(services_are_stopped_wherever_memory_runs_out) /* G9, case 294 */
{
    fail_everywhere(program);
}

TEST(services_are_stopped_last_in_any_order) /* G9, Q4 */
{
    run_in_many_orders(program);
}

/* --- services that come while the owner closes ------------------------------------------------ */

static int serves_when_ready(void *arg)
{
    int rc = weir_sleep(20 * WEIR_MS);
    if (rc == 0)
        rc = weir_started(NULL);
    return rc < 0 ? rc : serves(arg);
}

struct brings {
    weir_group *group;
    bool starts; /* with weir_start(), else it waits for a place */
};
static int brings(void *arg)
{
    struct brings *a = arg;
    weir_spawn_options options = {.name = "brought", .service = true};
    int rc = weir_sleep(5 * WEIR_MS);
    if (rc == 0 && a->starts)
        rc = weir_start_with(a->group, &options, serves_when_ready, &metrics, NULL, NULL);
    else if (rc == 0)
        rc = weir_spawn_with(a->group, &options, (weir_task_fn *)(void (*)(void))serves, &metrics,
                             NULL);
    EXPECT_RC(0, rc);
    return rc < 0 ? rc : op();
}

TASK_TEST(a_service_that_becomes_ready_when_only_services_are_left_is_stopped) /* G9, G11 */
{
    weir_group *group;
    begin();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    struct brings bringer = {.group = group, .starts = true};
    weir_spawn_options options = {.service = true};
    EXPECT_RC(0, weir_spawn_with(group, &options, brings, &bringer, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a", .for_ms = 10));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("a@10 metrics@30 ", ended);
}

TASK_TEST(a_service_that_gets_the_last_member_s_place_is_stopped) /* G9, G10 */
{
    weir_group *group;
    begin();
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.running_max = 2}));
    struct brings bringer = {.group = group};
    weir_spawn_options options = {.service = true};
    EXPECT_RC(0, weir_spawn_with(group, &options, brings, &bringer, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, works, .name = "a", .for_ms = 10));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("a@10 metrics@15 ", ended);
}
