/*
 * arena.c - memory that is given back all at once
 *
 * A chain of blocks; the first in the chain is the one that is cut from. Standard blocks are all of
 * one size and travel between arenas through the pool of their loop; a request that is larger than
 * one gets a block of its own, which goes back to the heap at the next reset.
 *
 * Runs on  the loop's own thread, or wherever arena and pool are used by one thread at a time.
 * Holds    1. position and end lie in the first block of the chain, or are NULL.
 *          2. In the pool there are standard blocks only.
 *          3. Under ASan every byte that was not asked for is poisoned, the blocks in the pool as a
 *             whole, and between two pieces lies a gap: a write past a piece is seen at once.
 */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
enum { GAP_BYTES = 0 };
#endif

enum {
    ALIGNMENT = 16,
    BLOCK_BYTES = 4096,
    FREE_MAX = 256,
};

struct weir__arena_block {
    _Alignas(ALIGNMENT) struct weir__arena_block *next;
    size_t room_bytes; /* behind the header */
};

enum { ROOM_BYTES = BLOCK_BYTES - (int)sizeof(struct weir__arena_block) };

static char *block_room(struct weir__arena_block *block)
{
    return (char *)(block + 1);
}

static struct weir__arena_block *new_block(size_t room_bytes)
{
    size_t bytes;
    if (__builtin_add_overflow(room_bytes, sizeof(struct weir__arena_block), &bytes))
        return NULL;
    struct weir__arena_block *block = weir__base_alloc(bytes);
    if (block == NULL)
        return NULL;
    block->next = NULL;
    block->room_bytes = room_bytes;
    ASAN_POISON_MEMORY_REGION(block_room(block), room_bytes);
    return block;
}

static void free_block(struct weir__arena_block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block_room(block), block->room_bytes);
    weir__base_free(block);
}

static struct weir__arena_block *take_standard_block(struct weir__arena_pool *pool)
{
    if (pool == NULL || pool->free_blocks == NULL)
        return new_block(ROOM_BYTES);
    struct weir__arena_block *block = pool->free_blocks;
    pool->free_blocks = block->next;
    pool->free_count--;
    block->next = NULL;
    return block;
}

static void give_back(struct weir__arena_pool *pool, struct weir__arena_block *block)
{
    size_t free_max = pool == NULL ? 0 : pool->free_max != 0 ? pool->free_max : FREE_MAX;
    if (block->room_bytes != ROOM_BYTES || free_max == 0 || pool->free_count >= free_max) {
        free_block(block);
        return;
    }
    ASAN_POISON_MEMORY_REGION(block_room(block), block->room_bytes);
    block->next = pool->free_blocks;
    pool->free_blocks = block;
    pool->free_count++;
}

void weir__arena_init(struct weir__arena *arena, struct weir__arena_pool *pool, size_t bytes_max)
{
    *arena = (struct weir__arena){.pool = pool, .bytes_max = bytes_max};
}

/* Cut from `block` from now on. */
static void cut_from(struct weir__arena *arena, struct weir__arena_block *block)
{
    arena->position = block == NULL ? NULL : block_room(block);
    arena->end = block == NULL ? NULL : block_room(block) + block->room_bytes;
}

/* All blocks go, but one standard block if `keep_one`. */
static void release_blocks(struct weir__arena *arena, bool keep_one)
{
    struct weir__arena_block *kept = NULL;
    struct weir__arena_block *block = arena->blocks;
    while (block != NULL) {
        struct weir__arena_block *next = block->next;
        if (keep_one && kept == NULL && block->room_bytes == ROOM_BYTES) {
            kept = block;
            kept->next = NULL;
            ASAN_POISON_MEMORY_REGION(block_room(kept), kept->room_bytes);
        } else {
            give_back(arena->pool, block);
        }
        block = next;
    }
    arena->blocks = kept;
    arena->used_bytes = 0;
    cut_from(arena, kept);
}

void weir__arena_deinit(struct weir__arena *arena)
{
    if (arena != NULL)
        release_blocks(arena, false);
}

void weir__arena_reset(struct weir__arena *arena)
{
    release_blocks(arena, true);
}

void weir__arena_pool_deinit(struct weir__arena_pool *pool)
{
    while (pool->free_blocks != NULL)
        free_block(take_standard_block(pool));
}

/* A block of its own goes behind the first one, which still has room for small pieces. */
static void *alloc_own_block(struct weir__arena *arena, size_t step)
{
    struct weir__arena_block *block = new_block(step);
    if (block == NULL)
        return NULL;
    if (arena->blocks == NULL) {
        arena->blocks = block;
        cut_from(arena, block);
        arena->position = arena->end;
    } else {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    }
    return block_room(block);
}

static void *alloc_from_next_block(struct weir__arena *arena, size_t step)
{
    struct weir__arena_block *block = take_standard_block(arena->pool);
    if (block == NULL)
        return NULL;
    size_t left_in_old = (size_t)(arena->end - arena->position);
    if (arena->blocks == NULL || left_in_old < ROOM_BYTES - step) {
        block->next = arena->blocks;
        arena->blocks = block;
        cut_from(arena, block);
        arena->position += step;
    } else { /* the old one has more left: go on with it, this one is full enough */
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    }
    return block_room(block);
}

void *weir__arena_alloc(struct weir__arena *arena, size_t bytes)
{
    size_t step; /* what the piece takes of the block: rounded up, and under ASan with its gap */
    size_t used;
    size_t asked = bytes == 0 ? 1 : bytes;
    if (__builtin_add_overflow(asked, ALIGNMENT - 1 + GAP_BYTES, &step))
        return NULL;
    step &= ~(size_t)(ALIGNMENT - 1);
    if (__builtin_add_overflow(arena->used_bytes, step - GAP_BYTES, &used) ||
        (arena->bytes_max != 0 && used > arena->bytes_max))
        return NULL;

    void *piece;
    if (step <= (size_t)(arena->end - arena->position)) {
        piece = arena->position;
        arena->position += step;
    } else if (step > ROOM_BYTES) {
        piece = alloc_own_block(arena, step);
    } else {
        piece = alloc_from_next_block(arena, step);
    }
    if (piece == NULL)
        return NULL;
    arena->used_bytes = used;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return piece;
}

void *weir__arena_alloc_zero(struct weir__arena *arena, size_t bytes)
{
    void *piece = weir__arena_alloc(arena, bytes);
    if (piece != NULL)
        memset(piece, 0, bytes);
    return piece;
}

void *weir__arena_alloc_array(struct weir__arena *arena, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return weir__arena_alloc_zero(arena, total);
}

char *weir__arena_strndup(struct weir__arena *arena, const char *text, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = weir__arena_alloc(arena, size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *weir__arena_printf(struct weir__arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = weir__arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *weir__arena_vprintf(struct weir__arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *text = NULL;
    int size = vsnprintf(NULL, 0, format, args);
    if (size >= 0)
        text = weir__arena_alloc(arena, (size_t)size + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}
