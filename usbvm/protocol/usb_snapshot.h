/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The approved snapshot of a device and what state it is in: answers
 * descriptor requests, knows which endpoints are open now. pure. Both ends
 * hold one; it is made from a parsed set, so it is trusted as far as the
 * grant's hash goes. A refused interface stays in the numbering, as class ff
 * without endpoints and with nothing below it. */
#ifndef SQ_USBVM_PROTOCOL_USB_SNAPSHOT_H
#define SQ_USBVM_PROTOCOL_USB_SNAPSHOT_H

#include "usbvm/protocol/usb_dset.h"

#define USB_SNAPSHOT_STRINGS 64
#define USB_SNAPSHOT_ALL 0xffffffffu

struct usb_snapshot;

/** Make one. The device is taken as not configured.
 *  @param set   taken over on success: freed with the snapshot
 *  @param mask  interfaces granted, bit i for number i; USB_SNAPSHOT_ALL
 *  @return NULL no memory; @p set is then still the caller's */
struct usb_snapshot *usb_snapshot_new(struct usb_dset *set, uint32_t mask);
/** NULL is taken. */
void usb_snapshot_free(struct usb_snapshot *s);

const struct usb_dset *usb_snapshot_set(const struct usb_snapshot *s);
uint32_t usb_snapshot_mask(const struct usb_snapshot *s);

/** Add one string descriptor, as the device gave it.
 *  @param language  0 for index 0
 *  @return 0; -EBADMSG badly formed; -EEXIST; -ENOBUFS full */
int usb_snapshot_add_string(struct usb_snapshot *s, uint8_t index,
                            uint16_t language, struct cur untrusted_raw);
/** The i-th string, in order of adding, for usb_hello_encode().
 *  @param ret_raw  borrowed until the snapshot ends
 *  @return 0; -ENOENT no more */
int usb_snapshot_string_at(const struct usb_snapshot *s, size_t i,
                           uint8_t *ret_index, uint16_t *ret_language,
                           struct cur *ret_raw);
/** Which strings the descriptors name: iManufacturer, iProduct, iSerial,
 *  iConfiguration, iInterface of granted interfaces, and the iMACAddress of
 *  their Ethernet descriptors (USB CDC ECM 1.2, 5.4).
 *  @param ret  distinct indexes without 0, ascending
 *  @return their number, at most @p cap */
size_t usb_snapshot_string_indexes(const struct usb_snapshot *s, uint8_t *ret,
                                   size_t cap);

/** Answer to GET_DESCRIPTOR of the device: types 1, 2, 3, 15 and, at high
 *  speed, 6 (made from the device descriptor).
 *  @param value  wValue: type and index
 *  @param index  wIndex: language of a string
 *  @param ret    the whole descriptor, borrowed until the snapshot ends;
 *                the caller cuts it to wLength
 *  @return 0; -ENOENT not in the snapshot */
int usb_snapshot_descriptor(const struct usb_snapshot *s, uint16_t value,
                            uint16_t index, struct cur *ret);

/** bConfigurationValue now; 0 not configured */
uint8_t usb_snapshot_configuration(const struct usb_snapshot *s);
/** Alternate setting now. @return 0..255; -ENOENT not configured, or no
 *  such interface, or refused */
int usb_snapshot_alternate(const struct usb_snapshot *s, uint8_t number);

/** The device took SET_CONFIGURATION: alternate settings become 0.
 *  @return 0; -ENOENT not in the snapshot and not 0: nothing changed */
int usb_snapshot_set_configuration(struct usb_snapshot *s, uint8_t value);
/** The device took SET_INTERFACE. @return 0; -ENOENT as above */
int usb_snapshot_set_interface(struct usb_snapshot *s, uint8_t number,
                               uint8_t alt);
/** Would the two above succeed? */
bool usb_snapshot_has_configuration(const struct usb_snapshot *s,
                                    uint8_t value);
bool usb_snapshot_has_interface(const struct usb_snapshot *s, uint8_t number,
                                uint8_t alt);

/** The endpoint in the active configuration and alternate settings, of
 *  granted interfaces. @param address with direction bit; not endpoint 0
 *  @return NULL none */
const struct usb_ep *usb_snapshot_ep(const struct usb_snapshot *s,
                                     uint8_t address);
/** The active alternate setting of a granted interface. @return NULL none */
const struct usb_alt *usb_snapshot_interface(const struct usb_snapshot *s,
                                             uint8_t number);
/** The granted interface that this endpoint is open in. @return number;
 *  -ENOENT */
int usb_snapshot_ep_interface(const struct usb_snapshot *s, uint8_t address);

#endif
