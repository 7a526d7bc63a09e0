/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which devices there are, which were published, and the difference. pure.
 * Fed by usb_sysfs.c; descriptor texts in it are escaped already. */
#ifndef SQ_USBVM_USB_TABLE_H
#define SQ_USBVM_USB_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/usb_ident.h"
#include "device/usb_port.h"

#define USB_TABLE_MAX 127 /* addresses of one bus; of ours for the machine */

struct usb_entry {
    struct usb_port port;
    uint16_t number; /* devnum of the kernel, new at each plug; 0: not known */
    char version;    /* major USB version, a digit */
    bool odd;        /* its descriptors are malformed */
    char desc[USB_IDENT_DESC_MAX];
    char interfaces[USB_IDENT_IFACES_TEXT_MAX];
};

struct usb_table {
    size_t n;
    bool full; /* there were more */
    struct usb_entry e[USB_TABLE_MAX];
};

/** Append one device; a full table notes it in full. */
void usb_table_add(struct usb_table *t, const struct usb_entry *e);
/** Order by port; needed before usb_table_diff(). */
void usb_table_sort(struct usb_table *t);

enum usb_change { USB_GONE, USB_NEW };
/** Called for each change; a device that differs is first GONE, then NEW.
 *  A result other than 0 ends the walk and is given back. */
typedef int (*usb_change_cb)(enum usb_change what, const struct usb_entry *e,
                             void *arg);
/** Walk from @p old to @p now (both sorted). @return 0 or the callback's */
int usb_table_diff(const struct usb_table *old, const struct usb_table *now,
                   usb_change_cb cb, void *arg);

#endif
