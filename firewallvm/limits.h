/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fair share of one qube: what it may take of the firewall VM at most.
 * pure. Fed by dom0's key /sysqube-firewall/<ip>/limits. */
#ifndef SQ_FIREWALLVM_LIMITS_H
#define SQ_FIREWALLVM_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/parse.h"
#include "rules/rule.h"

#define FW_FLOWS_DEFAULT 4096
#define FW_RATE_DEFAULT 500
#define FW_BURST_DEFAULT 1000

struct fw_limits {
    uint32_t flows;     /* tracked connections, 1 to FW_FLOWS_MAX */
    uint32_t rate;      /* new connections a second, 1 to FW_RATE_MAX */
    uint32_t burst;     /* of them at once, 1 to FW_RATE_MAX */
    uint64_t bandwidth; /* bytes a second, both ways together; 0: no limit */
    uint64_t quota;     /* bytes in all, both ways together; 0: no limit */
};

/** The limits of a qube without the key. */
struct fw_limits limits_default(void);

/** "flows=N rate=N burst=N bandwidth=N quota=N", any subset, in any order,
 *  each once, single spaces; an empty text is the default.
 *  @param ret  written on success only. @return 0; -EBADMSG */
int limits_parse(struct text untrusted_value, struct fw_limits *ret);

/** Every value is within its range. @return 0; -EBADMSG */
int limits_check(const struct fw_limits *l);

/** Have they the same limits on new flows: flows, rate and burst? */
bool limits_same_share(const struct fw_limits *a, const struct fw_limits *b);

/** Does every packet count, so that flows must not be offloaded? */
bool limits_metered(const struct fw_limits *l);

#endif
