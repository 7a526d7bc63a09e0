/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's tracked flows, read by code of the test's own, so that the
 * product's reader cannot be wrong unnoticed. effect (ctnetlink). */
#ifndef SQ_TEST_FLOWS_H
#define SQ_TEST_FLOWS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/nl.h"

/** A flow by its first packet. */
struct flow_seen {
    struct ipaddr src, dst;
    uint8_t l4proto;
    uint16_t sport; /* TCP, UDP: source port; ICMP: identifier */
    uint16_t dport; /* TCP, UDP */
    uint8_t icmp_type;
};

/** All flows of both families. @param ret  grown as needed, caller frees
 *  @return how many; -errno */
int flows_read(struct nl *nl, struct flow_seen **ret);

#endif
