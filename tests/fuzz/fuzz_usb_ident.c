/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes sys-common/device: the readers of dom0 over any bytes, and the
 * writers of usbvmd over any device strings; what is written must read
 * back, what reads must be printable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/usb_class.h"
#include "device/usb_ident.h"
#include "device/usb_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int ok)
{
    if (!ok)
        abort();
}

static void ports(struct text t)
{
    struct usb_port a;
    struct usb_port b;
    char buf[USB_PORT_TEXT_MAX];

    if (usb_port_from_key(t, &a) == 0) {
        need(text_eq(t, usb_port_key(&a, buf)));
        need(usb_port_from_name(text_of(usb_port_name(&a, buf)), &b) == 0);
        need(usb_port_cmp(&a, &b) == 0);
    }
    if (usb_port_from_name(t, &a) == 0)
        need(text_eq(t, usb_port_name(&a, buf)));
}

static void idents(struct text t)
{
    struct usb_ident id;
    struct usb_ifaces l;
    uint8_t v;
    char buf[USB_IDENT_IFACES_TEXT_MAX];
    char names[USB_CLASS_LIST_MAX];

    if (usb_ident_parse(t, &id) == 0) {
        need(text_printable(text_of(id.vendor)));
        need(text_printable(text_of(id.model)));
        need(text_printable(text_of(id.serial)));
    }
    if (usb_ifaces_parse(t, &l) == 0) {
        usb_ifaces_format(&l, buf);
        need(text_eq(t, buf));
        need(strlen(usb_class_list(&l, names, sizeof(names))) > 0);
    }
    if (usb_ident_parse_version(t, &v) == 0)
        need(v <= 9);
}

static void writers(struct text t)
{
    char buf[USB_IDENT_DESC_MAX];
    struct usb_ident id;
    size_t third = t.len / 3;
    struct text a = {t.p, third};
    struct text b = {t.p + third, third};
    struct text c = {t.p + 2 * third, t.len - 2 * third};

    size_t n = usb_ident_desc(1, 2, a, b, c, buf);
    need(n == strlen(buf));
    need(usb_ident_parse(text_of(buf), &id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text t = {(const char *)data, size};

    ports(t);
    idents(t);
    writers(t);
    return 0;
}
