/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the firewall VMs say of their work, as JSON: counters and blocked
 * packets. pure over the manager's state. Fed by VMs; malformed parts are
 * left out (fw_stats.h). */
#ifndef SQ_DOM0_REPORT_WATCH_H
#define SQ_DOM0_REPORT_WATCH_H

#include <jansson.h>

#include "dom0/fw_stats.h"
#include "dom0/manager.h"

/** [{"qube", "firewall", "status": {address: text}, "passed_packets", ...,
 *  "rules": [{"number", "rule", "packets", "bytes"}], "policy": {...}}] for
 *  each running qube behind a firewall VM. NULL: out of memory, as below.
 *  @param names  only these qubes; none: all */
json_t *report_counts(const struct manager *m, char (*names)[CONFIG_NAME_MAX],
                      size_t n_names);

/** [{"firewall", "seq", "time", "source", "qube", "destination", "to",
 *  "proto", "port", "reason", "number", "rule"}], the oldest first, of each
 *  firewall VM. */
json_t *report_events(const struct manager *m, char (*names)[CONFIG_NAME_MAX],
                      size_t n_names);

/** The state of the list of address @p ip in firewall VM @p fw, for a person:
 *  rules by their own numbers, and when the VM's database had no room for the
 *  whole list, that. @param buf  FW_STATS_TEXT_MAX
 *  @return buf; NULL: nothing is reported */
const char *report_list_status(const struct manager *m, size_t fw,
                               const char *ip, char *buf);

#endif
