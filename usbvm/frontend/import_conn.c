/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests out, answers in. glue. See import_conn.h. */
#include "usbvm/frontend/import_conn.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "usbvm/link/usb_end.h"
#include "usbvm/link/usb_pool.h"
#include "usbvm/protocol/usb_check_client.h"

#define QUEUED_MAX ((size_t)4 << 20) /* to one side, before it has read */
#define POOL_MAX ((size_t)64 << 20)
#define STUCK_TICKS 3

/* One PDU on its way, in one block of the pool. */
struct pdu {
    struct usb_end_item item;
    uint8_t head[USBIP_HEADER_BYTES];
    uint32_t payload_len;
    uint32_t packets;
    uint8_t *payload;
    uint8_t *descs;
};

/* vhci's socket and the two channels, each read the same way. */
struct side {
    struct import_conn *c;
    int channel; /* enum usb_channel; -1: vhci */
    struct usb_end *end;
    struct pdu *incoming;
    bool waits;
};

struct import_conn {
    const struct import_conn_ops *ops;
    void *arg;
    struct usb_client *client;
    struct usb_pool *pool;
    struct side kernel;
    struct side chan[USB_CHANNELS];
    bool ended;
    bool answered; /* in this turn: a quota may have room again */
    uint64_t answers, seen_answers;
    unsigned stuck_ticks;
};

static void end_with(struct import_conn *c, enum usb_import_why why)
{
    enum usb_reason reason = USB_REASON_NONE;

    if (c->ended)
        return;
    c->ended = true;
    if (why == IMPORT_WHY_PROTOCOL)
        reason = usb_client_reason(c->client);
    c->ops->ended(why, reason, c->arg);
}

static struct pdu *pdu_new(struct import_conn *c, size_t payload,
                           uint32_t packets)
{
    size_t head = (sizeof(struct pdu) + 63) / 64 * 64;
    size_t data = (payload + 15) / 16 * 16;
    uint8_t *block = usb_pool_get(
        c->pool, head + data + (size_t)packets * USBIP_ISO_DESC_BYTES);
    struct pdu *p = (struct pdu *)(void *)block;

    if (!p)
        return NULL;
    memset(p, 0, sizeof(*p));
    p->payload_len = (uint32_t)payload;
    p->packets = packets;
    p->payload = block + head;
    p->descs = p->payload + data;
    return p;
}

static size_t descs_len(const struct pdu *p)
{
    return (size_t)p->packets * USBIP_ISO_DESC_BYTES;
}

static void side_resume(struct side *s)
{
    if (!s->waits)
        return;
    s->waits = false;
    usb_end_resume(s->end);
}

/* What waited for room in a queue, or for quota, may go on. */
static void resume(struct import_conn *c)
{
    bool out_full = false;

    for (int i = 0; i < USB_CHANNELS; i++)
        out_full |= usb_end_queued(c->chan[i].end) > QUEUED_MAX;
    if (!out_full)
        side_resume(&c->kernel);
    if (usb_end_queued(c->kernel.end) > QUEUED_MAX)
        return;
    for (int i = 0; i < USB_CHANNELS; i++)
        side_resume(&c->chan[i]);
}

static void on_sent(struct usb_end_item *item, void *arg)
{
    struct side *s = arg;

    usb_pool_put(s->c->pool, item->owner);
    resume(s->c);
}

static struct iovec piece(const uint8_t *p, size_t len)
{
    struct iovec iov = {.iov_len = len};

    memcpy(&iov.iov_base, &p, sizeof(p)); /* it is only read */
    return iov;
}

static void send_pdu(struct side *to, struct pdu *p, struct iovec payload,
                     struct iovec descs)
{
    p->item = (struct usb_end_item){.n = 3, .sent = on_sent, .owner = p};
    p->item.iov[0] = piece(p->head, sizeof(p->head));
    p->item.iov[1] = payload;
    p->item.iov[2] = descs;
    usb_end_push(to->end, &p->item);
}

/* Memory for what follows a head. @return 0; -EAGAIN over the bound */
static int make_room(struct side *s, const struct usbip_body *body,
                     struct usb_end_body *ret)
{
    struct pdu *p = pdu_new(s->c, body->payload, body->packets);

    if (!p) {
        s->waits = true;
        return -EAGAIN;
    }
    s->incoming = p;
    *ret = (struct usb_end_body){p->payload, body->payload, p->descs,
                                 descs_len(p)};
    return 0;
}

static int on_cmd_head(const uint8_t head[USBIP_HEADER_BYTES],
                       struct usb_end_body *ret, void *arg)
{
    struct side *s = arg;
    struct import_conn *c = s->c;
    enum usb_channel channel = USB_CHANNEL_CONTROL;
    struct usbip_body body = {0};

    c->ops->active(c->arg);
    s->waits = true;
    switch (usb_client_cmd_head(c->client, head, &body, &channel)) {
    case USB_PASS:
        break;
    case USB_WAIT:
        return -EAGAIN;
    case USB_ANSWER:
    case USB_DROP:
    case USB_KEEP:
    case USB_CLOSE:
        return -EPROTO;
    }
    if (usb_end_queued(c->chan[channel].end) > QUEUED_MAX)
        return -EAGAIN;
    s->waits = false;
    return make_room(s, &body, ret);
}

/* An answer of the checker's own: its payload is lent only until the next
 * call. */
static int answer_kernel(struct import_conn *c, const struct usb_replies *rep)
{
    for (size_t i = 0; i < rep->n; i++) {
        const struct usb_reply *r = &rep->r[i];
        struct pdu *p = pdu_new(c, r->payload_len + r->descs_len, 0);
        if (!p)
            return -ENOMEM;
        memcpy(p->head, r->head, sizeof(p->head));
        if (r->payload_len > 0)
            memcpy(p->payload, r->payload, r->payload_len);
        if (r->descs_len > 0)
            memcpy(p->payload + r->payload_len, r->descs, r->descs_len);
        send_pdu(&c->kernel, p, piece(p->payload, p->payload_len),
                 piece(NULL, 0));
    }
    return 0;
}

static int on_cmd(uint8_t head[USBIP_HEADER_BYTES], void *arg)
{
    struct side *s = arg;
    struct import_conn *c = s->c;
    struct pdu *p = s->incoming;
    enum usb_channel channel = USB_CHANNEL_CONTROL;
    struct usb_replies rep = {0};
    int r;

    s->incoming = NULL;
    switch (usb_client_cmd(c->client, head, cur_of(p->descs, descs_len(p)),
                           &channel, &rep)) {
    case USB_PASS:
        memcpy(p->head, head, sizeof(p->head));
        send_pdu(&c->chan[channel], p, piece(p->payload, p->payload_len),
                 piece(p->descs, descs_len(p)));
        return 0;
    case USB_ANSWER:
        r = answer_kernel(c, &rep);
        usb_pool_put(c->pool, p);
        return r;
    case USB_DROP:
        usb_pool_put(c->pool, p);
        return 0;
    case USB_WAIT:
    case USB_KEEP:
    case USB_CLOSE:
        break;
    }
    usb_pool_put(c->pool, p);
    return -EPROTO;
}

static int on_ret_head(const uint8_t untrusted_head[USBIP_HEADER_BYTES],
                       struct usb_end_body *ret, void *arg)
{
    struct side *s = arg;
    struct import_conn *c = s->c;
    struct usbip_body body = {0};

    s->waits = usb_end_queued(c->kernel.end) > QUEUED_MAX;
    if (s->waits)
        return -EAGAIN;
    if (usb_client_ret_head(c->client, (enum usb_channel)s->channel,
                            untrusted_head, &body) != USB_PASS)
        return -EPROTO;
    return make_room(s, &body, ret);
}

static int on_ret(uint8_t untrusted_head[USBIP_HEADER_BYTES], void *arg)
{
    struct side *s = arg;
    struct import_conn *c = s->c;
    struct pdu *p = s->incoming;
    struct usb_reply reply = {0};

    s->incoming = NULL;
    c->answers++;
    c->answered = true;
    switch (usb_client_ret(c->client, (enum usb_channel)s->channel,
                           untrusted_head, p->payload, p->descs, &reply)) {
    case USB_PASS:
        memcpy(p->head, reply.head, sizeof(p->head));
        send_pdu(&c->kernel, p, piece(reply.payload, reply.payload_len),
                 piece(reply.descs, reply.descs_len));
        return 0;
    case USB_DROP:
        usb_pool_put(c->pool, p);
        return 0;
    case USB_ANSWER:
    case USB_WAIT:
    case USB_KEEP:
    case USB_CLOSE:
        break;
    }
    usb_pool_put(c->pool, p);
    return -EPROTO;
}

/* A turn of one side has queued to another: send it in one go. */
static void on_turn(void *arg)
{
    struct import_conn *c = ((struct side *)arg)->c;

    usb_end_flush(c->kernel.end);
    for (int i = 0; i < USB_CHANNELS; i++)
        usb_end_flush(c->chan[i].end);
    if (c->answered)
        resume(c);
    c->answered = false;
}

static void on_closed(int err, void *arg)
{
    struct side *s = arg;
    bool kernel = s->channel < 0;

    if (err == -EPROTO) {
        log_err("%s: refused: %s", kernel ? "vhci" : "USBVM",
                usb_reason_name(usb_client_reason(s->c->client)));
        end_with(s->c, kernel ? IMPORT_WHY_INTERNAL : IMPORT_WHY_PROTOCOL);
        return;
    }
    if (err != -ECONNRESET)
        log_err("%s: %s", kernel ? "vhci" : "channel", err_text(err));
    if (err != -ECONNRESET)
        end_with(s->c, IMPORT_WHY_INTERNAL);
    else
        end_with(s->c, kernel ? IMPORT_WHY_KERNEL : IMPORT_WHY_CHANNEL);
}

static const struct usb_end_ops kernel_ops = {
    .head = on_cmd_head,
    .whole = on_cmd,
    .turn = on_turn,
    .closed = on_closed,
};

static const struct usb_end_ops chan_ops = {
    .head = on_ret_head,
    .whole = on_ret,
    .turn = on_turn,
    .closed = on_closed,
};

int import_conn_new(struct loop *loop, struct vchan *const v[2], int sock,
                    uint32_t devid, struct usb_snapshot *snapshot,
                    const struct import_conn_ops *ops, void *arg,
                    struct import_conn **ret)
{
    const struct usb_client_config cc = {.devid = devid,
                                         .quota = USB_QUOTA_DEFAULT};
    struct import_conn *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->ops = ops;
    c->arg = arg;
    c->client = usb_client_new(&cc, snapshot);
    r = c->client ? usb_pool_new(POOL_MAX, &c->pool) : -ENOMEM;
    for (int i = 0; i < USB_CHANNELS && r == 0; i++) {
        c->chan[i] = (struct side){.c = c, .channel = i};
        r = usb_end_new(loop, v[i], -1, &chan_ops, &c->chan[i],
                        &c->chan[i].end);
    }
    c->kernel = (struct side){.c = c, .channel = -1};
    if (r == 0)
        r = usb_end_new(loop, NULL, sock, &kernel_ops, &c->kernel,
                        &c->kernel.end);
    if (r < 0)
        return r; /* the process ends */
    *ret = c;
    return 0;
}

int import_conn_tick(struct import_conn *c)
{
    bool moves = c->answers != c->seen_answers;

    c->seen_answers = c->answers;
    usb_pool_trim(c->pool);
    if (!c->kernel.waits || moves)
        c->stuck_ticks = 0;
    else if (++c->stuck_ticks >= STUCK_TICKS) {
        c->stuck_ticks = 0;
        usb_client_unstick(c->client);
        side_resume(&c->kernel);
    }
    return moves || c->kernel.waits || usb_pool_bytes(c->pool) > 0;
}
