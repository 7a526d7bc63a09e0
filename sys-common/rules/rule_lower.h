/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what people write to what a firewall VM is told: a list of ports is
 * one key for each range, the name of an ICMP type the number it has in the
 * source's family. pure. Fed by parsed rules. Sources: the key form that
 * every agent knows (spec/firewall-rules.md, Rule grammar); RFC 792, RFC 950
 * and RFC 4443, RFC 4861 for the types. */
#ifndef SQ_RULES_RULE_LOWER_H
#define SQ_RULES_RULE_LOWER_H

#include "lib/parse.h"
#include "rules/rule.h"

/** Keys a rule takes, the same number in both families so that numbers of
 *  keys do not depend on them: 1 to FW_PORTS_MAX. */
unsigned rule_span(const struct fw_rule *rule);

/** Key @p i of a rule in the list of a source of @p family.
 *  @param i    0 to rule_span() - 1
 *  @param ret  a rule of one port range and no ICMP name; expire, comment
 *              and destination as they are. Written on success only
 *  @return 0; -ENOENT no packet of this family can match: the key is left
 *  out and its number stays a hole */
int rule_lower(const struct fw_rule *rule, unsigned family, unsigned i,
               struct fw_rule *ret);

/** The ICMP type name of a text. @return 1 and up; 0: none of this name */
unsigned rule_icmp_find(struct text name);
/** @param name  result of rule_icmp_find(), not 0. @return static text */
const char *rule_icmp_text(unsigned name);
/** Its number in AF_INET or AF_INET6. @return 0 to 255; -ENOENT */
int rule_icmp_type(unsigned name, unsigned family);

#endif
