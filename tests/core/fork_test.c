/*
 * fork_test.c - fork() in a program with loops: the child can exec and _exit, and hears so
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/group.h>

#include "base/thread.h"
#include "core/core.h"
#include "tests/support/test.h"

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int wait_status(pid_t pid)
{
    int status = -1;
    EXPECT(waitpid(pid, &status, 0) == pid);
    return status;
}

IO_TEST(the_child_of_a_fork_is_refused_everything_and_the_parent_goes_on)
{
    EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
    pid_t pid = fork();
    if (pid == 0) {
        bool refused = weir_sleep(1 * WEIR_MS) == -EPERM && weir_yield() == -EPERM &&
                       weir__core_run(NULL, do_nothing, NULL, false) == -EPERM &&
                       weir_task_self() == 0;
        _exit(refused ? 0 : 1);
    }
    EXPECT_EQ(0, wait_status(pid));
    EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
}

IO_TEST(the_child_of_a_fork_can_become_another_program)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("true", "true", (char *)NULL);
        _exit(1);
    }
    EXPECT_EQ(0, wait_status(pid));
    EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
}

static int forks_and_returns(void *arg)
{
    pid_t *pid = arg;
    *pid = fork();
    return 0;
}

IO_TEST(a_child_that_comes_back_to_the_loop_ends_there)
{
    weir_group *group;
    pid_t pid = -1;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, forks_and_returns, &pid));
    EXPECT_RC(0, weir_group_close(group, 0));
    int status = wait_status(pid);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void *forks_beside(void *arg)
{
    (void)arg;
    pid_t pid = fork();
    if (pid == 0)
        _exit(weir__core_run(NULL, do_nothing, NULL, false) == -EPERM ? 0 : 1);
    EXPECT_EQ(0, wait_status(pid));
    return NULL;
}

IO_TEST(a_thread_without_a_loop_forks_the_same_way)
{
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "forks", forks_beside, NULL));
    weir__base_thread_join(&thread);
}

TEST(a_process_without_a_loop_forks_and_runs_loops)
{
    EXPECT_RC(0, weir_run(do_nothing, NULL));
    pid_t pid = fork();
    if (pid == 0)
        _exit(weir_run(do_nothing, NULL) == 0 ? 0 : 1);
    EXPECT_EQ(0, wait_status(pid));
}
