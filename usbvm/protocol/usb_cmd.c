/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules for one CMD_*, and answers. pure. Fed by the qube (hostile); see
 * usb_cmd.h. */
#include "usbvm/protocol/usb_cmd.h"

#include <string.h>

#include "lib/err.h"

#define EP_NUMBER_MAX 15
#define ADDRESS_IN 0x80

static enum usb_reason frame_unlink(const struct usb_cmd *c)
{
    if (c->pdu.direction != 0)
        return USB_REASON_DIRECTION;
    return c->pdu.ep == 0 ? USB_REASON_NONE : USB_REASON_EP_NUMBER;
}

static enum usb_reason frame_submit(struct usb_cmd *c,
                                    const struct usb_snapshot *s)
{
    const struct usbip_submit *q = &c->pdu.submit;

    if (c->pdu.direction > USBIP_DIR_IN)
        return USB_REASON_DIRECTION;
    if (c->pdu.ep > EP_NUMBER_MAX)
        return USB_REASON_EP_NUMBER;
    if (q->packets < -1 || q->packets > USBIP_ISO_PACKETS_MAX)
        return USB_REASON_PACKETS;
    c->packets = q->packets > 0 ? (uint32_t)q->packets : 0;
    c->body.packets = c->packets;
    /* Nothing of an IN buffer follows: how long it may be, the rules say. */
    if (q->length < 0 ||
        (c->pdu.direction == USBIP_DIR_OUT &&
         usbip_cmd_body(&c->pdu, &c->body) < 0))
        return USB_REASON_LENGTH;
    c->address = (uint8_t)c->pdu.ep;
    if (c->pdu.direction == USBIP_DIR_IN)
        c->address |= ADDRESS_IN;
    c->known = c->pdu.ep == 0;
    if (c->known)
        return USB_REASON_NONE;
    c->ep = usb_snapshot_ep(s, c->address);
    c->known = c->ep;
    if (c->ep)
        c->type = (enum usb_xfer)c->ep->type;
    return USB_REASON_NONE;
}

enum usb_reason usb_cmd_frame(const uint8_t head[USBIP_HEADER_BYTES],
                              uint32_t devid, const struct usb_snapshot *s,
                              struct usb_cmd *ret)
{
    struct usb_cmd c = {.type = USB_XFER_CONTROL};
    struct cur in = cur_of(head, USBIP_HEADER_BYTES);

    if (usbip_pdu_decode(&in, USBIP_FROM_CLIENT, &c.pdu) < 0)
        return USB_REASON_COMMAND;
    if (c.pdu.devid != devid)
        return USB_REASON_DEVID;
    enum usb_reason r = c.pdu.command == USBIP_CMD_UNLINK ? frame_unlink(&c)
                                                          : frame_submit(&c, s);
    if (r == USB_REASON_NONE)
        *ret = c;
    return r;
}

static enum usb_reason control_rules(const struct usb_cmd *c)
{
    const uint8_t *setup = c->pdu.submit.setup;
    uint32_t want = (uint32_t)(setup[6] | setup[7] << 8); /* wLength */
    bool in = setup[0] & ADDRESS_IN;

    if ((uint32_t)c->pdu.submit.length != want)
        return USB_REASON_SETUP_LENGTH;
    if (want > 0 && in != (c->pdu.direction == USBIP_DIR_IN))
        return USB_REASON_SETUP_DIRECTION;
    return USB_REASON_NONE;
}

enum usb_reason usb_cmd_rules(const struct usb_cmd *c)
{
    static const uint8_t NO_SETUP[8];
    const struct usbip_submit *q = &c->pdu.submit;

    if ((uint32_t)q->length > usb_xfer_max(c->type))
        return USB_REASON_LENGTH;
    if (c->type == USB_XFER_ISO ? q->packets < 0 : q->packets > 0)
        return USB_REASON_PACKETS;
    if (c->type == USB_XFER_CONTROL)
        return control_rules(c);
    return memcmp(q->setup, NO_SETUP, sizeof(NO_SETUP)) == 0
               ? USB_REASON_NONE
               : USB_REASON_SETUP_STRAY;
}

enum usb_reason usb_cmd_iso(const struct usb_cmd *c, struct cur descs,
                            struct usbip_iso *ret)
{
    uint64_t end = 0; /* of the packet before */

    if (usbip_iso_decode(&descs, c->packets, ret) < 0)
        return USB_REASON_PACKETS;
    for (uint32_t i = 0; i < c->packets; i++) {
        struct usbip_iso *p = &ret[i];
        if (p->actual != 0)
            return USB_REASON_ISO_ACTUAL;
        if (p->offset < end)
            return USB_REASON_ISO_OVERLAP;
        if (p->length > c->ep->service)
            return USB_REASON_ISO_LENGTH;
        end = (uint64_t)p->offset + p->length;
        if (end > (uint32_t)c->pdu.submit.length)
            return USB_REASON_ISO_RANGE;
        p->status = 0;
    }
    return USB_REASON_NONE;
}

uint32_t usb_cmd_flags(const struct usb_cmd *c)
{
    uint32_t keep = USBIP_URB_NO_INTERRUPT;

    if (c->pdu.direction == USBIP_DIR_IN && c->type != USB_XFER_ISO)
        keep |= USBIP_URB_SHORT_NOT_OK;
    if (c->pdu.direction == USBIP_DIR_OUT && c->type == USB_XFER_BULK)
        keep |= USBIP_URB_ZERO_PACKET;
    if (c->type == USB_XFER_ISO)
        keep |= USBIP_URB_ISO_ASAP;
    return c->pdu.submit.flags & keep;
}

void usb_reply_submit(struct usb_reply *r, enum usb_channel channel,
                      uint32_t seqnum, const struct usbip_done *done)
{
    const struct usbip_pdu pdu = {
        .command = USBIP_RET_SUBMIT,
        .seqnum = seqnum,
        .done = *done,
    };

    *r = (struct usb_reply){.channel = channel};
    usbip_pdu_encode(&pdu, r->head);
}

void usb_reply_unlink(struct usb_reply *r, enum usb_channel channel,
                      uint32_t seqnum, int32_t status)
{
    const struct usbip_pdu pdu = {
        .command = USBIP_RET_UNLINK,
        .seqnum = seqnum,
        .status = status,
    };

    *r = (struct usb_reply){.channel = channel};
    usbip_pdu_encode(&pdu, r->head);
}

void usb_reply_failed(struct usb_reply *r, enum usb_channel channel,
                      const struct usb_cmd *c, struct cur descs, int32_t status,
                      uint8_t *scratch)
{
    const struct usbip_done done = {
        .status = status,
        .packets = (int32_t)c->packets,
        .errors = (int32_t)c->packets,
    };
    struct wbuf w = wbuf_of(scratch, USBIP_ISO_BYTES_MAX);
    struct usbip_iso p;

    usb_reply_submit(r, channel, c->pdu.seqnum, &done);
    for (uint32_t i = 0; i < c->packets; i++) {
        if (usbip_iso_decode(&descs, 1, &p) < 0)
            break;
        p.actual = 0;
        p.status = status;
        usbip_iso_encode(&p, 1, scratch + w.len);
        w.len += USBIP_ISO_DESC_BYTES;
    }
    r->descs = scratch;
    r->descs_len = (uint32_t)w.len;
}
