/*
 * epoll.c - the backend for kernels and containers without io_uring
 *
 * A descriptor is registered once, edge-triggered for everything, and stays so until it is closed
 * (forget_fd). What is done on an edge is in ready.c.
 *
 * Costs    a share of one epoll_wait for all descriptors that are ready. A new descriptor: one
 *          epoll_ctl.
 * Runs on  the loop's own thread; only wake() is called by others.
 */
#include <assert.h>
#include <sys/epoll.h>

#include "backend/ready.h"
#include "base/alloc.h"
#include "base/sys.h"

enum { EVENTS_MAX = 512 /* a turn's harvest; the rest is ready in the next one */ };

static const uint64_t wake_key = UINT64_MAX;
static const uint32_t all_edges = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

struct epoll {
    struct weir__ready ready;
    int epoll_fd;
    int wake_fd;
    struct epoll_event events[EVENTS_MAX];
};

static struct epoll *epoll_of(struct weir__backend *backend)
{
    return WEIR__CONTAINER(backend, struct epoll, ready.base);
}

static int watch(struct weir__ready *ready, int fd, uint32_t generation, bool again)
{
    struct epoll *epoll = WEIR__CONTAINER(ready, struct epoll, ready);
    struct epoll_event event = {
        .events = all_edges,
        .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd,
    };
    int rc =
        weir__sys_epoll_ctl(epoll->epoll_fd, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (rc == -EEXIST) // forgotten, but not closed after all
        rc = weir__sys_epoll_ctl(epoll->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    return rc;
}

static bool must_not_wait(const struct epoll *epoll)
{
    return weir__ready_due(&epoll->ready) ||
           __atomic_load_n(&epoll->ready.base.wake_requested, __ATOMIC_SEQ_CST) != 0;
}

static void epoll_turn(struct weir__backend *backend, int64_t timeout_ns)
{
    struct epoll *epoll = epoll_of(backend);
    weir__backend_count_turn(backend);

    if (timeout_ns < 0 || must_not_wait(epoll))
        timeout_ns = 0;
    weir__backend_set_waiting(backend, timeout_ns != 0);
    int count = weir__sys_epoll_wait(epoll->epoll_fd, epoll->events, EVENTS_MAX,
                                     timeout_ns == WEIR_FOREVER ? -1 : timeout_ns);
    weir__backend_set_waiting(backend, 0);
    weir__backend_take_wake(backend);
    for (int i = 0; i < count; i++) {
        uint64_t key = epoll->events[i].data.u64;
        if (key != wake_key) // that one has done its work: we are awake
            weir__ready_edge(&epoll->ready, (int)(uint32_t)key, (uint32_t)(key >> 32),
                             epoll->events[i].events);
    }
    weir__ready_finish_turn(&epoll->ready);
}

static void epoll_wake(struct weir__backend *backend)
{
    weir__backend_ring_bell(epoll_of(backend)->wake_fd);
}

/* --- open and close --------------------------------------------------------------------------- */

static void epoll_close(struct weir__backend *backend)
{
    struct epoll *epoll = epoll_of(backend);
    weir_ignore(weir__sys_close(epoll->wake_fd), "an eventfd has nothing to lose");
    weir_ignore(weir__sys_close(epoll->epoll_fd), "as above");
    weir__ready_deinit(&epoll->ready);
    weir__rx_pool_close(backend->pool);
    weir__base_free(epoll);
}

static const struct weir__backend_table epoll_table = {
    .submit = weir__ready_submit,
    .cancel = weir__ready_cancel,
    .rx_arm = weir__ready_rx_arm,
    .rx_stop = weir__ready_rx_stop,
    .rx_resume = weir__ready_rx_resume,
    .forget_fd = weir__ready_forget_fd,
    .pending = weir__ready_pending,
    .turn = epoll_turn,
    .wake = epoll_wake,
    .close = epoll_close,
};

int weir__epoll_open(struct weir__backend **out_backend)
{
    struct epoll *epoll = weir__base_alloc_zero(sizeof *epoll);
    if (epoll == NULL)
        return -ENOMEM;
    struct weir__backend *base = &epoll->ready.base;
    base->table = &epoll_table;
    base->features = (struct weir__backend_features){
        .name = "epoll",
        .detail = "edge-triggered, files through the executor",
    };
    weir__ready_init(&epoll->ready, watch);

    int rc = weir__rx_pool_open(&base->pool);
    if (rc < 0)
        goto free_epoll;
    rc = epoll->epoll_fd = weir__sys_epoll_create();
    if (rc < 0)
        goto close_pool;
    rc = epoll->wake_fd = weir__sys_eventfd();
    if (rc < 0)
        goto close_epoll_fd;
    // Edge-triggered and never read: every write is an edge, so a wake costs this side nothing.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = wake_key};
    rc = weir__sys_epoll_ctl(epoll->epoll_fd, EPOLL_CTL_ADD, epoll->wake_fd, &event);
    if (rc < 0)
        goto close_wake_fd;
    *out_backend = base;
    return 0;

close_wake_fd:
    weir_ignore(weir__sys_close(epoll->wake_fd), "an eventfd has nothing to lose");
close_epoll_fd:
    weir_ignore(weir__sys_close(epoll->epoll_fd), "as above");
close_pool:
    weir__rx_pool_close(base->pool);
free_epoll:
    weir__base_free(epoll);
    return rc;
}
