/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets that rules with a name look up, as the kernel has them. pure (it
 * appends to a batch of lib/nft.h). Fed by what the monitor has checked. */
#ifndef SQ_FIREWALLVM_NAME_COMPILE_H
#define SQ_FIREWALLVM_NAME_COMPILE_H

#include "firewallvm/name_sets.h"
#include "firewallvm/table_compile.h"
#include "lib/nft.h"

/** "name.17". @return buf */
const char *compile_name_set(unsigned handle, char buf[FW_SET_NAME_MAX]);

/** Every set that is used and missing: before the rules that use it. */
void compile_names_missing(struct nft *b, const struct name_sets *ns,
                           uint64_t now_ms);
/** Every set that no rule uses any more goes: after those rules. */
void compile_names_needless(struct nft *b, const struct name_sets *ns);
/** What a set holds takes the place of what it held. */
void compile_name_again(struct nft *b, const struct name_sets *ns,
                        unsigned handle, uint64_t now_ms);

#endif
