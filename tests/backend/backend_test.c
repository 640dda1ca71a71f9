/*
 * backend_test.c - which backend one gets, and the sentence when it is not the ring
 */
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "tests/backend/rig.h"
#include "tests/support/deny_uring.h"
#include "tests/support/fault_loop.h"

TEST(auto_takes_the_ring_where_it_may)
{
    char why_not[256] = "untouched";
    REQUIRE_RC(0, weir__backend_open("auto", &backend, why_not, sizeof why_not));
    if (rig_on_uring()) {
        EXPECT_STR("", why_not);
        EXPECT(backend->features.file_ops);
    } else {
        EXPECT_STR("epoll", backend->features.name);
        EXPECT_CONTAINS("epoll is used", why_not);
    }
    EXPECT(backend->features.detail[0] != '\0');
    weir__backend_close(backend);
}

TEST(each_name_gives_that_backend_and_an_unknown_one_is_refused)
{
    EXPECT_RC(-EINVAL, weir__backend_open("kqueue", &backend, NULL, 0));
    EXPECT_RC(-EINVAL, weir__backend_open("", &backend, NULL, 0));
    REQUIRE_RC(0, weir__backend_open("epoll", &backend, NULL, 0));
    EXPECT_STR("epoll", backend->features.name);
    weir__backend_close(backend);
    REQUIRE_RC(0, weir__backend_open("sim", &backend, NULL, 0));
    EXPECT_STR("sim", backend->features.name);
    EXPECT(backend->features.virtual_time);
    weir__backend_close(backend);
    weir__backend_close(NULL);
}

static void fall_back(int code, const char *name, const char *hint)
{
    if (test_deny_uring(code) < 0) {
        test_skip("this machine takes no seccomp filter");
        return;
    }
#ifdef WEIR_NO_URING
    code = EPROTONOSUPPORT, name = "no io_uring", hint = "WEIR_URING";
#endif
    int fds = weir__sys_open_fd_count();
    char why_not[256];
    EXPECT_RC(-code, weir__backend_open("uring", &backend, NULL, 0));
    REQUIRE_RC(0, weir__backend_open(NULL, &backend, why_not, sizeof why_not));
    EXPECT_STR("epoll", backend->features.name);
    EXPECT_CONTAINS(name, why_not);
    EXPECT_CONTAINS(hint, why_not);
    EXPECT_CONTAINS("epoll is used", why_not);
    weir__backend_turn(backend, 0);
    weir__backend_close(backend);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
}

TEST(a_denied_ring_falls_back_and_names_the_seccomp_profile)
{
    fall_back(EPERM, "EPERM", "seccomp");
}

TEST(a_missing_ring_falls_back_and_names_the_kernel)
{
    fall_back(ENOSYS, "ENOSYS", "Linux 5.19");
}

TEST(a_ring_without_memory_falls_back_and_names_the_limit)
{
    fall_back(ENOMEM, "ENOMEM", "RLIMIT_MEMLOCK");
}

TEST(a_short_buffer_for_the_reason_is_filled_and_closed)
{
    if (test_deny_uring(EPERM) < 0) {
        test_skip("this machine takes no seccomp filter");
        return;
    }
    char why_not[8];
    REQUIRE_RC(0, weir__backend_open("auto", &backend, why_not, sizeof why_not));
    EXPECT_EQ(7, strlen(why_not));
    weir__backend_close(backend);
    REQUIRE_RC(0, weir__backend_open("auto", &backend, NULL, 0));
    weir__backend_close(backend);
}

/* --- a failure at any place of opening, or of a small exchange, leaks nothing ----------------- */

static bool has_uring(void)
{
    struct weir__backend *opened;
    bool has = weir__uring_open(&opened) == 0;
    if (has)
        weir__backend_close(opened);
    return has;
}

static void open_and_close(void *arg)
{
    struct weir__backend *opened;
    int rc = weir__backend_open(arg, &opened, NULL, 0);
    if (rc == 0)
        weir__backend_close(opened);
    else
        EXPECT(rc == -ENOMEM || rc == -EMFILE);
}

TEST(opening_copes_with_memory_that_runs_out_anywhere)
{
    if (has_uring())
        EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, open_and_close, "uring") > 0);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, open_and_close, "epoll") > 0);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, open_and_close, "sim") > 0);
}

TEST(opening_copes_with_system_calls_that_fail_anywhere)
{
    if (has_uring())
        EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EMFILE, open_and_close, "uring") > 0);
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EMFILE, open_and_close, "epoll") > 0);
}

TEST(auto_falls_back_from_a_ring_that_cannot_be_set_up)
{
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 3, -ENOMEM, false);
    char why_not[256];
    int rc = weir__backend_open("auto", &backend, why_not, sizeof why_not);
    weir__base_fault_disarm();
    REQUIRE_RC(0, rc);
    EXPECT(why_not[0] == '\0' || strstr(why_not, "epoll is used") != NULL);
    weir__backend_close(backend);
}

static void exchange(void *arg)
{
    if (weir__backend_open(arg, &backend, NULL, 0) < 0)
        return;
    int fds[2];
    stream_pair(fds);
    char byte = 0;
    struct weir__op ops[2] = {recv_op(fds[1], &byte, 1), send_op(fds[0], "x", 1)};
    struct job jobs[2];
    int taken = 0;
    for (int i = 0; i < 2; i++) {
        jobs[i] = (struct job){.op = ops[i]};
        jobs[i].op.owner = &jobs[i];
        job_start(&jobs[i], ops[i]);
        taken++;
    }
    // A fault may have kept either from happening; what was taken must end all the same.
    for (int i = 0; i < taken; i++)
        weir__backend_cancel(backend, &jobs[i].op);
    for (int turns = 0; turns < 100 && weir__backend_pending(backend); turns++)
        weir__backend_turn(backend, 10 * WEIR_MS);
    EXPECT(!weir__backend_pending(backend));
    for (int i = 0; i < taken; i++)
        EXPECT_EQ(1, jobs[i].done_count);
    close_fd(fds[0]);
    close_fd(fds[1]);
    weir__backend_close(backend);
}

TEST(an_exchange_ends_wherever_the_backend_fails)
{
    if (has_uring())
        EXPECT(fault_loop(WEIR__FAULT_RING, -EIO, exchange, "uring") == 2);
    EXPECT(fault_loop(WEIR__FAULT_RING, -EIO, exchange, "epoll") == 2);
}
