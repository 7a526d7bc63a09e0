/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the qube side's checker with a sequence: requests of its kernel and
 * answers of a hostile USBVM, over the real table of requests. Each step is
 * one byte: 0 and 1 an answer on that channel (48 bytes, then packet
 * descriptors; payload is left out), 2 a request of the kernel, 3 it is stuck.
 * What reaches the kernel must be what its vhci can bear: an answer to a
 * request it waits for, no longer than that, with the request's packets. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "tests/mock/usbdev.h"
#include "usbvm/protocol/usb_check_client.h"

#define DEVID 0x10002u
#define URBS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the kernel waits for. */
struct urb {
    bool used, unlinking;
    uint32_t seqnum, unlink;
    bool in;
    uint32_t length, packets;
    struct usbip_iso iso[USBIP_ISO_PACKETS_MAX];
};

static struct urb urbs[URBS];
static struct usb_client *client;
static uint8_t payload[USBIP_TRANSFER_MAX];

#define MUST(what)                                                             \
    do {                                                                       \
        if (!(what))                                                           \
            abort();                                                           \
    } while (0)

static struct urb *find(uint32_t seqnum)
{
    for (size_t i = 0; i < URBS; i++)
        if (urbs[i].used && urbs[i].seqnum == seqnum)
            return &urbs[i];
    return NULL;
}

static void sees_unlink(const struct usbip_pdu *p)
{
    for (size_t i = 0; i < URBS; i++) {
        if (!urbs[i].used || !urbs[i].unlinking || urbs[i].unlink != p->seqnum)
            continue;
        MUST(p->status == -ECONNRESET);
        urbs[i].used = false;
        return;
    }
    MUST(p->status == 0 || p->status == -ECONNRESET); /* ignored */
}

static void sees_submit(const struct usbip_pdu *p, const struct usb_reply *r)
{
    struct urb *u = find(p->seqnum);
    struct cur descs = cur_of(r->descs, r->descs_len);
    uint64_t sum = 0;
    int32_t errors = 0;

    MUST(u && usb_status_known(p->done.status));
    MUST(p->done.actual >= 0 && (uint32_t)p->done.actual <= u->length);
    MUST(r->payload_len == (u->in ? (uint32_t)p->done.actual : 0));
    MUST((uint32_t)p->done.packets == u->packets && p->done.start_frame == 0);
    MUST(r->descs_len == u->packets * USBIP_ISO_DESC_BYTES);
    for (uint32_t i = 0; i < u->packets; i++) {
        struct usbip_iso iso;
        MUST(usbip_iso_decode(&descs, 1, &iso) == 0);
        MUST(iso.offset == u->iso[i].offset && iso.length == u->iso[i].length);
        MUST(iso.actual <= iso.length && usb_status_known(iso.status));
        sum += iso.actual;
        errors += iso.status != 0;
    }
    if (u->packets > 0)
        MUST(sum == (uint32_t)p->done.actual && errors == p->done.errors);
    else
        MUST(p->done.errors == 0);
    u->used = false;
}

static void kernel_sees(const struct usb_reply *r)
{
    struct cur in = cur_of(r->head, sizeof(r->head));
    struct usbip_pdu p;

    MUST(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &p) == 0);
    MUST(p.devid == 0 && p.direction == 0 && p.ep == 0 && !p.padded);
    if (p.command == USBIP_RET_UNLINK)
        sees_unlink(&p);
    else
        sees_submit(&p, r);
}

/* A kernel waits for each seqnum once and unlinks what it waits for. */
static bool remember(const struct usbip_pdu *p, struct cur descs,
                     uint32_t packets)
{
    struct urb *u =
        find(p->command == USBIP_CMD_UNLINK ? p->victim : p->seqnum);

    for (size_t i = 0; i < URBS; i++)
        if (urbs[i].used &&
            (urbs[i].seqnum == p->seqnum ||
             (urbs[i].unlinking && urbs[i].unlink == p->seqnum)))
            return false;
    if (p->command == USBIP_CMD_UNLINK) {
        if (u && u->unlinking)
            return false;
        if (u) {
            u->unlinking = true;
            u->unlink = p->seqnum;
        }
        return true;
    }
    for (size_t i = 0; i < URBS && !u; i++)
        if (!urbs[i].used)
            u = &urbs[i];
    if (!u)
        return false;
    u->used = true;
    u->unlinking = false;
    u->seqnum = p->seqnum;
    u->in = p->direction == USBIP_DIR_IN;
    u->length = (uint32_t)p->submit.length;
    u->packets = packets;
    return usbip_iso_decode(&descs, packets, u->iso) == 0;
}

/* The unlink of a request that it had overtaken. */
static bool gives_back(const struct usbip_pdu *request,
                       const struct usb_reply *r)
{
    struct cur in = cur_of(r->head, sizeof(r->head));
    struct usbip_pdu p;

    MUST(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &p) == 0);
    if (request->command != USBIP_CMD_SUBMIT || p.command != USBIP_RET_UNLINK)
        return false;
    MUST(p.status == -ECONNRESET && find(request->seqnum));
    find(request->seqnum)->used = false;
    return true;
}

static bool take_request(struct cur *in)
{
    uint8_t head[USBIP_HEADER_BYTES];
    static uint8_t descs[USBIP_ISO_BYTES_MAX];
    struct usbip_pdu p;
    struct usbip_body body;
    struct usb_replies rep = {0};
    enum usb_channel ch;

    if (cur_copy(in, head, sizeof(head)) < 0)
        return false;
    struct cur c = cur_of(head, sizeof(head));
    if (usbip_pdu_decode(&c, USBIP_FROM_CLIENT, &p) < 0)
        return false;
    enum usb_verdict v = usb_client_cmd_head(client, head, &body, &ch);
    if (v != USB_PASS)
        return v == USB_WAIT;
    size_t n = body.packets * USBIP_ISO_DESC_BYTES;
    if (cur_copy(in, descs, n) < 0 ||
        !remember(&p, cur_of(descs, n), body.packets))
        return false;
    v = usb_client_cmd(client, head, cur_of(descs, n), &ch, &rep);
    MUST(v == USB_PASS || v == USB_ANSWER || v == USB_DROP || v == USB_CLOSE);
    if (v == USB_DROP) /* it is before its victim */
        MUST(p.command == USBIP_CMD_UNLINK && !find(p.victim));
    for (size_t i = 0; v == USB_ANSWER && i < rep.n; i++)
        if (!gives_back(&p, &rep.r[i]))
            kernel_sees(&rep.r[i]);
    return v != USB_CLOSE;
}

static bool take_answer(struct cur *in, enum usb_channel ch)
{
    uint8_t head[USBIP_HEADER_BYTES];
    static uint8_t descs[USBIP_ISO_BYTES_MAX];
    struct usbip_body body;
    struct usb_reply r = {0};

    if (cur_copy(in, head, sizeof(head)) < 0 ||
        usb_client_ret_head(client, ch, head, &body) != USB_PASS)
        return false;
    MUST(body.payload <= sizeof(payload));
    size_t n = body.packets * USBIP_ISO_DESC_BYTES;
    if (cur_copy(in, descs, n) < 0)
        return false;
    enum usb_verdict v = usb_client_ret(client, ch, head, payload, descs, &r);
    MUST(v == USB_PASS || v == USB_DROP || v == USB_CLOSE);
    if (v == USB_PASS)
        kernel_sees(&r);
    return v != USB_CLOSE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct usb_client_config conf = {
        .devid = DEVID,
        .quota = {{8, 100000}, {8, 5000000}},
    };
    struct usb_snapshot *snapshot = usbdev_mix();
    struct cur in = cur_of(data, size);
    uint8_t op;
    bool open = true;

    for (size_t i = 0; i < URBS; i++)
        urbs[i].used = false;
    client = usb_client_new(&conf, snapshot);
    MUST(client);
    while (open && cur_u8(&in, &op) == 0) {
        if (op % 4 < 2)
            open = take_answer(&in, (enum usb_channel)(op % 4));
        else if (op % 4 == 2)
            open = take_request(&in);
        else
            usb_client_unstick(client);
    }
    usb_client_free(client);
    usb_snapshot_free(snapshot);
    return 0;
}
