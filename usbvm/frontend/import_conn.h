/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection of usb-import: requests of the own kernel's vhci to the
 * USBVM, and its answers, checked and written anew, to vhci. glue. Fed by
 * the USBVM (hostile) and the own kernel. Memory is bounded by the quotas of
 * requests and by what is queued to a side that does not read. */
#ifndef SQ_USBVM_FRONTEND_IMPORT_CONN_H
#define SQ_USBVM_FRONTEND_IMPORT_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/loop.h"
#include "usbvm/frontend/import_msg.h"
#include "usbvm/protocol/usb_check.h"
#include "usbvm/protocol/usb_snapshot.h"
#include "vchan/vchan.h"

struct import_conn;

struct import_conn_ops {
    /** Something comes in: import_conn_tick() is wanted. Called often. */
    void (*active)(void *arg);
    /** It is over; called once, from the loop. */
    void (*ended)(enum usb_import_why why, enum usb_reason reason, void *arg);
};

/** @param v         the two channels, taken over on success
 *  @param sock      vhci's peer, non-blocking, taken over on success
 *  @param snapshot  borrowed
 *  @param ret       lives until the process ends
 *  @return 0; -errno */
int import_conn_new(struct loop *loop, struct vchan *const v[2], int sock,
                    uint32_t devid, struct usb_snapshot *snapshot,
                    const struct import_conn_ops *ops, void *arg,
                    struct import_conn **ret);

/** About once a second while it is active: gives back memory, lets in what
 *  waits behind requests that do not move.
 *  @return 1 call again; 0 nothing to do until active() */
int import_conn_tick(struct import_conn *c);

#endif
