/*
 * task_test.h - running the body of a test inside a task
 *
 * The one place where the harness touches core, so that the tests of base, arch and backend link
 * without it.
 */
#ifndef WEIR_TESTS_SUPPORT_TASK_TEST_H
#define WEIR_TESTS_SUPPORT_TASK_TEST_H

typedef int test_run_in_task_fn(const char *backend, void (*body)(void));

/* Runs `body` in the first task of a run on `backend` ("sim", "uring" or "epoll") and returns what
 * the run came to: 0, or a negative errno. */
int test_run_in_task(const char *backend, void (*body)(void));

#endif
