/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records and settings -> the texts netvmd publishes. pure. Fed by checked
 * records and dom0's settings; see uplink_state.h. */
#include "netvm/uplink_state.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/mem.h"

/* The facts of both modes in one form. */
struct view {
    struct ipnet addr4;
    struct ipnet addr6;
    struct ipaddr gateway4;
    struct ipaddr gateway6;
    unsigned n_dns;
    struct ipaddr dns[UPLINK_SERVERS_MAX];
};

void uplink_state_init(struct uplink_state *s)
{
    memset(s, 0, sizeof(*s));
    uplink_conf_init(&s->conf);
    for (unsigned i = 0; i < DHCP_FACTS_LINK; i++)
        s->held[i].event = DHCP_FACTS_LOST;
}

static void forget(struct uplink_state *s)
{
    for (unsigned i = 0; i < DHCP_FACTS_LINK; i++) {
        memset(&s->held[i], 0, sizeof(s->held[i]));
        s->held[i].event = DHCP_FACTS_LOST;
    }
    s->refused = false;
}

bool uplink_state_take(struct uplink_state *s, const struct dhcp_facts *f)
{
    bool same = strncmp(s->ifname, f->ifname, UPLINK_NAME_MAX) == 0;

    if (s->conf.mode != UPLINK_DHCP)
        return false;
    if (!same && s->ifname[0] && f->event != DHCP_FACTS_HAVE)
        return false;
    if (!same) {
        forget(s);
        memcpy(s->ifname, f->ifname, sizeof(s->ifname));
    }
    if (f->source >= DHCP_FACTS_LINK) {
        forget(s);
        return true;
    }
    s->refused = f->event == DHCP_FACTS_BAD;
    s->held[f->source] = *f;
    if (f->event != DHCP_FACTS_HAVE) {
        memset(&s->held[f->source], 0, sizeof(s->held[0]));
        s->held[f->source].event = DHCP_FACTS_LOST;
    }
    return true;
}

static void add_dns(struct view *v, const struct ipaddr *a)
{
    for (unsigned i = 0; i < v->n_dns; i++)
        if (ipaddr_eq(&v->dns[i], a))
            return;
    if (v->n_dns < UPLINK_SERVERS_MAX)
        v->dns[v->n_dns++] = *a;
}

static void view_dhcp(const struct uplink_state *s, struct view *v)
{
    static const uint8_t order[] = {DHCP_FACTS_V4, DHCP_FACTS_V6,
                                    DHCP_FACTS_RA};

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const struct dhcp_facts *f = &s->held[order[i]];
        bool v4 = order[i] == DHCP_FACTS_V4;
        struct ipnet *addr = v4 ? &v->addr4 : &v->addr6;
        struct ipaddr *gw = v4 ? &v->gateway4 : &v->gateway6;

        if (f->event != DHCP_FACTS_HAVE)
            continue;
        if (!addr->addr.family)
            *addr = f->addr;
        if (!gw->family)
            *gw = f->gateway;
        for (unsigned j = 0; j < f->n_dns && j < DHCP_FACTS_DNS; j++)
            add_dns(v, &f->dns[j]);
    }
}

static struct view view_of(const struct uplink_state *s)
{
    struct view v = {0};

    if (s->conf.mode == UPLINK_DHCP) {
        view_dhcp(s, &v);
        return v;
    }
    v.addr4 = s->conf.addr4;
    v.addr6 = s->conf.addr6;
    v.gateway4 = s->conf.gateway4;
    v.gateway6 = s->conf.gateway6;
    for (unsigned i = 0; i < s->conf.n_dns; i++)
        add_dns(&v, &s->conf.dns[i]);
    return v;
}

static bool link_local6(const struct ipaddr *a)
{
    return a->family == AF_INET6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static void put_up(struct wbuf *w, const struct uplink_state *s,
                   const struct view *v)
{
    bool v4 = v->addr4.addr.family != 0;
    const struct ipnet *addr = v4 ? &v->addr4 : &v->addr6;
    const struct ipaddr *gw = v4 ? &v->gateway4 : &v->gateway6;
    char a[IPNET_TEXT_MAX];

    wbuf_printf(w, "up %s %s gw ", s->ifname, ipnet_format(addr, a));
    wbuf_printf(w, "%s dns ", gw->family ? ipaddr_format(gw, a) : "none");
    for (unsigned i = 0; i < v->n_dns; i++)
        wbuf_printf(w, "%s%s", i ? "," : "", ipaddr_format(&v->dns[i], a));
    if (v->n_dns == 0)
        wbuf_printf(w, "none");
}

const char *uplink_state_status(const struct uplink_state *s,
                                char buf[UPLINK_STATUS_MAX])
{
    struct wbuf w = wbuf_of(buf, UPLINK_STATUS_MAX - 1);
    struct view v = view_of(s);
    bool addr = v.addr4.addr.family || v.addr6.addr.family;

    if (s->conf.error[0])
        wbuf_printf(&w, "error %s", s->conf.error);
    else if (s->error[0])
        wbuf_printf(&w, "error %s", s->error);
    else if (!s->ifname[0])
        wbuf_printf(&w, "down no interface");
    else if (s->refused && !addr)
        wbuf_printf(&w, "error the network's answer on %s is malformed",
                    s->ifname);
    else if (!addr)
        wbuf_printf(&w, "down no address on %s", s->ifname);
    else
        put_up(&w, s, &v);
    buf[w.len] = '\0';
    return buf;
}

size_t uplink_state_resolv(const struct uplink_state *s,
                           char buf[UPLINK_RESOLV_MAX])
{
    struct wbuf w = wbuf_of(buf, UPLINK_RESOLV_MAX - 1);
    struct view v = view_of(s);
    char a[IPADDR_TEXT_MAX];

    if (s->conf.error[0] || !s->ifname[0])
        v.n_dns = 0;
    for (unsigned i = 0; i < v.n_dns; i++) {
        bool ll = link_local6(&v.dns[i]);

        wbuf_printf(&w, "nameserver %s%s%s\n", ipaddr_format(&v.dns[i], a),
                    ll ? "%" : "", ll ? s->ifname : "");
    }
    buf[w.len] = '\0';
    return w.len;
}

bool uplink_state_has_ipv6(const struct uplink_state *s)
{
    struct view v = view_of(s);

    return s->ifname[0] && !s->conf.error[0] && !s->error[0] &&
           v.addr6.addr.family != 0;
}

static void put_inet(struct wbuf *w, const char *what, const struct ipnet *n,
                     const char *ifname)
{
    char a[IPNET_TEXT_MAX];

    if (!n->addr.family)
        return;
    wbuf_printf(w, "%s%s %s scope global %s", w->len ? "\n" : "", what,
                ipnet_format(n, a), ifname);
}

size_t uplink_state_external(const struct uplink_state *s,
                             char buf[UPLINK_STATUS_MAX])
{
    struct wbuf w = wbuf_of(buf, UPLINK_STATUS_MAX - 1);
    struct view v = view_of(s);

    if (s->ifname[0] && !s->conf.error[0] && !s->error[0]) {
        put_inet(&w, "inet", &v.addr4, s->ifname);
        put_inet(&w, "inet6", &v.addr6, s->ifname);
    }
    buf[w.len] = '\0';
    return w.len;
}
