/*
 * sim_disk_inside.h - what the files of the simulated disk share
 *
 *   sim_disk.c          the machine, open files, paths, and the test's side
 *   sim_disk_content.c  what is in files
 *   sim_disk_names.c    names: renames, links, folders
 *   sim_tree.c          what a crash leaves
 */
#ifndef WEIR__BACKEND_SIM_DISK_INSIDE_H
#define WEIR__BACKEND_SIM_DISK_INSIDE_H

#include <fcntl.h>
#include <string.h>

#include "backend/sim_disk.h"

enum { SIM_RENAME_NOREPLACE = 1, SIM_RENAME_EXCHANGE = 2, SIM_DEVICE = 0x51 };

struct sim_open_file {
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
    struct sim_open_file *files;
    size_t file_count;
    uint64_t crash_count;
    uint64_t changes_left; /* until it stops; UINT64_MAX: it does not */
    bool stopped;
};

/* A name, and the folder that it is in. */
struct sim_place {
    struct sim_node *folder;
    struct sim_node *node; /* NULL: there is none with this name */
    char text[SIM_NAME_BYTES];
};

static inline struct sim_disk *weir__sim_disk_of(struct weir__virtual_disk *base)
{
    return WEIR__CONTAINER(base, struct sim_disk, base);
}

/* The first part of each call: takes the lock and the time it costs; -EIO while the machine is off.
 * Its last part gives the lock back and returns rc. */
int weir__sim_disk_begin(struct sim_disk *disk);
int weir__sim_disk_end(struct sim_disk *disk, int rc);
/* Something is about to change: this may be where the machine stops. */
int weir__sim_disk_may_change(struct sim_disk *disk);
int weir__sim_disk_begin_change(struct sim_disk *disk);
/* An open file of this life of the machine. */
int weir__sim_disk_find_file(const struct sim_disk *disk, int fd, struct sim_open_file **out_file);
int weir__sim_disk_find_place(const struct sim_disk *disk, struct weir__virtual_name at,
                              struct sim_place *out_place);
/* What is there already. */
int weir__sim_disk_find_node(const struct sim_disk *disk, struct weir__virtual_name at,
                             struct sim_place *out_place);
struct sim_edit weir__sim_disk_edit_of(const struct sim_place *place, struct sim_node *node);
/* A new node with this name. */
int weir__sim_disk_make(struct sim_disk *disk, struct sim_place *place, mode_t mode);

/* the calls, as struct weir__virtual_disk has them */
ssize_t weir__sim_disk_read(struct weir__virtual_disk *base, int fd, const struct iovec *parts,
                            int count, int64_t offset);
ssize_t weir__sim_disk_write(struct weir__virtual_disk *base, int fd, const struct iovec *parts,
                             int count, int64_t offset);
int weir__sim_disk_sync(struct weir__virtual_disk *base, int fd);
int weir__sim_disk_truncate(struct weir__virtual_disk *base, int fd, int64_t size);
int weir__sim_disk_stat(struct weir__virtual_disk *base, struct weir__virtual_name at,
                        struct stat *out_stat);
int weir__sim_disk_chmod(struct weir__virtual_disk *base, struct weir__virtual_name at,
                         mode_t mode);
int weir__sim_disk_rename(struct weir__virtual_disk *base, struct weir__virtual_name from,
                          struct weir__virtual_name to, unsigned flags);
int weir__sim_disk_link(struct weir__virtual_disk *base, struct weir__virtual_name from,
                        struct weir__virtual_name to);
int weir__sim_disk_remove(struct weir__virtual_disk *base, struct weir__virtual_name at,
                          bool folder);
int weir__sim_disk_make_folder(struct weir__virtual_disk *base, struct weir__virtual_name at,
                               mode_t mode);
ssize_t weir__sim_disk_list(struct weir__virtual_disk *base, int fd, void *buffer, size_t size);

#endif
