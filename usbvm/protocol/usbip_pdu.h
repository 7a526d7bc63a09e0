/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codec of the four USB/IP request PDUs and of the isochronous packet
 * descriptors, and the framing that assembles a PDU whole. pure. Fed by the
 * qube's vhci, by the USBVM and by the peer of a vchan (all hostile).
 * Rule: kernel document "USB/IP protocol"; big endian, headers of 48 bytes.
 * Knows lengths and directions only: whether a PDU is allowed is decided by
 * usb_check_server.h and usb_check_client.h. */
#ifndef SQ_USBVM_PROTOCOL_USBIP_PDU_H
#define SQ_USBVM_PROTOCOL_USBIP_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define USBIP_HEADER_BYTES 48   /* 20 common and 28 of the kind */
#define USBIP_ISO_DESC_BYTES 16 /* offset, length, actual, status */
/* Kernel drivers/usb/usbip: USBIP_MAX_ISO_PACKETS. */
#define USBIP_ISO_PACKETS_MAX 1024
#define USBIP_ISO_BYTES_MAX (USBIP_ISO_PACKETS_MAX * USBIP_ISO_DESC_BYTES)

/* Longest transfer buffer of each type. Control: wLength has 16 bits.
 * Interrupt: one service interval moves at most 48 KiB (USB 3.2, 9.6.7).
 * Bulk: usb-storage asks for 1 MiB at most, usbfs users for more. Iso: 1024
 * packets of 3 KiB, the most that USB 2.0 moves in each microframe. */
#define USBIP_CONTROL_MAX 65535
#define USBIP_INTERRUPT_MAX 65536
#define USBIP_BULK_MAX (4u << 20)
#define USBIP_ISO_MAX (3u << 20)
/* The largest of them: what framing alone lets through. */
#define USBIP_TRANSFER_MAX USBIP_BULK_MAX
#define USBIP_PDU_MAX                                                          \
    (USBIP_HEADER_BYTES + USBIP_TRANSFER_MAX + USBIP_ISO_BYTES_MAX)

enum usbip_command {
    USBIP_CMD_SUBMIT = 1,
    USBIP_CMD_UNLINK = 2,
    USBIP_RET_SUBMIT = 3,
    USBIP_RET_UNLINK = 4,
};

/* Who may send a PDU: the client has the vhci, the server the device. */
enum usbip_from { USBIP_FROM_CLIENT, USBIP_FROM_SERVER };

#define USBIP_DIR_OUT 0
#define USBIP_DIR_IN 1

/* transfer_flags that mean something to a server (UAPI USBIP_URB_*); all
 * others are local to the client's kernel and are dropped. */
#define USBIP_URB_SHORT_NOT_OK 0x001u
#define USBIP_URB_ISO_ASAP 0x002u
#define USBIP_URB_ZERO_PACKET 0x040u
#define USBIP_URB_NO_INTERRUPT 0x080u
#define USBIP_URB_DIR_IN 0x200u

struct usbip_submit {
    uint32_t flags;
    int32_t length; /* transfer_buffer_length in bytes */
    int32_t start_frame;
    int32_t packets; /* -1 or 0: no packet descriptors follow */
    int32_t interval;
    uint8_t setup[8];
};

struct usbip_done {
    int32_t status; /* 0 or -errno */
    int32_t actual; /* bytes that moved, IN and OUT */
    int32_t start_frame;
    int32_t packets;
    int32_t errors; /* packets in error */
};

/* One header. Which member of the union is used says command. */
struct usbip_pdu {
    uint32_t command; /* enum usbip_command */
    uint32_t seqnum;
    uint32_t devid;
    uint32_t direction; /* USBIP_DIR_*; 0 in answers and unlinks */
    uint32_t ep;        /* number without direction bit */
    union {
        struct usbip_submit submit; /* CMD_SUBMIT */
        struct usbip_done done;     /* RET_SUBMIT */
        uint32_t victim;            /* CMD_UNLINK: seqnum to be ended */
        int32_t status;             /* RET_UNLINK */
    };
    bool padded; /* decode: padding was not zero; encode ignores it */
};

struct usbip_iso {
    uint32_t offset; /* into the transfer buffer */
    uint32_t length;
    uint32_t actual;
    int32_t status;
};

/* What follows a header: the bytes of the buffer, then the descriptors. */
struct usbip_body {
    uint32_t payload; /* bytes, 0..USBIP_TRANSFER_MAX */
    uint32_t packets; /* 0..USBIP_ISO_PACKETS_MAX */
};

/** Read one header.
 *  @param in    cursor over untrusted bytes, moved past the header on
 *               success only
 *  @param from  the side these bytes came from
 *  @param ret   written on success only; fields are as on the wire, any
 *               value is possible
 *  @return 0; -EAGAIN fewer than 48 bytes; -EBADMSG a command that is
 *  unknown or not this side's */
int usbip_pdu_decode(struct cur *in, enum usbip_from from,
                     struct usbip_pdu *ret);

/** Write one header, padding zero. @p pdu has a known command. */
void usbip_pdu_encode(const struct usbip_pdu *pdu,
                      uint8_t ret[USBIP_HEADER_BYTES]);

/** Read @p n packet descriptors. @return 0; -EAGAIN fewer bytes: what
 *  @p ret holds is then undefined */
int usbip_iso_decode(struct cur *in, size_t n, struct usbip_iso *ret);
/** Write @p n packet descriptors to n * USBIP_ISO_DESC_BYTES at @p ret. */
void usbip_iso_encode(const struct usbip_iso *iso, size_t n, uint8_t *ret);

/** What follows a CMD_* header, by the header alone.
 *  @return 0; -EBADMSG a length below 0 or over USBIP_TRANSFER_MAX, packets
 *  outside -1..USBIP_ISO_PACKETS_MAX, direction not 0 or 1 */
int usbip_cmd_body(const struct usbip_pdu *pdu, struct usbip_body *ret);

/** What follows a RET_* header. A RET_SUBMIT does not say what it is the
 *  answer of, so the request's own table must.
 *  @param direction  direction of the request
 *  @param length     transfer buffer of the request in bytes
 *  @param packets    packet descriptors the request had
 *  @return 0; -EBADMSG actual below 0 or over @p length, packets differ
 *  (a request with 0 takes 0 and -1) */
int usbip_ret_body(const struct usbip_pdu *pdu, uint32_t direction,
                   uint32_t length, uint32_t packets, struct usbip_body *ret);

/** @return "CMD_SUBMIT" and so on; "?" for an unknown command */
const char *usbip_command_name(uint32_t command);

/* Assembles PDUs one after the other without doing any input itself: it
 * says how many bytes it wants and where; the caller reads at most that many
 * there and reports them. Start with {0}. */
struct usbip_frame {
    uint8_t head[USBIP_HEADER_BYTES];
    uint8_t *part[2]; /* caller's memory for payload and descriptors */
    size_t len[2];
    size_t have;   /* bytes of the current stage */
    uint8_t stage; /* 0 head, 1 and 2 the parts, 3 whole */
    bool stopped;  /* head complete, waits for usbip_frame_body() */
};

enum usbip_framed {
    USBIP_FRAME_MORE,  /* call usbip_frame_want() again */
    USBIP_FRAME_HEAD,  /* f->head is complete: decide, then give memory */
    USBIP_FRAME_WHOLE, /* the PDU is complete; usbip_frame_next() goes on */
};

/** How many bytes are wanted now.
 *  @param ret_into  where they belong; unchanged when the result is 0
 *  @return 0 while the caller has to act (HEAD or WHOLE) */
size_t usbip_frame_want(struct usbip_frame *f, uint8_t **ret_into);
/** @p n bytes, at most what was wanted, have been put there.
 *  @return what to do next */
enum usbip_framed usbip_frame_got(struct usbip_frame *f, size_t n);
/** Give the memory that follows the head; both parts may be empty. The
 *  memory stays the caller's and must live until WHOLE.
 *  @return MORE or, when nothing follows, WHOLE */
enum usbip_framed usbip_frame_body(struct usbip_frame *f, uint8_t *payload,
                                   size_t payload_len, uint8_t *descs,
                                   size_t descs_len);
/** Forget the whole PDU and begin with the next head. */
void usbip_frame_next(struct usbip_frame *f);

#endif
