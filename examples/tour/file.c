/* file.c - files that never block the loop */
#include <stdio.h>
#include <string.h>
#include <weir/file.h>
#include <weir/weir.h>

static int app(void *arg)
{
    const char *path = arg;
    const char text[] = "one\ntwo\n";
    int rc = weir_file_replace(path, text, strlen(text)); // all of it on the disk, or the old file
    if (rc < 0)
        return rc;

    weir_file *file;
    rc = weir_file_open(path, &(weir_file_options){.access = WEIR_FILE_APPEND}, &file);
    if (rc < 0)
        return rc;
    rc = weir_file_append(file, "three\n", 6, NULL);
    int closed = weir_file_close(file);
    if (rc == 0)
        rc = closed;
    if (rc < 0)
        return rc;

    weir_bytes all;
    rc = weir_file_read_all(path, 4096, &all); // more than 4096 bytes: -EFBIG
    if (rc < 0)
        return rc;
    printf("%s", (const char *)all.data);
    weir_bytes_free(&all);
    return weir_file_remove(path);
}

int main(int argc, char **argv)
{
    return weir_run(app, argc > 1 ? argv[1] : "tour-file.txt");
}
