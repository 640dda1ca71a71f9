/*
 * alloc_test.c - the heap door counts what goes through it and can say no
 */
#include "base/alloc.h"

#include <string.h>

#include "base/fault.h"
#include "tests/support/test.h"

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

TEST(every_block_is_counted_until_it_is_freed)
{
    uint64_t before = live();
    void *blocks[] = {
        weir__base_alloc(10),   weir__base_alloc_zero(10),    weir__base_alloc_array(3, 7),
        weir__base_strdup("a"), weir__base_strndup("abc", 2), weir__base_asprintf("%d", 1),
    };
    size_t count = sizeof blocks / sizeof blocks[0];
    EXPECT_EQ(before + count, live());
    for (size_t i = 0; i < count; i++) {
        EXPECT(blocks[i] != NULL);
        weir__base_free(blocks[i]);
    }
    EXPECT_EQ(before, live());
    weir__base_free(NULL);
    EXPECT_EQ(before, live());
}

TEST(zero_bytes_are_a_block_and_not_a_failure)
{
    void *a = weir__base_alloc(0);
    void *b = weir__base_alloc_zero(0);
    void *c = weir__base_alloc_array(0, 8);
    EXPECT(a != NULL && b != NULL && c != NULL);
    EXPECT(a != b);
    c = weir__base_realloc(c, 0);
    EXPECT(c != NULL);
    weir__base_free(a);
    weir__base_free(b);
    weir__base_free(c);
    EXPECT_EQ(0, live());
}

TEST(growing_a_block_is_a_trip_to_the_heap_but_no_second_block)
{
    uint64_t before = live();
    char *block = weir__base_realloc(NULL, 8);
    REQUIRE(block != NULL);
    memcpy(block, "weir", 5);
    EXPECT_EQ(before + 1, live());
    uint64_t trips = handed_out();
    block = weir__base_realloc(block, 100000);
    REQUIRE(block != NULL);
    EXPECT_EQ(trips + 1, handed_out());
    EXPECT_EQ(before + 1, live());
    EXPECT_STR("weir", block);
    weir__base_free(block);
    EXPECT_EQ(before, live());
}

TEST(an_array_whose_size_does_not_fit_is_refused)
{
    EXPECT(weir__base_alloc_array(SIZE_MAX / 2 + 1, 2) == NULL);
    EXPECT(weir__base_alloc_array(2, SIZE_MAX / 2 + 1) == NULL);
    EXPECT(weir__base_alloc_array(SIZE_MAX, SIZE_MAX) == NULL);
    EXPECT_EQ(0, live());
}

TEST(a_size_beyond_all_objects_is_refused)
{
    size_t size = (size_t)PTRDIFF_MAX + 1;
    EXPECT(weir__base_alloc(size) == NULL);
    EXPECT(weir__base_alloc_zero(SIZE_MAX) == NULL);
    EXPECT(weir__base_realloc(NULL, size) == NULL);
    EXPECT_EQ(0, live());
}

TEST(zeroed_memory_is_zero)
{
    unsigned char *bytes = weir__base_alloc_zero(4096);
    REQUIRE(bytes != NULL);
    unsigned any = 0;
    for (size_t i = 0; i < 4096; i++)
        any |= bytes[i];
    EXPECT_EQ(0, any);
    weir__base_free(bytes);
}

TEST(a_copied_text_is_closed_and_keeps_its_nul_bytes)
{
    char *text = weir__base_strndup("ab\0cd", 5);
    REQUIRE(text != NULL);
    EXPECT_BYTES("ab\0cd\0", text, 6);
    weir__base_free(text);

    text = weir__base_strndup("abcdef", 3);
    EXPECT_STR("abc", text);
    weir__base_free(text);
    text = weir__base_strndup(NULL, 0);
    EXPECT_STR("", text);
    weir__base_free(text);
    text = weir__base_strdup("");
    EXPECT_STR("", text);
    weir__base_free(text);
    EXPECT(weir__base_strndup("", SIZE_MAX) == NULL);
}

TEST(formatted_text_is_as_long_as_it_needs_to_be)
{
    char *text = weir__base_asprintf("%s-%0500d", "weir", 7);
    REQUIRE(text != NULL);
    EXPECT_EQ(505, strlen(text));
    EXPECT(strncmp(text, "weir-000", 8) == 0);
    weir__base_free(text);
}

TEST(every_way_in_asks_the_fault_point)
{
    char *kept = weir__base_alloc(4);
    REQUIRE(kept != NULL);
    memcpy(kept, "abc", 4);
    uint64_t before = live();

    weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, true);
    EXPECT(weir__base_alloc(1) == NULL);
    EXPECT(weir__base_alloc_zero(1) == NULL);
    EXPECT(weir__base_alloc_array(1, 1) == NULL);
    EXPECT(weir__base_realloc(kept, 1000) == NULL);
    EXPECT(weir__base_strdup("a") == NULL);
    EXPECT(weir__base_strndup("a", 1) == NULL);
    EXPECT(weir__base_asprintf("a") == NULL);
    EXPECT_EQ(7, weir__base_fault_disarm());

    EXPECT_EQ(before, live());
    EXPECT_STR("abc", kept); // a failed realloc leaves the block as it was
    weir__base_free(kept);
}

TEST(bytes_are_freed_once_however_often_one_asks)
{
    weir_bytes bytes = {weir__base_alloc(10), 10};
    REQUIRE(bytes.data != NULL);
    weir_bytes_free(&bytes);
    EXPECT(bytes.data == NULL);
    EXPECT_EQ(0, bytes.size);
    weir_bytes_free(&bytes);
    weir_bytes_free(NULL);
    EXPECT_EQ(0, live());
}
