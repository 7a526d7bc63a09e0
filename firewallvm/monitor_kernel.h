/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor's hands: nftables transactions, counters and the flow cut.
 * effect. Fed by monitor.c with checked state. */
#ifndef SQ_FIREWALLVM_MONITOR_KERNEL_H
#define SQ_FIREWALLVM_MONITOR_KERNEL_H

#include "firewallvm/monitor.h"
#include "lib/nl.h"

struct monitor_kernel;

/** For monitor_new(), with a struct monitor_kernel as its arg. */
extern const struct monitor_ops MONITOR_KERNEL_OPS;

/** Nothing is forwarded before the first list, unless an earlier run of the
 *  daemon left its table: then that stays. Finds out what the kernel can.
 *  @param ret  freed by monitor_kernel_free(). @return 0; -errno */
int monitor_kernel_new(struct monitor_kernel **ret);
void monitor_kernel_free(struct monitor_kernel *k);

/** Whose changes of the table are its own: see monitor_watch_new(). */
uint32_t monitor_kernel_portid(const struct monitor_kernel *k);

/** The queue of DNS answers that wait, to be read by somebody else.
 *  @return descriptor, borrowed; -1 there is none */
int monitor_kernel_queue(const struct monitor_kernel *k);
/** Where answers go: the worker's socket, borrowed. */
void monitor_kernel_worker(struct monitor_kernel *k, int fd);

#endif
