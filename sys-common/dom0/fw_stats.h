/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What firewall VMs report, told of the rules as their lists have them:
 * counters, blocked packets, the state of a list. pure. Fed by status keys,
 * which a VM wrote (hostile): what is malformed is left out. */
#ifndef SQ_DOM0_FW_STATS_H
#define SQ_DOM0_FW_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/config.h"
#include "dom0/keys.h"
#include "rules/fw_count.h"
#include "rules/fw_event.h"

#define FW_STATS_EVENTS_MAX FW_EVENT_RING
#define FW_STATS_TEXT_MAX 512

/** The qube whose address this is. @return borrowed; NULL */
const struct config_qube *fw_stats_qube(const struct config *c,
                                        const struct ipaddr *addr);
/** Whose list binds it in firewall VM @p fw: its own, or that of the netvm
 *  through which it comes there. @return borrowed; NULL: none there */
const struct config_qube *fw_stats_list(const struct config_qube *fw,
                                        const struct config_qube *q);

/** The rule of key @p number, as `firewall list` counts.
 *  @return its number; -ENOENT the list has no such key */
int fw_stats_rule(const struct config_qube *list, unsigned number);

/** Counters of one address. @return false: none are reported */
bool fw_stats_totals(const struct keyset *status, const struct ipaddr *addr,
                     struct fw_totals *ret);

/** Add the rules' counters of one address to those of the list's rules.
 *  @param io  list->n_rules + 1 of them, at least 2, the policy last; of a
 *             qube without a list the first is its one rule */
void fw_stats_counts(const struct keyset *status, const struct ipaddr *addr,
                     const struct config_qube *list, struct fw_count *io);

/** The blocked packets in memory, oldest first, numbers still those of keys.
 *  @return how many */
size_t fw_stats_events(const struct keyset *status,
                       struct fw_event ret[FW_STATS_EVENTS_MAX]);

/** A list's status with the number of the key in it turned to that of the
 *  rule: "applied 3, degraded 0007: why" to "..., degraded 2: why".
 *  @return buf */
const char *fw_stats_status(const struct config_qube *list, const char *said,
                            char buf[FW_STATS_TEXT_MAX]);

/** Does the state of a list say fewer keys than dom0 wrote?
 *  @param desired  the state of that firewall VM
 *  @param ip       the source's address
 *  @return keys that are missing; 0: none */
size_t fw_stats_missing(const struct keyset *desired, const char *ip,
                        const char *said);

#endif
