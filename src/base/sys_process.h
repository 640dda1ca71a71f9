/*
 * sys_process.h - the door to the kernel for other processes
 *
 * A child is made by clone() with CLONE_VM and CLONE_VFORK: nothing is copied, no lock or ring of
 * ours is inherited in a half-made state, and what goes wrong up to exec is known here, with the
 * step that failed.
 */
#ifndef WEIR__BASE_SYS_PROCESS_H
#define WEIR__BASE_SYS_PROCESS_H

#include <sys/types.h>
#include <weir/base.h>

/* What the child does before it is the other program, in this order. */
enum weir__spawn_step {
    WEIR__SPAWN_CLONE,
    WEIR__SPAWN_STDIO,
    WEIR__SPAWN_GROUP,
    WEIR__SPAWN_LIMIT,
    WEIR__SPAWN_IDENTITY,
    WEIR__SPAWN_PARENT,
    WEIR__SPAWN_FOLDER,
    WEIR__SPAWN_EXEC,
};

struct weir__spawn_limit {
    int resource;
    uint64_t soft, hard; /* as the kernel's rlimit64 */
};

struct weir__spawn {
    const char *const *paths; /* tried one after the other, up to a NULL */
    const char *const *arguments;
    const char *const *environment;
    const char *folder; /* NULL: ours */
    int fds[3];         /* what becomes 0, 1 and 2; -1: /dev/null */
    bool own_group;
    bool dies_with_parent; /* with the thread that makes it */
    const uint32_t *uid;   /* NULL: ours; also drops all other groups */
    const uint32_t *gid;
    const struct weir__spawn_limit *limits;
    size_t limit_count;
};

/* Blocks until the child is the other program, or has failed to become it: then it is gone
 * again. out_pidfd is -1 where the kernel has none (before Linux 5.4). */
int weir__sys_spawn(const struct weir__spawn *plan, pid_t *out_pid, int *out_pidfd,
                    enum weir__spawn_step *fail_step) WEIR_MUST_CHECK;

/* Behave as a kernel that has no pidfds, from now on; for tests. */
extern bool weir__sys_without_pidfd;

struct weir__child_end {
    int exit_code; /* -1: by a signal */
    int signal;    /* 0: it exited */
    bool core_dumped;
    int64_t cpu_ns;
    int64_t memory_bytes_max;
};

/* From here on there are no fault points: what was started must be endable. */
/* 1: it has ended, and stays a zombie until it is reaped; 0: it runs; -ECHILD: nobody knows any
 * more. */
int weir__sys_child_look(int pidfd, pid_t pid, struct weir__child_end *out_end) WEIR_MUST_CHECK;
/* The same, and the zombie is gone with it. */
int weir__sys_child_reap(int pidfd, pid_t pid);
/* Blocks this thread until it has ended, for at most that long. */
void weir__sys_child_wait(int pidfd, pid_t pid, int timeout_ms);
/* Only while it is not reaped: its number, and that of its group, cannot be another's then. */
int weir__sys_child_kill(int pidfd, pid_t pid, int signal_number) WEIR_MUST_CHECK;
int weir__sys_group_kill(pid_t leader, int signal_number) WEIR_MUST_CHECK;

/* A pipe of which `ours` (0: the end to read, 1: the end to write) is non-blocking. */
int weir__sys_pipe_to_child(int ours, int out_fds[2]) WEIR_MUST_CHECK;

#endif
