/*
 * sys_process.c - the door to the kernel for other processes: making, asking after, ending them
 *
 * Between clone() and exec the child runs in our memory, on a stack of its own, while the thread
 * that made it stands still; other threads run on. So it makes system calls and writes its report,
 * and nothing else: no function of the C library that has state, no lock, no allocation. All
 * signals are blocked meanwhile: a handler of ours must not run there.
 *
 * Runs on  any thread.
 * Costs    map and unmap of the child's stack, two changes of the signal mask, one clone.
 * Holds    1. The child has the signal mask and the dispositions of a new program: none blocked,
 *             none ignored, whatever ours are.
 *          2. No descriptor above 2 is open in the other program.
 */
#include "base/sys_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys_call.h"

#ifndef P_PIDFD
#define P_PIDFD 3 /* since Linux 5.4 */
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000 /* since Linux 5.2 */
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424 /* the same on every architecture; since Linux 5.1 */
#endif
#ifndef SYS_close_range
#define SYS_close_range 436 /* the same on every architecture; since Linux 5.9 */
#endif

#ifdef __GLIBC__ /* the same function; ThreadSanitizer makes another of the one without underscores,
                    which takes what shares our memory for a copy of us */
int __clone(int (*fn)(void *arg), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

enum {
    CHILD_STACK_BYTES = 64 << 10,
    SIGNALS = 64,
    SIGNAL_SET_BYTES = SIGNALS / 8,
    FDS_SWEPT = 4096, /* one by one, where the kernel cannot do it at once */
};

bool weir__sys_without_pidfd;

/* --- in the child ----------------------------------------------------------------------------- */

/* Instrumentation would talk to a runtime that believes to be in the parent. */
#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

struct child {
    const struct weir__spawn *plan;
    pid_t parent;
    int rc; /* the child's report: 0, or a negative errno and */
    enum weir__spawn_step step;
};

/* Kernel layouts: the C library's own differ. */
struct kernel_action {
    unsigned long words[8]; /* all zero: the default, in every layout */
};
struct kernel_limit {
    uint64_t soft, hard;
};

IN_CHILD static long call(long number, long a, long b, long c, long d)
{
    long rc = syscall(number, a, b, c, d);
    return rc < 0 ? -errno : rc;
}

IN_CHILD static void forget_signals(void)
{
    struct kernel_action action = {{0}};
    for (long number = 1; number <= SIGNALS; number++) /* KILL and STOP refuse, and have none */
        call(SYS_rt_sigaction, number, (long)&action, 0, SIGNAL_SET_BYTES);
    uint64_t none = 0;
    call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, SIGNAL_SET_BYTES);
}

/* First out of each other's way, then to their places. */
IN_CHILD static int place_stdio(const struct weir__spawn *plan)
{
    long fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = plan->fds[i];
        if (fds[i] < 0)
            fds[i] = call(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR | O_CLOEXEC, 0);
        if (fds[i] >= 0 && fds[i] < 3 && fds[i] != i)
            fds[i] = call(SYS_fcntl, fds[i], F_DUPFD_CLOEXEC, 3, 0);
        if (fds[i] < 0)
            return (int)fds[i];
    }
    for (int i = 0; i < 3; i++) {
        long rc = fds[i] == i ? call(SYS_fcntl, i, F_SETFD, 0, 0) : call(SYS_dup3, fds[i], i, 0, 0);
        if (rc == -EBADF && fds[i] == i) { /* closed in the parent: not to become a file */
            rc = call(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR, 0);
            if (rc >= 0 && rc != i)
                rc = call(SYS_dup3, rc, i, 0, 0);
        }
        if (rc < 0)
            return (int)rc;
    }
    return 0;
}

IN_CHILD static void close_the_rest(void)
{
    if (call(SYS_close_range, 3, (long)UINT32_MAX, 0, 0) == 0)
        return;
    for (long fd = 3; fd < FDS_SWEPT; fd++)
        call(SYS_close, fd, 0, 0, 0);
}

IN_CHILD static int take_identity(const struct weir__spawn *plan)
{
    long rc = 0;
    if (plan->uid != NULL || plan->gid != NULL)
        rc = call(SYS_setgroups, 0, 0, 0, 0);
    if (rc == 0 && plan->gid != NULL)
        rc = call(SYS_setresgid, *plan->gid, *plan->gid, *plan->gid, 0);
    if (rc == 0 && plan->uid != NULL)
        rc = call(SYS_setresuid, *plan->uid, *plan->uid, *plan->uid, 0);
    return (int)rc;
}

IN_CHILD static int set_limits(const struct weir__spawn *plan)
{
    for (size_t i = 0; i < plan->limit_count; i++) {
        struct kernel_limit limit = {plan->limits[i].soft, plan->limits[i].hard};
        long rc = call(SYS_prlimit64, 0, plan->limits[i].resource, (long)&limit, 0);
        if (rc < 0)
            return (int)rc;
    }
    return 0;
}

IN_CHILD static int follow_parent(pid_t parent)
{
    long rc = call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    if (rc == 0 && call(SYS_getppid, 0, 0, 0, 0) != parent) /* it has ended before we asked */
        rc = -ESRCH;
    return (int)rc;
}

/* As a shell looks for a program: what is not there or may not be run is passed over. */
IN_CHILD static int become_program(const struct weir__spawn *plan)
{
    int rc = -ENOENT;
    for (const char *const *path = plan->paths; *path != NULL; path++) {
        int now =
            (int)call(SYS_execve, (long)*path, (long)plan->arguments, (long)plan->environment, 0);
        if (now != -ENOENT && now != -ENOTDIR && now != -EACCES)
            return now;
        if (now == -EACCES)
            rc = now;
    }
    return rc;
}

IN_CHILD static int prepare(struct child *child)
{
    const struct weir__spawn *plan = child->plan;
    child->step = WEIR__SPAWN_STDIO;
    int rc = place_stdio(plan);
    if (rc < 0)
        return rc;
    child->step = WEIR__SPAWN_GROUP;
    if (plan->own_group)
        rc = (int)call(SYS_setpgid, 0, 0, 0, 0);
    if (rc < 0)
        return rc;
    child->step = WEIR__SPAWN_LIMIT;
    rc = set_limits(plan);
    if (rc < 0)
        return rc;
    child->step = WEIR__SPAWN_IDENTITY;
    rc = take_identity(plan);
    if (rc < 0)
        return rc;
    child->step = WEIR__SPAWN_PARENT; /* a change of identity would have undone it */
    if (plan->dies_with_parent)
        rc = follow_parent(child->parent);
    if (rc < 0)
        return rc;
    child->step = WEIR__SPAWN_FOLDER;
    if (plan->folder != NULL)
        rc = (int)call(SYS_chdir, (long)plan->folder, 0, 0, 0);
    return rc;
}

IN_CHILD static int run_child(void *arg)
{
    struct child *child = arg;
    forget_signals();
    child->rc = prepare(child);
    if (child->rc == 0) {
        child->step = WEIR__SPAWN_EXEC;
        close_the_rest();
        child->rc = become_program(child->plan); /* returns only when it failed */
    }
    call(SYS_exit_group, 127, 0, 0, 0);
    return 127;
}

/* --- in the parent ---------------------------------------------------------------------------- */

/* The raw call: also those signals that the C library keeps to itself. */
static uint64_t change_mask(uint64_t mask)
{
    uint64_t before = 0;
    int rc;
    WEIR__SYS_CALL(rc, (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before,
                                    (size_t)SIGNAL_SET_BYTES));
    (void)rc; /* neither argument can be wrong */
    return before;
}

static int make_child(struct child *child, char *stack, int *out_pidfd)
{
    char *top = stack + CHILD_STACK_BYTES;
    const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    int rc;
    *out_pidfd = -1;
    rc = -EINVAL;
    if (!weir__sys_without_pidfd)
        WEIR__SYS_CALL(rc,
                       clone(run_child, top, flags | CLONE_PIDFD, child, out_pidfd, NULL, NULL));
    if (rc == -EINVAL) {
        *out_pidfd = -1;
        WEIR__SYS_CALL(rc, clone(run_child, top, flags, child, NULL, NULL, NULL));
    }
    if (rc >= 0 && *out_pidfd >= 0)
        weir__sys_count_opened();
    return rc;
}

int weir__sys_spawn(const struct weir__spawn *plan, pid_t *out_pid, int *out_pidfd,
                    enum weir__spawn_step *fail_step)
{
    *fail_step = WEIR__SPAWN_CLONE;
    int rc = weir__sys_fault();
    void *stack = NULL;
    if (rc == 0)
        rc = weir__sys_map(CHILD_STACK_BYTES, &stack);
    if (rc < 0)
        return rc;
    struct child child = {.plan = plan, .parent = getpid()};
    int pidfd;
    uint64_t before = change_mask(UINT64_MAX);
    rc = make_child(&child, stack, &pidfd);
    change_mask(before);
    weir__sys_unmap(stack, CHILD_STACK_BYTES);
    if (rc < 0)
        return rc;
    if (child.rc < 0) {
        *fail_step = child.step;
        weir__sys_child_wait(-1, rc, -1);
        weir__sys_child_reap(-1, rc);
        if (pidfd >= 0)
            weir__sys_close(pidfd);
        return child.rc;
    }
    *out_pid = rc;
    *out_pidfd = pidfd;
    return 0;
}

/* --- asking after it -------------------------------------------------------------------------- */

static int wait_call(int pidfd, pid_t pid, siginfo_t *info, int options, struct rusage *usage)
{
    int rc;
    int type = pidfd >= 0 ? P_PIDFD : P_PID;
    int id = pidfd >= 0 ? pidfd : pid;
    info->si_pid = 0;
    WEIR__SYS_CALL_AGAIN(rc, (int)syscall(SYS_waitid, type, id, info, options | WEXITED, usage));
    if (rc == -EINVAL && type == P_PIDFD) /* the descriptor is older than the call (5.2, 5.3) */
        WEIR__SYS_CALL_AGAIN(rc,
                             (int)syscall(SYS_waitid, P_PID, pid, info, options | WEXITED, usage));
    return rc;
}

static int64_t nanoseconds(const struct timeval *time)
{
    return time->tv_sec * WEIR_SEC + time->tv_usec * WEIR_US;
}

int weir__sys_child_look(int pidfd, pid_t pid, struct weir__child_end *out_end)
{
    siginfo_t info;
    struct rusage usage;
    int rc = wait_call(pidfd, pid, &info, WNOHANG | WNOWAIT, &usage);
    if (rc < 0 || info.si_pid == 0)
        return rc;
    bool exited = info.si_code == CLD_EXITED;
    *out_end = (struct weir__child_end){
        .exit_code = exited ? info.si_status : -1,
        .signal = exited ? 0 : info.si_status,
        .core_dumped = info.si_code == CLD_DUMPED,
        .cpu_ns = nanoseconds(&usage.ru_utime) + nanoseconds(&usage.ru_stime),
        .memory_bytes_max = (int64_t)usage.ru_maxrss * 1024,
    };
    return 1;
}

int weir__sys_child_reap(int pidfd, pid_t pid)
{
    siginfo_t info;
    struct rusage usage;
    return wait_call(pidfd, pid, &info, WNOHANG, &usage);
}

void weir__sys_child_wait(int pidfd, pid_t pid, int timeout_ms)
{
    siginfo_t info;
    struct rusage usage;
    int rc;
    if (timeout_ms < 0) {
        rc = wait_call(pidfd, pid, &info, WNOWAIT, &usage);
    } else if (pidfd >= 0) {
        struct pollfd watched = {.fd = pidfd, .events = POLLIN};
        WEIR__SYS_CALL(rc, poll(&watched, 1, timeout_ms));
    } else {
        rc = wait_call(pidfd, pid, &info, WNOWAIT | WNOHANG, &usage);
        for (int i = 0; i < timeout_ms && rc == 0 && info.si_pid == 0; i++) {
            WEIR__SYS_CALL(rc, poll(NULL, 0, 1));
            rc = wait_call(pidfd, pid, &info, WNOWAIT | WNOHANG, &usage);
        }
    }
    (void)rc; /* whoever calls looks afterwards */
}

int weir__sys_child_kill(int pidfd, pid_t pid, int signal_number)
{
    int rc = 0;
    if (pidfd >= 0)
        WEIR__SYS_CALL(rc, (int)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0));
    if (pidfd < 0 || rc == -ENOSYS || rc == -EPERM)
        WEIR__SYS_CALL(rc, kill(pid, signal_number));
    return rc;
}

int weir__sys_group_kill(pid_t leader, int signal_number)
{
    int rc;
    WEIR__SYS_CALL(rc, kill(-leader, signal_number));
    return rc;
}

int weir__sys_pipe_to_child(int ours, int out_fds[2])
{
    int rc = weir__sys_fault();
    int fds[2];
    if (rc == 0)
        WEIR__SYS_CALL(rc, pipe2(fds, O_CLOEXEC));
    if (rc < 0)
        return rc;
    weir__sys_count_opened();
    weir__sys_count_opened();
    rc = weir__sys_set_nonblocking(fds[ours]);
    if (rc < 0) {
        weir__sys_close(fds[0]);
        weir__sys_close(fds[1]);
        return rc;
    }
    out_fds[0] = fds[0];
    out_fds[1] = fds[1];
    return 0;
}
