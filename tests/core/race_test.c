/*
 * race_test.c - races, staggered starts, quorums over a list of calls, and maps: rules P1-P5, P7,
 * P9, G10
 */
#include <string.h>

#include "tests/core/bodies.h"

enum { CALLS_MAX = 5 };

/* What a race is about: one call for each. */
struct entry {
    int64_t after_ms; /* 0: never ends by itself */
    int64_t lasts_ms; /* cannot be aborted for so long; before `after_ms` */
    int then;         /* what it comes to */
    int64_t begun_ms; /* -1: was not begun */
    int64_t ended_ms;
};

struct race {
    struct entry entries[CALLS_MAX];
    weir_call calls[CALLS_MAX];
    weir_outcome outcomes[CALLS_MAX];
    size_t count;
    size_t winner;
};

static int run_entry(void *arg)
{
    struct entry *entry = arg;
    entry->begun_ms = ms();
    int rc = 0;
    if (entry->lasts_ms > 0)
        rc = hard(entry->lasts_ms, 0);
    else
        rc = entry->after_ms == 0 ? op() : weir_sleep(entry->after_ms * WEIR_MS);
    entry->ended_ms = ms();
    return rc < 0 ? rc : entry->then;
}

static void add(struct race *race, int64_t after_ms, int then)
{
    size_t at = race->count++;
    race->entries[at] = (struct entry){.after_ms = after_ms, .then = then, .begun_ms = -1};
    race->calls[at] = (weir_call){run_entry, &race->entries[at]};
}

static int run(struct race *race, const weir_race_options *options)
{
    ms();
    race->winner = SIZE_MAX;
    return weir_race(race->calls, race->count, options, race->outcomes, &race->winner);
}

static void expect_nothing_told(void)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_group_close(group, 0)); /* settles the set before */
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
}

/* --- the first success ------------------------------------------------------------------------ */

TASK_TEST(a_race_returns_with_its_first_success) /* P3, F6, case 229 */
{
    count_findings();
    struct race race = {0};
    add(&race, 5, -EIO);
    add(&race, 10, 7);
    add(&race, 20, 8);
    EXPECT_RC(0, run(&race, NULL));
    EXPECT_EQ(10, ms());
    EXPECT_EQ(1, race.winner);
    EXPECT_EQ(WEIR_OUTCOME_FAILED, race.outcomes[0].kind);
    EXPECT_RC(-EIO, race.outcomes[0].rc);
    EXPECT_EQ(WEIR_OUTCOME_OK, race.outcomes[1].kind);
    EXPECT_RC(7, race.outcomes[1].rc);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, race.outcomes[2].kind);
    EXPECT_EQ(10, race.entries[2].ended_ms);
    expect_nothing_told();
    EXPECT_RC(0, weir_race(race.calls, race.count, NULL, NULL, NULL));
    expect_nothing_told();
}

TASK_TEST(a_race_that_all_lose_returns_the_first_failure) /* P3, F3, case 230 */
{
    count_findings();
    struct race race = {0};
    add(&race, 30, -EIO);
    add(&race, 10, -ENOENT);
    add(&race, 20, -EPIPE);
    EXPECT_RC(-ENOENT, run(&race, NULL));
    EXPECT_EQ(30, ms());
    EXPECT_EQ(SIZE_MAX, race.winner);
    for (size_t i = 0; i < 3; i++)
        EXPECT_RC(race.entries[i].then, race.outcomes[i].rc);
    EXPECT_EQ(3, weir_failures_count(weir__core_task()->last_failures));
    expect_nothing_told(); /* they stand in the outcomes */
    EXPECT_RC(-ENOENT, weir_race(race.calls, race.count, NULL, NULL, NULL));
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]); /* those behind the first had no other place */
}

TASK_TEST(an_impossible_race_starts_nobody) /* P3, P5, cases 231 and 239 */
{
    struct race race = {0};
    EXPECT_RC(-EINVAL, run(&race, NULL));
    for (int i = 0; i < 3; i++)
        add(&race, 10, 0);
    EXPECT_RC(-EINVAL, run(&race, &(weir_race_options){.policy = WEIR_QUORUM, .quorum = 4}));
    EXPECT_RC(-EINVAL, run(&race, &(weir_race_options){.policy = WEIR_COLLECT_ALL}));
    EXPECT_RC(-EINVAL, run(&race, &(weir_race_options){.policy = (weir_policy)99}));
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(-1, race.entries[i].begun_ms);
    EXPECT_RC(-EINVAL, weir_gather(WEIR_FIRST_SUCCESS, race.calls, 3, race.outcomes));
}

TEST(a_race_outside_a_task_is_refused) /* X1 */
{
    weir_call call = {just_return, NULL};
    EXPECT_RC(-EPERM, weir_race(&call, 1, NULL, NULL, NULL));
    EXPECT_RC(-EPERM, weir_map(NULL, just_return, &call, sizeof call, 1, NULL));
}

TASK_TEST(a_race_waits_for_a_loser_that_cannot_be_stopped) /* P3, G2, case 233 */
{
    struct race race = {0};
    add(&race, 0, 0);
    race.entries[0].lasts_ms = 100;
    add(&race, 10, 5);
    EXPECT_RC(0, run(&race, NULL));
    EXPECT_EQ(100, ms());
    EXPECT_EQ(1, race.winner);
    EXPECT_EQ(WEIR_OUTCOME_OK, race.outcomes[0].kind); /* it did well, and lost all the same */
}

TASK_TEST(a_winner_of_the_deadlines_own_turn_wins) /* O4, O10, P3, case 234 */
{
    struct race race = {0};
    add(&race, 0, 0);
    add(&race, 10, 5);
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = run(&race, NULL);
        EXPECT_RC(0, rc);
        EXPECT_EQ(1, race.winner);
        rc = weir_yield();
    }
    EXPECT_RC(-ETIME, rc);
}

TASK_TEST(of_two_that_succeed_in_one_turn_the_earlier_wins) /* P3 */
{
    struct race race = {0};
    add(&race, 20, 0);
    add(&race, 10, 1);
    add(&race, 10, 2);
    EXPECT_RC(0, run(&race, NULL));
    EXPECT_EQ(1, race.winner);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, race.outcomes[0].kind);
    EXPECT_EQ(WEIR_OUTCOME_OK, race.outcomes[2].kind);
    EXPECT_RC(2, race.outcomes[2].rc);
}

TASK_TEST(a_race_that_is_cancelled_joins_all_its_calls) /* P3, G2, G5 */
{
    struct race race = {0};
    add(&race, 0, 0);
    add(&race, 100, 0);
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = run(&race, NULL);
        EXPECT_RC(-ECANCELED, rc);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(SIZE_MAX, race.winner);
    EXPECT_EQ(10, race.entries[0].ended_ms);
    EXPECT_EQ(10, race.entries[1].ended_ms);
    EXPECT_RC(0, weir_yield());
}

static int cancel_self(void *arg)
{
    (void)arg;
    EXPECT_RC(0, weir_task_cancel(weir_task_self(), "not me"));
    return op();
}

TASK_TEST(a_race_whose_calls_were_all_cancelled_alone_says_what_is_missing) /* P3, G7 */
{
    weir_call calls[] = {{cancel_self, NULL}, {cancel_self, NULL}};
    EXPECT_RC(-ECHILD, weir_race(calls, 2, NULL, NULL, NULL));
    weir_call one_left[] = {{cancel_self, NULL}, {just_return, NULL}};
    size_t winner = 9;
    EXPECT_RC(0, weir_race(one_left, 2, NULL, NULL, &winner));
    EXPECT_EQ(1, winner);
}

/* --- staggered -------------------------------------------------------------------------------- */

TASK_TEST(the_next_attempt_starts_when_the_one_before_has_failed_or_hangs) /* P7, case 235 */
{
    struct race race = {0};
    weir_race_options options = {.stagger_ns = 250 * WEIR_MS};
    add(&race, 30, -EIO); /* fails at 30 */
    add(&race, 0, 0);     /* hangs */
    add(&race, 70, 4);
    add(&race, 10, 0);
    EXPECT_RC(0, run(&race, &options));
    EXPECT_EQ(0, race.entries[0].begun_ms);
    EXPECT_EQ(30, race.entries[1].begun_ms);
    EXPECT_EQ(280, race.entries[2].begun_ms);
    EXPECT_EQ(-1, race.entries[3].begun_ms);
    EXPECT_EQ(350, ms());
    EXPECT_EQ(2, race.winner);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, race.outcomes[3].kind);
    EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
}

TASK_TEST(an_older_attempt_that_fails_does_not_hurry_the_next) /* P7 */
{
    struct race race = {0};
    add(&race, 300, -EIO);
    add(&race, 0, 0);
    add(&race, 10, 0);
    EXPECT_RC(0, run(&race, &(weir_race_options){.stagger_ns = 250 * WEIR_MS}));
    EXPECT_EQ(500, race.entries[2].begun_ms);
}

TASK_TEST(a_staggered_race_that_runs_out_of_time_starts_no_more) /* P7, case 236 */
{
    struct race race = {0};
    for (int i = 0; i < 3; i++)
        add(&race, 0, 0);
    int rc = 0;
    WEIR_TIMEOUT(rc, 400 * WEIR_MS)
    {
        rc = run(&race, &(weir_race_options){.stagger_ns = 250 * WEIR_MS});
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(400, race.entries[0].ended_ms);
    EXPECT_EQ(250, race.entries[1].begun_ms);
    EXPECT_EQ(400, race.entries[1].ended_ms);
    EXPECT_EQ(-1, race.entries[2].begun_ms);
}

TASK_TEST(a_race_may_go_from_one_to_the_next_only_after_a_failure) /* P7 */
{
    struct race race = {0};
    weir_race_options options = {.stagger_ns = WEIR_FOREVER};
    add(&race, 30, -EIO);
    add(&race, 20, -EPIPE);
    add(&race, 1000, 0);
    add(&race, 10, 0);
    EXPECT_RC(0, run(&race, &options));
    EXPECT_EQ(1050, ms());
    EXPECT_EQ(2, race.winner);
    EXPECT_EQ(-1, race.entries[3].begun_ms);
}

TASK_TEST(a_race_decided_while_the_next_is_due_starts_it_no_more) /* P7, G6, O10 */
{
    struct race race = {0};
    add(&race, 500, 0); /* its sleep was set before the owner's second pause: it runs first */
    add(&race, 0, 0);
    add(&race, 10, 0);
    EXPECT_RC(0, run(&race, &(weir_race_options){.stagger_ns = 250 * WEIR_MS}));
    EXPECT_EQ(500, ms());
    EXPECT_EQ(0, race.winner);
    EXPECT_EQ(-1, race.entries[2].begun_ms);
}

TASK_TEST(a_staggered_race_with_a_last_attempt_that_fails_is_over_at_once) /* P3, P7 */
{
    struct race race = {0};
    add(&race, 10, -EIO);
    add(&race, 10, -EPIPE);
    EXPECT_RC(-EIO, run(&race, &(weir_race_options){.stagger_ns = 250 * WEIR_MS}));
    EXPECT_EQ(20, ms());
}

/* --- the other policies ----------------------------------------------------------------------- */

TASK_TEST(the_first_to_end_decides_a_race_of_first_ends) /* P4, case 237 */
{
    struct race race = {0};
    weir_race_options options = {.policy = WEIR_FIRST_DONE};
    add(&race, 5, -EIO);
    add(&race, 10, 0);
    EXPECT_RC(-EIO, run(&race, &options));
    EXPECT_EQ(5, ms());
    EXPECT_EQ(0, race.winner);
    race.entries[0].then = 0;
    EXPECT_RC(0, run(&race, &options));
    EXPECT_EQ(0, race.winner);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, race.outcomes[1].kind);
}

TASK_TEST(a_quorum_of_calls_is_reached_or_given_up_early) /* P5, case 238 */
{
    struct race race = {0};
    weir_race_options options = {.policy = WEIR_QUORUM, .quorum = 2};
    add(&race, 10, 0);
    add(&race, 20, -EIO);
    add(&race, 30, 0);
    EXPECT_RC(0, run(&race, &options));
    EXPECT_EQ(30, ms());
    EXPECT_EQ(2, race.winner); /* the one that made it two */

    race.entries[0].then = -EPIPE;
    EXPECT_RC(-EPIPE, run(&race, &options));
    EXPECT_EQ(50, ms());
    EXPECT_EQ(SIZE_MAX, race.winner);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, race.outcomes[2].kind);

    options.quorum = 0; /* more than half of three */
    race.entries[0].then = 0;
    EXPECT_RC(0, run(&race, &options));
    EXPECT_EQ(80, ms());
}

TASK_TEST(a_staggered_quorum_is_given_up_before_the_last_is_started) /* P5, P7 */
{
    struct race race = {0};
    weir_race_options options = {.policy = WEIR_QUORUM, .quorum = 3, .stagger_ns = 100 * WEIR_MS};
    add(&race, 10, -EIO);
    add(&race, 10, 0);
    add(&race, 10, 0);
    EXPECT_RC(-EIO, run(&race, &options));
    EXPECT_EQ(10, ms());
    EXPECT_EQ(-1, race.entries[1].begun_ms);

    options.quorum = 2; /* one may fail; the third is needed, and comes in time */
    EXPECT_RC(0, run(&race, &options));
    EXPECT_EQ(10 + 10 + 10 + 10, ms());
    EXPECT_EQ(2, race.winner);
}

TASK_TEST(a_quorum_that_is_asked_one_after_another_goes_on_after_a_success) /* P5, P7 */
{
    struct race race = {0};
    weir_race_options options = {.policy = WEIR_QUORUM, .quorum = 2, .stagger_ns = WEIR_FOREVER};
    add(&race, 10, 0);
    add(&race, 10, -EIO);
    add(&race, 10, 0);
    add(&race, 10, 0);
    EXPECT_RC(0, run(&race, &options));
    EXPECT_EQ(30, ms());
    EXPECT_EQ(2, race.winner);
    EXPECT_EQ(-1, race.entries[3].begun_ms);
}

/* --- results ---------------------------------------------------------------------------------- */

static int made, destroyed;

/* A result that knows how often it was destroyed. */
struct product {
    int64_t after_ms;
    int then;
    bool when_cut; /* it is made even so */
    int count;     /* of its destructions */
};

static void destroy_product(void *value)
{
    struct product *product = value;
    EXPECT_RC(-EPERM, weir_yield()); /* R2: it must not wait */
    product->count++;
    destroyed++;
}

static int make_product(void *arg)
{
    struct product *product = arg;
    int rc = weir_sleep(product->after_ms * WEIR_MS);
    if (rc == 0 || product->when_cut) {
        rc = weir_task_set_result(product, destroy_product);
        made++;
    }
    return rc < 0 ? rc : product->then;
}

struct products {
    struct product all[CALLS_MAX];
    weir_call calls[CALLS_MAX];
    weir_outcome outcomes[CALLS_MAX];
};

static void prepare_products(struct products *products)
{
    *products = (struct products){0};
    made = destroyed = 0;
    for (int i = 0; i < CALLS_MAX; i++) {
        products->all[i] = (struct product){.after_ms = 10 * (CALLS_MAX - i)};
        products->calls[i] = (weir_call){make_product, &products->all[i]};
    }
}

TASK_TEST(only_the_winners_result_arrives) /* P3, R2, I5, cases 229 and 152 */
{
    struct products products;
    prepare_products(&products);
    products.all[3].after_ms = 10; /* together with the last, and before it in the turn */
    products.all[0].when_cut = true;
    size_t winner = 0;
    EXPECT_RC(0, weir_race(products.calls, CALLS_MAX, NULL, products.outcomes, &winner));
    EXPECT_EQ(3, winner);
    EXPECT_EQ(3, made);
    EXPECT_EQ(2, destroyed);
    for (size_t i = 0; i < CALLS_MAX; i++)
        EXPECT(products.outcomes[i].result == (i == winner ? &products.all[i] : NULL));
    EXPECT_EQ(WEIR_OUTCOME_OK, products.outcomes[0].kind);
    EXPECT_EQ(1, products.all[0].count);
    weir_outcomes_release(products.outcomes, CALLS_MAX);
    weir_outcomes_release(products.outcomes, CALLS_MAX); /* there is nothing more to release */
    weir_outcomes_release(NULL, 0);
    EXPECT_EQ(1, products.all[winner].count);
    EXPECT_EQ(3, destroyed);

    prepare_products(&products);
    EXPECT_RC(0, weir_race(products.calls, CALLS_MAX, NULL, NULL, NULL));
    EXPECT_EQ(made, destroyed); /* nobody asked */
}

TASK_TEST(a_quorum_hands_out_the_results_that_made_it) /* P5, R2, I5 */
{
    struct products products;
    prepare_products(&products);
    products.all[0].when_cut = true;
    weir_race_options options = {.policy = WEIR_QUORUM, .quorum = 2};
    EXPECT_RC(0, weir_race(products.calls, CALLS_MAX, &options, products.outcomes, NULL));
    EXPECT_EQ(3, made);
    EXPECT_EQ(1, destroyed);
    EXPECT(products.outcomes[3].result == &products.all[3]);
    EXPECT(products.outcomes[4].result == &products.all[4]);
    weir_outcomes_release(products.outcomes, CALLS_MAX);
    EXPECT_EQ(3, destroyed);

    prepare_products(&products);
    options.quorum = 4; /* of which two fail: too few */
    products.all[2].then = products.all[1].then = -EIO;
    EXPECT_RC(-EIO, weir_race(products.calls, CALLS_MAX, &options, products.outcomes, NULL));
    EXPECT_EQ(4, made);
    EXPECT_EQ(4, destroyed);
    for (size_t i = 0; i < CALLS_MAX; i++)
        EXPECT(products.outcomes[i].result == NULL);
}

TASK_TEST(gather_hands_out_all_results_or_none) /* P1, P2, R2, I5, cases 166 and 224 */
{
    struct products products;
    prepare_products(&products);
    EXPECT_RC(0, weir_gather(WEIR_FAIL_FAST, products.calls, CALLS_MAX, products.outcomes));
    EXPECT_EQ(0, destroyed);
    for (size_t i = 0; i < CALLS_MAX; i++)
        EXPECT(products.outcomes[i].result == &products.all[i]);
    weir_outcomes_release(products.outcomes, CALLS_MAX);
    EXPECT_EQ(CALLS_MAX, destroyed);

    prepare_products(&products); /* the last is ready in the turn in which the one before fails */
    products.all[3].after_ms = 10;
    products.all[3].then = -EIO;
    EXPECT_RC(-EIO, weir_gather(WEIR_FAIL_FAST, products.calls, CALLS_MAX, products.outcomes));
    EXPECT_EQ(WEIR_OUTCOME_OK, products.outcomes[4].kind);
    EXPECT(products.outcomes[4].result == NULL);
    EXPECT_EQ(1, products.all[4].count);
    EXPECT_EQ(made, destroyed);

    prepare_products(&products);
    products.all[1].then = -EIO;
    EXPECT_RC(1, weir_gather(WEIR_COLLECT_ALL, products.calls, CALLS_MAX, products.outcomes));
    EXPECT_EQ(1, destroyed);
    EXPECT(products.outcomes[1].result == NULL);
    weir_outcomes_release(products.outcomes, CALLS_MAX);
    EXPECT_EQ(CALLS_MAX, destroyed);
}

static int gather_products(void *arg)
{
    struct products *products = arg;
    return weir_gather(WEIR_FAIL_FAST, products->calls, 1, products->outcomes);
}

static void destroy_outside(void *value)
{
    ((struct product *)value)->count++;
}

TEST(results_may_be_released_when_the_run_is_over) /* R2 */
{
    static struct products products;
    prepare_products(&products);
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(0, weir__core_run(&options, gather_products, &products, false));
    products.outcomes[0].destroy = destroy_outside;
    weir_outcomes_release(products.outcomes, 1);
    EXPECT_EQ(1, products.all[0].count);
}

/* --- in any order ----------------------------------------------------------------------------- */

static int race_in_one_turn(void *arg)
{
    (void)arg;
    struct race race = {0};
    add(&race, 10, 0);
    add(&race, 10, -EIO);
    add(&race, 10, 0);
    add(&race, 0, 0);
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = run(&race, &(weir_race_options){.policy = WEIR_QUORUM, .quorum = 2});
        EXPECT_RC(0, rc);
    }
    EXPECT(race.winner == 0 || race.winner == 2);
    EXPECT_EQ(WEIR_OUTCOME_OK, race.outcomes[0].kind);
    EXPECT_EQ(WEIR_OUTCOME_OK, race.outcomes[2].kind);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, race.outcomes[3].kind);
    struct race staggered = {0};
    for (int i = 0; i < 4; i++)
        add(&staggered, 10, i < 2 ? -EIO : 0);
    EXPECT_RC(0, run(&staggered, &(weir_race_options){.stagger_ns = 10 * WEIR_MS}));
    EXPECT_EQ(2, staggered.winner);
    return 0;
}

TEST(the_order_within_a_turn_decides_who_wins_and_nothing_else) /* P3, P5, Q4, case 234 */
{
    for (uint64_t seed = 1; seed <= MANY(500); seed++) {
        weir_run_options options = {.backend = "sim", .shuffle_seed = seed};
        EXPECT_RC(0, weir__core_run(&options, race_in_one_turn, NULL, false));
    }
}

/* --- what reports say ------------------------------------------------------------------------- */

static __attribute__((noinline)) int gather_here(const weir_call *call)
{
    int rc = weir_gather(WEIR_FAIL_FAST, call, 1, NULL);
    __asm__ volatile(""); /* the call above is not turned into a jump */
    return rc;
}

static __attribute__((noinline)) int race_here(const weir_call *call)
{
    int rc = weir_race(call, 1, NULL, NULL, NULL);
    __asm__ volatile("");
    return rc;
}

static bool stands_in(const void *address, int (*fn)(const weir_call *call))
{
    uintptr_t begin = (uintptr_t)fn;
    return (uintptr_t)address > begin && (uintptr_t)address < begin + 512;
}

TASK_TEST(a_failure_of_a_call_was_spawned_where_gather_or_race_was_called) /* F1 */
{
    weir_call call = {just_return, JUST(-EIO)};
    EXPECT_RC(-EIO, gather_here(&call));
    const weir_failure *failure = weir_failures_at(weir__core_task()->last_failures, 0);
    REQUIRE(failure != NULL);
    EXPECT(stands_in(failure->spawn_address, gather_here));
    EXPECT(failure->task_fn == (const void *)(uintptr_t)just_return);
    EXPECT_STR("gather", failure->group_name);
    EXPECT_RC(-EIO, race_here(&call));
    failure = weir_failures_at(weir__core_task()->last_failures, 0);
    REQUIRE(failure != NULL);
    EXPECT(stands_in(failure->spawn_address, race_here));
    call.fn = cancel_self;
    EXPECT_RC(-ECHILD, gather_here(&call));
    EXPECT(stands_in(weir__failure_detail(weir__core_task(), -ECHILD)->address, gather_here));
}

/* --- maps ------------------------------------------------------------------------------------- */

enum { ITEMS = 100 };

struct item {
    int number;
    int fail_at;
    int *running, *most, *begun;
    int square;
};
static int item(struct item *a)
{
    ++*a->begun;
    if (++*a->running > *a->most)
        *a->most = *a->running;
    int rc = weir_sleep((1 + a->number % 7) * WEIR_MS);
    --*a->running;
    if (rc == 0 && a->number == a->fail_at)
        return -EIO;
    a->square = a->number * a->number;
    return rc;
}

struct mapped {
    struct item items[ITEMS];
    weir_outcome outcomes[ITEMS];
    int running, most, begun;
};

static void prepare(struct mapped *mapped, int fail_at)
{
    memset(mapped, 0, sizeof *mapped);
    for (int i = 0; i < ITEMS; i++)
        mapped->items[i] = (struct item){.number = i,
                                         .fail_at = fail_at,
                                         .running = &mapped->running,
                                         .most = &mapped->most,
                                         .begun = &mapped->begun};
}

TASK_TEST(a_map_runs_so_many_at_once_and_keeps_the_positions) /* G10, P1, case 240 */
{
    static struct mapped mapped;
    prepare(&mapped, -1);
    EXPECT_RC(0, WEIR_MAP(item, mapped.items, ITEMS, mapped.outcomes, .running_max = 10));
    EXPECT_EQ(10, mapped.most);
    for (int i = 0; i < ITEMS; i++) {
        EXPECT_EQ(i * i, mapped.items[i].square);
        EXPECT_EQ(WEIR_OUTCOME_OK, mapped.outcomes[i].kind);
    }
    EXPECT_RC(0, WEIR_MAP(item, mapped.items, ITEMS, NULL));
    EXPECT_EQ(ITEMS, mapped.most);
    EXPECT_RC(0, WEIR_MAP(item, mapped.items, 0, NULL));
}

TASK_TEST(a_failing_item_stops_new_starts) /* G10, P1, case 240 */
{
    count_findings();
    static struct mapped mapped;
    prepare(&mapped, 40);
    EXPECT_RC(-EIO, WEIR_MAP(item, mapped.items, ITEMS, mapped.outcomes, .running_max = 10));
    EXPECT_EQ(10, mapped.most);
    EXPECT(mapped.begun > 40 && mapped.begun < 40 + 2 * 10);
    EXPECT_EQ(WEIR_OUTCOME_FAILED, mapped.outcomes[40].kind);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, mapped.outcomes[ITEMS - 1].kind);
    expect_nothing_told(); /* that the body was refused is no failure of its own */
}

TASK_TEST(a_map_that_collects_goes_on_after_failures) /* G10, P2, case 240 */
{
    static struct mapped mapped;
    prepare(&mapped, 40);
    EXPECT_RC(1, WEIR_MAP(item, mapped.items, ITEMS, mapped.outcomes, .running_max = 10,
                          .policy = WEIR_COLLECT_ALL));
    EXPECT_EQ(ITEMS, mapped.begun);
    EXPECT_RC(-EIO, mapped.outcomes[40].rc);
    EXPECT_RC(-EINVAL, WEIR_MAP(item, mapped.items, ITEMS, NULL, .policy = WEIR_COLLECT_ALL));

    prepare(&mapped, 3); /* and is cut from outside, with a failure in hand */
    int rc = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = WEIR_MAP(item, mapped.items, ITEMS, mapped.outcomes, .running_max = 10,
                      .policy = WEIR_COLLECT_ALL);
        EXPECT_RC(-ECANCELED, rc);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(WEIR_OUTCOME_FAILED, mapped.outcomes[3].kind);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, mapped.outcomes[ITEMS - 1].kind);
    EXPECT_EQ(0, mapped.running);
}

static int cancel_at_ten(void *arg)
{
    int64_t at_ns = weir_now() + 10 * WEIR_MS;
    EXPECT_RC(0, weir_yield()); /* the item goes to sleep first, and ends first */
    int rc = weir_sleep_until(at_ns);
    weir_scope_cancel(arg, "in the turn in which a place came free");
    return rc;
}

static int ten(void *arg)
{
    (void)arg;
    return weir_sleep(10 * WEIR_MS);
}

static int cancel_when_a_place_is_free(weir_policy policy)
{
    weir_outcome outcomes[3];
    weir_scope scope = {0};
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_map_options options = {.policy = policy, .running_max = 1};
    EXPECT_RC(0, weir_spawn(group, cancel_at_ten, &scope));
    int rc = weir_map(&options, ten, outcomes, 0, 3, outcomes);
    EXPECT_EQ(WEIR_OUTCOME_OK, outcomes[0].kind);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcomes[1].kind);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, rc));
    EXPECT_RC(0, weir_group_close(group, 0));
    return rc;
}

TASK_TEST(a_map_that_is_cancelled_with_a_place_in_hand_is_cut) /* G3, G6, G10, O4 */
{
    EXPECT_RC(-ECANCELED, cancel_when_a_place_is_free(WEIR_FAIL_FAST));
    EXPECT_RC(-ECANCELED, cancel_when_a_place_is_free(WEIR_COLLECT_ALL));
}

TASK_TEST(nobody_wins_a_race_that_was_cut_from_outside) /* P4 */
{
    struct race race = {0};
    add(&race, 0, 0);
    add(&race, 0, 0);
    weir_race_options options = {.policy = WEIR_FIRST_DONE};
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_timeout_enter(&scope, 1 * WEIR_MS));
    int rc = run(&race, &options);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT(race.winner == SIZE_MAX);
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
}
