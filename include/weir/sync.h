/*
 * weir/sync.h - how tasks wait for each other: one header for each kind, and this one for all
 *
 * Tasks of a loop never run at the same time, so nothing here is about data races: it is about
 * waiting. Everything belongs to one loop, that of its first use, except what has `shared` in its
 * name: that is for any thread. Using the other kind on another loop, or on a thread without one,
 * while its own loop is there, changes nothing: it is reported (W206) and answered with -EPERM.
 *
 * Waiters are served first in, first out, and nobody overtakes: a newcomer waits behind them.
 *
 * What was granted stays granted: a waiter that is cancelled after its turn has come returns 0 and
 * owns what it waited for; the cancellation shows at its next checkpoint.
 *
 * Most of these are structs to place anywhere; all bits zero is a valid start. They own nothing,
 * so there is nothing to release: they must only stay where they are while a task waits on them.
 * A channel is made and freed, a future is emptied with weir_future_deinit().
 */
#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include <weir/barrier.h>
#include <weir/channel.h>
#include <weir/condition.h>
#include <weir/event.h>
#include <weir/future.h>
#include <weir/limiter.h>
#include <weir/mutex.h>
#include <weir/rwlock.h>
#include <weir/select.h>
#include <weir/semaphore.h>
#include <weir/shared_channel.h>
#include <weir/shared_event.h>

#endif
