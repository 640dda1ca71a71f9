/*
 * arena.h - memory that is given back all at once
 *
 * Bump allocation in blocks of 4 KiB taken from a free list of the arena's pool; larger requests
 * get a block of their own. Reset keeps the first block, so that a keep-alive request allocates
 * nothing.
 */
#ifndef WEIR__BASE_ARENA_H
#define WEIR__BASE_ARENA_H

#include <stdarg.h>
#include <weir/base.h>

struct weir__arena_block;

/* Free blocks, shared by the arenas of one loop. Zeroed is empty. */
struct weir__arena_pool {
    struct weir__arena_block *free_blocks;
    size_t free_count;
    size_t free_max; /* 0: 256 */
};

struct weir__arena {
    struct weir__arena_pool *pool; /* NULL: blocks go back to the heap */
    struct weir__arena_block *blocks;
    char *position;
    char *end;
    size_t used_bytes;
    size_t bytes_max; /* 0: no limit; beyond it allocations fail */
};

void weir__arena_init(struct weir__arena *arena, struct weir__arena_pool *pool, size_t bytes_max);
void weir__arena_deinit(struct weir__arena *arena);
void weir__arena_reset(struct weir__arena *arena);
void weir__arena_pool_deinit(struct weir__arena_pool *pool);

/* Aligned to 16; NULL when memory or the limit is exhausted. Zero bytes give a valid pointer. */
void *weir__arena_alloc(struct weir__arena *arena, size_t bytes) WEIR_MUST_CHECK;
void *weir__arena_alloc_zero(struct weir__arena *arena, size_t bytes) WEIR_MUST_CHECK;
void *weir__arena_alloc_array(struct weir__arena *arena, size_t count, size_t bytes)
    WEIR_MUST_CHECK; /* zeroed; NULL on overflow */
/* Exactly `size` bytes and a closing NUL; a NUL among them ends nothing. */
char *weir__arena_strndup(struct weir__arena *arena, const char *text, size_t size) WEIR_MUST_CHECK;
char *weir__arena_printf(struct weir__arena *arena, const char *format, ...) WEIR_PRINTF(2, 3)
    WEIR_MUST_CHECK;
char *weir__arena_vprintf(struct weir__arena *arena, const char *format, va_list args)
    WEIR_PRINTF(2, 0) WEIR_MUST_CHECK;

#endif
