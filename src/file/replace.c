/*
 * replace.c - putting new content in the place of a file: from one buffer, or piece by piece
 *
 * A file beside it is written, synced and renamed, then its folder is synced. From one buffer all
 * of it is one job on a thread: each step waits for the disk anyway. Piece by piece the first steps
 * are a job, the writes are those of any file, and the last steps are a job again.
 *
 * Costs    besides the writes, 11 system calls: three to begin, eight to put it in place.
 * Runs on  the loop; the steps on threads of the default pool.
 * Holds    1. Until the rename the old content is untouched, and nothing is left beside it on
 *             failure or when it is dropped.
 *          2. The folder is open from the first step to the last: whoever moves it meanwhile moves
 *             the replacement with it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <weir/exec.h>
#include <weir/replacement.h>
#include <weir/scope.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/sys_folder.h"
#include "file/call.h"
#include "file/file.h"
#include "file/folder.h"

enum {
    NAME_KEPT = 200,            /* of a long name, so that the one beside it fits */
    DROP_BUDGET_MS = 10 * 1000, /* for the disk to forget a file */
    BESIDE_BYTES = NAME_KEPT + sizeof(".0123456789abcdef.tmp"),
};

/* The file beside the one to be replaced. */
struct beside {
    const char *path; /* as it was given, for what is told */
    int folder;       /* that holds both (O_PATH) */
    int fd;
    mode_t mode;   /* of the old one */
    bool has_mode; /* there is an old one */
    char *last;    /* the name to take */
    char name[BESIDE_BYTES];
};

/* --- the steps, on a thread ------------------------------------------------------------------- */

static int failed(const struct beside *beside, const char *step, int rc)
{
    if (rc == -ECANCELED)
        return rc;
    return weir_fail(rc, "cannot replace %s: %s: %s", beside->path, step, weir_code_text(rc));
}

/* A plain path: its folder, through whatever links lead there. */
static int find_plain(const char *path, struct weir__place *out_place)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX] = ".";
    size_t size = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (size >= sizeof parent)
        return -ENAMETOOLONG;
    if (slash != NULL)
        memcpy(parent, path, size);
    parent[size] = '\0';
    int fd = weir__sys_open(parent, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    *out_place =
        (struct weir__place){.fd = fd, .opened = true, .name = slash == NULL ? path : slash + 1};
    return 0;
}

/* Beneath an open folder: always an open one of its own, which may outlive that. */
static int find_beneath(int folder, const char *path, struct weir__place *out_place)
{
    int rc = weir__place_find(folder, path, out_place);
    if (rc < 0 || out_place->opened)
        return rc;
    int fd = weir__sys_openat(folder, ".", O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    out_place->fd = fd;
    out_place->opened = true;
    return 0;
}

static void name_beside(struct beside *beside)
{
    uint64_t number;
    weir__base_random_bytes(&number, sizeof number);
    snprintf(beside->name, sizeof beside->name, "%.*s.%016llx.tmp", NAME_KEPT, beside->last,
             (unsigned long long)number);
}

/* As with chown(2): what runs as its owner does not begin to run as another one. */
static bool has_owner_of(int fd, const struct statx *old)
{
    struct stat stat;
    return weir__sys_fstat(fd, &stat) == 0 && stat.st_uid == old->stx_uid &&
           stat.st_gid == old->stx_gid;
}

/* After 0 it is to be put in place or dropped. */
static int begin(struct beside *beside, int folder, const char *path)
{
    struct weir__place place;
    struct statx old;
    bool plain = folder == AT_FDCWD;
    *beside = (struct beside){.path = path};
    int rc = plain ? find_plain(path, &place) : find_beneath(folder, path, &place);
    if (rc < 0)
        return failed(beside, "open its folder", rc);
    const char *step = "name a file beside it";
    beside->last = weir__base_strdup(place.name);
    rc = -ENOMEM;
    if (beside->last == NULL)
        goto leave;
    name_beside(beside);
    step = "look at it";
    rc = weir__sys_statx(place.fd, place.name, plain ? 0 : AT_SYMLINK_NOFOLLOW, &old);
    if (rc < 0 && rc != -ENOENT && rc != -ELOOP) /* a link that leads nowhere is replaced as well */
        goto free_last;
    beside->has_mode = rc == 0 && (old.stx_mode & S_IFMT) != S_IFLNK;
    beside->mode = rc == 0 ? old.stx_mode & 07777 : 0;
    step = "open a file beside it";
    rc = weir__sys_openat(place.fd, beside->name, O_RDWR | O_CREAT | O_EXCL,
                          beside->has_mode ? 0600 : 0666);
    if (rc < 0)
        goto free_last;
    beside->fd = rc;
    beside->folder = place.fd;
    if ((beside->mode & (S_ISUID | S_ISGID)) != 0 && !has_owner_of(beside->fd, &old))
        beside->mode &= ~(mode_t)(S_ISUID | S_ISGID);
    return 0;

free_last:
    weir__base_free(beside->last);
leave:
    weir__place_leave(&place);
    return failed(beside, step, rc);
}

/* Not fd, which belongs to the caller. */
static void end(struct beside *beside)
{
    weir_ignore(weir__sys_close(beside->folder), "only a path");
    weir__base_free(beside->last);
}

static void drop(struct beside *beside)
{
    weir_ignore(weir__sys_unlinkat(beside->folder, beside->name, 0),
                "the first failure is the one to tell");
}

/* The name is on the disk only when its folder is. */
static int sync_folder(const struct beside *beside)
{
    int fd = weir__sys_openat(beside->folder, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int rc = weir__sys_fsync(fd, false);
    weir_ignore(weir__sys_close(fd), "it was only synced");
    return rc;
}

/* Everything between the last write and the end. It is in its place, or gone. */
static int put_in_place(struct beside *beside)
{
    const char *step = "set its permissions";
    int rc = beside->has_mode ? weir__sys_fchmod(beside->fd, beside->mode) : 0;
    if (rc == 0) {
        step = "sync";
        rc = weir__sys_fsync(beside->fd, false);
    }
    if (rc == 0 && weir_job_cancelled())
        rc = -ECANCELED; /* the last moment at which nothing has happened */
    if (rc == 0) {
        step = "rename";
        rc = weir__sys_renameat(beside->folder, beside->name, beside->folder, beside->last, 0);
    }
    if (rc < 0) {
        drop(beside);
        return failed(beside, step, rc);
    }
    rc = sync_folder(beside);
    return rc < 0 ? failed(beside, "sync its folder", rc) : 0;
}

/* --- from one buffer -------------------------------------------------------------------------- */

struct whole {
    const char *path;
    const char *data;
    size_t size;
};

static int write_content(int fd, const struct whole *whole)
{
    size_t done = 0;
    while (done < whole->size) {
        if (weir_job_cancelled())
            return -ECANCELED;
        size_t piece = whole->size - done;
        if (piece > WEIR__FILE_CALL_BYTES_MAX)
            piece = WEIR__FILE_CALL_BYTES_MAX;
        ssize_t n = weir__sys_pwrite(fd, whole->data + done, piece, (off_t)done);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int replace(void *arg)
{
    const struct whole *whole = arg;
    struct beside beside;
    int rc = begin(&beside, AT_FDCWD, whole->path);
    if (rc < 0)
        return rc;
    rc = write_content(beside.fd, whole);
    if (rc == 0) {
        rc = put_in_place(&beside);
    } else {
        drop(&beside);
        rc = failed(&beside, "write", rc);
    }
    weir_ignore(weir__sys_close(beside.fd), "what was written is synced, or unwanted");
    end(&beside);
    return rc;
}

int weir_file_replace(const char *path, const void *data, size_t size)
{
    struct whole whole = {.path = path, .data = data, .size = size};
    return weir_offload_with(NULL, &(weir_offload_options){.name = "replace a file"}, replace,
                             &whole);
}

/* --- piece by piece --------------------------------------------------------------------------- */

struct weir_replacement {
    struct weir__ledger_entry entry;
    struct beside beside;
    weir_file *file; /* NULL: it could not be made */
    int64_t size;
    char *path;
    bool settled; /* the last job has run: the file beside it is gone, or has its name */
};

struct opening {
    struct beside *beside;
    int folder;
    const char *path;
};

static int run_begin(void *arg)
{
    struct opening *opening = arg;
    return begin(opening->beside, opening->folder, opening->path);
}

static int run_drop(void *arg)
{
    weir_replacement *replacement = arg;
    drop(&replacement->beside);
    return 0;
}

static int run_put_in_place(void *arg)
{
    weir_replacement *replacement = arg;
    replacement->settled = true;
    return put_in_place(&replacement->beside);
}

static void free_replacement(weir_replacement *replacement)
{
    weir__ledger_remove(&replacement->entry);
    weir_ignore(weir_file_close(replacement->file), "what was written is synced, or unwanted");
    end(&replacement->beside);
    weir__base_free(replacement->path);
    weir__base_free(replacement);
}

/* Also in a cancelled scope, and where nobody can wait. */
static void drop_beside(weir_replacement *replacement)
{
    weir_scope shield = {0};
    int rc =
        weir__core_task() == NULL ? -EPERM : weir_shield_enter(&shield, DROP_BUDGET_MS * WEIR_MS);
    if (rc == 0) {
        rc = weir_offload_with(NULL, &(weir_offload_options){.name = "drop a replacement"},
                               run_drop, replacement);
        rc = weir_scope_leave(&shield, rc);
    }
    if (rc < 0)
        drop(&replacement->beside); /* the job did not run: it cannot fail */
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_replacement *replacement = WEIR__CONTAINER(entry, weir_replacement, entry);
    drop(&replacement->beside);
    free_replacement(replacement);
}

int weir_replacement_open(weir_folder *folder, const char *name, weir_replacement **out_replacement)
{
    weir_replacement *replacement = weir__base_alloc_zero(sizeof *replacement);
    int rc = -ENOMEM;
    if (replacement == NULL)
        return rc;
    weir__list_init(&replacement->entry.link);
    replacement->path = weir__base_strdup(name);
    if (replacement->path == NULL)
        goto free_it;
    struct opening opening = {&replacement->beside, weir__folder_fd(folder), replacement->path};
    weir__folder_hold(folder);
    rc = weir_offload_with(NULL, &(weir_offload_options){.name = "begin a replacement"}, run_begin,
                           &opening);
    weir__folder_let_go(folder);
    if (rc < 0)
        goto free_it;
    rc = weir__file_new(replacement->beside.fd, false, name, __builtin_return_address(0),
                        &replacement->file);
    if (rc < 0) {
        drop_beside(replacement);
        free_replacement(replacement);
        return rc;
    }
    /* It is told and closed with the replacement, not by itself. */
    weir__ledger_remove(&replacement->file->entry);
    weir__ledger_add(&replacement->entry, "replacement", __builtin_return_address(0),
                     close_forgotten);
    *out_replacement = replacement;
    return 0;

free_it:
    weir__base_free(replacement->path);
    weir__base_free(replacement);
    return rc;
}

weir_file *weir_replacement_file(weir_replacement *replacement)
{
    return replacement->file;
}

const char *weir_replacement_name(const weir_replacement *replacement)
{
    return replacement->beside.name;
}

int weir_replacement_write(weir_replacement *replacement, const void *data, size_t size)
{
    size_t written;
    int rc = weir_file_write(replacement->file, data, size, replacement->size, &written);
    replacement->size += (int64_t)written;
    return rc;
}

int weir_replacement_commit(weir_replacement *replacement)
{
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "commit a replacement"},
                               run_put_in_place, replacement);
    if (!replacement->settled)
        drop_beside(replacement);
    free_replacement(replacement);
    return rc;
}

void weir_replacement_drop(weir_replacement *replacement)
{
    if (replacement == NULL)
        return;
    drop_beside(replacement);
    free_replacement(replacement);
}
