/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The raw descriptors of a USB device, as sysfs gives them in the file
 * "descriptors": the device descriptor, then every configuration with all it
 * holds (USB 2.0, 9.5 and 9.6; kernel: Documentation/ABI). pure. Fed by the
 * device (hostile). Unlike the interface folders of sysfs this shows every
 * configuration and alternate setting, so a device cannot hide one behind
 * the other, and it is there for a device without configuration, too. */
#ifndef SQ_USBVM_USB_DESCR_H
#define SQ_USBVM_USB_DESCR_H

#include <stdbool.h>
#include <stdint.h>

#include "device/usb_ident.h"
#include "lib/buf.h"

/* One device descriptor and 8 configurations (USB_MAXCONFIG of the kernel)
 * of at most 64 KiB; more than this of them is not looked at. */
#define USB_DESCR_MAX_BYTES 65536

struct usb_descr {
    uint16_t vendor_id;
    uint16_t product_id;
    uint8_t device_class;
    uint8_t version;          /* major digit of bcdUSB, 0..9 */
    struct usb_ifaces ifaces; /* each code once, in order of appearance */
    bool odd; /* the configurations are malformed or hold too many codes:
               * ifaces has what came before the fault */
};

/** Decode the file.
 *  @param in   cursor over it; its position afterwards is undefined
 *  @param ret  written on success only
 *  @return 0; -EBADMSG no whole device descriptor at the front */
int usb_descr_parse(struct cur *in, struct usb_descr *ret);

#endif
