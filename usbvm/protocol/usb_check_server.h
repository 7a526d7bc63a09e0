/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PDU firewall on the side of the device: every CMD_* of the qube is checked
 * against the snapshot and the requests in flight, and every ended request
 * becomes its answers. pure: a state machine over bytes. Fed by the qube
 * (hostile) and, through the exporting process, by the device (hostile).
 * Rules: docs/protocol-usb.md, "PDU rules".
 *
 * The exporting process, for each channel: assemble a head (usbip_frame),
 * usb_server_head(), read the body it names, usb_server_pdu(), do what the
 * act says; when the act ends, usb_server_done(), send the replies, then
 * usb_server_due() until it has nothing. Requests on endpoint 0 are begun
 * one at a time, in order: what is answered without the device must not
 * overtake what the device still thinks about. */
#ifndef SQ_USBVM_PROTOCOL_USB_CHECK_SERVER_H
#define SQ_USBVM_PROTOCOL_USB_CHECK_SERVER_H

#include "usbvm/protocol/usb_check.h"
#include "usbvm/protocol/usb_snapshot.h"

struct usb_server;

struct usb_server_config {
    uint32_t devid; /* every CMD_* must carry it */
    struct usb_quota quota[USB_CHANNELS];
    struct usb_policy policy;
};

enum usb_act_kind {
    USB_ACT_TRANSFER,
    USB_ACT_CLEAR_HALT,        /* ep */
    USB_ACT_SET_INTERFACE,     /* interface, alt */
    USB_ACT_SET_CONFIGURATION, /* configuration */
    USB_ACT_RESET,             /* device reset: it keeps its configuration, all
                                * alternate settings become 0 */
    USB_ACT_CANCEL,            /* end the request @p seqnum with @p arg */
};

struct usb_act {
    enum usb_act_kind kind;
    uint32_t seqnum; /* for usb_server_done(); CANCEL: of the victim */
    void *arg;       /* CANCEL: what usb_server_bind() gave the victim; after
                      * usb_server_due(): gave this request */
    bool begun;      /* CANCEL: the victim's act was given out. If not, it
                      * is the caller's to end with usb_server_done() now */
    /* TRANSFER */
    enum usb_xfer type;
    uint8_t ep;      /* address with direction bit; 0 and 0x80 control */
    uint32_t length; /* bytes of the buffer */
    uint32_t flags;  /* USBIP_URB_*, only those that make sense for it */
    uint8_t setup[8];
    uint32_t packets;            /* ISO */
    const struct usbip_iso *iso; /* ISO: the request's, until it ends */
    /* the others */
    uint8_t interface, alt, configuration;
};

/** @param snapshot  borrowed, must outlive it; its state is changed when
 *                   acts succeed
 *  @return NULL no memory or a quota out of range */
struct usb_server *usb_server_new(const struct usb_server_config *config,
                                  struct usb_snapshot *snapshot);
/** Frees it. Requests still in flight are forgotten. NULL is taken. */
void usb_server_free(struct usb_server *s);

/** Look at a complete head before its body is read: framing, limits, quota.
 *  Asking again with the same head is allowed after WAIT.
 *  @param head      48 bytes in memory of our own
 *  @param ret_body  PASS: what to read next (both may be 0)
 *  @return PASS, WAIT (over the channel's quota), CLOSE */
enum usb_verdict usb_server_head(struct usb_server *s, enum usb_channel channel,
                                 const uint8_t head[USBIP_HEADER_BYTES],
                                 struct usbip_body *ret_body);

/** Check the whole PDU whose head was passed last on this channel.
 *  @param head   the same bytes
 *  @param descs  the packet descriptors, body.packets of them
 *  @param now_ms monotonic clock
 *  @param ret_act    PASS: what to do
 *  @param ret_reply  ANSWER: one PDU to be sent; its payload is borrowed
 *                    from the snapshot, until that ends
 *  @return PASS, ANSWER (send, forget the payload), KEEP (payload and all:
 *  usb_server_bind() it), CLOSE */
enum usb_verdict usb_server_pdu(struct usb_server *s, enum usb_channel channel,
                                const uint8_t head[USBIP_HEADER_BYTES],
                                struct cur descs, uint64_t now_ms,
                                struct usb_act *ret_act,
                                struct usb_replies *ret_reply);

/** The next request of endpoint 0 whose turn has come. Ask after every
 *  usb_server_done(), until DROP.
 *  @param ret_act  PASS and ANSWER: arg is what usb_server_bind() gave it
 *  @return PASS, ANSWER, as usb_server_pdu(); DROP none */
enum usb_verdict usb_server_due(struct usb_server *s, uint64_t now_ms,
                                struct usb_act *ret_act,
                                struct usb_replies *ret_reply);

/** The head has been waiting for quota too long and the requests in flight
 *  do not move: it is let in, to be answered with -EPROTO (reason stuck), so
 *  that the unlinks behind it can come. Call usb_server_head() again, which
 *  now passes, then usb_server_pdu(), which answers. */
void usb_server_unstick(struct usb_server *s, enum usb_channel channel);

/** Remember the process's own handle of a request in flight. @return 0;
 *  -ENOENT */
int usb_server_bind(struct usb_server *s, uint32_t seqnum, void *arg);

struct usb_server_end {
    uint32_t seqnum;
    int32_t status;  /* 0 or -errno of the transfer or act; one that is not
                      * known becomes -EPROTO */
    uint32_t actual; /* bytes that moved; more than asked is cut */
    bool cancelled;  /* ended by our own cancel and nothing else */
    /* IN: where the data lies; iso: packed without gaps. Borrowed until the
     * replies are sent. */
    const uint8_t *data;
    /* ISO: actual and status of each packet of the act; offset and length
     * are ignored. */
    const struct usbip_iso *iso;
    /* ISO: act.packets * USBIP_ISO_DESC_BYTES bytes to encode into; borrowed
     * until the replies are sent. */
    uint8_t *descs;
};

/** A request has ended: take it off the table and make its answers. With an
 *  unlink pending: RET_UNLINK(-ECONNRESET) alone when cancelled, else
 *  RET_SUBMIT and then RET_UNLINK(0). State of the snapshot follows acts
 *  that succeeded.
 *  @return 0; -ENOENT not in flight: nothing written */
int usb_server_done(struct usb_server *s, const struct usb_server_end *end,
                    struct usb_replies *ret);

/** Requests in flight of a channel. */
uint32_t usb_server_flight(const struct usb_server *s, enum usb_channel c);
/** The reason of the last verdict that was not plain; what CLOSE was for. */
enum usb_reason usb_server_reason(const struct usb_server *s);
/** USB_REASON_COUNT counters, borrowed. */
const uint64_t *usb_server_counts(const struct usb_server *s);

/** Pack an isochronous IN buffer: move each packet's @p iso[i].actual bytes
 *  to the front, one after the other.
 *  @param offset  where packet i begins in @p buf, ascending
 *  @return bytes in the front of @p buf */
uint32_t usb_server_pack(uint8_t *buf, const uint32_t *offset,
                         const struct usbip_iso *iso, uint32_t packets);

#endif
