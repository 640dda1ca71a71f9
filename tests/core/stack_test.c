/*
 * stack_test.c - stacks: promised, taken, given back, used again
 */
#include "core/stack.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "tests/core/bodies.h"

TEST(a_slot_given_back_is_the_next_one_taken)
{
    struct weir__stacks stacks;
    weir__stacks_init(&stacks, WEIR_STACK_BYTES_DEFAULT);
    for (int i = 0; i < 3; i++)
        REQUIRE_RC(0, weir__stacks_promise(&stacks));
    int32_t first = weir__stacks_take(&stacks, 10);
    int32_t second = weir__stacks_take(&stacks, 11);
    EXPECT(first != second);
    EXPECT_EQ(11, weir__stack_task(&stacks, first));
    weir__stacks_give(&stacks, first);
    EXPECT_EQ(0, weir__stack_task(&stacks, first));
    EXPECT_EQ(first, weir__stacks_take(&stacks, 12));
    EXPECT_EQ(2, stacks.used_count);
    weir__stacks_deinit(&stacks);
}

TEST(every_address_of_a_slot_is_known_and_its_guard_told_apart)
{
    struct weir__stacks stacks;
    weir__stacks_init(&stacks, WEIR_STACK_BYTES_DEFAULT);
    REQUIRE_RC(0, weir__stacks_promise(&stacks));
    int32_t slot = weir__stacks_take(&stacks, 0);
    bool in_guard = false;
    EXPECT_EQ(slot, weir__stack_of_address(&stacks, weir__stack_top(&stacks, slot) - 1, &in_guard));
    EXPECT(!in_guard);
    EXPECT_EQ(slot, weir__stack_of_address(&stacks, weir__stack_bottom(&stacks, slot), &in_guard));
    EXPECT(!in_guard);
    EXPECT_EQ(slot,
              weir__stack_of_address(&stacks, weir__stack_bottom(&stacks, slot) - 1, &in_guard));
    EXPECT(in_guard);
    EXPECT_EQ(-1, weir__stack_of_address(&stacks, &stacks, &in_guard));
    weir__stacks_deinit(&stacks);
}

TEST(the_guard_of_a_slot_ends_the_process_that_touches_it) /* F8 */
{
    struct weir__stacks stacks;
    weir__stacks_init(&stacks, WEIR_STACK_BYTES_DEFAULT);
    REQUIRE_RC(0, weir__stacks_promise(&stacks));
    int32_t slot = weir__stacks_take(&stacks, 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        *(volatile char *)(weir__stack_bottom(&stacks, slot) - 1) = 1;
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    memset(weir__stack_bottom(&stacks, slot), 1, 4096);
    EXPECT_EQ(0, stacks.unguarded_count);
    weir__stacks_deinit(&stacks);
}

TEST(more_stacks_than_a_segment_holds_come_from_another)
{
    struct weir__stacks stacks;
    weir__stacks_init(&stacks, 16 * 1024 * 1024);
    size_t count = stacks.slots_a_segment * 2 + 1;
    for (size_t i = 0; i < count; i++) {
        REQUIRE_RC(0, weir__stacks_promise(&stacks));
        int32_t slot = weir__stacks_take(&stacks, (uint32_t)i);
        *(weir__stack_top(&stacks, slot) - 1) = 1;
        *weir__stack_bottom(&stacks, slot) = 1;
    }
    EXPECT_EQ(3, stacks.segment_count);
    for (size_t i = 0; i < count; i++)
        EXPECT_EQ(i + 1, weir__stack_task(&stacks, (int32_t)i));
    weir__stacks_deinit(&stacks);
}

TEST(cold_stacks_go_back_to_the_kernel_and_warm_ones_stay)
{
    enum { COUNT = 400 };
    struct weir__stacks stacks;
    weir__stacks_init(&stacks, 32 * 1024);
    int32_t slots[COUNT];
    for (int i = 0; i < COUNT; i++) {
        REQUIRE_RC(0, weir__stacks_promise(&stacks));
        slots[i] = weir__stacks_take(&stacks, 0);
        *(weir__stack_top(&stacks, slots[i]) - 1) = 7;
    }
    for (int i = 0; i < COUNT; i++)
        weir__stacks_give(&stacks, slots[i]);
    for (int i = 0; i < 100; i++)
        weir__stacks_trim(&stacks);
    EXPECT(stacks.clean_count > 0 && stacks.clean_count < COUNT);
    EXPECT_EQ(0, *(weir__stack_top(&stacks, slots[0]) - 1));         /* the coldest */
    EXPECT_EQ(7, *(weir__stack_top(&stacks, slots[COUNT - 1]) - 1)); /* the next to be taken */
    for (int i = 0; i < COUNT; i++)
        EXPECT(weir__stacks_take(&stacks, 0) >= 0);
    EXPECT_EQ(0, stacks.clean_count);
    weir__stacks_deinit(&stacks);
}

TEST(a_promise_that_cannot_be_kept_is_not_made)
{
    struct weir__stacks stacks;
    weir__stacks_init(&stacks, WEIR_STACK_BYTES_DEFAULT);
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 1, -ENOMEM, true);
    EXPECT_RC(-ENOMEM, weir__stacks_promise(&stacks));
    weir__base_fault_disarm();
    EXPECT_EQ(0, stacks.promised_count);
    EXPECT_RC(0, weir__stacks_promise(&stacks));
    weir__stacks_deinit(&stacks);
}

struct use_stack {
    int *sum;
};
static int use_stack(struct use_stack *a)
{
    char bytes[8192];
    memset(bytes, 1, sizeof bytes);
    int rc = weir_yield();
    for (size_t i = 0; i < sizeof bytes; i += 1024)
        *a->sum += bytes[i];
    return rc;
}

TASK_TEST(a_stack_serves_one_task_after_another_and_keeps_nothing) /* I1 */
{
    weir_loop *loop = weir__core_loop();
    int sum = 0;
    for (int round = 0; round < 50; round++) {
        weir_group *group;
        REQUIRE_RC(0, weir_group_open(&group, NULL));
        for (int i = 0; i < 10; i++)
            EXPECT_RC(0, WEIR_SPAWN(group, use_stack, .sum = &sum));
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_EQ(1, loop->stacks.promised_count);
    }
    EXPECT_EQ(50 * 10 * 8, sum);
    EXPECT(loop->stacks.used_count <= 12);
}
