/*
 * list_test.c - nodes are in the list or point at themselves
 */
#include "base/list.h"

#include "tests/support/test.h"

struct item {
    int number;
    struct weir__list node;
};

static int take_number(struct weir__list *head)
{
    struct weir__list *node = weir__list_take_first(head);
    return node == NULL ? -1 : WEIR__CONTAINER(node, struct item, node)->number;
}

TEST(an_empty_list_has_no_first_node)
{
    struct weir__list list;
    weir__list_init(&list);
    EXPECT(weir__list_empty(&list));
    EXPECT(weir__list_take_first(&list) == NULL);
}

TEST(nodes_come_out_in_the_order_of_the_list)
{
    struct weir__list list;
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    weir__list_init(&list);
    weir__list_append(&list, &items[1].node);
    weir__list_append(&list, &items[3].node);
    weir__list_prepend(&list, &items[0].node);
    weir__list_insert_before(&items[3].node, &items[2].node);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(i, take_number(&list));
    EXPECT_EQ(-1, take_number(&list));
}

TEST(removing_a_node_twice_does_nothing)
{
    struct weir__list list;
    struct item items[2] = {{.number = 0}, {.number = 1}};
    weir__list_init(&list);
    weir__list_append(&list, &items[0].node);
    weir__list_append(&list, &items[1].node);
    weir__list_remove(&items[0].node);
    weir__list_remove(&items[0].node);
    EXPECT(weir__list_empty(&items[0].node));
    EXPECT_EQ(1, take_number(&list));
    EXPECT(weir__list_empty(&list));
}

TEST(splicing_moves_all_nodes_behind_those_that_are_there)
{
    struct weir__list a;
    struct weir__list b;
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    weir__list_init(&a);
    weir__list_init(&b);
    weir__list_splice(&a, &b);
    EXPECT(weir__list_empty(&a));
    for (int i = 0; i < 4; i++)
        weir__list_append(i < 2 ? &a : &b, &items[i].node);
    weir__list_splice(&a, &b);
    EXPECT(weir__list_empty(&b));
    weir__list_splice(&a, &b);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(i, take_number(&a));
    EXPECT(weir__list_empty(&a));
}
