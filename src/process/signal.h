/*
 * signal.h - who owns which signal of the process
 */
#ifndef WEIR__PROCESS_SIGNAL_H
#define WEIR__PROCESS_SIGNAL_H

#include <weir/signal.h>

/* -EBUSY, and who has it. `who` goes into such messages: "task reload"; cut at 47 bytes. */
int weir__signal_claim(int number, const char *who) WEIR_MUST_CHECK;
void weir__signal_disclaim(int number);

#endif
