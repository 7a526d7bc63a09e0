/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Take away from a link what no plan wants. effect. See vif_link.h. */
#include <errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <string.h>
#include <sys/socket.h>

#include "vif/vif_link.h"
#include "vif/vif_link_impl.h"

struct prune {
    struct vif_link *l;
    int ifindex;
    vif_link_keep_cb keep;
    void *arg;
    int err; /* the first */
};

/* libnl's objects begin with a common part; this names the whole again. */
union any {
    struct nl_object *o;
    struct rtnl_addr *addr;
    struct rtnl_route *route;
    struct rtnl_neigh *neigh;
};

static bool from_nl(struct nl_addr *a, struct ipnet *ret)
{
    struct ipnet n = {.prefix = 0};

    if (a == NULL)
        return false;
    n.addr.family = (uint8_t)nl_addr_get_family(a);
    n.prefix = (uint8_t)nl_addr_get_prefixlen(a);
    if (ipaddr_len(&n.addr) == 0)
        return false;
    /* A default route's destination has no bytes. */
    if (nl_addr_get_len(a) == ipaddr_len(&n.addr))
        memcpy(n.addr.b, nl_addr_get_binary_addr(a), ipaddr_len(&n.addr));
    else if (nl_addr_get_len(a) != 0)
        return false;
    *ret = n;
    return true;
}

static bool is_link_local(const struct ipaddr *a)
{
    return a->family == AF_INET6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static bool stays(const struct prune *p, enum vif_link_kind kind,
                  struct nl_addr *addr, struct ipnet *ret_net)
{
    if (!from_nl(addr, ret_net) || is_link_local(&ret_net->addr))
        return true;
    return p->keep != NULL && p->keep(kind, ret_net, p->arg);
}

static void note(struct prune *p, int r)
{
    if (r < 0 && p->err == 0)
        p->err = r;
}

static void prune_addr(struct nl_object *o, void *arg)
{
    struct prune *p = arg;
    union any u = {.o = o};
    struct ipnet net;

    if (rtnl_addr_get_ifindex(u.addr) != p->ifindex ||
        stays(p, VIF_LINK_ADDR, rtnl_addr_get_local(u.addr), &net))
        return;
    note(p, vif_link_error(rtnl_addr_delete(p->l->req, u.addr, 0)));
}

static void prune_route(struct nl_object *o, void *arg)
{
    struct prune *p = arg;
    union any u = {.o = o};
    struct rtnl_nexthop *hop = rtnl_route_nexthop_n(u.route, 0);
    struct ipnet net;

    if (hop == NULL || rtnl_route_nh_get_ifindex(hop) != p->ifindex ||
        rtnl_route_get_table(u.route) != RT_TABLE_MAIN ||
        rtnl_route_get_protocol(u.route) != RTPROT_STATIC ||
        stays(p, VIF_LINK_ROUTE, rtnl_route_get_dst(u.route), &net))
        return;
    note(p, vif_link_route(p->l, false, p->ifindex, &net, NULL));
}

static void prune_neigh(struct nl_object *o, void *arg)
{
    struct prune *p = arg;
    union any u = {.o = o};
    struct ipnet net;

    if (rtnl_neigh_get_ifindex(u.neigh) != p->ifindex ||
        (rtnl_neigh_get_state(u.neigh) & NUD_PERMANENT) == 0 ||
        stays(p, VIF_LINK_NEIGH, rtnl_neigh_get_dst(u.neigh), &net))
        return;
    note(p, vif_link_neigh(p->l, false, p->ifindex, &net.addr, NULL));
}

static void each(struct prune *p, struct nl_cache *cache, int r,
                 void (*cb)(struct nl_object *, void *))
{
    if (r < 0) {
        note(p, vif_link_error(r));
        return;
    }
    nl_cache_foreach(cache, cb, p);
    nl_cache_free(cache);
}

int vif_link_prune(struct vif_link *l, int ifindex, vif_link_keep_cb keep,
                   void *arg)
{
    struct prune p = {
        .l = l, .ifindex = ifindex, .keep = keep, .arg = arg, .err = 0};
    struct nl_cache *cache = NULL;
    int r;

    r = rtnl_route_alloc_cache(l->req, AF_UNSPEC, 0, &cache);
    each(&p, cache, r, prune_route);
    r = rtnl_addr_alloc_cache(l->req, &cache);
    each(&p, cache, r, prune_addr);
    r = rtnl_neigh_alloc_cache(l->req, &cache);
    each(&p, cache, r, prune_neigh);
    return p.err;
}
