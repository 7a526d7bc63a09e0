/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists to runs, shapes and groups. pure. Fed by checked rules. See
 * rule_group.h. */
#include "firewallvm/rule_group.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"

void fw_match_ports(const struct fw_match *m, uint16_t *ret_first,
                    uint16_t *ret_last)
{
    *ret_first = m->dns ? FW_DNS_PORT : m->has_ports ? m->port_first : 0;
    *ret_last = m->dns ? FW_DNS_PORT : m->has_ports ? m->port_last : UINT16_MAX;
}

/* ---- one rule ---- */
static enum fw_shape host_shape(const struct fw_match *m, uint8_t l4proto)
{
    if (m->has_ports)
        return m->port_first == m->port_last ? FW_SHAPE_HOST_PORT
                                             : FW_SHAPE_BOX;
    if (m->has_icmptype)
        return FW_SHAPE_HOST_ICMP;
    return l4proto ? FW_SHAPE_HOST_PROTO : FW_SHAPE_HOST;
}

static enum fw_shape any_shape(const struct fw_match *m, uint8_t l4proto)
{
    if (!m->has_ports)
        return FW_SHAPE_RULE;
    if (m->port_first == m->port_last)
        return FW_SHAPE_PORT;
    return l4proto == IPPROTO_TCP ? FW_SHAPE_TCP_RANGE : FW_SHAPE_UDP_RANGE;
}

static enum fw_shape shape_of(const struct fw_match *m, uint8_t l4proto)
{
    bool net = m->dst_kind == FW_DST_NET && m->dst.prefix > 0;

    if (m->dns || m->dst_kind == FW_DST_NAME)
        return FW_SHAPE_RULE; /* these look up a set of their own */
    if (!net)
        return any_shape(m, l4proto);
    if (m->dst.prefix == ipaddr_len(&m->dst.addr) * 8)
        return host_shape(m, l4proto);
    if (m->has_icmptype)
        return FW_SHAPE_RULE;
    return l4proto ? FW_SHAPE_BOX : FW_SHAPE_NET;
}

/* Rules of one verdict: their order means nothing. */
struct run {
    struct fw_entry *v; /* two for each rule at most */
    size_t n;
};

static void expand(struct run *to, uint8_t family, const struct fw_match *m,
                   size_t rule)
{
    bool both = m->proto == FW_PROTO_ANY && (m->dns || m->has_ports);
    uint8_t protos[2] = {0};
    size_t i, n = both ? 2 : 1;

    if (both || m->proto == FW_PROTO_TCP)
        protos[0] = IPPROTO_TCP;
    if (both)
        protos[1] = IPPROTO_UDP;
    if (m->proto == FW_PROTO_UDP)
        protos[0] = IPPROTO_UDP;
    if (m->proto == FW_PROTO_ICMP)
        protos[0] = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    for (i = 0; i < n; i++)
        to->v[to->n++] = (struct fw_entry){
            .rule = (uint16_t)rule,
            .l4proto = protos[i],
            .shape = (uint8_t)shape_of(m, protos[i]),
        };
}

/* ---- what a rule may be about at most ---- */
#define BIT_TCP 1u
#define BIT_UDP 2u
#define BIT_ICMP 4u
#define BIT_OTHER 8u

struct box {
    struct ipaddr from, to;
    uint16_t first, last; /* ports */
    uint8_t protos;       /* bits */
};

static uint8_t protos_of(const struct fw_match *m)
{
    switch (m->proto) {
    case FW_PROTO_TCP:
        return BIT_TCP;
    case FW_PROTO_UDP:
        return BIT_UDP;
    case FW_PROTO_ICMP:
        return BIT_ICMP;
    case FW_PROTO_ANY:
        break;
    }
    return m->dns || m->has_ports ? BIT_TCP | BIT_UDP
                                  : BIT_TCP | BIT_UDP | BIT_ICMP | BIT_OTHER;
}

/* A name or the resolvers may be any host. */
static struct box box_of(uint8_t family, const struct fw_match *m)
{
    const struct ipnet any = {.addr = {.family = family}};
    struct box b = {.protos = protos_of(m)};

    ipnet_range(m->dst_kind == FW_DST_NET ? &m->dst : &any, &b.from, &b.to);
    fw_match_ports(m, &b.first, &b.last);
    return b;
}

static bool overlap(const struct box *a, const struct box *b)
{
    return (a->protos & b->protos) != 0 && a->first <= b->last &&
           b->first <= a->last && ipaddr_cmp(&a->from, &b->to) <= 0 &&
           ipaddr_cmp(&b->from, &a->to) <= 0;
}

/* The kernel's concatenated intervals must not overlap: of boxes that do, the
 * first stays one, the others become rules. */
static int part_boxes(const struct fw_match *v, struct fw_entry *e, size_t n)
{
    struct box *seen = calloc(n, sizeof(*seen));
    size_t i, k, n_seen = 0;

    if (!seen)
        return -ENOMEM;
    for (i = 0; i < n; i++) {
        if (e[i].shape != FW_SHAPE_BOX)
            continue;
        seen[n_seen] = box_of(v[e[i].rule].dst.addr.family, &v[e[i].rule]);
        seen[n_seen].protos = e[i].l4proto == IPPROTO_TCP ? BIT_TCP : BIT_UDP;
        for (k = 0; k < n_seen; k++)
            if (overlap(&seen[k], &seen[n_seen]))
                break;
        if (k < n_seen)
            e[i].shape = FW_SHAPE_RULE;
        else
            n_seen++;
    }
    free(seen);
    return 0;
}

/* ---- a run ---- */
static void count_shapes(const struct fw_entry *e, size_t n,
                         size_t count[FW_SHAPES])
{
    size_t i;

    memset(count, 0, FW_SHAPES * sizeof(count[0]));
    for (i = 0; i < n; i++)
        count[e[i].shape]++;
}

static int settle_shapes(const struct fw_match *v, struct fw_entry *e, size_t n,
                         size_t min, size_t count[FW_SHAPES])
{
    size_t i;
    int r = 0;

    count_shapes(e, n, count);
    if (count[FW_SHAPE_BOX] >= min) {
        r = part_boxes(v, e, n);
        count_shapes(e, n, count);
    }
    for (i = 0; i < n; i++)
        if (count[e[i].shape] < min)
            e[i].shape = FW_SHAPE_RULE;
    count_shapes(e, n, count);
    return r;
}

/* ---- the plan under construction ---- */
struct planner {
    struct fw_plan plan;
    size_t at; /* entries of the plan so far */
    const struct fw_match *v;
    struct box *reach; /* of each rule */
    uint8_t family;
    size_t min; /* of one shape for a set */
    struct run before, last;
};

/* The run's entries, group by group, behind those of the plan so far. */
static int add_run(struct planner *p, struct run *run)
{
    size_t count[FW_SHAPES], shape, i;
    int r = settle_shapes(p->v, run->v, run->n, p->min, count);

    for (shape = 0; shape < FW_SHAPES && r == 0; shape++) {
        if (count[shape] == 0)
            continue;
        p->plan.groups[p->plan.n_groups++] = (struct fw_group){
            .shape = (enum fw_shape)shape,
            .action = p->v[run->v[0].rule].action,
            .first = p->at,
            .n = count[shape],
        };
        p->plan.n_sets += shape != FW_SHAPE_RULE;
        for (i = 0; i < run->n; i++)
            if (run->v[i].shape == shape)
                p->plan.entries[p->at++] = run->v[i];
    }
    run->n = 0;
    return r;
}

static bool fits(const struct planner *p, const struct run *run, size_t rule)
{
    return run->n > 0 && p->v[run->v[0].rule].action == p->v[rule].action;
}

/* May a packet match both this rule and one of the run? */
static bool touches(const struct planner *p, const struct run *run, size_t rule)
{
    size_t i;

    for (i = 0; i < run->n; i++)
        if (overlap(&p->reach[run->v[i].rule], &p->reach[rule]))
            return true;
    return false;
}

/* To the last run; or, before rules of the other verdict that it has no
 * packet in common with, to the run before; or to a new one. */
static int add_rule(struct planner *p, size_t rule)
{
    struct run *to = &p->last, spare;
    int r = 0;

    if (p->last.n > 0 && !fits(p, &p->last, rule)) {
        if (fits(p, &p->before, rule) && !touches(p, &p->last, rule)) {
            to = &p->before;
        } else {
            r = p->before.n > 0 ? add_run(p, &p->before) : 0;
            spare = p->before;
            p->before = p->last;
            p->last = spare;
        }
    }
    expand(to, p->family, &p->v[rule], rule);
    return r;
}

static int fill(struct planner *p, size_t n)
{
    size_t i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        if (p->v[i].dst_kind == FW_DST_NAME && p->v[i].name_set == 0)
            continue;
        p->reach[i] = box_of(p->family, &p->v[i]);
        r = add_rule(p, i);
    }
    if (r == 0 && p->before.n > 0)
        r = add_run(p, &p->before);
    if (r == 0 && p->last.n > 0)
        r = add_run(p, &p->last);
    return r;
}

int fw_plan_make(uint8_t family, const struct fw_match *v, size_t n,
                 struct fw_plan *ret)
{
    struct planner p = {.v = v, .family = family};
    int r = 0;

    p.min = n > FW_LIST_LONG ? FW_SET_MIN_LONG : FW_SET_MIN;
    /* Every group has an entry of its own, every rule two entries at most. */
    p.plan.entries = calloc(2 * n + 1, sizeof(*p.plan.entries));
    p.plan.groups = calloc(2 * n + 1, sizeof(*p.plan.groups));
    p.before.v = calloc(2 * n + 1, sizeof(*p.before.v));
    p.last.v = calloc(2 * n + 1, sizeof(*p.last.v));
    p.reach = calloc(n + 1, sizeof(*p.reach));
    if (!p.plan.entries || !p.plan.groups || !p.before.v || !p.last.v ||
        !p.reach)
        r = -ENOMEM;
    if (r == 0)
        r = fill(&p, n);
    free(p.before.v);
    free(p.last.v);
    free(p.reach);
    if (r < 0)
        fw_plan_free(&p.plan);
    else
        *ret = p.plan;
    return r;
}

void fw_plan_free(struct fw_plan *p)
{
    free(p->entries);
    free(p->groups);
    *p = (struct fw_plan){0};
}
