/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of the keys by which a USB device is granted, attached and watched.
 * pure. Fed by dom0 (trusted, still strict) in the VMs, and in dom0 by the
 * USBVM and by user qubes (hostile). Rule: docs/protocol-usb.md, "Keys".
 * Form: fields "name=value" in the order given here, one blank between, no
 * other bytes; numbers in decimal without leading zeros; a hash in 64
 * lower-case hexadecimal digits. What a parser accepts, the format function
 * writes back byte for byte. */
#ifndef SQ_DEVICE_USB_GRANT_H
#define SQ_DEVICE_USB_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/parse.h"

#define USB_GRANT_HASH_BYTES 32
#define USB_GRANT_DOMID_MAX 32751 /* Xen's DOMID_FIRST_RESERVED - 1 */
#define USB_GRANT_VPORT_MIN 2000  /* even; the device has vport + 1, too */
#define USB_GRANT_VPORT_MAX 3998
#define USB_GRANT_ALL 0xffffffffu
/* Any of the texts below, with NUL; the longest value dom0 forwards. */
#define USB_GRANT_TEXT_MAX 512
#define USB_GRANT_WHY_MAX 81 /* text of a failure, with NUL */

enum usb_mode { USB_MODE_RAW, USB_MODE_EVDEV };
/* Kinds of events a grant in evdev mode lets through; at least one. */
#define USB_EVENTS_KEYBOARD 1u
#define USB_EVENTS_POINTER 2u

/* /sysqube-usb/grant/<id>:
 * client=DOMID vport=N gen=N hash=HEX64 interfaces=all|I,I,.. mode=raw
 * or the same with mode=evdev events=keyboard,pointer (either or both, in
 * this order; raw has no events field). */
struct usb_grant {
    uint16_t client; /* domid, 1..USB_GRANT_DOMID_MAX */
    uint16_t vport;
    uint64_t gen; /* plug generation, 1.. */
    uint8_t hash[USB_GRANT_HASH_BYTES];
    uint32_t interfaces; /* bit i for number i, never 0; USB_GRANT_ALL is
                          * written "all" */
    enum usb_mode mode;
    unsigned events; /* USB_EVENTS_*; 0 in raw mode */
};

/* /sysqube-usb/attach/<backend>-<id>:
 * backend=DOMID vport=N speed=N devid=N hash=HEX64 mode=.. [events=..] */
struct usb_attach {
    uint16_t backend; /* domid, 1..USB_GRANT_DOMID_MAX */
    uint16_t vport;
    uint8_t speed;  /* 1, 2, 3, 5, 6 */
    uint32_t devid; /* bus << 16 | device, not 0 */
    uint8_t hash[USB_GRANT_HASH_BYTES];
    enum usb_mode mode;
    unsigned events;
};

/* /sysqube-status/usb-dev/<id>: gen=N speed=N hash=HEX64 */
struct usb_dev {
    uint64_t gen;
    uint8_t speed;
    uint8_t hash[USB_GRANT_HASH_BYTES];
};

/* /sysqube-status/usb-export/<id>: idle | waiting | attached | failed WHY
 * /sysqube-status/usb-import/<backend>-<id>: connecting |
 * attached vhci=PORT | failed WHY */
enum usb_link {
    USB_LINK_IDLE,       /* export only */
    USB_LINK_WAITING,    /* export only */
    USB_LINK_CONNECTING, /* import only */
    USB_LINK_ATTACHED,
    USB_LINK_FAILED,
};
struct usb_link_state {
    enum usb_link link;
    uint32_t vhci;               /* import, ATTACHED: port, 0..65535 */
    char why[USB_GRANT_WHY_MAX]; /* FAILED: 1..80 printable ASCII bytes, no
                                  * blank at either end; else empty */
};

/* /sysqube-status/usb-stat/<id>:
 * in=BYTES out=BYTES flight=N p50us=N p99us=N refused=N[ REASON:N...] */
#define USB_STAT_REASONS 16
#define USB_STAT_REASON_MAX 24 /* name with NUL: [a-z0-9-] */
struct usb_stat {
    uint64_t in, out; /* bytes from and to the device */
    uint32_t flight;  /* requests */
    uint32_t p50_us, p99_us;
    uint64_t refused; /* all reasons together */
    size_t n;         /* the first reasons, 0..USB_STAT_REASONS */
    struct {
        char name[USB_STAT_REASON_MAX];
        uint64_t count; /* 1.. */
    } reason[USB_STAT_REASONS];
};

/** Read a value. @param untrusted any text
 *  @param ret  written on success only
 *  @return 0; -EBADMSG another form, a field missing, doubled or out of its
 *  range */
int usb_grant_parse(struct text untrusted, struct usb_grant *ret);
int usb_attach_parse(struct text untrusted, struct usb_attach *ret);
int usb_dev_parse(struct text untrusted, struct usb_dev *ret);
int usb_export_parse(struct text untrusted, struct usb_link_state *ret);
int usb_import_parse(struct text untrusted, struct usb_link_state *ret);
int usb_stat_parse(struct text untrusted, struct usb_stat *ret);

/** Write a value, NUL terminated. The struct must be within its ranges.
 *  @return 0; -EBADMSG it is not, @p ret is then empty. Always fits: of a
 *  statistic as many reasons as there is room for */
int usb_grant_format(const struct usb_grant *g, char ret[USB_GRANT_TEXT_MAX]);
int usb_attach_format(const struct usb_attach *a, char ret[USB_GRANT_TEXT_MAX]);
int usb_dev_format(const struct usb_dev *d, char ret[USB_GRANT_TEXT_MAX]);
int usb_export_format(const struct usb_link_state *l,
                      char ret[USB_GRANT_TEXT_MAX]);
int usb_import_format(const struct usb_link_state *l,
                      char ret[USB_GRANT_TEXT_MAX]);
int usb_stat_format(const struct usb_stat *s, char ret[USB_GRANT_TEXT_MAX]);

/** Read or write 32 bytes as 64 lower-case hexadecimal digits.
 *  @return 0; -EBADMSG */
int usb_hash_parse(struct text untrusted, uint8_t ret[USB_GRANT_HASH_BYTES]);
void usb_hash_format(const uint8_t hash[USB_GRANT_HASH_BYTES],
                     char ret[USB_GRANT_HASH_BYTES * 2 + 1]);

#endif
