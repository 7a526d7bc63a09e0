/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expressions and statements of nftables rules. pure (bytes only, the batch
 * is sent by nft.c). See nft.h. Offsets: RFC 791, RFC 8200, RFC 768. */
#include "lib/nft.h"

#include <errno.h>
#include <netinet/in.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/nft_impl.h"

#define IPV4_SADDR 12
#define IPV4_DADDR 16
#define IPV6_SADDR 8
#define IPV6_DADDR 24
#define IFNAME_BYTES 16

struct nft_rule {
    struct nft *b;
    struct nftnl_rule *r;
};

struct nft_rule *nft_rule_begin(struct nft *b, const char *chain)
{
    struct nft_rule *r = calloc(1, sizeof(*r));

    if (r)
        r->r = nftnl_rule_alloc();
    if (!r || !r->r) {
        free(r);
        nft_fail(b, -ENOMEM);
        return NULL;
    }
    r->b = b;
    nftnl_rule_set_str(r->r, NFTNL_RULE_TABLE, nft_table(b));
    nftnl_rule_set_str(r->r, NFTNL_RULE_CHAIN, chain);
    nftnl_rule_set_u32(r->r, NFTNL_RULE_FAMILY, NFPROTO_INET);
    return r;
}

void nft_rule_end(struct nft *b, struct nft_rule *r)
{
    if (!r)
        return;
    struct nlmsghdr *h =
        nft_msg_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    if (h) {
        nftnl_rule_nlmsg_build_payload(h, r->r);
        nft_msg_end(b, h);
    }
    nftnl_rule_free(r->r);
    free(r);
}

/* A new expression of the rule; NULL after an error. */
static struct nftnl_expr *expr(struct nft_rule *r, const char *name)
{
    struct nftnl_expr *e = r ? nftnl_expr_alloc(name) : NULL;

    if (r && !e)
        nft_fail(r->b, -ENOMEM);
    return e;
}

static void add(struct nft_rule *r, struct nftnl_expr *e)
{
    nftnl_rule_add_expr(r->r, e);
}

static void meta(struct nft_rule *r, uint32_t key, uint32_t dreg)
{
    struct nftnl_expr *e = expr(r, "meta");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, dreg);
    add(r, e);
}

static void payload(struct nft_rule *r, uint32_t base, uint32_t offset,
                    uint32_t len, uint32_t dreg)
{
    struct nftnl_expr *e = expr(r, "payload");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, dreg);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
    add(r, e);
}

static void cmp(struct nft_rule *r, uint32_t op, const void *data,
                uint32_t len)
{
    struct nftnl_expr *e = expr(r, "cmp");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
    nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
    add(r, e);
}

static void mask(struct nft_rule *r, const void *bits, uint32_t len)
{
    static const uint8_t zero[16];
    struct nftnl_expr *e = expr(r, "bitwise");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, bits, len);
    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len);
    add(r, e);
}

void nft_match_nfproto(struct nft_rule *r, uint8_t nfproto)
{
    meta(r, NFT_META_NFPROTO, NFT_REG_1);
    cmp(r, NFT_CMP_EQ, &nfproto, 1);
}

void nft_match_l4proto(struct nft_rule *r, uint8_t proto)
{
    meta(r, NFT_META_L4PROTO, NFT_REG_1);
    cmp(r, NFT_CMP_EQ, &proto, 1);
}

static void match_ifname(struct nft_rule *r, uint32_t key, const char *name,
                         bool negate)
{
    uint8_t full[IFNAME_BYTES] = {0};
    size_t len = strlen(name);
    bool prefix = len > 0 && name[len - 1] == '*';

    if (len >= IFNAME_BYTES) {
        if (r)
            nft_fail(r->b, -ENOBUFS);
        return;
    }
    memcpy(full, name, prefix ? len - 1 : len);
    meta(r, key, NFT_REG_1);
    cmp(r, negate ? NFT_CMP_NEQ : NFT_CMP_EQ, full,
        prefix ? (uint32_t)len - 1 : IFNAME_BYTES);
}

void nft_match_iifname(struct nft_rule *r, const char *name, bool negate)
{
    match_ifname(r, NFT_META_IIFNAME, name, negate);
}

void nft_match_oifname(struct nft_rule *r, const char *name, bool negate)
{
    match_ifname(r, NFT_META_OIFNAME, name, negate);
}

static void load_addr(struct nft_rule *r, uint8_t family, bool src,
                      uint32_t dreg)
{
    if (family == AF_INET)
        payload(r, NFT_PAYLOAD_NETWORK_HEADER, src ? IPV4_SADDR : IPV4_DADDR,
                4, dreg);
    else
        payload(r, NFT_PAYLOAD_NETWORK_HEADER, src ? IPV6_SADDR : IPV6_DADDR,
                16, dreg);
}

static void match_addr(struct nft_rule *r, bool src, const struct ipnet *net,
                       bool negate)
{
    uint32_t len = (uint32_t)ipaddr_len(&net->addr);
    struct ipnet ones = {.addr = {.family = net->addr.family},
                         .prefix = net->prefix};
    struct ipaddr first, last, mask_bits, unused;

    if (net->prefix == 0 && !negate)
        return; /* everything of the family */
    ipnet_range(net, &first, &last);
    load_addr(r, net->addr.family, src, NFT_REG_1);
    if (net->prefix < len * 8) {
        memset(ones.addr.b, 0xff, len);
        ipnet_range(&ones, &mask_bits, &unused);
        mask(r, mask_bits.b, len);
    }
    cmp(r, negate ? NFT_CMP_NEQ : NFT_CMP_EQ, first.b, len);
}

void nft_match_saddr(struct nft_rule *r, const struct ipnet *net, bool negate)
{
    match_addr(r, true, net, negate);
}

void nft_match_daddr(struct nft_rule *r, const struct ipnet *net, bool negate)
{
    match_addr(r, false, net, negate);
}

static void match_port(struct nft_rule *r, uint32_t offset, uint16_t first,
                       uint16_t last)
{
    uint16_t from = htons(first), to = htons(last);

    payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2, NFT_REG_1);
    if (first == last) {
        cmp(r, NFT_CMP_EQ, &from, 2);
        return;
    }
    cmp(r, NFT_CMP_GTE, &from, 2);
    cmp(r, NFT_CMP_LTE, &to, 2);
}

void nft_match_dport(struct nft_rule *r, uint16_t first, uint16_t last)
{
    match_port(r, 2, first, last);
}

void nft_match_sport(struct nft_rule *r, uint16_t first, uint16_t last)
{
    match_port(r, 0, first, last);
}

void nft_match_icmp_type(struct nft_rule *r, uint8_t type)
{
    payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
    cmp(r, NFT_CMP_EQ, &type, 1);
}

void nft_match_exthdr6(struct nft_rule *r, uint8_t header)
{
    uint8_t yes = 1;
    struct nftnl_expr *e = expr(r, "exthdr");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1);
    nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, header);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, 0);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, 1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
    add(r, e);
    cmp(r, NFT_CMP_EQ, &yes, 1);
}

void nft_match_ct_state(struct nft_rule *r, uint32_t state)
{
    uint32_t zero = 0;
    struct nftnl_expr *e = expr(r, "ct");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    add(r, e);
    mask(r, &state, sizeof(state));
    cmp(r, NFT_CMP_NEQ, &zero, sizeof(zero));
}

/* ---- loads for concatenated lookups ---- */
static uint32_t slot_reg(unsigned slot)
{
    return NFT_REG32_00 + slot;
}

void nft_load_saddr(struct nft_rule *r, uint8_t family, unsigned slot)
{
    load_addr(r, family, true, slot_reg(slot));
}

void nft_load_daddr(struct nft_rule *r, uint8_t family, unsigned slot)
{
    load_addr(r, family, false, slot_reg(slot));
}

void nft_load_iifname(struct nft_rule *r, unsigned slot)
{
    meta(r, NFT_META_IIFNAME, slot_reg(slot));
}

void nft_load_l4proto(struct nft_rule *r, unsigned slot)
{
    meta(r, NFT_META_L4PROTO, slot_reg(slot));
}

static struct nftnl_expr *lookup(struct nft_rule *r, const char *set)
{
    struct nftnl_expr *e = expr(r, "lookup");

    if (!e)
        return NULL;
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG32_00);
    nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
    return e;
}

void nft_lookup(struct nft_rule *r, const char *set, bool invert)
{
    struct nftnl_expr *e = lookup(r, set);

    if (!e)
        return;
    if (invert)
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    add(r, e);
}

void nft_lookup_vmap(struct nft_rule *r, const char *map)
{
    struct nftnl_expr *e = lookup(r, map);

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
    add(r, e);
}

/* ---- statements ---- */
static void plain(struct nft_rule *r, const char *name)
{
    struct nftnl_expr *e = expr(r, name);

    if (e)
        add(r, e);
}

static void verdict(struct nft_rule *r, int32_t code, const char *chain)
{
    struct nftnl_expr *e = expr(r, "immediate");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
    if (chain)
        nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
    add(r, e);
}

void nft_counter(struct nft_rule *r)
{
    plain(r, "counter");
}

void nft_counter_ref(struct nft_rule *r, const char *name)
{
    struct nftnl_expr *e = expr(r, "objref");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name);
    add(r, e);
}

void nft_accept(struct nft_rule *r)
{
    verdict(r, NF_ACCEPT, NULL);
}

void nft_drop(struct nft_rule *r)
{
    verdict(r, NF_DROP, NULL);
}

void nft_return(struct nft_rule *r)
{
    verdict(r, NFT_RETURN, NULL);
}

void nft_goto(struct nft_rule *r, const char *chain)
{
    verdict(r, NFT_GOTO, chain);
}

void nft_reject_admin(struct nft_rule *r)
{
    struct nftnl_expr *e = expr(r, "reject");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE,
                      NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
    add(r, e);
}

void nft_masquerade(struct nft_rule *r)
{
    plain(r, "masq");
}

/* ---- translated destinations ---- */

void nft_match_ct_dnat(struct nft_rule *r)
{
    static const uint32_t bit = IPS_DST_NAT, zero;
    struct nftnl_expr *e = expr(r, "ct");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATUS);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    add(r, e);
    mask(r, &bit, sizeof(bit));
    cmp(r, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void load(struct nft_rule *r, uint32_t reg, const void *data,
                 uint32_t len)
{
    struct nftnl_expr *e = expr(r, "immediate");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
    nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
    add(r, e);
}

void nft_dnat(struct nft_rule *r, const struct ipaddr *to, uint16_t port)
{
    uint16_t be = htons(port);
    struct nftnl_expr *e;

    load(r, NFT_REG_1, to->b, (uint32_t)ipaddr_len(to));
    load(r, NFT_REG_2, &be, sizeof(be));
    e = expr(r, "nat");
    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY,
                       to->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
    add(r, e);
}
