/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules to nftables. pure (appends to a batch). Fed by checked rules. See
 * rule_compile.h for sources. The meaning of a list is rule_eval.c; this
 * file must say the same in the kernel's words. */
#include "firewallvm/rule_compile.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "lib/mem.h"

#define PRIO_FILTER 0
#define PRIO_SRCNAT 100
#define ICMPV6_ROUTER_ADVERT 134
#define ICMPV6_REDIRECT 137
#define ICMP_ECHO_REQUEST 8

#define MAP4 "by_source4"
#define MAP6 "by_source6"
#define DNS4 "dns4"
#define DNS6 "dns6"
#define EXTHDRS "exthdrs"
#define QUBES "vif*"

const char *compile_chain_name(const struct ipaddr *addr,
                               char buf[FW_CHAIN_MAX])
{
    char text[IPADDR_TEXT_MAX], *p;

    ipaddr_format(addr, text);
    for (p = text; *p; p++)
        if (*p == ':')
            *p = '_';
    snprintf(buf, FW_CHAIN_MAX, "q%c-%s", addr->family == AF_INET6 ? '6' : '4',
             text);
    return buf;
}

void compile_guard(struct nft *b)
{
    nft_table_add(b);
    nft_base_chain(b, "forward", "filter", NFT_HOOK_FORWARD, PRIO_FILTER, true);
}

/* ---- the table without sources ---- */
static void add_sets(struct nft *b)
{
    static const struct nft_set_spec specs[] = {
        {MAP4, {NFT_T_IPV4}, 1, NFT_F_MAP},  {MAP6, {NFT_T_IPV6}, 1, NFT_F_MAP},
        {DNS4, {NFT_T_IPV4}, 1, 0},          {DNS6, {NFT_T_IPV6}, 1, 0},
        {EXTHDRS, {NFT_T_INET_PROTO}, 1, 0},
    };
    /* Mobility, host identity, shim6 and the two experimental ones: the
     * kernel's header walk stops at them, so nobody saw what follows. */
    static const uint8_t exthdrs[] = {135, 139, 140, 253, 254};
    size_t i;

    for (i = 0; i < ARRAY_LEN(specs); i++)
        nft_set_add(b, &specs[i]);
    for (i = 0; i < ARRAY_LEN(exthdrs); i++) {
        struct nft_key k = {0};

        nft_key_u8(&k, exthdrs[i]);
        nft_elem_add(b, EXTHDRS, &k);
    }
}

static void drop_counted(struct nft *b, struct nft_rule *r, const char *counter)
{
    nft_counter_ref(r, counter);
    nft_drop(r);
    nft_rule_end(b, r);
}

static void dispatch(struct nft *b, uint8_t family)
{
    struct nft_rule *r = nft_rule_begin(b, "forward");

    nft_match_nfproto(r, family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    nft_load_saddr(r, family, 0);
    nft_lookup_vmap(r, family == AF_INET ? MAP4 : MAP6);
    nft_rule_end(b, r);
}

/* Headers behind which a rule cannot see, or that send a packet on another
 * way than its destination says: dropped also within known flows. */
static void drop_exthdrs(struct nft *b)
{
    struct nft_rule *r = nft_rule_begin(b, "forward");

    nft_match_nfproto(r, NFT_NH_V6);
    nft_match_exthdr6(r, IPPROTO_ROUTING);
    drop_counted(b, r, FW_COUNT_EXTHDR);
    r = nft_rule_begin(b, "forward");
    nft_match_nfproto(r, NFT_NH_V6);
    nft_load_l4proto(r, 0);
    nft_lookup(r, EXTHDRS, false);
    drop_counted(b, r, FW_COUNT_EXTHDR);
}

static void add_forward(struct nft *b)
{
    struct nft_rule *r;

    nft_base_chain(b, "forward", "filter", NFT_HOOK_FORWARD, PRIO_FILTER, true);
    r = nft_rule_begin(b, "forward");
    nft_match_ct_state(r, NFT_CT_INVALID);
    drop_counted(b, r, FW_COUNT_INVALID);
    drop_exthdrs(b);
    r = nft_rule_begin(b, "forward");
    nft_match_ct_state(r, NFT_CT_ESTABLISHED | NFT_CT_RELATED);
    nft_accept(r);
    nft_rule_end(b, r);
    r = nft_rule_begin(b, "forward");
    nft_match_iifname(r, QUBES, true);
    drop_counted(b, r, FW_COUNT_UPLINK);
    r = nft_rule_begin(b, "forward");
    nft_match_oifname(r, QUBES, false);
    drop_counted(b, r, FW_COUNT_TO_QUBE);
    dispatch(b, AF_INET);
    dispatch(b, AF_INET6);
    drop_counted(b, nft_rule_begin(b, "forward"), FW_COUNT_NO_LIST);
}

static void accept_input(struct nft *b, const char *ifname, bool not_if,
                         uint8_t l4proto, int icmp_type)
{
    struct nft_rule *r = nft_rule_begin(b, "input");

    if (ifname)
        nft_match_iifname(r, ifname, not_if);
    if (l4proto)
        nft_match_l4proto(r, l4proto);
    if (icmp_type >= 0)
        nft_match_icmp_type(r, (uint8_t)icmp_type);
    nft_accept(r);
    nft_rule_end(b, r);
}

/* What the firewall VM itself hears: answers, itself, echo, neighbours; no
 * router's word from a qube. */
static void add_input(struct nft *b)
{
    static const uint8_t routers[] = {ICMPV6_ROUTER_ADVERT, ICMPV6_REDIRECT};
    struct nft_rule *r;
    size_t i;

    nft_base_chain(b, "input", "filter", NFT_HOOK_INPUT, PRIO_FILTER, true);
    r = nft_rule_begin(b, "input");
    nft_match_ct_state(r, NFT_CT_INVALID);
    nft_drop(r);
    nft_rule_end(b, r);
    r = nft_rule_begin(b, "input");
    nft_match_ct_state(r, NFT_CT_ESTABLISHED | NFT_CT_RELATED);
    nft_accept(r);
    nft_rule_end(b, r);
    accept_input(b, "lo", false, 0, -1);
    for (i = 0; i < ARRAY_LEN(routers); i++) {
        r = nft_rule_begin(b, "input");
        nft_match_iifname(r, QUBES, false);
        nft_match_l4proto(r, IPPROTO_ICMPV6);
        nft_match_icmp_type(r, routers[i]);
        nft_drop(r);
        nft_rule_end(b, r);
    }
    accept_input(b, NULL, false, IPPROTO_ICMPV6, -1);
    accept_input(b, NULL, false, IPPROTO_ICMP, ICMP_ECHO_REQUEST);
}

static void add_snat(struct nft *b)
{
    struct nft_rule *r;

    nft_base_chain(b, "postrouting", "nat", NFT_HOOK_POSTROUTING, PRIO_SRCNAT,
                   false);
    r = nft_rule_begin(b, "postrouting");
    nft_match_oifname(r, QUBES, true);
    nft_match_oifname(r, "lo", true);
    nft_masquerade(r);
    nft_rule_end(b, r);
}

static void fill_dns(struct nft *b, const struct fw_dns *dns)
{
    unsigned i;

    for (i = 0; i < dns->n; i++) {
        struct nft_key k = {0};

        nft_key_addr(&k, &dns->addr[i]);
        nft_elem_add(b, dns->addr[i].family == AF_INET ? DNS4 : DNS6, &k);
    }
}

void compile_base(struct nft *b, const struct fw_dns *dns, bool snat)
{
    static const char *const counters[] = {
        FW_COUNT_INVALID, FW_COUNT_UPLINK,  FW_COUNT_TO_QUBE,
        FW_COUNT_EXTHDR,  FW_COUNT_NO_LIST,
    };
    size_t i;

    nft_table_reset(b);
    for (i = 0; i < ARRAY_LEN(counters); i++)
        nft_counter_add(b, counters[i]);
    add_sets(b);
    fill_dns(b, dns);
    add_input(b);
    add_forward(b);
    if (snat)
        add_snat(b);
}

void compile_dns(struct nft *b, const struct fw_dns *dns)
{
    nft_set_flush(b, DNS4);
    nft_set_flush(b, DNS6);
    fill_dns(b, dns);
}

/* ---- one source ---- */
static void give_verdict(struct nft *b, struct nft_rule *r,
                         enum fw_action action)
{
    if (action == FW_ACCEPT)
        nft_accept(r);
    else
        nft_reject_admin(r);
    nft_rule_end(b, r);
}

/* One kernel rule for one protocol (0: any). */
static void add_rule(struct nft *b, const char *chain, uint8_t family,
                     const struct fw_match *m, uint8_t l4proto)
{
    struct nft_rule *r = nft_rule_begin(b, chain);

    /* The family is known here, yet only with it nft(8) can show the
     * address as one. */
    if (m->dst_kind == FW_DST_NET || m->dns)
        nft_match_nfproto(r, family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    if (m->dst_kind == FW_DST_NET)
        nft_match_daddr(r, &m->dst, false);
    if (l4proto)
        nft_match_l4proto(r, l4proto);
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
    give_verdict(b, r, m->action);
}

static void add_match(struct nft *b, const char *chain, uint8_t family,
                      const struct fw_match *m)
{
    bool both = m->proto == FW_PROTO_ANY && (m->dns || m->has_ports);

    if (both || m->proto == FW_PROTO_TCP)
        add_rule(b, chain, family, m, IPPROTO_TCP);
    if (both || m->proto == FW_PROTO_UDP)
        add_rule(b, chain, family, m, IPPROTO_UDP);
    if (m->proto == FW_PROTO_ICMP)
        add_rule(b, chain, family, m,
                 family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    if (m->proto == FW_PROTO_ANY && !both)
        add_rule(b, chain, family, m, 0);
}

static void source_key(const struct ipaddr *addr, struct nft_key *ret)
{
    *ret = (struct nft_key){0};
    nft_key_addr(ret, addr);
}

static const char *source_map(const struct ipaddr *addr)
{
    return addr->family == AF_INET ? MAP4 : MAP6;
}

void compile_source(struct nft *b, const struct fw_source *s, bool is_new)
{
    enum fw_action last = s->policy;
    char chain[FW_CHAIN_MAX];
    struct nft_key key;
    size_t i;

    compile_chain_name(&s->addr, chain);
    if (is_new)
        nft_chain_add(b, chain);
    nft_chain_flush(b, chain); /* a new one may be left of a failed try */
    for (i = 0; i < s->n; i++) {
        if (s->v[i].dst_kind != FW_DST_NAME) {
            add_match(b, chain, s->addr.family, &s->v[i]);
        } else if (s->v[i].action == FW_DROP) {
            /* Nobody knows what it closes: nothing behind it may open. */
            last = FW_DROP;
            break;
        }
    }
    give_verdict(b, nft_rule_begin(b, chain), last);
    if (is_new) {
        source_key(&s->addr, &key);
        nft_elem_goto(b, source_map(&s->addr), &key, chain);
    }
}

void compile_source_del(struct nft *b, const struct ipaddr *addr)
{
    char chain[FW_CHAIN_MAX];
    struct nft_key key;

    compile_chain_name(addr, chain);
    source_key(addr, &key);
    nft_elem_del(b, source_map(addr), &key);
    nft_chain_flush(b, chain);
    nft_chain_del(b, chain);
}
