/*
 * plan.c - from options to what the child does
 *
 * Everything is looked up and laid out here, on the caller's thread, where the environment may be
 * read; the child then only makes system calls.
 *
 * Runs on  the loop, in a task; nothing here parks.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "process/process.h"
#include "stream/pipe.h"

static const char path_default[] = "/usr/local/bin:/usr/bin:/bin";

/* --- where the program may be ----------------------------------------------------------------- */

static const char *find_value(const char *const *environment, const char *name)
{
    size_t size = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
            return *environment + size + 1;
    return NULL;
}

static size_t part_size(const char *part)
{
    return (size_t)(strchrnul(part, ':') - part);
}

/* Folder, slash, name; an empty folder is the one where the child starts. */
static char *append_path(char *at, const char *part, size_t size, const char *name)
{
    memcpy(at, size == 0 ? "." : part, size == 0 ? 1 : size);
    at += size == 0 ? 1 : size;
    *at++ = '/';
    size_t name_size = strlen(name) + 1;
    memcpy(at, name, name_size);
    return at + name_size;
}

static int find_paths(struct weir__plan *plan, const char *program)
{
    const char *folders = find_value((const char *const *)environ, "PATH");
    if (folders == NULL)
        folders = path_default;
    size_t count = 1;
    for (const char *at = folders; *at != '\0'; at++)
        count += *at == ':';
    bool named = strchr(program, '/') != NULL || *program == '\0';
    plan->paths = weir__base_alloc_array(named ? 2 : count + 1, sizeof *plan->paths);
    plan->path_text =
        named ? NULL : weir__base_alloc(strlen(folders) + count * (strlen(program) + 3));
    if (plan->paths == NULL || (!named && plan->path_text == NULL))
        return -ENOMEM;
    size_t used = 0;
    char *text = plan->path_text;
    for (const char *part = folders; !named; part += part_size(part) + 1) {
        plan->paths[used++] = text;
        text = append_path(text, part, part_size(part), program);
        if (part[part_size(part)] == '\0')
            break;
    }
    if (named)
        plan->paths[used++] = program;
    plan->paths[used] = NULL;
    plan->spawn.paths = plan->paths;
    return 0;
}

/* --- its environment -------------------------------------------------------------------------- */

static size_t name_size(const char *entry)
{
    return (size_t)(strchrnul(entry, '=') - entry);
}

static bool is_changed(const char *const *changes, const char *entry)
{
    size_t size = name_size(entry);
    for (; changes != NULL && *changes != NULL; changes++)
        if (name_size(*changes) == size && strncmp(*changes, entry, size) == 0)
            return true;
    return false;
}

static size_t count_entries(const char *const *entries)
{
    size_t count = 0;
    while (entries != NULL && entries[count] != NULL)
        count++;
    return count;
}

/* A copy even when nothing changes: ours may be changed while the child reads it. */
static int make_environment(struct weir__plan *plan, const weir_process_options *options)
{
    const char *const *base =
        options->environment != NULL ? options->environment : (const char *const *)environ;
    const char *const *changes = options->changes;
    size_t count = count_entries(base) + count_entries(changes) + 1;
    plan->environment = weir__base_alloc_array(count, sizeof *plan->environment);
    if (plan->environment == NULL)
        return -ENOMEM;
    size_t used = 0;
    for (; base != NULL && *base != NULL; base++)
        if (!is_changed(changes, *base))
            plan->environment[used++] = *base;
    for (; changes != NULL && *changes != NULL; changes++)
        if ((*changes)[name_size(*changes)] == '=' && !is_changed(changes + 1, *changes))
            plan->environment[used++] = *changes;
    plan->environment[used] = NULL;
    plan->spawn.environment = plan->environment;
    return 0;
}

/* --- its streams ------------------------------------------------------------------------------ */

static int open_pipe(struct weir__plan *plan, int i)
{
    int fds[2];
    int ours = i == 0 ? 1 : 0;
    int rc = weir__sys_pipe_to_child(ours, fds);
    if (rc < 0)
        return rc;
    plan->theirs[i] = plan->spawn.fds[i] = fds[!ours];
    rc = weir__pipe_open(fds[ours], NULL, &plan->ends[i]);
    if (rc == 0)
        weir__ledger_remove(&plan->ends[i]->entry); /* it goes with the process */
    return rc;
}

static int lay_stream(struct weir__plan *plan, int i, const weir_process_stdio *stdio)
{
    weir_process_stdio_kind kind = stdio->kind;
    if (kind == WEIR_PROCESS_STDIO_DEFAULT)
        kind = i == 0 ? WEIR_PROCESS_STDIO_NULL : WEIR_PROCESS_STDIO_INHERIT;
    switch (kind) {
    case WEIR_PROCESS_STDIO_INHERIT:
        plan->spawn.fds[i] = i;
        return 0;
    case WEIR_PROCESS_STDIO_NULL:
        plan->spawn.fds[i] = -1;
        return 0;
    case WEIR_PROCESS_STDIO_PIPE:
        return open_pipe(plan, i);
    case WEIR_PROCESS_STDIO_FD:
        plan->spawn.fds[i] = stdio->fd;
        return stdio->fd < 0 ? -EBADF : 0;
    case WEIR_PROCESS_STDIO_JOINED:
        plan->spawn.fds[i] = plan->spawn.fds[1];
        return i == 2 ? 0 : weir_fail(-EINVAL, "only standard error can be joined to another");
    default:
        return -EINVAL;
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static int copy_limits(struct weir__plan *plan, const weir_process_options *options)
{
    if (options->limit_count == 0)
        return 0;
    plan->limits = weir__base_alloc_array(options->limit_count, sizeof *plan->limits);
    if (plan->limits == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < options->limit_count; i++) {
        const weir_process_limit *limit = &options->limits[i];
        plan->limits[i] = (struct weir__spawn_limit){limit->resource, limit->soft, limit->hard};
    }
    plan->spawn.limits = plan->limits;
    plan->spawn.limit_count = options->limit_count;
    return 0;
}

int weir__plan_make(struct weir__plan *plan, const weir_process_options *options)
{
    *plan = (struct weir__plan){.theirs = {-1, -1, -1}};
    if (options == NULL || options->arguments == NULL || options->arguments[0] == NULL ||
        options->stop_budget_ns < 0)
        return -EINVAL;
    plan->spawn.arguments = options->arguments;
    plan->spawn.folder = options->folder;
    plan->spawn.own_group = !options->shares_group;
    plan->spawn.dies_with_parent = options->dies_with_parent;
    if (options->identity != NULL) {
        plan->spawn.uid = &options->identity->uid;
        plan->spawn.gid = &options->identity->gid;
    }
    const weir_process_stdio *const streams[3] = {&options->input, &options->output,
                                                  &options->errors};
    int rc = find_paths(plan, options->program != NULL ? options->program : options->arguments[0]);
    if (rc == 0)
        rc = make_environment(plan, options);
    if (rc == 0)
        rc = copy_limits(plan, options);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = lay_stream(plan, i, streams[i]);
    if (rc < 0)
        weir__plan_deinit(plan);
    return rc;
}

void weir__plan_deinit(struct weir__plan *plan)
{
    for (int i = 0; i < 3; i++) {
        if (plan->theirs[i] >= 0)
            weir__sys_close(plan->theirs[i]);
        weir_pipe_close(plan->ends[i]);
    }
    weir__base_free(plan->limits);
    weir__base_free(plan->environment);
    weir__base_free(plan->path_text);
    weir__base_free(plan->paths);
}

int weir__plan_fail(const struct weir__plan *plan, enum weir__spawn_step step, int code)
{
    static const char *const steps[] = {
        [WEIR__SPAWN_CLONE] = "no process can be made",
        [WEIR__SPAWN_STDIO] = "its standard streams",
        [WEIR__SPAWN_GROUP] = "its process group",
        [WEIR__SPAWN_LIMIT] = "its limits of resources",
        [WEIR__SPAWN_IDENTITY] = "its user and group",
        [WEIR__SPAWN_PARENT] = "to die with its parent",
    };
    const char *name = plan->spawn.arguments[0];
    const char *text = weir_code_text(code);
    if (step == WEIR__SPAWN_EXEC)
        return weir_fail(code, "cannot run %s: %s", name, text);
    if (step == WEIR__SPAWN_FOLDER)
        return weir_fail(code, "cannot run %s in folder %s: %s", name, plan->spawn.folder, text);
    return weir_fail(code, "cannot run %s: %s: %s", name, steps[step], text);
}
