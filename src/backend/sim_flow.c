/*
 * sim_flow.c - bytes on their way from one simulated socket to another
 *
 * Runs on  the loop's own thread.
 * Holds    1. read <= arrived <= departed <= written.
 *          2. Segments are in the order of their bytes and of their arrival.
 */
#include <string.h>

#include "backend/sim_net.h"
#include "base/alloc.h"
#include "base/clock.h"

enum { RING_FIRST_BYTES = 4096 };

static bool is_unix(const struct sim_socket *socket)
{
    return socket->family == AF_UNIX;
}

int64_t weir__sim_arrival_ns(struct sim_net *net, const struct sim_socket *socket)
{
    return is_unix(socket) ? *net->now_ns
                           : weir__base_add_ns(*net->now_ns, weir__sim_travel_ns(net));
}

/* --- the ring --------------------------------------------------------------------------------- */

static bool reserve(struct sim_flow *flow, size_t bytes)
{
    size_t capacity = flow->capacity == 0 ? RING_FIRST_BYTES : flow->capacity;
    while (capacity < bytes)
        capacity *= 2;
    if (capacity == flow->capacity)
        return true;
    char *ring = weir__base_alloc(capacity);
    if (ring == NULL)
        return false;
    for (uint64_t at = flow->read; at < flow->written; at++)
        ring[at & (capacity - 1)] = flow->ring[at & (flow->capacity - 1)];
    weir__base_free(flow->ring);
    flow->ring = ring;
    flow->capacity = capacity;
    return true;
}

/* The two stretches that `size` bytes at count `at` lie in. */
static void copy_in(struct sim_flow *flow, const char *data, size_t size)
{
    size_t start = flow->written & (flow->capacity - 1);
    size_t first = size < flow->capacity - start ? size : flow->capacity - start;
    memcpy(flow->ring + start, data, first);
    if (size > first)
        memcpy(flow->ring, data + first, size - first);
    flow->written += size;
}

bool weir__sim_flow_take(struct sim_flow *flow, const void *data, size_t size)
{
    if (!reserve(flow, (size_t)(flow->written - flow->read) + size))
        return false;
    copy_in(flow, data, size);
    return true;
}

void weir__sim_flow_copy_out(const struct sim_flow *flow, uint64_t at, char *out, size_t size)
{
    size_t start = at & (flow->capacity - 1);
    size_t first = size < flow->capacity - start ? size : flow->capacity - start;
    memcpy(out, flow->ring + start, first);
    if (size > first)
        memcpy(out + first, flow->ring, size - first);
}

/* --- segments --------------------------------------------------------------------------------- */

static size_t window_bytes(const struct sim_net *net, const struct sim_socket *receiver)
{
    int asked = weir__sim_option(receiver, SOL_SOCKET, SO_RCVBUF, 0);
    return asked > 0 ? (size_t)asked : net->settings.window_bytes;
}

static size_t segment_bytes(struct sim_net *net, uint64_t left, uint64_t window)
{
    size_t bytes = (size_t)(left < window ? left : window);
    if (net->settings.segment_bytes_max == 0)
        return bytes;
    size_t drawn = 1 + (size_t)weir__sim_draw(net, net->settings.segment_bytes_max);
    return drawn < bytes ? drawn : bytes;
}

static void depart(struct sim_net *net, struct sim_socket *to, uint64_t until, bool fin)
{
    struct sim_flow *flow = &to->in;
    int64_t at_ns = weir__sim_arrival_ns(net, to);
    uint64_t rate = net->settings.bytes_per_second;
    if (rate > 0 && !is_unix(to)) {
        int64_t begins_ns = flow->link_free_ns > *net->now_ns ? flow->link_free_ns : *net->now_ns;
        flow->link_free_ns =
            begins_ns + (int64_t)((until - flow->departed) * (uint64_t)WEIR_SEC / rate);
        at_ns += flow->link_free_ns - *net->now_ns;
    }
    if (at_ns < flow->last_at_ns)
        at_ns = flow->last_at_ns;
    flow->last_at_ns = at_ns;
    flow->departed = until;
    flow->fin_departed = fin;
    size_t place = (flow->first_segment + flow->segment_count++) % SIM_SEGMENTS_MAX;
    flow->segments[place] = (struct sim_segment){until, at_ns, fin};
    if (flow->segment_count == 1)
        weir__sim_at(net, &flow->arrival, at_ns);
}

void weir__sim_flow_pump(struct sim_net *net, struct sim_socket *to)
{
    struct sim_flow *flow = &to->in;
    size_t window = window_bytes(net, to);
    while (!flow->cut && !flow->fin_departed && flow->segment_count < SIM_SEGMENTS_MAX) {
        uint64_t used = flow->departed - flow->read;
        uint64_t left = flow->written - flow->departed;
        if (left == 0 && flow->fin_written)
            depart(net, to, flow->departed, true);
        else if (left > 0 && used < window)
            depart(net, to, flow->departed + segment_bytes(net, left, window - used), false);
        else
            return;
    }
}

void weir__sim_flow_cut(struct sim_flow *flow)
{
    flow->cut = true;
    flow->segment_count = 0;
    flow->written = flow->departed = flow->arrived;
    weir__sim_never(&flow->arrival);
}
