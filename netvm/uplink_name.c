/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of uplinks. pure. Fed by the kernel and the DHCP helper; see
 * uplink_name.h. Does not look at links. */
#include "netvm/uplink_name.h"

#include <string.h>

bool uplink_name_valid(struct text name)
{
    if (name.len == 0 || name.len >= UPLINK_NAME_MAX)
        return false;
    if (text_eq(name, ".") || text_eq(name, ".."))
        return false;
    return text_only(name, PARSE_LOWER PARSE_UPPER PARSE_DIGIT "._-@+");
}

bool uplink_name_is_uplink(struct text name)
{
    size_t n = strlen(UPLINK_VIF_PREFIX);

    if (!uplink_name_valid(name) || text_eq(name, "lo"))
        return false;
    return name.len < n || memcmp(name.p, UPLINK_VIF_PREFIX, n) != 0;
}
