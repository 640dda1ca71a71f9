/*
 * run.c - a process from start to end: input fed, output collected, all at once
 *
 * A task for each pipe, so that a program that reads slowly cannot be blocked by one of its outputs
 * that nobody empties. The first of them to fail cancels the others; the process is ended on every
 * way out.
 *
 * Runs on  the loop, in a task.
 */
#include <string.h>
#include <weir/group.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "process/process.h"

enum { OUTPUT_BYTES_MAX = 16 << 20, PIECE_BYTES = 16 << 10, EXIT_SIGNAL = 128 };

struct feed {
    weir_process *process;
    weir_str input;
};

static int feed_input(void *arg)
{
    struct feed *feed = arg;
    int rc = weir_pipe_write_all(weir_process_input(feed->process), feed->input.data,
                                 feed->input.size, NULL);
    weir_process_finish_input(feed->process);
    return rc == -EPIPE ? 0 : rc; /* it wanted no more */
}

struct collect {
    weir_pipe *pipe;
    const char *name;
    size_t bytes_max;
    struct weir__buffer bytes;
};

static int collect_output(void *arg)
{
    struct collect *collect = arg;
    struct weir__buffer *bytes = &collect->bytes;
    for (;;) {
        char *room = weir__buffer_reserve(bytes, PIECE_BYTES);
        if (room == NULL)
            return -ENOMEM;
        ssize_t n = weir_pipe_read(collect->pipe, room, PIECE_BYTES);
        if (n <= 0)
            return (int)n;
        bytes->size += (size_t)n;
        if (bytes->size > collect->bytes_max)
            return weir_fail(-EFBIG, "it wrote more than %zu bytes to its standard %s",
                             collect->bytes_max, collect->name);
    }
}

struct run {
    weir_process *process;
    struct feed feed;
    struct collect output, errors;
    weir_process_status status;
};

static int spawn_helpers(weir_group *group, struct run *run)
{
    int rc = 0;
    if (weir_process_input(run->process) != NULL)
        rc = weir_spawn(group, feed_input, &run->feed);
    if (rc == 0 && run->output.pipe != NULL)
        rc = weir_spawn(group, collect_output, &run->output);
    if (rc == 0 && run->errors.pipe != NULL)
        rc = weir_spawn(group, collect_output, &run->errors);
    return rc == -ESHUTDOWN ? -ECANCELED : rc;
}

static int run_to_end(struct run *run)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.name = "process"});
    if (rc < 0)
        return rc;
    rc = spawn_helpers(group, run);
    if (rc == 0)
        rc = weir_process_wait(run->process, &run->status);
    return weir_group_close(group, rc);
}

static weir_bytes take_bytes(struct weir__buffer *buffer)
{
    weir_bytes taken = {buffer->data, buffer->size};
    if (buffer->data != NULL)
        buffer->data[buffer->size] = '\0';
    *buffer = (struct weir__buffer){0};
    return taken;
}

static int exit_code_of(const weir_process_status *status)
{
    return status->signal != 0 ? EXIT_SIGNAL + status->signal : status->exit_code;
}

/* What is fed and collected, in options of our own. */
static int settle_streams(weir_process_options *options, weir_str input)
{
    if (input.size > 0 && options->input.kind != WEIR_PROCESS_STDIO_DEFAULT)
        return weir_fail(-EINVAL, "there is input for it, and another place that it is to read");
    if (options->input.kind == WEIR_PROCESS_STDIO_PIPE)
        return weir_fail(-EINVAL, "nobody would write to its input");
    if (input.size > 0)
        options->input.kind = WEIR_PROCESS_STDIO_PIPE;
    if (options->output.kind == WEIR_PROCESS_STDIO_DEFAULT)
        options->output.kind = WEIR_PROCESS_STDIO_PIPE;
    if (options->errors.kind == WEIR_PROCESS_STDIO_DEFAULT)
        options->errors.kind = WEIR_PROCESS_STDIO_PIPE;
    return 0;
}

int weir_process_run(const weir_process_options *options, weir_str input,
                     weir_process_result *out_result)
{
    if (options == NULL)
        return -EINVAL;
    weir_process_options own = *options;
    int rc = settle_streams(&own, input);
    if (rc < 0)
        return rc;
    struct run run = {0};
    rc = weir_process_spawn(&own, &run.process);
    if (rc < 0)
        return rc;
    size_t bytes_max = own.output_bytes_max == 0 ? OUTPUT_BYTES_MAX : own.output_bytes_max;
    run.feed = (struct feed){run.process, input};
    run.output = (struct collect){
        .pipe = weir_process_output(run.process), .name = "output", .bytes_max = bytes_max};
    run.errors = (struct collect){
        .pipe = weir_process_errors(run.process), .name = "error", .bytes_max = bytes_max};
    rc = run_to_end(&run);
    weir_process_close(run.process);
    if (rc == 0) {
        *out_result = (weir_process_result){.status = run.status,
                                            .output = take_bytes(&run.output.bytes),
                                            .errors = take_bytes(&run.errors.bytes)};
        rc = exit_code_of(&run.status);
    }
    weir__buffer_deinit(&run.output.bytes);
    weir__buffer_deinit(&run.errors.bytes);
    return rc;
}

void weir_process_result_free(weir_process_result *result)
{
    if (result == NULL)
        return;
    weir_bytes_free(&result->output);
    weir_bytes_free(&result->errors);
}
