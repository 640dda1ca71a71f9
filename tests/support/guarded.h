/*
 * guarded.h - a copy of some bytes that ends exactly at a page nobody may touch
 *
 * For parsers: one byte read beyond the input is a SIGSEGV and not luck.
 */
#ifndef WEIR_TESTS_SUPPORT_GUARDED_H
#define WEIR_TESTS_SUPPORT_GUARDED_H

#include <stddef.h>

struct guarded {
    char *data; /* `size` bytes; data[size] is out of bounds */
    size_t size;
    void *mapping;
    size_t mapping_bytes;
};

/* Never fails: a test that cannot have its buffer aborts. */
struct guarded guarded_copy(const void *data, size_t size);
void guarded_free(struct guarded *guarded);

#endif
