/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text to struct fw_rule: the whole grammar, strict. pure. Fed by dom0's
 * keys (trusted), by administrators, and by fuzzers. Source:
 * spec/firewall-rules.md, Rule grammar and must 3. Resolves no names. */
#ifndef SQ_RULES_RULE_PARSE_H
#define SQ_RULES_RULE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/parse.h"
#include "rules/rule.h"

/** Where and why a text was refused. */
struct rule_error {
    const char *reason; /* static text for a person, no final stop */
    unsigned column;    /* from 1: byte of the line, or number of the
                         * argument for rule_parse_args() */
};

/** The form of /qubes-firewall/<ip>/NNNN: key=value words in any order with
 *  single spaces; no expire= and no comment=.
 *  @param untrusted_line  whole value, no newline
 *  @param ret      written on success only
 *  @param ret_err  written on failure only; NULL is fine
 *  @return 0; -EBADMSG */
int rule_parse_qdb(struct text untrusted_line, struct fw_rule *ret,
                   struct rule_error *ret_err);

/** The form of the admin API and of canonical files: as above, and also
 *  dstports= with a list, icmptype= with a name (rule_lower.h), expire=,
 * comment= (takes the rest of the line), dstname= as a synonym of dsthost=.
 * Parameters and errors as rule_parse_qdb(). */
int rule_parse_api(struct text untrusted_line, struct fw_rule *ret,
                   struct rule_error *ret_err);

/** What a person types, as one line: positional words
 *  ACTION [DSTHOST [PROTO [DSTPORTS|ICMPTYPE]]] mixed with the words of
 *  rule_parse_api(); expire=+SECONDS counts from @p now_s. For lines of
 *  configuration files, which give a @p now_s of 0: no +SECONDS there, as
 *  the file says no time to count from. Parameters and errors as
 *  rule_parse_qdb(). */
int rule_parse_line(struct text untrusted_line, uint64_t now_s,
                    struct fw_rule *ret, struct rule_error *ret_err);

/** The same from an argument vector (a comment with spaces is one argument).
 *  @param argc  number of words in @p argv, 0 is "no action"
 *  @return 0; -EBADMSG with the number of the argument as column */
int rule_parse_args(int argc, char *const argv[], uint64_t now_s,
                    struct fw_rule *ret, struct rule_error *ret_err);

/** Number NNNN of a rule's key: exactly four decimal digits.
 *  @return 0; -EBADMSG */
int rule_parse_number(struct text t, unsigned *ret);

/** Value of the policy key: "drop" or "accept".
 *  @return 0; -EBADMSG */
int rule_parse_policy(struct text t, enum fw_action *ret);

/** A DNS name as rules may hold it: 1..253 of [a-z0-9._-], labels of 1..63,
 *  no label begins with a dash, the last one is no number (so that no short
 *  form of an address passes). A final dot is allowed. "*." before a name
 *  of two labels or more stands for every name below it, not for itself.
 *  @return 0; -EBADMSG */
int rule_parse_name(struct text t);

/** Does the name of a rule, perhaps with "*.", stand for this name? A final
 *  dot of either is not looked at.
 *  @param name   as rule_parse_name() took it
 *  @param asked  lower case */
bool rule_name_covers(const char *name, const char *asked);

/** Is it a name with "*." before it? @param name  as rule_parse_name() took
 *  it */
bool rule_name_is_wild(const char *name);

#endif
