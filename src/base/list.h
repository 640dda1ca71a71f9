/*
 * list.h - doubly linked circular list whose nodes live inside their owners
 *
 * The head is a node too; an empty list points at itself. A node that is in no list points at
 * itself as well, so that removing it twice does nothing.
 */
#ifndef WEIR__BASE_LIST_H
#define WEIR__BASE_LIST_H

#include <weir/base.h>

struct weir__list {
    struct weir__list *next;
    struct weir__list *prev;
};

/* The struct that contains `member` at address `pointer`. */
#define WEIR__CONTAINER(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void weir__list_init(struct weir__list *list)
{
    list->next = list;
    list->prev = list;
}
static inline bool weir__list_empty(const struct weir__list *list)
{
    return list->next == list;
}
static inline void weir__list_insert_before(struct weir__list *position, struct weir__list *node)
{
    node->prev = position->prev;
    node->next = position;
    position->prev->next = node;
    position->prev = node;
}
static inline void weir__list_append(struct weir__list *head, struct weir__list *node)
{
    weir__list_insert_before(head, node);
}
static inline void weir__list_prepend(struct weir__list *head, struct weir__list *node)
{
    weir__list_insert_before(head->next, node);
}
static inline void weir__list_remove(struct weir__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    weir__list_init(node);
}
/* Removes and returns the first node; NULL when the list is empty. */
static inline struct weir__list *weir__list_take_first(struct weir__list *head)
{
    struct weir__list *node = head->next;
    if (node == head)
        return NULL;
    weir__list_remove(node);
    return node;
}
/* Moves all nodes of `from` to the end of `to`; `from` is empty afterwards. */
static inline void weir__list_splice(struct weir__list *to, struct weir__list *from)
{
    if (weir__list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    weir__list_init(from);
}

#endif
