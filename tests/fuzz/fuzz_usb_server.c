/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the device side's checker with a sequence: PDUs of a hostile qube and
 * ends of what they began, over the real table of requests. Each step is one
 * byte: 0 and 1 a PDU on that channel (48 bytes, then its packet descriptors;
 * the payload's bytes do not matter and are left out), 2 an end (which, status,
 * two bytes actual), 3 a channel that is stuck. What is let through must keep
 * the rules, what is answered must be well formed. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "tests/mock/usbdev.h"
#include "usbvm/protocol/usb_check_server.h"

#define DEVID 0x10002u
#define JOBS 512
#define DATA_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct job {
    bool used, unlinked;
    struct usb_act act;
    struct usbip_iso iso[USBIP_ISO_PACKETS_MAX];
};

static struct job jobs[JOBS];
static struct usb_server *server;
static struct usb_snapshot *snapshot;

#define MUST(what)                                                             \
    do {                                                                       \
        if (!(what))                                                           \
            abort();                                                           \
    } while (0)

static void check_replies(const struct usb_replies *rep, size_t most)
{
    MUST(rep->n <= most);
    for (size_t i = 0; i < rep->n; i++) {
        const struct usb_reply *r = &rep->r[i];
        struct cur in = cur_of(r->head, sizeof(r->head));
        struct usbip_pdu p;
        MUST(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &p) == 0);
        MUST(p.devid == 0 && p.direction == 0 && p.ep == 0 && !p.padded);
        if (p.command == USBIP_RET_UNLINK) {
            MUST(p.status == 0 || p.status == -ECONNRESET);
            MUST(r->payload_len == 0 && r->descs_len == 0);
            continue;
        }
        MUST(usb_status_known(p.done.status));
        MUST(p.done.actual >= 0);
        MUST(r->payload_len == 0 || r->payload_len == (uint32_t)p.done.actual);
        MUST(r->descs_len == (uint32_t)p.done.packets * USBIP_ISO_DESC_BYTES);
    }
}

static void check_transfer(const struct usb_act *a)
{
    MUST(a->length <= usb_xfer_max(a->type));
    if (a->type == USB_XFER_CONTROL) {
        MUST((a->ep & 0x0f) == 0);
        MUST(a->length == (uint32_t)(a->setup[6] | a->setup[7] << 8));
        return;
    }
    const struct usb_ep *e = usb_snapshot_ep(snapshot, a->ep);
    MUST(e && e->type == (uint8_t)a->type && (a->ep & 0x0f) != 4);
    MUST(a->type == USB_XFER_ISO || a->packets == 0);
    uint64_t end = 0;
    for (uint32_t i = 0; i < a->packets; i++) {
        MUST(a->iso[i].offset >= end && a->iso[i].length <= e->service);
        end = (uint64_t)a->iso[i].offset + a->iso[i].length;
        MUST(end <= a->length && a->iso[i].actual == 0);
    }
}

static void take_act(const struct usb_act *a)
{
    if (a->kind == USB_ACT_CANCEL) {
        struct usb_replies rep = {0};
        for (size_t i = 0; i < JOBS; i++)
            if (jobs[i].used && jobs[i].act.seqnum == a->seqnum)
                jobs[i].unlinked = true;
        const struct usb_server_end end = {
            .seqnum = a->seqnum, .status = -ECONNRESET, .cancelled = true};
        if (!a->begun) {
            MUST(usb_server_done(server, &end, &rep) == 0);
            check_replies(&rep, 1);
        }
        return;
    }
    if (a->kind == USB_ACT_TRANSFER)
        check_transfer(a);
    else
        MUST(a->kind == USB_ACT_RESET || a->kind == USB_ACT_CLEAR_HALT ||
             a->kind == USB_ACT_SET_CONFIGURATION ||
             usb_snapshot_has_interface(snapshot, a->interface, a->alt));
    for (size_t i = 0; i < JOBS; i++) {
        if (jobs[i].used)
            continue;
        jobs[i].used = true;
        jobs[i].unlinked = false;
        jobs[i].act = *a;
        if (a->packets > 0)
            memcpy(jobs[i].iso, a->iso, a->packets * sizeof(jobs[i].iso[0]));
        return;
    }
    abort(); /* over the quota */
}

/* @return false the connection is closed */
static bool take_pdu(struct cur *in, enum usb_channel ch)
{
    uint8_t head[USBIP_HEADER_BYTES];
    static uint8_t descs[USBIP_ISO_BYTES_MAX];
    struct usbip_body body;
    struct usb_act act = {0};
    struct usb_replies rep = {0};

    if (cur_copy(in, head, sizeof(head)) < 0)
        return false;
    enum usb_verdict v = usb_server_head(server, ch, head, &body);
    if (v != USB_PASS)
        return v == USB_WAIT;
    MUST(body.payload <= USBIP_TRANSFER_MAX);
    MUST(body.packets <= USBIP_ISO_PACKETS_MAX);
    size_t n = body.packets * USBIP_ISO_DESC_BYTES;
    if (cur_copy(in, descs, n) < 0)
        return false;
    v = usb_server_pdu(server, ch, head, cur_of(descs, n), 5000, &act, &rep);
    if (v == USB_PASS)
        take_act(&act);
    check_replies(&rep, v == USB_ANSWER);
    MUST(v != USB_WAIT && v != USB_DROP);
    return v != USB_CLOSE;
}

static void go_on(void)
{
    for (;;) {
        struct usb_act act = {0};
        struct usb_replies rep = {0};
        enum usb_verdict v = usb_server_due(server, 5000, &act, &rep);
        if (v == USB_DROP)
            return;
        MUST(v == USB_PASS || v == USB_ANSWER);
        if (v == USB_PASS)
            take_act(&act);
        check_replies(&rep, v == USB_ANSWER);
    }
}

static bool take_end(struct cur *in)
{
    static uint8_t data[DATA_MAX], descs[USBIP_ISO_BYTES_MAX];
    uint8_t which, status;
    uint16_t actual;
    struct usb_replies rep = {0};

    if (cur_u8(in, &which) < 0 || cur_u8(in, &status) < 0 ||
        cur_u16be(in, &actual) < 0)
        return false;
    for (size_t i = 0; i < JOBS; i++) {
        struct job *j = &jobs[(which + i) % JOBS];
        if (!j->used)
            continue;
        for (uint32_t k = 0; k < j->act.packets; k++) {
            j->iso[k].actual = actual;
            j->iso[k].status = (int8_t)status;
        }
        const struct usb_server_end end = {
            .seqnum = j->act.seqnum,
            .status = (int8_t)status,
            .actual = actual,
            .cancelled = j->unlinked && (status & 1),
            .data = data,
            .iso = j->iso,
            .descs = descs,
        };
        j->used = false;
        MUST(usb_server_done(server, &end, &rep) == 0);
        check_replies(&rep, 2);
        go_on();
        return true;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct usb_server_config conf = {
        .devid = DEVID,
        .quota = {{8, 100000}, {8, 5000000}},
        .policy = USB_POLICY_DEFAULT,
    };
    struct cur in = cur_of(data, size);
    uint8_t op;
    bool open = true;

    for (size_t i = 0; i < JOBS; i++)
        jobs[i].used = false;
    snapshot = usbdev_mix();
    server = usb_server_new(&conf, snapshot);
    MUST(server);
    while (open && cur_u8(&in, &op) == 0) {
        if (op % 4 < 2)
            open = take_pdu(&in, (enum usb_channel)(op % 4));
        else if (op % 4 == 2)
            open = take_end(&in);
        else
            usb_server_unstick(server, (enum usb_channel)(op / 4 % 2));
        MUST(usb_server_flight(server, USB_CHANNEL_CONTROL) <= 9);
        MUST(usb_server_flight(server, USB_CHANNEL_BULK) <= 9);
    }
    usb_server_free(server);
    usb_snapshot_free(snapshot);
    return 0;
}
