/*
 * weir/interface.h - the addresses of this machine
 */
#ifndef WEIR_INTERFACE_H
#define WEIR_INTERFACE_H

#include <weir/address.h>

enum {
    /** Room for the name of a network interface, with its NUL. */
    WEIR_INTERFACE_NAME_BYTES = 16,
};

/** One address of one network interface; an interface with several is listed several times. */
typedef struct weir_interface {
    char name[WEIR_INTERFACE_NAME_BYTES];
    unsigned index;       /* what weir_datagram_join() and the scope of fe80:: addresses take */
    weir_address address; /* IPv4 or IPv6, its port 0; zeroed: it has none */
    unsigned prefix_bits; /* of the network: 24 for 192.0.2.1/24 */
    bool up;
    bool running; /* up, and there is a carrier */
    bool loopback;
    bool point_to_point;
    bool broadcast;
    bool multicast;
} weir_interface;

WEIR_BEGIN_DECLS

/**
 * The network interfaces of this machine, with their addresses, in the system's order: those with
 * no address, and those with addresses.
 *
 * @param out_list   written from its start; may be NULL when count_max is 0
 * @param count_max  room in it
 * @param out_count  how many there are, also when that is more than fit
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM           no memory
 *             -EMFILE, -ENFILE  no descriptor is left
 * Checkpoint  no: the kernel answers at once
 * Thread      any
 * Source      getifaddrs(3)
 */
WEIR_API WEIR_MUST_CHECK int weir_interfaces(weir_interface *out_list, size_t count_max,
                                             size_t *out_count);

WEIR_END_DECLS

#endif
