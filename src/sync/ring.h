/*
 * ring.h - the items of a channel: a ring of items of one size, in the channel's own memory
 *
 * Runs on  whoever holds the channel.
 */
#ifndef WEIR__SYNC_RING_H
#define WEIR__SYNC_RING_H

#include <weir/channel.h>

struct weir__ring {
    size_t item_bytes;
    size_t capacity;
    size_t first; /* index of the oldest item */
    size_t count;
    _Alignas(max_align_t) char items[];
};

/*
 * An object that ends in a ring, all zero but for the ring's sizes. `bytes` is its size without
 * items. 0, -EINVAL for a capacity without limit, or -ENOMEM.
 */
int weir__ring_alloc(const weir_channel_options *options, size_t bytes, size_t ring_offset,
                     void **out_object) WEIR_MUST_CHECK;

static inline bool weir__ring_full(const struct weir__ring *ring)
{
    return ring->count == ring->capacity;
}
void weir__ring_push(struct weir__ring *ring, const void *item);
void weir__ring_pop(struct weir__ring *ring, void *out_item);
/* Calls drop, which may be NULL, for every item. */
void weir__ring_drop(struct weir__ring *ring, void (*drop)(void *item));

#endif
