/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of USB ports. pure. Fed by sysfs, uevents and the USBVM's keys
 * (hostile); see usb_port.h. Does not look at any device. */
#include "device/usb_port.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"

static int read_ports(struct text rest, char sep, struct usb_port *out)
{
    struct text piece;
    uint32_t n;

    while (parse_split(&rest, sep, &piece)) {
        if (out->depth == USB_PORT_DEPTH)
            return -EBADMSG;
        if (parse_u32(piece, 1, 255, &n) < 0)
            return -EBADMSG;
        out->port[out->depth++] = (uint8_t)n;
    }
    return out->depth > 0 ? 0 : -EBADMSG;
}

static int read_form(struct text t, char sep, struct usb_port *ret)
{
    struct usb_port out = {0};
    struct text rest = t;
    struct text bus;
    uint32_t n;
    int r;

    if (t.len >= USB_PORT_TEXT_MAX)
        return -EBADMSG;
    if (!parse_split(&rest, '-', &bus) || rest.p == NULL)
        return -EBADMSG;
    if (parse_u32(bus, 1, USB_PORT_BUS_MAX, &n) < 0)
        return -EBADMSG;
    out.bus = (uint8_t)n;
    r = read_ports(rest, sep, &out);
    if (r < 0)
        return r;
    *ret = out;
    return 0;
}

int usb_port_from_name(struct text name, struct usb_port *ret)
{
    return read_form(name, '.', ret);
}

int usb_port_from_key(struct text key, struct usb_port *ret)
{
    return read_form(key, '_', ret);
}

static const char *write_form(const struct usb_port *p, char sep,
                              char buf[USB_PORT_TEXT_MAX])
{
    size_t at =
        (size_t)snprintf(buf, USB_PORT_TEXT_MAX, "%u-%u", p->bus, p->port[0]);

    for (unsigned i = 1; i < p->depth && i < USB_PORT_DEPTH; i++)
        at += (size_t)snprintf(buf + at, USB_PORT_TEXT_MAX - at, "%c%u", sep,
                               p->port[i]);
    return buf;
}

const char *usb_port_name(const struct usb_port *p, char buf[USB_PORT_TEXT_MAX])
{
    return write_form(p, '.', buf);
}

const char *usb_port_key(const struct usb_port *p, char buf[USB_PORT_TEXT_MAX])
{
    return write_form(p, '_', buf);
}

int usb_port_cmp(const struct usb_port *a, const struct usb_port *b)
{
    if (a->bus != b->bus)
        return a->bus < b->bus ? -1 : 1;
    return memcmp(a->port, b->port, sizeof(a->port));
}
