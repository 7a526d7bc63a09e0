/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nft.c and nft_expr.c share; nobody else includes it. pure. */
#ifndef SQ_LIB_NFT_IMPL_H
#define SQ_LIB_NFT_IMPL_H

#include <stdint.h>

#include "lib/nft.h"

/** Begin one message of the batch; NULL after an error (already noted). */
struct nlmsghdr *nft_msg_begin(struct nft *b, uint16_t type, uint16_t flags);
/** Keep the message begun last. */
void nft_msg_end(struct nft *b, const struct nlmsghdr *h);
/** Note the batch's first error. */
void nft_fail(struct nft *b, int err);
const char *nft_table(const struct nft *b);

#endif
