/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Views of the manager's state as JSON. pure. See report.h. */
#include "dom0/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/fw_profile.h"
#include "dom0/report_watch.h"
#include "rules/rule_format.h"

static json_t *text_or_null(const char *s)
{
    return s && s[0] ? json_string(s) : json_null();
}

static json_t *ip_json(const struct ipaddr *a)
{
    char text[IPADDR_TEXT_MAX];

    return a->family ? json_string(ipaddr_format(a, text)) : json_null();
}

static json_t *keys_json(const struct keyset *s)
{
    json_t *o = json_object();

    for (size_t i = 0; o && i < s->n; i++)
        json_object_set_new(o, s->v[i].path, json_string(s->v[i].val));
    return o;
}

static json_t *error_json(const struct manager_error *e)
{
    if (!e->step)
        return json_null();
    return json_pack("{s:o, s:s, s:s, s:o}", "qube", text_or_null(e->qube),
                     "step", e->step, "message", e->message, "hint",
                     text_or_null(e->hint));
}

json_t *report_error(const struct manager_error *e)
{
    return json_pack("{s:o}", "error", error_json(e));
}

json_t *report_problems(const struct problems *p, const struct manager_error *e)
{
    bool own = e && e->step;
    json_t *list = json_array();
    char text[64];

    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(list, json_pack("{s:o, s:i, s:i, s:s}", "file",
                                              text_or_null(p->v[i].file),
                                              "line", (int)p->v[i].line,
                                              "column", (int)p->v[i].column,
                                              "message", p->v[i].text));
    snprintf(text, sizeof(text), "%zu error%s in the %s", problems_count(p),
             problems_count(p) == 1 ? "" : "s", own ? "list" : "configuration");
    return json_pack("{s:{s:o, s:s, s:s, s:s, s:o}}", "error", "qube",
                     text_or_null(own ? e->qube : NULL), "step",
                     own ? e->step : "check the configuration", "message", text,
                     "hint",
                     own ? e->hint : "mend the files, then run: sysqube check",
                     "problems", list);
}

static json_t *mac_json(const uint8_t mac[6])
{
    char text[18];

    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
             mac[1], mac[2], mac[3], mac[4], mac[5]);
    return json_string(text);
}

/* "USED TOTAL" in KiB, as the VM says. */
static json_t *memory_json(const char *s)
{
    struct text rest, used;
    uint64_t u, t;

    if (!s)
        return json_null();
    rest = text_of(s);
    if (!parse_split(&rest, ' ', &used) || !rest.p ||
        parse_u64(used, 0, UINT32_MAX, &u) ||
        parse_u64(rest, 0, UINT32_MAX, &t))
        return json_null();
    return json_pack("{s:I, s:I}", "used_kib", (json_int_t)u, "total_kib",
                     (json_int_t)t);
}

static json_t *number_json(const char *s)
{
    uint64_t n;

    if (!s || parse_u64(text_of(s), 0, INT64_MAX, &n))
        return json_null();
    return json_integer((json_int_t)n);
}

static void put_run_time(json_t *o, const struct manager *m, size_t i)
{
    static const struct keyset none = {0};
    const struct qube *q = m->qubes[i];
    const struct keyset *status = q->worker ? worker_status(q->worker) : &none;
    pid_t pid = q->has_domid && m->platform->ops->pid
                    ? m->platform->ops->pid(m->platform, q->domid)
                    : 0;

    json_object_set_new(o, "domid",
                        q->has_domid ? json_integer(q->domid) : json_null());
    json_object_set_new(o, "pid", pid ? json_integer(pid) : json_null());
    json_object_set_new(o, "worker_pid",
                        q->worker && worker_pid(q->worker)
                            ? json_integer(worker_pid(q->worker))
                            : json_null());
    json_object_set_new(o, "connected",
                        json_boolean(q->worker && worker_connected(q->worker)));
    json_object_set_new(
        o, "trouble",
        text_or_null(q->worker ? worker_trouble(q->worker) : NULL));
    json_object_set_new(o, "died", text_or_null(q->died));
    json_object_set_new(o, "restarting", json_boolean(q->restart_at_ms != 0));
    json_object_set_new(o, "error", error_json(&q->error));
    json_object_set_new(o, "vif", text_or_null(manager_vif_status(m, i)));
    json_object_set_new(
        o, "uplink",
        text_or_null(keyset_get(status, "/sysqube-status/uplink")));
    json_object_set_new(
        o, "memory", memory_json(keyset_get(status, "/sysqube-status/memory")));
    json_object_set_new(
        o, "spoofed",
        number_json(keyset_get(status, "/sysqube-status/spoofed")));
    json_object_set_new(o, "status", keys_json(status));
}

/* What the firewall above says about this qube's addresses. */
static json_t *firewall_json(const struct manager *m, size_t i)
{
    const struct config_qube *c = m->cfg.qubes[i];
    const struct ipaddr *both[] = {&c->ip4, &c->ip6};
    int up = manager_netvm(m, i);
    json_t *o;

    if (up < 0 || c->up->kind != KIND_FIREWALLVM)
        return json_null();
    o = json_object();
    for (size_t k = 0; k < 2; k++) {
        char text[IPADDR_TEXT_MAX], state[FW_STATS_TEXT_MAX];

        if (!both[k]->family)
            continue;
        ipaddr_format(both[k], text);
        json_object_set_new(
            o, text,
            text_or_null(report_list_status(m, (size_t)up, text, state)));
    }
    return o;
}

static json_t *qube_json(const struct manager *m, size_t i)
{
    const struct config_qube *c = m->cfg.qubes[i];
    const char *what = NULL;
    bool ready = manager_ready(m, i, &what);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:s}",
        "name", c->name, "kind", config_kind_name(c->kind), "label",
        config_label_name(c->label), "image", c->image, "state",
        manager_state_name(m->qubes[i]->state), "netvm", text_or_null(c->netvm),
        "address", ip_json(&c->ip4), "address6", ip_json(&c->ip6), "mac",
        mac_json(c->mac), "qid", (int)c->qid, "memory_mib", (int)c->memory_mib,
        "level", (int)c->level, "virt_mode", config_virt_name(c->virt));

    if (!o)
        return NULL;
    json_object_set_new(o, "ready", json_boolean(ready));
    json_object_set_new(
        o, "waiting_for",
        text_or_null(!ready && manager_is_up(m->qubes[i]) ? what : NULL));
    json_object_set_new(o, "firewall", firewall_json(m, i));
    put_run_time(o, m, i);
    return o;
}

json_t *report_status(const struct manager *m)
{
    json_t *list = json_array();

    for (unsigned level = 0; level < CONFIG_QUBES_MAX; level++) {
        for (size_t i = 0; i < m->cfg.n; i++) {
            if (m->cfg.qubes[i]->level == level)
                json_array_append_new(list, qube_json(m, i));
        }
    }
    return json_pack("{s:s, s:s, s:o}", "platform", m->platform->ops->name,
                     "version", SQ_VERSION, "qubes", list);
}

json_t *report_keys(const struct manager *m, size_t index)
{
    static const struct keyset none = {0};
    const struct qube *q = m->qubes[index];
    struct keyset want = {0};
    json_t *o;

    (void)manager_desired(m, index, &want);
    o = json_pack("{s:s, s:o, s:o}", "qube", m->cfg.qubes[index]->name,
                  "desired", keys_json(&want), "status",
                  keys_json(q->worker ? worker_status(q->worker) : &none));
    keyset_free(&want);
    return o;
}

/* The value of one word of a rule's canonical text, "" for none. */
static const char *word_of(const char *rule, const char *key, char *buf,
                           size_t cap)
{
    const char *at = strstr(rule, key);
    int len;

    buf[0] = '\0';
    if (!at)
        return buf;
    at += strlen(key);
    len = (int)strcspn(at, " ");
    snprintf(buf, cap, "%.*s", len, at);
    return buf;
}

static json_t *rule_json(size_t n, const struct fw_rule *r,
                         const struct fw_profile *from)
{
    static const char *const protos[] = {NULL, "tcp", "udp", "icmp"};
    char text[FW_TEXT_MAX], dst[IPNET_TEXT_MAX] = "", ports[256], icmp[64];

    if (rule_format_api(r, text, sizeof(text)) < 0)
        return NULL;
    if (r->m.dst_kind == FW_DST_NET)
        ipnet_format(&r->m.dst, dst);
    return json_pack(
        "{s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "number",
        (int)n, "rule", text, "action",
        r->m.action == FW_ACCEPT ? "accept" : "drop", "host",
        text_or_null(r->m.dst_kind == FW_DST_NAME ? r->name : dst), "proto",
        text_or_null(protos[r->m.proto]), "ports",
        text_or_null(word_of(text, " dstports=", ports, sizeof(ports))),
        "special", text_or_null(r->m.dns ? "dns" : NULL), "icmptype",
        text_or_null(word_of(text, " icmptype=", icmp, sizeof(icmp))), "expire",
        r->has_expire ? json_integer((json_int_t)r->expire) : json_null(),
        "comment", text_or_null(r->comment), "profile",
        text_or_null(from ? from->name : NULL));
}

json_t *report_rules(const struct config_qube *q)
{
    static const struct fw_rule accept = {.m = {.action = FW_ACCEPT}};
    json_t *list = json_array();

    if (!q->has_firewall) {
        json_t *o = rule_json(0, &accept, NULL);

        json_object_set_new(o, "implicit", json_true());
        json_array_append_new(list, o);
    }
    for (size_t i = 0; i < q->n_rules; i++)
        json_array_append_new(
            list, rule_json(i, &q->rules[i].rule, q->rules[i].from));
    return list;
}

json_t *report_stored(const struct config_qube *q)
{
    struct fw_items items = {0};
    json_t *text = NULL;
    char *s = NULL;

    if (!fw_profile_items(q, &items, NULL))
        s = fw_items_format(&items);
    if (s)
        text = json_string(s);
    free(s);
    fw_items_free(&items);
    return text;
}
