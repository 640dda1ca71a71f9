/*
 * upload.c - a list of URLs as a text file: streamed to disk, then checked like any other list
 *
 * The body goes to a file piece by piece and is never held whole while it comes; the file stays
 * beside the database when a check came of it, and goes when none did: a list that was refused, or
 * whose client left half-way, must not fill the disk. Lines are trimmed, empty ones and those that
 * begin with # are skipped.
 */
#include <stdio.h>
#include <string.h>

#include "linkcheck.h"

enum {
    PIECE_BYTES = 16 * 1024,
    LIST_BYTES_MAX = 4 * 1024 * 1024,
    LIST_ARENA_BYTES_MAX = 32 * 1024 * 1024, /* six bytes for each in JSON at worst, and it twice */
};

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
static int split_lines(weir_arena *arena, char *text, check_request *out)
{
    out->urls.items = weir_arena_alloc_array(arena, URLS_MAX + 1, sizeof *out->urls.items);
    if (out->urls.items == NULL)
        return -ENOMEM;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        size_t size = strcspn(line, " \t");
        line[size <= URL_BYTES_MAX ? size : URL_BYTES_MAX + 1] = '\0'; /* one byte too many, too */
        if (line[0] == '\0' || line[0] == '#')
            continue;
        out->urls.items[out->urls.count++] = line;
        if (out->urls.count > URLS_MAX)
            break; /* one too many is enough to be refused below */
    }
    return 0;
}

/* The list passes the same rules as a JSON body: it becomes one, and is read back. */
static int validate(weir_request *request, weir_arena *arena, const check_request *given,
                    check_request *out)
{
    weir_model_errors errors = {0};
    weir_str json;
    int rc = weir_model_encode(WEIR_MODEL_OF(check_request), given, arena, &json, &errors);
    if (rc == 0)
        rc = weir_model_decode(WEIR_MODEL_OF(check_request), json, arena, out, &errors);
    if (rc == -EINVAL || rc == -EBADMSG)
        return weir_http_problem_errors(request, 422, &errors, "the list of URLs is not valid");
    return rc;
}

static int start_from_text(weir_request *request, weir_arena *arena, char *text,
                           check_started *out_started)
{
    const upload_query *query = WEIR_QUERY(request, upload_query);
    check_request given = {.timeout_ms = query->timeout_ms, .concurrency = query->concurrency};
    check_request what;
    int rc = split_lines(arena, text, &given);
    if (rc == 0)
        rc = validate(request, arena, &given, &what);
    return rc < 0 ? rc : start_check(request, &what, out_started);
}

static int start_from_file(weir_request *request, const char *path, check_started *out_started)
{
    weir_bytes bytes;
    int rc = weir_file_read_all(path, LIST_BYTES_MAX, &bytes);
    if (rc < 0)
        return rc;
    /* The longest list that is allowed, as JSON and read back, is more than a request may hold. */
    weir_arena *arena = weir_arena_new(LIST_ARENA_BYTES_MAX);
    if (memchr(bytes.data, '\0', bytes.size) != NULL)
        rc =
            weir_http_problem(request, 422, "the list of URLs has a NUL byte in it: it is no text");
    else if (arena == NULL)
        rc = -ENOMEM;
    else
        rc = start_from_text(request, arena, bytes.data, out_started);
    weir_arena_free(arena);
    weir_bytes_free(&bytes);
    return rc;
}

int upload_check(weir_request *request)
{
    const struct settings *settings = weir_app_settings(weir_request_app(request));
    char *path = weir_arena_printf(weir_request_arena(request), "%s/upload-%s.txt", settings->data,
                                   weir_request_id(request));
    if (path == NULL)
        return -ENOMEM;
    check_started started;
    int rc = save_body(request, path);
    if (rc == 0)
        rc = start_from_file(request, path, &started);
    if (rc < 0) {
        int removed = 0;
        WEIR_SHIELD(removed, 5 * WEIR_SEC)
        {
            removed = weir_file_remove(path);
        }
        weir_ignore(removed, "it may never have been there; the first failure is the one to tell");
        return rc;
    }
    return weir_respond_json(request, 202, WEIR_MODEL_OF(check_started), &started);
}
