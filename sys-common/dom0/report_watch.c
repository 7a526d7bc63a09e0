/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters and blocked packets as JSON. pure. See report_watch.h. */
#include "dom0/report_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "rules/rule_format.h"

static const struct keyset *status_of(const struct manager *m, size_t i)
{
    static const struct keyset none = {0};

    return m->qubes[i]->worker ? worker_status(m->qubes[i]->worker) : &none;
}

static bool is_named(const struct config_qube *q,
                     char (*names)[CONFIG_NAME_MAX], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (q && !strcmp(names[i], q->name))
            return true;
    }
    return n == 0;
}

static json_t *big(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *rule_text(const struct config_qube *list, size_t number)
{
    char text[FW_TEXT_MAX];

    if (number >= list->n_rules ||
        rule_format_api(&list->rules[number].rule, text, sizeof(text)) < 0)
        return json_null();
    return json_string(text);
}

const char *report_list_status(const struct manager *m, size_t fw,
                               const char *ip, char *buf)
{
    const struct worker *w = m->qubes[fw]->worker;
    const struct config_qube *list = NULL;
    char path[QDB_REC_PATH + 32];
    struct ipaddr addr;
    const char *said;
    size_t missing;

    snprintf(path, sizeof(path), "/sysqube-status/firewall/%s", ip);
    said = manager_status(m, fw, path);
    if (!said)
        return NULL;
    missing = worker_cut(w) ? fw_stats_missing(worker_desired(w), ip, said) : 0;
    if (missing) {
        snprintf(buf, FW_STATS_TEXT_MAX,
                 "incomplete: %zu keys of the list had no room in the QubesDB "
                 "of %s (%.40s)",
                 missing, m->cfg.qubes[fw]->name, said);
        return buf;
    }
    if (!ipaddr_parse(text_of(ip), &addr))
        list = fw_stats_list(m->cfg.qubes[fw], fw_stats_qube(&m->cfg, &addr));
    if (list)
        return fw_stats_status(list, said, buf);
    snprintf(buf, FW_STATS_TEXT_MAX, "%s", said);
    return buf;
}

/* ---- counters ---- */

static json_t *rules_json(const struct config_qube *list,
                          const struct fw_count *v, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            a, json_pack("{s:I, s:o, s:o, s:o}", "number", (json_int_t)i,
                         "rule", rule_text(list, i), "packets",
                         big(v[i].packets), "bytes", big(v[i].bytes)));
    return a;
}

/* What the firewall says of one address; false when it says nothing. */
static bool add_address(const struct manager *m, size_t fw,
                        const struct ipaddr *addr,
                        const struct config_qube *list, json_t *states,
                        struct fw_totals *io_sum, struct fw_count *io)
{
    const struct keyset *status = status_of(m, fw);
    char text[IPADDR_TEXT_MAX], state[FW_STATS_TEXT_MAX];
    struct fw_totals t;

    if (!addr->family)
        return false;
    if (report_list_status(m, fw, ipaddr_format(addr, text), state))
        json_object_set_new(states, text, json_string(state));
    fw_stats_counts(status, addr, list, io);
    if (!fw_stats_totals(status, addr, &t))
        return false;
    io_sum->passed_packets += t.passed_packets;
    io_sum->passed_bytes += t.passed_bytes;
    io_sum->blocked_packets += t.blocked_packets;
    io_sum->blocked_bytes += t.blocked_bytes;
    io_sum->flows += t.flows;
    return true;
}

static json_t *qube_json(const struct manager *m, size_t fw,
                         const struct config_qube *q,
                         const struct config_qube *list)
{
    size_t n = list->has_firewall ? list->n_rules : 1;
    CLEANUP_FREE struct fw_count *v = calloc(n + 1, sizeof(*v));
    json_t *states = json_object();
    struct fw_totals t = {0};
    bool any;

    if (!v || !states) {
        json_decref(states);
        return NULL;
    }
    any = add_address(m, fw, &q->ip4, list, states, &t, v);
    any |= add_address(m, fw, &q->ip6, list, states, &t, v);
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:{s:o, s:o}}",
        "qube", q->name, "firewall", m->cfg.qubes[fw]->name, "list", list->name,
        "counted", any, "status", states, "passed_packets",
        big(t.passed_packets), "passed_bytes", big(t.passed_bytes),
        "blocked_packets", big(t.blocked_packets), "blocked_bytes",
        big(t.blocked_bytes), "flows", (json_int_t)t.flows, "rules",
        rules_json(list, v, n), "policy", "packets", big(v[n].packets), "bytes",
        big(v[n].bytes));
}

json_t *report_counts(const struct manager *m, char (*names)[CONFIG_NAME_MAX],
                      size_t n_names)
{
    json_t *a = json_array();

    for (size_t fw = 0; fw < m->cfg.n; fw++) {
        if (m->cfg.qubes[fw]->kind != KIND_FIREWALLVM || !m->qubes[fw]->worker)
            continue;
        for (size_t i = 0; i < m->cfg.n; i++) {
            const struct config_qube *q = m->cfg.qubes[i];
            const struct config_qube *list = fw_stats_list(m->cfg.qubes[fw], q);

            if (list && m->qubes[i]->active && is_named(q, names, n_names))
                json_array_append_new(a, qube_json(m, fw, q, list));
        }
    }
    return a;
}

/* ---- blocked packets ---- */

static json_t *name_or_null(const struct config_qube *q)
{
    return q ? json_string(q->name) : json_null();
}

static json_t *event_json(const struct manager *m, const struct config_qube *fw,
                          const struct fw_event *e)
{
    const struct config_qube *src = fw_stats_qube(&m->cfg, &e->src);
    const struct config_qube *dst = fw_stats_qube(&m->cfg, &e->dst);
    const struct config_qube *list = fw_stats_list(fw, src);
    char a[IPADDR_TEXT_MAX], b[IPADDR_TEXT_MAX], proto[8];
    int rule = -1;

    if (list && fw_reason_has_number(e->reason))
        rule = fw_stats_rule(list, e->number);
    return json_pack(
        "{s:s, s:o, s:o, s:s, s:o, s:s, s:o, s:s, s:o, s:s, s:o, s:o}",
        "firewall", fw->name, "seq", big(e->seq), "time", big(e->epoch_s),
        "source", ipaddr_format(&e->src, a), "qube", name_or_null(src),
        "destination", ipaddr_format(&e->dst, b), "to", name_or_null(dst),
        "proto", fw_event_proto(e->l4proto, proto), "port",
        e->has_port ? json_integer(e->port) : json_null(), "reason",
        fw_reason_text(e->reason), "number",
        rule < 0 ? json_null() : json_integer(rule), "rule",
        rule < 0 ? json_null() : rule_text(list, (size_t)rule));
}

json_t *report_events(const struct manager *m, char (*names)[CONFIG_NAME_MAX],
                      size_t n_names)
{
    json_t *a = json_array();

    for (size_t fw = 0; fw < m->cfg.n; fw++) {
        struct fw_event v[FW_STATS_EVENTS_MAX];
        size_t n;

        if (m->cfg.qubes[fw]->kind != KIND_FIREWALLVM)
            continue;
        n = fw_stats_events(status_of(m, fw), v);
        for (size_t i = 0; i < n; i++) {
            if (is_named(fw_stats_qube(&m->cfg, &v[i].src), names, n_names) ||
                is_named(fw_stats_qube(&m->cfg, &v[i].dst), names, n_names))
                json_array_append_new(a,
                                      event_json(m, m->cfg.qubes[fw], &v[i]));
        }
    }
    return a;
}
