/*
 * limiter.c - a bucket of tokens that is filled evenly
 *
 * The level is counted in units of which `tokens` come in each nanosecond, so that one token costs
 * exactly `period_ns` of them: nothing is rounded, whatever the rate. While somebody waits, the
 * level may rise a little above what the bucket holds, because a wake-up may be late by a timer's
 * tick: what came in it belongs to those in line, or a high rate with a small bucket would not be
 * kept. When the line is empty the rest runs over.
 *
 * The first in line has an alarm on its own stack for the instant at which it can go on.
 *
 * Runs on  the loop that the limiter belongs to.
 * Holds    1. The first waiter's alarm is armed, and no other's.
 *          2. Nobody waits whose tokens are there: whoever grants or leaves looks at the next
 *             (I10).
 */
#include <stdio.h>

#include "base/clock.h"
#include "sync/waiting.h"

static const int64_t LEVEL_MAX = INT64_C(1) << 62;
static const int64_t LATE_NS = 2 * WEIR_MS; // a wake-up that is on time for a timer

struct token_waiter {
    struct weir__list link;
    weir_task *task;
    weir_limiter *limiter;
    int64_t cost;
    struct weir__alarm alarm;
};

static const char stranger[] = "a rate limiter of another loop was used; nothing was changed";

int weir_limiter_init(weir_limiter *limiter, const weir_limiter_options *options)
{
    int64_t period_ns = options->period_ns == 0 ? WEIR_SEC : options->period_ns;
    size_t burst = options->burst == 0 ? options->tokens : options->burst;
    int64_t full, late;
    if (options->tokens == 0 || period_ns < 0 || __builtin_mul_overflow(burst, period_ns, &full) ||
        full > LEVEL_MAX || __builtin_mul_overflow(options->tokens, LATE_NS, &late) ||
        late > LEVEL_MAX)
        return -EINVAL;
    *limiter = (weir_limiter){.weir__period_ns = period_ns,
                              .weir__tokens = (int64_t)options->tokens,
                              .weir__full = full,
                              .weir__level = full,
                              .weir__filled_at_ns = weir__base_now()};
    return 0;
}

static int64_t level_at(const weir_limiter *limiter, int64_t now_ns, bool waited_for)
{
    int64_t most = limiter->weir__full + (waited_for ? limiter->weir__tokens * LATE_NS : 0);
    int64_t added;
    int64_t passed_ns = now_ns - limiter->weir__filled_at_ns;
    if (__builtin_mul_overflow(passed_ns, limiter->weir__tokens, &added) ||
        added > most - limiter->weir__level)
        return most;
    return limiter->weir__level + added;
}

/* Up to now; runs over only when nobody is there to take it. */
static void fill(weir_limiter *limiter)
{
    int64_t now_ns = weir__base_now();
    if (now_ns < limiter->weir__filled_at_ns) // another clock: that of another run
        limiter->weir__filled_at_ns = now_ns;
    bool waited_for = weir__sync_has_waiters(&limiter->weir__waiting);
    limiter->weir__level = level_at(limiter, now_ns, waited_for);
    limiter->weir__filled_at_ns = now_ns;
}

static int64_t time_until(const weir_limiter *limiter, int64_t level)
{
    int64_t missing = level - limiter->weir__level;
    if (missing <= 0)
        return 0;
    return missing / limiter->weir__tokens + (missing % limiter->weir__tokens != 0);
}

static const struct weir__list *line_of(const weir_limiter *limiter)
{
    return (const struct weir__list *)(const void *)&limiter->weir__waiting;
}

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct token_waiter *waiter = object;
    const weir_limiter *limiter = waiter->limiter;
    int64_t before = 0;
    for (const struct weir__list *node = &waiter->link; node != line_of(limiter); node = node->prev)
        before += WEIR__CONTAINER(node, const struct token_waiter, link)->cost;
    int64_t at_ns = limiter->weir__filled_at_ns + time_until(limiter, before);
    int64_t left_ns = at_ns - weir__base_now();
    snprintf(out->detail, sizeof out->detail, "its turn comes in %lld ms",
             (long long)(left_ns < 0 ? 0 : left_ns / WEIR_MS));
    out->relation = "last used by";
    out->task = limiter->weir__taken_by;
}

static void take(weir_limiter *limiter, weir_task *task, int64_t cost)
{
    limiter->weir__level -= cost;
    limiter->weir__taken_by = task == NULL ? 0 : weir__core_task_id(weir__core_loop(), task);
}

static void serve(weir_limiter *limiter);

static void alarm_rings(struct weir__alarm *alarm)
{
    serve(WEIR__CONTAINER(alarm, struct token_waiter, alarm)->limiter);
}

/* For the instant at which the first in line finds its tokens. */
static void arm(weir_limiter *limiter, struct token_waiter *first)
{
    int64_t wait_ns = time_until(limiter, first->cost);
    weir__core_alarm_set(weir__core_loop(), &first->alarm,
                         weir__base_add_ns(limiter->weir__filled_at_ns, wait_ns));
}

/* Everybody in front whose tokens are there goes on; the next gets an alarm. */
static void serve(weir_limiter *limiter)
{
    struct weir__list *line = weir__sync_waiters(&limiter->weir__waiting);
    weir_loop *loop = weir__core_loop();
    fill(limiter);
    while (!weir__list_empty(line)) {
        struct token_waiter *first = WEIR__CONTAINER(line->next, struct token_waiter, link);
        if (first->cost > limiter->weir__level) {
            arm(limiter, first);
            return;
        }
        weir__list_remove(&first->link);
        weir__core_alarm_clear(loop, &first->alarm);
        take(limiter, first->task, first->cost);
        weir__core_wake(first->task, 0);
    }
    if (limiter->weir__level > limiter->weir__full)
        limiter->weir__level = limiter->weir__full;
}

static void leave(weir_task *task, void *object)
{
    struct token_waiter *waiter = object;
    weir__list_remove(&waiter->link);
    weir__core_alarm_clear(weir__core_loop(), &waiter->alarm);
    weir__core_wake(task, -ECANCELED);
    serve(waiter->limiter); // it may have been in the way of those behind it
}

static bool fits(const weir_limiter *limiter, size_t tokens, int64_t *out_cost)
{
    return limiter->weir__tokens != 0 &&
           !__builtin_mul_overflow(tokens, limiter->weir__period_ns, out_cost) &&
           *out_cost <= limiter->weir__full;
}

static int take_now(weir_limiter *limiter, size_t tokens, int64_t *out_cost)
{
    if (!fits(limiter, tokens, out_cost))
        return -EINVAL;
    if (weir__sync_has_waiters(&limiter->weir__waiting))
        return -EAGAIN;
    fill(limiter);
    if (*out_cost > limiter->weir__level)
        return -EAGAIN;
    take(limiter, weir__core_task(), *out_cost);
    return 0;
}

int weir_limiter_try_acquire(weir_limiter *limiter, size_t tokens)
{
    if (!weir__sync_at_home(&limiter->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    int64_t cost;
    return take_now(limiter, tokens, &cost);
}

int weir_limiter_acquire(weir_limiter *limiter, size_t tokens)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&limiter->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    struct token_waiter waiter = {
        .task = weir__core_task(), .limiter = limiter, .alarm.fire = alarm_rings};
    rc = take_now(limiter, tokens, &waiter.cost);
    if (rc != -EAGAIN) {
        weir__core_completed_at_once();
        return rc;
    }
    struct weir__list *line = weir__sync_waiters(&limiter->weir__waiting);
    bool first = weir__list_empty(line);
    weir__list_append(line, &waiter.link);
    if (first) // as of when it looked: who is not parked yet cannot be woken
        arm(limiter, &waiter);
    weir__core_tell_waits(WEIR_WAIT_LIMITER, tell);
    return weir__sync_result(weir__core_park(WEIR_WAIT_LIMITER, &waiter, leave));
}

int64_t weir_limiter_delay_ns(const weir_limiter *limiter, size_t tokens)
{
    int64_t cost;
    if (!fits(limiter, tokens, &cost))
        return WEIR_FOREVER;
    weir_limiter seen = *limiter; // its list is read where it is
    const struct weir__list *line = line_of(limiter);
    bool waited_for = line->next != NULL && line->next != line;
    for (const struct weir__list *node = line->next; waited_for && node != line; node = node->next)
        cost =
            weir__base_add_ns(cost, WEIR__CONTAINER(node, const struct token_waiter, link)->cost);
    seen.weir__level = level_at(limiter, weir__base_now(), waited_for);
    return time_until(&seen, cost);
}
