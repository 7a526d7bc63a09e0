/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that sysfs shows now. effect (reads files below one open
 * folder). Fed by the kernel with texts that devices chose (hostile): each
 * file is read up to a limit and escaped before it is kept. */
#ifndef SQ_USBVM_USB_SYSFS_H
#define SQ_USBVM_USB_SYSFS_H

#include "usbvm/usb_table.h"

/** Read every device but hubs.
 *  @param sysfs  descriptor of the root of sysfs, stays the caller's
 *  @param ret    sorted table; a device that vanishes or is malformed while
 *                it is read is left out; empty where the kernel has no USB
 *  @return 0; -errno the folder cannot be read */
int usb_sysfs_scan(int sysfs, struct usb_table *ret);

#endif
