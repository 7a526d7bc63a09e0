/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB devices as JSON: what they say they are, who has them, who may. pure
 * over the manager's state. Fed by facts from VMs (checked for form by
 * usb_world.c). All give NULL when memory ran out. */
#ifndef SQ_DOM0_USB_REPORT_H
#define SQ_DOM0_USB_REPORT_H

#include <jansson.h>

#include "dom0/manager.h"
#include "dom0/usb_world.h"

/** [{"qube": its USBVM, "port":..., "state":..., "client":..., ...}]. state:
 *  "free", "question", "attaching", "attached", "detaching", "malformed",
 *  "failed" (with "why") or "identifying" (being reset and identified). */
json_t *usb_report_list(const struct manager *m, const struct usb_facts *f);
/** One of them, with more: speed, hash, numbers of interfaces, and for each
 *  qube that has something to say of it what that is. */
json_t *usb_report_info(const struct manager *m, const struct usb_facts *f,
                        size_t dev);
/** [{"qube", "port", "client", "in", "out", "flight", "p50_us", "p99_us",
 *  "refused", "reasons":{...}}] of the devices for which there are figures. */
json_t *usb_report_stats(const struct manager *m, const struct usb_facts *f);

#endif
