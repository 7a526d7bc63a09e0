/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a USB device is plugged in: the kernel's name ("2-1.3") and the form
 * in QubesDB paths ("2-1_3"). pure. Fed by sysfs names, uevents and, in
 * dom0, by the USBVM's keys (hostile). Rule: Qubes USB proxy, udev script,
 * step 1: dom0 accepts ^[0-9]+-[0-9]+(_[0-9]+)*$.
 * Does not know root hubs ("usb2") nor interfaces ("2-1:1.0"): they are not
 * ports of devices and are refused. */
#ifndef SQ_DEVICE_USB_PORT_H
#define SQ_DEVICE_USB_PORT_H

#include <stdint.h>

#include "lib/parse.h"

/* Tiers below a root hub that USB allows (the kernel's MAX_TOPO_LEVEL). */
#define USB_PORT_DEPTH 6
#define USB_PORT_BUS_MAX 255
/* "255-" and six times "255." with the NUL in place of the last dot. */
#define USB_PORT_TEXT_MAX 28

struct usb_port {
    uint8_t bus;                  /* 1..255 */
    uint8_t depth;                /* used entries of @p port, 1..6 */
    uint8_t port[USB_PORT_DEPTH]; /* 1..255 each; unused ones are 0 */
};

/** Read the kernel's name, such as "2-1.3".
 *  @return 0; -EBADMSG any other form, leading zeros, 0, over 255 or deeper
 *  than USB_PORT_DEPTH */
int usb_port_from_name(struct text name, struct usb_port *ret);
/** Read the QubesDB form, such as "2-1_3". @return as above */
int usb_port_from_key(struct text key, struct usb_port *ret);

/** Write one of the two forms, NUL terminated. @return buf */
const char *usb_port_name(const struct usb_port *p,
                          char buf[USB_PORT_TEXT_MAX]);
const char *usb_port_key(const struct usb_port *p, char buf[USB_PORT_TEXT_MAX]);

/** Order of people: bus, then port by port; a hub before what hangs on it.
 *  @return <0, 0, >0 like memcmp() */
int usb_port_cmp(const struct usb_port *a, const struct usb_port *b);

#endif
