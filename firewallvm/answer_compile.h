/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain that makes DNS answers wait: those of the resolvers to qubes
 * with a rule for a name with *. pure (it appends to a batch of lib/nft.h).
 * Fed by what the monitor has checked. It is there only while somebody is
 * watched, before the table's own forward chain. */
#ifndef SQ_FIREWALLVM_ANSWER_COMPILE_H
#define SQ_FIREWALLVM_ANSWER_COMPILE_H

#include "firewallvm/table_compile.h"
#include "lib/nft.h"

#define FW_CHAIN_ANSWERS "answers"
#define FW_SET_WATCHED "watched" /* 4 and 6: whose answers wait */

/** From @p had clients to those of @p st.
 *  @param way  NFT_QUEUE_NONE: nothing is put in place */
void compile_answers(struct nft *b, const struct fw_state *st, size_t had,
                     enum nft_queue_way way);

#endif
