/*
 * everywhere_members_sweep_test.c - members of groups that serve, are supervised, are told of or
 * given out one by one, cancelled and failed at every place: rules C5, O4, T2, I1 to I11, cases
 * 293, 294, 296
 */
#include <weir/handle.h>
#include <weir/remote.h>
#include <weir/stop.h>

#include "tests/core/bodies.h"
#include "tests/support/everywhere.h"

/* Level after every round. */
static struct {
    int begun, ended;
    int made, taken, destroyed;
    int failed, told, collected; /* failures of members: each is heard of once, */
    int told_max;                /* and once more when the supervisor gives up over it; 0: none */
    int given;                   /* outcomes */
    char story[16];              /* who ended, in order */
} books;

static void open_books(void)
{
    memset(&books, 0, sizeof books);
}

static void note(char who)
{
    size_t size = strlen(books.story);
    if (size + 1 < sizeof books.story)
        books.story[size] = who;
}

/* `arg`: what the story is when nothing struck, or NULL. */
static bool books_are_level(const weir_test_round *round, void *arg)
{
    EXPECT_EQ(books.begun, books.ended);
    EXPECT_EQ(books.made, books.taken + books.destroyed);
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    bool gave_up = books.told_max > 0 && books.told > books.told_max;
    if (!fault)
        EXPECT_EQ(books.failed, books.told + books.collected - gave_up); /* F6 */
    if (!round->struck && round->seed == 0 && arg != NULL)
        EXPECT_STR((const char *)arg, books.story);
    bool failed_before_it_was_cut = books.failed > 0 && round->rc == -EPROTO; /* G5 */
    EXPECT(round->rc >= 0 || fault || failed_before_it_was_cut);
    if (round->struck && round->kind == WEIR_TEST_NO_MEMORY)
        EXPECT(round->rc >= 0 || round->rc == -ENOMEM || failed_before_it_was_cut); /* T2 */
    return !test_failed();
}

static int work_for(int64_t duration_ns)
{
    books.begun++;
    int rc = weir_sleep(duration_ns);
    books.ended++;
    return rc;
}

static int work(void *arg)
{
    return work_for((int64_t)(intptr_t)arg * WEIR_MS);
}

#define FOR_MS(duration) ((void *)(intptr_t)(duration))

/* A group that was cut while it was being filled. */
static int filled(int rc)
{
    return rc == -ESHUTDOWN ? weir_check() : rc;
}

/* --- services --------------------------------------------------------------------------------- */

static int serve(void *arg)
{
    const char *name = arg;
    books.begun++;
    int rc = op();
    int flushed = 0;
    WEIR_SHIELD(flushed, WEIR_SEC)
    {
        flushed = weir_sleep(WEIR_MS);
    }
    note(*name);
    books.ended++;
    return flushed < 0 ? flushed : rc;
}

static int need_services(void *arg)
{
    int rc = work(arg);
    note('w');
    return rc;
}

static int serve_some(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_spawn_options service = {.service = true};
    rc = weir_spawn_with(group, &service, serve, "a", NULL);
    if (rc == 0)
        rc = weir_spawn_with(group, &service, serve, "b", NULL);
    for (int i = 1; i < 3 && rc == 0; i++)
        rc = weir_spawn(group, need_services, FOR_MS(i));
    return weir_group_close(group, filled(rc));
}

TEST(services_everywhere) /* G9 */
{
    everywhere_simulated("services", (struct everywhere){serve_some, "wwba", books_are_level, 8});
}

/* --- supervision ------------------------------------------------------------------------------ */

static int hear(const weir_failure *failure, void *arg)
{
    (void)arg;
    books.told += failure->code == -EPROTO;
    return 0;
}

struct member {
    int runs_until_it_ends_well;
    int64_t for_ms;
    char name;
};

static int clean_run(void *arg)
{
    weir_ignore(arg, "each run has its own");
    books.destroyed++;
    return weir_sleep(WEIR_MS / 2);
}

static int run_member(void *arg)
{
    struct member *member = arg;
    int rc = weir_defer(clean_run, NULL);
    if (rc < 0)
        return rc;
    books.made++;
    rc = work_for(member->for_ms * WEIR_MS);
    if (rc < 0)
        return rc;
    note(member->name);
    if (--member->runs_until_it_ends_well < 0)
        return 0;
    books.failed++;
    return weir_fail(-EPROTO, "%c fails", member->name);
}

static int close_and_collect(weir_group *group, int rc)
{
    weir_failures *failures;
    rc = weir_group_close_failures(group, filled(rc), &failures);
    for (size_t i = 0; i < weir_failures_count(failures); i++)
        books.collected += weir_failures_at(failures, i)->code == -EPROTO;
    weir_failures_free(failures);
    return rc;
}

static int supervise(weir_strategy strategy, size_t intensity)
{
    open_books();
    books.told_max = (int)intensity;
    weir_group *group;
    weir_group_options options = {
        .policy = WEIR_SUPERVISE,
        .supervise = {.strategy = strategy, .intensity = intensity, .handler = hear},
    };
    int rc = weir_group_open(&group, &options);
    if (rc < 0)
        return rc;
    struct member members[] = {{0, 9, 'a'}, {2, 2, 'b'}, {0, 5, 'c'}};
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = weir_spawn_with(group, &(weir_spawn_options){.backoff_ns = WEIR_MS}, run_member,
                             &members[i], NULL);
    return close_and_collect(group, rc);
}

static int supervise_each(void *arg)
{
    (void)arg;
    return supervise(WEIR_ONE_FOR_ONE, 2);
}

TEST(a_supervised_member_everywhere) /* P6, case 241 */
{
    everywhere_simulated("one_for_one",
                         (struct everywhere){supervise_each, "bcbab", books_are_level, 12});
}

static int supervise_all(void *arg)
{
    (void)arg;
    return supervise(WEIR_ONE_FOR_ALL, 2);
}

TEST(members_that_are_restarted_together_everywhere) /* P6 */
{
    everywhere_simulated("one_for_all",
                         (struct everywhere){supervise_all, "bbbca", books_are_level, 12});
}

static int supervise_rest(void *arg)
{
    (void)arg;
    return supervise(WEIR_REST_FOR_ONE, 2);
}

TEST(members_that_depend_on_the_one_before_everywhere) /* P6 */
{
    everywhere_simulated("rest_for_one",
                         (struct everywhere){supervise_rest, "bbabc", books_are_level, 12});
}

static int give_up(void *arg)
{
    (void)arg;
    int rc = supervise(WEIR_ONE_FOR_ALL, 1);
    return rc == -EPROTO ? 0 : rc;
}

TEST(a_supervisor_that_gives_up_everywhere) /* P6, case 242 */
{
    everywhere_simulated("gives_up", (struct everywhere){give_up, "bb", books_are_level, 10});
}

static int be_ready(void *arg)
{
    int rc = work(FOR_MS(1));
    if (rc == 0)
        rc = weir_started(&books);
    return rc < 0 ? rc : work(arg);
}

static int start_supervised(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    weir_group_options options = {
        .policy = WEIR_SUPERVISE,
        .supervise = {.strategy = WEIR_ONE_FOR_ALL, .intensity = 2, .handler = hear},
    };
    int rc = weir_group_open(&group, &options);
    if (rc < 0)
        return rc;
    struct member member = {1, 2, 'm'};
    rc = weir_spawn_with(group, &(weir_spawn_options){.backoff_ns = WEIR_MS}, run_member, &member,
                         NULL);
    for (int i = 2; i < 4 && rc == 0; i++) { /* the first failure comes while this waits */
        void *value = NULL;
        rc = weir_start(group, be_ready, FOR_MS(i), &value);
        WEIR_TEST_EXPECT(value == (rc == 0 ? &books : NULL));
    }
    return close_and_collect(group, rc);
}

TEST(starting_into_a_supervised_group_everywhere) /* G11, P6 */
{
    everywhere_simulated("start_supervised",
                         (struct everywhere){start_supervised, "mm", books_are_level, 10});
}

/* --- outcomes one by one ---------------------------------------------------------------------- */

static void destroy_result(void *result)
{
    weir_ignore(result, "it is a number");
    books.destroyed++;
}

static int make_result(void *arg)
{
    int rc = work(arg);
    if (rc == 0)
        rc = weir_task_set_result(&books, destroy_result);
    books.made += rc == 0;
    return rc;
}

static int fail_handled(void *arg)
{
    int rc = work(arg);
    return rc < 0 ? rc : -EPROTO;
}

static int take_next(weir_group *group)
{
    weir_outcome outcome;
    int rc;
    while ((rc = weir_group_next(group, &outcome)) == 0) {
        void *result;
        books.given++;
        if (outcome.kind == WEIR_OUTCOME_OK && books.given != 2) /* nobody takes the second */
            books.taken += weir_task_take(outcome.task, &result) == 0;
        if (books.given == 2) /* one more while they are given out */
            rc = weir_spawn(group, make_result, FOR_MS(2));
        if (rc < 0)
            return rc;
    }
    if (rc != -ENOENT)
        return rc;
    WEIR_TEST_EXPECT(books.given == 5);
    return 0;
}

static int give_out(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.keeps_outcomes = true});
    if (rc < 0)
        return rc;
    weir_spawn_options handled = {.handled = true};
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = weir_spawn(group, make_result, FOR_MS(i));
    if (rc == 0)
        rc = weir_spawn_with(group, &handled, fail_handled, FOR_MS(1), NULL);
    if (rc == 0)
        rc = take_next(group);
    return weir_group_close(group, filled(rc));
}

/* What was handled is reported when nobody was given it (P8): only when the body was cut. */
TEST(outcomes_are_given_out_everywhere) /* G13, I5 */
{
    everywhere_simulated("next", (struct everywhere){give_out, NULL, books_are_level, 10});
}

/* --- callbacks -------------------------------------------------------------------------------- */

static int is_done(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)task;
    (void)arg;
    WEIR_TEST_EXPECT(outcome->kind != WEIR_OUTCOME_FAILED || outcome->rc == -ENOMEM);
    books.destroyed++;
    return 0;
}

static int be_told(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_task_id ids[3];
    weir_task_callback removed = {0};
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = weir_spawn_with(group, &(weir_spawn_options){.keep = true}, work, FOR_MS(i), &ids[i]);
        if (rc == 0)
            rc = weir_task_on_done(ids[i], is_done, NULL, i == 2 ? &removed : NULL);
        books.made += rc == 0;
    }
    if (rc == 0)
        rc = weir_task_wait(ids[0], NULL);
    if (rc == 0)
        rc = weir_task_on_done(ids[0], is_done, NULL, NULL); /* it has ended */
    if (rc == 0) {
        books.made++;
        rc = weir_task_wait(ids[1], NULL);
    }
    if (rc == 0)
        books.taken += weir_task_callback_remove(removed) == 0;
    return weir_group_close(group, filled(rc));
}

TEST(callbacks_are_called_once_or_taken_back_everywhere) /* K1, K2 */
{
    everywhere_simulated("callbacks", (struct everywhere){be_told, NULL, books_are_level, 8});
}

/* --- the end of the program ------------------------------------------------------------------- */

static int until_it_drains(void *arg)
{
    (void)arg;
    books.begun++;
    int rc = weir_wait_stopping();
    note('d');
    books.ended++;
    return rc;
}

static int until_it_is_cancelled(void *arg)
{
    int rc = work(arg);
    note('c');
    return rc;
}

static int until_it_is_forced(void *arg)
{
    int rc = 0;
    WEIR_SHIELD(rc, WEIR_FOREVER)
    {
        rc = work(arg);
    }
    note('f');
    return rc;
}

static int stop_by_steps(void *arg)
{
    weir_loop *loop = arg;
    int shielded = 0;
    WEIR_SHIELD(shielded, WEIR_SEC)
    {
        for (int phase = WEIR_STOP_DRAIN; phase <= WEIR_STOP_FORCE && shielded == 0; phase++) {
            shielded = weir_sleep(WEIR_MS);
            int asked = weir_remote_stop(loop, (weir_stop_phase)phase, "a test");
            WEIR_TEST_EXPECT(asked == 0);
        }
    }
    return shielded == -ECANCELED ? 0 : shielded;
}

static int be_stopped(void *arg)
{
    (void)arg;
    open_books();
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_loop *loop = weir_loop_retain_self();
    rc = weir_spawn(group, stop_by_steps, loop);
    if (rc == 0)
        rc = weir_spawn(group, until_it_is_forced, FOR_MS(100));
    if (rc == 0)
        rc = weir_spawn(group, until_it_is_cancelled, FOR_MS(50));
    if (rc == 0)
        rc = weir_spawn(group, until_it_drains, NULL);
    rc = weir_group_close(group, filled(rc));
    weir_loop_release(loop);
    return rc == -ECANCELED && weir_stopping() ? 0 : rc;
}

TEST(a_program_that_is_stopped_in_steps_everywhere) /* W1 to W4 */
{
    everywhere_simulated("stop", (struct everywhere){be_stopped, "dcf", books_are_level, 8});
}
