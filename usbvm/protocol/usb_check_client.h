/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PDU firewall on the side of the qube's kernel: CMD_* of vhci are checked
 * lightly and remembered, every RET_* of the USBVM is checked against the
 * request it answers and written anew from it. pure: a state machine over
 * bytes. Fed by the USBVM (hostile) and by the own kernel (trusted not to
 * be hostile, still checked). Rules: docs/protocol-usb.md, "PDU rules". The
 * kernel's vhci trusts most fields of an answer: this is what it is spared.
 *
 * The importing process, for vhci's socket: head (usbip_frame),
 * usb_client_cmd_head(), body, usb_client_cmd(), queue on the channel it
 * names. For each vchan: head, usb_client_ret_head(), body into memory of
 * its own, usb_client_ret(), write head, payload and descriptors to vhci. */
#ifndef SQ_USBVM_PROTOCOL_USB_CHECK_CLIENT_H
#define SQ_USBVM_PROTOCOL_USB_CHECK_CLIENT_H

#include "usbvm/protocol/usb_check.h"
#include "usbvm/protocol/usb_snapshot.h"

struct usb_client;

struct usb_client_config {
    uint32_t devid; /* what vhci was told at attach */
    struct usb_quota quota[USB_CHANNELS];
};

/** @param snapshot  borrowed, must outlive it; tells types of endpoints and
 *                   follows the acts that the server reports as done
 *  @return NULL no memory or a quota out of range */
struct usb_client *usb_client_new(const struct usb_client_config *config,
                                  struct usb_snapshot *snapshot);
/** NULL is taken. */
void usb_client_free(struct usb_client *c);

/** Look at a complete head from vhci before its body is read.
 *  @param ret_channel  PASS and WAIT: the channel it will go on
 *  @return PASS, WAIT, CLOSE */
enum usb_verdict usb_client_cmd_head(struct usb_client *c,
                                     const uint8_t head[USBIP_HEADER_BYTES],
                                     struct usbip_body *ret_body,
                                     enum usb_channel *ret_channel);

/** Check the whole PDU and remember the request.
 *  @param head       PASS: mended in place (padding, flags), to be sent
 *  @param ret_reply  ANSWER: to be written to vhci (no such endpoint,
 *                    unlink of a request that is not in flight)
 *  @return PASS, ANSWER, DROP (an unlink that came before its
 *  victim: both are answered when that comes), CLOSE */
enum usb_verdict usb_client_cmd(struct usb_client *c,
                                uint8_t head[USBIP_HEADER_BYTES],
                                struct cur descs, enum usb_channel *ret_channel,
                                struct usb_replies *ret_reply);

/** As usb_server_unstick(), for vhci's socket. */
void usb_client_unstick(struct usb_client *c);

/** Look at a complete head from the USBVM before its body is read.
 *  @return PASS (read the body: also of an answer that will be dropped),
 *  CLOSE */
enum usb_verdict usb_client_ret_head(struct usb_client *c,
                                     enum usb_channel channel,
                                     const uint8_t head[USBIP_HEADER_BYTES],
                                     struct usbip_body *ret_body);

/** Check the whole answer and write it anew from the request's own values.
 *  What the snapshot can answer (descriptors, GET_CONFIGURATION,
 *  GET_INTERFACE) is taken from it, whatever the USBVM sent.
 *  @param head     as passed to usb_client_ret_head()
 *  @param payload  body.payload bytes
 *  @param descs    packet descriptors, body.packets of them, rebuilt in
 *                  place
 *  @param ret      PASS: to be written to vhci; borrows @p payload, or the
 *                  snapshot's memory, and @p descs
 *  @return PASS, DROP, CLOSE */
enum usb_verdict usb_client_ret(struct usb_client *c, enum usb_channel channel,
                                const uint8_t head[USBIP_HEADER_BYTES],
                                const uint8_t *payload, uint8_t *descs,
                                struct usb_reply *ret);

/** Requests in flight of a channel. */
uint32_t usb_client_flight(const struct usb_client *c, enum usb_channel ch);
/** The reason of the last verdict that was not plain. */
enum usb_reason usb_client_reason(const struct usb_client *c);
/** USB_REASON_COUNT counters, borrowed. */
const uint64_t *usb_client_counts(const struct usb_client *c);

#endif
