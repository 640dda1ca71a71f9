/*
 * file.h - an open file inside the library
 */
#ifndef WEIR__FILE_FILE_H
#define WEIR__FILE_FILE_H

#include <weir/file.h>

#include "core/ledger.h"

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
/* One step: at least a byte, 0 at the end, or a negative errno. A checkpoint. */
ssize_t weir__file_read_some(struct weir_file *file, void *buffer, size_t size, int64_t offset)
    WEIR_MUST_CHECK;

#endif
