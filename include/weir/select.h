/*
 * weir/select.h - waiting for the first of several things
 *
 *     weir_select_arm arms[] = {
 *         WEIR_ON_RECV(orders, &order),
 *         WEIR_ON_SEND(results, &result),
 *         WEIR_ON_EVENT(&stopping),
 *         WEIR_ON_TIMEOUT(5 * WEIR_SEC),
 *     };
 *     size_t chosen;
 *     int rc = weir_select(arms, 4, &chosen);
 *
 * Exactly one arm is carried out; the others have done nothing, whether they lost or the caller was
 * cancelled: no item is received and dropped, and none is sent twice. When several are ready, each
 * has the same chance. Time comes last: an arm that is ready beats a deadline that has passed.
 */
#ifndef WEIR_SELECT_H
#define WEIR_SELECT_H

#include <weir/base.h>
#include <weir/channel.h>
#include <weir/event.h>
#include <weir/future.h>

/** What an arm waits for; made by the macros below. */
enum weir_select_kind {
    WEIR_SELECT_NOTHING, /* never ready: a zeroed arm takes no part */
    WEIR_SELECT_RECV,
    WEIR_SELECT_SEND,
    WEIR_SELECT_EVENT,
    WEIR_SELECT_FUTURE,
    WEIR_SELECT_TIMEOUT,
    WEIR_SELECT_DEADLINE,
    WEIR_SELECT_OTHERWISE,
};

/** One of the things to wait for. Arms may be used again, once a select has returned. */
typedef struct weir_select_arm {
    enum weir_select_kind kind;
    weir_channel *channel; /* NULL: the arm takes no part, as with the event and the future */
    void *out_item;        /* RECV: item_bytes of room */
    const void *item;      /* SEND: copied when the arm is chosen */
    weir_event *event;
    weir_future *future;
    void **out_value; /* FUTURE: may be NULL */
    int64_t time_ns;
    void *weir__node[6]; /* the library's */
} weir_select_arm;

/* clang-format off */
/** An item is received: as weir_channel_recv(). */
#define WEIR_ON_RECV(channel_, out_item_) \
    {.kind = WEIR_SELECT_RECV, .channel = (channel_), .out_item = (out_item_)}
/** An item is sent: as weir_channel_send(). */
#define WEIR_ON_SEND(channel_, item_) \
    {.kind = WEIR_SELECT_SEND, .channel = (channel_), .item = (item_)}
/** An event is set. */
#define WEIR_ON_EVENT(event_) {.kind = WEIR_SELECT_EVENT, .event = (event_)}
/** A future has its value, or has failed: as weir_future_wait(). */
#define WEIR_ON_FUTURE(future_, out_value_) \
    {.kind = WEIR_SELECT_FUTURE, .future = (future_), .out_value = (out_value_)}
/** A duration has passed; 0 or less: it has passed already. */
#define WEIR_ON_TIMEOUT(duration_ns_) {.kind = WEIR_SELECT_TIMEOUT, .time_ns = (duration_ns_)}
/** An instant has come. */
#define WEIR_ON_DEADLINE(at_ns_) {.kind = WEIR_SELECT_DEADLINE, .time_ns = (at_ns_)}
/** None of the others is ready now: the select does not wait. */
#define WEIR_OTHERWISE {.kind = WEIR_SELECT_OTHERWISE}
/* clang-format on */

WEIR_BEGIN_DECLS

/**
 * Wait until one of the arms is ready, and carry out that one.
 *
 * @param arms        borrowed; what they name is kept until this returns
 * @param count       how many arms
 * @param out_chosen  index of the arm that was carried out
 *
 * Returns     0, or what the chosen arm came to, or a negative errno without a chosen arm
 * Errors      -EPIPE      the channel of *out_chosen is closed, and empty if it was to receive; a
 *                         future was emptied
 *             others      the future of *out_chosen has failed: see weir_future_wait()
 *             -ECANCELED  the caller's scope is cancelled; no arm was carried out
 *             -EINVAL     no arm could ever be ready
 *             -EPERM      called outside a task, or an arm belongs to another loop (reported)
 * Checkpoint  always
 * Thread      the loop of all its arms, in a task
 * Source      rules O1, O4, O10, I10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_select(weir_select_arm *arms, size_t count,
                                                         size_t *out_chosen);

WEIR_END_DECLS

#endif
