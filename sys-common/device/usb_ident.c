/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of a USB device's keys, both directions. pure. Fed by devices
 * and by the USBVM (both hostile); see usb_ident.h. Does not look a device
 * up and judges nothing. */
#include "device/usb_ident.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

static_assert(4 + 1 + 4 + 1 + (USB_IDENT_VENDOR_MAX - 1) + 1 +
                      (USB_IDENT_MODEL_MAX - 1) + 1 +
                      (USB_IDENT_SERIAL_MAX - 1) <
                  USB_IDENT_DESC_MAX,
              "a full desc line must fit");

/* The bytes udev leaves alone in its _ENC properties, without UTF-8. */
static const char PLAIN[] = PARSE_LOWER PARSE_UPPER PARSE_DIGIT "#+-.:=@_";

static bool is_plain(char c)
{
    return c != '\0' && strchr(PLAIN, c) != NULL;
}

/* Lower-case only: each text has one spelling. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int hex_byte(const char *p, uint8_t *ret)
{
    int hi = hex_digit(p[0]);
    int lo = hex_digit(p[1]);

    if (hi < 0 || lo < 0)
        return -EBADMSG;
    *ret = (uint8_t)(hi * 16 + lo);
    return 0;
}

static int hex_u16(struct text t, uint16_t *ret)
{
    uint8_t hi;
    uint8_t lo;

    if (t.len != 4)
        return -EBADMSG;
    if (hex_byte(t.p, &hi) < 0 || hex_byte(t.p + 2, &lo) < 0)
        return -EBADMSG;
    *ret = (uint16_t)(hi * 256 + lo);
    return 0;
}

size_t usb_ident_escape(const char *untrusted_src, size_t len, char *dst,
                        size_t cap)
{
    static const char DIGITS[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        char c = untrusted_src[i];
        size_t need = is_plain(c) ? 1 : 4;

        if (cap - 1 - at < need)
            break;
        if (need == 1) {
            dst[at++] = c;
            continue;
        }
        dst[at++] = '\\';
        dst[at++] = 'x';
        dst[at++] = DIGITS[(uint8_t)c >> 4];
        dst[at++] = DIGITS[(uint8_t)c & 15];
    }
    dst[at] = '\0';
    return at;
}

static int unescape_one(struct text *t, char *ret)
{
    uint8_t byte;

    if (t->p[0] != '\\') {
        if (t->p[0] <= 0x20 || t->p[0] > 0x7e)
            return -EBADMSG;
        *ret = t->p[0];
        t->p++;
        t->len--;
        return 0;
    }
    if (t->len < 4 || t->p[1] != 'x' || hex_byte(t->p + 2, &byte) < 0)
        return -EBADMSG;
    *ret = (char)(byte >= 0x20 && byte <= 0x7e ? byte : '_');
    t->p += 4;
    t->len -= 4;
    return 0;
}

int usb_ident_unescape(struct text field, char *dst, size_t cap)
{
    size_t at = 0;
    char c;

    dst[0] = '\0';
    while (field.len > 0) {
        if (unescape_one(&field, &c) < 0) {
            dst[0] = '\0';
            return -EBADMSG;
        }
        if (at + 1 >= cap) {
            dst[0] = '\0';
            return -ENOBUFS;
        }
        dst[at++] = c;
    }
    dst[at] = '\0';
    return 0;
}

/* One field, or the id's digits where the device gave no text. */
static size_t put_field(char *dst, size_t cap, struct text t, const char *id)
{
    size_t n = usb_ident_escape(t.p, t.len, dst, cap);

    if (n > 0 || id == NULL)
        return n;
    return usb_ident_escape(id, strlen(id), dst, cap);
}

size_t usb_ident_desc(uint16_t vendor_id, uint16_t product_id,
                      struct text untrusted_vendor, struct text untrusted_model,
                      struct text untrusted_serial,
                      char buf[USB_IDENT_DESC_MAX])
{
    char vid[5];
    char pid[5];
    size_t at;

    snprintf(vid, sizeof(vid), "%04x", (unsigned)vendor_id);
    snprintf(pid, sizeof(pid), "%04x", (unsigned)product_id);
    at = (size_t)snprintf(buf, USB_IDENT_DESC_MAX, "%s:%s ", vid, pid);
    at += put_field(buf + at, USB_IDENT_VENDOR_MAX, untrusted_vendor, vid);
    buf[at++] = ' ';
    at += put_field(buf + at, USB_IDENT_MODEL_MAX, untrusted_model, pid);
    buf[at++] = ' ';
    at += put_field(buf + at, USB_IDENT_SERIAL_MAX, untrusted_serial, NULL);
    return at;
}

static int parse_ids(struct text t, struct usb_ident *out)
{
    if (t.len != 9 || t.p[4] != ':')
        return -EBADMSG;
    if (hex_u16((struct text){t.p, 4}, &out->vendor_id) < 0)
        return -EBADMSG;
    return hex_u16((struct text){t.p + 5, 4}, &out->product_id);
}

int usb_ident_parse(struct text desc, struct usb_ident *ret)
{
    struct usb_ident out = {0};
    struct text field[4];
    struct text rest = desc;
    struct text piece;
    unsigned n = 0;

    if (desc.len >= USB_IDENT_DESC_MAX)
        return -EBADMSG;
    while (parse_split(&rest, ' ', &piece)) {
        if (n == ARRAY_LEN(field))
            return -EBADMSG;
        field[n++] = piece;
    }
    if (n != ARRAY_LEN(field) || field[1].len == 0 || field[2].len == 0)
        return -EBADMSG;
    if (field[1].len >= USB_IDENT_VENDOR_MAX ||
        field[2].len >= USB_IDENT_MODEL_MAX ||
        field[3].len >= USB_IDENT_SERIAL_MAX)
        return -EBADMSG;
    if (parse_ids(field[0], &out) < 0)
        return -EBADMSG;
    if (usb_ident_unescape(field[1], out.vendor, sizeof(out.vendor)) < 0 ||
        usb_ident_unescape(field[2], out.model, sizeof(out.model)) < 0 ||
        usb_ident_unescape(field[3], out.serial, sizeof(out.serial)) < 0)
        return -EBADMSG;
    *ret = out;
    return 0;
}

static bool has_code(const struct usb_ifaces *l, struct usb_iface c)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->code[i].cls == c.cls && l->code[i].sub == c.sub &&
            l->code[i].proto == c.proto)
            return true;
    return false;
}

int usb_ifaces_add(struct usb_ifaces *l, struct usb_iface code)
{
    if (has_code(l, code))
        return 0;
    if (l->n == USB_IDENT_IFACES)
        return -ENOBUFS;
    l->code[l->n++] = code;
    return 0;
}

size_t usb_ifaces_format(const struct usb_ifaces *l,
                         char buf[USB_IDENT_IFACES_TEXT_MAX])
{
    size_t at = 0;

    buf[at++] = ':';
    buf[at] = '\0';
    for (unsigned i = 0; i < l->n && i < USB_IDENT_IFACES; i++)
        at += (size_t)snprintf(buf + at, USB_IDENT_IFACES_TEXT_MAX - at,
                               "%02x%02x%02x:", l->code[i].cls, l->code[i].sub,
                               l->code[i].proto);
    return at;
}

int usb_ifaces_parse(struct text t, struct usb_ifaces *ret)
{
    struct usb_ifaces out = {0};
    struct usb_iface c;

    if (t.len == 0 || t.p[0] != ':' || (t.len - 1) % 7 != 0)
        return -EBADMSG;
    for (size_t at = 1; at < t.len; at += 7) {
        const char *p = t.p + at;

        if (hex_byte(p, &c.cls) < 0 || hex_byte(p + 2, &c.sub) < 0 ||
            hex_byte(p + 4, &c.proto) < 0 || p[6] != ':')
            return -EBADMSG;
        if (has_code(&out, c))
            return -EBADMSG;
        if (usb_ifaces_add(&out, c) < 0)
            return -ENOBUFS;
    }
    *ret = out;
    return 0;
}

int usb_ident_parse_version(struct text t, uint8_t *ret)
{
    if (t.len != 1 || t.p[0] < '0' || t.p[0] > '9')
        return -EBADMSG;
    *ret = (uint8_t)(t.p[0] - '0');
    return 0;
}
