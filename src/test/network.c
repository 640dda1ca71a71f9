/*
 * network.c - what a body does to the simulated network
 *
 * Runs on  the tasks of a round on the simulated backend.
 */
#include <stdio.h>
#include <string.h>
#include <weir/address.h>

#include "backend/sim.h"
#include "test/test.h"

/* An address without a port. */
static int read_literal(const char *text, weir_address *out_address)
{
    char with_port[64];
    bool ipv6 = strchr(text, ':') != NULL;
    int size = snprintf(with_port, sizeof with_port, ipv6 ? "[%s]:0" : "%s:0", text);
    if (size < 0 || (size_t)size >= sizeof with_port)
        return -EINVAL;
    return weir_address_parse(with_port, out_address);
}

/* A host by its name or its address. */
static int read_host(const char *text, weir_address *out_address)
{
    *out_address = (weir_address){.size = sizeof out_address->storage};
    return weir__sim_host_address(text, &out_address->storage) == 0
               ? 0
               : read_literal(text, out_address);
}

static const struct sockaddr *sockaddr_of(const char *text, const weir_address *address)
{
    return text == NULL ? NULL : (const struct sockaddr *)(const void *)&address->storage;
}

int weir_test_host(const char *name, const char *address, int64_t delay_ns, int host_rc)
{
    weir_address at = {0};
    int rc = weir__test_round() == NULL ? -EPERM : 0;
    if (rc == 0 && address != NULL)
        rc = read_literal(address, &at);
    return rc < 0 ? rc
                  : weir__sim_host(name, sockaddr_of(address, &at), at.size, delay_ns, host_rc);
}

int weir_test_partition(const char *a, const char *b)
{
    weir_address from, to;
    int rc = weir__test_round() == NULL ? -EPERM : 0;
    if (rc == 0 && a != NULL)
        rc = read_host(a, &from);
    if (rc == 0 && b != NULL)
        rc = read_host(b, &to);
    return rc < 0 ? rc
                  : weir__sim_partition(sockaddr_of(a, &from), sockaddr_of(b, &to),
                                        sizeof from.storage);
}

int weir_test_heal(void)
{
    return weir__test_round() == NULL ? -EPERM : weir__sim_heal();
}

int weir_test_reset_connections(const char *host)
{
    weir_address at;
    int rc = weir__test_round() == NULL ? -EPERM : 0;
    if (rc == 0 && host != NULL)
        rc = read_host(host, &at);
    return rc < 0 ? rc : weir__sim_reset(sockaddr_of(host, &at), sizeof at.storage);
}
