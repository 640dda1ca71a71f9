/*
 * watch.c - what happens to files and in folders, as events to wait for
 *
 * An inotify descriptor and a block of events that were read from it. It is read when the block has
 * been told, and waited for only when there is nothing to read.
 *
 * Costs    a system call for as many events as 4 KiB hold, and a wait of the backend when there are
 *          none. Adding a path is a job on a thread: it is looked up on a disk.
 * Runs on  the loop's own thread; adding on a thread of the default pool.
 * Holds    1. At most one task is in next; `poll` is submitted only while it is parked.
 *          2. A watch that is closed while calls are under way is released by the last of them.
 */
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <weir/exec.h>
#include <weir/watch.h>

#include "base/alloc.h"
#include "base/sys_folder.h"
#include "core/io.h"
#include "core/ledger.h"

enum { BLOCK_BYTES = 4096 };

struct weir_watch {
    struct weir__ledger_entry entry;
    int fd;
    int refs; /* the opener's, and one for each call under way */
    bool closed;
    bool busy;            /* a task is in next */
    struct weir__op poll; /* its wait; submitted, or not */
    size_t at, size;      /* in the block */
    _Alignas(struct inotify_event) char block[BLOCK_BYTES];
};

/* --- words ------------------------------------------------------------------------------------ */

static const struct {
    uint32_t kernel;
    unsigned happening;
} words[] = {
    {IN_ACCESS, WEIR_WATCH_READ},
    {IN_MODIFY, WEIR_WATCH_WRITTEN},
    {IN_ATTRIB, WEIR_WATCH_ATTRIBUTES},
    {IN_CLOSE_WRITE, WEIR_WATCH_CLOSED},
    {IN_MOVED_FROM, WEIR_WATCH_MOVED_FROM},
    {IN_MOVED_TO, WEIR_WATCH_MOVED_TO},
    {IN_CREATE, WEIR_WATCH_CREATED},
    {IN_DELETE, WEIR_WATCH_REMOVED},
    {IN_DELETE_SELF, WEIR_WATCH_SELF_REMOVED},
    {IN_MOVE_SELF, WEIR_WATCH_SELF_MOVED},
    {IN_IGNORED, WEIR_WATCH_GONE},
    {IN_Q_OVERFLOW, WEIR_WATCH_OVERFLOW},
    {IN_ISDIR, WEIR_WATCH_FOLDER},
};

enum { WORD_COUNT = sizeof words / sizeof words[0] };

static uint32_t mask_of(unsigned wanted)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < WORD_COUNT; i++)
        if ((wanted & words[i].happening) != 0)
            mask |= words[i].kernel;
    return mask;
}

static unsigned happened(uint32_t mask)
{
    unsigned bits = 0;
    for (size_t i = 0; i < WORD_COUNT; i++)
        if ((mask & words[i].kernel) != 0)
            bits |= words[i].happening;
    return bits;
}

/* --- open and close --------------------------------------------------------------------------- */

static void let_go(weir_watch *watch)
{
    if (--watch->refs > 0)
        return;
    weir__io_close(watch->fd);
    weir__base_free(watch);
}

void weir_watch_close(weir_watch *watch)
{
    if (watch == NULL)
        return;
    weir__ledger_remove(&watch->entry);
    watch->closed = true;
    if (watch->poll.submitted)
        weir__io_cancel(&watch->poll);
    let_go(watch);
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_watch_close(WEIR__CONTAINER(entry, weir_watch, entry));
}

int weir_watch_open(weir_watch **out_watch)
{
    if (weir__core_task() == NULL)
        return -EPERM;
    weir_watch *watch = weir__base_alloc(sizeof *watch);
    if (watch == NULL)
        return -ENOMEM;
    memset(watch, 0, offsetof(weir_watch, block));
    watch->fd = weir__sys_inotify_open();
    if (watch->fd < 0) {
        int rc = watch->fd;
        weir__base_free(watch);
        return weir_fail(rc, "cannot watch: %s; see fs.inotify.max_user_instances",
                         weir_code_text(rc));
    }
    watch->refs = 1;
    weir__list_init(&watch->entry.link);
    weir__ledger_add(&watch->entry, "watch", __builtin_return_address(0), close_forgotten);
    *out_watch = watch;
    return 0;
}

/* --- paths ------------------------------------------------------------------------------------ */

struct adding {
    int fd;
    const char *path;
    uint32_t mask;
    int id;
};

static int add(void *arg)
{
    struct adding *adding = arg;
    int id = weir__sys_inotify_add(adding->fd, adding->path, adding->mask | IN_MASK_CREATE);
    if (id == -ENOSPC)
        return weir_fail(id, "cannot watch %s: too many are; see fs.inotify.max_user_watches",
                         adding->path);
    if (id < 0)
        return weir_fail(id, "cannot watch %s: %s", adding->path, weir_code_text(id));
    adding->id = id;
    return 0;
}

int weir_watch_add(weir_watch *watch, const char *path, unsigned wanted, int *out_id)
{
    if (wanted == 0 || (wanted & ~(unsigned)WEIR_WATCH_ALL) != 0)
        return -EINVAL;
    struct adding adding = {watch->fd, path, mask_of(wanted), -1};
    watch->refs++;
    int rc = weir_offload_with(NULL, &(weir_offload_options){.name = "watch a path"}, add, &adding);
    if (rc == 0)
        *out_id = adding.id;
    let_go(watch);
    return rc;
}

int weir_watch_remove(weir_watch *watch, int id)
{
    return weir__sys_inotify_remove(watch->fd, id);
}

/* --- events ----------------------------------------------------------------------------------- */

static void take_event(weir_watch *watch, weir_watch_event *out_event)
{
    const struct inotify_event *event =
        (const struct inotify_event *)(const void *)(watch->block + watch->at);
    watch->at += sizeof *event + event->len;
    *out_event = (weir_watch_event){.id = event->wd,
                                    .happened = happened(event->mask),
                                    .move = event->cookie,
                                    .name = event->len > 0 ? event->name : ""};
}

/* More events into the block; a checkpoint when there are none yet. */
static int fill_block(weir_watch *watch)
{
    for (;;) {
        ssize_t n = weir__sys_read(watch->fd, watch->block, sizeof watch->block);
        if (n > 0) {
            watch->at = 0;
            watch->size = (size_t)n;
            return 0;
        }
        if (n != -EAGAIN)
            return n < 0 ? (int)n : -EIO;
        watch->poll = (struct weir__op){.kind = WEIR__OP_POLL, .fd = watch->fd, .flags = POLLIN};
        n = weir__io_run(&watch->poll);
        if (watch->closed)
            return -EBADF;
        if (n < 0)
            return (int)n;
    }
}

/* Whoever closes it meanwhile leaves the block to us until we have returned. */
static int next(weir_watch *watch, weir_watch_event *out_event)
{
    bool at_once = watch->at < watch->size;
    int rc = at_once ? 0 : fill_block(watch);
    if (rc < 0)
        return rc;
    if (at_once)
        weir__core_completed_at_once();
    if (watch->closed)
        return -EBADF;
    take_event(watch, out_event);
    return 0;
}

int weir_watch_next(weir_watch *watch, weir_watch_event *out_event)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (watch->busy)
        return -EBUSY;
    watch->refs++;
    watch->busy = true;
    rc = next(watch, out_event);
    watch->busy = false;
    let_go(watch);
    return rc;
}
