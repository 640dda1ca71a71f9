/*
 * folder.c - a folder of a test's own, and plain looks at what is in it
 */
#include "tests/file/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder folder_make(void)
{
    struct folder folder = {.path = "/tmp/weir-test-XXXXXX"};
    if (mkdtemp(folder.path) == NULL)
        abort();
    return folder;
}

const char *folder_path(struct folder *folder, const char *name)
{
    char path[sizeof folder->name[0]];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    return memcpy(folder->name[folder->next++ % 8], path, sizeof path);
}

static DIR *open_folder(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        abort();
    return directory;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

void folder_remove(struct folder *folder)
{
    nftw(folder->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int count_entries(const char *path)
{
    int count = 0;
    DIR *directory = open_folder(path);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2;
}

void put_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

size_t get_file(const char *path, char *buffer, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        abort();
    size_t got = fread(buffer, 1, size - 1, file);
    buffer[got] = '\0';
    fclose(file);
    return got;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int mount_small(const char *path, size_t bytes)
{
    char options[64];
    snprintf(options, sizeof options, "size=%zu", bytes);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", path, "tmpfs", 0, options) < 0)
        return -errno;
    return 0;
}

bool deny_call(unsigned number, int code)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)code & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static char pattern_at(size_t position)
{
    return (char)(position * 31 + position / 251 + position / 65521);
}

void fill_pattern(char *data, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++)
        data[i] = pattern_at(offset + i);
}

bool is_pattern(const char *data, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != pattern_at(offset + i))
            return false;
    return true;
}

weir_group *open_group(weir_policy policy)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = policy}));
    return group;
}

weir_task_id spawn(weir_group *group, weir_task_fn *fn, void *arg)
{
    weir_task_id id = 0;
    EXPECT_RC(0, weir_spawn_with(group, NULL, fn, arg, &id));
    return id;
}
