/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a USB request, in words. pure over the manager's state.
 * See usb_error.h. */
#include "dom0/usb_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/usb_class.h"
#include "lib/err.h"

const char *usb_error_device(const struct usb_device *d,
                             char buf[USB_DEVICE_TEXT_MAX])
{
    char port[USB_PORT_TEXT_MAX];

    snprintf(buf, USB_DEVICE_TEXT_MAX, "%s:%s", d->usbvm,
             usb_port_name(&d->port, port));
    return buf;
}

int usb_error_set(struct manager_error *e, const char *qube, const char *step,
                  const char *fmt, ...)
{
    va_list ap;

    *e = (struct manager_error){.step = step};
    snprintf(e->qube, sizeof(e->qube), "%s", qube);
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

void usb_error_hint(struct manager_error *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
    va_end(ap);
}

/* A USBVM that would have to run for the device to be there. */
static const char *usbvm_off(const struct manager *m)
{
    const char *off = NULL;

    for (size_t i = 0; i < m->cfg.n; i++) {
        if (m->cfg.qubes[i]->kind != KIND_USBVM)
            continue;
        if (m->qubes[i]->state == QUBE_RUNNING)
            return NULL;
        off = m->cfg.qubes[i]->name;
    }
    return off;
}

int usb_error_find(const struct manager *m, const struct usb_facts *f,
                   const char *device, size_t *ret, struct manager_error *err)
{
    char many[USB_FIND_MANY_MAX];
    int r = usb_world_find(f, device, ret, many);
    const char *off = usbvm_off(m);

    if (!r)
        return 0;
    if (r == -EEXIST) {
        usb_error_set(err, "", "find the device", "'%.100s' fits several: %s",
                      device, many);
        usb_error_hint(err, "name it by its port, as in: sysqube usb list");
    } else if (off) {
        usb_error_set(err, "", "find the device",
                      "no USBVM is running, so there is no device '%.100s'",
                      device);
        usb_error_hint(err, "sysqube up %s", off);
    } else {
        usb_error_set(err, "", "find the device",
                      "there is no USB device '%.100s'", device);
        usb_error_hint(err, "sysqube usb list");
    }
    return r;
}

static void deny_error(const struct manager *m, size_t qube,
                       const struct usb_device *d, const struct usb_ruling *r,
                       struct manager_error *e)
{
    const struct config_qube *c = m->cfg.qubes[qube];
    char dev[USB_DEVICE_TEXT_MAX], which[64] = "";

    if (r->has_code)
        snprintf(which, sizeof(which), " for interface %02x%02x%02x (%s)",
                 r->code.cls, r->code.sub, r->code.proto,
                 usb_class_name(r->code));
    usb_error_set(e, c->name, "attach", "%s is denied by %s:%u%s",
                  usb_error_device(d, dev), c->file, r->line, which);
    usb_error_hint(e, "sysqube usb info %s", dev);
}

/* What cannot be, in words. */
void usb_error_refusal(const struct manager *m, size_t qube,
                       const struct usb_device *d, enum usb_refusal refusal,
                       const struct usb_answer *a, struct manager_error *e)
{
    const struct config_qube *c = m->cfg.qubes[qube];
    char dev[USB_DEVICE_TEXT_MAX];

    usb_error_device(d, dev);
    switch (refusal) {
    case USB_DENIED:
        deny_error(m, qube, d, &a->ruling, e);
        return;
    case USB_BUSY:
        usb_error_set(e, c->name, "attach", "%s is attached to %s", dev,
                      a->who);
        usb_error_hint(e, "sysqube usb detach %s %s", a->who, dev);
        return;
    case USB_OFF:
        usb_error_set(e, c->name, "attach", "the qube is not running");
        usb_error_hint(e, "sysqube up %s", c->name);
        return;
    case USB_NO_TAKER:
        usb_error_set(e, c->name, "attach",
                      "a qube of kind %s takes no USB devices",
                      config_kind_name(c->kind));
        return;
    case USB_NO_IFACE:
        usb_error_set(e, c->name, "attach",
                      "%s does not have all of the interfaces asked for", dev);
        usb_error_hint(e, "sysqube usb info %s", dev);
        return;
    case USB_NO_INPUT:
        usb_error_set(e, c->name, "attach",
                      "%s has no input interface (class 03), so there are no "
                      "events to forward",
                      dev);
        usb_error_hint(e, "attach it without input=");
        return;
    case USB_MALFORMED:
        usb_error_set(
            e, c->name, "attach",
            "%s describes %s in a malformed way; such a device is not "
            "attached",
            d->usbvm, dev);
        usb_error_hint(e, "sysqube keys %s", d->usbvm);
        return;
    case USB_FULL:
        usb_error_set(
            e, c->name, "attach",
            "too many devices: a qube has at most %d, all together %d",
            USB_PLAN_QUBE_MAX, USB_PLAN_MAX);
        usb_error_hint(e, "detach another one");
        return;
    case USB_WAIT:
    case USB_HAS_IT:
    case USB_OK:
        break;
    }
    usb_error_set(e, c->name, "attach", "it cannot be attached now");
}
