/*
 * weir/waiting.h - the part that public structs of weir/sync.h have in common
 *
 * Everything here belongs to the library.
 */
#ifndef WEIR_WAITING_H
#define WEIR_WAITING_H

#include <weir/base.h>
#include <weir/task.h>

struct weir__list;

/* Those who wait, in order. */
struct weir__waiting {
    struct weir__list *weir__next;
    struct weir__list *weir__prev;
};

#endif
