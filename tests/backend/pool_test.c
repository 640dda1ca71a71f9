/*
 * pool_test.c - buffers go out and come back, and chains keep the order of bytes
 */
#include "backend/pool.h"

#include <string.h>

#include "base/clock.h"
#include "tests/support/test.h"

static int resumed;

static void note_resume(struct weir__backend *backend, struct weir__rx *rx)
{
    (void)backend;
    rx->paused = false;
    resumed++;
}

static const struct weir__backend_table table = {.rx_resume = note_resume};

struct fixture {
    struct weir__backend backend;
    struct weir__rx rx;
};

static void open_fixture(struct fixture *fixture)
{
    *fixture = (struct fixture){.backend.table = &table};
    EXPECT_RC(0, weir__rx_pool_open(&fixture->backend.pool));
    fixture->rx.armed = true;
    fixture->rx.head_buffer = fixture->rx.tail_buffer = -1;
    resumed = 0;
}

static void receive(struct fixture *fixture, const void *data, size_t size)
{
    int32_t buffer = weir__rx_pool_take(fixture->backend.pool);
    REQUIRE(buffer >= 0);
    memcpy(weir__rx_pool_memory(fixture->backend.pool, buffer), data, size);
    weir__rx_attach(fixture->backend.pool, &fixture->rx, buffer, size);
}

TEST(no_buffer_is_out_twice)
{
    struct weir__rx_pool *pool;
    REQUIRE_RC(0, weir__rx_pool_open(&pool));
    static bool out[WEIR__RX_POOL_BUFFERS];
    for (int i = 0; i < WEIR__RX_POOL_BUFFERS; i++) {
        int32_t buffer = weir__rx_pool_take(pool);
        REQUIRE(buffer >= 0 && buffer < WEIR__RX_POOL_BUFFERS);
        EXPECT(!out[buffer]);
        out[buffer] = true;
    }
    EXPECT_EQ(-1, weir__rx_pool_take(pool));
    EXPECT_EQ(0, weir__rx_pool_available(pool));
    weir__rx_pool_give(pool, 7);
    EXPECT_EQ(1, weir__rx_pool_available(pool));
    EXPECT_EQ(7, weir__rx_pool_take(pool));
    weir__rx_pool_close(pool);
    weir__rx_pool_close(NULL);
}

TEST(the_last_buffer_given_back_goes_out_first)
{
    struct weir__rx_pool *pool;
    REQUIRE_RC(0, weir__rx_pool_open(&pool));
    int32_t first = weir__rx_pool_take(pool);
    int32_t second = weir__rx_pool_take(pool);
    weir__rx_pool_give(pool, first);
    EXPECT_EQ(first, weir__rx_pool_take(pool)); // warm, and nothing new was touched
    weir__rx_pool_give(pool, first);
    weir__rx_pool_give(pool, second);
    EXPECT_EQ(second, weir__rx_pool_take(pool));
    EXPECT_EQ(2, pool->fresh);
    weir__rx_pool_close(pool);
}

TEST(a_limit_below_what_is_out_lets_nothing_out)
{
    struct weir__rx_pool *pool;
    REQUIRE_RC(0, weir__rx_pool_open(&pool));
    int32_t buffers[3];
    for (int i = 0; i < 3; i++)
        buffers[i] = weir__rx_pool_take(pool);
    weir__rx_pool_limit(pool, 2);
    EXPECT_EQ(0, weir__rx_pool_available(pool));
    EXPECT_EQ(-1, weir__rx_pool_take(pool));
    weir__rx_pool_give(pool, buffers[0]);
    EXPECT_EQ(-1, weir__rx_pool_take(pool));
    weir__rx_pool_give(pool, buffers[1]);
    EXPECT(weir__rx_pool_take(pool) >= 0);
    weir__rx_pool_close(pool);
}

TEST(small_pieces_share_a_buffer)
{
    struct fixture fixture;
    open_fixture(&fixture);
    for (int i = 0; i < 4096; i++)
        receive(&fixture, "x", 1);
    EXPECT_EQ(1, fixture.backend.pool->out);
    receive(&fixture, "y", 1);
    EXPECT_EQ(2, fixture.backend.pool->out);
    EXPECT_EQ(4097, fixture.rx.unread_bytes);
    weir__rx_discard(fixture.backend.pool, &fixture.rx);
    EXPECT_EQ(0, fixture.backend.pool->out);
    weir__rx_pool_close(fixture.backend.pool);
}

/*
 * Against a plain byte counter: whatever the sizes, bytes come out in order and the sum is right.
 */
TEST(bytes_come_out_as_they_went_in)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.rx.unread_max = 50000;
    uint64_t random = 11;
    uint8_t written = 0, read = 0; // the next value of each side: bytes count up and wrap
    for (int i = 0; i < 20000; i++) {
        size_t size = 1 + weir__base_random_next(&random) % (i % 3 == 0 ? 4096 : 100);
        if (fixture.rx.unread_bytes + size < 50000) {
            uint8_t piece[4096];
            for (size_t k = 0; k < size; k++)
                piece[k] = written++;
            receive(&fixture, piece, size);
        }
        size_t want = weir__base_random_next(&random) % 6000;
        while (want > 0) {
            size_t there;
            const char *data = weir__rx_peek(&fixture.backend, &fixture.rx, &there);
            if (data == NULL)
                break;
            REQUIRE(there > 0);
            size_t taken = there < want ? there : want;
            for (size_t k = 0; k < taken; k++)
                REQUIRE((uint8_t)data[k] == read++);
            weir__rx_consume(&fixture.backend, &fixture.rx, taken);
            want -= taken;
        }
    }
    weir__rx_discard(fixture.backend.pool, &fixture.rx);
    EXPECT_EQ(0, fixture.backend.pool->out);
    EXPECT_EQ(0, fixture.rx.unread_bytes);
    weir__rx_pool_close(fixture.backend.pool);
}

TEST(one_consume_may_span_buffers)
{
    struct fixture fixture;
    open_fixture(&fixture);
    static char block[4096];
    for (int i = 0; i < 3; i++)
        receive(&fixture, block, sizeof block);
    weir__rx_consume(&fixture.backend, &fixture.rx, 2 * 4096 + 1);
    size_t size;
    EXPECT(weir__rx_peek(&fixture.backend, &fixture.rx, &size) != NULL);
    EXPECT_EQ(4095, size);
    EXPECT_EQ(1, fixture.backend.pool->out);
    weir__rx_consume(&fixture.backend, &fixture.rx, 4095);
    EXPECT_EQ(0, fixture.backend.pool->out);
    weir__rx_pool_close(fixture.backend.pool);
}

TEST(a_paused_side_resumes_below_half_and_only_then)
{
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.rx.unread_max = 1000;
    static char block[2000];
    receive(&fixture, block, sizeof block);
    fixture.rx.paused = true;
    weir__rx_consume(&fixture.backend, &fixture.rx, 1500);
    EXPECT_EQ(0, resumed);
    weir__rx_consume(&fixture.backend, &fixture.rx, 1);
    EXPECT_EQ(1, resumed);
    weir__rx_consume(&fixture.backend, &fixture.rx, 499);
    EXPECT_EQ(1, resumed);

    fixture.rx.unread_max = 1; // the smallest there is
    receive(&fixture, "x", 1);
    fixture.rx.paused = true;
    weir__rx_consume(&fixture.backend, &fixture.rx, 1);
    EXPECT_EQ(2, resumed);
    weir__rx_pool_close(fixture.backend.pool);
}
