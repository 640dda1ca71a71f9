/*
 * sim_disk_names.c - files of a simulated disk: their names, and folders
 *
 * See sim_disk.h for what a crash does.
 *
 * Runs on  any thread; each call takes the lock.
 */
#include <dirent.h>
#include <sys/sysmacros.h>

#include "backend/sim_disk_inside.h"

int weir__sim_disk_stat(struct weir__virtual_disk *base, struct weir__virtual_name at,
                        struct stat *out_stat)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_place place;
    int rc = weir__sim_disk_begin(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_node(disk, at, &place);
    if (rc == 0)
        *out_stat = (struct stat){
            .st_dev = makedev(SIM_DEVICE, 0),
            .st_ino = place.node->number,
            .st_mode = place.node->mode,
            .st_nlink = place.node->name_count,
            .st_size = (off_t)place.node->now.size,
            .st_blksize = SIM_SECTOR_BYTES,
            .st_blocks =
                (blkcnt_t)((place.node->now.size + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES),
        };
    return weir__sim_disk_end(disk, rc);
}

int weir__sim_disk_chmod(struct weir__virtual_disk *base, struct weir__virtual_name at, mode_t mode)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_place place;
    int rc = weir__sim_disk_begin_change(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_node(disk, at, &place);
    if (rc == 0)
        place.node->mode = (place.node->mode & S_IFMT) | (mode & 07777);
    return weir__sim_disk_end(disk, rc);
}

static bool is_empty(const struct sim_node *folder)
{
    return weir__list_empty(&folder->names);
}

/* Whether a folder is another one, or beneath it. */
static bool contains(const struct sim_node *node, const struct sim_node *folder)
{
    if (node == folder)
        return true;
    for (struct weir__list *at = node->names.next; at != &node->names; at = at->next)
        if (contains(WEIR__CONTAINER(at, struct sim_name, link)->node, folder))
            return true;
    return false;
}

/* Whether `to` may take the place of what has its name. */
static int may_replace(const struct sim_node *from, const struct sim_node *to)
{
    if (to == NULL || to == from)
        return 0;
    if (S_ISDIR(to->mode) && !S_ISDIR(from->mode))
        return -EISDIR;
    if (!S_ISDIR(to->mode) && S_ISDIR(from->mode))
        return -ENOTDIR;
    return S_ISDIR(to->mode) && !is_empty(to) ? -ENOTEMPTY : 0;
}

static int rename_place(struct sim_disk *disk, const struct sim_place *from,
                        const struct sim_place *to, unsigned flags)
{
    if (from->folder == NULL || to->folder == NULL)
        return -EBUSY; /* the root */
    if (flags == SIM_RENAME_EXCHANGE && to->node == NULL)
        return -ENOENT;
    if (flags == SIM_RENAME_NOREPLACE && to->node != NULL)
        return -EEXIST;
    if (contains(from->node, to->folder))
        return -EINVAL;
    if (to->node != NULL && to->node != from->node && contains(to->node, from->folder))
        return flags == SIM_RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    int rc = flags == SIM_RENAME_EXCHANGE ? 0 : may_replace(from->node, to->node);
    if (rc < 0 || to->node == from->node)
        return rc;
    struct sim_edit edits[2] = {
        weir__sim_disk_edit_of(to, from->node),
        weir__sim_disk_edit_of(from, flags == SIM_RENAME_EXCHANGE ? to->node : NULL),
    };
    struct sim_node *replaced = to->node;
    if (replaced != NULL)
        weir__sim_hold(replaced); /* the first edit may let the last name of it go */
    rc = weir__sim_change(&disk->tree, edits, 2);
    weir__sim_release(&disk->tree, replaced);
    return rc;
}

int weir__sim_disk_rename(struct weir__virtual_disk *base, struct weir__virtual_name from,
                          struct weir__virtual_name to, unsigned flags)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_place source, target;
    int rc = weir__sim_disk_begin_change(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_place(disk, from, &source);
    if (rc == 0)
        rc = weir__sim_disk_find_place(disk, to, &target);
    if (rc == 0 && source.node == NULL)
        rc = -ENOENT;
    if (rc == 0)
        rc = rename_place(disk, &source, &target, flags);
    return weir__sim_disk_end(disk, rc);
}

int weir__sim_disk_link(struct weir__virtual_disk *base, struct weir__virtual_name from,
                        struct weir__virtual_name to)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_place source, target;
    int rc = weir__sim_disk_begin_change(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_node(disk, from, &source);
    if (rc == 0)
        rc = weir__sim_disk_find_place(disk, to, &target);
    if (rc == 0 && target.node != NULL)
        rc = -EEXIST;
    if (rc == 0 && S_ISDIR(source.node->mode))
        rc = -EPERM;
    if (rc == 0) {
        struct sim_edit edit = weir__sim_disk_edit_of(&target, source.node);
        rc = weir__sim_change(&disk->tree, &edit, 1);
    }
    return weir__sim_disk_end(disk, rc);
}

int weir__sim_disk_remove(struct weir__virtual_disk *base, struct weir__virtual_name at,
                          bool folder)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_place place;
    int rc = weir__sim_disk_begin_change(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_node(disk, at, &place);
    if (rc == 0 && place.folder == NULL)
        rc = -EBUSY;
    if (rc == 0 && S_ISDIR(place.node->mode) != folder)
        rc = folder ? -ENOTDIR : -EISDIR;
    if (rc == 0 && folder && !is_empty(place.node))
        rc = -ENOTEMPTY;
    if (rc == 0) {
        struct sim_edit edit = weir__sim_disk_edit_of(&place, NULL);
        rc = weir__sim_change(&disk->tree, &edit, 1);
    }
    return weir__sim_disk_end(disk, rc);
}

int weir__sim_disk_make_folder(struct weir__virtual_disk *base, struct weir__virtual_name at,
                               mode_t mode)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_place place;
    int rc = weir__sim_disk_begin_change(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_place(disk, at, &place);
    if (rc == 0 && place.node != NULL)
        rc = -EEXIST;
    if (rc == 0)
        rc = weir__sim_disk_make(disk, &place, S_IFDIR | (mode & 0777));
    return weir__sim_disk_end(disk, rc);
}

/* As getdents64 has it. */
struct entry {
    uint64_t number;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char text[];
};

static bool add_entry(char *buffer, size_t size, size_t *used, int64_t next,
                      const struct sim_name *name)
{
    size_t bytes = (offsetof(struct entry, text) + strlen(name->text) + 1 + 7) & ~(size_t)7;
    if (bytes > size - *used)
        return false;
    struct entry entry = {.number = name->node->number,
                          .next = next,
                          .bytes = (uint16_t)bytes,
                          .type = S_ISDIR(name->node->mode) ? DT_DIR : DT_REG};
    memset(buffer + *used, 0, bytes);
    memcpy(buffer + *used, &entry, offsetof(struct entry, text));
    memcpy(buffer + *used + offsetof(struct entry, text), name->text, strlen(name->text));
    *used += bytes;
    return true;
}

ssize_t weir__sim_disk_list(struct weir__virtual_disk *base, int fd, void *buffer, size_t size)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_open_file *file;
    size_t used = 0;
    int rc = weir__sim_disk_begin(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_file(disk, fd, &file);
    if (rc == 0 && !S_ISDIR(file->node->mode))
        rc = -ENOTDIR;
    if (rc == 0) {
        const struct weir__list *names = &file->node->names;
        int64_t place = 0;
        for (struct weir__list *at = names->next; at != names; at = at->next, place++) {
            const struct sim_name *name = WEIR__CONTAINER(at, struct sim_name, link);
            if (place < file->at)
                continue;
            if (!add_entry(buffer, size, &used, place + 1, name))
                break;
            file->at = place + 1;
        }
    }
    weir__sim_disk_end(disk, 0);
    return rc < 0 ? rc : (ssize_t)used;
}
