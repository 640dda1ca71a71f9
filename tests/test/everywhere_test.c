/*
 * everywhere_test.c - the sweeps see what they are there to see: rules C5, O4, T2, cases 272, 293,
 * 294, 296
 *
 * Most bodies here have one mistake each, and the test is that it is found, with words and a
 * replay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/test.h>
#include <weir/weir.h>

#include "tests/support/test.h"
#include "tests/test/lost.h"

static weir_test_report report;

static weir_test_options quietly(unsigned kinds)
{
    return (weir_test_options){.kinds = kinds, .quiet = true, .report = &report};
}

/* --- bodies without a mistake ----------------------------------------------------------------- */

static int child(void *arg)
{
    (void)arg;
    void *block = weir__base_alloc(100);
    if (block == NULL)
        return -ENOMEM;
    int rc = weir_sleep(WEIR_MS);
    weir__base_free(block);
    return rc;
}

/* Four checkpoints of its own, counting the close, and one of each child. */
static int well_behaved(void *arg)
{
    (void)arg;
    int rc = weir_sleep(WEIR_MS);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = weir_spawn(group, child, NULL);
    if (rc == 0)
        rc = weir_yield();
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    return weir_group_close(group, rc);
}

TEST(a_body_that_gives_everything_back_passes_every_round) /* C5, T2, cases 293, 294 */
{
    EXPECT_RC(0, weir_test_cancel_everywhere(
                     well_behaved, NULL,
                     &(weir_test_options){.kinds = WEIR_TEST_CANCEL, .report = &report}));
    EXPECT_EQ(1 + 5 + 1, report.round_count); /* undisturbed, five checkpoints, none left */
    EXPECT(!report.round.struck);
    EXPECT_STR("", report.replay);
    EXPECT_RC(0, weir_test_cancel_everywhere(
                     well_behaved, NULL,
                     &(weir_test_options){.kinds = WEIR_TEST_NO_MEMORY, .report = &report}));
    EXPECT(report.round_count > 5);
    EXPECT_RC(0, weir_test_cancel_everywhere(well_behaved, NULL, NULL));
    EXPECT_RC(0, weir_test_cancel_everywhere_and_result_wins(
                     well_behaved, NULL, &(weir_test_options){.report = &report}));
    EXPECT(report.round_count >= 1 + 4 + 1);
    EXPECT_RC(0, weir_test_cancel_everywhere(well_behaved, NULL,
                                             &(weir_test_options){.seeds = 10, .report = &report}));
    EXPECT(report.round_count > 10 * 10);
}

/* --- each kind of mistake --------------------------------------------------------------------- */

static int forgets_memory(void *arg)
{
    (void)arg;
    int rc = weir_yield();
    void *block = weir__base_alloc(10);
    if (block == NULL)
        return -ENOMEM;
    if (rc == 0)
        rc = weir_yield();
    if (rc < 0) {
        lose(block);
        return rc; /* the mistake */
    }
    weir__base_free(block);
    return rc;
}

TEST(memory_that_only_a_cancelled_body_forgets_is_found) /* case 293 */
{
    weir_test_options options = quietly(WEIR_TEST_CANCEL);
    options.name = "forgets";
    EXPECT_RC(-EUCLEAN, weir_test_cancel_everywhere(forgets_memory, NULL, &options));
    EXPECT_STR("forgets seed=0 cancel=1", report.replay);
    EXPECT_STR("left behind: 1 blocks of memory, 0 descriptors", report.what);
    EXPECT_EQ(WEIR_TEST_CANCEL, report.round.kind);
    EXPECT_EQ(1, report.round.number);
    EXPECT_EQ(WEIR_CAUGHT, report.round.rc);
    setenv("WEIR_TEST_REPLAY", report.replay, 1);
    EXPECT_RC(-EUCLEAN, weir_test_cancel_everywhere(forgets_memory, NULL, &options));
    EXPECT_EQ(1, report.round_count);
    setenv("WEIR_TEST_REPLAY", "forgets seed=0", 1);
    EXPECT_RC(0, weir_test_cancel_everywhere(forgets_memory, NULL, &options));
    find_lost();
}

static int hides_the_cancel(void *arg)
{
    (void)arg;
    return weir_sleep(WEIR_MS) < 0 ? -EPROTO : 0;
}

TEST(a_code_that_hides_the_cancel_is_found) /* C5 */
{
    weir_test_options options = quietly(0);
    EXPECT_RC(-EPROTO, weir_test_cancel_everywhere(hides_the_cancel, NULL, &options));
    EXPECT_STR("test seed=0 cancel=1", report.replay);
    EXPECT_CONTAINS("EPROTO", report.what);
}

static int leaves_a_group(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = weir_yield();
    return rc < 0 ? rc : weir_group_close(group, rc); /* the mistake */
}

TEST(a_group_that_is_left_open_is_found_with_its_place) /* G12 */
{
    weir_test_options options = quietly(WEIR_TEST_CANCEL);
    int rc = weir_test_cancel_everywhere(leaves_a_group, NULL, &options);
    EXPECT_RC(-EUCLEAN, rc);
    EXPECT_CONTAINS("a group still open, opened ", report.what);
    EXPECT_STR("test seed=0 cancel=1", report.replay);
}

static int leaves_a_file(void *arg)
{
    weir_file *file;
    int rc = weir_file_open(arg, &(weir_file_options){0}, &file);
    if (rc < 0)
        return rc;
    rc = weir_yield();
    if (rc < 0)
        return rc; /* the mistake */
    return weir_file_close(file);
}

TEST(a_file_that_is_left_open_is_found) /* I4 */
{
    weir_test_options options = quietly(WEIR_TEST_CANCEL);
    options.backend = "epoll";
    EXPECT_RC(-EUCLEAN,
              weir_test_cancel_everywhere(leaves_a_file, (void *)(uintptr_t)__FILE__, &options));
    EXPECT_CONTAINS("W401", report.what);
    EXPECT_CONTAINS("file", report.what);
}

static int loses_the_code(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++)
        weir_ignore(weir_sleep(1 * WEIR_MS), "this is the mistake");
    return 0;
}

TEST(a_body_that_swallows_its_cancel_is_found) /* C12 */
{
    weir_test_options options = quietly(WEIR_TEST_CANCEL);
    EXPECT_RC(-EUCLEAN, weir_test_cancel_everywhere(loses_the_code, NULL, &options));
    EXPECT_CONTAINS("W304", report.what);
}

static int waits_for_ever_when_cancelled(void *arg)
{
    (void)arg;
    weir_event never = {0};
    int rc = weir_sleep(1 * WEIR_MS);
    if (rc < 0) {
        WEIR_SHIELD(rc, WEIR_FOREVER)
        {
            rc = weir_event_wait(&never); /* the mistake */
        }
    }
    return rc;
}

TEST(a_cleanup_that_waits_for_nothing_is_found_and_forced) /* Q5, W4 */
{
    weir_test_options options = quietly(WEIR_TEST_CANCEL);
    EXPECT_RC(-EDEADLK, weir_test_cancel_everywhere(waits_for_ever_when_cancelled, NULL, &options));
    EXPECT_CONTAINS("W601", report.what);
}

static int ticks_for_ever_when_cancelled(void *arg)
{
    (void)arg;
    int rc = weir_sleep(1 * WEIR_MS);
    if (rc < 0) {
        WEIR_SHIELD(rc, WEIR_FOREVER)
        {
            do
                rc = weir_sleep(1 * WEIR_SEC); /* the mistake: what it waits for will not come */
            while (rc == 0);
        }
    }
    return rc;
}

TEST(a_body_must_end_soon_after_its_cancel) /* H1 */
{
    weir_test_options options = quietly(WEIR_TEST_CANCEL);
    int rc = weir_test_cancel_everywhere(ticks_for_ever_when_cancelled, NULL, &options);
    EXPECT(rc < 0);
    EXPECT_CONTAINS("does not come to an end", report.what);
    options.backend = "epoll";
    options.clock = WEIR_TEST_CLOCK_REAL;
    options.finish_ns = 50 * WEIR_MS;
    rc = weir_test_cancel_everywhere(ticks_for_ever_when_cancelled, NULL, &options);
    EXPECT(rc < 0);
    EXPECT_CONTAINS("does not come to an end", report.what);
}

static int invents_a_cancel(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

TEST(a_cancel_that_nobody_asked_for_is_found) /* I8 */
{
    weir_test_options options = quietly(0);
    EXPECT_RC(-EIO, weir_test_run(invents_a_cancel, NULL, &options));
    EXPECT_CONTAINS("W309", report.what);
}

static int ends_with_a_task(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    return rc < 0 ? rc : weir_spawn(group, loses_the_code, NULL); /* and never closes it */
}

TEST(a_body_that_ends_with_live_tasks_fails) /* I11, case 272 */
{
    weir_test_options options = quietly(0);
    EXPECT_RC(-EUCLEAN, weir_test_run(ends_with_a_task, NULL, &options));
    EXPECT_CONTAINS("a group still open", report.what);
}

/* --- results and the cancel ------------------------------------------------------------------- */

struct items {
    int produced, taken, dropped;
};
static struct items items;

static void drop_item(void *item)
{
    (void)item;
    items.dropped++;
}

static int send_three(void *arg)
{
    weir_channel *channel = arg;
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = weir_sleep(WEIR_MS);
        if (rc == 0)
            rc = weir_channel_send(channel, &i);
        items.produced += rc == 0;
    }
    weir_channel_close(channel);
    return rc;
}

static int pass_items(void *arg)
{
    (void)arg;
    memset(&items, 0, sizeof items);
    weir_channel *channel;
    int rc = weir_channel_new(
        &(weir_channel_options){.item_bytes = sizeof(int), .capacity = 1, .drop = drop_item},
        &channel);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, send_three, channel);
        int item;
        while (rc == 0 && (rc = weir_channel_recv(channel, &item)) == 0)
            items.taken++;
        if (rc == -EPIPE)
            rc = weir_check();
        rc = weir_group_close(group, rc);
    }
    weir_channel_free(channel);
    return rc;
}

static bool adds_up(const weir_test_round *round, void *arg)
{
    (void)arg;
    EXPECT_EQ(items.produced, items.taken + items.dropped);
    EXPECT(round->rc == 0 || round->rc == WEIR_CAUGHT);
    return !test_failed();
}

TEST(what_comes_with_the_cancel_is_taken_or_dropped_and_never_lost) /* O4, I5, case 296 */
{
    EXPECT_RC(0, weir_test_cancel_everywhere_and_result_wins(
                     pass_items, NULL, &(weir_test_options){.verify = adds_up, .report = &report}));
    EXPECT(report.round_count > 6);
    EXPECT_RC(0, weir_test_cancel_everywhere(
                     pass_items, NULL,
                     &(weir_test_options){.kinds = WEIR_TEST_CANCEL, .verify = adds_up}));
}

static int loses_a_result(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, child, NULL);
    if (rc == 0)
        rc = weir_sleep(WEIR_MS);
    items.produced = rc == 0;
    items.taken = rc == 0 && !weir_cancelled(); /* the mistake: the result is thrown away */
    items.dropped = 0;
    return weir_group_close(group, rc);
}

static bool adds_up_quietly(const weir_test_round *round, void *arg)
{
    (void)round, (void)arg;
    return items.produced == items.taken + items.dropped;
}

TEST(a_result_that_is_thrown_away_with_the_cancel_is_found) /* O4 */
{
    weir_test_options options = quietly(0);
    options.verify = adds_up_quietly;
    EXPECT(weir_test_cancel_everywhere_and_result_wins(loses_a_result, NULL, &options) < 0);
    EXPECT_CONTAINS("verify refused it", report.what);
    EXPECT_CONTAINS("late=", report.replay);
    options.kinds = WEIR_TEST_CANCEL; /* a cancel at a checkpoint does not show it */
    EXPECT_RC(0, weir_test_cancel_everywhere(loses_a_result, NULL, &options));
}

/* --- what is said ----------------------------------------------------------------------------- */

static int is_wrong_in_words(void *arg)
{
    WEIR_TEST_EXPECT(arg == NULL);
    weir_test_fail("number %d", 7);
    return 0;
}

TEST(an_expectation_that_does_not_hold_fails_the_round)
{
    weir_test_options options = quietly(0);
    EXPECT_RC(-EUCLEAN, weir_test_run(is_wrong_in_words, NULL, &options));
    EXPECT_STR("number 7", report.what);
    EXPECT_RC(-EUCLEAN, weir_test_run(is_wrong_in_words, &items, &options));
    EXPECT_CONTAINS("everywhere_test.c:", report.what);
    EXPECT_CONTAINS(": arg == NULL", report.what);
}

/* --- plain functions -------------------------------------------------------------------------- */

static void allocate_three(void *arg, uint64_t nth)
{
    void *blocks[3];
    for (int i = 0; i < 3; i++)
        blocks[i] = weir__base_alloc(1);
    *(uint64_t *)arg += nth;
    for (int i = 0; i < 3; i++)
        weir__base_free(blocks[i]);
}

static void forget_the_second(void *arg, uint64_t nth)
{
    void **kept = arg;
    void *first = weir__base_alloc(1);
    void *second = weir__base_alloc(1);
    if (second == NULL) {
        *kept = first;
        return; /* the mistake */
    }
    weir__base_free(first);
    weir__base_free(second);
    (void)nth;
}

TEST(each_fault_of_a_plain_function_is_met_once)
{
    uint64_t sum = 0, count = 0;
    EXPECT_RC(
        0, weir_test_fault_each(WEIR_TEST_NO_MEMORY, -ENOMEM, false, allocate_three, &sum, &count));
    EXPECT_EQ(3, count);
    EXPECT_EQ(0 + 1 + 2 + 3 + 4, sum);
    EXPECT_RC(-EINVAL,
              weir_test_fault_each(WEIR_TEST_CANCEL, -ENOMEM, false, allocate_three, &sum, NULL));
    void *kept = NULL;
    EXPECT_RC(-EUCLEAN, weir_test_fault_each(WEIR_TEST_NO_MEMORY, -ENOMEM, false, forget_the_second,
                                             &kept, &count));
    EXPECT_EQ(2, count);
    weir__base_free(kept);
}
