/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vif_nft.h. effect. */
#include "vif/vif_nft.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/mem.h"
#include "lib/nl.h"
#include "rules/fw_event.h"

#define PRIO_RAW (-300)
#define ALLOWED4 "allowed4"
#define ALLOWED6 "allowed6"
#define CLIENTS4 "clients4"
#define CLIENTS6 "clients6"
#define CHAIN_BASE "antispoof"
#define CHAIN_VIF "vif"
#define COUNTER_VIF "spoofed"
#define COUNTER_UPLINK "uplink-spoofed"
#define LIMIT_LOG "log"
#define LOG_RATE 5 /* a second */
#define LOG_BURST 5

struct vif_nft {
    struct nl *nl;
    struct nft *batch;
    bool any; /* the batch holds something */
};

int vif_nft_new(struct vif_nft **ret)
{
    struct vif_nft *n = calloc(1, sizeof(*n));
    int r;

    if (n == NULL)
        return -ENOMEM;
    r = nl_new(NETLINK_NETFILTER, 0, &n->nl);
    if (r < 0) {
        free(n);
        return r;
    }
    *ret = n;
    return 0;
}

void vif_nft_free(struct vif_nft *n)
{
    if (n == NULL)
        return;
    nft_free(n->batch);
    nl_free(n->nl);
    free(n);
}

static void sets(struct nft *b)
{
    static const struct nft_set_spec specs[] = {
        {.name = ALLOWED4, .types = {NFT_T_IFNAME, NFT_T_IPV4}, .n_types = 2},
        {.name = ALLOWED6, .types = {NFT_T_IFNAME, NFT_T_IPV6}, .n_types = 2},
        {.name = CLIENTS4, .types = {NFT_T_IPV4}, .n_types = 1},
        {.name = CLIENTS6, .types = {NFT_T_IPV6}, .n_types = 1},
    };

    for (unsigned i = 0; i < ARRAY_LEN(specs); i++)
        nft_set_add(b, &specs[i]);
}

static uint8_t nfproto(uint8_t family)
{
    return family == AF_INET ? NFT_NH_V4 : NFT_NH_V6;
}

static void rule_allowed(struct nft *b, uint8_t family, const char *set)
{
    struct nft_rule *r = nft_rule_begin(b, CHAIN_VIF);

    nft_match_nfproto(r, nfproto(family));
    nft_load_iifname(r, 0);
    nft_load_saddr(r, family, 4);
    nft_lookup(r, set, false);
    nft_accept(r);
    nft_rule_end(b, r);
}

/* Neighbour discovery of a guest that has not pinned us; it reaches nobody
 * else, as link-local packets are not forwarded. */
static void rule_neighbour(struct nft *b, uint8_t type)
{
    const struct ipnet ll = {.addr = {AF_INET6, {0xfe, 0x80}}, .prefix = 10};
    struct nft_rule *r = nft_rule_begin(b, CHAIN_VIF);

    nft_match_nfproto(r, NFT_NH_V6);
    nft_match_saddr(r, &ll, false);
    nft_match_l4proto(r, IPPROTO_ICMPV6);
    nft_match_icmp_type(r, type);
    nft_accept(r);
    nft_rule_end(b, r);
}

/* What every stack sends before it has an address is no forgery. */
static void rule_noise(struct nft *b, const struct ipnet *from)
{
    struct nft_rule *r = nft_rule_begin(b, CHAIN_VIF);

    nft_match_nfproto(r, nfproto(from->addr.family));
    nft_match_saddr(r, from, false);
    nft_drop(r);
    nft_rule_end(b, r);
}

/* Tell nflog, where somebody listens, as often as the limit allows. */
static void rule_log(struct nft *b, const char *chain)
{
    struct nft_rule *r = nft_rule_begin(b, chain);

    nft_limit_ref(r, LIMIT_LOG);
    nft_log(r, FW_LOG_SPOOF, FW_LOG_GROUP, FW_LOG_SNAPLEN);
    nft_rule_end(b, r);
}

static void rule_client(struct nft *b, uint8_t family, const char *set)
{
    struct nft_rule *r = nft_rule_begin(b, CHAIN_BASE);

    nft_match_nfproto(r, nfproto(family));
    nft_load_saddr(r, family, 0);
    nft_lookup(r, set, false);
    nft_counter_ref(r, COUNTER_UPLINK);
    nft_drop(r);
    nft_rule_end(b, r);
}

static void whole_table(struct nft *b)
{
    static const struct ipnet noise[] = {
        {{AF_INET6, {0xfe, 0x80}}, 10},
        {{AF_INET6, {0}}, 128},
        {{AF_INET, {0}}, 32},
    };
    struct nft_rule *r;

    nft_table_reset(b);
    nft_counter_add(b, COUNTER_VIF);
    nft_counter_add(b, COUNTER_UPLINK);
    nft_limit_add(b, LIMIT_LOG, LOG_RATE, LOG_BURST);
    sets(b);
    nft_base_chain(b, CHAIN_BASE, "filter", NFT_HOOK_PREROUTING, PRIO_RAW,
                   false);
    nft_chain_add(b, CHAIN_VIF);
    rule_allowed(b, AF_INET, ALLOWED4);
    rule_allowed(b, AF_INET6, ALLOWED6);
    rule_neighbour(b, ND_NEIGHBOR_SOLICIT);
    rule_neighbour(b, ND_NEIGHBOR_ADVERT);
    for (unsigned i = 0; i < ARRAY_LEN(noise); i++)
        rule_noise(b, &noise[i]);
    rule_log(b, CHAIN_VIF);
    r = nft_rule_begin(b, CHAIN_VIF);
    nft_counter_ref(r, COUNTER_VIF);
    nft_drop(r);
    nft_rule_end(b, r);
    r = nft_rule_begin(b, CHAIN_BASE);
    nft_match_iifname(r, "vif*", false);
    nft_goto(r, CHAIN_VIF);
    nft_rule_end(b, r);
    r = nft_rule_begin(b, CHAIN_BASE);
    nft_match_iifname(r, "lo", false);
    nft_accept(r);
    nft_rule_end(b, r);
    rule_client(b, AF_INET, CLIENTS4);
    rule_client(b, AF_INET6, CLIENTS6);
}

int vif_nft_begin(struct vif_nft *n, bool whole)
{
    int r;

    nft_free(n->batch);
    n->batch = NULL;
    r = nft_new(VIF_NFT_TABLE, &n->batch);
    if (r < 0)
        return r;
    n->any = whole;
    if (whole)
        whole_table(n->batch);
    return 0;
}

static void element(struct vif_nft *n, bool add, const char *set,
                    const struct nft_key *k)
{
    n->any = true;
    if (add)
        nft_elem_add(n->batch, set, k);
    else
        nft_elem_del(n->batch, set, k);
}

void vif_nft_allow(struct vif_nft *n, bool add, const char *ifname,
                   const struct ipaddr *a)
{
    struct nft_key k = {.len = 0};

    nft_key_ifname(&k, ifname);
    nft_key_addr(&k, a);
    element(n, add, a->family == AF_INET ? ALLOWED4 : ALLOWED6, &k);
}

void vif_nft_client(struct vif_nft *n, bool add, const struct ipaddr *a)
{
    struct nft_key k = {.len = 0};

    nft_key_addr(&k, a);
    element(n, add, a->family == AF_INET ? CLIENTS4 : CLIENTS6, &k);
}

int vif_nft_commit(struct vif_nft *n)
{
    int r = n->any ? nft_commit(n->batch, n->nl, NULL) : 0;

    nft_free(n->batch);
    n->batch = NULL;
    return r;
}

int vif_nft_spoofed(struct vif_nft *n, uint64_t *ret_packets)
{
    uint64_t a, b, bytes;
    int r;

    r = nft_counter_read(n->nl, VIF_NFT_TABLE, COUNTER_VIF, &a, &bytes);
    if (r == 0)
        r = nft_counter_read(n->nl, VIF_NFT_TABLE, COUNTER_UPLINK, &b, &bytes);
    if (r < 0)
        return r;
    *ret_packets = a + b;
    return 0;
}
