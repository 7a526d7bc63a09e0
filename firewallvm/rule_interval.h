/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks and ranges of ports that overlap, to intervals that do not: each
 * belongs to the first rule of the list that means it, so that it counts
 * where the list says. pure. Fed by checked rules. */
#ifndef SQ_FIREWALLVM_RULE_INTERVAL_H
#define SQ_FIREWALLVM_RULE_INTERVAL_H

#include <stddef.h>
#include <stdint.h>

#include "firewallvm/rule_group.h"

/** Addresses first to last, inclusive; ports in the same way. */
struct fw_net_part {
    struct ipaddr first, last;
    uint16_t rule;
};
struct fw_port_part {
    uint16_t first, last;
    uint16_t rule;
};

/** @param v    rules of the list; @p e: @p n entries that are networks
 *  @param ret  caller frees; at most 2 * n parts, ascending and apart
 *  @return 0; -ENOMEM */
int fw_net_parts(const struct fw_match *v, const struct fw_entry *e, size_t n,
                 struct fw_net_part **ret, size_t *ret_n);

/** The same for entries that are ranges of ports; at most 2 * n parts. */
int fw_port_parts(const struct fw_match *v, const struct fw_entry *e, size_t n,
                  struct fw_port_part **ret, size_t *ret_n);

#endif
