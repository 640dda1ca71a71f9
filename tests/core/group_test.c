/*
 * group_test.c - opening, spawning, closing: rules T1, T2, G1-G8, G10, G12, P1, P2
 */
#include "base/fault.h"
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
        *a->refused +=
            WEIR_SPAWN(a->group, hydra, .group = a->group, .refused = a->refused) == -ESHUTDOWN;
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

/* --- order ------------------------------------------------------------------------------------ */

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

/* --- full groups (G10) ------------------------------------------------------------------------ */

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

TASK_TEST(try_only_in_a_full_group_is_refused) /* G10, case 133 */
{
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10));
    EXPECT_RC(-EAGAIN, weir_spawn_with(group, &(weir_spawn_options){.try_only = true}, just_return,
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

struct spawn_op {
    weir_group *group;
    int64_t *ended_at;
    int *rc;
};
static int spawn_op(struct spawn_op *a)
{
    *a->rc = WEIR_SPAWN(a->group, op_for, .duration_ms = 10, .ended_at_ms = a->ended_at);
    return 0;
}

TASK_TEST(a_spawner_that_yields_on_its_way_in_does_not_overfill_a_group) /* G10, O9 */
{
    weir_group *rivals = open_group(NULL);
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    int64_t ended_at = 0;
    int rc = 1;
    EXPECT_RC(0, WEIR_SPAWN(rivals, spawn_op, .group = group, .ended_at = &ended_at, .rc = &rc));
    weir__core_task()->budget = 1; /* it has completed 63 calls at once: the next one yields */
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10));
    EXPECT_EQ(1, weir_group_count(group));
    EXPECT_RC(1, rc); /* the rival waits */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, rc);
    EXPECT_RC(0, weir_group_close(rivals, 0));
}

TASK_TEST(who_waits_for_a_place_keeps_a_closing_group_open) /* G2, G3, G10 */
{
    ms();
    int64_t ended_at[3] = {0};
    int rc[3] = {1, 1, 1};
    weir_group *strangers = open_group(NULL);
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(strangers, spawn_op, .group = group, .ended_at = &ended_at[i],
                                .rc = &rc[i]));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(30, ms());
    for (int i = 0; i < 3; i++) {
        EXPECT_RC(0, rc[i]);
        EXPECT_EQ(10 * (i + 1), ended_at[i]);
    }
    EXPECT_RC(0, weir_group_close(strangers, 0));
}

struct large {
    char bytes[1000]; /* from the heap */
};
static int large(struct large *a)
{
    return a->bytes[0];
}
struct spawn_large {
    weir_group *group;
    int *rc;
};
static int spawn_large(struct spawn_large *a)
{
    *a->rc = WEIR_SPAWN(a->group, large, .bytes = {0});
    return 0;
}

static int let_the_next_allocation_fail(void *arg)
{
    (void)arg;
    int rc = weir_sleep(10 * WEIR_MS);
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, false);
    return rc;
}

TASK_TEST(a_place_that_could_not_be_used_goes_to_the_next_in_line) /* G10, T2, case 131 */
{
    int first = 1, second = 1;
    weir_group *strangers = open_group(NULL);
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    EXPECT_RC(0, weir_spawn(group, let_the_next_allocation_fail, NULL));
    EXPECT_RC(0, WEIR_SPAWN(strangers, spawn_large, .group = group, .rc = &first));
    EXPECT_RC(0, WEIR_SPAWN(strangers, spawn_large, .group = group, .rc = &second));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_group_close(group, 0));
    weir__base_fault_disarm();
    EXPECT_RC(-ENOMEM, first);
    EXPECT_RC(0, second);
    EXPECT_RC(0, weir_group_close(strangers, 0));
}

struct sleep_and_refill {
    weir_group *group;
    int64_t sleep_ms;
    int *rc;
};
static int sleep_and_refill(struct sleep_and_refill *a)
{
    int rc = weir_sleep(a->sleep_ms * WEIR_MS);
    *a->rc = rc < 0 ? rc : weir_spawn(a->group, just_return, NULL);
    return 0;
}

TASK_TEST(a_member_that_has_just_been_given_a_place_does_not_count_as_blocked) /* G10 */
{
    int first = 1, second = 1;
    weir_group *group = open_group(&(weir_group_options){.running_max = 3});
    EXPECT_RC(0, WEIR_SPAWN(group, sleep_and_refill, .group = group, .rc = &first));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10)); /* ends, and makes room for it */
    EXPECT_RC(0,
              WEIR_SPAWN(group, sleep_and_refill, .group = group, .sleep_ms = 10, .rc = &second));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, first);
    EXPECT_RC(0, second);
}

TASK_TEST(a_spawn_that_does_not_wait_is_no_checkpoint) /* O8, O11, G10, case 74 */
{
    weir_group *group = open_group(&(weir_group_options){.running_max = 1});
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    bool ran = false;
    weir_spawn_options try_only = {.try_only = true};
    uint64_t steps = weir__core_loop()->step_count;
    EXPECT_RC(0, weir_spawn_with(group, &try_only, set_flag, &ran, NULL));
    EXPECT_EQ(steps, weir__core_loop()->step_count);
    EXPECT_RC(-ECANCELED, weir_spawn(group, set_flag, &ran)); /* this one is */
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(ran);
}

/* --- the end of a group ----------------------------------------------------------------------- */

struct intruder {
    weir_group *volatile *group;
    bool *stop;
    int *entered;
};
static int intruder(struct intruder *a)
{
    int rc = 0;
    while (!*a->stop && rc == 0) {
        if (*a->group != NULL && weir_spawn(*a->group, just_return, NULL) == 0)
            ++*a->entered;
        rc = weir_yield();
    }
    return rc;
}

TASK_TEST(nothing_is_spawned_into_a_group_whose_close_lets_others_run) /* G3, O9, I1 */
{
    weir_group *volatile open = NULL;
    bool stop = false;
    int entered = 0;
    weir_group *outer = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(outer, intruder, .group = &open, .stop = &stop, .entered = &entered));
    for (int i = 0; i < 200; i++) {
        open = open_group(NULL);
        EXPECT_RC(0, weir_group_close(open, 0));
    }
    stop = true;
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_EQ(0, entered);
}

static int end_the_turn(void *arg)
{
    (void)arg;
    weir__core_loop()->turn_over = true; /* as if this step had used it up */
    return 0;
}

TASK_TEST(nothing_is_spawned_between_the_last_end_and_the_owners_return) /* G3, I1 */
{
    weir_group *volatile open = NULL;
    bool stop = false;
    int entered = 0;
    weir_group *outer = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(outer, intruder, .group = &open, .stop = &stop, .entered = &entered));
    EXPECT_RC(0, weir_yield());
    open = open_group(NULL);
    EXPECT_RC(0, weir_spawn(open, end_the_turn, NULL));
    EXPECT_RC(0, weir_group_close(open, 0));
    stop = true;
    EXPECT_RC(0, weir_group_close(outer, 0));
    EXPECT_EQ(0, entered);
}

TASK_TEST(a_closed_group_is_stale_and_takes_nothing) /* G3, G4, R4, cases 8, 11, 81 */
{
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ESTALE, weir_group_close(group, 0));
    bool ran = false;
    EXPECT_RC(-ESHUTDOWN, weir_spawn(group, set_flag, &ran));
    weir_group_cancel(group, "too late");
    EXPECT_RC(0, weir_yield());
    EXPECT(!ran);
    EXPECT_RC(-EINVAL, weir_spawn(NULL, set_flag, &ran));
}

TASK_TEST(a_stranger_may_spawn_into_a_group) /* G3, case 13 */
{
    weir_group *group = open_group(NULL);
    weir_group *other = open_group(NULL);
    int64_t ended_at = 0;
    int rc = 1;
    ms();
    EXPECT_RC(0, WEIR_SPAWN(other, spawn_op, .group = group, .ended_at = &ended_at, .rc = &rc));
    EXPECT_RC(0, weir_group_close(other, 0));
    EXPECT_RC(0, rc);
    EXPECT_EQ(0, ended_at);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(10, ended_at);
}

static int spawn_from_timeout(void *arg)
{
    weir_group *outer = arg;
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = WEIR_SPAWN(outer, op_for, .duration_ms = 50);
        if (rc == 0)
            rc = op();
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(10, ms());
    return 0;
}

TASK_TEST(a_child_lives_in_its_groups_scope_and_not_in_its_spawners) /* G3, H3, case 21 */
{
    ms();
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, weir_spawn(group, spawn_from_timeout, group));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(50, ms());
}

TASK_TEST(a_group_opened_in_a_cancelled_context_takes_nobody) /* G3, C7, case 65 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    weir_group *group = open_group(NULL);
    EXPECT_RC(-ESHUTDOWN, weir_spawn(group, just_return, NULL));
    EXPECT_RC(-ECANCELED, weir_group_close(group, -ECANCELED));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
}

static int cancel_own_group(void *arg)
{
    weir_group_cancel(arg, "enough");
    return 0;
}

TASK_TEST(a_child_that_cancels_its_group_and_returns_is_no_cut) /* T6, G5, case 84 */
{
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, weir_spawn(group, cancel_own_group, group));
    EXPECT_RC(5, weir_group_close(group, 5));
}

static int shielded_op(void *arg)
{
    int rc = 0;
    WEIR_SHIELD(rc, WEIR_SEC)
    {
        rc = weir_sleep(20 * WEIR_MS);
    }
    *(int *)arg = rc;
    return rc;
}

TASK_TEST(children_that_ended_well_behind_shields_are_no_cut_either) /* G5, C5, case 79 */
{
    ms();
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    weir_group *group = open_group(NULL);
    int got = 1;
    EXPECT_RC(0, weir_spawn(group, shielded_op, &got));
    EXPECT_RC(3, weir_group_close(group, 3));
    EXPECT_RC(0, got);
    EXPECT_EQ(20, ms());
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, op()));
}

TASK_TEST(two_nested_cancelled_groups_leak_no_cancellation) /* C7, case 83 */
{
    weir_group *outer = open_group(NULL);
    weir_group *inner = open_group(NULL);
    weir_group_cancel(inner, NULL);
    weir_group_cancel(outer, NULL);
    int rc = weir_group_close(inner, op());
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(outer, rc));
    EXPECT_RC(0, weir_yield());
}

static int spawn_late(void *arg)
{
    weir_group *group = arg;
    int rc = weir_sleep(10 * WEIR_MS);
    return rc < 0 ? rc : WEIR_SPAWN(group, op_for, .duration_ms = 15);
}

TASK_TEST(a_child_spawned_while_the_group_closes_is_waited_for) /* G3, case 4 */
{
    ms();
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, weir_spawn(group, spawn_late, group));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(25, ms());
}

TASK_TEST(closing_empty_groups_yields_in_a_cancelled_context_too) /* O9 */
{
    weir_group *outer = open_group(NULL);
    bool ran = false;
    EXPECT_RC(0, weir_spawn(outer, set_flag, &ran));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    int rounds = 0;
    while (!ran && rounds < 1000) {
        EXPECT_RC(0, weir_group_close(open_group(NULL), 0));
        rounds++;
    }
    EXPECT(rounds < 66);
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    EXPECT_RC(0, weir_group_close(outer, 0));
}

/* --- limits and memory ------------------------------------------------------------------------ */

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
