/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first record on a device's control channel: the server sends the
 * approved snapshot, the client builds its own from it. pure. Fed by the
 * USBVM (hostile): the client accepts only what has the hash that dom0 put
 * into the attach key. Nothing is sent back; PDUs follow at once. Rule:
 * docs/protocol-usb.md, "Hello". Big endian.
 *
 *   u32 magic "SQUB"   u32 version 1   u32 total bytes with this head
 *   u32 speed   u32 devid   u32 granted interfaces, bit i for number i
 *   u32 bytes of descriptors   u32 bytes of BOS   u32 strings
 *   then descriptors, BOS, and each string:
 *   u8 index   u8 bytes   u16 language   string descriptor
 */
#ifndef SQ_USBVM_PROTOCOL_USB_HELLO_H
#define SQ_USBVM_PROTOCOL_USB_HELLO_H

#include "usbvm/protocol/usb_snapshot.h"

#define USB_HELLO_HEAD_BYTES 36
#define USB_HELLO_MAX                                                          \
    (USB_HELLO_HEAD_BYTES + USB_DSET_BYTES + USB_DSET_BOS_BYTES +              \
     USB_SNAPSHOT_STRINGS * (4 + 255))

/** Write the record.
 *  @param ret_len  bytes used; USB_HELLO_MAX always suffices
 *  @return 0; -ENOBUFS */
int usb_hello_encode(const struct usb_snapshot *s, uint32_t devid, uint8_t *ret,
                     size_t cap, size_t *ret_len);

/** How long the whole record is, by its head.
 *  @return 0; -EBADMSG magic, version, or a length out of bounds */
int usb_hello_length(const uint8_t head[USB_HELLO_HEAD_BYTES],
                     size_t *ret_total);

/** Read a whole record and make the snapshot.
 *  @param hash   what dom0 said, as speed and devid: the record must agree
 *  @param ret_fault  what is wrong with the descriptors, on -EBADMSG when it
 *                    is that (else NONE); may be NULL
 *  @param ret        the caller's, usb_snapshot_free()
 *  @return 0; -EBADMSG; -EPROTO well formed but not what dom0 approved;
 *  -ENOMEM */
int usb_hello_decode(struct cur in, const uint8_t hash[USB_DSET_HASH_BYTES],
                     uint8_t speed, uint32_t devid,
                     enum usb_dset_fault *ret_fault, struct usb_snapshot **ret);

#endif
