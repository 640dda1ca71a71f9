/*
 * weir/net.h - the network: addresses, names, connections, listeners, datagrams
 */
#ifndef WEIR_NET_H
#define WEIR_NET_H

#include <weir/address.h>
#include <weir/conn.h>
#include <weir/datagram.h>
#include <weir/interface.h>
#include <weir/listener.h>
#include <weir/resolve.h>
#include <weir/unix.h>

#endif
