/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The number by which worker and monitor speak of the set a rule with a name
 * looks its addresses up in. pure. A name has four: two families, accept
 * and drop apart. */
#ifndef SQ_FIREWALLVM_NAME_HANDLE_H
#define SQ_FIREWALLVM_NAME_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NAME_NAMES_MAX 1024               /* names in all */
#define NAME_HANDLES (NAME_NAMES_MAX * 4) /* handles are 1..this, 0 is none */
#define NAME_ADDRS_MAX 256                /* of one set */

static inline unsigned name_handle(unsigned name, uint8_t family, bool drops)
{
    return 1 + name * 4 + (family == AF_INET6 ? 2 : 0) + (drops ? 1 : 0);
}

static inline unsigned name_handle_name(unsigned handle)
{
    return (handle - 1) / 4;
}

static inline uint8_t name_handle_family(unsigned handle)
{
    return (handle - 1) & 2 ? AF_INET6 : AF_INET;
}

static inline bool name_handle_drops(unsigned handle)
{
    return ((handle - 1) & 1) != 0;
}

#endif
