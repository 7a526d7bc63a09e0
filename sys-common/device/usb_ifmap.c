/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interface numbers and their codes. pure. See usb_ifmap.h. */
#include "device/usb_ifmap.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"

static_assert(USB_IFMAP_TEXT_MAX <= 511, "fits a status value");

int usb_ifmap_add(struct usb_ifmap *m, uint8_t number, struct usb_iface code)
{
    if (number >= USB_IFMAP_NUMBERS)
        return -ERANGE;
    for (unsigned i = 0; i < m->n; i++)
        if (m->e[i].number == number &&
            memcmp(&m->e[i].code, &code, sizeof(code)) == 0)
            return 0;
    if (m->n == USB_IFMAP_MAX)
        return -ENOBUFS;
    m->e[m->n].number = number;
    m->e[m->n++].code = code;
    return 0;
}

size_t usb_ifmap_format(const struct usb_ifmap *m, char buf[USB_IFMAP_TEXT_MAX])
{
    size_t at = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < m->n && i < USB_IFMAP_MAX; i++) {
        const struct usb_ifmap_entry *e = &m->e[i];

        at += (size_t)snprintf(buf + at, USB_IFMAP_TEXT_MAX - at,
                               "%s%u:%02x%02x%02x", at ? " " : "",
                               (unsigned)e->number, e->code.cls, e->code.sub,
                               e->code.proto);
    }
    return at;
}

/* One code, by the parser of the list of codes. */
static int parse_code(struct text t, struct usb_iface *ret)
{
    struct usb_ifaces one;
    char buf[9];
    int n =
        snprintf(buf, sizeof(buf), ":%.*s:", t.len > 6 ? 0 : (int)t.len, t.p);

    if (n != 8 || usb_ifaces_parse(text_of(buf), &one) < 0 || one.n != 1)
        return -EBADMSG;
    *ret = one.code[0];
    return 0;
}

int usb_ifmap_parse(struct text t, struct usb_ifmap *ret)
{
    struct usb_ifmap out = {0};
    struct text piece;

    if (t.len == 0)
        t.p = NULL;
    while (parse_split(&t, ' ', &piece)) {
        struct usb_iface code;
        struct text number;
        uint32_t n;
        unsigned had = out.n;
        int r;

        if (!parse_split(&piece, ':', &number) || !piece.p ||
            parse_u32(number, 0, UINT8_MAX, &n) < 0 ||
            parse_code(piece, &code) < 0)
            return -EBADMSG;
        r = usb_ifmap_add(&out, (uint8_t)n, code);
        if (r < 0)
            return r;
        if (out.n == had)
            return -EBADMSG; /* twice */
    }
    *ret = out;
    return 0;
}

uint32_t usb_ifmap_numbers(const struct usb_ifmap *m)
{
    uint32_t mask = 0;

    for (unsigned i = 0; i < m->n; i++)
        mask |= 1u << m->e[i].number;
    return mask;
}
