/*
 * start_test.c - tasks that say when they are ready: rule G11
 */
#include "tests/core/everywhere.h"

struct server {
    int64_t ready_ms;   /* when it says so; negative: never */
    int64_t cleanup_ms; /* shielded, when it is cut before */
    int before;         /* what it returns instead of getting ready; 0: it gets ready */
    int64_t live_ms;    /* afterwards; 0: until it is cancelled */
    int then;
    int said; /* what weir_started() returned */
    int got;  /* what its last wait returned */
    bool ended;
};

static int port = 8080;

static int get_ready(struct server *server)
{
    int rc = weir_sleep(server->ready_ms * WEIR_MS);
    if (rc < 0 && server->cleanup_ms > 0) {
        int cleaned = 0;
        WEIR_SHIELD(cleaned, WEIR_SEC)
        {
            cleaned = weir_sleep(server->cleanup_ms * WEIR_MS);
        }
        EXPECT_RC(0, cleaned);
    }
    return rc;
}

static int serve(void *arg)
{
    struct server *server = arg;
    int rc = get_ready(server);
    if (rc == 0 && server->before < 0) {
        server->ended = true;
        return weir_fail(server->before, "port %d is taken", port);
    }
    server->said = weir_started(&port);
    server->got = server->live_ms == 0 ? op() : weir_sleep(server->live_ms * WEIR_MS);
    server->ended = true;
    return server->got < 0 ? server->got : server->then;
}

static int never_ready(void *arg)
{
    (void)arg;
    return weir_sleep(3 * WEIR_MS);
}

TASK_TEST(a_started_task_hands_over_a_value_and_lives_on_in_its_group) /* G11, case 136 */
{
    struct server server = {.ready_ms = 20, .live_ms = 30};
    void *value = NULL;
    int64_t begin_ns = weir_now();
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_start(group, serve, &server, &value));
    EXPECT_EQ(20, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT(value == &port);
    EXPECT(!server.ended);
    EXPECT_EQ(1, weir_group_count(group));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(server.ended);
    EXPECT_EQ(50, (weir_now() - begin_ns) / WEIR_MS);
}

TASK_TEST(a_failure_before_it_is_ready_belongs_to_the_caller) /* G11, case 137 */
{
    struct server server = {.ready_ms = 1, .before = -EADDRINUSE};
    weir_group *group;
    weir_failures *failures;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.name = "servers"}));
    EXPECT_RC(-EADDRINUSE, weir_start(group, serve, &server, NULL));
    EXPECT_STR("port 8080 is taken", weir_failure_message(-EADDRINUSE));
    failures = weir_failures_take();
    REQUIRE(weir_failures_count(failures) == 1);
    EXPECT_EQ(WEIR_FAILURE_START, weir_failures_at(failures, 0)->origin);
    EXPECT_STR("servers", weir_failures_at(failures, 0)->group_name);
    weir_failures_free(failures);
    EXPECT_EQ(0, weir_group_count(group));
    EXPECT(!weir_cancelled());
    EXPECT_RC(0, weir_group_close_failures(group, 0, &failures));
    EXPECT(failures == NULL);
}

TASK_TEST(a_task_that_ends_without_a_word_is_a_protocol_error) /* G11, case 138 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(-EPROTO, weir_start(group, never_ready, NULL, NULL));
    EXPECT_STR("the task ended without weir_started()", weir_failure_message(-EPROTO));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(what_cancels_the_caller_cancels_a_pending_start_and_waits_for_it) /* G11, case 139 */
{
    struct server server = {.ready_ms = 50, .cleanup_ms = 15};
    int64_t begin_ns = weir_now();
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    int rc = weir_start(group, serve, &server, NULL);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_EQ(25, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT(server.ended);
    EXPECT_RC(-ECANCELED, server.said); /* case 140: nothing is handed over any more */
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
    EXPECT_RC(0, weir_group_close(group, 0));
}

static int ready_all_the_same(void *arg)
{
    struct server *server = arg;
    EXPECT_RC(-ECANCELED, weir_sleep(WEIR_SEC));
    WEIR_SHIELD(server->got, WEIR_SEC)
    {
        server->said = weir_started(&port); /* not even behind a shield: I7 */
        server->got = weir_sleep(5 * WEIR_MS);
    }
    server->ended = true;
    return 0;
}

TASK_TEST(a_cancelled_start_hands_nothing_over_whatever_the_task_says) /* G11, case 140 */
{
    struct server server = {0};
    void *value = NULL;
    int64_t begin_ns = weir_now();
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    int rc = weir_start(group, ready_all_the_same, &server, &value);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_EQ(15, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT_RC(-ECANCELED, server.said);
    EXPECT(server.ended);
    EXPECT(value == NULL);
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
    EXPECT_RC(0, weir_group_close(group, 0));
}

struct starter {
    weir_group *group;
    struct server *server;
    int rc;
};
static int starter(void *arg)
{
    struct starter *a = arg;
    a->rc = weir_start(a->group, serve, a->server, NULL);
    return 0;
}

TASK_TEST(a_target_that_is_cancelled_meanwhile_gets_the_task_and_cancels_it) /* G11, case 142 */
{
    struct server server = {.ready_ms = 20};
    weir_group *outer, *target;
    int64_t begin_ns = weir_now();
    REQUIRE_RC(0, weir_group_open(&outer, NULL));
    REQUIRE_RC(0, weir_group_open(&target, NULL));
    struct starter a = {.group = target, .server = &server};
    EXPECT_RC(0, weir_spawn(outer, starter, &a));
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    weir_group_cancel(target, "no longer wanted");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(target, -ECANCELED));
    EXPECT_EQ(20, (weir_now() - begin_ns) / WEIR_MS); /* the start was not cut */
    EXPECT_RC(0, server.said);
    EXPECT_RC(-ECANCELED, server.got);
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_RC(0, a.rc);
}

static int says_it_twice(void *arg)
{
    static int other;
    EXPECT_RC(0, weir_started(arg));
    EXPECT_RC(-EINVAL, weir_started(&other));
    return 0;
}

TASK_TEST(the_first_value_stays_and_the_second_is_reported) /* G11, case 143 */
{
    count_findings();
    void *value = NULL;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_start(group, says_it_twice, &port, &value));
    EXPECT(value == &port);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_STARTED_TWICE]);
}

static int says_it_unasked(void *arg)
{
    *(int *)arg = weir_started(NULL);
    return 0;
}

TASK_TEST(only_a_task_that_was_started_can_say_so) /* G11 */
{
    int rc = 0;
    weir_group *group;
    EXPECT_RC(-EINVAL, weir_started(NULL));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, says_it_unasked, &rc));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EINVAL, rc);
}

TASK_TEST(a_pending_start_keeps_its_group_open) /* G11, case 144 */
{
    struct server server = {.ready_ms = 20, .live_ms = 30};
    weir_group *group;
    int64_t begin_ns = weir_now();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    struct starter a = {.group = group, .server = &server};
    EXPECT_RC(0, weir_spawn(group, starter, &a)); /* the last member */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(50, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT_RC(0, a.rc);
    EXPECT(server.ended);
}

TASK_TEST(a_start_from_outside_keeps_its_group_open_until_it_has_failed) /* G11, case 144 */
{
    struct server server = {.ready_ms = 20, .before = -EIO};
    weir_group *outer, *group;
    int64_t begin_ns = weir_now();
    REQUIRE_RC(0, weir_group_open(&outer, NULL));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    struct starter a = {.group = group, .server = &server};
    EXPECT_RC(0, weir_spawn(outer, starter, &a));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(20, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_RC(-EIO, a.rc);
}

static int echo(void *arg)
{
    int rc = weir_sleep(WEIR_MS);
    return rc < 0 ? rc : weir_started(arg);
}

struct asks {
    weir_group *group;
    void *value;
};
static int asks(void *arg)
{
    struct asks *a = arg;
    return weir_start(a->group, echo, arg, &a->value);
}

TASK_TEST(two_starts_at_once_get_each_its_own_value) /* G11, case 145 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    struct asks one = {.group = group}, two = {.group = group};
    weir_call calls[] = {{asks, &one}, {asks, &two}};
    EXPECT_RC(0, weir_gather(WEIR_FAIL_FAST, calls, 2, NULL));
    EXPECT(one.value == &one);
    EXPECT(two.value == &two);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_pending_start_takes_a_place) /* G10, G11 */
{
    struct server first = {.ready_ms = 5, .live_ms = 10}, second = {.ready_ms = 5, .live_ms = 1};
    weir_group *group;
    int64_t begin_ns = weir_now();
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.running_max = 1}));
    EXPECT_RC(0, weir_start(group, serve, &first, NULL));
    weir_spawn_options options = {.try_only = true};
    EXPECT_RC(-EAGAIN, weir_start_with(group, &options, serve, &second, NULL, NULL));
    EXPECT_RC(0, weir_start(group, serve, &second, NULL)); /* waits for the first to end at 15 */
    EXPECT_EQ(20, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(nothing_is_started_into_a_cancelled_group) /* G3, G11 */
{
    weir_group *outer, *group;
    struct server server = {.ready_ms = 1};
    REQUIRE_RC(0, weir_group_open(&outer, NULL));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_group_cancel(group, "over");
    struct starter a = {.group = group, .server = &server};
    EXPECT_RC(0, weir_spawn(outer, starter, &a));
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, weir_yield()));
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_RC(-ESHUTDOWN, a.rc);
    EXPECT(!server.ended);
}

static int brings_children(void *arg)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = WEIR_SPAWN(group, op_for, .got = arg);
    if (rc == 0)
        rc = weir_yield();
    if (rc == 0)
        rc = weir_started(NULL);
    return weir_group_close(group, rc);
}

TASK_TEST(what_is_below_a_started_task_goes_over_with_it) /* G11, C1 */
{
    int got = 0;
    weir_group *group;
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_start(group, brings_children, &got, NULL));
    weir_scope_cancel(&scope, "the starter's scope is nothing to it any more");
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, weir_yield()));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, got);
    weir_group_cancel(group, "but the group is");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, got);
}

TASK_TEST(a_service_is_one_from_its_start_on) /* G9, G11 */
{
    struct server server = {.ready_ms = 1};
    weir_group *group;
    int64_t begin_ns = weir_now();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_spawn_options options = {.service = true};
    EXPECT_RC(0, weir_start_with(group, &options, serve, &server, NULL, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 9));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(10, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT_RC(-ECANCELED, server.got);
}

TASK_TEST(who_has_started_is_known_by_its_id) /* R4, G11 */
{
    struct server server = {.ready_ms = 1};
    weir_group *group;
    weir_task_id id = 0, untouched = 0;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    struct server early = {.ready_ms = 1, .before = -EIO};
    EXPECT_RC(-EIO, weir_start_with(group, NULL, serve, &early, NULL, &untouched));
    EXPECT_EQ(0, untouched);
    EXPECT_RC(0, weir_start_with(group, NULL, serve, &server, NULL, &id));
    EXPECT_RC(0, weir_task_cancel(id, "by its id"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, server.got);
}

TASK_TEST(a_handled_failure_is_handled_from_the_start_on) /* P8, G11 */
{
    weir_group *group;
    weir_spawn_options options = {.handled = true};
    struct server early = {.ready_ms = 1, .before = -EIO};
    struct server late = {.ready_ms = 1, .live_ms = 1, .then = -EIO};
    count_findings();
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(-EIO, weir_start_with(group, &options, serve, &early, NULL, NULL));
    EXPECT_RC(0, weir_start_with(group, &options, serve, &late, NULL, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]); /* nobody asked for it */
}

TASK_TEST(a_failure_after_the_start_is_the_groups) /* G11, P1 */
{
    struct server server = {.ready_ms = 1, .live_ms = 1, .then = -EIO};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_start(group, serve, &server, NULL));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    EXPECT_EQ(WEIR_FAILURE_CHILD, weir_failures_at(failures, 0)->origin);
    weir_failures_free(failures);
}

TEST(nothing_is_started_outside_a_task)
{
    EXPECT_RC(-EPERM, weir_start(NULL, serve, NULL, NULL));
    EXPECT_RC(-EPERM, weir_started(NULL));
}

/* --- everywhere ------------------------------------------------------------------------------- */

static int program(void *arg)
{
    (void)arg;
    struct server one = {.ready_ms = 2, .live_ms = 4}, two = {.ready_ms = 1, .live_ms = 2};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_spawn_options options = {.keep = true};
    rc = weir_start(group, serve, &one, NULL);
    if (rc == 0)
        rc = weir_start_with(group, &options, serve, &two, NULL, NULL);
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    return weir_group_close(group, rc);
}

TASK_TEST(a_start_ends_cleanly_wherever_a_cancel_cuts) /* G11, case 293 */
{
    EXPECT(cut_everywhere(program, NULL) > 6);
}

TEST(a_start_ends_cleanly_wherever_memory_runs_out) /* G11, case 294 */
{
    fail_everywhere(program);
}

TEST(a_start_ends_well_in_any_order) /* G11, Q4 */
{
    run_in_many_orders(program);
}
/* --- where records and goals meet it ---------------------------------------------------------- */

static int keep_id(void *arg)
{
    *(weir_task_id *)arg = weir_task_self();
    return weir_started(NULL);
}

TASK_TEST(a_started_task_s_record_goes_when_the_next_outcome_is_given_out) /* G11, G13 */
{
    weir_group *group;
    weir_task_id id = 0;
    weir_outcome outcome;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.keeps_outcomes = true}));
    EXPECT_RC(0, weir_start(group, keep_id, &id, NULL));
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(id, outcome.task);
    EXPECT_EQ(0, weir_task_cancel_requested(id));
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(-ESTALE, weir_task_cancel_requested(id));
    EXPECT_RC(0, weir_group_close(group, 0));
}

static int cannot_start(void *arg)
{
    (void)arg;
    int rc = weir_sleep(10 * WEIR_MS);
    return rc < 0 ? rc : -EADDRINUSE;
}

static int starts_in_vain(void *group)
{
    EXPECT_RC(-EADDRINUSE, weir_start(group, cannot_start, NULL, NULL));
    return 0;
}

static int op_task(void *arg)
{
    (void)arg;
    return op();
}

TASK_TEST(a_goal_that_only_a_start_could_reach_is_lost_when_that_fails) /* P5, G11 */
{
    weir_group *outer, *group;
    ms();
    REQUIRE_RC(0, weir_group_open(&outer, NULL));
    REQUIRE_RC(0,
               weir_group_open(&group, &(weir_group_options){.policy = WEIR_QUORUM, .quorum = 2}));
    EXPECT_RC(0, weir_spawn(outer, starts_in_vain, group));
    EXPECT_RC(0, weir_spawn(group, op_task, NULL));
    EXPECT_RC(0, weir_yield()); /* the start is under way */
    EXPECT_RC(-EINVAL, weir_group_close(group, 0));
    EXPECT_EQ(10, ms());
    EXPECT_RC(0, weir_group_close(outer, 0));
}
