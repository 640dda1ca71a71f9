/*
 * program.c - drawing, printing and shrinking programs
 *
 * Runs on  one thread; nothing here knows of tasks.
 */
#include "tests/core/model/program.h"

#include <stdio.h>

#include "base/clock.h"

/* --- drawing ---------------------------------------------------------------------------------- */

enum { DEPTH_MAX = 7 };

struct drawing {
    struct program *program;
    uint64_t random;
    int room;              /* statements that may still be made */
    unsigned stops_one_in; /* how often a negative code ends a block */
};

static unsigned draw(struct drawing *d, unsigned below)
{
    return (unsigned)(weir__base_random_next(&d->random) >> 33) % below;
}

static bool one_in(struct drawing *d, unsigned count)
{
    return draw(d, count) == 0;
}

/* Mostly few milliseconds, so that many things happen in the same turn. */
static int64_t draw_ns(struct drawing *d)
{
    switch (draw(d, 16)) {
    case 0:
        return 0;
    case 1:
        return draw(d, 30) * WEIR_MS;
    case 2:
        return (55 + draw(d, 20)) * WEIR_MS; /* around the end of the wheel's first level */
    case 3:
        return 1 + draw(d, 3000000); /* not a whole number of milliseconds */
    case 4:
        return one_in(d, 4) ? (4080 + draw(d, 30)) * WEIR_MS : 1 * WEIR_MS;
    default:
        return (1 + draw(d, 6)) * WEIR_MS;
    }
}

static int64_t draw_limit(struct drawing *d)
{
    return one_in(d, 12) ? -1 : draw_ns(d);
}

static bool has_group_around(const struct program *p, int at)
{
    while (at != NONE && p->statements[at].verb != GROUP)
        at = p->statements[at].parent;
    return at != NONE;
}

static enum verb draw_verb(struct drawing *d, int parent, int depth)
{
    static const struct {
        uint8_t verb, weight;
    } leaves[] = {{YIELD, 10},     {CHECK, 2},         {SLEEP, 22},       {OP, 10},
                  {HARD, 6},       {LATE, 8},          {CANCEL, 14},      {FORCE, 1},
                  {ASK, 8},        {CANCEL_TASK, 5},   {SET_DEADLINE, 5}, {CLOSE, 2},
                  {FAIL, 8},       {RETURN, 3},        {BURN, 2},         {SPIN, 1},
                  {WAIT_TASK, 8},  {TAKE_RESULT, 4},   {FORGET, 2},       {REQUESTED, 2},
                  {SET_RESULT, 6}, {TAKE_FAILURES, 4}, {NEXT, 8},         {SET_LOCAL, 4},
                  {ON_DONE, 5},    {REMOVE, 1},        {STARTED, 1}};
    static const uint8_t nodes[] = {GROUP,  GROUP, GROUP,   GROUP,   SPAWN,  SPAWN, SPAWN,
                                    SPAWN,  SPAWN, SCOPE,   SHIELD,  SHIELD, BLOCK, DEFER,
                                    GATHER, RACE,  TIMEOUT, TIMEOUT, GROUP,  START};
    bool opens_group = d->program->statements[parent].verb == GROUP;
    if (opens_group && depth < DEPTH_MAX && draw(d, 100) < 45)
        return SPAWN;
    if (d->program->statements[parent].keeps_outcomes && draw(d, 100) < 50)
        return NEXT;
    if (depth < DEPTH_MAX && draw(d, 100) < (depth < 2 ? 70 : 40)) {
        enum verb verb = nodes[draw(d, sizeof nodes)];
        return (verb == SPAWN || verb == START) && !has_group_around(d->program, parent) ? GROUP
                                                                                         : verb;
    }
    unsigned weights = 0;
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        weights += leaves[i].weight;
    unsigned at = draw(d, weights);
    size_t i = 0;
    while (at >= leaves[i].weight)
        at -= leaves[i++].weight;
    return leaves[i].verb;
}

static int draw_code(struct drawing *d)
{
    static const int codes[] = {-EIO, -ENOENT, -ENOSPC, -EIO, -ECANCELED, 1, 7, -ETIME};
    return codes[draw(d, sizeof codes / sizeof codes[0])];
}

static void draw_fields(struct drawing *d, struct statement *s)
{
    s->code = 0;
    switch (s->verb) {
    case SLEEP:
        s->ns = draw_ns(d);
        break;
    case OP:
        s->ns = one_in(d, 8) ? WEIR_FOREVER : draw_ns(d);
        break;
    case HARD:
        s->ns = draw_ns(d);
        s->code = (int16_t)(one_in(d, 3) ? draw_code(d) : 0);
        break;
    case LATE:
        s->ns = one_in(d, 6) ? WEIR_FOREVER : draw_ns(d);
        s->later_ns = draw_ns(d);
        s->code = (int16_t)(one_in(d, 2) ? draw_code(d) : 0);
        break;
    case TIMEOUT:
        s->ns = draw_limit(d);
        break;
    case SHIELD:
        s->ns = one_in(d, 4) ? WEIR_FOREVER : draw_limit(d);
        break;
    case GROUP:
        s->ns = one_in(d, 5) ? draw_limit(d) : 0;
        s->policy = (uint8_t)(one_in(d, 3) ? draw(d, WEIR_QUORUM + 1) : draw(d, 2));
        s->quorum = (uint8_t)(s->policy == WEIR_QUORUM ? 1 + draw(d, 3) : 0);
        s->primary_only = one_in(d, 4);
        s->takes_failures = one_in(d, 2);
        s->keeps_outcomes = one_in(d, 3);
        s->running_max = (uint8_t)(one_in(d, 3) ? 1 + draw(d, 2) : 0);
        break;
    case GATHER:
        s->policy = (uint8_t)draw(d, 2);
        break;
    case RACE:
        s->policy = (uint8_t)(WEIR_FIRST_SUCCESS + draw(d, 3));
        s->quorum = (uint8_t)(s->policy == WEIR_QUORUM ? 1 + draw(d, 3) : 0);
        s->later_ns = one_in(d, 2) ? 0 : one_in(d, 4) ? WEIR_FOREVER : draw_ns(d);
        break;
    case SPAWN:
    case START:
        s->try_only = one_in(d, 5);
        s->keep = one_in(d, 3);
        s->handled = one_in(d, 8);
        s->service = one_in(d, 8);
        s->cleanup_ns = one_in(d, 4) ? (one_in(d, 3) ? WEIR_FOREVER : draw_limit(d)) : 0;
        break;
    case SET_DEADLINE:
        s->ns = one_in(d, 8) ? WEIR_FOREVER : draw_limit(d);
        break;
    case FAIL:
        s->code = (int16_t)(one_in(d, 2) ? -EIO : one_in(d, 2) ? -ENOENT : -ENOSPC);
        break;
    case RETURN:
        s->code = (int16_t)draw_code(d);
        break;
    case BURN:
        s->count =
            (uint8_t)(one_in(d, 2) ? 60 + draw(d, 6) : 1 + draw(d, 140)); /* around O9's 64 */
        break;
    case SET_LOCAL:
        s->count = (uint8_t)draw(d, LOCALS);
        break;
    case ON_DONE:
        s->code = (int16_t)(one_in(d, 4) ? -EIO : 0);
        break;
    case SPIN:
        s->count = (uint8_t)(one_in(d, 2) ? 60 + draw(d, 8) : 1 + draw(d, 80)); /* C12 */
        break;
    default:
        break;
    }
}

static bool has_body(const struct statement *s)
{
    return s->verb == BLOCK || is_scope(s) || s->verb == GROUP || is_spawn(s) || s->verb == DEFER ||
           s->verb == GATHER || s->verb == RACE || s->verb == CALL;
}

static int add_statement(struct drawing *d, int parent, enum verb verb, int depth)
{
    struct program *p = d->program;
    int at = p->count++;
    d->room--;
    struct statement *s = &p->statements[at];
    *s = (struct statement){.verb = (uint8_t)verb,
                            .target = NONE,
                            .body = NONE,
                            .next = NONE,
                            .parent = (int16_t)parent};
    draw_fields(d, s);
    s->carry_on = !one_in(d, depth == 0 || is_spawn(s) ? 10 : d->stops_one_in);
    int16_t *link = &p->statements[parent].body;
    while (*link != NONE)
        link = &p->statements[*link].next;
    *link = (int16_t)at;
    return at;
}

static bool is_of_calls(const struct statement *s)
{
    return s->verb == GATHER || s->verb == RACE;
}

static void draw_body(struct drawing *d, int parent, int depth)
{
    bool of_calls = is_of_calls(&d->program->statements[parent]);
    unsigned length = 1 + draw(d, d->program->statements[parent].verb == GROUP ? 6 : 4);
    unsigned ready_at = d->program->statements[parent].verb == START ? draw(d, 4) : length + 1;
    while (length-- > 0 && d->room > 0) {
        enum verb verb = of_calls             ? CALL
                         : length == ready_at ? STARTED
                                              : draw_verb(d, parent, depth);
        int at = add_statement(d, parent, verb, depth);
        const struct statement *s = &d->program->statements[at];
        if (has_body(s))
            draw_body(d, at, depth + 1);
        else if (s->verb == FAIL || s->verb == RETURN)
            return; /* nothing after it would run */
    }
}

/* A group of the main task with several tasks that share what room there is. */
static void draw_family(struct drawing *d)
{
    int group = add_statement(d, 0, GROUP, 0);
    for (unsigned left = 2 + draw(d, 4); left > 0 && d->room > 0; left--) {
        int others = d->room - d->room / (int)left;
        d->room -= others;
        if (d->room > 0)
            draw_body(d, add_statement(d, group, SPAWN, 1), 2);
        d->room += others;
    }
    if (d->room > 0)
        draw_body(d, group, 1);
}

static bool fits(const struct statement *s, const struct statement *target)
{
    switch (s->verb) {
    case SPAWN:
    case START:
        return target->verb == GROUP || target->verb == BURN;
    case CLOSE:
    case NEXT:
        return target->verb == GROUP;
    case REMOVE:
        return target->verb == ON_DONE;
    case CANCEL:
    case FORCE:
        return is_scope(target) || target->verb == GROUP;
    case SET_DEADLINE:
        return is_scope(target);
    case CANCEL_TASK:
    case WAIT_TASK:
    case TAKE_RESULT:
    case FORGET:
    case REQUESTED:
    case ON_DONE:
        return is_spawn(target) || target->verb == CALL;
    default:
        return false;
    }
}

/* Mostly what is around the statement, across the borders of tasks; now and then any other. */
static int draw_target(struct drawing *d, const struct statement *s)
{
    const struct program *p = d->program;
    unsigned close_by = is_spawn(s) ? 85 : s->verb == SET_DEADLINE || s->verb == NEXT ? 90 : 50;
    bool around = draw(d, 100) < close_by;
    if (is_spawn(s) && one_in(d, 6)) /* only for a moment can one get in there, or not */
        for (int i = 0; i < p->count; i++)
            if (p->statements[i].verb == BURN)
                return i;
    for (int at = s->parent; around && at > 0; at = p->statements[at].parent)
        if (fits(s, &p->statements[at]) && !one_in(d, 5))
            return at;
    int count = 0;
    for (int i = 0; i < p->count; i++)
        count += fits(s, &p->statements[i]);
    int pick = count == 0 ? 0 : (int)draw(d, (unsigned)count);
    for (int i = 0; i < p->count; i++)
        if (fits(s, &p->statements[i]) && pick-- == 0)
            return i;
    return NONE;
}

void program_draw(struct program *program, uint64_t seed)
{
    struct drawing d = {.program = program, .random = seed};
    program->seed = seed;
    d.stops_one_in = 2 + draw(&d, 5);
    program->shuffle_seed = one_in(&d, 3) ? 1 + draw(&d, 1000000) : 0;
    program->count = 1;
    program->statements[0] = (struct statement){
        .verb = SPAWN, .target = NONE, .body = NONE, .next = NONE, .parent = NONE};
    d.room = 12 + (int)draw(&d, one_in(&d, 3) ? 40 : STATEMENTS_MAX - 13);
    while (d.room > 0) {
        if (one_in(&d, 3))
            draw_body(&d, 0, 0);
        else
            draw_family(&d);
    }
    for (int i = 1; i < program->count; i++)
        program->statements[i].target = (int16_t)draw_target(&d, &program->statements[i]);
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_ns(const char *what, int64_t ns)
{
    if (ns == WEIR_FOREVER)
        printf(" %s=forever", what);
    else if (ns % WEIR_MS == 0)
        printf(" %s=%lldms", what, (long long)(ns / WEIR_MS));
    else
        printf(" %s=%lldns", what, (long long)ns);
}

static void print_statement(const struct statement *s, int at)
{
    static const char *const names[VERB_COUNT] = {
        "nothing",   "block",        "yield",       "check",      "sleep",         "op",
        "hard",      "late",         "scope",       "timeout",    "shield",        "group",
        "gather",    "race",         "call",        "spawn",      "start",         "defer",
        "cancel",    "force",        "cancel_task", "wait_task",  "take_result",   "forget",
        "requested", "set_deadline", "close",       "set_result", "take_failures", "ask",
        "fail",      "return",       "burn",        "spin",       "next",          "set_local",
        "on_done",   "started",      "remove"};
    static const char *const policies[] = {"", " collect_all", " first_success", " first_done",
                                           " quorum"};
    printf("%d: %s", at, names[s->verb]);
    if (s->target != NONE)
        printf(" %d", s->target);
    if (s->ns != 0 || s->verb == SLEEP || s->verb == OP || s->verb == HARD || s->verb == LATE)
        print_ns("for", s->ns);
    if (s->verb == LATE || s->later_ns != 0)
        print_ns("later", s->later_ns);
    if (s->cleanup_ns != 0)
        print_ns("cleanup", s->cleanup_ns);
    if (s->code != 0)
        printf(" code=%d", s->code);
    if (s->count != 0)
        printf(" count=%d", s->count);
    if (s->running_max != 0)
        printf(" running_max=%d", s->running_max);
    if (s->quorum != 0)
        printf(" quorum=%d", s->quorum);
    printf("%s%s%s%s%s%s%s%s%s\n", s->try_only ? " try_only" : "", s->keep ? " keep" : "",
           s->handled ? " handled" : "", s->service ? " service" : "", policies[s->policy],
           s->primary_only ? " primary_only" : "", s->takes_failures ? " takes_failures" : "",
           s->keeps_outcomes ? " keeps_outcomes" : "", s->carry_on ? " carry_on" : "");
}

static void print_block(const struct program *program, int first, int indent)
{
    for (int at = first; at != NONE; at = program->statements[at].next) {
        const struct statement *s = &program->statements[at];
        if (s->verb == NOTHING)
            continue;
        printf("%*s", 4 * indent, "");
        print_statement(s, at);
        print_block(program, s->body, indent + 1);
    }
}

void program_print(const struct program *program)
{
    printf("main%s\n", program->shuffle_seed == 0 ? "" : " (ready tasks shuffled)");
    print_block(program, program->statements[0].body, 1);
}

/* --- shrinking -------------------------------------------------------------------------------- */

/* Each makes one statement simpler; false: it is already. */
static bool remove_it(struct statement *s)
{
    bool changes = s->verb != NOTHING;
    s->verb = NOTHING;
    return changes;
}

static bool leave_only_body(struct statement *s)
{
    bool changes = has_body(s) && s->verb != BLOCK && s->verb != CALL && !is_of_calls(s);
    s->verb = BLOCK;
    s->target = NONE;
    return changes;
}

static bool stop_at_errors(struct statement *s)
{
    bool changes = s->carry_on;
    s->carry_on = false;
    return changes;
}

static bool plain_options(struct statement *s)
{
    bool changes = s->try_only || s->keep || s->handled || s->primary_only || s->takes_failures ||
                   s->cleanup_ns != 0 || s->service || s->keeps_outcomes;
    s->cleanup_ns = 0;
    s->service = s->keeps_outcomes = false;
    s->try_only = s->keep = s->handled = s->primary_only = s->takes_failures = false;
    return changes;
}

static bool plain_policy(struct statement *s)
{
    bool changes = s->verb == GROUP && s->policy != WEIR_FAIL_FAST;
    s->policy = WEIR_FAIL_FAST;
    s->quorum = 0;
    return changes;
}

static bool no_limit(struct statement *s)
{
    bool changes = s->verb == GROUP && (s->running_max != 0 || s->ns != 0);
    s->running_max = 0;
    s->ns = 0;
    return changes;
}

static bool whole_ms(struct statement *s)
{
    bool changes = s->ns > 1 * WEIR_MS && s->ns != WEIR_FOREVER;
    s->ns = 1 * WEIR_MS;
    return changes;
}

static bool no_code(struct statement *s)
{
    bool changes = (s->verb == HARD || s->verb == LATE || s->verb == ON_DONE) && s->code != 0;
    s->code = 0;
    return changes;
}

static bool half_the_count(struct statement *s)
{
    bool changes = s->count > 1;
    s->count /= 2;
    return changes;
}

typedef bool shrink_fn(struct statement *s);

void program_shrink(struct program *program, bool (*fails)(const struct program *program))
{
    static shrink_fn *const ways[] = {remove_it,      leave_only_body, plain_policy,
                                      stop_at_errors, plain_options,   no_limit,
                                      whole_ms,       no_code,         half_the_count};
    struct program smaller = *program;
    smaller.shuffle_seed = 0;
    if (program->shuffle_seed != 0 && fails(&smaller))
        *program = smaller;
    bool progress = true;
    while (progress) {
        progress = false;
        for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++)
            for (int at = 1; at < program->count; at++) {
                smaller = *program;
                if (!ways[way](&smaller.statements[at]) || !fails(&smaller))
                    continue;
                *program = smaller;
                progress = true;
            }
    }
}
