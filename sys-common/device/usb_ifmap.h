/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interface number has which codes, as the key
 * /sysqube-status/usb-if/<id> carries it: "0:080650 1:030101". pure. Fed by
 * descriptors (hostile, usbvmd writes) and by the USBVM's key (hostile, dom0
 * reads). An interface has an entry for each code of its alternate settings
 * in any configuration, so that a code cannot hide behind another. */
#ifndef SQ_DEVICE_USB_IFMAP_H
#define SQ_DEVICE_USB_IFMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "device/usb_ident.h"
#include "lib/parse.h"

#define USB_IFMAP_NUMBERS 32 /* USB_MAXINTERFACES of the kernel */
#define USB_IFMAP_MAX 48     /* entries that fit a status value */
#define USB_IFMAP_TEXT_MAX (USB_IFMAP_MAX * 10)

struct usb_ifmap_entry {
    uint8_t number; /* 0..31 */
    struct usb_iface code;
};

struct usb_ifmap {
    unsigned n;
    struct usb_ifmap_entry e[USB_IFMAP_MAX];
};

/** Add one unless it is there. @return 0; -ENOBUFS full; -ERANGE number */
int usb_ifmap_add(struct usb_ifmap *m, uint8_t number, struct usb_iface code);

/** Write it. @return length without the NUL; 0 for an empty map */
size_t usb_ifmap_format(const struct usb_ifmap *m,
                        char buf[USB_IFMAP_TEXT_MAX]);

/** Read it; an empty text is an empty map.
 *  @return 0; -EBADMSG form, upper-case digits, an entry twice; -ENOBUFS;
 *  -ERANGE */
int usb_ifmap_parse(struct text t, struct usb_ifmap *ret);

/** Bit n set: there is an interface number n. */
uint32_t usb_ifmap_numbers(const struct usb_ifmap *m);

#endif
