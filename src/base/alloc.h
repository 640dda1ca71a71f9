/*
 * alloc.h - the only door to the heap
 *
 * Every allocation of weir passes here, so that tests can fail the n-th one (base/fault.h), count
 * those of a hot path, and see at the end that none is left. Nothing else in weir names malloc;
 * tests/tidy checks the undefined symbols of each object.
 */
#ifndef WEIR__BASE_ALLOC_H
#define WEIR__BASE_ALLOC_H

#include <stdarg.h>
#include <weir/base.h>

void *weir__base_alloc(size_t bytes) WEIR_MUST_CHECK;                     /* not cleared */
void *weir__base_alloc_zero(size_t bytes) WEIR_MUST_CHECK;                /* all bits zero */
void *weir__base_alloc_array(size_t count, size_t bytes) WEIR_MUST_CHECK; /* NULL on overflow */
void *weir__base_realloc(void *memory, size_t bytes) WEIR_MUST_CHECK;
void weir__base_free(void *memory); /* NULL does nothing */
char *weir__base_strdup(const char *text) WEIR_MUST_CHECK;
/* Exactly `size` bytes and a closing NUL; a NUL among them ends nothing. */
char *weir__base_strndup(const char *text, size_t size) WEIR_MUST_CHECK;
/* Formatted text in memory of its own; NULL when there is none. */
char *weir__base_asprintf(const char *format, ...) WEIR_PRINTF(1, 2) WEIR_MUST_CHECK;
char *weir__base_vasprintf(const char *format, va_list args) WEIR_PRINTF(1, 0) WEIR_MUST_CHECK;

/* memset to zero for a record of a hot path: its size is a constant, a multiple of 8. gcc makes a
 * `rep stos` of memset there, which costs more than all the rest of making a task or a group. */
__attribute__((always_inline)) static inline void weir__base_zero_record(void *record, size_t bytes)
{
    typedef long long pair __attribute__((vector_size(16), may_alias, aligned(8)));
    typedef long long one __attribute__((may_alias));
    char *at = record;
#pragma GCC unroll 32
    for (size_t i = 0; i + 16 <= bytes; i += 16)
        *(pair *)(void *)(at + i) = (pair){0, 0};
    if (bytes % 16 != 0)
        *(one *)(void *)(at + bytes - 8) = 0;
}

struct weir__alloc_stats {
    uint64_t allocated_count; /* calls that handed out memory since start */
    uint64_t freed_count;
};
/* allocated - freed = live blocks of weir. Counters are atomic, relaxed. */
void weir__base_alloc_stats(struct weir__alloc_stats *out_stats);

/* For tests: told about each block that is handed out and given back, on any thread. NULL:
 * nobody. */
struct weir__alloc_watch {
    void (*allocated)(const void *memory, size_t bytes);
    void (*freed)(const void *memory);
};
void weir__base_alloc_watch(const struct weir__alloc_watch *watch);

#endif
