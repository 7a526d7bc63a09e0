/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of USB attachments: grants for a USBVM, attachments for a qube.
 * pure. Fed by usb_plan.h. Form: device/usb_grant.h, docs/protocol-usb.md. */
#ifndef SQ_DOM0_USB_KEYS_H
#define SQ_DOM0_USB_KEYS_H

#include "dom0/keys.h"

/** Add what the running domain @p domid of this name shall have.
 *  @param io  not sorted afterwards
 *  @return 0; -ENOMEM; -EBADMSG a value out of its range */
int usb_keys_add(const struct usb_plan *p, const char *name, uint32_t domid,
                 struct keyset *io);

#endif
