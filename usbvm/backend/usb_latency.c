/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Percentiles of latencies. pure. See usb_latency.h. */
#include "usbvm/backend/usb_latency.h"

/* 0..15 one by one, from then on eight steps for each power of two. */
static uint32_t step_of(uint32_t us)
{
    if (us < 16)
        return us;
    uint32_t top = 31u - (uint32_t)__builtin_clz(us); /* 4..31 */
    return 16 + (top - 4) * 8 + (us >> (top - 3) & 7);
}

static uint32_t end_of(uint32_t step)
{
    if (step < 16)
        return step;
    uint32_t top = 4 + (step - 16) / 8;
    uint64_t next = (UINT64_C(8) + (step - 16) % 8 + 1) << (top - 3);
    return (uint32_t)(next - 1);
}

void usb_latency_add(struct usb_latency *l, uint32_t us)
{
    l->n++;
    l->count[step_of(us)]++;
}

uint32_t usb_latency_at(const struct usb_latency *l, uint32_t permille)
{
    uint64_t want = ((uint64_t)l->n * permille + 999) / 1000, seen = 0;

    for (uint32_t i = 0; l->n > 0 && i < USB_LATENCY_STEPS; i++) {
        seen += l->count[i];
        if (seen >= want && seen > 0)
            return end_of(i);
    }
    return 0;
}
