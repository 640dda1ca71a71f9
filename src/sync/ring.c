/*
 * ring.c - see ring.h
 */
#include "sync/ring.h"

#include <string.h>

#include "base/alloc.h"

enum { CAPACITY_DEFAULT = 64 };

int weir__ring_alloc(const weir_channel_options *options, size_t bytes, size_t ring_offset,
                     void **out_object)
{
    static const weir_channel_options defaults;
    if (options == NULL)
        options = &defaults;
    size_t item_bytes = options->item_bytes == 0 ? sizeof(void *) : options->item_bytes;
    size_t capacity = options->capacity == 0 ? CAPACITY_DEFAULT : options->capacity;
    if (options->rendezvous)
        capacity = 0;
    if (capacity == WEIR_UNLIMITED)
        return -EINVAL;
    size_t all;
    if (__builtin_mul_overflow(item_bytes, capacity, &all) ||
        __builtin_add_overflow(all, bytes, &all))
        return -ENOMEM;
    char *object = weir__base_alloc(all);
    if (object == NULL)
        return -ENOMEM;
    memset(object, 0, bytes);
    struct weir__ring *ring = (struct weir__ring *)(void *)(object + ring_offset);
    ring->item_bytes = item_bytes;
    ring->capacity = capacity;
    *out_object = object;
    return 0;
}

static void *slot(struct weir__ring *ring, size_t index)
{
    size_t position = ring->first + index;
    if (position >= ring->capacity)
        position -= ring->capacity;
    return ring->items + position * ring->item_bytes;
}

void weir__ring_push(struct weir__ring *ring, const void *item)
{
    memcpy(slot(ring, ring->count), item, ring->item_bytes);
    ring->count++;
}

void weir__ring_pop(struct weir__ring *ring, void *out_item)
{
    memcpy(out_item, slot(ring, 0), ring->item_bytes);
    ring->first = ring->first + 1 == ring->capacity ? 0 : ring->first + 1;
    ring->count--;
}

void weir__ring_drop(struct weir__ring *ring, void (*drop)(void *item))
{
    for (size_t i = 0; drop != NULL && i < ring->count; i++)
        drop(slot(ring, i));
    ring->count = 0;
}
