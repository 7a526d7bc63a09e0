/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interfaces of a NetVM are uplinks. pure. Fed by interface names of
 * the kernel and of the DHCP helper's record. Does not look at links. */
#ifndef SQ_NETVM_UPLINK_NAME_H
#define SQ_NETVM_UPLINK_NAME_H

#include <stdbool.h>

#include "lib/parse.h"

#define UPLINK_NAME_MAX 16 /* IFNAMSIZ, NUL included */
/* What vifd's links are called; the nftables rules use it with a '*'. */
#define UPLINK_VIF_PREFIX "vif"

/** Any interface name the kernel would take, of printable ASCII without
 *  '/', ':', blank and quotes, shorter than UPLINK_NAME_MAX, not "." and
 *  not "..". */
bool uplink_name_valid(struct text name);

/** A valid name of neither the loopback nor a client's vif. */
bool uplink_name_is_uplink(struct text name);

#endif
