/*
 * arena_test.c - pieces do not overlap, a reset gives back everything, a used arena stays off the
 * heap
 */
#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>
#endif

static uint64_t live(void)
{
    struct weir__alloc_stats stats;
    weir__base_alloc_stats(&stats);
    return stats.allocated_count - stats.freed_count;
}

static uint64_t handed_out(void)
{
    struct weir__alloc_stats stats;
    weir__base_alloc_stats(&stats);
    return stats.allocated_count;
}

TEST(an_unused_arena_holds_nothing)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 0);
    weir__arena_reset(&arena);
    EXPECT_EQ(0, live());
    weir__arena_deinit(&arena);
    weir__arena_deinit(&arena);
    weir__arena_deinit(NULL);
}

TEST(pieces_are_aligned_and_keep_what_was_written_to_them)
{
    enum { PIECES = 3000 };
    static struct {
        unsigned char *data;
        size_t size;
    } pieces[PIECES];
    struct weir__arena_pool pool = {0};
    struct weir__arena arena;
    weir__arena_init(&arena, &pool, 0);
    uint64_t seed = 11;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PIECES; i++) {
            uint64_t random = weir__base_random_next(&seed);
            size_t size = (random >> 8) % (random % 50 == 0 ? 20000 : random % 5 == 0 ? 4200 : 100);
            pieces[i].size = size;
            pieces[i].data = weir__arena_alloc(&arena, size);
            REQUIRE(pieces[i].data != NULL);
            EXPECT_EQ(0, (uintptr_t)pieces[i].data % 16);
            if (size > 0)
                memset(pieces[i].data, i & 0xff, size);
        }
        for (int i = 0; i < PIECES; i++)
            for (size_t k = 0; k < pieces[i].size; k++)
                if (pieces[i].data[k] != (i & 0xff)) {
                    EXPECT_EQ(-1, i);
                    break;
                }
        weir__arena_reset(&arena);
    }
    weir__arena_deinit(&arena);
    weir__arena_pool_deinit(&pool);
    EXPECT_EQ(0, live());
}

TEST(zero_bytes_give_different_valid_pointers)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 0);
    void *a = weir__arena_alloc(&arena, 0);
    void *b = weir__arena_alloc(&arena, 0);
    EXPECT(a != NULL && b != NULL && a != b);
    EXPECT(weir__arena_alloc_array(&arena, 0, 8) != NULL);
    weir__arena_deinit(&arena);
}

TEST(a_keep_alive_request_allocates_nothing)
{
    struct weir__arena_pool pool = {0};
    struct weir__arena arena;
    weir__arena_init(&arena, &pool, 0);
    uint64_t after_first = 0;
    for (int request = 0; request < 100; request++) {
        for (int i = 0; i < 100; i++)
            EXPECT(weir__arena_alloc(&arena, 200) != NULL); // some five blocks
        weir__arena_reset(&arena);
        if (request == 0)
            after_first = handed_out();
    }
    EXPECT_EQ(after_first, handed_out());
    weir__arena_deinit(&arena);
    weir__arena_pool_deinit(&pool);
    EXPECT_EQ(0, live());
}

TEST(without_a_pool_one_block_is_kept_over_a_reset)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 0);
    for (int i = 0; i < 100; i++)
        EXPECT(weir__arena_alloc(&arena, 200) != NULL);
    EXPECT(live() > 1);
    weir__arena_reset(&arena);
    EXPECT_EQ(1, live());
    uint64_t before = handed_out();
    EXPECT(weir__arena_alloc(&arena, 200) != NULL);
    EXPECT_EQ(before, handed_out());
    weir__arena_deinit(&arena);
    EXPECT_EQ(0, live());
}

TEST(a_block_of_its_own_is_freed_at_the_reset_and_never_pooled)
{
    struct weir__arena_pool pool = {0};
    struct weir__arena arena;
    weir__arena_init(&arena, &pool, 0);
    char *large = weir__arena_alloc(&arena, 100000); // the very first request
    REQUIRE(large != NULL);
    memset(large, 1, 100000);
    char *small = weir__arena_alloc(&arena, 10);
    REQUIRE(small != NULL);
    char *larger = weir__arena_alloc(&arena, 200000);
    REQUIRE(larger != NULL);
    char *next = weir__arena_alloc(&arena, 10);
    EXPECT(next > small && next - small < 64); // goes on where it was
    EXPECT_EQ(3, live());
    weir__arena_reset(&arena);
    EXPECT_EQ(1, live());
    EXPECT_EQ(0, pool.free_count);
    weir__arena_deinit(&arena);
    EXPECT_EQ(1, pool.free_count);
    weir__arena_pool_deinit(&pool);
    EXPECT_EQ(0, live());
}

TEST(a_piece_that_does_not_fit_leaves_room_for_small_ones_in_use)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 0);
    char *first = weir__arena_alloc(&arena, 100);
    char *wide = weir__arena_alloc(&arena, 4000); // a second block, nearly full
    char *second = weir__arena_alloc(&arena, 100);
    EXPECT(first != NULL && wide != NULL);
    EXPECT(second > first && second - first < 200);
    EXPECT_EQ(2, live());
    weir__arena_deinit(&arena);
}

TEST(the_pool_keeps_as_many_blocks_as_it_is_told)
{
    struct weir__arena_pool pool = {.free_max = 3};
    struct weir__arena arena;
    weir__arena_init(&arena, &pool, 0);
    for (int i = 0; i < 10; i++)
        EXPECT(weir__arena_alloc(&arena, 3000) != NULL);
    EXPECT_EQ(10, live());
    weir__arena_deinit(&arena);
    EXPECT_EQ(3, live());
    EXPECT_EQ(3, pool.free_count);

    struct weir__arena other;
    weir__arena_init(&other, &pool, 0);
    uint64_t before = handed_out();
    for (int i = 0; i < 3; i++)
        EXPECT(weir__arena_alloc(&other, 3000) != NULL);
    EXPECT_EQ(before, handed_out());
    EXPECT_EQ(0, pool.free_count);
    weir__arena_deinit(&other);
    weir__arena_pool_deinit(&pool);
    EXPECT_EQ(0, live());
}

TEST(the_limit_counts_what_was_handed_out)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 1024);
    EXPECT(weir__arena_alloc(&arena, 1000) != NULL); // 1008
    EXPECT(weir__arena_alloc(&arena, 17) == NULL);
    EXPECT(weir__arena_alloc(&arena, 16) != NULL);
    EXPECT(weir__arena_alloc(&arena, 0) == NULL);
    EXPECT(weir__arena_printf(&arena, "%d", 1) == NULL);
    EXPECT(weir__arena_strndup(&arena, "a", 1) == NULL);
    weir__arena_reset(&arena);
    EXPECT_EQ(0, arena.used_bytes);
    EXPECT(weir__arena_alloc(&arena, 1025) == NULL);
    EXPECT(weir__arena_alloc(&arena, 1024) != NULL);
    weir__arena_deinit(&arena);
    EXPECT_EQ(0, live());
}

TEST(sizes_that_overflow_are_refused)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 0);
    for (size_t below = 0; below < 100; below++)
        EXPECT(weir__arena_alloc(&arena, SIZE_MAX - below) == NULL);
    EXPECT(weir__arena_alloc_array(&arena, SIZE_MAX / 4, 5) == NULL);
    EXPECT(weir__arena_strndup(&arena, "", SIZE_MAX) == NULL);
    EXPECT(weir__arena_alloc(&arena, 1) != NULL);
    weir__arena_deinit(&arena);
}

TEST(zeroed_pieces_are_zero_also_in_used_memory)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 0);
    memset(weir__arena_alloc(&arena, 3000), 0xff, 3000);
    weir__arena_reset(&arena);
    unsigned char *bytes = weir__arena_alloc_zero(&arena, 1000);
    unsigned char *array = weir__arena_alloc_array(&arena, 100, 10);
    REQUIRE(bytes != NULL && array != NULL);
    for (int i = 0; i < 1000; i++)
        EXPECT(bytes[i] == 0 && array[i] == 0);
    weir__arena_deinit(&arena);
}

TEST(texts_are_copied_whole_and_closed)
{
    struct weir__arena arena;
    weir__arena_init(&arena, NULL, 0);
    EXPECT_STR("abc", weir__arena_strndup(&arena, "abcdef", 3));
    EXPECT_STR("", weir__arena_strndup(&arena, NULL, 0));
    EXPECT_BYTES("a\0b\0", weir__arena_strndup(&arena, "a\0b", 3), 4);
    EXPECT_STR("x=5 y=long", weir__arena_printf(&arena, "x=%d y=%s", 5, "long"));
    char *wide = weir__arena_printf(&arena, "%09000d", 0);
    EXPECT_EQ(9000, strlen(wide));
    weir__arena_deinit(&arena);
}

static void use_an_arena(void *arg)
{
    (void)arg;
    struct weir__arena_pool pool = {0};
    struct weir__arena arena;
    weir__arena_init(&arena, &pool, 0);
    for (int i = 0; i < 10; i++) {
        char *piece = weir__arena_alloc(&arena, i % 3 == 0 ? 10000 : 2500);
        EXPECT(piece != NULL || fault_loop_nth != 0);
        if (piece != NULL)
            memset(piece, i, i % 3 == 0 ? 10000 : 2500);
        if (i == 6)
            weir__arena_reset(&arena);
    }
    weir__arena_deinit(&arena);
    weir__arena_pool_deinit(&pool);
}

TEST(running_out_of_memory_anywhere_leaves_a_whole_arena)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, use_an_arena, NULL) > 5);
    EXPECT(fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, use_an_arena, NULL) > 5);
}

TEST(under_asan_no_byte_that_was_not_asked_for_may_be_touched)
{
#ifdef UNDER_ASAN
    struct weir__arena_pool pool = {0};
    struct weir__arena arena;
    weir__arena_init(&arena, &pool, 0);
    for (size_t size = 1; size < 70; size++) {
        char *piece = weir__arena_alloc(&arena, size);
        REQUIRE(piece != NULL);
        EXPECT(__asan_region_is_poisoned(piece, size) == NULL);
        EXPECT(__asan_address_is_poisoned(piece + size));
        EXPECT(__asan_address_is_poisoned(piece - 1) || ((uintptr_t)piece & 4095) < 64 ||
               size == 1);
    }
    char *old = weir__arena_alloc(&arena, 8);
    char *large = weir__arena_alloc(&arena, 5000);
    EXPECT(!__asan_address_is_poisoned(large + 4999));
    EXPECT(__asan_address_is_poisoned(large + 5000));
    weir__arena_reset(&arena);
    EXPECT(__asan_address_is_poisoned(old)); // use after reset
    weir__arena_deinit(&arena);
    EXPECT(__asan_address_is_poisoned(old)); // in the pool
    weir__arena_pool_deinit(&pool);
#else
    test_skip("needs AddressSanitizer");
#endif
}
