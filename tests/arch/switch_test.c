/*
 * switch_test.c - leaving one stack for another keeps what a call must keep
 */
#include "arch/switch.h"

#include <math.h>

#include "arch/fiber.h"
#include "tests/support/test.h"

static _Alignas(16) char stack[64 * 1024];
static void *main_sp, *other_sp;
static struct weir__fiber main_fiber, other_fiber;
static int visits;
static double other_sum;

static void to_other(void)
{
    weir__fiber_switch(&main_fiber, &main_sp, &other_fiber, other_sp, visits == 0);
}

static void to_main(void)
{
    weir__fiber_switch(&other_fiber, &other_sp, &main_fiber, main_sp, false);
}

static void *other(void *arg)
{
    weir__fiber_arrived(&main_fiber);
    double value = *(double *)arg;
    for (visits = 1; visits <= 1000; visits++) {
        value = value * 1.0000001 + 1;
        to_main();
    }
    other_sum = value;
    return weir__fiber_end(&main_fiber, main_sp);
}

static void begin_other(double *value)
{
    visits = 0;
    weir__fiber_init_thread(&main_fiber);
    weir__fiber_init_stack(&other_fiber, stack, sizeof stack);
    weir__fiber_renew(&other_fiber);
    other_sp = weir__arch_prepare(stack + sizeof stack, other, value);
}

TEST(values_held_in_registers_survive_a_thousand_switches)
{
    double value = 1.5;
    begin_other(&value);
    uint64_t a = 1, b = 2, c = 3, d = 5, e = 7, f = 11;
    double x = 0.5, y = 0.25;
    for (int i = 0; i < 1000; i++) {
        to_other();
        a = a * 3 + b, b = b * 5 + c, c = c * 7 + d, d = d * 11 + e, e = e * 13 + f, f = f * 17 + a;
        x = x * 1.5 - y, y = y * 0.5 + x;
        if (fabs(x) > 1e6)
            x = 0.5;
    }
    uint64_t a2 = 1, b2 = 2, c2 = 3, d2 = 5, e2 = 7, f2 = 11;
    double x2 = 0.5, y2 = 0.25;
    for (int i = 0; i < 1000; i++) {
        a2 = a2 * 3 + b2, b2 = b2 * 5 + c2, c2 = c2 * 7 + d2, d2 = d2 * 11 + e2;
        e2 = e2 * 13 + f2, f2 = f2 * 17 + a2;
        x2 = x2 * 1.5 - y2, y2 = y2 * 0.5 + x2;
        if (fabs(x2) > 1e6)
            x2 = 0.5;
    }
    EXPECT(a == a2 && b == b2 && c == c2 && d == d2 && e == e2 && f == f2);
    EXPECT(x == x2 && y == y2);
    EXPECT_EQ(1000, visits);
    to_other(); /* lets it end */
    EXPECT(other_sum > 1000);
    weir__fiber_deinit_stack(&other_fiber);
}

static uintptr_t entry_alignment;

static void *note_alignment(void *arg)
{
    (void)arg;
    weir__fiber_arrived(&main_fiber);
    _Alignas(16) char local[16];
    entry_alignment = (uintptr_t)local % 16;
    return weir__fiber_end(&main_fiber, main_sp);
}

TEST(a_new_stack_is_aligned_as_the_abi_wants_and_its_walk_ends)
{
    visits = 0;
    weir__fiber_init_thread(&main_fiber);
    weir__fiber_init_stack(&other_fiber, stack, sizeof stack);
    for (int offset = 0; offset < 64; offset += 8) {
        weir__fiber_renew(&other_fiber);
        other_sp = weir__arch_prepare(stack + sizeof stack - offset, note_alignment, NULL);
        uintptr_t frame, pc;
        weir__arch_inspect(other_sp, &frame, &pc);
        EXPECT_EQ(0, frame);
        EXPECT(pc != 0);
        to_other();
        EXPECT_EQ(0, entry_alignment);
    }
    weir__fiber_deinit_stack(&other_fiber);
}

TEST(a_parked_context_shows_where_it_will_go_on)
{
    double value = 1;
    begin_other(&value);
    to_other();
    uintptr_t frame, pc;
    weir__arch_inspect(other_sp, &frame, &pc);
    EXPECT(frame == 0 || (frame > (uintptr_t)stack && frame < (uintptr_t)(stack + sizeof stack)));
    EXPECT(pc != 0);
    while (visits <= 1000)
        to_other();
    weir__fiber_deinit_stack(&other_fiber);
}
