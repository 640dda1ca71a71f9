/*
 * copy.c - one file's content into another
 *
 * One job on a thread: copy_file_range where the kernel can (it shares blocks or moves bytes
 * without showing them to us), read and write where not: between some file systems, from files that
 * know no size. Holes stay holes.
 *
 * Costs    a system call for each 8 MiB, and two for each stretch between holes; else two for each
 *          256 KiB.
 * Runs on  a thread of the default pool.
 * Holds    1. The target is as long as what has been copied whenever the job ends: everything
 *          before
 *             `at` equals the source, and nothing lies behind it.
 *          2. Positions are given with each call, so others may use both files meanwhile.
 */
#include <unistd.h>
#include <weir/exec.h>

#include "base/alloc.h"
#include "base/sys_folder.h"
#include "file/file.h"

enum {
    STEP_BYTES = 8 << 20, /* between two looks at a cancellation */
    BUFFER_BYTES = 256 << 10,
};

struct copy {
    int from;
    int to;
    int64_t at;
    int64_t size; /* of the source when it began; 0: it does not know */
    char *buffer; /* of the slow way; NULL: not taken yet */
    bool slow;
};

/* What copy_file_range cannot do although read and write can. */
static bool is_no_for_the_kernel(ssize_t rc)
{
    return rc == -EXDEV || rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EPERM ||
           rc == -ETXTBSY;
}

static ssize_t copy_slowly(struct copy *copy, int64_t size)
{
    if (copy->buffer == NULL)
        copy->buffer = weir__base_alloc(BUFFER_BYTES);
    if (copy->buffer == NULL)
        return -ENOMEM;
    size_t piece = size < BUFFER_BYTES ? (size_t)size : BUFFER_BYTES;
    ssize_t got = weir__sys_pread(copy->from, copy->buffer, piece, copy->at);
    ssize_t put = 0;
    while (got > 0 && put < got) {
        ssize_t n =
            weir__sys_pwrite(copy->to, copy->buffer + put, (size_t)(got - put), copy->at + put);
        if (n <= 0) {
            copy->at += put; /* exact, also here */
            return n < 0 ? n : -EIO;
        }
        put += n;
    }
    return got;
}

/* At most `size` bytes from where it is. 0: the source has ended. */
static ssize_t copy_some(struct copy *copy, int64_t size)
{
    if (!copy->slow) {
        off_t from = copy->at, to = copy->at;
        size_t piece = size < STEP_BYTES ? (size_t)size : STEP_BYTES;
        ssize_t n = weir__sys_copy_file_range(copy->from, &from, copy->to, &to, piece);
        if (n > 0 || (n < 0 && !is_no_for_the_kernel(n)))
            return n;
        copy->slow = true; /* 0 too: some file systems know their size only when they are read */
    }
    return copy_slowly(copy, size);
}

/* To the end of a stretch. 0: there, 1: the source has ended, or a negative errno. */
static int copy_until(struct copy *copy, int64_t end)
{
    while (copy->at < end) {
        if (weir_job_cancelled())
            return -ECANCELED;
        ssize_t n = copy_some(copy, end - copy->at);
        if (n <= 0)
            return n < 0 ? (int)n : 1;
        copy->at += n;
    }
    return 0;
}

/* Stretch by stretch; file systems that know of no holes say that all of it is data. */
static int copy_known_size(struct copy *copy)
{
    int rc = 0;
    while (rc == 0 && copy->at < copy->size) {
        off_t data = weir__sys_lseek(copy->from, copy->at, SEEK_DATA);
        if (data == -ENXIO) { /* a hole to the end */
            copy->at = copy->size;
            break;
        }
        if (data < 0) /* it cannot be asked */
            return copy_until(copy, copy->size);
        copy->at = data < copy->size ? data : copy->size;
        off_t hole = weir__sys_lseek(copy->from, copy->at, SEEK_HOLE);
        rc = copy_until(copy, hole < 0 || hole > copy->size ? copy->size : hole);
    }
    return rc;
}

/* Before anything is thrown away: two files, and one that can be read. */
static int check(struct copy *copy, struct stat *out_stat)
{
    struct stat to;
    char byte;
    int rc = weir__sys_fstat(copy->from, out_stat);
    if (rc == 0)
        rc = weir__sys_fstat(copy->to, &to);
    if (rc < 0)
        return rc;
    if (to.st_dev == out_stat->st_dev && to.st_ino == out_stat->st_ino)
        return -EINVAL;
    ssize_t n = weir__sys_pread(copy->from, &byte, 1, 0);
    return n < 0 ? (int)n : 0;
}

static int copy_all(struct copy *copy)
{
    struct stat stat;
    int rc = check(copy, &stat);
    if (rc == 0)
        rc = weir__sys_ftruncate(copy->to, 0);
    if (rc < 0)
        return rc;
    copy->size = S_ISREG(stat.st_mode) ? stat.st_size : 0;
    rc = copy->size > 0 ? copy_known_size(copy) : copy_until(copy, INT64_MAX);
    /* Also after a failure: what lies behind `at`, or is a hole before it, becomes true. */
    int cut = weir__sys_ftruncate(copy->to, copy->at);
    if (rc >= 0)
        rc = cut;
    return rc;
}

static int run(void *arg)
{
    struct copy *copy = arg;
    int rc = copy_all(copy);
    weir__base_free(copy->buffer);
    return rc;
}

int weir_file_copy(weir_file *from, weir_file *to, int64_t *out_copied)
{
    struct copy copy = {.from = from->fd, .to = to->fd};
    if (to->append || from == to)
        return -EINVAL;
    weir__file_hold(from);
    weir__file_hold(to);
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "copy a file"}, run, &copy);
    weir_ignore(weir__file_let_go(to), "whoever closed it has been told");
    weir_ignore(weir__file_let_go(from), "whoever closed it has been told");
    if (out_copied != NULL)
        *out_copied = copy.at;
    return rc;
}
