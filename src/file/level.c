/*
 * level.c - one folder of a tree that is gone through, on the thread of a job
 *
 * Costs    a system call for each 8 KiB of names, some two hundred of them.
 * Runs on  any thread; one at a time.
 */
#include "file/level.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

int weir__level_new(struct weir__level *above, int fd, const char *name,
                    struct weir__level **out_level)
{
    struct weir__level *level = NULL;
    int rc = -ENAMETOOLONG;
    size_t size = strnlen(name, sizeof level->name);
    if (size == sizeof level->name)
        goto close_fd;
    level = weir__base_alloc(sizeof *level);
    rc = -ENOMEM;
    if (level == NULL)
        goto close_fd;
    level->above = above;
    level->fd = fd;
    level->depth = above == NULL ? 1 : above->depth + 1;
    level->path_size = 0;
    level->passes = 0;
    level->at = 0;
    level->size = 0;
    memcpy(level->name, name, size + 1);
    *out_level = level;
    return 0;

close_fd:
    weir_ignore(weir__sys_close(fd), "a folder has nothing to lose");
    return rc;
}

int weir__level_enter(struct weir__level *above, const char *name, struct weir__level **out_level)
{
    int fd = weir__sys_openat(above->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0);
    return fd < 0 ? fd : weir__level_new(above, fd, name, out_level);
}

struct weir__level *weir__level_leave(struct weir__level *level)
{
    struct weir__level *above = level->above;
    weir_ignore(weir__sys_close(level->fd), "a folder has nothing to lose");
    weir__base_free(level);
    return above;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int weir__level_next(struct weir__level *level, const struct weir__sys_entry **out_entry)
{
    const struct weir__sys_entry *entry;
    do {
        if (level->at == level->size) {
            ssize_t n = weir__sys_getdents(level->fd, level->block, sizeof level->block);
            if (n <= 0)
                return n == -ENOENT ? 0 : (int)n; /* -ENOENT: the folder itself has been removed */
            level->size = (size_t)n;
            level->at = 0;
        }
        entry = (const struct weir__sys_entry *)(const void *)(level->block + level->at);
        level->at += entry->size;
    } while (is_dots(entry->name));
    *out_entry = entry;
    return 1;
}

int weir__level_rewind(struct weir__level *level)
{
    level->at = 0;
    level->size = 0;
    off_t at = weir__sys_lseek(level->fd, 0, SEEK_SET);
    return at < 0 ? (int)at : 0;
}
