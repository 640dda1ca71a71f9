/*
 * sys_cpu.c - how many CPUs this process may use: its affinity, and the quota of its cgroup
 *
 * Runs on  any thread.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "base/sys_call.h"

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
    WEIR__SYS_CALL(bytes, syscall(SYS_sched_getaffinity, 0, sizeof mask, mask));
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

int weir__sys_pin_to_cpu(size_t nth)
{
    int fault = weir__sys_fault();
    if (fault < 0)
        return fault;
    unsigned long mask[128];
    long bytes;
    WEIR__SYS_CALL(bytes, syscall(SYS_sched_getaffinity, 0, sizeof mask, mask));
    if (bytes < 0)
        return (int)bytes;
    const size_t bits = sizeof mask[0] * 8;
    nth %= (size_t)affinity_cpus();
    for (size_t cpu = 0; cpu < (size_t)bytes * 8; cpu++) {
        if (!(mask[cpu / bits] >> cpu % bits & 1) || nth-- > 0)
            continue;
        unsigned long one[128] = {0};
        one[cpu / bits] = 1ul << cpu % bits;
        long rc;
        WEIR__SYS_CALL(rc, syscall(SYS_sched_setaffinity, 0, sizeof one, one));
        return rc < 0 ? (int)rc : (int)cpu;
    }
    return -EINVAL;
}
