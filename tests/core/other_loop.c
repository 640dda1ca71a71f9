/*
 * other_loop.c - see other_loop.h
 */
#include "tests/core/other_loop.h"

#include <string.h>

#include "tests/support/test.h"

static void wake_starter(struct weir__post *post)
{
    weir__core_wake(WEIR__CONTAINER(post, struct other_loop, stands)->starter, 0);
}

static int wait_for_the_end(void *arg)
{
    struct other_loop *other = arg;
    __atomic_store_n(&other->loop, weir_loop_retain_self(), __ATOMIC_RELEASE);
    other->stands.run = wake_starter;
    if (other->home != NULL)
        weir_ignore(weir__core_post(other->home, &other->stands), "the starter is parked");
    return weir_wait_stopping();
}

static void *run_other(void *arg)
{
    struct other_loop *other = arg;
    weir_run_options options = {.backend = other->backend, .name = "other"};
    other->rc = weir__core_run(&options, wait_for_the_end, other, false);
    return NULL;
}

bool other_loop_start_outside(struct other_loop *other, const char *backend)
{
    *other = (struct other_loop){.backend = backend};
    int rc = weir__base_thread_start(&other->thread, "other", run_other, other);
    EXPECT_RC(0, rc);
    while (rc == 0 && __atomic_load_n(&other->loop, __ATOMIC_ACQUIRE) == NULL)
        weir__base_thread_pause();
    return rc == 0;
}

bool other_loop_start(struct other_loop *other)
{
    weir_loop *home = weir__core_loop();
    const char *name = home->backend->features.name;
    *other = (struct other_loop){.backend = strcmp(name, "io_uring") == 0 ? "uring" : name,
                                 .home = home,
                                 .starter = weir__core_task()};
    int rc = weir__base_thread_start(&other->thread, "other", run_other, other);
    EXPECT_RC(0, rc);
    if (rc < 0)
        return false;
    weir__core_external_begin(home);
    EXPECT_RC(0, weir__core_park(WEIR_WAIT_OTHER, NULL, NULL));
    weir__core_external_end(home);
    return true;
}

void other_loop_end(struct other_loop *other)
{
    weir_ignore(weir_remote_stop(other->loop, WEIR_STOP_DRAIN, NULL), "it may have ended");
    weir__base_thread_join(&other->thread);
    weir_loop_release(other->loop);
}

bool other_loop_is_here(const struct other_loop *other)
{
    return weir__core_loop() == other->loop;
}
