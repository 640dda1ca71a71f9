/*
 * walk.c - what is in a folder, and in the folders beneath it
 *
 * A walk has a place (the folders from the first one down to where it is, each open) and a batch of
 * names that were found. When the batch has been told, a job goes on from the place until the batch
 * is full: through as many folders as that takes.
 *
 * Costs    nothing but a step through the batch for most names; a job for each 128. In it, for each
 *          folder an open, a close and a call for each 8 KiB of names, and one more at its end; a
 *          call for each name when a stat is wanted. 70 KiB, and 8 KiB for each level.
 * Runs on  the loop; filling the batch on a thread of the default pool. Never both at once: the
 *          caller is parked meanwhile.
 * Holds    1. `innermost` is the last of the levels; rows are told in the order they were found.
 *          2. A row is in the batch completely or not at all: a job that is cut leaves a batch that
 *             can be told, and a place to go on from.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <weir/exec.h>
#include <weir/folder.h>
#include <weir/walk.h>

#include "base/alloc.h"
#include "file/file.h"
#include "file/folder.h"
#include "file/level.h"

enum {
    ROWS = 128,
    NAME_BYTES = 256,
    PATH_BYTES = WEIR_WALK_DEPTH_MAX * NAME_BYTES,
    TEXT_BYTES = 2 * PATH_BYTES, /* room for one more path is room for any */
};

struct weir_walk {
    struct weir__ledger_entry entry;
    weir_walk_options options;
    struct weir__level *innermost;
    uint64_t device;
    unsigned depth_max;
    unsigned told_depth; /* of the row told last; 0: none */
    unsigned skip_depth; /* names deeper than this are left out; 0: none */
    int rc;              /* of the job, after the rows of its batch */
    bool busy;           /* a task is in next */
    bool closed;         /* meanwhile */
    size_t row_count;
    size_t row_next;
    size_t text_size;
    size_t path_size; /* of the folder that is read, with a slash behind it */
    weir_walk_entry rows[ROWS];
    char text[TEXT_BYTES];
    char path[PATH_BYTES];
};

/* --- on a thread: fill the batch -------------------------------------------------------------- */

static weir_file_kind kind_of_entry(unsigned type)
{
    return type == DT_UNKNOWN ? WEIR_FILE_KIND_UNKNOWN : weir__file_kind_of_mode(DTTOIF(type));
}

static int look_at(const weir_walk *walk, const struct weir__sys_entry *entry, weir_walk_entry *row)
{
    struct statx found;
    int rc = weir__sys_statx(walk->innermost->fd, entry->name, AT_SYMLINK_NOFOLLOW, &found);
    if (rc < 0)
        return rc;
    weir_file_stat stat;
    weir__file_tell(&found, &stat);
    row->kind = stat.kind;
    if (walk->options.stat)
        row->stat = stat;
    return 0;
}

static int check_device(const weir_walk *walk, int fd)
{
    struct stat stat;
    int rc = weir__sys_fstat(fd, &stat);
    return rc == 0 && stat.st_dev != walk->device ? -EXDEV : rc;
}

static int enter_folder(weir_walk *walk, const char *name, size_t size)
{
    struct weir__level *level;
    int rc = weir__level_enter(walk->innermost, name, &level);
    if (rc < 0)
        return rc;
    if (walk->options.one_device)
        rc = check_device(walk, level->fd);
    if (rc < 0) {
        weir__level_leave(level);
        return rc;
    }
    level->path_size = walk->path_size;
    memcpy(walk->path + walk->path_size, name, size);
    walk->path[walk->path_size + size] = '/';
    walk->path_size += size + 1;
    walk->innermost = level;
    return 0;
}

static void leave_folder(weir_walk *walk)
{
    walk->path_size = walk->innermost->path_size;
    walk->innermost = weir__level_leave(walk->innermost);
}

/* Its path into the text of the batch. */
static void write_path(weir_walk *walk, const char *name, size_t size, weir_walk_entry *row)
{
    char *path = walk->text + walk->text_size;
    memcpy(path, walk->path, walk->path_size);
    memcpy(path + walk->path_size, name, size + 1);
    row->path = path;
    row->name = path + walk->path_size;
    walk->text_size += walk->path_size + size + 1;
}

/* What is gone before it could be looked at was never there. */
static int add_row(weir_walk *walk, const struct weir__sys_entry *entry)
{
    weir_walk_entry *row = &walk->rows[walk->row_count];
    size_t size = strnlen(entry->name, NAME_BYTES);
    if (size == NAME_BYTES)
        return -ENAMETOOLONG;
    *row = (weir_walk_entry){
        .depth = walk->innermost->depth, .kind = kind_of_entry(entry->type), .inode = entry->inode};
    if (walk->options.stat || entry->type == DT_UNKNOWN)
        row->error = look_at(walk, entry, row);
    if (row->error == -ENOENT)
        return 0;
    write_path(walk, entry->name, size, row);
    if (row->kind == WEIR_FILE_KIND_FOLDER) {
        if (row->depth < walk->depth_max)
            row->error = enter_folder(walk, entry->name, size);
        else if (walk->options.depth_max == 0)
            row->error = -ELOOP;
        if (row->error == -ENOENT || row->error == -ENOMEM)
            return row->error == -ENOENT ? 0 : -ENOMEM; /* its text is wasted, and nothing else */
    }
    walk->row_count++;
    return 0;
}

static void leave_skipped(weir_walk *walk)
{
    while (walk->skip_depth != 0 && walk->innermost != NULL &&
           walk->innermost->depth > walk->skip_depth)
        leave_folder(walk);
    walk->skip_depth = 0;
}

static bool has_room(const weir_walk *walk)
{
    return walk->row_count < ROWS && TEXT_BYTES - walk->text_size >= walk->path_size + NAME_BYTES;
}

static int fill_batch(void *arg)
{
    weir_walk *walk = arg;
    int rc = 0;
    leave_skipped(walk);
    walk->row_count = 0;
    walk->row_next = 0;
    walk->text_size = 0;
    while (rc == 0 && walk->innermost != NULL && has_room(walk)) {
        if (weir_job_cancelled()) {
            rc = -ECANCELED;
            break;
        }
        const struct weir__sys_entry *entry;
        rc = weir__level_next(walk->innermost, &entry);
        if (rc == 0)
            leave_folder(walk);
        else if (rc == 1)
            rc = add_row(walk, entry);
    }
    if (rc < 0 && rc != -ECANCELED)
        walk->rc = rc;
    return walk->row_count > 0 ? 0 : rc;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void free_walk(weir_walk *walk)
{
    while (walk->innermost != NULL)
        walk->innermost = weir__level_leave(walk->innermost);
    weir__base_free(walk);
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_walk_close(WEIR__CONTAINER(entry, weir_walk, entry));
}

struct opening {
    weir_walk *walk;
    int folder;
    const char *name;
};

static int open_first(void *arg)
{
    struct opening *opening = arg;
    weir_walk *walk = opening->walk;
    struct stat stat = {0};
    int fd = weir__place_open_folder(opening->folder, opening->name);
    if (fd < 0)
        return weir_fail(fd, "cannot open folder %s: %s", opening->name,
                         weir__folder_why(opening->folder != AT_FDCWD, fd));
    int rc = weir__level_new(NULL, fd, "", &walk->innermost);
    if (rc == 0 && walk->options.one_device)
        rc = weir__sys_fstat(walk->innermost->fd, &stat);
    walk->device = stat.st_dev;
    return rc < 0 ? rc : fill_batch(walk);
}

int weir_walk_open(weir_folder *folder, const char *name, const weir_walk_options *options,
                   weir_walk **out_walk)
{
    static const weir_walk_options defaults;
    if (options == NULL)
        options = &defaults;
    if (options->depth_max > WEIR_WALK_DEPTH_MAX)
        return weir_fail(-EINVAL, "a walk of %u levels: %d are the most", options->depth_max,
                         WEIR_WALK_DEPTH_MAX);
    weir_walk *walk = weir__base_alloc(sizeof *walk);
    if (walk == NULL)
        return -ENOMEM;
    memset(walk, 0, offsetof(weir_walk, rows));
    weir__list_init(&walk->entry.link);
    walk->options = *options;
    walk->depth_max = options->depth_max == 0 ? WEIR_WALK_DEPTH_MAX : options->depth_max;
    struct opening opening = {walk, weir__folder_fd(folder), name};
    weir__folder_hold(folder);
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "walk through a folder"},
                               open_first, &opening);
    weir__folder_let_go(folder);
    if (rc < 0) { /* before the first name */
        free_walk(walk);
        return rc;
    }
    weir__ledger_add(&walk->entry, "walk", __builtin_return_address(0), close_forgotten);
    *out_walk = walk;
    return 0;
}

/* From the batch, without those that are skipped. NULL: it has been told. */
static const weir_walk_entry *take_row(weir_walk *walk)
{
    while (walk->row_next < walk->row_count) {
        const weir_walk_entry *row = &walk->rows[walk->row_next++];
        if (walk->skip_depth != 0 && row->depth > walk->skip_depth)
            continue;
        walk->skip_depth = 0;
        walk->told_depth = row->depth;
        return row;
    }
    return NULL;
}

static int tell_failure(const weir_walk *walk)
{
    return weir_fail(walk->rc, "cannot read on in folder ./%.*s: %s", (int)walk->path_size,
                     walk->path, weir_code_text(walk->rc));
}

/* 1: more may be in the batch, 0: the end. */
static int next_batch(weir_walk *walk)
{
    if (walk->rc < 0)
        return tell_failure(walk);
    if (walk->innermost == NULL)
        return 0;
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "walk through a folder"},
                               fill_batch, walk);
    if (rc < 0)
        return walk->rc < 0 ? tell_failure(walk) : rc;
    return 1;
}

/* The caller may be parked in here, or let others go first; whoever closes the walk meanwhile
 * leaves it to us. */
static int next(weir_walk *walk, const weir_walk_entry **out_entry)
{
    const weir_walk_entry *row = take_row(walk);
    if (row != NULL)
        weir__core_completed_at_once();
    while (row == NULL && !walk->closed) {
        int rc = next_batch(walk);
        if (rc <= 0)
            return rc;
        row = take_row(walk);
    }
    *out_entry = row;
    return 1;
}

int weir_walk_next(weir_walk *walk, const weir_walk_entry **out_entry)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (walk->busy)
        return -EBUSY;
    walk->busy = true;
    rc = next(walk, out_entry);
    walk->busy = false;
    if (walk->closed) {
        free_walk(walk);
        return -EBADF;
    }
    return rc;
}

void weir_walk_skip(weir_walk *walk)
{
    walk->skip_depth = walk->told_depth;
}

void weir_walk_close(weir_walk *walk)
{
    if (walk == NULL)
        return;
    weir__ledger_remove(&walk->entry);
    if (walk->busy)
        walk->closed = true; /* the task in next releases it */
    else
        free_walk(walk);
}
