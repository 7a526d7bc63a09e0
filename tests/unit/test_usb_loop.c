/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Property: a kernel that submits and unlinks at random, through both
 * checkers, to a device that ends requests at random, gets exactly what the
 * kernel's vhci needs to stay alive: every answer is for a request it still
 * waits for, an unlink's answer tells the truth, endpoint 0 keeps its order,
 * an honest peer is never refused, and nothing is left over. The seed is
 * printed and can be given in SEED. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/mock/usbdev.h"
#include "usbvm/protocol/usb_check_client.h"
#include "usbvm/protocol/usb_check_server.h"

#define DEVID 0x10002u
#define URBS 48 /* the kernel's at once */
#define PACKETS 3
#define QUEUE 1024
#define DATA 256

/* A PDU on a vchan. */
struct wire {
    uint8_t head[USBIP_HEADER_BYTES];
    uint8_t payload[DATA];
    uint8_t descs[PACKETS * USBIP_ISO_DESC_BYTES];
    size_t payload_len, descs_len;
};

struct queue {
    struct wire w[QUEUE];
    size_t first, n;
};

struct urb {
    bool used, unlinking;
    bool sent; /* until then vhci finds nothing to give back */
    uint32_t seqnum, unlink_seqnum, order;
    uint8_t ep;
    bool in;
    int32_t length, packets;
};

/* What the device works on. */
struct job {
    bool used, cancelled;
    struct usb_act act;
    struct usbip_iso iso[PACKETS];
};

struct world {
    uint64_t rng;
    struct usb_snapshot *near, *far; /* the qube's and the USBVM's */
    struct usb_client *client;
    struct usb_server *server;
    struct queue out[USB_CHANNELS], back[USB_CHANNELS];
    struct urb urb[URBS];
    struct job job[URBS];
    uint32_t next_seqnum, next_order, last_order;
    unsigned submitted, ended, unlinked, too_late, overtaken;
};

static uint32_t rnd(struct world *w, uint32_t below)
{
    w->rng = w->rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->rng >> 33) % below;
}

static struct wire *push(struct queue *q)
{
    assert_true(q->n < QUEUE);
    struct wire *w = &q->w[(q->first + q->n++) % QUEUE];
    memset(w, 0, sizeof(*w));
    return w;
}

static struct wire pop(struct queue *q)
{
    struct wire w = q->w[q->first];

    q->first = (q->first + 1) % QUEUE;
    q->n--;
    return w;
}

/* ---- the kernel ---- */

static struct urb *find(struct world *w, uint32_t seqnum)
{
    for (size_t i = 0; i < URBS; i++)
        if (w->urb[i].used && w->urb[i].seqnum == seqnum)
            return &w->urb[i];
    return NULL;
}

static void kernel_sees(struct world *w, const uint8_t head[], size_t payload,
                        const uint8_t *descs, size_t descs_len)
{
    struct cur in = cur_of(head, USBIP_HEADER_BYTES);
    struct usbip_pdu p;

    assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &p), 0);
    if (p.command == USBIP_RET_UNLINK) {
        for (size_t i = 0; i < URBS; i++) {
            struct urb *u = &w->urb[i];
            if (!u->used || !u->unlinking || u->unlink_seqnum != p.seqnum)
                continue;
            assert_true(u->sent);
            assert_int_equal(p.status, -ECONNRESET); /* it still waits */
            u->used = false;
            w->unlinked++;
            return;
        }
        assert_int_equal(p.status, 0); /* it has its answer */
        w->too_late++;
        return;
    }
    struct urb *u = find(w, p.seqnum);
    if (!u)
        fail_msg("answer to nothing: the kernel drops the device");
    assert_true(p.done.actual >= 0 && p.done.actual <= u->length);
    assert_int_equal(payload, u->in ? p.done.actual : 0);
    assert_int_equal(p.done.packets, u->packets);
    assert_int_equal(descs_len, (size_t)u->packets * USBIP_ISO_DESC_BYTES);
    struct cur d = cur_of(descs, descs_len);
    int64_t sum = 0;
    for (int32_t i = 0; i < u->packets; i++) {
        struct usbip_iso iso;
        assert_int_equal(usbip_iso_decode(&d, 1, &iso), 0);
        assert_true((uint64_t)iso.offset + iso.length <= (uint32_t)u->length);
        sum += iso.actual;
    }
    if (u->packets > 0)
        assert_int_equal(sum, p.done.actual);
    if ((u->ep & 0xf) == 0) {
        assert_true(u->order > w->last_order);
        w->last_order = u->order;
    }
    u->used = false;
    w->ended++;
}

static void kernel_replies(struct world *w, const struct usb_replies *rep)
{
    for (size_t i = 0; i < rep->n; i++)
        kernel_sees(w, rep->r[i].head, rep->r[i].payload_len, rep->r[i].descs,
                    rep->r[i].descs_len);
}

/* Through the qube's checker to the channel it says. */
static void kernel_sends(struct world *w, const struct usbip_pdu *pdu,
                         const struct usbip_iso *iso, uint32_t packets)
{
    struct wire m = {.descs_len = packets * USBIP_ISO_DESC_BYTES};
    struct usbip_body body;
    struct usb_replies rep = {0};
    enum usb_channel ch;

    usbip_pdu_encode(pdu, m.head);
    usbip_iso_encode(iso, packets, m.descs);
    assert_int_equal(usb_client_cmd_head(w->client, m.head, &body, &ch),
                     USB_PASS);
    m.payload_len = body.payload;
    switch (usb_client_cmd(w->client, m.head, cur_of(m.descs, m.descs_len), &ch,
                           &rep)) {
    case USB_PASS:
        *push(&w->out[ch]) = m;
        break;
    case USB_ANSWER:
        kernel_replies(w, &rep);
        break;
    case USB_DROP: /* it is before its victim */
        assert_int_equal(pdu->command, USBIP_CMD_UNLINK);
        w->overtaken++;
        break;
    case USB_KEEP:
    case USB_WAIT:
    case USB_CLOSE:
        fail_msg("own kernel refused: %s",
                 usb_reason_name(usb_client_reason(w->client)));
    }
}

static void kernel_unlinks_one(struct world *w, struct urb *u)
{
    u->unlinking = true;
    u->unlink_seqnum = w->next_seqnum++;
    const struct usbip_pdu p = {
        .command = USBIP_CMD_UNLINK,
        .seqnum = u->unlink_seqnum,
        .devid = DEVID,
        .victim = u->seqnum,
    };
    kernel_sends(w, &p, NULL, 0);
}

static const uint8_t SETUPS[][8] = {
    {0x80, 6, 0, 1, 0, 0, 18, 0},  {0x80, 6, 0, 1, 0, 0, 64, 0},
    {0x80, 0, 0, 0, 0, 0, 2, 0},   {0x80, 6, 0, 2, 0, 0, 255, 0},
    {0x81, 10, 0, 0, 1, 0, 1, 0},  {0x80, 8, 0, 0, 0, 0, 1, 0},
    {2, 1, 0, 0, 0x81, 0, 0, 0},   {0x40, 1, 2, 3, 4, 5, 200, 0},
    {0xc0, 1, 2, 3, 4, 5, 100, 0}, {1, 11, 0, 0, 1, 0, 0, 0},
    {1, 11, 1, 0, 1, 0, 0, 0},     {0, 5, 1, 0, 0, 0, 0, 0},
    {0x80, 6, 9, 3, 9, 4, 255, 0},
};

static void kernel_submits(struct world *w)
{
    static const uint8_t eps[] = {0,    0,    0x81, 0x81, 0x01,
                                  0x82, 0x02, 0x83, 0x03};
    struct usbip_iso iso[PACKETS] = {{0}};
    struct urb *u = NULL;

    for (size_t i = 0; i < URBS && !u; i++)
        if (!w->urb[i].used)
            u = &w->urb[i];
    if (!u)
        return;
    *u = (struct urb){
        .used = true,
        .seqnum = w->next_seqnum++,
        .order = ++w->next_order,
        .ep = eps[rnd(w, ARRAY_LEN(eps))],
        .length = (int32_t)rnd(w, DATA),
    };
    u->in = u->ep & 0x80;
    struct usbip_pdu p = {
        .command = USBIP_CMD_SUBMIT,
        .seqnum = u->seqnum,
        .devid = DEVID,
        .ep = u->ep & 0xf,
    };
    if (u->ep == 0) {
        memcpy(p.submit.setup, SETUPS[rnd(w, ARRAY_LEN(SETUPS))], 8);
        u->length = p.submit.setup[6];
        u->in = p.submit.setup[0] & 0x80;
    }
    if (p.ep == 3) {
        u->packets = (int32_t)rnd(w, PACKETS + 1);
        for (int32_t i = 0; i < u->packets; i++)
            iso[i] = (struct usbip_iso){
                .offset = (uint32_t)(i * u->length / PACKETS),
                .length = (uint32_t)(u->length / PACKETS),
            };
    }
    p.direction = u->in;
    p.submit.length = u->length;
    p.submit.packets = u->packets;
    p.submit.flags = rnd(w, 0x1000);
    w->submitted++;
    if (rnd(w, 50) == 0) /* between vhci's queues: its unlink goes first */
        kernel_unlinks_one(w, u);
    u->sent = true;
    kernel_sends(w, &p, iso, (uint32_t)u->packets);
}

static void kernel_unlinks(struct world *w)
{
    struct urb *u = &w->urb[rnd(w, URBS)];

    if (u->used && !u->unlinking)
        kernel_unlinks_one(w, u);
}

/* ---- the USBVM ---- */

static void send_back(struct world *w, const struct usb_replies *rep)
{
    for (size_t i = 0; i < rep->n; i++) {
        const struct usb_reply *r = &rep->r[i];
        struct wire *m = push(&w->back[r->channel]);
        memcpy(m->head, r->head, sizeof(m->head));
        assert_true(r->payload_len <= DATA);
        if (r->payload_len > 0)
            memcpy(m->payload, r->payload, r->payload_len);
        if (r->descs_len > 0)
            memcpy(m->descs, r->descs, r->descs_len);
        m->payload_len = r->payload_len;
        m->descs_len = r->descs_len;
    }
}

static void end_job(struct world *w, const struct usb_server_end *end)
{
    struct usb_replies rep = {0};

    assert_int_equal(usb_server_done(w->server, end, &rep), 0);
    send_back(w, &rep);
}

static void take_act(struct world *w, const struct usb_act *act)
{
    if (act->kind == USB_ACT_CANCEL) {
        for (size_t i = 0; i < URBS; i++)
            if (w->job[i].used && w->job[i].act.seqnum == act->seqnum)
                w->job[i].cancelled = true;
        if (!act->begun)
            end_job(w, &(struct usb_server_end){.seqnum = act->seqnum,
                                                .status = -ECONNRESET,
                                                .cancelled = true});
        return;
    }
    for (size_t i = 0; i < URBS; i++) {
        struct job *j = &w->job[i];
        if (j->used)
            continue;
        *j = (struct job){.used = true, .act = *act};
        if (act->packets > 0)
            memcpy(j->iso, act->iso, act->packets * sizeof(j->iso[0]));
        return;
    }
    fail_msg("more requests than the kernel has");
}

static void usbvm_reads(struct world *w, enum usb_channel ch)
{
    struct usbip_body body;
    struct usb_act act = {0};
    struct usb_replies rep = {0};
    struct wire m = pop(&w->out[ch]);

    if (usb_server_head(w->server, ch, m.head, &body) != USB_PASS)
        fail_msg("an honest head refused: %s",
                 usb_reason_name(usb_server_reason(w->server)));
    assert_int_equal(body.payload, m.payload_len);
    assert_int_equal(body.packets * USBIP_ISO_DESC_BYTES, m.descs_len);
    switch (usb_server_pdu(w->server, ch, m.head, cur_of(m.descs, m.descs_len),
                           0, &act, &rep)) {
    case USB_PASS:
        take_act(w, &act);
        break;
    case USB_ANSWER:
        send_back(w, &rep);
        break;
    case USB_KEEP:
        break;
    case USB_DROP:
    case USB_WAIT:
    case USB_CLOSE:
        fail_msg("an honest request refused: %s",
                 usb_reason_name(usb_server_reason(w->server)));
    }
}

static void usbvm_goes_on(struct world *w)
{
    struct usb_act act = {0};
    struct usb_replies rep = {0};
    enum usb_verdict v;

    while ((v = usb_server_due(w->server, 0, &act, &rep)) != USB_DROP) {
        if (v == USB_PASS)
            take_act(w, &act);
        else
            send_back(w, &rep);
    }
}

static void device_ends(struct world *w, struct job *j)
{
    static const int32_t ends[] = {0, 0, 0, -EPIPE, -EPROTO, -EREMOTEIO};
    uint8_t data[DATA], descs[PACKETS * USBIP_ISO_DESC_BYTES];
    struct usb_server_end end = {
        .seqnum = j->act.seqnum,
        .status = ends[rnd(w, ARRAY_LEN(ends))],
        .actual = rnd(w, j->act.length + 1),
        .data = data,
        .iso = j->iso,
        .descs = descs,
    };

    memset(data, 0x5a, sizeof(data));
    for (uint32_t i = 0; i < j->act.packets; i++)
        j->iso[i].actual = rnd(w, j->iso[i].length + 1);
    if (j->cancelled && rnd(w, 2)) {
        end.cancelled = true;
        end.status = -ECONNRESET;
    }
    j->used = false;
    end_job(w, &end);
    usbvm_goes_on(w);
}

static void qube_reads(struct world *w, enum usb_channel ch)
{
    struct wire m = pop(&w->back[ch]);
    struct usbip_body body;
    struct usb_reply r = {0};

    if (usb_client_ret_head(w->client, ch, m.head, &body) != USB_PASS)
        fail_msg("an honest answer refused: %s",
                 usb_reason_name(usb_client_reason(w->client)));
    assert_int_equal(body.payload, m.payload_len);
    assert_int_equal(
        usb_client_ret(w->client, ch, m.head, m.payload, m.descs, &r),
        USB_PASS);
    kernel_sees(w, r.head, r.payload_len, r.descs, r.descs_len);
}

/* ---- the run ---- */

static void step(struct world *w, bool more)
{
    enum usb_channel ch = (enum usb_channel)rnd(w, USB_CHANNELS);

    switch (rnd(w, 6)) {
    case 0:
    case 1:
        if (more)
            kernel_submits(w);
        break;
    case 2:
        if (more && rnd(w, 3) == 0)
            kernel_unlinks(w);
        break;
    case 3:
        if (w->out[ch].n > 0)
            usbvm_reads(w, ch);
        break;
    case 4:
        if (w->back[ch].n > 0)
            qube_reads(w, ch);
        break;
    default: {
        struct job *j = &w->job[rnd(w, URBS)];
        if (j->used)
            device_ends(w, j);
        break;
    }
    }
}

static bool idle(const struct world *w)
{
    for (size_t i = 0; i < URBS; i++)
        if (w->urb[i].used || w->job[i].used)
            return false;
    for (int i = 0; i < USB_CHANNELS; i++)
        if (w->out[i].n > 0 || w->back[i].n > 0)
            return false;
    return true;
}

static void run(uint64_t seed)
{
    static struct world w;
    static const struct usb_server_config sc = {.devid = DEVID,
                                                .quota = USB_QUOTA_DEFAULT,
                                                .policy = USB_POLICY_DEFAULT};
    static const struct usb_client_config cc = {.devid = DEVID,
                                                .quota = USB_QUOTA_DEFAULT};

    memset(&w, 0, sizeof(w));
    w.rng = seed;
    w.next_seqnum = UINT32_MAX - 500; /* it wraps on the way */
    w.near = usbdev_mix();
    w.far = usbdev_mix();
    w.client = usb_client_new(&cc, w.near);
    w.server = usb_server_new(&sc, w.far);
    assert_true(w.client && w.server);
    for (int i = 0; i < 20000; i++)
        step(&w, true);
    for (int i = 0; i < 200000 && !idle(&w); i++)
        step(&w, false);
    assert_true(idle(&w));
    assert_int_equal(w.ended + w.unlinked, w.submitted);
    for (int i = 0; i < USB_CHANNELS; i++) {
        assert_int_equal(usb_server_flight(w.server, (enum usb_channel)i), 0);
        assert_int_equal(usb_client_flight(w.client, (enum usb_channel)i), 0);
    }
    assert_true(w.submitted > 1000 && w.unlinked > 0 && w.too_late > 0 &&
                w.overtaken > 0);
    usb_client_free(w.client);
    usb_server_free(w.server);
    usb_snapshot_free(w.near);
    usb_snapshot_free(w.far);
}

static void test_random(void **state)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

    (void)state;
    printf("SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 5; i++)
        run(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
