/*
 * call.c - one call on a file that may wait for a disk: through the ring, else on a thread
 *
 * Runs on  the loop; the jobs on threads of the default pool.
 * Holds    1. The caller stays until the kernel has let go of its buffer and path.
 *          2. The ring is left for a thread where it says that it cannot (-EAGAIN, -EOPNOTSUPP): it
 *             has done nothing then.
 */
#include "file/call.h"

#include <weir/exec.h>

#include "base/sys.h"
#include "core/io.h"

struct call {
    ssize_t (*run)(const struct call *call);
    int fd;
    void *buffer;   /* or the path */
    size_t size;    /* or the mode */
    int64_t offset; /* or the flags, or the new size */
    ssize_t result;
};

static ssize_t run_open(const struct call *call)
{
    return weir__sys_open(call->buffer, (int)call->offset, (mode_t)call->size);
}

static ssize_t run_read(const struct call *call)
{
    return weir__sys_pread(call->fd, call->buffer, call->size, call->offset);
}

static ssize_t run_write(const struct call *call)
{
    return weir__sys_pwrite(call->fd, call->buffer, call->size, call->offset);
}

static ssize_t run_sync(const struct call *call)
{
    return weir__sys_fsync(call->fd, false);
}

static ssize_t run_truncate(const struct call *call)
{
    return weir__sys_ftruncate(call->fd, call->offset);
}

static ssize_t run_remove(const struct call *call)
{
    return weir__sys_unlink(call->buffer);
}

static int run_call(void *arg)
{
    struct call *call = arg;
    call->result = call->run(call);
    return 0;
}

static ssize_t on_a_thread(struct call call)
{
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "file"}, run_call, &call);
    return rc < 0 ? rc : call.result;
}

/* False: the ring cannot, and has done nothing. */
static bool through_the_ring(struct weir__op op, ssize_t *out_result)
{
    if (weir__core_task() != NULL && !weir__io_features()->file_ops)
        return false;
    ssize_t result = weir__io_run(&op);
    if (result == -EAGAIN || result == -EOPNOTSUPP)
        return false;
    *out_result = result;
    return true;
}

int weir__file_call_open(const char *path, int flags, unsigned mode)
{
    void *borrowed = (void *)(uintptr_t)path;
    ssize_t result;
    if (through_the_ring(
            (struct weir__op){
                .kind = WEIR__OP_OPEN, .buffer = borrowed, .flags = flags, .size = mode},
            &result))
        return (int)result;
    return (int)on_a_thread(
        (struct call){.run = run_open, .buffer = borrowed, .size = mode, .offset = flags});
}

ssize_t weir__file_call_read(int fd, void *buffer, size_t size, int64_t offset)
{
    ssize_t result;
    if (through_the_ring(
            (struct weir__op){
                .kind = WEIR__OP_READ, .fd = fd, .buffer = buffer, .size = size, .offset = offset},
            &result))
        return result;
    return on_a_thread(
        (struct call){.run = run_read, .fd = fd, .buffer = buffer, .size = size, .offset = offset});
}

ssize_t weir__file_call_write(int fd, const void *data, size_t size, int64_t offset)
{
    void *borrowed = (void *)(uintptr_t)data;
    ssize_t result;
    if (through_the_ring((struct weir__op){.kind = WEIR__OP_WRITE,
                                           .fd = fd,
                                           .buffer = borrowed,
                                           .size = size,
                                           .offset = offset},
                         &result))
        return result;
    return on_a_thread((struct call){
        .run = run_write, .fd = fd, .buffer = borrowed, .size = size, .offset = offset});
}

int weir__file_call_sync(int fd)
{
    ssize_t result;
    if (through_the_ring((struct weir__op){.kind = WEIR__OP_FSYNC, .fd = fd}, &result))
        return (int)result;
    return (int)on_a_thread((struct call){.run = run_sync, .fd = fd});
}

int weir__file_call_truncate(int fd, int64_t size)
{
    return (int)on_a_thread((struct call){.run = run_truncate, .fd = fd, .offset = size});
}

int weir__file_call_remove(const char *path)
{
    return (int)on_a_thread((struct call){.run = run_remove, .buffer = (void *)(uintptr_t)path});
}
