/*
 * clock_test.c - time moves forward, a virtual clock stands still, random bytes are random
 */
#include "base/clock.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "tests/support/test.h"

TEST(the_clock_is_the_kernels_monotonic_one)
{
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int64_t now = weir__base_now();
    int64_t kernel_now = weir__base_kernel_now();
    int64_t public_now = weir_now();
    clock_gettime(CLOCK_MONOTONIC, &after);
    EXPECT(now >= before.tv_sec * WEIR_SEC + before.tv_nsec);
    EXPECT(kernel_now >= now);
    EXPECT(public_now >= kernel_now);
    EXPECT(public_now <= after.tv_sec * WEIR_SEC + after.tv_nsec);
}

TEST(the_wall_clock_counts_from_1970)
{
    time_t before = time(NULL);
    int64_t now = weir__base_wall_now();
    EXPECT(now / WEIR_SEC >= before);
    EXPECT(now / WEIR_SEC <= before + 60);
}

TEST(cpu_time_passes_while_we_work)
{
    int64_t start = weir__base_cpu_now();
    while (weir__base_cpu_now() == start)
        continue;
    EXPECT(weir__base_cpu_now() > start);
}

static void *read_now(void *arg)
{
    *(int64_t *)arg = weir__base_now();
    return NULL;
}

TEST(a_virtual_clock_answers_on_its_own_thread_only)
{
    int64_t virtual_ns = 42;
    weir__base_clock_install(&virtual_ns);
    EXPECT_EQ(42, weir__base_now());
    EXPECT_EQ(42, weir_now());
    virtual_ns += WEIR_HOUR;
    EXPECT_EQ(42 + WEIR_HOUR, weir__base_now());
    EXPECT(weir__base_kernel_now() != virtual_ns);

    int64_t other = 0;
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "other", read_now, &other));
    weir__base_thread_join(&thread);
    EXPECT(other != virtual_ns);

    weir__base_clock_install(NULL);
    EXPECT(weir__base_now() != virtual_ns);
}

TEST(sums_of_instants_saturate)
{
    EXPECT_EQ(7, weir__base_add_ns(3, 4));
    EXPECT_EQ(WEIR_NEVER, weir__base_add_ns(1, WEIR_FOREVER));
    EXPECT_EQ(WEIR_NEVER, weir__base_add_ns(WEIR_NEVER, 1));
    EXPECT_EQ(WEIR_NEVER, weir__base_add_ns(WEIR_NEVER, 0));
    EXPECT_EQ(INT64_MIN, weir__base_add_ns(-2, INT64_MIN));
    EXPECT_EQ(INT64_MAX - 1, weir__base_add_ns(WEIR_NEVER, -1));
}

TEST(random_bytes_fill_what_they_are_given)
{
    unsigned char bytes[600] = {0};
    weir__base_random_bytes(bytes, 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        EXPECT_EQ(0, bytes[i]);
    weir__base_random_bytes(bytes, sizeof bytes - 1);
    EXPECT_EQ(0, bytes[sizeof bytes - 1]);
    int zeros = 0;
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        zeros += bytes[i] == 0;
    EXPECT(zeros < 60); // one in 256 is expected; 60 of 599 has odds below 10^-50
    unsigned char again[16];
    weir__base_random_bytes(again, sizeof again);
    EXPECT(memcmp(again, bytes, sizeof again) != 0);
}

static void ignore_signal(int number)
{
    (void)number;
}

struct disturber {
    pthread_t victim;
    bool done; // atomic
};

static void *disturb(void *arg)
{
    struct disturber *disturber = arg;
    while (!__atomic_load_n(&disturber->done, __ATOMIC_ACQUIRE)) {
        pthread_kill(disturber->victim, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

TEST(random_bytes_that_come_in_parts_are_put_together)
{
    struct sigaction action = {.sa_handler = ignore_signal};
    sigaction(SIGUSR1, &action, NULL);
    struct disturber disturber = {pthread_self(), false};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "disturb", disturb, &disturber));
    enum { SIZE = 8 << 20 };
    unsigned char *bytes = calloc(1, SIZE);
    REQUIRE(bytes != NULL);
    weir__base_random_bytes(bytes, SIZE); // a signal ends getrandom(2) early, between two pages
    __atomic_store_n(&disturber.done, true, __ATOMIC_RELEASE);
    weir__base_thread_join(&thread);
    int zeros = 0;
    for (size_t i = SIZE - 100; i < SIZE; i++)
        zeros += bytes[i] == 0;
    EXPECT(zeros < 50);
    free(bytes);
}

TEST(the_seeded_generator_repeats_itself_for_a_seed)
{
    uint64_t a = 1;
    uint64_t b = 1;
    uint64_t c = 2;
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t x = weir__base_random_next(&a);
        EXPECT(x == weir__base_random_next(&b));
        differs |= x != weir__base_random_next(&c);
    }
    EXPECT(differs);
    uint64_t zero = 0; // the first output for seed 0 is part of splitmix64's definition
    EXPECT(weir__base_random_next(&zero) == UINT64_C(0xe220a8397b1dcdaf));
}
