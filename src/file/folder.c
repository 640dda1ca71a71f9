/*
 * folder.c - open folders, and finding what lies beneath them
 *
 * A name beneath an open folder is resolved by the kernel with RESOLVE_BENEATH, and without any
 * symbolic link: what is not the last part is opened first (O_PATH), and the call is made there
 * with the last part alone, which none of these calls follows.
 *
 * Runs on  any loop, in a task; the reference count is atomic because loops may share a folder.
 */
#include "file/folder.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <weir/exec.h>

#include "base/alloc.h"
#include "base/sys_folder.h"
#include "file/call.h"
#include "file/file.h"

/* --- who closes the descriptor ---------------------------------------------------------------- */

int weir__folder_fd(const weir_folder *folder)
{
    return folder == NULL ? AT_FDCWD : folder->fd;
}

void weir__folder_hold(weir_folder *folder)
{
    if (folder != NULL)
        __atomic_fetch_add(&folder->refs, 1, __ATOMIC_RELAXED);
}

void weir__folder_let_go(weir_folder *folder)
{
    if (folder == NULL || __atomic_sub_fetch(&folder->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    weir_ignore(weir__sys_close(folder->fd), "a folder has nothing to lose");
    weir__base_free(folder);
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_folder_close(WEIR__CONTAINER(entry, weir_folder, entry));
}

void weir_folder_close(weir_folder *folder)
{
    if (folder == NULL)
        return;
    weir__ledger_remove(&folder->entry);
    weir__folder_let_go(folder);
}

/* --- names beneath a folder, on a thread ------------------------------------------------------ */

int weir__place_find(int folder, const char *name, struct weir__place *out_place)
{
    const char *slash = strrchr(name, '/');
    *out_place = (struct weir__place){.fd = folder, .name = name};
    if (folder == AT_FDCWD)
        return 0;
    if (slash != NULL) {
        out_place->name = slash + 1;
        if (out_place->name[0] == '\0')
            return -EINVAL;
    }
    if (weir__name_is_dots(out_place->name))
        return -EXDEV;
    if (slash == NULL)
        return 0;
    char parent[PATH_MAX];
    size_t size = slash == name ? 1 : (size_t)(slash - name);
    if (size >= sizeof parent)
        return -ENAMETOOLONG;
    memcpy(parent, name, size);
    parent[size] = '\0';
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = WEIR__BENEATH};
    int fd = (int)weir__file_call_here(&(struct weir__op){
        .kind = WEIR__OP_OPEN_HOW, .fd = folder, .buffer = parent, .more = &how});
    if (fd < 0)
        return fd;
    out_place->fd = fd;
    out_place->opened = true;
    return 0;
}

void weir__place_leave(struct weir__place *place)
{
    if (place->opened)
        weir_ignore(weir__sys_close(place->fd), "only a path");
    place->opened = false;
}

int weir__place_open_folder(int folder, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = WEIR__BENEATH};
    if (folder == AT_FDCWD)
        return weir__sys_open(name, O_RDONLY | O_DIRECTORY, 0);
    return (int)weir__file_call_here(&(struct weir__op){
        .kind = WEIR__OP_OPEN_HOW, .fd = folder, .buffer = weir__file_borrow(name), .more = &how});
}

/* --- open ------------------------------------------------------------------------------------- */

const char *weir__folder_why(bool beneath, int rc)
{
    if (beneath && rc == -EXDEV)
        return "EXDEV: the name leads out of the folder";
    if (beneath && rc == -ELOOP)
        return "ELOOP: a symbolic link, which may lead out of the folder";
    return weir_code_text(rc);
}

int weir__folder_open_beneath(weir_folder *folder, const char *name, int flags, unsigned mode)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
                           .resolve = WEIR__BENEATH};
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE)
        how.mode = mode;
    weir__folder_hold(folder);
    int fd = -EAGAIN;
    if ((flags & (O_CREAT | O_TRUNC | O_TMPFILE)) == 0) {
        struct open_how cached = how;
        cached.resolve |= RESOLVE_CACHED;
        fd = weir__sys_openat2(folder->fd, name, &cached);
    }
    if (fd >= 0 || fd == -ENOENT)
        weir__core_completed_at_once();
    else
        fd = (int)weir__file_call((struct weir__op){.kind = WEIR__OP_OPEN_HOW,
                                                    .fd = folder->fd,
                                                    .buffer = weir__file_borrow(name),
                                                    .more = &how});
    weir__folder_let_go(folder);
    return fd;
}

static int open_folder(weir_folder *beneath, const char *name)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    int flags = O_RDONLY | O_DIRECTORY;
    int fd = beneath != NULL ? weir__folder_open_beneath(beneath, name, flags, 0)
                             : weir__file_call_open(name, flags, 0);
    if (fd < 0 && fd != -ECANCELED)
        return weir_fail(fd, "cannot open folder %s: %s", name,
                         weir__folder_why(beneath != NULL, fd));
    return fd;
}

int weir_folder_open(weir_folder *beneath, const char *name, weir_folder **out_folder)
{
    weir_folder *folder = weir__base_alloc(sizeof *folder);
    if (folder == NULL)
        return -ENOMEM;
    int fd = open_folder(beneath, name);
    if (fd < 0) {
        weir__base_free(folder);
        return fd;
    }
    *folder = (weir_folder){.fd = fd, .refs = 1};
    weir__list_init(&folder->entry.link);
    weir__ledger_add(&folder->entry, "folder", __builtin_return_address(0), close_forgotten);
    *out_folder = folder;
    return 0;
}

/* --- jobs of several steps -------------------------------------------------------------------- */

struct folder_job {
    int folder;
    const char *name;
    unsigned mode;
};

static int run_folder_job(weir_folder *folder, const char *name, unsigned mode, weir_job_fn *fn,
                          const char *what)
{
    struct folder_job job = {weir__folder_fd(folder), name, mode};
    weir__folder_hold(folder);
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = what}, fn, &job);
    weir__folder_let_go(folder);
    return rc;
}

static int sync_folder(void *arg)
{
    struct folder_job *job = arg;
    int fd = weir__place_open_folder(job->folder, job->name);
    int rc = fd;
    if (fd >= 0) {
        rc = weir__sys_fsync(fd, false);
        weir_ignore(weir__sys_close(fd), "it was only synced");
    }
    if (rc < 0)
        return weir_fail(rc, "cannot sync folder %s: %s", job->name, weir_code_text(rc));
    return 0;
}

int weir_folder_sync(weir_folder *folder, const char *name)
{
    return run_folder_job(folder, name, 0, sync_folder, "sync a folder");
}

static int make_one(int folder, const char *name, unsigned mode)
{
    struct weir__place place;
    int rc = weir__place_find(folder, name, &place);
    if (rc < 0)
        return rc;
    rc = weir__sys_mkdirat(place.fd, place.name, (mode_t)mode);
    if (rc == -EEXIST) {
        struct statx found;
        int flags = folder == AT_FDCWD ? 0 : AT_SYMLINK_NOFOLLOW;
        rc = weir__sys_statx(place.fd, place.name, flags, &found);
        if (rc == 0 && (found.stx_mode & S_IFMT) != S_IFDIR)
            rc = -ENOTDIR;
    }
    weir__place_leave(&place);
    return rc;
}

/* From the top down, so that each step that is there costs one call. */
static int make_all(void *arg)
{
    struct folder_job *job = arg;
    char path[PATH_MAX];
    size_t size = strlen(job->name);
    while (size > 1 && job->name[size - 1] == '/')
        size--;
    if (size == 0 || size >= sizeof path)
        return size == 0 ? -ENOENT : -ENAMETOOLONG;
    memcpy(path, job->name, size);
    path[size] = '\0';
    int rc = 0;
    for (size_t at = 1; at <= size && rc == 0; at++) {
        if ((path[at] != '/' && path[at] != '\0') || path[at - 1] == '/')
            continue;
        char end = path[at];
        path[at] = '\0';
        rc = weir_job_cancelled() ? -ECANCELED : make_one(job->folder, path, job->mode);
        if (rc < 0 && rc != -ECANCELED)
            rc = weir_fail(rc, "cannot make folder %s: %s", path, weir_code_text(rc));
        path[at] = end;
    }
    return rc;
}

int weir_folder_make_all(weir_folder *folder, const char *name, unsigned mode)
{
    return run_folder_job(folder, name, mode == 0 ? 0777 : mode, make_all, "make folders");
}
