/*
 * matched_failures.c - one kind of failure is dealt with here, all others go on up
 *
 * What `except*` does elsewhere: a group hands over every failure there was, those with one code
 * are handled and leave the set, and the rest is returned as what it is. Nothing is lost on the
 * way: what is neither handled nor returned would be reported.
 */
#include <stdio.h>
#include <weir/weir.h>

struct store {
    const char *name;
    int rc;
};

static int store(struct store *a)
{
    int rc = weir_yield();
    if (rc < 0)
        return rc;
    return a->rc == 0 ? 0 : weir_fail(a->rc, "%s", a->name);
}

static bool note_absent(const weir_failure *failure, void *arg)
{
    (void)arg;
    printf("  stored later: %s\n", failure->message);
    return true;
}

static int store_all(const struct store *copies, size_t count)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = WEIR_SPAWN(group, store, .name = copies[i].name, .rc = copies[i].rc);
    rc = weir_group_close(group, rc);

    weir_failures *failures = weir_failures_take();
    if (failures == NULL)
        return rc; // all went well, or this was cut: then rc says so
    printf("%zu of %zu failed\n", weir_failures_count(failures), count);
    weir_failures_handle(failures, -EHOSTUNREACH, note_absent, NULL);
    return weir_failures_fail(failures); // what is left is what this function failed with
}

static int app(void *arg)
{
    (void)arg;
    const struct store absent[] = {
        {"alpha is away", -EHOSTUNREACH}, {"beta", 0}, {"gamma is away", -EHOSTUNREACH}};
    int rc = store_all(absent, 3);
    printf("=> %s\n\n", rc == 0 ? "fine" : weir_failure_message(rc));

    const struct store broken[] = {
        {"alpha is away", -EHOSTUNREACH}, {"beta has no room", -ENOSPC}, {"gamma", 0}};
    rc = store_all(broken, 3);
    printf("=> %s: %s\n", weir_code_name(rc), weir_failure_message(rc));
    return 0;
}

int main(void)
{
    return weir_run(app, NULL);
}
