/*
 * peers_test.c - connections of each client's address
 */
#include "http/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/fault.h"
#include "tests/support/test.h"

enum { MOST = 2 };

static struct weir__http_peers *peers;

static int enter(const char *text, struct weir__http_peer **out_peer)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        storage.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        storage.ss_family = AF_INET6;
    else
        storage.ss_family = AF_UNIX;
    return weir__http_peers_enter(peers, (const struct sockaddr *)&storage, out_peer);
}

/* Whether two addresses are counted together. */
static bool are_one(const char *first, const char *second)
{
    struct weir__http_peer *entered[MOST + 1] = {0};
    for (int i = 0; i < MOST; i++)
        EXPECT_RC(0, enter(first, &entered[i]));
    int rc = enter(second, &entered[MOST]);
    EXPECT(rc == 0 || rc == -EUSERS);
    for (int i = 0; i <= MOST; i++)
        weir__http_peers_leave(peers, entered[i]);
    return rc == -EUSERS;
}

TEST(an_address_has_as_many_connections_as_it_may_and_gets_new_ones_for_old)
{
    struct weir__http_peer *first, *second, *third;
    REQUIRE_RC(0, weir__http_peers_new(MOST, &peers));
    EXPECT_RC(0, enter("192.0.2.1", &first));
    EXPECT_RC(0, enter("192.0.2.1", &second));
    EXPECT_RC(-EUSERS, enter("192.0.2.1", &third));
    EXPECT(third == NULL);
    weir__http_peers_leave(peers, first);
    EXPECT_RC(0, enter("192.0.2.1", &third));
    weir__http_peers_leave(peers, second);
    weir__http_peers_leave(peers, third);
    weir__http_peers_free(peers);
}

TEST(ipv4_is_counted_by_address_and_ipv6_by_network)
{
    REQUIRE_RC(0, weir__http_peers_new(MOST, &peers));
    EXPECT(are_one("192.0.2.1", "192.0.2.1"));
    EXPECT(!are_one("192.0.2.1", "192.0.2.2"));
    EXPECT(are_one("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    EXPECT(!are_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
    EXPECT(are_one("192.0.2.1", "::ffff:192.0.2.1"));
    EXPECT(!are_one("::1", "::ffff:192.0.2.1"));
    EXPECT(!are_one("0.0.0.0", "::1")); // both are zeros as far as they are looked at
    weir__http_peers_free(peers);
}

TEST(what_has_no_address_is_not_counted)
{
    struct weir__http_peer *peer;
    REQUIRE_RC(0, weir__http_peers_new(MOST, &peers));
    EXPECT(!are_one("/run/a.sock", "/run/a.sock"));
    EXPECT_RC(0, weir__http_peers_enter(peers, NULL, &peer));
    EXPECT(peer == NULL);
    EXPECT_RC(0, weir__http_peers_enter(NULL, NULL, &peer));
    weir__http_peers_leave(peers, NULL);
    weir__http_peers_free(peers);
    weir__http_peers_free(NULL);
}

TEST(many_addresses_are_told_apart)
{
    enum { COUNT = 20000 };
    static struct weir__http_peer *entered[COUNT];
    REQUIRE_RC(0, weir__http_peers_new(1, &peers));
    for (uint32_t i = 0; i < COUNT; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(i)};
        EXPECT_RC(0, weir__http_peers_enter(peers, (const struct sockaddr *)&address, &entered[i]));
    }
    struct weir__http_peer *more;
    EXPECT_RC(-EUSERS, enter("0.0.78.31", &more)); /* 19,999 */
    EXPECT_RC(0, enter("0.0.78.32", &more));
    weir__http_peers_leave(peers, more);
    for (uint32_t i = 0; i < COUNT; i++)
        weir__http_peers_leave(peers, entered[i]);
    EXPECT_RC(0, enter("0.0.78.31", &more));
    weir__http_peers_leave(peers, more);
    weir__http_peers_free(peers);
}

TEST(without_memory_nothing_is_counted)
{
    struct weir__http_peer *peer;
    REQUIRE_RC(0, weir__http_peers_new(MOST, &peers));
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, false);
    EXPECT_RC(-ENOMEM, enter("192.0.2.1", &peer));
    weir__base_fault_disarm();
    EXPECT(peer == NULL);
    weir__http_peers_free(peers);
}
