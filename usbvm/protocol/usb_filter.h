/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a request on endpoint 0. pure. Fed by the qube (hostile).
 * Rules: USB 2.0, 9.4; docs/protocol-usb.md, "Endpoint 0". The raw form of
 * what changes the host's idea of the device never reaches it: the exporting
 * process uses the host's own calls for it. */
#ifndef SQ_USBVM_PROTOCOL_USB_FILTER_H
#define SQ_USBVM_PROTOCOL_USB_FILTER_H

#include "usbvm/protocol/usb_snapshot.h"

enum usb_ep0_kind {
    USB_EP0_PASS,              /* to the device as it is */
    USB_EP0_CLEAR_HALT,        /* ep: host's clear-halt, resets the toggle */
    USB_EP0_SET_INTERFACE,     /* interface, alt */
    USB_EP0_SET_CONFIGURATION, /* configuration */
    USB_EP0_ANSWER,            /* data, status 0, the device is not asked */
    USB_EP0_REFUSE,            /* -EPIPE, with a reason */
};

struct usb_ep0 {
    enum usb_ep0_kind kind;
    enum usb_reason reason; /* REFUSE */
    uint8_t ep;             /* CLEAR_HALT: address with direction bit */
    uint8_t interface, alt; /* SET_INTERFACE */
    uint8_t configuration;  /* SET_CONFIGURATION */
    bool device_descriptor; /* ANSWER: is GET_DESCRIPTOR(device) */
    const uint8_t *data;    /* ANSWER: lives as long as the snapshot */
    uint32_t data_len;      /* cut to wLength already */
};

/** Decide one request.
 *  @param setup   8 bytes of the request; wLength was found equal to the
 *                 transfer's length
 *  @return never fails: what is not known is refused */
struct usb_ep0 usb_filter_ep0(const struct usb_snapshot *s,
                              const struct usb_policy *policy,
                              const uint8_t setup[8]);

#endif
