/*
 * parallel_gzip.c - blocks of a text compressed on a lane of their own, and gunzip's word for it
 *
 * Each block becomes a member of the gzip file (RFC 1952 allows any number), so the blocks do not
 * need each other. The map keeps two threads busy with them while the loop is free for other tasks,
 * and the results stand in the order of the blocks.
 */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>
#include <zlib.h>

enum { BLOCK_BYTES = 128 << 10, BLOCKS = 24, GZIP_FORMAT = 16 + MAX_WBITS };

struct block {
    const char *text;
    unsigned char packed[BLOCK_BYTES / 2];
    size_t packed_bytes;
};

static char text[BLOCKS * BLOCK_BYTES];
static struct block blocks[BLOCKS];

/* On a thread of the lane. */
static int compress_block(void *arg)
{
    struct block *block = arg;
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)block->text,
                       .avail_in = BLOCK_BYTES,
                       .next_out = block->packed,
                       .avail_out = sizeof block->packed};
    if (deflateInit2(&stream, 6, Z_DEFLATED, GZIP_FORMAT, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    int ended = deflate(&stream, Z_FINISH);
    block->packed_bytes = stream.total_out;
    deflateEnd(&stream);
    return ended == Z_STREAM_END ? 0 : weir_fail(-EMSGSIZE, "a block does not become smaller");
}

static int compress_all(weir_pool *lane)
{
    return weir_pool_map(lane, &(weir_pool_map_options){.name = "gzip"}, compress_block, blocks,
                         sizeof blocks[0], BLOCKS, NULL);
}

static int ask_gunzip(void)
{
    static unsigned char packed[sizeof blocks];
    size_t size = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        memcpy(packed + size, blocks[i].packed, blocks[i].packed_bytes);
        size += blocks[i].packed_bytes;
    }
    weir_process_result result;
    int rc = weir_process_run(
        &(weir_process_options){.arguments = (const char *const[]){"gunzip", "-c", NULL}},
        (weir_str){(const char *)packed, size}, &result);
    if (rc < 0)
        return rc;
    bool same =
        result.output.size == sizeof text && memcmp(result.output.data, text, sizeof text) == 0;
    printf("gunzip ended with %d, and %s\n", rc, same ? "the text is the same" : "IT IS DIFFERENT");
    weir_process_result_free(&result);
    return 0;
}

static void make_text(void)
{
    static const char *const words[] = {"weir ", "river ", "stone ", "water ", "gate\n", "lane "};
    unsigned state = 1;
    for (size_t at = 0; at < sizeof text;) {
        state = state * 1103515245 + 12345;
        for (const char *word = words[(state >> 16) % 6]; *word != '\0' && at < sizeof text; word++)
            text[at++] = *word;
    }
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i].text = text + i * BLOCK_BYTES;
}

static int program(void *arg)
{
    (void)arg;
    make_text();
    weir_pool *lane;
    int rc = weir_pool_open(&(weir_pool_options){.name = "gzip", .threads_max = 2}, &lane);
    if (rc < 0)
        return rc;
    rc = compress_all(lane);
    weir_pool_close(lane);
    return rc < 0 ? rc : ask_gunzip();
}

int main(void)
{
    return weir_run(program, NULL);
}
