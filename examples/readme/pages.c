#include <stdio.h>
#include <weir/http_client.h>
#include <weir/weir.h>

struct fetch {
    weir_http_client *client;
    const char *url;
};

static int fetch(struct fetch *a) // a task; reads like blocking code
{
    weir_http_response *response;
    int rc = weir_http_get(a->client, a->url, &response);
    if (rc < 0)
        return rc; // cancels the other tasks, and comes up to main() with a sentence
    printf("%d %s\n", weir_http_response_status(response), a->url);
    weir_http_response_free(response);
    return 0;
}

static int app(void *urls)
{
    weir_http_client *client;
    int rc = weir_http_client_open(NULL, &client);
    if (rc < 0)
        return rc;
    WEIR_TIMEOUT(rc, 3 * WEIR_SEC) // for everything inside, tasks too
    {
        weir_group *group = NULL;
        rc = weir_group_open(&group, NULL);
        for (char **url = urls; rc == 0 && *url != NULL; url++)
            rc = WEIR_SPAWN(group, fetch, .client = client, .url = *url);
        rc = weir_group_close(group, rc); // no task outlives this line
    }
    weir_http_client_close(client);
    return rc;
}

int main(int argc, char **argv)
{
    return weir_run(app, argv + (argc > 0));
}
