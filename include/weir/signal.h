/*
 * weir/signal.h - signals as something a task waits for
 *
 *     weir_signal *reload;
 *     rc = weir_signal_open((const int[]){SIGHUP, SIGUSR1}, 2, &reload);
 *     ...
 *     while ((rc = weir_signal_wait(reload, &info)) == 0)
 *         reload_settings(info.number);
 *
 * Between open and close a signal does nothing by itself any more: it wakes the task. The handler
 * writes a note and does nothing else. A signal has one owner in the process. As everywhere in
 * POSIX, the same signal sent several times before it is delivered may be delivered once; real-time
 * signals are all delivered. A weir_app owns SIGTERM and SIGINT.
 */
#ifndef WEIR_SIGNAL_H
#define WEIR_SIGNAL_H

#include <weir/base.h>
#include <weir/task.h>

/** Some signals that are waited for. */
typedef struct weir_signal weir_signal;

/** A signal that came. */
typedef struct weir_signal_info {
    int number;
    int pid;        /* who sent it; 0: the kernel did */
    uint32_t uid;   /* of the sender */
    intptr_t value; /* that was sent with it by sigqueue(3) */
} weir_signal_info;

WEIR_BEGIN_DECLS

/**
 * Take over signals, until close.
 *
 * Also in a program whose threads have them blocked: this loop's thread is unblocked for them.
 *
 * @param signals     their numbers; borrowed
 * @param count       at least 1
 * @param out_signal  to be closed with weir_signal_close(); used on this loop only
 *
 * Returns     0 or a negative errno
 * Errors      -EBUSY   one of them has an owner: weir_failure_message() says who
 *             -EINVAL  no such signal, one that cannot be caught, or one that a thread causes by
 *                      itself (SIGSEGV and the like)
 *             -ENOMEM  no memory
 *             -EMFILE  no descriptors
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_signal_open(const int *signals, size_t count,
                                              weir_signal **out_signal);

/**
 * Wait for the next of the signals; those that came since open are handed out in the order they
 * came. When several tasks wait, each signal goes to one of them.
 *
 * @param signal    open
 * @param out_info  written on success; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED   the caller's scope is cancelled
 *             -EBADF       it was closed meanwhile
 *             -EOPNOTSUPP  on the simulated backend, when none has come yet
 *             -EPERM       called outside a task, or on another loop
 * Checkpoint  always
 * Thread      the loop that opened it, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_signal_wait(weir_signal *signal,
                                                              weir_signal_info *out_info);

/**
 * Give the signals back: what happened on them before open happens again. Signals that nobody has
 * waited for are gone.
 *
 * @param signal  taken; NULL does nothing. Tasks that wait get -EBADF
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that opened it
 * Source      rule O8
 */
WEIR_API void weir_signal_close(weir_signal *signal);

WEIR_END_DECLS

#endif
