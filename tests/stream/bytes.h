/*
 * bytes.h - bytes that tell where they belong
 */
#ifndef WEIR_TESTS_STREAM_BYTES_H
#define WEIR_TESTS_STREAM_BYTES_H

#include <stdbool.h>
#include <stddef.h>

static inline char bytes_at(size_t at)
{
    return (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}
static inline void bytes_fill(char *out, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++)
        out[i] = bytes_at(offset + i);
}
static inline bool bytes_are(const char *data, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != bytes_at(offset + i))
            return false;
    }
    return true;
}

#endif
