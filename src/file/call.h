/*
 * call.h - one call on a file that may wait for a disk: through the ring, else on a thread
 *
 * A call is described as an operation of the backend (backend/backend.h says which field means what
 * for each kind), whoever makes it then. Those that no ring knows have kinds of their own.
 */
#ifndef WEIR__FILE_CALL_H
#define WEIR__FILE_CALL_H

#include <weir/file.h>

#include "core/io.h"

enum {
    /* What one call moves at most: between two of them a cancellation is noticed. */
    WEIR__FILE_CALL_BYTES_MAX = 1 << 20,
};

enum weir__file_kind {
    WEIR__FILE_SET_MODE = WEIR__OP_KIND_COUNT, /* fd, size: mode */
    WEIR__FILE_READ_LINK,                      /* fd, name (buffer), more: buffer, size: its size */
    WEIR__FILE_LOCK,                           /* fd, flags: LOCK_* */
    WEIR__FILE_KIND_COUNT
};

/*
 * Checkpoints. Each returns what the kernel said, or -ECANCELED and then has done nothing. What it
 * points to is in use until it returns.
 */
ssize_t weir__file_call(struct weir__op op) WEIR_MUST_CHECK;
int weir__file_call_open(const char *path, int flags, unsigned mode) WEIR_MUST_CHECK;
ssize_t weir__file_call_read(int fd, void *buffer, size_t size, int64_t offset) WEIR_MUST_CHECK;
ssize_t weir__file_call_write(int fd, const void *data, size_t size, int64_t offset)
    WEIR_MUST_CHECK;
int weir__file_call_sync(int fd, bool data_only) WEIR_MUST_CHECK;

/* The same call on the calling thread, which may block: in a job. */
ssize_t weir__file_call_here(const struct weir__op *op) WEIR_MUST_CHECK;

/* For operations, which write through their pointers or not, as their kind says. */
static inline void *weir__file_borrow(const void *memory)
{
    return (void *)(uintptr_t)memory;
}

#endif
