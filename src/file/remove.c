/*
 * remove.c - removing a folder with all that is in it
 *
 * One job on a thread goes down and up again. Only so many folders are open at a time: what lies
 * deeper than that is first moved up into the folder that is removed, so any depth comes to an end.
 *
 * Runs on  a thread of the default pool.
 * Holds    1. Every name is removed beneath an open descriptor, and no symbolic link is followed.
 *          2. The count is that of names removed, whatever happens.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <weir/exec.h>

#include "base/clock.h"
#include "file/folder.h"
#include "file/level.h"

enum {
    DEPTH_MAX = 32,   /* folders open at a time */
    PASSES_MAX = 100, /* over one folder, while others add to it */
};

struct removal {
    int folder;
    const char *name;
    uint64_t removed_count;
};

static int failed(const struct removal *removal, const char *name, int rc)
{
    if (rc == -ECANCELED)
        return rc;
    return weir_fail(rc, "cannot remove %s, at %s: %s", removal->name, name, weir_code_text(rc));
}

/* 1: gone, 0: it was gone already, or a negative errno. */
static int unlink_name(struct removal *removal, int fd, const char *name, int flags)
{
    int rc = weir__sys_unlinkat(fd, name, flags);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return rc;
    removal->removed_count++;
    return 1;
}

static bool may_be_folder(const struct weir__sys_entry *entry, int unlink_rc)
{
    return entry->type == DT_DIR || unlink_rc == -EISDIR || unlink_rc == -EPERM;
}

/* To where it is found again, next to what else is in the tree's top folder. */
static int move_up(const struct weir__level *level, struct weir__level *top, const char *name)
{
    uint64_t number;
    char to_name[64];
    weir__base_random_bytes(&number, sizeof number);
    snprintf(to_name, sizeof to_name, ".%016llx.removed", (unsigned long long)number);
    top->passes = 0; /* what is deep has become less: no endless game */
    return weir__sys_renameat(level->fd, name, top->fd, to_name, 0);
}

/* A folder that cannot be read may be empty all the same. */
static int enter(struct removal *removal, struct weir__level **level, struct weir__level *top,
                 const char *name)
{
    if ((*level)->depth >= DEPTH_MAX)
        return move_up(*level, top, name);
    int rc = weir__level_enter(*level, name, level);
    if (rc != -EACCES && rc != -ENOENT)
        return rc;
    int removed = unlink_name(removal, (*level)->fd, name, AT_REMOVEDIR);
    return removed >= 0 ? 0 : rc;
}

static int remove_entry(struct removal *removal, struct weir__level **level,
                        struct weir__level *top, const struct weir__sys_entry *entry)
{
    int rc = -EISDIR;
    if (entry->type != DT_DIR) {
        rc = unlink_name(removal, (*level)->fd, entry->name, 0);
        if (rc >= 0)
            return 0;
    }
    if (!may_be_folder(entry, rc))
        return rc;
    int entered = enter(removal, level, top, entry->name);
    if (entered != -ENOTDIR && entered != -ELOOP)
        return entered;
    /* It is no folder; if it was one when it was listed, somebody has put another in its place. */
    if (rc != -EISDIR)
        return rc;
    rc = unlink_name(removal, (*level)->fd, entry->name, 0);
    return rc < 0 ? rc : 0;
}

/* All names of a level were taken: it goes itself, or is looked at again. */
static int finish_level(struct removal *removal, struct weir__level **level, int parent_fd,
                        const char *name)
{
    int rc = unlink_name(removal, parent_fd, name, AT_REMOVEDIR);
    if ((rc == -ENOTEMPTY || rc == -EEXIST) && (*level)->passes++ < PASSES_MAX)
        return weir__level_rewind(*level);
    if (rc < 0)
        return rc;
    *level = weir__level_leave(*level);
    return 0;
}

/* Without a slash at its end, which would lead through a symbolic link. */
static int copy_name(const char *name, char copy[PATH_MAX])
{
    size_t size = strlen(name);
    while (size > 0 && name[size - 1] == '/')
        size--;
    if (size == 0 || size >= PATH_MAX)
        return size == 0 ? -EINVAL : -ENAMETOOLONG;
    memcpy(copy, name, size);
    copy[size] = '\0';
    const char *slash = strrchr(copy, '/');
    const char *last = slash == NULL ? copy : slash + 1;
    return strcmp(last, ".") == 0 || strcmp(last, "..") == 0 ? -EINVAL : 0;
}

static int remove_at(struct removal *removal, const struct weir__place *place)
{
    struct weir__level *top = NULL;
    int fd = weir__sys_openat(place->fd, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return failed(removal, place->name, fd);
    int rc = weir__level_new(NULL, fd, "", &top);
    struct weir__level *level = top;
    char at[256] = "";
    while (rc >= 0 && level != NULL) {
        const struct weir__sys_entry *entry;
        rc = weir_job_cancelled() ? -ECANCELED : weir__level_next(level, &entry);
        snprintf(at, sizeof at, "%s", rc == 1 ? entry->name : level == top ? "." : level->name);
        if (rc == 1)
            rc = remove_entry(removal, &level, top, entry);
        else if (rc == 0 && level == top)
            rc = finish_level(removal, &level, place->fd, place->name);
        else if (rc == 0)
            rc = finish_level(removal, &level, level->above->fd, level->name);
    }
    while (level != NULL)
        level = weir__level_leave(level);
    return rc < 0 ? failed(removal, at, rc) : 0;
}

static int remove_tree(void *arg)
{
    struct removal *removal = arg;
    char name[PATH_MAX];
    struct weir__place place;
    int rc = copy_name(removal->name, name);
    if (rc == 0)
        rc = weir__place_find(removal->folder, name, &place);
    if (rc < 0)
        return rc;
    rc = remove_at(removal, &place);
    weir__place_leave(&place);
    return rc;
}

int weir_folder_remove_tree(weir_folder *folder, const char *name, uint64_t *out_removed)
{
    struct removal removal = {.folder = weir__folder_fd(folder), .name = name};
    weir__folder_hold(folder);
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "remove a folder"},
                               remove_tree, &removal);
    weir__folder_let_go(folder);
    if (out_removed != NULL)
        *out_removed = removal.removed_count;
    return rc;
}
