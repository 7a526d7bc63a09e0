/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of one source to its chain and sets. pure (it appends to a batch
 * of lib/nft.h; who commits it is monitor_kernel.c). Fed by rules the
 * monitor has checked. Source: spec/firewall-rules.md, Matching semantics;
 * the meaning of a list is rule_eval.c, this must say the same. */
#ifndef SQ_FIREWALLVM_RULE_COMPILE_H
#define SQ_FIREWALLVM_RULE_COMPILE_H

#include "firewallvm/fw_state.h"
#include "firewallvm/table_compile.h"
#include "lib/nft.h"

#define FW_LIST_SET_MAX (FW_CHAIN_MAX + 8)

/* Comment of the last rule of a chain; the others have their NNNN. */
#define FW_COMMENT_POLICY "policy"

/** The chain and sets of one source: readers see the old or the new list.
 *  @param s    its n_sets is written
 *  @param old  what the kernel has, or NULL for a new source
 *  @return 0; -ENOMEM. Errors of the batch stay in it, see nft_error() */
int compile_source(struct nft *b, struct fw_source *s,
                   const struct fw_source *old);

/** The same for @p n new sources. */
int compile_sources(struct nft *b, struct fw_source *v, size_t n);

/** Nothing of the source is left in the table. */
void compile_source_del(struct nft *b, const struct fw_source *s);

/** Name of set @p i of a source: "q4-10.137.0.5.0". @return buf */
const char *compile_list_set(const struct ipaddr *addr, unsigned i,
                             char buf[FW_LIST_SET_MAX]);

#endif
