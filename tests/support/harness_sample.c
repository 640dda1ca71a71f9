/*
 * harness_sample.c - tests that pass, fail, crash and hang in known ways
 *
 * Not a suite: harness_check.sh runs it and compares what the harness makes of it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/guarded.h"
#include "tests/support/test.h"

TEST(what_holds_passes_and_its_output_stays_hidden)
{
    puts("hidden output");
    EXPECT(1 + 1 == 2);
    EXPECT_EQ(7, 3 + 4);
    EXPECT_RC(-EIO, -EIO);
    EXPECT_STR("weir", "weir");
    EXPECT_BYTES("abc", "abd", 2);
    EXPECT_CONTAINS("nee", "a needle");
}

TEST(a_failed_expectation_is_shown_and_the_test_goes_on)
{
    puts("shown output");
    EXPECT(1 + 1 == 3);
    EXPECT_EQ(7, 8);
    EXPECT_RC(-EIO, -EINVAL);
    EXPECT_STR("weir", "dam");
    EXPECT_BYTES("abc", "abd", 3);
    EXPECT_CONTAINS("needle", "hay");
    puts("went on");
}

TEST(a_requirement_that_fails_ends_the_test)
{
    REQUIRE(getpid() == 0);
    puts("not reached");
}

TEST(a_crash_is_named)
{
    signal(SIGTERM, SIG_DFL);
    raise(SIGTERM);
}

TEST(an_exit_status_counts)
{
    _exit(3);
}

TEST(a_test_that_hangs_is_ended)
{
    for (;;)
        pause();
}

TEST(a_grandchild_does_not_keep_the_harness_waiting)
{
    if (fork() == 0) {
        for (;;)
            pause();
    }
}

static void *fail_in_thread(void *arg)
{
    (void)arg;
    EXPECT(getpid() == 0);
    return NULL;
}

TEST(a_failure_in_another_thread_counts)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fail_in_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

TEST(a_test_can_say_that_it_cannot_run_here)
{
    test_skip("there is no sea here");
}

static int run_at_once(const char *backend, void (*body)(void))
{
    printf("runs on %s\n", backend);
    body();
    return 0;
}

TEST_DEFINE(an_io_test_runs_on_both_backends, TEST_IO, run_at_once)
{
    EXPECT(getpid() != 0);
}

static int lose_a_descriptor(const char *backend, void (*body)(void))
{
    (void)backend;
    body();
    return dup(STDIN_FILENO) < 0 ? -errno : -EIO;
}

TEST_DEFINE(the_ledger_and_the_code_of_a_run_are_looked_at, TEST_TASK, lose_a_descriptor)
{
    puts("the body ran");
}

TEST(reading_beyond_a_guarded_buffer_is_a_crash)
{
    signal(SIGSEGV, SIG_DFL); // sanitizers would report it; the kernel's word is enough here
    signal(SIGBUS, SIG_DFL);
    struct guarded guarded = guarded_copy("abc", 3);
    EXPECT_BYTES("abc", guarded.data, 3);
    putchar(*(volatile char *)(guarded.data + guarded.size));
    guarded_free(&guarded);
}
