/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules to nftables: what the table `inet sysqube-firewall` holds. pure (it
 * appends to a batch of lib/nft.h; who commits it is monitor_kernel.c). Fed
 * by records the monitor has checked. Source: spec/firewall-rules.md,
 * Matching semantics; spec/network.md, nftables structure. */
#ifndef SQ_FIREWALLVM_RULE_COMPILE_H
#define SQ_FIREWALLVM_RULE_COMPILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/nft.h"
#include "rules/rule.h"
#include "rules/rule_eval.h"

#define FW_TABLE "sysqube-firewall"
#define FW_CHAIN_MAX 64 /* name of a source's chain, with its NUL */

/* Named counters of the table. */
#define FW_COUNT_INVALID "invalid"         /* no valid packet of a flow */
#define FW_COUNT_UPLINK "from-uplink"      /* new flow from outside */
#define FW_COUNT_TO_QUBE "to-qube"         /* qube to qube, or inbound */
#define FW_COUNT_EXTHDR "extension-header" /* routing or unknown header */
#define FW_COUNT_NO_LIST "no-list"         /* a source without a list */

/** The list of one source as it goes to the kernel. */
struct fw_source {
    struct ipaddr addr;
    enum fw_action policy;
    struct fw_match *v; /* @p n rules */
    size_t n;
};

/** Make sure nothing is forwarded before the first whole state: adds the
 *  table and its forward chain with policy drop, changes nothing if they
 *  are there. */
void compile_guard(struct nft *b);

/** The whole table anew, without sources; the old one is gone in the same
 *  transaction. @param snat  masquerade at the uplink */
void compile_base(struct nft *b, const struct fw_dns *dns, bool snat);

/** Replace the resolver sets. */
void compile_dns(struct nft *b, const struct fw_dns *dns);

/** The chain of one source: made and entered into the map if @p is_new,
 *  else flushed and filled again; readers see the old or the new list. */
void compile_source(struct nft *b, const struct fw_source *s, bool is_new);

/** The source's map element and chain go. */
void compile_source_del(struct nft *b, const struct ipaddr *addr);

/** Name of a source's chain: "q4-10.137.0.5", "q6-fd09__5". @return buf */
const char *compile_chain_name(const struct ipaddr *addr,
                               char buf[FW_CHAIN_MAX]);

#endif
