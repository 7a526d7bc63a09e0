/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports of firewall VMs. pure. Fed by VMs. See fw_stats.h. */
#include "dom0/fw_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "rules/rule_lower.h"
#include "rules/rule_parse.h"

#define COUNT_TREE "/sysqube-status/firewall-count/"
#define LOG_TREE "/sysqube-status/firewall-log/"
#define CHUNKS_MAX 100 /* two digits */

const struct config_qube *fw_stats_qube(const struct config *c,
                                        const struct ipaddr *addr)
{
    for (size_t i = 0; i < c->n; i++) {
        if (ipaddr_eq(&c->qubes[i]->ip4, addr) ||
            ipaddr_eq(&c->qubes[i]->ip6, addr))
            return c->qubes[i];
    }
    return NULL;
}

const struct config_qube *fw_stats_list(const struct config_qube *fw,
                                        const struct config_qube *q)
{
    while (q && q->up != fw)
        q = q->up;
    return q;
}

int fw_stats_rule(const struct config_qube *list, unsigned number)
{
    unsigned next = 0;

    if (!list->has_firewall)
        return number ? -ENOENT : 0;
    for (size_t i = 0; i < list->n_rules; i++) {
        next += rule_span(&list->rules[i].rule);
        if (number < next)
            return (int)i;
    }
    return -ENOENT;
}

/* ---- counters ---- */

bool fw_stats_totals(const struct keyset *status, const struct ipaddr *addr,
                     struct fw_totals *ret)
{
    char path[QDB_REC_PATH + 32], text[IPADDR_TEXT_MAX];
    const char *val;

    snprintf(path, sizeof(path), COUNT_TREE "%s", ipaddr_format(addr, text));
    val = keyset_get(status, path);
    return val && !fw_totals_parse(text_of(val), ret);
}

static void add_count(const struct config_qube *list, const struct fw_count *c,
                      struct fw_count *io)
{
    size_t policy = list->has_firewall ? list->n_rules : 1, at = policy;

    if (c->number != FW_COUNT_OF_POLICY) {
        int rule = fw_stats_rule(list, c->number);

        if (rule < 0)
            return;
        at = (size_t)rule;
    }
    /* a hostile sum may turn over, and be nothing worse than wrong */
    io[at].packets += c->packets;
    io[at].bytes += c->bytes;
}

void fw_stats_counts(const struct keyset *status, const struct ipaddr *addr,
                     const struct config_qube *list, struct fw_count *io)
{
    char path[QDB_REC_PATH + 32], text[IPADDR_TEXT_MAX];

    ipaddr_format(addr, text);
    for (unsigned i = 0; i < CHUNKS_MAX; i++) {
        struct fw_count v[FW_COUNTS_OF_TEXT];
        const char *val;
        size_t n = 0;

        snprintf(path, sizeof(path), COUNT_TREE "%s/%02u", text, i);
        val = keyset_get(status, path);
        if (!val || fw_counts_parse(text_of(val), v, &n))
            return;
        for (size_t k = 0; k < n; k++)
            add_count(list, &v[k], io);
    }
}

/* ---- blocked packets ---- */

static int by_seq(const void *a, const void *b)
{
    const struct fw_event *x = a, *y = b;

    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

size_t fw_stats_events(const struct keyset *status,
                       struct fw_event ret[FW_STATS_EVENTS_MAX])
{
    size_t n = 0;

    for (unsigned i = 0; i < FW_EVENT_RING; i++) {
        char path[QDB_REC_PATH];
        const char *val;

        snprintf(path, sizeof(path), LOG_TREE "%02u", i);
        val = keyset_get(status, path);
        if (val && !fw_event_parse(text_of(val), &ret[n]))
            n++;
    }
    qsort(ret, n, sizeof(*ret), by_seq);
    return n;
}

/* ---- the state of a list ---- */

const char *fw_stats_status(const struct config_qube *list, const char *said,
                            char buf[FW_STATS_TEXT_MAX])
{
    static const char *const words[] = {"degraded ", "blocked "};

    snprintf(buf, FW_STATS_TEXT_MAX, "%s", said);
    for (size_t i = 0; i < 2; i++) {
        const char *at = strstr(said, words[i]);
        unsigned number;
        int rule;

        if (!at)
            continue;
        at += strlen(words[i]);
        if (strlen(at) < 5 || at[4] != ':' ||
            rule_parse_number((struct text){at, 4}, &number))
            continue;
        rule = fw_stats_rule(list, number);
        if (rule >= 0)
            snprintf(buf, FW_STATS_TEXT_MAX, "%.*s%d%s", (int)(at - said), said,
                     rule, at + 4);
        break;
    }
    return buf;
}

size_t fw_stats_missing(const struct keyset *desired, const char *ip,
                        const char *said)
{
    static const char applied[] = "applied ";
    char tree[QDB_REC_PATH + 32];
    struct text rest, word;
    size_t n = 0, len;
    uint32_t there;

    if (strncmp(said, applied, sizeof(applied) - 1) != 0)
        return 0;
    rest = text_of(said + sizeof(applied) - 1);
    if (!parse_split(&rest, ',', &word) ||
        parse_u32(word, 0, FW_RULES_MAX, &there))
        return 0;
    snprintf(tree, sizeof(tree), "/qubes-firewall/%s/", ip);
    len = strlen(tree);
    for (size_t i = 0; i < desired->n; i++)
        n += !strncmp(desired->v[i].path, tree, len) &&
             strcmp(desired->v[i].path + len, "policy") != 0;
    return n > there ? n - there : 0;
}
