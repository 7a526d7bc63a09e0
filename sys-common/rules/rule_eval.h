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

/** The addresses that names stand for now. */
struct fw_names {
    /** Is @p a in the set of handle @p set (fw_match.name_set, never 0)? */
    bool (*has)(void *arg, unsigned set, const struct ipaddr *a);
    void *arg;
};

/** Does the rule mean this packet? A rule whose name stands for nothing
 *  known means no packet (see rule_eval_names()).
 *  @param names  NULL: no name stands for anything */
bool rule_matches_names(const struct fw_match *m, const struct fw_dns *dns,
                        const struct fw_names *names,
                        const struct fw_packet *p);
/** The same without names. */
bool rule_matches(const struct fw_match *m, const struct fw_dns *dns,
                  const struct fw_packet *p);

/** First match decides, then the policy. A drop rule whose name stands for
 *  nothing known (name_set is 0, or @p names is NULL) decides every packet
 *  that comes to it, as nothing behind it may open what it might have
 *  closed.
 *  @param v          @p n rules in order
 *  @param names      NULL: no name stands for anything
 *  @param ret_index  deciding rule, @p n for the policy; NULL is fine
 *  @return the verdict */
enum fw_action rule_eval_names(const struct fw_match *v, size_t n,
                               enum fw_action policy, const struct fw_dns *dns,
                               const struct fw_names *names,
                               const struct fw_packet *p, size_t *ret_index);
/** The same without names. */
enum fw_action rule_eval(const struct fw_match *v, size_t n,
                         enum fw_action policy, const struct fw_dns *dns,
                         const struct fw_packet *p, size_t *ret_index);

#endif
