/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS answers to addresses. pure. Fed by hostile bytes. See names_dns.h.
 * Names are compared in wire form, lower case, so that no two different
 * names can look alike; every read goes through the checked cursor. */
#include "firewallvm/names_dns.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "rules/rule_parse.h"

#define WIRE_MAX 255 /* RFC 1035 2.3.4 */
#define LABEL_MAX 63
#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_AAAA 28
#define CLASS_IN 1
#define FLAG_QR 0x8000u
#define FLAG_OPCODE 0x7800u
#define FLAG_TC 0x0200u
#define RCODE_MASK 0x000fu
#define RCODE_NXDOMAIN 3
#define TTL_TOP 0x80000000u

/* A name in wire form, lower case, uncompressed. */
struct wire {
    uint8_t b[WIRE_MAX];
    size_t len;
};

struct record_head {
    struct wire owner;
    uint16_t type, rrclass, len;
    uint32_t ttl_s;
    size_t data; /* offset of the data in the message */
};

struct message {
    const uint8_t *p;
    size_t len;
    size_t answers; /* offset of the first record */
    unsigned count; /* records of the answer section */
};

static int put_label(struct wire *w, const uint8_t *label, size_t n)
{
    size_t i;

    /* The final zero byte needs room as well. */
    if (w->len + 1 + n + 1 > WIRE_MAX)
        return -EBADMSG;
    w->b[w->len++] = (uint8_t)n;
    for (i = 0; i < n; i++) {
        uint8_t c = label[i];

        w->b[w->len++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    return 0;
}

/* Expand the name at *at and move behind it. A pointer must lead before the
 * name (or the part of it) it stands in, so this ends. */
static int get_name(const struct message *m, size_t *at, struct wire *ret)
{
    size_t pos = *at, before = *at, end = 0;
    struct wire w = {.len = 0};

    for (;;) {
        uint8_t n;

        if (pos >= m->len)
            return -EBADMSG;
        n = m->p[pos++];
        if (n == 0)
            break;
        if (n <= LABEL_MAX) {
            if (n > m->len - pos || put_label(&w, m->p + pos, n) < 0)
                return -EBADMSG;
            pos += n;
        } else {
            if ((n & 0xc0) != 0xc0 || pos >= m->len)
                return -EBADMSG;
            if (end == 0)
                end = pos + 1;
            pos = (size_t)(n & 0x3f) << 8 | m->p[pos];
            if (pos >= before)
                return -EBADMSG;
            before = pos;
        }
    }
    w.b[w.len++] = 0;
    *at = end ? end : pos;
    *ret = w;
    return 0;
}

static bool same(const struct wire *a, const struct wire *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

static int get_record(const struct message *m, size_t *at,
                      struct record_head *ret)
{
    struct record_head rr;
    size_t pos = *at;
    struct cur c;
    int r = get_name(m, &pos, &rr.owner);

    if (r < 0)
        return r;
    c = cur_of(m->p + pos, m->len - pos);
    if (cur_u16be(&c, &rr.type) < 0 || cur_u16be(&c, &rr.rrclass) < 0 ||
        cur_u32be(&c, &rr.ttl_s) < 0 || cur_u16be(&c, &rr.len) < 0 ||
        c.left < rr.len)
        return -EBADMSG;
    if (rr.ttl_s & TTL_TOP)
        rr.ttl_s = 0;
    rr.data = m->len - c.left;
    *at = rr.data + rr.len;
    *ret = rr;
    return 0;
}

/* The text of a name, if it is one that a rule may hold. */
static void to_text(const struct wire *w, char out[FW_NAME_MAX])
{
    char text[WIRE_MAX + 1];
    size_t at = 0, len = 0;

    out[0] = '\0';
    while (w->b[at] != 0) {
        size_t n = w->b[at++];

        if (memchr(w->b + at, '.', n))
            return; /* a dot within a label would read as two labels */
        if (len > 0)
            text[len++] = '.';
        memcpy(text + len, w->b + at, n);
        len += n;
        at += n;
    }
    if (len == 0 || text[0] == '*' ||
        rule_parse_name((struct text){text, len}) < 0)
        return;
    memcpy(out, text, len);
    out[len] = '\0';
}

/* Header and question. */
static int get_question(struct message *m, struct wire *ret_name,
                        struct dns_answer *ret)
{
    struct cur c = cur_of(m->p, m->len);
    uint16_t id, flags, questions, answers, rest, type, qclass;
    size_t at;

    if (cur_u16be(&c, &id) < 0 || cur_u16be(&c, &flags) < 0 ||
        cur_u16be(&c, &questions) < 0 || cur_u16be(&c, &answers) < 0 ||
        cur_u16be(&c, &rest) < 0 || cur_u16be(&c, &rest) < 0)
        return -EBADMSG;
    if (!(flags & FLAG_QR) || (flags & FLAG_OPCODE) || questions != 1 ||
        answers > DNS_RECORDS_MAX)
        return -EBADMSG;
    at = m->len - c.left;
    if (get_name(m, &at, ret_name) < 0)
        return -EBADMSG;
    c = cur_of(m->p + at, m->len - at);
    if (cur_u16be(&c, &type) < 0 || cur_u16be(&c, &qclass) < 0)
        return -EBADMSG;
    if ((type != TYPE_A && type != TYPE_AAAA) || qclass != CLASS_IN)
        return -ENOENT;
    if (flags & FLAG_TC)
        return -EAGAIN;
    m->answers = m->len - c.left;
    m->count = answers;
    to_text(ret_name, ret->name);
    ret->family = type == TYPE_A ? AF_INET : AF_INET6;
    ret->status = (flags & RCODE_MASK) == 0                ? DNS_OK
                  : (flags & RCODE_MASK) == RCODE_NXDOMAIN ? DNS_NXDOMAIN
                                                           : DNS_FAILED;
    return 0;
}

/* One step of the chain: the CNAME of *name, if there is one.
 * @return 1 a step was taken; 0 none; -EBADMSG */
static int step(const struct message *m, struct wire *name, uint32_t *ttl_s)
{
    size_t at = m->answers;
    unsigned i;

    for (i = 0; i < m->count; i++) {
        struct record_head rr;
        struct wire target;
        size_t data;

        if (get_record(m, &at, &rr) < 0)
            return -EBADMSG;
        if (rr.type != TYPE_CNAME || rr.rrclass != CLASS_IN ||
            !same(&rr.owner, name))
            continue;
        data = rr.data;
        if (get_name(m, &data, &target) < 0 || data != rr.data + rr.len)
            return -EBADMSG;
        *name = target;
        if (rr.ttl_s < *ttl_s)
            *ttl_s = rr.ttl_s;
        return 1;
    }
    return 0;
}

static void take_addr(struct dns_answer *ans, const struct ipaddr *a,
                      uint32_t ttl_s)
{
    unsigned i;

    if (!ipaddr_is_host(a))
        return;
    for (i = 0; i < ans->n; i++) {
        if (!ipaddr_eq(&ans->v[i].addr, a))
            continue;
        if (ttl_s < ans->v[i].ttl_s)
            ans->v[i].ttl_s = ttl_s;
        return;
    }
    if (ans->n < DNS_ADDRS_MAX)
        ans->v[ans->n++] = (struct dns_addr){*a, ttl_s};
}

/* The addresses of the name at the chain's end. */
static int get_addresses(const struct message *m, const struct wire *name,
                         uint32_t ttl_s, struct dns_answer *ans)
{
    uint16_t type = ans->family == AF_INET ? TYPE_A : TYPE_AAAA;
    size_t at = m->answers;
    unsigned i;

    for (i = 0; i < m->count; i++) {
        struct ipaddr a = {.family = ans->family};
        struct record_head rr;

        if (get_record(m, &at, &rr) < 0)
            return -EBADMSG;
        if (rr.type != type || rr.rrclass != CLASS_IN || !same(&rr.owner, name))
            continue;
        if (rr.len != ipaddr_len(&a))
            return -EBADMSG;
        memcpy(a.b, m->p + rr.data, rr.len);
        take_addr(ans, &a, rr.ttl_s < ttl_s ? rr.ttl_s : ttl_s);
    }
    return 0;
}

int dns_answer_parse(const uint8_t *untrusted, size_t len,
                     struct dns_answer *ret)
{
    struct message m = {.p = untrusted, .len = len};
    struct dns_answer ans = {.n = 0};
    uint32_t ttl_s = UINT32_MAX;
    struct wire name = {.len = 0};
    unsigned steps = 0;
    int r = len > DNS_MESSAGE_MAX ? -EBADMSG : get_question(&m, &name, &ans);

    if (r == 0 && ans.status == DNS_OK) {
        do {
            r = step(&m, &name, &ttl_s);
        } while (r == 1 && ++steps <= DNS_CHAIN_MAX);
        if (r == 1)
            r = -ELOOP;
        if (r == 0)
            r = get_addresses(&m, &name, ttl_s, &ans);
        if (r == 0 && ans.n == 0)
            ans.status = DNS_NODATA;
    }
    if (r < 0)
        return r;
    *ret = ans;
    return 0;
}
