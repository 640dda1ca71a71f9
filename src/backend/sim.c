/*
 * sim.c - a backend without a kernel: virtual time and a simulated network, for tests
 *
 * Time moves only when a turn has nothing else to do: it jumps by the whole timeout at once, or to
 * the first thing that happens in the network before (sim_net.h). A test that sleeps for an hour
 * takes no time, and runs the same way twice. Only the work of other threads is real: while core
 * expects a wake from one (wakes_expected), time stands still and the turn waits.
 *
 * Sockets of the loop's thread are simulated ones from open to close, and operations on them are
 * done by ready.c as epoll does them. On any other descriptor every operation is answered with
 * -EOPNOTSUPP; faults can be delivered all the same, so that the paths above an operation's
 * completion can be tested.
 *
 * Costs    a turn: no system call, no allocation.
 * Runs on  the loop's own thread; only wake() is called by others.
 * Holds    1. The clock never goes back, and never jumps over an event.
 */
#include <assert.h>

#include "backend/ready.h"
#include "backend/sim_net.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/thread.h"

struct sim {
    struct weir__ready ready;
    struct sim_net *net;
    int64_t now_ns;
    struct weir__mutex mutex;
    struct weir__cond woken;
};

static _Thread_local struct sim_net *net_here;

struct sim_net *weir__sim_net_here(void)
{
    return net_here;
}

static struct sim *sim_of(struct weir__backend *backend)
{
    return WEIR__CONTAINER(backend, struct sim, ready.base);
}

/* --- operations ------------------------------------------------------------------------------- */

static int sim_submit(struct weir__backend *backend, struct weir__op *op)
{
    if (weir__is_virtual(op->fd))
        return weir__ready_submit(backend, op);
    struct weir__report *report = &sim_of(backend)->ready.report;
    int fault = weir__base_fault(WEIR__FAULT_RING);
    if (fault == 0)
        return -EOPNOTSUPP;
    weir__report_take(backend, report, op);
    weir__report_op(report, op, fault);
    return 0;
}

static int sim_rx_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    if (!weir__is_virtual(rx->fd))
        return -EOPNOTSUPP;
    int rc = backend->pool == NULL ? weir__rx_pool_open(&backend->pool) : 0;
    return rc < 0 ? rc : weir__ready_rx_arm(backend, rx);
}

static int watch(struct weir__ready *ready, int fd, uint32_t generation, bool again)
{
    struct sim_net *net = WEIR__CONTAINER(ready, struct sim, ready)->net;
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    (void)again;
    if (socket == NULL)
        return -EBADF;
    socket->watched = true;
    socket->generation = generation;
    weir__sim_tell(net, socket);
    return 0;
}

/* --- a turn ----------------------------------------------------------------------------------- */

static int64_t first_event_ns(const struct sim *sim)
{
    const struct weir__list *events = &sim->net->events;
    return weir__list_empty(events) ? WEIR_NEVER
                                    : WEIR__CONTAINER(events->next, struct sim_event, link)->at_ns;
}

static bool has_event(const struct sim *sim)
{
    return !weir__list_empty(&sim->net->events) && first_event_ns(sim) <= sim->now_ns;
}

static bool is_due(const struct sim *sim)
{
    return weir__ready_due(&sim->ready) || !weir__list_empty(&sim->net->edges) || has_event(sim);
}

static int64_t sim_next_ns(const struct weir__backend *backend)
{
    const struct sim *sim = WEIR__CONTAINER(backend, struct sim, ready.base);
    return is_due(sim) ? sim->now_ns : first_event_ns(sim);
}

static void wait_for_wake(struct sim *sim)
{
    struct weir__backend *backend = &sim->ready.base;
    weir__backend_set_waiting(backend, 1);
    weir__base_mutex_lock(&sim->mutex);
    while (!weir__backend_take_wake(backend))
        weir__base_cond_wait(&sim->woken, &sim->mutex);
    weir__base_mutex_unlock(&sim->mutex);
    weir__backend_set_waiting(backend, 0);
}

static void let_time_pass(struct sim *sim, int64_t timeout_ns)
{
    int64_t event_ns = first_event_ns(sim);
    int64_t until_ns = weir__base_add_ns(sim->now_ns, timeout_ns);
    if (sim->ready.base.wakes_expected > 0)
        wait_for_wake(sim);
    else if (event_ns < until_ns)
        sim->now_ns = event_ns;
    else if (timeout_ns == WEIR_FOREVER)
        sim->ready.base.idle_forever = true;
    else
        sim->now_ns = until_ns;
}

static void fire_events(struct sim *sim)
{
    bool exempt = weir__base_fault_exempt(true); /* as inside the calls of base/virtual.h */
    while (has_event(sim)) {
        struct weir__list *node = weir__list_take_first(&sim->net->events);
        struct sim_event *event = WEIR__CONTAINER(node, struct sim_event, link);
        event->fire(sim->net, event);
    }
    weir__base_fault_exempt(exempt);
}

/* What is ready at one time has no order: with a seed, one of the first few is next. */
static struct weir__list *next_edge(struct sim_net *net)
{
    struct weir__list *node = net->edges.next;
    uint64_t skipped = net->in_any_order ? weir__sim_draw(net, 8) : 0;
    for (; skipped > 0 && node->next != &net->edges; skipped--)
        node = node->next;
    return node;
}

static void tell_edges(struct sim *sim)
{
    while (!weir__list_empty(&sim->net->edges)) {
        struct weir__list *node = next_edge(sim->net);
        weir__list_remove(node);
        struct sim_socket *socket = WEIR__CONTAINER(node, struct sim_socket, edge_link);
        weir__ready_edge(&sim->ready, socket->fd, socket->generation,
                         weir__sim_socket_events(socket));
    }
}

static void sim_turn(struct weir__backend *backend, int64_t timeout_ns)
{
    struct sim *sim = sim_of(backend);
    weir__backend_count_turn(backend);
    backend->idle_forever = false;

    bool woken = weir__backend_take_wake(backend);
    if (!is_due(sim) && !woken && timeout_ns > 0)
        let_time_pass(sim, timeout_ns);
    fire_events(sim);
    tell_edges(sim);
    weir__ready_finish_turn(&sim->ready);
}

static void sim_wake(struct weir__backend *backend)
{
    struct sim *sim = sim_of(backend);
    // The flag was set before: the lock only keeps the signal from falling between the waiter's
    // look at the flag and its wait.
    weir__base_mutex_lock(&sim->mutex);
    weir__base_cond_signal(&sim->woken);
    weir__base_mutex_unlock(&sim->mutex);
}

/* --- open and close --------------------------------------------------------------------------- */

static void sim_close(struct weir__backend *backend)
{
    struct sim *sim = sim_of(backend);
    weir__ready_deinit(&sim->ready);
    weir__rx_pool_close(backend->pool);
    if (net_here == sim->net) {
        weir__virtual_install(NULL);
        net_here = NULL;
    }
    weir__sim_net_close(sim->net);
    weir__base_cond_deinit(&sim->woken);
    weir__base_mutex_deinit(&sim->mutex);
    weir__base_free(sim);
}

static const struct weir__backend_table sim_table = {
    .submit = sim_submit,
    .cancel = weir__ready_cancel,
    .rx_arm = sim_rx_arm,
    .rx_stop = weir__ready_rx_stop,
    .rx_resume = weir__ready_rx_resume,
    .forget_fd = weir__ready_forget_fd,
    .pending = weir__ready_pending,
    .next_ns = sim_next_ns,
    .turn = sim_turn,
    .wake = sim_wake,
    .close = sim_close,
};

int weir__sim_open(struct weir__backend **out_backend)
{
    struct sim *sim = weir__base_alloc_zero(sizeof *sim);
    if (sim == NULL)
        return -ENOMEM;
    struct weir__backend *base = &sim->ready.base;
    base->table = &sim_table;
    base->features = (struct weir__backend_features){
        .name = "sim",
        .detail = "virtual time, simulated network",
        .virtual_time = true,
    };
    sim->now_ns = 1 * WEIR_SEC;
    weir__ready_init(&sim->ready, watch);
    sim->ready.fd_first = WEIR__VIRTUAL_SOCKET_FIRST;
    int rc = weir__sim_net_open(&sim->now_ns, &sim->net);
    if (rc < 0) {
        weir__base_free(sim);
        return rc;
    }
    net_here = sim->net;
    weir__virtual_install(&sim->net->base);
    weir__base_mutex_init(&sim->mutex);
    weir__base_cond_init(&sim->woken);
    *out_backend = base;
    return 0;
}

int64_t *weir__sim_clock(struct weir__backend *backend)
{
    assert(backend->features.virtual_time);
    return &sim_of(backend)->now_ns;
}
