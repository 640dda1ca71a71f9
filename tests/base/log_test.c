/*
 * log_test.c - no line is lost in silence, none waits for a reader, none is torn
 *
 * Each test sends the lines to a pipe or a file of its own.
 */
#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/thread.h"
#include "tests/support/test.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN 1
#endif

static struct weir__log_stats stats_now(void)
{
    struct weir__log_stats stats;
    weir__log_stats(&stats);
    return stats;
}

struct output {
    int fd;
    char *text; /* what is there, closed */
};

static struct output log_to_file(void)
{
    struct output output = {memfd_create("log", MFD_CLOEXEC), NULL};
    weir_log_set_fd(output.fd);
    return output;
}

static const char *written(struct output *output)
{
    weir_log_flush();
    off_t size = lseek(output->fd, 0, SEEK_END);
    output->text = realloc(output->text, (size_t)size + 1);
    if (output->text == NULL || pread(output->fd, output->text, (size_t)size, 0) != size)
        abort();
    output->text[size] = '\0';
    return output->text;
}

static void close_output(struct output *output)
{
    weir_log_set_fd(2);
    close(output->fd);
    free(output->text);
}

/* Takes the next line, without its newline. With lengths: under ASan with strict string checks a
 * str* call looks for the end of all the text. */
static bool take_line(weir_str *rest, weir_str *out_line)
{
    const char *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    if (end == NULL)
        return false;
    *out_line = weir__str_of(rest->data, (size_t)(end - rest->data));
    rest->data = end + 1;
    rest->size -= out_line->size + 1;
    return true;
}

static int count_lines(const char *text)
{
    weir_str rest = weir__str_from(text);
    weir_str line = {0};
    int count = 0;
    while (take_line(&rest, &line))
        count++;
    return count;
}

/* The line behind its time begins like this. */
static bool goes_on_with(weir_str line, const char *beginning)
{
    return line.size >= 24 && weir__str_starts(weir__str_of(line.data + 24, line.size - 24),
                                               weir__str_from(beginning));
}

TEST(lines_are_written_in_order)
{
    struct output output = log_to_file();
    weir_log_info("first", WEIR_KV("n", 1));
    weir_log_warn("second", WEIR_KV("why", "no reason"));
    weir_log_error("third");
    const char *text = written(&output);
    EXPECT_EQ(3, count_lines(text));
    const char *first = strstr(text, "Z INFO first n=1\n");
    const char *second = strstr(text, "Z WARN second why=\"no reason\"\n");
    const char *third = strstr(text, "Z ERROR third\n");
    EXPECT(first != NULL && second > first && third > second);
    EXPECT_EQ(strlen(text), stats_now().written_bytes);
    EXPECT_EQ(0, stats_now().queued_bytes);
    close_output(&output);
}

TEST(lines_below_the_level_are_not_written)
{
    struct output output = log_to_file();
    weir_log_debug("too low");
    EXPECT_STR("", written(&output));
    weir_log_configure(WEIR_LOG_JSON, WEIR_LOG_DEBUG);
    weir_log_debug("seen");
    weir_log_configure(WEIR_LOG_TEXT, WEIR_LOG_ERROR);
    weir_log_warn("not seen");
    weir_log_error("an error");
    const char *text = written(&output);
    EXPECT_EQ(2, count_lines(text));
    EXPECT_CONTAINS("\"level\":\"debug\",\"msg\":\"seen\"}\n", text);
    EXPECT_CONTAINS("ERROR an error\n", text);
    close_output(&output);
}

TEST(the_time_of_a_line_is_the_wall_clock)
{
    struct output output = log_to_file();
    time_t before = time(NULL);
    weir_log_info("now");
    const char *text = written(&output);
    time_t after = time(NULL);
    struct tm tm = {0};
    REQUIRE(strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL);
    time_t logged = timegm(&tm);
    EXPECT(logged >= before && logged <= after);
    close_output(&output);
}

TEST(raw_text_goes_out_whole_whatever_the_level)
{
    struct output output = log_to_file();
    weir_log_configure(WEIR_LOG_JSON, WEIR_LOG_ERROR);
    weir__log_raw("a report\n  of two lines", 23);
    weir__log_raw("closed already\n", 15);
    weir__log_raw("", 0);
    EXPECT_STR("a report\n  of two lines\nclosed already\n", written(&output));
    EXPECT_EQ(WEIR_LOG_JSON, weir__log_format());
    EXPECT_EQ(WEIR_LOG_ERROR, weir__log_level());
    close_output(&output);
}

TEST(logging_touches_neither_the_heap_nor_a_descriptor)
{
    struct output output = log_to_file();
    struct weir__alloc_stats before;
    struct weir__alloc_stats after;
    int fds_before = weir__sys_open_fd_count();
    weir__base_alloc_stats(&before);
    for (int i = 0; i < 100; i++)
        weir_log_info("a line", WEIR_KV("i", i), WEIR_KV("text", "some\ntext"));
    weir__base_alloc_stats(&after);
    EXPECT_EQ(before.allocated_count, after.allocated_count);
    EXPECT_EQ(fds_before, weir__sys_open_fd_count());
    EXPECT_EQ(100, count_lines(written(&output)));
    close_output(&output);
}

/* --- a reader that does not read ------------------------------------------------------------- */

struct reader {
    int fd;
    char *text;
    size_t size;
    struct weir__thread thread;
};

static void *read_all(void *arg)
{
    struct reader *reader = arg;
    size_t capacity = 32 << 20;
    reader->text = malloc(capacity + 1);
    if (reader->text == NULL)
        abort();
    ssize_t got;
    while ((got = read(reader->fd, reader->text + reader->size, capacity - reader->size)) > 0)
        reader->size += (size_t)got;
    reader->text[reader->size] = '\0';
    return NULL;
}

static void start_reader(struct reader *reader, int fd)
{
    *reader = (struct reader){.fd = fd};
    if (weir__base_thread_start(&reader->thread, "reader", read_all, reader) < 0)
        abort();
}

/* Closes the end that the log writes to, and has the reader's text afterwards. */
static void finish_reader(struct reader *reader, int write_fd)
{
    weir_log_flush();
    weir_log_set_fd(2);
    close(write_fd);
    weir__base_thread_join(&reader->thread);
    close(reader->fd);
}

/* The number behind `key=` in the last line that reports lost lines. */
static uint64_t number_of(const char *text, const char *key)
{
    uint64_t value = 0;
    weir_str rest = weir__str_from(text);
    weir_str line = {0};
    while (take_line(&rest, &line)) {
        const char *at = memmem(line.data, line.size, key, strlen(key));
        if (!goes_on_with(line, " WARN log lines lost ") || at == NULL)
            continue;
        at += strlen(key);
        size_t size = 0;
        while (at[size] >= '0' && at[size] <= '9')
            size++;
        EXPECT_RC(0, weir__str_parse_uint(weir__str_of(at, size), UINT64_MAX, &value));
    }
    return value;
}

TEST(a_reader_that_does_not_read_costs_lines_and_never_time)
{
    static char filler[1001];
    memset(filler, 'x', 1000);
    weir_log_configure(WEIR_LOG_TEXT, WEIR_LOG_DEBUG);
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    weir_log_set_fd(fds[1]);

    // 12 MB of each; whoever comes first leaves room for the more important ones
    uint64_t written_counts[4];
    uint64_t dropped_before = 0;
    for (weir_log_level level = WEIR_LOG_DEBUG; level <= WEIR_LOG_ERROR; level++) {
        for (int i = 0; i < 12000; i++)
            weir_log_write(level, "flood",
                           (const weir_log_value[]){WEIR_KV("filler", filler), {0}});
        uint64_t dropped = stats_now().dropped_count;
        written_counts[level] = 12000 - (dropped - dropped_before);
        dropped_before = dropped;
        EXPECT(stats_now().queued_bytes <= 8 << 20);
    }
    EXPECT(written_counts[WEIR_LOG_DEBUG] > 5000);
    EXPECT(written_counts[WEIR_LOG_INFO] > 900); // debug had to leave a megabyte,
    EXPECT(written_counts[WEIR_LOG_WARN] > 900); // and info another one
    EXPECT_EQ(0, written_counts[WEIR_LOG_ERROR]);
    EXPECT_EQ(12000 - written_counts[WEIR_LOG_DEBUG], stats_now().dropped_debug_count);
    EXPECT_RC(-ETIMEDOUT, weir__log_drain(5 * WEIR_MS));
    EXPECT_RC(-ETIMEDOUT, weir__log_drain(0));

    struct reader reader;
    start_reader(&reader, fds[0]);
    weir_log_flush();
    weir_log_flush(); // the writer's own report comes behind what was queued
    uint64_t reported_within = stats_now().written_bytes;
    weir_log_info("after the flood");
    weir_log_flush();
    struct weir__log_stats stats = stats_now();
    finish_reader(&reader, fds[1]);

    const char *text = reader.text;
    EXPECT_EQ(dropped_before, number_of(text, " dropped_total="));
    EXPECT_EQ(12000 - written_counts[WEIR_LOG_DEBUG], number_of(text, " dropped_debug_total="));
    EXPECT_EQ(0, number_of(text, " lost_bytes="));
    EXPECT(memmem(text, reported_within, "WARN log lines lost dropped=", 28) != NULL);
    EXPECT_CONTAINS("INFO after the flood\n", text);
    uint64_t expected_lines = 48000 - dropped_before;
    uint64_t whole_lines = 0;
    weir_str rest = weir__str_of(text, reader.size);
    weir_str line = {0};
    while (take_line(&rest, &line))
        whole_lines += goes_on_with(line, " DEBUG flood filler=") ||
                       goes_on_with(line, " INFO flood filler=") ||
                       goes_on_with(line, " WARN flood filler=");
    EXPECT_EQ(expected_lines, whole_lines);
    EXPECT_EQ(0, stats.queued_bytes);
    free(reader.text);
}

TEST(what_was_queued_behind_a_full_pipe_goes_around_the_ring)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    weir_log_set_fd(fds[1]);
    static char filler[3001];
    memset(filler, 'y', 3000);
    struct reader reader;
    start_reader(&reader, fds[0]);
    // never empty for long, 30 MB in all: positions pass the end of the ring three times
    for (int i = 0; i < 10000; i++) {
        while (stats_now().queued_bytes > 6 << 20)
            sched_yield();
        weir_log_warn("line", WEIR_KV("i", i), WEIR_KV("filler", filler));
    }
    finish_reader(&reader, fds[1]);
    EXPECT_EQ(0, stats_now().dropped_count);
    weir_str rest = weir__str_of(reader.text, reader.size);
    weir_str line = {0};
    for (int i = 0; i < 10000; i++) {
        char expected[64];
        size_t size = (size_t)snprintf(expected, sizeof expected, " WARN line i=%d filler=", i);
        REQUIRE(take_line(&rest, &line));
        REQUIRE(goes_on_with(line, expected) && line.size == 24 + size + 3000);
        REQUIRE(memcmp(line.data + 24 + size, filler, 3000) == 0);
    }
    free(reader.text);
}

TEST(a_pipe_that_does_not_block_is_waited_for)
{
    int fds[2];
    REQUIRE(pipe2(fds, O_NONBLOCK) == 0);
    weir_log_set_fd(fds[1]);
    static char filler[1001];
    memset(filler, 'z', 1000);
    for (int i = 0; i < 500; i++)
        weir_log_info("line", WEIR_KV("filler", filler));
    EXPECT_RC(-ETIMEDOUT, weir__log_drain(5 * WEIR_MS));
    EXPECT_RC(0, fcntl(fds[0], F_SETFL, 0));
    struct reader reader;
    start_reader(&reader, fds[0]);
    finish_reader(&reader, fds[1]);
    EXPECT_EQ(500, count_lines(reader.text));
    EXPECT_EQ(0, stats_now().dropped_count);
    free(reader.text);
}

TEST(a_reader_that_is_gone_is_counted_and_reported_to_the_next_one)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    close(fds[0]);
    weir_log_set_fd(fds[1]);
    weir_log_info("nobody sees this");
    EXPECT_RC(0, weir__log_drain(10 * WEIR_SEC));
    uint64_t lost = stats_now().lost_bytes;
    EXPECT(lost > 40);
    struct output output = log_to_file();
    close(fds[1]);
    weir_log_info("seen");
    const char *text = written(&output);
    EXPECT_EQ(2, count_lines(text));
    EXPECT_CONTAINS("WARN log lines lost dropped=0 ", text);
    EXPECT_CONTAINS("last_error=EPIPE\n", text);
    EXPECT_EQ(lost, number_of(text, " lost_bytes="));
    EXPECT_CONTAINS("INFO seen\n", text);
    close_output(&output);
}

TEST(a_closed_descriptor_is_an_error_like_any_other)
{
    weir_log_set_fd(-1);
    for (int i = 0; i < 10; i++)
        weir_log_info("nobody sees this");
    EXPECT_RC(0, weir__log_drain(10 * WEIR_SEC));
    EXPECT(stats_now().lost_bytes > 400);
    EXPECT_EQ(0, stats_now().written_bytes);
    weir_log_set_fd(2);
}

TEST(after_a_line_that_was_cut_off_the_next_one_begins_anew)
{
    struct output output = log_to_file();
    static char filler[2001];
    memset(filler, 'f', 2000);
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct rlimit small = {1000, limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    weir_log_info("long", WEIR_KV("filler", filler)); // SIGXFSZ is blocked in the writer
    EXPECT_RC(0, weir__log_drain(10 * WEIR_SEC));
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT_EQ(1000, stats_now().written_bytes);
    EXPECT(stats_now().lost_bytes > 1000);
    weir_log_info("next");
    const char *text = written(&output);
    EXPECT_EQ(3, count_lines(text));
    EXPECT_EQ('\n', text[1000]);
    EXPECT_CONTAINS("last_error=EFBIG\n", text);
    EXPECT_CONTAINS("INFO next\n", text);
    close_output(&output);
}

TEST(the_old_descriptor_is_free_when_a_new_one_is_set)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    struct reader reader;
    start_reader(&reader, fds[0]);
    weir_log_set_fd(fds[1]);
    int lines = 0;
    struct output output = {-1, NULL};
    for (int i = 0; i < 2000; i++) {
        weir_log_info("line", WEIR_KV("i", i));
        if (i == 1000)
            output = log_to_file();
    }
    const char *text = written(&output);
    close(fds[1]);
    weir__base_thread_join(&reader.thread);
    close(fds[0]);
    lines = count_lines(text) + count_lines(reader.text);
    EXPECT_EQ(2000, lines);
    EXPECT_EQ(0, stats_now().lost_bytes);
    EXPECT(reader.size == 0 || reader.text[reader.size - 1] == '\n');
    free(reader.text);
    close_output(&output);
}

struct replacement {
    int old_fd;
    int closed; // atomic
};

static void *set_and_close(void *arg)
{
    struct replacement *replacement = arg;
    weir_log_set_fd(2);
    close(replacement->old_fd);
    __atomic_store_n(&replacement->closed, 1, __ATOMIC_RELEASE);
    return NULL;
}

TEST(a_new_descriptor_waits_for_the_batch_that_the_old_one_gets)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    weir_log_set_fd(fds[1]);
    static char filler[500001];
    memset(filler, 'q', 500000);
    weir_log_info("large", WEIR_KV("filler", filler));
    char byte;
    EXPECT_EQ(1, read(fds[0], &byte, 1)); // the writer is in the midst of it

    struct replacement replacement = {fds[1], 0};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "replace", set_and_close, &replacement));
    for (int i = 0; i < 1000; i++) // time enough to go wrong
        sched_yield();
    EXPECT(!__atomic_load_n(&replacement.closed, __ATOMIC_ACQUIRE));
    struct reader reader = {.fd = fds[0]};
    read_all(&reader);
    weir__base_thread_join(&thread);
    EXPECT_EQ(0, stats_now().lost_bytes);
    EXPECT(reader.size > 500000 && reader.text[reader.size - 1] == '\n');
    free(reader.text);
    close(fds[0]);
}

/* --- when something cannot be had ------------------------------------------------------------ */

TEST(without_memory_for_the_queue_lines_are_counted)
{
    struct output output = log_to_file();
    weir_log_configure(WEIR_LOG_TEXT, WEIR_LOG_DEBUG);
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 1, -ENOMEM, true);
    weir_log_info("one");
    weir_log_debug("two");
    weir__log_raw("three", 5);
    weir_log_flush();
    weir__base_fault_disarm();
    EXPECT_EQ(3, stats_now().dropped_count);
    EXPECT_EQ(1, stats_now().dropped_debug_count);
    weir_log_info("four");
    const char *text = written(&output);
    EXPECT_EQ(2, count_lines(text));
    EXPECT_CONTAINS("WARN log lines lost dropped=3 dropped_total=3 dropped_debug_total=1 ", text);
    EXPECT_CONTAINS("INFO four\n", text);
    close_output(&output);
}

TEST(without_a_thread_the_caller_writes)
{
    struct output output = log_to_file();
    weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
    weir_log_info("one");
    weir_log_info("two");
    struct stat info;
    EXPECT_RC(0, fstat(output.fd, &info)); // without a flush
    EXPECT_EQ(stats_now().written_bytes, info.st_size);
    EXPECT(info.st_size > 60);
    EXPECT_EQ(2, count_lines(written(&output)));
    EXPECT(weir__base_fault_disarm() >= 2);
    weir_log_info("three"); // and now by the thread
    EXPECT_EQ(3, count_lines(written(&output)));
    close_output(&output);
}

TEST(without_a_thread_a_broken_pipe_kills_nobody)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    close(fds[0]);
    weir_log_set_fd(fds[1]);
    weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
    weir_log_info("one");
    EXPECT(stats_now().lost_bytes > 20);
    EXPECT_EQ(0, stats_now().queued_bytes);
    weir__base_fault_disarm();
    weir_log_set_fd(2);
    close(fds[1]);
}

TEST(without_a_thread_a_full_pipe_keeps_the_lines_for_later)
{
    int fds[2];
    REQUIRE(pipe2(fds, O_NONBLOCK) == 0);
    weir_log_set_fd(fds[1]);
    weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
    static char filler[1001];
    memset(filler, 'z', 1000);
    for (int i = 0; i < 500; i++)
        weir_log_info("line", WEIR_KV("filler", filler));
    EXPECT(stats_now().queued_bytes > 400000);
    EXPECT_RC(-ETIMEDOUT, weir__log_drain(2 * WEIR_MS));
    weir__base_fault_disarm();
    EXPECT_RC(0, fcntl(fds[0], F_SETFL, 0));
    struct reader reader;
    start_reader(&reader, fds[0]);
    EXPECT_RC(0, weir__log_drain(10 * WEIR_SEC)); // starts no thread: we write
    EXPECT_EQ(0, stats_now().queued_bytes);
    finish_reader(&reader, fds[1]);
    EXPECT_EQ(500, count_lines(reader.text));
    free(reader.text);
}

TEST(no_failing_call_of_the_kernel_is_a_crash)
{
    for (uint64_t nth = 1; nth < 40; nth++) {
        int fds[2];
        REQUIRE(pipe(fds) == 0);
        weir_log_set_fd(fds[1]);
        weir__base_fault_arm(WEIR__FAULT_SYSCALL, nth, -EIO, nth % 2 == 0);
        for (int i = 0; i < 10; i++)
            weir_log_info("line", WEIR_KV("i", i));
        weir_log_flush();
        weir__base_fault_disarm();
        weir_log_set_fd(2);
        close(fds[0]);
        close(fds[1]);
    }
    EXPECT_EQ(0, stats_now().queued_bytes);
}

/* --- threads and processes ------------------------------------------------------------------- */

enum { WRITERS = 4, LINES = 2000 };

static void *write_lines(void *arg)
{
    int *number = arg;
    for (int i = 0; i < LINES; i++) {
        weir_log_info("line", WEIR_KV("writer", *number), WEIR_KV("i", i));
        if (i % 500 == 0)
            weir_log_flush();
    }
    return NULL;
}

TEST(lines_of_many_threads_are_whole_and_in_the_order_of_each)
{
    struct output output = log_to_file();
    struct weir__thread threads[WRITERS];
    int numbers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "writer", write_lines, &numbers[i]));
    }
    for (int i = 0; i < 20; i++) // settings change under them
        weir_log_configure(WEIR_LOG_TEXT, i % 2 == 0 ? WEIR_LOG_DEBUG : WEIR_LOG_INFO);
    for (int i = 0; i < WRITERS; i++)
        weir__base_thread_join(&threads[i]);

    const char *text = written(&output);
    int next[WRITERS] = {0};
    weir_str rest = weir__str_from(text);
    weir_str line = {0};
    while (take_line(&rest, &line)) {
        REQUIRE(goes_on_with(line, " INFO line writer=") && line.size > 43);
        int writer = line.data[42] - '0';
        REQUIRE(writer >= 0 && writer < WRITERS);
        char expected[64];
        snprintf(expected, sizeof expected, " INFO line writer=%d i=%d", writer, next[writer]);
        EXPECT(line.size == 24 + strlen(expected) && goes_on_with(line, expected));
        next[writer]++;
    }
    for (int i = 0; i < WRITERS; i++)
        EXPECT_EQ(LINES, next[i]);
    close_output(&output);
}

static int exit_status_of(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_normal_exit_loses_no_line)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        weir_log_set_fd(fds[1]);
        for (int i = 0; i < 5000; i++)
            weir_log_info("a line of the child", WEIR_KV("i", i));
        exit(7);
    }
    close(fds[1]);
    struct reader reader = {.fd = fds[0]};
    read_all(&reader);
    EXPECT_EQ(7, exit_status_of(pid));
    EXPECT_EQ(5000, count_lines(reader.text));
    close(fds[0]);
    free(reader.text);
}

TEST(a_forked_child_logs_for_itself_and_repeats_nothing)
{
#ifdef UNDER_TSAN
    test_skip("ThreadSanitizer allows no threads in the child of a process that has some");
    return;
#endif
    int full[2];
    int fds[2];
    REQUIRE(pipe(full) == 0);
    REQUIRE(pipe(fds) == 0);
    weir_log_set_fd(full[1]);
    static char filler[1001];
    memset(filler, 'p', 1000);
    for (int i = 0; i < 100; i++) // more than the pipe takes: the writer is in the midst of it
        weir_log_info("of the parent", WEIR_KV("filler", filler));
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        close(full[0]);
        close(full[1]);
        weir_log_set_fd(fds[1]);
        weir_log_info("of the child");
        exit(0);
    }
    close(fds[1]);
    struct reader reader = {.fd = fds[0]};
    read_all(&reader);
    EXPECT_EQ(0, exit_status_of(pid));
    EXPECT_EQ(1, count_lines(reader.text));
    EXPECT_CONTAINS("INFO of the child\n", reader.text);
    free(reader.text);
    close(fds[0]);

    start_reader(&reader, full[0]);
    finish_reader(&reader, full[1]);
    EXPECT_EQ(100, count_lines(reader.text));
    free(reader.text);
}

/* --- the stack of a task --------------------------------------------------------------------- */

#if defined(UNDER_ASAN) || defined(UNDER_TSAN) || !defined(__OPTIMIZE__)
TEST(a_line_needs_little_stack)
{
    test_skip("frames are as large as the compiler makes them here");
}
#else
static ucontext_t main_context;

static void log_on_a_small_stack(void)
{
    weir_log_info("a line", WEIR_KV("number", 0.1), WEIR_KV("text", "some text with \n in it"),
                  WEIR_KV("i", -5));
}

TEST(a_line_needs_little_stack)
{
    enum { STACK_BYTES = 64 << 10 };
    struct output output = log_to_file();
    static _Alignas(64) unsigned char stack[STACK_BYTES];
    for (int round = 0; round < 3; round++) { // the first one also starts the writer
        weir_log_flush();
        memset(stack, 0xa5, sizeof stack);
        ucontext_t context;
        getcontext(&context);
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = sizeof stack;
        context.uc_link = &main_context;
        makecontext(&context, log_on_a_small_stack, 0);
        swapcontext(&main_context, &context);
        size_t unused = 0;
        while (unused < sizeof stack && stack[unused] == 0xa5)
            unused++;
        printf("round %d: %zu bytes of stack\n", round, sizeof stack - unused);
        EXPECT(sizeof stack - unused < (round == 0 ? 8192 : 1536));
    }
    EXPECT_EQ(3, count_lines(written(&output)));
    close_output(&output);
}
#endif
