/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names for people of USB interface codes. pure. Fed by interface codes of
 * devices (hostile: a stick may say it is a keyboard). Rule: Qubes 4.3
 * device API, categories by pattern, the longest literal match wins. Does
 * not decide what a device may do. */
#ifndef SQ_DEVICE_USB_CLASS_H
#define SQ_DEVICE_USB_CLASS_H

#include <stddef.h>

#include "device/usb_ident.h"

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

#endif
