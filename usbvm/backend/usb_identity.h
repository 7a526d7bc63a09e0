/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a device says it is, read from its usbfs node: raw descriptors, BOS,
 * speed, strings. effect. Fed by the device (hostile): the bytes are only
 * cut to length here; usbvm/protocol/usb_dset.h parses them. usbvmd and
 * usb-export both use it, so that both hash the same bytes. */
#ifndef SQ_USBVM_BACKEND_USB_IDENTITY_H
#define SQ_USBVM_BACKEND_USB_IDENTITY_H

#include "usbvm/protocol/usb_dset.h"

#define USB_IDENTITY_STRING_MAX 255

struct usb_identity {
    uint8_t speed; /* enum usb_device_speed of the kernel */
    size_t raw_len;
    uint8_t untrusted_raw[USB_DSET_BYTES];
    size_t bos_len; /* 0: the device has none, or none that is sound */
    uint8_t untrusted_bos[USB_DSET_BOS_BYTES];
};

/** Read all but the strings. A device that does not answer costs 1 s.
 *  @param fd  usbfs node, open for reading and writing
 *  @return 0; -ENOBUFS descriptors larger than a set may be; -ENODEV
 *  unplugged; -errno. @p ret is written in any case */
int usb_identity_read(int fd, struct usb_identity *ret);

/** SHA-256 of it, as a grant names it. */
void usb_identity_hash(const struct usb_identity *id,
                       uint8_t ret[USB_DSET_HASH_BYTES]);

/** Ask for one string descriptor. @return bytes; -EPIPE the device has none;
 *  -ETIMEDOUT; -errno */
int usb_identity_string(int fd, uint8_t index, uint16_t language,
                        uint8_t ret_untrusted[USB_IDENTITY_STRING_MAX]);

#endif
