/*
 * loops_test.c - loops that are started together and belong to a task: rules X1, G1, G2, G4, G6,
 * W1 to W4, W6
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/weir.h>

#include "base/fault.h"
#include "base/sys.h"
#include "core/core.h"
#include "core/observe.h"
#include "tests/support/test.h"

enum { FOUR = 4 };

static const char *backend(void)
{
    const char *name = weir__core_loop()->backend->features.name;
    return strcmp(name, "io_uring") == 0 ? "uring" : name;
}

/* Lines of the log since capture_log(). */
static int log_fd = -1;
static char log_text[4096];

static void capture_log(void)
{
    log_fd = memfd_create("log", MFD_CLOEXEC);
    weir_log_set_fd(log_fd);
}

static const char *captured_log(void)
{
    weir_log_flush();
    ssize_t size = pread(log_fd, log_text, sizeof log_text - 1, 0);
    log_text[size < 0 ? 0 : size] = '\0';
    return log_text;
}

static void release_log(void)
{
    weir_log_flush();
    weir_log_set_fd(2);
    close(log_fd);
}

/* --- beginning -------------------------------------------------------------------------------- */

static struct {
    weir_loop *loop[FOUR];
    char name[FOUR][16];
    size_t self[FOUR];
    int calls; /* atomic */
} seen;

static int note_self(size_t index, void *arg)
{
    __atomic_fetch_add(&seen.calls, 1, __ATOMIC_RELAXED);
    EXPECT(index < FOUR);
    seen.loop[index] = weir__core_loop();
    weir_loops *set = weir_loops_self(&seen.self[index]);
    EXPECT(weir_loops_at(set, index) == weir__core_loop());
    weir_loop_stats stats;
    weir_loops_stats_get(set, index, &stats);
    EXPECT_EQ(WEIR_LOOP_RUNNING, stats.state);
    snprintf(seen.name[index], sizeof seen.name[index], "%s", stats.name);
    int rc = weir_sleep(WEIR_MS);
    return rc < 0 ? rc : *(int *)arg;
}

IO_TEST(every_loop_runs_the_function_with_its_own_index) /* X1 */
{
    int result = 3;
    weir_loops *loops;
    EXPECT(weir_loops_self(NULL) == NULL);
    REQUIRE_RC(0,
               weir_loops_open(&(weir_loops_options){.count = FOUR}, note_self, &result, &loops));
    EXPECT_EQ(FOUR, weir_loops_count(loops));
    EXPECT_RC(7, weir_loops_close(loops, 7));
    EXPECT_EQ(FOUR, seen.calls);
    for (size_t i = 0; i < FOUR; i++) {
        EXPECT_EQ(i, seen.self[i]);
        EXPECT(seen.loop[i] != NULL && seen.loop[i] != weir__core_loop());
        EXPECT(i == 0 || seen.loop[i] != seen.loop[i - 1]);
        char name[16];
        snprintf(name, sizeof name, "loop %zu", i);
        EXPECT_STR(name, seen.name[i]);
    }
}

static int end_at_once(size_t index, void *arg)
{
    (void)index, (void)arg;
    return 0;
}

IO_TEST(without_a_count_there_are_as_many_as_the_process_can_use)
{
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(NULL, end_at_once, NULL, &loops));
    EXPECT_EQ(weir_loops_usable(), weir_loops_count(loops));
    EXPECT_RC(0, weir_loops_close(loops, 0));
    EXPECT_RC(0, weir_loops_close(NULL, 0));
}

static int use_names(size_t index, void *arg)
{
    static const char *const expected[2] = {"north", "south"};
    (void)arg;
    EXPECT_STR(expected[index], weir__core_loop()->name);
    cpu_set_t cpus;
    EXPECT_RC(0, sched_getaffinity(0, sizeof cpus, &cpus));
    EXPECT_EQ(1, CPU_COUNT(&cpus));
    sigset_t blocked;
    EXPECT_RC(0, pthread_sigmask(SIG_SETMASK, NULL, &blocked));
    EXPECT(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT));
    return 0;
}

IO_TEST(loops_have_names_stay_on_their_cpu_and_take_no_signals)
{
    static const char *const names[2] = {"north", "south"};
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = 2, .names = names, .pinned = true},
                                  use_names, NULL, &loops));
    EXPECT_RC(0, weir_loops_close(loops, 0));
}

static int must_not_begin(size_t index, void *arg)
{
    (void)index, (void)arg;
    EXPECT(false);
    return 0;
}

IO_TEST(a_thread_that_is_refused_stops_the_others_before_they_begin) /* G1, T2 */
{
    weir_loops *loops = NULL;
    weir__base_fault_arm(WEIR__FAULT_THREAD, 3, -EAGAIN, false);
    EXPECT_RC(-EAGAIN,
              weir_loops_open(&(weir_loops_options){.count = FOUR}, must_not_begin, NULL, &loops));
    EXPECT_EQ(3, weir__base_fault_disarm());
    EXPECT(loops == NULL);
    EXPECT_CONTAINS("loop \"loop 2\", number 3 of 4, could not be started: its thread",
                    weir_failure_message(-EAGAIN));
    EXPECT_EQ(1, weir_task_count());
}

/* The ring of one loop, wherever it is made. */
static int spared; /* atomic */

static int refuse_after_some(enum weir__fault_point point)
{
    if (point != WEIR__FAULT_SYSCALL || weir__core_loop() != NULL)
        return 0;
    return __atomic_sub_fetch(&spared, 1, __ATOMIC_RELAXED) == 0 ? -EMFILE : 0;
}

IO_TEST(a_loop_that_cannot_be_made_stops_the_others_before_they_begin) /* G1, T2 */
{
    int refused_count = 0;
    for (int nth = 1; nth < 20; nth++) {
        weir_loops *loops = NULL;
        __atomic_store_n(&spared, nth, __ATOMIC_RELAXED);
        weir__base_fault_arm_with(refuse_after_some);
        weir_run_options run = {.backend = backend()};
        int rc = weir_loops_open(&(weir_loops_options){.count = 3, .run = run}, end_at_once, NULL,
                                 &loops);
        weir__base_fault_disarm();
        refused_count += rc < 0;
        if (rc < 0)
            EXPECT_CONTAINS("of 3, could not be started: its scheduler", weir_failure_message(rc));
        else
            EXPECT_RC(0, weir_loops_close(loops, 0));
        EXPECT_EQ(1, weir_task_count());
    }
    EXPECT(refused_count >= 3);
}

TASK_TEST(options_that_cannot_be_are_refused)
{
    weir_loops *loops;
    weir_loops_options many = {.count = 1025};
    EXPECT_RC(-EINVAL, weir_loops_open(&many, must_not_begin, NULL, &loops));
    weir_loops_options quorum = {.policy = WEIR_QUORUM};
    EXPECT_RC(-EINVAL, weir_loops_open(&quorum, must_not_begin, NULL, &loops));
    weir_loops_options negative = {.stop_budget_ns = -5};
    EXPECT_RC(-EINVAL, weir_loops_open(&negative, must_not_begin, NULL, &loops));
    weir_loops_options tasks = {.count = 2, .run = {.tasks_max = 1 << 30}};
    EXPECT_RC(-EINVAL, weir_loops_open(&tasks, must_not_begin, NULL, &loops));
    EXPECT_CONTAINS("its scheduler", weir_failure_message(-EINVAL));
}

/* --- failures --------------------------------------------------------------------------------- */

static weir_cancel_cause causes[FOUR];
static char reasons[FOUR][160];

/* Loop 1 fails; the others sleep for an hour. */
static int one_fails(size_t index, void *arg)
{
    (void)arg;
    if (index == 1)
        return weir_fail(-EXDEV, "the cable of loop 1 is cut");
    int rc = weir_sleep(WEIR_HOUR);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT(weir_cancelled_because(&causes[index]));
    if (causes[index].reason != NULL)
        snprintf(reasons[index], sizeof reasons[index], "%s", causes[index].reason);
    return rc;
}

IO_TEST(a_failed_loop_cancels_the_others_and_they_know_why) /* G4, F4 */
{
    capture_log();
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = FOUR}, one_fails, NULL, &loops));
    EXPECT_RC(-ECANCELED, weir_sleep(WEIR_HOUR)); /* the body hears of it as they do */
    EXPECT_RC(-EXDEV, weir_loops_close(loops, -ECANCELED));
    EXPECT_STR("the cable of loop 1 is cut", weir_failure_message(-EXDEV));
    weir_failures *failures = weir_failures_take();
    REQUIRE(weir_failures_count(failures) == 1);
    const weir_failure *failure = weir_failures_at(failures, 0);
    EXPECT_STR("loop 1", failure->task_name);
    REQUIRE(failure->causes != NULL);
    EXPECT_STR("loop 1", weir_failures_at(failure->causes, 0)->loop_name);
    EXPECT(weir_failures_at(failure->causes, 0)->fail_address != NULL);
    weir_failures_free(failures);
    for (size_t i = 0; i < FOUR; i++) {
        if (i == 1)
            continue;
        EXPECT_EQ(WEIR_CANCEL_SHUTDOWN, causes[i].kind);
        EXPECT_STR("loop \"loop 1\" failed: the cable of loop 1 is cut", reasons[i]);
    }
    EXPECT_CONTAINS("weir W602 one of several loops has failed; the others are cancelled",
                    captured_log());
    EXPECT_CONTAINS("the cable of loop 1 is cut", captured_log());
    release_log();
}

struct collecting {
    weir_shared_event *go;
    int finished; /* atomic */
};

static int fail_or_wait(size_t index, void *arg)
{
    struct collecting *a = arg;
    if (index == 2)
        return weir_fail(-EBADMSG, "loop 2 gives up");
    int rc = weir_shared_event_wait(a->go, 0, NULL);
    __atomic_fetch_add(&a->finished, rc == 0, __ATOMIC_RELAXED);
    return rc;
}

IO_TEST(a_loop_that_fails_early_is_told_while_the_others_run_on) /* P2 */
{
    capture_log();
    struct collecting a = {0};
    REQUIRE_RC(0, weir_shared_event_new(&a.go));
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = FOUR, .policy = WEIR_COLLECT_ALL},
                                  fail_or_wait, &a, &loops));
    weir_loop_stats stats = {0};
    while (stats.state != WEIR_LOOP_ENDED) {
        EXPECT_RC(0, weir_sleep(WEIR_MS));
        weir_loops_stats_get(loops, 2, &stats);
    }
    EXPECT_EQ(WEIR_OUTCOME_FAILED, stats.outcome);
    EXPECT_RC(-EBADMSG, stats.rc);
    EXPECT_STR("loop 2 gives up", stats.message);
    EXPECT_EQ(0, stats.tasks);
    EXPECT_EQ(1, stats.failures);
    EXPECT(stats.turns > 0 && stats.steps > 0);
    EXPECT_CONTAINS("weir W602 one of several loops has failed; the others run on", captured_log());
    release_log();
    weir_loops_stats_get(loops, 0, &stats);
    EXPECT_EQ(WEIR_LOOP_RUNNING, stats.state);
    EXPECT_RC(-ESHUTDOWN, weir_remote_post(weir_loops_at(loops, 2), NULL, NULL));
    weir_shared_event_post(a.go);
    EXPECT_RC(-EBADMSG, weir_loops_close(loops, 0));
    EXPECT_EQ(FOUR - 1, a.finished);
    weir_shared_event_release(a.go);
}

static int fail_late(void *arg)
{
    (void)arg;
    return weir_fail(-EBADMSG, "the cleanup of loop 0");
}

static int defer_a_failure(size_t index, void *arg)
{
    (void)arg;
    return index == 0 ? weir_defer(fail_late, NULL) : 0;
}

IO_TEST(a_loop_whose_cleanup_failed_has_failed) /* L2 */
{
    weir_loops *loops;
    REQUIRE_RC(0,
               weir_loops_open(&(weir_loops_options){.count = 2}, defer_a_failure, NULL, &loops));
    EXPECT_RC(-EBADMSG, weir_loops_close(loops, 0));
    EXPECT_STR("the cleanup of loop 0", weir_failure_message(-EBADMSG));
}

/* --- ending ----------------------------------------------------------------------------------- */

static int began_count; /* atomic */

static int sleep_for_long(size_t index, void *arg)
{
    (void)index, (void)arg;
    __atomic_fetch_add(&began_count, 1, __ATOMIC_RELAXED);
    return weir_sleep(WEIR_HOUR);
}

struct owner {
    weir_event *open;
};
static int owner(struct owner *a)
{
    weir_loops *loops;
    int rc = weir_loops_open(&(weir_loops_options){.count = 2}, sleep_for_long, NULL, &loops);
    if (rc < 0)
        return rc;
    weir_event_set(a->open);
    rc = weir_loops_close(loops, 0);
    EXPECT_RC(-ECANCELED, rc);
    return rc;
}

IO_TEST(loops_are_cancelled_with_the_scope_of_their_owner) /* G2, G4, C5 */
{
    weir_event open = {0};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, owner, .open = &open));
    EXPECT_RC(0, weir_event_wait(&open));
    weir_group_cancel(group, "all of it");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, -ECANCELED));
}

IO_TEST(a_body_that_failed_cancels_the_loops) /* G6 */
{
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = 2}, sleep_for_long, NULL, &loops));
    EXPECT_RC(-EBADF, weir_loops_close(loops, -EBADF));
}

static int drained_count, forced_count; /* atomic */

/* 0 ends when told to; 1 is deaf to that; 2 is shielded as well. */
static int end_in_steps(size_t index, void *arg)
{
    (void)arg;
    if (index == 0) {
        int rc = weir_wait_stopping();
        __atomic_fetch_add(&drained_count, rc == 0, __ATOMIC_RELAXED);
        return rc;
    }
    if (index == 1)
        return weir_sleep(WEIR_HOUR);
    weir_scope shield = {0};
    int rc = weir_shield_enter(&shield, WEIR_HOUR);
    if (rc == 0)
        rc = weir_sleep(WEIR_HOUR);
    __atomic_fetch_add(&forced_count, rc == -ECANCELED, __ATOMIC_RELAXED);
    return weir_scope_leave(&shield, rc);
}

IO_TEST(one_budget_takes_all_loops_through_the_steps_of_the_end) /* W1, W2, W3, W4 */
{
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = 3}, end_in_steps, NULL, &loops));
    weir_loops_stop(loops, WEIR_FOREVER, NULL);
    weir_loop_stats stats = {0};
    while (stats.state != WEIR_LOOP_ENDED) {
        EXPECT_RC(0, weir_sleep(WEIR_MS));
        weir_loops_stats_get(loops, 0, &stats);
    }
    EXPECT_EQ(1, drained_count);
    EXPECT_EQ(WEIR_OUTCOME_OK, stats.outcome);
    weir_loops_stats_get(loops, 1, &stats);
    while (stats.phase == WEIR_STOP_NONE) {
        EXPECT_RC(0, weir_sleep(WEIR_MS));
        weir_loops_stats_get(loops, 1, &stats);
    }
    EXPECT_EQ(WEIR_STOP_DRAIN, stats.phase);
    EXPECT_EQ(WEIR_LOOP_STOPPING, stats.state);
    weir_loops_stop(loops, 50 * WEIR_MS, "enough");
    weir_loops_stats_get(loops, 2, &stats);
    while (stats.state != WEIR_LOOP_ENDED) {
        EXPECT_RC(0, weir_sleep(WEIR_MS));
        weir_loops_stats_get(loops, 2, &stats);
    }
    EXPECT_EQ(WEIR_STOP_FORCE, stats.phase);
    EXPECT_EQ(1, forced_count);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, stats.outcome);
    EXPECT_RC(0, weir_loops_close(loops, 0)); /* stopped is not failed */
}

IO_TEST(loops_that_are_cancelled_by_name_have_not_failed) /* W3 */
{
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = 2, .stop_budget_ns = WEIR_FOREVER},
                                  sleep_for_long, NULL, &loops));
    weir_loops_cancel(loops, "enough");
    EXPECT_RC(0, weir_loops_close(loops, 0));
}

static bool let_it_end; /* atomic */

static int be_stuck(size_t index, void *arg)
{
    (void)arg;
    while (index == 1 && !__atomic_load_n(&let_it_end, __ATOMIC_ACQUIRE))
        sched_yield();
    return 0;
}

TASK_TEST(a_loop_that_does_not_end_is_told) /* W5, W603 */
{
    capture_log();
    weir_loops *loops;
    weir_run_options run = {.backend = "epoll"};
    REQUIRE_RC(
        0, weir_loops_open(&(weir_loops_options){.count = 2, .run = run}, be_stuck, NULL, &loops));
    weir_loop_stats stats = {0};
    while (stats.state != WEIR_LOOP_ENDED) {
        REQUIRE_RC(0, weir_yield());
        weir_loops_stats_get(loops, 0, &stats);
    }
    weir_loops_stop(loops, WEIR_MS, NULL);
    /* The attendants' waits hold virtual time: it goes on by hand. */
    *weir__sim_clock(weir__core_loop()->backend) += 3 * WEIR_SEC;
    while (strstr(captured_log(), "W603") == NULL)
        REQUIRE_RC(0, weir_yield());
    EXPECT_CONTAINS("loop 1", strstr(log_text, "W603"));
    EXPECT(strstr(log_text, "loop 0") == NULL);
    __atomic_store_n(&let_it_end, true, __ATOMIC_RELEASE);
    EXPECT_RC(0, weir_loops_close(loops, 0));
    release_log();
}

IO_TEST(a_loop_that_was_stopped_alone_is_told_and_has_not_failed) /* X2, W3 */
{
    capture_log();
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = 2}, sleep_for_long, NULL, &loops));
    EXPECT_RC(0, weir_remote_stop(weir_loops_at(loops, 1), WEIR_STOP_CANCEL, "just you"));
    weir_loop_stats stats = {0};
    while (stats.state != WEIR_LOOP_ENDED) {
        EXPECT_RC(0, weir_sleep(WEIR_MS));
        weir_loops_stats_get(loops, 1, &stats);
    }
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, stats.outcome);
    EXPECT_CONTAINS("weir W602 one of several loops was stopped by itself", captured_log());
    release_log();
    weir_loops_cancel(loops, NULL);
    EXPECT_RC(0, weir_loops_close(loops, 0));
}

struct thief {
    weir_loops *loops;
};
static int thief(struct thief *a)
{
    EXPECT_RC(-EPERM, weir_loops_close(a->loops, 0));
    return 0;
}

IO_TEST(only_who_opened_a_set_closes_it) /* G2 */
{
    weir_loops *loops;
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = 1}, end_at_once, NULL, &loops));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, thief, .loops = loops));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_loops_close(loops, 0));
}

static size_t left_open_count, misnested_count;

static void count_left_open(const struct weir__finding *finding)
{
    left_open_count += finding->kind == WEIR__FINDING_LEFT_OPEN;
    misnested_count += finding->kind == WEIR__FINDING_MISNESTED;
}

static int forget_them(void *arg)
{
    weir_loops *loops;
    (void)arg;
    return weir_loops_open(&(weir_loops_options){.count = 2}, sleep_for_long, NULL, &loops);
}

TEST(loops_that_nobody_closes_end_with_their_owner_and_are_told) /* G12, W6, W401 */
{
    weir__core_observe(count_left_open);
    began_count = 0;
    weir_run_options options = {.backend = "epoll"};
    EXPECT_RC(0, weir__core_run(&options, forget_them, NULL, false));
    EXPECT_EQ(1, left_open_count);
    EXPECT_EQ(1, misnested_count);
    weir__core_observe(NULL);
}

/* --- a program -------------------------------------------------------------------------------- */

static int add_index(size_t index, void *arg)
{
    __atomic_fetch_add((int *)arg, (int)index, __ATOMIC_RELAXED);
    return weir_yield();
}

TEST(a_program_of_several_loops_is_one_call) /* X1, W6 */
{
    int sum = 0;
    weir_loops_options options = {.count = FOUR};
    EXPECT_RC(0, weir_run_loops(&options, add_index, &sum));
    EXPECT_EQ(0 + 1 + 2 + 3, sum);
    EXPECT_RC(-EXDEV, weir_run_loops(&options, one_fails, NULL));
    options.count = 5000;
    EXPECT_RC(-EINVAL, weir_run_loops(&options, must_not_begin, NULL));
}

/* Loop 0 asks for the end of the program, as others do from outside; when that has begun and loop 1
 * is deaf to it, once more. */
static int end_by_signals(size_t index, void *arg)
{
    bool *deaf = arg;
    if (index == 1 && *deaf)
        return weir_sleep(WEIR_HOUR);
    int rc = index == 0 ? kill(getpid(), SIGTERM) : 0;
    if (rc == 0)
        rc = weir_wait_stopping();
    if (rc == 0 && index == 0 && *deaf)
        rc = kill(getpid(), SIGINT);
    return rc;
}

TEST(a_signal_stops_all_loops_and_a_second_one_cancels_them) /* W1, W2, W3 */
{
    capture_log();
    weir_loops_options options = {.count = 2, .signals = true};
    bool deaf = false;
    EXPECT_RC(0, weir_run_loops(&options, end_by_signals, &deaf));
    EXPECT_CONTAINS("the loops are stopped by a signal", captured_log());
    EXPECT(strstr(log_text, "cancelled") == NULL);
    deaf = true;
    EXPECT_RC(0, weir_run_loops(&options, end_by_signals, &deaf));
    EXPECT_CONTAINS("the loops are cancelled by another signal", captured_log());
    release_log();
    options.count = 5000;
    EXPECT_RC(-EINVAL, weir_run_loops(&options, must_not_begin, NULL));
}

/* --- between them ----------------------------------------------------------------------------- */

static int where_am_i(void *arg)
{
    return weir_loops_self(arg) == NULL ? -ENOENT : 0;
}

static int ask_the_next(size_t index, void *arg)
{
    (void)arg;
    weir_loops *loops = weir_loops_self(NULL);
    size_t there = SIZE_MAX;
    size_t next = (index + 1) % weir_loops_count(loops);
    int rc = weir_remote_call(weir_loops_at(loops, next), where_am_i, &there);
    if (rc == -ESHUTDOWN) /* it was quicker, and has ended */
        return 0;
    EXPECT_EQ(next, there);
    return rc;
}

IO_TEST(loops_call_each_other) /* X2 */
{
    weir_loops *loops;
    REQUIRE_RC(0,
               weir_loops_open(&(weir_loops_options){.count = FOUR}, ask_the_next, NULL, &loops));
    EXPECT_RC(0, weir_loops_close(loops, 0));
}

static int wait_in_a_task(void *arg)
{
    (void)arg;
    return weir_wait_stopping();
}

/* Loop 0 has twenty tasks more than the others. */
static int be_uneven(size_t index, void *arg)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 20 && index == 0 && rc == 0; i++)
        rc = weir_spawn(group, wait_in_a_task, NULL);
    if (rc == 0)
        rc = weir_yield();
    weir_shared_event_post(arg);
    return weir_group_close(group, rc < 0 ? rc : weir_wait_stopping());
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void hold(void *arg)
{
    while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE))
        sched_yield();
}

IO_TEST(the_loop_that_is_chosen_has_less_to_do)
{
    weir_loops *loops;
    weir_shared_event *even;
    bool go_on = false;
    REQUIRE_RC(0, weir_shared_event_new(&even));
    REQUIRE_RC(0, weir_loops_open(&(weir_loops_options){.count = 2}, be_uneven, even, &loops));
    while (weir_shared_event_count(even) < 2)
        REQUIRE_RC(0, weir_shared_event_wait(even, weir_shared_event_count(even), NULL));
    weir_loop_stats stats = {0};
    while (stats.tasks < 20) { /* shown when its next turn begins */
        REQUIRE_RC(0, weir_sleep(WEIR_MS));
        weir_loops_stats_get(loops, 0, &stats);
    }
    size_t index;
    for (int i = 0; i < 20; i++) {
        EXPECT(weir_loops_choose(loops, &index) == weir_loops_at(loops, 1));
        EXPECT_EQ(1, index);
    }
    /* What is on its way counts as well: held up, loop 1 has more than the other. */
    EXPECT_RC(0, weir_remote_post(weir_loops_at(loops, 1), hold, &go_on));
    for (int i = 0; i < 40; i++)
        EXPECT_RC(0, weir_remote_spawn(weir_loops_at(loops, 1), do_nothing, NULL, NULL));
    EXPECT(weir_loops_choose(loops, NULL) == weir_loops_at(loops, 0));
    weir_loops_stats_get(loops, 1, &stats);
    EXPECT_EQ(40, stats.arriving);
    __atomic_store_n(&go_on, true, __ATOMIC_RELEASE);
    EXPECT_RC(0, weir_remote_stop(weir_loops_at(loops, 0), WEIR_STOP_DRAIN, NULL));
    while (stats.arriving > 0 || weir_loops_choose(loops, &index) != weir_loops_at(loops, 1)) {
        REQUIRE_RC(0, weir_sleep(WEIR_MS));
        weir_loops_stats_get(loops, 1, &stats);
    }
    weir_loops_stop(loops, 0, NULL);
    while (weir_loops_choose(loops, NULL) != NULL)
        REQUIRE_RC(0, weir_sleep(WEIR_MS));
    EXPECT_RC(0, weir_loops_close(loops, 0));
    weir_shared_event_release(even);
}
