/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links, addresses and routes of the uplink. effect. Fed by the kernel; see
 * uplink_link.h. */
#include "netvm/uplink_link.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

struct uplink_link {
    struct nl_sock *req;
    struct nl_sock *ev;
};

/* libnl's own codes back to errno values. */
static int nl_errno(int r)
{
    if (r >= 0)
        return 0;
    switch (-r) {
    case NLE_EXIST:
        return -EEXIST;
    case NLE_OBJ_NOTFOUND:
    case NLE_NODEV:
        return -ENODEV;
    case NLE_NOMEM:
        return -ENOMEM;
    case NLE_PERM:
    case NLE_NOACCESS:
        return -EPERM;
    case NLE_NOADDR:
        return -EADDRNOTAVAIL;
    case NLE_INVAL:
    case NLE_RANGE:
        return -EINVAL;
    default:
        return -EIO;
    }
}

int uplink_link_new(struct uplink_link **ret)
{
    struct uplink_link *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return -ENOMEM;
    l->req = nl_socket_alloc();
    l->ev = nl_socket_alloc();
    if (!l->req || !l->ev) {
        uplink_link_free(l);
        return -ENOMEM;
    }
    r = nl_connect(l->req, NETLINK_ROUTE);
    if (r == 0) {
        nl_socket_disable_seq_check(l->ev);
        r = nl_connect(l->ev, NETLINK_ROUTE);
    }
    if (r == 0)
        r = nl_socket_add_memberships(l->ev, RTNLGRP_LINK, 0);
    if (r == 0)
        r = nl_socket_set_nonblocking(l->ev);
    if (r < 0) {
        uplink_link_free(l);
        return nl_errno(r);
    }
    *ret = l;
    return 0;
}

void uplink_link_free(struct uplink_link *l)
{
    if (!l)
        return;
    nl_socket_free(l->req);
    nl_socket_free(l->ev);
    free(l);
}

int uplink_link_fd(const struct uplink_link *l)
{
    return nl_socket_get_fd(l->ev);
}

int uplink_link_drain(struct uplink_link *l)
{
    char buf[8192];
    ssize_t n;

    do {
        n = recv(uplink_link_fd(l), buf, sizeof(buf), MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
    return n < 0 && errno != EAGAIN ? err_last() : 0;
}

static bool has_hardware_address(struct rtnl_link *link)
{
    struct nl_addr *a = rtnl_link_get_addr(link);

    return a && nl_addr_get_len(a) == 6 && !nl_addr_iszero(a);
}

static bool is_uplink(struct rtnl_link *link)
{
    const char *name = rtnl_link_get_name(link);

    return name && uplink_name_is_uplink(text_of(name)) &&
           rtnl_link_get_arptype(link) == ARPHRD_ETHER &&
           has_hardware_address(link);
}

int uplink_link_find(struct uplink_link *l, char ret_name[UPLINK_NAME_MAX])
{
    struct nl_cache *cache = NULL;
    struct rtnl_link *best = NULL;
    int r = rtnl_link_alloc_cache(l->req, AF_UNSPEC, &cache);

    if (r < 0)
        return nl_errno(r);
    for (struct nl_object *o = nl_cache_get_first(cache); o;
         o = nl_cache_get_next(o)) {
        struct rtnl_link *link = (struct rtnl_link *)o;

        if (!is_uplink(link))
            continue;
        if (!best || rtnl_link_get_ifindex(link) < rtnl_link_get_ifindex(best))
            best = link;
    }
    if (best) {
        const char *name = rtnl_link_get_name(best);

        memset(ret_name, 0, UPLINK_NAME_MAX);
        memcpy(ret_name, name, strnlen(name, UPLINK_NAME_MAX - 1));
    }
    nl_cache_free(cache);
    return best ? 0 : -ENODEV;
}

static int family_bits(const struct ipaddr *a)
{
    return (int)ipaddr_len(a) * 8;
}

static struct nl_addr *nl_addr_of(const struct ipaddr *a, int prefix)
{
    struct nl_addr *n = nl_addr_build(a->family, a->b, ipaddr_len(a));

    if (n)
        nl_addr_set_prefixlen(n, prefix);
    return n;
}

static int add_address(struct uplink_link *l, int ifindex,
                       const struct ipaddr *a, int prefix, int scope)
{
    struct rtnl_addr *addr = rtnl_addr_alloc();
    struct nl_addr *local = nl_addr_of(a, prefix);
    int r = -NLE_NOMEM;

    if (addr && local) {
        rtnl_addr_set_ifindex(addr, ifindex);
        r = rtnl_addr_set_local(addr, local);
        rtnl_addr_set_prefixlen(addr, prefix);
        rtnl_addr_set_scope(addr, scope);
        if (r == 0)
            r = rtnl_addr_add(l->req, addr, NLM_F_CREATE | NLM_F_REPLACE);
    }
    nl_addr_put(local);
    rtnl_addr_put(addr);
    return r == -NLE_EXIST ? 0 : nl_errno(r);
}

/* By netlink: if_nametoindex() would want an ioctl, which the sandbox of the
 * caller does not allow. */
static int index_of(struct uplink_link *l, const char *ifname, int *ret)
{
    struct rtnl_link *link = NULL;
    int r = rtnl_link_get_kernel(l->req, 0, ifname, &link);

    if (r < 0)
        return nl_errno(r);
    *ret = rtnl_link_get_ifindex(link);
    rtnl_link_put(link);
    return 0;
}

int uplink_link_add_lo(struct uplink_link *l, const struct ipaddr *addr)
{
    int index;
    int r = index_of(l, "lo", &index);

    if (r < 0)
        return r;
    return add_address(l, index, addr, family_bits(addr), RT_SCOPE_HOST);
}

static int link_up(struct uplink_link *l, int ifindex)
{
    struct rtnl_link *change = rtnl_link_alloc();
    struct rtnl_link *which = rtnl_link_alloc();
    int r = -NLE_NOMEM;

    if (change && which) {
        rtnl_link_set_ifindex(which, ifindex);
        rtnl_link_set_flags(change, IFF_UP);
        r = rtnl_link_change(l->req, which, change, 0);
    }
    rtnl_link_put(change);
    rtnl_link_put(which);
    return nl_errno(r);
}

/* Is @p n exactly this address with this length? */
static bool same_net(struct nl_addr *n, int prefix, const struct ipnet *want)
{
    return want->addr.family && nl_addr_get_family(n) == want->addr.family &&
           nl_addr_get_len(n) == ipaddr_len(&want->addr) &&
           memcmp(nl_addr_get_binary_addr(n), want->addr.b,
                  ipaddr_len(&want->addr)) == 0 &&
           prefix == want->prefix;
}

static int drop_addresses(struct uplink_link *l, int ifindex,
                          const struct uplink_conf *c)
{
    struct nl_cache *cache = NULL;
    int r = rtnl_addr_alloc_cache(l->req, &cache);

    if (r < 0)
        return nl_errno(r);
    for (struct nl_object *o = nl_cache_get_first(cache); o && r >= 0;
         o = nl_cache_get_next(o)) {
        struct rtnl_addr *a = (struct rtnl_addr *)o;
        struct nl_addr *local = rtnl_addr_get_local(a);
        int prefix = rtnl_addr_get_prefixlen(a);

        if (rtnl_addr_get_ifindex(a) != ifindex || !local ||
            rtnl_addr_get_scope(a) != RT_SCOPE_UNIVERSE)
            continue;
        if (same_net(local, prefix, &c->addr4) ||
            same_net(local, prefix, &c->addr6))
            continue;
        r = rtnl_addr_delete(l->req, a, 0);
        if (r == -NLE_NOADDR)
            r = 0;
    }
    nl_cache_free(cache);
    return nl_errno(r);
}

static bool goes_via(struct rtnl_route *route, int ifindex,
                     const struct ipaddr *gateway)
{
    struct rtnl_nexthop *nh = rtnl_route_nexthop_n(route, 0);
    struct nl_addr *via = nh ? rtnl_route_nh_get_gateway(nh) : NULL;

    return via && rtnl_route_nh_get_ifindex(nh) == ifindex && gateway->family &&
           nl_addr_get_len(via) == ipaddr_len(gateway) &&
           memcmp(nl_addr_get_binary_addr(via), gateway->b,
                  ipaddr_len(gateway)) == 0;
}

/* Our static default routes (protocol static) that are not wanted. */
static int drop_routes(struct uplink_link *l, int ifindex, int family,
                       const struct ipaddr *keep)
{
    struct nl_cache *cache = NULL;
    int r = rtnl_route_alloc_cache(l->req, family, 0, &cache);

    if (r < 0)
        return nl_errno(r);
    for (struct nl_object *o = nl_cache_get_first(cache); o && r >= 0;
         o = nl_cache_get_next(o)) {
        struct rtnl_route *route = (struct rtnl_route *)o;
        struct nl_addr *dst = rtnl_route_get_dst(route);

        if (rtnl_route_get_protocol(route) != RTPROT_STATIC ||
            rtnl_route_get_table(route) != RT_TABLE_MAIN || !dst ||
            nl_addr_get_prefixlen(dst) != 0 || goes_via(route, ifindex, keep))
            continue;
        r = rtnl_route_delete(l->req, route, 0);
        if (r == -NLE_OBJ_NOTFOUND)
            r = 0;
    }
    nl_cache_free(cache);
    return nl_errno(r);
}

static int add_default(struct uplink_link *l, int ifindex,
                       const struct ipaddr *gateway)
{
    static const struct ipaddr any4 = {.family = AF_INET};
    static const struct ipaddr any6 = {.family = AF_INET6};
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *nh = rtnl_route_nh_alloc();
    struct nl_addr *dst =
        nl_addr_of(gateway->family == AF_INET ? &any4 : &any6, 0);
    struct nl_addr *via = nl_addr_of(gateway, family_bits(gateway));
    int r = -NLE_NOMEM;

    if (route && nh && dst && via) {
        rtnl_route_set_family(route, gateway->family);
        rtnl_route_set_table(route, RT_TABLE_MAIN);
        rtnl_route_set_protocol(route, RTPROT_STATIC);
        rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
        rtnl_route_set_dst(route, dst);
        rtnl_route_nh_set_ifindex(nh, ifindex);
        rtnl_route_nh_set_gateway(nh, via);
        /* A /32 or /128 address has no network to hold the gateway. */
        rtnl_route_nh_set_flags(nh, RTNH_F_ONLINK);
        rtnl_route_add_nexthop(route, nh);
        nh = NULL;
        r = rtnl_route_add(l->req, route, NLM_F_CREATE | NLM_F_REPLACE);
    }
    if (nh) /* unlike the others, this one takes no NULL */
        rtnl_route_nh_free(nh);
    rtnl_route_put(route);
    nl_addr_put(dst);
    nl_addr_put(via);
    return r == -NLE_EXIST ? 0 : nl_errno(r);
}

static int add_net(struct uplink_link *l, int ifindex, const struct ipnet *n)
{
    if (!n->addr.family)
        return 0;
    return add_address(l, ifindex, &n->addr, n->prefix, RT_SCOPE_UNIVERSE);
}

static int add_gateway(struct uplink_link *l, int ifindex,
                       const struct ipaddr *gateway)
{
    if (!gateway->family)
        return 0;
    return add_default(l, ifindex, gateway);
}

int uplink_link_apply(struct uplink_link *l, const char *ifname,
                      const struct uplink_conf *c, const char **ret_step)
{
    int index;
    int r;

    *ret_step = "interface";
    r = index_of(l, ifname, &index);
    if (r < 0)
        return r;
    *ret_step = "link up";
    r = link_up(l, index);
    if (r < 0)
        return r;
    *ret_step = "old addresses";
    r = drop_addresses(l, index, c);
    if (r < 0)
        return r;
    *ret_step = "address";
    r = add_net(l, index, &c->addr4);
    if (r == 0)
        r = add_net(l, index, &c->addr6);
    if (r < 0)
        return r;
    *ret_step = "old routes";
    r = drop_routes(l, index, AF_INET, &c->gateway4);
    if (r == 0)
        r = drop_routes(l, index, AF_INET6, &c->gateway6);
    if (r < 0)
        return r;
    *ret_step = "default route";
    r = add_gateway(l, index, &c->gateway4);
    if (r == 0)
        r = add_gateway(l, index, &c->gateway6);
    return r;
}
