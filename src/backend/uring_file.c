/*
 * uring_file.c - the backend on io_uring: operations on files beyond read, write, sync and open
 *
 * All but TRUNCATE are as old as the ring we ask for (Linux 5.19); what a kernel or a filter has
 * taken out is found by the probe and not submitted. The kernel does those that may wait for a disk
 * on threads of its own, so they cost this side a submission and a share of the turn's one call.
 *
 * Runs on  the loop's own thread.
 */
#include <assert.h>
#include <fcntl.h>
#include <linux/stat.h>

#include "backend/uring.h"

enum { OPCODE_FTRUNCATE = 55 }; /* IORING_OP_FTRUNCATE, younger than the headers we build with */

static const unsigned char opcodes[WEIR__OP_KIND_COUNT] = {
    [WEIR__OP_READ_PARTS] = IORING_OP_READV,    [WEIR__OP_WRITE_PARTS] = IORING_OP_WRITEV,
    [WEIR__OP_STAT] = IORING_OP_STATX,          [WEIR__OP_OPEN_HOW] = IORING_OP_OPENAT2,
    [WEIR__OP_RENAME] = IORING_OP_RENAMEAT,     [WEIR__OP_LINK] = IORING_OP_LINKAT,
    [WEIR__OP_SYMLINK] = IORING_OP_SYMLINKAT,   [WEIR__OP_REMOVE] = IORING_OP_UNLINKAT,
    [WEIR__OP_MAKE_FOLDER] = IORING_OP_MKDIRAT, [WEIR__OP_ALLOCATE] = IORING_OP_FALLOCATE,
    [WEIR__OP_ADVISE] = IORING_OP_FADVISE,      [WEIR__OP_TRUNCATE] = OPCODE_FTRUNCATE,
};

_Static_assert(WEIR__OP_KIND_COUNT <= 64, "features.file_kinds has a bit for each kind");

uint64_t weir__uring_file_kinds(const struct io_uring_probe *probe)
{
    uint64_t kinds = 0;
    for (unsigned kind = 0; kind < WEIR__OP_KIND_COUNT; kind++)
        if (opcodes[kind] != 0 && io_uring_opcode_supported(probe, opcodes[kind]))
            kinds |= UINT64_C(1) << kind;
    if (weir__uring_age != WEIR__URING_ANY)
        kinds &= ~(UINT64_C(1) << WEIR__OP_TRUNCATE);
    return kinds;
}

void weir__uring_fill_file(struct io_uring_sqe *sqe, const struct weir__op *op)
{
    const char *name = op->buffer;
    switch (op->kind) {
    case WEIR__OP_READ_PARTS:
        io_uring_prep_readv(sqe, op->fd, op->more, (unsigned)op->size, (uint64_t)op->offset);
        break;
    case WEIR__OP_WRITE_PARTS:
        io_uring_prep_writev(sqe, op->fd, op->more, (unsigned)op->size, (uint64_t)op->offset);
        break;
    case WEIR__OP_STAT:
        io_uring_prep_statx(sqe, op->fd, name, op->flags, STATX_BASIC_STATS | STATX_BTIME,
                            op->more);
        break;
    case WEIR__OP_OPEN_HOW:
        io_uring_prep_openat2(sqe, op->fd, name, op->more);
        break;
    case WEIR__OP_RENAME:
        io_uring_prep_renameat(sqe, op->fd, name, (int)op->offset, op->more, (unsigned)op->flags);
        break;
    case WEIR__OP_LINK:
        io_uring_prep_linkat(sqe, op->fd, name, (int)op->offset, op->more, op->flags);
        break;
    case WEIR__OP_SYMLINK:
        io_uring_prep_symlinkat(sqe, op->more, op->fd, name);
        break;
    case WEIR__OP_REMOVE:
        io_uring_prep_unlinkat(sqe, op->fd, name, op->flags);
        break;
    case WEIR__OP_MAKE_FOLDER:
        io_uring_prep_mkdirat(sqe, op->fd, name, (mode_t)op->size);
        break;
    case WEIR__OP_ALLOCATE:
        // By hand: liburing 2.3 takes 64 bits for the length, older and newer ones differ.
        io_uring_prep_rw(IORING_OP_FALLOCATE, sqe, op->fd, NULL, (unsigned)op->flags,
                         (uint64_t)op->offset);
        sqe->addr = (uint64_t)op->size;
        break;
    case WEIR__OP_ADVISE:
        io_uring_prep_fadvise(sqe, op->fd, (uint64_t)op->offset, (off_t)op->size, op->flags);
        break;
    case WEIR__OP_TRUNCATE:
        io_uring_prep_rw(OPCODE_FTRUNCATE, sqe, op->fd, NULL, 0, (uint64_t)op->offset);
        break;
    default:
        assert(false && "unknown kind");
        io_uring_prep_nop(sqe);
        break;
    }
}
