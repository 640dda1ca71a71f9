/*
 * waiting_test.c - what a report can say of each wait: who holds the thing, or was last on its
 * other side; and every wait cut at every place
 */
#include "tests/sync/waits.h"

#include "base/clock.h"
#include "core/observe.h"

/* --- who is waited for ------------------------------------------------------------------------ */

static weir_task *task_of(weir_task_id id)
{
    return weir__core_task_by_id(weir__core_loop(), id);
}

static struct weir__wait_facts facts_of(weir_task_id id)
{
    struct weir__wait_facts facts;
    weir__core_wait_facts(weir__core_loop(), task_of(id), &facts);
    return facts;
}

static enum weir_wait_kind kind_of(weir_task_id id)
{
    return (enum weir_wait_kind)weir__core_hot(weir__core_loop(), task_of(id))->wait_kind;
}

static struct {
    weir_event event;
    weir_semaphore semaphore;
    weir_mutex mutex;
    weir_rwlock rwlock;
    weir_condition condition;
    weir_barrier barrier;
    weir_future future;
    weir_limiter limiter;
    weir_channel *channel;
    weir_shared_channel *shared_channel;
    weir_shared_event *shared_event;
} all;

enum place {
    EVENT,
    SEMAPHORE,
    MUTEX,
    READ,
    WRITE,
    CONDITION,
    BARRIER,
    FUTURE,
    LIMITER,
    CHANNEL_SEND,
    CHANNEL_RECV,
    SELECT,
    SHARED_CHANNEL_SEND,
    SHARED_CHANNEL_RECV,
    SHARED_EVENT,
    PLACES,
};

static int select_all(void)
{
    int item = 0;
    void *value;
    size_t chosen;
    weir_select_arm arms[] = {WEIR_ON_RECV(all.channel, &item), WEIR_ON_SEND(all.channel, &item),
                              WEIR_ON_EVENT(&all.event), WEIR_ON_FUTURE(&all.future, &value),
                              WEIR_ON_TIMEOUT(WEIR_HOUR)};
    return weir_select(arms, 5, &chosen);
}

static int wait_on_condition(void)
{
    static weir_mutex mutex;
    mutex = (weir_mutex){0};
    int rc = weir_mutex_lock(&mutex);
    if (rc < 0)
        return rc;
    rc = weir_condition_wait(&all.condition, &mutex);
    EXPECT(weir_mutex_is_mine(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
    return rc;
}

static int unlock_if(int rc, int (*unlock)(void))
{
    if (rc == 0)
        EXPECT_RC(0, unlock());
    return rc;
}

static int unlock_mutex(void)
{
    return weir_mutex_unlock(&all.mutex);
}

static int unlock_rwlock(void)
{
    return weir_rwlock_unlock(&all.rwlock);
}

static int wait_at(enum place place)
{
    int item = 0;
    switch (place) {
    case EVENT:
        return weir_event_wait(&all.event);
    case SEMAPHORE:
        return weir_semaphore_acquire(&all.semaphore, 2);
    case MUTEX:
        return unlock_if(weir_mutex_lock(&all.mutex), unlock_mutex);
    case READ:
        return unlock_if(weir_rwlock_read_lock(&all.rwlock), unlock_rwlock);
    case WRITE:
        return unlock_if(weir_rwlock_write_lock(&all.rwlock), unlock_rwlock);
    case CONDITION:
        return wait_on_condition();
    case BARRIER:
        return weir_barrier_wait(&all.barrier, NULL);
    case FUTURE:
        return weir_future_wait(&all.future, NULL);
    case LIMITER:
        return weir_limiter_acquire(&all.limiter, 1);
    case CHANNEL_SEND:
        return weir_channel_send(all.channel, &item);
    case CHANNEL_RECV:
        return weir_channel_recv(all.channel, &item);
    case SELECT:
        return select_all();
    case SHARED_CHANNEL_SEND:
        return weir_shared_channel_send(all.shared_channel, &item);
    case SHARED_CHANNEL_RECV:
        return weir_shared_channel_recv(all.shared_channel, &item);
    case SHARED_EVENT:
        return weir_shared_event_wait(all.shared_event, 0, NULL);
    default:
        return -EINVAL;
    }
}

/* Everything is such that a wait there waits, and the calling task is who is waited for. */
static void begin_all(void)
{
    static const weir_channel_options rendezvous = {.item_bytes = sizeof(int), .rendezvous = true};
    all = (typeof(all)){0};
    EXPECT_RC(0, weir_event_set(&all.event));
    EXPECT_RC(0, weir_event_clear(&all.event));
    weir_semaphore_init(&all.semaphore, 2);
    EXPECT_RC(0, weir_semaphore_try_acquire(&all.semaphore, 1));
    EXPECT_RC(0, weir_mutex_lock(&all.mutex));
    EXPECT_RC(0, weir_rwlock_write_lock(&all.rwlock));
    EXPECT_RC(0, weir_condition_signal(&all.condition));
    weir_barrier_init(&all.barrier, 2);
    weir_future_init(&all.future, NULL);
    EXPECT_RC(0, weir_limiter_init(&all.limiter,
                                   &(weir_limiter_options){.tokens = 1, .period_ns = WEIR_HOUR}));
    EXPECT_RC(0, weir_limiter_try_acquire(&all.limiter, 1));
    EXPECT_RC(0, weir_channel_new(&rendezvous, &all.channel));
    EXPECT_RC(0, weir_shared_channel_new(&rendezvous, &all.shared_channel));
    EXPECT_RC(0, weir_shared_event_new(&all.shared_event));
}

static void end_all(void)
{
    EXPECT_RC(0, weir_mutex_unlock(&all.mutex));
    EXPECT_RC(0, weir_rwlock_unlock(&all.rwlock));
    EXPECT_RC(0, weir_rwlock_try_write_lock(&all.rwlock));
    EXPECT_RC(0, weir_rwlock_unlock(&all.rwlock));
    EXPECT_EQ(1, weir_semaphore_available(&all.semaphore));
    EXPECT_EQ(0, weir_barrier_count(&all.barrier));
    weir_future_deinit(&all.future);
    weir_channel_free(all.channel);
    weir_shared_channel_release(all.shared_channel);
    weir_shared_event_release(all.shared_event);
    EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
    EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
}

static int wait_here(void *arg)
{
    return wait_at((enum place)(intptr_t)arg);
}

static int move_an_item(void *arg)
{
    int item = 0;
    return arg != NULL ? weir_channel_recv(all.channel, &item)
                       : weir_shared_channel_recv(all.shared_channel, &item);
}

TASK_TEST(a_report_of_a_wait_can_name_who_is_waited_for)
{
    static const struct {
        enum weir_wait_kind kind;
        const char *relation;
        const char *detail;
    } expected[PLACES] = {
        [EVENT] = {WEIR_WAIT_EVENT, "last set by", ""},
        [SEMAPHORE] = {WEIR_WAIT_SEMAPHORE, "last taken by", "1 of 2 permits are free"},
        [MUTEX] = {WEIR_WAIT_MUTEX, "held by", ""},
        [READ] = {WEIR_WAIT_RWLOCK, "being written by", "to read"},
        [WRITE] = {WEIR_WAIT_RWLOCK, "being written by", "to write"},
        [CONDITION] = {WEIR_WAIT_CONDITION, "last signalled by", ""},
        [BARRIER] = {WEIR_WAIT_BARRIER, "last come to by", "1 of 2 are there"},
        [FUTURE] = {WEIR_WAIT_FUTURE, "made by", ""},
        [LIMITER] = {WEIR_WAIT_LIMITER, "last used by", "its turn comes in 3599998 ms"},
        [CHANNEL_SEND] = {WEIR_WAIT_CHANNEL, "last received from by", "to send; 0 of 0 items"},
        [CHANNEL_RECV] = {WEIR_WAIT_CHANNEL, "last sent to by", "to receive; 0 of 0 items"},
        [SELECT] = {WEIR_WAIT_SELECT, "last sent to by",
                    "receive, send, an event, a future, a timeout"},
        [SHARED_CHANNEL_SEND] = {WEIR_WAIT_SHARED_CHANNEL, "last received from by", "to send;"},
        [SHARED_CHANNEL_RECV] = {WEIR_WAIT_SHARED_CHANNEL, "last sent to by", "to receive;"},
        [SHARED_EVENT] = {WEIR_WAIT_SHARED_EVENT, "last posted by", "more than 0 times"},
    };
    begin_all();
    int64_t begin_ns = weir_now();
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    spawn(group, move_an_item, NULL); // so that both channels had somebody on each side
    settle();
    EXPECT_RC(0, weir_shared_channel_send(all.shared_channel, &(int){1}));
    spawn(group, move_an_item, group);
    settle();
    EXPECT_RC(0, weir_channel_send(all.channel, &(int){1}));
    begin_ns = weir_now() - begin_ns;
    EXPECT_RC(0, weir_group_close(group, 0));
    for (enum place place = 0; place < PLACES; place++) {
        group = open_group(WEIR_COLLECT_ALL);
        weir_task_id id = spawn(group, wait_here, (void *)(intptr_t)place);
        EXPECT_RC(0, weir_yield());
        EXPECT_EQ(expected[place].kind, kind_of(id));
        struct weir__wait_facts facts = facts_of(id);
        EXPECT_STR(expected[place].relation, facts.relation);
        EXPECT_CONTAINS(expected[place].detail, facts.detail);
        if (place == CHANNEL_SEND || place == SHARED_CHANNEL_SEND || place == SHARED_EVENT)
            EXPECT(facts.task != id); // the task that received has ended; nobody has posted
        else
            EXPECT_EQ(place == BARRIER ? id : weir_task_self(), facts.task);
        EXPECT((place == MUTEX || place == READ || place == WRITE) == (facts.address != NULL));
        weir_group_cancel(group, "seen");
        EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    }
    end_all();
}

/* --- every wait, cut at every place (C5, case 293) -------------------------------------------- */

struct sweep {
    int cut_before;
    int passed;
    int rc;
};

/* All the waits one after another, each with nothing that would end it but its time limit, or the
 * cut. */
static int wait_everywhere(void *arg)
{
    struct sweep *sweep = arg;
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    int rc = 0;
    for (enum place place = 0; place < PLACES && (rc == 0 || rc == -ETIME); place++) {
        if (++sweep->passed == sweep->cut_before)
            weir_scope_cancel(&scope, "the sweep");
        rc = 0;
        WEIR_TIMEOUT(rc, 5 * WEIR_MS)
        {
            rc = wait_at(place);
        }
    }
    sweep->rc = rc;
    EXPECT_RC(rc == -ECANCELED ? WEIR_CAUGHT : rc, weir_scope_leave(&scope, rc));
    return 0;
}

TASK_TEST(every_wait_that_is_refused_or_cut_leaves_everything_as_it_was) // O1, case 293
{
    for (int cut_before = 1; cut_before <= PLACES + 1; cut_before++) {
        begin_all();
        struct sweep sweep = {.cut_before = cut_before};
        weir_group *group = open_group(WEIR_FAIL_FAST);
        spawn(group, wait_everywhere, &sweep);
        EXPECT_RC(0, weir_group_close(group, 0));
        bool cut = cut_before <= PLACES;
        EXPECT_RC(cut ? -ECANCELED : -ETIME, sweep.rc);
        EXPECT_EQ(cut ? cut_before : PLACES, sweep.passed); // no wait after the refused one
        end_all();
    }
}

static void cut(struct weir__alarm *alarm);

struct cutter {
    struct weir__alarm alarm;
    weir_task_id id;
};

static void cut(struct weir__alarm *alarm)
{
    EXPECT_RC(0, weir_task_cancel(WEIR__CONTAINER(alarm, struct cutter, alarm)->id, "cut"));
}

TASK_TEST(every_wait_can_be_cut_while_it_lasts)
{
    for (enum place place = 0; place < PLACES; place++) {
        begin_all();
        weir_group *group = open_group(WEIR_COLLECT_ALL);
        int64_t begin_ns = weir_now();
        struct cutter cutter = {.alarm.fire = cut};
        cutter.id = spawn(group, wait_here, (void *)(intptr_t)place);
        weir__core_alarm_set(weir__core_loop(), &cutter.alarm, begin_ns + 3 * WEIR_MS);
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_EQ(3 * WEIR_MS, weir_now() - begin_ns);
        end_all();
    }
}

/* --- programs drawn from a seed, that use all of it at once (I10) ----------------------------- */

enum { WALKERS = 10, STEPS = 12, PERMITS = 3, PARTIES = 3, ROOM = 2 };

struct world {
    uint64_t random;
    weir_event event;
    weir_semaphore semaphore;
    weir_mutex mutex;
    weir_rwlock rwlock;
    weir_condition condition;
    weir_barrier barrier;
    weir_limiter limiter;
    weir_channel *channel;
    weir_shared_channel *shared_channel;
    int inside, readers, writers; /* of the mutex, and of the reader-writer lock */
    int sent, received;           /* both channels together */
    int64_t tokens, begin_ns;
};

static uint64_t draw(struct world *world, uint64_t limit)
{
    return weir__base_random_next(&world->random) % limit;
}

static int pause_a_little(struct world *world)
{
    return weir_sleep((int64_t)draw(world, 3) * WEIR_MS);
}

static int with_permits(struct world *world)
{
    size_t permits = 1 + draw(world, PERMITS);
    int rc = weir_semaphore_acquire(&world->semaphore, permits);
    if (rc < 0)
        return rc;
    rc = pause_a_little(world);
    EXPECT_RC(0, weir_semaphore_release(&world->semaphore, permits));
    return rc;
}

static int with_mutex(struct world *world)
{
    int rc = weir_mutex_lock(&world->mutex);
    if (rc < 0)
        return rc;
    EXPECT_EQ(1, ++world->inside);
    if (draw(world, 2) == 0) {
        world->inside--;
        rc = weir_condition_wait(&world->condition, &world->mutex);
        EXPECT_EQ(1, ++world->inside);
    } else {
        rc = pause_a_little(world);
    }
    world->inside--;
    EXPECT_RC(0, weir_mutex_unlock(&world->mutex));
    return rc;
}

static int with_rwlock(struct world *world)
{
    bool writes = draw(world, 3) == 0;
    int rc =
        writes ? weir_rwlock_write_lock(&world->rwlock) : weir_rwlock_read_lock(&world->rwlock);
    if (rc < 0)
        return rc;
    int *count = writes ? &world->writers : &world->readers;
    ++*count;
    EXPECT(world->writers == 0 || (world->writers == 1 && world->readers == 0));
    rc = pause_a_little(world);
    --*count;
    EXPECT_RC(0, weir_rwlock_unlock(&world->rwlock));
    return rc;
}

static int with_tokens(struct world *world)
{
    size_t tokens = 1 + draw(world, 2);
    int rc = weir_limiter_acquire(&world->limiter, tokens);
    if (rc == 0)
        world->tokens += (int64_t)tokens;
    EXPECT(world->tokens <= 2 + (weir_now() - world->begin_ns) / WEIR_MS);
    return rc;
}

static int through_a_select(struct world *world)
{
    int item = 0;
    size_t chosen = 0;
    weir_select_arm arms[] = {WEIR_ON_RECV(world->channel, &item),
                              WEIR_ON_SEND(world->channel, &item), WEIR_ON_EVENT(&world->event),
                              WEIR_ON_TIMEOUT((int64_t)draw(world, 4) * WEIR_MS)};
    arms[draw(world, 2)] = (weir_select_arm){0};
    int rc = weir_select(arms, 4, &chosen);
    world->received += rc == 0 && chosen == 0;
    world->sent += rc == 0 && chosen == 1;
    return rc;
}

static int through_a_channel(struct world *world, bool shared, bool sends)
{
    int item = 0, rc;
    if (shared)
        rc = sends ? weir_shared_channel_send(world->shared_channel, &item)
                   : weir_shared_channel_recv(world->shared_channel, &item);
    else
        rc = sends ? weir_channel_send(world->channel, &item)
                   : weir_channel_recv(world->channel, &item);
    world->sent += rc == 0 && sends;
    world->received += rc == 0 && !sends;
    return rc;
}

static int change_something(struct world *world)
{
    EXPECT_RC(0, draw(world, 2) == 0 ? weir_event_set(&world->event)
                                     : weir_event_clear(&world->event));
    EXPECT_RC(0, draw(world, 3) == 0 ? weir_condition_broadcast(&world->condition)
                                     : weir_condition_signal(&world->condition));
    return pause_a_little(world);
}

static int take_a_step(struct world *world)
{
    switch (draw(world, 10)) {
    case 0:
        return weir_event_wait(&world->event);
    case 1:
        return with_permits(world);
    case 2:
        return with_mutex(world);
    case 3:
        return with_rwlock(world);
    case 4:
        return weir_barrier_wait(&world->barrier, NULL);
    case 5:
        return with_tokens(world);
    case 6:
        return through_a_select(world);
    case 7:
        return through_a_channel(world, false, draw(world, 2) == 0);
    case 8:
        return through_a_channel(world, true, draw(world, 2) == 0);
    default:
        return change_something(world);
    }
}

static int walk(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < STEPS; i++) {
        int rc = 0;
        WEIR_TIMEOUT(rc, (int64_t)draw(world, 6) * WEIR_MS)
        {
            rc = take_a_step(world);
        }
        if (rc < 0 && rc != -ETIME)
            return rc;
    }
    return 0;
}

static int run_world(void *arg)
{
    static const weir_channel_options options = {.item_bytes = sizeof(int), .capacity = ROOM};
    struct world world = {.random = *(uint64_t *)arg, .begin_ns = weir_now()};
    weir_semaphore_init(&world.semaphore, PERMITS);
    weir_barrier_init(&world.barrier, PARTIES);
    EXPECT_RC(
        0, weir_limiter_init(&world.limiter, &(weir_limiter_options){.tokens = 1000, .burst = 2}));
    EXPECT_RC(0, weir_channel_new(&options, &world.channel));
    EXPECT_RC(0, weir_shared_channel_new(&options, &world.shared_channel));
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id ids[WALKERS];
    for (int i = 0; i < WALKERS; i++)
        ids[i] = spawn(group, walk, &world);
    for (int i = 0; i < WALKERS / 2; i++) {
        EXPECT_RC(0, pause_a_little(&world));
        int rc = weir_task_cancel(ids[draw(&world, WALKERS)], "test");
        EXPECT(rc == 0 || rc == -ESTALE);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(PERMITS, weir_semaphore_available(&world.semaphore));
    EXPECT_EQ(0, weir_barrier_count(&world.barrier));
    EXPECT_RC(0, weir_mutex_try_lock(&world.mutex));
    EXPECT_RC(0, weir_mutex_unlock(&world.mutex));
    EXPECT_RC(0, weir_rwlock_try_write_lock(&world.rwlock));
    EXPECT_RC(0, weir_rwlock_unlock(&world.rwlock));
    EXPECT_EQ(world.sent - world.received,
              weir_channel_count(world.channel) + weir_shared_channel_count(world.shared_channel));
    EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
    weir_channel_free(world.channel);
    weir_shared_channel_release(world.shared_channel);
    return 0;
}

TEST(what_is_granted_is_held_or_released_in_programs_of_all_sorts) // I10
{
    for (uint64_t seed = 1; seed <= SEEDS && !test_failed(); seed++)
        run_shuffled(seed, run_world, &seed);
}
