/*
 * report.c - what a backend has to tell at the end of a turn
 *
 * Runs on  the loop's own thread, inside a turn (weir__report_all) or out of it (all others).
 * Holds    1. An rx is in `announced` or `stopped` at most once, and never in both.
 *          2. After `stopped` was called for an rx, no list of the backend has it.
 */
#include "backend/report.h"

#include <assert.h>

#include "backend/pool.h"
#include "base/fault.h"
#include "base/sys.h"

void weir__report_init(struct weir__report *report)
{
    *report = (struct weir__report){0};
    weir__list_init(&report->completed);
    weir__list_init(&report->announced);
    weir__list_init(&report->stopped);
}

void weir__report_op(struct weir__report *report, struct weir__op *op, ssize_t result)
{
    assert(op->submitted && op->place != WEIR__OP_COMPLETED);
    op->result = result;
    op->place = WEIR__OP_COMPLETED;
    weir__list_append(&report->completed, &op->link);
}

void weir__report_rx(struct weir__report *report, struct weir__rx *rx)
{
    if (rx->announced || rx->stopping)
        return;
    rx->announced = true;
    weir__list_append(&report->announced, &rx->event_link);
}

void weir__report_stopped(struct weir__report *report, struct weir__rx *rx)
{
    assert(rx->stopping && !rx->announced && weir__list_empty(&rx->event_link));
    weir__list_append(&report->stopped, &rx->event_link);
}

static void report_ops(struct weir__backend *backend, struct weir__report *report)
{
    struct weir__list now;
    weir__list_init(&now);
    weir__list_splice(&now, &report->completed);
    struct weir__list *node;
    while ((node = weir__list_take_first(&now)) != NULL) {
        struct weir__op *op = WEIR__CONTAINER(node, struct weir__op, link);
        weir__report_done(backend, report, op, op->result);
    }
}

static void report_events(struct weir__report *report)
{
    struct weir__list now;
    weir__list_init(&now);
    weir__list_splice(&now, &report->announced);
    struct weir__list *node;
    // A callback may stop any rx, which takes it out of this list too.
    while ((node = weir__list_take_first(&now)) != NULL) {
        struct weir__rx *rx = WEIR__CONTAINER(node, struct weir__rx, event_link);
        rx->announced = false;
        rx->event(rx);
    }
}

static void report_stopped(struct weir__backend *backend, struct weir__report *report)
{
    struct weir__list now;
    weir__list_init(&now);
    weir__list_splice(&now, &report->stopped);
    struct weir__list *node;
    while ((node = weir__list_take_first(&now)) != NULL) {
        struct weir__rx *rx = WEIR__CONTAINER(node, struct weir__rx, event_link);
        assert(weir__list_empty(&rx->link));
        rx->armed = false;
        rx->stopping = false;
        report->stopping_count--;
        backend->stats.rx_armed--;
        rx->stopped(rx);
    }
}

void weir__report_all(struct weir__backend *backend, struct weir__report *report)
{
    report_ops(backend, report);
    report_events(report);
    report_stopped(backend, report);
}

void weir__report_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    assert(!rx->armed);
    weir__list_init(&rx->link);
    weir__list_init(&rx->event_link);
    rx->unread_bytes = 0;
    rx->eof = false;
    rx->error = 0;
    rx->armed = true;
    rx->stopping = false;
    rx->in_flight = false;
    rx->cancelling = false;
    rx->paused = false;
    rx->announced = false;
    rx->readable = false;
    rx->hung_up = false;
    rx->head_buffer = -1;
    rx->tail_buffer = -1;
    backend->stats.rx_armed++;
}

void weir__report_stop(struct weir__backend *backend, struct weir__report *report,
                       struct weir__rx *rx)
{
    assert(rx->armed && !rx->stopping);
    rx->stopping = true;
    rx->announced = false;
    rx->paused = false;
    weir__list_remove(&rx->event_link);
    weir__rx_discard(backend->pool, rx);
    report->stopping_count++;
}

void weir__backend_ring_bell(int wake_fd)
{
    static const uint64_t one = 1;
    // A wake that gets lost is a loop that hangs: no fault is planned here, and the call itself
    // cannot fail before the counter overflows.
    bool before = weir__base_fault_exempt(true);
    weir_ignore(weir__sys_write(wake_fd, &one, sizeof one), "a full counter is a bell that rings");
    weir__base_fault_exempt(before);
}
