/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PDU firewall on the side of the device. pure. Fed by the qube (hostile)
 * and, through the exporting process, by the device (hostile); see
 * usb_check_server.h. */
#include "usbvm/protocol/usb_check_server.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "usbvm/protocol/usb_cmd.h"
#include "usbvm/protocol/usb_filter.h"

/* A kernel reads the first 64 or 8 bytes of the device descriptor when it
 * numbers a port anew, and at no other time: that is the only trace of a
 * reset on the link, as the port's reset itself stays in the qube. */
#define ENUMERATE_LONG 64
#define ENUMERATE_SHORT 8
/* Resets a qube may ask for at once, and how long one takes to come back. */
#define RESET_BURST 8
#define RESET_EVERY_MS 2000

struct usb_server {
    struct usb_server_config conf;
    struct usb_snapshot *snapshot;
    struct usb_flight *flight;
    struct usb_ring ended;
    bool stuck[USB_CHANNELS];
    bool touched; /* the device has seen something since its reset */
    unsigned resets;
    uint64_t resets_ms; /* when they were last counted */
    enum usb_reason reason;
    uint64_t counts[USB_REASON_COUNT];
    uint8_t scratch[USBIP_ISO_BYTES_MAX];
};

static bool quota_ok(const struct usb_quota quota[USB_CHANNELS])
{
    uint32_t sum = 0;

    for (int i = 0; i < USB_CHANNELS; i++) {
        if (quota[i].requests < 1 || quota[i].requests > USB_FLIGHT_MAX)
            return false;
        sum += quota[i].requests;
    }
    return sum <= USB_FLIGHT_MAX;
}

struct usb_server *usb_server_new(const struct usb_server_config *config,
                                  struct usb_snapshot *snapshot)
{
    struct usb_server *s = NULL;

    if (quota_ok(config->quota))
        s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->flight = usb_flight_new();
    if (!s->flight) {
        free(s);
        return NULL;
    }
    s->conf = *config;
    s->snapshot = snapshot;
    s->resets = RESET_BURST;
    usb_ring_init(&s->ended, USB_ENDED_MAX);
    return s;
}

void usb_server_free(struct usb_server *s)
{
    if (s)
        usb_flight_free(s->flight);
    free(s);
}

static void note(struct usb_server *s, enum usb_reason why)
{
    s->reason = why;
    s->counts[why]++;
}

static enum usb_verdict close_for(struct usb_server *s, enum usb_reason why)
{
    note(s, why);
    return USB_CLOSE;
}

/* ---- heads ---- */

/* The channel a request must come on; an unknown endpoint has no type. */
static bool channel_ok(const struct usb_cmd *c, enum usb_channel channel)
{
    return !c->known || usb_channel_of(c->type) == channel;
}

static enum usb_reason submit_rules(const struct usb_cmd *c,
                                    enum usb_channel channel)
{
    if (!channel_ok(c, channel))
        return USB_REASON_CHANNEL;
    return c->known ? usb_cmd_rules(c) : USB_REASON_NONE;
}

enum usb_verdict usb_server_head(struct usb_server *s, enum usb_channel channel,
                                 const uint8_t head[USBIP_HEADER_BYTES],
                                 struct usbip_body *ret_body)
{
    struct usb_cmd c;
    enum usb_reason why = usb_cmd_frame(head, s->conf.devid, s->snapshot, &c);

    if (why == USB_REASON_NONE && c.pdu.command == USBIP_CMD_SUBMIT)
        why = submit_rules(&c, channel);
    if (why != USB_REASON_NONE)
        return close_for(s, why);
    if (c.pdu.command == USBIP_CMD_SUBMIT && c.known && !s->stuck[channel] &&
        !usb_flight_admits(s->flight, channel, &s->conf.quota[channel],
                           (uint32_t)c.pdu.submit.length, c.packets))
        return USB_WAIT;
    *ret_body = c.body;
    return USB_PASS;
}

void usb_server_unstick(struct usb_server *s, enum usb_channel channel)
{
    s->stuck[channel] = true;
}

/* ---- requests ---- */

/* Remember a request that gets its answer without having been entered. */
static void ended_at_once(struct usb_server *s, enum usb_channel channel,
                          const struct usb_cmd *c)
{
    const struct usb_req q = {.seqnum = c->pdu.seqnum, .channel = channel};

    usb_ring_add(&s->ended, &q);
}

static enum usb_verdict answer_failed(struct usb_server *s,
                                      enum usb_channel channel,
                                      const struct usb_cmd *c, struct cur descs,
                                      int32_t status, enum usb_reason why,
                                      struct usb_replies *ret)
{
    note(s, why);
    ret->n = 1;
    usb_reply_failed(&ret->r[0], channel, c, descs, status, s->scratch);
    ended_at_once(s, channel, c);
    return USB_ANSWER;
}

/* Take a request off the table; a pending unlink of it goes, too.
 * @return the reply that the unlink gets is written to @p ret, if any */
static void forget(struct usb_server *s, struct usb_req *q, int32_t unlinked,
                   struct usb_replies *ret)
{
    struct usb_req *u =
        q->unlinking ? usb_flight_find(s->flight, q->other) : NULL;

    if (u) {
        usb_reply_unlink(&ret->r[ret->n++], q->channel, u->seqnum, unlinked);
        usb_flight_remove(s->flight, u);
    }
    usb_ring_add(&s->ended, q);
    if (u) /* one unlink per victim, also when it has ended */
        usb_ring_find(&s->ended, q->seqnum)->taken = true;
    usb_flight_remove(s->flight, q);
}

static bool may_reset(struct usb_server *s, uint64_t now_ms)
{
    uint64_t back = (now_ms - s->resets_ms) / RESET_EVERY_MS;

    if (back > 0) {
        s->resets = back + s->resets > RESET_BURST ? RESET_BURST
                                                   : s->resets + (unsigned)back;
        s->resets_ms = now_ms;
    }
    if (s->resets == 0)
        return false;
    s->resets--;
    return true;
}

/* The request is over without the device. */
static enum usb_verdict answer_now(struct usb_server *s, struct usb_req *q,
                                   int32_t status, const uint8_t *data,
                                   uint32_t len, struct usb_replies *ret)
{
    const struct usbip_done done = {
        .status = status,
        .actual = (int32_t)(q->in || status != 0 ? len : q->length),
    };

    ret->n = 1;
    usb_reply_submit(&ret->r[0], q->channel, q->seqnum, &done);
    if (q->in) {
        ret->r[0].payload = data;
        ret->r[0].payload_len = len;
    }
    forget(s, q, 0, ret);
    return USB_ANSWER;
}

static enum usb_verdict refuse_ep0(struct usb_server *s, struct usb_req *q,
                                   enum usb_reason why, struct usb_replies *ret)
{
    note(s, why);
    return answer_now(s, q, -EPIPE, NULL, 0, ret);
}

static void fill_act(const struct usb_req *q, struct usb_act *ret)
{
    *ret = (struct usb_act){
        .kind = (enum usb_act_kind)q->act,
        .seqnum = q->seqnum,
        .arg = q->arg,
        .type = q->type,
        .ep = q->ep,
        .length = q->length,
        .flags = q->flags,
        .packets = q->packets,
        .iso = q->iso,
        .interface = q->interface,
        .alt = q->alt,
        .configuration = q->configuration,
    };
    memcpy(ret->setup, q->setup, sizeof(ret->setup));
}

static enum usb_verdict begin(struct usb_server *s, struct usb_req *q,
                              enum usb_act_kind kind, struct usb_act *ret)
{
    q->begun = true;
    q->act = (uint8_t)kind;
    s->touched |= kind != USB_ACT_RESET;
    fill_act(q, ret);
    return USB_PASS;
}

/* A qube that numbers its port anew means to reset the device. */
static bool is_reset(const struct usb_server *s, const struct usb_req *q,
                     const struct usb_ep0 *f)
{
    return f->device_descriptor && s->touched &&
           (q->length == ENUMERATE_LONG || q->length == ENUMERATE_SHORT);
}

/* It is the turn of a request on endpoint 0. */
static enum usb_verdict begin_control(struct usb_server *s, struct usb_req *q,
                                      uint64_t now_ms, struct usb_act *ret_act,
                                      struct usb_replies *ret_reply)
{
    struct usb_ep0 f = usb_filter_ep0(s->snapshot, &s->conf.policy, q->setup);

    *ret_act = (struct usb_act){.seqnum = q->seqnum, .arg = q->arg};
    q->interface = f.interface;
    q->alt = f.alt;
    q->configuration = f.configuration;
    switch (f.kind) {
    case USB_EP0_PASS:
        return begin(s, q, USB_ACT_TRANSFER, ret_act);
    case USB_EP0_CLEAR_HALT:
        (void)begin(s, q, USB_ACT_CLEAR_HALT, ret_act);
        ret_act->ep = f.ep;
        return USB_PASS;
    case USB_EP0_SET_INTERFACE:
        return begin(s, q, USB_ACT_SET_INTERFACE, ret_act);
    case USB_EP0_SET_CONFIGURATION:
        return begin(s, q, USB_ACT_SET_CONFIGURATION, ret_act);
    case USB_EP0_ANSWER:
        if (!is_reset(s, q, &f))
            return answer_now(s, q, 0, f.data, f.data_len, ret_reply);
        if (!may_reset(s, now_ms))
            return refuse_ep0(s, q, USB_REASON_RESET_RATE, ret_reply);
        return begin(s, q, USB_ACT_RESET, ret_act);
    case USB_EP0_REFUSE:
        break;
    }
    return refuse_ep0(s, q, f.reason, ret_reply);
}

enum usb_verdict usb_server_due(struct usb_server *s, uint64_t now_ms,
                                struct usb_act *ret_act,
                                struct usb_replies *ret_reply)
{
    struct usb_req *q = usb_flight_turn(s->flight);

    if (!q || q->begun)
        return USB_DROP;
    return begin_control(s, q, now_ms, ret_act, ret_reply);
}

/* Enter a request that keeps all rules. */
static struct usb_req *enter(struct usb_server *s, enum usb_channel channel,
                             const struct usb_cmd *c)
{
    struct usb_req *q =
        usb_flight_add(s->flight, c->pdu.seqnum, USB_REQ_SUBMIT, channel,
                       (uint32_t)c->pdu.submit.length, c->packets);

    if (!q)
        return NULL;
    q->type = c->type;
    q->ep = c->address;
    q->in = c->pdu.direction == USBIP_DIR_IN;
    q->flags = usb_cmd_flags(c);
    memcpy(q->setup, c->pdu.submit.setup, sizeof(q->setup));
    return q;
}

static enum usb_verdict submit(struct usb_server *s, enum usb_channel channel,
                               const struct usb_cmd *c, struct cur descs,
                               uint64_t now_ms, struct usb_act *ret_act,
                               struct usb_replies *ret_reply)
{
    enum usb_reason why = submit_rules(c, channel);

    if (why == USB_REASON_NONE && usb_flight_find(s->flight, c->pdu.seqnum))
        why = USB_REASON_SEQNUM;
    if (why != USB_REASON_NONE)
        return close_for(s, why);
    if (!c->known)
        return answer_failed(s, channel, c, descs, -ENOENT,
                             USB_REASON_NO_ENDPOINT, ret_reply);
    if (s->stuck[channel]) {
        s->stuck[channel] = false;
        return answer_failed(s, channel, c, descs, -EPROTO, USB_REASON_STUCK,
                             ret_reply);
    }
    struct usb_req *q = enter(s, channel, c);
    if (!q)
        return answer_failed(s, channel, c, descs, -EPROTO, USB_REASON_STUCK,
                             ret_reply);
    if (c->type == USB_XFER_ISO) {
        why = usb_cmd_iso(c, descs, q->iso);
        if (why != USB_REASON_NONE) {
            usb_flight_remove(s->flight, q);
            return close_for(s, why);
        }
    }
    if (c->type != USB_XFER_CONTROL)
        return begin(s, q, USB_ACT_TRANSFER, ret_act);
    usb_flight_queue(s->flight, q);
    if (usb_flight_turn(s->flight) != q)
        return USB_KEEP;
    return begin_control(s, q, now_ms, ret_act, ret_reply);
}

/* ---- unlinks ---- */

static enum usb_verdict unlink_flying(struct usb_server *s,
                                      enum usb_channel channel,
                                      const struct usb_cmd *c,
                                      struct usb_req *victim,
                                      struct usb_act *ret)
{
    if (victim->channel != channel)
        return close_for(s, USB_REASON_CHANNEL);
    if (victim->unlinking)
        return close_for(s, USB_REASON_UNLINK_TWICE);
    struct usb_req *u =
        usb_flight_add(s->flight, c->pdu.seqnum, USB_REQ_UNLINK, channel, 0, 0);
    if (!u) /* as many unlinks as requests have room */
        return close_for(s, USB_REASON_UNLINK_VICTIM);
    u->other = victim->seqnum;
    victim->unlinking = true;
    victim->other = u->seqnum;
    *ret = (struct usb_act){
        .kind = USB_ACT_CANCEL,
        .seqnum = victim->seqnum,
        .arg = victim->arg,
        .begun = victim->begun,
    };
    return USB_PASS;
}

static enum usb_verdict unlink_of(struct usb_server *s,
                                  enum usb_channel channel,
                                  const struct usb_cmd *c,
                                  struct usb_act *ret_act,
                                  struct usb_replies *ret_reply)
{
    if (usb_flight_find(s->flight, c->pdu.seqnum))
        return close_for(s, USB_REASON_SEQNUM);
    struct usb_req *victim = usb_flight_find(s->flight, c->pdu.victim);
    if (victim && victim->kind == USB_REQ_SUBMIT)
        return unlink_flying(s, channel, c, victim, ret_act);
    struct usb_ended *e = usb_ring_find(&s->ended, c->pdu.victim);
    if (!e || victim)
        return close_for(s, USB_REASON_UNLINK_VICTIM);
    if (e->channel != channel)
        return close_for(s, USB_REASON_CHANNEL);
    if (e->taken)
        return close_for(s, USB_REASON_UNLINK_TWICE);
    e->taken = true;
    ret_reply->n = 1;
    usb_reply_unlink(&ret_reply->r[0], channel, c->pdu.seqnum, 0);
    return USB_ANSWER;
}

enum usb_verdict usb_server_pdu(struct usb_server *s, enum usb_channel channel,
                                const uint8_t head[USBIP_HEADER_BYTES],
                                struct cur descs, uint64_t now_ms,
                                struct usb_act *ret_act,
                                struct usb_replies *ret_reply)
{
    struct usb_cmd c;
    enum usb_reason why = usb_cmd_frame(head, s->conf.devid, s->snapshot, &c);

    if (why != USB_REASON_NONE)
        return close_for(s, why);
    if (c.pdu.padded)
        note(s, USB_REASON_PADDING);
    if (c.pdu.command == USBIP_CMD_UNLINK)
        return unlink_of(s, channel, &c, ret_act, ret_reply);
    return submit(s, channel, &c, descs, now_ms, ret_act, ret_reply);
}

int usb_server_bind(struct usb_server *s, uint32_t seqnum, void *arg)
{
    struct usb_req *q = usb_flight_find(s->flight, seqnum);

    if (!q || q->kind != USB_REQ_SUBMIT)
        return -ENOENT;
    q->arg = arg;
    return 0;
}

/* ---- ends ---- */

/* What may stand in an answer. A transfer that was cancelled by something
 * else than the qube's unlink lost its endpoint. */
static int32_t mend_status(int32_t status, bool unlinking)
{
    if (status == -ECONNRESET && !unlinking)
        return -ESHUTDOWN;
    return status <= 0 && usb_status_known(status) ? status : -EPROTO;
}

/* The answer's descriptors: offsets and lengths are the request's.
 * @return bytes of all packets, the errors are counted into @p done */
static uint32_t put_iso(const struct usb_req *q,
                        const struct usb_server_end *end,
                        struct usbip_done *done)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < q->packets; i++) {
        struct usbip_iso p = q->iso[i];
        p.actual =
            end->iso[i].actual < p.length ? end->iso[i].actual : p.length;
        p.status = mend_status(end->iso[i].status, false);
        if (p.status != 0)
            done->errors++;
        sum += p.actual;
        usbip_iso_encode(&p, 1, end->descs + (size_t)i * USBIP_ISO_DESC_BYTES);
    }
    return sum;
}

/* The device has done what the qube's own kernel must know, too. */
static void follow(struct usb_server *s, const struct usb_req *q)
{
    switch ((enum usb_act_kind)q->act) {
    case USB_ACT_SET_CONFIGURATION:
        (void)usb_snapshot_set_configuration(s->snapshot, q->configuration);
        break;
    case USB_ACT_SET_INTERFACE:
        (void)usb_snapshot_set_interface(s->snapshot, q->interface, q->alt);
        break;
    case USB_ACT_RESET:
        (void)usb_snapshot_set_configuration(
            s->snapshot, usb_snapshot_configuration(s->snapshot));
        s->touched = false;
        break;
    case USB_ACT_TRANSFER:
    case USB_ACT_CLEAR_HALT:
    case USB_ACT_CANCEL:
        break;
    }
}

/* What a reset was asked by: the device descriptor. */
static void put_descriptor(const struct usb_server *s, const struct usb_req *q,
                           struct usb_reply *r, struct usbip_done *done)
{
    struct usb_ep0 f = usb_filter_ep0(s->snapshot, &s->conf.policy, q->setup);

    r->payload = f.data;
    r->payload_len = f.data_len;
    done->actual = (int32_t)f.data_len;
}

static void put_submit(struct usb_server *s, const struct usb_req *q,
                       const struct usb_server_end *end, struct usb_reply *ret)
{
    uint32_t actual = end->actual < q->length ? end->actual : q->length;
    struct usbip_done done = {
        .status = mend_status(end->status, q->unlinking),
        .actual = (int32_t)actual,
        .packets = (int32_t)q->packets,
    };
    struct usb_reply body = {0};

    if (q->type == USB_XFER_ISO) {
        done.actual = (int32_t)put_iso(q, end, &done);
        body.descs = end->descs;
        body.descs_len = q->packets * USBIP_ISO_DESC_BYTES;
    }
    if (q->act == USB_ACT_RESET) {
        done.actual = 0;
        if (done.status == 0)
            put_descriptor(s, q, &body, &done);
    } else if (q->in) {
        body.payload = end->data;
        body.payload_len = (uint32_t)done.actual;
    }
    usb_reply_submit(ret, q->channel, q->seqnum, &done);
    ret->payload = body.payload;
    ret->payload_len = body.payload_len;
    ret->descs = body.descs;
    ret->descs_len = body.descs_len;
}

int usb_server_done(struct usb_server *s, const struct usb_server_end *end,
                    struct usb_replies *ret)
{
    struct usb_req *q = usb_flight_find(s->flight, end->seqnum);

    if (!q || q->kind != USB_REQ_SUBMIT)
        return -ENOENT;
    ret->n = 0;
    if (end->cancelled && q->unlinking) {
        forget(s, q, -ECONNRESET, ret);
        return 0;
    }
    if (q->begun && end->status == 0)
        follow(s, q);
    put_submit(s, q, end, &ret->r[ret->n++]);
    forget(s, q, 0, ret);
    return 0;
}

uint32_t usb_server_flight(const struct usb_server *s, enum usb_channel c)
{
    return usb_flight_count(s->flight, c);
}

enum usb_reason usb_server_reason(const struct usb_server *s)
{
    return s->reason;
}

const uint64_t *usb_server_counts(const struct usb_server *s)
{
    return s->counts;
}

uint32_t usb_server_pack(uint8_t *buf, const uint32_t *offset,
                         const struct usbip_iso *iso, uint32_t packets)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < packets; i++) {
        if (iso[i].actual > 0 && offset[i] != at)
            memmove(buf + at, buf + offset[i], iso[i].actual);
        at += iso[i].actual;
    }
    return at;
}
