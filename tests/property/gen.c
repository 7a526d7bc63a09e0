/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random rule lists and packets. pure. See gen.h. */
#include "tests/property/gen.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/mem.h"

uint32_t prng_below(struct prng *p, uint32_t n)
{
    uint64_t z = (p->s += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

bool prng_chance(struct prng *p, uint32_t percent)
{
    return prng_below(p, 100) < percent;
}

static uint8_t any_byte(struct prng *p)
{
    return (uint8_t)prng_below(p, 256);
}

#define PICK(p, table) ((table)[prng_below((p), (uint32_t)ARRAY_LEN(table))])

/* ---- the world ---- */
static const uint8_t POINTS4[][4] = {
    {203, 0, 113, 80},   {203, 0, 113, 81},  {203, 0, 113, 127},
    {203, 0, 113, 128},  {203, 0, 112, 255}, {198, 51, 100, 0},
    {198, 51, 100, 255}, {198, 18, 0, 1},    {198, 19, 255, 255},
    {10, 139, 1, 1},     {10, 139, 1, 2},    {100, 64, 7, 9},
    {9, 9, 9, 9},        {128, 0, 0, 0},     {191, 255, 255, 255},
};
static const uint8_t POINTS6[][16] = {
    {0x20, 1, 0x0d, 0xb8, 0, 0x80, [15] = 0x80},
    {0x20, 1, 0x0d, 0xb8, 0, 0x80, [15] = 0x81},
    {0x20, 1, 0x0d, 0xb8, 0, 0x80, [14] = 1},
    {0x20, 1, 0x0d, 0xb8, 0, 0x81},
    {0x20, 1, 0x0d, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff},
    {0x26, 0x20, 0, 0xfe, [15] = 0xfe},
    {0x20, 1, 0x0d, 0xb8, 0, 0x53, [15] = 0x53},
    {0x3f, 0xff, [15] = 1},
};
static const uint8_t PREFIX4[] = {0,  1,  8,  12, 16, 23, 24, 24,
                                  25, 28, 30, 31, 32, 32, 32, 32};
static const uint8_t PREFIX6[] = {0,  3,   32,  47,  48,  64,  65,
                                  96, 120, 127, 128, 128, 128, 128};
static const uint16_t PORTS[] = {0,    1,    22,   53,    54,    80,   443,
                                 1023, 1024, 8080, 32768, 65534, 65535};
/* What conntrack takes for the first packet of a flow. */
static const uint8_t ICMP4[] = {8, 8, 13, 15, 17};
static const uint8_t ICMP6[] = {128, 128, 128, 139};
/* Neighbour discovery and listener reports: never tracked. */
static const uint8_t ICMP6_UNTRACKED[] = {131, 132, 133, 136, 143};
static const uint8_t OTHER[] = {50, 89, 103, 115, 200};

static void any_point(struct prng *p, uint8_t family, struct ipaddr *ret)
{
    *ret = (struct ipaddr){.family = family};
    if (family == AF_INET)
        memcpy(ret->b, PICK(p, POINTS4), 4);
    else
        memcpy(ret->b, PICK(p, POINTS6), 16);
    if (prng_chance(p, 30))
        ret->b[ipaddr_len(ret) - 1] = any_byte(p);
    if (prng_chance(p, 10))
        ret->b[ipaddr_len(ret) - 2] = any_byte(p);
    if (prng_chance(p, 3))
        ret->b[1] = any_byte(p);
}

static uint16_t any_port(struct prng *p)
{
    if (prng_chance(p, 25))
        return (uint16_t)prng_below(p, 65536);
    return PICK(p, PORTS);
}

void gen_dns(struct prng *p, struct fw_dns *ret)
{
    uint8_t *last;
    unsigned i;

    *ret = (struct fw_dns){.n = prng_below(p, FW_DNS_MAX + 1)};
    for (i = 0; i < ret->n; i++) {
        struct ipaddr *a = &ret->addr[i];
        /* Different ones: the last byte is the number's own. */
        any_point(p, prng_chance(p, 60) ? AF_INET : AF_INET6, a);
        last = &a->b[ipaddr_len(a) - 1];
        *last = (uint8_t)((*last & 0xfc) | i);
    }
}

/* ---- rules ---- */
enum style { MIXED, TUPLES, NETS, RANGES, ICMP, STYLES };

static void any_net(struct prng *p, uint8_t family, bool host,
                    struct fw_match *m)
{
    m->dst_kind = FW_DST_NET;
    any_point(p, family, &m->dst.addr);
    if (family == AF_INET)
        m->dst.prefix = host ? 32 : PICK(p, PREFIX4);
    else
        m->dst.prefix = host ? 128 : PICK(p, PREFIX6);
}

static void any_ports(struct prng *p, bool one, struct fw_match *m)
{
    uint16_t a = any_port(p), b = one ? a : any_port(p);

    m->has_ports = true;
    m->port_first = a < b ? a : b;
    m->port_last = a < b ? b : a;
    if (!one && prng_chance(p, 10)) {
        m->port_first = 0;
        m->port_last = 65535;
    }
}

static void any_icmp(struct prng *p, uint8_t family, struct fw_match *m)
{
    m->proto = FW_PROTO_ICMP;
    m->has_icmptype = prng_chance(p, 70);
    if (m->has_icmptype && family == AF_INET)
        m->icmptype = PICK(p, ICMP4);
    else if (m->has_icmptype)
        m->icmptype =
            prng_chance(p, 60) ? PICK(p, ICMP6) : PICK(p, ICMP6_UNTRACKED);
    if (m->has_icmptype && prng_chance(p, 10))
        m->icmptype = any_byte(p);
}

static void mixed_rule(struct prng *p, uint8_t family, struct fw_rule *r)
{
    struct fw_match *m = &r->m;

    if (prng_chance(p, 60))
        any_net(p, family, prng_chance(p, 40), m);
    m->proto = (enum fw_proto)prng_below(p, 4);
    if (m->proto == FW_PROTO_ICMP)
        any_icmp(p, family, m);
    else if (prng_chance(p, 15))
        m->dns = true;
    else if (prng_chance(p, 50))
        any_ports(p, prng_chance(p, 40), m);
    if (m->dns && prng_chance(p, 30)) {
        m->has_ports = true;
        m->port_first = m->port_last = FW_DNS_PORT;
    }
    if (m->dst_kind == FW_DST_ANY && prng_chance(p, 4)) {
        m->dst_kind = FW_DST_NAME;
        snprintf(r->name, sizeof(r->name), "host%u.example",
                 (unsigned)prng_below(p, 5));
    }
}

static void any_rule(struct prng *p, uint8_t family, enum style style,
                     struct fw_rule *r)
{
    struct fw_match *m = &r->m;

    *r = (struct fw_rule){0};
    m->action = prng_chance(p, 50) ? FW_ACCEPT : FW_DROP;
    switch (style) {
    case TUPLES:
        any_net(p, family, true, m);
        m->proto = prng_chance(p, 50) ? FW_PROTO_TCP : FW_PROTO_UDP;
        any_ports(p, true, m);
        break;
    case NETS:
        any_net(p, family, prng_chance(p, 20), m);
        if (prng_chance(p, 20))
            m->proto = prng_chance(p, 50) ? FW_PROTO_TCP : FW_PROTO_UDP;
        break;
    case RANGES:
        if (prng_chance(p, 60))
            any_net(p, family, prng_chance(p, 20), m);
        m->proto = (enum fw_proto)prng_below(p, 3);
        any_ports(p, prng_chance(p, 20), m);
        break;
    case ICMP:
        if (prng_chance(p, 40))
            any_net(p, family, prng_chance(p, 40), m);
        any_icmp(p, family, m);
        break;
    case MIXED:
    case STYLES:
        mixed_rule(p, family, r);
        break;
    }
}

/* A duplicate now and then, some with the other action. */
static void fill(struct prng *p, uint8_t family, struct gen_list *l, size_t n)
{
    enum style style = (enum style)prng_below(p, STYLES);
    bool runs = prng_chance(p, 50);

    for (l->n = 0; l->n < n; l->n++) {
        struct fw_rule *r = &l->v[l->n];
        if (l->n > 0 && prng_chance(p, 10))
            *r = l->v[prng_below(p, (uint32_t)l->n)];
        else
            any_rule(p, family, prng_chance(p, 85) ? style : MIXED, r);
        if (runs && l->n > 0 && prng_chance(p, 80))
            r->m.action = l->v[l->n - 1].m.action;
        else if (prng_chance(p, 10))
            r->m.action = r->m.action == FW_DROP ? FW_ACCEPT : FW_DROP;
    }
}

void gen_list(struct prng *p, uint8_t family, unsigned big_every,
              struct gen_list *ret)
{
    size_t n = prng_below(p, 12);

    if (big_every > 0 && prng_below(p, big_every) == 0)
        n = prng_below(p, FW_RULES_MAX + 1);
    else if (prng_chance(p, 10))
        n = prng_below(p, 400);
    else if (prng_chance(p, 30))
        n = prng_below(p, 40);
    ret->policy = prng_chance(p, 70) ? FW_DROP : FW_ACCEPT;
    fill(p, family, ret, n);
}

static void insert_rule(struct prng *p, uint8_t family, struct gen_list *l)
{
    size_t at = prng_below(p, (uint32_t)l->n + 1);

    if (l->n == FW_RULES_MAX)
        return;
    memmove(&l->v[at + 1], &l->v[at], (l->n - at) * sizeof(l->v[0]));
    any_rule(p, family, (enum style)prng_below(p, STYLES), &l->v[at]);
    l->n++;
}

void gen_change(struct prng *p, uint8_t family, struct gen_list *l)
{
    unsigned i, n = 1 + prng_below(p, 4);
    struct fw_rule r;
    size_t at, to;

    for (i = 0; i < n; i++) {
        unsigned what = l->n == 0 ? 0 : prng_below(p, 5);
        at = l->n == 0 ? 0 : prng_below(p, (uint32_t)l->n);
        switch (what) {
        case 0:
            insert_rule(p, family, l);
            break;
        case 1:
            l->n--;
            memmove(&l->v[at], &l->v[at + 1], (l->n - at) * sizeof(r));
            break;
        case 2:
            l->v[at].m.action =
                l->v[at].m.action == FW_DROP ? FW_ACCEPT : FW_DROP;
            break;
        case 3: /* change places */
            to = prng_below(p, (uint32_t)l->n);
            r = l->v[at];
            l->v[at] = l->v[to];
            l->v[to] = r;
            break;
        default:
            l->policy = l->policy == FW_DROP ? FW_ACCEPT : FW_DROP;
            break;
        }
    }
}

/* ---- packets ---- */
/* May the scene's router send a packet there, by its default route? */
static bool is_outside(const struct ipaddr *a)
{
    static const uint8_t uplink6[] = {0x20, 1, 0x0d, 0xb8, 0, 5, 0, 0};

    if (a->family == AF_INET)
        return a->b[0] > 0 && a->b[0] < 224 && a->b[0] != 127 &&
               !(a->b[0] == 10 && a->b[1] == 137) &&
               !(a->b[0] == 192 && a->b[1] == 0 && a->b[2] == 2) &&
               !(a->b[0] == 169 && a->b[1] == 254);
    return (a->b[0] & 0xe0) == 0x20 &&
           memcmp(a->b, uplink6, sizeof(uplink6)) != 0;
}

static void step(struct ipaddr *a, int by)
{
    size_t i = ipaddr_len(a);

    while (i-- > 0) {
        a->b[i] = (uint8_t)(a->b[i] + by);
        if (a->b[i] != (by > 0 ? 0 : 0xff))
            break;
    }
}

static void border(struct prng *p, const struct ipnet *net, struct ipaddr *ret)
{
    struct ipaddr first, last;
    size_t i;

    ipnet_range(net, &first, &last);
    switch (prng_below(p, 6)) {
    case 0:
        *ret = first;
        break;
    case 1:
        *ret = last;
        break;
    case 2:
        *ret = first;
        step(ret, -1);
        break;
    case 3:
        *ret = last;
        step(ret, 1);
        break;
    case 4:
        *ret = net->addr;
        break;
    default:
        *ret = first;
        for (i = 0; i < ipaddr_len(ret); i++)
            ret->b[i] |= any_byte(p) & (first.b[i] ^ last.b[i]);
        break;
    }
}

static void choose_dst(struct prng *p, const struct fw_match *m,
                       const struct fw_dns *dns, uint8_t family,
                       struct ipaddr *ret)
{
    any_point(p, family, ret);
    if (m && m->dst_kind == FW_DST_NET && prng_chance(p, 85))
        border(p, &m->dst, ret);
    if (m && m->dns && dns->n > 0 && prng_chance(p, 75))
        *ret = dns->addr[prng_below(p, dns->n)];
    while (ret->family != family || !is_outside(ret))
        any_point(p, family, ret);
}

static uint16_t choose_port(struct prng *p, const struct fw_match *m)
{
    if (m && m->dns && prng_chance(p, 75))
        return FW_DNS_PORT;
    if (m && m->has_ports && prng_chance(p, 75)) {
        uint16_t at = prng_chance(p, 50) ? m->port_first : m->port_last;
        return (uint16_t)(at + prng_below(p, 3) - 1);
    }
    return any_port(p);
}

static uint8_t choose_proto(struct prng *p, const struct fw_match *m,
                            uint8_t family)
{
    uint8_t icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

    if (m && m->proto != FW_PROTO_ANY && prng_chance(p, 80))
        return m->proto == FW_PROTO_TCP   ? IPPROTO_TCP
               : m->proto == FW_PROTO_UDP ? IPPROTO_UDP
                                          : icmp;
    switch (prng_below(p, 8)) {
    case 0:
        return icmp;
    case 1:
        return PICK(p, OTHER);
    case 2:
        /* The other family's number is just another protocol. */
        return family == AF_INET ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    case 3:
    case 4:
        return IPPROTO_UDP;
    default:
        return IPPROTO_TCP;
    }
}

static uint8_t choose_icmp(struct prng *p, uint8_t family)
{
    if (family == AF_INET)
        return PICK(p, ICMP4);
    return prng_chance(p, 70) ? PICK(p, ICMP6) : PICK(p, ICMP6_UNTRACKED);
}

static void choose_exts(struct prng *p, struct gen_packet *k)
{
    static const uint8_t odd[] = {43, 44, 60, 135, 139, 140, 253, 254};

    if (prng_chance(p, 35))
        k->exts[k->n_exts++] = 0;
    if (prng_chance(p, 35))
        k->exts[k->n_exts++] = 60;
    if (k->shape != GEN_FRAGMENTS && prng_chance(p, 20))
        k->exts[k->n_exts++] = 44;
    if (k->n_exts < GEN_EXTS_MAX && prng_chance(p, 15))
        k->exts[k->n_exts++] = PICK(p, odd);
    if (k->shape == GEN_FRAGMENTS && k->n_exts > 0 &&
        k->exts[k->n_exts - 1] == 44)
        k->n_exts--;
}

void gen_packet(struct prng *p, const struct gen_list *l,
                const struct fw_dns *dns, const struct ipaddr *src,
                uint16_t sport, struct gen_packet *ret)
{
    const struct fw_match *m = NULL;
    struct fw_packet *f = &ret->facts;

    *ret = (struct gen_packet){.src = *src, .sport = sport};
    if (l && l->n > 0 && prng_chance(p, 85))
        m = &l->v[prng_below(p, (uint32_t)l->n)].m;
    choose_dst(p, m, dns, src->family, &f->dst);
    f->l4proto = choose_proto(p, m, src->family);
    if (f->l4proto == IPPROTO_TCP || f->l4proto == IPPROTO_UDP)
        f->dport = choose_port(p, m);
    ret->tcp_ack = f->l4proto == IPPROTO_TCP && prng_chance(p, 10);
    if (f->l4proto == (src->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        f->icmp_type = choose_icmp(p, src->family);
    if (prng_chance(p, 12))
        ret->shape = GEN_FRAGMENTS;
    else if (src->family == AF_INET && prng_chance(p, 8))
        ret->shape = GEN_OPTIONS;
    if (src->family == AF_INET6 && prng_chance(p, 25))
        choose_exts(p, ret);
}

bool gen_is_tracked(const struct gen_packet *k)
{
    size_t i;

    if (k->src.family == AF_INET6 && k->facts.l4proto == IPPROTO_ICMPV6)
        for (i = 0; i < ARRAY_LEN(ICMP6_UNTRACKED); i++)
            if (k->facts.icmp_type == ICMP6_UNTRACKED[i])
                return false;
    return true;
}

bool gen_is_odd(const struct gen_packet *k)
{
    bool six = k->src.family == AF_INET6;
    unsigned i, j;

    if (k->facts.l4proto == (six ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return true;
    for (i = 0; i < k->n_exts; i++) {
        if (k->exts[i] != 0 && k->exts[i] != 60 && k->exts[i] != 44)
            return true;
        for (j = 0; j < i; j++)
            if (k->exts[i] == k->exts[j])
                return true;
        if (k->exts[i] == 44 && k->shape == GEN_FRAGMENTS)
            return true;
    }
    return false;
}

const char *gen_packet_text(const struct gen_packet *k, char *buf, size_t cap)
{
    static const char *const shapes[] = {"", " options", " fragments"};
    char src[IPADDR_TEXT_MAX], dst[IPADDR_TEXT_MAX], exts[64] = "";
    size_t len = 0;
    unsigned i;

    for (i = 0; i < k->n_exts; i++)
        len += (size_t)snprintf(exts + len, sizeof(exts) - len, " ext%u",
                                k->exts[i]);
    snprintf(buf, cap, "%s -> %s proto %u port %u (from %u) icmptype %u%s%s%s",
             ipaddr_format(&k->src, src), ipaddr_format(&k->facts.dst, dst),
             k->facts.l4proto, k->facts.dport, k->sport, k->facts.icmp_type,
             exts, shapes[k->shape], k->tcp_ack ? " ack" : "");
    return buf;
}
