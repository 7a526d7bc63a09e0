/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The identity of a USB device in one word, as Qubes 4.3 writes device_id:
 * "vvvv:pppp:SERIAL:" and a 7-digit code for each interface. pure. Fed by
 * the administrator's words (parse) and by what a device says of itself,
 * handed on by the USBVM (format, match: both hostile). An identity is a
 * claim, not a proof: what binds an export is the hash in its grant. */
#ifndef SQ_DEVICE_USB_DEVID_H
#define SQ_DEVICE_USB_DEVID_H

#include <stdbool.h>
#include <stdint.h>

#include "device/usb_class.h"
#include "device/usb_ident.h"
#include "lib/parse.h"

/* Ids, three colons, a serial number and the codes, with the NUL. */
#define USB_DEVID_TEXT_MAX                                                     \
    (10 + USB_IDENT_SERIAL_MAX + USB_IDENT_IFACES * 7 + 1)

/** What a policy line asks of a device. */
struct usb_devid {
    uint16_t vendor_id;
    uint16_t product_id;
    bool has_serial; /* else any */
    bool has_codes;  /* else any */
    uint8_t n_codes; /* 0: a device without interfaces */
    char serial[USB_IDENT_SERIAL_MAX];
    struct usb_pattern code[USB_IDENT_IFACES];
};

/** Read "vvvv:pppp", "vvvv:pppp:SERIAL" or "vvvv:pppp:SERIAL:CODES"; digits
 *  in lower case; an empty SERIAL is a device without one; CODES are patterns
 *  (usb_pattern_parse()) without anything between, or "?******" for a device
 *  without interfaces.
 *  @return 0; -EBADMSG */
int usb_devid_parse(struct text t, struct usb_devid *ret);

/** Write the whole identity of a device. In the serial number every byte but
 *  letters, digits and #+-.=@_ becomes '_', so it is one word and one field.
 *  @return buf, NUL terminated; always fits */
const char *usb_devid_format(const struct usb_ident *id,
                             const struct usb_ifaces *l,
                             char buf[USB_DEVID_TEXT_MAX]);

/** Does a device say that it is what is asked for? Codes must agree in
 *  number and order. */
bool usb_devid_match(const struct usb_devid *want, const struct usb_ident *id,
                     const struct usb_ifaces *l);

#endif
