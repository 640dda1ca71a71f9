/*
 * crash_test.c - what a crash says of itself: rule F8, case 52
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <weir/weir.h>

#include "tests/debug/program.h"
#include "tests/support/test.h"

static struct said said;

struct give_up {
    int unused;
};
static int give_up(struct give_up *a)
{
    (void)a;
    abort();
}

static int spawn_give_up(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    return rc < 0 ? rc : weir_group_close(group, WEIR_SPAWN(group, give_up, .unused = 0));
}

TEST(an_abort_names_the_task_and_is_no_failure) /* F8, case 52 */
{
    run_program(spawn_give_up, &said);
    EXPECT(WIFSIGNALED(said.status) && WTERMSIG(said.status) == SIGABRT);
    EXPECT_CONTAINS("W900 signal 6 in task give_up #", said.text);
    EXPECT_CONTAINS("crash_test.c:", said.text); /* where it was spawned */
    EXPECT(strstr(said.text, "W202") == NULL);
}

static pthread_barrier_t both_ready;

static void *crash_beside(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&both_ready);
    raise(SIGBUS);
    return NULL;
}

static int crash_together(void *arg)
{
    (void)arg;
    pthread_t thread;
    pthread_barrier_init(&both_ready, NULL, 2);
    if (pthread_create(&thread, NULL, crash_beside, NULL) != 0)
        return -EAGAIN;
    pthread_barrier_wait(&both_ready);
    raise(SIGBUS);
    return 0;
}

/* Each report has at least the frames of the handler, of the signal, of raise() and of a thread. */
TEST(two_threads_that_crash_at_once_leave_one_whole_report) /* F8 */
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    test_skip("the sanitizer reports crashes itself");
    return;
#endif
    for (int i = 0; i < 20 && !test_failed(); i++) {
        run_program(crash_together, &said);
        EXPECT(WIFSIGNALED(said.status) && WTERMSIG(said.status) == SIGBUS);
        EXPECT_EQ(1, count_of("W900 signal 7", said.text));
        EXPECT_EQ(1, count_of("  at\n", said.text));
        EXPECT(count_of("[0x", said.text) >= 4);
        EXPECT(said.size > 0 && said.text[said.size - 1] == '\n');
    }
}
