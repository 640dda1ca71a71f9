/*
 * thread.c - the only door to threads, mutexes and thread wake-ups
 *
 * Runs on  any thread.
 * Holds    Locking and waiting cannot fail on Linux with the plain kind of mutex used here; what
 *          pthread returns is asserted, not passed on. Starting a thread can, and is.
 */
#include "base/thread.h"

#include <assert.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"

/* What a mutex or a condition came to: anything but 0 is a mistake in our own use of it. */
static void must_be_zero(int code)
{
    assert(code == 0);
    (void)code;
}

static void set_thread_name(pthread_t thread, const char *name)
{
    char cut[16]; /* the kernel's limit, with the NUL */
    size_t size = strnlen(name, sizeof cut - 1);
    memcpy(cut, name, size);
    cut[size] = '\0';
    pthread_setname_np(thread, cut); /* fails when the thread has ended already: then nobody asks */
}

int weir__base_thread_start(struct weir__thread *out_thread, const char *name, weir__thread_fn *fn,
                            void *arg)
{
    int rc = weir__base_fault(WEIR__FAULT_THREAD);
    if (rc < 0)
        return rc;

    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    static const int open[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP,
                               SIGSYS,  SIGABRT, SIGPROF, SIGURG};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        sigdelset(&blocked, open[i]);

    /* A thread inherits the mask of its maker: set here, so that it never runs without it. */
    must_be_zero(pthread_sigmask(SIG_SETMASK, &blocked, &before));
    pthread_t handle;
    rc = -pthread_create(&handle, NULL, fn, arg);
    must_be_zero(pthread_sigmask(SIG_SETMASK, &before, NULL));
    if (rc < 0)
        return rc;

    if (name != NULL)
        set_thread_name(handle, name);
    out_thread->handle = handle;
    return 0;
}

void weir__base_thread_join(struct weir__thread *thread)
{
    must_be_zero(pthread_join(thread->handle, NULL));
}

void weir__base_thread_detach(struct weir__thread *thread)
{
    must_be_zero(pthread_detach(thread->handle));
}

void weir__base_sigpipe_hold(struct weir__sigpipe *out_held)
{
    sigset_t set;
    sigpending(&set);
    out_held->pending_before = sigismember(&set, SIGPIPE) == 1;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    must_be_zero(pthread_sigmask(SIG_BLOCK, &set, &out_held->mask_before));
}

void weir__base_sigpipe_release(struct weir__sigpipe *held)
{
    if (!held->pending_before) { /* take the one we caused; an earlier one is somebody else's */
        sigset_t set;
        struct timespec at_once = {0};
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
            continue;
    }
    must_be_zero(pthread_sigmask(SIG_SETMASK, &held->mask_before, NULL));
}

void weir__base_mutex_init(struct weir__mutex *mutex)
{
    must_be_zero(pthread_mutex_init(&mutex->handle, NULL));
}

void weir__base_mutex_deinit(struct weir__mutex *mutex)
{
    must_be_zero(pthread_mutex_destroy(&mutex->handle));
}

void weir__base_mutex_lock(struct weir__mutex *mutex)
{
    must_be_zero(pthread_mutex_lock(&mutex->handle));
}

void weir__base_mutex_unlock(struct weir__mutex *mutex)
{
    must_be_zero(pthread_mutex_unlock(&mutex->handle));
}

void weir__base_cond_init(struct weir__cond *cond)
{
    pthread_condattr_t attr;
    must_be_zero(pthread_condattr_init(&attr));
    must_be_zero(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    must_be_zero(pthread_cond_init(&cond->handle, &attr));
    must_be_zero(pthread_condattr_destroy(&attr));
}

void weir__base_cond_deinit(struct weir__cond *cond)
{
    must_be_zero(pthread_cond_destroy(&cond->handle));
}

void weir__base_cond_wait(struct weir__cond *cond, struct weir__mutex *mutex)
{
    must_be_zero(pthread_cond_wait(&cond->handle, &mutex->handle));
}

int weir__base_cond_wait_until(struct weir__cond *cond, struct weir__mutex *mutex,
                               int64_t deadline_ns)
{
    if (deadline_ns == WEIR_NEVER) {
        weir__base_cond_wait(cond, mutex);
        return 0;
    }
    if (deadline_ns < 0)
        deadline_ns = 0; /* long ago; a negative timespec would be -EINVAL */
    struct timespec until = {
        .tv_sec = (time_t)(deadline_ns / WEIR_SEC),
        .tv_nsec = (long)(deadline_ns % WEIR_SEC),
    };
    int code = pthread_cond_timedwait(&cond->handle, &mutex->handle, &until);
    if (code == ETIMEDOUT)
        return -ETIMEDOUT;
    must_be_zero(code);
    return 0;
}

void weir__base_cond_signal(struct weir__cond *cond)
{
    must_be_zero(pthread_cond_signal(&cond->handle));
}

void weir__base_cond_broadcast(struct weir__cond *cond)
{
    must_be_zero(pthread_cond_broadcast(&cond->handle));
}

int weir__base_thread_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return -pthread_atfork(prepare, parent, child);
}

void weir__base_thread_pause(void)
{
    sched_yield();
}
