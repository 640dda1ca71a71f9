/*
 * weir/replacement.h - new content for a file, written piece by piece, that takes its place at once
 *
 *     weir_replacement *save;
 *     int rc = weir_replacement_open(NULL, "state.json", &save);
 *     if (rc < 0)
 *         return rc;
 *     for (size_t i = 0; i < count && rc == 0; i++)
 *         rc = weir_replacement_write(save, lines[i].data, lines[i].size);
 *     if (rc == 0)
 *         return weir_replacement_commit(save);
 *     weir_replacement_drop(save);
 *
 * Whoever opens the file finds all of the old content or all of the new, also after a crash; one
 * that was dropped leaves nothing. (After a crash a file with the name, a random number and `.tmp`
 * may be left beside it.) For content that is in memory, weir_file_replace() is one call.
 */
#ifndef WEIR_REPLACEMENT_H
#define WEIR_REPLACEMENT_H

#include <weir/base.h>
#include <weir/file.h>

/** A file that is being written to take the place of another. */
typedef struct weir_replacement weir_replacement;

WEIR_BEGIN_DECLS

/**
 * Begin to replace a file, or to make it. Its folder must be writable; a symbolic link is replaced,
 * not followed; permissions are kept, an owner is not (nor, then, the set-ID bits).
 *
 * @param folder           open, or NULL; see weir/folder.h
 * @param name             of the file to replace; borrowed
 * @param out_replacement  ended with weir_replacement_commit() or weir_replacement_drop()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT, -EACCES, -EROFS, -ENOSPC, ...  weir_failure_message() names the step
 *             -EXDEV, -ELOOP  it would lead out of the folder
 *             -ENOMEM     no memory
 *             -ECANCELED  the caller's scope is cancelled, and nothing was made
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O5, X5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_replacement_open(
    weir_folder *folder, const char *name, weir_replacement **out_replacement);

/**
 * The file that is being written, open to read and to write.
 *
 * @param replacement  open
 *
 * Returns     the file; it ends with the replacement and must not be closed
 * Checkpoint  no
 * Thread      the loop that opened it
 */
WEIR_API weir_file *weir_replacement_file(weir_replacement *replacement);

/**
 * The name that it has in its folder until it is committed or dropped: a temporary file that other
 * programs can open.
 *
 * @param replacement  open
 *
 * Returns     the last part of its path; it ends with the replacement
 * Checkpoint  no
 * Thread      the loop that opened it
 */
WEIR_API const char *weir_replacement_name(const weir_replacement *replacement);

/**
 * Write bytes behind those written with this call before.
 *
 * @param replacement  open; one task at a time
 * @param data         in use until this returns
 * @param size         how many
 *
 * Returns     0 when all is written, or a negative errno; then drop the replacement
 * Errors      as weir_file_write()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_replacement_write(weir_replacement *replacement,
                                                                    const void *data, size_t size);

/**
 * Put what was written in the place of the file. When this returns 0, it is on the disk.
 *
 * @param replacement  taken, also on failure
 *
 * Returns     0 or a negative errno; then the old content is there, except when the very last step,
 *             the sync of the folder, failed
 * Errors      -ENOSPC, -EIO, ...  weir_failure_message() names the step
 *             -EISDIR     the name is a folder's
 *             -ECANCELED  the caller's scope is cancelled; the old content is there
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      the loop that opened it, in a task
 * Source      rule X5; rename(2), fsync(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_replacement_commit(weir_replacement *replacement);

/**
 * Give up: what was written goes, and the old content stays. A cancelled caller waits for it too.
 *
 * @param replacement  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  always, but it is never cancelled; outside a task it blocks the thread
 * Thread      the loop that opened it
 * Source      rule O8
 */
WEIR_API WEIR_CHECKPOINT void weir_replacement_drop(weir_replacement *replacement);

WEIR_END_DECLS

#endif
