/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records between worker and monitor. pure. Fed by the worker (not
 * trusted). Little endian, field by field; see record.h. Knows no order of
 * records: that is monitor.c. */
#include "firewallvm/record.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"

#define ADDR_BYTES 17 /* 0, 4 or 6, then 16 bytes */
#define LIMITS_BYTES 28
#define RULE_BYTES (14 + ADDR_BYTES)
#define ELEM_BYTES (ADDR_BYTES + 4)
#define PATH_BYTES (7 + 2 * ADDR_BYTES)
#define TOTALS_BYTES (ADDR_BYTES + 4 * 8 + 4)
#define COUNT_BYTES 18
#define DNS_BYTES (1 + FW_DNS_MAX * ADDR_BYTES)

#define FLAG_DNS 1u
#define FLAG_PORTS 2u
#define FLAG_ICMPTYPE 4u
#define FLAG_ALL 7u

static_assert(RECORD_BYTES == 8 + RECORD_BODY_BYTES, "header is 8 bytes");
static_assert(RULE_BYTES <= RECORD_BODY_BYTES, "a rule fits");
static_assert(ADDR_BYTES + 1 + LIMITS_BYTES <= RECORD_BODY_BYTES,
              "so does BEGIN");
static_assert(PATH_BYTES <= RECORD_BODY_BYTES, "and a path");
static_assert(TOTALS_BYTES <= RECORD_BODY_BYTES, "and totals");
static_assert(RECORD_COUNTS * COUNT_BYTES <= RECORD_BODY_BYTES, "and counts");
static_assert(RECORD_ELEMS_MAX * ELEM_BYTES <= RECORD_BODY_BYTES, "and elems");
static_assert(DNS_BYTES <= RECORD_BODY_BYTES, "the resolvers fit");

/* ---- parts ---- */
static void put_addr(struct wbuf *w, const struct ipaddr *a)
{
    wbuf_u8(w, a->family == AF_INET ? 4 : a->family == AF_INET6 ? 6 : 0);
    wbuf_bytes(w, a->b, sizeof(a->b));
}

static bool all_zero(const uint8_t *p, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static int get_addr(struct cur *c, struct ipaddr *ret)
{
    struct ipaddr a = {0};
    uint8_t kind;

    if (cur_u8(c, &kind) < 0 || cur_copy(c, a.b, sizeof(a.b)) < 0)
        return -EBADMSG;
    if (kind != 0 && kind != 4 && kind != 6)
        return -EBADMSG;
    a.family = kind == 4 ? AF_INET : kind == 6 ? AF_INET6 : 0;
    if (!all_zero(a.b + ipaddr_len(&a), sizeof(a.b) - ipaddr_len(&a)))
        return -EBADMSG;
    *ret = a;
    return 0;
}

static int get_bool(struct cur *c, bool *ret)
{
    uint8_t v;

    if (cur_u8(c, &v) < 0 || v > 1)
        return -EBADMSG;
    *ret = v == 1;
    return 0;
}

static int get_action(struct cur *c, enum fw_action *ret)
{
    uint8_t v;

    if (cur_u8(c, &v) < 0 || (v != FW_ACCEPT && v != FW_DROP))
        return -EBADMSG;
    *ret = (enum fw_action)v;
    return 0;
}

static void put_u64le(struct wbuf *w, uint64_t v)
{
    wbuf_u32le(w, (uint32_t)v);
    wbuf_u32le(w, (uint32_t)(v >> 32));
}

static int get_u64le(struct cur *c, uint64_t *ret)
{
    uint32_t low, high;

    if (cur_u32le(c, &low) < 0 || cur_u32le(c, &high) < 0)
        return -EBADMSG;
    *ret = (uint64_t)high << 32 | low;
    return 0;
}

static void put_u16le(struct wbuf *w, uint16_t v)
{
    wbuf_u8(w, (uint8_t)(v & 0xff));
    wbuf_u8(w, (uint8_t)(v >> 8));
}

/* ---- bodies ---- */
static void put_begin(struct wbuf *w, const struct record *rec)
{
    const struct fw_limits *l = &rec->limits;

    put_addr(w, &rec->addr);
    wbuf_u8(w, (uint8_t)rec->policy);
    wbuf_u32le(w, l->flows);
    wbuf_u32le(w, l->rate);
    wbuf_u32le(w, l->burst);
    put_u64le(w, l->bandwidth);
    put_u64le(w, l->quota);
}

static int get_limits(struct cur *c, struct fw_limits *l)
{
    if (cur_u32le(c, &l->flows) < 0 || cur_u32le(c, &l->rate) < 0 ||
        cur_u32le(c, &l->burst) < 0 || get_u64le(c, &l->bandwidth) < 0 ||
        get_u64le(c, &l->quota) < 0)
        return -EBADMSG;
    return limits_check(l);
}

static int get_begin(struct cur *c, struct record *rec)
{
    int r = get_addr(c, &rec->addr);

    if (r == 0)
        r = get_action(c, &rec->policy);
    if (r == 0)
        r = get_limits(c, &rec->limits);
    if (r == 0 && (rec->addr.family == 0 || rec->count > FW_RULES_MAX))
        r = -EBADMSG;
    return r;
}

static void put_rule(struct wbuf *w, const struct record *rec)
{
    const struct fw_match *m = &rec->match;

    wbuf_u8(w, (uint8_t)m->action);
    wbuf_u8(w, (uint8_t)m->dst_kind);
    wbuf_u8(w, (uint8_t)m->proto);
    wbuf_u8(w, (uint8_t)((m->dns ? FLAG_DNS : 0) |
                         (m->has_ports ? FLAG_PORTS : 0) |
                         (m->has_icmptype ? FLAG_ICMPTYPE : 0)));
    wbuf_u8(w, m->icmptype);
    wbuf_u8(w, m->dst.prefix);
    put_u16le(w, m->port_first);
    put_u16le(w, m->port_last);
    put_addr(w, &m->dst.addr);
    put_u16le(w, rec->number);
    put_u16le(w, m->name_set);
}

/* The set of a name holds addresses for what the rule does. */
static int check_name(const struct fw_match *m)
{
    if (m->name_set == 0)
        return 0;
    if (m->dst_kind != FW_DST_NAME || m->name_set > NAME_HANDLES ||
        name_handle_drops(m->name_set) != (m->action == FW_DROP))
        return -EBADMSG;
    return 0;
}

static int check_dst(const struct fw_match *m)
{
    if (m->dst_kind != FW_DST_NET)
        return m->dst.addr.family == 0 && m->dst.prefix == 0 ? 0 : -EBADMSG;
    if (m->dst.addr.family == 0 || m->dst.prefix > ipaddr_len(&m->dst.addr) * 8)
        return -EBADMSG;
    return 0;
}

/* The same conditions as the parser's, as the parser is not trusted. */
static int check_match(const struct fw_match *m)
{
    bool icmp = m->proto == FW_PROTO_ICMP;

    if (m->has_icmptype ? !icmp : m->icmptype != 0)
        return -EBADMSG;
    if (m->has_ports ? icmp || m->port_first > m->port_last
                     : m->port_first != 0 || m->port_last != 0)
        return -EBADMSG;
    if (m->dns && icmp)
        return -EBADMSG;
    if (m->dns && m->has_ports &&
        (m->port_first != FW_DNS_PORT || m->port_last != FW_DNS_PORT))
        return -EBADMSG;
    return check_dst(m);
}

static int get_rule(struct cur *c, struct record *rec)
{
    struct fw_match *m = &rec->match;
    uint8_t kind, proto, flags;

    if (get_action(c, &m->action) < 0 || cur_u8(c, &kind) < 0 ||
        cur_u8(c, &proto) < 0 || cur_u8(c, &flags) < 0 ||
        cur_u8(c, &m->icmptype) < 0 || cur_u8(c, &m->dst.prefix) < 0 ||
        cur_u16le(c, &m->port_first) < 0 || cur_u16le(c, &m->port_last) < 0 ||
        get_addr(c, &m->dst.addr) < 0 || cur_u16le(c, &rec->number) < 0 ||
        cur_u16le(c, &m->name_set) < 0)
        return -EBADMSG;
    if (rec->number > FW_NUMBER_MAX)
        return -EBADMSG;
    if (kind > FW_DST_NAME || proto > FW_PROTO_ICMP || flags > FLAG_ALL)
        return -EBADMSG;
    m->dst_kind = (enum fw_dst)kind;
    m->proto = (enum fw_proto)proto;
    m->dns = (flags & FLAG_DNS) != 0;
    m->has_ports = (flags & FLAG_PORTS) != 0;
    m->has_icmptype = (flags & FLAG_ICMPTYPE) != 0;
    return check_name(m) < 0 ? -EBADMSG : check_match(m);
}

static void put_set(struct wbuf *w, const struct record *rec)
{
    put_u16le(w, rec->set);
}

static int get_set(struct cur *c, struct record *rec)
{
    if (cur_u16le(c, &rec->set) < 0 || rec->set < 1 ||
        rec->set > NAME_HANDLES || rec->count > NAME_ADDRS_MAX)
        return -EBADMSG;
    return 0;
}

static void put_watch(struct wbuf *w, const struct record *rec)
{
    put_addr(w, &rec->addr);
    wbuf_u8(w, rec->on);
}

static int get_watch(struct cur *c, struct record *rec)
{
    if (get_addr(c, &rec->addr) < 0 || rec->addr.family == 0)
        return -EBADMSG;
    return get_bool(c, &rec->on);
}

static void put_elems(struct wbuf *w, const struct record *rec)
{
    size_t i;

    for (i = 0; i < rec->count && i < RECORD_ELEMS_MAX; i++) {
        put_addr(w, &rec->elems[i].addr);
        wbuf_u32le(w, rec->elems[i].timeout_s);
    }
}

static int get_elems(struct cur *c, struct record *rec)
{
    size_t i;

    if (rec->count == 0 || rec->count > RECORD_ELEMS_MAX)
        return -EBADMSG;
    for (i = 0; i < rec->count; i++) {
        struct name_addr *e = &rec->elems[i];

        if (get_addr(c, &e->addr) < 0 || e->addr.family == 0 ||
            cur_u32le(c, &e->timeout_s) < 0)
            return -EBADMSG;
    }
    return all_zero(c->p, (RECORD_ELEMS_MAX - i) * ELEM_BYTES) ? 0 : -EBADMSG;
}

static void put_dns(struct wbuf *w, const struct record *rec)
{
    unsigned i;

    wbuf_u8(w, (uint8_t)rec->dns.n);
    for (i = 0; i < FW_DNS_MAX; i++)
        put_addr(w, &rec->dns.addr[i]);
}

static int get_dns(struct cur *c, struct record *rec)
{
    uint8_t n;
    unsigned i;

    if (cur_u8(c, &n) < 0 || n > FW_DNS_MAX)
        return -EBADMSG;
    for (i = 0; i < FW_DNS_MAX; i++) {
        if (get_addr(c, &rec->dns.addr[i]) < 0 ||
            (rec->dns.addr[i].family != 0) != (i < n))
            return -EBADMSG;
    }
    rec->dns.n = n;
    return 0;
}

static void put_snat(struct wbuf *w, const struct record *rec)
{
    wbuf_u8(w, rec->on);
}

static int get_snat(struct cur *c, struct record *rec)
{
    return get_bool(c, &rec->on);
}

static int get_kind(struct cur *c, struct record *rec)
{
    uint8_t v;

    if (cur_u8(c, &v) < 0 || v >= FW_PATH_KINDS)
        return -EBADMSG;
    rec->kind = (enum fw_path_kind)v;
    return 0;
}

static void put_paths(struct wbuf *w, const struct record *rec)
{
    wbuf_u8(w, (uint8_t)rec->kind);
}

static int get_paths(struct cur *c, struct record *rec)
{
    return rec->count > FW_PATHS_MAX ? -EBADMSG : get_kind(c, rec);
}

static void put_path(struct wbuf *w, const struct record *rec)
{
    const struct fw_path *p = &rec->path;

    wbuf_u8(w, (uint8_t)rec->kind);
    put_addr(w, &p->src.addr);
    wbuf_u8(w, p->src.prefix);
    put_addr(w, &p->dst);
    wbuf_u8(w, p->l4proto);
    put_u16le(w, p->first);
    put_u16le(w, p->last);
}

static int get_path(struct cur *c, struct record *rec)
{
    struct fw_path *p = &rec->path;

    if (get_kind(c, rec) < 0 || get_addr(c, &p->src.addr) < 0 ||
        cur_u8(c, &p->src.prefix) < 0 || get_addr(c, &p->dst) < 0 ||
        cur_u8(c, &p->l4proto) < 0 || cur_u16le(c, &p->first) < 0 ||
        cur_u16le(c, &p->last) < 0)
        return -EBADMSG;
    return path_check(rec->kind, p);
}

static void put_totals(struct wbuf *w, const struct record *rec)
{
    const struct fw_totals *t = &rec->totals;

    put_addr(w, &rec->addr);
    put_u64le(w, t->passed_packets);
    put_u64le(w, t->passed_bytes);
    put_u64le(w, t->blocked_packets);
    put_u64le(w, t->blocked_bytes);
    wbuf_u32le(w, t->flows);
}

static int get_totals(struct cur *c, struct record *rec)
{
    struct fw_totals *t = &rec->totals;

    if (get_addr(c, &rec->addr) < 0 || get_u64le(c, &t->passed_packets) < 0 ||
        get_u64le(c, &t->passed_bytes) < 0 ||
        get_u64le(c, &t->blocked_packets) < 0 ||
        get_u64le(c, &t->blocked_bytes) < 0 || cur_u32le(c, &t->flows) < 0)
        return -EBADMSG;
    return 0;
}

static void put_counts(struct wbuf *w, const struct record *rec)
{
    size_t i;

    for (i = 0; i < rec->count && i < RECORD_COUNTS; i++) {
        put_u16le(w, rec->counts[i].number);
        put_u64le(w, rec->counts[i].packets);
        put_u64le(w, rec->counts[i].bytes);
    }
}

static int get_counts(struct cur *c, struct record *rec)
{
    size_t i;

    if (rec->count == 0 || rec->count > RECORD_COUNTS)
        return -EBADMSG;
    for (i = 0; i < rec->count; i++) {
        struct fw_count *n = &rec->counts[i];

        if (cur_u16le(c, &n->number) < 0 || get_u64le(c, &n->packets) < 0 ||
            get_u64le(c, &n->bytes) < 0 ||
            (n->number > FW_NUMBER_MAX && n->number != FW_COUNT_OF_POLICY))
            return -EBADMSG;
    }
    return all_zero(c->p, (RECORD_COUNTS - i) * COUNT_BYTES) ? 0 : -EBADMSG;
}

static void put_addr_only(struct wbuf *w, const struct record *rec)
{
    put_addr(w, &rec->addr);
}

static int get_addr_only(struct cur *c, struct record *rec)
{
    return get_addr(c, &rec->addr);
}

static int get_remove(struct cur *c, struct record *rec)
{
    int r = get_addr(c, &rec->addr);

    return r == 0 && rec->addr.family == 0 ? -EBADMSG : r;
}

/* ---- the table: what each type carries ---- */
static const struct record_spec {
    enum record_type type;
    size_t body; /* bytes in use, the rest is zero */
    bool has_count;
    void (*put)(struct wbuf *w, const struct record *rec);
    int (*get)(struct cur *c, struct record *rec);
} SPECS[] = {
    {RECORD_DNS, DNS_BYTES, false, put_dns, get_dns},
    {RECORD_SNAT, 1, false, put_snat, get_snat},
    {RECORD_BEGIN, ADDR_BYTES + 1 + LIMITS_BYTES, true, put_begin, get_begin},
    {RECORD_RULE, RULE_BYTES, false, put_rule, get_rule},
    {RECORD_COMMIT, 0, false, NULL, NULL},
    {RECORD_REMOVE, ADDR_BYTES, false, put_addr_only, get_remove},
    {RECORD_READY, 0, true, NULL, NULL},
    {RECORD_PATHS, 1, true, put_paths, get_paths},
    {RECORD_PATH, PATH_BYTES, false, put_path, get_path},
    {RECORD_SET, 2, true, put_set, get_set},
    {RECORD_WATCH, ADDR_BYTES + 1, false, put_watch, get_watch},
    {RECORD_PASS, 1, true, put_snat, get_snat},
    {RECORD_ELEMS, RECORD_ELEMS_MAX *ELEM_BYTES, true, put_elems, get_elems},
    {RECORD_COUNT, ADDR_BYTES, false, put_addr_only, get_addr_only},
    {RECORD_SYNCED, 0, true, NULL, NULL},
    {RECORD_APPLIED, ADDR_BYTES, true, put_addr_only, get_addr_only},
    {RECORD_FAILED, ADDR_BYTES, true, put_addr_only, get_addr_only},
    {RECORD_TOTALS, TOTALS_BYTES, false, put_totals, get_totals},
    {RECORD_COUNTS_OF, RECORD_COUNTS *COUNT_BYTES, true, put_counts,
     get_counts},
    {RECORD_COUNTED, 0, true, NULL, NULL},
};

static const struct record_spec *find_spec(unsigned type)
{
    size_t i;

    for (i = 0; i < ARRAY_LEN(SPECS); i++)
        if ((unsigned)SPECS[i].type == type)
            return &SPECS[i];
    return NULL;
}

int record_encode(const struct record *rec, uint8_t out[RECORD_BYTES])
{
    const struct record_spec *spec = find_spec((unsigned)rec->type);
    struct wbuf w = wbuf_of(out, RECORD_BYTES);
    struct record back;

    memset(out, 0, RECORD_BYTES);
    if (!spec)
        return -EINVAL;
    wbuf_u32le(&w, (uint32_t)rec->type);
    wbuf_u32le(&w, spec->has_count ? rec->count : 0);
    if (spec->put)
        spec->put(&w, rec);
    if (wbuf_done(&w) < 0 || record_decode(out, &back) < 0)
        return -EINVAL;
    return 0;
}

int record_decode(const uint8_t untrusted[RECORD_BYTES], struct record *ret)
{
    struct cur c = cur_of(untrusted, RECORD_BYTES);
    const struct record_spec *spec;
    struct record rec = {0};
    uint32_t type;

    if (cur_u32le(&c, &type) < 0 || cur_u32le(&c, &rec.count) < 0)
        return -EBADMSG;
    spec = find_spec(type);
    if (!spec || (!spec->has_count && rec.count != 0))
        return -EBADMSG;
    rec.type = spec->type;
    if (spec->get && spec->get(&c, &rec) < 0)
        return -EBADMSG;
    if (!all_zero(untrusted + 8 + spec->body, RECORD_BODY_BYTES - spec->body))
        return -EBADMSG;
    *ret = rec;
    return 0;
}
