/*
 * both.h - a test that runs on io_uring and on epoll
 */
#ifndef WEIR_TESTS_APP_BOTH_H
#define WEIR_TESTS_APP_BOTH_H

#include "tests/support/test.h"

/* The body sees `backend`, the value for --backend. */
#define TEST_ON_BOTH(name)                                                                         \
    static void both_##name(const char *backend);                                                  \
    TEST(name##_on_uring)                                                                          \
    {                                                                                              \
        if (test_why_no_uring() != NULL)                                                           \
            test_skip(test_why_no_uring());                                                        \
        else                                                                                       \
            both_##name("uring");                                                                  \
    }                                                                                              \
    TEST(name##_on_epoll)                                                                          \
    {                                                                                              \
        both_##name("epoll");                                                                      \
    }                                                                                              \
    static void both_##name(const char *backend)

#define ARGUMENTS(...)                                                                             \
    ((const char *const[]){"--listen", "127.0.0.1:0", __VA_ARGS__ __VA_OPT__(, ) NULL})

#endif
