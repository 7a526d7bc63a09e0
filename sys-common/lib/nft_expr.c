/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expressions and statements of nftables rules. pure (bytes only, the batch
 * is sent by nft.c). See nft.h. Offsets: RFC 791, RFC 8200, RFC 768. */
#include "lib/nft.h"

#include <errno.h>
#include <netinet/in.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/nft_impl.h"

#define IPV4_SADDR 12
#define IPV4_DADDR 16
#define IPV6_NEXTHDR 6
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

void nft_rule_comment(struct nft_rule *r, const char *text)
{
    struct nftnl_udata_buf *u = r ? nftnl_udata_buf_alloc(64) : NULL;

    if (!r)
        return;
    if (!u) {
        nft_fail(r->b, -ENOMEM);
        return;
    }
    if (nftnl_udata_put_strz(u, NFTNL_UDATA_RULE_COMMENT, text))
        nftnl_rule_set_data(r->r, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(u),
                            nftnl_udata_buf_len(u));
    else
        nft_fail(r->b, -ENOBUFS);
    nftnl_udata_buf_free(u);
}

/* A new expression of the rule; NULL after an error. */
struct nftnl_expr *nft_expr_new(struct nft_rule *r, const char *name)
{
    struct nftnl_expr *e = r ? nftnl_expr_alloc(name) : NULL;

    if (r && !e)
        nft_fail(r->b, -ENOMEM);
    return e;
}

void nft_rule_fail(struct nft_rule *r, int err)
{
    nft_fail(r->b, err);
}

void nft_expr_add(struct nft_rule *r, struct nftnl_expr *e)
{
    nftnl_rule_add_expr(r->r, e);
}

static void meta(struct nft_rule *r, uint32_t key, uint32_t dreg)
{
    struct nftnl_expr *e = nft_expr_new(r, "meta");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, dreg);
    nft_expr_add(r, e);
}

void nft_payload(struct nft_rule *r, uint32_t base, uint32_t offset,
                 uint32_t len, uint32_t dreg)
{
    struct nftnl_expr *e = nft_expr_new(r, "payload");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, dreg);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
    nft_expr_add(r, e);
}

void nft_cmp(struct nft_rule *r, uint32_t op, const void *data, uint32_t len)
{
    struct nftnl_expr *e = nft_expr_new(r, "cmp");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
    nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
    nft_expr_add(r, e);
}

void nft_mask(struct nft_rule *r, const void *bits, uint32_t len)
{
    static const uint8_t zero[16];
    struct nftnl_expr *e = nft_expr_new(r, "bitwise");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, bits, len);
    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len);
    nft_expr_add(r, e);
}

void nft_match_nfproto(struct nft_rule *r, uint8_t nfproto)
{
    meta(r, NFT_META_NFPROTO, NFT_REG_1);
    nft_cmp(r, NFT_CMP_EQ, &nfproto, 1);
}

void nft_match_l4proto(struct nft_rule *r, uint8_t proto)
{
    meta(r, NFT_META_L4PROTO, NFT_REG_1);
    nft_cmp(r, NFT_CMP_EQ, &proto, 1);
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
    nft_cmp(r, negate ? NFT_CMP_NEQ : NFT_CMP_EQ, full,
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

/* @param len  bytes from the beginning of the address */
static void load_addr(struct nft_rule *r, uint8_t family, bool src,
                      uint32_t len, uint32_t dreg)
{
    uint32_t at = family == AF_INET ? (src ? IPV4_SADDR : IPV4_DADDR)
                                    : (src ? IPV6_SADDR : IPV6_DADDR);

    nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, at, len, dreg);
}

static uint32_t addr_len(uint8_t family)
{
    return family == AF_INET ? 4 : 16;
}

static void match_addr(struct nft_rule *r, bool src, const struct ipnet *net,
                       bool negate)
{
    uint32_t len = (net->prefix + 7u) / 8u;
    struct ipnet ones = {.addr = {.family = net->addr.family},
                         .prefix = net->prefix};
    struct ipaddr first, last, mask_bits, unused;

    if (net->prefix == 0 && !negate)
        return; /* everything of the family */
    if (net->prefix % 8 != 0 || net->prefix == 0)
        len = addr_len(net->addr.family);
    ipnet_range(net, &first, &last);
    load_addr(r, net->addr.family, src, len, NFT_REG_1);
    if (net->prefix < len * 8) {
        memset(ones.addr.b, 0xff, len);
        ipnet_range(&ones, &mask_bits, &unused);
        nft_mask(r, mask_bits.b, len);
    }
    nft_cmp(r, negate ? NFT_CMP_NEQ : NFT_CMP_EQ, first.b, len);
}

void nft_match_saddr(struct nft_rule *r, const struct ipnet *net, bool negate)
{
    match_addr(r, true, net, negate);
}

void nft_match_daddr(struct nft_rule *r, const struct ipnet *net, bool negate)
{
    match_addr(r, false, net, negate);
}

static void range(struct nft_rule *r, const void *from, const void *to,
                  uint32_t len)
{
    struct nftnl_expr *e = nft_expr_new(r, "range");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_OP, NFT_RANGE_EQ);
    nftnl_expr_set(e, NFTNL_EXPR_RANGE_FROM_DATA, from, len);
    nftnl_expr_set(e, NFTNL_EXPR_RANGE_TO_DATA, to, len);
    nft_expr_add(r, e);
}

static void match_port(struct nft_rule *r, uint32_t offset, uint16_t first,
                       uint16_t last)
{
    uint16_t from = htons(first), to = htons(last);

    nft_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2, NFT_REG_1);
    if (first == last) {
        nft_cmp(r, NFT_CMP_EQ, &from, 2);
        return;
    }
    range(r, &from, &to, 2);
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
    nft_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
    nft_cmp(r, NFT_CMP_EQ, &type, 1);
}

void nft_match_exthdr6(struct nft_rule *r, uint8_t header)
{
    uint8_t yes = 1;
    struct nftnl_expr *e = nft_expr_new(r, "exthdr");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1);
    nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, header);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, 0);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, 1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
    nft_expr_add(r, e);
    nft_cmp(r, NFT_CMP_EQ, &yes, 1);
}

void nft_match_exthdr6_next(struct nft_rule *r, uint8_t header, uint8_t next)
{
    struct nftnl_expr *e = nft_expr_new(r, "exthdr");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1);
    nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, header);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, 0);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, 1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
    nft_expr_add(r, e);
    nft_cmp(r, NFT_CMP_EQ, &next, 1);
}

void nft_match_ct_state(struct nft_rule *r, uint32_t state)
{
    uint32_t zero = 0;
    struct nftnl_expr *e = nft_expr_new(r, "ct");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    nft_expr_add(r, e);
    nft_mask(r, &state, sizeof(state));
    nft_cmp(r, NFT_CMP_NEQ, &zero, sizeof(zero));
}

/* ---- loads for concatenated lookups ---- */
static uint32_t slot_reg(unsigned slot)
{
    return NFT_REG32_00 + slot;
}

void nft_load_saddr(struct nft_rule *r, uint8_t family, unsigned slot)
{
    load_addr(r, family, true, addr_len(family), slot_reg(slot));
}

void nft_load_daddr(struct nft_rule *r, uint8_t family, unsigned slot)
{
    load_addr(r, family, false, addr_len(family), slot_reg(slot));
}

void nft_load_iifname(struct nft_rule *r, unsigned slot)
{
    meta(r, NFT_META_IIFNAME, slot_reg(slot));
}

void nft_load_l4proto(struct nft_rule *r, unsigned slot)
{
    meta(r, NFT_META_L4PROTO, slot_reg(slot));
}

void nft_load_dport(struct nft_rule *r, unsigned slot)
{
    nft_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, slot_reg(slot));
}

void nft_load_nexthdr6(struct nft_rule *r, unsigned slot)
{
    nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IPV6_NEXTHDR, 1, slot_reg(slot));
}

void nft_load_icmp_type(struct nft_rule *r, unsigned slot)
{
    nft_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, slot_reg(slot));
}

static struct nftnl_expr *lookup(struct nft_rule *r, const char *set)
{
    struct nftnl_expr *e = nft_expr_new(r, "lookup");

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
    nft_expr_add(r, e);
}

void nft_lookup_vmap(struct nft_rule *r, const char *map)
{
    struct nftnl_expr *e = lookup(r, map);

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
    nft_expr_add(r, e);
}

static void meta_set(struct nft_rule *r, uint32_t key, uint32_t sreg)
{
    struct nftnl_expr *e = nft_expr_new(r, "meta");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, sreg);
    nft_expr_add(r, e);
}

void nft_lookup_mark(struct nft_rule *r, const char *map)
{
    struct nftnl_expr *e = lookup(r, map);

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
    nft_expr_add(r, e);
    meta_set(r, NFT_META_MARK, NFT_REG_1);
}

/* ---- statements ---- */
void nft_set_mark(struct nft_rule *r, uint32_t mark)
{
    struct nftnl_expr *e = nft_expr_new(r, "immediate");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
    nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, &mark, sizeof(mark));
    nft_expr_add(r, e);
    meta_set(r, NFT_META_MARK, NFT_REG_1);
}

static void plain(struct nft_rule *r, const char *name)
{
    struct nftnl_expr *e = nft_expr_new(r, name);

    if (e)
        nft_expr_add(r, e);
}

static void verdict(struct nft_rule *r, int32_t code, const char *chain)
{
    struct nftnl_expr *e = nft_expr_new(r, "immediate");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
    if (chain)
        nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
    nft_expr_add(r, e);
}

void nft_counter(struct nft_rule *r)
{
    plain(r, "counter");
}

void nft_counter_ref(struct nft_rule *r, const char *name)
{
    struct nftnl_expr *e = nft_expr_new(r, "objref");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name);
    nft_expr_add(r, e);
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

void nft_jump(struct nft_rule *r, const char *chain)
{
    verdict(r, NFT_JUMP, chain);
}

void nft_goto(struct nft_rule *r, const char *chain)
{
    verdict(r, NFT_GOTO, chain);
}

void nft_reject_admin(struct nft_rule *r)
{
    struct nftnl_expr *e = nft_expr_new(r, "reject");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE,
                      NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
    nft_expr_add(r, e);
}

void nft_masquerade(struct nft_rule *r)
{
    plain(r, "masq");
}
