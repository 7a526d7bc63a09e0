/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Editing a rule list. pure. See rules_list.h. */
#include "dom0/rules_list.h"

#include <stdlib.h>
#include <string.h>

#include "dom0/fw_profile.h"
#include "lib/err.h"
#include "lib/mem.h"

int rules_list_take(const struct config_qube *q, struct rules_list *ret)
{
    ret->q = q;
    return fw_profile_items(q, &ret->items, &ret->from);
}

void rules_list_free(struct rules_list *l)
{
    fw_items_free(&l->items);
    free(l->from);
    *l = (struct rules_list){0};
}

static int parse_words(const struct request *r, uint64_t now_s,
                       struct fw_item *ret, struct manager_error *e)
{
    const char *why;
    unsigned at;

    if (!fw_item_parse_args(r->n_words, r->words, now_s, ret, &why, &at))
        return 0;
    return manager_error_set(
        e, r->qube, "read the rule",
        "as in: accept proto=tcp dst4=192.0.2.1 dstports=443 "
        "(man sysqube, RULES)",
        "%s, at word %u '%.60s'", why, at,
        at >= 1 && at <= (unsigned)r->n_words ? r->words[at - 1] : "");
}

/* Item that begins with rule number @p number; items.n for the end. */
static int item_at(const struct rules_list *l, size_t number, const char *qube,
                   struct manager_error *e, size_t *ret)
{
    size_t n = l->items.n;

    if (number > l->from[n])
        return manager_error_set(
            e, qube, "find the rule", "sysqube firewall list",
            "there is no rule number %zu; expected 0 to %zu", number,
            l->from[n]);
    for (size_t i = 0; i <= n; i++) {
        if (l->from[i] == number && (i == n || l->from[i + 1] > number)) {
            *ret = i;
            return 0;
        }
    }
    return manager_error_set(e, qube, "find the rule",
                             "edit the profile, then: sysqube firewall reload",
                             "rule %zu comes from profile %s (%s:%u)", number,
                             l->q->rules[number].from->name,
                             l->q->rules[number].from->file,
                             l->q->rules[number].line);
}

/* A rule above that means every packet the new one could mean. */
static int64_t hidden_by(const struct config_qube *q, size_t at)
{
    for (size_t i = 0; q->has_firewall ? i < at : i < 1 && at > 0; i++) {
        static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};
        const struct fw_rule *rule =
            q->has_firewall ? &q->rules[i].rule : &accept;
        const struct fw_match *m = &rule->m;

        if (m->dst_kind == FW_DST_ANY && m->proto == FW_PROTO_ANY && !m->dns &&
            !m->has_ports && !m->has_icmptype && !rule->has_expire)
            return (int64_t)i;
    }
    return -1;
}

static int edit_add(const struct request *r, uint64_t now_s,
                    struct rules_list *l, int64_t *ret_hidden_by,
                    struct manager_error *e)
{
    size_t number = r->has_number ? r->number : l->from[l->items.n];
    struct fw_item item = {0};
    size_t at;
    int k = parse_words(r, now_s, &item, e);

    k = k ? k : item_at(l, number, r->qube, e, &at);
    if (k)
        return k;
    if (!item.include[0])
        *ret_hidden_by = hidden_by(l->q, number);
    return fw_items_insert(&l->items, at, &item);
}

static int edit_del(const struct request *r, uint64_t now_s,
                    struct rules_list *l, struct manager_error *e)
{
    struct fw_item item = {0};
    size_t at = 0;
    int k = r->has_number ? 0 : parse_words(r, now_s, &item, e);

    if (k)
        return k;
    if (r->has_number && r->number < l->from[l->items.n]) {
        k = item_at(l, r->number, r->qube, e, &at);
        if (k)
            return k;
        if (l->items.v[at].include[0])
            return manager_error_set(
                e, r->qube, "find the rule",
                "edit the profile, or delete the include by: "
                "sysqube firewall del QUBE include NAME",
                "rule %u comes from profile %s", r->number,
                l->items.v[at].include);
        return fw_items_del(&l->items, at);
    }
    while (!r->has_number && at < l->items.n &&
           !fw_item_eq(&l->items.v[at], &item))
        at++;
    if (r->has_number || at == l->items.n)
        return manager_error_set(
            e, r->qube, "find the rule", "sysqube firewall list",
            "there is no such rule in the list of %zu", l->from[l->items.n]);
    return fw_items_del(&l->items, at);
}

static int edit_apply(const struct request *r, uint64_t now_s,
                      struct rules_list *l, struct manager_error *e,
                      struct problems *p)
{
    const char *file = r->file ? r->file : "the list";
    int k;

    if (r->was) {
        CLEANUP_FREE char *now = fw_items_format(&l->items);

        if (!now)
            return -ENOMEM;
        if (strcmp(now, r->was))
            return manager_error_set(
                e, r->qube, "replace the list",
                "begin anew from: sysqube firewall list --raw",
                "it was changed by someone else meanwhile");
    }
    fw_items_free(&l->items);
    k = fw_items_parse(text_of(r->text), file, now_s, &l->items, p);
    if (k == -EBADMSG)
        (void)manager_error_set(
            e, r->qube, "read the rules",
            "nothing was changed; mend the list and try again", "%s",
            "the list is not right");
    return k;
}

int rules_list_edit(struct rules_list *l, const struct request *r,
                    uint64_t now_s, int64_t *ret_hidden_by,
                    struct manager_error *e, struct problems *p)
{
    static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};

    *ret_hidden_by = -1;
    if (r->op == REQ_FW_ADD)
        return edit_add(r, now_s, l, ret_hidden_by, e);
    if (r->op == REQ_FW_DEL)
        return edit_del(r, now_s, l, e);
    if (r->op == REQ_FW_APPLY)
        return edit_apply(r, now_s, l, e, p);
    fw_items_free(&l->items);
    return fw_items_add_rule(&l->items, &accept);
}
