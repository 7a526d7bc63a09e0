/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Median and 99th percentile of latencies, in a fixed histogram: eight steps
 * to each power of two, so a figure is at most 12.5 % too high. pure. */
#ifndef SQ_USBVM_BACKEND_USB_LATENCY_H
#define SQ_USBVM_BACKEND_USB_LATENCY_H

#include <stdint.h>

#define USB_LATENCY_STEPS 240

/** Start with {0}. */
struct usb_latency {
    uint32_t n;
    uint32_t count[USB_LATENCY_STEPS];
};

/** Count one. @param us  microseconds */
void usb_latency_add(struct usb_latency *l, uint32_t us);
/** @param permille  0..1000
 *  @return upper end of the step that holds it, in us; 0 when empty */
uint32_t usb_latency_at(const struct usb_latency *l, uint32_t permille);

#endif
