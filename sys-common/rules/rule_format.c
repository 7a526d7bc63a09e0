/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct fw_rule to canonical text. pure. Fed by parsed rules. Source:
 * spec/firewall-rules.md, Rule grammar. Checks nothing: the parser did. */
#include "rules/rule_format.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "rules/rule_lower.h"

static const char *proto_text(enum fw_proto proto)
{
    switch (proto) {
    case FW_PROTO_TCP:
        return "tcp";
    case FW_PROTO_UDP:
        return "udp";
    case FW_PROTO_ICMP:
        return "icmp";
    case FW_PROTO_ANY:
        break;
    }
    return NULL;
}

static void put_destination(struct wbuf *w, const struct fw_rule *rule)
{
    char text[IPNET_TEXT_MAX];

    switch (rule->m.dst_kind) {
    case FW_DST_NET:
        wbuf_printf(w, " %s=%s",
                    rule->m.dst.addr.family == AF_INET ? "dst4" : "dst6",
                    ipnet_format(&rule->m.dst, text));
        break;
    case FW_DST_NAME:
        wbuf_printf(w, " dsthost=%s", rule->name);
        break;
    case FW_DST_ANY:
        break;
    }
}

/* One range always as A-B, which every reader knows; of a list the short
 * forms. */
static void put_ports(struct wbuf *w, const struct fw_rule *rule)
{
    const struct fw_match *m = &rule->m;
    unsigned i;

    if (rule->n_more == 0) {
        wbuf_printf(w, " dstports=%u-%u", m->port_first, m->port_last);
        return;
    }
    for (i = 0; i <= rule->n_more; i++) {
        unsigned first = i ? rule->more[i - 1].first : m->port_first;
        unsigned last = i ? rule->more[i - 1].last : m->port_last;

        wbuf_printf(w, "%s%u", i ? "," : " dstports=", first);
        if (first != last)
            wbuf_printf(w, "-%u", last);
    }
}

static int format(const struct fw_rule *rule, bool api, char *buf, size_t cap)
{
    struct wbuf w = wbuf_of(buf, cap);
    const struct fw_match *m = &rule->m;

    wbuf_printf(&w, "action=%s", m->action == FW_ACCEPT ? "accept" : "drop");
    if (rule->has_expire)
        wbuf_printf(&w, " expire=%" PRIu64, rule->expire);
    put_destination(&w, rule);
    if (m->proto != FW_PROTO_ANY)
        wbuf_printf(&w, " proto=%s", proto_text(m->proto));
    if (m->dns)
        wbuf_printf(&w, " specialtarget=dns");
    if (m->has_ports)
        put_ports(&w, rule);
    if (rule->icmp_name)
        wbuf_printf(&w, " icmptype=%s", rule_icmp_text(rule->icmp_name));
    else if (m->has_icmptype)
        wbuf_printf(&w, " icmptype=%u", m->icmptype);
    if (api && rule->comment[0] != '\0')
        wbuf_printf(&w, " comment=%s", rule->comment);
    wbuf_u8(&w, '\0');
    if (wbuf_done(&w) < 0)
        return -ENOBUFS;
    return (int)w.len - 1;
}

int rule_format_qdb(const struct fw_rule *rule, char *buf, size_t cap)
{
    return format(rule, false, buf, cap);
}

int rule_format_api(const struct fw_rule *rule, char *buf, size_t cap)
{
    return format(rule, true, buf, cap);
}

bool rule_eq(const struct fw_rule *a, const struct fw_rule *b)
{
    const struct fw_match *x = &a->m, *y = &b->m;
    unsigned i;

    if (a->n_more != b->n_more || a->icmp_name != b->icmp_name)
        return false;
    for (i = 0; i < a->n_more; i++)
        if (a->more[i].first != b->more[i].first ||
            a->more[i].last != b->more[i].last)
            return false;
    return x->action == y->action && x->dst_kind == y->dst_kind &&
           x->proto == y->proto && x->dns == y->dns &&
           x->has_ports == y->has_ports && x->port_first == y->port_first &&
           x->port_last == y->port_last && x->has_icmptype == y->has_icmptype &&
           x->icmptype == y->icmptype && x->dst.prefix == y->dst.prefix &&
           ipaddr_eq(&x->dst.addr, &y->dst.addr) &&
           a->has_expire == b->has_expire && a->expire == b->expire &&
           strcmp(a->name, b->name) == 0 && strcmp(a->comment, b->comment) == 0;
}

bool rule_fits_family(const struct fw_rule *rule, unsigned family)
{
    return rule->m.dst_kind != FW_DST_NET || rule->m.dst.addr.family == family;
}
