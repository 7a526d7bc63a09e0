/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts for the USB plan, read from what the running qubes report. glue.
 * Fed by statuses of VMs (hostile: each value is parsed strictly; a device
 * of which one value is malformed is shown, and cannot be attached). */
#ifndef SQ_DOM0_USB_WORLD_H
#define SQ_DOM0_USB_WORLD_H

#include "dom0/manager.h"

#define USB_WORLD_DEVS_MAX 128 /* devices of one USBVM */
/* A VM whose worker was started anew has said everything again by then. */
#define USB_WORLD_SETTLE_MS 5000

struct usb_world {
    struct usb_facts facts; /* its arrays are owned */
    size_t n_ignored;       /* devices over the limit of their USBVM */
};

/** @return 0 (usb_world_free() it); -ENOMEM */
int usb_world_new(const struct manager *m, struct usb_world *ret);
void usb_world_free(struct usb_world *w);

/** May a qube start: is every device there that it requires?
 *  @param why  on failure which is not, for a person
 *  @return 0; -ENODEV; -ENOMEM */
int usb_world_missing(const struct manager *m, size_t index, char why[512]);

#define USB_FIND_MANY_MAX 200
/** Find the one device a person means: by port ("sys-usb:2-1"), by identity
 *  ("1234:abcd", device/usb_devid.h), else by part of its vendor, product or
 *  serial text, letters in any case.
 *  @param ret_dev  index in facts.devs
 *  @param many     on -EEXIST some of the ports it could be
 *  @return 0; -ENOENT none; -EEXIST several */
int usb_world_find(const struct usb_facts *f, const char *text, size_t *ret_dev,
                   char many[USB_FIND_MANY_MAX]);

#endif
