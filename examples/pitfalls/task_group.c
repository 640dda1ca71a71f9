/*
 * task_group.c - tasks that all end before their block does, and failures matched by code
 *
 * The article  TaskGroup waits for every task and collects all exceptions; `except* ValueError`
 *              picks those of a kind. No more phantom tasks.
 * weir         weir_group_close() returns when the last task has unwound, whatever happened, so
 *              tasks may use the variables of the block that waits for them. Every failure is in
 *              the set that weir_failures_take() hands out; those with a code are handled, and what
 *              is left is what this task fails with.
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

static bool say(const weir_failure *failure, void *arg)
{
    printf("%s: %s\n", (const char *)arg, failure->message);
    return true; // handled
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

    rc = weir_group_close(group, rc);
    printf("%s; parsed: %d; tasks that are left: %zu\n", weir_code_name(rc), parsed_count,
           weir_task_count() - 1);

    weir_failures *failures = weir_failures_take();
    weir_failures_handle(failures, -ENODATA, say, "left out");
    weir_failures_handle(failures, -EINVAL, say, "refused");
    // the rest; here nothing is left, which is a success; without failures, what the close said
    return failures == NULL ? rc : weir_failures_fail(failures);
}

int main(void)
{
    return weir_run(app, NULL);
}
