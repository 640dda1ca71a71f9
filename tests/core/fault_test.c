/*
 * fault_test.c - memory runs out at every place in turn: nothing leaks, no function whose spawn
 * failed runs, every failure is accounted for: rules T2, F6, I1-I11, cases 131 and 294
 *
 * Each program runs on a loop of its own, so that the books of the loop are checked as well.
 */
#include "tests/core/bodies.h"
#include "tests/support/fault_loop.h"

/* How many of what was asked for was begun, and how much of that ran. */
static int started, ran;

static void run_program(void *arg)
{
    weir_task_fn *const *fn = arg;
    weir_run_options options = {.backend = "sim"};
    started = ran = 0;
    int rc = weir__core_run(&options, *fn, NULL, false);
    EXPECT(rc >= 0 || rc == -ENOMEM);
    EXPECT_EQ(started, ran); /* I2 */
}

static void fail_everywhere(weir_task_fn *fn)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, run_program, &fn) > 0);
    EXPECT(fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, run_program, &fn) > 0);
}

static int count_run(void *arg)
{
    (void)arg;
    ran++;
    return weir_yield();
}

struct sized {
    char bytes[300];
};
static int sized(struct sized *a)
{
    (void)a;
    ran++;
    return 0;
}
struct huge {
    char bytes[3000];
};
static int huge(struct huge *a)
{
    (void)a;
    ran++;
    return 0;
}

static int spawn_all_kinds(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.running_max = 2});
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = weir_spawn(group, count_run, NULL);
        started += rc == 0;
        if (rc == 0)
            rc = WEIR_SPAWN(group, sized, .bytes = {0});
        started += rc == 0;
        if (rc == 0)
            rc = WEIR_SPAWN(group, huge, .bytes = {0});
        started += rc == 0;
    }
    return weir_group_close(group, rc);
}

TEST(spawning_survives_the_lack_of_memory_at_every_place) /* T2, case 131 */
{
    fail_everywhere(spawn_all_kinds);
}

static int fail_with_text(void *arg)
{
    (void)arg;
    ran++;
    return weir_fail(-ENOMEM, "as if there were no memory, %d", 7);
}

static int fail_in_groups(void *arg)
{
    (void)arg;
    weir_group *outer;
    int rc = weir_group_open(&outer, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    weir_group *inner = NULL;
    rc = weir_group_open(&inner, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = weir_spawn(inner, fail_with_text, NULL);
        started += rc == 0;
        if (rc == 0)
            rc = weir_spawn(outer, fail_with_text, NULL);
        started += rc == 0;
    }
    rc = weir_group_close(inner, rc);
    EXPECT_RC(-ENOMEM, rc); /* the code is never lost, whatever else is */
    weir_failures *failures;
    rc = weir_group_close_failures(outer, rc, &failures);
    EXPECT_RC(-ENOMEM, rc);
    weir_failures_free(failures);
    return rc;
}

TEST(failures_survive_the_lack_of_memory_for_their_story) /* F1, F4, F6 */
{
    count_findings();
    fail_everywhere(fail_in_groups);
}

static int gather_some(void *arg)
{
    (void)arg;
    weir_call calls[] = {{count_run, NULL}, {fail_with_text, NULL}, {count_run, NULL}};
    weir_outcome outcomes[3];
    int failed = weir_gather(WEIR_COLLECT_ALL, calls, 3, outcomes);
    if (failed >= 0) {
        EXPECT_EQ(1, failed);
        EXPECT_EQ(WEIR_OUTCOME_FAILED, outcomes[1].kind);
        started += 3;
    } else {
        EXPECT_RC(-ENOMEM, failed);
        started = ran; /* what was begun has ended: nobody runs after the return */
    }
    int rc = weir_gather(WEIR_FAIL_FAST, calls, 3, NULL);
    EXPECT_RC(-ENOMEM, rc);
    started = ran;
    return rc;
}

TEST(gather_survives_the_lack_of_memory) /* P1, P2 */
{
    count_findings();
    fail_everywhere(gather_some);
}

static int products_made, products_destroyed;

static void destroy_product(void *value)
{
    (void)value;
    products_destroyed++;
}

static int make_product(void *arg)
{
    ran++;
    int rc = weir_sleep(WEIR_MS);
    if (rc == 0)
        rc = weir_task_set_result(arg, destroy_product);
    products_made += rc == 0;
    return rc;
}

static int race_some(void *arg)
{
    weir_call calls[] = {{fail_with_text, NULL}, {make_product, &arg}, {make_product, &arg}};
    weir_race_options options = {.stagger_ns = WEIR_MS};
    weir_outcome outcomes[3];
    products_made = products_destroyed = 0;
    int rc = weir_race(calls, 3, &options, outcomes, NULL);
    EXPECT(rc == 0 || rc == -ENOMEM);
    weir_outcomes_release(outcomes, 3);
    options = (weir_race_options){.policy = WEIR_QUORUM, .quorum = 2};
    rc = weir_race(calls, 3, &options, outcomes, NULL);
    EXPECT(rc == 0 || rc == -ENOMEM);
    weir_outcomes_release(outcomes, 3);
    EXPECT_EQ(products_made, products_destroyed); /* I5 */
    started = ran; /* what was begun has ended: nobody runs after the return */
    return rc;
}

TEST(races_survive_the_lack_of_memory) /* P3, P5, P7, F6, I5, case 294 */
{
    count_findings();
    fail_everywhere(race_some);
}

static int map_some(void *arg)
{
    (void)arg;
    char items[5] = {0};
    weir_map_options options = {.running_max = 2};
    int rc = weir_map(&options, count_run, items, 1, 5, NULL);
    started += rc == 0 ? 5 : 0;
    if (rc < 0) {
        EXPECT_RC(-ENOMEM, rc);
        started = ran;
    }
    return rc;
}

TEST(a_map_survives_the_lack_of_memory) /* G10, P1, case 294 */
{
    count_findings();
    fail_everywhere(map_some);
}

static int post_count;

static void count_post(void *arg)
{
    (void)arg;
    post_count++;
}

static int use_tokens(void *arg)
{
    (void)arg;
    weir_scope scope = {0};
    int rc = weir_scope_enter(&scope);
    if (rc < 0)
        return rc;
    weir_token *token;
    rc = weir_token_open(&token);
    int posted = -ENOMEM, cancelled = -ENOMEM;
    post_count = 0;
    if (rc == 0) {
        weir_loop *loop = weir_loop_retain_self();
        posted = weir_remote_post(loop, count_post, NULL);
        cancelled = weir_token_cancel(token, "the end");
        weir_loop_release(loop);
        weir_token_release(token);
        rc = weir_sleep(WEIR_MS);
        EXPECT_RC(cancelled == 0 ? -ECANCELED : 0, rc);
        EXPECT_EQ(posted == 0 ? 1 : 0, post_count);
    }
    rc = weir_scope_leave(&scope, rc);
    EXPECT(rc == (cancelled == 0 ? WEIR_CAUGHT : posted == 0 ? 0 : rc));
    return rc < 0 ? rc : 0;
}

TEST(tokens_and_posts_survive_the_lack_of_memory) /* X2, X3 */
{
    fail_everywhere(use_tokens);
}

TEST(a_loop_that_gets_no_address_space_gives_everything_back)
{
    weir_task_fn *fn = spawn_all_kinds;
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -ENOMEM, run_program, &fn) > 0);
}
