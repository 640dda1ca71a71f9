/*
 * weir/walk.h - what is in a folder, and in the folders beneath it
 *
 *     weir_walk *walk;
 *     const weir_walk_entry *entry;
 *     int rc = weir_walk_open(NULL, "/srv/uploads", &(weir_walk_options){.stat = true}, &walk);
 *     while (rc == 0 && (rc = weir_walk_next(walk, &entry)) == 1) {
 *         total += entry->stat.allocated_bytes;
 *         rc = 0;
 *     }
 *     weir_walk_close(walk);
 *
 * One folder alone is listed with depth_max 1. A folder is told before what is in it; apart from
 * that the order is the file system's. Symbolic links are told and never followed, so a walk cannot
 * go in a circle. Names that come or go meanwhile are told or not; all others are told once.
 *
 * Names are read many at a time by a job on a thread, as far as they fit (128 names), with what was
 * asked about each: a name costs no switch of threads and no turn of the loop.
 */
#ifndef WEIR_WALK_H
#define WEIR_WALK_H

#include <weir/base.h>
#include <weir/file.h>

/** A walk through a folder: a place in it. */
typedef struct weir_walk weir_walk;

enum {
    /** How deep a walk goes at most. */
    WEIR_WALK_DEPTH_MAX = 64,
};

/** How to walk. Zero is the default of each field. */
typedef struct weir_walk_options {
    unsigned depth_max; /* names deeper than this are not told; 1: only those in the folder itself;
                           0: WEIR_WALK_DEPTH_MAX, and a folder too deep to enter tells an error */
    bool stat;          /* ask about each: a system call more for it */
    bool one_device;    /* do not enter what is mounted in it */
} weir_walk_options;

/** A name that a walk has found. */
typedef struct weir_walk_entry {
    const char *path; /* from the folder that is walked, without it: "a/b" */
    const char *name; /* its last part */
    unsigned depth;   /* 1 in the folder itself */
    weir_file_kind kind;
    uint64_t inode;
    /* Of a folder: why what is in it is not told (-EACCES, -EMFILE, -ELOOP: too deep, -EXDEV:
       mounted, with one_device). With options.stat also why that failed, and the stat is zero. */
    int error;
    weir_file_stat stat; /* with options.stat; of the link and not of what it leads to */
} weir_walk_entry;

WEIR_BEGIN_DECLS

/**
 * Begin to walk through a folder.
 *
 * @param folder    open, or NULL; see weir/folder.h
 * @param name      of the folder to walk through; borrowed; "." is `folder` itself
 * @param options   borrowed; NULL for the defaults
 * @param out_walk  closed with weir_walk_close()
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  depth_max is more than WEIR_WALK_DEPTH_MAX
 *             others   as weir_folder_open()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_walk_open(weir_folder *folder, const char *name,
                                                            const weir_walk_options *options,
                                                            weir_walk **out_walk);

/**
 * The next name. One task at a time.
 *
 * @param walk       open
 * @param out_entry  valid until the next call for this walk
 *
 * Returns     1 when there is one, 0 when all were told, or a negative errno; after a failure other
 *             than -ECANCELED and -EBUSY every call returns it again
 * Errors      -EIO, ...   a folder could not be read on; weir_failure_message() names it
 *             -ENOMEM     no memory
 *             -ECANCELED  the caller's scope is cancelled; no name is lost
 *             -EBUSY      another task waits for the next name
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      the loop that opened it, in a task
 * Source      rules O4, X5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_walk_next(weir_walk *walk,
                                                            const weir_walk_entry **out_entry);

/**
 * Leave out what is in the folder that was told last.
 *
 * @param walk  open
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that opened it
 */
WEIR_API void weir_walk_skip(weir_walk *walk);

/**
 * End a walk, wherever it is.
 *
 * @param walk  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that opened it
 * Source      rule O8
 */
WEIR_API void weir_walk_close(weir_walk *walk);

WEIR_END_DECLS

#endif
