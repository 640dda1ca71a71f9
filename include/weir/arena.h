/*
 * weir/arena.h - memory that is given back all at once
 *
 * A request has an arena; what a handler takes from it lives until the answer is sent, and nothing
 * is freed one by one. A program may make arenas of its own, for instance to decode a file.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <weir/base.h>

/** Memory that is given back all at once; opaque. */
typedef struct weir__arena weir_arena;

WEIR_BEGIN_DECLS

/**
 * Make an empty arena of one's own; the arena of a request is made by the server.
 *
 * @param bytes_max  what it may hand out in all; 0 means 64 MiB, WEIR_UNLIMITED no limit
 *
 * Returns     the arena, for weir_arena_free(), or NULL when there is no memory
 * Checkpoint  no
 * Thread      any; afterwards one thread at a time
 */
WEIR_API WEIR_MUST_CHECK weir_arena *weir_arena_new(size_t bytes_max);

/**
 * Give back the arena and everything that came from it.
 *
 * @param arena  taken; from weir_arena_new(), never the arena of a request; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the one that uses the arena
 */
WEIR_API void weir_arena_free(weir_arena *arena);

/**
 * Give back everything that came from the arena, and keep the arena for the next use.
 *
 * @param arena  emptied; never the arena of a request
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the one that uses the arena
 */
WEIR_API void weir_arena_reset(weir_arena *arena);

/**
 * Take memory, aligned to 16 bytes and not cleared.
 *
 * @param arena  what it is taken from
 * @param bytes  how much; 0 gives a valid pointer to nothing
 *
 * Returns     the memory, valid as long as the arena; NULL when memory or the arena's limit is used
 *             up
 * Checkpoint  no
 * Thread      the one that uses the arena
 */
WEIR_API WEIR_MUST_CHECK void *weir_arena_alloc(weir_arena *arena, size_t bytes);

/**
 * Take memory for `count` things of `bytes` each, all bits zero.
 *
 * @param arena  what it is taken from
 * @param count  how many
 * @param bytes  size of one
 *
 * Returns     the memory, valid as long as the arena; NULL as above, and when the size overflows
 * Checkpoint  no
 * Thread      the one that uses the arena
 */
WEIR_API WEIR_MUST_CHECK void *weir_arena_alloc_array(weir_arena *arena, size_t count,
                                                      size_t bytes);

/**
 * Copy a string into the arena.
 *
 * @param arena  what the copy is taken from
 * @param text   copied; NULL gives NULL
 *
 * Returns     the copy, valid as long as the arena; NULL when memory or the arena's limit is used
 *             up
 * Checkpoint  no
 * Thread      the one that uses the arena
 */
WEIR_API WEIR_MUST_CHECK char *weir_arena_strdup(weir_arena *arena, const char *text);

/**
 * Make a string like printf does, in the arena.
 *
 * @param arena   what the string is taken from
 * @param format  as for printf, checked by the compiler
 *
 * Returns     the string, valid as long as the arena; NULL when memory or the arena's limit is used
 *             up
 * Checkpoint  no
 * Thread      the one that uses the arena
 */
WEIR_API WEIR_PRINTF(2, 3)
    WEIR_MUST_CHECK char *weir_arena_printf(weir_arena *arena, const char *format, ...);

WEIR_END_DECLS

#endif
