/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a FirewallVM and a NetVM are told about a qube's rules. pure. See
 * keys.h. Source: spec/firewall-rules.md, spec/network.md (update protocol);
 * the keys below /sysqube-* are ours (docs/architecture.md). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/keys_impl.h"
#include "lib/buf.h"
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

static bool is_active(const struct keys_world *w, const struct config_qube *q)
{
    for (size_t i = 0; i < w->cfg->n; i++) {
        if (w->cfg->qubes[i] == q)
            return w->run[i].active;
    }
    return false;
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

/* Only what the file gives: the rest is the firewall's default. */
static void put_limits(struct keys_build *b, const struct config_limits *l,
                       const struct ipaddr *src)
{
    char path[2 * QDB_REC_PATH], text[IPADDR_TEXT_MAX], val[160];
    struct wbuf w = wbuf_of(val, sizeof(val));

    if (l->has_flows)
        wbuf_printf(&w, " flows=%u", l->flows);
    if (l->has_rate)
        wbuf_printf(&w, " rate=%u", l->rate);
    if (l->has_burst)
        wbuf_printf(&w, " burst=%u", l->burst);
    if (l->has_bandwidth)
        wbuf_printf(&w, " bandwidth=%" PRIu64, l->bandwidth);
    if (l->has_quota)
        wbuf_printf(&w, " quota=%" PRIu64, l->quota);
    wbuf_u8(&w, 0);
    if (wbuf_done(&w) < 0)
        b->err = -ENOBUFS;
    else if (val[0]) {
        snprintf(path, sizeof(path), "/sysqube-firewall/%s/limits",
                 ipaddr_format(src, text));
        keys_put(b, path, "%s", val + 1);
    }
}

static void put_source(struct keys_build *b, const struct keys_world *w,
                       const struct config_qube *list, const struct ipaddr *src)
{
    if (!src->family)
        return;
    put_rules(b, w, list, src);
    put_limits(b, &list->limits, src);
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

/* ---- port forwards, qube to qube ---- */

/* Records of one tree, numbered as they come. */
struct tree {
    struct keys_build *b;
    const char *base;
    unsigned n;
};

static void put_record(struct tree *t, const char *val)
{
    char path[QDB_REC_PATH];

    snprintf(path, sizeof(path), "%s/%04u", t->base,
             t->n++ % (FW_NUMBER_MAX + 1));
    keys_put(t->b, path, "%s", val);
}

static const char *ports_text(const struct config_reach *e, char buf[16])
{
    if (!e->has_ports)
        return "any";
    snprintf(buf, 16, e->port_first == e->port_last ? "%u" : "%u-%u",
             e->port_first, e->port_last);
    return buf;
}

/* One forward for one family; uplink: as the NetVM reads it, else as a
 * firewall does. */
static void put_forward(struct tree *t, const struct config_forward *f,
                        const struct ipaddr *dst, bool uplink)
{
    char ip[IPADDR_TEXT_MAX], from[IPNET_TEXT_MAX] = "", port[16] = "";
    char val[160];

    if (!dst->family ||
        (f->from.addr.family && f->from.addr.family != dst->family))
        return;
    if (f->from.addr.family)
        ipnet_format(&f->from, from);
    if (uplink)
        snprintf(port, sizeof(port), " %u", f->uplink_port);
    snprintf(val, sizeof(val), "%s%s %s %u%s%s", config_proto_name(f->proto),
             port, ipaddr_format(dst, ip), f->port, from[0] ? " " : "", from);
    put_record(t, val);
}

static void put_forwards(struct tree *t, const struct keys_world *w,
                         const struct config_qube *q, bool uplink)
{
    for (size_t i = 0; i < w->cfg->n; i++) {
        const struct config_qube *c = w->cfg->qubes[i];

        if (!w->run[i].active || !config_is_below(c, q))
            continue;
        for (size_t k = 0; k < c->n_forwards; k++) {
            put_forward(t, &c->forwards[k], &c->ip4, uplink);
            put_forward(t, &c->forwards[k], &c->ip6, uplink);
        }
    }
}

/* Families that both ends have. */
static void put_edge(struct tree *t, const struct config_reach *e,
                     const struct ipaddr *src, const struct ipaddr *dst,
                     bool inner)
{
    char a[IPADDR_TEXT_MAX], b[IPADDR_TEXT_MAX], port[16], val[160];

    if (!src->family || !dst->family)
        return;
    ipaddr_format(src, a);
    ipaddr_format(dst, b);
    if (inner)
        snprintf(val, sizeof(val), "%s %s %s %s/%u",
                 config_proto_name(e->proto), b, ports_text(e, port), a,
                 src->family == AF_INET ? 32u : 128u);
    else
        snprintf(val, sizeof(val), "%s %s %s %s", a, b,
                 config_proto_name(e->proto), ports_text(e, port));
    put_record(t, val);
}

/* Where two qubes meet there is an edge; a firewall between that place and
 * the far end lets the connection in from its uplink. */
static void put_edges(struct tree *t, const struct keys_world *w,
                      const struct config_qube *q, bool inner)
{
    for (size_t i = 0; i < w->cfg->n; i++) {
        const struct config_qube *a = w->cfg->qubes[i];

        for (size_t k = 0; w->run[i].active && k < a->n_reach; k++) {
            const struct config_reach *e = &a->reach[k];
            const struct config_qube *to = config_find(w->cfg, e->name);
            const struct config_qube *at = to ? config_meeting(a, to) : NULL;

            if (!at || !is_active(w, to) ||
                (inner ? !config_is_below(to, q) || !config_is_below(q, at)
                       : at != q))
                continue;
            put_edge(t, e, &a->ip4, &to->ip4, inner);
            put_edge(t, e, &a->ip6, &to->ip6, inner);
        }
    }
}

void keys_put_paths(struct keys_build *b, const struct keys_world *w,
                    const struct config_qube *q)
{
    struct tree inbound = {b, "/sysqube-firewall/inbound", 0};
    struct tree edge = {b, "/sysqube-firewall/edge", 0};
    struct tree forward = {b, "/sysqube-forward", 0};

    if (q->kind == KIND_NETVM) {
        keys_put(b, forward.base, "%s", "");
        put_forwards(&forward, w, q, true);
    } else if (q->kind == KIND_FIREWALLVM) {
        keys_put(b, inbound.base, "%s", "");
        put_forwards(&inbound, w, q, false);
        put_edges(&inbound, w, q, true);
        keys_put(b, edge.base, "%s", "");
        put_edges(&edge, w, q, false);
    }
}
