/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nft.c, nft_elem.c and nft_expr.c share; nobody else includes it. pure.
 */
#ifndef SQ_LIB_NFT_IMPL_H
#define SQ_LIB_NFT_IMPL_H

#include <stdint.h>

#include "lib/nft.h"

struct nftnl_expr;

/** Begin one message of the batch; NULL after an error (already noted). */
struct nlmsghdr *nft_msg_begin(struct nft *b, uint16_t type, uint16_t flags);
/** Keep the message begun last. */
void nft_msg_end(struct nft *b, const struct nlmsghdr *h);
/** Note the batch's first error. */
void nft_fail(struct nft *b, int err);
const char *nft_table(const struct nft *b);
/** Bytes of a field within a concatenated key. */
uint32_t nft_padded(uint32_t len);

/** A new expression of the rule; NULL after an error (noted). */
struct nftnl_expr *nft_expr_new(struct nft_rule *r, const char *name);
/** Note the first error of the rule's batch. */
void nft_rule_fail(struct nft_rule *r, int err);
void nft_expr_add(struct nft_rule *r, struct nftnl_expr *e);
/** Load bytes of the packet / a fact about it into a register. */
void nft_payload(struct nft_rule *r, uint32_t base, uint32_t offset,
                 uint32_t len, uint32_t dreg);
/** Register 1 keeps these bits of itself. */
void nft_mask(struct nft_rule *r, const void *bits, uint32_t len);
/** Compare register 1; NFT_CMP_EQ and so on. */
void nft_cmp(struct nft_rule *r, uint32_t op, const void *data, uint32_t len);

#endif
