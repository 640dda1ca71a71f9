/*
 * stream.c - answers that are sent piece by piece, and events
 *
 * Small pieces go into the connection's block, each as a chunk of its own, and leave together
 * within a millisecond (events: at once). A piece that has no room there is sent from where it
 * lies, with what waits before it, and the task waits for that: a client that reads slowly holds
 * its own handler up.
 *
 * Runs on  the connection's task; weir__http_sse_beat() and weir__http_sse_retire() in callbacks.
 * Holds    1. Between two pieces the chain of blocks ends at a whole chunk, so that a callback may
 *          add one.
 */
#include <stdio.h>
#include <string.h>

#include <weir/failure.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "http/server.h"

enum {
    CHUNK_FRAME_BYTES = 16 + 4, /* size and two line ends */
    RETRY_LEAST_MS = 1000,      /* after a drain clients come back over some seconds, not all at
                                   once */
    RETRY_SPREAD_MS = 4000,
};

/* --- chunks ----------------------------------------------------------------------------------- */

/* `1f4` and CR LF. */
static size_t write_size(char *at, uint64_t size)
{
    static const char digits[] = "0123456789abcdef";
    char reversed[16];
    size_t count = 0;
    do {
        reversed[count++] = digits[size & 15];
        size >>= 4;
    } while (size > 0);
    for (size_t i = 0; i < count; i++)
        at[i] = reversed[count - 1 - i];
    at[count] = '\r';
    at[count + 1] = '\n';
    return count + 2;
}

/* Room at the end of the block that is there, without another one. */
static size_t spare_bytes(const struct weir__http_conn *conn)
{
    const struct weir__http_block *last = conn->out_last;
    return last == NULL || last->capacity == 0 ? 0 : last->capacity - last->end;
}

static void wrote(struct weir_request *request, size_t bytes)
{
    request->now.bytes_out += bytes;
    request->now.written_at_ns = request->server->loop->now_ns;
}

/* Adds a piece to the block. There is room for it and its frame. */
static void add_piece(struct weir_request *request, const void *data, size_t size)
{
    struct weir__http_conn *conn = request->conn;
    char *room = weir__http_out_room(conn, size + CHUNK_FRAME_BYTES);
    char *at = room;
    if (room == NULL)
        return; // not with room there; callbacks look at it themselves
    if (request->now.chunked)
        at += write_size(at, size);
    memcpy(at, data, size);
    at += size;
    if (request->now.chunked) {
        memcpy(at, "\r\n", 2);
        at += 2;
    }
    weir__http_out_wrote(conn, (size_t)(at - room));
    weir__http_out_commit(conn);
    wrote(request, (size_t)(at - room));
}

/* Sends a piece from where it lies. */
static int send_piece(struct weir_request *request, const void *data, size_t size)
{
    char head[CHUNK_FRAME_BYTES];
    size_t head_size = request->now.chunked ? write_size(head, size) : 0;
    weir_str parts[] = {{head, head_size}, {data, size}, {"\r\n", request->now.chunked ? 2 : 0}};
    int rc = weir__http_out_send(request->conn, parts, 3);
    if (rc == 0)
        wrote(request, head_size + size + parts[2].size);
    return rc;
}

/* --- beginning -------------------------------------------------------------------------------- */

static int begin_stream(struct weir_request *request, int status, const char *content_type,
                        enum weir__http_payload payload, uint64_t size)
{
    if (status == 204 || status == 304)
        return weir_fail(-EINVAL, "an answer with status %d has no body to stream", status);
    if (request->now.gone)
        return -EPIPE;
    weir_str type;
    int rc = weir__http_check_type(content_type, &type);
    if (rc == 0)
        rc = weir__http_compose(request, status, type, payload, NULL, size);
    if (rc < 0)
        return rc;
    struct weir__http_conn *conn = request->conn;
    request->now.answer = WEIR__HTTP_ANSWER_STREAM;
    request->now.sized = payload == WEIR__HTTP_PAYLOAD_SIZED;
    request->now.chunked = payload == WEIR__HTTP_PAYLOAD_CHUNKED && request->head.minor >= 1;
    request->now.stream_left = size;
    request->now.written_at_ns = request->server->loop->now_ns;
    if (request->match.route == NULL || request->match.route->public->timeout_ns == 0)
        weir_scope_set_deadline(&request->scope, WEIR_NEVER);
    weir__http_out_commit(conn);
    weir__http_out_soon(conn);
    return 0;
}

int weir_stream_begin(weir_request *request, int status, const char *content_type)
{
    return begin_stream(request, status, content_type, WEIR__HTTP_PAYLOAD_CHUNKED, 0);
}

int weir_stream_begin_sized(weir_request *request, int status, const char *content_type,
                            uint64_t size)
{
    return begin_stream(request, status, content_type, WEIR__HTTP_PAYLOAD_SIZED, size);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int check_open(const struct weir_request *request)
{
    if (request->now.answer != WEIR__HTTP_ANSWER_STREAM)
        return weir_fail(-EINVAL, request->now.answer == WEIR__HTTP_ANSWER_ENDED
                                      ? "the stream has ended"
                                      : "no stream has begun");
    if (request->conn->write_error < 0)
        return request->conn->write_error;
    return 0;
}

/* One piece, wherever it has room. */
static int write_piece(struct weir_request *request, const void *data, size_t size)
{
    struct weir__http_conn *conn = request->conn;
    if (request->now.head_method)
        return 0;
    size_t framed = size + CHUNK_FRAME_BYTES;
    bool fresh = conn->out == NULL && framed <= WEIR__HTTP_BLOCK_BYTES / 2;
    if (!fresh && spare_bytes(conn) < framed)
        return send_piece(request, data, size);
    if (fresh && weir__http_out_room(conn, framed) == NULL)
        return -ENOMEM;
    add_piece(request, data, size);
    weir__core_completed_at_once();
    return 0;
}

int weir_stream_write(weir_request *request, const void *data, size_t size)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return request->now.gone ? -EPIPE : rc;
    rc = check_open(request);
    if (rc < 0 || size == 0)
        return rc;
    if (request->now.sized && size > request->now.stream_left)
        return weir_fail(-EMSGSIZE, "%zu bytes, but only %llu of those announced are left", size,
                         (unsigned long long)request->now.stream_left);
    rc = write_piece(request, data, size);
    if (rc < 0)
        return rc == -ECANCELED && request->now.gone ? -EPIPE : rc;
    if (request->now.sized)
        request->now.stream_left -= size;
    weir__http_out_soon(request->conn);
    return request->conn->write_error;
}

int weir_stream_flush(weir_request *request)
{
    int rc = check_open(request);
    if (rc < 0)
        return rc;
    weir__http_out_start(request->conn);
    return request->conn->write_error;
}

/* --- ending ----------------------------------------------------------------------------------- */

int weir_stream_end(weir_request *request)
{
    int rc = check_open(request);
    if (rc < 0)
        return rc;
    if (request->now.sized && request->now.stream_left > 0 && !request->now.head_method)
        return weir_fail(-ENODATA, "%llu bytes less than announced were written",
                         (unsigned long long)request->now.stream_left);
    if (request->now.chunked && !request->now.head_method) {
        static const weir_str last = {"0\r\n\r\n", 5};
        char *room = weir__http_out_room(request->conn, last.size);
        if (room == NULL)
            return -ENOMEM;
        memcpy(room, last.data, last.size);
        weir__http_out_wrote(request->conn, last.size);
        weir__http_out_commit(request->conn);
        wrote(request, last.size);
    }
    request->now.answer = WEIR__HTTP_ANSWER_ENDED;
    return 0;
}

int weir__http_stream_close(struct weir_request *request, int rc)
{
    if (request->now.answer == WEIR__HTTP_ANSWER_ENDED)
        return 0;
    if (request->now.gone || request->conn->write_error < 0)
        return -EPIPE;
    // A stream of events that was told to end has ended well, whatever its handler makes of it.
    if (rc < 0 && !request->now.sse_retired)
        return rc;
    return weir_stream_end(request);
}

/* --- events ----------------------------------------------------------------------------------- */

int weir_sse_begin(weir_request *request)
{
    int rc = 0;
    if (request->conn->stream.rx.eof) // it would be a stream to nobody
        weir__http_conn_gone(request->conn);
    if (request->now.answer == WEIR__HTTP_ANSWER_NONE)
        rc = weir__http_add_field(request, WEIR_STR("Cache-Control"), WEIR_STR("no-store"));
    if (rc == 0) // the usual proxy would collect them for a while
        rc = weir__http_add_field(request, WEIR_STR("X-Accel-Buffering"), WEIR_STR("no"));
    if (rc == 0)
        rc = weir_stream_begin(request, 200, "text/event-stream");
    if (rc < 0)
        return rc;
    weir_http_server *server = request->server;
    request->now.sse = true;
    server->stats.stream_count++;
    weir__http_out_start(request->conn);
    weir__http_conn_watch(request->conn, weir__base_add_ns(request->now.written_at_ns,
                                                           server->options.limits.heartbeat_ns));
    if (server->retiring || request->now.head_method) // its head is all that is wanted
        weir__http_sse_retire(request);
    return 0;
}

static bool has_line_break(const char *text)
{
    return text != NULL && strpbrk(text, "\r\n") != NULL;
}

/* Length of the next line of data, and of the line end behind it: CR, LF or CR LF. */
static size_t line_of(const char *text, size_t *out_end)
{
    size_t size = strcspn(text, "\r\n");
    *out_end = text[size] == '\0' ? 0 : text[size] == '\r' && text[size + 1] == '\n' ? 2 : 1;
    return size;
}

static char *put(char *at, const char *name, const char *value, size_t size)
{
    size_t name_size = strlen(name);
    memcpy(at, name, name_size);
    at += name_size;
    memcpy(at, value, size);
    at += size;
    *at = '\n';
    return at + 1;
}

static size_t event_bytes(const char *event, const char *id, const char *data)
{
    size_t bytes = 1;
    bytes += event == NULL ? 0 : strlen(event) + 8;
    bytes += id == NULL ? 0 : strlen(id) + 5;
    for (;;) {
        size_t end, size = line_of(data, &end);
        bytes += size + 7;
        if (end == 0)
            return bytes;
        data += size + end;
    }
}

static void write_event(char *at, const char *event, const char *id, const char *data)
{
    if (event != NULL)
        at = put(at, "event: ", event, strlen(event));
    if (id != NULL)
        at = put(at, "id: ", id, strlen(id));
    for (;;) {
        size_t end, size = line_of(data, &end);
        at = put(at, "data: ", data, size);
        if (end == 0)
            break;
        data += size + end;
    }
    *at = '\n';
}

int weir_sse_send(weir_request *request, const char *event, const char *id, const char *data)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return request->now.gone ? -EPIPE : rc;
    rc = check_open(request);
    if (rc < 0)
        return rc;
    if (has_line_break(event) || has_line_break(id))
        return weir_fail(-EINVAL, "a line break in the name or the id of an event");
    size_t bytes = event_bytes(event, id, data);
    char small[1024];
    char *text = bytes <= sizeof small ? small : weir__base_alloc(bytes);
    if (text == NULL)
        return -ENOMEM;
    write_event(text, event, id, data);
    rc = write_piece(request, text, bytes);
    if (text != small)
        weir__base_free(text);
    if (rc < 0)
        return rc == -ECANCELED && request->now.gone ? -EPIPE : rc;
    weir__http_out_start(request->conn);
    return request->conn->write_error;
}

/* From a callback: the piece goes behind whatever is written, or is left out. */
static void add_aside(struct weir_request *request, const char *text, size_t size)
{
    if (request->now.answer != WEIR__HTTP_ANSWER_STREAM || request->conn->write_error < 0 ||
        request->now.head_method ||
        weir__http_out_room(request->conn, size + CHUNK_FRAME_BYTES) == NULL)
        return;
    add_piece(request, text, size);
    weir__http_out_start(request->conn);
}

void weir__http_sse_beat(struct weir_request *request)
{
    request->now.written_at_ns = request->server->loop->now_ns;
    if (!weir__http_out_pending(request->conn)) // else the client is behind as it is
        add_aside(request, ":\n\n", 3);
}

void weir__http_sse_retire(struct weir_request *request)
{
    if (!request->now.sse || request->now.sse_retired || request->now.gone)
        return;
    char text[32];
    uint64_t spread = weir__base_random_next(&request->server->random_state) % RETRY_SPREAD_MS;
    int size = snprintf(text, sizeof text, "retry: %d\n\n", RETRY_LEAST_MS + (int)spread);
    add_aside(request, text, (size_t)size);
    request->now.sse_retired = true;
    if (request->now.scope_entered)
        weir_scope_cancel(&request->scope, "the server takes nothing new");
}
