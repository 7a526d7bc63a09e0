/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's uevent socket. effect. Fed by the kernel alone: datagrams of
 * others are dropped by their sender. Serves those who read sysfs anew at
 * each event: it only says whether there is a reason to. */
#ifndef SQ_USBVM_UEVENT_SOCK_H
#define SQ_USBVM_UEVENT_SOCK_H

#include <stdbool.h>

/** Open it, non-blocking, in this network namespace.
 *  @return descriptor, the caller closes; -errno */
int uevent_sock_open(void);

/** Take what came, a bounded number of datagrams. Some that were lost count
 *  as a reason, too.
 *  @return true when USB devices or interfaces came, went or changed */
bool uevent_sock_take(int fd);

#endif
