/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One end of a byte stream that carries PDUs: a vchan or a stream socket
 * (vhci's), with an assembler for what comes in and a queue for what goes
 * out. effect. Whatever comes in is untrusted: it is only cut into header
 * and rest here; the owner's callbacks judge it. A PDU is whole before the
 * owner sees it, and all PDUs of one turn leave in one gathered write. */
#ifndef SQ_USBVM_LINK_USB_END_H
#define SQ_USBVM_LINK_USB_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "lib/loop.h"
#include "usbvm/protocol/usbip_pdu.h"
#include "vchan/vchan.h"

#define USB_END_STAGE 16384u /* read at once; large rests bypass it */
#define USB_END_ITEM_IOV 3u
#define USB_END_TURN 128 /* steps in one turn of the loop: heads and rests */

/** Something to send. Lives in the owner's struct; may not be moved or freed
 *  between usb_end_push() and its sent(). */
struct usb_end_item {
    STAILQ_ENTRY(usb_end_item) next;
    struct iovec iov[USB_END_ITEM_IOV]; /* used up as it is sent */
    unsigned n;
    void (*sent)(struct usb_end_item *item, void *arg);
    void *owner; /* for sent() */
};

struct usb_end;

/** Memory of the owner for what follows a head. */
struct usb_end_body {
    uint8_t *payload;
    size_t payload_len;
    uint8_t *descs;
    size_t descs_len;
};

/** How the owner takes what comes in. A return < 0 other than -EAGAIN ends
 *  the connection: closed() is called with it. */
struct usb_end_ops {
    /** A head is there. Say where what follows it goes.
     *  @return 0; -EAGAIN not now: it is asked again after
     *  usb_end_resume(); else < 0 */
    int (*head)(const uint8_t untrusted_head[USBIP_HEADER_BYTES],
                struct usb_end_body *ret, void *arg);
    /** All that follows the head is where head() wanted it. @p head may be
     *  changed in place. */
    int (*whole)(uint8_t untrusted_head[USBIP_HEADER_BYTES], void *arg);
    /** A turn is over in which something came: send what it queued
     *  elsewhere. May be NULL. */
    void (*turn)(void *arg);
    /** The peer of a vchan has come; may be NULL. */
    void (*connected)(void *arg);
    /** Nothing more can be sent or read: @p err as vchan_read() has it. */
    void (*closed)(int err, void *arg);
};

/** Take over one end.
 *  @param v    the vchan, or NULL
 *  @param fd   without a vchan: a non-blocking stream socket
 *  @param ops  borrowed, lives as long as the end
 *  @param ret  freed by usb_end_free(), which closes vchan or socket
 *  @return 0; -ENOMEM; -EINVAL. On failure @p v and @p fd stay the caller's */
int usb_end_new(struct loop *loop, struct vchan *v, int fd,
                const struct usb_end_ops *ops, void *arg, struct usb_end **ret);
/** Items that are queued get no sent(). */
void usb_end_free(struct usb_end *e);

/** Queue @p item; it leaves with usb_end_flush(). */
void usb_end_push(struct usb_end *e, struct usb_end_item *item);
/** Send what is queued, as far as it goes; the rest when there is room.
 *  A failure is told by ops->closed(), later, from the loop. */
void usb_end_flush(struct usb_end *e);

/** Take up reading again after head() said -EAGAIN. May call back. */
void usb_end_resume(struct usb_end *e);

/** The vchan is connected, or it is a socket that is still open. */
bool usb_end_connected(const struct usb_end *e);
/** Bytes still queued to be sent. */
size_t usb_end_queued(const struct usb_end *e);

#endif
