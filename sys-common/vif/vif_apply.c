/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vif_apply.h. effect. */
#include "vif/vif_apply.h"

#include <errno.h>

#include "lib/ipaddr.h"
#include "lib/mem.h"

struct sysctl_line {
    const char *path; /* behind ipvN/conf/IFNAME/ */
    const char *value;
};

/* A vif is one host with pinned neighbours: it learns nothing from it and
 * tells it nothing. rp_filter would only repeat, per route, what the
 * anti-spoof set says exactly. No link-local address of our own: clients
 * would only learn to speak to it. */
static const struct sysctl_line vif4[] = {
    {"rp_filter", "0"},           {"accept_redirects", "0"},
    {"send_redirects", "0"},      {"secure_redirects", "0"},
    {"accept_source_route", "0"}, {"proxy_arp", "0"},
    {"arp_ignore", "1"},          {"arp_announce", "2"},
    {"arp_accept", "0"},          {"forwarding", "1"},
};
static const struct sysctl_line vif6[] = {
    {"accept_ra", "0"},        {"autoconf", "0"},
    {"accept_redirects", "0"}, {"accept_source_route", "0"},
    {"dad_transmits", "0"},    {"addr_gen_mode", "1"},
    {"proxy_ndp", "0"},        {"forwarding", "1"},
};
/* A qube's own interface: everything about it comes from dom0. */
static const struct sysctl_line own4[] = {
    {"accept_redirects", "0"},
    {"accept_source_route", "0"},
    {"arp_ignore", "1"},
};
static const struct sysctl_line own6[] = {
    {"accept_ra", "0"},
    {"autoconf", "0"},
    {"accept_redirects", "0"},
    {"accept_source_route", "0"},
};

/* A kernel without one of them (no IPv6, an older one) does without. */
static int set_all(struct vif_link *l, unsigned family, const char *ifname,
                   const struct sysctl_line *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = vif_link_sysctl(l, lines[i].value, "ipv%u/conf/%s/%s", family,
                                ifname, lines[i].path);

        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

static int vif_prepare(struct vif_link *l, int ifindex, const char *ifname)
{
    static const uint8_t mac[6] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};
    int r;

    r = set_all(l, 4, ifname, vif4, ARRAY_LEN(vif4));
    if (r == 0)
        r = set_all(l, 6, ifname, vif6, ARRAY_LEN(vif6));
    if (r == 0)
        r = vif_link_set_mac(l, ifindex, mac);
    return r;
}

static int own_prepare(struct vif_link *l, const char *ifname)
{
    int r;

    r = set_all(l, 4, ifname, own4, ARRAY_LEN(own4));
    if (r == 0)
        r = set_all(l, 6, ifname, own6, ARRAY_LEN(own6));
    return r;
}

int vif_apply_step(struct vif_link *l, int ifindex, const char *ifname,
                   bool client_side, const struct vif_action *a)
{
    const struct vif_step *s = &a->step;

    switch (s->op) {
    case VIF_OP_NEIGH:
        return vif_link_neigh(l, a->add, ifindex, &s->net.addr, s->mac);
    case VIF_OP_PREPARE:
        if (!a->add)
            return 0; /* none of it lets anything pass */
        return client_side ? own_prepare(l, ifname)
                           : vif_prepare(l, ifindex, ifname);
    case VIF_OP_UP:
        return vif_link_set_up(l, ifindex, a->add);
    case VIF_OP_ROUTE:
        return vif_link_route(l, a->add, ifindex, &s->net,
                              s->via.family != 0 ? &s->via : NULL);
    case VIF_OP_ADDR:
        return vif_link_addr(l, a->add, ifindex, &s->net.addr);
    case VIF_OP_ALLOW:
    case VIF_OP_CONNECT:
        break;
    }
    return -EINVAL;
}

static bool is_planned(enum vif_link_kind kind, const struct ipnet *net,
                       void *arg)
{
    static const enum vif_op ops[] = {[VIF_LINK_ADDR] = VIF_OP_ADDR,
                                      [VIF_LINK_ROUTE] = VIF_OP_ROUTE,
                                      [VIF_LINK_NEIGH] = VIF_OP_NEIGH};
    const struct vif_steps *steps = arg;

    for (unsigned i = 0; i < steps->n; i++) {
        const struct vif_step *s = &steps->s[i];

        if (s->op == ops[kind] && s->net.prefix == net->prefix &&
            ipaddr_eq(&s->net.addr, &net->addr))
            return true;
    }
    return false;
}

int vif_apply_prune(struct vif_link *l, int ifindex,
                    const struct vif_steps *steps)
{
    static const struct vif_steps none = {.n = 0};
    union {
        const struct vif_steps *in;
        void *out;
    } u = {.in = steps != NULL ? steps : &none};

    return vif_link_prune(l, ifindex, is_planned, u.out);
}
