/*
 * shed.h - refusing requests while they wait too long for their turn
 *
 * What is measured is the delay of a request between bytes that could be read and its handler: a
 * short queue that comes and goes is what queues are for, so one delay says nothing. Only when
 * every request has waited too long for a while does the queue stand, and then no handler will make
 * up for it; fewer of them will.
 *
 * Pure: instants come from the caller.
 */
#ifndef WEIR__HTTP_SHED_H
#define WEIR__HTTP_SHED_H

#include <weir/http.h>

struct weir__http_shed {
    int64_t delay_max_ns;
    int64_t sustain_ns;
    int64_t delay_ns;       /* of the request that began last */
    int64_t began_at_ns;    /* when it did */
    int64_t above_since_ns; /* all that began since then had waited too long; 0: not so */
    bool on;
};

/* A request begins, which came at `came_at_ns` or somewhat later. */
void weir__http_shed_note(struct weir__http_shed *shed, int64_t came_at_ns, int64_t now_ns);
/* Whether a request that begins now is to be refused. */
bool weir__http_shed_refuses(const struct weir__http_shed *shed, weir_priority priority);

#endif
