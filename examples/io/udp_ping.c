/* udp_ping.c - pings over UDP, one of which is lost, and a server that answers many at once */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

enum { MANY = 32, ROOM = 64 };

struct pong {
    weir_datagram *socket;
};

static int pong(struct pong *a)
{
    char rooms[MANY][ROOM];
    weir_datagram_incoming in[MANY];
    weir_datagram_outgoing out[MANY];
    for (size_t i = 0; i < MANY; i++)
        in[i] = (weir_datagram_incoming){.buffer = rooms[i], .buffer_bytes = ROOM};
    for (;;) {
        ssize_t came = weir_datagram_recv_many(a->socket, in, MANY); // one system call for all
        if (came < 0)
            return (int)came;
        size_t count = 0;
        for (size_t i = 0; i < (size_t)came; i++) {
            if (strncmp(in[i].buffer, "ping 2", in[i].size) != 0) // this one gets lost
                out[count++] = (weir_datagram_outgoing){in[i].buffer, in[i].size, &in[i].from};
        }
        int rc = weir_datagram_send_many(a->socket, out, count, NULL);
        if (rc < 0)
            return rc;
    }
}

/* A limit tells what nobody else would ever tell: that a datagram is lost. */
static int ping(weir_datagram *socket, int number)
{
    char words[ROOM], answer[ROOM];
    int size = snprintf(words, sizeof words, "ping %d", number);
    int rc = weir_datagram_set_limits(socket, number == 2 ? 50 * WEIR_MS : WEIR_MIN, 0);
    if (rc == 0)
        rc = weir_datagram_send_to(socket, words, (size_t)size, NULL);
    if (rc < 0)
        return rc;
    ssize_t n = weir_datagram_recv_from(socket, answer, sizeof answer, NULL);
    if (n == -ETIMEDOUT)
        printf("%s: lost\n", words);
    else if (n >= 0)
        printf("%s: answered with %zd bytes\n", words, n);
    return n == -ETIMEDOUT || n >= 0 ? 0 : (int)n;
}

static int app(void *arg)
{
    (void)arg;
    weir_datagram *server, *client = NULL;
    int rc = weir_datagram_open(
        &(weir_datagram_options){.address = "127.0.0.1:0", .receive_timeout_ns = WEIR_FOREVER},
        &server);
    if (rc < 0)
        return rc;
    rc = weir_datagram_connect(weir_datagram_address(server), NULL, &client);
    weir_group *group = NULL;
    if (rc == 0)
        rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, pong, .socket = server);
    for (int i = 1; rc == 0 && i <= 3; i++)
        rc = ping(client, i);
    if (group != NULL)
        weir_group_cancel(group, "all pings are sent");
    rc = weir_group_close(group, rc);
    weir_datagram_close(client);
    weir_datagram_close(server);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
