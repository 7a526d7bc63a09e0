/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules for one CMD_* by itself, which both ends apply, and the making
 * of answers. pure. Fed by the qube (hostile) in the USBVM, by the own
 * kernel in the user qube. Rules: docs/protocol-usb.md, "Requests". */
#ifndef SQ_USBVM_PROTOCOL_USB_CMD_H
#define SQ_USBVM_PROTOCOL_USB_CMD_H

#include "usbvm/protocol/usb_check.h"
#include "usbvm/protocol/usb_flight.h"
#include "usbvm/protocol/usb_snapshot.h"

struct usb_cmd {
    struct usbip_pdu pdu;
    struct usbip_body body;
    uint8_t address;         /* SUBMIT: endpoint with direction bit */
    bool known;              /* SUBMIT: that endpoint is open */
    const struct usb_ep *ep; /* of it; NULL for endpoint 0 */
    enum usb_xfer type;      /* of it; CONTROL when unknown */
    uint32_t packets;        /* SUBMIT: packet descriptors, 0 for -1 */
};

/** Read a head and check what framing needs: command, devid, direction,
 *  endpoint number, and that lengths are within what the wire can carry.
 *  Looks the endpoint up.
 *  @param ret  written on NONE only
 *  @return NONE, or the rule that is broken: nothing that follows on the
 *  stream has a meaning then */
enum usb_reason usb_cmd_frame(const uint8_t head[USBIP_HEADER_BYTES],
                              uint32_t devid, const struct usb_snapshot *s,
                              struct usb_cmd *ret);

/** The rules for a CMD_SUBMIT to an endpoint that is there, without its
 *  packets. @return NONE or the rule that is broken */
enum usb_reason usb_cmd_rules(const struct usb_cmd *c);

/** Read the packet descriptors of an isochronous CMD_SUBMIT and check them.
 *  @param ret  @p c->packets of them; on NONE statuses are zero
 *  @return NONE or the rule that is broken */
enum usb_reason usb_cmd_iso(const struct usb_cmd *c, struct cur descs,
                            struct usbip_iso *ret);

/** Flags of a request that mean something for it. */
uint32_t usb_cmd_flags(const struct usb_cmd *c);

/** Write a RET_SUBMIT without payload and descriptors. */
void usb_reply_submit(struct usb_reply *r, enum usb_channel channel,
                      uint32_t seqnum, const struct usbip_done *done);
/** Write a RET_UNLINK. */
void usb_reply_unlink(struct usb_reply *r, enum usb_channel channel,
                      uint32_t seqnum, int32_t status);
/** Write the answer to a request that was not carried out: as many packets
 *  as it had, none of which moved anything.
 *  @param descs    what followed its head, body.packets descriptors
 *  @param scratch  USBIP_ISO_BYTES_MAX bytes, lent to the reply */
void usb_reply_failed(struct usb_reply *r, enum usb_channel channel,
                      const struct usb_cmd *c, struct cur descs, int32_t status,
                      uint8_t *scratch);

#endif
