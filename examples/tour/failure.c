/* failure.c - what went wrong, and how it comes up */
#include <stdio.h>
#include <weir/weir.h>

struct load {
    const char *name;
};

static int load(struct load *a)
{
    int rc = weir_sleep(10 * WEIR_MS);
    if (rc == 0)
        rc = weir_fail(-ENOENT, "there is no module %s", a->name);
    return rc;
}

static int load_all(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.name = "modules"});
    if (rc < 0)
        return rc;
    rc = WEIR_SPAWN(group, load, .name = "bread");
    if (rc == 0)
        rc = WEIR_SPAWN(group, load, .name = "butter");
    return weir_group_close(group, rc); // the code goes up, the story with it
}

static int app(void *arg)
{
    int rc = load_all(arg);
    printf("%s\n", weir_failure_message(rc));
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
