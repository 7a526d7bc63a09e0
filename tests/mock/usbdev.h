/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices for tests: the descriptors of tests/golden/usbdev. effect (reads
 * files). Fed by: files of the tree. */
#ifndef SQ_TESTS_USBDEV_H
#define SQ_TESTS_USBDEV_H

#include "usbvm/protocol/usb_snapshot.h"

struct usbdev {
    uint8_t raw[4096], bos[256];
    size_t len, bos_len;
    uint8_t speed;
};

/** Read NAME.hex and, if there is one, NAME-bos.hex. The test fails when
 *  they are not readable. */
void usbdev_load(const char *name, struct usbdev *ret);
/** Its set. The test fails when the parser refuses it. */
struct usb_dset *usbdev_set(const struct usbdev *d);
/** A snapshot of @p name with these interfaces, not configured. */
struct usb_snapshot *usbdev_snapshot(const char *name, uint32_t mask);
/** The device "mix", configured, interface 1 at setting 1, interface 2 (a
 *  keyboard) refused. Open are endpoints 1 (bulk), 2 (interrupt) and 3
 *  (isochronous), each in both directions. */
struct usb_snapshot *usbdev_mix(void);

#endif
