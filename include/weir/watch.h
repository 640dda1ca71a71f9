/*
 * weir/watch.h - what happens to files and in folders, as events to wait for
 *
 *     weir_watch *watch;
 *     int id;
 *     int rc = weir_watch_open(&watch);
 *     if (rc == 0)
 *         rc = weir_watch_add(watch, "/etc/service", WEIR_WATCH_CHANGES, &id);
 *     weir_watch_event event;
 *     while (rc == 0 && (rc = weir_watch_next(watch, &event)) == 0)
 *         rc = event.happened & WEIR_WATCH_OVERFLOW ? load_all() : load(event.name);
 *     weir_watch_close(watch);
 *
 * Of what happens faster than it is taken the kernel keeps 16384 events
 * (fs.inotify.max_queued_events) and then says WEIR_WATCH_OVERFLOW once: look at everything again.
 * Equal events in a row are one. A folder is watched with the names in it, not with what is in
 * folders beneath it. Not told: what happens to a network file system on other machines, and to
 * memory-mapped files.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include <weir/base.h>

/** A set of watched paths and the queue of what happened to them. */
typedef struct weir_watch weir_watch;

/** What can happen: a set of bits. In a watched folder it happens to the name in it. */
enum weir_watch_happening {
    WEIR_WATCH_READ = 1 << 0,
    WEIR_WATCH_WRITTEN = 1 << 1,    /* each write and truncation */
    WEIR_WATCH_ATTRIBUTES = 1 << 2, /* permissions, times, owner, number of names */
    WEIR_WATCH_CLOSED = 1 << 3,     /* by somebody who could write: the content is complete */
    WEIR_WATCH_MOVED_FROM = 1 << 4, /* renamed: this was its name; `move` pairs it with */
    WEIR_WATCH_MOVED_TO = 1 << 5,   /* this is its name now */
    WEIR_WATCH_CREATED = 1 << 6,
    WEIR_WATCH_REMOVED = 1 << 7,
    WEIR_WATCH_SELF_REMOVED = 1 << 8, /* the watched file or folder itself */
    WEIR_WATCH_SELF_MOVED = 1 << 9,   /* it is still watched; the path that was given is stale */
    /** All but reads: what somebody who holds a copy wants to know. */
    WEIR_WATCH_CHANGES = 0x3fe,
    WEIR_WATCH_ALL = 0x3ff,
    /* Told without being asked for. */
    WEIR_WATCH_GONE = 1 << 12,     /* the id means nothing any more: removed, or unmounted */
    WEIR_WATCH_OVERFLOW = 1 << 13, /* events were lost, of any id; id is -1 */
    WEIR_WATCH_FOLDER = 1 << 14,   /* besides: the name is a folder's */
};

/** One event. */
typedef struct weir_watch_event {
    int id;            /* of weir_watch_add() */
    unsigned happened; /* enum weir_watch_happening */
    uint32_t move;     /* the same number in both halves of a rename; 0: none */
    const char *name;  /* in the watched folder; "": the watched path itself. Valid until the next
                          call of weir_watch_next() for this watch */
} weir_watch_event;

WEIR_BEGIN_DECLS

/**
 * Open an empty set.
 *
 * @param out_watch  closed with weir_watch_close()
 *
 * Returns     0 or a negative errno
 * Errors      -EMFILE  no descriptor, or fs.inotify.max_user_instances are open
 *             -ENOMEM  no memory
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      inotify(7)
 */
WEIR_API WEIR_MUST_CHECK int weir_watch_open(weir_watch **out_watch);

/**
 * Watch a path. What happens from the moment this returns is told; what happened before is not, so
 * look at the path after it.
 *
 * @param watch   open
 * @param path    borrowed; a symbolic link is followed
 * @param wanted  what to tell: bits up to WEIR_WATCH_ALL
 * @param out_id  names the path in events; never used again for another one
 *
 * Returns     0 or a negative errno
 * Errors      -EEXIST     the file or folder is watched already, perhaps under another name
 *             -EINVAL     nothing is wanted, or something else
 *             -ENOSPC     fs.inotify.max_user_watches paths are watched
 *             -ENOENT, -EACCES, ...  as inotify_add_watch(2)
 *             -ECANCELED  the caller's scope is cancelled, and nothing was added
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      the loop that opened it, in a task
 * Source      rule X5; inotify_add_watch(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_watch_add(weir_watch *watch, const char *path,
                                                            unsigned wanted, int *out_id);

/**
 * Watch a path no longer. What happened before is still told, then WEIR_WATCH_GONE.
 *
 * @param watch  open
 * @param id     of weir_watch_add()
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  no such id, or it is gone
 * Checkpoint  no
 * Thread      the loop that opened it
 * Source      rule O8
 */
WEIR_API WEIR_MUST_CHECK int weir_watch_remove(weir_watch *watch, int id);

/**
 * Wait for the next event. One task at a time.
 *
 * @param watch      open
 * @param out_event  written
 *
 * Returns     0 or a negative errno
 * Errors      -EBUSY      another task waits
 *             -EBADF      it was closed meanwhile
 *             -EOPNOTSUPP  there is none yet, and the backend is the simulated one
 *             -ECANCELED  the caller's scope is cancelled; no event is lost
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      the loop that opened it, in a task
 * Source      rules O4, O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_watch_next(weir_watch *watch,
                                                             weir_watch_event *out_event);

/**
 * Close it: nothing is watched any more. A task in weir_watch_next() gets -EBADF.
 *
 * @param watch  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that opened it
 * Source      rule O8
 */
WEIR_API void weir_watch_close(weir_watch *watch);

WEIR_END_DECLS

#endif
