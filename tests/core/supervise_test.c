/*
 * supervise_test.c - members that are started again when they fail: rule P6
 */
#include <stdio.h>
#include <string.h>

#include "tests/core/everywhere.h"

/* What happened, in order. */
static char story[800];
static int64_t begin_ns;

static int64_t since(void)
{
    return (weir_now() - begin_ns) / WEIR_MS;
}

static void note(const char *what, const char *name)
{
    size_t used = strlen(story);
    snprintf(story + used, sizeof story - used, "%s%s@%lld ", what, name, (long long)since());
}

/* What the handler was given. */
static int told_count, told_codes[32], handler_rc;
static char told_words[40];

static int told(const weir_failure *failure, void *arg)
{
    (void)arg;
    EXPECT_RC(-EPERM, weir_yield()); /* it cannot park */
    if (told_count < 32)
        told_codes[told_count] = failure->code;
    told_count++;
    snprintf(told_words, sizeof told_words, "%s", failure->message);
    EXPECT_EQ(WEIR_FAILURE_CHILD, failure->origin);
    return handler_rc < 0 ? weir_fail(handler_rc, "the handler's own words") : 0;
}

static weir_group *open_supervised(weir_supervise_options supervise)
{
    story[0] = '\0';
    begin_ns = weir_now();
    told_count = handler_rc = 0;
    told_words[0] = '\0';
    if (supervise.handler == NULL)
        supervise.handler = told;
    weir_group *group = NULL;
    weir_group_options options = {
        .policy = WEIR_SUPERVISE, .name = "supervised", .supervise = supervise};
    EXPECT_RC(0, weir_group_open(&group, &options));
    return group;
}

/* A member: what each of its runs does, the last one again and again. */
struct member {
    const char *name;
    struct {
        int64_t for_ms; /* 0: until it is cut */
        int then;
    } runs[8];
    int run_count;   /* of them that there are */
    int64_t stop_ms; /* what it takes to stop; shielded */
    int when_cut;
    bool stubborn; /* takes no notice of a cancel, only of force */
    int begun;
};

static int stop(struct member *member)
{
    int rc = 0;
    if (member->stop_ms > 0) {
        WEIR_SHIELD(rc, WEIR_SEC)
        {
            rc = weir_sleep(member->stop_ms * WEIR_MS);
        }
        EXPECT_RC(0, rc);
    }
    if (member->stubborn) {
        WEIR_SHIELD(rc, WEIR_FOREVER)
        {
            rc = op();
        }
    }
    note("-", member->name);
    return member->when_cut < 0 ? member->when_cut : -ECANCELED;
}

static int run(void *arg)
{
    struct member *member = arg;
    int number = member->begun < member->run_count ? member->begun : member->run_count - 1;
    member->begun++;
    note("+", member->name);
    int64_t for_ms = number < 0 ? 0 : member->runs[number].for_ms;
    int rc = for_ms == 0 ? op() : weir_sleep(for_ms * WEIR_MS);
    if (rc < 0)
        return stop(member);
    note("!", member->name);
    rc = member->runs[number].then;
    return rc < 0 ? weir_fail(rc, "%s, run %d", member->name, member->begun) : rc;
}

static void spawn_member(weir_group *group, struct member *member, weir_spawn_options options)
{
    options.name = member->name;
    if (options.backoff_ns == 0)
        options.backoff_ns = 10 * WEIR_MS;
    EXPECT_RC(0, weir_spawn_with(group, &options, run, member, NULL));
}

TASK_TEST(a_transient_member_is_restarted_when_it_has_failed) /* P6, case 241 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    struct member a = {.name = "a", .runs = {{5, -EIO}, {7, 3}}, .run_count = 2};
    spawn_member(group, &a, (weir_spawn_options){0});
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("+a@0 !a@5 +a@15 !a@22 ", story);
    EXPECT_EQ(1, told_count);
    EXPECT_STR("a, run 1", told_words);
}

TASK_TEST(a_permanent_member_is_always_restarted) /* P6, case 241 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    struct member a = {.name = "a", .runs = {{5, -EIO}, {5, 0}, {0, 0}}, .run_count = 3};
    spawn_member(group, &a, (weir_spawn_options){.restart = WEIR_PERMANENT});
    EXPECT_RC(0, weir_sleep(100 * WEIR_MS));
    EXPECT_STR("+a@0 !a@5 +a@15 !a@20 +a@40 ", story); /* the second back-off is twice as long */
    EXPECT_EQ(1, told_count);
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_EQ(3, a.begun);
}

TASK_TEST(a_temporary_member_is_never_restarted) /* P6, case 241 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    struct member a = {.name = "a", .runs = {{5, -EIO}}, .run_count = 1};
    struct member b = {.name = "b", .runs = {{9, 0}}, .run_count = 1};
    spawn_member(group, &a, (weir_spawn_options){.restart = WEIR_TEMPORARY});
    spawn_member(group, &b, (weir_spawn_options){.restart = WEIR_TEMPORARY});
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("+a@0 +b@0 !a@5 !b@9 ", story);
    EXPECT_EQ(1, told_count);
}

TASK_TEST(the_backoff_doubles_up_to_its_limit_and_begins_again_after_a_long_run) /* P6 */
{
    weir_group *group = open_supervised(
        (weir_supervise_options){.intensity = WEIR_UNLIMITED, .period_ns = 100 * WEIR_MS});
    REQUIRE(group != NULL);
    struct member a = {.name = "a",
                       .runs = {{1, -EIO}, {1, -EIO}, {1, -EIO}, {1, -EIO}, {100, -EIO}, {1, 0}},
                       .run_count = 6};
    spawn_member(group, &a, (weir_spawn_options){.backoff_max_ns = 25 * WEIR_MS});
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("+a@0 !a@1 +a@11 !a@12 +a@32 !a@33 +a@58 !a@59 +a@84 !a@184 +a@194 !a@195 ", story);
}

TASK_TEST(the_fourth_failure_within_the_period_is_the_groups) /* P6, case 242 */
{
    weir_group *group =
        open_supervised((weir_supervise_options){.intensity = 3, .period_ns = 5 * WEIR_SEC});
    REQUIRE(group != NULL);
    struct member one = {.name = "1", .stop_ms = 10}, two = {.name = "2", .stop_ms = 5};
    /* Fails at 1, 1000, 2000 and 5000, that is 4999 after the first. */
    struct member bad = {.name = "x",
                         .runs = {{1, -EIO}, {989, -EIO}, {980, -EIO}, {2960, -ENXIO}, {0, 0}},
                         .run_count = 5};
    struct member three = {.name = "3", .stop_ms = 1};
    spawn_member(group, &one, (weir_spawn_options){0});
    spawn_member(group, &two, (weir_spawn_options){0});
    spawn_member(group, &bad, (weir_spawn_options){0});
    spawn_member(group, &three, (weir_spawn_options){0});
    EXPECT_RC(-ECANCELED, op()); /* the body hears of it when all have been asked */
    weir_cancel_cause cause;
    EXPECT(weir_cancelled_because(&cause));
    EXPECT_EQ(WEIR_CANCEL_JOIN_POLICY, cause.kind);
    weir_failures *failures;
    EXPECT_RC(-ENXIO, weir_group_close_failures(group, -ECANCELED, &failures));
    EXPECT_STR("+1@0 +2@0 +x@0 +3@0 !x@1 +x@11 !x@1000 +x@1020 !x@2000 +x@2040 !x@5000 "
               "-3@5001 -2@5006 -1@5016 ",
               story);
    EXPECT_EQ(4, told_count);
    EXPECT_EQ(1, weir_failures_count(failures));
    EXPECT_STR("x, run 4", weir_failures_at(failures, 0)->message);
    weir_failures_free(failures);
}

TASK_TEST(restarts_that_left_the_window_do_not_count) /* P6, case 243 */
{
    weir_group *group =
        open_supervised((weir_supervise_options){.intensity = 3, .period_ns = 5 * WEIR_SEC});
    REQUIRE(group != NULL);
    struct member bad = {.name = "x",
                         .runs = {{1, -EIO}, {1990, -EIO}, {1980, -EIO}, {1960, -EIO}, {1, 0}},
                         .run_count = 5};
    spawn_member(group, &bad, (weir_spawn_options){0});
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(4, told_count);
    EXPECT_EQ(5, bad.begun);
}

TASK_TEST(one_for_all_stops_everybody_before_anybody_is_restarted) /* P6, case 244 */
{
    weir_group *group = open_supervised((weir_supervise_options){.strategy = WEIR_ONE_FOR_ALL});
    REQUIRE(group != NULL);
    struct member a = {.name = "a", .run_count = 0, .stop_ms = 3};
    struct member b = {.name = "b", .runs = {{5, -EIO}, {0, 0}}, .run_count = 2};
    struct member c = {.name = "c", .run_count = 0, .stop_ms = 2};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){0});
    spawn_member(group, &c, (weir_spawn_options){0});
    EXPECT_RC(0, weir_sleep(50 * WEIR_MS));
    EXPECT_STR("+a@0 +b@0 +c@0 !b@5 -c@7 -a@10 +a@20 +b@20 +c@20 ", story);
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

TASK_TEST(rest_for_one_stops_those_that_were_started_later) /* P6, case 244 */
{
    weir_group *group = open_supervised((weir_supervise_options){.strategy = WEIR_REST_FOR_ONE});
    REQUIRE(group != NULL);
    struct member a = {.name = "a"}, c = {.name = "c"}, d = {.name = "d", .stop_ms = 1};
    struct member b = {.name = "b", .runs = {{5, -EIO}, {0, 0}}, .run_count = 2};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){0});
    spawn_member(group, &c, (weir_spawn_options){0});
    spawn_member(group, &d, (weir_spawn_options){.restart = WEIR_TEMPORARY});
    EXPECT_RC(0, weir_sleep(50 * WEIR_MS));
    EXPECT_STR("+a@0 +b@0 +c@0 +d@0 !b@5 -d@6 -c@6 +b@16 +c@16 ", story);
    EXPECT_EQ(3, weir_group_count(group)); /* a temporary one does not come back */
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

TASK_TEST(who_fails_while_another_is_being_restarted_is_restarted_with_it) /* P6 */
{
    weir_group *group = open_supervised((weir_supervise_options){.strategy = WEIR_ONE_FOR_ALL});
    REQUIRE(group != NULL);
    struct member a = {.name = "a", .runs = {{6, -ENXIO}, {0, 0}}, .run_count = 2};
    struct member b = {.name = "b", .runs = {{5, -EIO}, {0, 0}}, .run_count = 2};
    struct member c = {.name = "c", .run_count = 0, .stop_ms = 3, .when_cut = -ENOSPC};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){0});
    spawn_member(group, &c, (weir_spawn_options){0});
    EXPECT_RC(0, weir_sleep(50 * WEIR_MS));
    EXPECT_STR("+a@0 +b@0 +c@0 !b@5 !a@6 -c@8 +a@18 +b@18 +c@18 ", story);
    EXPECT_EQ(3, told_count);
    c.when_cut = 0;
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

TASK_TEST(who_fails_before_the_rest_waits_for_its_turn) /* P6 */
{
    weir_group *group = open_supervised((weir_supervise_options){.strategy = WEIR_REST_FOR_ONE});
    REQUIRE(group != NULL);
    struct member a = {.name = "a", .runs = {{6, -ENXIO}, {0, 0}}, .run_count = 2};
    struct member b = {.name = "b", .runs = {{5, -EIO}, {0, 0}}, .run_count = 2};
    struct member c = {.name = "c", .run_count = 0, .stop_ms = 3};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){0});
    spawn_member(group, &c, (weir_spawn_options){0});
    EXPECT_RC(0, weir_sleep(60 * WEIR_MS));
    EXPECT_STR("+a@0 +b@0 +c@0 !b@5 !a@6 -c@8 +b@18 +c@18 -c@21 -b@21 +a@31 +b@31 +c@31 ", story);
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

/* Whoever started the restart was looked for among the members, where it was no more. */
TASK_TEST(a_restart_goes_on_as_it_began_when_the_one_that_failed_is_cancelled) /* P6 */
{
    weir_group *group = open_supervised((weir_supervise_options){.strategy = WEIR_REST_FOR_ONE});
    REQUIRE(group != NULL);
    struct member a = {.name = "a"};
    struct member b = {.name = "b", .runs = {{5, -EIO}}, .run_count = 1};
    struct member c = {.name = "c", .runs = {{10, -ENXIO}, {0, 0}}, .run_count = 2};
    weir_task_id id;
    spawn_member(group, &a, (weir_spawn_options){0});
    weir_spawn_options slow = {.name = "b", .backoff_ns = 100 * WEIR_MS};
    EXPECT_RC(0, weir_spawn_with(group, &slow, run, &b, &id));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    EXPECT_RC(0, weir_task_cancel(id, NULL));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    spawn_member(group, &c, (weir_spawn_options){0}); /* behind b, so it comes back with the rest */
    EXPECT_RC(0, weir_sleep(150 * WEIR_MS));
    EXPECT_STR("+a@0 +b@0 !b@5 +c@20 !c@30 +c@105 ", story);
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

TASK_TEST(a_failure_while_the_group_stops_is_recorded_and_nobody_is_restarted) /* P6, case 246 */
{
    weir_group *group = open_supervised((weir_supervise_options){.intensity = 1});
    REQUIRE(group != NULL);
    struct member a = {.name = "a", .when_cut = -ENOSPC};
    struct member b = {.name = "b", .runs = {{5, -EIO}}, .run_count = 1};
    struct member c = {.name = "c", .runs = {{21, -ENXIO}}, .run_count = 1};
    struct member d = {.name = "d", .stop_ms = 5};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){0});
    spawn_member(group, &c, (weir_spawn_options){0});
    spawn_member(group, &d, (weir_spawn_options){0});
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    EXPECT_STR("+a@0 +b@0 +c@0 +d@0 !b@5 +b@15 !b@20 !c@21 -d@25 -a@25 ", story);
    REQUIRE(weir_failures_count(failures) == 3);
    EXPECT_EQ(-EIO, weir_failures_at(failures, 0)->code);
    EXPECT_EQ(-ENXIO, weir_failures_at(failures, 1)->code);
    EXPECT_EQ(-ENOSPC, weir_failures_at(failures, 2)->code);
    weir_failures_free(failures);
}

TASK_TEST(beyond_its_stop_budget_a_member_is_forced_and_the_next_ones_stop_begins) /* case 247 */
{
    count_findings();
    weir_group *group = open_supervised((weir_supervise_options){.strategy = WEIR_ONE_FOR_ALL});
    REQUIRE(group != NULL);
    struct member a = {.name = "a"};
    struct member b = {.name = "b", .stubborn = true};
    struct member c = {.name = "c", .runs = {{5, -EIO}, {0, 0}}, .run_count = 2};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){.stop_budget_ns = 100 * WEIR_MS});
    spawn_member(group, &c, (weir_spawn_options){0});
    EXPECT_RC(0, weir_sleep(200 * WEIR_MS));
    EXPECT_STR("+a@0 +b@0 +c@0 !c@5 -b@105 -a@105 +a@115 +b@115 +c@115 ", story);
    EXPECT_EQ(1, findings[WEIR__FINDING_FORCED]);
    b.stubborn = false;
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

TASK_TEST(a_member_is_forced_when_the_group_gives_up_too) /* P6, case 247 */
{
    count_findings();
    weir_group *group = open_supervised((weir_supervise_options){.intensity = 1});
    REQUIRE(group != NULL);
    struct member a = {.name = "a"}, b = {.name = "b", .stubborn = true};
    struct member c = {.name = "c", .runs = {{5, -EIO}}, .run_count = 1};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){.stop_budget_ns = 100 * WEIR_MS});
    spawn_member(group, &c, (weir_spawn_options){0});
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_STR("+a@0 +b@0 +c@0 !c@5 +c@15 !c@20 -b@120 -a@120 ", story);
    EXPECT_EQ(1, findings[WEIR__FINDING_FORCED]);
}

TASK_TEST(a_member_that_is_cancelled_by_its_id_is_not_restarted) /* P6, case 248 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    weir_task_id id;
    struct member a = {.name = "a", .runs = {{5, -EIO}, {0, 0}}, .run_count = 2};
    weir_spawn_options options = {.restart = WEIR_PERMANENT, .backoff_ns = 10 * WEIR_MS};
    EXPECT_RC(0, weir_spawn_with(group, &options, run, &a, &id));
    EXPECT_RC(0, weir_sleep(30 * WEIR_MS));
    EXPECT_RC(0, weir_task_cancel(id, "enough of it")); /* the id is that of all its runs */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("+a@0 !a@5 +a@15 -a@30 ", story);
}

TASK_TEST(a_member_is_not_restarted_when_it_is_cancelled_between_two_runs) /* P6, case 248 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    weir_task_id id;
    struct member a = {.name = "a", .runs = {{5, -EIO}}, .run_count = 1};
    weir_spawn_options options = {.backoff_ns = 50 * WEIR_MS};
    EXPECT_RC(0, weir_spawn_with(group, &options, run, &a, &id));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    EXPECT_RC(0, weir_task_cancel(id, "enough of it"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(10, since());
    EXPECT_EQ(1, a.begun);
}

TASK_TEST(the_others_go_on_whoever_stopped_them_is_cancelled) /* P6, case 248 */
{
    weir_group *group = open_supervised((weir_supervise_options){.strategy = WEIR_ONE_FOR_ALL});
    REQUIRE(group != NULL);
    weir_task_id id;
    struct member a = {.name = "a", .stop_ms = 10};
    struct member b = {.name = "b", .runs = {{5, -EIO}}, .run_count = 1};
    weir_spawn_options options = {.backoff_ns = 10 * WEIR_MS};
    spawn_member(group, &a, (weir_spawn_options){0});
    EXPECT_RC(0, weir_spawn_with(group, &options, run, &b, &id));
    EXPECT_RC(0, weir_sleep(8 * WEIR_MS));
    EXPECT_RC(0, weir_task_cancel(id, "in the middle of it"));
    EXPECT_RC(0, weir_sleep(40 * WEIR_MS));
    EXPECT_STR("+a@0 +b@0 !b@5 -a@15 +a@25 ", story);
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

TASK_TEST(a_failure_touches_nobody_else_and_its_handler_may_fail) /* P6, case 249 */
{
    count_findings();
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    handler_rc = -EPIPE;
    struct member a = {.name = "a", .runs = {{20, 0}}, .run_count = 1};
    struct member b = {.name = "b", .runs = {{5, -EIO}, {1, 0}}, .run_count = 2};
    spawn_member(group, &a, (weir_spawn_options){0});
    spawn_member(group, &b, (weir_spawn_options){0});
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("+a@0 +b@0 !b@5 +b@15 !b@16 !a@20 ", story);
    EXPECT_EQ(1, told_count);
    EXPECT_EQ(-EIO, told_codes[0]);
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]); /* the handler's own */
    EXPECT_STR("the handler's own words", finding_words);
}

TASK_TEST(without_a_handler_failures_are_reported) /* F6 */
{
    count_findings();
    story[0] = '\0';
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_SUPERVISE}));
    struct member b = {.name = "b", .runs = {{5, -EIO}, {1, 0}}, .run_count = 2};
    spawn_member(group, &b, (weir_spawn_options){0});
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

TASK_TEST(a_body_that_fails_cancels_a_supervised_group_too) /* G6 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    struct member a = {.name = "a"};
    spawn_member(group, &a, (weir_spawn_options){.restart = WEIR_PERMANENT});
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_RC(-EINVAL, weir_group_close(group, -EINVAL));
    EXPECT_STR("+a@0 -a@1 ", story);
}

/* --- what belongs to a run -------------------------------------------------------------------- */

static weir_local color = WEIR_LOCAL_INIT(NULL);

static int undo(void *arg)
{
    note("undo", arg);
    return 0;
}

static int changes_its_colors(void *arg)
{
    int *runs = arg;
    EXPECT_STR("red", weir_local_get(&color));
    int rc = weir_local_set(&color, "green");
    if (rc == 0)
        rc = weir_defer(undo, "");
    return ++*runs < 3 && rc == 0 ? -EIO : rc;
}

TASK_TEST(each_run_starts_with_the_locals_of_the_spawn_and_ends_with_its_own_cleanup) /* R5, L1 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    int runs = 0;
    EXPECT_RC(0, weir_local_set(&color, "red"));
    weir_spawn_options options = {.backoff_ns = WEIR_MS};
    EXPECT_RC(0, weir_spawn_with(group, &options, changes_its_colors, &runs, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("undo@0 undo@1 undo@3 ", story);
}

static int fail_to_undo(void *arg)
{
    (void)arg;
    return -ENOSPC;
}

static int fails_and_cannot_undo(void *arg)
{
    int *runs = arg;
    int rc = weir_defer(fail_to_undo, NULL);
    return ++*runs < 3 ? -EIO : rc;
}

TASK_TEST(a_cleanup_that_fails_belongs_to_its_run) /* L2, P6 */
{
    count_findings();
    weir_group *group = open_supervised((weir_supervise_options){.intensity = WEIR_UNLIMITED});
    REQUIRE(group != NULL);
    int runs = 0;
    weir_spawn_options options = {.backoff_ns = WEIR_MS};
    EXPECT_RC(0, weir_spawn_with(group, &options, fails_and_cannot_undo, &runs, NULL));
    EXPECT_RC(0, weir_sleep(4 * WEIR_MS));
    EXPECT_EQ(3, runs);
    EXPECT_EQ(2, findings[WEIR__FINDING_FAILURES]); /* what came with EIO is told */
    EXPECT_EQ(3, told_count);
    EXPECT_EQ(-ENOSPC, told_codes[2]); /* and the third run has failed with it */
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
}

/* --- with services and starts ----------------------------------------------------------------- */

static int start_and_fail(void *arg)
{
    (void)arg;
    int rc = weir_started(NULL);
    if (rc == 0)
        rc = weir_sleep(WEIR_MS);
    return rc < 0 ? rc : -EIO;
}

TASK_TEST(a_task_that_weir_start_brought_is_not_restarted) /* G11, P6 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    EXPECT_RC(0, weir_start(group, start_and_fail, NULL, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, told_count);
}

TASK_TEST(a_service_may_be_supervised) /* G9, P6 */
{
    weir_group *group = open_supervised((weir_supervise_options){0});
    REQUIRE(group != NULL);
    struct member log = {.name = "log", .runs = {{5, -EIO}, {0, 0}}, .run_count = 2};
    struct member a = {.name = "a", .runs = {{30, 0}}, .run_count = 1};
    spawn_member(group, &log, (weir_spawn_options){.service = true, .restart = WEIR_PERMANENT});
    spawn_member(group, &a, (weir_spawn_options){0});
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("+log@0 +a@0 !log@5 +log@15 !a@30 -log@30 ", story);
}

TASK_TEST(options_that_cannot_be_are_refused)
{
    weir_group *group;
    weir_group_options options = {.policy = WEIR_SUPERVISE, .supervise.strategy = 3};
    EXPECT_RC(-EINVAL, weir_group_open(&group, &options));
    options.supervise = (weir_supervise_options){.period_ns = -1};
    EXPECT_RC(-EINVAL, weir_group_open(&group, &options));
    options.supervise = (weir_supervise_options){.intensity = (size_t)1 << 40};
    EXPECT_RC(-EINVAL, weir_group_open(&group, &options));

    options.supervise = (weir_supervise_options){0};
    REQUIRE_RC(0, weir_group_open(&group, &options));
    static const weir_spawn_options impossible[] = {
        {.backoff_ns = -1}, {.backoff_max_ns = -1}, {.stop_budget_ns = -1}};
    struct member a = {.name = "a"};
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
        EXPECT_RC(-EINVAL, weir_spawn_with(group, &impossible[i], run, &a, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
}

/* --- everywhere ------------------------------------------------------------------------------- */

static int program(void *arg)
{
    weir_supervise_options supervise = {.strategy = *(weir_strategy *)arg};
    struct member a = {.name = "a", .runs = {{4, -EIO}, {20, 0}}, .run_count = 2, .stop_ms = 1};
    struct member b = {.name = "b", .runs = {{2, -EIO}, {20, 0}}, .run_count = 2, .stop_ms = 2};
    struct member c = {.name = "c", .runs = {{20, 0}}, .run_count = 1, .stop_ms = 1};
    struct member *members[] = {&a, &b, &c};
    story[0] = '\0';
    supervise.handler = told;
    told_count = handler_rc = 0;
    weir_group_options options = {.policy = WEIR_SUPERVISE, .supervise = supervise};
    weir_group *group = NULL;
    int rc = weir_group_open(&group, &options);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < 3 && rc == 0; i++) {
        weir_spawn_options spawn = {.backoff_ns = 2 * WEIR_MS};
        rc = weir_spawn_with(group, &spawn, run, members[i], NULL);
    }
    rc = weir_group_close(group, rc);
    return rc == -EIO ? weir_check() : rc; /* it failed at the instant of the cut: F7 */
}

TASK_TEST(a_supervised_group_ends_cleanly_wherever_a_cancel_cuts) /* P6, case 293 */
{
    for (weir_strategy strategy = WEIR_ONE_FOR_ONE; strategy <= WEIR_REST_FOR_ONE; strategy++)
        EXPECT(cut_everywhere(program, &strategy) > 20);
}

static int program_of_all(void *arg)
{
    (void)arg;
    weir_strategy strategy = WEIR_ONE_FOR_ALL;
    return program(&strategy);
}

TEST(a_supervised_group_ends_cleanly_wherever_memory_runs_out) /* P6, case 294 */
{
    fail_everywhere(program_of_all);
}

static int programs_of_all_kinds(void *arg)
{
    (void)arg;
    int rc = 0;
    for (weir_strategy strategy = WEIR_ONE_FOR_ONE; strategy <= WEIR_REST_FOR_ONE && rc == 0;
         strategy++)
        rc = program(&strategy);
    return rc;
}

TEST(a_supervised_group_ends_cleanly_in_any_order) /* P6, Q4 */
{
    run_in_many_orders(programs_of_all_kinds);
}
