/*
 * test.h - the harness of weir's tests
 *
 *     TEST(an_empty_list_has_no_first_node)
 *     {
 *         struct weir__list list;
 *         weir__list_init(&list);
 *         EXPECT(weir__list_take_first(&list) == NULL);
 *     }
 *
 * A test is registered by being written; its name is a sentence. Each runs in a process of its own
 * (and process group: what it starts ends with it), with a time limit. What it prints is shown when
 * it fails. An expectation that does not hold is recorded with its place and the test goes on:
 * there is no jump out of a test, because it may be running on the stack of a task.
 *
 * A program of tests takes parts of names as arguments and runs the tests that have one of them;
 * `--list` prints the names, `--here` runs in this process (for a debugger). It closes with a line
 * `N passed, N failed`, and `, N skipped` after it when a test could not run on this machine.
 *
 * WEIR_TEST_TIMEOUT    seconds for each test (60)
 * WEIR_TEST_BACKEND    run only these task and I/O tests: sim, uring or epoll
 * WEIR_TEST_DIVISOR    how many times fewer rounds test_rounds() gives, where each takes long (1)
 * WEIR_TEST_SKIP       a file with lines `name: reason` or `name (backend): reason`: what
 *                      cannot run in this surrounding
 */
#ifndef WEIR_TESTS_SUPPORT_TEST_H
#define WEIR_TESTS_SUPPORT_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/task_test.h"

typedef void test_body_fn(void);

enum test_kind {
    TEST_PLAIN,
    TEST_TASK, /* in a task, simulated backend, virtual clock */
    TEST_IO,   /* in a task, on io_uring and on epoll */
    TEST_ANY,  /* in a task, on io_uring, on epoll and on the simulated network */
};

struct test_case {
    const char *name;
    const char *file;
    int line;
    enum test_kind kind;
    test_body_fn *body;
    test_run_in_task_fn *run_in_task; /* NULL for plain ones */
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST_DEFINE(name_, kind_, run_)                                                            \
    static void test_body_##name_(void);                                                           \
    __attribute__((constructor)) static void test_register_##name_(void)                           \
    {                                                                                              \
        static struct test_case test = {#name_, __FILE__, __LINE__, kind_, test_body_##name_,      \
                                        run_,   NULL};                                             \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void test_body_##name_(void)

#define TEST(name) TEST_DEFINE(name, TEST_PLAIN, NULL)
#define TASK_TEST(name) TEST_DEFINE(name, TEST_TASK, test_run_in_task)
#define IO_TEST(name) TEST_DEFINE(name, TEST_IO, test_run_in_task)
#define ANY_TEST(name) TEST_DEFINE(name, TEST_ANY, test_run_in_task)

/* Each returns whether it held. Safe from any thread, and from a child process of the test. */
bool test_expect(bool held, const char *text, const char *file, int line);
bool test_expect_equal(intmax_t expected, intmax_t actual, const char *text, const char *file,
                       int line);
bool test_expect_code(int expected, intmax_t actual, const char *text, const char *file, int line);
bool test_expect_string(const char *expected, const char *actual, const char *text,
                        const char *file, int line);
bool test_expect_bytes(const void *expected, const void *actual, size_t size, const char *text,
                       const char *file, int line);
bool test_expect_contains(const char *part, const char *whole, const char *text, const char *file,
                          int line);

/* Ends up in the line of the test: it could not run here. Return from the body afterwards. */
void test_skip(const char *why);
/* NULL when io_uring works here, else a sentence. */
const char *test_why_no_uring(void);
/* `count`, or as many times fewer as WEIR_TEST_DIVISOR says; at least 1. */
int test_rounds(int count);
/* Whether an expectation of this test failed so far. */
bool test_failed(void);

/* Refuses what would lose its fraction on the way to intmax_t. */
#define TEST_INTEGER(value) _Generic((value), float : (void)0, double : (void)0, default : (value))

#define EXPECT(condition) ((void)test_expect(!!(condition), #condition, __FILE__, __LINE__))
#define EXPECT_EQ(expected, actual)                                                                \
    ((void)test_expect_equal((intmax_t)TEST_INTEGER(expected), (intmax_t)TEST_INTEGER(actual),     \
                             #actual, __FILE__, __LINE__))
/* A result: 0 or a count, or a negative errno. */
#define EXPECT_RC(expected_rc, expression)                                                         \
    ((void)test_expect_code((expected_rc), (intmax_t)(expression), #expression, __FILE__, __LINE__))
#define EXPECT_STR(expected, actual)                                                               \
    ((void)test_expect_string((expected), (actual), #actual, __FILE__, __LINE__))
#define EXPECT_BYTES(expected, actual, size)                                                       \
    ((void)test_expect_bytes((expected), (actual), (size), #actual, __FILE__, __LINE__))
#define EXPECT_CONTAINS(part, whole)                                                               \
    ((void)test_expect_contains((part), (whole), #whole, __FILE__, __LINE__))
/* For what the rest of the test needs; only in a function that returns nothing. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!test_expect(!!(condition), #condition, __FILE__, __LINE__))                           \
            return;                                                                                \
    } while (0)
#define REQUIRE_RC(expected_rc, expression)                                                        \
    do {                                                                                           \
        if (!test_expect_code((expected_rc), (intmax_t)(expression), #expression, __FILE__,        \
                              __LINE__))                                                           \
            return;                                                                                \
    } while (0)

#endif
