/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection of usb-export in raw mode: requests of the qube on two
 * channels, judged by usbvm/protocol, run on the device, answered. glue. Fed
 * by the qube and the device (both hostile). Memory is bounded by the quotas
 * of requests and by what is queued to a qube that does not read. */
#ifndef SQ_USBVM_BACKEND_EXPORT_CONN_H
#define SQ_USBVM_BACKEND_EXPORT_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/loop.h"
#include "usbvm/backend/export_dev.h"
#include "usbvm/backend/export_msg.h"
#include "usbvm/protocol/usb_snapshot.h"
#include "vchan/vchan.h"

struct export_conn;

struct export_conn_config {
    int fd;                 /* usbfs node, borrowed */
    struct export_dev *dev; /* prepared */
    uint32_t devid;
    uint32_t claim; /* interfaces granted */
    uint8_t *hello; /* first record on the control channel; borrowed */
    size_t hello_len;
    struct usb_snapshot *snapshot; /* borrowed */
};

struct export_conn_ops {
    /** The qube has connected both channels. */
    void (*attached)(void *arg);
    /** Something comes in: export_conn_tick() is wanted. Called often. */
    void (*active)(void *arg);
    /** It is over; called once, from the loop. */
    void (*ended)(enum usb_export_why why, void *arg);
    /** As export_dev_ops.configured. */
    int (*configured)(void *arg);
};

/** @param v    the two channels' servers; taken over on success
 *  @param ret  lives until the process ends: the kernel then ends transfers
 *              and gives back the interfaces
 *  @return 0; -errno */
int export_conn_new(struct loop *loop, const struct export_conn_config *config,
                    struct vchan *const v[2], const struct export_conn_ops *ops,
                    void *arg, struct export_conn **ret);

/** About once a second: gives back memory, lets in
 *  what waits behind requests that do not move.
 *  @return something waits: another tick is wanted, whatever else happens */
bool export_conn_tick(struct export_conn *c);

/** Fill the figures of a statistics record since the last call (latency) and
 *  since the start (all others). */
void export_conn_stat(struct export_conn *c, struct usb_export_rec *rec);

#endif
