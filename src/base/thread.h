/*
 * thread.h - the only door to threads, mutexes and thread wake-ups
 *
 * Thin names over pthread, so that a simulated run can say no, and tests/tidy can see who uses
 * threads. A mutex here is for short sections between threads; tasks use weir's own.
 */
#ifndef WEIR__BASE_THREAD_H
#define WEIR__BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <weir/base.h>

struct weir__thread {
    pthread_t handle;
};
struct weir__mutex {
    pthread_mutex_t handle;
};
struct weir__cond {
    pthread_cond_t handle; /* waits on CLOCK_MONOTONIC */
};

typedef void *weir__thread_fn(void *arg);

#define WEIR__MUTEX_INIT                                                                           \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    } /* for a mutex of static duration */

/*
 * Signals belong to whoever asked for them by name: the new thread blocks all but those that its
 * own instructions raise (SEGV, BUS, FPE, ILL, TRAP, SYS, ABRT) and those aimed at one thread to
 * look at it (PROF for profilers, URG for the stack samples of the debug room). `name` is cut to 15
 * bytes.
 */
int weir__base_thread_start(struct weir__thread *out_thread, const char *name, weir__thread_fn *fn,
                            void *arg) WEIR_MUST_CHECK;
void weir__base_thread_join(struct weir__thread *thread);
/* Instead of join, for a thread that nobody can wait for: its resources go when it ends. */
void weir__base_thread_detach(struct weir__thread *thread);

/* Between the two, a write to a closed pipe on this thread gives -EPIPE and no signal. */
struct weir__sigpipe {
    sigset_t mask_before;
    bool pending_before;
};
void weir__base_sigpipe_hold(struct weir__sigpipe *out_held);
void weir__base_sigpipe_release(struct weir__sigpipe *held);

void weir__base_mutex_init(struct weir__mutex *mutex);
void weir__base_mutex_deinit(struct weir__mutex *mutex);
void weir__base_mutex_lock(struct weir__mutex *mutex);
void weir__base_mutex_unlock(struct weir__mutex *mutex);

void weir__base_cond_init(struct weir__cond *cond);
void weir__base_cond_deinit(struct weir__cond *cond);
void weir__base_cond_wait(struct weir__cond *cond, struct weir__mutex *mutex);
/* 0, or -ETIMEDOUT when `deadline_ns` of weir__base_kernel_now() passed; WEIR_NEVER never does. */
int weir__base_cond_wait_until(struct weir__cond *cond, struct weir__mutex *mutex,
                               int64_t deadline_ns) WEIR_MUST_CHECK;
void weir__base_cond_signal(struct weir__cond *cond);
void weir__base_cond_broadcast(struct weir__cond *cond);

/* Around fork(): `prepare` and `parent` in the one that forks, `child` in the new process. */
int weir__base_thread_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
    WEIR_MUST_CHECK;

/* Let another thread run, while waiting for something that takes a moment at most. */
void weir__base_thread_pause(void);

#endif
