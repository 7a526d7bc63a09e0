/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identities in one word. pure. See usb_devid.h. */
#include "device/usb_devid.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"

#define CODE_LEN 7
#define SERIAL_SET PARSE_LOWER PARSE_UPPER PARSE_DIGIT "#+-.=@_"

static const char NO_INTERFACES[] = "?******";

static int hex_u16(struct text t, uint16_t *ret)
{
    unsigned v = 0;

    if (t.len != 4)
        return -EBADMSG;
    for (size_t i = 0; i < t.len; i++) {
        static const char digits[] = PARSE_DIGIT "abcdef";
        const char *at = t.p[i] ? strchr(digits, t.p[i]) : NULL;

        if (!at)
            return -EBADMSG;
        v = v * 16 + (unsigned)(at - digits);
    }
    *ret = (uint16_t)v;
    return 0;
}

static int parse_codes(struct text t, struct usb_devid *out)
{
    out->has_codes = true;
    if (text_eq(t, NO_INTERFACES))
        return 0;
    if (t.len == 0 || t.len % CODE_LEN != 0 ||
        t.len / CODE_LEN > USB_IDENT_IFACES)
        return -EBADMSG;
    for (size_t i = 0; i < t.len; i += CODE_LEN) {
        struct text one = {t.p + i, CODE_LEN};

        if (usb_pattern_parse(one, &out->code[out->n_codes]) < 0)
            return -EBADMSG;
        out->n_codes++;
    }
    return 0;
}

int usb_devid_parse(struct text t, struct usb_devid *ret)
{
    struct usb_devid out = {0};
    struct text piece;

    if (!parse_split(&t, ':', &piece) || hex_u16(piece, &out.vendor_id) < 0)
        return -EBADMSG;
    if (!parse_split(&t, ':', &piece) || hex_u16(piece, &out.product_id) < 0)
        return -EBADMSG;
    if (parse_split(&t, ':', &piece)) {
        if (!text_only(piece, SERIAL_SET) ||
            text_copy(piece, out.serial, sizeof(out.serial)) < 0)
            return -EBADMSG;
        out.has_serial = true;
        if (t.p && parse_codes(t, &out) < 0)
            return -EBADMSG;
    }
    *ret = out;
    return 0;
}

static const char *clean_serial(const struct usb_ident *id,
                                char buf[USB_IDENT_SERIAL_MAX])
{
    snprintf(buf, USB_IDENT_SERIAL_MAX, "%s", id->serial);
    for (char *p = buf; *p; p++)
        if (!strchr(SERIAL_SET, *p))
            *p = '_';
    return buf;
}

const char *usb_devid_format(const struct usb_ident *id,
                             const struct usb_ifaces *l,
                             char buf[USB_DEVID_TEXT_MAX])
{
    char serial[USB_IDENT_SERIAL_MAX];
    size_t at = (size_t)snprintf(
        buf, USB_DEVID_TEXT_MAX, "%04x:%04x:%s:", (unsigned)id->vendor_id,
        (unsigned)id->product_id, clean_serial(id, serial));

    if (l->n == 0)
        snprintf(buf + at, USB_DEVID_TEXT_MAX - at, "%s", NO_INTERFACES);
    for (unsigned i = 0; i < l->n && i < USB_IDENT_IFACES; i++)
        at +=
            (size_t)snprintf(buf + at, USB_DEVID_TEXT_MAX - at, "u%02x%02x%02x",
                             l->code[i].cls, l->code[i].sub, l->code[i].proto);
    return buf;
}

bool usb_devid_match(const struct usb_devid *want, const struct usb_ident *id,
                     const struct usb_ifaces *l)
{
    char serial[USB_IDENT_SERIAL_MAX];

    if (want->vendor_id != id->vendor_id || want->product_id != id->product_id)
        return false;
    if (want->has_serial && strcmp(want->serial, clean_serial(id, serial)) != 0)
        return false;
    if (!want->has_codes)
        return true;
    if (want->n_codes != l->n)
        return false;
    for (unsigned i = 0; i < l->n; i++)
        if (usb_pattern_match(&want->code[i], l->code[i]) < 0)
            return false;
    return true;
}
