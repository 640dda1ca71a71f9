/*
 * ledger.c - see ledger.h
 */
#include "core/ledger.h"

#include "core/observe.h"

void weir__ledger_add(struct weir__ledger_entry *entry, const char *kind, const void *address,
                      void (*close)(struct weir__ledger_entry *entry))
{
    entry->kind = kind;
    entry->address = address;
    entry->task = weir_task_self();
    entry->close = close;
    weir__list_init(&entry->link);
    if (weir__loop != NULL)
        weir__list_append(&weir__loop->ledger, &entry->link);
}

void weir__ledger_remove(struct weir__ledger_entry *entry)
{
    weir__list_remove(&entry->link);
}

size_t weir__ledger_settle(weir_loop *loop)
{
    size_t count = 0;
    struct weir__list *node;
    while ((node = weir__list_take_first(&loop->ledger)) != NULL) {
        struct weir__ledger_entry *entry = WEIR__CONTAINER(node, struct weir__ledger_entry, link);
        weir__core_find(&(struct weir__finding){.kind = WEIR__FINDING_LEFT_OPEN,
                                                .loop = loop,
                                                .address = entry->address,
                                                .task_id = entry->task,
                                                .what = entry->kind,
                                                .count = 1});
        entry->close(entry);
        count++;
    }
    return count;
}
