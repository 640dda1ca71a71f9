/* sync.c - a kitchen: orders come through a channel, two cooks share one oven, and the shop
 * closes */
#include <stdio.h>
#include <weir/weir.h>

struct kitchen {
    weir_channel *orders;
    weir_event closing;
    weir_mutex oven;
    int baked;
};

static int bake(struct kitchen *kitchen, int order)
{
    int rc = weir_mutex_lock(&kitchen->oven); // the other cook waits its turn
    if (rc < 0)
        return rc;
    rc = weir_sleep(20 * WEIR_MS);
    if (rc == 0)
        printf("order %d is done, %d in all\n", order, ++kitchen->baked);
    weir_mutex_unlock(&kitchen->oven); // also when the sleep was cancelled
    return rc;
}

struct cook {
    struct kitchen *kitchen;
};
static int cook(struct cook *a)
{
    for (;;) {
        int order;
        size_t chosen;
        weir_select_arm arms[] = {
            WEIR_ON_RECV(a->kitchen->orders, &order),
            WEIR_ON_EVENT(&a->kitchen->closing),
            WEIR_ON_TIMEOUT(10 * WEIR_SEC),
        };
        int rc = weir_select(arms, 3, &chosen); // one of the three; the others have done nothing
        if (rc == 0 && chosen == 0)
            rc = bake(a->kitchen, order);
        if (rc < 0 || chosen != 0)
            return rc;
    }
}

static int serve(struct kitchen *kitchen)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = WEIR_SPAWN(group, cook, .kitchen = kitchen);
    for (int order = 1; rc == 0 && order <= 5; order++)
        rc = weir_channel_send(kitchen->orders, &order); // full: the guest waits, and memory does
                                                         // not grow
    while (rc == 0 && kitchen->baked < 5)
        rc = weir_sleep(5 * WEIR_MS);
    weir_event_set(&kitchen->closing);
    return weir_group_close(group, rc);
}

static int app(void *arg)
{
    (void)arg;
    struct kitchen kitchen = {0}; // an event and a mutex start from zero
    weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 2};
    int rc = weir_channel_new(&options, &kitchen.orders);
    if (rc < 0)
        return rc;
    rc = serve(&kitchen);
    printf("closed: %s\n", weir_code_name(rc));
    weir_channel_free(kitchen.orders);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
