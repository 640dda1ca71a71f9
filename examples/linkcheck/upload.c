/*
 * upload.c - a list of URLs as a text file: streamed to disk, then checked like any other list
 *
 * The body goes to a file piece by piece and is never held whole while it comes; the file stays
 * beside the database. Lines are trimmed, empty ones and those that begin with # are skipped.
 */
#include <stdio.h>
#include <string.h>

#include "linkcheck.h"

enum { PIECE_BYTES = 16 * 1024, LIST_BYTES_MAX = 4 * 1024 * 1024 };

static int write_body(weir_request *request, weir_file *file)
{
    char *piece = weir_arena_alloc(weir_request_arena(request), PIECE_BYTES);
    if (piece == NULL)
        return -ENOMEM;
    int64_t offset = 0;
    ssize_t n;
    while ((n = weir_body_read(request, piece, PIECE_BYTES)) > 0) {
        int rc = weir_file_write(file, piece, (size_t)n, offset, NULL);
        if (rc < 0)
            return rc;
        offset += n;
    }
    return n < 0 ? (int)n : weir_file_sync(file);
}

static int save_body(weir_request *request, const char *path)
{
    weir_file *file;
    int rc = weir_file_open(
        path, &(weir_file_options){.access = WEIR_FILE_WRITE, .create = true, .exclusive = true},
        &file);
    if (rc < 0)
        return rc;
    rc = write_body(request, file);
    int closed = weir_file_close(file);
    return rc < 0 ? rc : closed;
}

/* The lines of the text as strings; they are cut where they lie. */
static int split_lines(weir_request *request, char *text, check_request *out)
{
    weir_arena *arena = weir_request_arena(request);
    out->urls.items = weir_arena_alloc_array(arena, URLS_MAX + 1, sizeof *out->urls.items);
    if (out->urls.items == NULL)
        return -ENOMEM;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        line[strcspn(line, " \t")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        out->urls.items[out->urls.count++] = line;
        if (out->urls.count > URLS_MAX)
            break; /* one too many is enough to be refused below */
    }
    return 0;
}

/* The list passes the same rules as a JSON body: it becomes one, and is read back. */
static int validate(weir_request *request, const check_request *given, check_request *out)
{
    weir_arena *arena = weir_request_arena(request);
    weir_model_errors errors = {0};
    weir_str json;
    int rc = weir_model_encode(WEIR_MODEL_OF(check_request), given, arena, &json, &errors);
    if (rc == 0)
        rc = weir_model_decode(WEIR_MODEL_OF(check_request), json, arena, out, &errors);
    if (rc == -EINVAL || rc == -EBADMSG)
        return weir_http_problem_errors(request, 422, &errors, "the list of URLs is not valid");
    return rc;
}

int upload_check(weir_request *request)
{
    const struct settings *settings = weir_app_settings(weir_request_app(request));
    weir_arena *arena = weir_request_arena(request);
    char *path =
        weir_arena_printf(arena, "%s/upload-%s.txt", settings->data, weir_request_id(request));
    if (path == NULL)
        return -ENOMEM;
    int rc = save_body(request, path);
    if (rc < 0)
        return rc;
    weir_bytes bytes;
    rc = weir_file_read_all(path, LIST_BYTES_MAX, &bytes);
    if (rc < 0)
        return rc;
    char *text = weir_arena_alloc(arena, bytes.size + 1);
    if (text != NULL && bytes.size > 0)
        memcpy(text, bytes.data, bytes.size);
    size_t size = bytes.size;
    weir_bytes_free(&bytes);
    if (text == NULL)
        return -ENOMEM;
    text[size] = '\0';

    const upload_query *query = WEIR_QUERY(request, upload_query);
    check_request given = {.timeout_ms = query->timeout_ms, .concurrency = query->concurrency};
    check_request what;
    check_started started;
    rc = split_lines(request, text, &given);
    if (rc == 0)
        rc = validate(request, &given, &what);
    if (rc == 0)
        rc = start_check(request, &what, &started);
    return rc < 0 ? rc : weir_respond_json(request, 202, WEIR_MODEL_OF(check_started), &started);
}
