/*
 * temporary.c - files without a name, and giving them one
 *
 * O_TMPFILE makes a file that no folder knows, so nothing can be left behind, whatever crashes.
 * Where the file system cannot, a file is made under a random name and removed at once, which is
 * the same but for two things: a crash between the two leaves it, and it can get no name later.
 *
 * Runs on  the loop; the calls on threads of the default pool.
 */
#include <fcntl.h>
#include <stdio.h>
#include <weir/exec.h>

#include "base/clock.h"
#include "base/sys_folder.h"
#include "file/file.h"
#include "file/folder.h"

struct making {
    int folder;
    const char *name;
    int fd;
};

static bool is_not_supported(int rc)
{
    return rc == -EOPNOTSUPP || rc == -EISDIR || rc == -EINVAL || rc == -ENOENT;
}

static int make_and_remove(int folder)
{
    uint64_t number;
    char name[40];
    weir__base_random_bytes(&number, sizeof number);
    snprintf(name, sizeof name, ".%016llx.tmp", (unsigned long long)number);
    int fd = weir__sys_openat(folder, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fd;
    int rc = weir__sys_unlinkat(folder, name, 0);
    if (rc < 0) {
        weir_ignore(weir__sys_close(fd), "nothing was written");
        return rc;
    }
    return fd;
}

static int make(void *arg)
{
    struct making *making = arg;
    int folder = weir__place_open_folder(making->folder, making->name);
    int rc = folder;
    if (folder >= 0) {
        rc = weir__sys_openat(folder, ".", O_TMPFILE | O_RDWR, 0600);
        if (is_not_supported(rc))
            rc = make_and_remove(folder);
        weir_ignore(weir__sys_close(folder), "only a place");
    }
    if (rc < 0)
        return weir_fail(rc, "cannot make a temporary file in %s: %s", making->name,
                         weir_code_text(rc));
    making->fd = rc;
    return 0;
}

int weir_file_open_temporary(weir_folder *folder, const char *name, weir_file **out_file)
{
    struct making making = {.folder = weir__folder_fd(folder), .name = name};
    weir__folder_hold(folder);
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "make a temporary file"}, make,
                               &making);
    weir__folder_let_go(folder);
    if (rc < 0)
        return rc;
    return weir__file_new(making.fd, false, name, __builtin_return_address(0), out_file);
}

struct keeping {
    int fd;
    int folder;
    const char *name;
};

static int keep(void *arg)
{
    const struct keeping *keeping = arg;
    struct weir__place place;
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", keeping->fd);
    int rc = weir__place_find(keeping->folder, keeping->name, &place);
    if (rc < 0)
        return weir_fail(rc, "cannot keep a file as %s: %s", keeping->name, weir_code_text(rc));
    /* AT_EMPTY_PATH would ask for a privilege before Linux 6.10. */
    rc = weir__sys_linkat(AT_FDCWD, self, place.fd, place.name, AT_SYMLINK_FOLLOW);
    weir__place_leave(&place);
    return rc < 0 ? weir_fail(rc, "cannot keep a file as %s: %s", keeping->name, weir_code_text(rc))
                  : 0;
}

int weir_file_keep(weir_file *file, weir_folder *folder, const char *name)
{
    struct keeping keeping = {file->fd, weir__folder_fd(folder), name};
    weir__folder_hold(folder);
    weir__file_hold(file);
    int rc =
        weir_offload_with(NULL, &(weir_offload_options){.name = "keep a file"}, keep, &keeping);
    weir_ignore(weir__file_let_go(file), "whoever closed it has been told");
    weir__folder_let_go(folder);
    return rc;
}
