/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PDU firewall on the side of the qube's kernel. pure. Fed by the USBVM
 * (hostile) and by the own kernel; see usb_check_client.h. */
#include "usbvm/protocol/usb_check_client.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "usbvm/protocol/usb_cmd.h"
#include "usbvm/protocol/usb_filter.h"

/* Victims of unlinks whose own answer may still come. An honest USBVM sends
 * none; more than these means it is not. */
#define DEAD_MAX 64
/* Requests whose answer the kernel has, and unlinks that came before their
 * victim. vhci holds no more requests than these at once. */
#define ENDED_MAX 1024
#define EARLY_MAX 512

struct early {
    uint32_t victim, unlink; /* sequence numbers */
};

struct usb_client {
    struct usb_client_config conf;
    struct usb_snapshot *snapshot;
    struct usb_flight *flight;
    struct usb_ring dead;
    struct usb_ring ended;
    struct early early[EARLY_MAX];
    uint32_t n_early;
    bool stuck;
    enum usb_reason reason;
    uint64_t counts[USB_REASON_COUNT];
    uint8_t scratch[USBIP_ISO_BYTES_MAX];
};

struct usb_client *usb_client_new(const struct usb_client_config *config,
                                  struct usb_snapshot *snapshot)
{
    struct usb_client *c;
    uint32_t sum = 0;

    for (int i = 0; i < USB_CHANNELS; i++) {
        if (config->quota[i].requests < 1 ||
            config->quota[i].requests > USB_FLIGHT_MAX)
            return NULL;
        sum += config->quota[i].requests;
    }
    c = sum <= USB_FLIGHT_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return NULL;
    c->flight = usb_flight_new();
    if (!c->flight) {
        free(c);
        return NULL;
    }
    c->conf = *config;
    c->snapshot = snapshot;
    usb_ring_init(&c->dead, DEAD_MAX);
    usb_ring_init(&c->ended, ENDED_MAX);
    return c;
}

void usb_client_free(struct usb_client *c)
{
    if (c)
        usb_flight_free(c->flight);
    free(c);
}

static void note(struct usb_client *c, enum usb_reason why)
{
    c->reason = why;
    c->counts[why]++;
}

static enum usb_verdict close_for(struct usb_client *c, enum usb_reason why)
{
    note(c, why);
    return USB_CLOSE;
}

/* ---- requests of the own kernel ---- */

/* The channel of an unlink is its victim's. */
static enum usb_channel channel_of(struct usb_client *c,
                                   const struct usb_cmd *m)
{
    if (m->pdu.command == USBIP_CMD_SUBMIT)
        return usb_channel_of(m->type);
    const struct usb_req *victim = usb_flight_find(c->flight, m->pdu.victim);
    return victim ? victim->channel : USB_CHANNEL_CONTROL;
}

enum usb_verdict usb_client_cmd_head(struct usb_client *c,
                                     const uint8_t head[USBIP_HEADER_BYTES],
                                     struct usbip_body *ret_body,
                                     enum usb_channel *ret_channel)
{
    struct usb_cmd m;
    enum usb_reason why = usb_cmd_frame(head, c->conf.devid, c->snapshot, &m);

    if (why != USB_REASON_NONE)
        return close_for(c, why);
    enum usb_channel channel = channel_of(c, &m);
    *ret_channel = channel;
    if (m.pdu.command == USBIP_CMD_SUBMIT && m.known && !c->stuck &&
        !usb_flight_admits(c->flight, channel, &c->conf.quota[channel],
                           (uint32_t)m.pdu.submit.length, m.packets))
        return USB_WAIT;
    *ret_body = m.body;
    return USB_PASS;
}

void usb_client_unstick(struct usb_client *c)
{
    c->stuck = true;
}

/* What programs of the qube can make the kernel send is theirs to get back
 * as an error: the device stays attached. */
static enum usb_verdict answer_failed(struct usb_client *c,
                                      enum usb_channel channel,
                                      const struct usb_cmd *m, struct cur descs,
                                      int32_t status, enum usb_reason why,
                                      struct usb_replies *ret)
{
    note(c, why);
    ret->n = 1;
    usb_reply_failed(&ret->r[0], channel, m, descs, status, c->scratch);
    usb_ring_add(&c->ended, &(struct usb_req){.seqnum = m->pdu.seqnum});
    return USB_ANSWER;
}

/* Write the head anew: only what the rules know goes out. */
static void mend_head(struct usb_client *c, struct usb_cmd *m,
                      uint8_t head[USBIP_HEADER_BYTES])
{
    if (m->pdu.padded)
        note(c, USB_REASON_PADDING);
    if (m->pdu.command == USBIP_CMD_SUBMIT) {
        struct usbip_submit *s = &m->pdu.submit;
        s->flags = usb_cmd_flags(m);
        s->start_frame = 0;
        s->packets = (int32_t)m->packets;
        if (m->type != USB_XFER_CONTROL)
            memset(s->setup, 0, sizeof(s->setup));
    }
    usbip_pdu_encode(&m->pdu, head);
}

static struct usb_req *enter(struct usb_client *c, enum usb_channel channel,
                             const struct usb_cmd *m)
{
    struct usb_req *q =
        usb_flight_add(c->flight, m->pdu.seqnum, USB_REQ_SUBMIT, channel,
                       (uint32_t)m->pdu.submit.length, m->packets);

    if (!q)
        return NULL;
    q->type = m->type;
    q->ep = m->address;
    q->in = m->pdu.direction == USBIP_DIR_IN;
    memcpy(q->setup, m->pdu.submit.setup, sizeof(q->setup));
    return q;
}

/* @return place of a request whose unlink came before it; n_early: none */
static uint32_t find_early(const struct usb_client *c, uint32_t victim)
{
    uint32_t i = 0;

    while (i < c->n_early && c->early[i].victim != victim)
        i++;
    return i;
}

/* Now the kernel can give it back, which it does at the unlink's answer. */
static enum usb_verdict submit_early(struct usb_client *c,
                                     enum usb_channel channel, uint32_t at,
                                     struct usb_replies *ret)
{
    ret->n = 1;
    usb_reply_unlink(&ret->r[0], channel, c->early[at].unlink, -ECONNRESET);
    c->early[at] = c->early[--c->n_early];
    return USB_ANSWER;
}

static enum usb_verdict cmd_submit(struct usb_client *c, struct usb_cmd *m,
                                   uint8_t head[USBIP_HEADER_BYTES],
                                   struct cur descs, enum usb_channel channel,
                                   struct usb_replies *ret)
{
    if (usb_flight_find(c->flight, m->pdu.seqnum))
        return close_for(c, USB_REASON_SEQNUM);
    uint32_t early = find_early(c, m->pdu.seqnum);
    if (early < c->n_early)
        return submit_early(c, channel, early, ret);
    if (!m->known)
        return answer_failed(c, channel, m, descs, -ENOENT,
                             USB_REASON_NO_ENDPOINT, ret);
    mend_head(c, m, head);
    enum usb_reason why = usb_cmd_rules(m);
    if (why != USB_REASON_NONE)
        return answer_failed(c, channel, m, descs, -EINVAL, why, ret);
    struct usb_req *q = c->stuck ? NULL : enter(c, channel, m);
    c->stuck = false;
    if (!q)
        return answer_failed(c, channel, m, descs, -EPROTO, USB_REASON_STUCK,
                             ret);
    if (m->type != USB_XFER_ISO)
        return USB_PASS;
    why = usb_cmd_iso(m, descs, q->iso);
    if (why == USB_REASON_NONE)
        return USB_PASS;
    usb_flight_remove(c->flight, q);
    return answer_failed(c, channel, m, descs, -EINVAL, why, ret);
}

/* Either the victim's answer is on its way to the kernel, or vhci's sender
 * has let the unlink overtake its victim (a request that begins and is
 * unlinked between the sender's two queues). To give the request back at the
 * unlink's answer, the kernel must have sent it: so that answer waits. */
static enum usb_verdict unlink_unseen(struct usb_client *c,
                                      enum usb_channel channel,
                                      const struct usb_cmd *m,
                                      struct usb_replies *ret)
{
    if (usb_ring_find(&c->ended, m->pdu.victim)) {
        ret->n = 1;
        usb_reply_unlink(&ret->r[0], channel, m->pdu.seqnum, 0);
        return USB_ANSWER;
    }
    if (c->n_early == EARLY_MAX)
        return close_for(c, USB_REASON_UNLINK_VICTIM);
    c->early[c->n_early++] = (struct early){m->pdu.victim, m->pdu.seqnum};
    return USB_DROP;
}

static enum usb_verdict cmd_unlink(struct usb_client *c, struct usb_cmd *m,
                                   uint8_t head[USBIP_HEADER_BYTES],
                                   enum usb_channel channel,
                                   struct usb_replies *ret)
{
    if (usb_flight_find(c->flight, m->pdu.seqnum))
        return close_for(c, USB_REASON_SEQNUM);
    struct usb_req *victim = usb_flight_find(c->flight, m->pdu.victim);
    mend_head(c, m, head);
    if (!victim)
        return unlink_unseen(c, channel, m, ret);
    if (victim->kind != USB_REQ_SUBMIT)
        return close_for(c, USB_REASON_UNLINK_VICTIM);
    if (victim->unlinking)
        return close_for(c, USB_REASON_UNLINK_TWICE);
    struct usb_req *u =
        usb_flight_add(c->flight, m->pdu.seqnum, USB_REQ_UNLINK, channel, 0, 0);
    if (!u)
        return close_for(c, USB_REASON_UNLINK_VICTIM);
    u->other = victim->seqnum;
    victim->unlinking = true;
    victim->other = u->seqnum;
    return USB_PASS;
}

enum usb_verdict usb_client_cmd(struct usb_client *c,
                                uint8_t head[USBIP_HEADER_BYTES],
                                struct cur descs, enum usb_channel *ret_channel,
                                struct usb_replies *ret_reply)
{
    struct usb_cmd m;
    enum usb_reason why = usb_cmd_frame(head, c->conf.devid, c->snapshot, &m);

    if (why != USB_REASON_NONE)
        return close_for(c, why);
    *ret_channel = channel_of(c, &m);
    if (m.pdu.command == USBIP_CMD_UNLINK)
        return cmd_unlink(c, &m, head, *ret_channel, ret_reply);
    return cmd_submit(c, &m, head, descs, *ret_channel, ret_reply);
}

/* ---- answers of the USBVM ---- */

static enum usb_reason answer_form(const struct usbip_pdu *p)
{
    if (p->devid != 0)
        return USB_REASON_DEVID;
    if (p->direction != 0)
        return USB_REASON_DIRECTION;
    return p->ep == 0 ? USB_REASON_NONE : USB_REASON_EP_NUMBER;
}

/* What a RET_SUBMIT answers: in flight, or dead since its unlink. */
static enum usb_reason submit_of(struct usb_client *c, enum usb_channel channel,
                                 uint32_t seqnum, struct usb_ended *ret)
{
    const struct usb_req *q = usb_flight_find(c->flight, seqnum);

    if (q && q->kind == USB_REQ_SUBMIT) {
        *ret = (struct usb_ended){
            .channel = q->channel,
            .in = q->in,
            .iso = q->type == USB_XFER_ISO,
            .length = q->length,
            .packets = q->packets,
        };
    } else {
        struct usb_ended *e = q ? NULL : usb_ring_find(&c->dead, seqnum);
        if (!e || e->taken)
            return USB_REASON_RET_SEQNUM;
        *ret = *e;
    }
    return ret->channel == channel ? USB_REASON_NONE : USB_REASON_CHANNEL;
}

/* What follows the head, by the request. */
static enum usb_reason body_of(const struct usbip_pdu *p,
                               const struct usb_ended *e,
                               struct usbip_body *ret)
{
    struct usbip_pdu mended = *p;

    if (p->done.actual < 0 || (uint32_t)p->done.actual > e->length)
        return USB_REASON_RET_LENGTH;
    if (!e->iso)
        mended.done.packets = 0;
    if (usbip_ret_body(&mended, e->in, e->length, e->packets, ret) < 0)
        return USB_REASON_RET_PACKETS;
    return USB_REASON_NONE;
}

enum usb_verdict usb_client_ret_head(struct usb_client *c,
                                     enum usb_channel channel,
                                     const uint8_t head[USBIP_HEADER_BYTES],
                                     struct usbip_body *ret_body)
{
    struct cur in = cur_of(head, USBIP_HEADER_BYTES);
    struct usbip_pdu p;
    struct usb_ended e;

    if (usbip_pdu_decode(&in, USBIP_FROM_SERVER, &p) < 0)
        return close_for(c, USB_REASON_COMMAND);
    enum usb_reason why = answer_form(&p);
    if (why == USB_REASON_NONE && p.command == USBIP_RET_UNLINK) {
        *ret_body = (struct usbip_body){0};
        return USB_PASS;
    }
    if (why == USB_REASON_NONE)
        why = submit_of(c, channel, p.seqnum, &e);
    if (why == USB_REASON_NONE)
        why = body_of(&p, &e, ret_body);
    return why == USB_REASON_NONE ? USB_PASS : close_for(c, why);
}

/* ENOENT needs no unlink: it is the answer when an endpoint is not there. */
static int32_t mend_status(struct usb_client *c, const struct usb_req *q,
                           int32_t status)
{
    if (status == -ECONNRESET && !q->unlinking) {
        note(c, USB_REASON_RET_CANCELLED);
        return -EPROTO;
    }
    if (usb_status_known(status))
        return status;
    note(c, USB_REASON_RET_STATUS);
    return -EPROTO;
}

/* One packet descriptor: offset and length are the request's. */
static bool ret_packet(struct usb_client *c, const struct usbip_iso *asked,
                       struct usbip_iso *got)
{
    if (got->offset != asked->offset || got->length != asked->length)
        note(c, USB_REASON_RET_ISO_LAYOUT);
    got->offset = asked->offset;
    got->length = asked->length;
    if (got->actual > asked->length)
        return false;
    if (!usb_status_known(got->status)) {
        note(c, USB_REASON_RET_ISO_STATUS);
        got->status = -EPROTO;
    }
    return true;
}

static enum usb_reason ret_iso(struct usb_client *c, const struct usb_req *q,
                               uint8_t *descs, struct usbip_done *done)
{
    struct cur in = cur_of(descs, (size_t)q->packets * USBIP_ISO_DESC_BYTES);
    uint64_t sum = 0;
    struct usbip_iso p;

    done->errors = 0;
    for (uint32_t i = 0; i < q->packets; i++) {
        if (usbip_iso_decode(&in, 1, &p) < 0)
            return USB_REASON_RET_PACKETS;
        if (!ret_packet(c, &q->iso[i], &p))
            return USB_REASON_RET_ISO_ACTUAL;
        sum += p.actual;
        if (p.status != 0)
            done->errors++;
        usbip_iso_encode(&p, 1, descs + (size_t)i * USBIP_ISO_DESC_BYTES);
    }
    return sum == (uint32_t)done->actual ? USB_REASON_NONE
                                         : USB_REASON_RET_ISO_SUM;
}

/* Endpoint 0: descriptors and state are the snapshot's, whatever came, and
 * what the USBVM may not have answered with success has failed. */
static void ret_control(struct usb_client *c, const struct usb_req *q,
                        struct usbip_done *done, const uint8_t **payload)
{
    static const struct usb_policy ANY = {true, true, true};
    struct usb_ep0 f = usb_filter_ep0(c->snapshot, &ANY, q->setup);

    if (done->status != 0) {
        if (f.kind == USB_EP0_ANSWER || f.kind == USB_EP0_REFUSE)
            done->actual = 0;
        return;
    }
    switch (f.kind) {
    case USB_EP0_PASS:
    case USB_EP0_CLEAR_HALT:
        break;
    case USB_EP0_SET_INTERFACE:
        (void)usb_snapshot_set_interface(c->snapshot, f.interface, f.alt);
        break;
    case USB_EP0_SET_CONFIGURATION:
        (void)usb_snapshot_set_configuration(c->snapshot, f.configuration);
        break;
    case USB_EP0_ANSWER:
        *payload = f.data;
        done->actual = (int32_t)(q->in ? f.data_len : q->length);
        break;
    case USB_EP0_REFUSE:
        note(c, f.reason);
        done->status = -EPIPE;
        done->actual = 0;
        break;
    }
}

static enum usb_verdict ret_submit(struct usb_client *c, struct usb_req *q,
                                   const struct usbip_pdu *p,
                                   const uint8_t *payload, uint8_t *descs,
                                   struct usb_reply *ret)
{
    struct usbip_done done = p->done;

    if (done.status > 0)
        return close_for(c, USB_REASON_RET_STATUS);
    done.status = mend_status(c, q, done.status);
    done.start_frame = 0;
    if (q->type == USB_XFER_ISO) {
        enum usb_reason why = ret_iso(c, q, descs, &done);
        if (why != USB_REASON_NONE)
            return close_for(c, why);
    } else if (done.errors != 0 || done.packets > 0 ||
               p->done.start_frame != 0) {
        note(c, USB_REASON_RET_FIELD);
        done.errors = 0;
    }
    if (q->type == USB_XFER_CONTROL)
        ret_control(c, q, &done, &payload);
    done.packets = (int32_t)q->packets;
    usb_reply_submit(ret, q->channel, q->seqnum, &done);
    if (q->in) {
        ret->payload = payload;
        ret->payload_len = (uint32_t)done.actual;
    }
    ret->descs = descs;
    ret->descs_len = q->packets * USBIP_ISO_DESC_BYTES;
    if (q->unlinking) { /* its RET_UNLINK says 0 */
        struct usb_req *u = usb_flight_find(c->flight, q->other);
        if (u)
            u->unlinking = true;
    }
    usb_ring_add(&c->ended, q);
    usb_flight_remove(c->flight, q);
    return USB_PASS;
}

/* Of an unlink, "unlinking" says that its victim's answer was passed on. */
static enum usb_verdict ret_unlink(struct usb_client *c,
                                   enum usb_channel channel,
                                   const struct usbip_pdu *p,
                                   struct usb_reply *ret)
{
    struct usb_req *u = usb_flight_find(c->flight, p->seqnum);

    if (!u || u->kind != USB_REQ_UNLINK)
        return close_for(c, USB_REASON_RET_UNLINK);
    if (u->channel != channel)
        return close_for(c, USB_REASON_CHANNEL);
    int32_t status = u->unlinking ? 0 : -ECONNRESET;
    if (!u->unlinking) {
        struct usb_req *victim = usb_flight_find(c->flight, u->other);
        if (p->status != status)
            note(c, USB_REASON_RET_UNLINK_EARLY);
        if (victim) {
            usb_ring_add(&c->dead, victim);
            usb_flight_remove(c->flight, victim);
        }
    }
    usb_reply_unlink(ret, channel, u->seqnum, status);
    usb_flight_remove(c->flight, u);
    return USB_PASS;
}

static enum usb_verdict drop_late(struct usb_client *c, uint32_t seqnum)
{
    struct usb_ended *e = usb_ring_find(&c->dead, seqnum);

    if (!e || e->taken)
        return close_for(c, USB_REASON_RET_SEQNUM);
    e->taken = true;
    note(c, USB_REASON_RET_LATE);
    return USB_DROP;
}

enum usb_verdict usb_client_ret(struct usb_client *c, enum usb_channel channel,
                                const uint8_t head[USBIP_HEADER_BYTES],
                                const uint8_t *payload, uint8_t *descs,
                                struct usb_reply *ret)
{
    struct usbip_body body;
    struct cur in = cur_of(head, USBIP_HEADER_BYTES);
    struct usbip_pdu p;

    if (usb_client_ret_head(c, channel, head, &body) != USB_PASS)
        return USB_CLOSE;
    if (usbip_pdu_decode(&in, USBIP_FROM_SERVER, &p) < 0)
        return close_for(c, USB_REASON_COMMAND);
    if (p.padded)
        note(c, USB_REASON_PADDING);
    if (p.command == USBIP_RET_UNLINK)
        return ret_unlink(c, channel, &p, ret);
    struct usb_req *q = usb_flight_find(c->flight, p.seqnum);
    if (!q)
        return drop_late(c, p.seqnum);
    return ret_submit(c, q, &p, payload, descs, ret);
}

uint32_t usb_client_flight(const struct usb_client *c, enum usb_channel ch)
{
    return usb_flight_count(c->flight, ch);
}

enum usb_reason usb_client_reason(const struct usb_client *c)
{
    return c->reason;
}

const uint64_t *usb_client_counts(const struct usb_client *c)
{
    return c->counts;
}
