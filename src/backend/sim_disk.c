/*
 * sim_disk.c - files of a simulated disk as the calls of base/sys.h know them
 *
 * See sim_disk.h for what a crash does. Here: open files, paths, and the state of the machine that
 * the disk is in: full, read-only, or stopped, which is the moment before a crash.
 *
 * Runs on  any thread; each call takes the lock.
 * Holds    1. While the disk is stopped nothing changes and every call but a close is -EIO.
 *          2. A descriptor from before a crash is -EIO until it is closed.
 */
#include "backend/sim_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"

enum { RENAME_NOREPLACE_ = 1, RENAME_EXCHANGE_ = 2, DEVICE = 0x51 };

struct open_file {
    struct sim_node *node; /* NULL: a free number */
    int flags;
    int64_t at;
    uint64_t age; /* crashes before it was opened */
};

struct sim_disk {
    struct weir__virtual_disk base;
    struct weir__mutex lock;
    struct sim_tree tree;
    weir_test_disk settings;
    char path[SIM_NAME_BYTES];
    struct open_file *files;
    size_t file_count;
    uint64_t crash_count;
    uint64_t changes_left; /* until it stops; UINT64_MAX: it does not */
    bool stopped;
};

static struct sim_disk *mounted; /* by one round at a time */

static struct sim_disk *disk_of(struct weir__virtual_disk *base)
{
    return WEIR__CONTAINER(base, struct sim_disk, base);
}

/* --- the machine ------------------------------------------------------------------------------ */

/* The first part of each call: the time it takes, and whether the machine is on. */
static int begin(struct sim_disk *disk)
{
    weir__base_mutex_lock(&disk->lock);
    weir__virtual_file_spend(disk->settings.call_ns);
    return disk->stopped ? -EIO : 0;
}

static int end(struct sim_disk *disk, int rc)
{
    weir__base_mutex_unlock(&disk->lock);
    return rc;
}

/* Something is about to change: this may be where the machine stops. */
static int may_change(struct sim_disk *disk)
{
    if (disk->stopped)
        return -EIO;
    if (disk->settings.read_only)
        return -EROFS;
    if (disk->changes_left != UINT64_MAX && disk->changes_left-- == 0)
        disk->stopped = true;
    return disk->stopped ? -EIO : 0;
}

static int begin_change(struct sim_disk *disk)
{
    int rc = begin(disk);
    return rc < 0 ? rc : may_change(disk);
}

/* --- open files ------------------------------------------------------------------------------- */

static struct open_file *file_of(const struct sim_disk *disk, int fd)
{
    size_t place = (size_t)fd - WEIR__VIRTUAL_FILE_FIRST;
    if (fd < WEIR__VIRTUAL_FILE_FIRST || place >= disk->file_count ||
        disk->files[place].node == NULL)
        return NULL;
    return &disk->files[place];
}

/* An open file of this life of the machine. */
static int find_file(const struct sim_disk *disk, int fd, struct open_file **out_file)
{
    struct open_file *file = file_of(disk, fd);
    if (file == NULL)
        return -EBADF;
    if (file->age != disk->crash_count)
        return -EIO;
    *out_file = file;
    return 0;
}

static int give_number(struct sim_disk *disk, struct sim_node *node, int flags)
{
    size_t place = 0;
    while (place < disk->file_count && disk->files[place].node != NULL)
        place++;
    if (place == disk->file_count) {
        size_t count = disk->file_count == 0 ? 16 : 2 * disk->file_count;
        struct open_file *files = weir__base_realloc(disk->files, count * sizeof *files);
        if (files == NULL)
            return -ENFILE;
        memset(files + disk->file_count, 0, (count - disk->file_count) * sizeof *files);
        disk->files = files;
        disk->file_count = count;
    }
    disk->files[place] = (struct open_file){.node = node, .flags = flags, .age = disk->crash_count};
    weir__sim_hold(node);
    return WEIR__VIRTUAL_FILE_FIRST + (int)place;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* A name, and the folder that it is in. */
struct place {
    struct sim_node *folder;
    struct sim_node *node; /* NULL: there is none with this name */
    char text[SIM_NAME_BYTES];
};

static int step(struct place *place, const char *part, size_t size)
{
    if (size >= SIM_NAME_BYTES)
        return -ENAMETOOLONG;
    if (place->node == NULL)
        return -ENOENT;
    if (!S_ISDIR(place->node->mode))
        return -ENOTDIR;
    if (size == 0 || (size == 1 && part[0] == '.'))
        return 0;
    if (size == 2 && part[0] == '.' && part[1] == '.')
        return -EXDEV; /* nobody here needs it */
    place->folder = place->node;
    memcpy(place->text, part, size);
    place->text[size] = '\0';
    place->node = weir__sim_child(place->folder, place->text);
    return 0;
}

static int find_place(const struct sim_disk *disk, struct weir__virtual_name at,
                      struct place *out_place)
{
    const char *rest = at.name;
    *out_place = (struct place){.folder = NULL, .node = disk->tree.root};
    if (rest[0] == '/') {
        rest += strlen(disk->path);
    } else {
        struct open_file *file;
        int rc = find_file(disk, at.folder, &file);
        if (rc < 0)
            return rc;
        out_place->node = file->node;
    }
    while (*rest != '\0') {
        size_t size = strcspn(rest, "/");
        int rc = step(out_place, rest, size);
        if (rc < 0)
            return rc;
        rest += size;
        while (*rest == '/')
            rest++;
    }
    return 0;
}

/* What is there already. */
static int find_node(const struct sim_disk *disk, struct weir__virtual_name at,
                     struct place *out_place)
{
    int rc = find_place(disk, at, out_place);
    return rc == 0 && out_place->node == NULL ? -ENOENT : rc;
}

static struct sim_edit edit_of(const struct place *place, struct sim_node *node)
{
    struct sim_edit edit = {.folder = place->folder, .node = node};
    memcpy(edit.text, place->text, sizeof edit.text);
    return edit;
}

/* A new node with this name. */
static int make(struct sim_disk *disk, struct place *place, mode_t mode)
{
    struct sim_node *node = weir__sim_node_new(&disk->tree, mode);
    if (node == NULL)
        return -ENOMEM;
    weir__sim_hold(node);
    struct sim_edit edit = edit_of(place, node);
    int rc = weir__sim_change(&disk->tree, &edit, 1);
    weir__sim_release(&disk->tree, node);
    place->node = node;
    return rc;
}

/* --- open and close --------------------------------------------------------------------------- */

static int open_place(struct sim_disk *disk, struct place *place, int flags, mode_t mode)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (place->node != NULL && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
        return -EEXIST;
    if (place->node == NULL && (flags & O_CREAT) == 0)
        return -ENOENT;
    if (place->node == NULL || (flags & O_TRUNC) != 0) {
        int rc = may_change(disk);
        if (rc < 0)
            return rc;
    }
    if (place->node == NULL) {
        int rc = make(disk, place, S_IFREG | (mode & 0777));
        if (rc < 0)
            return rc;
    }
    struct sim_node *node = place->node;
    if (S_ISDIR(node->mode) && writes)
        return -EISDIR;
    if (!S_ISDIR(node->mode) && (flags & O_DIRECTORY) != 0)
        return -ENOTDIR;
    if (writes && disk->settings.read_only)
        return -EROFS;
    if ((flags & O_TRUNC) != 0 && writes && node->now.size > 0) {
        node->now.size = 0;
        node->dirty = true;
    }
    return give_number(disk, node, flags);
}

static int disk_open(struct weir__virtual_disk *base, struct weir__virtual_name at, int flags,
                     mode_t mode)
{
    struct sim_disk *disk = disk_of(base);
    struct place place;
    int rc = begin(disk);
    if (rc == 0 && (flags & O_TMPFILE) == O_TMPFILE)
        rc = -EOPNOTSUPP;
    if (rc == 0)
        rc = find_place(disk, at, &place);
    if (rc == 0)
        rc = open_place(disk, &place, flags, mode);
    return end(disk, rc);
}

static int disk_close(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = disk_of(base);
    weir__base_mutex_lock(&disk->lock);
    struct open_file *file = file_of(disk, fd);
    int rc = file == NULL ? -EBADF : 0;
    if (file != NULL) {
        weir__sim_release(&disk->tree, file->node);
        file->node = NULL;
    }
    return end(disk, rc);
}

static int disk_dup(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = disk_of(base);
    struct open_file *file = NULL;
    int rc = begin(disk);
    if (rc == 0)
        rc = find_file(disk, fd, &file);
    if (rc == 0)
        rc = give_number(disk, file->node, file->flags);
    return end(disk, rc);
}

static int disk_flags(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = disk_of(base);
    struct open_file *file;
    int rc = begin(disk);
    if (rc == 0)
        rc = find_file(disk, fd, &file);
    return end(disk, rc < 0 ? rc : file->flags);
}

/* --- contents --------------------------------------------------------------------------------- */

static ssize_t disk_read(struct weir__virtual_disk *base, int fd, const struct iovec *parts,
                         int count, int64_t offset)
{
    struct sim_disk *disk = disk_of(base);
    struct open_file *file;
    ssize_t done = 0;
    int rc = begin(disk);
    if (rc == 0)
        rc = find_file(disk, fd, &file);
    if (rc == 0 && S_ISDIR(file->node->mode))
        rc = -EISDIR;
    if (rc == 0 && (file->flags & O_ACCMODE) == O_WRONLY)
        rc = -EBADF;
    for (int i = 0; rc == 0 && i < count; i++) {
        const struct sim_content *now = &file->node->now;
        size_t at = (size_t)(offset < 0 ? file->at : offset + done);
        size_t there = at < now->size ? now->size - at : 0;
        size_t size = parts[i].iov_len < there ? parts[i].iov_len : there;
        if (size > 0)
            memcpy(parts[i].iov_base, now->bytes + at, size);
        done += (ssize_t)size;
        if (offset < 0)
            file->at += (int64_t)size;
    }
    end(disk, 0);
    return rc < 0 ? rc : done;
}

/* How much of a write the disk has room for. */
static size_t room_for(const struct sim_disk *disk, const struct sim_node *node, size_t at,
                       size_t size)
{
    uint64_t most = disk->settings.bytes_max;
    if (most == 0 || at + size <= node->now.size)
        return size;
    uint64_t used = weir__sim_bytes(&disk->tree);
    uint64_t grows = at + size - node->now.size;
    uint64_t room = used < most ? most - used : 0;
    if (grows <= room)
        return size;
    uint64_t lacking = grows - room;
    return lacking < size ? size - (size_t)lacking : 0;
}

static ssize_t write_part(struct sim_disk *disk, struct open_file *file, struct iovec part,
                          size_t at)
{
    struct sim_node *node = file->node;
    size_t size = room_for(disk, node, at, part.iov_len);
    if (size == 0 && part.iov_len > 0)
        return -ENOSPC;
    if (at + size > node->now.size && weir__sim_resize(&node->now, at + size) < 0)
        return -ENOSPC;
    if (size > 0)
        memcpy(node->now.bytes + at, part.iov_base, size);
    node->dirty = true;
    return (ssize_t)size;
}

static ssize_t disk_write(struct weir__virtual_disk *base, int fd, const struct iovec *parts,
                          int count, int64_t offset)
{
    struct sim_disk *disk = disk_of(base);
    struct open_file *file;
    ssize_t done = 0;
    int rc = begin_change(disk);
    if (rc == 0)
        rc = find_file(disk, fd, &file);
    if (rc == 0 && (file->flags & O_ACCMODE) == O_RDONLY)
        rc = -EBADF;
    for (int i = 0; rc == 0 && i < count; i++) {
        bool own = offset < 0;
        size_t at = (size_t)(own ? file->at : offset + done);
        if ((file->flags & O_APPEND) != 0)
            at = file->node->now.size;
        ssize_t n = write_part(disk, file, parts[i], at);
        if (n < 0) {
            rc = done > 0 ? 0 : (int)n;
            break;
        }
        done += n;
        if (own)
            file->at = (int64_t)at + n;
        if ((size_t)n < parts[i].iov_len)
            break;
    }
    end(disk, 0);
    return rc < 0 ? rc : done;
}

static int disk_sync(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = disk_of(base);
    struct open_file *file;
    int rc = begin_change(disk);
    weir__virtual_file_spend(disk->settings.sync_ns);
    if (rc == -EROFS)
        rc = 0;
    if (rc == 0)
        rc = find_file(disk, fd, &file);
    if (rc == 0)
        rc = weir__sim_make_safe(&disk->tree, file->node);
    return end(disk, rc);
}

static int disk_truncate(struct weir__virtual_disk *base, int fd, int64_t size)
{
    struct sim_disk *disk = disk_of(base);
    struct open_file *file;
    int rc = begin_change(disk);
    if (rc == 0)
        rc = find_file(disk, fd, &file);
    if (rc == 0 && (file->flags & O_ACCMODE) == O_RDONLY)
        rc = -EINVAL;
    if (rc == 0 && (size_t)size > file->node->now.size &&
        room_for(disk, file->node, file->node->now.size, (size_t)size - file->node->now.size) <
            (size_t)size - file->node->now.size)
        rc = -ENOSPC;
    if (rc == 0)
        rc = weir__sim_resize(&file->node->now, (size_t)size) < 0 ? -ENOSPC : 0;
    if (rc == 0)
        file->node->dirty = true;
    return end(disk, rc);
}

/* --- names ------------------------------------------------------------------------------------ */

static int disk_stat(struct weir__virtual_disk *base, struct weir__virtual_name at,
                     struct stat *out_stat)
{
    struct sim_disk *disk = disk_of(base);
    struct place place;
    int rc = begin(disk);
    if (rc == 0)
        rc = find_node(disk, at, &place);
    if (rc == 0)
        *out_stat = (struct stat){
            .st_dev = makedev(DEVICE, 0),
            .st_ino = place.node->number,
            .st_mode = place.node->mode,
            .st_nlink = place.node->name_count,
            .st_size = (off_t)place.node->now.size,
            .st_blksize = SIM_SECTOR_BYTES,
            .st_blocks =
                (blkcnt_t)((place.node->now.size + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES),
        };
    return end(disk, rc);
}

static int disk_chmod(struct weir__virtual_disk *base, struct weir__virtual_name at, mode_t mode)
{
    struct sim_disk *disk = disk_of(base);
    struct place place;
    int rc = begin_change(disk);
    if (rc == 0)
        rc = find_node(disk, at, &place);
    if (rc == 0)
        place.node->mode = (place.node->mode & S_IFMT) | (mode & 07777);
    return end(disk, rc);
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

static int rename_place(struct sim_disk *disk, const struct place *from, const struct place *to,
                        unsigned flags)
{
    if (from->folder == NULL || to->folder == NULL)
        return -EBUSY; /* the root */
    if (flags == RENAME_EXCHANGE_ && to->node == NULL)
        return -ENOENT;
    if (flags == RENAME_NOREPLACE_ && to->node != NULL)
        return -EEXIST;
    if (contains(from->node, to->folder))
        return -EINVAL;
    if (to->node != NULL && to->node != from->node && contains(to->node, from->folder))
        return flags == RENAME_EXCHANGE_ ? -EINVAL : -ENOTEMPTY;
    int rc = flags == RENAME_EXCHANGE_ ? 0 : may_replace(from->node, to->node);
    if (rc < 0 || to->node == from->node)
        return rc;
    struct sim_edit edits[2] = {
        edit_of(to, from->node),
        edit_of(from, flags == RENAME_EXCHANGE_ ? to->node : NULL),
    };
    struct sim_node *replaced = to->node;
    if (replaced != NULL)
        weir__sim_hold(replaced); /* the first edit may let the last name of it go */
    rc = weir__sim_change(&disk->tree, edits, 2);
    weir__sim_release(&disk->tree, replaced);
    return rc;
}

static int disk_rename(struct weir__virtual_disk *base, struct weir__virtual_name from,
                       struct weir__virtual_name to, unsigned flags)
{
    struct sim_disk *disk = disk_of(base);
    struct place source, target;
    int rc = begin_change(disk);
    if (rc == 0)
        rc = find_place(disk, from, &source);
    if (rc == 0)
        rc = find_place(disk, to, &target);
    if (rc == 0 && source.node == NULL)
        rc = -ENOENT;
    if (rc == 0)
        rc = rename_place(disk, &source, &target, flags);
    return end(disk, rc);
}

static int disk_link(struct weir__virtual_disk *base, struct weir__virtual_name from,
                     struct weir__virtual_name to)
{
    struct sim_disk *disk = disk_of(base);
    struct place source, target;
    int rc = begin_change(disk);
    if (rc == 0)
        rc = find_node(disk, from, &source);
    if (rc == 0)
        rc = find_place(disk, to, &target);
    if (rc == 0 && target.node != NULL)
        rc = -EEXIST;
    if (rc == 0 && S_ISDIR(source.node->mode))
        rc = -EPERM;
    if (rc == 0) {
        struct sim_edit edit = edit_of(&target, source.node);
        rc = weir__sim_change(&disk->tree, &edit, 1);
    }
    return end(disk, rc);
}

static int disk_remove(struct weir__virtual_disk *base, struct weir__virtual_name at, bool folder)
{
    struct sim_disk *disk = disk_of(base);
    struct place place;
    int rc = begin_change(disk);
    if (rc == 0)
        rc = find_node(disk, at, &place);
    if (rc == 0 && place.folder == NULL)
        rc = -EBUSY;
    if (rc == 0 && S_ISDIR(place.node->mode) != folder)
        rc = folder ? -ENOTDIR : -EISDIR;
    if (rc == 0 && folder && !is_empty(place.node))
        rc = -ENOTEMPTY;
    if (rc == 0) {
        struct sim_edit edit = edit_of(&place, NULL);
        rc = weir__sim_change(&disk->tree, &edit, 1);
    }
    return end(disk, rc);
}

static int disk_make_folder(struct weir__virtual_disk *base, struct weir__virtual_name at,
                            mode_t mode)
{
    struct sim_disk *disk = disk_of(base);
    struct place place;
    int rc = begin_change(disk);
    if (rc == 0)
        rc = find_place(disk, at, &place);
    if (rc == 0 && place.node != NULL)
        rc = -EEXIST;
    if (rc == 0)
        rc = make(disk, &place, S_IFDIR | (mode & 0777));
    return end(disk, rc);
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

static ssize_t disk_list(struct weir__virtual_disk *base, int fd, void *buffer, size_t size)
{
    struct sim_disk *disk = disk_of(base);
    struct open_file *file;
    size_t used = 0;
    int rc = begin(disk);
    if (rc == 0)
        rc = find_file(disk, fd, &file);
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
    end(disk, 0);
    return rc < 0 ? rc : (ssize_t)used;
}

/* --- the test's side -------------------------------------------------------------------------- */

bool weir__sim_disk_may_be(const char *path)
{
    if (path == NULL)
        return true;
    size_t size = strlen(path);
    return size >= 2 && path[0] == '/' && path[size - 1] != '/' && size < SIM_NAME_BYTES;
}

int weir__sim_disk_mount(const weir_test_disk *settings, uint64_t seed)
{
    const char *path = settings->path == NULL ? "/disk" : settings->path;
    if (!weir__sim_disk_may_be(path))
        return -EINVAL;
    struct sim_disk *disk = weir__base_alloc_zero(sizeof *disk);
    if (disk == NULL)
        return -ENOMEM;
    int rc = weir__sim_tree_init(&disk->tree, seed);
    if (rc < 0) {
        weir__base_free(disk);
        return rc;
    }
    memcpy(disk->path, path, strlen(path) + 1);
    disk->settings = *settings;
    disk->changes_left = UINT64_MAX;
    disk->base = (struct weir__virtual_disk){
        .path = disk->path,
        .open = disk_open,
        .close = disk_close,
        .dup = disk_dup,
        .flags = disk_flags,
        .read = disk_read,
        .write = disk_write,
        .sync = disk_sync,
        .truncate = disk_truncate,
        .stat = disk_stat,
        .chmod = disk_chmod,
        .rename = disk_rename,
        .link = disk_link,
        .remove = disk_remove,
        .make_folder = disk_make_folder,
        .list = disk_list,
    };
    weir__base_mutex_init(&disk->lock);
    mounted = disk;
    weir__virtual_mount(&disk->base);
    return 0;
}

void weir__sim_disk_unmount(void)
{
    struct sim_disk *disk = mounted;
    if (disk == NULL)
        return;
    weir__virtual_mount(NULL);
    mounted = NULL;
    for (size_t i = 0; i < disk->file_count; i++)
        weir__sim_release(&disk->tree, disk->files[i].node); /* counted by base/sys.c: told there */
    weir__sim_tree_deinit(&disk->tree);
    weir__base_mutex_deinit(&disk->lock);
    weir__base_free(disk->files);
    weir__base_free(disk);
}

int weir__sim_disk_set(const weir_test_disk *settings)
{
    struct sim_disk *disk = mounted;
    if (disk == NULL)
        return -EPERM;
    weir__base_mutex_lock(&disk->lock);
    disk->settings = *settings;
    return end(disk, 0);
}

int weir__sim_disk_stop_after(uint64_t changes)
{
    struct sim_disk *disk = mounted;
    if (disk == NULL)
        return -EPERM;
    weir__base_mutex_lock(&disk->lock);
    disk->changes_left = changes;
    return end(disk, 0);
}

bool weir__sim_disk_stopped(void)
{
    return mounted != NULL && mounted->stopped;
}

int weir__sim_disk_crash(void)
{
    struct sim_disk *disk = mounted;
    if (disk == NULL)
        return -EPERM;
    bool exempt = weir__base_fault_exempt(true);
    weir__base_mutex_lock(&disk->lock);
    weir__sim_crash(&disk->tree);
    disk->crash_count++;
    disk->stopped = false;
    disk->changes_left = UINT64_MAX;
    end(disk, 0);
    weir__base_fault_exempt(exempt);
    return 0;
}
