/*
 * ledger.h - what is open on a loop, and who opened it
 *
 * A room that hands out something to be closed keeps an entry in it: two pointers into a list, and
 * the address of the code that opened it. At the end of a run what is left is told with that place,
 * then closed all the same, so that a forgotten close is a finding and not a leak.
 *
 * Runs on  the loop's own thread.
 */
#ifndef WEIR__CORE_LEDGER_H
#define WEIR__CORE_LEDGER_H

#include "base/list.h"
#include "core/core.h"

struct weir__ledger_entry {
    struct weir__list link;
    const char *kind;    /* "connection", "file" */
    const void *address; /* code that opened it */
    weir_task_id task;
    void (*close)(struct weir__ledger_entry *entry); /* must not park; takes the entry out */
};

/* No loop, no entry: what was opened outside is nobody's here. */
void weir__ledger_add(struct weir__ledger_entry *entry, const char *kind, const void *address,
                      void (*close)(struct weir__ledger_entry *entry));
void weir__ledger_remove(struct weir__ledger_entry *entry);
/* The end of a run: tell and close what is left. Returns how many there were. */
size_t weir__ledger_settle(weir_loop *loop);

#endif
