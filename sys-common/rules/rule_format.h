/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct fw_rule to canonical text, and equality. pure. Fed by parsed rules.
 * Source: spec/firewall-rules.md, Rule grammar (order as dom0 emits it). */
#ifndef SQ_RULES_RULE_FORMAT_H
#define SQ_RULES_RULE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/rule.h"

/** The value of a /qubes-firewall/<ip>/NNNN key: action, expire= (a word of
 *  our own VMs), destination, proto, specialtarget, dstports (A-B), icmptype;
 *  the comment is left out. rule_parse_qdb() of it gives the same rule without
 *  its comment.
 *  @param rule  of one port range and no ICMP name: see rule_lower()
 *  @param buf  receives the text and a NUL; FW_TEXT_MAX always suffices
 *  @return length; -ENOBUFS */
int rule_format_qdb(const struct fw_rule *rule, char *buf, size_t cap);

/** The same with comment= at the end, for files and the command line.
 *  rule_parse_api() of it gives the same rule. */
int rule_format_api(const struct fw_rule *rule, char *buf, size_t cap);

/** Do two rules say the same in every field? */
bool rule_eq(const struct fw_rule *a, const struct fw_rule *b);

/** May the rule stand in the list of a source of @p family (AF_INET,
 *  AF_INET6)? Only a destination network of the other family may not. */
bool rule_fits_family(const struct fw_rule *rule, unsigned family);

#endif
