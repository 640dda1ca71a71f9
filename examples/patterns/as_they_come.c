/*
 * as_they_come.c - results are put to use in the order in which they are there
 *
 * A gather has them all at the end, by position. Here the first is used while the others are still
 * under way, and no more records are held than wait for this loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

struct load {
    const char *name;
    int64_t takes_ns;
};

static int load(struct load *a)
{
    int rc = weir_sleep(a->takes_ns);
    if (rc < 0)
        return rc;
    enum { TEXT_BYTES = 32 };
    char *text = malloc(TEXT_BYTES);
    if (text == NULL)
        return -ENOMEM;
    snprintf(text, TEXT_BYTES, "all about %s", a->name);
    rc = weir_task_set_result(text, free); // what nobody takes is freed
    if (rc < 0)
        free(text);
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.keeps_outcomes = true});
    if (rc < 0)
        return rc;
    const struct load loads[] = {{"bread", 40}, {"butter", 10}, {"salt", 25}};
    for (int i = 0; rc == 0 && i < 3; i++)
        rc =
            WEIR_SPAWN(group, load, .name = loads[i].name, .takes_ns = loads[i].takes_ns * WEIR_MS);

    weir_outcome outcome;
    while (rc == 0 && (rc = weir_group_next(group, &outcome)) == 0) {
        void *text;
        if (weir_task_take(outcome.task, &text) < 0)
            continue; // it has none: it failed, and the close says how
        printf("%s\n", (char *)text);
        free(text);
    }
    return weir_group_close(group, rc == -ENOENT ? 0 : rc); // -ENOENT: that was the last
}

int main(void)
{
    return weir_run(app, NULL);
}
