/*
 * folder.c - open folders, and what lies beneath them
 *
 * A name beneath an open folder is resolved by the kernel with RESOLVE_BENEATH, and without any
 * symbolic link: what is not the last part is opened first (O_PATH), and the call is made there
 * with the last part alone, which none of these calls follows. A name of one part needs no such
 * step, so it goes through the ring like a plain path; several parts are one job on a thread.
 *
 * Costs    a plain path or a name of one part: one call. Several parts: three in one job. What is
 *          known of a file whose folders are in memory: three calls on the loop, and no wait.
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

enum { BENEATH = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

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

static bool is_dots(const char *name)
{
    return strcmp(name, "..") == 0;
}

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
    if (is_dots(out_place->name))
        return -EXDEV;
    if (slash == NULL)
        return 0;
    char parent[PATH_MAX];
    size_t size = slash == name ? 1 : (size_t)(slash - name);
    if (size >= sizeof parent)
        return -ENAMETOOLONG;
    memcpy(parent, name, size);
    parent[size] = '\0';
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = BENEATH};
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
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = BENEATH};
    if (folder == AT_FDCWD)
        return weir__sys_open(name, O_RDONLY | O_DIRECTORY, 0);
    return (int)weir__file_call_here(&(struct weir__op){
        .kind = WEIR__OP_OPEN_HOW, .fd = folder, .buffer = weir__file_borrow(name), .more = &how});
}

/* --- a call on one name or two ---------------------------------------------------------------- */

struct names {
    weir_folder *folder;
    const char *name;
    weir_folder *to_folder;
    const char *to_name; /* NULL: there is only one */
};

/* Whether the kernel cannot be led out of the folder by it: no step before the last part. */
static bool is_direct(const weir_folder *folder, const char *name)
{
    return folder == NULL || (strchr(name, '/') == NULL && !is_dots(name));
}

struct name_job {
    struct weir__op op;
    const struct names *names;
    ssize_t result;
};

static int run_at_places(void *arg)
{
    struct name_job *job = arg;
    const struct names *names = job->names;
    struct weir__place place, to_place = {0};
    int rc = weir__place_find(weir__folder_fd(names->folder), names->name, &place);
    if (rc < 0)
        return rc;
    if (names->to_name != NULL) {
        rc = weir__place_find(weir__folder_fd(names->to_folder), names->to_name, &to_place);
        if (rc < 0)
            goto leave;
        job->op.offset = to_place.fd;
        job->op.more = weir__file_borrow(to_place.name);
    }
    job->op.fd = place.fd;
    job->op.buffer = weir__file_borrow(place.name);
    job->result = weir__file_call_here(&job->op);
    weir__place_leave(&to_place);
leave:
    weir__place_leave(&place);
    return rc;
}

static ssize_t call_held(const struct names *names, struct weir__op op)
{
    bool direct = is_direct(names->folder, names->name) &&
                  (names->to_name == NULL || is_direct(names->to_folder, names->to_name));
    if (!direct) {
        struct name_job job = {.op = op, .names = names};
        int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "name beneath a folder"},
                                   run_at_places, &job);
        return rc < 0 ? rc : job.result;
    }
    op.fd = weir__folder_fd(names->folder);
    op.buffer = weir__file_borrow(names->name);
    if (names->to_name != NULL) {
        op.offset = weir__folder_fd(names->to_folder);
        op.more = weir__file_borrow(names->to_name);
    }
    return weir__file_call(op);
}

static int tell_name(int rc, const char *verb, const char *name)
{
    return weir_fail(rc, "cannot %s %s: %s", verb, name, weir_code_text(rc));
}

/* A checkpoint. `verb` is for what is told: "cannot <verb> <name>". */
static int call_names(struct names names, struct weir__op op, const char *verb)
{
    weir__folder_hold(names.folder);
    weir__folder_hold(names.to_folder);
    ssize_t result = call_held(&names, op);
    weir__folder_let_go(names.to_folder);
    weir__folder_let_go(names.folder);
    if (result >= 0 || result == -ECANCELED || weir__core_task() == NULL)
        return (int)result;
    int rc = (int)result;
    if (names.to_name == NULL)
        return tell_name(rc, verb, names.name);
    return weir_fail(rc, "cannot %s %s to %s: %s", verb, names.name, names.to_name,
                     weir_code_text(rc));
}

/* --- open ------------------------------------------------------------------------------------- */

int weir__folder_open_beneath(weir_folder *folder, const char *name, int flags, unsigned mode)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC, .resolve = BENEATH};
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
        return weir_fail(fd, "cannot open folder %s: %s", name, weir_code_text(fd));
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

/* --- names ------------------------------------------------------------------------------------ */

/*
 * What is in memory, without waiting: O_PATH opens nothing, and no server is asked. File systems
 * that are no disk of this machine may know better than memory does (FUSE, network): they have no
 * device number of their own, and are asked the long way. So are those that only look like them.
 */
static bool stat_cached(const weir_folder *folder, const char *name, int flags,
                        struct statx *out_found, int *out_rc)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    if ((flags & AT_SYMLINK_NOFOLLOW) != 0)
        how.flags |= O_NOFOLLOW;
    if (folder != NULL) {
        const char *slash = strrchr(name, '/');
        const char *last = slash == NULL ? name : slash + 1;
        if (last[0] == '\0' || is_dots(last))
            return false; /* refused, as for the other calls */
        how.resolve |= BENEATH;
    }
    int fd = weir__sys_openat2(weir__folder_fd(folder), name, &how);
    *out_rc = fd;
    if (fd < 0)
        return fd == -ENOENT;
    *out_rc = weir__sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, out_found);
    weir_ignore(weir__sys_close(fd), "only a path");
    return *out_rc == 0 && out_found->stx_dev_major != 0;
}

int weir_folder_stat(weir_folder *folder, const char *name, bool follow, weir_file_stat *out_stat)
{
    struct statx found;
    bool beneath = folder != NULL;
    int flags = follow && !beneath ? 0 : AT_SYMLINK_NOFOLLOW;
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir__folder_hold(folder);
    bool at_once = stat_cached(folder, name, flags, &found, &rc);
    weir__folder_let_go(folder);
    if (at_once) {
        weir__core_completed_at_once();
        if (rc < 0)
            return tell_name(rc, "look at", name);
    } else {
        rc = call_names((struct names){.folder = folder, .name = name},
                        (struct weir__op){.kind = WEIR__OP_STAT, .flags = flags, .more = &found},
                        "look at");
    }
    if (rc < 0)
        return rc;
    if (follow && beneath && (found.stx_mode & S_IFMT) == S_IFLNK)
        return weir_fail(-ELOOP, "%s is a symbolic link, which may lead out of the folder", name);
    weir__file_tell(&found, out_stat);
    return 0;
}

int weir_folder_make(weir_folder *folder, const char *name, unsigned mode)
{
    return call_names(
        (struct names){.folder = folder, .name = name},
        (struct weir__op){.kind = WEIR__OP_MAKE_FOLDER, .size = mode == 0 ? 0777 : mode},
        "make folder");
}

int weir_folder_rename(weir_folder *folder, const char *name, weir_folder *to_folder,
                       const char *to_name, weir_rename_mode mode)
{
    static const int flags[] = {
        [WEIR_RENAME_REPLACE] = 0,
        [WEIR_RENAME_NO_REPLACE] = RENAME_NOREPLACE,
        [WEIR_RENAME_EXCHANGE] = RENAME_EXCHANGE,
    };
    if ((unsigned)mode >= sizeof flags / sizeof flags[0])
        return -EINVAL;
    return call_names((struct names){folder, name, to_folder, to_name},
                      (struct weir__op){.kind = WEIR__OP_RENAME, .flags = flags[mode]}, "rename");
}

int weir_file_rename(const char *from, const char *to, weir_rename_mode mode)
{
    return weir_folder_rename(NULL, from, NULL, to, mode);
}

int weir_folder_link(weir_folder *folder, const char *name, weir_folder *to_folder,
                     const char *to_name)
{
    return call_names((struct names){folder, name, to_folder, to_name},
                      (struct weir__op){.kind = WEIR__OP_LINK}, "link");
}

int weir_folder_symlink(weir_folder *folder, const char *name, const char *target)
{
    return call_names(
        (struct names){.folder = folder, .name = name},
        (struct weir__op){.kind = WEIR__OP_SYMLINK, .more = weir__file_borrow(target)},
        "make symbolic link");
}

int weir_folder_read_link(weir_folder *folder, const char *name, char *buffer, size_t size)
{
    if (size == 0)
        return -ENAMETOOLONG;
    int rc = call_names((struct names){.folder = folder, .name = name},
                        (struct weir__op){.kind = (enum weir__op_kind)WEIR__FILE_READ_LINK,
                                          .more = buffer,
                                          .size = size},
                        "read symbolic link");
    if (rc < 0)
        return rc;
    if ((size_t)rc == size)
        return -ENAMETOOLONG;
    buffer[rc] = '\0';
    return 0;
}

int weir_folder_remove_file(weir_folder *folder, const char *name)
{
    return call_names((struct names){.folder = folder, .name = name},
                      (struct weir__op){.kind = WEIR__OP_REMOVE}, "remove");
}

int weir_file_remove(const char *path)
{
    return weir_folder_remove_file(NULL, path);
}

int weir_folder_remove(weir_folder *folder, const char *name)
{
    return call_names((struct names){.folder = folder, .name = name},
                      (struct weir__op){.kind = WEIR__OP_REMOVE, .flags = AT_REMOVEDIR},
                      "remove folder");
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
