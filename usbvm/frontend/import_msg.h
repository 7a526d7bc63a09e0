/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one usb-import tells sysqube-usb. pure. usb-import talks to a hostile
 * USBVM, so sysqube-usb checks each record.
 *
 * sysqube-usb starts, by privsep_spawn(), as root:
 *   usb-import --attach "backend=3 vport=2000 speed=3 devid=67536 hash=.. ..."
 * From then on only usb-import speaks, over descriptor 3: a record at each
 * change of its state. It ends when its channel, vhci's port or descriptor 3
 * closes; the kernel then detaches the device. */
#ifndef SQ_USBVM_FRONTEND_IMPORT_MSG_H
#define SQ_USBVM_FRONTEND_IMPORT_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "device/usb_grant.h"

/** usb-import's own user, one for each device. */
#define IMPORT_UID(vport) (62000u + ((uint32_t)(vport)-USB_GRANT_VPORT_MIN) / 2)

enum usb_import_why {
    IMPORT_WHY_NONE,
    IMPORT_WHY_NO_VHCI,   /* this kernel has no vhci_hcd */
    IMPORT_WHY_NO_UINPUT, /* nor uinput, in evdev mode */
    IMPORT_WHY_NO_PORT,   /* every port of its speed is taken */
    IMPORT_WHY_SPEED,     /* the kernel does not take this speed */
    IMPORT_WHY_NO_SERVER, /* the USBVM did not make the channels in time */
    IMPORT_WHY_HELLO,     /* the first record is malformed */
    IMPORT_WHY_IDENTITY,  /* not the device that dom0 approved */
    IMPORT_WHY_PROTOCOL,  /* the USBVM broke the protocol */
    IMPORT_WHY_CHANNEL,   /* the USBVM ended the connection */
    IMPORT_WHY_KERNEL,    /* this kernel ended the connection */
    IMPORT_WHY_INTERNAL,
    IMPORT_WHY_MAX,
};

/** One record, host byte order, no padding. */
struct usb_import_rec {
    uint32_t link;   /* USB_LINK_CONNECTING, _ATTACHED or _FAILED */
    uint32_t port;   /* of vhci, with _ATTACHED */
    uint32_t why;    /* enum usb_import_why, with _FAILED */
    uint32_t reason; /* enum usb_reason, with IMPORT_WHY_PROTOCOL */
};

/** Check a record that usb-import sent. @return 0; -EBADMSG */
int import_msg_check(const struct usb_import_rec *untrusted_rec, size_t len);

/** Value of /sysqube-status/usb-import/<key> after a checked record.
 *  @return @p ret, NUL terminated */
const char *import_msg_status(const struct usb_import_rec *rec,
                              char ret[USB_GRANT_TEXT_MAX]);

#endif
