/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of sources and rules, read back from the kernel. effect. Fed by
 * the kernel's dumps. */
#ifndef SQ_FIREWALLVM_MONITOR_COUNT_H
#define SQ_FIREWALLVM_MONITOR_COUNT_H

#include "firewallvm/monitor.h"
#include "lib/nl.h"

struct monitor_count;

/** @return 0; -ENOMEM */
int monitor_count_new(struct monitor_count **ret);
void monitor_count_free(struct monitor_count *c);

/** Read the counters of all sources: a few dumps, and one of the tracked
 *  flows for each family. @return 0; -errno */
int monitor_count_read(struct monitor_count *c, struct nl *nl);

/** One source as read last; zeros for one that was not there. */
void monitor_count_totals(const struct monitor_count *c,
                          const struct ipaddr *addr, struct fw_totals *ret);

/** The rules of a list as they are now, by number, the policy last.
 *  @param ret_v  room for MONITOR_COUNTS_MAX + 1. @return 0; -errno */
int monitor_count_rules(struct nl *nl, const struct fw_source *s,
                        struct fw_count *ret_v, size_t *ret_n);

#endif
