/*
 * pool.c - receive buffers, and the chains of them that hold unread bytes
 *
 * A chain is a list of indexes; its descriptors lie beside the buffers, not inside, so that reading
 * a chain touches no page of received bytes. What arrives while a chain has room in its last buffer
 * is copied there and its own buffer is free again: a peer that sends single bytes to an owner that
 * does not read them would otherwise pin a whole buffer with each. Full buffers are never copied,
 * and no byte is copied twice.
 *
 * Runs on  the loop's own thread; there are no locks here.
 * Holds    1. Every buffer is in exactly one place: fresh, free, out with a backend, or in one
 *             chain.
 *          2. rx->unread_bytes is the sum of the sizes of its chain.
 */
#include "backend/pool.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/sys.h"

static size_t memory_bytes(const struct weir__rx_pool *pool)
{
    return (size_t)pool->count * WEIR__RX_BUFFER_BYTES;
}

static size_t descriptor_bytes(const struct weir__rx_pool *pool)
{
    return (size_t)pool->count * sizeof *pool->buffers;
}

int weir__rx_pool_open(struct weir__rx_pool **out_pool)
{
    struct weir__rx_pool *pool = weir__base_alloc_zero(sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    pool->count = WEIR__RX_POOL_BUFFERS;
    pool->count_max = pool->count;
    pool->free_head = -1;

    void *memory;
    int rc = weir__sys_map(memory_bytes(pool), &memory);
    if (rc < 0)
        goto free_pool;
    pool->memory = memory;
    void *descriptors;
    rc = weir__sys_map(descriptor_bytes(pool), &descriptors);
    if (rc < 0)
        goto unmap_memory;
    pool->buffers = descriptors;

    // One huge page would make the first byte of the first connection cost 2 MiB.
    weir_ignore(weir__sys_advise(pool->memory, memory_bytes(pool), MADV_NOHUGEPAGE),
                "kernels without huge pages do not know it");
    weir_ignore(weir__sys_advise(pool->buffers, descriptor_bytes(pool), MADV_NOHUGEPAGE),
                "as above");
    // The kernel writes into these pages: after a fork they must stay the parent's own.
    weir_ignore(weir__sys_advise(pool->memory, memory_bytes(pool), MADV_DONTFORK),
                "a child that only executes another program does not care");
    *out_pool = pool;
    return 0;

unmap_memory:
    weir__sys_unmap(pool->memory, memory_bytes(pool));
free_pool:
    weir__base_free(pool);
    return rc;
}

void weir__rx_pool_close(struct weir__rx_pool *pool)
{
    if (pool == NULL)
        return;
    weir__sys_unmap(pool->buffers, descriptor_bytes(pool));
    weir__sys_unmap(pool->memory, memory_bytes(pool));
    weir__base_free(pool);
}

void weir__rx_pool_limit(struct weir__rx_pool *pool, uint32_t count)
{
    pool->count_max = count < pool->count ? count : pool->count;
}

int32_t weir__rx_pool_take(struct weir__rx_pool *pool)
{
    if (pool->out >= pool->count_max)
        return -1;
    int32_t buffer = pool->free_head;
    if (buffer >= 0)
        pool->free_head = pool->buffers[buffer].next;
    else
        buffer = (int32_t)pool->fresh++;
    assert((uint32_t)buffer < pool->count);
    pool->out++;
    return buffer;
}

void weir__rx_pool_give(struct weir__rx_pool *pool, int32_t buffer)
{
    assert(buffer >= 0 && (uint32_t)buffer < pool->fresh && pool->out > 0);
    pool->buffers[buffer].next = pool->free_head;
    pool->free_head = buffer;
    pool->out--;
}

/* Room behind the last unread byte of the chain. */
static size_t spare_bytes(const struct weir__rx_pool *pool, const struct weir__rx *rx)
{
    if (rx->tail_buffer < 0)
        return 0;
    const struct weir__rx_buffer *tail = &pool->buffers[rx->tail_buffer];
    return (size_t)WEIR__RX_BUFFER_BYTES - tail->offset - tail->size;
}

void weir__rx_attach(struct weir__rx_pool *pool, struct weir__rx *rx, int32_t buffer, size_t size)
{
    assert(size > 0 && size <= WEIR__RX_BUFFER_BYTES);
    rx->unread_bytes += size;
    if (size <= spare_bytes(pool, rx)) {
        struct weir__rx_buffer *tail = &pool->buffers[rx->tail_buffer];
        memcpy(weir__rx_pool_memory(pool, rx->tail_buffer) + tail->offset + tail->size,
               weir__rx_pool_memory(pool, buffer), size);
        tail->size = (uint16_t)(tail->size + size);
        weir__rx_pool_give(pool, buffer);
        return;
    }
    pool->buffers[buffer] = (struct weir__rx_buffer){.next = -1, .size = (uint16_t)size};
    if (rx->tail_buffer >= 0)
        pool->buffers[rx->tail_buffer].next = buffer;
    else
        rx->head_buffer = buffer;
    rx->tail_buffer = buffer;
}

static void drop_head(struct weir__rx_pool *pool, struct weir__rx *rx)
{
    int32_t buffer = rx->head_buffer;
    rx->head_buffer = pool->buffers[buffer].next;
    if (rx->head_buffer < 0)
        rx->tail_buffer = -1;
    weir__rx_pool_give(pool, buffer);
}

void weir__rx_discard(struct weir__rx_pool *pool, struct weir__rx *rx)
{
    while (rx->head_buffer >= 0)
        drop_head(pool, rx);
    rx->unread_bytes = 0;
}

const char *weir__rx_peek(struct weir__backend *backend, struct weir__rx *rx, size_t *out_size)
{
    if (!rx->armed || rx->head_buffer < 0)
        return NULL;
    const struct weir__rx_buffer *head = &backend->pool->buffers[rx->head_buffer];
    *out_size = head->size;
    return weir__rx_pool_memory(backend->pool, rx->head_buffer) + head->offset;
}

void weir__rx_consume(struct weir__backend *backend, struct weir__rx *rx, size_t size)
{
    assert(size <= rx->unread_bytes);
    rx->unread_bytes -= size;
    while (size > 0) {
        struct weir__rx_buffer *head = &backend->pool->buffers[rx->head_buffer];
        if (size < head->size) {
            head->offset = (uint16_t)(head->offset + size);
            head->size = (uint16_t)(head->size - size);
            break;
        }
        size -= head->size;
        drop_head(backend->pool, rx);
    }
    if (rx->paused && rx->unread_bytes < (weir__rx_unread_max(rx) + 1) / 2)
        backend->table->rx_resume(backend, rx);
}
