/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection of usb-import in evdev mode: events of the USBVM become
 * those of an input device of this kernel (uinput), LEDs go back. glue. Fed
 * by the USBVM (hostile) and the own kernel. */
#ifndef SQ_USBVM_FRONTEND_IMPORT_INPUT_H
#define SQ_USBVM_FRONTEND_IMPORT_INPUT_H

#include <stdint.h>

#include "lib/loop.h"
#include "usbvm/frontend/import_conn.h"
#include "vchan/vchan.h"

/** The one request of ioctl(2) that is made after the sandbox. */
#define IMPORT_INPUT_IOCTL 0x5501ul /* UI_DEV_CREATE */

struct import_input;

/** Open uinput, before the sandbox, and say what the device may send: codes
 *  of @p kinds (USB_EVENTS_*), no others. The kernel drops others.
 *  @return descriptor; -ENOENT the kernel has no uinput; -errno */
int import_input_open(uint16_t backend, unsigned kinds);

/** @param v   the control channel, taken over on success
 *  @param fd  of import_input_open(), taken over
 *  @param attached  called when the device is there
 *  @param ret       lives until the process ends
 *  @return 0; -errno */
int import_input_new(struct loop *loop, struct vchan *v, int fd, unsigned kinds,
                     const struct import_conn_ops *ops,
                     void (*attached)(void *arg), void *arg,
                     struct import_input **ret);

#endif
