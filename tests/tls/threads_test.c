/*
 * threads_test.c - one configuration for several loops: handshakes, tickets and reloads at once
 */
#include <pthread.h>
#include <weir/weir.h>

#include "tests/support/test.h"
#include "tests/tls/pair.h"
#include "tls/tls.h"

enum { LOOPS = 3, ROUNDS = 20 };

struct worker {
    pthread_t thread;
    weir_tls_config *client;
    weir_tls_config *server;
    int talks;
};

static int shake_often(void *arg)
{
    struct worker *worker = arg;
    for (int i = 0; i < test_rounds(ROUNDS); i++) {
        struct pair pair = shake_hands(worker->client, worker->server, "localhost");
        worker->talks += pair.client_rc == 0 && pair.server_rc == 0;
        expect_talk(&pair);
        close_pair(&pair);
    }
    return 0;
}

static void *run_loop(void *arg)
{
    weir_run_options options = {.backend = "epoll"};
    EXPECT_RC(0, weir_run_with(&options, shake_often, arg));
    return NULL;
}

TEST(loops_share_a_configuration_while_it_is_reloaded)
{
    weir_tls_config *client = client_config((weir_tls_options){0});
    weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
    struct worker workers[LOOPS] = {0};
    for (int i = 0; i < LOOPS; i++) {
        workers[i] = (struct worker){.client = client, .server = server};
        REQUIRE(pthread_create(&workers[i].thread, NULL, run_loop, &workers[i]) == 0);
    }
    for (int i = 0; i < 10; i++) {
        EXPECT_RC(0, weir_tls_config_reload(server));
        EXPECT_RC(0, weir_tls_config_reload(client));
    }
    int talks = 0;
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(workers[i].thread, NULL);
        talks += workers[i].talks;
    }
    EXPECT_EQ(LOOPS * test_rounds(ROUNDS), talks);
    weir_tls_stats stats;
    weir_tls_stats_get(server, &stats);
    EXPECT_EQ(talks, stats.handshakes);
    EXPECT(stats.reloads == 10 && stats.failed == 0 && stats.handshakes_active == 0);
    weir_tls_config_close(client);
    weir_tls_config_close(server);
}
