/*
 * arena_public_test.c - the arena as users see it
 */
#include <weir/arena.h>

#include <string.h>

#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

TEST(what_comes_from_an_arena_lives_as_long_as_the_arena)
{
    weir_arena *arena = weir_arena_new(0);
    REQUIRE(arena != NULL);
    char *text = weir_arena_strdup(arena, "abc");
    char *printed = weir_arena_printf(arena, "%s-%d", text, 7);
    int *numbers = weir_arena_alloc_array(arena, 1000, sizeof *numbers);
    void *raw = weir_arena_alloc(arena, 100000);
    REQUIRE(text != NULL && printed != NULL && numbers != NULL && raw != NULL);
    memset(raw, 1, 100000);
    EXPECT_STR("abc", text);
    EXPECT_STR("abc-7", printed);
    EXPECT_EQ(0, numbers[999]);
    EXPECT_EQ(0, (uintptr_t)raw % 16);
    EXPECT(weir_arena_strdup(arena, NULL) == NULL);
    EXPECT(weir_arena_alloc(arena, 0) != NULL);
    EXPECT(weir_arena_alloc_array(arena, SIZE_MAX / 2, 4) == NULL);
    weir_arena_free(arena);
    weir_arena_free(NULL);
}

TEST(an_arena_has_the_limit_it_was_given)
{
    weir_arena *arena = weir_arena_new(64);
    EXPECT(weir_arena_alloc(arena, 64) != NULL);
    EXPECT(weir_arena_alloc(arena, 1) == NULL);
    weir_arena_reset(arena);
    EXPECT(weir_arena_alloc(arena, 65) == NULL);
    EXPECT(weir_arena_alloc(arena, 64) != NULL);
    weir_arena_free(arena);
}

TEST(zero_is_a_safe_limit_and_no_limit_is_said_aloud)
{
    weir_arena *arena = weir_arena_new(0);
    EXPECT(weir_arena_alloc(arena, (size_t)64 << 20) != NULL);
    EXPECT(weir_arena_alloc(arena, 1) == NULL);
    weir_arena_free(arena);
    arena = weir_arena_new(WEIR_UNLIMITED);
    EXPECT(weir_arena_alloc(arena, (size_t)65 << 20) != NULL);
    weir_arena_free(arena);
}

static void make_and_free(void *arg)
{
    (void)arg;
    weir_arena *arena = weir_arena_new(0);
    if (arena == NULL)
        return;
    char *text = weir_arena_printf(arena, "%5000d", 1);
    EXPECT(text == NULL || strlen(text) == 5000);
    weir_arena_free(arena);
}

TEST(a_heap_that_runs_out_leaves_nothing_behind)
{
    EXPECT_EQ(2, fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, make_and_free, NULL));
}
