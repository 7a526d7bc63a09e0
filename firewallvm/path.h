/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths: the new flows that may reach a qube, from the uplink (`inbound`) or
 * from another qube (`edge`). pure. Fed by dom0's keys
 * /sysqube-firewall/{inbound,edge}/NNNN (docs/architecture.md, Keys of our
 * own). Everything that no path allows stays dropped. */
#ifndef SQ_FIREWALLVM_PATH_H
#define SQ_FIREWALLVM_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/parse.h"
#include "rules/rule.h"

enum fw_path_kind {
    FW_PATH_INBOUND = 0,
    FW_PATH_EDGE = 1,
    FW_PATH_KINDS = 2,
};

/** One path; the family of `dst` is that of its packets. */
struct fw_path {
    struct ipnet src; /* family 0: from anywhere */
    struct ipaddr dst;
    uint8_t l4proto; /* 0: any */
    uint16_t first;  /* destination port, 0 to 65535 for any */
    uint16_t last;   /* inclusive */
};

/** Parse a key's value: "tcp|udp DSTIP PORT[-PORT] [FROMCIDR]" of an inbound
 *  path, "SRCIP DSTIP tcp|udp|icmp|any PORT[-PORT]|any" of an edge.
 *  @param ret         written on success only
 *  @param ret_reason  static text on -EBADMSG
 *  @return 0; -EBADMSG */
int path_parse(enum fw_path_kind kind, struct text untrusted_value,
               struct fw_path *ret, const char **ret_reason);

/** The conditions path_parse() holds to, for a path that came as a record.
 *  @return 0; -EBADMSG */
int path_check(enum fw_path_kind kind, const struct fw_path *p);

/** Does the path have ports to look at? */
bool path_has_ports(const struct fw_path *p);

/** May a flow of this first packet pass? @param v  @p n paths of one kind */
bool path_allows(const struct fw_path *v, size_t n, const struct ipaddr *src,
                 const struct ipaddr *dst, uint8_t l4proto, uint16_t dport);

#endif
