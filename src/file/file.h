/*
 * file.h - an open file inside the library
 */
#ifndef WEIR__FILE_FILE_H
#define WEIR__FILE_FILE_H

#include <weir/file.h>

#include "core/io.h"
#include "core/ledger.h"

struct iovec;
struct statx;

enum { WEIR__FILE_CACHED_BYTES_MAX = 256 << 10 }; /* on the loop at once: tens of microseconds */

struct weir_file {
    struct weir__ledger_entry entry;
    int refs; /* atomic: the opener's, and one for each call under way */
    int fd;
    bool append;
    bool regular;
    bool not_cached;      /* atomic: the page cache cannot be asked */
    int64_t size_at_open; /* 0 when it is no regular file, or does not know */
};

/* Open in memory of the caller, without an entry in the ledger; closed by deinit. A checkpoint. */
int weir__file_init(struct weir_file *file, const char *path, const weir_file_options *options)
    WEIR_MUST_CHECK;
int weir__file_deinit(struct weir_file *file);
/* Takes a descriptor, also on failure. `path` is for what is told. Not a checkpoint. */
int weir__file_adopt(struct weir_file *file, int fd, bool append, const char *path) WEIR_MUST_CHECK;
/* Opens in memory of its own, in the ledger. */
int weir__file_new(int fd, bool append, const char *path, const void *address, weir_file **out_file)
    WEIR_MUST_CHECK;
/* While a call is under way the descriptor stays open. */
void weir__file_hold(weir_file *file);
int weir__file_let_go(weir_file *file);
/* One call on a file that is held meanwhile. A checkpoint. */
ssize_t weir__file_call_on(weir_file *file, struct weir__op op) WEIR_MUST_CHECK;
/* Whether a range of so many bytes can be addressed. */
static inline bool weir__file_in_range(size_t size, int64_t offset)
{
    return offset >= 0 && size <= (uint64_t)(INT64_MAX - offset);
}
/* What is in memory, without waiting; false: ask with a call that may wait. */
bool weir__file_read_cached(struct weir_file *file, const struct iovec *parts, int count,
                            int64_t offset, ssize_t *out_result) WEIR_MUST_CHECK;
/* In the words of the public struct. */
void weir__file_tell(const struct statx *from, weir_file_stat *out_stat);
weir_file_kind weir__file_kind_of_mode(unsigned mode);

/* One step: at least a byte, 0 at the end, or a negative errno. A checkpoint. */
ssize_t weir__file_read_some(struct weir_file *file, void *buffer, size_t size, int64_t offset)
    WEIR_MUST_CHECK;

#endif
