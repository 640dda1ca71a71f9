/*
 * sys.c - the only door to the kernel
 *
 * Every function has the same shape: ask the fault point, count, call, turn errno into a negative
 * code. A call that a signal interrupted before it did anything is made again here, so that no
 * caller has to know about EINTR; the two exceptions, close and connect, say so below.
 *
 * Runs on  any thread.
 * Holds    fds_opened - fds_closed is the number of descriptors that weir holds, exactly: each way
 *          to get one and to lose one counts.
 */
#include "base/sys.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/str.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* since Linux 5.12 */
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* the same on every architecture; since Linux 5.11 */
#endif

/* Separate lines: a loop that only makes calls must not slow one that opens connections. */
static struct {
    _Alignas(64) uint64_t calls;
    _Alignas(64) uint64_t fds_opened;
    _Alignas(64) uint64_t fds_closed;
} counters;

static void count(uint64_t *counter, uint64_t by)
{
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

static int fault(void)
{
    return weir__base_fault(WEIR__FAULT_SYSCALL);
}

/* Makes the call once and leaves its result or the negative errno in `result`. */
#define CALL(result, expression)                                                                   \
    do {                                                                                           \
        count(&counters.calls, 1);                                                                 \
        (result) = (expression);                                                                   \
        if ((result) < 0)                                                                          \
            (result) = -errno;                                                                     \
    } while (0)

/* The same, and again for as long as signals interrupt it. */
#define CALL_AGAIN(result, expression)                                                             \
    do {                                                                                           \
        CALL(result, expression);                                                                  \
    } while ((result) == -EINTR)

static int count_opened(int fd)
{
    if (fd >= 0)
        count(&counters.fds_opened, 1);
    return fd;
}

/* --- memory ---------------------------------------------------------------------------------- */

int weir__sys_map(size_t bytes, void **out_memory)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    count(&counters.calls, 1);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *out_memory = memory;
    return 0;
}

void weir__sys_unmap(void *memory, size_t bytes)
{
    if (memory == NULL)
        return;
    int rc;
    CALL(rc, munmap(memory, bytes));
    assert(rc == 0); /* our own range; a hole that would need one mapping more is not made here */
    (void)rc;
}

int weir__sys_advise(void *memory, size_t bytes, int advice)
{
    int rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, madvise(memory, bytes, advice));
    return rc;
}

int weir__sys_protect_none(void *memory, size_t bytes)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, mprotect(memory, bytes, PROT_NONE));
    return rc;
}

/* --- descriptors ----------------------------------------------------------------------------- */

int weir__sys_close(int fd)
{
    /* No fault point: a descriptor must never stay open because a test said no. Once, whatever it
     * returns: on Linux it is closed then, and a second try would hit who got the number next. */
    int rc;
    CALL(rc, close(fd));
    if (rc != -EBADF)
        count(&counters.fds_closed, 1);
    return rc;
}

ssize_t weir__sys_read(int fd, void *buffer, size_t size)
{
    ssize_t rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, read(fd, buffer, size));
    return rc;
}

ssize_t weir__sys_write(int fd, const void *buffer, size_t size)
{
    ssize_t rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, write(fd, buffer, size));
    return rc;
}

ssize_t weir__sys_pread(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, pread(fd, buffer, size, offset));
    return rc;
}

ssize_t weir__sys_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    ssize_t rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, pwrite(fd, buffer, size, offset));
    return rc;
}

ssize_t weir__sys_pread_nowait(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t rc = fault();
    struct iovec part = {buffer, size};
    if (rc == 0)
        CALL_AGAIN(rc, preadv2(fd, &part, 1, offset, RWF_NOWAIT));
    return rc == -ENOSYS || rc == -EINVAL ? -EOPNOTSUPP : rc;
}

int weir__sys_open(const char *path, int flags, mode_t mode)
{
    int rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, open(path, flags | O_CLOEXEC, mode));
    else
        return rc;
    return count_opened(rc);
}

int weir__sys_open_cached(const char *path, int flags)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_CACHED};
    CALL_AGAIN(rc, (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
    if (rc == -ENOSYS || rc == -EPERM || rc == -EINVAL || rc == -E2BIG)
        return -EOPNOTSUPP;
    return count_opened(rc);
}

int weir__sys_fstat(int fd, struct stat *out_stat)
{
    int rc = fault();
    struct stat found;
    if (rc == 0)
        CALL_AGAIN(rc, fstat(fd, &found));
    if (rc == 0)
        *out_stat = found;
    return rc;
}

int weir__sys_stat(const char *path, struct stat *out_stat)
{
    int rc = fault();
    struct stat found;
    if (rc == 0)
        CALL_AGAIN(rc, stat(path, &found));
    if (rc == 0)
        *out_stat = found;
    return rc;
}

int weir__sys_fsync(int fd, bool data_only)
{
    int rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, data_only ? fdatasync(fd) : fsync(fd));
    return rc;
}

int weir__sys_ftruncate(int fd, off_t size)
{
    int rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, ftruncate(fd, size));
    return rc;
}

int weir__sys_rename(const char *from, const char *to)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, rename(from, to));
    return rc;
}

int weir__sys_unlink(const char *path)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, unlink(path));
    return rc;
}

int weir__sys_fchmod(int fd, mode_t mode)
{
    int rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, fchmod(fd, mode));
    return rc;
}

int weir__sys_mkdir(const char *path, mode_t mode)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, mkdir(path, mode));
    return rc;
}

int weir__sys_pipe(int out_fds[2])
{
    int rc = fault();
    int fds[2];
    if (rc == 0)
        CALL(rc, pipe2(fds, O_CLOEXEC | O_NONBLOCK));
    if (rc < 0)
        return rc;
    count(&counters.fds_opened, 2);
    out_fds[0] = fds[0];
    out_fds[1] = fds[1];
    return 0;
}

int weir__sys_eventfd(void)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    CALL(rc, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return count_opened(rc);
}

int weir__sys_set_nonblocking(int fd)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    CALL(rc, fcntl(fd, F_GETFL));
    if (rc < 0 || (rc & O_NONBLOCK) != 0)
        return rc < 0 ? rc : 0;
    int flags = rc | O_NONBLOCK;
    CALL(rc, fcntl(fd, F_SETFL, flags));
    return rc < 0 ? rc : 0;
}

int weir__sys_wait_writable(int fd, int timeout_ms)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    struct pollfd watched = {.fd = fd, .events = POLLOUT};
    CALL(rc, poll(&watched, 1, timeout_ms));
    return rc == -EINTR ? 0 : rc;
}

/* --- sockets --------------------------------------------------------------------------------- */

int weir__sys_socket(int family, int type, int protocol)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    CALL(rc, socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    return count_opened(rc);
}

int weir__sys_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, bind(fd, address, size));
    return rc;
}

int weir__sys_listen(int fd, int backlog)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, listen(fd, backlog));
    return rc;
}

int weir__sys_accept(int fd, struct sockaddr *out_address, socklen_t *size)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    CALL_AGAIN(rc, accept4(fd, out_address, size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return count_opened(rc);
}

int weir__sys_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, connect(fd, address, size));
    /* Interrupted, it goes on in the kernel (connect(2)); a second call would say EALREADY. */
    return rc == -EINTR ? -EINPROGRESS : rc;
}

ssize_t weir__sys_recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, recv(fd, buffer, size, flags));
    return rc;
}

ssize_t weir__sys_send(int fd, const void *buffer, size_t size, int flags)
{
    ssize_t rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, send(fd, buffer, size, flags | MSG_NOSIGNAL));
    return rc;
}

ssize_t weir__sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t rc = fault();
    if (rc == 0)
        CALL_AGAIN(rc, sendmsg(fd, message, flags | MSG_NOSIGNAL));
    return rc;
}

int weir__sys_shutdown(int fd, int how)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, shutdown(fd, how));
    return rc;
}

int weir__sys_setsockopt_int(int fd, int level, int option, int value)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, setsockopt(fd, level, option, &value, sizeof value));
    return rc;
}

int weir__sys_reset_on_close(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int rc = fault();
    if (rc == 0)
        CALL(rc, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    return rc;
}

int weir__sys_getsockopt_int(int fd, int level, int option, int *out_value)
{
    int rc = fault();
    int value = 0;
    socklen_t size = sizeof value;
    if (rc == 0)
        CALL(rc, getsockopt(fd, level, option, &value, &size));
    if (rc == 0)
        *out_value = value;
    return rc;
}

int weir__sys_unsent_bytes(int fd, int *out_bytes)
{
    int rc = fault();
    int bytes = 0;
    if (rc == 0)
        CALL(rc, ioctl(fd, SIOCOUTQ, &bytes));
    if (rc == 0)
        *out_bytes = bytes;
    return rc;
}

int weir__sys_getsockname(int fd, struct sockaddr *out_address, socklen_t *size)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, getsockname(fd, out_address, size));
    return rc;
}

int weir__sys_getpeername(int fd, struct sockaddr *out_address, socklen_t *size)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, getpeername(fd, out_address, size));
    return rc;
}

/* --- epoll ----------------------------------------------------------------------------------- */

int weir__sys_epoll_create(void)
{
    int rc = fault();
    if (rc < 0)
        return rc;
    CALL(rc, epoll_create1(EPOLL_CLOEXEC));
    return count_opened(rc);
}

int weir__sys_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    int rc = fault();
    if (rc == 0)
        CALL(rc, epoll_ctl(epoll_fd, op, fd, event));
    return rc;
}

/* Up, so that a timer is due when we wake for it; -1 stays -1. */
static int milliseconds_up(int64_t ns)
{
    if (ns < 0)
        return -1;
    int64_t ms = ns / WEIR_MS + (ns % WEIR_MS != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int weir__sys_epoll_wait(int epoll_fd, struct epoll_event *out_events, int count_max,
                         int64_t timeout_ns)
{
    static bool has_pwait2 = true;

    int rc = fault();
    if (rc < 0)
        return rc;
    /* 0 and -1 are the same for the old call, which is one copy of a timespec cheaper. */
    if (timeout_ns > 0 && __atomic_load_n(&has_pwait2, __ATOMIC_RELAXED)) {
        struct timespec timeout = {
            .tv_sec = (time_t)(timeout_ns / WEIR_SEC),
            .tv_nsec = (long)(timeout_ns % WEIR_SEC),
        };
        long got;
        CALL(got, syscall(SYS_epoll_pwait2, epoll_fd, out_events, count_max, &timeout, NULL,
                          (size_t)_NSIG / 8));
        /* EPERM: what seccomp profiles older than the call answer. */
        if (got != -ENOSYS && got != -EPERM)
            return got == -EINTR ? 0 : (int)got;
        __atomic_store_n(&has_pwait2, false, __ATOMIC_RELAXED);
    }
    CALL(rc, epoll_wait(epoll_fd, out_events, count_max, milliseconds_up(timeout_ns)));
    return rc == -EINTR ? 0 : rc;
}

/* --- process --------------------------------------------------------------------------------- */

/* The beginning of a small file, closed with a NUL; its size, or a negative errno. */
static ssize_t read_small_file(const char *path, char *out_text, size_t size)
{
    int fd = weir__sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    ssize_t got = weir__sys_read(fd, out_text, size - 1);
    weir__sys_close(fd);
    if (got >= 0)
        out_text[got] = '\0';
    return got;
}

/* Up to the next of `stop`, or all; what is behind it stays in `rest`. */
static weir_str take_until(weir_str *rest, char stop)
{
    const char *found = rest->size == 0 ? NULL : memchr(rest->data, stop, rest->size);
    weir_str taken = {rest->data, found == NULL ? rest->size : (size_t)(found - rest->data)};
    size_t skipped = found == NULL ? taken.size : taken.size + 1;
    rest->data += skipped;
    rest->size -= skipped;
    return taken;
}

/* CPUs that quota / period stand for, rounded up; 0 when there is no quota. */
static int quota_cpus(weir_str quota_text, weir_str period_text)
{
    uint64_t quota;
    uint64_t period;
    quota_text = weir__str_trim(quota_text, " \n");
    period_text = weir__str_trim(period_text, " \n");
    if (weir__str_parse_uint(quota_text, INT64_MAX, &quota) < 0 || /* "max" and "-1": none */
        weir__str_parse_uint(period_text, INT64_MAX, &period) < 0 || period == 0)
        return 0;
    uint64_t cpus = quota / period + (quota % period != 0);
    return cpus == 0 ? 1 : cpus > INT_MAX ? INT_MAX : (int)cpus;
}

static int read_quota_v2(const char *folder)
{
    char path[512];
    char text[64];
    int size = snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (size < 0 || (size_t)size >= sizeof path)
        return 0;
    ssize_t got = read_small_file(path, text, sizeof text);
    if (got <= 0)
        return 0;
    weir_str rest = weir__str_of(text, (size_t)got);
    weir_str quota = take_until(&rest, ' ');
    return quota_cpus(quota, rest);
}

static int read_quota_v1(const char *folder)
{
    static const char *const names[2] = {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
    char path[512];
    char text[2][32];
    ssize_t got[2];
    for (int i = 0; i < 2; i++) {
        int size = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (size < 0 || (size_t)size >= sizeof path)
            return 0;
        got[i] = read_small_file(path, text[i], sizeof text[i]);
        if (got[i] <= 0)
            return 0;
    }
    return quota_cpus(weir__str_of(text[0], (size_t)got[0]), weir__str_of(text[1], (size_t)got[1]));
}

/*
 * The least quota of a cgroup and its parents. In a container without a cgroup namespace the path
 * is the host's and not there; walking up ends at the mount, which is the container's own.
 */
static int least_quota(const char *mount, weir_str group, int (*read_quota)(const char *folder))
{
    int least = 0;
    for (;;) {
        while (group.size > 0 && group.data[group.size - 1] == '/')
            group.size--;
        char folder[448];
        int size = snprintf(folder, sizeof folder, "%s%.*s", mount, (int)group.size, group.data);
        int cpus = size < 0 || (size_t)size >= sizeof folder ? 0 : read_quota(folder);
        if (cpus > 0 && (least == 0 || cpus < least))
            least = cpus;
        if (group.size == 0)
            return least;
        while (group.size > 0 && group.data[group.size - 1] != '/')
            group.size--;
    }
}

static bool names_cpu(weir_str controllers)
{
    while (controllers.size > 0)
        if (weir__str_equal(take_until(&controllers, ','), WEIR_STR("cpu")))
            return true;
    return false;
}

int weir__sys_cpu_quota(const char *root)
{
    char path[256];
    char text[4096];
    int size = snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (size < 0 || (size_t)size >= sizeof path)
        return 0;
    ssize_t got = read_small_file(path, text, sizeof text);
    if (got <= 0)
        return 0;

    /* Lines are hierarchy:controllers:path; v2 is the one with neither number nor controllers. */
    int least = 0;
    weir_str rest = weir__str_of(text, (size_t)got);
    while (rest.size > 0) {
        weir_str group = take_until(&rest, '\n');
        weir_str hierarchy = take_until(&group, ':');
        weir_str controllers = take_until(&group, ':');
        bool v2 = weir__str_equal(hierarchy, WEIR_STR("0")) && controllers.size == 0;
        if ((!v2 && !names_cpu(controllers)) || group.size >= sizeof path)
            continue;
        char mount[300];
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, v2 ? "" : "/cpu");
        int cpus = least_quota(mount, group, v2 ? read_quota_v2 : read_quota_v1);
        if (cpus > 0 && (least == 0 || cpus < least))
            least = cpus;
    }
    return least;
}

/* Bits of the affinity mask. The raw call, since a cpu_set_t ends at 1024 CPUs. */
static int affinity_cpus(void)
{
    unsigned long mask[128];
    long bytes;
    CALL(bytes, syscall(SYS_sched_getaffinity, 0, sizeof mask, mask));
    int cpus = 0;
    for (long i = 0; i < bytes / (long)sizeof mask[0]; i++)
        cpus += __builtin_popcountl(mask[i]);
    return cpus < 1 ? 1 : cpus;
}

int weir__sys_cpu_count(void)
{
    int cpus = affinity_cpus();
    int quota = weir__sys_cpu_quota("");
    return quota > 0 && quota < cpus ? quota : cpus;
}

int weir__sys_raise_fd_limit(void)
{
    struct rlimit limit;
    int rc;
    CALL(rc, getrlimit(RLIMIT_NOFILE, &limit));
    if (rc < 0)
        return rc;
    if (limit.rlim_cur < limit.rlim_max && fault() == 0) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        CALL(rc, setrlimit(RLIMIT_NOFILE, &raised));
        if (rc == 0)
            limit = raised;
    }
    return limit.rlim_cur > INT_MAX ? INT_MAX : (int)limit.rlim_cur;
}

int weir__sys_open_fd_count(void)
{
    /* getdents64 by hand: readdir allocates, and this is called where leaks are looked for. */
    struct entry {
        uint64_t inode;
        int64_t offset;
        uint16_t size;
        uint8_t type;
        char name[];
    };
    _Alignas(struct entry) char entries[2048];
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int found = 0;
    long got;
    while ((got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
        for (long at = 0; at < got;) {
            const struct entry *entry = (const struct entry *)(const void *)(entries + at);
            found += entry->name[0] != '.';
            at += entry->size;
        }
    }
    int rc = got < 0 ? -errno : found - 1; /* without the one we looked through */
    close(fd);
    return rc;
}

int weir__sys_gettid(void)
{
    return (int)syscall(SYS_gettid);
}

/* --- counters -------------------------------------------------------------------------------- */

void weir__sys_stats(struct weir__sys_stats *out_stats)
{
    out_stats->fds_closed = __atomic_load_n(&counters.fds_closed, __ATOMIC_ACQUIRE);
    out_stats->fds_opened = __atomic_load_n(&counters.fds_opened, __ATOMIC_RELAXED);
    out_stats->calls = __atomic_load_n(&counters.calls, __ATOMIC_RELAXED);
}

void weir__sys_count_opened(void)
{
    count(&counters.fds_opened, 1);
}

void weir__sys_count_call(void)
{
    count(&counters.calls, 1);
}

void weir__sys_count_closed(void)
{
    count(&counters.fds_closed, 1);
}
