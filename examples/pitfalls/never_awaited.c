/*
 * never_awaited.c - a call that was written down and never ran
 *
 * The article  my_coroutine() without await makes an object and runs nothing; a warning comes when
 *              the object is collected, if it comes.
 * weir         There is no such object: a call runs when it is called. What can still be forgotten
 *              in C is the result, and the compiler says so: a warning without any option, an
 *              error with -Werror=unused-result. Compiled with -DWRONG this file shows both ways
 *              to forget it; a test sees to it that they do not compile.
 */
#include <stdio.h>
#include <weir/weir.h>

static int greet(void *arg)
{
    printf("hello, %s\n", (const char *)arg);
    return weir_sleep(1 * WEIR_MS);
}

static int app(void *arg)
{
    int rc = greet(arg); // runs here, in this task, and may park
    if (rc < 0)
        return rc;

    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, greet, "from a task"); // runs while we wait in close
#ifdef WRONG
    weir_sleep(1 * WEIR_SEC);    // was it cancelled? nobody knows
    weir_group_close(group, rc); // what did the task come to?
    return 0;
#else
    weir_ignore(weir_sleep(1 * WEIR_MS), "only a pause: close tells when we are cancelled");
    return weir_group_close(group, rc);
#endif
}

int main(void)
{
    return weir_run(app, "from a call");
}
