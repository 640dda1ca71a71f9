/*
 * resolve_simulated.c - names that a test gave to the hosts of its simulated network
 *
 * Runs on  the loop's own thread.
 */
#include <string.h>

#include "base/virtual.h"
#include "net/resolve.h"

static bool is_answered_by_itself(const char *host)
{
    weir_address literal;
    size_t size = strlen(host);
    return weir__net_address_literal((weir_str){host, size}, 0, &literal) == 0 ||
           strcmp(host, "localhost") == 0;
}

int weir__net_answer_simulated(const char *host, int64_t limit_ns,
                               struct weir__net_answer *out_answer)
{
    struct weir__virtual_answer said;
    if (!weir__virtual_installed() || is_answered_by_itself(host) ||
        weir__virtual_lookup(host, &said) < 0)
        return 0;
    bool in_time = said.delay_ns < limit_ns;
    int rc = weir_sleep(in_time ? said.delay_ns : limit_ns);
    if (rc < 0)
        return rc;
    if (!in_time)
        return -ETIME;
    out_answer->rc = said.rc;
    out_answer->why = said.rc == -ENXIO ? "name does not exist" : NULL;
    for (size_t i = 0; i < said.count; i++) {
        out_answer->addresses.at[i].storage = said.addresses[i];
        out_answer->addresses.at[i].size = said.sizes[i];
    }
    out_answer->addresses.count = said.count;
    return 1;
}
