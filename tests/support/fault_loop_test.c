/*
 * fault_loop_test.c - the fault loop fails each call once, and sees what is not given back
 */
#include "tests/support/fault_loop.h"

#include "base/alloc.h"
#include "base/sys.h"
#include "tests/support/test.h"

struct counts {
    int runs;
    int first_refused;
    int second_refused;
};

static void take_two_blocks(void *arg)
{
    struct counts *counts = arg;
    counts->runs++;
    void *first = weir__base_alloc(8);
    void *second = weir__base_alloc(8);
    counts->first_refused += first == NULL;
    counts->second_refused += second == NULL;
    weir__base_free(second);
    weir__base_free(first);
}

TEST(each_allocation_of_a_body_is_refused_once)
{
    struct counts counts = {0};
    EXPECT_EQ(2, fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, take_two_blocks, &counts));
    EXPECT_EQ(4, counts.runs); // without a fault, with each of two, and to see that none is left
    EXPECT_EQ(1, counts.first_refused);
    EXPECT_EQ(1, counts.second_refused);
}

TEST(from_a_place_on_every_allocation_is_refused)
{
    struct counts counts = {0};
    EXPECT_EQ(2, fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, take_two_blocks, &counts));
    EXPECT_EQ(1, counts.first_refused);
    EXPECT_EQ(2, counts.second_refused);
}

static void open_and_close(void *arg)
{
    (void)arg;
    int fd = weir__sys_open("/dev/null", 0, 0);
    if (fd >= 0)
        EXPECT_RC(0, weir__sys_close(fd));
    else
        EXPECT_RC(-EMFILE, fd);
}

TEST(kernel_calls_are_refused_with_the_code_asked_for)
{
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EMFILE, open_and_close, NULL) >= 1);
}
