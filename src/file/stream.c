/*
 * stream.c - a file as the source of a reader and the sink of a writer
 *
 * A file has no position; these have one.
 *
 * Runs on  the task that uses the reader or writer.
 */
#include "stream/stream.h"

#include "base/alloc.h"
#include "file/file.h"

struct place {
    weir_file *file;
    int64_t offset;
};

static int new_place(weir_file *file, int64_t offset, struct place **out_place)
{
    if (offset < 0 || (file->append && offset != 0))
        return -EINVAL;
    struct place *place = weir__base_alloc(sizeof *place);
    if (place == NULL)
        return -ENOMEM;
    *place = (struct place){file, offset};
    *out_place = place;
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static ssize_t read_file(void *out_buffer, size_t size, void *arg)
{
    struct place *place = arg;
    ssize_t n = weir__file_read_some(place->file, out_buffer, size, place->offset);
    if (n > 0)
        place->offset += n;
    return n;
}

int weir_file_open_reader(weir_file *file, int64_t offset, const weir_reader_options *options,
                          weir_reader **out_reader)
{
    struct place *place;
    int rc = new_place(file, offset, &place);
    if (rc < 0)
        return rc;
    weir_source source = {.read = read_file, .close = weir__base_free, .arg = place};
    rc = weir__reader_open(&source, NULL, options, __builtin_return_address(0), out_reader);
    if (rc < 0)
        weir__base_free(place);
    return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int write_file(const weir_str *parts, size_t count, size_t *out_written, void *arg)
{
    struct place *place = arg;
    int rc = 0;
    *out_written = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t written;
        if (place->file->append)
            rc = weir_file_append(place->file, parts[i].data, parts[i].size, &written);
        else
            rc =
                weir_file_write(place->file, parts[i].data, parts[i].size, place->offset, &written);
        place->offset += (int64_t)written;
        *out_written += written;
    }
    return rc;
}

int weir_file_open_writer(weir_file *file, int64_t offset, const weir_writer_options *options,
                          weir_writer **out_writer)
{
    struct place *place;
    int rc = new_place(file, offset, &place);
    if (rc < 0)
        return rc;
    weir_sink sink = {.write = write_file, .close = weir__base_free, .arg = place};
    rc = weir__writer_open(&sink, options, __builtin_return_address(0), out_writer);
    if (rc < 0)
        weir__base_free(place);
    return rc;
}
