/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a USB request, in a sentence and a next step. pure over
 * the manager's state. Fed by refusals of the plan; texts of VMs in it are
 * printable ASCII already. */
#ifndef SQ_DOM0_USB_ERROR_H
#define SQ_DOM0_USB_ERROR_H

#include "dom0/manager.h"
#include "dom0/usb_world.h"

#define USB_DEVICE_TEXT_MAX (CONFIG_NAME_MAX + USB_PORT_TEXT_MAX + 1)

/** "sys-usb:2-1". @return buf */
const char *usb_error_device(const struct usb_device *d,
                             char buf[USB_DEVICE_TEXT_MAX]);

/** Fill in an error without a hint. @return -EINVAL */
int usb_error_set(struct manager_error *e, const char *qube, const char *step,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/** Add the next step. */
void usb_error_hint(struct manager_error *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Find the device a person means (usb_world_find()).
 *  @param err  why not
 *  @return 0; -ENOENT; -EEXIST */
int usb_error_find(const struct manager *m, const struct usb_facts *f,
                   const char *device, size_t *ret, struct manager_error *err);

/** Why usb_plan_attach() refused.
 *  @param refusal  neither USB_OK, USB_HAS_IT nor USB_WAIT */
void usb_error_refusal(const struct manager *m, size_t qube,
                       const struct usb_device *d, enum usb_refusal refusal,
                       const struct usb_answer *a, struct manager_error *e);

#endif
