/*
 * task_group.c - tasks that all end before their block does, and failures matched by code
 *
 * The article  TaskGroup waits for every task and collects all exceptions; `except* ValueError`
 *              picks those of a kind. No more phantom tasks.
 * weir         weir_group_close() returns when the last task has unwound, whatever happened, so
 *              tasks may use the variables of the block that waits for them. Every failure is in
 *              the set that weir_group_close_failures() hands out.
 */
#include <stdio.h>
#include <weir/weir.h>

struct parse {
    const char *text;
    int *parsed_count;
};

static int parse(struct parse *a)
{
    if (a->text[0] == '\0')
        return weir_fail(-ENODATA, "an empty line");
    if (a->text[0] < '0' || a->text[0] > '9')
        return weir_fail(-EINVAL, "\"%s\" is not a number", a->text);
    int rc = weir_sleep(30 * WEIR_MS);
    if (rc == 0)
        ++*a->parsed_count; // a local of app(), which cannot leave before we end
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    static const char *const texts[] = {"12", "twelve", "7", "", "seven"};
    int parsed_count = 0;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < 5; i++)
        rc = WEIR_SPAWN(group, parse, .text = texts[i], .parsed_count = &parsed_count);

    weir_failures *failures;
    rc = weir_group_close_failures(group, rc, &failures);
    printf("%s; parsed: %d; tasks that are left: %zu\n", weir_code_name(rc), parsed_count,
           weir_task_count() - 1);
    for (size_t i = 0; i < weir_failures_count(failures); i++)
        printf("  %s\n", weir_failures_at(failures, i)->message);
    const weir_failure *empty = weir_failures_match(failures, -ENODATA);
    printf("one was empty: %s\n", empty == NULL ? "no" : empty->message);
    weir_failures_free(failures); // handled: nothing is reported
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
