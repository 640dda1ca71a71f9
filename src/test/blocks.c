/*
 * blocks.c - see blocks.h
 *
 * A table by address, of fixed size: what does not fit is not known, and the count says so anyway.
 *
 * Runs on  any thread that allocates; there is a lock.
 */
#include "test/blocks.h"

#include <string.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "debug/debug.h"

enum { PLACES = 2048 /* a power of two */, SHOWN_MAX = 8 };

struct block {
    const void *address; /* NULL: free, and was never used; GONE: free */
    size_t bytes;
    struct weir__calls calls;
};

static const char gone;
#define GONE ((const void *)&gone)

static struct {
    struct weir__mutex lock;
    struct block blocks[PLACES];
} table = {.lock = WEIR__MUTEX_INIT};

static size_t place_of(const void *address)
{
    return (size_t)(((uintptr_t)address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % PLACES;
}

static void note_allocated(const void *address, size_t bytes)
{
    struct weir__calls calls;
    weir__debug_calls_here(weir__core_loop(), &calls);
    weir__base_mutex_lock(&table.lock);
    size_t place = place_of(address);
    for (size_t i = 0; i < PLACES; i++, place = (place + 1) % PLACES) {
        struct block *block = &table.blocks[place];
        if (block->address == NULL || block->address == GONE) {
            *block = (struct block){address, bytes, calls};
            break;
        }
    }
    weir__base_mutex_unlock(&table.lock);
}

static void note_freed(const void *address)
{
    weir__base_mutex_lock(&table.lock);
    size_t place = place_of(address);
    for (size_t i = 0; i < PLACES && table.blocks[place].address != NULL;
         i++, place = (place + 1) % PLACES) {
        if (table.blocks[place].address == address) {
            table.blocks[place].address = GONE;
            break;
        }
    }
    weir__base_mutex_unlock(&table.lock);
}

void weir__test_blocks_watch(void)
{
    static const struct weir__alloc_watch watch = {note_allocated, note_freed};
    weir__base_mutex_lock(&table.lock);
    for (size_t i = 0; i < PLACES; i++)
        table.blocks[i].address = NULL;
    weir__base_mutex_unlock(&table.lock);
    weir__base_alloc_watch(&watch);
}

void weir__test_blocks_stop(void)
{
    weir__base_alloc_watch(NULL);
}

void weir__test_blocks_tell(struct weir__buffer *out)
{
    weir__test_blocks_stop();
    size_t shown = 0;
    for (size_t i = 0; i < PLACES && shown < SHOWN_MAX; i++) {
        const struct block *block = &table.blocks[i];
        if (block->address == NULL || block->address == GONE)
            continue;
        shown++;
        weir__buffer_printf(out, "  %zu bytes", block->bytes);
        if (block->calls.count > 0) {
            weir__buffer_append_str(out, ", taken by ");
            weir__debug_append_caller(out, &block->calls);
        }
        weir__buffer_append_char(out, '\n');
    }
}
