/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The descriptor set of one USB device: strict parser and the layout it
 * finds. pure. Fed by the device and, in the user qube, by the USBVM (both
 * hostile). Rules: USB 2.0, 9.5 and 9.6; USB 3.2, 9.6; limits of the kernel.
 * What it accepts is all that a qube may ever see of the device. Does not
 * judge classes but one: a hub is refused. The lenient reader for lists of
 * devices is usbvm/usb_descr.h. */
#ifndef SQ_USBVM_PROTOCOL_USB_DSET_H
#define SQ_USBVM_PROTOCOL_USB_DSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "usbvm/protocol/usb_check.h"

#define USB_DSET_CONFIGS 8     /* kernel USB_MAXCONFIG */
#define USB_DSET_INTERFACES 32 /* kernel USB_MAXINTERFACES, numbers 0..31 */
#define USB_DSET_ALTS 512      /* alternate settings of all configurations */
#define USB_DSET_ENDPOINTS 1024
/* wTotalLength of one configuration. Cameras that list every size of every
 * pixel format, and audio interfaces, pass 4 KiB; none is known over 10. */
#define USB_DSET_CONFIG_BYTES 16384
#define USB_DSET_BYTES 65536 /* device and all configurations */
#define USB_DSET_BOS_BYTES 1024
#define USB_DSET_BOS_CAPS 32
#define USB_DSET_HASH_BYTES 32 /* SHA-256 */

/* Why a set is refused. X(name, text) */
#define USB_DSET_FAULTS(X)                                                     \
    X(NONE, "none")                                                            \
    X(DEVICE, "bad device descriptor")                                         \
    X(SPEED, "speed not supported")                                            \
    X(HUB, "device is a hub")                                                  \
    X(LENGTH, "descriptor length broken")                                      \
    X(CONFIG, "bad configuration descriptor")                                  \
    X(TOTAL, "configuration length broken")                                    \
    X(CONFIGS, "number of configurations wrong")                               \
    X(INTERFACE, "bad interface descriptor")                                   \
    X(INTERFACES, "number of interfaces wrong")                                \
    X(ALTERNATE, "alternate setting missing or twice")                         \
    X(ENDPOINT, "bad endpoint descriptor")                                     \
    X(ENDPOINTS, "number of endpoints wrong")                                  \
    X(DUPLICATE, "endpoint twice")                                             \
    X(PACKET_SIZE, "packet size not allowed at this speed")                    \
    X(INTERVAL, "interval not allowed at this speed")                          \
    X(COMPANION, "endpoint companion missing or bad")                          \
    X(BOS, "bad BOS descriptor")                                               \
    X(STRING, "bad string descriptor")                                         \
    X(LIMIT, "too many descriptors")

#define USB_DSET_FAULT_ENUM(name, text) USB_FAULT_##name,
enum usb_dset_fault { USB_DSET_FAULTS(USB_DSET_FAULT_ENUM) USB_FAULT_COUNT };
#undef USB_DSET_FAULT_ENUM

/** @return the text of the table above; never NULL */
const char *usb_dset_fault_text(enum usb_dset_fault f);

struct usb_ep {
    uint8_t address;  /* with direction bit 0x80 */
    uint8_t type;     /* enum usb_xfer */
    uint8_t interval; /* bInterval */
    uint16_t packet;  /* bytes of one packet */
    uint32_t service; /* most bytes of one service interval: packet times
                       * transactions times burst, as the descriptors say */
};

struct usb_alt {
    uint8_t number; /* bInterfaceNumber */
    uint8_t alt;    /* bAlternateSetting */
    uint8_t cls, sub, proto;
    uint8_t n_eps;
    const struct usb_ep *eps; /* @p n_eps of them */
};

struct usb_config {
    uint8_t value;      /* bConfigurationValue, 1..255, unique */
    uint32_t mask;      /* interface numbers there are, bit i for number i */
    const uint8_t *raw; /* the whole of it, wTotalLength bytes */
    size_t len;
    size_t n_alts;
    const struct usb_alt *alts; /* @p n_alts of them, in order of the set */
};

/* All pointers lead into the set itself. Free with usb_dset_free(). */
struct usb_dset {
    uint8_t speed; /* enum usb_device_speed of the kernel */
    uint16_t vendor, product, release;
    uint8_t cls, sub, proto;
    size_t n_configs;
    struct usb_config configs[USB_DSET_CONFIGS];
    const uint8_t *device; /* 18 bytes */
    const uint8_t *bos;    /* NULL without one */
    size_t bos_len;
    uint8_t hash[USB_DSET_HASH_BYTES];
};

/** One descriptor of any type off the front of @p in.
 *  @param ret_len  its bLength, at least 2
 *  @return 0; -EBADMSG bLength below 2 or beyond the end */
int usb_dset_next(struct cur *in, const uint8_t **ret, uint8_t *ret_len);

/** Parse a set and keep a copy of it, with its hash.
 *  @param raw    device descriptor and every configuration, as the file
 *                "descriptors" of sysfs and reading usbfs give them
 *  @param bos    BOS descriptor with its capabilities; empty without one
 *  @param speed  enum usb_device_speed: 1, 2, 3, 5, 6
 *  @param ret_fault  why, on -EBADMSG only; may be NULL
 *  @param ret    the caller's, usb_dset_free()
 *  @return 0; -EBADMSG; -ENOMEM */
int usb_dset_parse(struct cur raw, struct cur bos, uint8_t speed,
                   enum usb_dset_fault *ret_fault, struct usb_dset **ret);
/** NULL is taken. */
void usb_dset_free(struct usb_dset *d);

/** The configuration with this value. @return NULL none */
const struct usb_config *usb_dset_config(const struct usb_dset *d,
                                         uint8_t value);
/** One alternate setting. @return NULL none */
const struct usb_alt *usb_dset_alt(const struct usb_config *c, uint8_t number,
                                   uint8_t alt);

/** SHA-256 over the raw bytes of a set, in this order, whether they are well
 *  formed or not: what a grant names. */
void usb_dset_hash(struct cur raw, struct cur bos,
                   uint8_t ret[USB_DSET_HASH_BYTES]);

/** Check one string descriptor: bLength even and equal to @p len, type 3;
 *  index 0 holds 1..126 language codes, any other well-formed UTF-16.
 *  @return 0; -EBADMSG */
int usb_dset_check_string(uint8_t index, const uint8_t *p, size_t len);

#endif
