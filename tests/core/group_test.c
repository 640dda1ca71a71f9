/*
 * group_test.c - opening, spawning, closing: rules T1, T2, G1-G8, G10, G12, P1, P2
 */
#include "tests/core/bodies.h"

static weir_group *open_group(const weir_group_options *options)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, options));
    return group;
}

TASK_TEST(an_empty_group_closes_at_once_with_the_bodys_code) /* G2, case 1 */
{
    EXPECT_RC(0, weir_group_close(open_group(NULL), 0));
    EXPECT_RC(7, weir_group_close(open_group(NULL), 7)); /* G5 (c) */
    EXPECT_RC(3, weir_group_close(NULL, 3));
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TASK_TEST(closing_empty_groups_in_a_loop_lets_others_run_within_66_rounds) /* O9, case 2 */
{
    weir_group *outer = open_group(NULL);
    bool ran = false;
    EXPECT_RC(0, weir_spawn(outer, set_flag, &ran));
    int rounds = 0;
    while (!ran && rounds < 1000) {
        EXPECT_RC(0, weir_group_close(open_group(NULL), 0));
        rounds++;
    }
    EXPECT(rounds < 66);
    EXPECT_RC(0, weir_group_close(outer, 0));
}

TASK_TEST(close_waits_for_the_slowest_child) /* G2, case 3 */
{
    ms();
    weir_group *group = open_group(NULL);
    for (int i = 1; i <= 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10 * i));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(30, ms());
}

TASK_TEST(a_body_that_returns_without_failure_does_not_cancel) /* G8, case 5 */
{
    ms();
    int got = 1;
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 50, .got = &got));
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(0, got);
    EXPECT_EQ(50, ms());
}

struct chain {
    weir_group *group;
    int left;
    int *count;
};
static int chain(struct chain *a)
{
    ++*a->count;
    return a->left == 0 ? 0
                        : WEIR_SPAWN(a->group, chain, .group = a->group, .left = a->left - 1,
                                     .count = a->count);
}

TASK_TEST(close_waits_for_children_that_spawn_successors) /* G3, case 7 */
{
    int count = 0;
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(group, chain, .group = group, .left = 999, .count = &count));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1000, count);
}

struct member_close {
    weir_group *group;
    int rc;
};
static int close_own_group(void *arg)
{
    struct member_close *a = arg;
    a->rc = weir_group_close(a->group, 0);
    return 0;
}

TASK_TEST(a_member_cannot_close_its_group_and_a_stranger_neither) /* G4, cases 12 and 13 */
{
    weir_group *group = open_group(NULL);
    struct member_close member = {group, 0};
    EXPECT_RC(0, weir_spawn(group, close_own_group, &member));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EDEADLK, member.rc);

    weir_group *other = open_group(NULL);
    struct member_close stranger = {group, 0};
    EXPECT_RC(0, weir_spawn(other, close_own_group, &stranger));
    EXPECT_RC(0, weir_group_close(other, 0));
    EXPECT_RC(-EPERM, stranger.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TEST(outside_a_loop_nothing_is_opened_or_awaited) /* X1, case 14 */
{
    weir_group *group = NULL;
    EXPECT_RC(-EPERM, weir_group_open(&group, NULL));
    EXPECT_RC(-EPERM, weir_sleep(1));
    EXPECT_RC(-EPERM, weir_yield());
    weir_scope scope = {0};
    EXPECT_RC(-EPERM, weir_scope_enter(&scope));
    EXPECT_EQ(0, weir_task_self());
    EXPECT_EQ(0, weir_task_count());
}

TASK_TEST(nested_groups_close_inside_out) /* G2, case 15 */
{
    ms();
    weir_group *outer = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(outer, op_for, .duration_ms = 10));
    weir_group *inner = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(inner, op_for, .duration_ms = 30));
    EXPECT_RC(0, weir_group_close(inner, 0));
    EXPECT_EQ(30, ms());
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_EQ(30, ms());
}

TASK_TEST(closing_the_outer_group_first_closes_the_inner_one_and_says_so) /* C8, G12, case 16 */
{
    count_findings();
    weir_group *outer = open_group(NULL);
    weir_group *inner = open_group(NULL);
    int got = 0;
    EXPECT_RC(0, WEIR_SPAWN(inner, op_for, .got = &got));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_RC(-ECANCELED, got);
    EXPECT_EQ(1, findings[WEIR__FINDING_MISNESTED]);
}

static int leave_group_open(void *arg)
{
    int *got = arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, op_for, .got = got);
    return rc;
}

TASK_TEST(a_task_that_returns_with_an_open_group_has_it_cancelled_and_joined) /* G12 */
{
    count_findings();
    int got = 0;
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, weir_spawn(group, leave_group_open, &got));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, got);
    EXPECT_EQ(1, findings[WEIR__FINDING_MISNESTED]);
}

TASK_TEST(memory_does_not_grow_with_the_number_of_ended_children) /* R2, case 19 */
{
    weir_group *group = open_group(NULL);
    for (int i = 0; i < MANY(100000); i++) {
        EXPECT_RC(0, weir_spawn(group, just_return, NULL));
        EXPECT_RC(0, weir_yield());
    }
    EXPECT(weir__core_loop()->used_count < 16);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_groups_own_time_limit_cuts_it) /* G5, C7, case 22 */
{
    ms();
    int got = 0;
    weir_group *group = open_group(&(weir_group_options){.timeout_ns = 40 * WEIR_MS});
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .got = &got));
    EXPECT_RC(-ETIME, weir_group_close(group, 0));
    EXPECT_EQ(40, ms());
    EXPECT_RC(-ECANCELED, got);
}

TASK_TEST(a_group_cancelled_by_name_says_caught) /* G5, C7, case 80 */
{
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for));
    EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, "no longer needed");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_RC(0, weir_yield());
}

TASK_TEST(spawning_into_a_cancelled_group_is_refused) /* G3, cases 48 and 81 */
{
    weir_group *group = open_group(NULL);
    weir_group_cancel(group, NULL);
    weir_group_cancel(group, NULL);
    bool ran = false;
    EXPECT_RC(-ESHUTDOWN, weir_spawn(group, set_flag, &ran));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(!ran);
}

struct hydra {
    weir_group *group;
    int *refused;
};
static int hydra(struct hydra *a)
{
    int rc = op();
    for (int i = 0; i < 2; i++)
        *a->refused += WEIR_SPAWN(a->group, hydra, .group = a->group, .refused = a->refused) ==
                       -ESHUTDOWN;
    return rc;
}

TASK_TEST(a_hydra_cannot_outgrow_its_group) /* G3, case 47 */
{
    int refused = 0;
    weir_group *group = open_group(NULL);
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, hydra, .group = group, .refused = &refused));
    EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, NULL);
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_EQ(6, refused);
}

TASK_TEST(a_child_cancelled_before_its_first_step_still_runs_once) /* T2, case 49 */
{
    int got = 0;
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .got = &got));
    EXPECT_RC(-EINVAL, weir_group_close(group, -EINVAL)); /* G6: the body failed */
    EXPECT_RC(-ECANCELED, got);
}

/* --- order ---------------------------------------------------------------------------------------- */

struct note {
    int *order;
    int *count;
    int value;
};
static int note(struct note *a)
{
    a->order[(*a->count)++] = a->value;
    return 0;
}

TASK_TEST(a_child_never_runs_inside_spawn_and_siblings_start_in_order) /* T1, Q4, cases 128, 129 */
{
    int order[3], count = 0;
    weir_group *group = open_group(NULL);
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, note, .order = order, .count = &count, .value = i));
    EXPECT_EQ(0, count);
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(3, count);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(i, order[i]);
    EXPECT_RC(0, weir_group_close(group, 0));
}

struct tree {
    int depth;
    size_t *most;
};
static int tree(struct tree *a)
{
    size_t live = weir_task_count();
    if (live > *a->most)
        *a->most = live;
    if (a->depth == 0)
        return 0;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    for (int i = 0; i < 10 && rc == 0; i++)
        rc = WEIR_SPAWN(group, tree, .depth = a->depth - 1, .most = a->most);
    return weir_group_close(group, rc);
}

TASK_TEST(trees_of_tasks_unfold_depth_first) /* T1: eleven thousand tasks, few of them at once */
{
    size_t most = 0;
    struct tree root = {4, &most};
    EXPECT_RC(0, tree(&root));
    EXPECT(most < 200);
    EXPECT(weir__core_loop()->stacks.used_count < 40);
}

static int count_turns(void *arg)
{
    int *turns = arg;
    while (*turns >= 0) {
        ++*turns;
        int rc = weir_yield();
        if (rc < 0)
            return rc;
    }
    return 0;
}

TASK_TEST(a_ready_task_is_not_starved_by_families_that_hand_over) /* T1 */
{
    weir_group *group = open_group(NULL);
    int turns = 0;
    EXPECT_RC(0, weir_spawn(group, count_turns, &turns));
    size_t most = 0;
    struct tree root = {5, &most};
    EXPECT_RC(0, tree(&root));
    EXPECT(turns >= 3);
    turns = -1;
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(cost_of_a_child_is_flat) /* case 18: records and stacks are used again */
{
    weir_group *group = open_group(NULL);
    for (int i = 0; i < MANY(10000); i++)
        EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 1));
    EXPECT_RC(0, weir_group_close(group, 0));
    size_t used = weir__core_loop()->used_count;
    EXPECT(used >= MANY(10000) && used < MANY(10000) + 10);
    EXPECT_EQ(1, weir_task_count());
    EXPECT_EQ(1, weir__core_loop()->stacks.promised_count);
}

/* --- full groups (G10) ------------------------------------------------------------------------------ */

TASK_TEST(spawning_into_a_full_group_waits_for_a_place_in_order) /* G10, case 132 */
{
    ms();
    weir_group *group = open_group(&(weir_group_options){.running_max = 2});
    int64_t ended_at[5];
    for (int i = 0; i < 5; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .ended_at_ms = &ended_at[i]));
    EXPECT_EQ(20, ms());
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(10, ended_at[1]);
    EXPECT_EQ(20, ended_at[3]);
    EXPECT_EQ(30, ended_at[4]);
}

TASK_TEST(nowait_in_a_full_group_is_refused) /* G10, case 133 */
{
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10));
    EXPECT_RC(-EAGAIN, weir_spawn_with(group, &(weir_spawn_options){.nowait = true}, just_return,
                                       NULL, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_spawner_cancelled_in_a_full_group_starts_nothing) /* G10, O1, case 134 */
{
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 100));
    bool ran = false;
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_spawn(group, set_flag, &ran);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_RC(0, weir_spawn(group, just_return, NULL)); /* the place count is right */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(!ran);
}

struct refill {
    weir_group *group;
    int *rc;
};
static int refill(struct refill *a)
{
    *a->rc = weir_spawn(a->group, just_return, NULL);
    return 0;
}

TASK_TEST(members_that_all_wait_to_spawn_into_their_full_group_get_edeadlk) /* G10 */
{
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    int rc = 0;
    EXPECT_RC(0, WEIR_SPAWN(group, refill, .group = group, .rc = &rc));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EDEADLK, rc);
}

/* --- limits and memory -------------------------------------------------------------------------------- */

static int fill_table(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    int started = 0;
    while (started < 100 && (rc = WEIR_SPAWN(group, op_for, .duration_ms = 1)) == 0)
        started++;
    EXPECT_EQ(7, started);
    EXPECT_RC(-EAGAIN, rc);
    return weir_group_close(group, 0);
}

TEST(the_limit_of_tasks_is_an_error_to_the_spawner) /* T2 */
{
    weir_run_options options = {.backend = "sim", .tasks_max = 8};
    EXPECT_RC(0, weir__core_run(&options, fill_table, NULL, false));
}
