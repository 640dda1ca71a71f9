/*
 * sys.c - the door to the kernel: its counters, memory, and what a process asks about itself
 *
 * The door has several leaves: sys_file.c (descriptors and files), sys_socket.c, sys_epoll.c and
 * sys_cpu.c. The shape of all of them is in sys_call.h.
 *
 * Runs on  any thread.
 */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys_call.h"

/* --- counters -------------------------------------------------------------------------------- */

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

/* --- memory ---------------------------------------------------------------------------------- */

int weir__sys_map(size_t bytes, void **out_memory)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    weir__sys_count_call();
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
    WEIR__SYS_CALL(rc, munmap(memory, bytes));
    assert(rc == 0); /* our own range; a hole that would need one mapping more is not made here */
    (void)rc;
}

int weir__sys_advise(void *memory, size_t bytes, int advice)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, madvise(memory, bytes, advice));
    return rc;
}

int weir__sys_protect_none(void *memory, size_t bytes)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, mprotect(memory, bytes, PROT_NONE));
    return rc;
}

/* --- process --------------------------------------------------------------------------------- */

int weir__sys_raise_fd_limit(void)
{
    struct rlimit limit;
    int rc;
    WEIR__SYS_CALL(rc, getrlimit(RLIMIT_NOFILE, &limit));
    if (rc < 0)
        return rc;
    if (limit.rlim_cur < limit.rlim_max && weir__sys_fault() == 0) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        WEIR__SYS_CALL(rc, setrlimit(RLIMIT_NOFILE, &raised));
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
    int rc = got < 0
                 ? -errno
                 : found - 1 + weir__virtual_open_count(); /* without the one we looked through */
    close(fd);
    return rc;
}

int weir__sys_gettid(void)
{
    return (int)syscall(SYS_gettid);
}
