/*
 * random_test.c - programs drawn from a seed: spawn, nest, shield, time out, cancel, close, fail,
 * each in FIFO and in shuffled order: invariants I1, I2, I3, I5-I8 and I11
 *
 * WEIR_TEST_SEED=n runs only the program of that seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "tests/core/bodies.h"

enum { PROGRAMS = 2000, DEPTH_MAX = 5, TASKS_MAX = 150, GROUPS_KEPT = 8 };

/* One program: what it has begun and what became of that. */
struct program {
    uint64_t random;
    int tasks_left;
    int spawned, ran, ended;
    int waits_begun, waits_ended;
    int strays;                    /* -ECANCELED where nothing was cancelled (I8) */
    int went_down;                 /* a context that was cancelled and is not any more (I7) */
    int outlived;                  /* a task that ran after its group was closed (I1) */
    weir_group *open[GROUPS_KEPT]; /* strangers spawn into these */
    weir_scope *scopes[GROUPS_KEPT];
};

static unsigned draw(struct program *p, unsigned below)
{
    return (unsigned)(weir__base_random_next(&p->random) >> 33) % below;
}

static int work(struct program *p, int depth);

struct body {
    struct program *program;
    int depth;
    bool *group_open;
};
static int body(struct body *a)
{
    struct program *p = a->program;
    p->ran++;
    p->outlived += !*a->group_open;
    int rc = work(p, a->depth);
    p->outlived += !*a->group_open;
    p->ended++;
    return rc;
}

/* A wait of any kind; what it returned must fit the context. */
static int wait_somehow(struct program *p)
{
    bool cancelled_before = weir_cancelled();
    p->waits_begun++;
    int rc;
    switch (draw(p, 5)) {
    case 0:
        rc = weir_yield();
        break;
    case 1:
        rc = hard(draw(p, 10), 0);
        break;
    case 2:
        rc = weir_gather(WEIR_COLLECT_ALL, NULL, 0, NULL);
        break;
    default:
        rc = weir_sleep(draw(p, 20) * WEIR_MS);
        break;
    }
    p->waits_ended++;
    p->strays += rc == -ECANCELED && !weir_cancelled();
    p->went_down += cancelled_before && !weir_cancelled();
    return rc;
}

static int spawn_some(struct program *p, weir_group *group, int depth, bool *group_open)
{
    int rc = 0;
    for (unsigned i = draw(p, 5); i > 0 && rc == 0 && p->tasks_left > 0; i--) {
        p->tasks_left--;
        rc = WEIR_SPAWN(group, body, .program = p, .depth = depth, .group_open = group_open);
        p->spawned += rc == 0;
    }
    p->strays += rc == -ECANCELED && !weir_cancelled();
    return rc == -ESHUTDOWN || rc == -EDEADLK ? 0 : rc;
}

static int in_group(struct program *p, int depth)
{
    weir_group_options options = {.policy = draw(p, 2) ? WEIR_COLLECT_ALL : WEIR_FAIL_FAST,
                                  .running_max = draw(p, 2) ? 1 + draw(p, 2) : 0,
                                  .timeout_ns = draw(p, 6) == 0 ? draw(p, 30) * WEIR_MS : 0,
                                  .primary_only = draw(p, 2)};
    weir_group *group;
    int rc = weir_group_open(&group, &options);
    if (rc < 0)
        return rc;
    bool open = true;
    unsigned place = draw(p, GROUPS_KEPT);
    if (p->open[place] == NULL)
        p->open[place] = group;
    rc = spawn_some(p, group, depth, &open);
    if (rc == 0)
        rc = work(p, depth);
    if (draw(p, 8) == 0)
        weir_group_cancel(group, "drawn");
    if (draw(p, 2)) { /* strangers try to get in until it has returned */
        rc = weir_group_close(group, rc);
    } else {
        weir_failures *failures;
        rc = weir_group_close_failures(group, rc, &failures);
        weir_failures_free(failures);
    }
    open = false;
    if (p->open[place] == group)
        p->open[place] = NULL;
    return rc > 0 ? 0 : rc;
}

static int in_scope(struct program *p, int depth)
{
    weir_scope scope = {0};
    int rc;
    switch (draw(p, 3)) {
    case 0:
        rc = weir_scope_enter(&scope);
        break;
    case 1:
        rc = weir_timeout_enter(&scope, draw(p, 30) * WEIR_MS);
        break;
    default:
        rc = weir_shield_enter(&scope, draw(p, 30) * WEIR_MS);
        break;
    }
    if (rc < 0)
        return rc;
    unsigned place = draw(p, GROUPS_KEPT);
    if (p->scopes[place] == NULL)
        p->scopes[place] = &scope;
    rc = work(p, depth);
    if (draw(p, 8) == 0)
        weir_scope_set_deadline(&scope, weir_now() + draw(p, 10) * WEIR_MS);
    if (p->scopes[place] == &scope)
        p->scopes[place] = NULL;
    rc = weir_scope_leave(&scope, rc);
    return rc > 0 || rc == -ETIME ? 0 : rc;
}

static int one_step(struct program *p, int depth)
{
    weir_scope *scope = p->scopes[draw(p, GROUPS_KEPT)];
    switch (draw(p, 12)) {
    case 0:
    case 1:
    case 2:
        return depth > 0 ? in_group(p, depth - 1) : 0;
    case 3:
    case 4:
        return depth > 0 ? in_scope(p, depth - 1) : 0;
    case 5:
        return draw(p, 4) == 0 ? weir_fail(-EIO, "drawn at depth %d", depth) : 0;
    case 6:
        if (scope != NULL)
            weir_scope_cancel(scope, "drawn");
        return 0;
    case 7:
        return draw(p, 10) == 0 ? weir_task_cancel(weir_task_self(), NULL) : 0;
    default:
        return wait_somehow(p);
    }
}

static int work(struct program *p, int depth)
{
    int rc = 0;
    for (unsigned i = 2 + draw(p, 5); i > 0 && rc == 0; i--)
        rc = one_step(p, depth);
    return rc;
}

/* A stranger to every group: spawns into whatever is open. */
struct stranger {
    struct program *program;
};
static int stranger(struct stranger *a)
{
    static bool always_open = true;
    struct program *p = a->program;
    int rc = 0;
    for (int i = 0; i < 40 && rc == 0; i++) {
        weir_group *group = p->open[draw(p, GROUPS_KEPT)];
        if (group != NULL)
            rc = spawn_some(p, group, 1, &always_open);
        if (rc == 0)
            rc = weir_sleep(draw(p, 3) * WEIR_MS);
    }
    return rc;
}

static int run_main(void *arg)
{
    struct program *p = arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = WEIR_SPAWN(group, stranger, .program = p);
    for (int i = 0; i < 4 && rc == 0; i++)
        weir_ignore(in_group(p, DEPTH_MAX), "the next one begins afresh");
    return weir_group_close(group, rc);
}

static int spawned_in_all; /* that the programs are worth running */

static bool run_seed(uint64_t seed, uint64_t shuffle_seed)
{
    struct program p = {.random = seed, .tasks_left = TASKS_MAX};
    weir_run_options options = {.backend = "sim", .shuffle_seed = shuffle_seed};
    int rc = weir__core_run(&options, run_main, &p, false); /* its books are checked at its end (I6,
                                                               I11) */
    EXPECT(rc <= 0 || rc == WEIR_CAUGHT);
    EXPECT(rc != -EDEADLK);
    spawned_in_all += p.spawned;
    EXPECT_EQ(p.spawned, p.ran);             /* I2 */
    EXPECT_EQ(p.spawned, p.ended);           /* I1 */
    EXPECT_EQ(p.waits_begun, p.waits_ended); /* I3 */
    EXPECT_EQ(0, p.strays);                  /* I8 */
    EXPECT_EQ(0, p.went_down);               /* I7 */
    EXPECT_EQ(0, p.outlived);                /* I1 */
    EXPECT_EQ(0, findings[WEIR__FINDING_STRAY]);
    EXPECT_EQ(0, findings[WEIR__FINDING_DEADLOCK]);
    EXPECT_EQ(0, findings[WEIR__FINDING_LEFT_OPEN]);
    EXPECT_EQ(0, findings[WEIR__FINDING_MISNESTED]);
    if (test_failed())
        printf("the program of WEIR_TEST_SEED=%llu, shuffled by %llu\n", (unsigned long long)seed,
               (unsigned long long)shuffle_seed);
    return !test_failed();
}

static bool one_seed(uint64_t *out_seed)
{
    const char *text = getenv("WEIR_TEST_SEED");
    return text != NULL &&
           weir__str_parse_uint(weir__str_of(text, strlen(text)), UINT64_MAX, out_seed) == 0;
}

TEST(programs_drawn_from_a_seed_end_with_everything_accounted_for) /* I1-I3, I6-I8, I11 */
{
    count_findings();
    uint64_t seed;
    if (one_seed(&seed)) {
        EXPECT(run_seed(seed, 0));
        EXPECT(run_seed(seed, seed + 1));
        return;
    }
    for (seed = 1; seed <= MANY(PROGRAMS); seed++)
        if (!run_seed(seed, 0) || !run_seed(seed, seed + 1))
            return;
    EXPECT(spawned_in_all > 30 * 2 * MANY(PROGRAMS));
}
