/*
 * future.h - a value that comes once, as future.c and select.c know it
 */
#ifndef WEIR__SYNC_FUTURE_H
#define WEIR__SYNC_FUTURE_H

#include "sync/waiting.h"

/* What a wait on one that is set comes to. */
int weir__future_get(const weir_future *future, void **out_value);

#endif
