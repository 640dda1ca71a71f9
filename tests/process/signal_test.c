/*
 * signal_test.c - signals that tasks wait for, and who owns them
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

#include "base/sys.h"
#include "base/thread.h"
#include "core/core.h"
#include "core/observe.h"
#include "process/signal.h"
#include "tests/support/everywhere.h"

static weir_signal *open_signals(const int *signals, size_t count)
{
    weir_signal *signal = NULL;
    EXPECT_RC(0, weir_signal_open(signals, count, &signal));
    return signal;
}

#define OPEN(...)                                                                                  \
    open_signals((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static bool is_default(int number)
{
    struct sigaction now;
    sigaction(number, NULL, &now);
    return now.sa_handler == SIG_DFL;
}

IO_TEST(a_signal_wakes_its_task_and_says_who_sent_it)
{
    weir_signal *signal = OPEN(SIGHUP, SIGUSR1);
    REQUIRE(signal != NULL);
    weir_signal_info info;
    kill(getpid(), SIGUSR1);
    EXPECT_RC(0, weir_signal_wait(signal, &info));
    EXPECT_EQ(SIGUSR1, info.number);
    EXPECT_EQ(getpid(), info.pid);
    EXPECT_EQ(getuid(), info.uid);
    sigqueue(getpid(), SIGHUP, (union sigval){.sival_ptr = (void *)0x1234});
    EXPECT_RC(0, weir_signal_wait(signal, &info));
    EXPECT_EQ(SIGHUP, info.number);
    EXPECT_EQ(0x1234, info.value);
    weir_signal_close(signal);
    EXPECT(is_default(SIGHUP) && is_default(SIGUSR1));
}

struct waiting {
    weir_signal *signal;
    weir_signal_info info;
    int rc;
};

static int wait_for_one(void *arg)
{
    struct waiting *waiting = arg;
    waiting->rc = weir_signal_wait(waiting->signal, &waiting->info);
    return 0;
}

IO_TEST(a_parked_task_is_woken_by_another_process)
{
    struct waiting waiting = {.signal = OPEN(SIGUSR2)};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, wait_for_one, &waiting));
    EXPECT_RC(0, weir_yield());
    weir_process_result output;
    EXPECT_RC(0, weir_process_run(
                     &(weir_process_options){
                         .arguments = (const char *const[]){"sh", "-c", "kill -USR2 $PPID", NULL}},
                     (weir_str){0}, &output));
    weir_process_result_free(&output);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, waiting.rc);
    EXPECT_EQ(SIGUSR2, waiting.info.number);
    EXPECT(waiting.info.pid > 0 && waiting.info.pid != getpid());
    weir_signal_close(waiting.signal);
}

IO_TEST(a_cancelled_wait_loses_no_signal)
{
    weir_signal *signal = OPEN(SIGUSR1);
    weir_signal_info info;
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_MS)
    {
        rc = weir_signal_wait(signal, &info);
    }
    EXPECT_RC(-ETIME, rc);
    raise(SIGUSR1);
    EXPECT_RC(0, weir_signal_wait(signal, &info));
    weir_signal_close(signal);
}

IO_TEST(real_time_signals_come_all_and_in_order)
{
    enum { COUNT = 200 };
    weir_signal *signal = OPEN(SIGRTMIN + 1);
    for (intptr_t i = 0; i < COUNT; i++)
        EXPECT(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)i}) == 0);
    for (intptr_t i = 0; i < COUNT; i++) {
        weir_signal_info info = {0};
        EXPECT_RC(0, weir_signal_wait(signal, &info));
        EXPECT_EQ(i, info.value);
    }
    weir_signal_close(signal);
}

IO_TEST(a_signal_has_one_owner_who_is_named)
{
    weir_signal *signal = OPEN(SIGTERM, SIGHUP), *second = NULL;
    EXPECT_RC(-EBUSY, weir_signal_open((const int[]){SIGUSR1, SIGHUP}, 2, &second));
    EXPECT_CONTAINS("task main of loop", weir_failure_message(-EBUSY));
    EXPECT(is_default(SIGUSR1)); // what was taken before is given back
    EXPECT_RC(0, weir__signal_claim(SIGUSR1, "somebody else"));
    EXPECT_RC(-EBUSY, weir_signal_open((const int[]){SIGUSR1}, 1, &second));
    EXPECT_CONTAINS("somebody else", weir_failure_message(-EBUSY));
    weir__signal_disclaim(SIGUSR1);
    weir_signal_close(signal);
    signal = OPEN(SIGHUP);
    weir_signal_close(signal);
}

IO_TEST(signals_that_cannot_be_waited_for_are_refused)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGABRT, 0, -1, 65};
    weir_signal *signal;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        EXPECT_RC(-EINVAL, weir_signal_open(&never[i], 1, &signal));
    EXPECT_RC(-EBUSY, weir_signal_open((const int[]){SIGURG}, 1, &signal));
    EXPECT_RC(-EINVAL, weir_signal_open(never, 0, &signal));
}

IO_TEST(who_waits_for_signals_that_are_closed_hears_of_it)
{
    struct waiting waiting = {.signal = OPEN(SIGUSR1)};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, wait_for_one, &waiting));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_yield());
    weir_signal_close(waiting.signal);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, waiting.rc);
}

IO_TEST(what_happened_on_a_signal_before_happens_again_afterwards)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigset_t mask, mask_before, now;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigaction(SIGHUP, &ignore, &before);
    pthread_sigmask(SIG_BLOCK, &mask, &mask_before);
    weir_signal *signal = OPEN(SIGHUP);
    raise(SIGHUP);
    EXPECT_RC(0, weir_signal_wait(signal, NULL)); // though this thread had it blocked
    weir_signal_close(signal);
    pthread_sigmask(SIG_SETMASK, &mask_before, &now);
    EXPECT(sigismember(&now, SIGHUP) == 1);
    raise(SIGHUP); // is ignored
    sigaction(SIGHUP, &before, &ignore);
    EXPECT(ignore.sa_handler == SIG_IGN);
}

/* --- several loops ---------------------------------------------------------------------------- */

static int own_usr2(void *arg)
{
    (void)arg;
    weir_signal *mine, *taken;
    int rc = weir_signal_open((const int[]){SIGUSR2}, 1, &mine);
    if (rc < 0)
        return rc;
    EXPECT_RC(-EBUSY, weir_signal_open((const int[]){SIGUSR1}, 1, &taken));
    kill(getpid(), SIGUSR2);
    weir_signal_info info;
    rc = weir_signal_wait(mine, &info);
    EXPECT_EQ(SIGUSR2, info.number);
    weir_signal_close(mine);
    return rc;
}

static void *run_second_loop(void *arg)
{
    EXPECT_RC(0, weir_run(own_usr2, arg));
    return NULL;
}

IO_TEST(two_loops_wait_for_signals_of_their_own)
{
    weir_signal *signal = OPEN(SIGUSR1);
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "second", run_second_loop, NULL));
    weir__base_thread_join(&thread);
    kill(getpid(), SIGUSR1);
    EXPECT_RC(0, weir_signal_wait(signal, NULL));
    weir_signal_close(signal);
}

/* --- forgotten, cancelled, failed everywhere -------------------------------------------------- */

static int signals_told;

static void note(const struct weir__finding *finding)
{
    signals_told +=
        finding->kind == WEIR__FINDING_LEFT_OPEN && strcmp(finding->what, "signal") == 0;
}

static int close_nothing(void *arg)
{
    return weir_signal_open((const int[]){SIGUSR1}, 1, arg);
}

TEST(a_forgotten_owner_is_told_and_the_signal_given_back)
{
    weir_signal *signal;
    weir__core_observe(note);
    int fds = weir__sys_open_fd_count();
    EXPECT_RC(0, weir__core_run(NULL, close_nothing, &signal, false));
    EXPECT_EQ(1, signals_told);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
    EXPECT(is_default(SIGUSR1));
    weir__core_observe(NULL);
}

static int send_and_wait(void *arg)
{
    (void)arg;
    weir_signal *signal;
    int rc = weir_signal_open((const int[]){SIGUSR1, SIGUSR2}, 2, &signal);
    if (rc < 0)
        return rc;
    struct waiting waiting = {.signal = signal};
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, wait_for_one, &waiting);
        if (rc == 0)
            rc = weir_yield();
        raise(SIGUSR2);
        rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
        WEIR_TEST_EXPECT(rc < 0 || waiting.rc < 0 || waiting.info.number == SIGUSR2);
        rc = rc < 0 ? rc : waiting.rc;
    }
    weir_signal_close(signal);
    WEIR_TEST_EXPECT(is_default(SIGUSR1) && is_default(SIGUSR2));
    return rc;
}

TEST(a_signal_everywhere) /* O4, O8, I4 */
{
    everywhere_real("signal", (struct everywhere){.body = send_and_wait, .rounds_min = 8});
}
