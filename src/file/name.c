/*
 * name.c - names in folders: looking at them, giving them, changing them, taking them away
 *
 * A plain path, or a name of one part beneath an open folder, goes through the ring like any call;
 * a name of several parts beneath a folder is one job on a thread, which finds its place first.
 *
 * Costs    a plain path or a name of one part: one call. Several parts: three in one job. What is
 *          known of a file whose folders are in memory: three calls on the loop, and no wait.
 * Runs on  any loop, in a task.
 */
#include <fcntl.h>
#include <stdio.h>
#include <weir/exec.h>

#include "base/sys_folder.h"
#include "file/call.h"
#include "file/file.h"
#include "file/folder.h"

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
    return folder == NULL || (strchr(name, '/') == NULL && !weir__name_is_dots(name));
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

static int tell_name(int rc, const char *verb, const weir_folder *folder, const char *name)
{
    return weir_fail(rc, "cannot %s %s: %s", verb, name, weir__folder_why(folder != NULL, rc));
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
        return tell_name(rc, verb, names.folder, names.name);
    return weir_fail(rc, "cannot %s %s to %s: %s", verb, names.name, names.to_name,
                     weir_code_text(rc));
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
        if (last[0] == '\0' || weir__name_is_dots(last))
            return false; /* refused, as for the other calls */
        how.resolve |= WEIR__BENEATH;
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
            return tell_name(rc, "look at", folder, name);
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
