/*
 * arena_public.c - the arena as users see it
 *
 * Thin names over base/arena.h. The public type is base's own struct under its public name, so an
 * arena of a request and one that a program made are the same thing to everything that takes one.
 *
 * Runs on  the thread that uses the arena; there are no locks here.
 * Holds    weir_arena_free() sees only arenas of weir_arena_new(): those have no pool.
 */
#include <weir/arena.h>

#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"

/* A forgotten limit should end in -ENOMEM, not in the kernel's out-of-memory killer. */
#define BYTES_MAX_DEFAULT ((size_t)64 << 20)

weir_arena *weir_arena_new(size_t bytes_max)
{
    weir_arena *arena = weir__base_alloc(sizeof *arena);
    if (arena == NULL)
        return NULL;
    if (bytes_max == 0)
        bytes_max = BYTES_MAX_DEFAULT;
    weir__arena_init(arena, NULL, bytes_max == WEIR_UNLIMITED ? 0 : bytes_max);
    return arena;
}

void weir_arena_free(weir_arena *arena)
{
    if (arena == NULL)
        return;
    weir__arena_deinit(arena);
    weir__base_free(arena);
}

void weir_arena_reset(weir_arena *arena)
{
    weir__arena_reset(arena);
}

void *weir_arena_alloc(weir_arena *arena, size_t bytes)
{
    return weir__arena_alloc(arena, bytes);
}

void *weir_arena_alloc_array(weir_arena *arena, size_t count, size_t bytes)
{
    return weir__arena_alloc_array(arena, count, bytes);
}

char *weir_arena_strdup(weir_arena *arena, const char *text)
{
    return text == NULL ? NULL : weir__arena_strndup(arena, text, strlen(text));
}

char *weir_arena_printf(weir_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = weir__arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}
