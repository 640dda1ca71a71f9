/*
 * test.c - the harness of weir's tests: finds, runs and counts them
 *
 * The parent forks one child for each run of a test and waits for it with a limit. The child's
 * output goes to a file in memory, so that it can neither block on a full pipe nor keep the parent
 * waiting through a grandchild that holds the other end. Failures are counted in a page shared by
 * all of them: an expectation counts wherever it is made.
 *
 * Runs on  the parent has one thread; in a child anything goes.
 * Holds    1. A test fails when an expectation failed, when its process did not exit with 0, when
 *             its time was up, or when it left something in the ledger.
 *          2. No process of a test's process group outlives the test.
 */
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

/* The boundary's own counters, when the test links it. */
#pragma weak weir__base_alloc_stats
#pragma weak weir_log_flush
void weir_log_flush(void);

enum {
    TIMEOUT_DEFAULT_S = 60,
    SLOW_MS = 1000,              /* from here on a test's line says how long it took */
    OUTPUT_BYTES_MAX = 64 << 20, /* a test that prints more is running away */
    SHOWN_BYTES_MAX = 256 << 10,
};

/* Shared with the children. */
struct verdict {
    int failure_count;
    bool skipped;
    char reason[256];
};

struct totals {
    int passed_count;
    int failed_count;
    int skipped_count;
};

static struct test_case *registered;
static struct verdict *verdict;
static bool run_here;

/* --- registration ---------------------------------------------------------------------------- */

void test_register(struct test_case *test)
{
    struct test_case **position = &registered;
    while (*position != NULL) {
        int order = strcmp((*position)->file, test->file);
        if (order > 0 || (order == 0 && (*position)->line > test->line))
            break;
        position = &(*position)->next;
    }
    test->next = *position;
    *position = test;
}

/* --- expectations ---------------------------------------------------------------------------- */

static bool record(bool held)
{
    if (!held)
        __atomic_add_fetch(&verdict->failure_count, 1, __ATOMIC_RELAXED);
    return held;
}

/* A code as people read it: `0`, `17`, `-EIO (-5)`. */
static const char *code_text(intmax_t code, char *buffer, size_t size)
{
    const char *name = code < 0 && code > -4096 ? strerrorname_np((int)-code) : NULL;
    if (name != NULL)
        snprintf(buffer, size, "-%s (%" PRIdMAX ")", name, code);
    else
        snprintf(buffer, size, "%" PRIdMAX, code);
    return buffer;
}

bool test_expect(bool held, const char *text, const char *file, int line)
{
    if (!held)
        fprintf(stderr, "%s:%d: expected: %s\n", file, line, text);
    return record(held);
}

bool test_expect_equal(intmax_t expected, intmax_t actual, const char *text, const char *file,
                       int line)
{
    if (expected != actual)
        fprintf(stderr, "%s:%d: %s: expected %" PRIdMAX ", got %" PRIdMAX "\n", file, line, text,
                expected, actual);
    return record(expected == actual);
}

bool test_expect_code(int expected, intmax_t actual, const char *text, const char *file, int line)
{
    char expected_text[64];
    char actual_text[64];
    if (expected != actual)
        fprintf(stderr, "%s:%d: %s: expected %s, got %s\n", file, line, text,
                code_text(expected, expected_text, sizeof expected_text),
                code_text(actual, actual_text, sizeof actual_text));
    return record(expected == actual);
}

bool test_expect_string(const char *expected, const char *actual, const char *text,
                        const char *file, int line)
{
    bool held =
        expected == NULL || actual == NULL ? expected == actual : strcmp(expected, actual) == 0;
    if (!held)
        fprintf(stderr, "%s:%d: %s\n    expected: %s\n    got:      %s\n", file, line, text,
                expected == NULL ? "NULL" : expected, actual == NULL ? "NULL" : actual);
    return record(held);
}

bool test_expect_bytes(const void *expected, const void *actual, size_t size, const char *text,
                       const char *file, int line)
{
    const unsigned char *left = expected;
    const unsigned char *right = actual;
    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i]) {
            fprintf(stderr, "%s:%d: %s: byte %zu of %zu: expected 0x%02x, got 0x%02x\n", file, line,
                    text, i, size, left[i], right[i]);
            return record(false);
        }
    }
    return record(true);
}

bool test_expect_contains(const char *part, const char *whole, const char *text, const char *file,
                          int line)
{
    bool held = whole != NULL && strstr(whole, part) != NULL;
    if (!held)
        fprintf(stderr, "%s:%d: %s\n    expected it to contain: %s\n    got: %s\n", file, line,
                text, part, whole == NULL ? "NULL" : whole);
    return record(held);
}

void test_skip(const char *why)
{
    snprintf(verdict->reason, sizeof verdict->reason, "%s", why);
    verdict->skipped = true;
}

int test_rounds(int count)
{
    const char *text = getenv("WEIR_TEST_DIVISOR");
    long divisor = text == NULL ? 1 : strtol(text, NULL, 10);
    return divisor > 1 && divisor < count ? (int)(count / divisor) : divisor > 1 ? 1 : count;
}

bool test_failed(void)
{
    return __atomic_load_n(&verdict->failure_count, __ATOMIC_RELAXED) > 0;
}

/* --- inside the child ------------------------------------------------------------------------ */

struct ledger {
    uint64_t live_blocks;
    int fd_count;
};

/* Descriptors that are open, not counting the one that lists them. */
static int count_open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return -1;
    int count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 3; /* `.`, `..` and the directory itself */
}

static void print_open_fds(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        char path[64];
        char target[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(path, target, sizeof target - 1);
        if (size < 0)
            continue;
        target[size] = '\0';
        fprintf(stderr, "    fd %d: %s\n", fd, target);
    }
}

static struct ledger read_ledger(void)
{
    struct ledger ledger = {.fd_count = count_open_fds()};
    if (weir__base_alloc_stats != NULL) {
        struct weir__alloc_stats stats;
        weir__base_alloc_stats(&stats);
        ledger.live_blocks = stats.allocated_count - stats.freed_count;
    }
    return ledger;
}

static void check_ledger(struct ledger before)
{
    struct ledger after = read_ledger();
    if (after.live_blocks != before.live_blocks) {
        fprintf(stderr, "ledger: %" PRIu64 " blocks of memory before the run, %" PRIu64 " after\n",
                before.live_blocks, after.live_blocks);
        record(false);
    }
    if (after.fd_count != before.fd_count) {
        fprintf(stderr, "ledger: %d descriptors open before the run, %d after:\n", before.fd_count,
                after.fd_count);
        print_open_fds();
        record(false);
    }
}

static void run_body(const struct test_case *test, const char *backend)
{
    if (test->kind == TEST_PLAIN) {
        test->body();
        return;
    }
    struct ledger before = read_ledger();
    int rc = test->run_in_task(backend, test->body);
    if (weir_log_flush != NULL)
        weir_log_flush();
    test_expect_code(0, rc, "the run that the test's task belongs to", test->file, test->line);
    check_ledger(before);
}

/* --- the parent ------------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t timeout_ms(void)
{
    const char *text = getenv("WEIR_TEST_TIMEOUT");
    int64_t seconds = 0;
    for (const char *c = text; c != NULL && *c >= '0' && *c <= '9' && seconds < 1000000; c++)
        seconds = seconds * 10 + (*c - '0');
    return (seconds > 0 ? seconds : TIMEOUT_DEFAULT_S) * 1000;
}

static void show_output(int fd)
{
    static char buffer[4096];
    off_t size = lseek(fd, 0, SEEK_END);
    off_t position = size > SHOWN_BYTES_MAX ? size - SHOWN_BYTES_MAX : 0;
    if (position > 0)
        printf("    ... the first %lld bytes of its output are left out\n", (long long)position);
    bool at_line_start = true;
    while (position < size) {
        ssize_t count = pread(fd, buffer, sizeof buffer, position);
        if (count <= 0)
            break;
        for (ssize_t i = 0; i < count; i++) {
            if (at_line_start)
                fputs("    ", stdout);
            putchar(buffer[i]);
            at_line_start = buffer[i] == '\n';
        }
        position += count;
    }
    if (!at_line_start)
        putchar('\n');
}

/* Where each thread of a test that hangs is waiting, as far as the kernel tells. */
static void show_threads(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char text[2][256] = {"?", "?"};
        const char *const names[2] = {"comm", "syscall"};
        for (int i = 0; i < 2; i++) {
            char file[512];
            snprintf(file, sizeof file, "%s/%s/%s", path, entry->d_name, names[i]);
            int fd = open(file, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
                continue;
            ssize_t size = read(fd, text[i], sizeof text[i] - 1);
            text[i][size > 0 ? size : 0] = '\0';
            text[i][strcspn(text[i], "\n")] = '\0';
            close(fd);
        }
        printf("    thread %s (%s) is in system call %s\n", entry->d_name, text[0], text[1]);
    }
    closedir(directory);
}

static void child_main(const struct test_case *test, const char *backend, int output_fd,
                       const sigset_t *mask)
{
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, mask, NULL);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
        dup2(output_fd, STDERR_FILENO) < 0)
        _exit(70);
    close(null_fd);
    close(output_fd);
    setvbuf(stdout, NULL, _IOLBF, 0);
    run_body(test, backend);
    fflush(NULL);
    exit(0); /* and not _exit: sanitizers look for leaks on the way out */
}

/* Waits for the child: 0 when it ended, -ETIME or -EFBIG when it was killed. */
static int wait_for_child(pid_t pid, int output_fd, int64_t limit_ms, int *out_status)
{
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    int64_t deadline_ms = now_ms() + limit_ms;
    int rc = 0;
    while (waitpid(pid, out_status, WNOHANG) == 0) {
        struct stat output;
        if (now_ms() >= deadline_ms)
            rc = -ETIME;
        else if (fstat(output_fd, &output) == 0 && output.st_size > OUTPUT_BYTES_MAX)
            rc = -EFBIG;
        if (rc < 0) {
            show_threads(pid);
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL);
            waitpid(pid, out_status, 0);
            break;
        }
        struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
        sigtimedwait(&child_ended, NULL, &pause);
    }
    kill(-pid, SIGKILL);
    return rc;
}

static void print_name(const char *verdict_word, const struct test_case *test, const char *backend)
{
    printf("%s ", verdict_word);
    for (const char *c = test->name; *c != '\0'; c++)
        putchar(*c == '_' ? ' ' : *c);
    if (test->kind == TEST_IO)
        printf(" (%s)", backend);
}

static void run_test(const struct test_case *test, const char *backend, struct totals *totals)
{
    *verdict = (struct verdict){0};
    if (run_here) {
        run_body(test, backend);
        print_name(test_failed() ? "FAIL" : "ok", test, backend);
        putchar('\n');
        totals->passed_count += !test_failed();
        totals->failed_count += test_failed();
        return;
    }

    int output_fd = memfd_create("test output", MFD_CLOEXEC);
    sigset_t blocked;
    sigset_t mask;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    fflush(NULL);
    int64_t started_ms = now_ms();
    pid_t pid = output_fd < 0 ? -1 : fork();
    if (pid < 0) {
        print_name("FAIL", test, backend);
        printf(": cannot start it: %s\n", strerror(errno));
        totals->failed_count++;
        return;
    }
    if (pid == 0)
        child_main(test, backend, output_fd, &mask);
    setpgid(pid, pid); /* here as well: whoever comes first */

    int status = 0;
    int64_t limit_ms = timeout_ms();
    int rc = wait_for_child(pid, output_fd, limit_ms, &status);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    int64_t took_ms = now_ms() - started_ms;
    bool ended_well = rc == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (ended_well && !test_failed()) {
        print_name(verdict->skipped ? "skip" : "ok", test, backend);
        if (verdict->skipped)
            printf(": %s", verdict->reason);
        else if (took_ms >= SLOW_MS)
            printf(" [%" PRId64 ".%" PRId64 " s]", took_ms / 1000, took_ms % 1000 / 100);
        putchar('\n');
        totals->skipped_count += verdict->skipped;
        totals->passed_count += !verdict->skipped;
        close(output_fd);
        return;
    }

    totals->failed_count++;
    print_name("FAIL", test, backend);
    if (rc == -ETIME)
        printf(": its %" PRId64 " s were up (WEIR_TEST_TIMEOUT)", limit_ms / 1000);
    else if (rc == -EFBIG)
        printf(": it printed more than %d MiB", OUTPUT_BYTES_MAX >> 20);
    else if (WIFSIGNALED(status))
        printf(": killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (!ended_well)
        printf(": exit status %d", WEXITSTATUS(status));
    printf("\n    at %s:%d\n", test->file, test->line);
    show_output(output_fd);
    close(output_fd);
}

const char *test_why_no_uring(void)
{
#ifdef WEIR_NO_URING
    return "this build has no io_uring";
#else
    static char reason[160];
    struct io_uring_params params = {0};
    long fd = syscall(SYS_io_uring_setup, 1, &params);
    if (fd >= 0) {
        close((int)fd);
        return NULL;
    }
    snprintf(reason, sizeof reason,
             "io_uring_setup refused (%s); see kernel.io_uring_disabled, or the seccomp profile",
             strerrorname_np(errno));
    return reason;
#endif
}

/* Why the list of WEIR_TEST_SKIP leaves this test out, or NULL. A line is `name: reason`, or
 * `name (backend): reason`. */
static const char *why_left_out(const struct test_case *test, const char *backend)
{
    static char line[512];
    const char *path = getenv("WEIR_TEST_SKIP");
    FILE *list = path != NULL && *path != '\0' ? fopen(path, "re") : NULL;
    if (list == NULL)
        return NULL;
    char full_name[512];
    snprintf(full_name, sizeof full_name, "%s (%s)", test->name, backend);
    const char *reason = NULL;
    while (reason == NULL && fgets(line, sizeof line, list) != NULL) {
        char *colon = strstr(line, ": ");
        if (colon == NULL)
            continue;
        *colon = '\0';
        colon[2 + strcspn(colon + 2, "\n")] = '\0';
        if (strcmp(line, test->name) == 0 || strcmp(line, full_name) == 0)
            reason = colon + 2;
    }
    fclose(list);
    return reason;
}

static void run_on(const struct test_case *test, const char *backend, struct totals *totals)
{
    const char *only = getenv("WEIR_TEST_BACKEND");
    if (test->kind != TEST_PLAIN && only != NULL && *only != '\0' && strcmp(only, backend) != 0)
        return;
    const char *reason = why_left_out(test, backend);
    if (reason == NULL && strcmp(backend, "uring") == 0)
        reason = test_why_no_uring();
    if (reason != NULL) {
        print_name("skip", test, backend);
        printf(": %s\n", reason);
        totals->skipped_count++;
        return;
    }
    run_test(test, backend, totals);
}

static bool wanted(const struct test_case *test, int count, char **parts)
{
    bool any = false;
    for (int i = 0; i < count; i++) {
        if (parts[i][0] == '-')
            continue;
        any = true;
        char part[256];
        snprintf(part, sizeof part, "%s", parts[i]);
        for (char *c = part; *c != '\0'; c++) {
            if (*c == ' ')
                *c = '_';
        }
        if (strstr(test->name, part) != NULL)
            return true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    bool list_only = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list_only = true;
        } else if (strcmp(argv[i], "--here") == 0) {
            run_here = true;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: %s [--list] [--here] [part of a name]...\n", argv[0]);
            return 64;
        }
    }
    verdict =
        mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (verdict == MAP_FAILED) {
        perror("mmap");
        return 70;
    }

    struct totals totals = {0};
    int wanted_count = 0;
    for (const struct test_case *test = registered; test != NULL; test = test->next) {
        if (!wanted(test, argc - 1, argv + 1))
            continue;
        wanted_count++;
        if (list_only) {
            printf("%s\n", test->name);
        } else if (test->kind == TEST_IO) {
            run_on(test, "uring", &totals);
            run_on(test, "epoll", &totals);
        } else if (test->kind == TEST_ANY) {
            run_on(test, "uring", &totals);
            run_on(test, "epoll", &totals);
            run_on(test, "sim", &totals);
        } else if (test->kind == TEST_TASK) {
            run_on(test, "sim", &totals);
        } else {
            run_on(test, "", &totals);
        }
    }
    if (list_only)
        return 0;
    if (wanted_count == 0) {
        fprintf(stderr, "no test has such a name; see %s --list\n", argv[0]);
        totals.failed_count++; /* a filter with a typing error must not look like success */
    }
    printf("%d passed, %d failed", totals.passed_count, totals.failed_count);
    if (totals.skipped_count > 0)
        printf(", %d skipped", totals.skipped_count);
    putchar('\n');
    return totals.failed_count > 0 ? 1 : 0;
}
