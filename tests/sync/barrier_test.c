/*
 * barrier_test.c - tasks that go on together
 */
#include "tests/sync/waits.h"

#include "base/clock.h"

struct party {
    weir_barrier *barrier;
    int rounds;
    int done;
    int rc;
    int *last_count;
};

static int meet(void *arg)
{
    struct party *party = arg;
    while (party->done < party->rounds) {
        bool last = false;
        party->rc = weir_barrier_wait(party->barrier, &last);
        if (party->rc < 0)
            return party->rc;
        party->done++;
        *party->last_count += last;
    }
    return 0;
}

TASK_TEST(nobody_goes_on_before_all_are_there_round_after_round)
{
    enum { PARTIES = 4, ROUNDS = 5 };
    weir_barrier barrier;
    weir_barrier_init(&barrier, PARTIES);
    int last_count = 0;
    struct party parties[PARTIES];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < PARTIES; i++) {
        settle();
        EXPECT_EQ(i, weir_barrier_count(&barrier));
        EXPECT_EQ(0, parties[0].done * (i > 0)); // the first one waits still
        parties[i] =
            (struct party){.barrier = &barrier, .rounds = ROUNDS, .last_count = &last_count};
        spawn(group, meet, &parties[i]);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < PARTIES; i++)
        EXPECT_EQ(ROUNDS, parties[i].done);
    EXPECT_EQ(ROUNDS, last_count); // one in each round
    EXPECT_EQ(0, weir_barrier_count(&barrier));
}

TASK_TEST(one_party_never_waits_and_none_is_an_error)
{
    weir_barrier barrier;
    weir_barrier_init(&barrier, 1);
    bool last = false;
    EXPECT_RC(0, weir_barrier_wait(&barrier, &last));
    EXPECT(last);
    weir_barrier nobody = {0};
    EXPECT_RC(-EINVAL, weir_barrier_wait(&nobody, NULL));
}

TASK_TEST(a_cancelled_party_does_not_count)
{
    weir_barrier barrier;
    weir_barrier_init(&barrier, 3);
    int last_count = 0;
    struct party parties[4];
    weir_task_id ids[4];
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    for (int i = 0; i < 4; i++)
        parties[i] = (struct party){.barrier = &barrier, .rounds = 1, .last_count = &last_count};
    for (int i = 0; i < 2; i++)
        ids[i] = spawn(group, meet, &parties[i]);
    settle();
    EXPECT_RC(0, weir_task_cancel(ids[0], "test"));
    spawn(group, meet, &parties[2]);
    settle();
    EXPECT_EQ(2, weir_barrier_count(&barrier));
    EXPECT_EQ(0, parties[1].done);
    spawn(group, meet, &parties[3]);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, parties[0].rc);
    EXPECT_EQ(1, parties[1].done + 0);
    EXPECT_EQ(1, last_count);
}

TASK_TEST(who_was_let_go_before_the_cancel_has_met_the_others) // O4
{
    weir_barrier barrier;
    weir_barrier_init(&barrier, 2);
    int last_count = 0;
    struct party party = {.barrier = &barrier, .rounds = 1, .last_count = &last_count};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, meet, &party);
    settle();
    EXPECT_RC(0, weir_barrier_wait(&barrier, NULL));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, party.rc);
}

TASK_TEST(a_barrier_in_a_cancelled_scope_is_refused) // O1
{
    weir_barrier barrier;
    weir_barrier_init(&barrier, 1);
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_barrier_wait(&barrier, NULL));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
}
