/*
 * weir/address.h - where a socket is bound or connected, and its text
 */
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <sys/socket.h>
#include <weir/base.h>

enum {
    /** Room for any address as text, with its NUL. */
    WEIR_ADDRESS_TEXT_BYTES = 128,
    /** Addresses of one name that are kept. */
    WEIR_ADDRESSES_MAX = 16,
};

/** Where a socket is bound or connected: IPv4, IPv6 or Unix. A plain value; zeroed: no address. */
typedef struct weir_address {
    struct sockaddr_storage storage;
    socklen_t size;
} weir_address;

/** The addresses of a name, best first. A plain value. */
typedef struct weir_addresses {
    size_t count;
    weir_address at[WEIR_ADDRESSES_MAX];
} weir_addresses;

WEIR_BEGIN_DECLS

/**
 * Read an address: `127.0.0.1:8080`, `[::1]:80`, `[fe80::1%2]:80`, `unix:/run/x.sock`,
 * `unix:@abstract`.
 *
 * Names are not looked up here; see weir_resolve().
 *
 * @param text         the whole text is the address; the port is always there, 0 included
 * @param out_address  written on success
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  not such a text
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_address_parse(const char *text, weir_address *out_address);

/**
 * An address as text, in the form that weir_address_parse() reads.
 *
 * @param address   may be zeroed, and NULL: then `(no address)`
 * @param out_text  always closed with a NUL
 *
 * Returns     out_text
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const char *weir_address_format(const weir_address *address,
                                         char out_text[WEIR_ADDRESS_TEXT_BYTES]);

/**
 * The port of an address.
 *
 * @param address  an address
 *
 * Returns     the port in the machine's order of bytes; 0 where there is none (Unix)
 * Checkpoint  no
 * Thread      any
 */
WEIR_API uint16_t weir_address_port(const weir_address *address);

/**
 * Set the port of an address; a Unix one has none and stays as it is.
 *
 * @param address  changed
 * @param port     in the machine's order of bytes
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_address_set_port(weir_address *address, uint16_t port);

/**
 * Whether two addresses are the same place: family, host, scope and port.
 *
 * @param a  an address
 * @param b  an address
 *
 * Returns     true when they are
 * Checkpoint  no
 * Thread      any
 */
WEIR_API bool weir_address_equal(const weir_address *a, const weir_address *b);

WEIR_END_DECLS

#endif
