/*
 * bodies.c - see bodies.h
 */
#include "tests/core/bodies.h"

#include <stdio.h>
#include <string.h>

int64_t ms(void)
{
    static int64_t begin_ns;
    if (begin_ns == 0)
        begin_ns = weir_now();
    return (weir_now() - begin_ns) / WEIR_MS;
}

static void abort_op(weir_task *task, void *object)
{
    (void)object;
    weir__core_wake(task, -ECANCELED);
}

int op(void)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    return weir__core_park(WEIR_WAIT_OTHER, NULL, abort_op);
}

struct hard_wait {
    struct weir__alarm alarm;
    weir_task *task;
    int result;
};

static void end_hard(struct weir__alarm *alarm)
{
    struct hard_wait *wait = WEIR__CONTAINER(alarm, struct hard_wait, alarm);
    weir__core_wake(wait->task, wait->result);
}

int hard(int64_t duration_ms, int result)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    struct hard_wait wait = {.alarm.fire = end_hard, .task = weir__core_task(), .result = result};
    weir__core_alarm_set(weir__core_loop(), &wait.alarm, weir_now() + duration_ms * WEIR_MS);
    return weir__core_park(WEIR_WAIT_OTHER, NULL, NULL);
}

int op_for(struct op_for *a)
{
    int rc = a->duration_ms == 0 ? op() : weir_sleep(a->duration_ms * WEIR_MS);
    if (a->got != NULL)
        *a->got = rc;
    if (a->ended_at_ms != NULL)
        *a->ended_at_ms = ms();
    if (rc < 0)
        return a->when_cut != 0 ? a->when_cut : rc;
    return a->then;
}

int just_return(void *arg)
{
    return (int)(intptr_t)arg;
}

size_t findings[WEIR__FINDING_KIND_COUNT];
char finding_words[200];

static void count_one(const struct weir__finding *finding)
{
    findings[finding->kind]++;
    const weir_failure *failure = weir_failures_at(finding->failures, 0);
    if (failure != NULL)
        snprintf(finding_words, sizeof finding_words, "%s", failure->message);
}

void count_findings(void)
{
    memset(findings, 0, sizeof findings);
    finding_words[0] = '\0';
    weir__core_observe(count_one);
}
