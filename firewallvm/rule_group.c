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

struct entries {
    struct fw_entry *v; /* two for each rule at most */
    size_t n;
    size_t min; /* of one shape for a set */
};

static void expand(struct entries *to, uint8_t family, const struct fw_match *m,
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

/* ---- boxes: the kernel's concatenated intervals must not overlap ---- */
struct box {
    struct ipaddr from, to;
    uint16_t first, last;
    uint8_t l4proto;
};

static struct box box_of(const struct fw_match *v, const struct fw_entry *e)
{
    struct box b = {.l4proto = e->l4proto};

    ipnet_range(&v[e->rule].dst, &b.from, &b.to);
    fw_match_ports(&v[e->rule], &b.first, &b.last);
    return b;
}

static bool overlap(const struct box *a, const struct box *b)
{
    return a->l4proto == b->l4proto && a->first <= b->last &&
           b->first <= a->last && ipaddr_cmp(&a->from, &b->to) <= 0 &&
           ipaddr_cmp(&b->from, &a->to) <= 0;
}

/* Of boxes that overlap the first stays one, the others become rules. */
static int part_boxes(const struct fw_match *v, struct fw_entry *e, size_t n)
{
    struct box *seen = calloc(n, sizeof(*seen));
    size_t i, k, n_seen = 0;

    if (!seen)
        return -ENOMEM;
    for (i = 0; i < n; i++) {
        if (e[i].shape != FW_SHAPE_BOX)
            continue;
        seen[n_seen] = box_of(v, &e[i]);
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

/* The run's entries, group by group, behind those of the plan so far. */
static int add_run(struct fw_plan *p, size_t *at, const struct fw_match *v,
                   struct entries *run)
{
    size_t count[FW_SHAPES], shape, i;
    int r = settle_shapes(v, run->v, run->n, run->min, count);

    for (shape = 0; shape < FW_SHAPES && r == 0; shape++) {
        if (count[shape] == 0)
            continue;
        p->groups[p->n_groups++] = (struct fw_group){
            .shape = (enum fw_shape)shape,
            .action = v[run->v[0].rule].action,
            .first = *at,
            .n = count[shape],
        };
        p->n_sets += shape != FW_SHAPE_RULE;
        for (i = 0; i < run->n; i++)
            if (run->v[i].shape == shape)
                p->entries[(*at)++] = run->v[i];
    }
    run->n = 0;
    return r;
}

static int fill(struct fw_plan *p, struct entries *run, uint8_t family,
                const struct fw_match *v, size_t n)
{
    size_t i, at = 0;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        if (v[i].dst_kind == FW_DST_NAME && v[i].name_set == 0)
            continue;
        if (run->n > 0 && v[run->v[0].rule].action != v[i].action)
            r = add_run(p, &at, v, run);
        expand(run, family, &v[i], i);
    }
    if (r == 0 && run->n > 0)
        r = add_run(p, &at, v, run);
    return r;
}

int fw_plan_make(uint8_t family, const struct fw_match *v, size_t n,
                 struct fw_plan *ret)
{
    struct fw_plan p = {0};
    struct entries run = {.min =
                              n > FW_LIST_LONG ? FW_SET_MIN_LONG : FW_SET_MIN};
    int r = 0;

    /* Every group has an entry of its own, every rule two entries at most. */
    p.entries = calloc(2 * n + 1, sizeof(*p.entries));
    p.groups = calloc(2 * n + 1, sizeof(*p.groups));
    run.v = calloc(2 * n + 1, sizeof(*run.v));
    if (!p.entries || !p.groups || !run.v)
        r = -ENOMEM;
    if (r == 0)
        r = fill(&p, &run, family, v, n);
    free(run.v);
    if (r < 0)
        fw_plan_free(&p);
    else
        *ret = p;
    return r;
}

void fw_plan_free(struct fw_plan *p)
{
    free(p->entries);
    free(p->groups);
    *p = (struct fw_plan){0};
}
