/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Codec and framing of USB/IP PDUs. pure. Fed by both peers (hostile); see
 * usbip_pdu.h. */
#include "usbvm/protocol/usbip_pdu.h"

#include <assert.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

#define COMMON_BYTES 20
#define KIND_BYTES (USBIP_HEADER_BYTES - COMMON_BYTES)

static_assert(COMMON_BYTES == 5 * 4, "five fields of 32 bits");
static_assert(KIND_BYTES == 28, "the union of the kernel's header");

/* The one table of PDU kinds: who sends it, how many of the 28 bytes of its
 * union mean something; the rest is padding. What follows the header is
 * decided by usbip_cmd_body() and usbip_ret_body(); nothing follows the two
 * kinds of unlink. */
static const struct kind {
    const char *name;
    enum usbip_from from;
    uint8_t fields;
    bool body;
} KINDS[] = {
    [USBIP_CMD_SUBMIT] = {"CMD_SUBMIT", USBIP_FROM_CLIENT, 28, true},
    [USBIP_CMD_UNLINK] = {"CMD_UNLINK", USBIP_FROM_CLIENT, 4, false},
    [USBIP_RET_SUBMIT] = {"RET_SUBMIT", USBIP_FROM_SERVER, 20, true},
    [USBIP_RET_UNLINK] = {"RET_UNLINK", USBIP_FROM_SERVER, 4, false},
};

static const struct kind *kind_of(uint32_t command)
{
    if (command == 0 || command >= ARRAY_LEN(KINDS))
        return NULL;
    return &KINDS[command];
}

const char *usbip_command_name(uint32_t command)
{
    const struct kind *k = kind_of(command);

    return k ? k->name : "?";
}

static int cur_s32be(struct cur *c, int32_t *ret)
{
    uint32_t v = 0;
    int r = cur_u32be(c, &v);

    if (r == 0)
        *ret = (int32_t)v;
    return r;
}

static int decode_submit(struct cur *c, struct usbip_submit *s)
{
    if (cur_u32be(c, &s->flags) < 0 || cur_s32be(c, &s->length) < 0 ||
        cur_s32be(c, &s->start_frame) < 0 || cur_s32be(c, &s->packets) < 0 ||
        cur_s32be(c, &s->interval) < 0)
        return -EAGAIN;
    return cur_copy(c, s->setup, sizeof(s->setup));
}

static int decode_done(struct cur *c, struct usbip_done *d)
{
    if (cur_s32be(c, &d->status) < 0 || cur_s32be(c, &d->actual) < 0 ||
        cur_s32be(c, &d->start_frame) < 0 || cur_s32be(c, &d->packets) < 0 ||
        cur_s32be(c, &d->errors) < 0)
        return -EAGAIN;
    return 0;
}

static int decode_fields(struct cur *c, struct usbip_pdu *out)
{
    switch ((enum usbip_command)out->command) {
    case USBIP_CMD_SUBMIT:
        return decode_submit(c, &out->submit);
    case USBIP_CMD_UNLINK:
        return cur_u32be(c, &out->victim);
    case USBIP_RET_SUBMIT:
        return decode_done(c, &out->done);
    case USBIP_RET_UNLINK:
        return cur_s32be(c, &out->status);
    }
    return -EBADMSG;
}

int usbip_pdu_decode(struct cur *in, enum usbip_from from,
                     struct usbip_pdu *ret)
{
    struct usbip_pdu out = {0};
    const uint8_t *p;
    struct cur whole = *in;
    struct cur c;
    uint8_t pad;

    if (cur_take(&whole, USBIP_HEADER_BYTES, &p) < 0)
        return -EAGAIN;
    c = cur_of(p, USBIP_HEADER_BYTES);
    if (cur_u32be(&c, &out.command) < 0 || cur_u32be(&c, &out.seqnum) < 0 ||
        cur_u32be(&c, &out.devid) < 0 || cur_u32be(&c, &out.direction) < 0 ||
        cur_u32be(&c, &out.ep) < 0)
        return -EAGAIN;
    const struct kind *k = kind_of(out.command);
    if (!k || k->from != from)
        return -EBADMSG;
    if (decode_fields(&c, &out) < 0)
        return -EBADMSG;
    assert(c.left == (size_t)(KIND_BYTES - k->fields));
    while (cur_u8(&c, &pad) == 0)
        out.padded |= pad != 0;
    *in = whole;
    *ret = out;
    return 0;
}

static void wbuf_s32be(struct wbuf *w, int32_t v)
{
    wbuf_u32be(w, (uint32_t)v);
}

static void encode_submit(struct wbuf *w, const struct usbip_submit *s)
{
    wbuf_u32be(w, s->flags);
    wbuf_s32be(w, s->length);
    wbuf_s32be(w, s->start_frame);
    wbuf_s32be(w, s->packets);
    wbuf_s32be(w, s->interval);
    wbuf_bytes(w, s->setup, sizeof(s->setup));
}

static void encode_done(struct wbuf *w, const struct usbip_done *d)
{
    wbuf_s32be(w, d->status);
    wbuf_s32be(w, d->actual);
    wbuf_s32be(w, d->start_frame);
    wbuf_s32be(w, d->packets);
    wbuf_s32be(w, d->errors);
}

void usbip_pdu_encode(const struct usbip_pdu *pdu,
                      uint8_t ret[USBIP_HEADER_BYTES])
{
    struct wbuf w = wbuf_of(ret, USBIP_HEADER_BYTES);

    memset(ret, 0, USBIP_HEADER_BYTES);
    wbuf_u32be(&w, pdu->command);
    wbuf_u32be(&w, pdu->seqnum);
    wbuf_u32be(&w, pdu->devid);
    wbuf_u32be(&w, pdu->direction);
    wbuf_u32be(&w, pdu->ep);
    switch ((enum usbip_command)pdu->command) {
    case USBIP_CMD_SUBMIT:
        encode_submit(&w, &pdu->submit);
        break;
    case USBIP_CMD_UNLINK:
        wbuf_u32be(&w, pdu->victim);
        break;
    case USBIP_RET_SUBMIT:
        encode_done(&w, &pdu->done);
        break;
    case USBIP_RET_UNLINK:
        wbuf_s32be(&w, pdu->status);
        break;
    }
    assert(wbuf_done(&w) == 0);
}

int usbip_iso_decode(struct cur *in, size_t n, struct usbip_iso *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (cur_u32be(in, &ret[i].offset) < 0 ||
            cur_u32be(in, &ret[i].length) < 0 ||
            cur_u32be(in, &ret[i].actual) < 0 ||
            cur_s32be(in, &ret[i].status) < 0)
            return -EAGAIN;
    }
    return 0;
}

void usbip_iso_encode(const struct usbip_iso *iso, size_t n, uint8_t *ret)
{
    struct wbuf w = wbuf_of(ret, n * USBIP_ISO_DESC_BYTES);

    for (size_t i = 0; i < n; i++) {
        wbuf_u32be(&w, iso[i].offset);
        wbuf_u32be(&w, iso[i].length);
        wbuf_u32be(&w, iso[i].actual);
        wbuf_s32be(&w, iso[i].status);
    }
    assert(wbuf_done(&w) == 0);
}

int usbip_cmd_body(const struct usbip_pdu *pdu, struct usbip_body *ret)
{
    const struct kind *k = kind_of(pdu->command);

    if (!k || k->from != USBIP_FROM_CLIENT)
        return -EBADMSG;
    if (!k->body) {
        *ret = (struct usbip_body){0};
        return 0;
    }
    const struct usbip_submit *s = &pdu->submit;
    if (s->length < 0 || (uint32_t)s->length > USBIP_TRANSFER_MAX ||
        s->packets < -1 || s->packets > USBIP_ISO_PACKETS_MAX ||
        pdu->direction > USBIP_DIR_IN)
        return -EBADMSG;
    ret->payload = pdu->direction == USBIP_DIR_OUT ? (uint32_t)s->length : 0;
    ret->packets = s->packets > 0 ? (uint32_t)s->packets : 0;
    return 0;
}

int usbip_ret_body(const struct usbip_pdu *pdu, uint32_t direction,
                   uint32_t length, uint32_t packets, struct usbip_body *ret)
{
    const struct kind *k = kind_of(pdu->command);

    if (!k || k->from != USBIP_FROM_SERVER)
        return -EBADMSG;
    if (!k->body) {
        *ret = (struct usbip_body){0};
        return 0;
    }
    const struct usbip_done *d = &pdu->done;
    if (d->actual < 0 || (uint32_t)d->actual > length)
        return -EBADMSG;
    if (packets == 0 ? (d->packets != 0 && d->packets != -1)
                     : d->packets != (int32_t)packets)
        return -EBADMSG;
    ret->payload = direction == USBIP_DIR_IN ? (uint32_t)d->actual : 0;
    ret->packets = packets;
    return 0;
}

/* ---- framing ---- */

enum stage { STAGE_HEAD, STAGE_PAYLOAD, STAGE_DESCS, STAGE_WHOLE };

static size_t stage_len(const struct usbip_frame *f)
{
    if (f->stage == STAGE_HEAD)
        return USBIP_HEADER_BYTES;
    return f->stage == STAGE_WHOLE ? 0 : f->len[f->stage - STAGE_PAYLOAD];
}

size_t usbip_frame_want(struct usbip_frame *f, uint8_t **ret_into)
{
    if (f->stopped || f->stage == STAGE_WHOLE)
        return 0;
    uint8_t *base =
        f->stage == STAGE_HEAD ? f->head : f->part[f->stage - STAGE_PAYLOAD];
    *ret_into = base + f->have;
    return stage_len(f) - f->have;
}

/* Go past stages that hold nothing. */
static enum usbip_framed settle(struct usbip_frame *f)
{
    while (f->stage != STAGE_WHOLE && f->have == stage_len(f)) {
        f->stage++;
        f->have = 0;
    }
    return f->stage == STAGE_WHOLE ? USBIP_FRAME_WHOLE : USBIP_FRAME_MORE;
}

enum usbip_framed usbip_frame_got(struct usbip_frame *f, size_t n)
{
    assert(!f->stopped && n <= stage_len(f) - f->have);
    f->have += n;
    if (f->stage != STAGE_HEAD)
        return settle(f);
    f->stopped = f->have == USBIP_HEADER_BYTES;
    return f->stopped ? USBIP_FRAME_HEAD : USBIP_FRAME_MORE;
}

enum usbip_framed usbip_frame_body(struct usbip_frame *f, uint8_t *payload,
                                   size_t payload_len, uint8_t *descs,
                                   size_t descs_len)
{
    assert(f->stopped && f->stage == STAGE_HEAD);
    f->part[0] = payload;
    f->len[0] = payload_len;
    f->part[1] = descs;
    f->len[1] = descs_len;
    f->stopped = false;
    return settle(f);
}

void usbip_frame_next(struct usbip_frame *f)
{
    *f = (struct usbip_frame){0};
}
