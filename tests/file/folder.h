/*
 * folder.h - a folder of a test's own, and plain looks at what is in it
 */
#ifndef WEIR_TESTS_FILE_FOLDER_H
#define WEIR_TESTS_FILE_FOLDER_H

#include <weir/weir.h>

#include "tests/support/test.h"

struct folder {
    char path[64];
    char name[8][128]; /* room for paths, used in turn */
    int next;
};

/* An empty one; removed with all that is in it. */
struct folder folder_make(void);
void folder_remove(struct folder *folder);
/* The path of a file in it; valid until seven more were asked for. */
const char *folder_path(struct folder *folder, const char *name);

/* By plain calls, for what the library is compared with. */
void put_file(const char *path, const void *data, size_t size);
size_t get_file(const char *path, char *buffer, size_t size); /* closed with a NUL */
bool file_exists(const char *path);
int count_entries(const char *path);
/* A file system of so many bytes, mounted on an empty folder for this process alone: 0, or a
 * negative errno where that is not allowed. */
int mount_small(const char *path, size_t bytes);

/* From now on a system call fails with a code, as in a container or on an old kernel; false where
 * that is not possible. */
bool deny_call(unsigned number, int code);

/* Bytes that tell where they belong. */
void fill_pattern(char *data, size_t size, size_t offset);
bool is_pattern(const char *data, size_t size, size_t offset);

weir_group *open_group(weir_policy policy);
weir_task_id spawn(weir_group *group, weir_task_fn *fn, void *arg);

#endif
