/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink messages: ask for tracked flows, read one, delete one. pure
 * (bytes only). Fed by the kernel's answers; lengths are checked by libmnl
 * and again here. Source: linux/netfilter/nfnetlink_conntrack.h. */
#ifndef SQ_FIREWALLVM_FLOW_MSG_H
#define SQ_FIREWALLVM_FLOW_MSG_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "rules/rule_eval.h"

#define FLOW_TUPLE_MAX 128 /* bytes of the nested original tuple */
#define FLOW_MSG_MAX 256   /* bytes of one message built here */

/** A tracked flow as its first packet was. */
struct flow {
    struct ipaddr src;
    struct fw_packet packet; /* destination, protocol, port, ICMP type */
    uint32_t id;             /* CTA_ID as it came (network order) */
    uint16_t zone;           /* CTA_ZONE as it came, 0 for none */
    uint16_t tuple_len;
    uint8_t tuple[FLOW_TUPLE_MAX]; /* payload of CTA_TUPLE_ORIG */
};

/** A dump request.
 *  @param family  AF_UNSPEC: both
 *  @param src     only flows begun by this address, or NULL for all of
 *                 @p family; a hint for the kernel, the answer may hold others
 *  @param buf  FLOW_MSG_MAX bytes. @return the message in it */
struct nlmsghdr *flow_msg_dump(void *buf, uint8_t family,
                               const struct ipaddr *src, uint32_t seq);

/** Ask how many flows are tracked. Arguments as above. */
struct nlmsghdr *flow_msg_count(void *buf, uint32_t seq);
/** Read the answer to that. @return 0; -EBADMSG */
int flow_msg_parse_count(const struct nlmsghdr *h, uint32_t *ret);

/** Read one message of the answer.
 *  @return 0; -EBADMSG no flow, or a field is missing or has a wrong size */
int flow_msg_parse(const struct nlmsghdr *h, struct flow *ret);

/** A request to delete just this flow. Arguments as flow_msg_dump(). */
struct nlmsghdr *flow_msg_delete(void *buf, const struct flow *flow,
                                 uint32_t seq, uint16_t flags);

#endif
