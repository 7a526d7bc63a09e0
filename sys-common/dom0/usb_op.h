/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching and detaching a USB device for a client of the control socket:
 * the refusal or the wish to the plan, then the wait until both sides have
 * reported, bounded. glue: small state machines, stepped whenever the
 * manager changed; nothing waits. Fed by checked requests and by the plan. */
#ifndef SQ_DOM0_USB_OP_H
#define SQ_DOM0_USB_OP_H

#include "dom0/control.h"
#include "dom0/manager.h"
#include "dom0/usb_world.h"

#define USB_OP_FREE_MS 10000   /* wait until a device is reset */
#define USB_OP_DETACH_MS 10000 /* keys gone to device reset */
#define USB_OP_TELL_MS 1000    /* then it is said what is waited for */

struct usb_ops;

int usb_ops_new(struct manager *m, struct usb_ops **ret);
/** NULL is fine. */
void usb_ops_free(struct usb_ops *o);
/** Something changed: go on. Sends progress and the final answers. */
void usb_ops_step(struct usb_ops *o);
/** The client is no more: what it asked for goes on in silence. */
void usb_ops_forget(struct usb_ops *o, const struct control_client *c);

/** Attach. One answer is sent, now or later: {"ok": {"qube", "device",
 *  "vhci"}} or an error; in that case nothing is left attached.
 *  @param qube    index of the qube
 *  @param device  as for usb_world_find() */
void usb_op_attach(struct usb_ops *o, struct control_client *c, size_t qube,
                   const char *device, const struct usb_want *want);
/** Detach, and wait until the USBVM has reset the device. One answer, as
 *  above.
 *  @param qube  whose it must be; "": whosever it is */
void usb_op_detach(struct usb_ops *o, struct control_client *c,
                   const char *qube, const char *device);

#endif
