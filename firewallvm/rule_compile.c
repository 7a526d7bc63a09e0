/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One list to nftables. pure (appends to a batch). Fed by checked rules. See
 * rule_compile.h; which rules become a set is rule_group.c. */
#include "firewallvm/rule_compile.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "firewallvm/name_compile.h"
#include "firewallvm/rule_group.h"
#include "firewallvm/rule_interval.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/sort.h"

#define DNS4 "dns4"
#define DNS6 "dns6"

/** The list under construction. */
struct list {
    struct nft *b;
    const struct fw_source *s;
    char chain[FW_CHAIN_MAX];
    unsigned n_sets;
};

const char *compile_list_set(const struct ipaddr *addr, unsigned i,
                             char buf[FW_LIST_SET_MAX])
{
    char chain[FW_CHAIN_MAX];

    snprintf(buf, FW_LIST_SET_MAX, "%s.%u",
             compile_chain_name('q', addr, chain), i);
    return buf;
}

static uint32_t nfproto(const struct list *l)
{
    return l->s->addr.family == AF_INET ? NFT_NH_V4 : NFT_NH_V6;
}

/* ---- single rules ---- */
static void end_list(struct nft_rule *r, enum fw_action action)
{
    if (action == FW_ACCEPT)
        nft_return(r);
    else
        nft_goto(r, FW_CHAIN_BLOCKED);
}

/* The packet is decided. @param mark  for nflog, if it is blocked */
static void decide(struct list *l, struct nft_rule *r, enum fw_action action,
                   uint32_t mark, const char *comment)
{
    if (action == FW_DROP)
        nft_set_mark(r, mark);
    nft_counter(r);
    end_list(r, action);
    nft_rule_comment(r, comment);
    nft_rule_end(l->b, r);
}

static void add_entry(struct list *l, const struct fw_entry *e)
{
    const struct fw_match *m = &l->s->v[e->rule];
    struct nft_rule *r = nft_rule_begin(l->b, l->chain);
    uint8_t family = l->s->addr.family;
    unsigned number = l->s->number[e->rule];
    char comment[16], set[FW_SET_NAME_MAX];

    /* The family is known here, yet only with it nft(8) can show the
     * address as one. */
    if (m->dst_kind != FW_DST_ANY || m->dns)
        nft_match_nfproto(r, (uint8_t)nfproto(l));
    if (m->dst_kind == FW_DST_NET)
        nft_match_daddr(r, &m->dst, false);
    if (e->l4proto)
        nft_match_l4proto(r, e->l4proto);
    if (m->dns)
        nft_match_dport(r, FW_DNS_PORT, FW_DNS_PORT);
    else if (m->has_ports)
        nft_match_dport(r, m->port_first, m->port_last);
    if (m->has_icmptype)
        nft_match_icmp_type(r, m->icmptype);
    if (m->dns) {
        nft_load_daddr(r, family, 0);
        nft_lookup(r, family == AF_INET ? DNS4 : DNS6, false);
    }
    if (m->dst_kind == FW_DST_NAME) {
        nft_load_daddr(r, family, 0);
        nft_lookup(r, compile_name_set(m->name_set, set), false);
    }
    snprintf(comment, sizeof(comment), "%04u", number);
    decide(l, r, m->action, number, comment);
}

/* ---- shapes ---- */
#define HAS_DST 1u
#define HAS_PROTO 2u
#define HAS_PORT 4u
#define HAS_TYPE 8u

/* What the key of each shape holds, in this order. */
static const struct {
    unsigned fields;
    uint8_t l4proto; /* asked for before the lookup; 1: ICMP of the family */
    bool interval;
} SHAPES[FW_SHAPES] = {
    [FW_SHAPE_HOST_PORT] = {HAS_DST | HAS_PROTO | HAS_PORT, 0, false},
    [FW_SHAPE_HOST_PROTO] = {HAS_DST | HAS_PROTO, 0, false},
    [FW_SHAPE_HOST_ICMP] = {HAS_DST | HAS_TYPE, 1, false},
    [FW_SHAPE_HOST] = {HAS_DST, 0, false},
    [FW_SHAPE_PORT] = {HAS_PROTO | HAS_PORT, 0, false},
    [FW_SHAPE_NET] = {HAS_DST, 0, true},
    [FW_SHAPE_TCP_RANGE] = {HAS_PORT, IPPROTO_TCP, true},
    [FW_SHAPE_UDP_RANGE] = {HAS_PORT, IPPROTO_UDP, true},
    [FW_SHAPE_BOX] = {HAS_DST | HAS_PROTO | HAS_PORT, 0, true},
};

static uint8_t icmp_of(uint8_t family)
{
    return family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

static void add_set(struct list *l, enum fw_shape shape, const char *name,
                    size_t n)
{
    bool v4 = l->s->addr.family == AF_INET;
    unsigned fields = SHAPES[shape].fields;
    struct nft_set_spec spec = {
        .name = name,
        .flags = NFT_F_MAP | (SHAPES[shape].interval ? NFT_F_INTERVAL : 0),
        .marks = true,
        .counted = true,
    };

    if (fields & HAS_DST)
        spec.types[spec.n_types++] = v4 ? NFT_T_IPV4 : NFT_T_IPV6;
    if (fields & HAS_PROTO)
        spec.types[spec.n_types++] = NFT_T_INET_PROTO;
    if (fields & HAS_PORT)
        spec.types[spec.n_types++] = NFT_T_INET_SERVICE;
    if (fields & HAS_TYPE)
        spec.types[spec.n_types++] = v4 ? NFT_T_ICMP_TYPE : NFT_T_ICMPV6_TYPE;
    /* A hash of known size takes the least memory and work. */
    if (!SHAPES[shape].interval)
        spec.size = (uint32_t)n;
    nft_set_add(l->b, &spec);
}

static void add_lookup(struct list *l, enum fw_shape shape, const char *name,
                       enum fw_action action)
{
    struct nft_rule *r = nft_rule_begin(l->b, l->chain);
    uint8_t family = l->s->addr.family, proto = SHAPES[shape].l4proto;
    unsigned fields = SHAPES[shape].fields, slot = 0;

    if (fields & HAS_DST)
        nft_match_nfproto(r, (uint8_t)nfproto(l));
    if (proto)
        nft_match_l4proto(r, proto == 1 ? icmp_of(family) : proto);
    if (fields & HAS_DST) {
        nft_load_daddr(r, family, slot);
        slot += family == AF_INET ? 1 : 4;
    }
    if (fields & HAS_PROTO)
        nft_load_l4proto(r, slot++);
    if (fields & HAS_PORT)
        nft_load_dport(r, slot++);
    if (fields & HAS_TYPE)
        nft_load_icmp_type(r, slot);
    nft_lookup_mark(r, name);
    end_list(r, action);
    nft_rule_end(l->b, r);
}

/* ---- elements ---- */
/* @param last  the upper end of the entry instead of the lower one */
static void entry_key(const struct fw_match *m, const struct fw_entry *e,
                      bool last, struct nft_key *ret)
{
    unsigned fields = SHAPES[e->shape].fields;
    struct ipaddr from, to;
    uint16_t low, high;

    *ret = (struct nft_key){0};
    if (fields & HAS_DST) {
        ipnet_range(&m->dst, &from, &to);
        nft_key_addr(ret, last ? &to : &from);
    }
    if (fields & HAS_PROTO)
        nft_key_u8(ret, e->l4proto);
    if (fields & HAS_PORT) {
        fw_match_ports(m, &low, &high);
        nft_key_be16(ret, last ? high : low);
    }
    if (fields & HAS_TYPE)
        nft_key_u8(ret, m->icmptype);
}

struct keyed {
    struct nft_key key;
    uint16_t rule;
};

static int keyed_order(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int d = nft_key_cmp(&x->key, &y->key);

    return d != 0 ? d : (int)x->rule - (int)y->rule;
}

/* Exact keys: of equal ones the first rule has it. */
static int put_exact(struct list *l, const struct fw_entry *e, size_t n,
                     struct nft_elems *run)
{
    struct keyed *k = calloc(n, sizeof(*k));
    size_t i;

    if (!k)
        return -ENOMEM;
    for (i = 0; i < n; i++) {
        entry_key(&l->s->v[e[i].rule], &e[i], false, &k[i].key);
        k[i].rule = e[i].rule;
    }
    sort_array(k, n, sizeof(*k), keyed_order);
    for (i = 0; i < n; i++) {
        struct nft_elem elem = {.key = &k[i].key,
                                .data = NFT_ELEM_MARK,
                                .mark = l->s->number[k[i].rule]};

        if (i == 0 || nft_key_cmp(&k[i].key, &k[i - 1].key) != 0)
            nft_elems_put(run, &elem);
    }
    free(k);
    return 0;
}

static void put_boxes(struct list *l, const struct fw_entry *e, size_t n,
                      struct nft_elems *run)
{
    size_t i;

    for (i = 0; i < n; i++) {
        const struct fw_match *m = &l->s->v[e[i].rule];
        struct nft_key first, last;
        struct nft_elem elem = {.key = &first,
                                .end = &last,
                                .data = NFT_ELEM_MARK,
                                .mark = l->s->number[e[i].rule]};

        entry_key(m, &e[i], false, &first);
        entry_key(m, &e[i], true, &last);
        nft_elems_put(run, &elem);
    }
}

static void put_interval(struct list *l, uint16_t rule,
                         const struct nft_key *first,
                         const struct nft_key *last, struct nft_elems *run)
{
    struct nft_elem elem = {
        .key = first, .data = NFT_ELEM_MARK, .mark = l->s->number[rule]};

    nft_elems_put_range(run, &elem, last);
}

static int put_nets(struct list *l, const struct fw_entry *e, size_t n,
                    struct nft_elems *run)
{
    struct fw_net_part *part;
    size_t i, n_parts;
    int r = fw_net_parts(l->s->v, e, n, &part, &n_parts);

    if (r < 0)
        return r;
    for (i = 0; i < n_parts; i++) {
        struct nft_key first = {0}, last = {0};

        nft_key_addr(&first, &part[i].first);
        nft_key_addr(&last, &part[i].last);
        put_interval(l, part[i].rule, &first, &last, run);
    }
    free(part);
    return 0;
}

static int put_ports(struct list *l, const struct fw_entry *e, size_t n,
                     struct nft_elems *run)
{
    struct fw_port_part *part;
    size_t i, n_parts;
    int r = fw_port_parts(l->s->v, e, n, &part, &n_parts);

    if (r < 0)
        return r;
    for (i = 0; i < n_parts; i++) {
        struct nft_key first = {0}, last = {0};

        nft_key_be16(&first, part[i].first);
        nft_key_be16(&last, part[i].last);
        put_interval(l, part[i].rule, &first, &last, run);
    }
    free(part);
    return 0;
}

static int put_elements(struct list *l, const struct fw_group *g,
                        const struct fw_entry *e, struct nft_elems *run)
{
    switch (g->shape) {
    case FW_SHAPE_NET:
        return put_nets(l, e, g->n, run);
    case FW_SHAPE_TCP_RANGE:
    case FW_SHAPE_UDP_RANGE:
        return put_ports(l, e, g->n, run);
    case FW_SHAPE_BOX:
        put_boxes(l, e, g->n, run);
        return 0;
    case FW_SHAPE_HOST_PORT:
    case FW_SHAPE_HOST_PROTO:
    case FW_SHAPE_HOST_ICMP:
    case FW_SHAPE_HOST:
    case FW_SHAPE_PORT:
        return put_exact(l, e, g->n, run);
    case FW_SHAPE_RULE:
    case FW_SHAPES:
        break;
    }
    return -EINVAL;
}

/* ---- the list ---- */
static int add_group(struct list *l, const struct fw_plan *plan,
                     const struct fw_group *g)
{
    const struct fw_entry *e = plan->entries + g->first;
    char name[FW_LIST_SET_MAX];
    struct nft_elems run;
    size_t i;
    int r;

    if (g->shape == FW_SHAPE_RULE) {
        for (i = 0; i < g->n; i++)
            add_entry(l, &e[i]);
        return 0;
    }
    compile_list_set(&l->s->addr, l->n_sets++, name);
    add_set(l, g->shape, name, g->n);
    nft_elems_begin(l->b, name, false, &run);
    r = put_elements(l, g, e, &run);
    nft_elems_end(&run);
    add_lookup(l, g->shape, name, g->action);
    return r;
}

/* Rules up to the first drop whose name stands for nothing known: what it
 * closes is not known, so nothing behind it may open. */
static size_t usable(const struct fw_source *s)
{
    size_t i;

    for (i = 0; i < s->n; i++)
        if (s->v[i].dst_kind == FW_DST_NAME && s->v[i].name_set == 0 &&
            s->v[i].action == FW_DROP)
            break;
    return i;
}

/* The mark of every policy is the same: a chain of the table sets it. */
static void add_policy(struct list *l)
{
    struct nft_rule *r = nft_rule_begin(l->b, l->chain);

    nft_counter(r);
    if (l->s->policy == FW_ACCEPT)
        nft_return(r);
    else
        nft_goto(r, FW_CHAIN_REST);
    nft_rule_comment(r, FW_COMMENT_POLICY);
    nft_rule_end(l->b, r);
}

static int fill_chain(struct list *l)
{
    const struct fw_source *s = l->s;
    struct fw_plan plan;
    size_t i, n = usable(s);
    int r = fw_plan_make(s->addr.family, s->v, n, &plan);

    if (r < 0)
        return r;
    for (i = 0; i < plan.n_groups && r == 0; i++)
        r = add_group(l, &plan, &plan.groups[i]);
    fw_plan_free(&plan);
    if (n < s->n)
        decide(l, nft_rule_begin(l->b, l->chain), FW_DROP,
               FW_MARK_NAME + s->number[n], "name");
    else
        add_policy(l);
    return r;
}

static void empty_chain(struct nft *b, const struct fw_source *s,
                        const char *chain)
{
    char name[FW_LIST_SET_MAX];
    unsigned i;

    nft_chain_flush(b, chain);
    for (i = 0; i < s->n_sets; i++)
        nft_set_del(b, compile_list_set(&s->addr, i, name));
}

/* All but compile_elements(). */
static int put_list(struct nft *b, struct fw_source *s,
                    const struct fw_source *old)
{
    struct list l = {.b = b, .s = s};
    int r;

    compile_chain_name('q', &s->addr, l.chain);
    if (old)
        empty_chain(b, old, l.chain);
    else
        nft_chain_add(b, l.chain);
    r = fill_chain(&l);
    s->n_sets = l.n_sets;
    compile_share(b, s, old);
    return r;
}

int compile_source(struct nft *b, struct fw_source *s,
                   const struct fw_source *old)
{
    int r = put_list(b, s, old);

    if (!old)
        compile_elements(b, s, 1);
    return r;
}

int compile_sources(struct nft *b, struct fw_source *v, size_t n)
{
    size_t i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++)
        r = put_list(b, &v[i], NULL);
    compile_elements(b, v, n);
    return r;
}

void compile_source_del(struct nft *b, const struct fw_source *s)
{
    char chain[FW_CHAIN_MAX];

    compile_share_del(b, s);
    empty_chain(b, s, compile_chain_name('q', &s->addr, chain));
    nft_chain_del(b, chain);
}
