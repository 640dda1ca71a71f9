/*
 * select.c - waiting for the first of several things
 *
 * A select that has to wait stands in the list of each thing it waits for, with a node inside each
 * of the caller's arms, so it allocates nothing. The first thing that grants its arm takes all the
 * others out of their lists in the same step: they cannot be granted any more.
 *
 * Runs on  the loop that all its arms belong to.
 * Holds    1. Before chosen is set, every arm that takes part is in a list; after it, none is.
 */
#include <stdio.h>

#include "base/clock.h"
#include "sync/channel.h"
#include "sync/future.h"
#include "sync/waiting.h"

enum { NOT_CHOSEN = -1 };

struct weir__choice {
    weir_select_arm *arms;
    size_t count;
    ssize_t chosen;
    ssize_t first_time; // the arm whose time comes first, or NOT_CHOSEN
    ssize_t otherwise;
    int64_t deadline_ns;
    struct weir__alarm alarm;
    weir_task *task;
};

_Static_assert(sizeof(((weir_select_arm *)0)->weir__node) >= sizeof(struct weir__arm),
               "an arm has room for its node");

static const char stranger[] = "a select has an arm of another loop; nothing was done";

static struct weir__arm *node_of(weir_select_arm *arm)
{
    return (struct weir__arm *)(void *)arm->weir__node;
}

static void tell(const void *object, struct weir__wait_facts *out)
{
    static const char *const words[] = {
        [WEIR_SELECT_NOTHING] = "nothing",    [WEIR_SELECT_RECV] = "receive",
        [WEIR_SELECT_SEND] = "send",          [WEIR_SELECT_EVENT] = "an event",
        [WEIR_SELECT_FUTURE] = "a future",    [WEIR_SELECT_TIMEOUT] = "a timeout",
        [WEIR_SELECT_DEADLINE] = "an instant"};
    const struct weir__choice *choice = object;
    size_t used = 0;
    for (size_t i = 0; i < choice->count && used < sizeof out->detail; i++)
        used += (size_t)snprintf(out->detail + used, sizeof out->detail - used, "%s%s",
                                 i == 0 ? "" : ", ", words[choice->arms[i].kind]);
    for (size_t i = 0; i < choice->count && out->task == 0; i++) {
        const weir_select_arm *arm = &choice->arms[i];
        if (arm->channel == NULL)
            continue;
        bool sends = arm->kind == WEIR_SELECT_SEND;
        out->task = sends ? arm->channel->received_by : arm->channel->sent_by;
        out->relation = sends ? "last received from by" : "last sent to by";
    }
}

/* --- what the arms are ------------------------------------------------------------------------ */

static void note_time(struct weir__choice *choice, size_t index, int64_t at_ns)
{
    if (choice->first_time != NOT_CHOSEN && at_ns >= choice->deadline_ns)
        return;
    choice->first_time = (ssize_t)index;
    choice->deadline_ns = at_ns;
}

/* 1 when the arm may be ready one day, 0 when it takes no part, or a negative errno. */
static int look_at(struct weir__choice *choice, size_t index, int64_t now_ns, const void *address)
{
    weir_select_arm *arm = &choice->arms[index];
    uint32_t *home = NULL;
    switch (arm->kind) {
    case WEIR_SELECT_NOTHING:
        return 0;
    case WEIR_SELECT_RECV:
    case WEIR_SELECT_SEND:
        home = arm->channel == NULL ? NULL : &arm->channel->home;
        break;
    case WEIR_SELECT_EVENT:
        home = arm->event == NULL ? NULL : &arm->event->weir__home;
        break;
    case WEIR_SELECT_FUTURE:
        home = arm->future == NULL ? NULL : &arm->future->weir__home;
        break;
    case WEIR_SELECT_TIMEOUT:
        note_time(choice, index, weir__base_add_ns(now_ns, arm->time_ns));
        return 1;
    case WEIR_SELECT_DEADLINE:
        note_time(choice, index, arm->time_ns);
        return 1;
    case WEIR_SELECT_OTHERWISE:
        choice->otherwise = (ssize_t)index;
        return 1;
    default:
        return -EINVAL;
    }
    if (home == NULL)
        return 0;
    return weir__sync_at_home(home) ? 1 : weir__sync_stranger(stranger, address);
}

static int look_at_all(struct weir__choice *choice, int64_t now_ns, const void *address)
{
    int part_count = 0;
    for (size_t i = 0; i < choice->count; i++) {
        int rc = look_at(choice, i, now_ns, address);
        if (rc < 0)
            return rc;
        part_count |= rc;
    }
    return part_count == 0 ? -EINVAL : 0;
}

/* --- at once ---------------------------------------------------------------------------------- */

static bool is_ready(const weir_select_arm *arm)
{
    switch (arm->kind) {
    case WEIR_SELECT_RECV:
        return arm->channel != NULL && weir__channel_can_recv(arm->channel);
    case WEIR_SELECT_SEND:
        return arm->channel != NULL && weir__channel_can_send(arm->channel);
    case WEIR_SELECT_EVENT:
        return arm->event != NULL && arm->event->weir__set;
    case WEIR_SELECT_FUTURE:
        return arm->future != NULL && weir_future_is_set(arm->future);
    default:
        return false;
    }
}

static int carry_out(weir_select_arm *arm)
{
    switch (arm->kind) {
    case WEIR_SELECT_RECV:
        return weir__channel_recv_now(arm->channel, arm->out_item);
    case WEIR_SELECT_SEND:
        return weir__channel_send_now(arm->channel, arm->item);
    case WEIR_SELECT_FUTURE:
        return weir__future_get(arm->future, arm->out_value);
    default:
        return 0;
    }
}

/* One of those that are ready, each as likely as the others; else one whose time has passed. */
static ssize_t pick(struct weir__choice *choice, int64_t now_ns)
{
    weir_loop *loop = weir__core_loop();
    ssize_t picked = NOT_CHOSEN;
    uint64_t ready_count = 0;
    for (size_t i = 0; i < choice->count; i++)
        if (is_ready(&choice->arms[i]) &&
            (++ready_count == 1 || weir__base_random_next(&loop->choice_state) % ready_count == 0))
            picked = (ssize_t)i;
    if (picked == NOT_CHOSEN && choice->first_time != NOT_CHOSEN && choice->deadline_ns <= now_ns)
        return choice->first_time;
    return picked == NOT_CHOSEN ? choice->otherwise : picked;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static struct weir__list *list_of(weir_select_arm *arm)
{
    switch (arm->kind) {
    case WEIR_SELECT_RECV:
        return arm->channel == NULL ? NULL : &arm->channel->receivers;
    case WEIR_SELECT_SEND:
        return arm->channel == NULL ? NULL : &arm->channel->senders;
    case WEIR_SELECT_EVENT:
        return arm->event == NULL ? NULL : weir__sync_waiters(&arm->event->weir__waiting);
    case WEIR_SELECT_FUTURE:
        return arm->future == NULL ? NULL : weir__sync_waiters(&arm->future->weir__waiting);
    default:
        return NULL;
    }
}

static void *item_of(const weir_select_arm *arm)
{
    switch (arm->kind) {
    case WEIR_SELECT_RECV:
        return arm->out_item;
    case WEIR_SELECT_SEND:
        return (void *)(uintptr_t)arm->item; // only read
    default:
        return (void *)arm->out_value;
    }
}

static void enter_lists(struct weir__choice *choice)
{
    for (size_t i = 0; i < choice->count; i++) {
        weir_select_arm *arm = &choice->arms[i];
        struct weir__arm *node = node_of(arm);
        *node = (struct weir__arm){.task = choice->task, .item = item_of(arm), .choice = choice};
        weir__list_init(&node->link);
        struct weir__list *list = list_of(arm);
        if (list != NULL)
            weir__list_append(list, &node->link);
    }
}

static void leave_lists(struct weir__choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        weir__list_remove(&node_of(&choice->arms[i])->link);
    weir__core_alarm_clear(weir__core_loop(), &choice->alarm);
}

void weir__sync_choose(struct weir__arm *arm)
{
    struct weir__choice *choice = arm->choice;
    for (size_t i = 0; i < choice->count; i++)
        if (node_of(&choice->arms[i]) == arm)
            choice->chosen = (ssize_t)i;
    leave_lists(choice);
}

static void time_has_come(struct weir__alarm *alarm)
{
    struct weir__choice *choice = WEIR__CONTAINER(alarm, struct weir__choice, alarm);
    choice->chosen = choice->first_time;
    leave_lists(choice);
    weir__core_wake(choice->task, 0);
}

static void abort_select(weir_task *task, void *object)
{
    leave_lists(object);
    weir__core_wake(task, -ECANCELED);
}

static int wait_for_one(struct weir__choice *choice)
{
    choice->task = weir__core_task();
    choice->alarm.fire = time_has_come;
    enter_lists(choice);
    if (choice->first_time != NOT_CHOSEN)
        weir__core_alarm_set(weir__core_loop(), &choice->alarm, choice->deadline_ns);
    weir__core_tell_waits(WEIR_WAIT_SELECT, tell);
    int rc = weir__core_park(WEIR_WAIT_SELECT, choice, abort_select);
    return choice->chosen == NOT_CHOSEN ? weir__sync_result(rc) : rc;
}

int weir_select(weir_select_arm *arms, size_t count, size_t *out_chosen)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    struct weir__choice choice = {.arms = arms,
                                  .count = count,
                                  .chosen = NOT_CHOSEN,
                                  .first_time = NOT_CHOSEN,
                                  .otherwise = NOT_CHOSEN};
    int64_t now_ns = weir__base_now();
    rc = look_at_all(&choice, now_ns, __builtin_return_address(0));
    if (rc < 0)
        return rc;
    choice.chosen = pick(&choice, now_ns);
    if (choice.chosen == NOT_CHOSEN) {
        rc = wait_for_one(&choice);
    } else {
        rc = carry_out(&arms[choice.chosen]);
        weir__core_completed_at_once();
    }
    if (choice.chosen != NOT_CHOSEN)
        *out_chosen = (size_t)choice.chosen;
    return rc;
}
