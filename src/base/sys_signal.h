/*
 * sys_signal.h - the door to the kernel for signals that are caught
 */
#ifndef WEIR__BASE_SYS_SIGNAL_H
#define WEIR__BASE_SYS_SIGNAL_H

#include <signal.h>
#include <weir/base.h>

/* The handler runs on the alternate stack where the thread has one: that of a task is small. */
int weir__sys_signal_catch(int number, void (*handler)(int number, siginfo_t *info, void *context),
                           struct sigaction *out_before) WEIR_MUST_CHECK;
void weir__sys_signal_restore(int number, const struct sigaction *before);
/* Of this thread: true when it was blocked until now. */
bool weir__sys_signal_unblock(int number);
void weir__sys_signal_block(int number);

#endif
