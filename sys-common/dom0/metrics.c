/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics as text. pure. See metrics.h. */
#include "dom0/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/report_watch.h"
#include "lib/mem.h"

static void head(FILE *f, const char *name, const char *type, const char *help)
{
    (void)fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *text_in(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static long long number_in(const json_t *o, const char *name)
{
    return (long long)json_integer_value(json_object_get(o, name));
}

/* ---- qubes ---- */

struct qube_metric {
    const char *name, *type, *help;
    /* @return false: there is none of this qube */
    bool (*get)(const struct manager *m, size_t i, uint64_t *ret);
};

static bool get_up(const struct manager *m, size_t i, uint64_t *ret)
{
    *ret = m->qubes[i]->state == QUBE_RUNNING;
    return true;
}

static bool get_ready(const struct manager *m, size_t i, uint64_t *ret)
{
    const char *what;

    *ret = manager_ready(m, i, &what);
    return true;
}

static bool get_restarts(const struct manager *m, size_t i, uint64_t *ret)
{
    *ret = m->qubes[i]->restarts_total;
    return true;
}

/* "USED TOTAL" in KiB, as the VM says. */
static bool get_memory(const struct manager *m, size_t i, bool total,
                       uint64_t *ret)
{
    const char *s = manager_status(m, i, "/sysqube-status/memory");
    struct text rest = text_of(s ? s : ""), used;
    uint64_t kib;

    if (!s || !parse_split(&rest, ' ', &used) || !rest.p ||
        parse_u64(total ? rest : used, 0, UINT32_MAX, &kib))
        return false;
    *ret = kib * 1024;
    return true;
}

static bool get_used(const struct manager *m, size_t i, uint64_t *ret)
{
    return get_memory(m, i, false, ret);
}

static bool get_total(const struct manager *m, size_t i, uint64_t *ret)
{
    return get_memory(m, i, true, ret);
}

static bool get_spoofed(const struct manager *m, size_t i, uint64_t *ret)
{
    const char *s = manager_status(m, i, "/sysqube-status/spoofed");

    return s && !parse_u64(text_of(s), 0, UINT64_MAX, ret);
}

static const struct qube_metric qube_metrics[] = {
    {"sysqube_qube_up", "gauge", "1 while the qube runs.", get_up},
    {"sysqube_qube_ready", "gauge", "1 while the qube is wired.", get_ready},
    {"sysqube_qube_restarts_total", "counter",
     "Times the qube was started again after it died.", get_restarts},
    {"sysqube_qube_memory_used_bytes", "gauge",
     "Memory in use, as the qube says.", get_used},
    {"sysqube_qube_memory_total_bytes", "gauge",
     "Memory there is, as the qube says.", get_total},
    {"sysqube_spoofed_packets_total", "counter",
     "Packets with a forged source that the netvm dropped.", get_spoofed},
};

static void put_qube_metric(FILE *f, const struct manager *m,
                            const struct qube_metric *k)
{
    head(f, k->name, k->type, k->help);
    for (size_t i = 0; i < m->cfg.n; i++) {
        const struct config_qube *c = m->cfg.qubes[i];
        uint64_t n;

        if (k->get(m, i, &n))
            (void)fprintf(f, "%s{qube=\"%s\",kind=\"%s\"} %" PRIu64 "\n",
                          k->name, c->name, config_kind_name(c->kind), n);
    }
}

/* ---- firewalls ---- */

static const struct {
    const char *name, *type, *help, *member;
} count_metrics[] = {
    {"sysqube_firewall_passed_packets_total", "counter",
     "Packets of the qube's connections, both ways.", "passed_packets"},
    {"sysqube_firewall_passed_bytes_total", "counter", "Their bytes.",
     "passed_bytes"},
    {"sysqube_firewall_blocked_packets_total", "counter",
     "Packets of the qube that were not let through.", "blocked_packets"},
    {"sysqube_firewall_blocked_bytes_total", "counter", "Their bytes.",
     "blocked_bytes"},
    {"sysqube_firewall_flows", "gauge", "Connections tracked now.", "flows"},
};

static void labels(FILE *f, const char *name, const json_t *q)
{
    (void)fprintf(f, "%s{qube=\"%s\",firewall=\"%s\"", name, text_in(q, "qube"),
                  text_in(q, "firewall"));
}

static void put_counts(FILE *f, const json_t *all)
{
    size_t k, i;
    const json_t *q;

    for (k = 0; k < ARRAY_LEN(count_metrics); k++) {
        head(f, count_metrics[k].name, count_metrics[k].type,
             count_metrics[k].help);
        json_array_foreach(all, i, q)
        {
            if (!json_is_true(json_object_get(q, "counted")))
                continue;
            labels(f, count_metrics[k].name, q);
            (void)fprintf(f, "} %lld\n", number_in(q, count_metrics[k].member));
        }
    }
}

static void put_rules(FILE *f, const json_t *all, const char *name,
                      const char *help, const char *member)
{
    size_t i, r;
    const json_t *q, *rule;

    head(f, name, "counter", help);
    json_array_foreach(all, i, q)
    {
        if (!json_is_true(json_object_get(q, "counted")))
            continue;
        json_array_foreach(json_object_get(q, "rules"), r, rule)
        {
            if (r == METRICS_RULES_MAX)
                break;
            labels(f, name, q);
            (void)fprintf(f, ",rule=\"%zu\"} %lld\n", r,
                          number_in(rule, member));
        }
        labels(f, name, q);
        (void)fprintf(f, ",rule=\"policy\"} %lld\n",
                      number_in(json_object_get(q, "policy"), member));
    }
}

static const char *state_word(const char *said)
{
    if (!strncmp(said, "applied", 7))
        return strstr(said, "degraded") ? "degraded" : "applied";
    return "blocked";
}

static void put_states(FILE *f, const json_t *all)
{
    static const char name[] = "sysqube_firewall_list_state";
    const char *address;
    const json_t *q;
    json_t *said;
    size_t i;

    head(f, name, "gauge",
         "1 for what each list is: applied, degraded, "
         "blocked.");
    json_array_foreach(all, i, q)
    {
        /* jansson's walk over an object takes no const. */
        json_object_foreach(json_object_get(q, "status"), address, said)
        {
            labels(f, name, q);
            (void)fprintf(f, ",address=\"%s\",state=\"%s\"} 1\n", address,
                          state_word(json_string_value(said)));
        }
    }
}

char *metrics_text(const struct manager *m)
{
    json_t *all = report_counts(m, NULL, 0);
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (!f || !all) {
        if (f)
            (void)fclose(f);
        free(out);
        json_decref(all);
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(qube_metrics); i++)
        put_qube_metric(f, m, &qube_metrics[i]);
    put_counts(f, all);
    put_rules(f, all, "sysqube_firewall_rule_packets_total",
              "New connections' packets that a rule decided.", "packets");
    put_rules(f, all, "sysqube_firewall_rule_bytes_total", "Their bytes.",
              "bytes");
    put_states(f, all);
    json_decref(all);
    if (fclose(f)) {
        free(out);
        return NULL;
    }
    return out;
}
