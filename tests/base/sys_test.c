/*
 * sys_test.c - every kernel call can be refused, interrupted ones are made again, descriptors
 * counted
 */
#include "base/sys.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/thread.h"
#include "tests/support/test.h"

static struct weir__sys_stats stats_now(void)
{
    struct weir__sys_stats stats;
    weir__sys_stats(&stats);
    return stats;
}

static int64_t fds_held(void)
{
    struct weir__sys_stats stats = stats_now();
    return (int64_t)(stats.fds_opened - stats.fds_closed);
}

/* A folder of the test's own; the caller removes what it puts there. */
struct folder {
    char path[64];
};
static struct folder make_folder(void)
{
    struct folder folder;
    snprintf(folder.path, sizeof folder.path, "/tmp/weir-sys-test-XXXXXX");
    if (mkdtemp(folder.path) == NULL)
        abort();
    return folder;
}
static void remove_folder(struct folder *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder->path);
    EXPECT_EQ(0, system(command));
}

TEST(mapped_memory_is_zero_private_and_given_back)
{
    void *memory = NULL;
    size_t bytes = 1 << 20;
    REQUIRE_RC(0, weir__sys_map(bytes, &memory));
    unsigned char *data = memory;
    EXPECT_EQ(0, data[0] | data[bytes - 1]);
    data[0] = 7;
    EXPECT_RC(0, weir__sys_advise(memory, 4096, MADV_DONTNEED));
    EXPECT_EQ(0, data[0]);
    EXPECT_RC(0, weir__sys_protect_none(data + 4096, 4096));
    EXPECT_RC(-EINVAL, weir__sys_advise(memory, 4096, 12345));
    weir__sys_unmap(memory, bytes);
    weir__sys_unmap(NULL, 0);

    void *untouched = &memory;
    EXPECT_RC(-EINVAL, weir__sys_map(0, &untouched));
    EXPECT_RC(-ENOMEM, weir__sys_map(SIZE_MAX / 2, &untouched));
    EXPECT(untouched == &memory);
}

TEST(files_are_written_read_renamed_and_removed)
{
    struct folder folder = make_folder();
    char path[128];
    char other[128];
    snprintf(path, sizeof path, "%s/sub", folder.path);
    EXPECT_RC(0, weir__sys_mkdir(path, 0700));
    EXPECT_RC(-EEXIST, weir__sys_mkdir(path, 0700));
    snprintf(path, sizeof path, "%s/sub/a", folder.path);
    snprintf(other, sizeof other, "%s/sub/b", folder.path);

    EXPECT_RC(-ENOENT, weir__sys_open(path, O_RDONLY, 0));
    int fd = weir__sys_open(path, O_RDWR | O_CREAT, 0600);
    REQUIRE(fd >= 0);
    EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
    EXPECT_EQ(5, weir__sys_write(fd, "hello", 5));
    EXPECT_EQ(3, weir__sys_pwrite(fd, "p me", 3, 3));
    char text[16] = {0};
    EXPECT_EQ(6, weir__sys_pread(fd, text, sizeof text, 0));
    EXPECT_BYTES("help m", text, 6);
    EXPECT_EQ(0, weir__sys_read(fd, text, sizeof text) - 1); // behind the five: one left
    EXPECT_RC(0, weir__sys_fsync(fd, true));
    EXPECT_RC(0, weir__sys_fsync(fd, false));
    EXPECT_RC(0, weir__sys_ftruncate(fd, 2));
    struct stat info;
    EXPECT_RC(0, weir__sys_fstat(fd, &info));
    EXPECT_EQ(2, info.st_size);
    EXPECT_RC(0, weir__sys_fchmod(fd, 0640));
    EXPECT_RC(0, weir__sys_rename(path, other));
    EXPECT_RC(-ENOENT, weir__sys_stat(path, &info));
    EXPECT_RC(0, weir__sys_stat(other, &info));
    EXPECT_EQ(0640, info.st_mode & 07777);
    EXPECT_RC(0, weir__sys_unlink(other));
    EXPECT_RC(-ENOENT, weir__sys_unlink(other));
    EXPECT_RC(0, weir__sys_close(fd));
    EXPECT_RC(-EBADF, weir__sys_close(fd));
    EXPECT_EQ(0, fds_held());
    remove_folder(&folder);
}

TEST(a_read_that_must_not_wait_answers_from_the_page_cache_or_not_at_all)
{
    struct folder folder = make_folder();
    char path[128];
    snprintf(path, sizeof path, "%s/a", folder.path);
    int fd = weir__sys_open(path, O_RDWR | O_CREAT, 0600);
    REQUIRE(fd >= 0);
    EXPECT_EQ(5, weir__sys_write(fd, "hello", 5));
    char text[16];
    ssize_t got = weir__sys_pread_nowait(fd, text, sizeof text, 1);
    EXPECT(got == 4 || got == -EAGAIN || got == -EOPNOTSUPP);
    if (got == 4)
        EXPECT_BYTES("ello", text, 4);
    EXPECT_RC(0, weir__sys_close(fd));
    remove_folder(&folder);
}

TEST(every_way_to_get_a_descriptor_is_counted_and_close_on_exec)
{
    int fds[8];
    int count = 0;
    EXPECT_EQ(0, fds_held());
    int open_before = weir__sys_open_fd_count();
    REQUIRE_RC(0, weir__sys_pipe(fds));
    count = 2;
    fds[count++] = weir__sys_eventfd();
    fds[count++] = weir__sys_epoll_create();
    fds[count++] = weir__sys_open("/dev/null", O_RDONLY, 0);
    int listener = fds[count++] = weir__sys_socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    EXPECT_RC(0, weir__sys_setsockopt_int(listener, SOL_SOCKET, SO_REUSEADDR, 1));
    EXPECT_RC(0, weir__sys_bind(listener, (struct sockaddr *)&address, size));
    EXPECT_RC(0, weir__sys_listen(listener, 8));
    EXPECT_RC(0, weir__sys_getsockname(listener, (struct sockaddr *)&address, &size));
    EXPECT_RC(-EAGAIN, weir__sys_accept(listener, NULL, NULL));
    int client = fds[count++] = weir__sys_socket(AF_INET, SOCK_STREAM, 0);
    int rc = weir__sys_connect(client, (struct sockaddr *)&address, size);
    EXPECT(rc == 0 || rc == -EINPROGRESS);
    struct pollfd watched = {.fd = listener, .events = POLLIN};
    EXPECT_EQ(1, poll(&watched, 1, -1));
    int server = fds[count++] = weir__sys_accept(listener, NULL, NULL);

    EXPECT_EQ(8, count);
    EXPECT_EQ(8, fds_held());
    EXPECT_EQ(open_before + 8, weir__sys_open_fd_count());
    for (int i = 0; i < count; i++) {
        EXPECT(fds[i] >= 0);
        EXPECT_EQ(FD_CLOEXEC, fcntl(fds[i], F_GETFD));
        bool may_block = i == 3 || i == 4; // epoll and the file
        EXPECT((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0 || may_block);
    }

    char text[8];
    EXPECT_EQ(1, weir__sys_wait_writable(client, 10000));
    EXPECT_RC(-EAGAIN, weir__sys_recv(server, text, sizeof text, 0));
    EXPECT_EQ(2, weir__sys_send(client, "hi", 2, 0));
    watched = (struct pollfd){.fd = server, .events = POLLIN};
    EXPECT_EQ(1, poll(&watched, 1, -1));
    EXPECT_EQ(2, weir__sys_recv(server, text, sizeof text, 0));
    EXPECT_RC(0, weir__sys_getpeername(server, (struct sockaddr *)&address, &size));
    int value = -1;
    EXPECT_RC(0, weir__sys_setsockopt_int(client, IPPROTO_TCP, TCP_NODELAY, 1));
    EXPECT_RC(0, weir__sys_getsockopt_int(client, IPPROTO_TCP, TCP_NODELAY, &value));
    EXPECT(value != 0 && value != -1);
    EXPECT_RC(0, weir__sys_shutdown(client, SHUT_WR));
    EXPECT_RC(-EPIPE, weir__sys_send(client, "x", 1, 0)); // and no SIGPIPE
    struct iovec part = {text, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    EXPECT_RC(-EPIPE, weir__sys_sendmsg(client, &message, 0));
    EXPECT_EQ(1, weir__sys_sendmsg(server, &message, 0));

    for (int i = 0; i < count; i++)
        EXPECT_RC(0, weir__sys_close(fds[i]));
    EXPECT_EQ(0, fds_held());
    EXPECT_EQ(open_before, weir__sys_open_fd_count());
}

TEST(what_a_backend_does_by_another_way_is_counted_when_it_says_so)
{
    struct weir__sys_stats before = stats_now();
    weir__sys_count_opened();
    weir__sys_count_call();
    weir__sys_count_call();
    weir__sys_count_closed();
    struct weir__sys_stats after = stats_now();
    EXPECT_EQ(before.fds_opened + 1, after.fds_opened);
    EXPECT_EQ(before.fds_closed + 1, after.fds_closed);
    EXPECT_EQ(before.calls + 2, after.calls);
}

TEST(a_descriptor_is_made_non_blocking_once)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    uint64_t calls = stats_now().calls;
    EXPECT_RC(0, weir__sys_set_nonblocking(fds[0]));
    EXPECT((fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    EXPECT_EQ(calls + 2, stats_now().calls);
    EXPECT_RC(0, weir__sys_set_nonblocking(fds[0]));
    EXPECT_EQ(calls + 3, stats_now().calls);
    close(fds[0]);
    close(fds[1]);
    EXPECT_RC(-EBADF, weir__sys_set_nonblocking(fds[0]));
}

/* With an answer that no kernel call of these gives, so that it can only be ours. */
#define REFUSED(expression)                                                                        \
    do {                                                                                           \
        weir__base_fault_arm(WEIR__FAULT_SYSCALL, 1, -EXDEV, true);                                \
        uint64_t calls_ = stats_now().calls;                                                       \
        EXPECT_RC(-EXDEV, expression);                                                             \
        EXPECT_EQ(calls_, stats_now().calls);                                                      \
        EXPECT_EQ(1, weir__base_fault_disarm());                                                   \
    } while (0)

TEST(every_call_asks_the_fault_point_first)
{
    void *memory = NULL;
    char bytes[8] = {0};
    int fds[2] = {-7, -7};
    int value = -7;
    struct stat info;
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    struct sockaddr *any = (struct sockaddr *)&address;
    struct epoll_event event = {0};
    struct msghdr message = {0};

    REFUSED(weir__sys_map(4096, &memory));
    REFUSED(weir__sys_advise(bytes, 1, 0));
    REFUSED(weir__sys_protect_none(bytes, 1));
    REFUSED(weir__sys_read(0, bytes, 1));
    REFUSED(weir__sys_write(1, bytes, 1));
    REFUSED(weir__sys_pread(0, bytes, 1, 0));
    REFUSED(weir__sys_pwrite(1, bytes, 1, 0));
    REFUSED(weir__sys_pread_nowait(0, bytes, 1, 0));
    REFUSED(weir__sys_open("/dev/null", O_RDONLY, 0));
    REFUSED(weir__sys_open_cached("/dev/null", O_RDONLY));
    REFUSED(weir__sys_fstat(0, &info));
    REFUSED(weir__sys_stat("/", &info));
    REFUSED(weir__sys_fsync(0, true));
    REFUSED(weir__sys_ftruncate(0, 0));
    REFUSED(weir__sys_rename("/nowhere/a", "/nowhere/b"));
    REFUSED(weir__sys_unlink("/nowhere/a"));
    REFUSED(weir__sys_fchmod(0, 0600));
    REFUSED(weir__sys_mkdir("/nowhere/a", 0));
    REFUSED(weir__sys_pipe(fds));
    REFUSED(weir__sys_eventfd());
    REFUSED(weir__sys_set_nonblocking(0));
    REFUSED(weir__sys_wait_writable(1, 0));
    REFUSED(weir__sys_socket(AF_INET, SOCK_STREAM, 0));
    REFUSED(weir__sys_bind(0, any, size));
    REFUSED(weir__sys_listen(0, 1));
    REFUSED(weir__sys_accept(0, any, &size));
    REFUSED(weir__sys_connect(0, any, size));
    REFUSED(weir__sys_recv(0, bytes, 1, 0));
    REFUSED(weir__sys_send(0, bytes, 1, 0));
    REFUSED(weir__sys_sendmsg(0, &message, 0));
    REFUSED(weir__sys_shutdown(0, SHUT_RD));
    REFUSED(weir__sys_setsockopt_int(0, 0, 0, 0));
    REFUSED(weir__sys_getsockopt_int(0, 0, 0, &value));
    REFUSED(weir__sys_getsockname(0, any, &size));
    REFUSED(weir__sys_getpeername(0, any, &size));
    REFUSED(weir__sys_epoll_create());
    REFUSED(weir__sys_epoll_ctl(0, 0, 0, &event));
    REFUSED(weir__sys_epoll_wait(0, &event, 1, 0));

    EXPECT(memory == NULL); // written on success only
    EXPECT_EQ(-7, fds[0]);
    EXPECT_EQ(-7, value);
    EXPECT_EQ(0, fds_held());
}

TEST(closing_cannot_be_refused)
{
    int fd = weir__sys_eventfd();
    REQUIRE(fd >= 0);
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 1, -EIO, true);
    EXPECT_RC(0, weir__sys_close(fd));
    EXPECT_EQ(0, weir__base_fault_disarm());
    EXPECT_EQ(0, fds_held());
}

TEST(failing_calls_give_the_kernels_code_and_count_no_descriptor)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int fds[2] = {-7, -7};
    struct rlimit none = {0, limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    int codes[] = {weir__sys_pipe(fds), weir__sys_eventfd(), weir__sys_epoll_create(),
                   weir__sys_socket(AF_INET, SOCK_STREAM, 0),
                   weir__sys_open("/dev/null", O_RDONLY, 0)};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        EXPECT_RC(-EMFILE, codes[i]);
    EXPECT_EQ(-7, fds[1]);
    EXPECT_EQ(0, fds_held());
}

/* --- interruptions --------------------------------------------------------------------------- */

static int interrupted_count; // by signals, atomic

static void count_signal(int number)
{
    (void)number;
    __atomic_fetch_add(&interrupted_count, 1, __ATOMIC_SEQ_CST);
}

struct disturber {
    pthread_t victim;
    int write_fd;
};

/* Interrupts the victim many times, then gives it what it waits for. */
static void *disturb(void *arg)
{
    struct disturber *disturber = arg;
    while (__atomic_load_n(&interrupted_count, __ATOMIC_SEQ_CST) < 20) {
        pthread_kill(disturber->victim, SIGUSR1);
        sched_yield();
    }
    if (write(disturber->write_fd, "x", 1) != 1)
        abort();
    return NULL;
}

static void catch_signal(void)
{
    struct sigaction action = {.sa_handler = count_signal}; // without SA_RESTART
    sigaction(SIGUSR1, &action, NULL);
}

TEST(an_interrupted_read_is_made_again)
{
    catch_signal();
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    struct disturber disturber = {pthread_self(), fds[1]};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "disturb", disturb, &disturber));
    char byte = 0;
    EXPECT_EQ(1, weir__sys_read(fds[0], &byte, 1));
    EXPECT_EQ('x', byte);
    weir__base_thread_join(&thread);
    EXPECT(interrupted_count >= 20);
    close(fds[0]);
    close(fds[1]);
}

TEST(an_interrupted_wait_for_events_gives_none)
{
    catch_signal();
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    int epoll_fd = weir__sys_epoll_create();
    struct epoll_event event = {.events = EPOLLIN};
    REQUIRE_RC(0, weir__sys_epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[0], &event));
    struct disturber disturber = {pthread_self(), fds[1]};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "disturb", disturb, &disturber));
    int64_t timeout_ns = -1;
    int got;
    while ((got = weir__sys_epoll_wait(epoll_fd, &event, 1, timeout_ns)) == 0)
        timeout_ns = timeout_ns < 0 ? WEIR_HOUR : -1; // both calls
    EXPECT_EQ(1, got);
    weir__base_thread_join(&thread);
    weir__sys_close(epoll_fd);
    close(fds[0]);
    close(fds[1]);
}

/* --- epoll ----------------------------------------------------------------------------------- */

static void wait_for_all_kinds_of_timeouts(void)
{
    int epoll_fd = weir__sys_epoll_create();
    int event_fd = weir__sys_eventfd();
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 77};
    REQUIRE_RC(0, weir__sys_epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event));
    EXPECT_RC(-EEXIST, weir__sys_epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event));

    static const int64_t timeouts[] = {0, 1, 1000, WEIR_MS - 1, WEIR_MS, WEIR_MS + 1};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        int64_t start = weir__base_kernel_now();
        EXPECT_EQ(0, weir__sys_epoll_wait(epoll_fd, &event, 1, timeouts[i]));
        EXPECT(weir__base_kernel_now() - start >= timeouts[i]); // never too early
    }

    EXPECT_EQ(8, weir__sys_write(event_fd, &(uint64_t){1}, 8));
    static const int64_t long_timeouts[] = {-1, 0, 1, WEIR_HOUR, INT64_MAX};
    for (size_t i = 0; i < sizeof long_timeouts / sizeof long_timeouts[0]; i++) {
        event.data.u64 = 0;
        EXPECT_EQ(1, weir__sys_epoll_wait(epoll_fd, &event, 1, long_timeouts[i]));
        EXPECT_EQ(77, event.data.u64);
    }
    EXPECT_RC(-EINVAL, weir__sys_epoll_wait(epoll_fd, &event, 0, 0));
    EXPECT_RC(-EINVAL, weir__sys_epoll_wait(epoll_fd, &event, 0, 5));
    weir__sys_close(event_fd);
    weir__sys_close(epoll_fd);
}

TEST(a_wait_for_events_ends_at_its_time_and_not_before)
{
    wait_for_all_kinds_of_timeouts();
}

/* From now on this process gets `code` from epoll_pwait2. */
static bool deny_call(unsigned number, int code)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)code & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(without_epoll_pwait2_timeouts_are_rounded_up)
{
    if (!deny_call(441, ENOSYS)) {
        test_skip("this machine has no seccomp");
        return;
    }
    wait_for_all_kinds_of_timeouts();

    int epoll_fd = weir__sys_epoll_create();
    struct epoll_event event;
    uint64_t calls = stats_now().calls;
    EXPECT_EQ(0, weir__sys_epoll_wait(epoll_fd, &event, 1, 1));
    EXPECT_EQ(calls + 1, stats_now().calls); // remembered: it is not tried each time
    weir__sys_close(epoll_fd);
}

TEST(a_seccomp_profile_older_than_epoll_pwait2_is_a_missing_call)
{
    if (!deny_call(441, EPERM)) {
        test_skip("this machine has no seccomp");
        return;
    }
    wait_for_all_kinds_of_timeouts();
}

/* 1: opened; 0: a folder was not in memory, or this kernel cannot tell. */
static int open_if_cached(const char *path)
{
    int fd = weir__sys_open_cached(path, O_RDONLY);
    if (fd == -EAGAIN || fd == -EOPNOTSUPP)
        return 0;
    EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
    return weir__sys_close(fd) == 0 ? 1 : -1;
}

TEST(an_open_that_must_not_wait_gives_the_file_or_says_that_it_would)
{
    int64_t held = fds_held();
    EXPECT(open_if_cached("/dev/null") >= 0);
    int rc = weir__sys_open_cached("/nowhere/at/all", O_RDONLY);
    EXPECT(rc == -ENOENT || rc == -EAGAIN || rc == -EOPNOTSUPP);
    rc = weir__sys_open_cached("/tmp/weir-never", O_RDWR | O_CREAT);
    EXPECT(rc == -EAGAIN || rc == -EOPNOTSUPP); // making one may have to wait
    EXPECT_EQ(held, fds_held());
}

TEST(an_open_that_must_not_wait_is_not_supported_where_a_filter_denies_it)
{
    if (!deny_call(SYS_openat2, EPERM)) {
        test_skip("this machine has no seccomp");
        return;
    }
    EXPECT_RC(-EOPNOTSUPP, weir__sys_open_cached("/dev/null", O_RDONLY));
}

/* --- process --------------------------------------------------------------------------------- */

static void put_file(const char *root, const char *path, const char *text)
{
    char full[512];
    char command[600];
    snprintf(full, sizeof full, "%s%s", root, path);
    snprintf(command, sizeof command, "mkdir -p $(dirname '%s')", full);
    EXPECT_EQ(0, system(command));
    FILE *file = fopen(full, "w");
    REQUIRE(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void expect_quota(int expected, const char *const *files)
{
    struct folder folder = make_folder();
    for (; files[0] != NULL; files += 2)
        put_file(folder.path, files[0], files[1]);
    EXPECT_EQ(expected, weir__sys_cpu_quota(folder.path));
    remove_folder(&folder);
}
#define EXPECT_QUOTA(expected, ...) expect_quota(expected, (const char *const[]){__VA_ARGS__, NULL})

#define SELF "/proc/self/cgroup"
#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/cpu"

TEST(the_cpu_quota_of_cgroup_v2_is_rounded_up)
{
    EXPECT_QUOTA(2, SELF, "0::/\n", V2 "/cpu.max", "200000 100000\n");
    EXPECT_QUOTA(2, SELF, "0::/\n", V2 "/cpu.max", "150000 100000\n");
    EXPECT_QUOTA(1, SELF, "0::/\n", V2 "/cpu.max", "5000 100000\n");
    EXPECT_QUOTA(4, SELF, "0::/\n", V2 "/cpu.max", "35000 10000\n");
    EXPECT_QUOTA(0, SELF, "0::/\n", V2 "/cpu.max", "max 100000\n");
    EXPECT_QUOTA(0, SELF, "0::/\n");
    EXPECT_QUOTA(0, SELF, "");
    EXPECT_QUOTA(0, "/nothing", "");
}

TEST(the_least_quota_of_a_cgroup_and_its_parents_counts)
{
    EXPECT_QUOTA(3, SELF, "0::/pods/pod1/web\n", V2 "/pods/pod1/web/cpu.max", "800000 100000\n",
                 V2 "/pods/pod1/cpu.max", "300000 100000\n", V2 "/pods/cpu.max", "max 100000\n");
    EXPECT_QUOTA(8, SELF, "0::/pods/pod1/web\n", V2 "/pods/pod1/web/cpu.max", "800000 100000\n",
                 V2 "/pods/cpu.max", "1600000 100000\n");
    // the path of the host in a container that sees its own group as the root
    EXPECT_QUOTA(5, SELF, "0::/docker/0123456789abcdef\n", V2 "/cpu.max", "500000 100000\n");
}

TEST(the_cpu_quota_of_cgroup_v1_is_found_too)
{
    EXPECT_QUOTA(2, SELF, "11:memory:/m\n4:cpu,cpuacct:/docker/1\n0::/\n",
                 V1 "/docker/1/cpu.cfs_quota_us", "150000\n", V1 "/docker/1/cpu.cfs_period_us",
                 "100000\n");
    EXPECT_QUOTA(2, SELF, "4:cpuacct,cpu:/docker/1\n", // only the container's own mount is there
                 V1 "/cpu.cfs_quota_us", "200000\n", V1 "/cpu.cfs_period_us", "100000\n");
    EXPECT_QUOTA(0, SELF, "4:cpu:/\n", V1 "/cpu.cfs_quota_us", "-1\n", V1 "/cpu.cfs_period_us",
                 "100000\n");
    EXPECT_QUOTA(0, SELF, "4:cpuset:/\n", V1 "/cpu.cfs_quota_us", "100000\n",
                 V1 "/cpu.cfs_period_us", "100000\n");
}

TEST(nonsense_in_cgroup_files_is_no_quota)
{
    EXPECT_QUOTA(0, SELF, "0::/\n", V2 "/cpu.max", "");
    EXPECT_QUOTA(0, SELF, "0::/\n", V2 "/cpu.max", "100000\n");
    EXPECT_QUOTA(0, SELF, "0::/\n", V2 "/cpu.max", "100000 0\n");
    EXPECT_QUOTA(0, SELF, "0::/\n", V2 "/cpu.max", "a b\n");
    EXPECT_QUOTA(0, SELF, "0::/\n", V2 "/cpu.max", "99999999999999999999999 100000\n");
    EXPECT_QUOTA(1, SELF, "0::/\n", V2 "/cpu.max", "0 100000\n");
    EXPECT_QUOTA(0, SELF, ":::::\n\n0\n0:\n0::\n::/a\n");
    EXPECT_QUOTA(3, SELF, "0::", V2 "/cpu.max", "300000 100000");
}

TEST(the_cpu_count_is_at_least_one_and_obeys_the_affinity)
{
    int all = weir__sys_cpu_count();
    EXPECT(all >= 1);
    EXPECT(all <= sysconf(_SC_NPROCESSORS_CONF));
    cpu_set_t set;
    REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &set))
        first++;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    REQUIRE(sched_setaffinity(0, sizeof set, &set) == 0);
    EXPECT_EQ(1, weir__sys_cpu_count());
}

TEST(the_fd_limit_is_raised_to_what_is_allowed)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_max < 128) {
        test_skip("the hard limit is too low to tell");
        return;
    }
    struct rlimit low = {64, limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    int raised = weir__sys_raise_fd_limit();
    EXPECT(raised > 64);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT_EQ(raised, limit.rlim_cur > INT32_MAX ? INT32_MAX : limit.rlim_cur);
    EXPECT(limit.rlim_cur == limit.rlim_max);

    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 1, -EPERM, true);
    EXPECT_EQ(64, weir__sys_raise_fd_limit()); // what we have is what there is
    weir__base_fault_disarm();
}

TEST(a_thread_knows_its_number)
{
    EXPECT_EQ(getpid(), weir__sys_gettid()); // the first thread's
}
