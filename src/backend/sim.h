/*
 * sim.h - what tests do to the simulated network of the calling thread's loop
 *
 * Only the test room and the tests of this room include this; see weir/test.h for what the
 * functions mean. All answer -EPERM on a thread that has no simulated backend.
 */
#ifndef WEIR__BACKEND_SIM_H
#define WEIR__BACKEND_SIM_H

#include <sys/socket.h>
#include <weir/test.h>

/* From now on; all that is drawn is drawn from the seed. */
int weir__sim_network(const weir_test_network *settings, uint64_t seed) WEIR_MUST_CHECK;
/* One address more for a name; NULL: only how it is answered. */
int weir__sim_host(const char *name, const struct sockaddr *address, socklen_t size,
                   int64_t delay_ns, int rc) WEIR_MUST_CHECK;
/* The first address of a name; -ENOENT. */
int weir__sim_host_address(const char *name, struct sockaddr_storage *out_address) WEIR_MUST_CHECK;
/* NULL: all hosts. */
int weir__sim_partition(const struct sockaddr *a, const struct sockaddr *b, socklen_t size)
    WEIR_MUST_CHECK;
int weir__sim_heal(void) WEIR_MUST_CHECK;
int weir__sim_reset(const struct sockaddr *host, socklen_t size) WEIR_MUST_CHECK;

#endif
