/*
 * stream.h - the stream room: buffered readers and writers, pipes
 *
 * A source and a sink are small tables of functions. Those of files are made in the file room,
 * those of connections in the network room, with what lies below.
 *
 * Runs on  the loop of what is read or written; a reader over memory runs anywhere.
 */
#ifndef WEIR__STREAM_H
#define WEIR__STREAM_H

#include <weir/stream.h>

/*
 * Reading ahead: a source that can fill memory while nobody waits for it. The reader has room for
 * two blocks then, and looks at one while the other is filled.
 */
struct weir__ahead {
    /* Fill `buffer`, which stays until the read has ended. Not a checkpoint. False: not now. */
    bool (*begin)(void *buffer, size_t size, void *arg);
    /* Checkpoint: what begin() came to. -ECANCELED: not ended yet, ask again. */
    ssize_t (*finish)(void *arg);
    /* Close with a read under way: `memory` is freed when it has ended. Instead of close(). */
    void (*abandon)(void *memory, void *arg);
    size_t block_bytes; /* at most so many are read at once */
};

/* `ahead` may be NULL, and is kept. Told as opened by the code at `address`. */
int weir__reader_open(const weir_source *source, const struct weir__ahead *ahead,
                      const weir_reader_options *options, const void *address,
                      weir_reader **out_reader) WEIR_MUST_CHECK;
int weir__writer_open(const weir_sink *sink, const weir_writer_options *options,
                      const void *address, weir_writer **out_writer) WEIR_MUST_CHECK;
/* `given`, or the default when it is 0; -EINVAL when it is no possible size of a buffer. */
int weir__stream_buffer_bytes(size_t given, size_t *out_bytes) WEIR_MUST_CHECK;

#endif
