/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What netvmd knows of its uplink, and the three texts it makes of it: the
 * status for dom0, the resolver's upstream servers, the address for
 * /qubes-netvm-external-ip. pure. Fed by checked DHCP records (contents from
 * the hostile network) and by dom0's settings. Touches nothing. */
#ifndef SQ_NETVM_UPLINK_STATE_H
#define SQ_NETVM_UPLINK_STATE_H

#include "netvm/dhcp_facts.h"
#include "netvm/uplink_conf.h"

#define UPLINK_STATUS_MAX 512 /* with NUL; the longest dom0 takes is 511 */
#define UPLINK_RESOLV_MAX 1024
#define UPLINK_SERVERS_MAX 8

struct uplink_state {
    struct uplink_conf conf;
    /* dhcp: the interface the held records are about, "" for none.
     * static: the interface that carries the settings. */
    char ifname[UPLINK_NAME_MAX];
    struct dhcp_facts held[DHCP_FACTS_LINK]; /* event LOST: nothing held */
    bool refused;                      /* the last record was of event BAD */
    char error[UPLINK_CONF_ERROR_MAX]; /* of applying, "" for none */
};

/** Begin with nothing known, mode DHCP. */
void uplink_state_init(struct uplink_state *s);

/** Take one checked record (dhcp_facts_check() was 0). A record of another
 *  interface than the held ones begins anew with that interface when it
 *  brings facts, and is otherwise ignored. In mode static it is ignored.
 *  @return true if something changed */
bool uplink_state_take(struct uplink_state *s, const struct dhcp_facts *f);

/** Status text: "up IF ADDR/LEN gw GW dns A,B", with "none" for what is
 *  missing, "down REASON" or "error TEXT". An IPv4 address is preferred; an
 *  IPv6 one is shown where there is none. Printable ASCII.
 *  @return buf */
const char *uplink_state_status(const struct uplink_state *s,
                                char buf[UPLINK_STATUS_MAX]);

/** Content of the resolver's file: one "nameserver ADDR" line per server in
 *  order DHCPv4, DHCPv6, RA, each address once; link-local ones with
 *  "%IFNAME". May be empty. @return length without NUL */
size_t uplink_state_resolv(const struct uplink_state *s,
                           char buf[UPLINK_RESOLV_MAX]);

/** Has the uplink an IPv6 address to translate to? */
bool uplink_state_has_ipv6(const struct uplink_state *s);

/** "inet ADDR/LEN scope global IF", lines of both families, or "".
 *  @return length without NUL */
size_t uplink_state_external(const struct uplink_state *s,
                             char buf[UPLINK_STATUS_MAX]);

#endif
