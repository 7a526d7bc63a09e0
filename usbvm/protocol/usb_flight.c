/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table of requests in flight. pure. See usb_flight.h. */
#include "usbvm/protocol/usb_flight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 2048u
/* Numbers of entries, from 1: 0 is "none", so zeroed memory is empty. */
#define NONE 0

static_assert((BUCKETS & (BUCKETS - 1)) == 0, "a power of two");
static_assert(USB_FLIGHT_ENTRIES < UINT16_MAX, "numbers have 16 bits");

struct usb_flight {
    uint16_t bucket[BUCKETS];
    uint16_t free;        /* chain of entries given back */
    uint16_t fresh;       /* entries never used begin behind this one */
    uint16_t first, last; /* queue of control requests */
    uint32_t requests[USB_CHANNELS];
    uint64_t bytes[USB_CHANNELS];
    struct usb_req req[USB_FLIGHT_ENTRIES + 1]; /* [0] is not used */
};

struct usb_flight *usb_flight_new(void)
{
    return calloc(1, sizeof(struct usb_flight));
}

void usb_flight_free(struct usb_flight *f)
{
    for (size_t i = 1; f && i <= f->fresh; i++)
        free(f->req[i].iso);
    free(f);
}

/* seqnums of one kernel count up: their low bits spread well. */
static size_t bucket_of(uint32_t seqnum)
{
    return seqnum & (BUCKETS - 1);
}

struct usb_req *usb_flight_find(struct usb_flight *f, uint32_t seqnum)
{
    uint16_t i = f->bucket[bucket_of(seqnum)];

    while (i != NONE && f->req[i].seqnum != seqnum)
        i = f->req[i].chain;
    if (i == NONE)
        return NULL;
    return &f->req[i];
}

static uint64_t bytes_of(uint32_t length, uint32_t packets)
{
    return (uint64_t)length + (uint64_t)packets * USBIP_ISO_DESC_BYTES;
}

static uint16_t take_entry(struct usb_flight *f)
{
    uint16_t i = f->free;

    if (i != NONE)
        f->free = f->req[i].chain;
    else if (f->fresh < USB_FLIGHT_ENTRIES)
        i = ++f->fresh;
    return i;
}

struct usb_req *usb_flight_add(struct usb_flight *f, uint32_t seqnum,
                               enum usb_req_kind kind, enum usb_channel channel,
                               uint32_t length, uint32_t packets)
{
    struct usbip_iso *iso = NULL;

    if (packets > 0) {
        iso = calloc(packets, sizeof(*iso));
        if (!iso)
            return NULL;
    }
    uint16_t i = take_entry(f);
    if (i == NONE) {
        free(iso);
        return NULL;
    }
    uint16_t *bucket = &f->bucket[bucket_of(seqnum)];
    f->req[i] = (struct usb_req){
        .seqnum = seqnum,
        .kind = kind,
        .channel = channel,
        .length = length,
        .packets = packets,
        .iso = iso,
        .chain = *bucket,
    };
    *bucket = i;
    if (kind == USB_REQ_SUBMIT) {
        f->requests[channel]++;
        f->bytes[channel] += bytes_of(length, packets);
    }
    return &f->req[i];
}

/* Take @p i out of the queue, if it is in. */
static void unqueue(struct usb_flight *f, uint16_t i)
{
    uint16_t before = NONE, at = f->first;

    while (at != NONE && at != i) {
        before = at;
        at = f->req[at].next;
    }
    if (at == NONE)
        return;
    if (before == NONE)
        f->first = f->req[i].next;
    else
        f->req[before].next = f->req[i].next;
    if (f->last == i)
        f->last = before;
}

void usb_flight_remove(struct usb_flight *f, struct usb_req *q)
{
    uint16_t i = (uint16_t)(q - f->req);
    uint16_t *at = &f->bucket[bucket_of(q->seqnum)];

    while (*at != i)
        at = &f->req[*at].chain;
    *at = q->chain;
    if (q->kind == USB_REQ_SUBMIT) {
        f->requests[q->channel]--;
        f->bytes[q->channel] -= bytes_of(q->length, q->packets);
        if (q->type == USB_XFER_CONTROL)
            unqueue(f, i);
    }
    free(q->iso);
    *q = (struct usb_req){.chain = f->free};
    f->free = i;
}

void usb_flight_queue(struct usb_flight *f, struct usb_req *q)
{
    uint16_t i = (uint16_t)(q - f->req);

    q->next = NONE;
    if (f->last == NONE)
        f->first = i;
    else
        f->req[f->last].next = i;
    f->last = i;
}

struct usb_req *usb_flight_turn(struct usb_flight *f)
{
    if (f->first == NONE)
        return NULL;
    return &f->req[f->first];
}

bool usb_flight_admits(const struct usb_flight *f, enum usb_channel channel,
                       const struct usb_quota *quota, uint32_t length,
                       uint32_t packets)
{
    if (f->requests[channel] == 0)
        return true;
    return f->requests[channel] < quota->requests &&
           f->bytes[channel] + bytes_of(length, packets) <= quota->bytes;
}

uint32_t usb_flight_count(const struct usb_flight *f, enum usb_channel channel)
{
    return f->requests[channel];
}

void usb_ring_init(struct usb_ring *r, size_t size)
{
    assert(size >= 1 && size <= USB_ENDED_MAX);
    r->at = 0;
    r->size = size;
    memset(r->e, 0, size * sizeof(r->e[0])); /* the rest stays untouched */
}

void usb_ring_add(struct usb_ring *r, const struct usb_req *q)
{
    r->e[r->at] = (struct usb_ended){
        .seqnum = q->seqnum,
        .used = true,
        .channel = q->channel,
        .in = q->in,
        .iso = q->type == USB_XFER_ISO,
        .length = q->length,
        .packets = q->packets,
    };
    r->at = (r->at + 1) % r->size;
}

struct usb_ended *usb_ring_find(struct usb_ring *r, uint32_t seqnum)
{
    for (size_t i = 1; i <= r->size; i++) {
        struct usb_ended *e = &r->e[(r->at + r->size - i) % r->size];
        if (e->used && e->seqnum == seqnum)
            return e;
    }
    return NULL;
}
