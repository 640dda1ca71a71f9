/*
 * progress_test.c - what a job says about itself while it runs, and how long jobs have waited
 */
#include <string.h>

#include "base/alloc.h"
#include "tests/exec/jobs.h"

struct heard {
    uint64_t done, total;
    int count;
    bool in_order;
    weir_task_id task; /* that it was told in: none */
    int sleep_rc;
};

static void hear(uint64_t done, uint64_t total, void *arg)
{
    struct heard *heard = arg;
    heard->in_order &= done >= heard->done; // the same twice: it was said while we listened
    heard->done = done;
    heard->total = total;
    heard->task = weir_task_self();
    heard->sleep_rc = weir_sleep(1);
    heard->count++;
}

enum { WORDS = 100000 };

static int say_much(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= WORDS; i++)
        weir_job_progress(i, WORDS);
    return 3;
}

IO_TEST(the_last_word_of_a_job_arrives_before_its_result_and_few_are_sent)
{
    struct heard heard = {.in_order = true};
    weir_offload_options options = {.progress = hear, .progress_arg = &heard};
    EXPECT_RC(3, weir_offload_with(NULL, &options, say_much, NULL));
    EXPECT_EQ(WORDS, heard.done);
    EXPECT_EQ(WORDS, heard.total);
    EXPECT(heard.in_order && heard.count >= 1 && heard.count <= WORDS);
    EXPECT_EQ(0, (intmax_t)heard.task);
    EXPECT_RC(-EPERM, heard.sleep_rc); // told between tasks: it cannot wait
}

TASK_TEST(progress_that_nobody_listens_to_is_nothing)
{
    EXPECT_RC(3, weir_offload(NULL, say_much, NULL));
    weir_job_progress(1, 2); // outside a job as well
}

struct talker {
    struct gate *gate, *second;
    struct heard heard;
    weir_pool *pool;
    bool released;
    int rc;
};

static int say_and_wait(void *arg)
{
    struct talker *talker = arg;
    weir_job_progress(1, 0);
    gate_wait(talker->gate);
    weir_job_progress(2, 0);
    gate_wait(talker->second);
    return 0;
}

static void release_talker(void *arg)
{
    ((struct talker *)arg)->released = true;
}

static int offload_talker(void *arg)
{
    struct talker *talker = arg;
    weir_offload_options options = {
        .abandon = release_talker, .progress = hear, .progress_arg = &talker->heard};
    talker->rc = weir_offload_with(talker->pool, &options, say_and_wait, talker);
    return talker->rc;
}

IO_TEST(a_job_that_was_abandoned_talks_to_nobody) /* X5 */
{
    struct gate gate, second;
    gate_init(&gate);
    gate_init(&second);
    struct talker talker = {
        .gate = &gate, .second = &second, .heard.in_order = true, .pool = open_pool(1)};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, offload_talker, &talker);
    while (talker.heard.count == 0)
        EXPECT_RC(0, weir_yield());
    EXPECT_EQ(1, talker.heard.done);
    weir_group_cancel(group, "enough");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, talker.rc);
    gate_open(&gate);
    gate_open(&second);
    weir_pool_close(talker.pool);
    EXPECT(talker.released);
    EXPECT_EQ(1, talker.heard.count);
    gate_deinit(&second);
    gate_deinit(&gate);
}

static int talk_until_cancelled(void *arg)
{
    struct talker *talker = arg;
    uint64_t i = 0;
    while (!weir_job_cancelled())
        weir_job_progress(++i, 0);
    weir_job_progress(++i, 0);
    weir_ignore(talker, "only its release");
    return 0;
}

static int offload_chatter(void *arg)
{
    struct talker *talker = arg;
    weir_offload_options options = {
        .abandon = release_talker, .progress = hear, .progress_arg = &talker->heard};
    return weir_offload_with(talker->pool, &options, talk_until_cancelled, talker);
}

/* A word may be under way when the job is abandoned and over: whoever is last releases it. */
IO_TEST(a_job_is_abandoned_in_the_middle_of_a_word) /* X5 */
{
    weir_pool *pool = open_pool(2);
    for (int i = test_rounds(200); i > 0; i--) {
        struct talker talker = {.heard.in_order = true, .pool = pool};
        weir_group *group = open_group(WEIR_FAIL_FAST);
        spawn(group, offload_chatter, &talker);
        while (talker.heard.count < i % 3)
            EXPECT_RC(0, weir_yield());
        weir_group_cancel(group, "enough");
        EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
        while (stats_of(pool).running > 0)
            EXPECT_RC(0, weir_yield());
        EXPECT(talker.heard.in_order);
    }
    weir_pool_close(pool);
}

/* --- how long jobs wait ----------------------------------------------------------------------- */

static uint64_t waits_from(const weir_pool_stats *stats, int bucket)
{
    uint64_t sum = 0;
    for (int i = bucket; i < WEIR_POOL_WAIT_BUCKETS; i++)
        sum += stats->waits[i];
    return sum;
}

IO_TEST(a_pool_knows_how_long_its_jobs_have_waited)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *lane = open_pool(1);
    struct held first = {.pool = lane, .gate = &gate}, second = first;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, offload_held, &first);
    until_running(lane, 1);
    spawn(group, offload_held, &second);
    until_queued(lane, 1);
    EXPECT_RC(0, weir_sleep(20 * WEIR_MS));
    weir_pool_stats stats = stats_of(lane);
    EXPECT(stats.oldest_wait_ns >= 10 * WEIR_MS);
    EXPECT_EQ(1, waits_from(&stats, 0));
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    stats = stats_of(lane);
    EXPECT_EQ(0, stats.oldest_wait_ns);
    EXPECT_EQ(2, waits_from(&stats, 0));
    EXPECT(waits_from(&stats, 4) >= 1); // 10 ms and more
    EXPECT(stats.wait_max_ns >= 10 * WEIR_MS && stats.wait_total_ns >= stats.wait_max_ns);
    weir_pool_close(lane);
    gate_deinit(&gate);
}
