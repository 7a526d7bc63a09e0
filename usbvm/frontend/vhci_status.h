/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The status files of vhci_hcd: which ports are free. pure. Fed by sysfs
 * (the kernel, trusted; still strict, so that a changed format is an error
 * and not a wrong port). Rule: spec/usbip.md, "sysfs interfaces". */
#ifndef SQ_USBVM_FRONTEND_VHCI_STATUS_H
#define SQ_USBVM_FRONTEND_VHCI_STATUS_H

#include <stdint.h>

#include "lib/parse.h"

#define VHCI_STATUS_BYTES 4096 /* sysfs gives at most a page */

/** The first free port at or above @p from in the status of one controller.
 *  @param speed  enum usb_device_speed: 5 and above take a port of the "ss"
 *                hub, others of the "hs" hub
 *  @param ret    its number as attach wants it, on success only
 *  @return 0; -ENOENT none free; -EBADMSG not a status file */
int vhci_status_free(struct text status, unsigned speed, uint32_t from,
                     uint32_t *ret);

#endif
