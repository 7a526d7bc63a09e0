/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the firewall VM is to enforce, as the monitor holds it. pure (types
 * only). Filled by monitor.c from checked records. */
#ifndef SQ_FIREWALLVM_FW_STATE_H
#define SQ_FIREWALLVM_FW_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "firewallvm/limits.h"
#include "firewallvm/name_sets.h"
#include "firewallvm/path.h"
#include "rules/rule.h"
#include "rules/rule_eval.h"

#define FW_SOURCES_MAX 512
#define FW_WATCHED_MAX 1024
#define FW_DEVICES_MAX 544 /* a vif for each source, and uplinks */
#define FW_DEVICE_NAME_MAX 16

/** The list of one source. */
struct fw_source {
    struct ipaddr addr;
    enum fw_action policy;
    struct fw_match *v; /* @p n rules */
    uint16_t *number;   /* their NNNN */
    size_t n;
    struct fw_limits limits;
    uint64_t quota_used; /* bytes, of a table that went */
    bool placed;         /* the kernel has it, by struct monitor_ops.apply */
    unsigned n_sets;     /* sets the kernel has for it, by compile_source() */
};

struct fw_state {
    struct fw_dns dns;
    bool snat; /* masquerade at the uplink */
    struct fw_path *path[FW_PATH_KINDS];
    size_t n_path[FW_PATH_KINDS];
    size_t n_devices;
    char device[FW_DEVICES_MAX][FW_DEVICE_NAME_MAX];
    size_t n_watched;
    struct ipaddr watched[FW_WATCHED_MAX]; /* DNS answers to them wait */
    struct name_sets *sets; /* what rules with a name look up; never NULL */
    size_t n;
    struct fw_source v[FW_SOURCES_MAX];
};

#endif
