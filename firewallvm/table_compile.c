/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table without the lists: who may pass at all, what is counted, logged
 * and limited. pure (appends to a batch). Fed by checked state. See
 * table_compile.h; paths and shares are in share_compile.c. */
#include "firewallvm/table_compile.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "firewallvm/table_impl.h"
#include "lib/mem.h"

#define PRIO_FILTER 0
#define PRIO_SRCNAT 100
#define ICMPV6_ROUTER_ADVERT 134
#define ICMPV6_REDIRECT 137
#define ICMP_ECHO_REQUEST 8
#define LOG_RATE 10
#define LOG_BURST 20

#define DNS4 "dns4"
#define DNS6 "dns6"
#define PLAIN6 "plain6"   /* next headers that need no closer look */
#define UNSEEN6 "unseen6" /* headers behind which nobody looks */
#define FLOWTABLE "offload"
#define LOG_LIMIT "log"
#define HEADERS6 "headers6" /* chain: a closer look at extension headers */
#define QUBES "vif*"
/* Of the sources with the usual limits; made by their packets. */
#define FLOWS "flows"
#define RATE "rate"

const char *compile_set_name(const char *plain, uint8_t family,
                             char buf[FW_SET_NAME_MAX])
{
    snprintf(buf, FW_SET_NAME_MAX, "%s%c", plain,
             family == AF_INET6 ? '6' : '4');
    return buf;
}

const char *compile_chain_name(char what, const struct ipaddr *addr,
                               char buf[FW_CHAIN_MAX])
{
    char text[IPADDR_TEXT_MAX], *p;

    ipaddr_format(addr, text);
    for (p = text; *p; p++)
        if (*p == ':')
            *p = '_';
    snprintf(buf, FW_CHAIN_MAX, "%c%c-%s", what,
             addr->family == AF_INET6 ? '6' : '4', text);
    return buf;
}

void compile_guard(struct nft *b)
{
    nft_table_add(b);
    nft_base_chain(b, "forward", "filter", NFT_HOOK_FORWARD, PRIO_FILTER, true);
}

/* ---- sets ---- */
static const struct {
    const char *plain;
    uint32_t flags;
    bool counted;
} SHARES[] = {
    {FW_MAP_SOURCE, NFT_F_MAP, false},
    {FW_MAP_QUBE, NFT_F_MAP, false},
    {FW_MAP_KNOWN, NFT_F_MAP, true},
    {FW_SET_BLOCKED, NFT_F_STATEFUL, true},
    {FW_MAP_SHARE, NFT_F_MAP, false},
    {FLOWS, NFT_F_STATEFUL, false},
    {RATE, NFT_F_STATEFUL | NFT_F_TIMEOUT, false},
    {FW_SET_BANDWIDTH, NFT_F_STATEFUL, false},
    {FW_SET_QUOTA, NFT_F_STATEFUL, false},
};

static void add_share_sets(struct nft *b, uint8_t family)
{
    char name[FW_SET_NAME_MAX];
    size_t i;

    for (i = 0; i < ARRAY_LEN(SHARES); i++) {
        struct nft_set_spec spec = {
            .name = compile_set_name(SHARES[i].plain, family, name),
            .types = {family == AF_INET ? NFT_T_IPV4 : NFT_T_IPV6},
            .n_types = 1,
            .flags = SHARES[i].flags,
            .counted = SHARES[i].counted,
        };

        nft_set_add(b, &spec);
    }
}

static void add_protocols(struct nft *b, const char *name,
                          const uint8_t *protocols, size_t n)
{
    struct nft_set_spec spec = {
        .name = name, .types = {NFT_T_INET_PROTO}, .n_types = 1};
    size_t i;

    nft_set_add(b, &spec);
    for (i = 0; i < n; i++) {
        struct nft_key k = {0};

        nft_key_u8(&k, protocols[i]);
        nft_elem_add(b, name, &k);
    }
}

static void add_sets(struct nft *b)
{
    static const struct nft_set_spec dns[] = {
        {.name = DNS4, .types = {NFT_T_IPV4}, .n_types = 1},
        {.name = DNS6, .types = {NFT_T_IPV6}, .n_types = 1},
    };
    static const uint8_t plain[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6};
    /* Mobility, host identity, shim6 and the two experimental ones: the
     * kernel's walk over the headers stops at them, so nobody saw what
     * follows. */
    static const uint8_t unseen[] = {135, 139, 140, 253, 254};

    add_share_sets(b, AF_INET);
    add_share_sets(b, AF_INET6);
    nft_set_add(b, &dns[0]);
    nft_set_add(b, &dns[1]);
    add_protocols(b, PLAIN6, plain, ARRAY_LEN(plain));
    add_protocols(b, UNSEEN6, unseen, ARRAY_LEN(unseen));
}

/* ---- ends of the way ---- */
static void go(struct nft *b, const char *chain, const char *to)
{
    struct nft_rule *r = nft_rule_begin(b, chain);

    nft_goto(r, to);
    nft_rule_end(b, r);
}

/* Tell nflog, as often as the table's limit allows. */
static void log_it(struct nft *b, const char *chain, const char *prefix)
{
    struct nft_rule *r = nft_rule_begin(b, chain);

    nft_limit_ref(r, LOG_LIMIT);
    nft_log(r, prefix, FW_LOG_GROUP, FW_LOG_SNAPLEN);
    nft_rule_end(b, r);
}

static void drop_counted(struct nft *b, struct nft_rule *r, const char *counter)
{
    nft_counter_ref(r, counter);
    nft_drop(r);
    nft_rule_end(b, r);
}

void table_count_blocked(struct nft *b, const char *chain)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    char name[FW_SET_NAME_MAX];
    size_t i;

    for (i = 0; i < ARRAY_LEN(families); i++) {
        struct nft_rule *r = nft_rule_begin(b, chain);

        nft_match_nfproto(r, families[i] == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
        nft_load_saddr(r, families[i], 0);
        nft_count_in_set(r,
                         compile_set_name(FW_SET_BLOCKED, families[i], name));
        nft_rule_end(b, r);
    }
}

void table_drop_chain(struct nft *b, const char *chain, const char *reason)
{
    log_it(b, chain, reason);
    drop_counted(b, nft_rule_begin(b, chain), reason);
}

/* Over their share: no answer, as answers are work, too. */
static void add_over(struct nft *b, const char *counter, const char *reason)
{
    nft_chain_add(b, counter);
    table_count_blocked(b, counter);
    log_it(b, counter, reason);
    drop_counted(b, nft_rule_begin(b, counter), counter);
}

static void add_blocked(struct nft *b)
{
    struct nft_rule *r;

    nft_chain_add(b, FW_CHAIN_BLOCKED);
    table_count_blocked(b, FW_CHAIN_BLOCKED);
    log_it(b, FW_CHAIN_BLOCKED, FW_LOG_LIST);
    r = nft_rule_begin(b, FW_CHAIN_BLOCKED);
    nft_reject_admin(r);
    nft_rule_end(b, r);
    nft_chain_add(b, FW_CHAIN_REST);
    r = nft_rule_begin(b, FW_CHAIN_REST);
    nft_set_mark(r, FW_MARK_POLICY);
    nft_goto(r, FW_CHAIN_BLOCKED);
    nft_rule_end(b, r);
}

/* ---- known flows ---- */
static void offload(struct nft *b, uint8_t l4proto)
{
    struct nft_rule *r = nft_rule_begin(b, "pass");

    nft_match_l4proto(r, l4proto);
    nft_flow_add(r, FLOWTABLE);
    nft_rule_end(b, r);
}

/* Answers of resolvers are not offloaded, so that the chain that makes some
 * of them wait sees each. */
static void keep_dns(struct nft *b, bool answers)
{
    struct nft_rule *r = nft_rule_begin(b, "pass");

    nft_match_l4proto(r, IPPROTO_UDP);
    if (answers)
        nft_match_sport(r, FW_DNS_PORT, FW_DNS_PORT);
    else
        nft_match_dport(r, FW_DNS_PORT, FW_DNS_PORT);
    nft_accept(r);
    nft_rule_end(b, r);
}

static void fill_pass(struct nft *b, bool has_flowtable)
{
    struct nft_rule *r;

    if (has_flowtable) {
        nft_flowtable_add(b, FLOWTABLE);
        offload(b, IPPROTO_TCP);
        keep_dns(b, false);
        keep_dns(b, true);
        offload(b, IPPROTO_UDP);
    }
    r = nft_rule_begin(b, "pass");
    nft_accept(r);
    nft_rule_end(b, r);
}

static void over(struct nft *b, const char *chain, const char *plain,
                 uint8_t family, bool src, const char *to)
{
    struct nft_rule *r = nft_rule_begin(b, chain);
    char name[FW_SET_NAME_MAX];

    nft_match_nfproto(r, family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    if (src)
        nft_load_saddr(r, family, 0);
    else
        nft_load_daddr(r, family, 0);
    nft_lookup(r, compile_set_name(plain, family, name), false);
    nft_goto(r, to);
    nft_rule_end(b, r);
}

/* Qubes with a bandwidth or a quota: every packet is looked at, both ways. */
static void add_metered(struct nft *b)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct nft_rule *r;
    size_t i;

    nft_chain_add(b, "metered");
    for (i = 0; i < ARRAY_LEN(families); i++) {
        over(b, "metered", FW_SET_QUOTA, families[i], true, FW_COUNT_QUOTA);
        over(b, "metered", FW_SET_QUOTA, families[i], false, FW_COUNT_QUOTA);
        over(b, "metered", FW_SET_BANDWIDTH, families[i], true, FW_COUNT_LIMIT);
        over(b, "metered", FW_SET_BANDWIDTH, families[i], false,
             FW_COUNT_LIMIT);
    }
    r = nft_rule_begin(b, "metered");
    nft_accept(r);
    nft_rule_end(b, r);
}

static void dispatch(struct nft *b, const char *chain, const char *plain,
                     uint8_t family, bool src)
{
    struct nft_rule *r = nft_rule_begin(b, chain);
    char name[FW_SET_NAME_MAX];

    nft_match_nfproto(r, family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    if (src)
        nft_load_saddr(r, family, 0);
    else
        nft_load_daddr(r, family, 0);
    nft_lookup_vmap(r, compile_set_name(plain, family, name));
    nft_rule_end(b, r);
}

static void add_known(struct nft *b, bool has_flowtable)
{
    struct nft_rule *r;

    nft_chain_add(b, "pass");
    fill_pass(b, has_flowtable);
    add_metered(b);
    nft_chain_add(b, "known");
    dispatch(b, "known", FW_MAP_KNOWN, AF_INET, true);
    dispatch(b, "known", FW_MAP_KNOWN, AF_INET, false);
    dispatch(b, "known", FW_MAP_KNOWN, AF_INET6, true);
    dispatch(b, "known", FW_MAP_KNOWN, AF_INET6, false);
    r = nft_rule_begin(b, "known");
    nft_accept(r);
    nft_rule_end(b, r);
}

static void put_rest(struct nft *b, const char *map, enum nft_elem_data data,
                     const char *chain)
{
    struct nft_elem rest = {.data = data, .chain = chain};
    struct nft_elems run;

    nft_elems_begin(b, map, false, &run);
    nft_elems_put(&run, &rest);
    nft_elems_end(&run);
}

static void usual_limit(struct nft *b, const char *chain, uint8_t family,
                        const char *plain, enum nft_state_kind kind,
                        uint64_t limit, uint32_t burst)
{
    struct nft_rule *r = nft_rule_begin(b, chain);
    char name[FW_SET_NAME_MAX];

    nft_match_nfproto(r, family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    nft_load_saddr(r, family, 0);
    nft_over_in_set(r, compile_set_name(plain, family, name), kind, limit,
                    burst);
    nft_goto(r, FW_COUNT_LIMIT);
    nft_rule_end(b, r);
}

/* The limits of every source that has none of its own. */
static void add_usual_share(struct nft *b, uint8_t family)
{
    char name[FW_SET_NAME_MAX];

    nft_chain_add(b, compile_set_name(FW_MAP_SHARE, family, name));
    usual_limit(b, name, family, RATE, NFT_STATE_RATE, FW_RATE_DEFAULT,
                FW_BURST_DEFAULT);
    usual_limit(b, name, family, FLOWS, NFT_STATE_FLOWS, FW_FLOWS_DEFAULT, 0);
    put_rest(b, name, NFT_ELEM_JUMP, name);
}

static void add_no_list(struct nft *b, uint8_t family)
{
    char name[FW_SET_NAME_MAX];

    put_rest(b, compile_set_name(FW_MAP_SOURCE, family, name), NFT_ELEM_GOTO,
             FW_COUNT_NO_LIST);
}

/* A new flow that a list or an edge allows: within its qube's share? */
static void add_accepted(struct nft *b)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct nft_rule *r;
    size_t i;

    nft_chain_add(b, FW_COUNT_NO_LIST);
    table_drop_chain(b, FW_COUNT_NO_LIST, FW_COUNT_NO_LIST);
    nft_chain_add(b, "within");
    nft_chain_add(b, "accepted");
    /* Further packets of a flow that nobody has answered yet. */
    r = nft_rule_begin(b, "accepted");
    nft_match_ct_status(r, NFT_CT_CONFIRMED);
    nft_goto(r, "within");
    nft_rule_end(b, r);
    for (i = 0; i < ARRAY_LEN(families); i++) {
        add_no_list(b, families[i]);
        add_usual_share(b, families[i]);
        dispatch(b, "accepted", FW_MAP_SHARE, families[i], true);
        dispatch(b, "within", FW_MAP_KNOWN, families[i], true);
    }
    go(b, "accepted", "within");
    go(b, "within", FW_COUNT_NO_LIST);
}

/* ---- extension headers ---- */
/* A header of this number must not be followed by one of these: with that,
 * and the rules below, no header can come twice (the order hop-by-hop,
 * destination options, authentication is all that is left, or options behind
 * the authentication), and no walk over them has to remember anything. */
static const struct {
    uint8_t header, next;
} WRONG_NEXT[] = {
    {IPPROTO_HOPOPTS, IPPROTO_HOPOPTS}, {IPPROTO_DSTOPTS, IPPROTO_HOPOPTS},
    {IPPROTO_DSTOPTS, IPPROTO_DSTOPTS}, {IPPROTO_AH, IPPROTO_HOPOPTS},
    {IPPROTO_AH, IPPROTO_AH},
};

static struct nft_rule *exthdr_rule(struct nft *b)
{
    struct nft_rule *r = nft_rule_begin(b, HEADERS6);

    nft_match_nfproto(r, NFT_NH_V6);
    return r;
}

static void exthdr_end(struct nft *b, struct nft_rule *r)
{
    nft_goto(r, FW_COUNT_EXTHDR);
    nft_rule_end(b, r);
}

static void header_at_all(struct nft *b, uint8_t header)
{
    struct nft_rule *r = exthdr_rule(b);

    nft_match_exthdr6(r, header);
    exthdr_end(b, r);
}

/* Destination options before the authentication, and again behind it. */
static void options_twice(struct nft *b)
{
    struct nft_rule *r = exthdr_rule(b);

    nft_match_exthdr6_next(r, IPPROTO_DSTOPTS, IPPROTO_AH);
    nft_match_exthdr6_next(r, IPPROTO_AH, IPPROTO_DSTOPTS);
    exthdr_end(b, r);
}

/* Headers behind which a rule cannot see, that come twice, or that send a
 * packet on another way than its destination says. */
static void add_exthdr(struct nft *b)
{
    struct nft_rule *r;
    size_t i;

    nft_chain_add(b, FW_COUNT_EXTHDR);
    table_drop_chain(b, FW_COUNT_EXTHDR, FW_COUNT_EXTHDR);
    nft_chain_add(b, HEADERS6);
    header_at_all(b, IPPROTO_ROUTING);
    /* The first one went when connection tracking put the packet together,
     * also if it was all of the packet. */
    header_at_all(b, IPPROTO_FRAGMENT);
    r = exthdr_rule(b);
    nft_load_l4proto(r, 0);
    nft_lookup(r, UNSEEN6, false);
    exthdr_end(b, r);
    for (i = 0; i < ARRAY_LEN(WRONG_NEXT); i++) {
        r = exthdr_rule(b);
        nft_match_exthdr6_next(r, WRONG_NEXT[i].header, WRONG_NEXT[i].next);
        exthdr_end(b, r);
    }
    options_twice(b);
}

/* ---- the forward hook ---- */
/* Flows to a qube: the paths of a kind return what they allow. */
static void add_to_qube(struct nft *b, const char *chain, const char *paths,
                        const char *then)
{
    struct nft_rule *r;

    nft_chain_add(b, paths);
    nft_chain_add(b, chain);
    r = nft_rule_begin(b, chain);
    nft_jump(r, paths);
    nft_rule_end(b, r);
    go(b, chain, then);
}

static void forward_new(struct nft *b)
{
    struct nft_rule *r = nft_rule_begin(b, "forward");

    nft_match_iifname(r, QUBES, true);
    nft_goto(r, "from_uplink");
    nft_rule_end(b, r);
    r = nft_rule_begin(b, "forward");
    nft_match_oifname(r, QUBES, false);
    nft_goto(r, FW_CHAIN_TO_QUBE);
    nft_rule_end(b, r);
    /* A qube whose device is not up yet is one all the same: a flow to its
     * address that went to the uplink now would be open for its answers. */
    dispatch(b, "forward", FW_MAP_QUBE, AF_INET, false);
    dispatch(b, "forward", FW_MAP_QUBE, AF_INET6, false);
    dispatch(b, "forward", FW_MAP_SOURCE, AF_INET, true);
    dispatch(b, "forward", FW_MAP_SOURCE, AF_INET6, true);
    go(b, "forward", "accepted");
}

static void add_forward(struct nft *b)
{
    struct nft_rule *r;

    nft_base_chain(b, "forward", "filter", NFT_HOOK_FORWARD, PRIO_FILTER, true);
    r = nft_rule_begin(b, "forward");
    nft_match_ct_state(r, NFT_CT_INVALID);
    drop_counted(b, r, FW_COUNT_INVALID);
    r = nft_rule_begin(b, "forward");
    nft_match_nfproto(r, NFT_NH_V6);
    nft_load_nexthdr6(r, 0);
    nft_lookup(r, PLAIN6, true);
    nft_jump(r, HEADERS6);
    nft_rule_end(b, r);
    r = nft_rule_begin(b, "forward");
    nft_clamp_mss(r);
    nft_rule_end(b, r);
    r = nft_rule_begin(b, "forward");
    nft_match_ct_state(r, NFT_CT_ESTABLISHED | NFT_CT_RELATED);
    nft_goto(r, "known");
    nft_rule_end(b, r);
    forward_new(b);
}

/* ---- input and translation ---- */
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

void compile_base(struct nft *b, const struct fw_state *st, bool has_flowtable)
{
    static const char *const counters[] = {
        FW_COUNT_INVALID, FW_COUNT_UPLINK, FW_COUNT_TO_QUBE, FW_COUNT_EXTHDR,
        FW_COUNT_NO_LIST, FW_COUNT_LIMIT,  FW_COUNT_QUOTA,
    };
    size_t i;

    /* What the old chains' rules leave undecided until the kernel has ended
     * them, the new ones judge (docs/firewall-internals.md, A known gap). */
    nft_table_add(b);
    nft_base_chain(b, "input", "filter", NFT_HOOK_INPUT, PRIO_FILTER, false);
    nft_base_chain(b, "forward", "filter", NFT_HOOK_FORWARD, PRIO_FILTER,
                   false);
    nft_table_reset(b);
    for (i = 0; i < ARRAY_LEN(counters); i++)
        nft_counter_add(b, counters[i]);
    nft_limit_add(b, LOG_LIMIT, LOG_RATE, LOG_BURST);
    add_sets(b);
    fill_dns(b, &st->dns);
    add_over(b, FW_COUNT_LIMIT, FW_LOG_LIMIT);
    add_over(b, FW_COUNT_QUOTA, FW_LOG_QUOTA);
    add_known(b, has_flowtable);
    add_accepted(b);
    add_blocked(b);
    add_to_qube(b, "from_uplink", FW_CHAIN_INBOUND, "known");
    add_to_qube(b, FW_CHAIN_TO_QUBE, FW_CHAIN_EDGE, "accepted");
    compile_paths(b, FW_PATH_INBOUND, st->path[FW_PATH_INBOUND],
                  st->n_path[FW_PATH_INBOUND]);
    compile_paths(b, FW_PATH_EDGE, st->path[FW_PATH_EDGE],
                  st->n_path[FW_PATH_EDGE]);
    add_exthdr(b);
    add_input(b);
    add_forward(b);
    if (st->snat)
        add_snat(b);
}

void compile_trace_del(struct nft *b, const struct ipaddr *addr, unsigned i)
{
    static const char *const sets[FW_TRACES] = {FLOWS, RATE, FW_SET_BLOCKED};
    char name[FW_SET_NAME_MAX];
    struct nft_key key = {0};

    nft_key_addr(&key, addr);
    nft_elem_del(b, compile_set_name(sets[i], addr->family, name), &key);
}

void compile_dns(struct nft *b, const struct fw_dns *dns)
{
    nft_set_flush(b, DNS4);
    nft_set_flush(b, DNS6);
    fill_dns(b, dns);
}

void compile_devices(struct nft *b, const char *const *names, bool del)
{
    nft_flowtable_devices(b, FLOWTABLE, names, del);
}
