/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A DNS answer on its way to a qube: from the packet to the message in it.
 * pure. Fed by whole IP packets of the uplink (hostile). Source: RFC 791,
 * RFC 8200, RFC 768. */
#ifndef SQ_FIREWALLVM_ANSWER_PACKET_H
#define SQ_FIREWALLVM_ANSWER_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"

struct answer_packet {
    struct ipaddr client; /* whom it is sent to */
    const uint8_t *dns;   /* within the packet */
    size_t len;
};

/** Read an IPv4 or IPv6 packet with a UDP datagram from port 53. No
 *  fragment, and in IPv6 no extension header.
 *  @param ret  written on success only; borrows @p untrusted
 *  @return 0; -EBADMSG it is none, or a length is wrong */
int answer_packet_parse(const uint8_t *untrusted, size_t len,
                        struct answer_packet *ret);

#endif
