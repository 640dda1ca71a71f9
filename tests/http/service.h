/*
 * service.h - a server and its clients in one loop, for the tests of the server
 *
 * A client is a connection that reads answers with the strict parser of the library: an answer that
 * is malformed, too short or followed by what does not belong to it fails the test that looks at
 * it.
 */
#ifndef WEIR_TESTS_HTTP_SERVICE_H
#define WEIR_TESTS_HTTP_SERVICE_H

#include <weir/http.h>
#include <weir/net.h>

struct service {
    weir_router *router;
    weir_http_server *server;
    weir_listener *listener;
    weir_address address;
};

/* Opens a server on a free port of loopback; options may be NULL. False: the test has failed. */
bool service_open(struct service *service, const weir_route *routes,
                  const weir_http_server_options *options);
/* Closes all of it, and lets what was closed go. */
void service_close(struct service *service);
uint64_t service_limit_count(const struct service *service, weir_http_limit limit);

struct client {
    weir_conn *conn;
    weir_arena *arena;
    char *data; /* received and not looked at */
    size_t size;
    size_t capacity;
    bool ended; /* the server has finished */
    int error;  /* how reading failed; 0: it did not */
};

struct answer {
    int status;       /* 0: there was none */
    const char *head; /* all of it, closed with NUL */
    const char *body;
    size_t body_size;
    bool chunked;
    bool cut; /* it ended before its end */
    bool keep_alive;
};

bool client_open(struct client *client, const struct service *service);
bool client_take(struct client *client, int fd); /* of a connection that is there already */
void client_close(struct client *client);
void client_reset(struct client *client); /* the server hears a reset */
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *data, size_t size);
void client_finish(struct client *client); /* half-close */
/* The next answer; `asked_head`: to a HEAD, without a body. Interim answers are answers. */
struct answer client_answer(struct client *client);
struct answer client_answer_to_head(struct client *client);
/* Whether the server has ended the connection, with nothing more to read. Waits for it. */
bool client_is_ended(struct client *client);
/* Until at least one more byte is there; false at the end. */
bool client_more(struct client *client);
/* Until this text is among what came and was not looked at; false when it never is. */
bool client_until(struct client *client, const char *text);
/* Everything up to the end of the connection, closed with NUL. */
const char *client_rest(struct client *client);
/* A field of the answer, or NULL. */
const char *answer_field(struct client *client, const struct answer *answer, const char *name);

/* Send a request on a connection of its own and read one answer; texts live as long as the
 * client. */
struct answer client_ask(struct client *client, const char *request);

/* Turns of the loop. */
void let_run(int turns);

#define EXPECT_ANSWER(expected_status, expected_body, given)                                       \
    do {                                                                                           \
        struct answer got_ = (given);                                                              \
        EXPECT_EQ((expected_status), got_.status);                                                 \
        EXPECT_STR((expected_body), got_.body);                                                    \
        EXPECT(!got_.cut);                                                                         \
    } while (0)

#endif
