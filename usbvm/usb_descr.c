/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw USB descriptors. pure. Fed by the device (hostile); see usb_descr.h.
 * Numbers: USB 2.0, tables 9-5, 9-8 and 9-12. */
#include "usbvm/usb_descr.h"

#include "lib/err.h"

#define TYPE_DEVICE 1
#define TYPE_INTERFACE 4
#define DEVICE_BYTES 18
#define INTERFACE_BYTES 9
#define HEADER_BYTES 2 /* bLength and bDescriptorType */

static int read_device(struct cur *in, struct usb_descr *out)
{
    const uint8_t *p;
    struct cur c;
    uint8_t len, type, skip;
    uint16_t version;

    if (cur_take(in, DEVICE_BYTES, &p) < 0)
        return -EBADMSG;
    c = cur_of(p, DEVICE_BYTES);
    if (cur_u8(&c, &len) < 0 || cur_u8(&c, &type) < 0 ||
        cur_u16le(&c, &version) < 0 || cur_u8(&c, &out->device_class) < 0 ||
        cur_u8(&c, &skip) < 0 || cur_u8(&c, &skip) < 0 ||
        cur_u8(&c, &skip) < 0 || cur_u16le(&c, &out->vendor_id) < 0 ||
        cur_u16le(&c, &out->product_id) < 0)
        return -EBADMSG;
    if (len != DEVICE_BYTES || type != TYPE_DEVICE)
        return -EBADMSG;
    out->version = (uint8_t)(version >> 8);
    if (out->version > 9)
        out->version = 9;
    return 0;
}

/* bInterfaceClass, SubClass and Protocol stand at 5, 6 and 7. */
static int read_interface(const uint8_t *p, size_t len, struct usb_ifaces *l)
{
    if (len < INTERFACE_BYTES)
        return -EBADMSG;
    return usb_ifaces_add(l, (struct usb_iface){p[5], p[6], p[7]});
}

/* One descriptor of any type: its length leads to the next one. */
static int read_next(struct cur *in, struct usb_ifaces *l)
{
    struct cur head = *in;
    const uint8_t *p;
    uint8_t len, type;

    if (cur_u8(&head, &len) < 0 || cur_u8(&head, &type) < 0)
        return -EBADMSG;
    if (len < HEADER_BYTES || cur_take(in, len, &p) < 0)
        return -EBADMSG;
    return type == TYPE_INTERFACE ? read_interface(p, len, l) : 0;
}

int usb_descr_parse(struct cur *in, struct usb_descr *ret)
{
    struct usb_descr out = {0};
    int r = read_device(in, &out);

    if (r < 0)
        return r;
    while (in->left > 0 && !out.odd)
        out.odd = read_next(in, &out.ifaces) < 0;
    *ret = out;
    return 0;
}
