/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 and IPv6 addresses and networks as values. pure. Fed by any text
 * (hostile). Does not resolve names and knows no interface scopes. */
#ifndef SQ_LIB_IPADDR_H
#define SQ_LIB_IPADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/parse.h"

#define IPADDR_TEXT_MAX 46 /* INET6_ADDRSTRLEN, NUL included */
#define IPNET_TEXT_MAX 50  /* and "/128" */

struct ipaddr {
    uint8_t family; /* AF_INET or AF_INET6; 0 = none */
    uint8_t b[16];  /* network order; IPv4 uses b[0..3], the rest is 0 */
};

struct ipnet {
    struct ipaddr addr; /* host bits as given */
    uint8_t prefix;     /* 0..32 or 0..128 */
};

/** Whole text is an address (full dotted quad for IPv4).
 *  @return 0; -EBADMSG */
int ipaddr_parse(struct text t, struct ipaddr *ret);
/** The same, of the given family only (AF_INET, AF_INET6). */
int ipaddr_parse_family(struct text t, uint8_t family, struct ipaddr *ret);
/** "ADDR/PREFIX"; a bare address is /32 or /128. Host bits may be set.
 *  @return 0; -EBADMSG */
int ipnet_parse(struct text t, struct ipnet *ret);

/** Canonical text (RFC 5952 form for IPv6), NUL terminated.
 *  @return buf */
const char *ipaddr_format(const struct ipaddr *a, char buf[IPADDR_TEXT_MAX]);
const char *ipnet_format(const struct ipnet *n, char buf[IPNET_TEXT_MAX]);

/** Bytes of the family: 4, 16, or 0 for none. */
size_t ipaddr_len(const struct ipaddr *a);
bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b);
/** memcmp order: family first, then bytes. */
int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b);
/** Is @p a inside @p n? Another family is not. */
bool ipnet_has(const struct ipnet *n, const struct ipaddr *a);
/** First and last address of the network (host bits cleared / set). */
void ipnet_range(const struct ipnet *n, struct ipaddr *ret_first,
                 struct ipaddr *ret_last);
/** Usable as a host's own address: not unspecified, loopback, multicast,
 *  broadcast or link-local. */
bool ipaddr_is_host(const struct ipaddr *a);

#endif
