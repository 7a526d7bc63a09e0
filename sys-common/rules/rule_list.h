/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded, ordered list of rules. pure. Fed by parsed rules. */
#ifndef SQ_RULES_RULE_LIST_H
#define SQ_RULES_RULE_LIST_H

#include <stddef.h>

#include "rules/rule.h"

/** {0} is an empty list; rule_list_free() makes it empty again. */
struct rule_list {
    struct fw_rule *v; /* n rules, owned by the list */
    size_t n;          /* at most FW_RULES_MAX */
    size_t cap;
};

/** Insert a copy of @p rule before position @p at (n appends).
 *  @return 0; -ENOBUFS the list is full; -ERANGE @p at is behind the end;
 *  -ENOMEM. The list is untouched on failure. */
int rule_list_insert(struct rule_list *l, size_t at,
                     const struct fw_rule *rule);
/** rule_list_insert() at the end. */
int rule_list_append(struct rule_list *l, const struct fw_rule *rule);
/** Take out the rule at @p at. @return 0; -ERANGE */
int rule_list_del(struct rule_list *l, size_t at);
/** Position of the first rule equal to @p rule. @return it, or -ENOENT */
int rule_list_find(const struct rule_list *l, const struct fw_rule *rule);
/** Forget the rules and their memory. */
void rule_list_free(struct rule_list *l);

#endif
