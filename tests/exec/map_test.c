/*
 * map_test.c - one function over many items on the threads of a pool
 */
#include <string.h>

#include "base/sys.h"
#include "tests/exec/jobs.h"
#include "tests/support/everywhere.h"

struct square {
    int64_t value, result;
    int tid;
};

static int compute_square(void *arg)
{
    struct square *square = arg;
    square->result = square->value * square->value;
    square->tid = weir__sys_gettid();
    return 0;
}

TASK_TEST(every_item_is_computed_once_and_results_stand_in_order)
{
    enum { COUNT = 5000 };
    static struct square squares[COUNT];
    weir_pool *pool = open_pool(3);
    static const size_t chunks[] = {0, 1, 7, COUNT, COUNT * 2};
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        for (int i = 0; i < COUNT; i++)
            squares[i] = (struct square){.value = i, .result = -1};
        weir_pool_map_options options = {.chunk = chunks[c], .running_max = 3};
        EXPECT_RC(0, weir_pool_map(pool, &options, compute_square, squares, sizeof squares[0],
                                   COUNT, NULL));
        for (int64_t i = 0; i < COUNT; i++)
            EXPECT(squares[i].result == i * i && squares[i].tid != weir__sys_gettid());
    }
    EXPECT_RC(0, weir_pool_map(pool, NULL, compute_square, squares, sizeof squares[0], 0, NULL));
    EXPECT_RC(0, weir_pool_map(NULL, NULL, compute_square, squares, sizeof squares[0], 1, NULL));
    weir_pool_close(pool);
}

TASK_TEST(a_map_has_no_more_jobs_than_it_may)
{
    struct square squares[40] = {{0}};
    weir_pool *pool = open_pool(8);
    weir_pool_map_options options = {.running_max = 2, .chunk = 1};
    EXPECT_RC(0,
              weir_pool_map(pool, &options, compute_square, squares, sizeof squares[0], 40, NULL));
    EXPECT_EQ(2, stats_of(pool).finished);
    weir_pool_close(pool);
}

struct odd {
    int number;
    bool done;
};

static int refuse_odd(void *arg)
{
    struct odd *odd = arg;
    odd->done = true;
    return odd->number % 2 == 1 ? weir_fail(-ERANGE, "%d is odd", odd->number) : odd->number;
}

TASK_TEST(the_first_failure_is_the_last_item_that_is_begun)
{
    enum { COUNT = 1000 };
    static struct odd items[COUNT];
    int codes[COUNT];
    for (int i = 0; i < COUNT; i++)
        items[i] = (struct odd){.number = i * 2 + (i == 5)};
    weir_pool *pool = open_pool(1); // a lane: one after the other
    EXPECT_RC(-ERANGE, weir_pool_map(pool, NULL, refuse_odd, items, sizeof items[0], COUNT, codes));
    EXPECT_STR("11 is odd", weir_failure_message(-ERANGE));
    for (int i = 0; i < COUNT; i++) {
        EXPECT(items[i].done == (i <= 5));
        EXPECT_RC(i < 5 ? i * 2 : i == 5 ? -ERANGE : -ECANCELED, codes[i]); // O6
    }
    weir_pool_close(pool);
}

TASK_TEST(with_all_wanted_failures_are_counted_and_stay_with_their_items) /* P2 */
{
    enum { COUNT = 300 };
    static struct odd items[COUNT];
    int codes[COUNT];
    for (int i = 0; i < COUNT; i++)
        items[i].number = i;
    weir_pool_map_options options = {.policy = WEIR_COLLECT_ALL, .running_max = 3};
    EXPECT_RC(COUNT / 2,
              weir_pool_map(NULL, &options, refuse_odd, items, sizeof items[0], COUNT, codes));
    for (int i = 0; i < COUNT; i++)
        EXPECT_RC(i % 2 == 1 ? -ERANGE : i, codes[i]);
    EXPECT_RC(-EINVAL,
              weir_pool_map(NULL, &options, refuse_odd, items, sizeof items[0], COUNT, NULL));
    options.policy = WEIR_FIRST_SUCCESS;
    EXPECT_RC(-EINVAL,
              weir_pool_map(NULL, &options, refuse_odd, items, sizeof items[0], COUNT, codes));
}

/* --- cancellation ----------------------------------------------------------------------------- */

struct item_at_gate {
    struct gate *gate;
    bool ran, saw_cancelled;
};

static int wait_at_gate(void *arg)
{
    struct item_at_gate *item = arg;
    __atomic_store_n(&item->ran, true, __ATOMIC_RELEASE);
    gate_wait(item->gate);
    item->saw_cancelled = weir_job_cancelled();
    return 0;
}

struct mapping {
    weir_pool *pool;
    struct item_at_gate items[20];
    int codes[20];
    int rc;
};

static int map_items(void *arg)
{
    struct mapping *mapping = arg;
    weir_pool_map_options options = {.running_max = 2, .chunk = 4};
    mapping->rc = weir_pool_map(mapping->pool, &options, wait_at_gate, mapping->items,
                                sizeof mapping->items[0], 20, mapping->codes);
    return mapping->rc;
}

TASK_TEST(a_cancelled_map_waits_for_what_runs_and_begins_nothing_more) /* X5 */
{
    struct gate gate;
    gate_init(&gate);
    struct mapping mapping = {.pool = open_pool(2)};
    for (int i = 0; i < 20; i++)
        mapping.items[i].gate = &gate;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, map_items, &mapping);
    until_running(mapping.pool, 2);
    while (!__atomic_load_n(&mapping.items[0].ran, __ATOMIC_ACQUIRE) ||
           !__atomic_load_n(&mapping.items[4].ran, __ATOMIC_ACQUIRE))
        EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, "enough");
    gate_open(&gate);
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, mapping.rc);
    for (int i = 0; i < 20; i++) {
        bool begun = i == 0 || i == 4;
        EXPECT_EQ(begun, mapping.items[i].ran);
        EXPECT_EQ(begun, mapping.items[i].saw_cancelled);
        EXPECT_RC(begun ? 0 : -ECANCELED, mapping.codes[i]);
    }
    weir_pool_close(mapping.pool);
    gate_deinit(&gate);
}

static int map_squares(void *arg)
{
    (void)arg;
    struct square squares[50];
    int codes[50];
    for (int i = 0; i < 50; i++)
        squares[i] = (struct square){.value = i, .result = -1};
    weir_pool_map_options options = {.running_max = 2};
    int rc = weir_pool_map(NULL, &options, compute_square, squares, sizeof squares[0], 50, codes);
    for (int i = 0; i < 50; i++)
        WEIR_TEST_EXPECT(codes[i] == 0
                             ? squares[i].result == (int64_t)i * i
                             : codes[i] == -ECANCELED && squares[i].result == -1 && rc < 0);
    return rc;
}

TEST(a_map_everywhere) /* O6, X5 */
{
    everywhere_on("sim", "map", (struct everywhere){.body = map_squares, .rounds_min = 5});
}
