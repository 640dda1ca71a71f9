/*
 * timeouts.c - a server that accepts and never answers
 *
 * The article  Without an explicit timeout a network operation can wait for ever; asyncio.timeout()
 *              around the call ends it, and everything nested in it.
 * weir         WEIR_TIMEOUT is that block. What is inside inherits it, tasks too; it says -ETIME
 *              when its own time was up and nothing else, so nested limits are told apart. And who
 *              forgets it gets the limits that every client has from the start.
 */
#include <stdio.h>
#include <weir/http_client.h>
#include <weir/weir.h>

struct get {
    weir_http_client *client;
    const char *url;
};

static int get(struct get *a)
{
    weir_http_response *response;
    int rc = weir_http_get(a->client, a->url, &response);
    if (rc == 0)
        weir_http_response_free(response);
    return rc;
}

static int get_twice(weir_http_client *client, const char *url)
{
    weir_group *group = NULL;
    int rc = weir_group_open(&group, NULL);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = WEIR_SPAWN(group, get, .client = client, .url = url);
    return weir_group_close(group, rc);
}

static void ask_the_silent(weir_http_client *client, const char *url)
{
    int rc = 0, inner = 0;
    WEIR_TIMEOUT(rc, 100 * WEIR_MS)
    {
        WEIR_TIMEOUT(inner, 10 * WEIR_SEC)
        {
            inner = get_twice(client, url); // both tasks are under both limits
        }
        rc = inner;
    }
    printf("the inner block: %s\n", weir_failure_message(inner));
    printf("the outer block: %s\n", weir_failure_message(rc));

    rc = get(&(struct get){client, url}); // wrong: no block, no limit of ours
    printf("no block: %s: %s\n", weir_code_name(rc), weir_failure_message(rc));
}

static int app(void *arg)
{
    (void)arg;
    weir_listener *silent; // the kernel connects for it; nobody ever answers
    int rc = weir_listener_open(NULL, &silent);
    if (rc < 0)
        return rc;
    char address[WEIR_ADDRESS_TEXT_BYTES], url[WEIR_ADDRESS_TEXT_BYTES + 8];
    weir_address_format(weir_listener_address(silent), address);
    snprintf(url, sizeof url, "http://%s/", address);

    weir_http_client *client; // zero would be 10 s: too long for an example
    rc = weir_http_client_open(&(weir_http_client_options){.idle_timeout_ns = 300 * WEIR_MS},
                               &client);
    if (rc == 0) {
        ask_the_silent(client, url);
        weir_http_client_close(client);
    }
    weir_listener_close(silent);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
