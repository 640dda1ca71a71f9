/*
 * report_test.c - what is said, and when: the first form of the always-on checks
 *
 * Each test runs a program of its own in a child whose standard error is read back.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weir/debug.h>
#include <weir/weir.h>

#include "core/failure.h"
#include "core/observe.h"
#include "tests/debug/program.h"
#include "tests/support/test.h"

static struct said said;

__attribute__((noinline)) static void hold_the_loop(void)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin); /* on a busy machine, longer by the clock */
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 400);
}

struct hog {
    int unused;
};
static int hog(struct hog *a)
{
    (void)a;
    hold_the_loop();
    return 0;
}

static int spawn_hog(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    return rc < 0 ? rc : weir_group_close(group, WEIR_SPAWN(group, hog, .unused = 0));
}

TEST(a_step_that_holds_its_loop_is_named_while_it_does) /* Q6, case 267 */
{
    run_program(spawn_hog, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_CONTAINS("W104 loop main has been blocked for", said.text);
    EXPECT_CONTAINS("by hog #", said.text);
    EXPECT_CONTAINS("report_test.c:", said.text); /* where it was spawned */
    EXPECT_CONTAINS("goes on after", said.text);
#if !defined(__SANITIZE_THREAD__) /* TSan delivers signals late */
    EXPECT_CONTAINS("hold_the_loop", said.text);
#endif
}

enum { HOGS = 6, NICE = 10 };

static pid_t hogs[HOGS];

/* Processes that want all of the one CPU there is for this program. */
static void share_one_cpu(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    pid_t parent = getpid();
    for (int i = 0; i < HOGS; i++) {
        hogs[i] = fork();
        if (hogs[i] != 0)
            continue;
        while (getppid() == parent) {
        }
        _exit(0);
    }
}

static void end_hogs(void)
{
    for (int i = 0; i < HOGS; i++) {
        if (hogs[i] <= 0) /* there was no process to be had */
            continue;
        kill(hogs[i], SIGKILL);
        waitpid(hogs[i], NULL, 0);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * WEIR_SEC + now.tv_nsec;
}

/* A step of 8 ms, on a CPU that it hardly gets. */
static int compute_among_hogs(void *arg)
{
    (void)arg;
    setpriority(PRIO_PROCESS, 0, NICE);
    int64_t begin_ns = weir_now(), used_ns = cpu_ns();
    while (cpu_ns() - used_ns < 8 * WEIR_MS) {
    }
    bool slow = weir_now() - begin_ns > 150 * WEIR_MS;
    end_hogs();
    return slow ? 1 : 0;
}

static int report_slowness(void *arg)
{
    int rc = compute_among_hogs(arg);
    return rc == 1 ? weir_fail(-ETIME, "it was slow") : rc;
}

TEST(a_step_that_only_waits_for_a_cpu_is_not_told) /* Q6 */
{
    enum { TRIES = 5 };
    bool slow = false;
    for (int i = 0; i < TRIES && !slow; i++) { /* the CPU is not always scarce when it should be */
        run_program_prepared(share_one_cpu, report_slowness, &said);
        slow = strstr(said.text, "it was slow") != NULL;
        EXPECT(strstr(said.text, "W104") == NULL);
    }
    EXPECT(slow); /* else this test proves nothing */
}

__attribute__((noinline)) static void slow_post(void *arg)
{
    hold_the_loop();
    weir_event_set(arg);
}

static int post_slowly(void *arg)
{
    (void)arg;
    weir_event done = {0};
    weir_loop *loop = weir_loop_retain_self();
    int rc = weir_remote_post(loop, slow_post, &done);
    weir_loop_release(loop);
    return rc < 0 ? rc : weir_event_wait(&done);
}

TEST(a_callback_that_holds_its_loop_is_named_while_it_does) /* Q6 */
{
    run_program(post_slowly, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_CONTAINS("W104 loop main has been blocked for", said.text);
    EXPECT_CONTAINS("goes on after", said.text);
#if !defined(__SANITIZE_THREAD__) /* TSan delivers signals late */
    EXPECT_CONTAINS("by callback slow_post\n", said.text);
    EXPECT_CONTAINS("hold_the_loop", said.text);
#endif
}

static int wait_long(void *arg)
{
    (void)arg;
    return weir_sleep(400 * WEIR_MS);
}

TEST(a_loop_that_waits_for_news_holds_nobody) /* Q6 */
{
    run_program(wait_long, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_STR("", said.text);
}

static int fail_twice(void *arg)
{
    (void)arg;
    int rc = weir_sleep(WEIR_MS);
    return rc < 0 ? rc : weir_fail(-EPIPE, "the gateway hung up");
}

static int lose_a_failure(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = weir_spawn(group, fail_twice, NULL);
    rc = weir_group_close(group, rc);
    return rc == -EPIPE ? 0 : rc;
}

TEST(a_failure_nobody_looked_at_is_reported_with_its_words) /* F6 */
{
    run_program(lose_a_failure, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_CONTAINS("W202", said.text);
    EXPECT_CONTAINS("EPIPE \"the gateway hung up\"", said.text);
    EXPECT_CONTAINS("fail_twice", said.text);
}

static int fail_as_told(void *arg)
{
    return (int)(intptr_t)arg;
}

static int lose_hundreds(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    for (int i = 0; i <= 300 && rc == 0; i++) {
        intptr_t code = i == 300 ? -EXDEV : i % 3 != 0 ? -EIO : -ENOENT;
        rc = weir_spawn(group, fail_as_told, (void *)code);
    }
    rc = weir_group_close(group, rc);
    return rc == -ENOENT ? 0 : rc;
}

TEST(hundreds_of_failures_make_one_report_with_the_first_the_last_and_counts) /* cases 46, 51 */
{
    run_program(lose_hundreds, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_EQ(1, count_of("W202", said.text));
    EXPECT_CONTAINS("nobody looked at (300)", said.text);
    EXPECT_EQ(17, count_of("task fail_as_told: ", said.text));
    EXPECT_CONTAINS("and 284 more (189 EIO, 94 ENOENT, 1 EXDEV), the last of them:", said.text);
    EXPECT_CONTAINS("task fail_as_told: EXDEV", said.text);
}

struct branch {
    int depth;
};
static int branch(struct branch *a)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    for (int i = 0; i < 4 && rc == 0 && a->depth > 0; i++)
        rc = WEIR_SPAWN(group, branch, .depth = a->depth - 1);
    return weir_group_close(group, rc < 0 || a->depth > 0 ? rc : -EIO);
}

static int fail_in_branches(void *arg)
{
    (void)arg;
    struct branch root = {5};
    return branch(&root);
}

TEST(a_tree_with_many_branches_is_told_in_some_lines) /* case 51 */
{
    run_program(fail_in_branches, &said); /* 4^5 leaves */
    EXPECT_CONTAINS("the program failed", said.text);
    EXPECT_CONTAINS("body of branch: EIO", said.text);
    EXPECT_CONTAINS(" more (", said.text);
    EXPECT(count_of("\n", said.text) < 100);
}

/* As the executor tells it, from a thread without a loop: its caller's may be gone. */
static int find_lost_job(void *arg)
{
    (void)arg;
    struct weir__failure_record record = {.public = {.code = -EPIPE,
                                                     .origin = WEIR_FAILURE_JOB,
                                                     .task_name = "upload",
                                                     .message = "nobody heard me"}};
    weir_failures failures = {.code = -EPIPE};
    weir__failures_append(&failures, &record);
    weir__core_find(&(struct weir__finding){.kind = WEIR__FINDING_FAILURES,
                                            .failures = &failures,
                                            .count = 1,
                                            .what = "a job failed after its caller had left"});
    return 0;
}

TEST(a_failure_without_a_loop_is_told_like_others) /* F1, X5 */
{
    run_program(find_lost_job, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_CONTAINS("W202 a job failed after its caller had left\n"
                    "  job upload: EPIPE \"nobody heard me\"\n",
                    said.text);
}

static int fail_program(void *arg)
{
    (void)arg;
    return weir_fail(-ENOENT, "no file %s", "rates.json");
}

TEST(a_program_that_fails_says_why_and_exits_with_1) /* W6 */
{
    run_program(fail_program, &said);
    EXPECT(WIFEXITED(said.status) && WEXITSTATUS(said.status) == 1);
    EXPECT_CONTAINS("the program failed", said.text);
    EXPECT_CONTAINS("ENOENT \"no file rates.json\"", said.text);
}

static int overflow(int depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth == 100000 ? frame[0] : overflow(depth + 1) + frame[0];
}

struct deep {
    int unused;
};
static int deep(struct deep *a)
{
    (void)a;
    return overflow(0);
}

static int spawn_deep(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    return rc < 0 ? rc : weir_group_close(group, WEIR_SPAWN(group, deep, .unused = 0));
}

TEST(a_stack_overflow_names_the_task) /* F8, case 52 */
{
    run_program(spawn_deep, &said);
    EXPECT(!WIFEXITED(said.status) || WEXITSTATUS(said.status) != 0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    EXPECT_CONTAINS("stack-overflow", said.text); /* the sanitizer's own words */
#else
    EXPECT(WIFSIGNALED(said.status));
    EXPECT_CONTAINS("W901 stack overflow in task deep #", said.text);
    EXPECT_CONTAINS("report_test.c:", said.text);
#endif
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.running_max = 1});
    (void)rc;
    return weir_group_close(group, weir_sleep(WEIR_MS));
}

TEST(a_healthy_program_says_nothing)
{
    run_program(wait_for_ever, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_STR("", said.text);
}

static int swallow(void *arg)
{
    (void)arg;
    int rc = 0;
    WEIR_TIMEOUT(rc, WEIR_MS)
    {
        for (int i = 0; i < 100; i++)
            rc = weir_sleep(10 * WEIR_MS);
    }
    return rc == -ETIME ? 0 : rc;
}

TEST(a_swallowed_cancellation_is_reported_with_its_cause) /* C12 */
{
    run_program(swallow, &said);
    EXPECT_CONTAINS("W304", said.text);
    EXPECT_CONTAINS("cancelled by its deadline", said.text);
    EXPECT_CONTAINS("  at        swallow debug/report_test.c:", said.text);
}

/* A frame of its own, and something to do after the call, so that it is no jump. */
__attribute__((noinline)) static int wait_for_nobody(weir_event *never)
{
    int rc = weir_event_wait(never);
    __asm__ volatile("");
    return rc;
}

struct stuck {
    weir_mutex *mutex;
};
static int stuck(struct stuck *a)
{
    int rc = weir_mutex_lock(a->mutex);
    __asm__ volatile("");
    return rc;
}

static int lock_up(void *arg)
{
    (void)arg;
    weir_event never = {0};
    weir_mutex mutex = {0};
    int rc = weir_mutex_lock(&mutex);
    if (rc < 0)
        return rc;
    weir_group *group = NULL;
    rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, stuck, .mutex = &mutex);
    rc = weir_group_close(group, rc < 0 ? rc : wait_for_nobody(&never));
    weir_mutex_unlock(&mutex);
    return rc;
}

TEST(a_deadlock_names_the_lines_that_wait_and_not_weirs_own) /* Q5 */
{
    run_program(lock_up, &said);
    EXPECT_CONTAINS("W601", said.text);
    EXPECT_CONTAINS("waits for an event (never set) at wait_for_nobody debug/report_test.c:",
                    said.text);
    EXPECT_CONTAINS("waits for a mutex at stuck debug/report_test.c:", said.text);
    EXPECT(strstr(said.text, "weir__core_park") == NULL);
}

static int forget_scope(void *arg)
{
    (void)arg;
    weir_scope scope = {0};
    int rc = weir_timeout_enter(&scope, WEIR_SEC);
    __asm__ volatile("" : : "r"(&scope) : "memory");
    return rc;
}

TEST(a_scope_that_is_never_left_is_told_with_the_line_that_entered_it) /* G12 */
{
    run_program(forget_scope, &said);
    EXPECT(!WIFEXITED(said.status) || WEXITSTATUS(said.status) != 0);
    EXPECT_CONTAINS("W204 returned with a scope still entered", said.text);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* a frame that is gone */
    EXPECT_CONTAINS("opened    forget_scope debug/report_test.c:", said.text);
#endif
}

static int leave_outer_first(void *arg)
{
    (void)arg;
    weir_scope outer = {0}, inner = {0};
    int rc = weir_scope_enter(&outer);
    if (rc == 0)
        rc = weir_shield_enter(&inner, WEIR_SEC);
    rc = weir_scope_leave(&outer, rc);
    __asm__ volatile("");
    return rc;
}

TEST(scopes_left_out_of_order_are_told_with_both_lines) /* C8, case 70 */
{
    run_program(leave_outer_first, &said);
    EXPECT_EQ(0, said.status);
    EXPECT_CONTAINS("opened    leave_outer_first debug/report_test.c:", said.text);
    EXPECT_CONTAINS("at        leave_outer_first debug/report_test.c:", said.text);
}

static int return_from_block(void *arg)
{
    (void)arg;
    int rc = 0;
    WEIR_TIMEOUT(rc, WEIR_SEC)
    {
        return 0;
    }
    return rc;
}

TEST(a_return_out_of_a_block_is_reported_with_its_place)
{
    run_program(return_from_block, &said);
    EXPECT_CONTAINS("W311", said.text);
    EXPECT_CONTAINS("return_from_block", said.text);
}

TEST(debug_mode_ends_the_process_at_misuse) /* C8 */
{
    setenv("WEIR_DEBUG", "1", 1);
    run_program(return_from_block, &said);
    EXPECT(!WIFEXITED(said.status) || WEXITSTATUS(said.status) != 0);
    EXPECT_CONTAINS("W311", said.text);
}
