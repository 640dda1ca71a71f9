/*
 * everywhere_sweep_test.c - core's composite calls, cancelled before each checkpoint and with each
 * result, and with each allocation, call and operation failing: rules C5, O4, T2, I1 to I11, cases
 * 293, 294, 296
 */
#include <weir/handle.h>
#include <weir/local.h>

#include "tests/core/bodies.h"
#include "tests/support/everywhere.h"

/* What was begun and what ended; level after every round. */
static struct {
    int begun, ended;
    int made, taken, destroyed;
} books;

static int open_books(void)
{
    memset(&books, 0, sizeof books);
    return 0;
}

/* `arg`: what one of its calls fails with; a failure beats the cancellation. */
static bool books_are_level(const weir_test_round *round, void *arg)
{
    EXPECT_EQ(books.begun, books.ended);
    EXPECT_EQ(books.made, books.taken + books.destroyed);
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    bool failed_before_it_was_cut = round->struck && arg != NULL && round->rc == *(int *)arg;
    EXPECT(round->rc >= 0 || fault || failed_before_it_was_cut); /* G5 */
    if (round->struck && round->kind == WEIR_TEST_NO_MEMORY)
        EXPECT(round->rc >= 0 || round->rc == -ENOMEM || failed_before_it_was_cut); /* T2 */
    return !test_failed();
}

static int work_for(int64_t duration_ns, int then)
{
    books.begun++;
    int rc = weir_sleep(duration_ns);
    books.ended++;
    return rc < 0 ? rc : then;
}

static int work(void *arg)
{
    return work_for((int64_t)(intptr_t)arg * WEIR_MS, 0);
}

static int work_and_fail(void *arg)
{
    int rc = work_for((int64_t)(intptr_t)arg * WEIR_MS, -EPROTO);
    return rc == -EPROTO ? weir_fail(rc, "after %d ms", (int)(intptr_t)arg) : rc;
}

#define FOR_MS(duration) ((void *)(intptr_t)(duration))

/* --- gather, race, map ------------------------------------------------------------------------ */

static int gather_all(void *arg)
{
    (void)arg;
    open_books();
    weir_call calls[] = {{work, FOR_MS(1)}, {work_and_fail, FOR_MS(2)}, {work, FOR_MS(0)}};
    weir_outcome outcomes[3];
    int failed = weir_gather(WEIR_COLLECT_ALL, calls, 3, outcomes);
    if (failed < 0)
        return failed;
    weir_call good[] = {{work, FOR_MS(1)}, {work, FOR_MS(1)}};
    return weir_gather(WEIR_FAIL_FAST, good, 2, NULL);
}

TEST(gather_everywhere) /* P1, P2, P9 */
{
    everywhere_simulated("gather", (struct everywhere){gather_all, NULL, books_are_level, 9});
}

static int race_all(void *arg)
{
    (void)arg;
    open_books();
    weir_call calls[] = {{work_and_fail, FOR_MS(1)}, {work, FOR_MS(3)}, {work, FOR_MS(3)}};
    weir_outcome outcomes[3];
    size_t winner = 3;
    int rc =
        weir_race(calls, 3, &(weir_race_options){.stagger_ns = 2 * WEIR_MS}, outcomes, &winner);
    if (rc == 0)
        rc = winner == 0 ? -EINVAL : 0;
    if (rc == 0)
        rc = weir_race(calls, 3, &(weir_race_options){.policy = WEIR_QUORUM, .quorum = 2}, outcomes,
                       NULL);
    return rc;
}

TEST(race_everywhere) /* P3, P5, P7 */
{
    static int first_failure = -EPROTO;
    everywhere_simulated("race", (struct everywhere){race_all, &first_failure, books_are_level, 9});
}

struct item {
    int duration_ms;
};
static int item(struct item *a)
{
    return work_for(a->duration_ms * WEIR_MS, 0);
}

static int map_all(void *arg)
{
    (void)arg;
    open_books();
    struct item items[5] = {{1}, {0}, {2}, {1}, {1}};
    return WEIR_MAP(item, items, 5, NULL, .running_max = 2);
}

TEST(map_everywhere) /* G10 */
{
    everywhere_simulated("map", (struct everywhere){map_all, NULL, books_are_level, 6});
}

/* --- groups ----------------------------------------------------------------------------------- */

static int fill_group(weir_group *group, int count)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = weir_spawn(group, work, FOR_MS(i));
    return rc == -ESHUTDOWN ? weir_check() : rc; /* a cut that came while it waited for a place */
}

static int nest_groups(void *arg)
{
    (void)arg;
    open_books();
    weir_group *outer, *inner;
    int rc = weir_group_open(&outer, &(weir_group_options){.running_max = 2});
    if (rc < 0)
        return rc;
    rc = fill_group(outer, 4);
    if (rc == 0)
        rc = weir_group_open(&inner, &(weir_group_options){.timeout_ns = 2 * WEIR_MS});
    if (rc == 0) {
        rc = fill_group(inner, 5);
        rc = weir_group_close(inner, rc); /* the last two are cut by its deadline */
        if (rc == -ETIME)
            rc = 0;
    }
    return weir_group_close(outer, rc);
}

TEST(nested_groups_with_limits_everywhere) /* G2, G5, G10 */
{
    everywhere_simulated("groups", (struct everywhere){nest_groups, NULL, books_are_level, 12});
}

static int collect_failures(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = weir_spawn(group, work_and_fail, FOR_MS(i));
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    weir_failures *failures;
    rc = weir_group_close_failures(group, rc, &failures);
    weir_failures_free(failures);
    return rc == -EPROTO ? 0 : rc;
}

TEST(collected_failures_everywhere) /* F1, F5, F6 */
{
    everywhere_simulated("failures",
                         (struct everywhere){collect_failures, NULL, books_are_level, 9});
}

/* --- scopes ----------------------------------------------------------------------------------- */

static int nest_scopes(void *arg)
{
    (void)arg;
    open_books();
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_SEC)
    {
        WEIR_TIMEOUT(rc, 2 * WEIR_MS)
        {
            rc = work(FOR_MS(5));
        }
        if (rc == -ETIME)
            rc = work(FOR_MS(1));
    }
    int cleaned = 0;
    WEIR_SHIELD(cleaned, 10 * WEIR_MS)
    {
        cleaned = work(FOR_MS(1));
    }
    return rc < 0 ? rc : cleaned;
}

TEST(nested_timeouts_and_a_shield_everywhere) /* C7, D6, H1, H2 */
{
    everywhere_simulated("scopes", (struct everywhere){nest_scopes, NULL, books_are_level, 3});
}

/* --- results ---------------------------------------------------------------------------------- */

static void destroy_result(void *result)
{
    weir_ignore(result, "it is a number");
    books.destroyed++;
}

static int make_result(void *arg)
{
    int rc = work(arg);
    if (rc == 0)
        rc = weir_task_set_result(&books, destroy_result);
    books.made += rc == 0;
    return rc;
}

static int take_results(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_task_id ids[3];
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = weir_spawn_with(group, &(weir_spawn_options){.keep = true}, make_result, FOR_MS(i),
                             &ids[i]);
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    for (int i = 0; i < 2 && rc == 0; i++) { /* nobody takes the third */
        weir_outcome outcome;
        void *result;
        rc = weir_task_wait(ids[i], &outcome);
        if (rc == 0 && outcome.kind == WEIR_OUTCOME_OK)
            books.taken += weir_task_take(ids[i], &result) == 0;
    }
    return weir_group_close(group, rc);
}

TEST(results_are_taken_or_destroyed_everywhere) /* R2, R3, I5 */
{
    everywhere_simulated("results", (struct everywhere){take_results, NULL, books_are_level, 8});
}

/* --- cleanup and locals ----------------------------------------------------------------------- */

static int clean_up(void *arg)
{
    int rc = weir_sleep((int64_t)(intptr_t)arg * WEIR_MS); /* in a shield: it is not cut */
    books.destroyed++;
    return rc;
}

static int take_and_defer(void)
{
    int rc = weir_defer(clean_up, FOR_MS(1));
    books.made += rc == 0;
    return rc;
}

static int defer_in_task(void *arg)
{
    int rc = take_and_defer();
    return rc < 0 ? rc : work(arg);
}

static int defer_everywhere(void *arg)
{
    (void)arg;
    open_books();
    int rc = take_and_defer();
    if (rc < 0)
        return rc;
    weir_scope scope = {0};
    rc = weir_scope_enter(&scope);
    if (rc < 0)
        return rc;
    rc = take_and_defer();
    if (rc == 0)
        rc = work(FOR_MS(1));
    rc = weir_scope_leave(&scope, rc);
    weir_group *group;
    if (rc == 0 && (rc = weir_group_open(&group, NULL)) == 0) {
        rc = take_and_defer();
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = weir_spawn(group, defer_in_task, FOR_MS(i));
        if (rc == -ESHUTDOWN)
            rc = weir_check();
        rc = weir_group_close(group, rc);
    }
    return rc;
}

TEST(what_is_deferred_runs_everywhere) /* L1, L2 */
{
    everywhere_simulated("defers", (struct everywhere){defer_everywhere, NULL, books_are_level, 8});
}

static weir_local key = WEIR_LOCAL_INIT(destroy_result);

static int set_local(void)
{
    int rc = weir_local_set(&key, &books);
    books.made += rc == 0;
    return rc;
}

static int use_local(void *arg)
{
    WEIR_TEST_EXPECT(weir_local_get(&key) == &books);
    int rc = set_local();
    return rc < 0 ? rc : work(arg);
}

static int inherit_locals(void *arg)
{
    (void)arg;
    open_books();
    int rc = set_local();
    weir_group *group;
    if (rc == 0 && (rc = weir_group_open(&group, NULL)) == 0) {
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = weir_spawn(group, use_local, FOR_MS(i));
        if (rc == -ESHUTDOWN)
            rc = weir_check();
        rc = weir_group_close(group, rc);
    }
    return rc;
}

TEST(locals_are_destroyed_once_everywhere) /* R5, I5 */
{
    everywhere_simulated("locals", (struct everywhere){inherit_locals, NULL, books_are_level, 6});
}

/* --- starting --------------------------------------------------------------------------------- */

static int be_ready(void *arg)
{
    int rc = work(FOR_MS(1));
    if (rc == 0)
        rc = weir_started(&books);
    return rc < 0 ? rc : work(arg);
}

static int start_some(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 2 && rc == 0; i++) {
        void *value = NULL;
        rc = weir_start(group, be_ready, FOR_MS(i), &value);
        WEIR_TEST_EXPECT(value == (rc == 0 ? &books : NULL));
    }
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    return weir_group_close(group, rc);
}

TEST(tasks_that_say_when_they_are_ready_everywhere) /* G11 */
{
    everywhere_simulated("start", (struct everywhere){start_some, NULL, books_are_level, 8});
}
