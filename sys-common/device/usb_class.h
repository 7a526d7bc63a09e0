/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names for people of USB interface codes, and the patterns by which a policy
 * names classes. pure. Fed by interface codes of devices (hostile: a stick
 * may say it is a keyboard) and by the administrator's words. Rule: Qubes 4.3
 * device API, categories by pattern, the longest literal match wins. Does
 * not decide what a device may do. */
#ifndef SQ_DEVICE_USB_CLASS_H
#define SQ_DEVICE_USB_CLASS_H

#include <stddef.h>

#include "device/usb_ident.h"
#include "lib/parse.h"

/** Category of one interface: "Keyboard", "Mouse", "Input", "Printer",
 *  "Camera", "Audio", "Storage", "Bluetooth", "Network", "Smart card",
 *  "Multimedia" or "Other". @return static string */
const char *usb_class_name(struct usb_iface code);

/** All categories of a device in order of its interfaces, each once, with
 *  ", " between; a device without interfaces gives "Other".
 *  @param cap  USB_CLASS_LIST_MAX always suffices; what does not fit is
 *              left out whole
 *  @return buf, NUL terminated */
#define USB_CLASS_LIST_MAX 160
const char *usb_class_list(const struct usb_ifaces *l, char *buf, size_t cap);

/** Interface codes by their digits: "08****" is every storage class. */
struct usb_pattern {
    char digit[6]; /* lower-case hexadecimal or '*' */
};

/** Read "uCCSSPP" with '*' for any digit, lower case; the letter (of the
 *  bus, u for USB) may be '*' too.
 *  @return 0; -EBADMSG any other form, the letter of another bus as well */
int usb_pattern_parse(struct text t, struct usb_pattern *ret);

/** @return how many digits of the pattern are literal, 0..6; -1: the code
 *  does not match */
int usb_pattern_match(const struct usb_pattern *p, struct usb_iface code);

/** What one class word of a policy stands for. */
#define USB_CLASS_PATTERNS 16
struct usb_class {
    unsigned n;
    struct usb_pattern p[USB_CLASS_PATTERNS];
};

/** Read a class word: a pattern, or up to USB_CLASS_PATTERNS of them without
 *  anything between as Qubes 4.3 writes a deny list, "*", or a category's name
 * as usb_class_name() gives it, letters in any case, "SmartCard" in one word.
 *  A category stands for all of its patterns, so "Input" takes keyboards and
 *  mice in, and "Other" everything.
 *  @return 0; -EBADMSG */
int usb_class_parse(struct text t, struct usb_class *ret);

/** The best match of its patterns. @return as usb_pattern_match() */
int usb_class_match(const struct usb_class *c, struct usb_iface code);

#endif
