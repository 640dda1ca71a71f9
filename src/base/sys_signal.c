/*
 * sys_signal.c - the door to the kernel for signals that are caught
 *
 * Runs on  any thread; what is caught is so for the whole process.
 */
#include "base/sys_signal.h"

#include <pthread.h>

#include "base/sys_call.h"

int weir__sys_signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context),
                           struct sigaction *out_before)
{
    struct sigaction action = {.sa_sigaction = handler,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask); /* handlers of ours do not interrupt each other */
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, sigaction(number, &action, out_before));
    return rc;
}

void weir__sys_signal_restore(int number, const struct sigaction *before)
{
    int rc;
    WEIR__SYS_CALL(rc, sigaction(number, before, NULL));
    (void)rc; /* it was given to us by the same call */
}

static bool change_mask(int how, int number)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigemptyset(&before);
    int rc;
    WEIR__SYS_CALL(rc, pthread_sigmask(how, &set, &before));
    (void)rc;
    return sigismember(&before, number) == 1;
}

bool weir__sys_signal_unblock(int number)
{
    return change_mask(SIG_UNBLOCK, number);
}

void weir__sys_signal_block(int number)
{
    change_mask(SIG_BLOCK, number);
}
