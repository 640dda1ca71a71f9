/*
 * call.c - one call on a file that may wait for a disk: through the ring, else on a thread
 *
 * Costs    on the ring a submission, which leaves with all others of the turn in one system call.
 *          On a thread one job; a thread that is busy takes the next job without being woken.
 * Runs on  the loop; the jobs on threads of the default pool.
 * Holds    1. The caller stays until the kernel has let go of its buffer and path.
 *          2. The ring is left for a thread where it says that it cannot (-EAGAIN, -EOPNOTSUPP): it
 *             has done nothing then.
 */
#include "file/call.h"

#include <linux/openat2.h>
#include <weir/exec.h>

#include "base/sys_folder.h"

/* --- on a thread ------------------------------------------------------------------------------ */

static ssize_t run_open(const struct weir__op *op)
{
    return weir__sys_open(op->buffer, op->flags, (mode_t)op->size);
}

/* -EAGAIN: somebody moved a folder while `..` was resolved. That passes. */
static ssize_t run_open_how(const struct weir__op *op)
{
    int rc = -EAGAIN;
    for (int tries = 0; rc == -EAGAIN && tries < 100; tries++)
        rc = weir__sys_openat2(op->fd, op->buffer, op->more);
    return rc;
}

static ssize_t run_read(const struct weir__op *op)
{
    return weir__sys_pread(op->fd, op->buffer, op->size, op->offset);
}

static ssize_t run_write(const struct weir__op *op)
{
    return weir__sys_pwrite(op->fd, op->buffer, op->size, op->offset);
}

static ssize_t run_read_parts(const struct weir__op *op)
{
    return weir__sys_preadv(op->fd, op->more, (int)op->size, op->offset);
}

static ssize_t run_write_parts(const struct weir__op *op)
{
    return weir__sys_pwritev(op->fd, op->more, (int)op->size, op->offset);
}

static ssize_t run_sync(const struct weir__op *op)
{
    return weir__sys_fsync(op->fd, op->flags == 1);
}

static ssize_t run_stat(const struct weir__op *op)
{
    return weir__sys_statx(op->fd, op->buffer, op->flags, op->more);
}

static ssize_t run_rename(const struct weir__op *op)
{
    return weir__sys_renameat(op->fd, op->buffer, (int)op->offset, op->more, (unsigned)op->flags);
}

static ssize_t run_link(const struct weir__op *op)
{
    return weir__sys_linkat(op->fd, op->buffer, (int)op->offset, op->more, op->flags);
}

static ssize_t run_symlink(const struct weir__op *op)
{
    return weir__sys_symlinkat(op->more, op->fd, op->buffer);
}

static ssize_t run_remove(const struct weir__op *op)
{
    return weir__sys_unlinkat(op->fd, op->buffer, op->flags);
}

static ssize_t run_make_folder(const struct weir__op *op)
{
    return weir__sys_mkdirat(op->fd, op->buffer, (mode_t)op->size);
}

static ssize_t run_allocate(const struct weir__op *op)
{
    return weir__sys_fallocate(op->fd, op->flags, op->offset, (off_t)op->size);
}

static ssize_t run_advise(const struct weir__op *op)
{
    return weir__sys_fadvise(op->fd, op->offset, (off_t)op->size, op->flags);
}

static ssize_t run_truncate(const struct weir__op *op)
{
    return weir__sys_ftruncate(op->fd, op->offset);
}

static ssize_t run_set_mode(const struct weir__op *op)
{
    return weir__sys_fchmod(op->fd, (mode_t)op->size);
}

static ssize_t run_read_link(const struct weir__op *op)
{
    return weir__sys_readlinkat(op->fd, op->buffer, op->more, op->size);
}

static ssize_t run_lock(const struct weir__op *op)
{
    return weir__sys_flock(op->fd, op->flags);
}

static ssize_t (*const runs[WEIR__FILE_KIND_COUNT])(const struct weir__op *op) = {
    [WEIR__OP_OPEN] = run_open,
    [WEIR__OP_OPEN_HOW] = run_open_how,
    [WEIR__OP_READ] = run_read,
    [WEIR__OP_WRITE] = run_write,
    [WEIR__OP_READ_PARTS] = run_read_parts,
    [WEIR__OP_WRITE_PARTS] = run_write_parts,
    [WEIR__OP_FSYNC] = run_sync,
    [WEIR__OP_STAT] = run_stat,
    [WEIR__OP_RENAME] = run_rename,
    [WEIR__OP_LINK] = run_link,
    [WEIR__OP_SYMLINK] = run_symlink,
    [WEIR__OP_REMOVE] = run_remove,
    [WEIR__OP_MAKE_FOLDER] = run_make_folder,
    [WEIR__OP_ALLOCATE] = run_allocate,
    [WEIR__OP_ADVISE] = run_advise,
    [WEIR__OP_TRUNCATE] = run_truncate,
    [WEIR__FILE_SET_MODE] = run_set_mode,
    [WEIR__FILE_READ_LINK] = run_read_link,
    [WEIR__FILE_LOCK] = run_lock,
};

ssize_t weir__file_call_here(const struct weir__op *op)
{
    return runs[op->kind](op);
}

struct job {
    const struct weir__op *op;
    ssize_t result;
};

static int run_job(void *arg)
{
    struct job *job = arg;
    job->result = weir__file_call_here(job->op);
    return 0;
}

static ssize_t on_a_thread(const struct weir__op *op)
{
    struct job job = {.op = op};
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "file"}, run_job, &job);
    if (rc == -EAGAIN && (unsigned)op->kind == WEIR__FILE_LOCK) // would mean: somebody else has it
        return weir_fail(-ENOMEM, "no thread could be started to lock a file");
    return rc < 0 ? rc : job.result;
}

/* --- through the ring ------------------------------------------------------------------------- */

static bool ring_knows(const struct weir__op *op)
{
    const struct weir__backend_features *features = weir__io_features();
    switch ((unsigned)op->kind) {
    case WEIR__OP_OPEN:
    case WEIR__OP_READ:
    case WEIR__OP_WRITE:
    case WEIR__OP_FSYNC:
        return features->file_ops;
    case WEIR__OP_ADVISE:
        return (features->file_kinds >> WEIR__OP_ADVISE & 1) != 0 && op->size <= UINT32_MAX;
    default:
        return (unsigned)op->kind < WEIR__OP_KIND_COUNT &&
               (features->file_kinds >> op->kind & 1) != 0;
    }
}

ssize_t weir__file_call(struct weir__op op)
{
    if (weir__core_task() == NULL)
        return -EPERM;
    if (ring_knows(&op)) {
        ssize_t result = weir__io_run(&op);
        if (result != -EAGAIN && result != -EOPNOTSUPP)
            return result;
    }
    return on_a_thread(&op);
}

/* --- by name ---------------------------------------------------------------------------------- */

int weir__file_call_open(const char *path, int flags, unsigned mode)
{
    return (int)weir__file_call((struct weir__op){
        .kind = WEIR__OP_OPEN, .buffer = weir__file_borrow(path), .flags = flags, .size = mode});
}

ssize_t weir__file_call_read(int fd, void *buffer, size_t size, int64_t offset)
{
    return weir__file_call((struct weir__op){
        .kind = WEIR__OP_READ, .fd = fd, .buffer = buffer, .size = size, .offset = offset});
}

ssize_t weir__file_call_write(int fd, const void *data, size_t size, int64_t offset)
{
    return weir__file_call((struct weir__op){.kind = WEIR__OP_WRITE,
                                             .fd = fd,
                                             .buffer = weir__file_borrow(data),
                                             .size = size,
                                             .offset = offset});
}

int weir__file_call_sync(int fd, bool data_only)
{
    return (int)weir__file_call(
        (struct weir__op){.kind = WEIR__OP_FSYNC, .fd = fd, .flags = data_only ? 1 : 0});
}
