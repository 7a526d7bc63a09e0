/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a FirewallVM and a NetVM are told about a qube's rules. pure. See
 * keys.h. Source: spec/firewall-rules.md, spec/network.md (update protocol);
 * the keys below /sysqube-* are ours (docs/architecture.md). */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/keys_impl.h"
#include "lib/err.h"
#include "rules/rule_format.h"
#include "rules/rule_lower.h"

static bool expired(const struct fw_rule *r, uint64_t now_s)
{
    return r->has_expire && r->expire <= now_s;
}

uint64_t keys_next_expiry(const struct config *c, uint64_t now_s)
{
    uint64_t next = 0;

    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = 0; k < c->qubes[i]->n_rules; k++) {
            const struct fw_rule *r = &c->qubes[i]->rules[k].rule;

            if (r->has_expire && !expired(r, now_s) &&
                (!next || r->expire < next))
                next = r->expire;
        }
    }
    return next;
}

/* One rule, a key for each range of its ports. */
static void put_rule(struct keys_build *b, const char *base,
                     const struct fw_rule *rule, unsigned number,
                     unsigned family)
{
    char path[QDB_REC_PATH + 16], text[FW_TEXT_MAX];

    for (unsigned i = 0; i < rule_span(rule); i++) {
        struct fw_rule low;

        if (rule_lower(rule, family, i, &low))
            continue;
        if (rule_format_qdb(&low, text, sizeof(text)) < 0) {
            b->err = -ENOBUFS;
            return;
        }
        snprintf(path, sizeof(path), "%s/%04u", base,
                 (number + i) % (FW_NUMBER_MAX + 1));
        keys_put(b, path, "%s", text);
    }
}

/* The rules of client c for one address. */
static void put_rules(struct keys_build *b, const struct keys_world *w,
                      const struct config_qube *c, const struct ipaddr *src)
{
    char base[QDB_REC_PATH], path[QDB_REC_PATH + 8], text[IPADDR_TEXT_MAX];
    unsigned number = 0;

    snprintf(base, sizeof(base), "/qubes-firewall/%s",
             ipaddr_format(src, text));
    keys_put(b, base, "%s", "");
    snprintf(path, sizeof(path), "%s/policy", base);
    keys_put(b, path, "%s", "drop");
    if (!c->has_firewall) {
        snprintf(path, sizeof(path), "%s/0000", base);
        keys_put(b, path, "%s", "action=accept");
    }
    for (size_t i = 0; i < c->n_rules; i++) {
        const struct fw_rule *r = &c->rules[i].rule;

        if (!expired(r, w->now_s))
            put_rule(b, base, r, number, src->family);
        number += rule_span(r);
    }
}

static void put_source(struct keys_build *b, const struct keys_world *w,
                       const struct config_qube *list, const struct ipaddr *src)
{
    if (src->family)
        put_rules(b, w, list, src);
}

void keys_put_client_rules(struct keys_build *b, const struct keys_world *w,
                           const struct config_qube *c)
{
    put_source(b, w, c, &c->ip4);
    put_source(b, w, c, &c->ip6);
    for (size_t i = 0; config_provides(c) && i < w->cfg->n; i++) {
        const struct config_qube *q = w->cfg->qubes[i];

        if (!w->run[i].active || !config_is_below(q, c))
            continue;
        put_source(b, w, c, &q->ip4);
        put_source(b, w, c, &q->ip6);
    }
}
