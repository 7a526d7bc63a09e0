/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device behind usb-export: libusb over one usbfs descriptor, within the
 * event loop. effect. Fed by acts that usbvm/protocol allowed; what comes
 * from the device is data and counts that the checker bounds again.
 * Transfers are asynchronous. Clear-halt, set-interface, set-configuration
 * and reset are libusb's own calls, each one ioctl that waits: bounded by
 * the kernel's control timeout (5 s), a reset by its retries; meanwhile only
 * this device's own connection stands still. */
#ifndef SQ_USBVM_BACKEND_EXPORT_DEV_H
#define SQ_USBVM_BACKEND_EXPORT_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/loop.h"
#include "usbvm/protocol/usb_check_server.h"

/* In front of a transfer's data the buffer has this many bytes: libusb wants
 * a control transfer's setup there; the rest keeps the data aligned. */
#define EXPORT_DEV_HEADROOM 64u

struct export_dev;

/** One transfer. Lives in the owner's request, zeroed at first; may be used
 *  again when it has ended. */
struct export_xfer {
    struct libusb_transfer *t;
    bool cancelling;
    bool exact;      /* a short one is an error: URB_SHORT_NOT_OK */
    uint32_t length; /* asked for */
    /* Set when it has ended: */
    int32_t status;        /* 0 or -errno as a host controller reports it */
    uint32_t actual;       /* bytes; iso IN: packed without gaps */
    bool cancelled;        /* by export_dev_cancel() and nothing else */
    struct usbip_iso *iso; /* act.packets of them, actual and status set;
                            * the owner's memory, given to submit */
};

struct export_dev_ops {
    void (*done)(struct export_xfer *x, void *arg);
    /** Once after a number of done(): send what they queued. */
    void (*batch)(void *arg);
    /** Unplugged; every transfer has ended. */
    void (*gone)(void *arg);
    /** Another configuration was set: have the kernel let usbfs have its
     *  interfaces. @return 0; -errno */
    int (*configured)(void *arg);
};

/** Prepare libusb, with no device yet: what it looks up in the file system it
 *  does here, before the sandbox.
 *  @param ret  lives until the process ends, which gives back the interfaces
 *  @return 0; -errno */
int export_dev_new(struct export_dev **ret);
/** Take a device over, within the sandbox: its bytes are parsed.
 *  @param fd  usbfs node, borrowed
 *  @return 0; -errno */
int export_dev_open(struct export_dev *d, struct loop *loop, int fd,
                    const struct export_dev_ops *ops, void *arg);

/** Let the kernel refuse all interfaces but these from now on, whatever
 *  this process asks. @return 0; -errno */
int export_dev_limit(struct export_dev *d, uint32_t interfaces);

/** Start the transfer of an act.
 *  @param data  act->length bytes behind EXPORT_DEV_HEADROOM; OUT: filled;
 *               iso: packets as in act->iso
 *  @param iso   ISO: room for act->packets results
 *  @return 0: done() will come; -errno: it will not */
int export_dev_submit(struct export_dev *d, const struct usb_act *act,
                      uint8_t *data, struct usbip_iso *iso,
                      struct export_xfer *x);
/** Ask for its end; done() says how it went. */
void export_dev_cancel(struct export_xfer *x);

/** Run what must go through the host. @param claim  with
 *  USB_ACT_SET_CONFIGURATION: interfaces to claim in the new one
 *  @return 0; -EPIPE the device refused; -ENODEV; -EBUSY; -EPROTO */
int export_dev_act(struct export_dev *d, const struct usb_act *act,
                   uint32_t claim);

/** Memory that transfers can use without a copy in the kernel: pages of it,
 *  counted by the limit of usbfs. @return NULL none to be had */
void *export_dev_memory(struct export_dev *d, size_t len);
void export_dev_memory_free(struct export_dev *d, void *p, size_t len);

#endif
