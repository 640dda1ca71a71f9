/*
 * sim_disk_content.c - files of a simulated disk: what is in them
 *
 * See sim_disk.h for what a crash does.
 *
 * Runs on  any thread; each call takes the lock.
 */

#include "backend/sim_disk_inside.h"

ssize_t weir__sim_disk_read(struct weir__virtual_disk *base, int fd, const struct iovec *parts,
                            int count, int64_t offset)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_open_file *file;
    ssize_t done = 0;
    int rc = weir__sim_disk_begin(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_file(disk, fd, &file);
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
    weir__sim_disk_end(disk, 0);
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

static ssize_t write_part(struct sim_disk *disk, struct sim_open_file *file, struct iovec part,
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

ssize_t weir__sim_disk_write(struct weir__virtual_disk *base, int fd, const struct iovec *parts,
                             int count, int64_t offset)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_open_file *file;
    ssize_t done = 0;
    int rc = weir__sim_disk_begin_change(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_file(disk, fd, &file);
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
    weir__sim_disk_end(disk, 0);
    return rc < 0 ? rc : done;
}

int weir__sim_disk_sync(struct weir__virtual_disk *base, int fd)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_open_file *file;
    int rc = weir__sim_disk_begin_change(disk);
    weir__virtual_file_spend(disk->settings.sync_ns);
    if (rc == -EROFS)
        rc = 0;
    if (rc == 0)
        rc = weir__sim_disk_find_file(disk, fd, &file);
    if (rc == 0)
        rc = weir__sim_make_safe(&disk->tree, file->node);
    return weir__sim_disk_end(disk, rc);
}

int weir__sim_disk_truncate(struct weir__virtual_disk *base, int fd, int64_t size)
{
    struct sim_disk *disk = weir__sim_disk_of(base);
    struct sim_open_file *file;
    int rc = weir__sim_disk_begin_change(disk);
    if (rc == 0)
        rc = weir__sim_disk_find_file(disk, fd, &file);
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
    return weir__sim_disk_end(disk, rc);
}
