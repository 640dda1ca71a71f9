/*
 * server_memory.c - where records, blocks and arenas of a server come from
 *
 * From free lists of the server, last in first out, so that a busy server works on memory that is
 * in the cache and a request on a kept connection allocates nothing.
 *
 * Runs on  the loop's own thread.
 */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "http/request.h"
#include "http/server.h"

enum {
    FREE_BLOCKS_MAX = 256, /* 1 MiB */
    FREE_REQUESTS_MAX = 64,
    FREE_CONNS_MAX = 1024, /* 512 KiB */
};

enum { POOLED_ROOM = WEIR__HTTP_BLOCK_BYTES - (int)sizeof(struct weir__http_block) };

static struct weir__http_block *new_block(size_t room)
{
    size_t size;
    if (__builtin_add_overflow(room, sizeof(struct weir__http_block), &size))
        return NULL;
    struct weir__http_block *block = weir__base_alloc(size);
    if (block == NULL)
        return NULL;
    block->data = block->memory;
    block->capacity = room;
    block->pooled = room == POOLED_ROOM;
    return block;
}

struct weir__http_block *weir__http_block_take(weir_http_server *server, size_t bytes)
{
    struct weir__http_block *block = server->free_blocks;
    if (bytes <= POOLED_ROOM && block != NULL) {
        server->free_blocks = block->next;
        server->free_block_count--;
    } else {
        block = new_block(bytes <= POOLED_ROOM ? POOLED_ROOM : bytes);
        if (block == NULL)
            return NULL;
    }
    block->next = NULL;
    block->start = block->ready = block->end = 0;
    return block;
}

void weir__http_block_give(weir_http_server *server, struct weir__http_block *block)
{
    if (!block->pooled || server->free_block_count >= FREE_BLOCKS_MAX) {
        weir__base_free(block);
        return;
    }
    block->data = block->memory; // it may have stood for kept bytes
    block->capacity = POOLED_ROOM;
    block->next = server->free_blocks;
    server->free_blocks = block;
    server->free_block_count++;
}

struct weir_request *weir__http_request_take(weir_http_server *server)
{
    struct weir_request *request = server->free_requests;
    if (request != NULL) {
        server->free_requests = request->next_free;
        server->free_request_count--;
        return request;
    }
    request = weir__base_alloc_zero(sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = server;
    size_t bytes_max = server->options.limits.arena_bytes_max;
    weir__arena_init(&request->arena, &server->arena_pool,
                     bytes_max == WEIR_UNLIMITED ? 0 : bytes_max);
    request->head.fields.items = request->fields;
    request->head.fields.count_max = server->options.limits.head_fields_max;
    return request;
}

static void free_request(struct weir_request *request)
{
    weir__arena_deinit(&request->arena);
    weir__base_free(request);
}

void weir__http_request_give(weir_http_server *server, struct weir_request *request)
{
    request->conn = NULL;
    if (server->free_request_count >= FREE_REQUESTS_MAX) {
        free_request(request);
        return;
    }
    request->next_free = server->free_requests;
    server->free_requests = request;
    server->free_request_count++;
}

struct weir__http_conn *weir__http_conn_take(weir_http_server *server)
{
    struct weir__http_conn *conn = server->free_conns;
    if (conn != NULL) {
        server->free_conns = conn->next_free;
        server->free_conn_count--;
        memset(conn, 0, sizeof *conn);
    } else {
        conn = weir__base_alloc_zero(sizeof *conn);
        if (conn == NULL)
            return NULL;
    }
    conn->server = server;
    weir__list_init(&conn->dirty);
    weir__list_append(&server->idle, &conn->link);
    server->stats.conn_count++;
    server->stats.idle_count++;
    return conn;
}

void weir__http_conn_give(weir_http_server *server, struct weir__http_conn *conn)
{
    assert(conn->out == NULL && conn->in == NULL && !conn->working);
    weir__core_alarm_clear(server->loop, &conn->alarm);
    weir__http_peers_leave(server->peers, conn->counted);
    weir__list_remove(&conn->link);
    server->stats.conn_count--;
    if (conn->state == WEIR__HTTP_CONN_IDLE)
        server->stats.idle_count--;
    if (server->free_conn_count >= FREE_CONNS_MAX || server->closing) {
        weir__base_free(conn);
    } else {
        conn->next_free = server->free_conns;
        server->free_conns = conn;
        server->free_conn_count++;
    }
    weir__core_wake_first(&server->room_waiters, 0);
    if (server->closing && server->stats.conn_count == 0)
        weir__http_server_quiet(server);
}

void weir__http_server_quiet(weir_http_server *server)
{
    while (weir__core_wake_first(&server->quiet_waiters, 0))
        ;
}

void weir__http_free_lists(weir_http_server *server)
{
    while (server->free_blocks != NULL) {
        struct weir__http_block *block = server->free_blocks;
        server->free_blocks = block->next;
        weir__base_free(block);
    }
    while (server->free_requests != NULL) {
        struct weir_request *request = server->free_requests;
        server->free_requests = request->next_free;
        free_request(request);
    }
    while (server->free_conns != NULL) {
        struct weir__http_conn *conn = server->free_conns;
        server->free_conns = conn->next_free;
        weir__base_free(conn);
    }
    weir__arena_pool_deinit(&server->arena_pool);
    weir__buffer_deinit(&server->json);
}
