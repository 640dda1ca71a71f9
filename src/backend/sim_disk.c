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
#include "backend/sim_disk_inside.h"
#include "base/alloc.h"
#include "base/fault.h"

static struct sim_disk *mounted; /* by one round at a time */

/* --- the machine ------------------------------------------------------------------------------ */

/* The first part of each call: the time it takes, and whether the machine is on. */
int weir__sim_disk_begin(struct sim_disk *disk)
{
    weir__base_mutex_lock(&disk->lock);
    weir__virtual_file_spend(disk->settings.call_ns);
    return disk->stopped ? -EIO : 0;
}

int weir__sim_disk_end(struct sim_disk *disk, int rc)
{
    weir__base_mutex_unlock(&disk->lock);
    return rc;
}

/* Something is about to change: this may be where the machine stops. */
int weir__sim_disk_may_change(struct sim_disk *disk)
{
    if (disk->stopped)
        return -EIO;
    if (disk->settings.read_only)
        return -EROFS;
    if (disk->changes_left != UINT64_MAX && disk->changes_left-- == 0)
        disk->stopped = true;
    return disk->stopped ? -EIO : 0;
}

int weir__sim_disk_begin_change(struct sim_disk *disk)
{
    int rc = weir__sim_disk_begin(disk);
    return rc < 0 ? rc : weir__sim_disk_may_change(disk);
}

/* --- open files ------------------------------------------------------------------------------- */

static struct sim_open_file *file_of(const struct sim_disk *disk, int fd)
{
    size_t place = (size_t)fd - WEIR__VIRTUAL_FILE_FIRST;
    if (fd < WEIR__VIRTUAL_FILE_FIRST || place >= disk->file_count ||
        disk->files[place].node == NULL)
        return NULL;
    return &disk->files[place];
}

/* An open file of this life of the machine. */
int weir__sim_disk_find_file(const struct sim_disk *disk, int fd, struct sim_open_file **out_file)
{
    struct sim_open_file *file = file_of(disk, fd);
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
        struct sim_open_file *files = weir__base_realloc(disk->files, count * sizeof *files);
        if (files == NULL)
            return -ENFILE;
        memset(files + disk->file_count, 0, (count - disk->file_count) * sizeof *files);
        disk->files = files;
        disk->file_count = count;
    }
    disk->files[place] =
        (struct sim_open_file){.node = node, .flags = flags, .age = disk->crash_count};
    weir__sim_hold(node);
    return WEIR__VIRTUAL_FILE_FIRST + (int)place;
}

/* --- paths ------------------------------------------------------------------------------------ */

static int step(struct sim_place *place, const char *part, size_t size)
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

int weir__sim_disk_find_place(const struct sim_disk *disk, struct weir__virtual_name at,
                              struct sim_place *out_place)
{
    const char *rest = at.name;
    *out_place = (struct sim_place){.folder = NULL, .node = disk->tree.root};
    if (rest[0] == '/') {
        rest += strlen(disk->path);
    } else {
        struct sim_open_file *file;
        int rc = weir__sim_disk_find_file(disk, at.folder, &file);
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
int weir__sim_disk_find_node(const struct sim_disk *disk, struct weir__virtual_name at,
                             struct sim_place *out_place)
{
    int rc = weir__sim_disk_find_place(disk, at, out_place);
    return rc == 0 && out_place->node == NULL ? -ENOENT : rc;
}

struct sim_edit weir__sim_disk_edit_of(const struct sim_place *place, struct sim_node *node)
{
    struct sim_edit edit = {.folder = place->folder, .node = node};
    memcpy(edit.text, place->text, sizeof edit.text);
    return edit;
}

/* A new node with this name. */
int weir__sim_disk_make(struct sim_disk *disk, struct sim_place *place, mode_t mode)
{
    struct sim_node *node = weir__sim_node_new(&disk->tree, mode);
    if (node == NULL)
        return -ENOMEM;
    weir__sim_hold(node);
    struct sim_edit edit = weir__sim_disk_edit_of(place, node);
    int rc = weir__sim_change(&disk->tree, &edit, 1);
    weir__sim_release(&disk->tree, node);
    place->node = node;
    return rc;
}

/* --- open and close --------------------------------------------------------------------------- */

static int open_place(struct sim_disk *disk, struct sim_place *place, int flags, mode_t mode)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (place->node != NULL && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
        return -EEXIST;
    if (place->node == NULL && (flags & O_CREAT) == 0)
        return -ENOENT;
    if (place->node == NULL || (flags & O_TRUNC) != 0) {
        int rc = weir__sim_disk_may_change(disk);
        if (rc < 0)
            return rc;
    }
    if (place->node == NULL) {
        int rc = weir__sim_disk_make(disk, place, S_IFREG | (mode & 0777));
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
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_place place;
    int rc = weir__sim_disk_begin(disk);
    if (rc == 0 && (flags & O_TMPFILE) == O_TMPFILE)
        rc = -EOPNOTSUPP;
    if (rc == 0)
        rc = weir__sim_disk_find_place(disk, at, &place);
    if (rc == 0)
        rc = open_place(disk, &place, flags, mode);
    return weir__sim_disk_end(disk, rc);
}

static int disk_close(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    weir__base_mutex_lock(&disk->lock);
    struct sim_open_file *file = file_of(disk, fd);
    int rc = file == NULL ? -EBADF : 0;
    if (file != NULL) {
        weir__sim_release(&disk->tree, file->node);
        file->node = NULL;
    }
    return weir__sim_disk_end(disk, rc);
}

static int disk_dup(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_open_file *file = NULL;
    int rc = weir__sim_disk_begin(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_file(disk, fd, &file);
    if (rc == 0)
        rc = give_number(disk, file->node, file->flags);
    return weir__sim_disk_end(disk, rc);
}

static int disk_flags(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_open_file *file;
    int rc = weir__sim_disk_begin(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_file(disk, fd, &file);
    return weir__sim_disk_end(disk, rc < 0 ? rc : file->flags);
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
        .read = weir__sim_disk_read,
        .write = weir__sim_disk_write,
        .sync = weir__sim_disk_sync,
        .truncate = weir__sim_disk_truncate,
        .stat = weir__sim_disk_stat,
        .chmod = weir__sim_disk_chmod,
        .rename = weir__sim_disk_rename,
        .link = weir__sim_disk_link,
        .remove = weir__sim_disk_remove,
        .make_folder = weir__sim_disk_make_folder,
        .list = weir__sim_disk_list,
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
    return weir__sim_disk_end(disk, 0);
}

int weir__sim_disk_stop_after(uint64_t changes)
{
    struct sim_disk *disk = mounted;
    if (disk == NULL)
        return -EPERM;
    weir__base_mutex_lock(&disk->lock);
    disk->changes_left = changes;
    return weir__sim_disk_end(disk, 0);
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
    weir__sim_disk_end(disk, 0);
    weir__base_fault_exempt(exempt);
    return 0;
}
