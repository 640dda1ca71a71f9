/*
 * process_test.c - other programs: how they start, what they say, and that they always end
 *
 * Grandchildren are watched through a pipe that they hold: when it is at its end, they are gone.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "base/sys_process.h"
#include "core/core.h"
#include "core/observe.h"
#include "tests/support/everywhere.h"

#define SHELL(script)                                                                              \
    (const char *const[])                                                                          \
    {                                                                                              \
        "sh", "-c", script, NULL                                                                   \
    }

/* Nothing of ours is left, not even a zombie. */
static void expect_no_child(void)
{
    EXPECT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* What a script says, without the line's end; static. */
static const char *said_by(const weir_process_options *options)
{
    static char said[4096];
    weir_process_result output;
    said[0] = '\0';
    int rc = weir_process_run(options, (weir_str){0}, &output);
    EXPECT_RC(0, rc);
    if (rc < 0)
        return said;
    EXPECT_STR("", output.errors.data == NULL ? "" : output.errors.data);
    size_t size = output.output.size < sizeof said - 1 ? output.output.size : sizeof said - 1;
    if (size > 0)
        memcpy(said, output.output.data, size);
    said[size > 0 && said[size - 1] == '\n' ? size - 1 : size] = '\0';
    weir_process_result_free(&output);
    return said;
}

static const char *said_by_shell(const char *script)
{
    return said_by(&(weir_process_options){.arguments = SHELL(script)});
}

/* --- how it ends ------------------------------------------------------------------------------ */

IO_TEST(a_program_runs_and_its_exit_code_comes_back)
{
    weir_process *process;
    weir_process_status status;
    REQUIRE_RC(0,
               weir_process_spawn(&(weir_process_options){.arguments = SHELL("exit 7")}, &process));
    EXPECT(weir_process_pid(process) > 0);
    EXPECT_RC(0, weir_process_wait(process, &status));
    EXPECT_EQ(7, status.exit_code);
    EXPECT_EQ(0, status.signal);
    EXPECT(!status.core_dumped);
    EXPECT(status.memory_bytes_max > 0);
    EXPECT_RC(0, weir_process_wait(process, NULL)); // the answer stays
    EXPECT_RC(-ESRCH, weir_process_kill(process, SIGTERM));
    weir_process_close(process);
    expect_no_child();
}

IO_TEST(a_program_that_a_signal_ends_says_which)
{
    weir_process_result output;
    EXPECT_RC(128 + SIGKILL,
              weir_process_run(&(weir_process_options){.arguments = SHELL("kill -9 $$")},
                               (weir_str){0}, &output));
    EXPECT_EQ(SIGKILL, output.status.signal);
    EXPECT_EQ(-1, output.status.exit_code);
    weir_process_result_free(&output);
    expect_no_child();
}

static int wait_and_note(void *arg)
{
    weir_process_status status;
    int rc = weir_process_wait(arg, &status);
    return rc < 0 ? rc : status.exit_code;
}

IO_TEST(several_tasks_wait_for_one_process_and_a_cancelled_one_leaves_it_running)
{
    weir_process *process;
    REQUIRE_RC(0, weir_process_spawn(&(weir_process_options){.arguments = SHELL("read x; exit 5"),
                                                             .input.kind = WEIR_PROCESS_STDIO_PIPE},
                                     &process));
    int rc = 0;
    WEIR_TIMEOUT(rc, 0)
    {
        rc = weir_process_wait(process, NULL);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_RC(0, weir_process_kill(process, 0)); // it runs
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_FAIL_FAST}));
    weir_task_id ids[2];
    for (int i = 0; i < 2; i++)
        EXPECT_RC(0, weir_spawn_with(group, &(weir_spawn_options){.keep = true}, wait_and_note,
                                     process, &ids[i]));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_pipe_write_all(weir_process_input(process), "go\n", 3, NULL));
    for (int i = 0; i < 2; i++) {
        weir_outcome outcome;
        EXPECT_RC(0, weir_task_wait(ids[i], &outcome));
        EXPECT_EQ(5, outcome.rc);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_process_close(process);
    expect_no_child();
}

/* --- how it does not start -------------------------------------------------------------------- */

IO_TEST(a_program_that_is_not_there_is_an_error_with_its_name)
{
    weir_process *process;
    EXPECT_RC(-ENOENT, weir_process_spawn(
                           &(weir_process_options){
                               .arguments = (const char *const[]){"weir-no-such-program", NULL}},
                           &process));
    EXPECT_CONTAINS("weir-no-such-program", weir_failure_message(-ENOENT));
    EXPECT_RC(-EACCES,
              weir_process_spawn(
                  &(weir_process_options){.arguments = (const char *const[]){"/etc/passwd", NULL}},
                  &process));
    EXPECT_RC(-ENOENT, weir_process_spawn(&(weir_process_options){.arguments = SHELL("true"),
                                                                  .folder = "/no/such/folder"},
                                          &process));
    EXPECT_CONTAINS("/no/such/folder", weir_failure_message(-ENOENT));
    expect_no_child();
}

IO_TEST(options_that_contradict_each_other_are_refused)
{
    weir_process *process;
    weir_process_result output;
    EXPECT_RC(-EINVAL, weir_process_spawn(&(weir_process_options){0}, &process));
    EXPECT_RC(-EINVAL, weir_process_spawn(&(weir_process_options){.arguments = SHELL("true"),
                                                                  .stop_budget_ns = -1},
                                          &process));
    EXPECT_RC(-EINVAL,
              weir_process_spawn(&(weir_process_options){.arguments = SHELL("true"),
                                                         .input.kind = WEIR_PROCESS_STDIO_JOINED},
                                 &process));
    EXPECT_RC(-EINVAL,
              weir_process_run(&(weir_process_options){.arguments = SHELL("true"),
                                                       .input.kind = WEIR_PROCESS_STDIO_NULL},
                               WEIR_STR("lost"), &output));
    EXPECT_RC(-EINVAL, weir_process_run(NULL, (weir_str){0}, &output));
}

TEST(outside_a_task_no_program_is_started)
{
    weir_process *process;
    EXPECT_RC(-EPERM,
              weir_process_spawn(&(weir_process_options){.arguments = SHELL("true")}, &process));
}

TASK_TEST(there_are_no_processes_in_a_simulation)
{
    weir_process *process;
    EXPECT_RC(-EOPNOTSUPP,
              weir_process_spawn(&(weir_process_options){.arguments = SHELL("true")}, &process));
}

/* --- what it starts with ---------------------------------------------------------------------- */

IO_TEST(the_environment_is_ours_with_changes_or_another)
{
    setenv("WEIR_KEPT", "kept", 1);
    setenv("WEIR_GONE", "gone", 1);
    weir_process_options options = {
        .arguments = SHELL("echo $WEIR_KEPT,$WEIR_GONE,$WEIR_NEW"),
        .changes = (const char *const[]){"WEIR_NEW=new=x", "WEIR_GONE", "WEIR_KEPT=k", NULL}};
    EXPECT_STR("k,,new=x", said_by(&options));
    options.changes =
        (const char *const[]){"WEIR_NEW=1", "WEIR_KEPT=2", "WEIR_NEW=3", "WEIR_KEPT", NULL};
    EXPECT_STR(",gone,3", said_by(&options)); // the last one counts
    options.changes = NULL;
    EXPECT_STR("kept,gone,", said_by(&options));
    options.environment = (const char *const[]){"WEIR_NEW=only", NULL};
    EXPECT_STR(",,only", said_by(&options)); // and sh was found by our own $PATH
}

IO_TEST(it_starts_in_the_folder_it_was_given)
{
    EXPECT_STR("/proc",
               said_by(&(weir_process_options){.arguments = SHELL("pwd"), .folder = "/proc"}));
    EXPECT_STR("named", said_by(&(weir_process_options){
                            .arguments = (const char *const[]){"my name", "-c", "echo named", NULL},
                            .program = "sh"}));
}

IO_TEST(no_descriptor_mask_or_ignored_signal_is_inherited)
{
    char script[128];
    int fd = open("/dev/null", O_RDONLY); // without O_CLOEXEC: of somebody who forgot it
    snprintf(script, sizeof script, "test ! -e /proc/self/fd/%d && echo closed", fd);
    EXPECT_STR("closed", said_by_shell(script));
    close(fd);

    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, &before);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, pipe_before;
    sigaction(SIGPIPE, &ignore, &pipe_before);
    EXPECT_STR("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000",
               said_by(&(weir_process_options){
                   .arguments = (const char *const[]){"grep", "-E", "^Sig(Blk|Ign)",
                                                      "/proc/self/status", NULL}}));
    sigaction(SIGPIPE, &pipe_before, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

IO_TEST(limits_group_and_identity_are_its_own)
{
    weir_process_limit limit = {RLIMIT_NOFILE, 50, 60};
    EXPECT_STR("50 60", said_by(&(weir_process_options){
                            .arguments = SHELL("echo $(ulimit -Sn) $(ulimit -Hn)"),
                            .limits = &limit,
                            .limit_count = 1}));
    EXPECT_STR("own", said_by_shell("read a b c d e f < /proc/$$/stat; "
                                    "test $e = $$ && echo own"));
    EXPECT_STR("shared", said_by(&(weir_process_options){
                             .arguments = SHELL("read a b c d e f < /proc/$$/stat; "
                                                "test $e = $$ || echo shared"),
                             .shares_group = true}));
    if (getuid() == 0) {
        weir_process_identity nobody = {65534, 65533};
        EXPECT_STR("65534 65533 65533",
                   said_by(&(weir_process_options){.arguments = SHELL("echo $(id -u) $(id -G) "
                                                                      "$(id -g)"),
                                                   .identity = &nobody}));
    }
}

/* --- its streams ------------------------------------------------------------------------------ */

IO_TEST(a_megabyte_goes_in_and_out_at_the_same_time)
{
    enum { SIZE = 1 << 20 };
    char *data = weir__base_alloc(SIZE);
    REQUIRE(data != NULL);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 4096);
    weir_process_result output;
    EXPECT_RC(0, weir_process_run(
                     &(weir_process_options){.arguments = (const char *const[]){"cat", NULL}},
                     (weir_str){data, SIZE}, &output));
    EXPECT_EQ(SIZE, output.output.size);
    if (output.output.size == SIZE)
        EXPECT_BYTES(data, output.output.data, SIZE);
    weir_process_result_free(&output);
    weir__base_free(data);
}

IO_TEST(output_and_errors_are_collected_apart_or_joined)
{
    weir_process_options options = {.arguments = SHELL("echo one; echo two >&2")};
    weir_process_result output;
    EXPECT_RC(0, weir_process_run(&options, (weir_str){0}, &output));
    EXPECT_STR("one\n", output.output.data);
    EXPECT_STR("two\n", output.errors.data);
    weir_process_result_free(&output);
    options.errors.kind = WEIR_PROCESS_STDIO_JOINED;
    EXPECT_RC(0, weir_process_run(&options, (weir_str){0}, &output));
    EXPECT_STR("one\ntwo\n", output.output.data);
    EXPECT(output.errors.data == NULL);
    weir_process_result_free(&output);
    options.output.kind = options.errors.kind = WEIR_PROCESS_STDIO_NULL;
    EXPECT_RC(0, weir_process_run(&options, (weir_str){0}, &output));
    EXPECT(output.output.data == NULL);
}

IO_TEST(a_program_that_reads_nothing_is_no_failure)
{
    static char data[200000];
    weir_process_result output;
    EXPECT_RC(3, weir_process_run(&(weir_process_options){.arguments = SHELL("exit 3")},
                                  (weir_str){data, sizeof data}, &output));
    weir_process_result_free(&output);
}

IO_TEST(one_that_says_too_much_is_ended)
{
    weir_process_result output;
    EXPECT_RC(-EFBIG, weir_process_run(&(weir_process_options){.arguments = SHELL("yes"),
                                                               .output_bytes_max = 100000},
                                       (weir_str){0}, &output));
    EXPECT_CONTAINS("100000 bytes", weir_failure_message(-EFBIG));
    expect_no_child();
}

IO_TEST(writing_to_one_that_has_ended_is_a_code_and_no_signal)
{
    weir_process *process;
    REQUIRE_RC(0, weir_process_spawn(&(weir_process_options){.arguments = SHELL("exit 0"),
                                                             .input.kind = WEIR_PROCESS_STDIO_PIPE},
                                     &process));
    EXPECT_RC(0, weir_process_wait(process, NULL));
    size_t written = 9;
    EXPECT_RC(-EPIPE, weir_pipe_write_all(weir_process_input(process), "x", 1, &written));
    EXPECT_EQ(0, written);
    EXPECT(weir_process_output(process) == NULL && weir_process_errors(process) == NULL);
    weir_process_finish_input(process);
    weir_process_finish_input(process);
    EXPECT(weir_process_input(process) == NULL);
    weir_process_close(process);
}

struct reading {
    weir_process *process;
    ssize_t n;
};

static int read_one(void *arg)
{
    struct reading *reading = arg;
    char byte;
    reading->n = weir_pipe_read(weir_process_output(reading->process), &byte, 1);
    return 0;
}

IO_TEST(who_reads_from_a_process_that_is_closed_hears_of_it)
{
    struct reading reading = {0}, second = {0};
    REQUIRE_RC(0,
               weir_process_spawn(&(weir_process_options){.arguments = SHELL("exec sleep 1000"),
                                                          .output.kind = WEIR_PROCESS_STDIO_PIPE},
                                  &reading.process));
    second.process = reading.process;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_one, &reading));
    EXPECT_RC(0, weir_spawn(group, read_one, &second));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EBUSY, second.n);
    weir_process_close(reading.process);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, reading.n);
    expect_no_child();
}

/* Until nobody takes its bytes any more; then says that there will be no more. */
static int feed_and_finish(void *arg)
{
    struct reading *feeding = arg;
    char bytes[1 << 16] = {0};
    while (feeding->n >= 0)
        feeding->n =
            weir_pipe_write_all(weir_process_input(feeding->process), bytes, sizeof bytes, NULL);
    EXPECT(weir_process_input(feeding->process) == NULL); // it went with the process
    weir_process_finish_input(feeding->process);
    return 0;
}

IO_TEST(who_feeds_a_process_that_is_being_closed_may_still_finish_its_input) /* O8 */
{
    struct reading feeding = {0};
    REQUIRE_RC(0, weir_process_spawn(
                      &(weir_process_options){.arguments = SHELL("trap '' TERM; echo; sleep 1000"),
                                              .input.kind = WEIR_PROCESS_STDIO_PIPE,
                                              .output.kind = WEIR_PROCESS_STDIO_PIPE,
                                              .stop_budget_ns = 50 * WEIR_MS},
                      &feeding.process));
    char line;
    EXPECT_EQ(1, weir_pipe_read(weir_process_output(feeding.process), &line, 1));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, feed_and_finish, &feeding));
    EXPECT_RC(0, weir_yield());
    weir_process_close(feeding.process); // parks until the budget is used up
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, feeding.n);
    expect_no_child();
}

/* --- the end ---------------------------------------------------------------------------------- */

/* A process with a grandchild, whose output goes to a pipe of ours. */
static weir_process *start_family(const char *script, int64_t stop_budget_ns, int out_fds[2])
{
    weir_process *process = NULL;
    if (pipe2(out_fds, O_CLOEXEC) < 0) {
        EXPECT(false);
        return NULL;
    }
    EXPECT_RC(
        0, weir_process_spawn(&(weir_process_options){.arguments = SHELL(script),
                                                      .stop_budget_ns = stop_budget_ns,
                                                      .output = {WEIR_PROCESS_STDIO_FD, out_fds[1]},
                                                      .errors.kind = WEIR_PROCESS_STDIO_JOINED},
                              &process));
    close(out_fds[1]);
    return process;
}

/* Blocks until nobody holds the pipe any more; true when these were the last words. */
static bool last_words(int fd, const char *words)
{
    char text[256];
    size_t size = 0;
    ssize_t n;
    while (size < sizeof text && (n = read(fd, text + size, sizeof text - size)) > 0)
        size += (size_t)n;
    size_t wanted = strlen(words);
    close(fd);
    return size >= wanted && memcmp(text + size - wanted, words, wanted) == 0;
}

static void hear(int fd, char byte)
{
    char heard = 0;
    EXPECT_EQ(1, read(fd, &heard, 1));
    EXPECT_EQ(byte, heard);
}

IO_TEST(closing_ends_the_whole_group_with_sigterm)
{
    int fds[2];
    weir_process *process = start_family(
        "sleep 1000 & trap 'echo bye; exit 0' TERM; printf r; while :; do wait; done", 0, fds);
    REQUIRE(process != NULL);
    hear(fds[0], 'r');
    weir_process_close(process);
    expect_no_child();
    EXPECT(last_words(fds[0], "bye\n"));
}

IO_TEST(one_that_ignores_sigterm_is_killed_with_its_group_when_the_budget_is_used_up)
{
    int fds[2];
    weir_process *process = start_family(
        "trap '' TERM; sleep 1000 & printf r; while :; do wait; done", 20 * WEIR_MS, fds);
    REQUIRE(process != NULL);
    hear(fds[0], 'r');
    weir_process_close(process);
    expect_no_child();
    EXPECT(last_words(fds[0], ""));
}

IO_TEST(what_a_process_leaves_behind_in_its_group_is_killed)
{
    int fds[2];
    weir_process *process = start_family("trap '' TERM; sleep 1000 & printf r", 0, fds);
    REQUIRE(process != NULL);
    hear(fds[0], 'r');
    EXPECT_RC(0, weir_process_wait(process, NULL));
    weir_process_close(process);
    EXPECT(last_words(fds[0], ""));
}

IO_TEST(a_stopped_process_is_woken_to_hear_that_it_must_end)
{
    int fds[2];
    weir_process *process = start_family(
        "trap 'echo bye; exit 0' TERM; printf r; kill -STOP $$; while :; do sleep 0.01; done", 0,
        fds);
    REQUIRE(process != NULL);
    hear(fds[0], 'r');
    weir_process_close(process);
    EXPECT(last_words(fds[0], "bye\n"));
}

IO_TEST(a_signal_goes_to_one_or_to_all)
{
    int fds[2];
    weir_process *process = start_family(
        "trap ':' USR1; "
        "sh -c 'trap \"echo child; exit 0\" USR1; printf r; while :; do sleep 0.01; done' & "
        "wait; wait; echo parent; exit 4",
        0, fds);
    REQUIRE(process != NULL);
    hear(fds[0], 'r');
    EXPECT_RC(-EINVAL, weir_process_kill(process, 1000));
    EXPECT_RC(0, weir_process_kill_group(process, SIGUSR1));
    weir_process_status status;
    EXPECT_RC(0, weir_process_wait(process, &status));
    EXPECT_EQ(4, status.exit_code);
    weir_process_close(process);
    EXPECT(last_words(fds[0], "child\nparent\n"));
}

IO_TEST(a_cancelled_run_ends_the_program)
{
    int rc = 0;
    weir_process_result output;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_process_run(&(weir_process_options){.arguments = SHELL("sleep 1000")},
                              (weir_str){0}, &output);
    }
    EXPECT_RC(-ETIME, rc);
    expect_no_child();
}

IO_TEST(how_it_ended_is_lost_when_somebody_else_takes_it)
{
    weir_process *process;
    REQUIRE_RC(0,
               weir_process_spawn(&(weir_process_options){.arguments = SHELL("exit 0")}, &process));
    EXPECT(waitpid(weir_process_pid(process), NULL, 0) > 0);
    EXPECT_RC(-ECHILD, weir_process_wait(process, NULL));
    EXPECT_CONTAINS("SIGCHLD", weir_failure_message(-ECHILD));
    EXPECT_RC(-ESRCH, weir_process_kill(process, SIGTERM));
    EXPECT_RC(-ESRCH, weir_process_kill_group(process, SIGTERM));
    weir_process_close(process);
}

IO_TEST(it_works_where_there_is_no_pidfd)
{
    weir__sys_without_pidfd = true;
    EXPECT_STR("here", said_by_shell("echo here"));
    int fds[2];
    weir_process *process =
        start_family("trap '' TERM; printf r; while :; do sleep 0.01; done", 20 * WEIR_MS, fds);
    REQUIRE(process != NULL);
    hear(fds[0], 'r');
    weir_process_close(process);
    EXPECT(last_words(fds[0], ""));
    expect_no_child();
    weir__sys_without_pidfd = false;
}

static int start_and_vanish(void *arg)
{
    const int *fds = arg;
    weir_process *process;
    int rc =
        weir_process_spawn(&(weir_process_options){.arguments = SHELL("echo r; exec sleep 1000"),
                                                   .output = {WEIR_PROCESS_STDIO_FD, fds[1]},
                                                   .dies_with_parent = true,
                                                   .shares_group = true},
                           &process);
    char byte;
    _exit(rc == 0 && read(fds[0], &byte, 1) == 1 ? 0 : 1); /* without a word to anybody */
}

TEST(one_that_dies_with_its_parent_does)
{
    int fds[2], status = -1;
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(weir_run(start_and_vanish, fds) == 0 ? 2 : 3);
    close(fds[1]);
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT_EQ(0, status);
    EXPECT(last_words(fds[0], "")); /* until the sleep is gone as well */
}

/* --- forgotten, cancelled, failed everywhere -------------------------------------------------- */

static int processes_told;

static void note(const struct weir__finding *finding)
{
    processes_told +=
        finding->kind == WEIR__FINDING_LEFT_OPEN && strcmp(finding->what, "process") == 0;
}

static int close_nothing(void *arg)
{
    weir_process **process = arg;
    return weir_process_spawn(&(weir_process_options){.arguments = SHELL("exec sleep 1000")},
                              process);
}

TEST(a_forgotten_process_is_told_and_ended)
{
    weir_process *process;
    weir__core_observe(note);
    int fds = weir__sys_open_fd_count();
    EXPECT_RC(
        0, weir__core_run(&(weir_run_options){.backend = "epoll"}, close_nothing, &process, false));
    EXPECT_EQ(1, processes_told);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
    expect_no_child();
    weir__core_observe(NULL);
}

static int run_a_pipeline(void *arg)
{
    (void)arg;
    static char data[70000];
    weir_process_result output;
    int rc = weir_process_run(
        &(weir_process_options){.arguments = SHELL("cat; echo end >&2"), .stop_budget_ns = 1},
        (weir_str){data, sizeof data}, &output);
    if (rc != 0)
        return rc > 0 ? -EIO : rc;
    WEIR_TEST_EXPECT(output.output.size == sizeof data && output.errors.size == 4);
    weir_process_result_free(&output);
    WEIR_TEST_EXPECT(waitpid(-1, NULL, WNOHANG) == -1);
    return 0;
}

TEST(a_process_everywhere) /* O4, O5, O8, I4 */
{
    everywhere_real("process", (struct everywhere){.body = run_a_pipeline, .rounds_min = 15});
}
