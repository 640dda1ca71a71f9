/*
 * call.h - one call on a file that may wait for a disk: through the ring, else on a thread
 */
#ifndef WEIR__FILE_CALL_H
#define WEIR__FILE_CALL_H

#include <weir/file.h>

enum {
    /* What one call moves at most: between two of them a cancellation is noticed. */
    WEIR__FILE_CALL_BYTES_MAX = 1 << 20,
};

/* Checkpoints. Each returns what the kernel said, or -ECANCELED and then has done nothing. */
int weir__file_call_open(const char *path, int flags, unsigned mode) WEIR_MUST_CHECK;
ssize_t weir__file_call_read(int fd, void *buffer, size_t size, int64_t offset) WEIR_MUST_CHECK;
ssize_t weir__file_call_write(int fd, const void *data, size_t size, int64_t offset)
    WEIR_MUST_CHECK;
int weir__file_call_sync(int fd) WEIR_MUST_CHECK;
int weir__file_call_truncate(int fd, int64_t size) WEIR_MUST_CHECK;
int weir__file_call_remove(const char *path) WEIR_MUST_CHECK;

#endif
