/*
 * pool.h - the buffers that receives land in; internal to the room
 *
 * Address space for all buffers is reserved once and touched only as far as buffers are used: free
 * buffers are handed out last in first out, and new ones only when no used one is free.
 */
#ifndef WEIR__BACKEND_POOL_H
#define WEIR__BACKEND_POOL_H

#include "backend/backend.h"

/*
 * 64 MiB of address space a loop. It bounds what unread bytes can cost; beyond it receiving waits.
 */
enum { WEIR__RX_POOL_BUFFERS = 16384 };

struct weir__rx_buffer {
    int32_t next; /* in a chain or in the free list; -1 at the end */
    uint16_t offset;
    uint16_t size; /* unread bytes from offset on */
};

struct weir__rx_pool {
    char *memory;
    struct weir__rx_buffer *buffers;
    uint32_t count;     /* buffers there are */
    uint32_t count_max; /* how many of them may be out; `count`, or less in tests */
    uint32_t fresh;     /* from here on none was ever used */
    uint32_t out;       /* taken and not given back */
    int32_t free_head;
};

int weir__rx_pool_open(struct weir__rx_pool **out_pool) WEIR_MUST_CHECK;
void weir__rx_pool_close(struct weir__rx_pool *pool); /* NULL does nothing */
/* Let at most `count` buffers out from now on; for tests that want to see the end of them. */
void weir__rx_pool_limit(struct weir__rx_pool *pool, uint32_t count);

/* The index of a free buffer, or -1. */
int32_t weir__rx_pool_take(struct weir__rx_pool *pool);
void weir__rx_pool_give(struct weir__rx_pool *pool, int32_t buffer);

static inline char *weir__rx_pool_memory(const struct weir__rx_pool *pool, int32_t buffer)
{
    return pool->memory + (size_t)buffer * WEIR__RX_BUFFER_BYTES;
}
static inline uint32_t weir__rx_pool_available(const struct weir__rx_pool *pool)
{
    return pool->out < pool->count_max ? pool->count_max - pool->out : 0;
}

/* Append `size` received bytes that lie at the start of `buffer`; the buffer is taken. */
void weir__rx_attach(struct weir__rx_pool *pool, struct weir__rx *rx, int32_t buffer, size_t size);
/* Give all unread buffers back. */
void weir__rx_discard(struct weir__rx_pool *pool, struct weir__rx *rx);

static inline size_t weir__rx_unread_max(const struct weir__rx *rx)
{
    return rx->unread_max == 0 ? 64 * 1024 : rx->unread_max;
}

#endif
