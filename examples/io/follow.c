/*
 * follow.c - follows a log line by line, as it grows and when it is rotated
 *
 *     follow /var/log/service.log
 *
 * The folder is watched, not the file: so the new file is heard of when the old one is renamed.
 * What counts is not the event, which may be one for many or lost in a flood, but what the file
 * system says after it: has the file grown, and is it still the one that has the name?
 *
 * With a second argument there is a task that writes such a log, and an end.
 */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

struct log {
    const char *path;
    weir_file *file;
    weir_reader *reader;
    int lines_left;   /* -1: without end */
    weir_event *read; /* told to the demonstration: it rotates what has been read */
};

/* -ENOENT is no failure: between the two steps of a rotation there is no file. */
static int open_log(struct log *log)
{
    int rc = weir_file_open(log->path, NULL, &log->file);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    /* The service may be in the middle of a line: it is handed out when it is whole. */
    rc = weir_file_open_reader(log->file, 0, &(weir_reader_options){.keep_partial = true},
                               &log->reader);
    if (rc < 0) {
        weir_ignore(weir_file_close(log->file), "it was only read");
        log->file = NULL;
    }
    return rc;
}

static void close_log(struct log *log)
{
    weir_reader_close(log->reader);
    weir_ignore(weir_file_close(log->file), "it was only read");
    log->reader = NULL;
    log->file = NULL;
}

static int is_rotated(const struct log *log, bool *out_rotated)
{
    weir_file_stat ours, named;
    int rc = weir_file_stat_get(log->file, &ours);
    if (rc == 0)
        rc = weir_folder_stat(NULL, log->path, true, &named);
    if (rc == 0)
        *out_rotated = ours.device != named.device || ours.inode != named.inode;
    return rc == -ENOENT ? 0 : rc; // not yet: the old one may still be written to
}

static int print_lines(struct log *log)
{
    weir_str line;
    int rc = 0;
    while (log->lines_left != 0 && (rc = weir_reader_read_line(log->reader, &line)) > 0) {
        printf("%.*s\n", (int)line.size, line.data);
        log->lines_left -= log->lines_left > 0;
        if (log->lines_left == 2)
            weir_event_set(log->read);
    }
    return rc < 0 ? rc : 0;
}

/* All that is there, in this file and, when it has been replaced, in the next one. */
static int catch_up(struct log *log)
{
    for (;;) {
        bool rotated = false;
        int rc = log->file == NULL ? open_log(log) : 0;
        if (rc < 0 || log->file == NULL)
            return rc;
        rc = is_rotated(log, &rotated); // before the last look at it: nothing is missed
        if (rc == 0)
            rc = print_lines(log);
        if (rc < 0 || !rotated || log->lines_left == 0)
            return rc;
        printf("-- rotated --\n");
        close_log(log);
    }
}

static int follow(struct log *log)
{
    char folder[4096] = ".";
    const char *slash = strrchr(log->path, '/');
    if (slash != NULL)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - log->path) + 1, log->path);
    weir_watch *watch;
    int id;
    int rc = weir_watch_open(&watch);
    if (rc < 0)
        return rc;
    rc = weir_watch_add(watch, folder, WEIR_WATCH_CHANGES, &id); // before the first look
    if (rc == 0)
        rc = catch_up(log);
    while (rc == 0 && log->lines_left != 0) {
        weir_watch_event event;
        rc = weir_watch_next(watch, &event);
        if (rc == 0)
            rc = catch_up(log);
    }
    close_log(log);
    weir_watch_close(watch);
    return rc;
}

/* --- something to follow ---------------------------------------------------------------------- */

static int write_text(const char *path, const char *text)
{
    weir_file *file;
    weir_file_options append = {.access = WEIR_FILE_APPEND, .create = true};
    int rc = weir_file_open(path, &append, &file);
    if (rc < 0)
        return rc;
    rc = weir_file_append(file, text, strlen(text), NULL);
    int closed = weir_file_close(file);
    return rc < 0 ? rc : closed;
}

static int serve(void *arg)
{
    struct log *log = arg;
    const char *path = log->path;
    char old[4096];
    snprintf(old, sizeof old, "%s.1", path);
    int rc = write_text(path, "started\nrequest 1\nrequ");
    if (rc == 0)
        rc = write_text(path, "est 2\n");
    if (rc == 0)
        rc = weir_event_wait(log->read);
    if (rc == 0)
        rc = weir_file_rename(path, old, WEIR_RENAME_REPLACE);
    if (rc == 0)
        rc = write_text(path, "request 3\n");
    return rc < 0 ? rc : write_text(path, "stopped\n");
}

static int app(void *arg)
{
    char **argv = arg;
    if (argv[1] == NULL)
        return weir_fail(-EINVAL, "usage: %s LOG [demo]", argv[0]);
    weir_event read = {0};
    struct log log = {.path = argv[1], .lines_left = argv[2] == NULL ? -1 : 5, .read = &read};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    if (argv[2] != NULL)
        rc = weir_spawn(group, serve, &log);
    return weir_group_close(group, rc == 0 ? follow(&log) : rc);
}

int main(int argc, char **argv)
{
    (void)argc;
    setvbuf(stdout, NULL, _IOLBF, 0);
    return weir_run(app, argv);
}
