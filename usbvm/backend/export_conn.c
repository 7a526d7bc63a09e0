/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests in, answers out. glue. See export_conn.h. */
#include "usbvm/backend/export_conn.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/err.h"
#include "lib/log.h"
#include "usbvm/backend/usb_latency.h"
#include "usbvm/link/usb_end.h"
#include "usbvm/link/usb_pool.h"

/* Answers of both channels that a qube has not read yet. */
#define QUEUED_MAX ((size_t)4 << 20)
/* A USBVM has 48 MiB in all, and blocks are powers of two: two requests of the
 * longest kind, or some hundred of 64 KiB. */
#define POOL_MAX ((size_t)20 << 20)
#define PAGES_MIN 16384u /* below this a copy is cheaper than pages */
#define STUCK_TICKS 3
#define REPLIES_MAX 2

struct export_conn;

struct chan {
    struct export_conn *c;
    enum usb_channel which;
    struct usb_end *end;
    struct req *incoming; /* whose body is being read */
    bool waits;           /* head() said -EAGAIN */
    unsigned stuck_ticks;
};

/* One PDU from its head to the last byte of its answers, in one block of the
 * pool: this struct, the headroom, payload, descriptors. */
struct req {
    struct export_xfer xfer;
    struct chan *ch;
    uint32_t seqnum;
    uint32_t payload_len; /* room for data */
    uint32_t packets;
    bool in;
    uint64_t start_us;
    uint8_t *data;
    uint8_t *descs; /* packets * USBIP_ISO_DESC_BYTES */
    struct usbip_iso *results;
    unsigned unsent;
    struct usb_replies rep;
    struct usb_end_item item[REPLIES_MAX];
};

struct export_conn {
    struct export_conn_config conf;
    const struct export_conn_ops *ops;
    void *arg;
    struct usb_server *server;
    struct usb_pool *pool;
    struct usb_pool_backing backing;
    struct chan chan[USB_CHANNELS];
    struct usb_end_item hello;
    bool attached;
    bool ended;
    enum usb_reason broken; /* the rule that ended it */
    uint64_t in, out, completions, seen_completions;
    struct usb_latency latency;
};

static uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void end_with(struct export_conn *c, enum usb_export_why why)
{
    if (c->ended)
        return;
    c->ended = true;
    c->ops->ended(why, c->arg);
}

/* Memory of one request. @return NULL over the bound of the pool */
static struct req *req_new(struct chan *ch, uint32_t payload, uint32_t packets)
{
    size_t descs = (size_t)packets * USBIP_ISO_DESC_BYTES;
    size_t head = (sizeof(struct req) + 63) / 64 * 64 + EXPORT_DEV_HEADROOM;
    size_t data = ((size_t)payload + 15) / 16 * 16;
    uint8_t *block = usb_pool_get(
        ch->c->pool, head + data + descs + packets * sizeof(struct usbip_iso));
    struct req *q = (struct req *)(void *)block;

    if (!q)
        return NULL;
    memset(q, 0, sizeof(*q));
    q->ch = ch;
    q->payload_len = payload;
    q->packets = packets;
    q->data = block + head;
    q->descs = q->data + data;
    q->results = (struct usbip_iso *)(void *)(q->descs + descs);
    return q;
}

static void req_free(struct req *q)
{
    if (q)
        usb_pool_put(q->ch->c->pool, q);
}

/* A channel that waited for quota or for the qube to read may go on. */
static void resume(struct export_conn *c)
{
    for (int i = 0; i < USB_CHANNELS; i++) {
        struct chan *ch = &c->chan[i];
        if (!ch->waits || usb_end_queued(ch->end) > QUEUED_MAX)
            continue;
        ch->waits = false;
        usb_end_resume(ch->end);
    }
}

static void on_sent(struct usb_end_item *item, void *arg)
{
    struct req *q = item->owner;
    struct export_conn *c = q->ch->c;

    (void)arg;
    if (--q->unsent > 0)
        return;
    req_free(q);
    resume(c);
}

/* Queue what stands in q->rep; the request ends when all of it is sent. */
static void send_replies(struct export_conn *c, struct req *q)
{
    q->unsent = (unsigned)q->rep.n;
    for (size_t i = 0; i < q->rep.n; i++) {
        struct usb_reply *r = &q->rep.r[i];
        struct usb_end_item *item = &q->item[i];

        *item = (struct usb_end_item){.n = 3, .sent = on_sent, .owner = q};
        item->iov[0] = (struct iovec){r->head, sizeof(r->head)};
        item->iov[1].iov_len = r->payload_len;
        memcpy(&item->iov[1].iov_base, &r->payload, sizeof(r->payload));
        item->iov[2].iov_len = r->descs_len;
        memcpy(&item->iov[2].iov_base, &r->descs, sizeof(r->descs));
        usb_end_push(c->chan[r->channel].end, item);
    }
    if (q->rep.n == 0)
        req_free(q);
}

/* An act or a transfer has ended. */
static void finish(struct export_conn *c, struct req *q, int32_t status,
                   uint32_t actual, bool cancelled)
{
    const struct usb_server_end end = {
        .seqnum = q->seqnum,
        .status = status,
        .actual = actual,
        .cancelled = cancelled,
        .data = q->data,
        .iso = q->results,
        .descs = q->descs,
    };

    c->completions++;
    if (q->in)
        c->in += actual;
    else
        c->out += actual;
    usb_latency_add(&c->latency, (uint32_t)(now_us() - q->start_us));
    if (usb_server_done(c->server, &end, &q->rep) < 0)
        q->rep.n = 0;
    send_replies(c, q);
}

static void on_xfer(struct export_xfer *x, void *arg)
{
    struct req *q = (struct req *)(void *)x; /* its first member */

    finish(arg, q, x->status, x->actual, x->cancelled);
}

static void flush(struct export_conn *c)
{
    for (int i = 0; i < USB_CHANNELS; i++)
        usb_end_flush(c->chan[i].end);
}

static void advance(struct export_conn *c);

static void on_batch(void *arg)
{
    advance(arg);
    flush(arg);
    resume(arg);
}

static void on_gone(void *arg)
{
    struct export_conn *c = arg;

    flush(c); /* the last answers, as far as the rings have room */
    end_with(c, EXPORT_WHY_DEVICE_GONE);
}

/* An IN request learns its length only now: it moves to a larger block. */
static struct req *for_act(struct req *q, const struct usb_act *act)
{
    if (act->length <= q->payload_len && act->packets <= q->packets)
        return q;
    struct req *larger = req_new(q->ch, act->length, act->packets);
    if (larger)
        req_free(q);
    return larger;
}

static bool act_is_in(const struct usb_act *act)
{
    if (act->type == USB_XFER_CONTROL)
        return act->setup[0] & 0x80;
    return act->ep & 0x80;
}

static void transfer(struct export_conn *c, struct req *q,
                     const struct usb_act *act)
{
    struct req *mine = for_act(q, act);
    int r = -ENOMEM;

    if (mine) {
        q = mine;
        q->seqnum = act->seqnum;
        q->in = act_is_in(act);
        q->start_us = now_us();
        (void)usb_server_bind(c->server, q->seqnum, q);
        r = export_dev_submit(c->conf.dev, act, q->data, q->results, &q->xfer);
    }
    q->seqnum = act->seqnum;
    if (r < 0) {
        memset(q->results, 0, q->packets * sizeof(*q->results));
        finish(c, q, r, 0, false);
    }
}

static void run_act(struct export_conn *c, struct req *q,
                    const struct usb_act *act)
{
    if (act->kind == USB_ACT_TRANSFER) {
        transfer(c, q, act);
        return;
    }
    if (act->kind == USB_ACT_CANCEL) {
        struct req *victim = act->arg;
        if (victim && act->begun)
            export_dev_cancel(&victim->xfer);
        else if (victim)
            finish(c, victim, -ECONNRESET, 0, true);
        req_free(q);
        return;
    }
    const struct usb_config *config = NULL;
    if (act->kind == USB_ACT_SET_CONFIGURATION)
        config = usb_dset_config(usb_snapshot_set(c->conf.snapshot),
                                 act->configuration);
    q->seqnum = act->seqnum;
    q->start_us = now_us();
    int r = export_dev_act(c->conf.dev, act,
                           config ? config->mask & c->conf.claim : 0);
    finish(c, q, r, 0, false);
}

/* The answer's payload is lent until the next call: it gets memory here. */
static int answer(struct export_conn *c, struct req *q,
                  const struct usb_replies *rep)
{
    uint32_t len = 0;

    for (size_t i = 0; i < rep->n; i++)
        len += rep->r[i].payload_len + rep->r[i].descs_len;
    struct req *a = req_new(q->ch, len, 0);
    if (!a)
        return -ENOMEM;
    a->rep = *rep;
    uint8_t *p = a->data;
    for (size_t i = 0; i < rep->n; i++) {
        struct usb_reply *r = &a->rep.r[i];
        if (r->payload_len > 0)
            memcpy(p, r->payload, r->payload_len);
        r->payload = p;
        p += r->payload_len;
        if (r->descs_len > 0)
            memcpy(p, r->descs, r->descs_len);
        r->descs = p;
        p += r->descs_len;
    }
    req_free(q);
    send_replies(c, a);
    return 0;
}

/* It waits for the requests on endpoint 0 before it. */
static void keep(struct export_conn *c, struct req *q,
                 const uint8_t head[USBIP_HEADER_BYTES])
{
    struct cur in = cur_of(head, USBIP_HEADER_BYTES);
    struct usbip_pdu pdu = {0};

    (void)usbip_pdu_decode(&in, USBIP_FROM_CLIENT, &pdu);
    q->seqnum = pdu.seqnum;
    q->start_us = now_us();
    (void)usb_server_bind(c->server, q->seqnum, q);
}

/* What waited for its turn on endpoint 0, as far as it goes now. */
static void advance(struct export_conn *c)
{
    struct usb_act act = {0};
    struct usb_replies rep = {0};

    for (;;) {
        switch (usb_server_due(c->server, now_us() / 1000, &act, &rep)) {
        case USB_PASS:
            run_act(c, act.arg, &act);
            break;
        case USB_ANSWER:
            if (answer(c, act.arg, &rep) < 0) {
                end_with(c, EXPORT_WHY_INTERNAL);
                return;
            }
            break;
        case USB_DROP:
        case USB_KEEP:
        case USB_WAIT:
        case USB_CLOSE:
            return;
        }
    }
}

static int on_head(const uint8_t untrusted_head[USBIP_HEADER_BYTES],
                   struct usb_end_body *ret, void *arg)
{
    struct chan *ch = arg;
    struct export_conn *c = ch->c;
    struct usbip_body body = {0};

    c->ops->active(c->arg);
    ch->waits = usb_end_queued(ch->end) > QUEUED_MAX;
    if (ch->waits)
        return -EAGAIN;
    switch (usb_server_head(c->server, ch->which, untrusted_head, &body)) {
    case USB_PASS:
        break;
    case USB_WAIT:
        ch->waits = true;
        return -EAGAIN;
    case USB_ANSWER:
    case USB_DROP:
    case USB_KEEP:
    case USB_CLOSE:
        return -EPROTO;
    }
    ch->incoming = req_new(ch, body.payload, body.packets);
    if (!ch->incoming) {
        ch->waits = true;
        return -EAGAIN;
    }
    *ret = (struct usb_end_body){
        .payload = ch->incoming->data,
        .payload_len = body.payload,
        .descs = ch->incoming->descs,
        .descs_len = (size_t)body.packets * USBIP_ISO_DESC_BYTES,
    };
    return 0;
}

static int on_whole(uint8_t untrusted_head[USBIP_HEADER_BYTES], void *arg)
{
    struct chan *ch = arg;
    struct export_conn *c = ch->c;
    struct req *q = ch->incoming;
    struct usb_act act = {0};
    struct usb_replies rep = {0};
    struct cur descs =
        cur_of(q->descs, (size_t)q->packets * USBIP_ISO_DESC_BYTES);

    ch->incoming = NULL;
    switch (usb_server_pdu(c->server, ch->which, untrusted_head, descs,
                           now_us() / 1000, &act, &rep)) {
    case USB_PASS:
        run_act(c, q, &act);
        return 0;
    case USB_ANSWER:
        return answer(c, q, &rep);
    case USB_KEEP:
        keep(c, q, untrusted_head);
        return 0;
    case USB_DROP:
        req_free(q);
        return 0;
    case USB_WAIT:
    case USB_CLOSE:
        break;
    }
    req_free(q);
    return -EPROTO;
}

static void on_connected(void *arg)
{
    struct export_conn *c = ((struct chan *)arg)->c;

    if (c->attached || !usb_end_connected(c->chan[0].end) ||
        !usb_end_connected(c->chan[1].end))
        return;
    c->attached = true;
    c->ops->attached(c->arg);
}

static void on_closed(int err, void *arg)
{
    struct chan *ch = arg;

    if (err == -EPROTO) {
        ch->c->broken = usb_server_reason(ch->c->server);
        log_err("%s channel: refused: %s",
                ch->which == USB_CHANNEL_CONTROL ? "control" : "bulk",
                usb_reason_name(ch->c->broken));
        end_with(ch->c, EXPORT_WHY_PROTOCOL);
        return;
    }
    if (err != -ECONNRESET)
        log_err("channel: %s", err_text(err));
    end_with(ch->c,
             err == -ECONNRESET ? EXPORT_WHY_CLIENT_GONE : EXPORT_WHY_INTERNAL);
}

static const struct usb_end_ops end_ops = {
    .head = on_head,
    .whole = on_whole,
    .connected = on_connected,
    .closed = on_closed,
};

static int on_configured(void *arg)
{
    struct export_conn *c = arg;

    return c->ops->configured(c->arg);
}

static const struct export_dev_ops dev_ops = {
    .done = on_xfer,
    .batch = on_batch,
    .gone = on_gone,
    .configured = on_configured,
};

/* Payloads lie in memory of usbfs: what the device sends is copied once, from
 * there into the channel. */
static void *take_pages(size_t len, void *arg)
{
    struct export_conn *c = arg;

    return export_dev_memory(c->conf.dev, len);
}

static void give_pages(void *p, size_t len, void *arg)
{
    struct export_conn *c = arg;

    export_dev_memory_free(c->conf.dev, p, len);
}

static void hello_sent(struct usb_end_item *item, void *arg)
{
    (void)item;
    (void)arg;
}

static int open_ends(struct export_conn *c, struct loop *loop,
                     struct vchan *const v[2])
{
    int r = 0;

    for (int i = 0; i < USB_CHANNELS && r == 0; i++) {
        struct chan *ch = &c->chan[i];
        *ch = (struct chan){.c = c, .which = (enum usb_channel)i};
        r = usb_end_new(loop, v[i], -1, &end_ops, ch, &ch->end);
    }
    if (r < 0)
        return r;
    c->hello = (struct usb_end_item){.n = 1, .sent = hello_sent};
    c->hello.iov[0] = (struct iovec){c->conf.hello, c->conf.hello_len};
    usb_end_push(c->chan[USB_CHANNEL_CONTROL].end, &c->hello);
    return 0;
}

int export_conn_new(struct loop *loop, const struct export_conn_config *config,
                    struct vchan *const v[2], const struct export_conn_ops *ops,
                    void *arg, struct export_conn **ret)
{
    struct usb_server_config sc = {
        .devid = config->devid,
        .quota = USB_QUOTA_DEFAULT,
        .policy = USB_POLICY_DEFAULT,
    };
    struct export_conn *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->conf = *config;
    c->ops = ops;
    c->arg = arg;
    /* a request to the device as a whole could reach the refused ones */
    sc.policy.vendor = config->claim == USB_SNAPSHOT_ALL;
    c->server = usb_server_new(&sc, config->snapshot);
    r = c->server ? usb_pool_new(POOL_MAX, &c->pool) : -ENOMEM;
    if (r == 0)
        r = export_dev_open(config->dev, loop, config->fd, &dev_ops, c);
    if (r == 0)
        r = export_dev_limit(c->conf.dev, config->claim);
    if (r == 0) {
        c->backing =
            (struct usb_pool_backing){PAGES_MIN, take_pages, give_pages, c};
        usb_pool_back(c->pool, &c->backing);
    }
    if (r == 0)
        r = open_ends(c, loop, v);
    if (r < 0) {
        log_err("device: %s", err_text(r));
        return r; /* the process ends */
    }
    *ret = c;
    return 0;
}

bool export_conn_tick(struct export_conn *c)
{
    bool waits = false;

    usb_pool_trim(c->pool);
    for (int i = 0; i < USB_CHANNELS; i++) {
        struct chan *ch = &c->chan[i];
        bool moves = c->completions != c->seen_completions;
        waits |= ch->waits;
        if (!ch->waits || moves || usb_end_queued(ch->end) > 0) {
            ch->stuck_ticks = 0;
            continue;
        }
        if (++ch->stuck_ticks < STUCK_TICKS)
            continue;
        usb_server_unstick(c->server, ch->which);
        ch->stuck_ticks = 0;
        ch->waits = false;
        usb_end_resume(ch->end);
    }
    c->seen_completions = c->completions;
    return waits;
}

void export_conn_stat(struct export_conn *c, struct usb_export_rec *rec)
{
    const uint64_t *counts = usb_server_counts(c->server);
    uint64_t sum = 0;

    rec->in = c->in;
    rec->out = c->out;
    rec->broken = c->broken;
    rec->flight = usb_server_flight(c->server, USB_CHANNEL_CONTROL) +
                  usb_server_flight(c->server, USB_CHANNEL_BULK);
    rec->p50us = usb_latency_at(&c->latency, 500);
    rec->p99us = usb_latency_at(&c->latency, 990);
    memset(&c->latency, 0, sizeof(c->latency));
    for (int i = 1; i < USB_REASON_COUNT; i++) {
        rec->reason[i] =
            counts[i] > UINT32_MAX ? UINT32_MAX : (uint32_t)counts[i];
        sum += counts[i];
    }
    rec->refused = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}
