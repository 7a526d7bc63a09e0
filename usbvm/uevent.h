/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One uevent datagram of the kernel: "ACTION@DEVPATH", then KEY=VALUE texts,
 * each ended by a NUL (kernel: lib/kobject_uevent.c). pure. Fed by the
 * kernel; names in it follow what devices say, so nothing is taken on trust.
 */
#ifndef SQ_USBVM_UEVENT_H
#define SQ_USBVM_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

#define UEVENT_MAX_BYTES 8192 /* the kernel's buffer is 2048 */

enum uevent_action { UEVENT_ADD, UEVENT_REMOVE, UEVENT_CHANGE, UEVENT_OTHER };

struct uevent {
    enum uevent_action action;
    bool usb; /* SUBSYSTEM=usb: a device or one of its interfaces */
};

/** Decode one datagram.
 *  @param data  @p len bytes, hostile
 *  @param ret   written on success only, holds no pointers
 *  @return 0; -EBADMSG no "ACTION@DEVPATH", no final NUL, a text without
 *  '=', an action that differs from ACTION=, or longer than
 *  UEVENT_MAX_BYTES */
int uevent_parse(const void *data, size_t len, struct uevent *ret);

#endif
