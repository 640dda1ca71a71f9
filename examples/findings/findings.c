/*
 * findings.c - mistakes, one at a time, for docs/diagnosis.md
 *
 * usage: findings lost | misnested | forgotten | twice | budget | entered | kept | swallowed |
 *        cleanup | stray | deadlock | crossed | crash
 */
#include <signal.h>
#include <string.h>
#include <weir/weir.h>

static int fail_with(void *arg)
{
    return weir_fail(-EIO, "disk %s is gone", (const char *)arg);
}

/* W202: three failures, and the caller looks at the first one's code only. */
static int lost(void)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    static char *const disks[] = {"a", "b", "c"};
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = weir_spawn(group, fail_with, disks[i]);
    rc = weir_group_close(group, rc);
    return rc == -EIO ? 0 : rc;
}

/* W204: the outer one of two scopes is left first. */
static int misnested(void)
{
    weir_scope outer = {0}, inner = {0};
    int rc = weir_scope_enter(&outer);
    if (rc == 0)
        rc = weir_timeout_enter(&inner, 1 * WEIR_SEC);
    return weir_scope_leave(&outer, rc);
}

/* W204: a group that is never closed. Rule G12, case 269. */
static int forgotten(void)
{
    weir_group *group;
    return weir_group_open(&group, NULL);
}

/* W204: a scope that is never left; the frame it lies in is gone. */
static int entered(void)
{
    weir_scope scope = {0};
    return weir_timeout_enter(&scope, 1 * WEIR_SEC);
}

/* W205: a task that ends with a lock. */
static int lock_and_go(void *arg)
{
    int rc = weir_mutex_lock(arg);
    return rc < 0 ? rc : weir_yield();
}
static int kept(void)
{
    static weir_mutex mutex;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_group_close(group, weir_spawn(group, lock_and_go, &mutex));
    if (rc == 0 && weir_mutex_lock(&mutex) == -EOWNERDEAD)
        rc = weir_mutex_unlock(&mutex);
    return rc;
}

/* W207: a server that gets ready once more. */
static int serve(void *arg)
{
    (void)arg;
    int rc = weir_started(NULL);
    return rc < 0 ? rc : weir_started(NULL);
}
static int twice(void)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = weir_start(group, serve, NULL, NULL);
    rc = weir_group_close(group, rc);
    return rc == -EINVAL ? 0 : rc;
}

/* W208: a supervised task that takes its time, and one that fails too often. */
static int stubborn(void *arg)
{
    (void)arg;
    int rc = 0;
    WEIR_SHIELD(rc, 1 * WEIR_MIN)
    {
        rc = weir_sleep(1 * WEIR_SEC);
    }
    return rc;
}
static int hopeless(void *arg)
{
    (void)arg;
    return -EIO;
}
static int known(const weir_failure *failure, void *arg)
{
    (void)failure, (void)arg;
    return 0;
}
static int budget(void)
{
    weir_group *group;
    weir_group_options options = {.policy = WEIR_SUPERVISE,
                                  .supervise = {.intensity = 1, .handler = known}};
    int rc = weir_group_open(&group, &options);
    if (rc < 0)
        return rc;
    weir_spawn_options how = {.stop_budget_ns = 10 * WEIR_MS, .backoff_ns = 1 * WEIR_MS};
    rc = weir_spawn_with(group, &how, stubborn, NULL, NULL);
    if (rc == 0)
        rc = weir_spawn_with(group, &how, hopeless, NULL, NULL);
    rc = weir_group_close(group, rc);
    return rc == -EIO ? 0 : rc;
}

/* W304: a loop that does not look at what it is given. */
static int read_for_ever(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        weir_ignore(weir_sleep(1 * WEIR_MS), "this is the mistake");
    return 0;
}
static int swallowed(void)
{
    return weir_timeout(10 * WEIR_MS, read_for_ever, NULL);
}

/* W305: a cleanup that hangs. */
static int roll_back(void *arg)
{
    (void)arg;
    return weir_sleep(1 * WEIR_MIN);
}
static int hanging(void *arg)
{
    (void)arg;
    return weir_defer(roll_back, NULL);
}
static int cleanup(void)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_spawn_options options = {.cleanup_ns = 10 * WEIR_MS};
    rc = weir_spawn_with(group, &options, hanging, NULL, NULL);
    return weir_group_close(group, rc);
}

/* W309: a code that means "you are cancelled", made up. */
static int give_up(void *arg)
{
    (void)arg;
    return -ECANCELED;
}
static int stray(void)
{
    weir_group *group = NULL;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = weir_spawn(group, give_up, NULL);
    return weir_group_close(group, rc);
}

/* W601: an event that nobody will ever set. */
static int deadlock(void)
{
    weir_event never = {0};
    return weir_event_wait(&never);
}

/* W601: two tasks that lock the same two mutexes, each in an order of its own. */
struct lock_both {
    weir_mutex *first, *second;
};
static int lock_both(struct lock_both *a)
{
    int rc = weir_mutex_lock(a->first);
    if (rc < 0)
        return rc;
    rc = weir_sleep(10 * WEIR_MS);
    if (rc == 0)
        rc = weir_mutex_lock(a->second);
    if (rc == 0)
        rc = weir_mutex_unlock(a->second);
    weir_mutex_unlock(a->first);
    return rc;
}
static int crossed(void)
{
    static weir_mutex one, two;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = WEIR_SPAWN(group, lock_both, .first = &one, .second = &two);
    if (rc == 0)
        rc = WEIR_SPAWN(group, lock_both, .first = &two, .second = &one);
    return weir_group_close(group, rc);
}

static int app(void *arg)
{
    static const struct {
        const char *name;
        int (*make)(void);
    } mistakes[] = {{"lost", lost},       {"misnested", misnested}, {"forgotten", forgotten},
                    {"entered", entered}, {"twice", twice},         {"budget", budget},
                    {"kept", kept},       {"swallowed", swallowed}, {"cleanup", cleanup},
                    {"stray", stray},     {"deadlock", deadlock},   {"crossed", crossed}};
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++)
        if (strcmp(arg, mistakes[i].name) == 0)
            return mistakes[i].make();
    return raise(SIGFPE); // W900
}

int main(int argc, char **argv)
{
    return weir_run(app, argc > 1 ? argv[1] : "lost");
}
