/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of USB attachments. pure. See usb_keys.h. */
#include "dom0/usb_keys.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"

/* By this number both ends of a device name it in their PDUs. */
#define DEVID(vport) (UINT32_C(1) << 16 | (uint32_t)(vport))

static unsigned events_of(const struct usb_want *w)
{
    return (w->keyboard ? USB_EVENTS_KEYBOARD : 0) |
           (w->pointer ? USB_EVENTS_POINTER : 0);
}

static int add_grant(const struct usb_att *a, struct keyset *io)
{
    char port[USB_PORT_TEXT_MAX], path[QDB_REC_PATH], text[USB_GRANT_TEXT_MAX];
    struct usb_grant g = {.client = (uint16_t)a->client,
                          .vport = a->vport,
                          .gen = a->dev.gen,
                          .interfaces =
                              a->want.some ? a->want.ifaces : USB_GRANT_ALL,
                          .mode = a->want.evdev ? USB_MODE_EVDEV : USB_MODE_RAW,
                          .events = events_of(&a->want)};
    int r;

    memcpy(g.hash, a->dev.hash, sizeof(g.hash));
    r = usb_grant_format(&g, text);
    if (r)
        return r;
    snprintf(path, sizeof(path), "/sysqube-usb/grant/%s",
             usb_port_key(&a->port, port));
    return keyset_add(io, path, "%s", text);
}

static int add_attach(const struct usb_att *a, struct keyset *io)
{
    char port[USB_PORT_TEXT_MAX], path[QDB_REC_PATH], text[USB_GRANT_TEXT_MAX];
    struct usb_attach t = {.backend = (uint16_t)a->backend,
                           .vport = a->vport,
                           .speed = a->dev.speed,
                           .devid = DEVID(a->vport),
                           .mode =
                               a->want.evdev ? USB_MODE_EVDEV : USB_MODE_RAW,
                           .events = events_of(&a->want)};
    int r;

    memcpy(t.hash, a->dev.hash, sizeof(t.hash));
    r = usb_attach_format(&t, text);
    if (r)
        return r;
    snprintf(path, sizeof(path), "/sysqube-usb/attach/%u-%s", a->backend,
             usb_port_key(&a->port, port));
    return keyset_add(io, path, "%s", text);
}

int usb_keys_add(const struct usb_plan *p, const char *name, uint32_t domid,
                 struct keyset *io)
{
    const struct usb_att *a;
    int r = 0;

    for (size_t i = 0; !r && (a = usb_plan_at(p, i)) != NULL; i++) {
        if (a->state == USB_ATT_CLOSING)
            continue;
        if (a->backend == domid && strcmp(a->usbvm, name) == 0)
            r = add_grant(a, io);
        else if (a->client == domid && strcmp(a->qube, name) == 0)
            r = add_attach(a, io);
    }
    return r;
}
