/*
 * alloc.c - the only door to the heap
 *
 * malloc behind a fault point and two counters. Memory of weir and memory of the C library are the
 * same heap: what is handed out here may be given to free() by a library, and the other way round,
 * but then the counters are wrong.
 *
 * Runs on  any thread.
 * Holds    1. allocated_count - freed_count is the number of blocks that are live.
 *          2. A size of zero gives a block of its own, never NULL: NULL means failure everywhere.
 */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

/* On lines of their own: every loop writes them, and nothing that is read should suffer for it. */
static struct {
    _Alignas(64) uint64_t allocated;
    _Alignas(64) uint64_t freed;
} counters;

/* No object may be larger than a ptrdiff_t can say; such a size is a mistake, not a wish. Asked
 * here, so that it is NULL under every allocator: some end the process instead. */
static bool refused(size_t bytes)
{
    return weir__base_fault(WEIR__FAULT_ALLOC) != 0 || bytes > PTRDIFF_MAX;
}

static const struct weir__alloc_watch *watch; /* atomic */

void weir__base_alloc_watch(const struct weir__alloc_watch *by)
{
    __atomic_store_n(&watch, by, __ATOMIC_RELEASE);
}

static void *count_allocated(void *memory, size_t bytes)
{
    if (memory == NULL)
        return NULL;
    __atomic_fetch_add(&counters.allocated, 1, __ATOMIC_RELAXED);
    const struct weir__alloc_watch *by = __atomic_load_n(&watch, __ATOMIC_ACQUIRE);
    if (__builtin_expect(by != NULL, 0))
        by->allocated(memory, bytes);
    return memory;
}

/* Before it is freed: another thread may get it next. */
static void count_freed(const void *memory)
{
    __atomic_fetch_add(&counters.freed, 1, __ATOMIC_RELAXED);
    const struct weir__alloc_watch *by = __atomic_load_n(&watch, __ATOMIC_ACQUIRE);
    if (__builtin_expect(by != NULL, 0))
        by->freed(memory);
}

void *weir__base_alloc(size_t bytes)
{
    if (refused(bytes))
        return NULL;
    return count_allocated(malloc(bytes == 0 ? 1 : bytes), bytes);
}

void *weir__base_alloc_zero(size_t bytes)
{
    if (refused(bytes))
        return NULL;
    return count_allocated(calloc(1, bytes == 0 ? 1 : bytes), bytes);
}

void *weir__base_alloc_array(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return weir__base_alloc(total);
}

void *weir__base_realloc(void *memory, size_t bytes)
{
    if (refused(bytes))
        return NULL;
    /* A block that grew counts as a new one and as the end of the old one: growth is a trip to the
     * heap like any other, and a test that allows none must see it. */
    if (memory != NULL)
        count_freed(memory);
    /* Not zero: realloc(memory, 0) may free the block and return NULL, which says failure here. */
    void *moved = realloc(memory, bytes == 0 ? 1 : bytes);
    if (moved == NULL && memory != NULL) {
        count_allocated(memory, bytes); /* the old one is still there */
        return NULL;
    }
    return count_allocated(moved, bytes);
}

void weir__base_free(void *memory)
{
    if (memory == NULL)
        return;
    count_freed(memory);
    free(memory);
}

char *weir__base_strdup(const char *text)
{
    return weir__base_strndup(text, strlen(text));
}

char *weir__base_strndup(const char *text, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = weir__base_alloc(size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *weir__base_asprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = weir__base_vasprintf(format, args);
    va_end(args);
    return text;
}

char *weir__base_vasprintf(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *text = NULL;
    int size = vsnprintf(NULL, 0, format, args);
    if (size >= 0)
        text = weir__base_alloc((size_t)size + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

void weir__base_alloc_stats(struct weir__alloc_stats *out_stats)
{
    /* Freed first: a free between the two loads must not make the difference negative. */
    uint64_t freed = __atomic_load_n(&counters.freed, __ATOMIC_ACQUIRE);
    out_stats->allocated_count = __atomic_load_n(&counters.allocated, __ATOMIC_RELAXED);
    out_stats->freed_count = freed;
}

void weir_bytes_free(weir_bytes *bytes)
{
    if (bytes == NULL)
        return;
    weir__base_free(bytes->data);
    bytes->data = NULL;
    bytes->size = 0;
}
