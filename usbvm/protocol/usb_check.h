/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words that both halves of the PDU firewall share: verdicts, reasons,
 * channels, quotas, policy. pure. Rule: docs/protocol-usb.md, "PDU rules";
 * each reason below is one row of the table there. */
#ifndef SQ_USBVM_PROTOCOL_USB_CHECK_H
#define SQ_USBVM_PROTOCOL_USB_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usbvm/protocol/usbip_pdu.h"

/* The two vchans of a device: port vport and vport + 1. Which one a
 * CMD_SUBMIT takes depends on the type of its endpoint alone; a CMD_UNLINK
 * takes that of its victim, an answer that of its request. So everything
 * about one request keeps its order. */
enum usb_channel {
    USB_CHANNEL_CONTROL, /* control and interrupt */
    USB_CHANNEL_BULK,    /* bulk and isochronous */
};
#define USB_CHANNELS 2

/* Transfer types, numbered as in bmAttributes of an endpoint. */
enum usb_xfer {
    USB_XFER_CONTROL,
    USB_XFER_ISO,
    USB_XFER_BULK,
    USB_XFER_INTERRUPT,
};

/** The channel of a transfer type. */
enum usb_channel usb_channel_of(enum usb_xfer type);
/** Longest transfer buffer of a type in bytes (USBIP_*_MAX). */
uint32_t usb_xfer_max(enum usb_xfer type);

enum usb_verdict {
    USB_PASS,   /* hand it on; the out parameter says how */
    USB_ANSWER, /* do not hand it on: send the answer back */
    USB_DROP,   /* nothing is to be sent anywhere */
    USB_KEEP,   /* not its turn yet: usb_server_due() brings it */
    USB_WAIT,   /* over a quota: read nothing more from this channel, ask
                 * again after an answer was sent or the time given */
    USB_CLOSE,  /* a rule is broken: end the connection with the reason */
};

/* Why a PDU was refused, mended or answered in place of the device.
 * X(name, text): the text is what `sysqube usb stats` shows. */
#define USB_REASONS(X)                                                         \
    X(NONE, "none")                                                            \
    /* both directions; CLOSE unless noted */                                  \
    X(COMMAND, "command")     /* unknown, or of the other side */              \
    X(PADDING, "padding")     /* not zero (mended) */                          \
    X(DEVID, "devid")         /* not the granted one; answers: not 0 */        \
    X(DIRECTION, "direction") /* not 0 or 1; not 0 where it must be */         \
    X(EP_NUMBER, "ep-number") /* over 15; not 0 where it must be */            \
    X(CHANNEL, "channel")     /* came on the wrong vchan */                    \
    /* CMD_SUBMIT */                                                           \
    X(SEQNUM, "seqnum")             /* in flight already */                    \
    X(NO_ENDPOINT, "no-endpoint")   /* answered -ENOENT */                     \
    X(LENGTH, "length")             /* below 0 or over the type's limit */     \
    X(SETUP_LENGTH, "setup-length") /* wLength is not the buffer's length */   \
    X(SETUP_DIRECTION, "setup-direction")                                      \
    X(SETUP_STRAY, "setup-stray") /* setup bytes on another endpoint */        \
    X(PACKETS, "packets")         /* count out of range or not iso */          \
    X(ISO_OVERLAP, "iso-overlap") /* offsets not ascending */                  \
    X(ISO_RANGE, "iso-range")     /* packet leaves the buffer */               \
    X(ISO_LENGTH, "iso-length")   /* packet over the endpoint's payload */     \
    X(ISO_ACTUAL, "iso-actual")   /* actual_length not 0 in a request */       \
    X(STUCK, "stuck")             /* over quota too long: -EPROTO */           \
    /* CMD_UNLINK */                                                           \
    X(UNLINK_VICTIM, "unlink-victim") /* neither in flight nor just ended */   \
    X(UNLINK_TWICE, "unlink-twice")                                            \
    /* ep0, answered -EPIPE as a device stalls */                              \
    X(SET_ADDRESS, "set-address")                                              \
    X(SET_DESCRIPTOR, "set-descriptor")                                        \
    X(HUB_REQUEST, "hub-request")                                              \
    X(TEST_MODE, "test-mode")                                                  \
    X(FEATURE, "feature")             /* unknown one, or no such endpoint */   \
    X(CONFIGURATION, "configuration") /* value not in the snapshot */          \
    X(INTERFACE, "interface")         /* refused or not in the snapshot */     \
    X(DESCRIPTOR, "descriptor")       /* not in the snapshot */                \
    X(STANDARD, "standard")           /* unknown standard request */           \
    X(VENDOR, "vendor")                                                        \
    X(DFU, "dfu")                                                              \
    X(SET_REPORT, "set-report")                                                \
    X(RESET_RATE, "reset-rate")                                                \
    /* RET_SUBMIT */                                                           \
    X(RET_SEQNUM, "ret-seqnum")       /* nothing in flight under it */         \
    X(RET_LATE, "ret-late")           /* victim is dead (dropped) */           \
    X(RET_STATUS, "ret-status")       /* above 0; unknown ones mended */       \
    X(RET_CANCELLED, "ret-cancelled") /* without an unlink (mended) */         \
    X(RET_LENGTH, "ret-length")       /* below 0 or over what was asked */     \
    X(RET_PACKETS, "ret-packets")     /* not the request's count */            \
    X(RET_FIELD, "ret-field")         /* field without meaning set (mended) */ \
    X(RET_ISO_LAYOUT, "ret-iso-layout") /* not the request's (mended) */       \
    X(RET_ISO_ACTUAL, "ret-iso-actual") /* packet longer than asked */         \
    X(RET_ISO_SUM, "ret-iso-sum")       /* packets do not add up */            \
    X(RET_ISO_STATUS, "ret-iso-status") /* unknown (mended) */                 \
    /* RET_UNLINK */                                                           \
    X(RET_UNLINK, "ret-unlink")             /* no such unlink is pending */    \
    X(RET_UNLINK_EARLY, "ret-unlink-early") /* 0 before RET_SUBMIT (mended) */

#define USB_REASON_ENUM(name, text) USB_REASON_##name,
enum usb_reason { USB_REASONS(USB_REASON_ENUM) USB_REASON_COUNT };
#undef USB_REASON_ENUM

/** @return the text of the table above; never NULL */
const char *usb_reason_name(enum usb_reason r);

/** A status may stand in a RET_SUBMIT: 0 or one of the negative errno
 *  values host controllers report (kernel document "USB error codes"). */
bool usb_status_known(int32_t status);

/* Bounds of one channel. A request is admitted when it is the only one or
 * stays within both. Its bytes are its buffer and its descriptors. */
struct usb_quota {
    uint32_t requests; /* 1..USB_FLIGHT_MAX */
    uint32_t bytes;
};
/* Requests of both channels together that either side can hold. */
#define USB_FLIGHT_MAX 512
/* 128 URBs of control and interrupt; 256 of bulk and isochronous, which
 * four requests of 4 MiB fill. */
#define USB_QUOTA_DEFAULT                                                      \
    {                                                                          \
        {.requests = 128, .bytes = 1u << 20},                                  \
            {.requests = 256, .bytes = 16u << 20},                             \
    }

/* What ep0 requests beyond the standard ones may do. */
struct usb_policy {
    bool vendor;     /* vendor and class requests to the whole device */
    bool dfu;        /* class requests to DFU interfaces (fe/01) */
    bool set_report; /* HID SET_REPORT */
};
/* Vendor requests to the whole device are left out by the exporting process
 * when not all interfaces are granted: they could reach the others. */
#define USB_POLICY_DEFAULT                                                     \
    {                                                                          \
        .vendor = true, .set_report = true                                     \
    }

/* A PDU to be sent: head, then payload, then descriptors, gathered. */
struct usb_reply {
    enum usb_channel channel;
    uint8_t head[USBIP_HEADER_BYTES];
    const uint8_t *payload; /* borrowed: see the function that fills it */
    uint32_t payload_len;
    const uint8_t *descs; /* borrowed */
    uint32_t descs_len;
};
/* An ended request may be two PDUs: RET_SUBMIT, then RET_UNLINK. They are
 * sent in this order. */
struct usb_replies {
    size_t n; /* 0..2 */
    struct usb_reply r[2];
};

#endif
