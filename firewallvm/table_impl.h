/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What table_compile.c and share_compile.c share; nobody else includes it.
 * pure. */
#ifndef SQ_FIREWALLVM_TABLE_IMPL_H
#define SQ_FIREWALLVM_TABLE_IMPL_H

#include "lib/nft.h"

/** Count the packet as one that its source was not allowed. */
void table_count_blocked(struct nft *b, const char *chain);

/** The end of a chain: tell nflog, count, drop; all under one name. */
void table_drop_chain(struct nft *b, const char *chain, const char *reason);

#endif
