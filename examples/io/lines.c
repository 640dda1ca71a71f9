/*
 * lines.c - a writer and a reader: many small pieces, few system calls
 *
 * Words are counted by their first letter. The text comes from a file here; a connection or a pipe
 * would be read by the same lines.
 */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

static int write_words(weir_file *file)
{
    static const char *const words[] = {"weir", "water", "river", "reed", "rain", "otter"};
    weir_writer *writer;
    int rc = weir_file_open_writer(file, 0, NULL, &writer);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 6000; i++)
        rc = weir_writer_format(writer, "%d %s\n", i, words[i % 6]);
    int closed = weir_writer_close(writer); // 0: every byte is in the file
    return rc < 0 ? rc : closed;
}

static int count_words(weir_file *file, int *counts)
{
    weir_reader *reader;
    int rc = weir_file_open_reader(file, 0, NULL, &reader);
    if (rc < 0)
        return rc;
    weir_str line;
    while ((rc = weir_reader_read_line(reader, &line)) > 0) { // a view into the buffer: no copy
        const char *blank = memchr(line.data, ' ', line.size);
        if (blank != NULL)
            counts[(unsigned char)blank[1]]++;
    }
    weir_reader_close(reader);
    return rc;
}

static int app(void *arg)
{
    const char *path = arg;
    weir_file *file;
    weir_file_options options = {.access = WEIR_FILE_READ_WRITE, .create = true, .truncate = true};
    int rc = weir_file_open(path, &options, &file);
    if (rc < 0)
        return rc;
    int counts[256] = {0};
    rc = write_words(file);
    if (rc == 0)
        rc = count_words(file, counts);
    for (int letter = 'a'; rc == 0 && letter <= 'z'; letter++) {
        if (counts[letter] > 0)
            printf("%c: %d\n", letter, counts[letter]);
    }
    int closed = weir_file_close(file);
    int removed = weir_file_remove(path);
    return rc < 0 ? rc : closed < 0 ? closed : removed;
}

int main(int argc, char **argv)
{
    return weir_run(app, argc > 1 ? argv[1] : "lines.tmp");
}
