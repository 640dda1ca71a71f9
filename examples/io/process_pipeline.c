/*
 * process_pipeline.c - sort | uniq -c, with a task at every joint and one deadline around all
 *
 * The words pass through this program twice, so that it could look at them; nothing is read whole.
 * Whatever fails, or when the time is up: both programs have ended before main goes on.
 */
#include <stdio.h>
#include <weir/weir.h>

static const char words[] = "pear\nfig\nplum\nfig\npear\nfig\n";

static int feed_words(void *arg)
{
    weir_process *sort = arg;
    int rc = weir_pipe_write_all(weir_process_input(sort), words, sizeof words - 1, NULL);
    weir_process_finish_input(sort);
    return rc;
}

struct joint {
    weir_process *from, *to;
};

static int pass_on(void *arg)
{
    struct joint *joint = arg;
    char piece[4096];
    ssize_t n;
    int rc = 0;
    while (rc == 0 &&
           (n = weir_pipe_read(weir_process_output(joint->from), piece, sizeof piece)) > 0)
        rc = weir_pipe_write_all(weir_process_input(joint->to), piece, (size_t)n, NULL);
    weir_process_finish_input(joint->to);
    return rc < 0 ? rc : (int)n;
}

static int show(void *arg)
{
    weir_process *uniq = arg;
    char piece[4096];
    ssize_t n;
    while ((n = weir_pipe_read(weir_process_output(uniq), piece, sizeof piece)) > 0)
        printf("%.*s", (int)n, piece);
    return (int)n;
}

static int start(const char *const *arguments, weir_process **out_process)
{
    return weir_process_spawn(
        &(weir_process_options){.arguments = arguments,
                                .changes = (const char *const[]){"LC_ALL=C", NULL},
                                .input.kind = WEIR_PROCESS_STDIO_PIPE,
                                .output.kind = WEIR_PROCESS_STDIO_PIPE},
        out_process);
}

static int count_words(void *arg)
{
    (void)arg;
    weir_process *sort = NULL, *uniq = NULL;
    int rc = start((const char *const[]){"sort", NULL}, &sort);
    if (rc == 0)
        rc = start((const char *const[]){"uniq", "-c", NULL}, &uniq);
    weir_group *group;
    if (rc == 0)
        rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        struct joint joint = {sort, uniq};
        rc = weir_spawn(group, feed_words, sort);
        if (rc == 0)
            rc = weir_spawn(group, pass_on, &joint);
        if (rc == 0)
            rc = weir_spawn(group, show, uniq);
        rc = weir_group_close(group, rc);
    }
    weir_process_status status;
    if (rc == 0)
        rc = weir_process_wait(uniq, &status);
    if (rc == 0)
        printf("uniq ended with %d\n", status.exit_code);
    weir_process_close(uniq); /* what still runs ends here */
    weir_process_close(sort);
    return rc;
}

static int program(void *arg)
{
    return weir_timeout(30 * WEIR_SEC, count_words, arg);
}

int main(void)
{
    return weir_run(program, NULL);
}
