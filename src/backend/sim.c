/*
 * sim.c - a backend without a kernel: virtual time for tests
 *
 * Time moves only when a turn has nothing else to do: it jumps by the whole timeout at once. A test
 * that sleeps for an hour takes no time, and runs the same way twice. Only the work of other
 * threads is real: while core expects a wake from one (wakes_expected), time stands still and the
 * turn waits.
 *
 * There are no sockets and no files here: every operation is answered with -EOPNOTSUPP. Faults can
 * be delivered all the same, so that the paths above an operation's completion can be tested.
 *
 * Costs    a turn: no system call, no allocation.
 * Runs on  the loop's own thread; only wake() is called by others.
 * Holds    1. The clock never goes back, and moves by exactly the timeout of a turn that waited.
 */
#include <assert.h>

#include "backend/backend.h"
#include "backend/report.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/thread.h"

struct sim {
    struct weir__backend base;
    struct weir__report report;
    int64_t now_ns;
    struct weir__mutex mutex;
    struct weir__cond woken;
};

static struct sim *sim_of(struct weir__backend *backend)
{
    return WEIR__CONTAINER(backend, struct sim, base);
}

static int sim_submit(struct weir__backend *backend, struct weir__op *op)
{
    struct sim *sim = sim_of(backend);
    int fault = weir__base_fault(WEIR__FAULT_RING);
    if (fault == 0)
        return -EOPNOTSUPP;
    weir__report_take(backend, &sim->report, op);
    weir__report_op(&sim->report, op, fault);
    return 0;
}

static void sim_cancel(struct weir__backend *backend, struct weir__op *op)
{
    if (!op->submitted || op->cancelling)
        return;
    op->cancelling = true; // it has its result already, and keeps it
    backend->stats.aborts_requested++;
}

static int sim_rx_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    (void)backend;
    (void)rx;
    return -EOPNOTSUPP;
}

static void sim_rx_nothing(struct weir__backend *backend, struct weir__rx *rx)
{
    (void)backend;
    (void)rx;
    assert(false && "no rx can be armed on the simulated backend");
}

static void sim_forget_fd(struct weir__backend *backend, int fd)
{
    (void)backend;
    (void)fd;
}

static bool sim_pending(struct weir__backend *backend)
{
    return weir__report_pending(&sim_of(backend)->report);
}

static void wait_for_wake(struct sim *sim)
{
    weir__backend_set_waiting(&sim->base, 1);
    weir__base_mutex_lock(&sim->mutex);
    while (!weir__backend_take_wake(&sim->base))
        weir__base_cond_wait(&sim->woken, &sim->mutex);
    weir__base_mutex_unlock(&sim->mutex);
    weir__backend_set_waiting(&sim->base, 0);
}

static void sim_turn(struct weir__backend *backend, int64_t timeout_ns)
{
    struct sim *sim = sim_of(backend);
    weir__backend_count_turn(backend);
    backend->idle_forever = false;

    bool due = weir__report_due(&sim->report);
    bool woken = weir__backend_take_wake(backend);
    if (!due && !woken && timeout_ns > 0) {
        if (backend->wakes_expected > 0)
            wait_for_wake(sim);
        else if (timeout_ns == WEIR_FOREVER)
            backend->idle_forever = true;
        else
            sim->now_ns = weir__base_add_ns(sim->now_ns, timeout_ns);
    }
    weir__report_all(backend, &sim->report);
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

static void sim_close(struct weir__backend *backend)
{
    struct sim *sim = sim_of(backend);
    assert(!weir__report_pending(&sim->report));
    weir__base_cond_deinit(&sim->woken);
    weir__base_mutex_deinit(&sim->mutex);
    weir__base_free(sim);
}

static const struct weir__backend_table sim_table = {
    .submit = sim_submit,
    .cancel = sim_cancel,
    .rx_arm = sim_rx_arm,
    .rx_stop = sim_rx_nothing,
    .rx_resume = sim_rx_nothing,
    .forget_fd = sim_forget_fd,
    .pending = sim_pending,
    .turn = sim_turn,
    .wake = sim_wake,
    .close = sim_close,
};

int weir__sim_open(struct weir__backend **out_backend)
{
    struct sim *sim = weir__base_alloc_zero(sizeof *sim);
    if (sim == NULL)
        return -ENOMEM;
    sim->base.table = &sim_table;
    sim->base.features = (struct weir__backend_features){
        .name = "sim",
        .detail = "virtual time, no descriptors",
        .virtual_time = true,
    };
    sim->now_ns = 1 * WEIR_SEC;
    weir__report_init(&sim->report);
    weir__base_mutex_init(&sim->mutex);
    weir__base_cond_init(&sim->woken);
    *out_backend = &sim->base;
    return 0;
}

int64_t *weir__sim_clock(struct weir__backend *backend)
{
    assert(backend->features.virtual_time);
    return &sim_of(backend)->now_ns;
}
