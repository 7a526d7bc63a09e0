/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of one source to its list. pure. Fed by dom0's keys. See
 * rule_source.h. */
#include "firewallvm/rule_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "rules/rule_format.h"
#include "rules/rule_parse.h"

#define FIRST_CAP 16

void rule_source_init(struct rule_source *s, uint8_t family, uint64_t now_s)
{
    *s = (struct rule_source){
        .family = family,
        .now_s = now_s,
        .policy = FW_DROP,
        .limits = limits_default(),
    };
    s->n++;
    return 0;
}

/* @return has the rule ended? */
static bool note_expire(struct rule_source *s, const struct fw_rule *rule)
{
    if (!rule->has_expire)
        return false;
    s->timed = true;
    if (rule->expire <= s->now_s)
        return true;
    if (s->next_expire_s == 0 || rule->expire < s->next_expire_s)
        s->next_expire_s = rule->expire;
    return false;
}

int rule_source_add(struct rule_source *s, struct text untrusted_key,
                    struct text untrusted_value)
{
    struct rule_error err;
    struct fw_rule rule;
    unsigned number;

    if (s->reason)
        return 0;
    if (text_eq(untrusted_key, "policy")) {
        if (rule_parse_policy(untrusted_value, &s->policy) < 0)
            return fail(s, untrusted_key, "policy is accept or drop");
        s->has_policy = true;
        return 0;
    }
    if (rule_parse_number(untrusted_key, &number) < 0)
        return fail(s, untrusted_key, "not a rule number");
    if (s->n >= FW_RULES_MAX)
        return fail(s, untrusted_key, "too many rules");
    if (rule_parse_qdb(untrusted_value, &rule, &err) < 0)
        return fail(s, untrusted_key, err.reason);
    if (!rule_fits_family(&rule, s->family))
        return fail(s, untrusted_key, "an address of the other family");
    if (note_expire(s, &rule))
        return 0;
    return insert(s, number, &rule);
}

void rule_source_limits(struct rule_source *s, struct text untrusted_value)
{
    if (limits_parse(untrusted_value, &s->limits) < 0)
        fail(s, text_of("limits"), "malformed limits");
}

void rule_source_finish(struct rule_source *s)
{
    if (!s->reason && !s->has_policy)
        fail(s, text_of("policy"), "no policy");
}

const char *rule_source_applied(size_t n, int unresolved,
                                char buf[RULE_SOURCE_STATUS_MAX])
{
    if (unresolved >= 0)
        snprintf(buf, RULE_SOURCE_STATUS_MAX,
                 "applied %zu, degraded %04d: name unresolved", n, unresolved);
    else
        snprintf(buf, RULE_SOURCE_STATUS_MAX, "applied %zu", n);
    return buf;
}

const char *rule_source_status(const struct rule_source *s, int unresolved,
                               char buf[RULE_SOURCE_STATUS_MAX])
{
    if (!s->reason)
        return rule_source_applied(s->n, unresolved, buf);
    snprintf(buf, RULE_SOURCE_STATUS_MAX, "blocked %s: %s", s->where,
             s->reason);
    return buf;
}
