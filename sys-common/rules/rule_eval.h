/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a rule list says about one packet: the meaning of the language in C,
 * beside the compiled ruleset in the kernel. pure. Fed by rules and packet
 * facts that were checked before. Source: spec/firewall-rules.md, Matching
 * semantics, and must 5 and 6. */
#ifndef SQ_RULES_RULE_EVAL_H
#define SQ_RULES_RULE_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/rule.h"

/** The first packet of a flow, as the list of its source sees it. */
struct fw_packet {
    struct ipaddr dst; /* gives the family */
    uint8_t l4proto;   /* the real one, behind extension headers */
    uint16_t dport;    /* TCP and UDP */
    uint8_t icmp_type; /* ICMP and ICMPv6 */
};

/** The resolvers behind specialtarget=dns. */
struct fw_dns {
    struct ipaddr addr[FW_DNS_MAX];
    unsigned n; /* 0..FW_DNS_MAX */
};

/** Does the rule mean this packet? A name is resolved by nobody here: a
 *  rule with a name means no packet (see rule_eval()). */
bool rule_matches(const struct fw_match *m, const struct fw_dns *dns,
                  const struct fw_packet *p);

/** First match decides, then the policy. A drop rule with a name decides
 *  every packet that comes to it, as nothing behind it may open what it
 *  might have closed.
 *  @param v          @p n rules in order
 *  @param ret_index  deciding rule, @p n for the policy; NULL is fine
 *  @return the verdict */
enum fw_action rule_eval(const struct fw_match *v, size_t n,
                         enum fw_action policy, const struct fw_dns *dns,
                         const struct fw_packet *p, size_t *ret_index);

#endif
