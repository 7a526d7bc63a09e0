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
}

void rule_source_free(struct rule_source *s)
{
    size_t i;

    for (i = 0; i < s->n; i++)
        free(s->v[i].name);
    free(s->v);
    rule_source_init(s, s->family, s->now_s);
}

static int fail(struct rule_source *s, struct text key, const char *reason)
{
    if (!s->reason) {
        s->reason = reason;
        log_clean(s->where, sizeof(s->where), key.p, key.len);
    }
    return 0;
}

/* Insert by number. Keys come in order, so the place is nearly always the
 * end. (qsort() of the C library asks the system how much memory there is,
 * which the worker's system call filter ends.) */
static int insert(struct rule_source *s, unsigned number,
                  const struct fw_rule *rule)
{
    struct source_rule *v;
    size_t cap, at = s->n;
    char *name = NULL;

    if (s->n == s->cap) {
        cap = s->cap ? s->cap * 2 : FIRST_CAP;
        v = reallocarray(s->v, cap, sizeof(*v));
        if (!v)
            return -ENOMEM;
        s->v = v;
        s->cap = cap;
    }
    if (rule->m.dst_kind == FW_DST_NAME) {
        name = strdup(rule->name);
        if (!name)
            return -ENOMEM;
        s->named = true;
    }
    while (at > 0 && s->v[at - 1].number > number)
        at--;
    memmove(&s->v[at + 1], &s->v[at], (s->n - at) * sizeof(*s->v));
    s->v[at] = (struct source_rule){
        .number = number,
        .name = name,
        .m = rule->m,
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
