/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connection status and translated destinations. pure (the batch is sent by
 * nft.c). See nft.h. */
#include <arpa/inet.h>
#include <stdio.h> /* libnftnl wants it */
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include "lib/nft_impl.h"

void nft_match_ct_status(struct nft_rule *r, uint32_t bits)
{
    static const uint32_t zero;
    struct nftnl_expr *e = nft_expr_new(r, "ct");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATUS);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    nft_expr_add(r, e);
    nft_mask(r, &bits, sizeof(bits));
    nft_cmp(r, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void load(struct nft_rule *r, uint32_t reg, const void *data,
                 uint32_t len)
{
    struct nftnl_expr *e = nft_expr_new(r, "immediate");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
    nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
    nft_expr_add(r, e);
}

void nft_dnat(struct nft_rule *r, const struct ipaddr *to, uint16_t port)
{
    uint16_t be = htons(port);
    struct nftnl_expr *e;

    load(r, NFT_REG_1, to->b, (uint32_t)ipaddr_len(to));
    load(r, NFT_REG_2, &be, sizeof(be));
    e = nft_expr_new(r, "nat");
    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY,
                       to->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
    nft_expr_add(r, e);
}
