/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of gen.h as Ethernet frames. pure. See frame.h. */
#include "tests/property/frame.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define ETH_P4 0x0800
#define ETH_P6 0x86dd
#define PAYLOAD 8
#define PAYLOAD_FRAGMENTED 104
#define FIRST_PIECE 40 /* behind it IPv6 has every layer-4 header whole */
#define SECOND_PIECE 32
#define TTL 64
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* Bytes appended one by one. */
struct out {
    size_t len;
    uint8_t b[FRAME_BYTES];
};

static void put(struct out *o, const void *p, size_t len)
{
    memcpy(o->b + o->len, p, len);
    o->len += len;
}

static void put8(struct out *o, unsigned v)
{
    o->b[o->len++] = (uint8_t)v;
}

static void put16(struct out *o, unsigned v)
{
    put8(o, v >> 8);
    put8(o, v & 0xff);
}

static void put32(struct out *o, uint32_t v)
{
    put16(o, v >> 16);
    put16(o, v & 0xffff);
}

static void put_zero(struct out *o, size_t n)
{
    memset(o->b + o->len, 0, n);
    o->len += n;
}

static void set16(uint8_t *at, unsigned v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static uint32_t sum(const uint8_t *p, size_t len, uint32_t s)
{
    size_t i;

    for (i = 0; i + 1 < len; i += 2)
        s += (uint32_t)p[i] << 8 | p[i + 1];
    return i < len ? s + ((uint32_t)p[i] << 8) : s;
}

static unsigned fold(uint32_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return ~s & 0xffff;
}

/* ---- layer 4 ---- */
static int checksum_at(const struct gen_packet *k)
{
    switch (k->facts.l4proto) {
    case IPPROTO_TCP:
        return 16;
    case IPPROTO_UDP:
        return 6;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return 2;
    default:
        return -1;
    }
}

static void add_checksum(struct out *o, const struct gen_packet *k)
{
    int at = checksum_at(k);
    size_t addr = ipaddr_len(&k->src);
    uint32_t s = 0;
    unsigned v;

    if (at < 0)
        return;
    if (k->facts.l4proto != IPPROTO_ICMP) {
        s = sum(k->src.b, addr, s);
        s = sum(k->facts.dst.b, addr, s);
        s += (uint32_t)o->len + k->facts.l4proto;
    }
    v = fold(sum(o->b, o->len, s));
    set16(o->b + at, v == 0 && k->facts.l4proto == IPPROTO_UDP ? 0xffff : v);
}

static void layer4(const struct gen_packet *k, struct out *o)
{
    size_t payload = k->shape == GEN_FRAGMENTS ? PAYLOAD_FRAGMENTED : PAYLOAD;

    o->len = 0;
    switch (k->facts.l4proto) {
    case IPPROTO_TCP:
        put16(o, k->sport);
        put16(o, k->facts.dport);
        put32(o, 1000);
        put32(o, k->tcp_ack ? 2000 : 0);
        put8(o, 5 << 4);
        put8(o, k->tcp_ack ? TCP_ACK : TCP_SYN);
        put16(o, 64240);
        put32(o, 0);
        break;
    case IPPROTO_UDP:
        put16(o, k->sport);
        put16(o, k->facts.dport);
        put16(o, (unsigned)payload + 8);
        put16(o, 0);
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        put8(o, k->facts.icmp_type);
        put8(o, 0);
        put16(o, 0);
        put16(o, k->sport);
        put16(o, 1);
        payload += 16; /* long enough for any type's body */
        break;
    default:
        break;
    }
    put_zero(o, payload);
    add_checksum(o, k);
}

/* ---- layer 3 ---- */
static void ethernet(struct out *o, const char *to, const char *from,
                     uint8_t family)
{
    o->len = 0;
    put(o, to, 6);
    put(o, from, 6);
    put16(o, family == AF_INET ? ETH_P4 : ETH_P6);
}

static void header4(struct out *o, const struct gen_packet *k, uint16_t number,
                    size_t body, size_t offset, bool more)
{
    size_t at = o->len, options = k->shape == GEN_OPTIONS ? 4 : 0;

    put8(o, 0x40 | (unsigned)(20 + options) / 4);
    put8(o, 0);
    put16(o, (unsigned)(20 + options + body));
    put16(o, number);
    put16(o, (more ? 0x2000 : 0) | (unsigned)offset / 8);
    put8(o, TTL);
    put8(o, k->facts.l4proto);
    put16(o, 0);
    put(o, k->src.b, 4);
    put(o, k->facts.dst.b, 4);
    if (options)
        put32(o, 0x01010100); /* no operation, three times; the end */
    set16(o->b + at + 10, fold(sum(o->b + at, 20 + options, 0)));
}

static void fragment6(struct out *o, unsigned next, uint32_t id, size_t offset,
                      bool more)
{
    put8(o, next);
    put8(o, 0);
    put16(o, (unsigned)offset | (more ? 1 : 0));
    put32(o, id);
}

/* One extension header of 8 bytes (24 for a routing header). */
static void ext6(struct out *o, unsigned type, unsigned next, uint16_t number)
{
    if (type == 44) {
        fragment6(o, next, 0x80000000u | number, 0, false);
    } else if (type == 43) {
        put8(o, next);
        put8(o, 2); /* 16 bytes more */
        put8(o, 2); /* type 2, one segment left */
        put8(o, 1);
        put32(o, 0);
        put32(o, 0x20010db8);
        put_zero(o, 12);
    } else {
        put8(o, next);
        put8(o, 0);
        put8(o, 1); /* PadN of four */
        put8(o, 4);
        put_zero(o, 4);
    }
}

static size_t ext6_bytes(const struct gen_packet *k)
{
    size_t n = 0;
    unsigned i;

    for (i = 0; i < k->n_exts; i++)
        n += k->exts[i] == 43 ? 24 : 8;
    return n;
}

static void header6(struct out *o, const struct gen_packet *k, uint16_t number,
                    size_t body, bool fragmented)
{
    unsigned last = fragmented ? 44 : k->facts.l4proto, i;

    put32(o, 6u << 28 | number);
    put16(o, (unsigned)(body + ext6_bytes(k)));
    put8(o, k->n_exts ? k->exts[0] : last);
    put8(o, TTL);
    put(o, k->src.b, 16);
    put(o, k->facts.dst.b, 16);
    for (i = 0; i < k->n_exts; i++)
        ext6(o, k->exts[i], i + 1 < k->n_exts ? k->exts[i + 1] : last, number);
}

static void finish(const struct out *o, struct frame *ret)
{
    ret->len = o->len;
    memcpy(ret->b, o->b, o->len);
}

static void piece(const struct gen_packet *k, uint16_t number,
                  const struct out *l4, size_t from, size_t to,
                  struct frame *ret)
{
    bool fragmented = k->shape == GEN_FRAGMENTS;
    bool more = to < l4->len;
    struct out o;

    ethernet(&o, FRAME_MAC_VIF, FRAME_MAC_QUBE, k->src.family);
    if (k->src.family == AF_INET) {
        header4(&o, k, number, to - from, from, more);
    } else {
        header6(&o, k, number, to - from + (fragmented ? 8 : 0), fragmented);
        if (fragmented)
            fragment6(&o, k->facts.l4proto, number, from, more);
    }
    put(&o, l4->b + from, to - from);
    finish(&o, ret);
}

unsigned frame_build(const struct gen_packet *k, uint16_t number,
                     struct frame ret[FRAME_PIECES])
{
    size_t second = FIRST_PIECE + SECOND_PIECE;
    struct out l4;

    layer4(k, &l4);
    if (k->shape != GEN_FRAGMENTS) {
        piece(k, number, &l4, 0, l4.len, &ret[0]);
        return 1;
    }
    piece(k, number, &l4, 0, FIRST_PIECE, &ret[0]);
    if (number % 2 == 0) {
        piece(k, number, &l4, FIRST_PIECE, l4.len, &ret[1]);
        return 2;
    }
    /* The last before the middle: order must not matter. */
    piece(k, number, &l4, second, l4.len, &ret[1]);
    piece(k, number, &l4, FIRST_PIECE, second, &ret[2]);
    return 3;
}

bool frame_answer(const struct gen_packet *k, uint16_t number,
                  struct frame *ret)
{
    struct gen_packet back = {
        .src = k->facts.dst,
        .facts = {.dst = k->src, .l4proto = k->facts.l4proto},
        .sport = k->sport,
    };
    struct out l4, o;

    if (k->facts.l4proto == IPPROTO_UDP) {
        back.sport = k->facts.dport;
        back.facts.dport = k->sport;
    } else if (k->facts.l4proto == IPPROTO_ICMP && k->facts.icmp_type == 8) {
        back.facts.icmp_type = 0;
    } else if (k->facts.l4proto == IPPROTO_ICMPV6 &&
               k->facts.icmp_type == 128) {
        back.facts.icmp_type = 129;
    } else {
        return false;
    }
    layer4(&back, &l4);
    ethernet(&o, FRAME_MAC_UPLINK, FRAME_MAC_FAR, back.src.family);
    if (back.src.family == AF_INET)
        header4(&o, &back, number, l4.len, 0, false);
    else
        header6(&o, &back, number, l4.len, false);
    put(&o, l4.b, l4.len);
    finish(&o, ret);
    return true;
}

bool frame_read(const uint8_t *b, size_t len, struct ipaddr *ret_src,
                uint16_t *ret_number)
{
    unsigned type;

    if (len < FRAME_ETH + 20)
        return false;
    type = (unsigned)b[12] << 8 | b[13];
    b += FRAME_ETH;
    *ret_src = (struct ipaddr){0};
    if (type == ETH_P4) {
        ret_src->family = AF_INET;
        memcpy(ret_src->b, b + 12, 4);
        *ret_number = (uint16_t)((unsigned)b[4] << 8 | b[5]);
        return true;
    }
    if (type != ETH_P6 || len < FRAME_ETH + 40)
        return false;
    ret_src->family = AF_INET6;
    memcpy(ret_src->b, b + 8, 16);
    *ret_number = (uint16_t)((unsigned)b[2] << 8 | b[3]);
    return true;
}
