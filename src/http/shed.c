/*
 * shed.c - see shed.h
 */
#include "http/shed.h"

void weir__http_shed_note(struct weir__http_shed *shed, int64_t came_at_ns, int64_t now_ns)
{
    int64_t delay_ns = now_ns - came_at_ns;
    // It came after the last one began: whether there was a queue in between, nobody knows.
    bool apart = came_at_ns > shed->began_at_ns;
    shed->delay_ns = delay_ns;
    shed->began_at_ns = now_ns;
    if (delay_ns < shed->delay_max_ns)
        shed->above_since_ns = 0;
    else if (apart || shed->above_since_ns == 0)
        shed->above_since_ns = now_ns;
    if (delay_ns < shed->delay_max_ns / 2)
        shed->on = false;
    else if (shed->above_since_ns != 0 && now_ns - shed->above_since_ns >= shed->sustain_ns)
        shed->on = true;
}

bool weir__http_shed_refuses(const struct weir__http_shed *shed, weir_priority priority)
{
    if (!shed->on)
        return false;
    switch (priority) {
    case WEIR_PRIORITY_LOW:
        return true;
    case WEIR_PRIORITY_HIGH:
        return shed->delay_ns >= shed->delay_max_ns;
    default:
        return shed->delay_ns >= shed->delay_max_ns / 2;
    }
}
