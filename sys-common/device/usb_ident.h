/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a USB device says it is, as the three keys
 * /qubes-usb-devices/<id>/{desc,usb-ver,interfaces} carry it. pure. Fed by
 * descriptor strings of devices (hostile, usbvmd encodes) and by the
 * USBVM's keys (hostile, dom0 decodes). Rule: Qubes USB proxy, udev script,
 * step 1. Does not decide anything: every field may be a lie. */
#ifndef SQ_DEVICE_USB_IDENT_H
#define SQ_DEVICE_USB_IDENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/parse.h"

/* Encoded bytes of each text field, NUL included. Together with the ids and
 * the blanks a desc line stays below 511 bytes, the longest value dom0's
 * worker forwards. A USB string has at most 126 characters. */
#define USB_IDENT_VENDOR_MAX 128
#define USB_IDENT_MODEL_MAX 192
#define USB_IDENT_SERIAL_MAX 128
#define USB_IDENT_DESC_MAX 512 /* whole line with NUL */

/* Different interface codes of one device that are published. The kernel
 * allows 32 interfaces per configuration (USB_MAXINTERFACES). */
#define USB_IDENT_IFACES 32
#define USB_IDENT_IFACES_TEXT_MAX (USB_IDENT_IFACES * 7 + 2)

struct usb_iface {
    uint8_t cls;
    uint8_t sub;
    uint8_t proto;
};

struct usb_ifaces {
    unsigned n; /* 0..USB_IDENT_IFACES */
    struct usb_iface code[USB_IDENT_IFACES];
};

struct usb_ident {
    uint16_t vendor_id;
    uint16_t product_id;
    /* As decoded for people: printable ASCII, every other byte became '_';
     * empty when the device gave none. NUL terminated. */
    char vendor[USB_IDENT_VENDOR_MAX];
    char model[USB_IDENT_MODEL_MAX];
    char serial[USB_IDENT_SERIAL_MAX];
};

/** Escape one text so that it can stand in a desc line: letters, digits and
 *  #+-.:=@_ stay, every other byte becomes \xNN (two lower-case digits).
 *  @param untrusted_src  @p len bytes, any content
 *  @param dst  receives at most @p cap - 1 bytes and a NUL; what does not
 *              fit is cut between two source bytes; @p cap is at least 1
 *  @return bytes written without the NUL */
size_t usb_ident_escape(const char *untrusted_src, size_t len, char *dst,
                        size_t cap);

/** Undo it for display.
 *  @param field  an escaped field: printable ASCII without blank; a
 *                backslash only as \xNN, lower-case digits
 *  @param dst    printable ASCII, other bytes become '_', NUL terminated
 *  @return 0; -EBADMSG other bytes or a broken escape; -ENOBUFS; @p dst is
 *  then empty */
int usb_ident_unescape(struct text field, char *dst, size_t cap);

/** Write "VVVV:PPPP VENDOR MODEL SERIAL". A missing vendor or model is
 *  replaced by its id in hexadecimal, as udev does; a missing serial is an
 *  empty last field, so there are always three blanks.
 *  @param untrusted_vendor  and the next two: raw strings of the device
 *  @return length without the NUL; always fits */
size_t usb_ident_desc(uint16_t vendor_id, uint16_t product_id,
                      struct text untrusted_vendor, struct text untrusted_model,
                      struct text untrusted_serial,
                      char buf[USB_IDENT_DESC_MAX]);

/** Read such a line.
 *  @param desc  hostile
 *  @return 0; -EBADMSG not exactly four fields, ids not four lower-case hex
 *  digits, vendor or model empty, a field too long or badly escaped */
int usb_ident_parse(struct text desc, struct usb_ident *ret);

/** Add a code unless it is there. @return 0; -ENOBUFS list full */
int usb_ifaces_add(struct usb_ifaces *l, struct usb_iface code);

/** Write ":CCSSPP:CCSSPP:"; an empty list gives ":".
 *  @return length without the NUL */
size_t usb_ifaces_format(const struct usb_ifaces *l,
                         char buf[USB_IDENT_IFACES_TEXT_MAX]);

/** Read such a list. @return 0; -EBADMSG form, upper-case digits, a code
 *  twice; -ENOBUFS more than USB_IDENT_IFACES */
int usb_ifaces_parse(struct text t, struct usb_ifaces *ret);

/** The value of usb-ver is one digit, the major version 0..9.
 *  @return 0; -EBADMSG */
int usb_ident_parse_version(struct text t, uint8_t *ret);

#endif
