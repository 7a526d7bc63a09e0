/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths to qubes, and the elements of each source: counters and limits. pure
 * (appends to a batch). Fed by checked state. See table_compile.h. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "firewallvm/table_compile.h"
#include "firewallvm/table_impl.h"
#include "lib/mem.h"

#define BURST_MIN 131072u /* bytes: two of the largest packets */

/* ---- paths ---- */
static void add_path(struct nft *b, const char *chain, const struct fw_path *p)
{
    struct ipnet dst = {.addr = p->dst,
                        .prefix = (uint8_t)(ipaddr_len(&p->dst) * 8)};
    struct nft_rule *r = nft_rule_begin(b, chain);

    nft_match_nfproto(r, p->dst.family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    if (p->src.addr.family != 0)
        nft_match_saddr(r, &p->src, false);
    nft_match_daddr(r, &dst, false);
    if (p->l4proto != 0)
        nft_match_l4proto(r, p->l4proto);
    if (path_has_ports(p) && (p->first > 0 || p->last < UINT16_MAX))
        nft_match_dport(r, p->first, p->last);
    nft_counter(r);
    nft_return(r);
    nft_rule_end(b, r);
}

void compile_paths(struct nft *b, enum fw_path_kind kind,
                   const struct fw_path *v, size_t n)
{
    bool edge = kind == FW_PATH_EDGE;
    const char *chain = edge ? FW_CHAIN_EDGE : FW_CHAIN_INBOUND;
    size_t i;

    nft_chain_flush(b, chain);
    for (i = 0; i < n; i++)
        add_path(b, chain, &v[i]);
    if (edge)
        table_count_blocked(b, chain);
    table_drop_chain(b, chain, edge ? FW_COUNT_TO_QUBE : FW_COUNT_UPLINK);
}

/* ---- shares ---- */
static struct nft_key source_key(const struct fw_source *s)
{
    struct nft_key key = {0};

    nft_key_addr(&key, &s->addr);
    return key;
}

static void put(struct nft *b, const struct fw_source *s, const char *plain,
                bool del, const struct nft_elem *what)
{
    struct nft_key key = source_key(s);
    struct nft_elem e = *what;
    char name[FW_SET_NAME_MAX];
    struct nft_elems run;

    e.key = &key;
    nft_elems_begin(b, compile_set_name(plain, s->addr.family, name), del,
                    &run);
    nft_elems_put(&run, &e);
    nft_elems_end(&run);
}

/* An element with a state: left alone if its limit stays, as the state is
 * what has happened so far. */
static void put_limit(struct nft *b, const struct fw_source *s,
                      const char *plain, const struct nft_elem *was,
                      const struct nft_elem *now)
{
    static const struct nft_elem key_only = {0};

    if (was->limit == now->limit && was->burst == now->burst)
        return;
    if (was->limit > 0)
        put(b, s, plain, true, &key_only);
    if (now->limit > 0)
        put(b, s, plain, false, now);
}

struct limit_elems {
    struct nft_elem bandwidth, quota;
};

static struct limit_elems elems_of(const struct fw_source *s)
{
    struct limit_elems e = {0};
    uint64_t burst;

    if (!s)
        return e;
    burst = s->limits.bandwidth / 8;
    e.bandwidth.state = NFT_STATE_BYTES;
    e.bandwidth.limit = s->limits.bandwidth;
    e.bandwidth.burst = burst > BURST_MIN ? burst : BURST_MIN;
    e.quota.state = NFT_STATE_QUOTA;
    e.quota.limit = s->limits.quota;
    e.quota.used = s->quota_used;
    return e;
}

static struct nft_elem known_elem(const struct fw_source *s)
{
    return (struct nft_elem){
        .data = NFT_ELEM_GOTO,
        .chain = limits_metered(&s->limits) ? "metered" : "pass",
    };
}

static void put_known(struct nft *b, const struct fw_source *s,
                      const struct fw_source *old)
{
    static const struct nft_elem key_only = {0};
    struct nft_elem e = known_elem(s);

    if (limits_metered(&old->limits) == limits_metered(&s->limits))
        return;
    put(b, s, FW_MAP_KNOWN, true, &key_only);
    put(b, s, FW_MAP_KNOWN, false, &e);
}

/* ---- elements that every source has ---- */
static const char *const OF_ALL[] = {FW_MAP_SOURCE, FW_MAP_QUBE, FW_MAP_KNOWN};

static void put_of_all(struct nft_elems *run, const char *plain,
                       const struct fw_source *s)
{
    struct nft_key key = source_key(s);
    struct nft_elem e = {0};
    char chain[FW_CHAIN_MAX];

    if (strcmp(plain, FW_MAP_SOURCE) == 0) {
        e.data = NFT_ELEM_JUMP;
        e.chain = compile_chain_name('q', &s->addr, chain);
    } else if (strcmp(plain, FW_MAP_QUBE) == 0) {
        e.data = NFT_ELEM_GOTO;
        e.chain = FW_CHAIN_TO_QUBE;
    } else {
        e = known_elem(s);
    }
    e.key = &key;
    nft_elems_put(run, &e);
}

void compile_elements(struct nft *b, const struct fw_source *v, size_t n)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    char name[FW_SET_NAME_MAX];
    struct nft_elems run;
    size_t i, k, f;

    for (f = 0; f < ARRAY_LEN(families); f++) {
        for (i = 0; i < ARRAY_LEN(OF_ALL); i++) {
            compile_set_name(OF_ALL[i], families[f], name);
            nft_elems_begin(b, name, false, &run);
            for (k = 0; k < n; k++)
                if (v[k].addr.family == families[f])
                    put_of_all(&run, OF_ALL[i], &v[k]);
            nft_elems_end(&run);
        }
    }
}

/* ---- limits on new flows, of a source that has its own ---- */
static bool has_own(const struct fw_source *s)
{
    struct fw_limits usual = limits_default();

    return s && !limits_same_share(&s->limits, &usual);
}

static void own_limit(struct nft *b, const char *chain,
                      enum nft_state_kind kind, uint64_t limit, uint32_t burst)
{
    struct nft_rule *r = nft_rule_begin(b, chain);

    nft_over(r, kind, limit, burst);
    nft_goto(r, FW_COUNT_LIMIT);
    nft_rule_end(b, r);
}

static void put_own(struct nft *b, const struct fw_source *s,
                    const struct fw_source *old, const struct fw_source *new)
{
    static const struct nft_elem key_only = {0};
    struct nft_elem e = {.data = NFT_ELEM_JUMP};
    char chain[FW_CHAIN_MAX];

    if (has_own(old) && has_own(new) &&
        limits_same_share(&old->limits, &new->limits))
        return;
    e.chain = compile_chain_name('s', &s->addr, chain);
    if (has_own(old)) {
        put(b, s, FW_MAP_SHARE, true, &key_only);
        nft_chain_flush(b, chain);
        nft_chain_del(b, chain);
    }
    if (has_own(new)) {
        nft_chain_add(b, chain);
        own_limit(b, chain, NFT_STATE_RATE, new->limits.rate,
                  new->limits.burst);
        own_limit(b, chain, NFT_STATE_FLOWS, new->limits.flows, 0);
        put(b, s, FW_MAP_SHARE, false, &e);
    }
}

static void put_limits(struct nft *b, const struct fw_source *s,
                       const struct fw_source *old, const struct fw_source *new)
{
    struct limit_elems was = elems_of(old), now = elems_of(new);

    put_own(b, s, old, new);
    put_limit(b, s, FW_SET_BANDWIDTH, &was.bandwidth, &now.bandwidth);
    put_limit(b, s, FW_SET_QUOTA, &was.quota, &now.quota);
}

void compile_share(struct nft *b, const struct fw_source *s,
                   const struct fw_source *old)
{
    if (old)
        put_known(b, s, old);
    put_limits(b, s, old, s);
}

void compile_share_del(struct nft *b, const struct fw_source *s)
{
    static const struct nft_elem key_only = {0};
    size_t i;

    for (i = 0; i < ARRAY_LEN(OF_ALL); i++)
        put(b, s, OF_ALL[i], true, &key_only);
    put_limits(b, s, s, NULL);
}
