/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the network told our DHCP client, as one record of fixed size: from
 * the environment that dhcpcd gives its hook, over a datagram socket, to
 * netvmd. pure. Fed by the network (hostile: every value of the environment
 * comes out of a DHCP answer or a router advertisement). Rule: dhcpcd(8),
 * section "hooks"; names of variables as dhcpcd 9 writes them.
 * Does not send and does not configure anything. */
#ifndef SQ_NETVM_DHCP_FACTS_H
#define SQ_NETVM_DHCP_FACTS_H

#include <stdint.h>

#include "lib/ipaddr.h"
#include "netvm/uplink_name.h"

#define DHCP_FACTS_SOCKET "/run/netvm/facts.sock"
#define DHCP_FACTS_VERSION 1u
#define DHCP_FACTS_DNS 4          /* servers kept of each source */
#define DHCP_FACTS_ENV_MAX 512    /* variables looked at */
#define DHCP_FACTS_VALUE_MAX 1024 /* bytes of one value */
#define DHCP_FACTS_MTU_MIN 576    /* RFC 791: every host takes this */
#define DHCP_FACTS_MTU_MAX 9216

/** Who said it. A later record of a source replaces the earlier one. */
enum dhcp_facts_source {
    DHCP_FACTS_V4,   /* a DHCPv4 lease */
    DHCP_FACTS_RA,   /* a router advertisement */
    DHCP_FACTS_V6,   /* a DHCPv6 lease */
    DHCP_FACTS_LINK, /* the interface itself */
    DHCP_FACTS_SOURCES
};

enum dhcp_facts_event {
    DHCP_FACTS_HAVE, /* these facts hold now */
    DHCP_FACTS_LOST, /* the source has nothing any more; LINK: all of them */
    DHCP_FACTS_BAD,  /* it said something that is refused; nothing holds */
    DHCP_FACTS_EVENTS
};

struct dhcp_facts {
    uint32_t version; /* DHCP_FACTS_VERSION */
    uint8_t source;   /* enum dhcp_facts_source */
    uint8_t event;    /* enum dhcp_facts_event */
    uint8_t n_dns;    /* used entries of dns */
    uint8_t reserved; /* 0 */
    uint32_t mtu;     /* DHCP_FACTS_MTU_MIN..MAX, or 0: not said */
    char ifname[UPLINK_NAME_MAX];
    struct ipnet addr;     /* family 0: none (an RA without autoconf) */
    struct ipaddr gateway; /* family 0: none; may be IPv6 link-local */
    struct ipaddr dns[DHCP_FACTS_DNS]; /* may be IPv6 link-local */
};

/** Make the record of one call of the hook.
 *  @param envp  NULL-ended "NAME=VALUE" texts (hostile values)
 *  @param ret   written when the result is 0 or -EBADMSG
 *  @return 0; -ENODATA nothing worth telling (PREINIT, CARRIER, unknown
 *  reason, ...); -EBADMSG a value is malformed, given twice or too long:
 *  @p ret is then a record of event BAD; -EPROTO no reason or no usable
 *  interface name: there is nobody to blame, @p ret is untouched */
int dhcp_facts_from_env(char *const envp[], struct dhcp_facts *ret);

/** Check a record that came over the socket: every field in its range, every
 *  address of the source's family and usable, unused parts zero.
 *  @return 0; -EBADMSG */
int dhcp_facts_check(const struct dhcp_facts *f);

#endif
