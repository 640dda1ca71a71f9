/*
 * model_test.c - the core does what the rules say: programs drawn from a seed run on the model and
 * on the core, and every event must be the same; case 293, invariants I1 to I3, I6 to I9 and I11
 *
 * WEIR_MODEL_SEED=n      runs only the program of that seed, shows it and what it does
 * WEIR_MODEL_PROGRAMS=n  how many programs in all, instead of those of the suite
 * WEIR_MODEL_FROM=n      the first seed, instead of 1
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/fiber.h"
#include "base/str.h"
#include "tests/core/model/model.h"
#include "tests/support/test.h"

/* Sanitizers take each stack for a thread, or make each switch dear. */
#if defined(WEIR__TSAN)
enum { PROGRAMS = 400 };
#elif defined(WEIR__ASAN)
enum { PROGRAMS = 10000 };
#else
enum { PROGRAMS = 100000 };
#endif
enum { SHARDS = 4, HANG_S = 20, EVENTS_BEFORE = 12, EVENTS_AFTER = 3 };

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value;
    return text != NULL && weir__str_parse_uint(weir__str_from(text), UINT64_MAX, &value) == 0
               ? value
               : otherwise;
}

/* --- one program ------------------------------------------------------------------------------ */

static const struct machine *tested = &core_machine;
static struct trace expected, actual;

static bool same_event(const struct event *a, const struct event *b)
{
    return a->at_ns == b->at_ns && a->task == b->task && a->statement == b->statement &&
           a->kind == b->kind && a->value == b->value &&
           memcmp(a->more, b->more, sizeof a->more) == 0;
}

static int first_difference(void)
{
    int at = 0;
    while (at < expected.count && at < actual.count &&
           same_event(&expected.events[at], &actual.events[at]))
        at++;
    return at == expected.count && at == actual.count ? NONE : at;
}

static int compare(const struct program *program)
{
    play(&model_machine, program, &expected);
    play(tested, program, &actual);
    return first_difference();
}

/* --- when they differ ------------------------------------------------------------------------- */

static void be_silent(void)
{
    int fd = open("/dev/null", O_WRONLY);
    if (fd < 0)
        return;
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
}

/* In a process of its own, since it may crash or hang as well. */
static int status_of(const struct program *program, void (*run)(const struct program *),
                     bool silent)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(HANG_S);
        if (silent)
            be_silent();
        run(program);
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static void exit_if_different(const struct program *program)
{
    if (compare(program) != NONE)
        _exit(1);
}

static bool fails(const struct program *program)
{
    return status_of(program, exit_if_different, true) != 0;
}

static void show_events(const char *name, const struct trace *trace, int around)
{
    printf("  %s:\n", name);
    for (int i = 0; i < trace->count; i++) {
        if (around != NONE && (i < around - EVENTS_BEFORE || i > around + EVENTS_AFTER))
            continue;
        printf(i == around ? "  >> " : "     ");
        print_event(&trace->events[i]);
    }
}

static void show_both(const struct program *program)
{
    play(&model_machine, program, &expected);
    show_events(model_machine.name, &expected, NONE);
    fflush(stdout);
    play(tested, program, &actual); /* here it may crash */
    int at = first_difference();
    if (at == NONE)
        return;
    show_events(tested->name, &actual, at);
    show_events(model_machine.name, &expected, at);
}

static void show(const struct program *program)
{
    program_print(program);
    printf("\nWhat it does:\n");
    int status = status_of(program, show_both, false);
    if (status != 0)
        printf("(ended with status 0x%x)\n", (unsigned)status);
}

static void show_smallest(struct program *program)
{
    program_shrink(program, fails);
    printf("\nThe model and the core differ; to see it again:\n"
           "    WEIR_MODEL_SEED=%llu core_model_test\n\n"
           "The program, as small as it would get:\n",
           (unsigned long long)program->seed);
    show(program);
}

static void replay(uint64_t seed)
{
    struct program program;
    program_draw(&program, seed);
    printf("The program of seed %llu:\n", (unsigned long long)seed);
    show(&program);
    bool failed = fails(&program);
    if (failed)
        show_smallest(&program);
    EXPECT(!failed);
}

/* --- many programs ---------------------------------------------------------------------------- */

/* Seen by both processes. */
struct progress {
    uint64_t seed; /* of the program that runs or has failed */
    uint64_t programs, events, tasks, programs_shuffled;
    bool seen_verb[VERB_COUNT], seen_kind[EVENT_KIND_COUNT], seen_code[256]; /* -code */
};

static void count(struct progress *progress, const struct program *program)
{
    progress->events += (uint64_t)expected.count;
    progress->programs_shuffled += program->shuffle_seed != 0;
    for (int i = 0; i < expected.count; i++) {
        const struct event *event = &expected.events[i];
        progress->tasks += event->kind == TASK_BEGINS;
        if (event->task != NONE)
            progress->seen_verb[program->statements[event->task].verb] = true;
        progress->seen_kind[event->kind] = true;
        if (event->statement == NONE)
            continue;
        progress->seen_verb[program->statements[event->statement].verb] = true;
        if (event->value <= 0 && event->value > -256)
            progress->seen_code[-event->value] = true;
    }
}

static bool run_programs(struct progress *progress, uint64_t first, uint64_t end, uint64_t stride)
{
    static struct program program;
    for (uint64_t seed = first; seed < end; seed += stride) {
        progress->seed = seed;
        progress->programs++;
        program_draw(&program, seed);
        alarm(HANG_S);
        if (compare(&program) != NONE)
            return false;
        count(progress, &program);
    }
    alarm(0);
    return true;
}

/* Runs them in a process of its own: a crash of the core shall not hide which program it was. */
static bool run_guarded(struct progress *progress, uint64_t first, uint64_t end, uint64_t stride)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        exit(run_programs(progress, first, end, stride) ? 0 : 1);
    int status = -1;
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return true;
    printf("program %llu of this run differs (status 0x%x)\n",
           (unsigned long long)progress->programs, (unsigned)status);
    struct program program;
    program_draw(&program, progress->seed);
    show_smallest(&program);
    return false;
}

static struct progress *shared_progress(void)
{
    void *memory = mmap(NULL, sizeof(struct progress), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void run_shard(uint64_t shard)
{
    uint64_t seed = from_environment("WEIR_MODEL_SEED", 0);
    if (seed != 0) {
        replay(seed);
        return;
    }
    struct progress *progress = shared_progress();
    REQUIRE(progress != NULL);
    uint64_t from = from_environment("WEIR_MODEL_FROM", 1);
    uint64_t programs = from_environment("WEIR_MODEL_PROGRAMS", PROGRAMS);
    bool same = run_guarded(progress, from + shard, from + programs, SHARDS);
    EXPECT(same);
    if (!same || programs < 10000) /* too few for all of it */
        return;
    EXPECT(progress->events > programs / SHARDS * 20); /* the programs are worth running */
    EXPECT(progress->tasks > programs / SHARDS * 4);
    EXPECT(progress->programs_shuffled > programs / SHARDS / 5);
    for (int verb = YIELD; verb < VERB_COUNT; verb++)
        EXPECT(progress->seen_verb[verb]);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        EXPECT(progress->seen_kind[kind]);
    static const int codes[] = {ECANCELED, ETIME, EIO,    ESHUTDOWN, ESTALE, EDEADLK,
                                EAGAIN,    EPERM, ECHILD, EINVAL,    ENOENT};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        EXPECT(progress->seen_code[codes[i]]);
    printf("%llu programs, %llu tasks, %llu events\n", (unsigned long long)progress->programs,
           (unsigned long long)progress->tasks, (unsigned long long)progress->events);
}

TEST(the_core_does_what_the_model_does_first_quarter)
{
    run_shard(0);
}

TEST(the_core_does_what_the_model_does_second_quarter)
{
    run_shard(1);
}

TEST(the_core_does_what_the_model_does_third_quarter)
{
    run_shard(2);
}

TEST(the_core_does_what_the_model_does_fourth_quarter)
{
    run_shard(3);
}
