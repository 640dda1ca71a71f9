/*
 * weir/folder.h - folders: names in them, making, listing, removing
 *
 * Every call takes a folder and a name in it. The folder NULL stands for where the process is: the
 * name is then a path as for any other program. With an open folder, names cannot lead out of it:
 * absolute paths, `..` above it and symbolic links on the way are refused, also when somebody moves
 * things meanwhile (openat2(2), Linux 5.6). So names that come from outside need no checks.
 *
 *     weir_folder *uploads;
 *     int rc = weir_folder_open(NULL, "/srv/uploads", &uploads);
 *     ...
 *     rc = weir_folder_remove_file(uploads, name_from_a_request);
 *
 * The last part of a name is never followed when it is a symbolic link, except where it says so.
 * What has begun is waited for, also by a cancelled caller, and its result is told. What is in a
 * folder is told by weir/walk.h.
 */
#ifndef WEIR_FOLDER_H
#define WEIR_FOLDER_H

#include <weir/base.h>
#include <weir/file.h>

WEIR_BEGIN_DECLS

/**
 * Open a folder, to name things beneath it. The folder itself may be moved: it stays the same one.
 *
 * @param beneath     open, or NULL
 * @param name        borrowed; "." is the folder itself
 * @param out_folder  closed with weir_folder_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT, -EACCES, ...  as open(2)
 *             -ENOTDIR        it is no folder
 *             -EXDEV, -ELOOP  it would lead out of `beneath`
 *             -ENOSYS         `beneath` is not NULL, on a kernel before 5.6
 *             -ENOMEM         no memory
 *             -ECANCELED      the caller's scope is cancelled, and nothing was opened
 *             -EPERM          called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O5, O7; openat2(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_open(weir_folder *beneath,
                                                              const char *name,
                                                              weir_folder **out_folder);

/**
 * Close a folder. Calls of other tasks that are under way end as if nothing had happened.
 *
 * @param folder  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that opened it
 * Source      rule O8
 */
WEIR_API void weir_folder_close(weir_folder *folder);

/**
 * What the file system knows about what a name stands for. On a disk of this machine, what is in
 * memory is told without a wait.
 *
 * @param folder    open, or NULL
 * @param name      borrowed
 * @param follow    of a symbolic link, tell about what it leads to; in an open folder -ELOOP
 * @param out_stat  written
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT, -EACCES, ...  as statx(2)
 *             -EXDEV, -ELOOP  it would lead out of the folder
 *             -ECANCELED      the caller's scope is cancelled
 *             -EPERM          called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_stat(weir_folder *folder, const char *name,
                                                              bool follow,
                                                              weir_file_stat *out_stat);

/**
 * Read a whole file; weir_file_read_all() for a name in a folder.
 *
 * @param folder     open, or NULL
 * @param name       borrowed
 * @param bytes_max  0: 64 MiB; WEIR_UNLIMITED must be written out
 * @param out_bytes  released with weir_bytes_free(); a NUL that is not counted stands behind them
 *
 * Returns     0 or a negative errno
 * Errors      -EXDEV, -ELOOP  it would lead out of the folder
 *             others          as weir_file_read_all()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O5, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_read_all(weir_folder *folder,
                                                                  const char *name,
                                                                  size_t bytes_max,
                                                                  weir_bytes *out_bytes);

/**
 * Make a folder.
 *
 * @param folder  open, or NULL
 * @param name    borrowed
 * @param mode    its permissions, before the umask; 0: 0777
 *
 * Returns     0 or a negative errno
 * Errors      -EEXIST     the name is taken
 *             -ENOENT, -EACCES, -ENOSPC, ...  as mkdir(2)
 *             -EXDEV, -ELOOP  it would lead out of the folder
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_make(weir_folder *folder, const char *name,
                                                              unsigned mode);

/**
 * Make a folder and those above it that are missing; what is there already is no error.
 *
 * @param folder  open, or NULL
 * @param name    borrowed
 * @param mode    permissions of each, before the umask; 0: 0777
 *
 * Returns     0 when the folder is there, or a negative errno; those made so far stay
 * Errors      -ENOTDIR    something on the way is no folder
 *             others      as weir_folder_make()
 *             -ECANCELED  the caller's scope is cancelled
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule X5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_make_all(weir_folder *folder,
                                                                  const char *name, unsigned mode);

/**
 * Give a file or folder another name in the same file system.
 *
 * @param folder     open, or NULL
 * @param name       borrowed
 * @param to_folder  open, or NULL
 * @param to_name    borrowed
 * @param mode       what to do when the new name is there
 *
 * Returns     0 or a negative errno; then nothing has changed
 * Errors      as weir_file_rename(), and
 *             -EXDEV, -ELOOP  it would lead out of a folder
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_rename(weir_folder *folder,
                                                                const char *name,
                                                                weir_folder *to_folder,
                                                                const char *to_name,
                                                                weir_rename_mode mode);

/**
 * Give a file a second name in the same file system: both are equal from then on.
 *
 * @param folder     open, or NULL
 * @param name       borrowed
 * @param to_folder  open, or NULL
 * @param to_name    borrowed
 *
 * Returns     0 or a negative errno
 * Errors      -EEXIST, -EXDEV, -EPERM (a folder), -EMLINK, ...  as link(2)
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_link(weir_folder *folder, const char *name,
                                                              weir_folder *to_folder,
                                                              const char *to_name);

/**
 * Make a symbolic link.
 *
 * @param folder  open, or NULL
 * @param name    of the link; borrowed
 * @param target  where it leads; any text, looked at by nobody now; borrowed
 *
 * Returns     0 or a negative errno
 * Errors      -EEXIST, -EACCES, -ENOSPC, ...  as symlink(2)
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_symlink(weir_folder *folder,
                                                                 const char *name,
                                                                 const char *target);

/**
 * Where a symbolic link leads.
 *
 * @param folder  open, or NULL
 * @param name    of the link; borrowed
 * @param buffer  gets the text, with a NUL behind it
 * @param size    of the buffer; 4096 holds every one
 *
 * Returns     0 or a negative errno; then the buffer holds nothing of use
 * Errors      -EINVAL        it is no symbolic link
 *             -ENAMETOOLONG  the buffer is too small
 *             -ENOENT, -EACCES, ...  as readlink(2)
 *             -ECANCELED     the caller's scope is cancelled
 *             -EPERM         called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_read_link(weir_folder *folder,
                                                                   const char *name, char *buffer,
                                                                   size_t size);

/**
 * Remove a name that is no folder's; the file goes with the last one who has it open.
 *
 * @param folder  open, or NULL
 * @param name    borrowed
 *
 * Returns     0 or a negative errno
 * Errors      -EISDIR     it is a folder
 *             -ENOENT, -EACCES, ...  as unlink(2)
 *             -EXDEV, -ELOOP  it would lead out of the folder
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_remove_file(weir_folder *folder,
                                                                     const char *name);

/**
 * Remove an empty folder.
 *
 * @param folder  open, or NULL
 * @param name    borrowed
 *
 * Returns     0 or a negative errno
 * Errors      -ENOTEMPTY, -ENOTDIR, -EBUSY, ...  as rmdir(2)
 *             others      as weir_folder_remove_file()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_remove(weir_folder *folder,
                                                                const char *name);

/**
 * Remove a folder with all that is in it. Symbolic links are removed, never followed, also when
 * somebody puts one in the place of a folder meanwhile. It goes on at whatever depth.
 *
 * @param folder       open, or NULL
 * @param name         borrowed; its last part may not be "." or ".."
 * @param out_removed  names removed, exact whatever is returned; may be NULL
 *
 * Returns     0 when all of it is gone, or a negative errno; then *out_removed names are
 * Errors      -ENOTDIR, -ELOOP  it is no folder, or a symbolic link
 *             -EACCES, -EBUSY (a mount), -EROFS, ...  of the first that could not be removed;
 *                         weir_failure_message() names it
 *             -ENOTEMPTY  others go on adding to it
 *             -EINVAL     the last part of the name is "." or ".."
 *             -ECANCELED  the caller's scope is cancelled; what is left is whole
 *             others      as weir_folder_remove()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O6, X5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_remove_tree(weir_folder *folder,
                                                                     const char *name,
                                                                     uint64_t *out_removed);

/**
 * Wait until the names in a folder are on the disk: of files made, renamed or removed in it.
 *
 * @param folder  open, or NULL
 * @param name    of the folder; borrowed; "." for `folder` itself
 *
 * Returns     0 or a negative errno
 * Errors      -EIO, ...   as fsync(2)
 *             -ECANCELED  the caller's scope is cancelled
 *             others      as weir_folder_open()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule X5; fsync(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_folder_sync(weir_folder *folder,
                                                              const char *name);

WEIR_END_DECLS

#endif
