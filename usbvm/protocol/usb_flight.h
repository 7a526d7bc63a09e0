/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests between a CMD_* and its RET_*, found by their seqnum, and rings
 * of those that have just ended. pure. Fed by: both checkers, which judge
 * before they ask. Memory is bounded by USB_FLIGHT_ENTRIES and the packet
 * descriptors that a channel's quota lets in. */
#ifndef SQ_USBVM_PROTOCOL_USB_FLIGHT_H
#define SQ_USBVM_PROTOCOL_USB_FLIGHT_H

#include "usbvm/protocol/usb_check.h"

/* Every request may have one unlink, which has a seqnum of its own. */
#define USB_FLIGHT_ENTRIES (2 * USB_FLIGHT_MAX)

enum usb_req_kind { USB_REQ_SUBMIT, USB_REQ_UNLINK };

struct usb_req {
    uint32_t seqnum;
    uint32_t other; /* SUBMIT: its pending unlink; UNLINK: its victim */
    enum usb_req_kind kind;
    enum usb_channel channel;
    bool unlinking; /* SUBMIT: @p other is set */
    bool begun;     /* control: it is its turn; others: always */
    bool in;
    uint8_t ep;  /* address with direction bit; 0 and 0x80 control */
    uint8_t act; /* enum usb_act_kind, for usb_server_done() */
    uint8_t interface, alt, configuration; /* of that act */
    enum usb_xfer type;
    uint32_t length;  /* transfer buffer in bytes */
    uint32_t flags;   /* USBIP_URB_* */
    uint32_t packets; /* of @p iso */
    uint8_t setup[8];
    struct usbip_iso *iso; /* owned; NULL with packets == 0 */
    void *arg;             /* the process's handle */
    uint16_t chain;        /* of the hash; private */
    uint16_t next;         /* in the queue of control requests; private */
};

struct usb_flight;

/** @return NULL no memory */
struct usb_flight *usb_flight_new(void);
/** Frees the requests in it, too. NULL is taken. */
void usb_flight_free(struct usb_flight *f);

/** @return the entry; NULL none */
struct usb_req *usb_flight_find(struct usb_flight *f, uint32_t seqnum);
/** Enter one whose seqnum is not in the table.
 *  @param packets  room for that many descriptors is made
 *  @return the entry, zero but for what was given; NULL full or no memory */
struct usb_req *usb_flight_add(struct usb_flight *f, uint32_t seqnum,
                               enum usb_req_kind kind, enum usb_channel channel,
                               uint32_t length, uint32_t packets);
/** Take it off the table and the queue, and free it. */
void usb_flight_remove(struct usb_flight *f, struct usb_req *q);

/** Control requests keep their order: put one to the end of the queue. */
void usb_flight_queue(struct usb_flight *f, struct usb_req *q);
/** The one whose turn it is. @return NULL none */
struct usb_req *usb_flight_turn(struct usb_flight *f);

/** Does a request fit into the channel's quota now? */
bool usb_flight_admits(const struct usb_flight *f, enum usb_channel channel,
                       const struct usb_quota *quota, uint32_t length,
                       uint32_t packets);
/** Requests of a channel, unlinks not counted. */
uint32_t usb_flight_count(const struct usb_flight *f, enum usb_channel channel);

/* What is remembered of a request that has ended. */
struct usb_ended {
    uint32_t seqnum;
    bool used;  /* there is one */
    bool taken; /* its unlink, or its late answer, has come */
    enum usb_channel channel;
    bool in, iso;
    uint32_t length, packets;
};
#define USB_ENDED_MAX 1024
struct usb_ring {
    size_t size, at;
    struct usb_ended e[USB_ENDED_MAX];
};

/** @param size  how many are remembered, 1..USB_ENDED_MAX */
void usb_ring_init(struct usb_ring *r, size_t size);
/** Remember @p q in place of the oldest. */
void usb_ring_add(struct usb_ring *r, const struct usb_req *q);
/** The latest with this seqnum. @return NULL none */
struct usb_ended *usb_ring_find(struct usb_ring *r, uint32_t seqnum);

#endif
