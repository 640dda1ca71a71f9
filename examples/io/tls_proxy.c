/*
 * tls_proxy.c - TLS in front of a plain service, or in front of a plain client
 *
 *     tls_proxy front 0.0.0.0:8443 127.0.0.1:8080 chain.pem key.pem
 *     tls_proxy back  127.0.0.1:8080 example.com 443 [roots.pem]
 *
 * Both ways of a connection are carried at the same time, and each ends by itself: when one side
 * has finished, the other hears it and may still answer. A stream that was cut off is never handed
 * on as a finished one. On SIGHUP the certificate files are read again.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weir/relay.h>
#include <weir/tls.h>
#include <weir/weir.h>

struct proxy {
    weir_tls_config *config;
    weir_listener *listener;
    weir_address backend; /* front */
    const char *host;     /* back */
    uint16_t port;
};

/* Closes b. A connection that has failed must not look finished to the other side. */
static int relay_and_close(weir_conn *a, weir_conn *b)
{
    weir_ignore(weir_conn_set_limits(a, WEIR_HOUR, 0), "no limit is negative");
    weir_ignore(weir_conn_set_limits(b, WEIR_HOUR, 0), "no limit is negative");
    int rc = weir_relay(a, b, NULL, NULL);
    if (rc < 0)
        weir_conn_abort(b);
    else
        weir_conn_close(b);
    return rc;
}

/* --- TLS comes in ----------------------------------------------------------------------------- */

static int serve_front(weir_conn *client, void *arg)
{
    struct proxy *proxy = arg;
    weir_conn *backend;
    int rc = weir_connect_address(&proxy->backend, NULL, &backend);
    return rc < 0 ? rc : relay_and_close(client, backend);
}

static void tell(const weir_address *peer, int rc, const char *message, void *arg)
{
    (void)arg;
    char text[WEIR_ADDRESS_TEXT_BYTES];
    fprintf(stderr, "%s: %s: %s\n", weir_address_format(peer, text), weir_code_name(rc), message);
}

static int run_front(void *arg)
{
    struct proxy *proxy = arg;
    weir_tls_serve_options options = {.handshakes_max = 32, .failed = tell};
    return weir_tls_serve(proxy->listener, proxy->config, &options, serve_front, proxy);
}

/* --- TLS goes out ----------------------------------------------------------------------------- */

struct serve_back {
    struct proxy *proxy;
    weir_conn *client;
};

static int serve_back(struct serve_back *a)
{
    struct proxy *proxy = a->proxy;
    weir_conn *server = NULL;
    weir_tls_connect_options options = {.config = proxy->config};
    int rc = weir_tls_connect(proxy->host, proxy->port, &options, &server);
    if (rc == 0)
        rc = relay_and_close(server, a->client);
    else
        weir_conn_abort(a->client);
    if (rc < 0 && rc != -ECANCELED)
        fprintf(stderr, "%s: %s\n", weir_code_name(rc), weir_failure_message(rc));
    weir_conn_close(server);
    return rc == -ECANCELED ? rc : 0;
}

static int run_back(void *arg)
{
    struct proxy *proxy = arg;
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.running_max = 1000});
    if (rc < 0)
        return rc;
    while (rc == 0) {
        weir_conn *client;
        rc = weir_listener_accept(proxy->listener, &client);
        if (rc < 0)
            break;
        rc = WEIR_SPAWN(group, serve_back, .proxy = proxy, .client = client);
        if (rc < 0)
            weir_conn_close(client);
    }
    return weir_group_close(group, rc);
}

/* --- both ------------------------------------------------------------------------------------- */

/* SIGHUP: read the files again. SIGTERM: end. */
static int obey_signals(weir_tls_config *config)
{
    weir_signal *signals;
    int rc = weir_signal_open((const int[]){SIGHUP, SIGTERM, SIGINT}, 3, &signals);
    if (rc < 0)
        return rc;
    weir_signal_info info;
    while ((rc = weir_signal_wait(signals, &info)) == 0 && info.number == SIGHUP) {
        int reloaded = weir_tls_config_reload(config); // a bad file changes nothing
        fprintf(stderr, "reload: %s\n", reloaded < 0 ? weir_failure_message(reloaded) : "done");
    }
    weir_signal_close(signals);
    return rc;
}

static int run_proxy(struct proxy *proxy, const char *listen, weir_task_fn *run)
{
    int rc = weir_listener_open(&(weir_listener_options){.address = listen}, &proxy->listener);
    if (rc < 0)
        return rc;
    char text[WEIR_ADDRESS_TEXT_BYTES];
    printf("listening on %s\n", weir_address_format(weir_listener_address(proxy->listener), text));
    fflush(stdout);
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, run, proxy);
        if (rc == 0)
            rc = obey_signals(proxy->config);
        weir_group_cancel(group, "told to end");
        rc = weir_group_close(group, rc);
    }
    weir_listener_close(proxy->listener);
    return rc < 0 ? rc : 0;
}

static int front(char **words)
{
    struct proxy proxy = {0};
    int rc = weir_address_parse(words[3], &proxy.backend);
    if (rc < 0)
        return rc;
    weir_tls_certificate certificate = {.chain_file = words[4], .key_file = words[5]};
    weir_tls_options options = {
        .role = WEIR_TLS_SERVER, .certificates = &certificate, .certificate_count = 1};
    rc = weir_tls_config_open(&options, &proxy.config);
    if (rc == 0)
        rc = run_proxy(&proxy, words[2], run_front);
    weir_tls_config_close(proxy.config);
    return rc;
}

static int back(char **words)
{
    weir_address port; // "0.0.0.0:443" is read here, so that only a number will do
    char text[32];
    snprintf(text, sizeof text, "0.0.0.0:%.8s", words[4]);
    int rc = weir_address_parse(text, &port);
    if (rc < 0)
        return rc;
    struct proxy proxy = {.host = words[3], .port = weir_address_port(&port)};
    weir_tls_options options = {.trust_file = words[5]}; // NULL: the system's
    rc = weir_tls_config_open(&options, &proxy.config);
    if (rc == 0)
        rc = run_proxy(&proxy, words[2], run_back);
    weir_tls_config_close(proxy.config);
    return rc;
}

static int start(void *arg)
{
    char **words = arg;
    return strcmp(words[1], "front") == 0 ? front(words) : back(words);
}

int main(int argc, char **argv)
{
    bool is_front = argc == 6 && strcmp(argv[1], "front") == 0;
    bool is_back = (argc == 5 || argc == 6) && strcmp(argv[1], "back") == 0;
    if (is_front || is_back)
        return weir_run(start, argv); // argv ends with NULL
    fprintf(stderr, "usage: tls_proxy front LISTEN BACKEND CHAIN KEY\n"
                    "       tls_proxy back LISTEN HOST PORT [ROOTS]\n");
    return 64;
}
