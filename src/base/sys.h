/*
 * sys.h - the only door to the kernel
 *
 * One thin function per kernel call that weir makes outside the two backends' completion engines.
 * Each asks the fault points first, retries on EINTR where that is right, sets close-on-exec on
 * what it opens, and returns a negative errno instead of setting `errno`. tests/tidy checks that no
 * other object of weir refers to these calls.
 *
 * It sits on the ground floor although it names I/O: executor jobs, listeners and the stack arena
 * need it as well as the backends, and none of these functions ever waits for a loop.
 */
#ifndef WEIR__BASE_SYS_H
#define WEIR__BASE_SYS_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <weir/base.h>

struct epoll_event;
struct ifaddrs;

/* memory */
int weir__sys_map(size_t bytes, void **out_memory) WEIR_MUST_CHECK; /* private, no reserve, RW */
void weir__sys_unmap(void *memory, size_t bytes);
int weir__sys_advise(void *memory, size_t bytes, int advice) WEIR_MUST_CHECK;
int weir__sys_protect_none(void *memory, size_t bytes) WEIR_MUST_CHECK;

/* descriptors */
/* Once: closed whatever it returns (but -EBADF); a negative code is about the data, not the fd. */
int weir__sys_close(int fd);
ssize_t weir__sys_read(int fd, void *buffer, size_t size) WEIR_MUST_CHECK;
ssize_t weir__sys_write(int fd, const void *buffer, size_t size) WEIR_MUST_CHECK;
ssize_t weir__sys_pread(int fd, void *buffer, size_t size, off_t offset) WEIR_MUST_CHECK;
ssize_t weir__sys_pwrite(int fd, const void *buffer, size_t size, off_t offset) WEIR_MUST_CHECK;
/*
 * preadv2 with RWF_NOWAIT: -EAGAIN when the page cache cannot answer, -EOPNOTSUPP when the kernel
 * or the file cannot do this. 0 is no proof of the end: Linux 5.9 and 5.10 answer it in mid-file.
 */
ssize_t weir__sys_pread_nowait(int fd, void *buffer, size_t size, off_t offset) WEIR_MUST_CHECK;
int weir__sys_open(const char *path, int flags, mode_t mode) WEIR_MUST_CHECK; /* adds O_CLOEXEC */
/*
 * The same for an existing file whose folders are in memory, without waiting for a disk: -EAGAIN
 * when they are not, -EOPNOTSUPP when the kernel (before 5.12) or a filter says no.
 */
int weir__sys_open_cached(const char *path, int flags) WEIR_MUST_CHECK;
int weir__sys_fstat(int fd, struct stat *out_stat) WEIR_MUST_CHECK;
int weir__sys_stat(const char *path, struct stat *out_stat) WEIR_MUST_CHECK;
int weir__sys_fsync(int fd, bool data_only) WEIR_MUST_CHECK;
int weir__sys_ftruncate(int fd, off_t size) WEIR_MUST_CHECK;
int weir__sys_rename(const char *from, const char *to) WEIR_MUST_CHECK;
int weir__sys_unlink(const char *path) WEIR_MUST_CHECK;
int weir__sys_fchmod(int fd, mode_t mode) WEIR_MUST_CHECK;
int weir__sys_chmod(const char *path, mode_t mode) WEIR_MUST_CHECK;
int weir__sys_mkdir(const char *path, mode_t mode) WEIR_MUST_CHECK;
int weir__sys_pipe(int out_fds[2]) WEIR_MUST_CHECK; /* non-blocking */
int weir__sys_eventfd(void) WEIR_MUST_CHECK;        /* non-blocking */
int weir__sys_set_nonblocking(int fd) WEIR_MUST_CHECK;
int weir__sys_set_cloexec(int fd) WEIR_MUST_CHECK;
/* Blocks this thread, for threads that are no loop: 1 when writable, 0 on timeout or a signal. */
int weir__sys_wait_writable(int fd, int timeout_ms) WEIR_MUST_CHECK;

/* streams */
int weir__sys_dup(int fd) WEIR_MUST_CHECK;          /* the same open file under another number */
int weir__sys_status_flags(int fd) WEIR_MUST_CHECK; /* O_ACCMODE, O_NONBLOCK ... of F_GETFL */
/* What fd refers to, opened again: flags of its own. Not for sockets; needs /proc. */
int weir__sys_reopen(int fd, int flags) WEIR_MUST_CHECK;
/* Hold SIGPIPE (base/thread.h) around what may write to a pipe. */
ssize_t weir__sys_writev(int fd, const struct iovec *parts, int count) WEIR_MUST_CHECK;
/* Whether the page cache has a range, or is reading it: 1, 0; negative where nobody can tell. */
int weir__sys_cached(int fd, off_t offset, size_t size) WEIR_MUST_CHECK;
/* From a file to a socket. Waits for the disk when the page cache does not have it. */
ssize_t weir__sys_sendfile(int to_fd, int from_fd, off_t offset, size_t size) WEIR_MUST_CHECK;
/* One of the two is a pipe; *offset is moved, and NULL where the source has none. */
ssize_t weir__sys_splice(int from_fd, int64_t *offset, int to_fd, size_t size) WEIR_MUST_CHECK;
int weir__sys_set_pipe_size(int fd, int bytes) WEIR_MUST_CHECK; /* what it got */

/* sockets: all non-blocking and close-on-exec */
int weir__sys_socket(int family, int type, int protocol) WEIR_MUST_CHECK;
int weir__sys_socketpair(int family, int type, int protocol, int out_fds[2]) WEIR_MUST_CHECK;
int weir__sys_bind(int fd, const struct sockaddr *address, socklen_t size) WEIR_MUST_CHECK;
int weir__sys_listen(int fd, int backlog) WEIR_MUST_CHECK;
int weir__sys_accept(int fd, struct sockaddr *out_address, socklen_t *size) WEIR_MUST_CHECK;
/* -EINPROGRESS also when a signal interrupted it. */
int weir__sys_connect(int fd, const struct sockaddr *address, socklen_t size) WEIR_MUST_CHECK;
ssize_t weir__sys_recv(int fd, void *buffer, size_t size, int flags) WEIR_MUST_CHECK;
ssize_t weir__sys_send(int fd, const void *buffer, size_t size, int flags)
    WEIR_MUST_CHECK; /* MSG_NOSIGNAL */
ssize_t weir__sys_sendmsg(int fd, const struct msghdr *message, int flags) WEIR_MUST_CHECK;
ssize_t weir__sys_recvmsg(int fd, struct msghdr *message, int flags) WEIR_MUST_CHECK;
struct mmsghdr;
/* Several messages; how many went or came. */
int weir__sys_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
    WEIR_MUST_CHECK; /* MSG_NOSIGNAL */
int weir__sys_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) WEIR_MUST_CHECK;
int weir__sys_shutdown(int fd, int how) WEIR_MUST_CHECK;
int weir__sys_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
    WEIR_MUST_CHECK;
int weir__sys_getsockopt(int fd, int level, int option, void *out_value, socklen_t *size)
    WEIR_MUST_CHECK;
int weir__sys_setsockopt_int(int fd, int level, int option, int value) WEIR_MUST_CHECK;
/* From now on a close drops what is unsent, and the peer hears a reset instead of an end. */
int weir__sys_reset_on_close(int fd) WEIR_MUST_CHECK;
int weir__sys_getsockopt_int(int fd, int level, int option, int *out_value) WEIR_MUST_CHECK;
/* Bytes that the kernel took and the peer has not acknowledged (TCP) or read (Unix sockets). */
int weir__sys_unsent_bytes(int fd, int *out_bytes) WEIR_MUST_CHECK;
int weir__sys_getsockname(int fd, struct sockaddr *out_address, socklen_t *size) WEIR_MUST_CHECK;
int weir__sys_getpeername(int fd, struct sockaddr *out_address, socklen_t *size) WEIR_MUST_CHECK;

/* Calls back once with all network interfaces (getifaddrs); they are gone when it returns. */
int weir__sys_interfaces(void (*each)(const struct ifaddrs *all, void *arg), void *arg)
    WEIR_MUST_CHECK;
unsigned weir__sys_interface_index(const char *name); /* 0: gone meanwhile */

/* epoll, for backend/epoll.c */
int weir__sys_epoll_create(void) WEIR_MUST_CHECK;
int weir__sys_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event) WEIR_MUST_CHECK;
/* timeout in ns, -1 without end; epoll_pwait2 where the kernel has it (5.11), else rounded up to
 * ms. EINTR gives 0 events. */
int weir__sys_epoll_wait(int epoll_fd, struct epoll_event *out_events, int count_max,
                         int64_t timeout_ns) WEIR_MUST_CHECK;

/* process */
int weir__sys_cpu_count(void); /* affinity and cgroup quota respected, at least 1 */
/* CPUs the cgroup quota (v2 cpu.max, v1 cfs_quota) allows, rounded up; 0: none. `root` is "" but in
 * tests, which bring a tree of their own. */
int weir__sys_cpu_quota(const char *root);
/* Keep the calling thread on the nth CPU that it may use, counted around; returns which. */
int weir__sys_pin_to_cpu(size_t nth) WEIR_MUST_CHECK;
int weir__sys_raise_fd_limit(void); /* soft to hard; returns the limit */
int weir__sys_open_fd_count(void);  /* entries of /proc/self/fd, for ledgers and tests */
int weir__sys_gettid(void);

/* Descriptors opened and closed through this door, for the ledger (invariant I4). */
struct weir__sys_stats {
    uint64_t fds_opened;
    uint64_t fds_closed;
    uint64_t calls; /* kernel calls made through sys.c: tests hold hot paths to a budget with it */
};
void weir__sys_stats(struct weir__sys_stats *out_stats);
/* A backend got a descriptor by another way (accept or open through a ring). */
void weir__sys_count_opened(void);
/* A backend entered the kernel by another way (io_uring_enter). */
void weir__sys_count_call(void);
/* A backend closed a descriptor by another way. */
void weir__sys_count_closed(void);

#endif
