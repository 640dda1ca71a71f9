/*
 * pipe_stream.c - a pipe as the source of a reader and the sink of a writer
 */
#include "stream/stream.h"

static ssize_t read_pipe(void *out_buffer, size_t size, void *arg)
{
    return weir_pipe_read(arg, out_buffer, size);
}

static int write_pipe(const weir_str *parts, size_t count, size_t *out_written, void *arg)
{
    return weir_pipe_write_parts(arg, parts, count, out_written);
}

int weir_pipe_open_reader(weir_pipe *pipe, const weir_reader_options *options,
                          weir_reader **out_reader)
{
    weir_source source = {.read = read_pipe, .arg = pipe};
    return weir__reader_open(&source, NULL, options, __builtin_return_address(0), out_reader);
}

int weir_pipe_open_writer(weir_pipe *pipe, const weir_writer_options *options,
                          weir_writer **out_writer)
{
    weir_sink sink = {.write = write_pipe, .arg = pipe};
    return weir__writer_open(&sink, options, __builtin_return_address(0), out_writer);
}
