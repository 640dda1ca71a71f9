/*
 * cost_test.c - what a TLS connection costs: memory at rest, system calls and allocations of a turn
 */
#include <malloc.h>
#include <stdio.h>
#include <weir/weir.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "tests/net/peer.h"
#include "tests/support/test.h"
#include "tests/tls/pair.h"
#include "tls/tls.h"

enum { PAIRS = 40, SERVER_BYTES_MAX = 20 * 1024, CLIENT_BYTES_MAX = 40 * 1024 };

IO_TEST(a_connection_at_rest_holds_no_buffers)
{
    weir_tls_config *client = client_config((weir_tls_options){0});
    weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
    static struct pair pairs[PAIRS];
    struct pair first = shake_hands(client, server, "localhost"); // tables of OpenSSL are there now
    expect_talk(&first);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = shake_hands(client, server, "localhost");
        expect_talk(&pairs[i]);
    }
    size_t both = (mallinfo2().uordblks - before) / PAIRS; // 0 under a sanitizer
    const struct weir__tls *tls = pairs[0].client->layer_state;
    EXPECT(tls->next.data == NULL && tls->out.data == NULL && tls->plain.data == NULL);
    for (int i = 0; i < PAIRS; i++)
        weir_conn_close(pairs[i].client);
    let_settle();
    size_t server_side = (mallinfo2().uordblks - before) / PAIRS;
    printf("heap of a connection at rest: %zu a server's, %zu a client's\n", server_side,
           both - server_side); // who has the certificate of the other one
    EXPECT(server_side <= SERVER_BYTES_MAX);
    EXPECT(both - server_side <= CLIENT_BYTES_MAX);
    for (int i = 0; i < PAIRS; i++)
        weir_conn_close(pairs[i].server);
    close_pair(&first);
    weir_tls_config_close(client);
    weir_tls_config_close(server);
}

/* A write is one send; a read of what is there is none. */
IO_TEST(a_write_is_one_send_however_many_parts_and_a_read_of_what_is_there_is_none)
{
    struct pair pair =
        shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, NULL, "localhost");
    expect_talk(&pair);
    static char large[40000];
    weir_str parts[] = {{"head", 4}, {large, 30000}, {"", 0}, {large, 1}, {"tail", 4}};
    struct weir__sys_stats before, after;
    struct weir__alloc_stats heap, heap_after;
    weir__sys_stats(&before);
    weir__base_alloc_stats(&heap);
    EXPECT_RC(0, weir_conn_write_parts(pair.client, parts, 5, NULL));
    weir__sys_stats(&after);
    weir__base_alloc_stats(&heap_after);
    EXPECT_EQ(1, after.calls - before.calls);
    // Ours: the write block, grown once for its second record, and a place to put parts together.
    EXPECT(heap_after.allocated_count - heap.allocated_count <= 4);
    EXPECT_EQ(heap_after.allocated_count - heap.allocated_count,
              heap_after.freed_count - heap.freed_count);

    char byte;
    EXPECT_RC(1, weir_conn_read(pair.server, &byte, 1)); // the first record is decrypted now
    weir__sys_stats(&before);
    weir__base_alloc_stats(&heap);
    for (int i = 0; i < 100; i++)
        EXPECT_RC(1, weir_conn_read(pair.server, &byte, 1));
    weir__sys_stats(&after);
    weir__base_alloc_stats(&heap_after);
    EXPECT(after.calls - before.calls <= 5); // a turn of the loop, when the task had its share (O9)
    EXPECT_EQ(0, heap_after.allocated_count - heap.allocated_count);
    close_pair(&pair);
}
