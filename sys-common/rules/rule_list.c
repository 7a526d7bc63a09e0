/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded, ordered list of rules. pure (it allocates). Fed by parsed
 * rules. */
#include "rules/rule_list.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "rules/rule_format.h"

#define FIRST_CAP 16

int rule_list_insert(struct rule_list *l, size_t at, const struct fw_rule *rule)
{
    struct fw_rule *v;
    size_t cap;

    if (at > l->n)
        return -ERANGE;
    if (l->n >= FW_RULES_MAX)
        return -ENOBUFS;
    if (l->n == l->cap) {
        cap = l->cap ? l->cap * 2 : FIRST_CAP;
        v = reallocarray(l->v, cap, sizeof(*v));
        if (!v)
            return -ENOMEM;
        l->v = v;
        l->cap = cap;
    }
    memmove(&l->v[at + 1], &l->v[at], (l->n - at) * sizeof(*l->v));
    l->v[at] = *rule;
    l->n++;
    return 0;
}

int rule_list_append(struct rule_list *l, const struct fw_rule *rule)
{
    return rule_list_insert(l, l->n, rule);
}

int rule_list_del(struct rule_list *l, size_t at)
{
    if (at >= l->n)
        return -ERANGE;
    l->n--;
    memmove(&l->v[at], &l->v[at + 1], (l->n - at) * sizeof(*l->v));
    return 0;
}

int rule_list_find(const struct rule_list *l, const struct fw_rule *rule)
{
    size_t i;

    for (i = 0; i < l->n; i++)
        if (rule_eq(&l->v[i], rule))
            return (int)i;
    return -ENOENT;
}

void rule_list_free(struct rule_list *l)
{
    free(l->v);
    *l = (struct rule_list){0};
}
