/*
 * watch_test.c - what happens to files and in folders, as events to wait for
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/io.h"
#include "core/observe.h"
#include "tests/file/folder.h"
#include "tests/support/everywhere.h"
#include "tests/support/fault_loop.h"

static weir_watch *open_watch(const char *path, unsigned wanted, int *out_id)
{
    weir_watch *watch = NULL;
    EXPECT_RC(0, weir_watch_open(&watch));
    EXPECT_RC(0, weir_watch_add(watch, path, wanted, out_id));
    return watch;
}

#define EXPECT_EVENT(watch_, id_, happened_, name_)                                                \
    do {                                                                                           \
        weir_watch_event event_ = {0};                                                             \
        EXPECT_RC(0, weir_watch_next((watch_), &event_));                                          \
        EXPECT_EQ((id_), event_.id);                                                               \
        EXPECT_EQ((happened_), event_.happened);                                                   \
        EXPECT_STR((name_), event_.name == NULL ? "(none)" : event_.name);                         \
    } while (0)

IO_TEST(what_happens_in_a_folder_is_told_in_order)
{
    struct folder folder = folder_make();
    int id = -1;
    weir_watch *watch = open_watch(folder.path, WEIR_WATCH_CHANGES, &id);
    int again;
    EXPECT_RC(-EEXIST, weir_watch_add(watch, folder.path, WEIR_WATCH_READ, &again));
    const char *a = folder_path(&folder, "a");
    put_file(a, "text", 4);
    EXPECT_EVENT(watch, id, WEIR_WATCH_CREATED, "a");
    EXPECT_EVENT(watch, id, WEIR_WATCH_WRITTEN, "a");
    EXPECT_EVENT(watch, id, WEIR_WATCH_CLOSED, "a");
    EXPECT_EQ(0, chmod(a, 0600));
    EXPECT_EVENT(watch, id, WEIR_WATCH_ATTRIBUTES, "a");
    EXPECT_EQ(0, mkdir(folder_path(&folder, "sub"), 0700));
    EXPECT_EVENT(watch, id, WEIR_WATCH_CREATED | WEIR_WATCH_FOLDER, "sub");
    EXPECT_EQ(0, rename(a, folder_path(&folder, "b")));
    weir_watch_event from, to;
    EXPECT_RC(0, weir_watch_next(watch, &from));
    EXPECT_STR("a", from.name);
    EXPECT_RC(0, weir_watch_next(watch, &to));
    EXPECT_STR("b", to.name);
    EXPECT_EQ(WEIR_WATCH_MOVED_FROM, from.happened);
    EXPECT_EQ(WEIR_WATCH_MOVED_TO, to.happened);
    EXPECT(from.move != 0 && from.move == to.move);
    EXPECT_EQ(0, remove(folder_path(&folder, "b")));
    EXPECT_EVENT(watch, id, WEIR_WATCH_REMOVED, "b");

    EXPECT_RC(0, weir_watch_remove(watch, id));
    EXPECT_EVENT(watch, id, WEIR_WATCH_GONE, "");
    EXPECT_RC(-EINVAL, weir_watch_remove(watch, id));
    EXPECT_RC(-EINVAL, weir_watch_add(watch, folder.path, 0, &id));
    EXPECT_RC(-EINVAL, weir_watch_add(watch, folder.path, WEIR_WATCH_GONE, &id));
    EXPECT_RC(-ENOENT, weir_watch_add(watch, "/no/such/path", WEIR_WATCH_ALL, &id));
    EXPECT_CONTAINS("/no/such/path", weir_failure_message(-ENOENT));
    weir_watch_close(watch);
    weir_watch_close(NULL);
    folder_remove(&folder);
}

IO_TEST(a_watched_file_that_is_removed_is_gone)
{
    struct folder folder = folder_make();
    const char *a = folder_path(&folder, "a");
    put_file(a, "", 0);
    int id = -1;
    weir_watch *watch =
        open_watch(a, WEIR_WATCH_SELF_REMOVED | WEIR_WATCH_SELF_MOVED | WEIR_WATCH_WRITTEN, &id);
    EXPECT_EQ(0, rename(a, folder_path(&folder, "b")));
    EXPECT_EVENT(watch, id, WEIR_WATCH_SELF_MOVED, "");
    EXPECT_EQ(0, remove(folder_path(&folder, "b")));
    EXPECT_EVENT(watch, id, WEIR_WATCH_SELF_REMOVED, "");
    EXPECT_EVENT(watch, id, WEIR_WATCH_GONE, "");
    weir_watch_close(watch);
    folder_remove(&folder);
}

/* Equal events in a row are one; a queue that is full says so. */
IO_TEST(events_that_are_lost_are_told_as_lost)
{
    struct folder folder = folder_make();
    int id = -1;
    char limit[16];
    weir_watch *watch = open_watch(folder.path, WEIR_WATCH_ATTRIBUTES | WEIR_WATCH_READ, &id);
    put_file(folder_path(&folder, "a"), "text", 4);
    put_file(folder_path(&folder, "b"), "text", 4);
    char a[128], b[128];
    snprintf(a, sizeof a, "%s", folder_path(&folder, "a"));
    snprintf(b, sizeof b, "%s", folder_path(&folder, "b"));
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(0, chmod(a, 0600));
    EXPECT_EVENT(watch, id, WEIR_WATCH_ATTRIBUTES, "a");
    EXPECT_EQ(0, chmod(b, 0600));
    EXPECT_EVENT(watch, id, WEIR_WATCH_ATTRIBUTES, "b");

    get_file("/proc/sys/fs/inotify/max_queued_events", limit, sizeof limit);
    int most = 0;
    EXPECT_EQ(1, sscanf(limit, "%d", &most));
    if (most <= 100000) {
        for (int i = 0; i <= most / 2 + 1; i++)
            EXPECT(chmod(a, 0600) == 0 && chmod(b, 0600) == 0);
        weir_watch_event event = {0};
        int count = 0;
        while (event.happened != WEIR_WATCH_OVERFLOW && count <= most + 1) {
            EXPECT_RC(0, weir_watch_next(watch, &event));
            count++;
        }
        EXPECT_EQ(most + 1, count);
        EXPECT_EQ(-1, event.id);
        EXPECT_STR("", event.name);
        EXPECT_EQ(0, chmod(a, 0600)); // and it goes on
        EXPECT_EVENT(watch, id, WEIR_WATCH_ATTRIBUTES, "a");
    }
    weir_watch_close(watch);
    folder_remove(&folder);
}

struct waiter {
    weir_watch *watch;
    weir_watch_event event;
    int rc;
};

static int wait_for_one(void *arg)
{
    struct waiter *waiter = arg;
    waiter->rc = weir_watch_next(waiter->watch, &waiter->event);
    return waiter->rc == -ECANCELED ? waiter->rc : 0;
}

IO_TEST(a_task_that_waits_is_woken_cancelled_or_told_that_it_is_closed)
{
    struct folder folder = folder_make();
    int id = -1;
    struct waiter waiter = {.watch = open_watch(folder.path, WEIR_WATCH_CREATED, &id), .rc = 99};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_watch_event event;
    spawn(group, wait_for_one, &waiter);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EBUSY, weir_watch_next(waiter.watch, &event));
    EXPECT_EQ(99, waiter.rc);
    put_file(folder_path(&folder, "a"), "", 0);
    while (waiter.rc == 99)
        EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_RC(0, waiter.rc);
    EXPECT_STR("a", waiter.event.name);

    waiter.rc = 99;
    weir_task_id task = spawn(group, wait_for_one, &waiter);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_cancel(task, "test"));
    while (waiter.rc == 99)
        EXPECT_RC(0, weir_yield());
    EXPECT_RC(-ECANCELED, waiter.rc);
    put_file(folder_path(&folder, "b"), "", 0);
    EXPECT_EVENT(waiter.watch, id, WEIR_WATCH_CREATED, "b"); // not lost with who waited

    waiter.rc = 99;
    spawn(group, wait_for_one, &waiter);
    EXPECT_RC(0, weir_yield());
    weir_watch_close(waiter.watch);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, waiter.rc);
    folder_remove(&folder);
}

IO_TEST(in_a_cancelled_scope_nothing_is_watched)
{
    weir_watch *watch = NULL;
    EXPECT_RC(0, weir_watch_open(&watch));
    weir_watch_event event;
    int id = 99;
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_watch_add(watch, "/", WEIR_WATCH_ALL, &id)); // O1
    EXPECT_RC(-ECANCELED, weir_watch_next(watch, &event));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(99, id);
    weir_watch_close(watch);
}

TASK_TEST(on_the_simulated_backend_only_what_is_there_is_told)
{
    struct folder folder = folder_make();
    int id = -1;
    weir_watch *watch = open_watch(folder.path, WEIR_WATCH_CREATED, &id);
    weir_watch_event event;
    EXPECT_RC(-EOPNOTSUPP, weir_watch_next(watch, &event));
    put_file(folder_path(&folder, "a"), "", 0);
    EXPECT_EVENT(watch, id, WEIR_WATCH_CREATED, "a");
    weir_watch_close(watch);
    folder_remove(&folder);
}

TEST(outside_a_task_nothing_is_watched)
{
    weir_watch *watch = NULL;
    EXPECT_RC(-EPERM, weir_watch_open(&watch));
}

static int finding_count;

static void note_finding(const struct weir__finding *finding)
{
    finding_count++;
    EXPECT_STR("watch", finding->what);
}

static int leave_it_open(void *arg)
{
    (void)arg;
    weir_watch *watch;
    return weir_watch_open(&watch);
}

TEST(a_forgotten_watch_is_reported_and_closed_with_its_loop)
{
    weir__core_observe(note_finding);
    int fds = weir__sys_open_fd_count();
    EXPECT_RC(0,
              weir__core_run(&(weir_run_options){.backend = "epoll"}, leave_it_open, NULL, false));
    EXPECT_EQ(1, finding_count);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
}

static struct folder swept;

static int make_it(void *arg)
{
    return weir_file_replace(arg, "x", 1);
}

static int watch_it(void *arg)
{
    weir_watch *watch;
    int id;
    int rc = weir_watch_open(&watch);
    if (rc < 0)
        return rc;
    rc = weir_watch_add(watch, swept.path, WEIR_WATCH_MOVED_TO, &id);
    weir_group *group = NULL;
    if (rc == 0)
        rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, make_it, arg);
        weir_watch_event event;
        if (rc == 0)
            rc = weir_watch_next(watch, &event);
        WEIR_TEST_EXPECT(rc < 0 || event.happened == WEIR_WATCH_MOVED_TO);
        rc = weir_group_close(group, rc);
    }
    weir_watch_close(watch);
    return rc;
}

TEST(watching_everywhere) /* O4, O5, I4 */
{
    swept = folder_make();
    char path[128];
    snprintf(path, sizeof path, "%s", folder_path(&swept, "a"));
    everywhere_real("watch", (struct everywhere){watch_it, path, NULL, 20});
    folder_remove(&swept);
}
