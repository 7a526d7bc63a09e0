/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor's hands: nftables transactions and the flow cut. effect. Fed
 * by monitor.c with checked lists. */
#ifndef SQ_FIREWALLVM_MONITOR_KERNEL_H
#define SQ_FIREWALLVM_MONITOR_KERNEL_H

#include "firewallvm/monitor.h"
#include "lib/nl.h"

/** For monitor_new(), with the netlink socket (struct nl) as its arg. */
extern const struct monitor_ops MONITOR_KERNEL_OPS;

/** Nothing is forwarded before the first list, unless an earlier run of the
 *  daemon left its table: then that stays. @return 0; -errno */
int monitor_kernel_guard(struct nl *nl);

#endif
