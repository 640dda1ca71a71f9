/*
 * deny_uring.h - be a process in a container that may not use io_uring
 *
 * Container runtimes refuse the three calls by a seccomp filter; this puts the same filter on the
 * calling thread and on all that it starts, for good. A test runs in a process of its own, so the
 * next one is not affected. Needs no root. The program tests/without_uring runs a command so.
 */
#ifndef WEIR_TESTS_SUPPORT_DENY_URING_H
#define WEIR_TESTS_SUPPORT_DENY_URING_H

/* From now on io_uring_setup, io_uring_enter and io_uring_register fail with `code`: EPERM as under
 * seccomp, or ENOSYS as on an old kernel. Returns 0, or a negative errno when filters are
 * refused. */
int test_deny_uring(int code);

#endif
