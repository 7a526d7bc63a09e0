/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection of usb-export in evdev mode: what boot keyboards and boot
 * mice of the device report goes to the qube as events, LEDs come back; the
 * qube sees nothing of USB. glue. Fed by the device and the qube (both
 * hostile). Memory is fixed. */
#ifndef SQ_USBVM_BACKEND_EXPORT_INPUT_H
#define SQ_USBVM_BACKEND_EXPORT_INPUT_H

#include "usbvm/backend/export_conn.h"

struct export_input;

struct export_input_config {
    int fd;                 /* usbfs node, borrowed */
    struct export_dev *dev; /* prepared */
    uint32_t interfaces;    /* granted */
    unsigned kinds;         /* USB_EVENTS_*, granted */
    const struct usb_dset *set;
};

/** @param v    the server of the control channel; taken over on success
 *  @param ret  lives until the process ends
 *  @return 0; -ENOENT no such input device in the grant; -errno */
int export_input_new(struct loop *loop,
                     const struct export_input_config *config, struct vchan *v,
                     const struct export_conn_ops *ops, void *arg,
                     struct export_input **ret);

/** As export_conn_stat(). */
void export_input_stat(const struct export_input *c,
                       struct usb_export_rec *rec);

#endif
