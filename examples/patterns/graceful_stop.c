/*
 * graceful_stop.c - a program that is asked to end: no new work, what is begun is finished
 *
 * The stop comes in steps, from another thread here, from a signal in a service (weir/app.h does
 * all of this). Draining cancels nobody: who takes new work sees weir_stopping() and ends. What is
 * not done when the next step comes is cancelled and tidies up.
 */
#include <stdio.h>
#include <weir/weir.h>

struct serve_order {
    int number;
    int64_t work_ns;
};

static int serve_order(struct serve_order *a)
{
    int rc = weir_sleep(a->work_ns);
    printf("order %d: %s\n", a->number, rc == 0 ? "done" : weir_code_name(rc));
    return rc;
}

static int take_orders(void *arg)
{
    weir_group *orders = arg;
    for (int number = 1; !weir_stopping(); number++) {
        int64_t work_ns = number == 3 ? 10 * WEIR_SEC : 25 * WEIR_MS; // the third hangs
        int rc = WEIR_SPAWN(orders, serve_order, .number = number, .work_ns = work_ns);
        if (rc == 0)
            rc = weir_sleep(20 * WEIR_MS);
        if (rc < 0)
            return rc;
    }
    size_t others = 2; // this task, and the one that asks to stop
    printf("draining: %zu of the orders are not done\n", weir_group_count(orders) - others);
    return 0;
}

/* In a service this is the thread that waits for signals. */
static int ask_to_stop(void *arg)
{
    weir_loop *loop = arg;
    int rc = weir_sleep(50 * WEIR_MS);
    if (rc == 0)
        rc = weir_remote_stop(loop, WEIR_STOP_DRAIN, "asked to");
    if (rc == 0)
        rc = weir_sleep(100 * WEIR_MS); // the time they get
    if (rc == 0)
        rc = weir_remote_stop(loop, WEIR_STOP_CANCEL, "the time of the drain is up");
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    weir_group *orders;
    int rc = weir_group_open(&orders, NULL);
    if (rc < 0)
        return rc;
    weir_loop *loop = weir_loop_retain_self();
    rc = weir_spawn(orders, take_orders, orders);
    if (rc == 0)
        rc = weir_spawn(orders, ask_to_stop, loop);
    rc = weir_group_close(orders, rc); // waits for all, however they end
    weir_loop_release(loop);
    printf("stopped: %s\n", rc == 0 ? "nothing was cut" : weir_code_name(rc));
    return rc == -ECANCELED ? 0 : rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
